// View models of a call's green room: what the sides agree on, and what is to be done next.

import type { CallView, GreenRoomView, RoomSideView, RoomTerms, UserCommand, View } from '../engine/contract';
import { t } from '../text';
import { time_to_the_second } from './clock';

/** The same limits as in `crates/proto/src/limits.rs`. */
export const MAX_ROOM_LINES = 8;
export const MAX_ROOM_LINE_CHARS = 60;
/** What “two more minutes” asks for. */
export const MORE_MINUTES = 2;

const LISTS = ['present', 'listening', 'interpreters'] as const;
export type RoomList = (typeof LISTS)[number];

/** What a person states for their side; what is not given is empty. */
export type RoomSaid = Omit<Extract<UserCommand, { type: 'green_room' }>, 'type'>;
/** The same, whole. */
export type OwnSaid = Required<RoomSaid>;

/** One side's column. */
export interface RoomColumn {
  title: string;
  /** Who states it: their aide, or the party in person. */
  by: string;
  lists: { name: RoomList; label: string; said: string }[];
  aides: string | null;
  checks: { label: string; done: boolean; said: string }[];
  /** That it needs more time. */
  more: string | null;
}

export interface RoomPanel {
  columns: RoomColumn[];
  /** What is to be done now. */
  next: string | null;
  /** Whether that is late, or changed: to be noticed. */
  urgent: boolean;
  /** What this person's side states; null for those who state nothing. */
  own: OwnSaid | null;
  /** Whether this side pressed Ready, and it counts. */
  ready: boolean;
  can_be_ready: boolean;
  mode: string;
  connected: string | null;
  ignored: boolean;
}

/** What a principal sees who waits for the other one. */
export interface RoomWait {
  title: string;
  sentence: string;
  late: string | null;
}

export type RoomState =
  { is: 'none' } | { is: 'may_open' } | { is: 'waits'; wait: RoomWait } | { is: 'open'; panel: RoomPanel };

/** The green room of the present call, for whom it concerns. */
export function green_room(view: View, now: number, zone: string): RoomState {
  const { call } = view;
  if (!call || call.state === 'ended') return { is: 'none' };
  const room = call.green_room;
  if (!room) return may_open(view, call) ? { is: 'may_open' } : { is: 'none' };
  if (room.waits) return { is: 'waits', wait: wait(room, call, now) };
  // A principal who is connected talks: what was prepared is no concern of theirs any more.
  const talks = room.connected_ms !== null && call.members.some((one) => one.you && one.speaks);
  return talks ? { is: 'none' } : { is: 'open', panel: panel(room, call, now, zone) };
}

const may_open = ({ you }: View, call: CallView): boolean =>
  call.state === 'live' &&
  call.acts_for.every((one) => !one.taken_over) &&
  call.acts_for.some((one) => one.delegate.person === you?.person);

const name_of = (side: RoomSideView): string => side.principal?.name ?? t().green_room.other_side;

function wait(room: GreenRoomView, call: CallView, now: number): RoomWait {
  const texts = t().green_room.waits;
  const other = room.own === 'caller' ? room.callee : room.caller;
  const name = other.principal?.name ?? call.other?.name ?? texts.unknown;
  const late = room.late_at_ms !== null && now >= room.late_at_ms;
  return { title: texts.title(name), sentence: texts.sentence, late: late ? texts.late(name) : null };
}

function panel(room: GreenRoomView, call: CallView, now: number, zone: string): RoomPanel {
  const texts = t().green_room;
  const mode = t().call.on_record[call.mode];
  const sides = room.own === 'callee' ? [room.callee, room.caller] : [room.caller, room.callee];
  const [mine, theirs] = sides as [RoomSideView, RoomSideView];
  const columns = sides.map((side, i) => {
    const own = room.own === null ? texts.side : i === 0 ? texts.yours : texts.theirs;
    return column(side, own(name_of(side)), mode, now);
  });
  const may_state = room.may_state;
  const { next, urgent } = next_step(room, mine, theirs, now);
  return {
    columns,
    next,
    urgent,
    own: may_state ? said(mine) : null,
    ready: mine.ready,
    can_be_ready: mine.heard && mine.agrees_mode && !mine.ready,
    mode,
    connected: room.connected_ms === null ? null : texts.connected(time_to_the_second(room.connected_ms, zone) ?? ''),
    ignored: room.ignored > 0,
  };
}

function column(side: RoomSideView, title: string, mode: string, now: number): RoomColumn {
  const texts = t().green_room;
  const by = side.by ? texts.by(side.by.name) : texts.in_person;
  const done = (label: string, is: boolean, other: string = texts.open_check) => ({
    label,
    done: is,
    said: is ? texts.done : other,
  });
  return {
    title,
    by: side.stated ? by : `${by} · ${texts.nothing}`,
    lists: LISTS.map((name) => ({
      name,
      label: texts.lists[name],
      said: side.terms[name].join(', ') || texts.none,
    })),
    aides: side.by ? texts.aides[side.terms.aides] : null,
    checks: [
      done(texts.checks.heard, side.heard),
      done(texts.checks.mode(mode), side.agrees_mode),
      done(texts.checks.ready, side.ready, side.outdated ? texts.again : texts.open_check),
    ],
    more: more(side, now),
  };
}

function more(side: RoomSideView, now: number): string | null {
  if (side.more_until_ms === null) return null;
  const { more_of, more_over } = t().green_room;
  const name = side.by?.name ?? name_of(side);
  const left = Math.ceil((side.more_until_ms - now) / 60_000);
  return left > 0 ? more_of(name, left) : more_over(name);
}

function next_step(
  room: GreenRoomView,
  mine: RoomSideView,
  theirs: RoomSideView,
  now: number,
): { next: string | null; urgent: boolean } {
  const texts = t().green_room;
  const step = (next: string | null, urgent = false) => ({ next, urgent });
  if (room.connected_ms !== null) return step(room.own === null ? null : texts.listening_now);
  const [here, away] = [room.caller, room.callee].sort((a, b) => Number(waiting(b)) - Number(waiting(a)));
  if (here && away && waiting(here)) {
    const late = room.late_at_ms !== null && now >= room.late_at_ms;
    return late ? step(texts.next.late(name_of(here), name_of(away)), true) : step(texts.next.one(name_of(here)));
  }
  if (room.own === null) return step(null);
  if (mine.ready && theirs.ready) return step(texts.next.called);
  if (!mine.heard) return step(texts.next.heard);
  if (!mine.agrees_mode) return step(texts.next.mode);
  if (mine.outdated) return step(texts.next.outdated, true);
  return step(mine.ready ? texts.next.theirs : texts.next.ready);
}

/** A principal who came in place of their aide. */
const waiting = (side: RoomSideView): boolean => side.by !== null && side.here;

/** What a side states, as a command states it. */
const said = ({ terms, agrees_mode, heard, ready }: RoomSideView): OwnSaid => ({
  terms,
  agrees_mode,
  heard,
  ready,
  more_minutes: 0,
});

/** Names, one a line, as the engine takes them. */
export const lines_of = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim().slice(0, MAX_ROOM_LINE_CHARS))
    .filter((line) => line !== '')
    .slice(0, MAX_ROOM_LINES);

export const text_of = (terms: RoomTerms, list: RoomList): string => terms[list].join('\n');
