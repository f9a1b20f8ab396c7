// Problems that the page itself finds.

import { plural } from '../format';

export const problems = {
  no_answer: 'Your office did not answer. Check this device’s connection, then try again. The link is still valid.',
  office_unreachable: 'Your office did not answer. Check this device’s connection and try again.',
  unavailable: 'Your office’s server is not available. Try again in a minute.',
  refused: (status: string) => `Your office’s server refused the request (${status}). Ask your office what to do.`,
  code_wrong: (n: number, count: string) =>
    `This is not the code. Check it with the person who read it to you. ${count} more ${plural(n, { one: 'attempt is', other: 'attempts are' })} left.`,
  code_closed: 'This is not the code. Three wrong codes were typed, and it is closed now. Ask for a new code.',
  note_taker_link:
    'This link is for the office’s note-taker. A note-taker is a program on one of the office’s own machines: enrol it there with “telcon enrol”. A browser cannot write records.',
  keys_not_saved: 'This browser could not save this device’s keys. Free some space, then reload this page.',
  engine_fault:
    'Telcon’s encryption stopped because of an internal fault. Nothing was sent unencrypted. Reload this page.',
  engine_not_loaded: 'Telcon’s encryption could not be loaded. Check the connection and reload this page.',
  start_failed:
    'Telcon could not start: its encryption, or the keys stored in this browser, could not be opened. Reload this page. If that does not help, ask your office for a new enrolment link.',
  not_enrolled: 'This device is not enrolled.',
  record_unchecked: 'This record could not be checked.',
  log_grew: 'The office’s log grew twice while this record was being checked. Try again in a moment.',
  keys_of_newer_version:
    'A newer version of Telcon stored this device’s keys. Reload this page. If that does not help, tell your office.',
  wrong_protector:
    'This does not open this device’s keys. Use the passkey or PIN that you chose on this device, or ask your office for a new enrolment link.',
  last_protector: 'This is the last passkey or PIN of this device. Add another one first.',
  too_many_protectors: 'This device has too many passkeys. Remove one first.',
  not_confirmed: 'Nothing was confirmed. Try again, and use the passkey of this device.',
  no_prf: 'This passkey cannot protect keys. Use another authenticator or browser, or a PIN.',
  no_prf_new:
    'This passkey cannot protect keys. Use another authenticator or browser, or a PIN. The authenticator keeps the new passkey: you can delete it there.',
  not_registered:
    'This passkey now opens this device, but your office did not confirm it. Choose a passkey or a PIN once more: it will replace this one.',
  passkey_not_added:
    'Your office did not confirm the new passkey, so it was not added. You can delete it from the authenticator and try again.',
  passkey_unknown:
    'This passkey opens this device, but your office did not accept it. Use another passkey or the PIN of this device. If you have none, ask your office for a new enrolment link.',
  opened_without_office:
    'Your office could not be reached when you unlocked this device. It can be reached again: unlock the device once more.',
  unlock_again: 'Your office asks you to unlock this device again.',
  not_removed_at_office:
    'It was removed from this device, but your office does not know that yet. This device will tell your office when you next unlock it.',
  not_erased: 'This browser could not erase the device. Reload this page and try again.',
  passkey_there: 'This authenticator already has a passkey for this device. Use another one.',
  passkey_failed: 'The passkey could not be used. Try again, or use another authenticator or a PIN.',
  pin_wrong: (n: number, count: string) =>
    `Wrong PIN. ${count} ${plural(n, { one: 'attempt is', other: 'attempts are' })} left.`,
  pin_wait: (n: number, count: string) =>
    `Too many wrong PINs. Wait ${count} ${plural(n, { one: 'second', other: 'seconds' })}, then try again.`,
  pin_erased:
    'After too many wrong PINs your office erased its part of the key. The PIN no longer opens anything. Use a passkey of this device, or ask your office for a new enrolment link.',
  protected_elsewhere:
    'This copy of the device is out of date. The device was protected by a passkey or PIN, and your office lets it sign in only that way. If you did not protect it, tell your security officer.',
  sso_refused: 'The sign-in page reports that nobody signed in. Try again, or ask your office.',
  no_own_passkey:
    'Nobody signed in. If your passkey is not on this device, choose your phone or a security key when your browser asks. If you have no passkey, protect a device of your own with one first, in its settings.',
  outdated:
    'This page is older than your office allows, and loading it again did not help. Close all of its tabs and open it again. If that does not help, tell your office.',
  record_unproven:
    'The record of this call could not be verified, so nothing is written from it. Open the record to see which check failed.',
  document_changed: 'Somebody else changed this document meanwhile. Look at their version, then save yours again.',
  document_missing: 'This document does not exist, or you may not read it any more.',
  document_incomplete:
    'The office’s server did not show all versions of this document. Try again; if that does not help, tell your security officer.',
  unknown: 'Something went wrong on this device. Reload this page and try again.',
  ask_office: 'Ask your office what to do.',
};
