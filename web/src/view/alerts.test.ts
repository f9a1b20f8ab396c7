import { afterEach, describe, expect, it } from 'vitest';
import type { AlertKind, ListedDevice } from '../engine/contract';
import { ALERTS, added, alert, alerted } from '../fake/alerts';
import { DEVICES, guard, listed } from '../fake/devices';
import { president } from '../fake/people';
import { device, view } from '../fake/views';
import { CATALOGUES } from '../text';
import { set_locale } from '../text/state.svelte';
import { added_device_notices, alerts_screen } from './alerts';
import { own_devices } from './devices';
import type { Loadable } from './loadable';
import { place_of, tab_title } from './screen';

const ZONE = 'Europe/Lisbon';
const READY = { status: 'ready', value: DEVICES } as const;
const rows = (alerts = ALERTS, devices: Loadable<ListedDevice[]> = READY) =>
  alerts_screen(alerted(alerts), alerts, devices, ZONE).rows;

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
    expect(about('log_forked', { device: device(1) })?.about).toBe('Device of the President: Chrome (Android)');
    expect(about('log_forked', { device: device(1) })?.shows_devices).toBe(true);
    expect(about('log_forked', { device: device(99) })).toMatchObject({
      about: 'A device that is not in the list',
      shows_devices: false,
    });
    // A device that only asks is in no list, and that is not a reason to wonder.
    expect(about('device_asked', { device: device(99) })?.about).toBeNull();
    expect(about('sign_in_failed')?.about).toBe('Devices that are not enrolled here');
    expect(about('sign_in_failed', { count: 1_204 })?.times).toBe('1,204 times since the previous alert');
    expect(about('sign_in_failed', { count: 1 })?.times).toBeNull();
  });

  it('say that a device is in no list only where the whole list is there', () => {
    const alerts = [alert('log_forked', 1, { device: device(99) })];
    const problem = { code: 'office_unreachable' } as const;
    const lists: [Loadable<ListedDevice[]>, string | null][] = [
      [READY, 'A device that is not in the list'],
      [{ status: 'loading' }, null],
      [{ status: 'failed', problem }, null],
      [{ ...READY, stale: problem }, null],
    ];
    for (const [list, about] of lists) expect(rows(alerts, list)[0]?.about).toBe(about);
    const known = rows([alert('log_forked', 1, { device: device(1) })], { ...READY, stale: problem });
    expect(known[0]?.about, 'what was read before names devices').toBe('Device of the President: Chrome (Android)');
  });

  it('send an auditor to the security officer, with the entry and the device’s identifier', () => {
    const auditor = view({ you: { ...guard, role: 'auditor', device: device(9) } });
    const one = alert('device_enrolled', 1, { device: 'ab12cd34'.padEnd(32, '0'), log_index: 17 });
    const [row] = alerts_screen(auditor, [one], { status: 'loading' }, ZONE).rows;
    expect(row).toMatchObject({
      act: 'Ask the security officer about log entry 17.',
      about: 'Device ab12cd34…',
      shows_devices: false,
    });
    expect(rows([one])[0]?.act).toContain('revoke it at once');
  });

  it('that were seen say by whom and stay', () => {
    const shown = rows();
    expect(shown).toHaveLength(ALERTS.length);
    expect(shown.at(-2)?.seen).toMatch(/^Seen by Security officer, 22 Nov 2026/);
    expect(shown.at(-1)?.seen).toMatch(/^Seen by a security officer, /);
    const screen = alerts_screen(alerted(), ALERTS, READY, ZONE);
    expect(screen.not_seen).toHaveLength(ALERTS.length - 2);
    expect(screen.unseen).toBe('16 unseen alerts');
    expect(tab_title('devices', alerted())).toBe('16 alerts · Telcon');
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
    expect(by_link?.text).toContain('with a link from your office');
    expect(added_device_notices(null, ZONE)).toEqual([]);
  });
});

describe('who enrolled a device', () => {
  afterEach(() => set_locale('en'));

  /** What every screen says of a device that said this of itself. */
  function said(label: string | undefined, approved: boolean): string[] {
    const one = listed(president, 50, { approved_by: device(8) });
    delete one.label;
    if (label !== undefined) one.label = label;
    if (!approved) delete one.approved_by;
    const { device: id, enrolled_ms } = added();
    const announced = {
      device: id,
      enrolled_ms,
      ...(label === undefined ? {} : { label }),
      ...(approved ? { approved_by: 'Security officer' } : {}),
    };
    const list: Loadable<ListedDevice[]> = { status: 'ready', value: [one] };
    return [
      rows([alert('device_enrolled', 1, { device: one.device })], list)[0]!.about!,
      [own_devices(view(), [one], ZONE)[0]!].map(({ title, details }) => [title, ...details].join(', '))[0]!,
      added_device_notices(view({ added_devices: [announced] }), ZONE)[0]!.text,
    ];
  }

  it('is decided by the approval alone, whatever the device said it is', () => {
    for (const locale of ['en', 'fr'] as const) {
      set_locale(locale);
      const { by_link, unnamed } = CATALOGUES[locale].devices;
      const [time] = /\d+:\d+/.exec(said('', true)[0]!) ?? [];
      expect(time, 'a device without a name is told by when it was enrolled').toBeDefined();
      for (const label of [undefined, '', 'Firefox']) {
        const [in_alert, in_list, notice] = said(label, true);
        for (const text of [in_alert, in_list]) expect(text).toContain(label || time);
        expect(notice).toContain(label || unnamed);
        for (const text of [in_alert, in_list, notice]) expect(text).not.toContain(by_link);
        expect(notice).toContain('ecurity officer');
        expect(notice).not.toMatch(/[:,]\s*,/);
      }
      for (const label of [undefined, '']) {
        const [in_alert, in_list, notice] = said(label, false);
        expect(in_alert).toContain(time);
        expect(in_list).toContain(by_link);
        expect(notice).not.toContain(unnamed);
      }
    }
  });
});
