import { expect, test } from 'vitest';
import type { RecordLine } from './contract';
import { RECORD_PAGE, RECORDS_PER_PAGE, with_newest } from './records';

const lines = (from: number, count: number): RecordLine[] =>
  Array.from({ length: count }, (_, n) => ({ call: `${from - n}`, opened_ms: from - n }) as RecordLine);

test('older pages stay when the newest page is read again', () => {
  const page = lines(1000, RECORDS_PER_PAGE);
  expect(with_newest([], page, false, RECORD_PAGE)).toEqual({ entries: page, more: true });
  const known = [...page, ...lines(800, 50)];
  const newer = lines(1003, RECORDS_PER_PAGE);
  const merged = with_newest(known, newer, false, RECORD_PAGE);
  expect(merged.more).toBe(false);
  expect(merged.entries.map((line) => line.opened_ms)).toEqual(lines(1003, 253).map((line) => line.opened_ms));
  expect(with_newest(known, lines(5000, RECORDS_PER_PAGE), false, RECORD_PAGE)).toEqual({
    entries: lines(5000, RECORDS_PER_PAGE),
    more: true,
  });
  expect(with_newest([], lines(3, 3), true, RECORD_PAGE)).toEqual({ entries: lines(3, 3), more: false });
});
