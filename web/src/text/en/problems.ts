// Problems that the page itself finds.

export const problems = {
  no_answer: 'Your office did not answer. Check this device’s connection, then try again. The link is still valid.',
  office_unreachable: 'Your office did not answer. Check this device’s connection and try again.',
  unavailable: 'Your office’s server is not available. Try again in a minute.',
  refused: (status: string) => `Your office’s server refused the request (${status}). Ask your office what to do.`,
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
  unknown: 'Something went wrong on this device. Reload this page and try again.',
  ask_office: 'Ask your office what to do.',
};
