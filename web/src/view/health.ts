// The desk at rest: whether all is well, and what is not. It says only what this device knows.

import type { RecordLine, View } from '../engine/contract';
import { t } from '../text';
import { format_number } from '../text/format';
import { time_to_the_second } from './clock';
import type { Level, Shape } from './labels';
import type { Loadable } from './loadable';
import { connection_words } from './people';
import { record_state } from './records';
import { NOTE_TAKER_JOIN_TIMEOUT_MS } from './recording';

export interface HealthRow {
  name: string;
  words: string;
  level: Level;
  shape: Shape;
}

export interface Health {
  title: string;
  level: Level;
  rows: HealthRow[];
}

/** How far back a call without a record is still news on the desk, milliseconds: a day. */
const RECENT_MS = 86_400_000;

/** `unrecorded`: live calls that should be recorded and are not. */
export function health(
  view: View,
  list: Loadable<RecordLine[]>,
  unrecorded: number,
  now: number,
  local_zone: string,
): Health {
  const rows = [
    office(view),
    ...log(view, local_zone),
    ...alerts(view),
    calls(view, unrecorded),
    ...note_takers(view, now),
    ...records(view, list, now),
    ...people(view),
    quiet(t().desk.health.mode, t().records.modes[view.mode], 'record'),
  ];
  const { health } = t().desk;
  const worst = rows.some((row) => row.level === 'red')
    ? 'red'
    : rows.some((row) => row.level === 'amber')
      ? 'amber'
      : 'seal';
  // What is wrong already is not hidden by what is not known yet.
  if (worst !== 'seal') return { title: health.attention, level: worst, rows };
  const unknown = view.phase === 'connecting' || view.log === null || !view.caught_up || list.status === 'loading';
  if (unknown) return { title: health.checking, level: 'quiet', rows };
  // Whether the next call would be recorded is not known here.
  if (rows.some((row) => row.words === health.note_takers_unknown))
    return { title: health.nothing_known, level: 'quiet', rows };
  return { title: health.all_well, level: 'seal', rows };
}

const quiet = (name: string, words: string, shape: Shape): HealthRow => ({ name, words, level: 'quiet', shape });

function office(view: View): HealthRow {
  const words = connection_words(view.phase);
  const { office: name } = t().desk.health;
  if (view.phase === 'ready') return { name, words, level: 'seal', shape: 'seal' };
  return { name, words, level: view.phase === 'connecting' ? 'quiet' : 'amber', shape: 'wait' };
}

function log(view: View, local_zone: string): HealthRow[] {
  if (!view.log) return [];
  const { health, log_bad } = t().desk;
  const at = time_to_the_second(view.log.checked_ms, local_zone) ?? '';
  return [
    view.log.ok
      ? {
          name: health.log,
          words: health.log_entries(at, view.log.size, format_number(view.log.size)),
          level: 'seal',
          shape: 'seal',
        }
      : { name: health.log, words: log_bad, level: 'red', shape: 'alert' },
  ];
}

function alerts(view: View): HealthRow[] {
  const red = view.alerts.filter((alert) => alert.level === 'red').length;
  if (red === 0) return [];
  const { health } = t().desk;
  return [{ name: health.alerts, words: health.alerts_open(red, format_number(red)), level: 'red', shape: 'alert' }];
}

function calls(view: View, unrecorded: number): HealthRow {
  const { health } = t().desk;
  if (unrecorded > 0) {
    const words = health.calls_unrecorded(unrecorded, format_number(unrecorded));
    return { name: health.calls, words, level: 'red', shape: 'unrecorded' };
  }
  const count = (is: 'live' | 'ringing') => view.notices.filter((notice) => notice.state.is === is).length;
  return {
    name: health.calls,
    words: health.calls_now(format_number(count('live')), format_number(count('ringing'))),
    level: 'quiet',
    shape: 'phone',
  };
}

function note_takers(view: View, now: number): HealthRow[] {
  const { health } = t().desk;
  const name = health.note_takers;
  const calls = view.notices.filter((notice) => notice.state.is !== 'ended' && notice.mode !== 'log_only');
  if (calls.length === 0 && view.mode === 'log_only') return [];
  const without = calls.filter(
    (notice) => !notice.noted && !notice.note_taker_asks && now - notice.opened_ms > NOTE_TAKER_JOIN_TIMEOUT_MS,
  );
  if (without.length > 0) return [{ name, words: health.note_takers_none, level: 'amber', shape: 'unrecorded' }];
  if (view.note_takers === null) return [quiet(name, health.note_takers_unknown, 'wait')];
  const { connected, busy } = view.note_takers;
  if (connected === 0) return [{ name, words: health.note_takers_away, level: 'amber', shape: 'unrecorded' }];
  if (busy === connected) return [quiet(name, health.note_takers_busy(busy, format_number(busy)), 'record')];
  const words = health.note_takers_ready(connected, format_number(connected), format_number(busy));
  return [{ name, words, level: 'seal', shape: 'seal' }];
}

function records(view: View, list: Loadable<RecordLine[]>, now: number): HealthRow[] {
  const { health } = t().desk;
  const name = health.records;
  if (list.status === 'loading') return [quiet(name, health.records_loading, 'wait')];
  if (list.status === 'failed') return [{ name, words: health.records_failed, level: 'amber', shape: 'alert' }];
  // A notice says at once that a record has arrived; the list is read again only now and then.
  const arrived = new Set(view.notices.filter((notice) => notice.kept_index !== null).map((notice) => notice.call));
  const states = list.value
    .filter((line) => line.ended_ms !== undefined && now - line.ended_ms < RECENT_MS)
    .map((line) => (arrived.has(line.call) ? { ...line, records: Math.max(line.records, 1) } : line))
    .map((line) => record_state(line, now));
  const without = states.filter((state) => state === 'none' || state === 'overdue').length;
  const pending = states.filter((state) => state === 'pending').length;
  if (without > 0)
    return [
      { name, words: health.records_missing(without, format_number(without)), level: 'red', shape: 'unrecorded' },
    ];
  if (list.stale) return [{ name, words: health.records_stale, level: 'amber', shape: 'alert' }];
  if (states.length === 0) return [];
  if (pending > 0)
    return [{ name, words: health.records_pending(pending, format_number(pending)), level: 'quiet', shape: 'wait' }];
  return [{ name, words: health.records_ok, level: 'seal', shape: 'seal' }];
}

function people(view: View): HealthRow[] {
  if (view.people.length === 0 || view.people_more) return [];
  const { health } = t().desk;
  const available = view.people.filter((person) => person.reachable).length;
  return [
    quiet(
      health.people,
      health.people_available(format_number(available), format_number(view.people.length)),
      'people',
    ),
  ];
}
