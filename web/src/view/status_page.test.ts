import { describe, expect, it } from 'vitest';
import type { ProblemCode } from '../engine/problem';
import { president } from '../fake/people';
import { NOW } from '../fake/views';
import { revoked_page, status_page } from './status_page';

describe('a page without controls', () => {
  it('offers to erase the device where a reload may never help, and nowhere else', () => {
    const erases = (code: ProblemCode) => status_page('failed', { code }).erase;
    const lasting: ProblemCode[] = ['protected_elsewhere', 'start_failed', 'keys_of_newer_version'];
    for (const code of lasting) expect([code, erases(code)]).toEqual([code, true]);
    for (const code of ['engine_fault', 'keys_not_saved', 'office_unreachable'] as const)
      expect([code, erases(code)]).toEqual([code, false]);
    expect(status_page('failed', { told: 'x' }).erase).toBe(false);
    expect(status_page('unenrolled').erase).toBe(false);
  });

  it('says which problem it is', () => {
    const [sentence] = status_page('failed', { code: 'keys_of_newer_version' }).sentences;
    expect(sentence).toContain('newer version of Telcon');
  });

  it('of a revoked device says by whom and when, and offers to erase it unless that is done', () => {
    const page = (erase: boolean, by: typeof president | null) =>
      revoked_page({ erase, by, at_ms: NOW }, 'Europe/Lisbon');
    expect(page(false, president)).toMatchObject({ title: 'This device has been revoked', erase: true, level: 'red' });
    expect(page(false, president).sentences[0]).toBe(
      `${president.name} ordered this on 22 Nov 2026, 09:42. This device verified the order.`,
    );
    expect(page(true, null)).toMatchObject({ title: 'This device has been erased', erase: false });
    expect(page(true, null).sentences[0]).toContain('The holder of your office’s authority');
  });
});
