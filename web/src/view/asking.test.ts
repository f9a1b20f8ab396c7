import { describe, expect, it } from 'vitest';
import type { Problem } from '../engine/problem';
import { ASK_CODE } from '../fake/devices';
import { asking_screen } from './asking';
import { device_label } from './device_label';

const office = 'Office of the President';
const ZONE = 'Europe/Lisbon';
const waiting = {
  status: 'waiting',
  office,
  code: ASK_CODE,
  expires_ms: null,
  first_approved: false,
  unreachable: false,
} as const;

describe('a device that waits for a registrar', () => {
  it('shows the code, and through which channel to read it out', () => {
    const screen = asking_screen(waiting, ZONE);
    expect(screen).toMatchObject({ kind: office, code: ASK_CODE, level: 'plain', can_stop: true });
    expect(screen.sentences[0]).toMatch(/telephone or in person, never over the channel/);
  });

  it('says until when, once the office said it, and that it goes on by itself while the office does not answer', () => {
    const screen = asking_screen({ ...waiting, expires_ms: Date.UTC(2026, 10, 23, 9, 35), unreachable: true }, ZONE);
    expect(screen.notes.at(-1)).toBe('The security officer can answer until 23 Nov 2026, 09:35.');
    expect(screen.hindered).toMatch(/tries again by itself/);
  });

  it('says that one of two has approved, above all else', () => {
    const screen = asking_screen({ ...waiting, first_approved: true }, ZONE);
    expect(screen.sentences[0]).toMatch(/^One of two approvals/);
    expect([screen.sentences.length, screen.code]).toEqual([2, ASK_CODE]);
  });

  it('warns of a link that another device opened, and only of that', () => {
    const over = (told: string) =>
      asking_screen({ status: 'over', office, why: { told }, kept: false, link_used: true }, ZONE);
    const used = over('this link was used already, by another device. If that was not you, tell your office at once');
    expect(used).toMatchObject({ kind: 'Warning', level: 'red', code: null, can_stop: false });
    expect(used.sentences[0]).toMatch(/tell your office at once, by telephone or in person/);
    expect(over('this link is not valid any more: ask your office for another')).toMatchObject({
      kind: office,
      title: 'This link is no longer valid',
      sentences: ['Ask your office for another.'],
    });
  });

  it('says that it was refused, and whether its keys were erased', () => {
    const over = (why: 'refused' | 'expired', kept: boolean) =>
      asking_screen({ status: 'over', office, why, kept, link_used: true }, ZONE);
    expect(over('refused', false)).toMatchObject({
      level: 'red',
      notes: ['Nothing is stored on this browser.'],
      can_reload: false,
    });
    expect(over('expired', true)).toMatchObject({
      level: 'amber',
      notes: [expect.stringMatching(/could not erase the keys/)],
      can_reload: true,
    });
  });

  it('can be reloaded where its request was not sent, as its link is unused', () => {
    for (const why of [{ code: 'keys_not_saved' } as const, { told: 'the clock is wrong' }]) {
      const screen = asking_screen({ status: 'over', office: null, why, kept: false, link_used: false }, ZONE);
      expect(screen).toMatchObject({ can_reload: true, can_stop: false });
    }
  });

  it('says why it cannot begin, and that it tries again', () => {
    const hindered = (problem: Problem | null) => asking_screen({ status: 'starting', problem }, ZONE).hindered;
    expect(hindered(null)).toBeNull();
    expect(hindered({ code: 'no_answer' })).toMatch(/^Your office has not answered yet/);
    expect(hindered({ code: 'refused', status: 403 })).toMatch(/refused the request \(403\).*tries again by itself/);
  });

  it('that was approved and cannot verify it says so, and can be reloaded or stopped', () => {
    const why = { told: "a device certificate is not valid yet: check both devices' clocks" };
    const screen = asking_screen({ status: 'not_completed', office, why }, ZONE);
    expect(screen).toMatchObject({ level: 'red', can_stop: true, can_reload: true });
    expect(screen.title).toBe('This device was approved, but cannot verify the approval');
    expect(screen.sentences[0]).toMatch(/A device’s certificate is not valid yet: check both devices’ clocks\.$/);
    expect(screen.notes[0]).toMatch(/keeps its keys/);
  });

  it('that was approved and could not store it is not told to check a clock', () => {
    const screen = asking_screen({ status: 'not_completed', office, why: { code: 'keys_not_saved' } }, ZONE);
    expect(screen).toMatchObject({ title: 'This device was approved, but is not enrolled yet', can_reload: true });
    expect(screen.sentences.join()).toMatch(/Free some space/);
    expect(screen.sentences.join()).not.toMatch(/clock/);
  });

  it('whose request could not be erased can be stopped again', () => {
    const screen = asking_screen({ status: 'not_stopped', office }, ZONE);
    expect(screen).toMatchObject({ title: 'This request was not erased', can_stop: true, can_reload: true });
  });
});

describe('what a device says it is', () => {
  it.each([
    [
      'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36',
      'Chrome (Linux)',
    ],
    ['Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36', 'Chrome (Android)'],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Safari/604.1',
      'Safari (iPhone)',
    ],
    ['Mozilla/5.0 (Macintosh; Intel Mac OS X 14.5; rv:127.0) Gecko/20100101 Firefox/127.0', 'Firefox (macOS)'],
    ['', ''],
  ])('is its browser and system: %s', (userAgent, label) => {
    expect(device_label({ userAgent })).toBe(label);
  });

  it('is what the browser says where it says so, and not too long', () => {
    const hints = (...brands: string[]) => ({ brands: brands.map((brand) => ({ brand })), platform: 'Android' });
    const userAgent = 'Chrome/126.0';
    const label = (...brands: string[]) => device_label({ userAgent, userAgentData: hints(...brands) });
    expect(label('Not/A)Brand', 'Chromium', 'Google Chrome')).toBe('Google Chrome (Android)');
    expect(label('Chromium', 'Not_A Brand')).toBe('Chrome (Android)');
    expect([...label('é'.repeat(80))]).toHaveLength(64);
  });
});
