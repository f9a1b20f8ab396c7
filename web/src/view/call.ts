// View model of the call screen.

import type { CallView, View } from '../engine/contract';
import { kept_back } from '../engine/kept_back';
import type { MicrophoneState } from '../engine/microphone';
import { gives_lines } from '../engine/roles';
import { t } from '../text';
import { capitalise, format_number } from '../text/format';
import { duration } from './clock';
import { acts_lines } from './delegations';
import { green_room, type RoomState } from './green_room';
import { further_rings, type FurtherRing } from './ring';
import type { Level, Shape } from './labels';
import { NO_LABELS, hand_over, holds, own_device, type DeviceLabels, type HandOver, type Held } from './moves';
import { NOBODY_SPEAKS, listeners_line, members, type MemberRow, type Speaking } from './members';
import {
  not_recorded_alarm,
  note_taker_joins,
  note_taker_pending,
  problem_alarm,
  unrecorded_reason,
  type Alarm,
} from './recording';

/** An alarm with the control that resolves it, if there is one. */
export interface CallAlarm extends Alarm {
  action: 'microphone' | 'sound' | null;
}

export interface CallScreen {
  name: string;
  organisation: string;
  /** Who acts for whom. */
  acts: string[];
  private: string;
  /** The other side was verified by this device. */
  verified: boolean;
  /** The record mode, or that it is not kept. */
  mode: { words: string; level: Level; shape: Shape };
  timer: string;
  phrase: string | null;
  members: MemberRow[];
  /** Who listens, in a line that is always visible. */
  listens: string | null;
  /** Whether the device holds the group's keys: the list is complete. */
  closed: boolean;
  muted: boolean;
  /** This device sends silence for now, whatever its person chose. */
  kept_back: boolean;
  /** The call comes here from another device of this person, and is there still. */
  arriving: boolean;
  holds: Held[];
  can_hold: boolean;
  hand_over: HandOver | null;
  room: RoomState;
  alarms: CallAlarm[];
  /** Who waits: they ring while this call is on. */
  waiting: FurtherRing[];
  /** Whether this person has an office that could take those calls. */
  has_office: boolean;
  /** The call whose line its giver can freeze; `null` without a line, and for the holder. */
  suspect: string | null;
  /** Technical details, for those who look. */
  details: { name: string; value: string }[];
}

/** State of this device's microphone, playback and received media. */
export interface MediaState {
  microphone: MicrophoneState;
  sound_blocked: boolean;
  /** Frames are expected and none arrive. */
  media_timed_out: boolean;
  speaking?: Speaking;
}

/** The call of one of its parties; null for a listener, whose screen is the desk. */
export function call_screen(
  view: View,
  now: number,
  media: MediaState,
  labels: DeviceLabels = NO_LABELS,
  zone = 'UTC',
): CallScreen | null {
  const { call } = view;
  if (!call || call.state === 'ended' || call.direction === 'listen') return null;
  const words = t().call;
  const name = call.other?.name ?? t().names.other_side;
  return {
    // A heading, unless it is a person's name, begins as a sentence does.
    name: call.other ? name : capitalise(name),
    organisation: call.other?.organisation ?? '',
    acts: acts_lines(call),
    private: call.verified ? words.private_verified : words.private,
    verified: call.verified,
    mode: mode(view, call, now),
    timer: call.started_ms === null ? '00:00' : duration(now - call.started_ms),
    phrase: call.phrase?.join(' · ') ?? null,
    members: members(call.members, media.speaking ?? NOBODY_SPEAKS),
    listens: listeners_line(call.members),
    closed: call.members.length > 0,
    muted: call.muted,
    kept_back: kept_back(call),
    arriving: call.arriving,
    holds: holds(call),
    can_hold: call.state === 'live' && call.speaks && !call.arriving && !call.holds.some((one) => one.own),
    hand_over: hand_over(view),
    room: green_room(view, now, zone),
    alarms: alarms(view, call, now, media, name, labels),
    waiting: further_rings(view),
    has_office: view.you !== null && gives_lines(view.you.role),
    suspect: view.you && gives_lines(view.you.role) && call.line ? call.call : null,
    details: [
      { name: words.details.suite, value: words.suites[call.suite] },
      ...(call.epoch === null ? [] : [{ name: words.details.epoch, value: format_number(call.epoch) }]),
      ...(call.opened_index === null ? [] : [{ name: words.details.opened, value: format_number(call.opened_index) }]),
      ...(call.logs === 'same' ? [{ name: words.details.logs, value: words.same_log }] : []),
    ],
  };
}

/** Principals who wait for each other send no sound, and the green room says so. */
const preparing = (call: CallView): boolean => call.green_room !== null && call.green_room.connected_ms === null;

function mode(view: View, call: CallView, now: number): CallScreen['mode'] {
  const words = t().call;
  if (unrecorded_reason(call, now)) return { words: words.not_recorded, level: 'red', shape: 'unrecorded' };
  if (call.mode !== 'log_only' && note_taker_pending(call)) {
    const waits = note_taker_joins(call, view.notices) ? words.note_taker_joining : t().ring.wanted[call.mode];
    return { words: waits, level: 'amber', shape: 'wait' };
  }
  return { words: words.on_record[call.mode], level: 'amber', shape: 'record' };
}

function alarms(
  view: View,
  call: CallView,
  now: number,
  { microphone, sound_blocked, media_timed_out }: MediaState,
  name: string,
  labels: DeviceLabels,
): CallAlarm[] {
  const words = t().call;
  const texts = words.alarms;
  const raised: CallAlarm[] = [];
  const raise = (
    shape: Shape,
    { title, sentence }: { title: string; sentence: string },
    action: CallAlarm['action'] = null,
  ) => raised.push({ level: 'amber', shape, title, sentence, action });
  const { arriving } = t().moves;
  if (call.arriving) {
    const own = view.notices.find((notice) => notice.call === call.call)?.own_devices ?? [];
    const where = own_device(
      own.find((device) => device !== view.you?.device),
      labels,
    );
    raise('wait', { title: arriving.title, sentence: arriving.sentence(where) });
  } else if (call.state === 'reconnecting' || call.state === 'answering') {
    raise('wait', texts.reconnecting);
  }
  const they = call.other?.person;
  const there = view.people.find((contact) => contact.person === they);
  // The office knows at once when a page is closed, and says so to those who may ring its person.
  const away = view.phase === 'ready' && there?.reachable === false;
  const others = call.members.filter((m) => !m.you && m.speaks);
  // While the call is held nobody sends sound, and everybody sees why.
  const all_muted = others.length > 0 && others.every((m) => m.muted) && call.holds.length === 0 && !preparing(call);
  if (call.state === 'live' && media_timed_out && away) {
    raise('unreachable', { title: texts.away.title(name), sentence: texts.away.sentence });
  } else if (call.state === 'live' && all_muted) {
    raise('muted', { title: texts.muted.title(name), sentence: texts.muted.sentence });
  } else if (call.state === 'live' && media_timed_out) {
    raise('silent', { title: texts.silent.title(name), sentence: texts.silent.sentence });
  }
  const stands_in = call.acts_for.some((one) => one.principal.person === they);
  if (call.state === 'live' && they && !stands_in && !call.members.some((m) => m.person === they)) {
    raise('unreachable', { title: texts.alone.title, sentence: texts.alone.sentence(name) });
  }
  const why = unrecorded_reason(call, now);
  if (why) raised.push({ ...not_recorded_alarm(`${why} ${words.why_not_recorded.tell_office}`), action: null });
  if (call.logs === 'different') {
    raised.push({ level: 'red', shape: 'alert', ...words.two_logs.in_call, action: null });
  }
  if (call.problem) raised.push({ ...problem_alarm(call.problem), action: null });
  if (microphone === 'denied') raise('muted', texts.denied, 'microphone');
  if (microphone === 'missing') raise('muted', texts.missing, 'microphone');
  if (microphone === 'silenced') raise('muted', texts.silenced, 'microphone');
  if (sound_blocked) raise('silent', texts.sound_blocked, 'sound');
  return raised;
}
