// A page that its office refuses because of its age is loaded again, once.

const RELOADED = 'telcon.reloaded_for_version';

/** Whether a reload may still help. Without storage it is not tried: it would be tried again and again. */
export function may_reload(): boolean {
  try {
    if (sessionStorage.getItem(RELOADED) !== null) return false;
    sessionStorage.setItem(RELOADED, '1');
    return true;
  } catch {
    return false;
  }
}

/** The office signed this page in. */
export function is_current(): void {
  try {
    sessionStorage.removeItem(RELOADED);
  } catch {
    // There is no storage, so that nothing is in it.
  }
}
