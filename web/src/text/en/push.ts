// Notifications while the page is closed. The worker shows `shown`: plain texts only, so that it is a few kilobytes.

export const push = {
  title: 'Alerts while the page is closed',
  ask: 'Notify me when the page is closed',
  why: 'Your browser’s push service carries the notifications. It learns when there is one, and not what it says.',
  off: 'Off. You see alerts only while this page is open.',
  on: 'On. This browser shows the office’s alerts also while this page is closed.',
  turn_off: 'Turn off these notifications',
  blocked: 'Blocked by this browser',
  blocked_how:
    'To turn them on, open the site settings next to the page’s address, allow notifications, and reload the page.',
  unsupported: 'This browser cannot show notifications while the page is closed.',
  no_push: 'This office sends no notifications while the page is closed.',
  failed: 'It could not be changed',
  shown: {
    language: 'en',
    title: 'Telcon: alert for the security officer',
    other_title: 'Telcon',
    /** Of a message that is not an alert that this version knows. */
    other: 'Open Telcon',
    kinds: {
      device_asked: 'A new device asks to be enrolled.',
      device_enrolled: 'A device was enrolled.',
      device_refused: 'A device was refused.',
      device_revoked: 'A device was revoked.',
      link_opened_again: 'An invitation’s link was opened on a second device.',
      registrar_appointed: 'A device was appointed as a registrar.',
      sign_in_failed: 'A sign-in failed.',
      ring_refused: 'A device sent a ring that does not verify.',
      proof_invalid: 'On a device, a proof did not check.',
      log_forked: 'A device was shown another log than before.',
      ring_invalid: 'The server delivered a ring that does not verify.',
    },
  },
};
