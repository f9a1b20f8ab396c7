import { capitalise, plural } from '../format';
import { isolate } from '../isolate';
import { mid } from './names';

/** What two versions of the log mean, and what to do. */
const TWO_LOGS =
  'Calls or devices may be hidden from you. Save the evidence, give it to the security officer by some means other than this office’s server, and make no confidential calls until this is explained.';

export const call = {
  private_verified: 'Private, verified',
  private: 'Private',
  on_record: {
    log_only: 'Logged only',
    memo: 'On the record: transcript',
    audio: 'On the record: transcript and audio',
  },
  not_recorded: 'Not being recorded',
  note_taker_joining: 'Note-taker joining',
  timer: 'Time in this call',
  you_are_muted: 'You are muted',
  same_words: 'Same words on every screen',
  in_call: 'In this call',
  nobody_else: 'Nobody else can hear',
  keys_pending: 'The devices are agreeing on keys.',
  mute: 'Mute',
  unmute: 'Unmute',
  end: 'End call',
  stop_listening: 'Stop listening',
  more_below: 'More below',
  your_level: 'Your microphone level',
  speaking: 'speaking',
  listens: (names: string, n: number) => `${capitalise(names)} ${plural(n, { one: 'is', other: 'are' })} listening`,
  does: {
    principal: 'speaker',
    counterpart: 'speaker',
    duty_officer: 'listener',
    note_taker: 'listener, transcribing',
    interpreter: 'listener, interpreter',
    // They join no calls.
    scheduler: 'member',
    auditor: 'member',
    security_officer: 'member',
    records_officer: 'member',
  },
  this_device: 'this device',
  muted: 'muted',
  not_responding: 'not responding',
  use_microphone: 'Use the microphone',
  play_sound: 'Play the sound',
  details: { suite: 'Encryption', epoch: 'Key round', opened: 'Log entry', logs: 'Office’s log' },
  suites: { hybrid: 'ML-KEM-768 and X25519, AES-256-GCM', cnsa2: 'ML-KEM-1024, ML-DSA-87, AES-256-GCM' },
  why_not_recorded: {
    lost: 'The note-taker is not responding: what is said now may not be written down.',
    none: 'This call should be on the record, but no note-taker is in it.',
    tell_office: 'Tell your office.',
  },
  alarms: {
    reconnecting: {
      title: 'Reconnecting',
      sentence: 'The connection was lost. The call continues as soon as it is back.',
    },
    silent: {
      title: (name: string) => `No sound from ${mid(name)}`,
      sentence: 'Their connection or yours may be lost. If it does not come back, end the call and call again.',
    },
    muted: {
      title: (name: string) => `${capitalise(mid(name))}’s microphone is off`,
      sentence: 'It is muted or unavailable, and they see that you cannot hear them.',
    },
    away: {
      title: (name: string) => `${capitalise(mid(name))} is not connected`,
      sentence:
        'Their page was closed, or they lost their connection. The call ends by itself if they do not come back.',
    },
    alone: {
      title: 'You are alone in this call',
      sentence: (name: string) =>
        `${capitalise(isolate(name))} has left the call, and nobody there can hear you. End the call, then call again.`,
    },
    denied: {
      title: 'They cannot hear you',
      sentence:
        'This browser is not allowed to use the microphone. Allow it next to the page’s address, then press the button.',
    },
    missing: {
      title: 'They cannot hear you',
      sentence: 'No microphone was found. Connect one, then press the button.',
    },
    silenced: {
      title: 'They cannot hear you',
      sentence: 'The microphone was switched off by this computer, or another program is using it.',
    },
    sound_blocked: {
      title: 'You cannot hear them',
      sentence: 'Your browser plays sound only after you press a button.',
    },
    problem: 'Something is wrong',
  },
  ended: {
    declined_by_you: { title: 'You declined', sentence: 'The call stopped ringing on all your devices.' },
    declined: { title: 'Declined', sentence: (name: string) => `${capitalise(mid(name))} declined the call.` },
    cancelled_by_them: {
      title: 'Missed call',
      sentence: (name: string) => `${capitalise(mid(name))} stopped ringing before you answered.`,
    },
    cancelled: { title: 'You cancelled the call', sentence: 'It had not been answered.' },
    missed_by_you: { title: 'Missed call', sentence: 'It rang here and was not answered.' },
    missed: { title: 'No answer', sentence: (name: string) => `${capitalise(mid(name))} did not answer.` },
    busy: { title: 'Busy', sentence: (name: string) => `${capitalise(mid(name))} is in another call.` },
    failed: {
      title: 'The call was stopped',
      sentence: 'A device rejected what it received, or could not encrypt. Nothing was sent unencrypted.',
    },
    failed_ring: {
      title: 'Missed call',
      sentence: (name: string) => `A fault ended the call from ${mid(name)} before you answered.`,
    },
    interrupted: {
      title: 'The connection was lost',
      sentence: 'The call ended while this device was not connected.',
    },
    revoked: {
      title: 'The call was ended',
      sentence:
        'The office revoked a device in this call, or somebody in it may no longer act for another. Ask your office before you call again.',
    },
    taken_elsewhere: {
      title: 'Answered on another device',
      sentence: 'You took this call on another of your devices.',
    },
    hung_up_by_you: { title: 'You hung up', sentence: 'The call’s keys are erased on this device.' },
    hung_up_by: (name: string) => `${isolate(name)} hung up`,
    hung_up: { title: 'The call has ended', sentence: 'The call’s keys are erased on this device.' },
    lasted: (duration: string) => `Duration: ${duration}`,
    missing: 'Missing:',
  },
  kept: {
    later: { title: 'The call is in the log', sentence: 'Anything kept of it will appear under Calls.' },
    not_logged: { title: 'No record', sentence: 'The call was never entered in the log, so it never rang.' },
    attempt: { title: 'The attempt is in the log', sentence: 'There was no conversation, so nothing else is kept.' },
    log_only: {
      title: 'The call is in the log',
      sentence: 'Who called, when, and how it ended. Nothing that was said is kept.',
    },
    partial: {
      title: 'Sealed, incomplete',
      sentence: 'The note-taker did not receive everything. The custodians can read what is missing.',
    },
    sealed: { title: 'The record is sealed', sentence: 'The custodians can open it.' },
    none: {
      title: 'There is no record',
      sentence: 'The log shows who called, when, and how it ended. Tell your office.',
    },
    none_missing: {
      memo: 'everything that was said. No note-taker was in this call.',
      audio: 'everything that was said, both transcript and audio. No note-taker was in this call.',
    },
    doubtful: { title: 'The record may be incomplete', sentence: 'Tell your office.' },
    doubtful_missing: {
      memo: 'perhaps the end of the conversation. The note-taker was not responding when the call ended.',
      audio:
        'perhaps the end of the conversation, transcript and audio. The note-taker was not responding when the call ended.',
    },
    pending: {
      title: 'The record is being sealed',
      sentence: 'The note-taker is sealing it for the custodians. It will appear under Calls.',
    },
    log_entry: (n: string) => `log entry ${n}`,
    sealed_entry: (n: string) => `sealed in log entry ${n}`,
  },
  same_log: 'Matches the log seen by another device in this call',
  two_logs: {
    /** In the call in which it was found. */
    in_call: {
      title: 'The office’s log has two versions',
      sentence: TWO_LOGS,
    },
    how: {
      roots_differ: `The office’s log has two versions: this device and another one in your call were shown different histories. ${TWO_LOGS}`,
      proof_refused: `The office’s log seems to have two versions: the server does not prove that another device in your call was shown the same history as this one. ${TWO_LOGS}`,
      proof_overdue: `The office’s log seems to have two versions: the server has not proved in time that another device in your call was shown the same history as this one. ${TWO_LOGS}`,
    },
    own: 'What this device was shown, signed by the log:',
    other: 'What the other device was shown, signed by the log:',
    save: 'Save evidence',
  },
};
