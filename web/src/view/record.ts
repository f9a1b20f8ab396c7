// View model of one record with its proof.

import type { Card, Check, RecordLine, Report } from '../engine/contract';
import { speaks, writes_records } from '../engine/roles';
import { t } from '../text';
import { format_number } from '../text/format';
import { told_reason } from '../text/told';
import { check_detail, check_name, check_title } from './checks';
import { date, day_offset, time, time_to_the_second } from './clock';
import { both_names, named, type Level, type Shape } from './labels';
import { acts, is_pending, lasted, record_state } from './records';

/**
 * `absent`: the check passed, and what it proves is that there is no record. `overdue`: it can pass only with a record, which has not
 * arrived in time.
 */
export type CheckState = 'passed' | 'pending' | 'absent' | 'overdue' | 'failed';

export interface RecordScreen {
  /** In the header, after the title. */
  which: string;
  office: string;
  fields: { name: string; lines: string[] }[];
  seal: { title: string; sentence: string; level: Level; shape: Shape };
  verdict: { level: 'seal' | 'amber' | 'red' | 'quiet'; shape: Shape; title: string; sentence: string } | null;
  checks: { state: CheckState; title: string; detail: string }[];
}

/** `hung_up_by`: who hung up, where this page was in the call and learned it. The log does not say. */
export function record_screen(
  line: RecordLine,
  report: { report: Report; at_ms: number } | null,
  office: string,
  local_zone: string,
  hung_up_by: Card | null = null,
): RecordScreen {
  const checks = report?.report.checks.map((check) => check_row(line, check, report.at_ms)) ?? [];
  return {
    which: t().records.one.which(both_names(line.from, line.to), date(line.opened_ms, local_zone) ?? ''),
    office,
    fields: fields(line, local_zone, report?.report.people ?? null, hung_up_by),
    seal: checks.some((check) => check.state === 'failed')
      ? { ...t().records.seal.broken, level: 'red', shape: 'no' }
      : seal(line, report?.at_ms ?? line.ended_ms ?? line.opened_ms),
    verdict: report && verdict(line, report.report, report.at_ms, local_zone),
    checks,
  };
}

function check_row(line: RecordLine, check: Check, at_ms: number): RecordScreen['checks'][number] {
  const { checks } = t().records;
  const title = check_title(check.title);
  if (check.ok) {
    const state = check_name(check.title) === 'missing' ? 'absent' : 'passed';
    return { state, title, detail: check_detail(check.detail) };
  }
  const waits = waiting_checks(line).includes(check_name(check.title) ?? '');
  if (waits && is_pending(line, at_ms)) {
    return {
      state: 'pending',
      title,
      detail: check_name(check.title) === 'ended' ? checks.waiting_end : checks.waiting,
    };
  }
  if (waits && record_state(line, at_ms) === 'overdue') return { state: 'overdue', title, detail: checks.late };
  return { state: 'failed', title, detail: check_detail(check.detail) };
}

/** `people`: everybody who was in the call, once their certificates have been verified. */
function fields(
  line: RecordLine,
  local_zone: string,
  people: Card[] | null,
  hung_up_by: Card | null,
): RecordScreen['fields'] {
  const { fields: names } = t().records;
  const answered = line.answered_ms;
  const ended = line.ended_ms;
  const length = lasted(line);
  const zones = new Set([line.from.zone, line.to.zone]);
  const start = answered ?? line.opened_ms;
  const clock = (zone: string) => span(start, answered === undefined ? undefined : ended, zone);
  const place = (zone: string, name: string) => {
    const at = clock(zone);
    return at === null ? [] : [at_place(at, name, day_offset(start, zone, local_zone))];
  };
  const clocks =
    zones.size === 1
      ? [clock(line.from.zone) ?? clock(local_zone) ?? '']
      : [...place(line.from.zone, line.from.name), ...place(line.to.zone, line.to.name)];
  return [
    { name: names.participants, lines: [named(line.from), named(line.to), ...acts(line)] },
    ...(answered === undefined || people === null ? [] : [{ name: names.listened, lines: listened(line, people) }]),
    { name: names.date, lines: [date(start, local_zone) ?? ''] },
    { name: names.time, lines: clocks },
    ...(length === null ? [] : [{ name: names.duration, lines: [length] }]),
    { name: names.placed, lines: [names.direct(time_to_the_second(line.opened_ms, local_zone) ?? '')] },
    { name: names.ended, lines: [ended === undefined ? names.not_ended : how_it_ended(line, hung_up_by)] },
    { name: names.kept, lines: kept_lines(line) },
  ];
}

function how_it_ended({ how = 'hung_up' }: RecordLine, hung_up_by: Card | null): string {
  if (how === 'hung_up' && hung_up_by !== null) return t().call.ended.hung_up_by(hung_up_by.name);
  return t().records.how[how];
}

function at_place(at: string, name: string, day: number): string {
  const { fields } = t().records;
  return day === 1 ? fields.at_day_after(at, name) : day === -1 ? fields.at_day_before(at, name) : fields.at(at, name);
}

function kept_lines(line: RecordLine): string[] {
  const { fields, modes } = t().records;
  if (line.answered_ms === undefined) return [fields.attempt];
  const mode = modes[line.mode];
  return record_state(line, line.ended_ms ?? line.opened_ms) === 'none'
    ? [fields.log_only, fields.should_be(mode.toLowerCase())]
    : [mode];
}

function listened(line: RecordLine, people: Card[]): string[] {
  const { fields } = t().records;
  // Who acted for a party is named beside the parties.
  const acted = [line.on_behalf_of && line.from, line.answered_by].map((card) => card?.person);
  const staff = people.filter((card) => !speaks(card.role) && !acted.includes(card.person));
  if (staff.length === 0) return [fields.nobody];
  return staff.map((card) => (writes_records(card.role) ? fields.wrote(named(card)) : named(card)));
}

function span(from: number, to: number | undefined, zone: string): string | null {
  const start = time(from, zone);
  if (start === null) return null;
  return to === undefined ? start : `${start}–${time(to, zone)}`;
}

function seal(line: RecordLine, at_ms: number): RecordScreen['seal'] {
  const { seal: texts } = t().records;
  const count = format_number(line.records);
  const incomplete = { level: 'amber', shape: 'alert' } as const;
  const sealed = { level: 'seal', shape: 'lock' } as const;
  const quiet = { level: 'quiet', shape: 'record' } as const;
  if (line.records > 1) {
    return line.partial
      ? { title: texts.several_partial(count), sentence: texts.several_partial_by(count), ...incomplete }
      : { title: texts.several(count), sentence: texts.several_by(count), ...sealed };
  }
  if (line.records > 0) return line.partial ? { ...texts.partial, ...incomplete } : { ...texts.whole, ...sealed };
  if (line.ended_ms === undefined) return { ...texts.not_over, ...quiet };
  if (line.answered_ms === undefined) return { ...texts.nothing_said, ...quiet };
  if (line.mode === 'log_only') return { ...texts.log_only, ...quiet };
  if (line.missing) return { ...texts.none, level: 'red', shape: 'unrecorded' };
  if (record_state(line, at_ms) === 'overdue') return { ...texts.overdue, level: 'red', shape: 'unrecorded' };
  return { ...texts.pending, level: 'quiet', shape: 'wait' };
}

/** Names of checks that cannot pass before the call is over, or before its record is there. */
function waiting_checks(line: RecordLine): string[] {
  return [...(line.ended_ms === undefined ? ['ended'] : []), ...(line.records === 0 ? ['sealed', 'digest'] : [])];
}

function verdict(
  line: RecordLine,
  report: Report,
  at_ms: number,
  local_zone: string,
): NonNullable<RecordScreen['verdict']> {
  const { verdict: texts } = t().records;
  const when = texts.when(time_to_the_second(at_ms, local_zone) ?? '');
  const rows = report.checks.map((check) => check_row(line, check, at_ms));
  const failed = rows.filter((check) => check.state === 'failed').length;
  if (failed > 0) {
    return {
      level: 'red',
      shape: 'no',
      title: texts.broken,
      sentence: `${when} ${texts.broken_why(failed, format_number(failed))}`,
    };
  }
  if (rows.some((check) => check.state === 'pending')) {
    return {
      level: 'quiet',
      shape: 'wait',
      title: texts.pending,
      sentence: `${when} ${line.ended_ms === undefined ? texts.call_goes_on : texts.on_its_way}`,
    };
  }
  if (rows.some((check) => check.state === 'overdue')) {
    return { level: 'red', shape: 'unrecorded', title: texts.overdue, sentence: `${when} ${texts.overdue_why}` };
  }
  if (report.missing !== null) {
    const why = texts.none_why(told_reason(report.missing));
    return { level: 'red', shape: 'unrecorded', title: texts.none, sentence: `${when} ${why}` };
  }
  if (report.partial) {
    return { level: 'amber', shape: 'alert', title: texts.partial, sentence: `${when} ${texts.partial_why}` };
  }
  const what = line.answered_ms === undefined ? texts.attempt : line.mode === 'log_only' ? texts.log_only : texts.whole;
  return { level: 'seal', shape: 'seal', title: what, sentence: when };
}
