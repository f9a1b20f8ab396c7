// A new device that waits for a security officer.

export const asking = {
  /** What a device says it is. */
  label: (browser: string, system: string) => `${browser} on ${system}`,
  a_browser: 'A browser',
  starting: {
    title: 'One moment',
    sentence: 'This browser is making its keys. They never leave it.',
    unreachable: 'Your office does not answer yet. The link is unused. Keep this page open: it tries again by itself.',
  },
  waiting: {
    title: 'Read this code to your security officer',
    how: 'By telephone or in person, never over the channel by which the link came.',
    code: 'The code is',
    same: 'The security officer sees the same code. If it differs, do not go on: somebody is in between.',
    next: 'Once the security officer approves, Telcon opens here by itself. You may close this page and open it again.',
    until: (time: string) => `The security officer can answer until ${time}.`,
    unreachable: 'Your office does not answer. This page tries again by itself.',
    other_link: 'The link that you opened was not used: this browser is waiting already.',
    stop: 'Stop waiting',
    stop_why: 'To use another link here. The code above then becomes void.',
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
  not_completed: {
    title: 'This device was approved, and could not be enrolled',
    sentence: (why: string) =>
      `${why} Check this device’s clock and reload this page. If that does not help, tell your security officer.`,
  },
  used: { kind: 'Warning', title: 'Another device opened this link first' },
  used_sentences: [
    'If that was not you, tell your office at once, by telephone or in person: somebody else may have the link.',
    'If it was you, in another browser, go on there, or ask your office for another link.',
  ],
  erased: 'Nothing is stored on this browser.',
};
