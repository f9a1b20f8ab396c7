// View model of the duty officer's screen: live calls, captions, what needs attention.

import type { NoticeView, RecordLine, View } from '../engine/contract';
import { listens as may_listen, reads_captions } from '../engine/roles';
import { t } from '../text';
import { format_number, join_list } from '../text/format';
import { told } from '../text/told';
import { duration, time_to_the_second } from './clock';
import { acts_notice } from './delegations';
import { health, type Health } from './health';
import { green_room, type RoomState } from './green_room';
import { hand_over, type HandOver } from './moves';
import { both_names, names_of, type Level, type Shape } from './labels';
import type { Loadable } from './loadable';
import { lists_calls } from './screen';
import { members, type MemberRow } from './members';
import { recent_rows, type RecentRow } from './recent';
import { start_sentence } from './start';
import {
  NOTE_TAKER_JOIN_TIMEOUT_MS,
  note_taker_joins,
  not_recorded_alarm,
  note_taker_pending,
  problem_alarm,
  unrecorded_reason,
  type Alarm,
} from './recording';
import { transcript, type Transcript } from './transcript';

export interface LiveCard {
  call: string;
  /** Small, above: status and duration. */
  status: string;
  title: string;
  /** Who acts in it for whom, as the office says. */
  acts: string | null;
  /** The record mode, or that it is not kept. */
  mode: { words: string; level: Level; shape: Shape };
  /** Who listens, as a sentence. */
  listens: string;
  ringing: boolean;
  /** How this device takes part in it. */
  join_state: 'no' | 'joining' | 'listening' | 'reconnecting';
  can_listen: boolean;
  /** What listening offers, if it is possible. */
  listen_hint: string | null;
  /** All members, once this device is one. */
  members: MemberRow[];
  phrase: string | null;
  /** This device verified both speakers. */
  verified: boolean;
  alarms: Alarm[];
}

export interface DeskScreen {
  title: string;
  /** While there is no call: what this person can do here. */
  may: string | null;
  who: string;
  clock: string;
  log: { ok: boolean; words: string } | null;
  /** The call that this device listens to, or is about to. */
  joined: LiveCard | null;
  transcript: Transcript | null;
  /** All other ringing or live calls. */
  live: LiveCard[];
  health: Health;
  /** Whether this person sees which calls there were. */
  lists_recent: boolean;
  recent: RecentRow[];
  offline: string | null;
  /** Asking the principal for whom this person acted back to the call that it listens to. */
  hand_over: HandOver | null;
  room: RoomState;
  /** Why this device left the call it listened to. */
  left_reason: string | null;
}

/** `list`: the newest calls as the office lists them, those of the notices and those from before this page was opened. */
export function desk_screen(
  view: View,
  now: number,
  local_zone: string,
  list: Loadable<RecordLine[]> = { status: 'loading' },
): DeskScreen {
  const live = view.notices.filter((n) => n.state.is !== 'ended').sort((a, b) => b.opened_ms - a.opened_ms);
  const joined = live.find((notice) => joined_by_this_device(view, notice));
  const texts = t();
  const cards = live.map((notice) => card(view, notice, now));
  const unrecorded = cards.filter((one) => one.mode.level === 'red').length;
  const sees_records = lists_calls(view);
  const role = view.you?.role ?? 'duty_officer';
  return {
    title: role === 'scheduler' || role === 'interpreter' ? texts.desk.titles[role] : texts.desk.title,
    may: start_sentence(role),
    who: [view.office?.name, view.you?.name].filter(Boolean).join(' · '),
    clock: texts.times.here(time_to_the_second(now, local_zone) ?? ''),
    log: log(view, local_zone),
    joined: cards.find((one) => one.call === joined?.call) ?? null,
    transcript:
      joined && view.call && reads_captions(role)
        ? transcript(view.call, view.call.note_taker || note_taker_joins(view.call, view.notices), local_zone)
        : null,
    live: cards.filter((one) => one.call !== joined?.call),
    health: health(view, sees_records ? list : { status: 'ready', value: [] }, unrecorded, now, local_zone),
    lists_recent: sees_records,
    recent: recent_rows(view, list.status === 'ready' ? list.value : [], now, local_zone),
    offline: view.phase === 'offline' ? texts.desk.not_connected : null,
    hand_over: joined ? hand_over(view) : null,
    room: joined ? green_room(view, now, local_zone) : { is: 'none' },
    left_reason: view.call?.state === 'ended' && view.call.problem !== null ? told(view.call.problem) : null,
  };
}

const joined_by_this_device = (view: View, notice: NoticeView) =>
  view.call?.call === notice.call && view.call.state !== 'ended';

function log(view: View, local_zone: string): DeskScreen['log'] {
  if (!view.log) return null;
  const { desk } = t();
  return view.log.ok
    ? { ok: true, words: desk.log_ok(time_to_the_second(view.log.checked_ms, local_zone) ?? '') }
    : { ok: false, words: desk.log_bad };
}

function card(view: View, notice: NoticeView, now: number): LiveCard {
  const call = joined_by_this_device(view, notice) ? view.call : null;
  const { state } = notice;
  const { desk } = t();
  const why = unrecorded_notice(notice, call, now);
  const can_listen = notice.can_listen && !call && view.phase === 'ready';
  return {
    call: notice.call,
    status:
      state.is === 'live' ? desk.live(duration(now - state.since_ms)) : desk.ringing(duration(now - notice.opened_ms)),
    title: both_names(notice.from, notice.to),
    acts: acts_notice(notice),
    mode: mode(notice, call, why),
    listens:
      call && call.members.length === 0 ? desk.being_added : listens(notice, call?.members ?? [], can_join(view)),
    ringing: state.is === 'ringing',
    join_state: !call
      ? 'no'
      : call.state === 'live'
        ? 'listening'
        : call.state === 'reconnecting'
          ? 'reconnecting'
          : 'joining',
    can_listen,
    listen_hint: !can_listen
      ? null
      : view.you && reads_captions(view.you.role) && is_transcribed(notice)
        ? desk.join_hint
        : desk.join_hint_listen,
    members: members(call?.members ?? []),
    phrase: call?.phrase?.join(' · ') ?? null,
    verified: call?.verified ?? false,
    alarms: [...(why ? [not_recorded_alarm(why)] : []), ...(call?.problem ? [problem_alarm(call.problem)] : [])],
  };
}

/** Whether there are captions of it to read, now or in a moment. */
const is_transcribed = (notice: NoticeView): boolean =>
  notice.mode !== 'log_only' && (notice.noted || notice.note_taker_asks);

function mode(notice: NoticeView, call: View['call'], why: string | null): LiveCard['mode'] {
  if (why) return { words: t().call.not_recorded, level: 'red', shape: 'unrecorded' };
  if (notice.mode === 'log_only') return { words: t().records.modes.log_only, level: 'quiet', shape: 'record' };
  const pending = call?.state === 'live' ? note_taker_pending(call) : !notice.noted;
  if (!pending) return { words: t().call.on_record[notice.mode], level: 'amber', shape: 'record' };
  return notice.note_taker_asks || (call && note_taker_joins(call, [notice]))
    ? { words: t().call.note_taker_joining, level: 'amber', shape: 'wait' }
    : { words: t().ring.wanted[notice.mode], level: 'amber', shape: 'wait' };
}

/** Why a call that should be recorded is not: as a member sees it, or as the office says. */
function unrecorded_notice(notice: NoticeView, call: View['call'], now: number): string | null {
  if (call?.state === 'live') return unrecorded_reason(call, now);
  const live = notice.state.is === 'live' && now - notice.state.since_ms > NOTE_TAKER_JOIN_TIMEOUT_MS;
  return live && notice.mode !== 'log_only' && !notice.noted ? t().call.why_not_recorded.none : null;
}

/** Whether this person may join calls: sentences for a person who only watches them do not offer it. */
const can_join = (view: View): boolean => view.you === null || may_listen(view.you.role);

function listens(notice: NoticeView, known: Parameters<typeof members>[0], may_join: boolean): string {
  const { desk } = t();
  if (notice.state.is !== 'live') return desk.not_answered;
  const listeners = known.filter((m) => !m.speaks && !m.lost);
  if (listeners.length > 0) return desk.listening(join_list(names_of(listeners)));
  const others = Math.max(0, notice.members - 2);
  // The office says of a note-taker that it is in it; who else is not a party listens.
  if (notice.noted) {
    return others < 2 ? desk.with_note_taker : desk.with_note_taker_and(others - 1, format_number(others - 1));
  }
  return others === 0
    ? desk.nobody_listens
    : desk[may_join ? 'others_listen' : 'others_in_call'](others, format_number(others));
}
