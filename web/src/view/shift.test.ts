import { afterEach, describe, expect, it } from 'vitest';
import { NOW } from '../fake/views';
import { officer } from '../fake/people';
import { set_locale } from '../text/state.svelte';
import { on_shift_elsewhere, shift_end, shift_line } from './shift';

const ana = { ...officer, name: 'Ana Ruiz' };
const shift = { shift: '5'.repeat(32), person: ana, since_ms: NOW, until_ms: NOW + 43_200_000 };

describe('who is on shift', () => {
  afterEach(() => set_locale('en'));

  it('is said with the times, and elsewhere with who says so', () => {
    expect(shift_line(shift, 'UTC')).toContain('Ana Ruiz');
    expect(shift_line(shift, 'UTC')).toMatch(/09:42.*21:42/);
    expect(on_shift_elsewhere(shift)).toContain('server');
    set_locale('fr');
    expect(on_shift_elsewhere(shift)).toContain('serveur');
  });

  it('ends without a word where its person ended it', () => {
    expect(shift_end('ended')).toBeNull();
    for (const how of ['handed_over', 'idle', 'expired', 'revoked', 'not_begun', 'lost'] as const)
      expect(shift_end(how)).toBeTruthy();
  });
});
