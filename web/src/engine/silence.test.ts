import { describe, expect, it } from 'vitest';
import { Silence } from './silence';

describe('the other side goes quiet', () => {
  it('is said once when frames stop, and taken back when they come again', () => {
    const silence = new Silence();
    expect(silence.look(0, true)).toBeUndefined();
    silence.heard(1_000);
    expect(silence.look(3_900, true)).toBeUndefined();
    expect(silence.look(4_100, true)).toBe(true);
    expect(silence.look(5_000, true)).toBeUndefined();
    silence.heard(5_500);
    expect(silence.look(6_000, true)).toBe(false);
  });

  it('is said too when nothing ever came', () => {
    const silence = new Silence();
    expect(silence.look(0, true)).toBeUndefined();
    expect(silence.look(3_100, true)).toBe(true);
  });

  it('is not said when no sound is due', () => {
    const silence = new Silence();
    silence.heard(0);
    expect(silence.look(60_000, false)).toBeUndefined();
    expect(silence.look(61_000, true)).toBeUndefined();
    expect(silence.look(65_000, true)).toBe(true);
    expect(silence.look(66_000, false)).toBe(false);
  });
});
