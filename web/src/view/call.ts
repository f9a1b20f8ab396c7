// View models of the call screen and of the screen after a call.

import type { CallView, MemberView, View } from '../engine/contract';
import { speaks } from '../engine/roles';
import type { MicrophoneState } from '../engine/microphone';
import { duration, duration_text, time_to_the_second } from './clock';
import {
  isolate,
  both_names,
  ended_text,
  join_names,
  mid_sentence,
  mode_labels,
  format_number,
  role_activity,
  suite_labels,
  type Shape,
} from './labels';

export interface MemberRow {
  device: string;
  name: string;
  organisation: string;
  does: string;
}

/** A problem in a call. */
export interface Alarm {
  level: 'amber' | 'red';
  shape: Shape;
  title: string;
  sentence: string;
}

/** An alarm with the control that resolves it, if there is one. */
export interface CallAlarm extends Alarm {
  action: 'microphone' | 'sound' | null;
}

export interface CallScreen {
  name: string;
  organisation: string;
  listening: boolean;
  private: string;
  /** The other side was verified by this device. */
  verified: boolean;
  mode: string;
  /** What the record mode promises is being recorded. */
  recorded: boolean;
  timer: string;
  phrase: string | null;
  members: MemberRow[];
  /** Who listens, in a line that is always visible. */
  listens: string | null;
  /** Whether the device holds the group's keys: the list is complete. */
  closed: boolean;
  muted: boolean;
  alarms: CallAlarm[];
  /** Technical details, in small type. */
  small: string;
}

/** State of this device's microphone, playback and received media. */
export interface MediaState {
  microphone: MicrophoneState;
  sound_blocked: boolean;
  /** Frames are expected and none arrive. */
  media_timed_out: boolean;
}

export function call_screen(view: View, now: number, media: MediaState): CallScreen | null {
  const { call } = view;
  if (
    !call ||
    (call.state !== 'live' && call.state !== 'reconnecting' && !(call.direction === 'listen' && call.state !== 'ended'))
  )
    return null;
  const listening = call.direction === 'listen';
  const name = listening && call.from && call.to ? both_names(call.from, call.to) : (call.other?.name ?? '');
  return {
    name,
    organisation: listening ? '' : (call.other?.organisation ?? ''),
    listening,
    private: call.verified ? 'Private, verified' : 'Private',
    verified: call.verified,
    mode: unrecorded_reason(call, now)
      ? NOT_RECORDED
      : note_taker_pending(call)
        ? NOTE_TAKER_PENDING
        : mode_labels[call.mode].now,
    recorded: unrecorded_reason(call, now) === null,
    timer: call.started_ms === null ? '00:00' : duration(now - call.started_ms),
    phrase: call.phrase?.join(' · ') ?? null,
    members: members(call.members),
    listens: listeners_line(call.members),
    closed: call.members.length > 0,
    muted: call.muted,
    alarms: alarms(call, now, media, name),
    small: [
      suite_labels[call.suite],
      call.epoch === null ? null : `keys of round ${format_number(call.epoch)}`,
      call.opened_index === null ? null : `log entry ${format_number(call.opened_index)}`,
    ]
      .filter((part) => part !== null)
      .join(' · '),
  };
}

function listeners_line(all: MemberView[]): string | null {
  const names = all.filter((m) => !m.you && !speaks(m.role)).map((m) => mid_sentence(m.name));
  if (names.length === 0) return null;
  const said = join_names(names);
  return `${said[0]?.toUpperCase()}${said.slice(1)} ${names.length === 1 ? 'listens' : 'listen'}`;
}

/** This device first, then speakers, then listeners. */
export function members(all: MemberView[]): MemberRow[] {
  const rank = (m: MemberView) => (m.you ? 0 : speaks(m.role) ? 1 : 2);
  return [...all]
    .sort((a, b) => rank(a) - rank(b))
    .map((m) => ({
      device: m.device,
      name: m.you ? 'You' : m.name,
      organisation: m.organisation,
      does: [
        m.you ? 'this device' : null,
        m.you && rank({ ...m, you: false }) === 1 ? null : m.lost ? 'listens, does not answer' : role_activity[m.role],
        m.muted ? 'muted' : null,
      ]
        .filter((part) => part !== null)
        .join(', '),
    }));
}

/** Shown in place of the record mode while the call should be recorded and is not. */
export const NOT_RECORDED = 'Not being recorded';

/** Shown in place of the record mode until the note-taker has joined. */
const NOTE_TAKER_PENDING = 'The note-taker joins';

/** The alarm of a call that should be recorded and is not; the same on every screen. */
export const not_recorded_alarm = (why: string): Alarm => ({
  level: 'red',
  shape: 'unrecorded',
  title: NOT_RECORDED,
  sentence: why,
});

/** An alarm with a sentence from the engine. */
export const problem_alarm = (problem: string): Alarm => ({
  level: 'red',
  shape: 'alert',
  title: 'Not right',
  sentence: problem,
});

/** How long a note-taker may take to join, milliseconds. Usually it has joined before the answer. */
export const NOTE_TAKER_JOIN_TIMEOUT_MS = 3_000;

/** The call should be recorded, and no note-taker records it yet. */
const note_taker_pending = (call: CallView) => call.mode !== 'log_only' && !call.note_taker;

/** Why a call that should be recorded is not being recorded now. */
export function unrecorded_reason(call: CallView, now: number): string | null {
  const should =
    call.mode !== 'log_only' && call.started_ms !== null && now - call.started_ms > NOTE_TAKER_JOIN_TIMEOUT_MS;
  if (!should || call.note_taker) return null;
  return call.members.some((m) => m.lost)
    ? 'The note-taker does not answer: what is said now may not be written down.'
    : 'This call should be on the record, and no note-taker writes it.';
}

function alarms(
  call: CallView,
  now: number,
  { microphone, sound_blocked, media_timed_out }: MediaState,
  name: string,
): CallAlarm[] {
  const raised: CallAlarm[] = [];
  const raise = (shape: Shape, title: string, sentence: string, action: CallAlarm['action'] = null) =>
    raised.push({ level: 'amber', shape, title, sentence, action });
  if (call.state === 'reconnecting') {
    raise('wait', 'Reconnecting', 'The connection was lost. The call goes on when it is back; the keys stay.');
  }
  if (call.state === 'live' && media_timed_out) {
    raise(
      'silent',
      `Nothing comes from ${mid_sentence(name)}`,
      'Their connection, or yours, seems to be lost. The call goes on when it is back. If it stays away, end the call and ring again.',
    );
  }
  const they = call.other?.person;
  if (call.state === 'live' && call.direction !== 'listen' && they && !call.members.some((m) => m.person === they)) {
    raise(
      'unreachable',
      'You are alone',
      `${isolate(name)} is not in this call any more. Nobody of theirs hears you. End the call, and ring again.`,
    );
  }
  const why = unrecorded_reason(call, now);
  if (why) raised.push({ ...not_recorded_alarm(`${why} Tell your office.`), action: null });
  if (call.problem) raised.push({ ...problem_alarm(call.problem), action: null });
  if (call.direction !== 'listen' && microphone === 'denied') {
    raise(
      'muted',
      'They cannot hear you',
      'This browser may not use the microphone. Allow it beside the address of this page, then press the button.',
      'microphone',
    );
  }
  if (call.direction !== 'listen' && microphone === 'missing') {
    raise(
      'muted',
      'They cannot hear you',
      'No microphone was found. Connect one, then press the button.',
      'microphone',
    );
  }
  if (sound_blocked) {
    raise('silent', 'You cannot hear them', 'This browser plays sound only after a press of a button.', 'sound');
  }
  return raised;
}

export interface EndedScreen {
  name: string;
  title: string;
  sentence: string;
  bad: boolean;
  lasted: string | null;
  record: EndedRecord;
}

/** The state of the record after the call. */
export interface EndedRecord {
  level: 'seal' | 'amber' | 'red' | 'quiet';
  shape: Shape;
  title: string;
  /** What is missing from it. */
  missing: string | null;
  sentence: string;
  small: string;
}

/** `ended_ms` is when this page learned that the call ended. */
export function ended_screen(view: View, ended_ms: number | null, local_zone: string): EndedScreen | null {
  const { call } = view;
  if (call?.state !== 'ended') return null;
  return {
    name: call.other?.name ?? '',
    ...ended_text(call),
    bad: call.ended === 'failed',
    lasted: call.started_ms === null || ended_ms === null ? null : duration_text(ended_ms - call.started_ms),
    record: record(view, call, local_zone),
  };
}

function record(view: View, call: CallView, local_zone: string): EndedRecord {
  const notice = view.notices.find((one) => one.call === call.call);
  const kept = notice?.kept_index ?? call.kept_index;
  const partial = notice?.partial ?? call.partial;
  const small = [
    call.opened_index === null ? null : `log entry ${format_number(call.opened_index)}`,
    call.opened_ms === null ? null : time_to_the_second(call.opened_ms, local_zone),
    kept === null ? null : `sealed in entry ${format_number(kept)}`,
  ]
    .filter((part) => part !== null)
    .join(' · ');
  const logged = { level: 'quiet', shape: 'record', missing: null, small } as const;
  const both = call.mode === 'audio' ? ', in words and in sound' : '';
  if (call.opened_index === null && call.ended !== 'failed') {
    // This device lost its keys, and the call ended before it could rejoin.
    return {
      ...logged,
      title: 'The call is in the log',
      sentence: 'What was kept of it will show under Calls.',
      small: '',
    };
  }
  if (call.opened_index === null) {
    return {
      ...logged,
      shape: 'no',
      title: 'No record',
      sentence: 'The call was not entered in the log, so it never rang.',
      small: '',
    };
  }
  if (call.started_ms === null)
    return {
      ...logged,
      title: 'The attempt is in the log',
      sentence: 'Nothing was said, so there is nothing more to keep.',
    };
  if (call.mode === 'log_only') {
    return {
      ...logged,
      title: 'The call is in the log',
      sentence: 'Who, when and how it ended. Nothing that was said is kept.',
    };
  }
  if (kept !== null && partial) {
    return {
      ...logged,
      level: 'amber',
      title: 'The record is sealed, and not whole',
      missing: 'a part of the call, as the note-taker signed.',
      sentence: 'What and why stands in the record. The custodians can open it.',
    };
  }
  if (kept !== null)
    return {
      ...logged,
      level: 'seal',
      shape: 'lock',
      title: 'The record is sealed',
      sentence: 'The custodians can open it.',
    };
  if (!call.noted) {
    return {
      ...logged,
      level: 'red',
      shape: 'unrecorded',
      title: 'There is no record',
      missing: `everything that was said${both}. No note-taker was in this call.`,
      sentence: 'The log has who, when and how it ended. Tell your office.',
    };
  }
  if (!call.note_taker) {
    return {
      ...logged,
      level: 'amber',
      title: 'The record may not be whole',
      missing: `perhaps the last of what was said${both}. The note-taker did not answer when the call ended.`,
      sentence: 'Tell your office.',
    };
  }
  return {
    ...logged,
    shape: 'wait',
    title: 'The record is on its way',
    sentence: 'The note-taker seals it for the custodians. It will show under Calls.',
  };
}
