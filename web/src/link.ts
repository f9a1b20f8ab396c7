// The enrolment link with which this page was opened. Its secret leaves the address and the history at once: a later reader
// (over a shoulder, in a synchronized history, with the Back button) finds nothing. Until the link is used, a reload of this tab finds
// it in the tab's storage.

const NAME = 'telcon.link';
/** What precedes the secret of an enrolment link in its address. */
export const LINK_PREFIX = '#enrol=';

/** Without storage the link lasts until the page is closed. */
let in_memory: string | null = null;

/** Whether the address has a link. */
export const has_link = (): boolean => location.hash.startsWith(LINK_PREFIX);

/** Puts a link back into the address: the page is about to be loaded again with it. */
export function put_back_link(fragment: string): void {
  history.replaceState(null, '', `${location.pathname}${LINK_PREFIX}${fragment}`);
}

/** The fragment of the link that this tab was opened with and has not used. */
export function opened_link(): string | null {
  if (has_link()) {
    keep(location.hash.slice(LINK_PREFIX.length));
    history.replaceState(null, '', location.pathname);
  }
  try {
    return sessionStorage.getItem(NAME) ?? in_memory;
  } catch {
    return in_memory;
  }
}

/** The link was used, or is of no use. */
export function forget_link(): void {
  opened_link();
  in_memory = null;
  try {
    sessionStorage.removeItem(NAME);
  } catch {
    // There is no storage, so that nothing is in it.
  }
}

function keep(fragment: string): void {
  in_memory = fragment;
  try {
    sessionStorage.setItem(NAME, fragment);
    in_memory = null;
  } catch {
    // See `in_memory`.
  }
}
