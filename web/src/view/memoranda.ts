// View model of the list of memoranda: each call with what is written about it.

import type { RecordLine } from '../engine/contract';
import type { DebriefOf, DraftAge, Part } from '../papers/contents';
import { is_about } from '../papers/call_notes.svelte';
import type { DraftedMemorandum, FiledDebrief, Written } from '../papers/memoranda.svelte';
import { t } from '../text';
import { format_number } from '../text/format';
import { date, full_date, time } from './clock';
import { both_names, type Level, type Shape } from './labels';
import { lasted, runs } from './records';

export type MemoState = 'none' | 'draft' | 'reviewed' | 'approved' | 'destroyed' | 'debrief_due' | 'debrief';

export interface MemoRow {
  call: string;
  title: string;
  at: string;
  lasted: string | null;
  state: MemoState;
  badge: { words: string; level: Level; shape: Shape | undefined };
  /** Until when the draft has to be finished, where that is near. */
  until: string | null;
  /** The draft's time is over: finish or destroy. */
  over: boolean;
  memorandum: DraftedMemorandum | null;
  debrief: FiledDebrief | null;
  notes: number;
  line: RecordLine;
}

export interface OutsideRow {
  document: string;
  title: string;
  at: string;
  level: Level;
  shape: Shape | undefined;
  words: string;
  /** The principal can make it part of the record now. */
  waits: boolean;
}

export interface MemoDay {
  day: string;
  rows: MemoRow[];
}

/** The calls that were answered and are over, newest first, by day. */
export function memo_days(lines: RecordLine[], written: Written, me: string | null, zone: string): MemoDay[] {
  const spoken = lines.filter((line) => line.answered_ms !== undefined && line.ended_ms !== undefined);
  const newest = [...spoken].sort((a, b) => b.opened_ms - a.opened_ms);
  const day = (line: RecordLine) => date(line.opened_ms, zone) ?? '';
  return runs(newest, (a, b) => day(a) === day(b)).map((of_day) => ({
    day: day(of_day[0]),
    rows: of_day.map((line) => row(line, written, me, zone)),
  }));
}

function row(line: RecordLine, written: Written, me: string | null, zone: string): MemoRow {
  const of_call = (one: { version: { signed: { about?: unknown } } }) => is_about(one.version.signed.about, line.call);
  const memoranda = written.memoranda.filter(of_call);
  // One that was destroyed hides no other.
  const memorandum = memoranda.find((one) => one.version.signed.state !== 'destroyed') ?? memoranda[0] ?? null;
  const debrief = written.debriefs.find(of_call) ?? null;
  const signed = memorandum?.version.signed.state;
  const state: MemoState =
    signed === 'draft' || signed === 'reviewed' || signed === 'approved' || signed === 'destroyed'
      ? signed
      : written.due.has(line.call)
        ? 'debrief_due'
        : debrief
          ? 'debrief'
          : 'none';
  const unfinished = state === 'draft' || state === 'reviewed';
  const age: DraftAge = (unfinished && memorandum?.assessment.age) || { age: 'young' };
  const other = line.from.person === me ? line.to : line.to.person === me ? line.from : null;
  return {
    call: line.call,
    title: other?.name ?? both_names(line.from, line.to),
    at: time(line.opened_ms, zone) ?? '',
    lasted: lasted(line),
    state,
    badge: badge(state),
    until: age.age === 'young' ? null : until(age, memorandum?.assessment.until_ms ?? 0, zone),
    over: age.age === 'over',
    memorandum,
    debrief,
    notes: written.notes.filter(of_call).length,
    line,
  };
}

export function badge(state: MemoState): MemoRow['badge'] {
  const { states } = t().memoranda;
  const look: Record<MemoState, [Level, Shape | undefined]> = {
    none: ['quiet', undefined],
    draft: ['quiet', 'paper'],
    reviewed: ['amber', 'paper'],
    // Whether the approval follows its review is verified when it is opened.
    approved: ['quiet', 'seal'],
    destroyed: ['quiet', 'no'],
    debrief_due: ['amber', 'wait'],
    debrief: ['quiet', 'paper'],
  };
  const [level, shape] = look[state];
  return { words: states[state], level, shape };
}

/** How a draft's time stands, as a sentence. */
export function until(age: DraftAge, until_ms: number, zone: string): string {
  const { memoranda } = t();
  const day = full_date(until_ms, zone) ?? '';
  return age.age === 'ending' ? memoranda.ending(age.days, format_number(age.days), day) : memoranda.over(day);
}

const outside_call = (of: DebriefOf) => (of.of === 'outside' ? of : null);

/** Reports of calls outside of Telcon, newest first. */
export function outside_rows(written: Written, zone: string): OutsideRow[] {
  const { outside } = t().memoranda;
  return written.debriefs.flatMap((one) => {
    const call = outside_call(one.content.call);
    const { countdown } = one;
    if (!call || !countdown) return [];
    const days = 'days' in countdown ? countdown.days : 0;
    const look: Record<typeof countdown.stands, [Level, Shape | undefined, string]> = {
      met: ['seal', 'seal', outside.met],
      late: ['amber', 'alert', outside.late(days, format_number(days))],
      days_left: ['amber', 'wait', outside.days_left(days, format_number(days))],
      overdue: ['red', 'alert', outside.overdue(days, format_number(days))],
    };
    const [level, shape, words] = look[countdown.stands];
    const waits = countdown.stands === 'days_left' || countdown.stands === 'overdue';
    const at = outside.at(full_date(call.at_ms, zone) ?? '', call.over);
    return [{ document: one.document, title: call.with.join(', '), at, level, shape, words, waits }];
  });
}

/** What a part of a memorandum is called. */
export function part_name(part: Part): string {
  const { parts } = t().memoranda;
  switch (part.part) {
    case 'turn':
      return part.speaker || parts.remark;
    case 'decision':
      return parts.decision(format_number(part.number + 1));
    default:
      return parts[part.part];
  }
}
