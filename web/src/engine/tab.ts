// One tab holds the engine. Two would use one device's counters twice.

const LOCK = 'telcon-engine';

/** Resolves when this tab is the one; until the other closes, `waiting` is told. The lock is held while the tab lives. */
export function be_the_one(waiting: () => void, locks: LockManager = navigator.locks): Promise<void> {
  const forever = new Promise<never>(() => undefined);
  return new Promise((granted, refused) => {
    locks
      .request(LOCK, { ifAvailable: true }, (lock) => {
        if (lock) {
          granted();
          return forever;
        }
        waiting();
        locks.request(LOCK, () => {
          granted();
          return forever;
        }).catch(refused);
        return undefined;
      })
      .catch(refused);
  });
}
