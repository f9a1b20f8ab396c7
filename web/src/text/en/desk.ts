import { plural } from '../format';

export const desk = {
  title: 'Desk',
  titles: { scheduler: 'Calls today', interpreter: 'Interpreting' },
  other_calls: 'Other calls',
  log_ok: (time: string) => `Log verified at ${time}`,
  log_bad: 'The log is not intact',
  live: (duration: string) => `Live now · ${duration}`,
  ringing: (duration: string) => `Ringing · ${duration}`,
  reconnecting: 'Reconnecting',
  joining: 'Joining the call…',
  being_added: 'You are being added to the call. Everyone will see it.',
  not_answered: 'Not answered yet: nobody can hear anything.',
  listening: (names: string) => `Listening: ${names}. Everyone can see this.`,
  you: 'you',
  nobody_listens: 'Nobody is listening besides the two speakers.',
  others_listen: (n: number, count: string) =>
    plural(n, {
      one: 'One more device is in the call. Join to see which.',
      other: `${count} more devices are in the call. Join to see which.`,
    }),
  others_in_call: (n: number, count: string) =>
    plural(n, { one: 'One more device is in the call.', other: `${count} more devices are in the call.` }),
  with_note_taker: 'Also in the call: the note-taker.',
  with_note_taker_and: (n: number, count: string) =>
    plural(n, {
      one: 'Also in the call: the note-taker and one listener.',
      other: `Also in the call: the note-taker and ${count} listeners.`,
    }),
  join: 'Join as visible listener',
  join_hint: 'Read the captions and listen. Everyone in the call will see you.',
  join_hint_listen: 'Listen. Everyone in the call will see you; you are not heard.',
  also_now: 'Other live calls',
  recent: 'Recent calls',
  none_recent: 'No calls yet.',
  /** Read out before a row. */
  view_record: 'View record: ',
  now: 'Now',
  no_call: 'No calls in progress',
  not_connected: 'Offline. What you see may be out of date; this page keeps trying to reconnect.',
  transcript: 'Captions',
  draft: 'Automatic draft, not a record',
  uncertain: 'uncertain: ',
  uncertain_key: 'Dotted words are uncertain',
  /** In the place of words that were not understood. */
  marks: {
    beginning: '[beginning not understood]',
    unclear: '[unclear]',
    other_language: '[speech in another language]',
    repetition: '[repetition left out]',
    failed: '[not transcribed]',
  },
  behind: (seconds: string) => `${seconds} s behind`,
  log_only: 'Nothing said in this call is written down: only the log is kept.',
  quiet: 'Listening. Captions of what is said from now on appear here.',
  no_captions: 'There are no captions: no note-taker is in this call.',
  sealed_entry: (entry: string, sealed: string) => `${sealed}, log entry ${entry}`,
  health: {
    title: 'Status',
    office: 'Office server',
    log: 'Log',
    log_entries: (time: string, n: number, entries: string) =>
      `Verified at ${time}, ${entries} ${plural(n, { one: 'entry', other: 'entries' })}`,
    calls: 'Calls now',
    calls_now: (live: string, ringing: string) => `${live} live, ${ringing} ringing`,
    calls_unrecorded: (n: number, count: string) =>
      plural(n, { one: `${count} call is not being recorded`, other: `${count} calls are not being recorded` }),
    note_takers: 'Note-takers',
    note_takers_unknown: 'Not known yet',
    note_takers_away: 'None is connected: calls are not recorded',
    note_takers_busy: (n: number, count: string) =>
      plural(n, {
        one: 'The only one is busy: another call would not be recorded',
        other: `All ${count} are busy: another call would not be recorded`,
      }),
    note_takers_ready: (_n: number, connected: string, busy: string) => `${connected} connected, ${busy} busy`,
    note_takers_none: 'None has joined: the call would not be recorded',
    people: 'People',
    people_available: (available: string, all: string) => `${available} of ${all} available`,
    mode: 'Minimum record',
    records: 'Records',
    records_loading: 'Loading',
    records_failed: 'The list of calls could not be loaded',
    records_stale: 'The list of calls could not be refreshed',
    records_ok: 'All ended calls have their record',
    records_missing: (n: number, count: string) =>
      plural(n, { one: `${count} recent call has no record`, other: `${count} recent calls have no record` }),
    records_pending: (n: number, count: string) =>
      plural(n, { one: `${count} record is being sealed`, other: `${count} records are being sealed` }),
    all_well: 'All is well',
    nothing_known: 'Nothing known to be wrong',
    attention: 'Needs attention',
    checking: 'Checking',
    alerts: 'Alerts',
    alerts_open: (n: number, count: string) => plural(n, { one: `${count} open alert`, other: `${count} open alerts` }),
  },
};
