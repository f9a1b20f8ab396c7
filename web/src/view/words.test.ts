import { describe, expect, it } from 'vitest';
import { minister, norland, president } from '../fake/people';
import { both_names, list, lower_the } from './words';

describe('names in sentences', () => {
  it('lose the capital of their article', () => {
    expect(both_names(president, minister)).toBe('The President and the Prime Minister of Estmark');
    expect(list(['a', 'b', 'c'].map(lower_the))).toBe('a, b and c');
  });

  it('that are written from right to left stand apart, so that the sentence keeps its order', () => {
    const king = { ...norland, name: 'ملك ساندمارك' };
    expect(lower_the(king.name)).toBe('\u2068ملك ساندمارك\u2069');
    expect(both_names(king, president)).toBe('\u2068ملك ساندمارك\u2069 and the President');
    expect(both_names(president, king)).toBe('The President and \u2068ملك ساندمارك\u2069');
    expect(lower_the('东海联邦总理')).toBe('东海联邦总理');
  });
});
