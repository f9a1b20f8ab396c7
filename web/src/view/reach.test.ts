import { describe, expect, it } from 'vitest';
import type { NoticeView, PersonsReach, ReachSettings, View } from '../engine/contract';
import { governor, minister, norland, officer, president } from '../fake/people';
import { CALL, NOW, incoming, live, notice, view } from '../fake/views';
import { call_screen } from './call';
import {
  chosen,
  disturb_choices,
  hours_form,
  hours_of,
  missed_rows,
  next_morning,
  quiet_banner,
  quiet_now,
  reach_rows,
  shown_reach,
  with_desk_after,
  with_disturb,
  with_hours,
  with_person,
} from './reach';
import { fragment_of, place_of, route_of } from './screen';

const ZONE = 'Europe/Lisbon';
const HOUR = 3_600_000;
/** NOW is a Sunday, 09:42 in Lisbon. */
const HOURS = { zone: ZONE, days: ['sunday' as const], from_min: 540, until_min: 1080 };

const reach = (settings: ReachSettings, more: Partial<PersonsReach> = {}): PersonsReach => ({
  principal: president,
  settings,
  ...more,
});
const shown = (settings: ReachSettings, more: Partial<PersonsReach> = {}): View =>
  view({ reach: [reach(settings, more)] });
const banner = (settings: ReachSettings, more: Partial<PersonsReach> = {}) =>
  quiet_banner(shown(settings, more), NOW, ZONE);

describe('a principal who is not to be disturbed', () => {
  it('is until the time that was set, or until it is turned off, and in quiet hours', () => {
    expect(quiet_now({}, NOW)).toBeNull();
    expect(quiet_now({ do_not_disturb: {} }, NOW)).toEqual({ by: 'do_not_disturb', until_ms: null });
    expect(quiet_now({ do_not_disturb: { until_ms: NOW + 1 } }, NOW)?.by).toBe('do_not_disturb');
    expect(quiet_now({ do_not_disturb: { until_ms: NOW } }, NOW)).toBeNull();
    expect(quiet_now({ quiet_hours: HOURS }, NOW)).toEqual({ by: 'hours', until_min: 1080 });
    expect(quiet_now({ quiet_hours: HOURS }, NOW + 12 * HOUR)).toBeNull();
  });

  it('sees that on the home screen, with the time, the day where it is another, and who set it', () => {
    expect(banner({})).toBeNull();
    expect(banner({ do_not_disturb: { until_ms: NOW + HOUR } })).toEqual({
      title: 'Do not disturb until 10:42',
      sentence: 'Callers reach your office, and you are not rung.',
      can_turn_off: true,
    });
    expect(banner({ do_not_disturb: { until_ms: NOW + 24 * HOUR } })?.title).toBe(
      'Do not disturb until 23 Nov 2026, 09:42',
    );
    expect(banner({ do_not_disturb: {} })?.title).toBe('Do not disturb');
    expect(banner({ quiet_hours: HOURS })).toMatchObject({ title: 'Quiet hours until 18:00', can_turn_off: false });
    expect(banner({ do_not_disturb: {}, exceptions: [norland.person] })?.sentence).toContain('One person rings you');
    expect(banner({ do_not_disturb: {} }, { set_by: officer })?.sentence).toContain(`Set by ${officer.name}`);
  });
});

describe('choices', () => {
  it('end in an hour, in the morning, or not by themselves', () => {
    const choices = disturb_choices(NOW, ZONE, true);
    expect(choices.map(({ label }) => label)).toEqual([
      'For one hour',
      'Until 23 Nov 2026, 08:00',
      'Until I turn it off',
    ]);
    expect(choices.map(({ until_ms }) => until_ms)).toEqual([NOW + HOUR, Date.UTC(2026, 10, 23, 8), null]);
  });

  it('know the morning of the zone, before it and in the night in which clocks change', () => {
    expect(next_morning(Date.UTC(2026, 10, 22, 3), ZONE)).toBe(Date.UTC(2026, 10, 22, 8));
    expect(next_morning(Date.UTC(2026, 10, 22, 8), ZONE)).toBe(Date.UTC(2026, 10, 23, 8));
    expect(next_morning(NOW, 'Asia/Kathmandu')).toBe(Date.UTC(2026, 10, 23, 2, 15));
    // Lisbon leaves summer time on 25 October 2026, 02:00 there.
    expect(next_morning(Date.UTC(2026, 9, 24, 20), ZONE)).toBe(Date.UTC(2026, 9, 25, 8));
    expect(next_morning(Date.UTC(2026, 2, 28, 20), ZONE)).toBe(Date.UTC(2026, 2, 29, 7));
  });

  it('change one thing and keep the rest', () => {
    const all: ReachSettings = { desk_after_s: 10, exceptions: ['a'], quiet_hours: HOURS, do_not_disturb: {} };
    const { do_not_disturb: _, ...rest } = all;
    expect(with_disturb(all, undefined)).toEqual(rest);
    expect(with_disturb(rest, null)).toEqual(all);
    expect(with_disturb(all, 5)).toEqual({ ...all, do_not_disturb: { until_ms: 5 } });
    expect(with_desk_after(all, 0)).not.toHaveProperty('desk_after_s');
    expect(with_desk_after(all, 20)).toEqual({ ...all, desk_after_s: 20 });
    expect(with_hours(all, null)).not.toHaveProperty('quiet_hours');
    expect(with_person(all, 'exceptions', 'b', true).exceptions).toEqual(['a', 'b']);
    expect(with_person(all, 'exceptions', 'a', true).exceptions).toEqual(['a']);
    expect(with_person(all, 'exceptions', 'a', false).exceptions).toEqual([]);
    expect(with_person(all, 'call_waiting', 'c', true)).toEqual({ ...all, call_waiting: ['c'] });
  });

  it('of quiet hours are hours of the zone, or none', () => {
    expect(hours_of(hours_form(HOURS), ZONE)).toEqual(HOURS);
    expect(hours_of({ days: ['sunday'], from: '22:00', to: '00:00' }, ZONE)).toMatchObject({ until_min: 1440 });
    expect(hours_of({ days: [], from: '22:00', to: '07:00' }, ZONE)).toBeNull();
    expect(hours_of({ days: ['sunday'], from: '07:00', to: '07:00' }, ZONE)).toBeNull();
    expect(hours_of({ days: ['sunday'], from: '', to: '07:00' }, ZONE)).toBeNull();
  });

  it('of people name those whom the office knows, and offer the others once', () => {
    const one = reach({ exceptions: [norland.person, 'e9'.repeat(16), governor.person] }, { people: [governor] });
    const people = [norland, minister, president].map((card) => ({ ...card, reachable: true }));
    const { rows, others, full } = chosen(one, 'exceptions', people);
    expect(rows.map(({ name }) => name)).toEqual([norland.name, 'Somebody without a device', governor.name]);
    expect(others.map(({ person }) => person)).toEqual([minister.person]);
    expect(full).toBe(false);
    const ids = Array.from({ length: 50 }, (_, n) => n.toString(16).padStart(32, 'a'));
    expect(chosen(reach({ exceptions: ids }), 'exceptions', people).full).toBe(true);
  });
});

describe('the desk', () => {
  it('lists those for whom it may answer, and not its own person', () => {
    const of_desk = view({
      you: { ...officer, device: 'd'.repeat(32) },
      reach: [reach({ do_not_disturb: {} }), reach({}, { principal: minister })],
    });
    expect(reach_rows(of_desk, NOW, ZONE).map(({ state }) => state)).toEqual(['Do not disturb', 'Can be reached']);
    expect(reach_rows(shown({}), NOW, ZONE)).toEqual([]);
    expect(shown_reach(of_desk, minister.person)?.principal).toBe(minister);
    expect(shown_reach(of_desk, undefined)?.principal).toBe(president);
  });

  it('has a route for each of them, and nobody without any gets there', () => {
    const route = { at: 'reach' as const, person: minister.person };
    expect(route_of(fragment_of(route))).toEqual(route);
    expect(route_of(fragment_of({ at: 'reach' }))).toEqual({ at: 'reach' });
    expect(place_of(shown({}), route)).toBe('reach');
    expect(place_of(view(), route)).toBe('people');
  });
});

describe('calls that did not ring here', () => {
  const ended = (n: string, how: 'missed' | 'busy' | 'declined' | 'hung_up', more: Partial<NoticeView> = {}) =>
    notice({ call: n.repeat(16), from: norland, to: president, state: { is: 'ended', how }, acts_for: [], ...more });

  it('are listed until they are read, the newest first', () => {
    const notices = [
      ended('a1', 'missed', { opened_ms: NOW - HOUR }),
      ended('a2', 'busy', { opened_ms: NOW - 60_000 }),
      ended('a3', 'hung_up'),
      ended('a4', 'missed', { from: president, to: norland }),
      notice({ to: president }),
    ];
    const rows = missed_rows(view({ notices }), new Set(), NOW, ZONE);
    expect(rows.map(({ words }) => words)).toEqual([
      `${norland.name} called at 09:41, while you were in a call.`,
      `${norland.name} called at 08:42. You were not rung.`,
    ]);
    expect(rows.every(({ can_ring }) => can_ring)).toBe(true);
    expect(missed_rows(view({ notices }), new Set(['a2'.repeat(16)]), NOW, ZONE)).toHaveLength(1);
    expect(missed_rows(view({ notices, token: null }), new Set(), NOW, ZONE)[0]?.can_ring).toBe(false);
  });
});

describe('who waits', () => {
  it('is shown with the call, if this device has verified them', () => {
    const media = { microphone: 'on' as const, sound_blocked: false, media_timed_out: false };
    const rings = [
      incoming({ call: 'c1'.repeat(16), other: norland }),
      incoming({ call: 'c2'.repeat(16), verified: false }),
    ];
    const screen = call_screen(view({ call: live(), rings }), NOW, media);
    expect(screen?.waiting.map(({ name }) => name)).toEqual([norland.name]);
    expect(screen?.has_office).toBe(true);
    expect(call_screen(view({ call: live({ call: CALL }) }), NOW, media)?.waiting).toEqual([]);
  });
});
