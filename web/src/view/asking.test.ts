import { describe, expect, it } from 'vitest';
import { asking_screen, grouped } from './asking';
import { device_label } from './device_label';

const office = 'Office of the President';
const ZONE = 'Europe/Lisbon';
const waiting = { status: 'waiting', office, code: '471029583016', expires_ms: null, unreachable: false } as const;

describe('a device that waits for a registrar', () => {
  it('shows the code in groups of three, and through which channel to read it out', () => {
    const screen = asking_screen(waiting, ZONE);
    expect(screen).toMatchObject({ kind: office, code: '471 029 583 016', level: 'plain', can_stop: true });
    expect(screen.sentences[0]).toMatch(/telephone or in person, never over the channel/);
    expect(grouped('471 029 583 016')).toBe('471 029 583 016');
  });

  it('says until when, once the office said it, and that it goes on by itself while the office does not answer', () => {
    const screen = asking_screen({ ...waiting, expires_ms: Date.UTC(2026, 10, 23, 9, 35), unreachable: true }, ZONE);
    expect(screen.notes.at(-1)).toBe('The security officer can answer until 23 Nov 2026, 09:35.');
    expect(screen.hindered).toMatch(/tries again by itself/);
  });

  it('warns of a link that another device opened, and only of that', () => {
    const over = (told: string) => asking_screen({ status: 'over', office, why: { told }, kept: false }, ZONE);
    const used = over('this link was used already, by another device. If that was not you, tell your office at once');
    expect(used).toMatchObject({ kind: 'Warning', level: 'red', code: null, can_stop: false });
    expect(used.sentences[0]).toMatch(/tell your office at once, by telephone or in person/);
    expect(over('this link is not valid any more: ask your office for another')).toMatchObject({
      kind: office,
      title: 'This link is no longer valid',
      sentences: ['Ask your office for another.'],
    });
  });

  it('says that it was refused, and not that its keys were erased where they were not', () => {
    const over = (why: 'refused' | 'expired', kept: boolean) =>
      asking_screen({ status: 'over', office, why, kept }, ZONE);
    expect(over('refused', false)).toMatchObject({ level: 'red', notes: ['Nothing is stored on this browser.'] });
    expect(over('expired', true)).toMatchObject({ level: 'amber', notes: [] });
  });

  it('can be reloaded where it was approved and its certificates do not verify', () => {
    const why = { told: 'a device certificate is not valid yet: check both devices’ clocks' };
    expect(asking_screen({ status: 'over', office, why, kept: true }, ZONE)).toMatchObject({ can_reload: true });
  });
});

describe('what a device says it is', () => {
  it.each([
    [
      'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36',
      'Chrome on Linux',
    ],
    ['Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36', 'Chrome on Android'],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Safari/604.1',
      'Safari on iPhone',
    ],
    ['Mozilla/5.0 (Macintosh; Intel Mac OS X 14.5; rv:127.0) Gecko/20100101 Firefox/127.0', 'Firefox on macOS'],
    ['', 'A browser'],
  ])('is its browser and system: %s', (userAgent, label) => {
    expect(device_label({ userAgent })).toBe(label);
  });

  it('is what the browser says where it says so, and not too long', () => {
    const hints = (...brands: string[]) => ({ brands: brands.map((brand) => ({ brand })), platform: 'Android' });
    const userAgent = 'Chrome/126.0';
    const label = (...brands: string[]) => device_label({ userAgent, userAgentData: hints(...brands) });
    expect(label('Not/A)Brand', 'Chromium', 'Google Chrome')).toBe('Google Chrome on Android');
    expect(label('Chromium', 'Not_A Brand')).toBe('Chrome on Android');
    expect([...label('é'.repeat(80))]).toHaveLength(64);
  });
});
