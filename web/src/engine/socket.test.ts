import { describe, expect, it } from 'vitest';
import { pause } from './socket';

describe('pauses between tries', () => {
  it('grow, have chance in them, and end at a bound', () => {
    expect([0, 1, 2].map((n) => pause(n, 1))).toEqual([250, 500, 1_000]);
    expect(pause(0, 0)).toBe(125);
    expect(pause(40, 1)).toBe(8_000);
  });
});
