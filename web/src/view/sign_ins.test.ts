import { expect, test } from 'vitest';
import type { SignInList } from '../engine/contract';
import { DEVICES } from '../fake/devices';
import { device } from '../fake/views';
import { sign_in_rows } from './sign_ins';

const at = (hour: number, minute: number, day = 20) => Date.UTC(2026, 10, day, hour, minute);
const rows = (list: Partial<SignInList>) => sign_in_rows({ sign_ins: [], failed: [], ...list }, DEVICES, 'UTC');

test('a sign-in says when, with what, and how often', () => {
  const [one] = rows({
    sign_ins: [{ device: device(11), from_ms: at(9, 5), until_ms: at(11, 40), times: 3, kind: 'browser' }],
  });
  expect(one).toMatchObject({
    title: 'Microsoft Edge (Windows)',
    details: ['20 Nov 2026, 09:05 – 11:40', 'in a browser', 'connected 3 times'],
    connected: false,
    failed: false,
  });
});

test('the newest sign-in of a connected device lasts, its earlier ones and those of others have ended', () => {
  const sign_in = (n: number, from_ms: number, until_ms: number) => ({
    device: device(n),
    from_ms,
    until_ms,
    times: 1,
    kind: 'native' as const,
  });
  const list = [sign_in(1, at(9, 0), at(12, 0)), sign_in(11, at(8, 0, 19), at(8, 30)), sign_in(1, at(7, 0), at(7, 0))];
  expect(rows({ sign_ins: list }).map(({ details: [when], connected }) => [when, connected])).toEqual([
    ['Connected since 20 Nov 2026, 09:00', true],
    ['19 Nov 2026, 08:00 – 20 Nov 2026, 08:30', false],
    ['20 Nov 2026, 07:00', false],
  ]);
});

test('failed attempts stand among the sign-ins, by time', () => {
  const list = rows({
    sign_ins: [
      { device: device(11), from_ms: at(9, 0), until_ms: at(9, 30), times: 1, kind: 'browser' },
      { device: device(11), from_ms: at(7, 0), until_ms: at(7, 30), times: 1, kind: 'browser' },
    ],
    failed: [{ device: device(11), time_ms: at(8, 0), count: 2 }],
  });
  expect(list.map(({ failed }) => failed)).toEqual([false, true, false]);
  expect(list[1]!.details).toEqual(['20 Nov 2026, 08:00', '2 failed attempts to sign in']);
  expect(new Set(list.map(({ id }) => id)).size).toBe(3);
});
