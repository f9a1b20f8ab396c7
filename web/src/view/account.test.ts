import { expect, test } from 'vitest';
import { NOW, call, incoming, view } from '../fake/views';
import { RENEW_BEFORE_MS, renewal } from './account';

const MINUTE_MS = 60_000;
const shown = (in_ms: number, more: Parameters<typeof view>[0] = {}) =>
  renewal(view({ account_ends_ms: NOW + in_ms, ...more }), NOW, 'Europe/Oslo');

test('a person is reminded to renew a sign-in that ends soon', () => {
  expect(shown(RENEW_BEFORE_MS + MINUTE_MS)).toBeNull();
  expect(shown(10 * MINUTE_MS)).toBe(
    'Your sign-in with your office account ends at 10:52. Renew it now, so that you are not signed out later.',
  );
});

test('nobody is asked to leave the page during a call, or without a connection', () => {
  expect(shown(MINUTE_MS, { call: call({ state: 'live' }) })).toBeNull();
  expect(shown(MINUTE_MS, { call: call({ state: 'ended' }) })).not.toBeNull();
  expect(shown(MINUTE_MS, { rings: [incoming()] })).toBeNull();
  expect(shown(MINUTE_MS, { token: null, phase: 'offline' })).toBeNull();
  expect(renewal(view(), NOW, 'UTC')).toBeNull();
  expect(renewal(null, NOW, 'UTC')).toBeNull();
});
