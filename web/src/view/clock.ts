// Times for people: always in a zone, never relative. A zone that this browser does not know yields `null`.

import { t } from '../text';
import { date_format, format_number } from '../text/format';

/** IANA time zone of this device. */
export const local_zone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Whether this browser knows a time zone. */
export const is_zone = (zone: string): boolean => date_format(zone, { timeStyle: 'short' }) !== null;

/** Such as `16:42` or `4:42 PM`. */
export function time(ms: number, zone: string): string | null {
  return date_format(zone, { timeStyle: 'short' })?.format(ms) ?? null;
}

/** Such as `16:42:07` or `4:42:07 PM`. */
export function time_to_the_second(ms: number, zone: string): string | null {
  return date_format(zone, { timeStyle: 'medium' })?.format(ms) ?? null;
}

/** Such as `Sunday, 22 November 2026`. */
export function date(ms: number, zone: string): string | null {
  return date_format(zone, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' })?.format(ms) ?? null;
}

/** Such as `22 Nov 2026`. */
export function full_date(ms: number, zone: string): string | null {
  return date_format(zone, { dateStyle: 'medium' })?.format(ms) ?? null;
}

/** Such as `22 November`. */
export function short_date(ms: number, zone: string): string | null {
  return date_format(zone, { day: 'numeric', month: 'long' })?.format(ms) ?? null;
}

/** Such as `22 Nov 2026, 16:42`. */
export function date_time(ms: number, zone: string): string | null {
  return date_format(zone, { dateStyle: 'medium', timeStyle: 'short' })?.format(ms) ?? null;
}

/** Difference of the dates of two zones at one moment, days: 1 when it is tomorrow there. */
export function day_offset(ms: number, there: string, local_zone: string): number {
  const day = (zone: string) => {
    const parts = date_format(zone, { year: 'numeric', month: 'numeric', day: 'numeric' })?.formatToParts(ms) ?? [];
    const get = (type: string) => Number(parts.find((part) => part.type === type)?.value);
    return Date.UTC(get('year'), get('month') - 1, get('day')) / 86_400_000;
  };
  return Math.round(day(there) - day(local_zone)) || 0;
}

/** Their time, with the day where it differs: `16:42 their time`, `01:42 tomorrow their time`. */
export function time_there(ms: number, there: string, local_zone: string): string | null {
  const at = time(ms, there);
  if (at === null) return null;
  const { times } = t();
  switch (day_offset(ms, there, local_zone)) {
    case 1:
      return times.there_tomorrow(at);
    case -1:
      return times.there_yesterday(at);
    default:
      return times.there(at);
  }
}

/** Both clocks: `16:42 their time · 09:42 your time`. */
export function both_clocks(ms: number, there: string, local_zone: string): string {
  const here = time(ms, local_zone);
  return [time_there(ms, there, local_zone), here === null ? null : t().times.here(here)]
    .filter((part) => part !== null)
    .join(' · ');
}

/** Duration as on a clock: `07:31`, `1:07:31`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number) => String(n).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  return `${hours ? `${hours}:` : ''}${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

/** Duration as text: `13 min`, `45 s`, `1 h 05 min`. */
export function duration_text(ms: number): string {
  const { times } = t();
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return times.seconds(format_number(seconds));
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return times.minutes(format_number(minutes));
  return times.hours_minutes(format_number(Math.floor(minutes / 60)), String(minutes % 60).padStart(2, '0'));
}
