// View models of the list of calls, and of one record with its proof.

import type { Card, RecordLine, Report } from '../engine/contract';
import { speaks, writes_records } from '../engine/roles';
import { date, day_offset, duration_text, time, time_to_the_second } from './clock';
import { both_names, ended_labels, mid_sentence, mode_labels } from './labels';

export interface RecordRow {
  call: string;
  title: string;
  at: string;
  detail: string;
  kept: { words: string; level: 'seal' | 'amber' | 'red' | 'quiet' };
}

export interface RecordDay {
  day: string;
  rows: RecordRow[];
}

/** How long after the end of a call its record is expected, milliseconds. Usually it takes seconds. */
const RECORD_DELIVERY_TIMEOUT_MS = 10 * 60_000;

/** Whether a call is live, or its record is expected to arrive. */
export function is_pending(line: RecordLine, now: number): boolean {
  if (line.ended_ms === undefined) return true;
  const due = line.answered_ms !== undefined && line.mode !== 'log_only' && line.records === 0 && !line.missing;
  return due && now - line.ended_ms < RECORD_DELIVERY_TIMEOUT_MS;
}

/** Newest first, by day. `me` is the person of this device: calls of theirs name the other side only. */
export function record_days(lines: RecordLine[], me: string | null, local_zone: string): RecordDay[] {
  const days: RecordDay[] = [];
  for (const line of [...lines].sort((a, b) => b.opened_ms - a.opened_ms)) {
    const day = date(line.opened_ms, local_zone) ?? '';
    if (days.at(-1)?.day !== day) days.push({ day, rows: [] });
    days.at(-1)?.rows.push(row(line, me, local_zone));
  }
  return days;
}

function row(line: RecordLine, me: string | null, local_zone: string): RecordRow {
  const outgoing = line.from.person === me;
  const incoming = line.to.person === me;
  return {
    call: line.call,
    title: outgoing ? line.to.name : incoming ? line.from.name : both_names(line.from, line.to),
    at: time(line.opened_ms, local_zone) ?? '',
    detail: [outgoing ? 'you rang' : incoming ? 'rang you' : null, outcome(line)]
      .filter((part) => part !== null)
      .join(' · '),
    kept: kept(line),
  };
}

function outcome(line: RecordLine): string {
  if (line.ended_ms === undefined) return line.answered_ms === undefined ? 'ringing' : 'live now';
  if (line.answered_ms === undefined) return ended_labels[line.how ?? 'missed'].toLowerCase();
  const lasted = duration_text(line.ended_ms - line.answered_ms);
  return line.how === 'hung_up' || line.how === undefined
    ? lasted
    : `${lasted} · ${ended_labels[line.how].toLowerCase()}`;
}

function kept(line: RecordLine): RecordRow['kept'] {
  if (line.records > 0)
    return line.partial ? { words: 'Sealed, not whole', level: 'amber' } : { words: 'Sealed', level: 'seal' };
  if (line.answered_ms === undefined || line.mode === 'log_only') return { words: 'Log only', level: 'quiet' };
  if (line.ended_ms === undefined) return { words: mode_labels[line.mode].short, level: 'amber' };
  if (no_record(line)) return { words: 'No record', level: 'red' };
  return { words: 'Not sealed yet', level: 'amber' };
}

export interface RecordScreen {
  /** In the header, after the title. */
  which: string;
  office: string;
  fields: { name: string; lines: string[] }[];
  seal: { title: string; sentence: string; sealed: boolean };
  verdict: { level: 'seal' | 'amber' | 'red'; title: string; sentence: string } | null;
  checks: { ok: boolean; title: string; detail: string }[];
}

export function record_screen(
  line: RecordLine,
  report: { report: Report; at_ms: number } | null,
  office: string,
  local_zone: string,
): RecordScreen {
  return {
    which: `${both_names(line.from, line.to)}, ${date(line.opened_ms, local_zone)}`,
    office,
    fields: fields(line, local_zone, report?.report.people ?? null),
    seal: seal(line),
    verdict: report && verdict(line, report.report, report.at_ms, local_zone),
    checks: report?.report.checks ?? [],
  };
}

/** `people`: everybody who was in the call, once their certificates have been verified. */
function fields(line: RecordLine, local_zone: string, people: Card[] | null): RecordScreen['fields'] {
  const answered = line.answered_ms;
  const ended = line.ended_ms;
  const zones = new Set([line.from.zone, line.to.zone]);
  const start = answered ?? line.opened_ms;
  const clock = (zone: string) => span(start, answered === undefined ? undefined : ended, zone);
  const place = (zone: string, name: string) =>
    `${clock(zone)} at ${mid_sentence(name)}${other_day(start, zone, local_zone)}`;
  const clocks =
    zones.size === 1
      ? [clock(line.from.zone) ?? clock(local_zone) ?? '']
      : [
          ...(clock(line.from.zone) ? [place(line.from.zone, line.from.name)] : []),
          ...(clock(line.to.zone) ? [place(line.to.zone, line.to.name)] : []),
        ];
  return [
    { name: 'Participants', lines: [named(line.from), named(line.to)] },
    ...(answered === undefined || people === null ? [] : [{ name: 'Listened', lines: listened(people) }]),
    { name: 'Date', lines: [date(start, local_zone) ?? ''] },
    { name: 'Time', lines: clocks },
    { name: 'Put through', lines: [`By direct call, opened ${time_to_the_second(line.opened_ms, local_zone)} here`] },
    { name: 'Ended', lines: [ended === undefined ? 'Not yet' : ended_labels[line.how ?? 'hung_up']] },
    { name: 'Kept', lines: kept_lines(line) },
  ];
}

function kept_lines(line: RecordLine): string[] {
  if (line.answered_ms === undefined) return ['The attempt, in the log'];
  const { short } = mode_labels[line.mode];
  return no_record(line) ? ['Log only', `It should have been: ${short.toLowerCase()}`] : [short];
}

/** The record is missing, and the log says so. */
export const no_record = (line: RecordLine) =>
  line.missing === true && line.answered_ms !== undefined && line.mode !== 'log_only';

function listened(people: Card[]): string[] {
  const staff = people.filter((card) => !speaks(card.role));
  return staff.length > 0
    ? staff.map((card) => (writes_records(card.role) ? `${named(card)}, who wrote the record` : named(card)))
    : ['Nobody besides the two'];
}

const named = (card: { name: string; organisation: string }) => `${card.name}, ${card.organisation}`;

function span(from: number, to: number | undefined, zone: string): string | null {
  const start = time(from, zone);
  if (start === null) return null;
  return to === undefined ? start : `${start}–${time(to, zone)}`;
}

function other_day(ms: number, zone: string, local_zone: string): string {
  return { [-1]: ' (the day before)', 1: ' (the day after)' }[day_offset(ms, zone, local_zone)] ?? '';
}

function seal(line: RecordLine): RecordScreen['seal'] {
  if (line.records > 1) {
    const by = `${line.records} note-takers heard it, and each sealed what it heard.`;
    return line.partial
      ? {
          title: `Sealed in ${line.records} records, and each lacks something.`,
          sentence: `${by} The custodians can open what there is, and why.`,
          sealed: true,
        }
      : { title: `Sealed in ${line.records} records. The custodians can open them.`, sentence: by, sealed: true };
  }
  if (line.records > 0 && line.partial) {
    return {
      title: 'Sealed, and something is missing.',
      sentence: 'Its note-taker signed that it is not whole. The custodians can open what there is, and why.',
      sealed: true,
    };
  }
  if (line.records > 0) {
    return {
      title: 'Sealed. The custodians can open it.',
      sentence: 'It was sealed where it was heard. Neither this device nor the server holds a key to it.',
      sealed: true,
    };
  }
  if (line.ended_ms === undefined)
    return { title: 'The call is not over.', sentence: 'Its record is sealed when it has ended.', sealed: false };
  if (line.answered_ms === undefined)
    return { title: 'Nothing was said.', sentence: 'The attempt itself stands in the log.', sealed: false };
  if (line.mode === 'log_only')
    return {
      title: 'Only the log was kept.',
      sentence: 'When, who and how it ended. Nothing that was said was written down.',
      sealed: false,
    };
  if (line.missing)
    return {
      title: 'There is no record.',
      sentence:
        'What was said was not written down, or was not handed in. The log says why, where everyone can check it.',
      sealed: false,
    };
  return {
    title: 'The sealed record has not arrived.',
    sentence:
      'The note-taker’s device hands it in as soon as it can. A record that stays missing shows in the gap report.',
    sealed: false,
  };
}

/** Titles of checks that cannot pass while the call is live or its record is pending. */
function pending_checks(line: RecordLine): string[] {
  return [
    ...(line.ended_ms === undefined ? ['Its end is in the log'] : []),
    ...(line.records === 0 ? ['Sealed by its note-taker', 'Digest in the log'] : []),
  ];
}

function verdict(
  line: RecordLine,
  report: Report,
  at_ms: number,
  local_zone: string,
): NonNullable<RecordScreen['verdict']> {
  const when = `Checked on this device at ${time_to_the_second(at_ms, local_zone)}, without asking the server to be believed.`;
  const wrong = report.checks.filter((check) => !check.ok);
  const failed = wrong.length;
  if (failed > 0 && is_pending(line, at_ms) && wrong.every((check) => pending_checks(line).includes(check.title))) {
    return {
      level: 'amber',
      title: 'Not finished yet',
      sentence: `${when} ${line.ended_ms === undefined ? 'The call goes on.' : 'Its record is on its way.'} What is there so far holds.`,
    };
  }
  if (report.ok && report.missing !== null) {
    return { level: 'red', title: 'There is no record', sentence: `${when} The log says why: ${report.missing}.` };
  }
  if (report.ok && report.partial) {
    return {
      level: 'amber',
      title: 'Genuine, and something is missing',
      sentence: `${when} The note-taker signed that it is not whole. Why stands in the record.`,
    };
  }
  return report.ok
    ? { level: 'seal', title: 'This record is whole', sentence: when }
    : {
        level: 'red',
        title: 'This record does not hold',
        sentence: `${when} ${failed === 1 ? 'One check' : `${failed} checks`} failed: tell your records officer.`,
      };
}
