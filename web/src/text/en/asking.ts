// A new device that waits for a security officer.

export const asking = {
  starting: {
    title: 'One moment',
    sentence: 'This browser is making its keys. They never leave it.',
    unreachable:
      'Your office has not answered yet, and the link is still unused. Keep this page open: it tries again by itself.',
    refused: (why: string) => `${why} The link is still unused, and this page tries again by itself.`,
  },
  waiting: {
    title: 'Read this code to your security officer',
    how: 'By telephone or in person, never over the channel that brought the link.',
    code: 'The code is',
    same: 'The security officer sees the same code. If theirs is different, stop: somebody may have come between you.',
    next: 'Once the security officer approves, Telcon opens here by itself. You may close this page and open it again.',
    until: (time: string) => `The security officer can answer until ${time}.`,
    first_approved:
      'One of two approvals: a security officer has approved this device. Read the code to the second one as well.',
    unreachable: 'Your office does not answer. This page tries again by itself.',
    other_link: 'The link that you opened was not used: this browser is waiting already.',
  },
  refused: {
    title: 'Your security officer did not approve this device',
    sentence: 'If you expected approval, ask your office for another link.',
  },
  expired: {
    title: 'Nobody answered in time',
    sentence: 'Ask your office for another link, and read the code out as soon as you have opened it.',
  },
  /** The certificates that came do not verify. */
  unverified: {
    title: 'This device was approved, but cannot verify the approval',
    sentence: (why: string) => `What your office sent does not pass this device’s check. ${why}`,
    next: 'Check this device’s clock, then reload this page. If that does not help, tell your security officer.',
    kept: 'This browser keeps its keys, and asks again after the reload.',
  },
  not_saved: 'This device was approved, but is not enrolled yet',
  stop: {
    action: 'Stop and erase this request',
    why: 'The request becomes void, and this browser can open another link.',
    failed: 'This request was not erased',
    failed_why: 'This browser could not erase its keys. Try again, or reload this page to go on with the request.',
  },
  used: { kind: 'Warning', title: 'Another device opened this link first' },
  used_sentences: [
    'If that was not you, tell your office at once, by telephone or in person: somebody else may have the link.',
    'If it was you, in another browser, go on there, or ask your office for another link.',
  ],
  erased: 'Nothing is stored on this browser.',
  not_erased:
    'This browser could not erase the keys of this request. They are of no use now. Reload this page to try again.',
};
