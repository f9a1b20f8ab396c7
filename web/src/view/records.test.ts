import { describe, expect, it } from 'vitest';
import type { RecordLine } from '../engine/contract';
import { minister, norland, president } from '../fake/people';
import { NOW, record_line } from '../fake/views';
import { record_days } from './records';

const HERE = 'Europe/Lisbon';
const LATER = NOW + 86_400_000;
const line = record_line();
const { answered_ms: _, ...missed } = { ...line, how: 'missed' as const, records: 0 };

describe('the list of calls', () => {
  it('is grouped by day, newest first, and names the other side to participants', () => {
    const days = record_days(
      [{ ...line, call: 'old', opened_ms: NOW - 86_400_000 }, line],
      president.person,
      LATER,
      HERE,
    );
    expect(days.map((d) => d.day)).toEqual(['Sunday, 22 November 2026', 'Saturday, 21 November 2026']);
    expect(days[0]?.rows[0]).toMatchObject({
      title: 'The Prime Minister of Estmark',
      direction: 'You called',
      lasted: '13 min',
      kept: { words: 'Sealed' },
    });
    expect(record_days([line], norland.person, LATER, HERE)[0]?.rows[0]?.title).toBe(
      'The President and the Prime Minister of Estmark',
    );
  });

  it('includes attempts, and distinguishes a late record from one that is not due', () => {
    const row = (of: RecordLine) => record_days([of], president.person, LATER, HERE)[0]?.rows[0];
    expect(row(missed)).toMatchObject({
      direction: 'You called',
      missed: false,
      kept: { words: 'No answer', level: 'quiet' },
    });
    expect(row({ ...line, partial: true })?.kept).toEqual({
      words: 'Sealed, incomplete',
      level: 'amber',
      shape: 'alert',
    });
    expect(row({ ...line, records: 0 })?.kept).toMatchObject({ words: 'Record overdue', level: 'red' });
    expect(row({ ...line, records: 0, ended_ms: LATER - 1_000 })?.kept).toMatchObject({
      words: 'Being sealed',
      level: 'quiet',
    });
    expect(row({ ...line, records: 0, mode: 'log_only' })?.kept.level).toBe('quiet');
    expect(row({ ...line, records: 0, missing: true })?.kept).toMatchObject({ words: 'No record', level: 'red' });
    expect(row({ ...missed, missing: true })?.kept).toMatchObject({ words: 'No answer', level: 'quiet' });
    const { ended_ms: _e, how: _h, ...now } = line;
    expect(row({ ...now, records: 0 })?.outcome).toBe('live now');
  });

  it('shows missed calls as such, and repeated ones once', () => {
    const of = (n: number) => ({
      ...missed,
      call: `m${n}`,
      from: minister,
      to: president,
      opened_ms: NOW + n * 60_000,
    });
    const rows = (...lines: RecordLine[]) => record_days(lines, president.person, LATER, HERE)[0]?.rows ?? [];
    expect(rows(of(1))).toMatchObject([
      { direction: 'Called you', missed: true, kept: { words: 'Missed', level: 'amber', shape: 'missed' } },
    ]);
    expect(rows(of(1), of(2), of(3))).toMatchObject([
      { call: 'm3', missed: true, outcome: '3 missed calls · 09:45, 09:44, 09:43' },
    ]);
    expect(rows(of(1), { ...line, opened_ms: NOW + 90_000 }, of(2))).toHaveLength(3);
    expect(rows({ ...of(1), how: 'declined' })).toMatchObject([{ missed: false, kept: { words: 'Declined' } }]);
  });
});
