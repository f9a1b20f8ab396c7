import { plural } from '../format';
import { mid } from './names';

export const records = {
  title: 'Calls',
  stale: 'Offline. This list may be out of date; it is refreshed when the connection is back.',
  failed: 'The list could not be loaded',
  not_refreshed: (why: string) => `This list may be out of date: it could not be loaded again. ${why}`,
  no_connection: {
    title: 'No connection',
    sentence: 'The list of calls is kept at your office. It is loaded when the connection is back.',
  },
  older: 'Show older calls',
  loading: { title: 'One moment', sentence: 'Loading the list of calls.' },
  empty: { title: 'No calls yet', sentence: 'Every call and every attempt will be listed here, with its proof.' },
  you_called: 'You called',
  called_you: 'Called you',
  /** Compound state of a row. */
  ringing: 'ringing',
  live: 'live now',
  missed: 'Missed',
  missed_calls: (n: number, count: string) =>
    plural(n, { one: `${count} missed call`, other: `${count} missed calls` }),
  unanswered_calls: (n: number, count: string) =>
    plural(n, { one: `${count} unanswered call`, other: `${count} unanswered calls` }),
  ended: {
    hung_up: 'ended',
    declined: 'declined',
    cancelled: 'cancelled by the caller',
    missed: 'no answer',
    busy: 'busy',
    failed: 'stopped: a device rejected what it received',
    interrupted: 'connection lost',
    revoked: 'ended: a device was revoked, or a delegation ended',
  },
  sealed: 'Sealed',
  sealed_partial: 'Sealed, incomplete',
  no_record: 'No record',
  not_sealed: 'Being sealed',
  overdue: 'Record overdue',
  modes: { log_only: 'Log only', memo: 'Transcript', audio: 'Transcript and audio' },
  one: {
    title: 'Record',
    heading: 'Record of a telephone conversation',
    caution: 'This sheet does not show what was said. This device can prove the record; it cannot read it.',
    proof: 'Proof',
    failed: 'The record could not be checked',
    no_connection: {
      title: 'No connection',
      sentence: 'The proof is kept at your office. It is loaded and checked when the connection is back.',
    },
    loading: { title: 'One moment', sentence: 'The proof is being loaded and checked on this device.' },
    which: (names: string, date: string) => `${names}, ${date}`,
    passed: 'Passed: ',
    pending: 'Pending: ',
    overdue: 'Overdue: ',
    not_passed: 'Failed: ',
    not_refreshed: (why: string) => `Checked earlier. It could not be checked again. ${why}`,
  },
  fields: {
    participants: 'Participants',
    listened: 'Listeners',
    date: 'Date',
    time: 'Time',
    duration: 'Duration',
    placed: 'Placed',
    ended: 'Ended',
    kept: 'Kept',
    at: (time: string, name: string) => `${time} for ${mid(name)}`,
    at_day_before: (time: string, name: string) => `${time} for ${mid(name)} (the day before)`,
    at_day_after: (time: string, name: string) => `${time} for ${mid(name)} (the day after)`,
    direct: (time: string) => `Direct call, opened at ${time} your time`,
    not_ended: 'Still in progress',
    attempt: 'The attempt, in the log',
    log_only: 'Log only',
    should_be: (mode: string) => `Should have been kept: ${mode}`,
    wrote: (person: string) => `${person} (wrote the record)`,
    nobody: 'None',
  },
  how: {
    hung_up: 'Hung up by a participant',
    declined: 'Declined',
    cancelled: 'Cancelled by the caller',
    missed: 'Not answered',
    busy: 'The person called was in another call',
    failed: 'Stopped: a device rejected what it received, or could not encrypt',
    interrupted: 'The connection was lost',
    revoked: 'A device in the call was revoked, or a delegation ended',
  },
  seal: {
    several: (count: string) => `Sealed in ${count} records. The custodians can open them.`,
    several_partial: (count: string) => `Sealed in ${count} records, all incomplete.`,
    several_by: (count: string) => `${count} note-takers listened, and each sealed what it heard.`,
    several_partial_by: (count: string) =>
      `${count} note-takers listened, and each sealed what it heard. The records say what is missing and why.`,
    partial: {
      title: 'Sealed, incomplete.',
      sentence:
        'The note-taker states that something is missing. The record says what and why; the custodians can open it.',
    },
    whole: {
      title: 'Sealed. The custodians can open it.',
      sentence: 'It was sealed on the note-taker’s machine. Neither this device nor the server has a key to it.',
    },
    broken: {
      title: 'This record cannot be trusted.',
      sentence: 'A check failed: what this sheet says may not be what happened.',
    },
    not_over: { title: 'The call is still in progress.', sentence: 'Its record is sealed when it ends.' },
    nothing_said: { title: 'There was no conversation.', sentence: 'The attempt itself is in the log.' },
    log_only: {
      title: 'Only the log was kept.',
      sentence: 'Who called, when, and how it ended. Nothing that was said was written down.',
    },
    none: {
      title: 'There is no record.',
      sentence:
        'What was said was not written down, or was not delivered. The log states the reason, where anyone can check it.',
    },
    overdue: {
      title: 'The record is overdue.',
      sentence:
        'It should have arrived within minutes of the call, and the log gives no reason. Tell your records officer.',
    },
    pending: {
      title: 'The record has not arrived yet.',
      sentence: 'The note-taker delivers it as soon as it can. A record that stays missing appears in the gap report.',
    },
  },
  verdict: {
    when: (time: string) => `Checked on this device at ${time}, without trusting the server.`,
    pending: 'Not complete yet',
    call_goes_on: 'The call is still in progress. Everything so far is in order.',
    overdue: 'Record overdue',
    overdue_why:
      'The record should have arrived by now, and the log gives no reason. Everything else is in order. Tell your records officer.',
    on_its_way: 'The record is on its way. Everything so far is in order.',
    none: 'There is no record',
    none_why: (why: string) => `The log states the reason: ${why}.`,
    partial: 'Genuine but incomplete',
    partial_why: 'The note-taker states that something is missing. The record says what and why.',
    whole: 'Genuine and complete',
    attempt: 'The attempt is in the log',
    log_only: 'The call is in the log',
    broken: 'This record cannot be trusted',
    broken_why: (n: number, count: string) =>
      plural(n, {
        one: `${count} check failed. Tell your records officer.`,
        other: `${count} checks failed. Tell your records officer.`,
      }),
  },
  /** Titles of checks, as the engine names them in English. */
  checks: {
    opened: 'Entered in the log before it rang',
    devices: 'Every device is in the log',
    ended: 'Its end is in the log',
    line: 'Matches what was signed',
    missing: 'No record: the log states why',
    sealed: 'Sealed by its note-taker',
    digest: 'Digest is in the log',
    continues: 'The log continues what this device has seen',
    waiting: 'Expected once the record is sealed.',
    waiting_end: 'Expected when the call ends.',
    late: 'It should have arrived by now.',
  },
  details: {
    line: 'Names, mode and times',
    entry: (n: string) => `Log entry ${n}`,
    size: (n: string) => `Log of ${n} entries`,
    devices: (list: string) => `Device log entries ${list}`,
    parts: (name: string, n: number, count: string) =>
      `${name} · ${plural(n, { one: `${count} part`, other: `${count} parts` })}`,
    partial: (parts: string) => `${parts} · incomplete`,
    digest: (entry: string, n: number, count: string) =>
      `Log entry ${entry} · proof of ${plural(n, { one: `${count} hash`, other: `${count} hashes` })}`,
  },
};
