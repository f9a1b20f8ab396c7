// What the page asks of the browser so that a call survives its surroundings.

/** Keeps the screen awake until the returned function is called. Browsers release the lock of a hidden page, so it is taken again. */
export function keep_awake(): () => void {
  if (!('wakeLock' in navigator)) return () => undefined;
  let wanted = true;
  let held: WakeLockSentinel | null = null;
  const take = () => {
    if (document.hidden || (held !== null && !held.released)) return;
    navigator.wakeLock.request('screen').then(
      (lock) => {
        held = lock;
        if (!wanted) void lock.release();
      },
      () => undefined,
    );
  };
  take();
  document.addEventListener('visibilitychange', take);
  return () => {
    wanted = false;
    document.removeEventListener('visibilitychange', take);
    void held?.release();
  };
}

/** Has the browser ask before this tab is closed or reloaded. Its own words are shown; pages cannot choose them. */
export function ask_before_leaving(): () => void {
  const ask = (event: BeforeUnloadEvent) => event.preventDefault();
  addEventListener('beforeunload', ask);
  return () => removeEventListener('beforeunload', ask);
}

/** Asks that the browser does not delete this device's keys when the disk is full, unless it has promised that already. */
export async function keep_storage(): Promise<void> {
  try {
    if (!(await navigator.storage.persisted())) await navigator.storage.persist();
  } catch {
    // A browser without this promise keeps storage as long as it can.
  }
}
