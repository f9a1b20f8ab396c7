// Only one tab runs the engine: two would use one device's nonces and counters twice.

const LOCK = 'telcon-engine';

/** Resolves when this tab holds the lock; calls `waiting` if another tab holds it. It is held until the tab closes. */
export function acquire_tab_lock(waiting: () => void, locks: LockManager = navigator.locks): Promise<void> {
  const forever = new Promise<never>(() => undefined);
  return new Promise((granted, refused) => {
    locks
      .request(LOCK, { ifAvailable: true }, (lock) => {
        if (lock) {
          granted();
          return forever;
        }
        waiting();
        locks
          .request(LOCK, () => {
            granted();
            return forever;
          })
          .catch(refused);
        return undefined;
      })
      .catch(refused);
  });
}
