// The form in which a person says what a line allows.

import type { Contact, RecordMode, Weekday } from '../engine/contract';
import type { LineTerms, Reach } from '../engine/contract';
import { is_zone } from './clock';
import { WEEKDAYS, parts_of } from './line_words';

export interface TermsForm {
  reach: Reach;
  hours: 'any' | 'office' | 'own';
  days: Weekday[];
  /** Such as `09:00`. */
  from: string;
  to: string;
  zone: string;
  until: 'none' | 'days_30' | 'days_365' | 'date';
  /** Such as `2027-06-30`. */
  day: string;
  /** Rings a day; 0 without a limit. */
  rings: number;
  mode: RecordMode;
  purpose: string;
}

/** What of the form is missing or wrong. */
export type FormProblem = 'name' | 'organisation' | 'zone' | 'days' | 'hours' | 'day';

export const REACHES: Reach[] = ['direct', 'desk', 'planned'];
const MODES: RecordMode[] = ['log_only', 'memo', 'audio'];
/** Choices of rings a day. */
export const RINGS = [0, 1, 3, 10];
/** How long a link can work, hours: the longest is the limit of `crates/proto/src/limits.rs`. */
export const VALID_HOURS = [1, 24, 168] as const;
/** The same limits as in `crates/proto/src/limits.rs`. */
export const MAX_NAME_CHARS = 64;
export const MAX_PURPOSE_CHARS = 80;

const DAY_MS = 86_400_000;
const OFFICE_DAYS = WEEKDAYS.slice(0, 5);
const OFFICE_FROM = '09:00';
const OFFICE_TO = '18:00';

/** The record modes that an office allows whose lowest is `least`. */
export const modes_from = (least: RecordMode): RecordMode[] => MODES.slice(MODES.indexOf(least));

/** What a line allows by default: to ring directly, at any time, until it is ended. */
export const new_terms = (mode: RecordMode, zone: string): TermsForm => ({
  reach: 'direct',
  hours: 'any',
  days: OFFICE_DAYS,
  from: OFFICE_FROM,
  to: OFFICE_TO,
  zone,
  until: 'none',
  day: '',
  rings: 0,
  mode,
  purpose: '',
});

/** The form of terms that a line has. */
export function form_of(terms: LineTerms, local_zone: string): TermsForm {
  const form = new_terms(terms.mode, local_zone);
  const { hours, until_ms } = terms;
  return {
    ...form,
    reach: terms.reach,
    ...(hours
      ? { hours: 'own', days: hours.days, from: clock(hours.from_min), to: clock(hours.until_min), zone: hours.zone }
      : {}),
    ...(until_ms === undefined ? {} : { until: 'date', day: day_of(until_ms, local_zone) }),
    rings: terms.rings_per_day ?? 0,
    purpose: terms.purpose ?? '',
  };
}

/**
 * The terms of a form, or what is wrong with it. `was`: those that it was made of. A last day is one of `local_zone`.
 */
export function terms_of(form: TermsForm, now: number, local_zone: string, was?: LineTerms): LineTerms | FormProblem {
  const purpose = form.purpose.trim();
  const terms: LineTerms = { reach: form.reach, mode: form.mode };
  if (form.hours !== 'any') {
    const own = form.hours === 'own';
    const days = own ? WEEKDAYS.filter((day) => form.days.includes(day)) : OFFICE_DAYS;
    const [from_min, to_min] = [minutes(own ? form.from : OFFICE_FROM), minutes(own ? form.to : OFFICE_TO)];
    if (!is_zone(form.zone.trim())) return 'zone';
    if (days.length === 0) return 'days';
    if (from_min === null || to_min === null || from_min === to_min) return 'hours';
    terms.hours = { zone: form.zone.trim(), days, from_min, until_min: to_min === 0 ? 1440 : to_min };
  }
  if (form.until === 'date') {
    const same = was?.until_ms !== undefined && day_of(was.until_ms, local_zone) === form.day;
    const until_ms = same ? was.until_ms : end_of_day(form.day, local_zone);
    if (until_ms === undefined || until_ms === null || until_ms <= now) return 'day';
    terms.until_ms = until_ms;
  } else if (form.until !== 'none') {
    terms.until_ms = now + (form.until === 'days_30' ? 30 : 365) * DAY_MS;
  }
  if (form.rings > 0) terms.rings_per_day = form.rings;
  if (purpose !== '') terms.purpose = purpose;
  return terms;
}

/** Minutes since midnight of `09:00`. */
function minutes(time: string): number | null {
  const found = /^(\d{2}):(\d{2})/.exec(time);
  return found ? Number(found[1]) * 60 + Number(found[2]) : null;
}

const two = (n: number): string => String(n).padStart(2, '0');
const clock = (minute: number): string => `${two(Math.floor((minute % 1440) / 60))}:${two(minute % 60)}`;

/** Such as `2027-06-30`. */
function day_of(ms: number, zone: string): string {
  const parts = parts_of(zone, ms);
  return parts ? `${parts.year}-${two(parts.month)}-${two(parts.day)}` : '';
}

/** The last millisecond of a day in a zone; `null` of what is no day. */
export function end_of_day(day: string, zone: string): number | null {
  const found = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day);
  if (!found) return null;
  const midnight = Date.UTC(Number(found[1]), Number(found[2]) - 1, Number(found[3]) + 1);
  // The offset of the zone at that moment: a second look finds it where it changes on that day.
  let at = midnight;
  for (let look = 0; look < 2; look += 1) {
    const parts = parts_of(zone, at);
    if (!parts) return null;
    const shown = Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute);
    at += midnight - shown;
  }
  return at - 1;
}

/** What of a holder's name is missing or wrong. */
export function holder_problem(holder: { name: string; organisation: string; zone: string }): FormProblem | null {
  const fits = (text: string) => text.trim() !== '' && [...text.trim()].length <= MAX_NAME_CHARS;
  if (!fits(holder.name)) return 'name';
  if (!fits(holder.organisation)) return 'organisation';
  return is_zone(holder.zone.trim()) ? null : 'zone';
}

/** A counterpart who is enrolled here under these words and has no line that could be used: they need no link. */
export function known_holder(people: readonly Contact[], name: string, organisation: string): Contact | undefined {
  const same = (a: string, b: string) => a.trim().toLowerCase() === b.trim().toLowerCase();
  return people.find(
    (one) =>
      one.role === 'counterpart' &&
      (one.line === undefined || one.line.state === 'ended') &&
      same(one.name, name) &&
      same(one.organisation, organisation),
  );
}
