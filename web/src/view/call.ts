// In a call, and after it.

import type { Call, Member, View } from '../engine/contract';
import type { MicrophoneState } from '../engine/microphone';
import { duration, duration_words, time_to_the_second } from './clock';
import { apart, both_names, ended_for_me, list, lower_the, mode_words, number, role_does, suite_words, type Shape } from './words';

export interface MemberRow {
  device: string;
  name: string;
  organisation: string;
  does: string;
}

/** Something wrong in a call. */
export interface Alarm {
  level: 'amber' | 'red';
  shape: Shape;
  title: string;
  sentence: string;
}

/** An alarm with what the person can do about it. */
export interface Trouble extends Alarm {
  mend: 'microphone' | 'sound' | null;
}

export interface CallScreen {
  name: string;
  organisation: string;
  listening: boolean;
  private: string;
  /** The other side was verified by this device. */
  verified: boolean;
  mode: string;
  /** What is to be kept is kept. */
  recorded: boolean;
  timer: string;
  phrase: string | null;
  members: MemberRow[];
  /** Who listens, in a line that is always in sight. */
  listens: string | null;
  /** Whether the device holds a key now: the list is complete. */
  closed: boolean;
  muted: boolean;
  troubles: Trouble[];
  /** For those who look. */
  small: string;
}

/** How this device hears and is heard. */
export interface Sound {
  microphone: MicrophoneState;
  sound_blocked: boolean;
  /** Frames should come and do not. */
  silent: boolean;
}

export function call_screen(view: View, now: number, sound: Sound): CallScreen | null {
  const { call } = view;
  if (!call || (call.state !== 'live' && call.state !== 'reconnecting' && !(call.direction === 'listen' && call.state !== 'ended'))) return null;
  const listening = call.direction === 'listen';
  const name = listening && call.from && call.to ? both_names(call.from, call.to) : (call.other?.name ?? '');
  return {
    name,
    organisation: listening ? '' : (call.other?.organisation ?? ''),
    listening,
    private: call.verified ? 'Private, verified' : 'Private',
    verified: call.verified,
    mode: unrecorded(call, now) ? NOT_RECORDED : comes_still(call) ? NOTE_TAKER_JOINS : mode_words[call.mode].now,
    recorded: unrecorded(call, now) === null,
    timer: call.started_ms === null ? '00:00' : duration(now - call.started_ms),
    phrase: call.phrase?.join(' · ') ?? null,
    members: members(call.members),
    listens: who_listens(call.members),
    closed: call.members.length > 0,
    muted: call.muted,
    troubles: troubles(call, now, sound, name),
    small: [
      suite_words[call.suite],
      call.epoch === null ? null : `keys of round ${number(call.epoch)}`,
      call.opened_index === null ? null : `log entry ${number(call.opened_index)}`,
    ]
      .filter((part) => part !== null)
      .join(' · '),
  };
}

function who_listens(all: Member[]): string | null {
  const names = all.filter((m) => !m.you && (m.role === 'note_taker' || m.role === 'duty_officer')).map((m) => lower_the(m.name));
  if (names.length === 0) return null;
  const said = list(names);
  return `${said[0]?.toUpperCase()}${said.slice(1)} ${names.length === 1 ? 'listens' : 'listen'}`;
}

/** Oneself first, then those who speak, then those who listen. */
export function members(all: Member[]): MemberRow[] {
  const rank = (m: Member) => (m.you ? 0 : m.role === 'principal' || m.role === 'counterpart' ? 1 : 2);
  return [...all]
    .sort((a, b) => rank(a) - rank(b))
    .map((m) => ({
      device: m.device,
      name: m.you ? 'You' : m.name,
      organisation: m.organisation,
      does: [m.you ? 'this device' : null, m.you && rank({ ...m, you: false }) === 1 ? null : m.lost ? 'listens, does not answer' : role_does[m.role], m.muted ? 'muted' : null]
        .filter((part) => part !== null)
        .join(', '),
    }));
}

/** What stands in the place of the record mode where what should be kept is not. */
export const NOT_RECORDED = 'Not being recorded';

/** What stands there until the note-taker is in the call. */
const NOTE_TAKER_JOINS = 'The note-taker joins';

/** The alarm of a call that should be on the record and is not, the same wherever it is raised. */
export const not_recorded = (why: string): Alarm => ({ level: 'red', shape: 'unrecorded', title: NOT_RECORDED, sentence: why });

/** A sentence about this call that came from the engine. */
export const not_right = (problem: string): Alarm => ({ level: 'red', shape: 'alert', title: 'Not right', sentence: problem });

/** How long a note-taker may take to join, milliseconds. It usually is there before the answer. */
export const NOTE_TAKER_COMES_WITHIN_MS = 3_000;

/** It should be on the record, and no note-taker writes yet. */
const comes_still = (call: Call) => call.mode !== 'log_only' && !call.note_taker;

/** Why a call that should be on the record is not, now. */
export function unrecorded(call: Call, now: number): string | null {
  const should = call.mode !== 'log_only' && call.started_ms !== null && now - call.started_ms > NOTE_TAKER_COMES_WITHIN_MS;
  if (!should || call.note_taker) return null;
  return call.members.some((m) => m.lost)
    ? 'The note-taker does not answer: what is said now may not be written down.'
    : 'This call should be on the record, and no note-taker writes it.';
}

function troubles(call: Call, now: number, { microphone, sound_blocked, silent }: Sound, name: string): Trouble[] {
  const found: Trouble[] = [];
  const raise = (shape: Shape, title: string, sentence: string, mend: Trouble['mend'] = null) =>
    found.push({ level: 'amber', shape, title, sentence, mend });
  if (call.state === 'reconnecting') {
    raise('wait', 'Reconnecting', 'The connection was lost. The call goes on when it is back; the keys stay.');
  }
  if (call.state === 'live' && silent) {
    raise(
      'silent',
      `Nothing comes from ${lower_the(name)}`,
      'Their connection, or yours, seems to be lost. The call goes on when it is back. If it stays away, end the call and ring again.',
    );
  }
  const they = call.other?.person;
  if (call.state === 'live' && call.direction !== 'listen' && they && !call.members.some((m) => m.person === they)) {
    raise('unreachable', 'You are alone', `${apart(name)} is not in this call any more. Nobody of theirs hears you. End the call, and ring again.`);
  }
  const why = unrecorded(call, now);
  if (why) found.push({ ...not_recorded(`${why} Tell your office.`), mend: null });
  if (call.problem) found.push({ ...not_right(call.problem), mend: null });
  if (call.direction !== 'listen' && microphone === 'denied') {
    raise(
      'muted',
      'They cannot hear you',
      'This browser may not use the microphone. Allow it beside the address of this page, then press the button.',
      'microphone',
    );
  }
  if (call.direction !== 'listen' && microphone === 'missing') {
    raise('muted', 'They cannot hear you', 'No microphone was found. Connect one, then press the button.', 'microphone');
  }
  if (sound_blocked) {
    raise('silent', 'You cannot hear them', 'This browser plays sound only after a press of a button.', 'sound');
  }
  return found;
}

export interface EndedScreen {
  name: string;
  title: string;
  sentence: string;
  bad: boolean;
  lasted: string | null;
  record: EndedRecord;
}

/** What became of the record. */
export interface EndedRecord {
  level: 'seal' | 'amber' | 'red' | 'quiet';
  shape: Shape;
  title: string;
  /** What is not in it. */
  missing: string | null;
  sentence: string;
  small: string;
}

/** `ended_ms` is when this page saw it end. */
export function ended_screen(view: View, ended_ms: number | null, mine: string): EndedScreen | null {
  const { call } = view;
  if (call?.state !== 'ended') return null;
  return {
    name: call.other?.name ?? '',
    ...ended_for_me(call),
    bad: call.ended === 'failed',
    lasted: call.started_ms === null || ended_ms === null ? null : duration_words(ended_ms - call.started_ms),
    record: record(view, call, mine),
  };
}

function record(view: View, call: Call, mine: string): EndedRecord {
  const notice = view.notices.find((one) => one.call === call.call);
  const kept = notice?.kept_index ?? call.kept_index;
  const partial = notice?.partial ?? call.partial;
  const small = [
    call.opened_index === null ? null : `log entry ${number(call.opened_index)}`,
    call.opened_ms === null ? null : time_to_the_second(call.opened_ms, mine),
    kept === null ? null : `sealed in entry ${number(kept)}`,
  ]
    .filter((part) => part !== null)
    .join(' · ');
  const logged = { level: 'quiet', shape: 'record', missing: null, small } as const;
  const both = call.mode === 'audio' ? ', in words and in sound' : '';
  if (call.opened_index === null && call.ended !== 'failed') {
    // This device came back to a call without the keys that it had, and was not let in before the end.
    return { ...logged, title: 'The call is in the log', sentence: 'What was kept of it will show under Calls.', small: '' };
  }
  if (call.opened_index === null) {
    return { ...logged, shape: 'no', title: 'No record', sentence: 'The call was not entered in the log, so it never rang.', small: '' };
  }
  if (call.started_ms === null) return { ...logged, title: 'The attempt is in the log', sentence: 'Nothing was said, so there is nothing more to keep.' };
  if (call.mode === 'log_only') {
    return { ...logged, title: 'The call is in the log', sentence: 'Who, when and how it ended. Nothing that was said is kept.' };
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
  if (kept !== null) return { ...logged, level: 'seal', shape: 'lock', title: 'The record is sealed', sentence: 'The custodians can open it.' };
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
  return { ...logged, shape: 'wait', title: 'The record is on its way', sentence: 'The note-taker seals it for the custodians. It will show under Calls.' };
}
