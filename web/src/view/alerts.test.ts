import { afterEach, describe, expect, it } from 'vitest';
import type { AlertKind } from '../engine/contract';
import { ALERTS, added, alert, alerted } from '../fake/alerts';
import { DEVICES } from '../fake/devices';
import { device, view } from '../fake/views';
import { CATALOGUES } from '../text';
import { set_locale } from '../text/state.svelte';
import { added_device_notices, alerts_screen } from './alerts';
import { place_of, tab_title } from './screen';

const ZONE = 'Europe/Lisbon';
const rows = (alerts = ALERTS) => alerts_screen(alerted(alerts), alerts, DEVICES, ZONE).rows;

describe('alerts', () => {
  afterEach(() => set_locale('en'));

  it('each say what happened, what it means and what to do, in every language', () => {
    const kinds = new Set(ALERTS.map((one) => one.kind));
    expect([...kinds].sort()).toEqual(Object.keys(CATALOGUES.en.alerts.kinds).sort());
    for (const locale of ['en', 'fr'] as const) {
      set_locale(locale);
      for (const row of rows())
        for (const text of [row.what, row.means, row.act, row.word, row.when]) expect(text).not.toBe('');
      expect(new Set(rows().map((row) => row.what)).size).toBe(kinds.size);
    }
  });

  it('name the device and its person where the list of devices has them', () => {
    const about = (kind: AlertKind, more = {}) => rows([alert(kind, 1, more)])[0];
    expect(about('log_forked', { device: device(1) })?.about).toBe('Chrome (Android), of the President');
    expect(about('log_forked', { device: device(1) })?.shows_devices).toBe(true);
    expect(about('log_forked', { device: device(99) })).toMatchObject({
      about: 'A device that is not in the list',
      shows_devices: false,
    });
    // A device that only asks is in no list, and that is not a reason to wonder.
    expect(about('device_asked', { device: device(99) })?.about).toBeNull();
    expect(about('sign_in_failed')?.about).toBe('Devices that are not enrolled here');
    expect(about('sign_in_failed', { count: 1_204 })?.times).toBe('1,204 times since the alert before');
    expect(about('sign_in_failed', { count: 1 })?.times).toBeNull();
  });

  it('that were seen say by whom and stay', () => {
    const shown = rows();
    expect(shown).toHaveLength(ALERTS.length);
    expect(shown.at(-2)?.seen).toMatch(/^Seen by Security officer, 22 Nov 2026/);
    expect(shown.at(-1)?.seen).toMatch(/^Seen by a security officer, /);
    const screen = alerts_screen(alerted(), ALERTS, DEVICES, ZONE);
    expect(screen.not_seen).toHaveLength(ALERTS.length - 2);
    expect(screen.unseen).toBe('10 alerts not seen');
    expect(tab_title('devices', alerted())).toBe('10 alerts · Telcon');
  });

  it('are a place for security officers alone', () => {
    expect(place_of(alerted(), { at: 'alerts' })).toBe('alerts');
    expect(place_of(view(), { at: 'alerts' })).toBe('people');
  });
});

describe('a device that was added', () => {
  it('is announced with what it says it is, and who approved it', () => {
    const [notice] = added_device_notices(view({ added_devices: [added()] }), ZONE);
    expect(notice?.device).toBe(added().device);
    expect(notice?.text).toMatch(
      /^A new device was added in your name: Chrome \(Android\), approved by Security officer, .* tell your security officer now\.$/,
    );
    const { device: id, enrolled_ms } = added();
    const [by_link] = added_device_notices(view({ added_devices: [{ device: id, enrolled_ms }] }), ZONE);
    expect(by_link?.text).toContain('with a link of your office');
    expect(added_device_notices(null, ZONE)).toEqual([]);
  });
});
