// View model of the list of calls.

import type { Ended, RecordLine } from '../engine/contract';
import { t } from '../text';
import { capitalise, format_number } from '../text/format';
import { date, duration_text, time } from './clock';
import { both_names, type Level, type Shape } from './labels';

/** A badge for what is kept of a call, or why there was none. */
export interface Kept {
  words: string;
  level: Level;
  shape: Shape;
}

export interface RecordRow {
  /** The call, or the newest of a group. */
  call: string;
  title: string;
  at: string;
  /** Who rang whom, to a participant; else empty. */
  direction: string;
  /** How it ended, where that is not plain; or how often, of a group, with the times. */
  outcome: string;
  /** How long it lasted, once it was answered and is over. */
  lasted: string | null;
  missed: boolean;
  kept: Kept;
}

export interface RecordDay {
  day: string;
  rows: RecordRow[];
}

/** How long after the end of a call its record is expected, milliseconds. Usually it takes seconds. */
const RECORD_DELIVERY_TIMEOUT_MS = 10 * 60_000;

/**
 * The state of a call's record. `none`: it is missing, and the log says so. `overdue`: neither it nor such an entry has arrived in
 * time. `not_due`: the call is live, was not answered, or only its log entries are kept.
 */
export type RecordState = 'sealed' | 'partial' | 'none' | 'pending' | 'overdue' | 'not_due';

export function record_state(line: RecordLine, now: number): RecordState {
  if (line.records > 0) return line.partial ? 'partial' : 'sealed';
  if (line.ended_ms === undefined || line.answered_ms === undefined || line.mode === 'log_only') return 'not_due';
  if (line.missing) return 'none';
  return now - line.ended_ms < RECORD_DELIVERY_TIMEOUT_MS ? 'pending' : 'overdue';
}

/** Whether a call is live, or its record is expected to arrive. */
export const is_pending = (line: RecordLine, now: number): boolean =>
  line.ended_ms === undefined || record_state(line, now) === 'pending';

/** Whether a call ended before anybody answered, declined or was busy. Calls of earlier versions may not say how they ended. */
export const was_missed = (how: Ended | undefined, answered: boolean): boolean =>
  !answered && (how === undefined || how === 'missed' || how === 'cancelled');

/** How long a call lasted, as text; `null` for one that was not answered or is not over. */
export const lasted = (line: RecordLine): string | null =>
  line.answered_ms === undefined || line.ended_ms === undefined
    ? null
    : duration_text(line.ended_ms - line.answered_ms);

/** Runs of neighbours that share a row. */
export function runs<T>(items: readonly T[], share: (first: T, next: T) => boolean): [T, ...T[]][] {
  const found: [T, ...T[]][] = [];
  for (const item of items) {
    const last = found.at(-1);
    if (last && share(last[0], item)) last.push(item);
    else found.push([item]);
  }
  return found;
}

/** The badge of a record that is due. */
export function kept_record(state: Exclude<RecordState, 'not_due'>): Kept {
  const { records } = t();
  switch (state) {
    case 'sealed':
      return { words: records.sealed, level: 'seal', shape: 'lock' };
    case 'partial':
      return { words: records.sealed_partial, level: 'amber', shape: 'alert' };
    case 'none':
      return { words: records.no_record, level: 'red', shape: 'unrecorded' };
    case 'pending':
      return { words: records.not_sealed, level: 'quiet', shape: 'wait' };
    case 'overdue':
      return { words: records.overdue, level: 'red', shape: 'unrecorded' };
  }
}

/** Newest first, by day. `me` is the person of this device: calls of theirs name the other side only. */
export function record_days(lines: RecordLine[], me: string | null, now: number, local_zone: string): RecordDay[] {
  const day = (line: RecordLine) => date(line.opened_ms, local_zone) ?? '';
  const newest = [...lines].sort((a, b) => b.opened_ms - a.opened_ms);
  return runs(newest, (a, b) => day(a) === day(b)).map((of_day) => ({
    day: day(of_day[0]),
    rows: runs(of_day, repeats).map((group) => row(group, me, now, local_zone)),
  }));
}

const missed = (line: RecordLine): boolean =>
  line.ended_ms !== undefined && was_missed(line.how, line.answered_ms !== undefined);

/** Missed calls between the same two, the same way round, are shown once. */
const repeats = (a: RecordLine, b: RecordLine): boolean =>
  missed(a) &&
  missed(b) &&
  a.from.person === b.from.person &&
  a.to.person === b.to.person &&
  a.on_behalf_of?.person === b.on_behalf_of?.person;

function row(group: [RecordLine, ...RecordLine[]], me: string | null, now: number, local_zone: string): RecordRow {
  const [line] = group;
  const { records } = t();
  const outgoing = line.from.person === me;
  const incoming = line.to.person === me;
  const times = group.map((one) => time(one.opened_ms, local_zone) ?? '');
  const count = format_number(group.length);
  const repeated = outgoing ? records.unanswered_calls : records.missed_calls;
  return {
    call: line.call,
    title: outgoing ? line.to.name : incoming ? line.from.name : both_names(line.from, line.to),
    at: times[0] ?? '',
    direction: outgoing ? records.you_called : incoming ? records.called_you : '',
    outcome:
      group.length > 1
        ? `${repeated(group.length, count)} · ${times.join(', ')}`
        : [...acts(line), outcome(line)].filter(Boolean).join(' · '),
    lasted: lasted(line),
    missed: missed(line) && !outgoing,
    kept: kept(line, outgoing, now),
  };
}

/** Who rang or answered for whom. */
export function acts(line: RecordLine): string[] {
  const { acting } = t();
  return [
    ...(line.on_behalf_of ? [acting.rang(line.from.name, line.on_behalf_of.name)] : []),
    ...(line.answered_by ? [acting.answered(line.answered_by.name, line.to.name)] : []),
  ];
}

function outcome(line: RecordLine): string {
  const { records } = t();
  if (line.ended_ms === undefined) return line.answered_ms === undefined ? records.ringing : records.live;
  if (line.answered_ms === undefined || line.how === 'hung_up' || line.how === undefined) return '';
  return records.ended[line.how];
}

function kept(line: RecordLine, outgoing: boolean, now: number): Kept {
  const { records } = t();
  const state = record_state(line, now);
  if (state !== 'not_due') return kept_record(state);
  if (line.ended_ms === undefined) return { words: records.modes[line.mode], level: 'amber', shape: 'record' };
  return line.answered_ms === undefined
    ? not_answered(line.how ?? 'missed', missed(line) && !outgoing)
    : { words: records.modes.log_only, level: 'quiet', shape: 'record' };
}

function not_answered(how: Ended, missed: boolean): Kept {
  const { records } = t();
  if (missed) return { words: records.missed, level: 'amber', shape: 'missed' };
  return { words: capitalise(records.ended[how]), level: 'quiet', shape: 'unreachable' };
}
