// The duty officer's screen: what is live, what was heard, what needs somebody.

import type { Call, Caption, Notice, View } from '../engine/contract';
import type { RecordLine } from '../engine/records';
import { duration, short_date, time, time_to_the_second } from './clock';
import { NOTE_TAKER_COMES_WITHIN_MS, NOT_RECORDED, members, not_recorded, not_right, unrecorded, type Alarm, type MemberRow } from './call';
import { no_record } from './records';
import { both_names, how_it_ended, lower_the, mode_words, number, list } from './words';

export interface LiveCard {
  call: string;
  /** Small, above: where it stands and since when. */
  stands: string;
  title: string;
  mode: string;
  /** What is to be kept is kept. */
  recorded: boolean;
  /** Who listens, in a sentence. */
  listens: string;
  ringing: boolean;
  /** This device is in it. */
  mine: 'no' | 'joining' | 'listening' | 'reconnecting';
  can_listen: boolean;
  /** What listening gives, where one can. */
  offer: string | null;
  /** All who hold a key, once this device does too. */
  everybody: MemberRow[];
  phrase: string | null;
  /** This device verified the two whom it listens to. */
  verified: boolean;
  alarms: Alarm[];
}

export interface HeardLine {
  id: string;
  at: string;
  name: string;
  text: string;
  done: boolean;
}

/** What was heard in the call that this device listens to. */
export interface Heard {
  /** Between whom. */
  title: string;
  lines: HeardLine[];
  behind: string | null;
  instead: string | null;
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
  mine: LiveCard | null;
  heard: Heard | null;
  /** All other calls that ring or are live. */
  live: LiveCard[];
  recent: RecentRow[];
  offline: string | null;
  /** Why this device left the call it listened to. */
  left: string | null;
}

/** Most recent calls shown beside the live one; the rest is under Calls. */
const RECENT = 8;

/** `lines` are the calls that the office told of before this page was opened. */
export function desk_screen(view: View, now: number, mine: string, lines: RecordLine[] = []): DeskScreen {
  const live = view.notices.filter((n) => n.state.is !== 'ended').sort((a, b) => b.opened_ms - a.opened_ms);
  const ended = view.notices.filter((n) => n.state.is === 'ended').sort((a, b) => b.opened_ms - a.opened_ms);
  const mine_now = live.find((notice) => mine_is(view, notice));
  return {
    who: [view.office?.name, view.you?.name].filter(Boolean).join(' · '),
    clock: `${time_to_the_second(now, mine)} here`,
    log: log(view, mine),
    mine: mine_now ? card(view, mine_now, now) : null,
    heard: mine_now && view.call ? heard(view.call, both_names(mine_now.from, mine_now.to), mine) : null,
    live: live.filter((notice) => notice !== mine_now).map((notice) => card(view, notice, now)),
    recent: [
      ...ended.map((notice) => recent(notice, lines.find((line) => line.call === notice.call), now, mine)),
      ...earlier(view, lines).map((line) => recent_line(line, now, mine)),
    ].slice(0, RECENT),
    offline:
      view.phase === 'offline' ? 'Not connected. What you see may have changed; this page tries again by itself.' : null,
    left: view.call?.state === 'ended' ? view.call.problem : null,
  };
}

const mine_is = (view: View, notice: Notice) => view.call?.call === notice.call && view.call.state !== 'ended';

function log(view: View, mine: string): DeskScreen['log'] {
  if (!view.log) return null;
  return view.log.ok
    ? { ok: true, words: `Log verified ${time_to_the_second(view.log.checked_ms, mine)}` }
    : { ok: false, words: view.log.problem ?? 'The log does not hold' };
}

function card(view: View, notice: Notice, now: number): LiveCard {
  const call = mine_is(view, notice) ? view.call : null;
  const { state } = notice;
  const why = unwritten(notice, call, now);
  const can_listen = notice.can_listen && !call && view.phase === 'ready';
  return {
    call: notice.call,
    stands:
      state.is === 'live'
        ? `Live now · direct call · ${duration(now - state.since_ms)}`
        : `Ringing · direct call · ${duration(now - notice.opened_ms)}`,
    title: both_names(notice.from, notice.to),
    mode: why ? NOT_RECORDED : mode_words[notice.mode].short,
    recorded: why === null,
    listens: call && call.members.length === 0 ? 'You are being added to the call. Everyone will see it.' : listens(notice, call?.members ?? []),
    ringing: state.is === 'ringing',
    mine: !call ? 'no' : call.state === 'live' ? 'listening' : call.state === 'reconnecting' ? 'reconnecting' : 'joining',
    can_listen,
    offer: can_listen ? 'Listen to read along. Everyone in the call will see that you do.' : null,
    everybody: members(call?.members ?? []),
    phrase: call?.phrase?.join(' · ') ?? null,
    verified: call?.verified ?? false,
    alarms: [...(why ? [not_recorded(why)] : []), ...(call?.problem ? [not_right(call.problem)] : [])],
  };
}

/** Why a call that should be written down is not: seen from within, or as the office says. */
function unwritten(notice: Notice, call: View['call'], now: number): string | null {
  if (call?.state === 'live') return unrecorded(call, now);
  const live = notice.state.is === 'live' && now - notice.state.since_ms > NOTE_TAKER_COMES_WITHIN_MS;
  return live && notice.mode !== 'log_only' && !notice.noted ? 'This call should be on the record, and no note-taker writes it.' : null;
}

function listens(notice: Notice, known: { name: string; role: string; you: boolean }[]): string {
  if (notice.state.is !== 'live') return 'Nobody hears anything before it is answered.';
  const listeners = known.filter((m) => m.role === 'note_taker' || m.role === 'duty_officer');
  if (listeners.length > 0) {
    return `Listening: ${list(listeners.map((m) => (m.you ? 'you' : lower_the(m.name))))}. Everyone sees that.`;
  }
  const others = Math.max(0, notice.members - 2);
  if (others === 0) return 'Nobody listens besides the two.';
  return `${others === 1 ? 'One device listens' : `${others} devices listen`} besides the two. Listen to see who.`;
}

function heard(call: Call, names: string, mine: string): Heard {
  const seen = new Map<string, number>();
  const lines = without_stale_drafts(call.captions)
    .sort((a, b) => a.start_ms - b.start_ms)
    .map((caption) => {
      // A draft may begin where a finished line did.
      const place = `${caption.speaker} ${caption.start_ms}`;
      const nth = seen.get(place) ?? 0;
      seen.set(place, nth + 1);
      return heard_line(caption, `${place} ${nth}`, mine);
    });
  const behind = call.captions_behind_ms === null ? null : `${(call.captions_behind_ms / 1000).toFixed(1)} s behind`;
  const quiet =
    call.mode === 'log_only' ? 'Nothing said in this call is written down: only the log is kept.' : 'Nothing heard yet.';
  return { title: `Heard between ${lower_the(names)}`, lines, behind, instead: lines.length > 0 ? null : quiet };
}

/** Longest passage that a note-taker hears at a time, milliseconds. */
const LONGEST_PASSAGE_MS = 30_000;
/** How much of a passage's end may be heard again as the beginning of the next, milliseconds. */
const HEARD_AGAIN_MS = 10_000;

/**
 * All but the drafts that say what another line says, or that nothing will take the place of any more: the end of a long
 * passage is heard again with the next, a finished line is lost where the members agree on keys just then, a passage may
 * not be understood, and a note-taker may stop in the middle of one.
 */
function without_stale_drafts(captions: Caption[]): Caption[] {
  const replaces = (line: Caption, draft: Caption) => {
    const later_ms = line.start_ms - draft.start_ms;
    const heard_again = line.passage > draft.passage && later_ms <= 0 && later_ms >= -HEARD_AGAIN_MS;
    return heard_again || (line.final && ((line.passage >= draft.passage && later_ms >= 0) || later_ms > LONGEST_PASSAGE_MS));
  };
  return captions.filter((one) => one.final || !captions.some((other) => other.speaker === one.speaker && replaces(other, one)));
}

function heard_line(caption: Caption, id: string, mine: string): HeardLine {
  return {
    id,
    at: time_to_the_second(caption.start_ms, mine) ?? '',
    name: caption.name,
    text: caption.text,
    done: caption.final,
  };
}

/** Calls that have ended, newest first, and of which no notice has come here. */
function earlier(view: View, lines: RecordLine[]): RecordLine[] {
  const noticed = new Set(view.notices.map((notice) => notice.call));
  return lines.filter((line) => line.ended_ms !== undefined && !noticed.has(line.call)).sort((a, b) => b.opened_ms - a.opened_ms);
}

function recent_line(line: RecordLine, now: number, mine: string): RecentRow {
  const how = line.how ?? 'hung_up';
  return {
    call: line.call,
    title: both_names(line.from, line.to),
    detail: [when(line.opened_ms, now, mine), how_it_ended[how].toLowerCase(), line.records > 0 ? sealed(line.partial) : no_record(line) ? NO_RECORD : null].filter(Boolean).join(' · '),
    bad: how === 'failed' || no_record(line),
  };
}

const NO_RECORD = 'no record';
const sealed = (partial: boolean) => (partial ? 'sealed, not whole' : 'sealed');

function when(ms: number, now: number, mine: string): string {
  const day = short_date(ms, mine);
  return day === short_date(now, mine) ? (time(ms, mine) ?? '') : `${day}, ${time(ms, mine)}`;
}

/** `line`: what the office says of the call, where it was asked after its end. */
function recent(notice: Notice, line: RecordLine | undefined, now: number, mine: string): RecentRow {
  const how = notice.state.is === 'ended' ? notice.state.how : 'hung_up';
  const none = notice.kept_index === null && line !== undefined && no_record(line);
  const kept = none ? NO_RECORD : notice.kept_index === null ? null : `${sealed(notice.partial)}, log entry ${number(notice.kept_index)}`;
  return {
    call: notice.call,
    title: both_names(notice.from, notice.to),
    detail: [when(notice.opened_ms, now, mine), how_it_ended[how].toLowerCase(), kept].filter(Boolean).join(' · '),
    bad: how === 'failed' || none,
  };
}
