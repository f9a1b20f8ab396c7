// What a line allows, in words.

import type { Weekday } from '../engine/contract';
import type { Hours, LineTerms } from '../engine/contract';
import { t } from '../text';
import { date_format, format_number, join_list } from '../text/format';
import { full_date } from './clock';

export const WEEKDAYS: Weekday[] = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'];

const DAY_MS = 86_400_000;
/** A Monday, midnight UTC: the days and minutes of hours are named by it. */
const MONDAY = Date.UTC(2024, 0, 1);

/** Such as `Monday`. */
export const day_name = (day: Weekday, weekday: 'long' | 'short' = 'long'): string =>
  date_format('UTC', { weekday })?.format(MONDAY + WEEKDAYS.indexOf(day) * DAY_MS) ?? day;

/** Such as `09:00`, of a minute since midnight. */
export const minute_time = (minute: number): string =>
  date_format('UTC', { timeStyle: 'short' })?.format(MONDAY + (minute % 1440) * 60_000) ?? '';

/** Such as `Monday to Friday, 09:00 to 18:00`; with the zone where it is not the reader's. */
export function hours_words(hours: Hours | undefined, local_zone: string): string {
  const { lines } = t();
  if (!hours) return lines.any_time;
  const words = lines.hours(days_words(hours.days), minute_time(hours.from_min), minute_time(hours.until_min));
  return hours.zone === local_zone ? words : lines.in_zone(words, hours.zone);
}

function days_words(chosen: Weekday[]): string {
  const { lines } = t();
  const days = WEEKDAYS.filter((day) => chosen.includes(day));
  if (days.length === WEEKDAYS.length) return lines.every_day;
  const [first, last] = [days[0], days.at(-1)];
  const in_a_row = first && last && WEEKDAYS.indexOf(last) - WEEKDAYS.indexOf(first) === days.length - 1;
  if (in_a_row && days.length > 2) return lines.days_from_to(day_name(first), day_name(last));
  return join_list(days.map((day) => day_name(day)));
}

/** Such as `until 22 Nov 2026`; `null` without an end. */
export const until_words = (until_ms: number | undefined, zone: string): string | null =>
  until_ms === undefined ? null : t().lines.until(full_date(until_ms, zone) ?? '');

/** Such as `up to 3 times a day`; `null` without a limit. */
export const often_words = (rings: number | undefined): string | null =>
  rings === undefined ? null : t().lines.often(rings, format_number(rings));

/** What narrows a line, in a few words: nothing of what it is by default. */
export const narrow_words = (terms: LineTerms, local_zone: string): string[] =>
  [
    terms.hours ? hours_words(terms.hours, local_zone) : null,
    until_words(terms.until_ms, local_zone),
    often_words(terms.rings_per_day),
  ].filter((part) => part !== null);

/** All of it in a line: `at any time · until you end it · a transcript is kept`. */
export function terms_summary(terms: LineTerms, local_zone: string): string {
  const { lines } = t();
  return [
    hours_words(terms.hours, local_zone),
    until_words(terms.until_ms, local_zone) ?? lines.no_end,
    often_words(terms.rings_per_day),
    lines.mode[terms.mode],
  ]
    .filter((part) => part !== null)
    .join(' · ');
}

/** Whether a moment is within hours, by the clocks of their zone; of a zone that this browser does not know, the office judges. */
export function within_hours(hours: Hours | undefined, now: number): boolean {
  if (!hours) return true;
  const at = local_minute(hours.zone, now);
  if (!at) return true;
  const on = (day: Weekday) => hours.days.includes(day);
  if (hours.from_min < hours.until_min) return on(at.day) && at.minute >= hours.from_min && at.minute < hours.until_min;
  // Hours over midnight belong to the day on which they begin.
  const before = WEEKDAYS[(WEEKDAYS.indexOf(at.day) + 6) % 7] ?? at.day;
  return (on(at.day) && at.minute >= hours.from_min) || (on(before) && at.minute < hours.until_min);
}

function local_minute(zone: string, ms: number): { day: Weekday; minute: number } | null {
  const parts = parts_of(zone, ms);
  if (!parts) return null;
  const day = WEEKDAYS[(new Date(Date.UTC(parts.year, parts.month - 1, parts.day)).getUTCDay() + 6) % 7];
  return day ? { day, minute: parts.hour * 60 + parts.minute } : null;
}

/** A moment as the clocks of a zone show it. */
export function parts_of(zone: string, ms: number) {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en', {
      timeZone: zone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
    });
  } catch {
    return null;
  }
  const parts = format.formatToParts(ms);
  const get = (type: Intl.DateTimeFormatPartTypes) => Number(parts.find((part) => part.type === type)?.value);
  return { year: get('year'), month: get('month'), day: get('day'), hour: get('hour'), minute: get('minute') };
}
