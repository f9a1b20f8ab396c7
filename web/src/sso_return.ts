// What the office's provider sent the browser back with. It leaves the address and the history at once, as an enrolment link does, and is
// kept for this page alone: a reload begins the sign-in anew.

/** The path to which the provider sends the browser back. */
const PATH = '/sso';

/** `null`: the provider says that nobody signed in. */
export type SsoReturn = { state: string; code: string } | null;

let returned: SsoReturn | undefined;

/** Takes it out of the address; to be called before anything else reads that. */
export function catch_return(): void {
  if (location.pathname !== PATH) return;
  const query = new URLSearchParams(location.search);
  const [state, code] = [query.get('state'), query.get('code')];
  returned = state && code ? { state, code } : null;
  history.replaceState(null, '', '/');
}

/** What the browser was sent back with, once; `undefined` if it was not. */
export function take_return(): SsoReturn | undefined {
  const taken = returned;
  returned = undefined;
  return taken;
}
