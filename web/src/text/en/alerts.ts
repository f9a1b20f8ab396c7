// What security officers are told, and devices that were added in somebody's name.

import { plural } from '../format';
import { isolate } from '../isolate';
import { alert_kinds } from './alert_kinds';
import { mid } from './names';

export const alerts = {
  title: 'Alerts',
  intro:
    'Each alert is an entry of the office’s log: an auditor can check that none is missing here. Marking one as seen hides nothing.',
  intro_auditor:
    'Each alert is an entry of the office’s log: compare this list with the log to find one that is missing. Security officers mark what they have seen.',
  unseen: (n: number, count: string) => `${count} ${plural(n, { one: 'unseen alert', other: 'unseen alerts' })}`,
  /** Read out after a number of alerts. */
  not_seen: (n: number) => plural(n, { one: 'unseen', other: 'unseen' }),
  levels: { red: 'Act now', amber: 'Check', quiet: 'For your information' },
  means: 'What it means',
  act: 'What to do',
  entry: (index: string) => `Log entry ${index}`,
  times: (count: string) => `${count} times since the previous alert`,
  device_of: (title: string, name: string) => `Device of ${mid(name)}: ${isolate(title)}`,
  not_enrolled: 'Devices that are not enrolled here',
  unknown_device: 'A device that is not in the list',
  /** For those who do not see the list of devices: the beginning of its identifier. */
  device_id: (id: string) => `Device ${id}…`,
  /** For those who cannot act on it themselves. */
  ask: (index: string) => `Ask the security officer about log entry ${index}.`,
  show_devices: 'Show devices',
  see: 'Mark as seen',
  see_one: (what: string) => `Mark as seen: ${what}`,
  see_all: 'Mark all of these as seen',
  seen: (name: string, time: string) => `Seen by ${mid(name)}, ${time}`,
  an_officer: 'a security officer',
  older: 'Show older alerts',
  kinds: {
    device_asked: {
      what: alert_kinds.device_asked,
      means: 'Somebody opened an invitation’s link. The device can do nothing until it is approved.',
      act: 'Have the person read you the code by telephone or in person, then approve. Refuse it if the codes differ.',
    },
    device_enrolled: {
      what: alert_kinds.device_enrolled,
      means: 'It can now ring, answer or listen as the person’s role allows.',
      act: 'If you did not expect it, revoke it at once and ask who approved it.',
    },
    device_refused: {
      what: alert_kinds.device_refused,
      means: 'A security officer did not approve it. It is not enrolled, and its link is used up.',
      act: 'If it was not you, ask the officer why. To let the person try again, invite them again.',
    },
    device_revoked: {
      what: alert_kinds.device_revoked,
      means:
        'It is signed out, its calls have ended, and it can do nothing any more. If a security officer ordered it, it also erases its keys when it connects.',
      act: 'If you did not expect it, ask the other officers and the holder of the authority what happened.',
    },
    recovery_opened: {
      what: alert_kinds.recovery_opened,
      means: 'A security officer stated it. Nothing follows until another security officer confirms it.',
      act: 'Speak to the person before anybody confirms it. If they have their devices, refuse it and ask the officer why.',
    },
    recovery_confirmed: {
      what: alert_kinds.recovery_confirmed,
      means:
        'The old devices are revoked and erase themselves. One new device may ask, and both officers have to approve it.',
      act: 'If the person did not ask for it, refuse the recovery at once, and tell the holder of the authority.',
    },
    recovery_closed: {
      what: alert_kinds.recovery_closed,
      means: 'Either a new device of the person is enrolled, or the recovery was withdrawn, refused, or took too long.',
      act: 'If a device was enrolled, make sure with the person that it is theirs.',
    },
    link_opened_again: {
      what: alert_kinds.link_opened_again,
      means: 'Either the person tried another device, or somebody else has the link.',
      act: 'Ask the person whether it was them. If not, refuse the device and send a new link over another channel.',
    },
    registrar_appointed: {
      what: alert_kinds.registrar_appointed,
      means: 'It can now invite people and approve their devices. Only the holder of the authority can do this.',
      act: 'If you did not expect it, revoke that device, and ask the holder of the authority who used its key.',
    },
    sign_in_failed: {
      what: alert_kinds.sign_in_failed,
      means:
        'Somebody signed in as a device without having its key, as one that is not enrolled, or with an office account that is not theirs. They gained no access.',
      act: 'A single failure may come from a browser whose data was restored. If it repeats, ask the person, and tell the server’s operator.',
    },
    account_linked: {
      what: alert_kinds.account_linked,
      means: 'From now on, this person signs in with this account and no other. The list of devices names it.',
      act: 'Check that the account is theirs. If it is not, revoke that device and have the account forgotten.',
    },
    ring_refused: {
      what: alert_kinds.ring_refused,
      means:
        'Its signature or certificate is wrong. Telcon’s own programs do not send such rings. It was not put through.',
      act: 'Ask the person to stop using the device. Revoke it unless there is a harmless explanation.',
    },
    proof_invalid: {
      what: alert_kinds.proof_invalid,
      means:
        'A certificate, signature or log proof in a call was wrong. The device ended the call or kept somebody out.',
      act: 'Speak to the person by other means. Have the server examined before the next confidential call.',
    },
    log_forked: {
      what: alert_kinds.log_forked,
      means:
        'The log does not continue what the device saw. It may have been rewritten, or different people may be shown different logs.',
      act: 'Stop confidential calls. Keep a copy of the archive, verify it with the device’s checkpoint, and have the server examined.',
    },
    ring_invalid: {
      what: alert_kinds.ring_invalid,
      means:
        'Somebody tried to ring under a false name, or the server changed the ring. It was not shown to the person as a call.',
      act: 'Speak to the person by other means. Have the server examined, and compare the calls in the log.',
    },
    code_guessed: {
      what: alert_kinds.code_guessed,
      means:
        'This device showed a code for an enrolment, and three wrong ones were typed. The person mistyped it, or somebody guessed. Nothing was handed over.',
      act: 'Ask the person whether they mistyped it. If not, hand the link over by other means, and tell the server’s operator.',
    },
    line_suspect: {
      what: alert_kinds.line_suspect,
      means:
        'Whoever answered, or their desk, said that the caller is not the holder of the line. It cannot be used now.',
      act: 'Speak to the holder by other means. If their device is lost, end the line. The principal can use it again, or give a new one.',
    },
  },
  added: {
    approved: (label: string, name: string, time: string) =>
      `A new device was added in your name: ${isolate(label)}, approved by ${mid(name)}, ${time}. If you did not expect it, tell your security officer now.`,
    by_link: (time: string) =>
      `A new device was added in your name, with a link from your office, ${time}. If you did not expect it, tell your security officer now.`,
    done: 'I expected it',
  },
  empty: { title: 'No alerts', sentence: 'What concerns the security of this office appears here.' },
  loading: { title: 'One moment', sentence: 'The list of alerts is loading.' },
  no_connection: { title: 'No connection', sentence: 'The list of alerts appears when the connection is back.' },
  failed: 'The list of alerts could not be loaded',
  stale: 'Offline. This list may be out of date, and nothing can be marked until the connection is back.',
  not_refreshed: (why: string) => `This list may be out of date: it could not be loaded again. ${why}`,
};
