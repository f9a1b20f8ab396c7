// When principals are reached: what holds now, and what the person changes.

import type { Card, Contact, Hours, NoticeView, PersonsReach, ReachSettings, View, Weekday } from '../engine/contract';
import { t } from '../text';
import { format_number } from '../text/format';
import { date_time, time } from './clock';
import { WEEKDAYS, hours_words, minute_time, parts_of, within_hours } from './line_words';

/** The same limit as in `crates/proto/src/limits.rs`. */
export const MAX_CHOSEN = 50;
/** Choices of seconds after which the office rings too, within the limits of `crates/proto/src/limits.rs`. */
export const DESK_AFTER = [5, 10, 20, 30, 40];
/** At which hour a morning begins. */
const MORNING_H = 8;
const HOUR_MS = 3_600_000;
const MAX_MISSED = 4;

/** Whether a principal is not to be disturbed now, and until when. */
export type Quiet = { by: 'do_not_disturb'; until_ms: number | null } | { by: 'hours'; until_min: number } | null;

export function quiet_now(settings: ReachSettings, now: number): Quiet {
  const { do_not_disturb, quiet_hours } = settings;
  if (do_not_disturb && (do_not_disturb.until_ms === undefined || now < do_not_disturb.until_ms))
    return { by: 'do_not_disturb', until_ms: do_not_disturb.until_ms ?? null };
  if (quiet_hours && within_hours(quiet_hours, now)) return { by: 'hours', until_min: quiet_hours.until_min };
  return null;
}

/** Such as `Do not disturb until 18:00`. */
export function quiet_words(quiet: NonNullable<Quiet>, now: number, zone: string): string {
  const texts = t().reach.quiet;
  if (quiet.by === 'hours') return texts.hours(minute_time(quiet.until_min));
  return quiet.until_ms === null ? texts.on : texts.until(moment(quiet.until_ms, now, zone));
}

/** The time, and the day where it is another one. */
function moment(at: number, now: number, zone: string): string {
  const day = (ms: number) => {
    const parts = parts_of(zone, ms);
    return parts ? `${parts.year}-${parts.month}-${parts.day}` : '';
  };
  return (day(at) === day(now) ? time(at, zone) : date_time(at, zone)) ?? '';
}

export interface QuietBanner {
  title: string;
  sentence: string;
  /** Whether it can be turned off: quiet hours are changed. */
  can_turn_off: boolean;
}

/** What a principal's home says while they are not rung. */
export function quiet_banner(view: View, now: number, zone: string): QuietBanner | null {
  const own = own_reach(view);
  const quiet = own && quiet_now(own.settings, now);
  if (!own || !quiet) return null;
  const texts = t().reach;
  const n = own.settings.exceptions?.length ?? 0;
  const sentence = n === 0 ? texts.quiet.own : texts.quiet.own_exceptions(n, format_number(n));
  return {
    title: quiet_words(quiet, now, zone),
    sentence: own.set_by ? `${sentence} ${texts.set_by(own.set_by.name)}` : sentence,
    can_turn_off: quiet.by === 'do_not_disturb',
  };
}

export const own_reach = (view: View): PersonsReach | undefined =>
  view.reach.find((one) => one.principal.person === view.you?.person);

/** Those for whom this person may answer. */
export const others_reach = (view: View): PersonsReach[] =>
  view.reach.filter((one) => one.principal.person !== view.you?.person);

/** Whose settings a screen shows: this one's, or the first. */
export const shown_reach = (view: View, person: string | undefined): PersonsReach | undefined =>
  view.reach.find((one) => one.principal.person === person) ?? view.reach[0];

/** A principal in the desk's list. */
export interface ReachRow {
  person: string;
  name: string;
  state: string;
  quiet: boolean;
}

export function reach_rows(view: View, now: number, zone: string): ReachRow[] {
  return others_reach(view).map(({ principal, settings }) => {
    const quiet = quiet_now(settings, now);
    const state = quiet ? quiet_words(quiet, now, zone) : t().reach.reached;
    return { person: principal.person, name: principal.name, state, quiet: quiet !== null };
  });
}

/** The next morning in a zone, as the clocks show it there. */
export function next_morning(now: number, zone: string): number {
  const parts = parts_of(zone, now);
  if (!parts) return now + 12 * HOUR_MS;
  const shown = Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute);
  const offset = shown - Math.floor(now / 60_000) * 60_000;
  const today = Date.UTC(parts.year, parts.month - 1, parts.day, MORNING_H);
  const morning = (shown < today ? today : today + 24 * HOUR_MS) - offset;
  // The clocks may be changed in this night.
  const at = parts_of(zone, morning);
  return at ? morning + (MORNING_H - at.hour) * HOUR_MS : morning;
}

/** Choices of how long somebody is not to be disturbed. */
export function disturb_choices(now: number, zone: string, own: boolean): { label: string; until_ms: number | null }[] {
  const texts = t().reach.disturb;
  const morning = next_morning(now, zone);
  return [
    { label: texts.hour, until_ms: now + HOUR_MS },
    { label: texts.morning(moment(morning, now, zone)), until_ms: morning },
    { label: own ? texts.open_end : texts.open_end_of, until_ms: null },
  ];
}

// Changes. What the engine is sent is whole.

export function with_disturb(settings: ReachSettings, until_ms: number | null | undefined): ReachSettings {
  const { do_not_disturb: _, ...rest } = settings;
  if (until_ms === undefined) return rest;
  return { ...rest, do_not_disturb: until_ms === null ? {} : { until_ms } };
}

export function with_hours(settings: ReachSettings, quiet_hours: Hours | null): ReachSettings {
  const { quiet_hours: _, ...rest } = settings;
  return quiet_hours === null ? rest : { ...rest, quiet_hours };
}

export function with_desk_after(settings: ReachSettings, after: number): ReachSettings {
  const { desk_after_s: _, ...rest } = settings;
  return after === 0 ? rest : { ...rest, desk_after_s: after };
}

export type ChosenList = 'exceptions' | 'call_waiting';

export function with_person(settings: ReachSettings, list: ChosenList, person: string, on: boolean): ReachSettings {
  const others = (settings[list] ?? []).filter((one) => one !== person);
  return { ...settings, [list]: on ? [...others, person] : others };
}

/** People of a list, by name; and who can be added. */
export function chosen(one: PersonsReach, list: ChosenList, people: readonly Contact[]) {
  const ids = one.settings[list] ?? [];
  const cards = new Map<string, Card>([...people, ...(one.people ?? [])].map((card) => [card.person, card]));
  const rows = ids.map((person) => {
    const card = cards.get(person);
    return { person, name: card?.name ?? t().reach.people.unknown, where: card?.organisation ?? '' };
  });
  const others = people.filter(({ person }) => person !== one.principal.person && !ids.includes(person));
  return { rows, others, full: ids.length >= MAX_CHOSEN };
}

/** Quiet hours on the screen. */
export interface HoursForm {
  days: Weekday[];
  from: string;
  to: string;
}

const two = (n: number): string => String(n).padStart(2, '0');
const clock = (minute: number): string => `${two(Math.floor((minute % 1440) / 60))}:${two(minute % 60)}`;
const minutes = (text: string): number | null => {
  const found = /^(\d{2}):(\d{2})/.exec(text);
  return found ? Number(found[1]) * 60 + Number(found[2]) : null;
};

export const hours_form = (hours: Hours | undefined): HoursForm =>
  hours
    ? { days: hours.days, from: clock(hours.from_min), to: clock(hours.until_min) }
    : { days: WEEKDAYS, from: '22:00', to: '07:00' };

/** The hours of a form; `null` of what is none. Those that were changed are by this device's clocks. */
export function hours_of(form: HoursForm, zone: string): Hours | null {
  const days = WEEKDAYS.filter((day) => form.days.includes(day));
  const [from_min, to_min] = [minutes(form.from), minutes(form.to)];
  if (days.length === 0 || from_min === null || to_min === null || from_min === to_min) return null;
  return { zone, days, from_min, until_min: to_min === 0 ? 1440 : to_min };
}

export const quiet_hours_words = (hours: Hours | undefined, zone: string): string =>
  hours ? hours_words(hours, zone) : t().reach.hours.none;

/** A call that nobody answered, and that did not ring here. */
export interface MissedRow {
  call: string;
  person: string;
  words: string;
  can_ring: boolean;
}

const UNANSWERED: readonly string[] = ['missed', 'cancelled', 'busy', 'declined', 'interrupted', 'failed'];

/** The newest first, without those that the person has seen. */
export function missed_rows(view: View, seen: ReadonlySet<string>, now: number, zone: string): MissedRow[] {
  const texts = t().reach.missed;
  const missed = (one: NoticeView) =>
    one.to.person === view.you?.person &&
    one.acts_for.length === 0 &&
    one.state.is === 'ended' &&
    UNANSWERED.includes(one.state.how) &&
    !seen.has(one.call);
  return view.notices
    .filter(missed)
    .sort((a, b) => b.opened_ms - a.opened_ms)
    .slice(0, MAX_MISSED)
    .map((one) => {
      const at = moment(one.opened_ms, now, zone);
      const busy = one.state.is === 'ended' && one.state.how === 'busy';
      return {
        call: one.call,
        person: one.from.person,
        words: busy ? texts.busy(one.from.name, at) : texts.disturbed(one.from.name, at),
        can_ring: view.token !== null && view.people.some((other) => other.person === one.from.person),
      };
    });
}
