// View model of the duty officer's screen: live calls, transcript, what needs attention.

import type { CallView, CaptionView, NoticeView, RecordLine, Role, View } from '../engine/contract';
import { speaks } from '../engine/roles';
import { duration, short_date, time, time_to_the_second } from './clock';
import {
  NOTE_TAKER_JOIN_TIMEOUT_MS,
  NOT_RECORDED,
  members,
  not_recorded_alarm,
  problem_alarm,
  unrecorded_reason,
  type Alarm,
  type MemberRow,
} from './call';
import { no_record } from './records';
import { both_names, ended_labels, mid_sentence, mode_labels, format_number, join_names } from './labels';

export interface LiveCard {
  call: string;
  /** Small, above: status and duration. */
  status: string;
  title: string;
  mode: string;
  /** What the record mode promises is being recorded. */
  recorded: boolean;
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

export interface TranscriptLine {
  id: string;
  at: string;
  name: string;
  text: string;
  done: boolean;
}

/** Live transcript of the call that this device listens to. */
export interface Transcript {
  /** Names both speakers. */
  title: string;
  lines: TranscriptLine[];
  behind: string | null;
  placeholder: string | null;
}

export interface RecentRow {
  call: string;
  title: string;
  detail: string;
  bad: boolean;
}

export interface DeskScreen {
  who: string;
  clock: string;
  log: { ok: boolean; words: string } | null;
  /** The call that this device listens to, or is about to. */
  joined: LiveCard | null;
  transcript: Transcript | null;
  /** All other ringing or live calls. */
  live: LiveCard[];
  recent: RecentRow[];
  offline: string | null;
  /** Why this device left the call it listened to. */
  left_reason: string | null;
}

/** Number of recent calls shown; the rest is under Calls. */
const RECENT = 8;

/** `lines` are calls from before this page was opened, as the office lists them. */
export function desk_screen(view: View, now: number, local_zone: string, lines: RecordLine[] = []): DeskScreen {
  const live = view.notices.filter((n) => n.state.is !== 'ended').sort((a, b) => b.opened_ms - a.opened_ms);
  const ended = view.notices.filter((n) => n.state.is === 'ended').sort((a, b) => b.opened_ms - a.opened_ms);
  const joined = live.find((notice) => joined_by_this_device(view, notice));
  return {
    who: [view.office?.name, view.you?.name].filter(Boolean).join(' · '),
    clock: `${time_to_the_second(now, local_zone)} here`,
    log: log(view, local_zone),
    joined: joined ? card(view, joined, now) : null,
    transcript: joined && view.call ? transcript(view.call, both_names(joined.from, joined.to), local_zone) : null,
    live: live.filter((notice) => notice !== joined).map((notice) => card(view, notice, now)),
    recent: [
      ...ended.map((notice) =>
        recent(
          notice,
          lines.find((line) => line.call === notice.call),
          now,
          local_zone,
        ),
      ),
      ...earlier(view, lines).map((line) => recent_line(line, now, local_zone)),
    ].slice(0, RECENT),
    offline:
      view.phase === 'offline'
        ? 'Not connected. What you see may have changed; this page tries again by itself.'
        : null,
    left_reason: view.call?.state === 'ended' ? view.call.problem : null,
  };
}

const joined_by_this_device = (view: View, notice: NoticeView) =>
  view.call?.call === notice.call && view.call.state !== 'ended';

function log(view: View, local_zone: string): DeskScreen['log'] {
  if (!view.log) return null;
  return view.log.ok
    ? { ok: true, words: `Log verified ${time_to_the_second(view.log.checked_ms, local_zone)}` }
    : { ok: false, words: view.log.problem ?? 'The log does not hold' };
}

function card(view: View, notice: NoticeView, now: number): LiveCard {
  const call = joined_by_this_device(view, notice) ? view.call : null;
  const { state } = notice;
  const why = unrecorded_notice(notice, call, now);
  const can_listen = notice.can_listen && !call && view.phase === 'ready';
  return {
    call: notice.call,
    status:
      state.is === 'live'
        ? `Live now · direct call · ${duration(now - state.since_ms)}`
        : `Ringing · direct call · ${duration(now - notice.opened_ms)}`,
    title: both_names(notice.from, notice.to),
    mode: why ? NOT_RECORDED : mode_labels[notice.mode].short,
    recorded: why === null,
    listens:
      call && call.members.length === 0
        ? 'You are being added to the call. Everyone will see it.'
        : listens(notice, call?.members ?? []),
    ringing: state.is === 'ringing',
    join_state: !call
      ? 'no'
      : call.state === 'live'
        ? 'listening'
        : call.state === 'reconnecting'
          ? 'reconnecting'
          : 'joining',
    can_listen,
    listen_hint: can_listen ? 'Listen to read along. Everyone in the call will see that you do.' : null,
    members: members(call?.members ?? []),
    phrase: call?.phrase?.join(' · ') ?? null,
    verified: call?.verified ?? false,
    alarms: [...(why ? [not_recorded_alarm(why)] : []), ...(call?.problem ? [problem_alarm(call.problem)] : [])],
  };
}

/** Why a call that should be recorded is not: as a member sees it, or as the office says. */
function unrecorded_notice(notice: NoticeView, call: View['call'], now: number): string | null {
  if (call?.state === 'live') return unrecorded_reason(call, now);
  const live = notice.state.is === 'live' && now - notice.state.since_ms > NOTE_TAKER_JOIN_TIMEOUT_MS;
  return live && notice.mode !== 'log_only' && !notice.noted
    ? 'This call should be on the record, and no note-taker writes it.'
    : null;
}

function listens(notice: NoticeView, known: { name: string; role: Role; you: boolean }[]): string {
  if (notice.state.is !== 'live') return 'Nobody hears anything before it is answered.';
  const listeners = known.filter((m) => !speaks(m.role));
  if (listeners.length > 0) {
    return `Listening: ${join_names(listeners.map((m) => (m.you ? 'you' : mid_sentence(m.name))))}. Everyone sees that.`;
  }
  const others = Math.max(0, notice.members - 2);
  if (others === 0) return 'Nobody listens besides the two.';
  return `${others === 1 ? 'One device listens' : `${others} devices listen`} besides the two. Listen to see who.`;
}

function transcript(call: CallView, names: string, local_zone: string): Transcript {
  const seen = new Map<string, number>();
  const lines = without_stale_drafts(call.captions)
    .sort((a, b) => a.start_ms - b.start_ms)
    .map((caption) => {
      // A draft may start at the same time as a final line.
      const place = `${caption.speaker} ${caption.start_ms}`;
      const nth = seen.get(place) ?? 0;
      seen.set(place, nth + 1);
      return transcript_line(caption, `${place} ${nth}`, local_zone);
    });
  const behind = call.captions_behind_ms === null ? null : `${(call.captions_behind_ms / 1000).toFixed(1)} s behind`;
  const quiet =
    call.mode === 'log_only'
      ? 'Nothing said in this call is written down: only the log is kept.'
      : 'Nothing heard yet.';
  return { title: `Heard between ${mid_sentence(names)}`, lines, behind, placeholder: lines.length > 0 ? null : quiet };
}

/** Longest passage that a note-taker transcribes at once, milliseconds. */
const MAX_PASSAGE_MS = 30_000;
/** How much of a passage's end may be transcribed again at the start of the next, milliseconds. */
const OVERLAP_MS = 10_000;

/**
 * Drops drafts that repeat another line, and drafts that no final line will replace any more: the end of a long passage
 * is transcribed again with the next, a final line is lost if it arrives during a change of keys, a passage may not be
 * recognised, and a note-taker may stop in the middle of one.
 */
function without_stale_drafts(captions: CaptionView[]): CaptionView[] {
  const replaces = (line: CaptionView, draft: CaptionView) => {
    const later_ms = line.start_ms - draft.start_ms;
    const overlaps = line.passage > draft.passage && later_ms <= 0 && later_ms >= -OVERLAP_MS;
    return overlaps || (line.final && ((line.passage >= draft.passage && later_ms >= 0) || later_ms > MAX_PASSAGE_MS));
  };
  return captions.filter(
    (one) => one.final || !captions.some((other) => other.speaker === one.speaker && replaces(other, one)),
  );
}

function transcript_line(caption: CaptionView, id: string, local_zone: string): TranscriptLine {
  return {
    id,
    at: time_to_the_second(caption.start_ms, local_zone) ?? '',
    name: caption.name,
    text: caption.text,
    done: caption.final,
  };
}

/** Ended calls without a notice on this page, newest first. */
function earlier(view: View, lines: RecordLine[]): RecordLine[] {
  const noticed = new Set(view.notices.map((notice) => notice.call));
  return lines
    .filter((line) => line.ended_ms !== undefined && !noticed.has(line.call))
    .sort((a, b) => b.opened_ms - a.opened_ms);
}

function recent_line(line: RecordLine, now: number, local_zone: string): RecentRow {
  const how = line.how ?? 'hung_up';
  return {
    call: line.call,
    title: both_names(line.from, line.to),
    detail: [
      when(line.opened_ms, now, local_zone),
      ended_labels[how].toLowerCase(),
      line.records > 0 ? sealed(line.partial) : no_record(line) ? NO_RECORD : null,
    ]
      .filter(Boolean)
      .join(' · '),
    bad: how === 'failed' || no_record(line),
  };
}

const NO_RECORD = 'no record';
const sealed = (partial: boolean) => (partial ? 'sealed, not whole' : 'sealed');

function when(ms: number, now: number, local_zone: string): string {
  const day = short_date(ms, local_zone);
  return day === short_date(now, local_zone) ? (time(ms, local_zone) ?? '') : `${day}, ${time(ms, local_zone)}`;
}

/** `line`: the office's list entry, if it was fetched after the call ended. */
function recent(notice: NoticeView, line: RecordLine | undefined, now: number, local_zone: string): RecentRow {
  const how = notice.state.is === 'ended' ? notice.state.how : 'hung_up';
  const none = notice.kept_index === null && line !== undefined && no_record(line);
  const kept = none
    ? NO_RECORD
    : notice.kept_index === null
      ? null
      : `${sealed(notice.partial)}, log entry ${format_number(notice.kept_index)}`;
  return {
    call: notice.call,
    title: both_names(notice.from, notice.to),
    detail: [when(notice.opened_ms, now, local_zone), ended_labels[how].toLowerCase(), kept]
      .filter(Boolean)
      .join(' · '),
    bad: how === 'failed' || none,
  };
}
