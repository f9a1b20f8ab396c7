// Notifications while the page is closed. The worker shows `shown`: plain texts only, so that it is a few kilobytes.

export const push = {
  /** Of people who are rung. */
  rings: {
    title: 'Calls while the page is closed',
    ask: 'Ring me when the page is closed',
    why: 'Your browser’s push service carries the notification. It learns when one is sent, but not who rings.',
    off: 'Off. You are rung only while this page is open.',
    on: 'On. This browser notifies you of calls even while this page is closed.',
    turn_off: 'Do not ring me when the page is closed',
  },
  /** Of security officers. */
  alerts: {
    title: 'Alerts while the page is closed',
    ask: 'Notify me when the page is closed',
    why: 'Your browser’s push service carries the notifications. It learns when one is sent, but not what it says.',
    off: 'Off. You see alerts only while this page is open.',
    on: 'On. This browser shows the office’s alerts even while this page is closed.',
    turn_off: 'Turn off these notifications',
  },
  not_now: 'Not now',
  later_in_settings: 'You can change it in Settings.',
  blocked: 'Blocked by this browser',
  blocked_how:
    'To turn them on, open the site settings next to the page’s address, allow notifications, and reload the page.',
  unsupported:
    'This browser cannot show notifications while the page is closed. On an iPhone or iPad, add this page to the Home Screen first, and open it from there.',
  no_push: 'This office sends no notifications while the page is closed.',
  failed: 'It could not be changed.',
  shown: {
    language: 'en',
    title: 'Telcon: alert for the security officer',
    ring: { title: 'Incoming call', body: 'Open Telcon to see who. Their identity is verified there.' },
    see: 'See who rings',
    later: 'Not now',
    missed: { title: 'You missed a call', body: 'Open Telcon to see who rang.' },
    asked: { title: 'Your office asks you to a call', body: 'Open Telcon to see who is in it and take over.' },
    over: { title: 'The call is over', body: 'It was answered or declined.' },
    other_title: 'Telcon',
    /** Of a message that this version does not know. */
    other: 'Open Telcon',
  },
};
