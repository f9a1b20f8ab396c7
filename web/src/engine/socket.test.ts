import { describe, expect, it } from 'vitest';
import { backoff_ms } from './socket';

describe('reconnect backoff', () => {
  it('grows exponentially, has jitter and is bounded', () => {
    expect([0, 1, 2].map((n) => backoff_ms(n, 1))).toEqual([250, 500, 1_000]);
    expect(backoff_ms(0, 0)).toBe(125);
    expect(backoff_ms(40, 1)).toBe(8_000);
  });
});
