import { describe, expect, it } from 'vitest';
import { MediaKeepAlive } from './media_keepalive';

describe('the media keepalive', () => {
  it('times out once when frames stop, and recovers when they resume', () => {
    const keepalive = new MediaKeepAlive();
    expect(keepalive.check(0, true)).toBeUndefined();
    keepalive.received(1_000);
    expect(keepalive.check(3_900, true)).toBeUndefined();
    expect(keepalive.check(4_100, true)).toBe(true);
    expect(keepalive.check(5_000, true)).toBeUndefined();
    keepalive.received(5_500);
    expect(keepalive.check(6_000, true)).toBe(false);
  });

  it('times out when no frame ever arrived', () => {
    const keepalive = new MediaKeepAlive();
    expect(keepalive.check(0, true)).toBeUndefined();
    expect(keepalive.check(3_100, true)).toBe(true);
  });

  it('does not time out while no media is expected', () => {
    const keepalive = new MediaKeepAlive();
    keepalive.received(0);
    expect(keepalive.check(60_000, false)).toBeUndefined();
    expect(keepalive.check(61_000, true)).toBeUndefined();
    expect(keepalive.check(65_000, true)).toBe(true);
    expect(keepalive.check(66_000, false)).toBe(false);
  });
});
