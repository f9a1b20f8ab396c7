import { describe, expect, it } from 'vitest';
import { SpeechHold, bar } from './level';

describe('levels', () => {
  it('fill the bar by decibels', () => {
    expect(bar(0)).toBe(0);
    expect(bar(0.001)).toBeCloseTo(0);
    expect(bar(0.0316)).toBeCloseTo(0.5, 2);
    expect(bar(1)).toBe(1);
    expect(bar(2)).toBe(1);
  });

  it('keep the speaking mark over a pause between words, and no longer', () => {
    const hold = new SpeechHold();
    expect(hold.update(0.01, 0)).toBe(false);
    expect(hold.update(0.1, 100)).toBe(true);
    expect(hold.update(0, 600)).toBe(true);
    expect(hold.update(0, 800)).toBe(false);
  });
});
