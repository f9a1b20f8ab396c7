// When principals are reached: the home while nothing rings, the settings, the desk's list, and who waits during a call.

import type { PersonsReach, ReachSettings, View } from '../engine/contract';
import { governor, minister, norland, officer, president } from '../fake/people';
import { NOW, desk, device, incoming, live, notice, view } from '../fake/views';
import type { Scene } from './scenes';

const HOUR = 3_600_000;
const NIGHT = { zone: 'Europe/Lisbon', days: ['saturday', 'sunday'] as ('saturday' | 'sunday')[], from_min: 540, until_min: 1080 };

export const reach_of = (settings: ReachSettings, more: Partial<PersonsReach> = {}): PersonsReach => ({
  principal: president,
  settings,
  people: [],
  set_ms: NOW - HOUR,
  ...more,
});
const quiet = (until_ms?: number): ReachSettings => ({ do_not_disturb: until_ms === undefined ? {} : { until_ms } });
const with_reach = (settings: ReachSettings, more: Partial<View> = {}): View => view({ reach: [reach_of(settings)], ...more });

const on = (shown: View): Scene => (app) => {
  app.state = { status: 'on' };
  app.view = shown;
};
const settings = (shown: View, person?: string): Scene => (app) => {
  on(shown)(app);
  app.route = person === undefined ? { at: 'reach' } : { at: 'reach', person };
};

const FULL: ReachSettings = {
  ...quiet(NOW + 8 * HOUR),
  quiet_hours: NIGHT,
  exceptions: [norland.person, minister.person],
  call_waiting: [minister.person],
  desk_after_s: 10,
};
const missed = [
  notice({ call: 'a1'.repeat(16), from: norland, to: president, state: { is: 'ended', how: 'missed' }, opened_ms: NOW - 600_000, can_listen: false }),
  notice({ call: 'a2'.repeat(16), from: minister, to: president, state: { is: 'ended', how: 'busy' }, opened_ms: NOW - 900_000, can_listen: false }),
];
const of_desk = (settings: ReachSettings): View =>
  desk({
    reach: [reach_of(settings), reach_of({}, { principal: minister })],
    notices: [],
  });
const waiting = incoming({ call: 'c1'.repeat(16), other: norland, from: norland });

export const reach_scenes: Record<string, Scene> = {
  'people-quiet': on(with_reach(quiet(NOW + 8 * HOUR))),
  'people-quiet-open': on(with_reach({ ...quiet(), exceptions: [norland.person, minister.person] })),
  'people-quiet-hours': on(with_reach({ quiet_hours: NIGHT })),
  'people-quiet-by-desk': on(view({ reach: [reach_of(quiet(), { set_by: officer })] })),
  'people-quiet-offline': on(with_reach(quiet(), { phase: 'offline', token: null })),
  'people-missed': on(with_reach({}, { notices: missed })),
  'reach': settings(with_reach({})),
  'reach-full': settings(with_reach(FULL)),
  'reach-offline': settings(with_reach(FULL, { phase: 'offline', token: null })),
  'reach-unknown': settings(with_reach({ exceptions: ['e9'.repeat(16), governor.person] })),
  'reach-of-others': settings(of_desk({ ...quiet(), desk_after_s: 20 })),
  'desk-reached': on(of_desk(quiet(NOW + HOUR))),
  'call-waiting': on(view({ call: live(), rings: [waiting] })),
  'call-waiting-two': on(view({ call: live(), rings: [waiting, incoming({ call: 'c2'.repeat(16), other: governor, from: governor })] })),
  'call-waiting-counterpart': on(view({ you: { ...norland, role: 'counterpart', device: device(9) }, call: live(), rings: [incoming({ call: 'c3'.repeat(16) })] })),
};
