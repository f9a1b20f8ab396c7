import { describe, expect, it } from 'vitest';
import { minister, norland, president } from '../fake/people';
import { t } from '../text';
import { join_list } from '../text/format';
import { both_names } from './labels';

const mid_sentence = (name: string) => t().names.mid(name);

describe('names in sentences', () => {
  it('start with a lower-case article', () => {
    expect(both_names(president, minister)).toBe('The President and the Prime Minister of Estmark');
    expect(join_list(['a', 'b', 'c'].map(mid_sentence))).toBe('a, b and c');
  });

  it('that are written from right to left are isolated, so that the sentence keeps its order', () => {
    const king = { ...norland, name: 'ملك ساندمارك' };
    expect(mid_sentence(king.name)).toBe('\u2068ملك ساندمارك\u2069');
    expect(both_names(king, president)).toBe('\u2068ملك ساندمارك\u2069 and the President');
    expect(both_names(president, king)).toBe('The President and \u2068ملك ساندمارك\u2069');
    expect(mid_sentence('东海联邦总理')).toBe('东海联邦总理');
  });
});
