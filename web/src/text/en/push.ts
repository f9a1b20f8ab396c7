// Notifications while the page is closed. The worker shows `shown`: plain texts only, so that it is a few kilobytes.

export const push = {
  title: 'Alerts while the page is closed',
  ask: 'Notify me when the page is closed',
  why: 'Your browser’s push service carries the notifications. It learns when one is sent, but not what it says.',
  off: 'Off. You see alerts only while this page is open.',
  on: 'On. This browser shows the office’s alerts even while this page is closed.',
  turn_off: 'Turn off these notifications',
  blocked: 'Blocked by this browser',
  blocked_how:
    'To turn them on, open the site settings next to the page’s address, allow notifications, and reload the page.',
  unsupported: 'This browser cannot show notifications while the page is closed.',
  no_push: 'This office sends no notifications while the page is closed.',
  failed: 'It could not be changed.',
  shown: {
    language: 'en',
    title: 'Telcon: alert for the security officer',
    other_title: 'Telcon',
    /** Of a message that is not an alert that this version knows. */
    other: 'Open Telcon',
  },
};
