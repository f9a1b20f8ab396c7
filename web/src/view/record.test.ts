import { describe, expect, it } from 'vitest';
import type { Card, RecordLine } from '../engine/contract';
import { minister, president, writer } from '../fake/people';
import { NOW, record_line } from '../fake/views';
import { record_screen } from './record';
import { is_pending } from './records';

const HERE = 'Europe/Lisbon';
const line = record_line();
const { answered_ms: _, ...missed } = { ...line, how: 'missed' as const, records: 0 };

describe('a record', () => {
  const at_ms = NOW + 800_000;
  const field = (of: RecordLine, name: string) =>
    record_screen(of, null, 'Office', HERE).fields.find((f) => f.name === name)?.lines;

  it('shows both clocks and the date, never relative', () => {
    expect(field(line, 'Time')).toEqual([
      '09:42–09:55 for the President',
      '15:42–15:55 for the Prime Minister of Estmark',
    ]);
    expect(field({ ...line, to: { ...minister, zone: HERE } }, 'Time')).toEqual(['09:42–09:55']);
    expect(field(line, 'Date')).toEqual(['Sunday, 22 November 2026']);
    const late = { ...line, answered_ms: NOW + 10 * 3_600_000, ended_ms: NOW + 11 * 3_600_000 };
    expect(field(late, 'Time')?.[1]).toBe('01:42–02:42 for the Prime Minister of Estmark (the day after)');
  });

  it('names who hung up where this page learned it in the call', () => {
    const ended = (of: RecordLine, by: Card | null) =>
      record_screen(of, null, 'Office', HERE, by).fields.find((f) => f.name === 'Ended')?.lines;
    expect(ended(line, minister)).toEqual(['The Prime Minister of Estmark hung up']);
    expect(ended(line, null)).toEqual(['Hung up by a participant']);
    expect(ended(missed, minister)).toEqual(['Not answered']);
  });

  it('says who can open it, and promises nothing that is missing', () => {
    const title = (of: RecordLine) => record_screen(of, null, 'Office', HERE).seal.title;
    expect(title(line)).toBe('Sealed. The custodians can open it.');
    expect(title({ ...line, partial: true })).toBe('Sealed, incomplete.');
    expect(title({ ...line, records: 2 })).toBe('Sealed in 2 records. The custodians can open them.');
    expect(title({ ...line, records: 2, partial: true })).toBe('Sealed in 2 records, all incomplete.');
    expect(title({ ...line, records: 0 })).toBe('The record has not arrived yet.');
    expect(title({ ...line, records: 0, mode: 'log_only' })).toBe('Only the log was kept.');
    expect(title(missed)).toBe('There was no conversation.');
    expect(title({ ...line, records: 0, missing: true })).toBe('There is no record.');
  });

  it('that is missing says so and why, which differs from failed verification', () => {
    const none = { ...line, records: 0, missing: true };
    const report = { ok: true, checks: [], partial: false, missing: 'no note-taker was in the call', people: [] };
    const screen = record_screen(none, { report, at_ms }, 'Office', HERE);
    expect(screen.verdict).toMatchObject({
      level: 'red',
      title: 'There is no record',
      sentence: expect.stringMatching(/no note-taker was in the call\.$/),
    });
    expect(screen.fields.find((field) => field.name === 'Kept')?.lines).toEqual([
      'Log only',
      'Should have been kept: transcript',
    ]);
    expect(is_pending(none, none.ended_ms! + 1_000)).toBe(false);
  });

  it('is called whole only when this device verified it', () => {
    expect(record_screen(line, null, 'Office', HERE).verdict).toBeNull();
    const check = (ok: boolean) => ({ ok, title: 'Digest in the log', detail: '' });
    const verdict = (oks: boolean[]) =>
      record_screen(
        line,
        {
          report: { ok: oks.every(Boolean), checks: oks.map(check), partial: false, missing: null, people: [] },
          at_ms,
        },
        'Office',
        HERE,
      ).verdict;
    expect(verdict([true])).toMatchObject({ level: 'seal', title: 'Genuine and complete' });
    expect(verdict([true])?.sentence).toMatch(/09:55:46/);
    expect(verdict([true, false])).toMatchObject({ level: 'red', title: 'This record cannot be trusted' });
    expect(verdict([true, false])?.sentence).toMatch(/1 check failed/);
  });

  it('does not fail verification for what is still pending', () => {
    const of = (more: Partial<RecordLine>, wrong: string[]) => {
      const checks = ['Opened before it rang', ...wrong].map((title, n) => ({ ok: n === 0, title, detail: '' }));
      return record_screen(
        { ...line, ...more },
        { report: { ok: false, checks, partial: false, missing: null, people: [] }, at_ms: NOW },
        'Office',
        HERE,
      ).verdict;
    };
    const on_its_way = { records: 0, ended_ms: NOW - 5_000 };
    const sealed = ['Sealed by its note-taker', 'Digest in the log'];
    expect(of(on_its_way, sealed)).toMatchObject({
      level: 'quiet',
      title: 'Not complete yet',
      sentence: expect.stringMatching(/on its way/),
    });
    expect(of({ records: 0, ended_ms: undefined }, [...sealed, 'Its end is in the log'])).toMatchObject({
      level: 'quiet',
      sentence: expect.stringMatching(/still in progress/),
    });
    expect(of(on_its_way, [...sealed, 'Matches what was signed'])?.level).toBe('red');
    const overdue = { ...on_its_way, ended_ms: NOW - 3_600_000 };
    expect(of(overdue, sealed)).toMatchObject({ level: 'red', shape: 'unrecorded', title: 'Record overdue' });
    expect(of(overdue, [...sealed, 'Matches what was signed'])?.title).toBe('This record cannot be trusted');
    expect(of({ records: 1, ended_ms: NOW - 5_000 }, sealed)?.level).toBe('red');
  });

  it('shows what is pending as pending, and no check that finds nothing as a tick', () => {
    const states = (more: Partial<RecordLine>, checks: [string, boolean][]) =>
      record_screen(
        { ...line, ...more },
        {
          report: {
            ok: false,
            checks: checks.map(([title, ok]) => ({ title, ok, detail: '' })),
            partial: false,
            missing: null,
            people: [],
          },
          at_ms: NOW,
        },
        'Office',
        HERE,
      ).checks.map((check) => check.state);
    const pending: [string, boolean][] = [
      ['Opened before it rang', true],
      ['Sealed by its note-taker', false],
      ['Digest in the log', false],
    ];
    expect(states({ records: 0, ended_ms: NOW - 5_000 }, pending)).toEqual(['passed', 'pending', 'pending']);
    expect(states({ records: 0, ended_ms: NOW - 3_600_000 }, pending)).toEqual(['passed', 'overdue', 'overdue']);
    expect(states({ records: 0, missing: true }, [['Its record is missing, and the log says so', true]])).toEqual([
      'absent',
    ]);
  });

  it('that is overdue is not said to be on its way', () => {
    const late = { ...line, records: 0 };
    const report = { ok: false, checks: [], partial: false, missing: null, people: [] };
    const seal = (at_ms: number) => record_screen(late, { report, at_ms }, 'Office', HERE).seal;
    expect(seal(line.ended_ms! + 5_000)).toMatchObject({ title: 'The record has not arrived yet.', level: 'quiet' });
    expect(seal(line.ended_ms! + 3_600_000)).toMatchObject({ title: 'The record is overdue.', level: 'red' });
  });

  it('names the log that it was held to', () => {
    const checks = [{ ok: true, title: 'Its log continues what this device has seen', detail: 'log of 90512 entries' }];
    const report = { ok: true, checks, partial: false, missing: null, people: [] };
    expect(record_screen(line, { report, at_ms }, 'Office', HERE).checks).toEqual([
      { state: 'passed', title: 'The log continues what this device has seen', detail: 'Log of 90,512 entries' },
    ]);
  });

  it('that failed a check carries no green mark', () => {
    const checks = [{ ok: false, title: 'Digest in the log', detail: '' }];
    const report = { ok: false, checks, partial: false, missing: null, people: [] };
    expect(record_screen(line, { report, at_ms }, 'Office', HERE).seal).toMatchObject({ level: 'red', shape: 'no' });
  });

  it('of which only the log is kept is not called a genuine record', () => {
    const report = { ok: true, checks: [], partial: false, missing: null, people: [] };
    const title = (of: RecordLine) => record_screen(of, { report, at_ms }, 'Office', HERE).verdict?.title;
    expect(title(missed)).toBe('The attempt is in the log');
    expect(title({ ...line, mode: 'log_only', records: 0 })).toBe('The call is in the log');
  });

  it('that is incomplete carries no green mark', () => {
    const screen = record_screen({ ...line, partial: true }, null, 'Office', HERE);
    expect(screen.seal).toMatchObject({ level: 'amber', shape: 'alert' });
  });

  it('lists the listeners once their certificates were verified', () => {
    const listened = (people: Card[] | null) =>
      record_screen(
        line,
        people && { report: { ok: true, checks: [], partial: false, missing: null, people }, at_ms: NOW },
        'Office',
        HERE,
      ).fields.find((field) => field.name === 'Listeners')?.lines;
    expect(listened(null)).toBeUndefined();
    expect(listened([president, minister])).toEqual(['None']);
    expect(listened([president, writer, minister])).toEqual([
      `${writer.name}, ${writer.organisation} (wrote the record)`,
    ]);
  });
});
