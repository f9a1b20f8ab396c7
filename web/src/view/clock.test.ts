import { describe, expect, it } from 'vitest';
import { set_locale } from '../text/state.svelte';
import { both_clocks, date, day_offset, duration, duration_text, is_zone, time, time_there } from './clock';

const AT = Date.UTC(2026, 10, 22, 22, 42, 26);

describe('clocks', () => {
  it('show both places, and the day where it differs', () => {
    expect(both_clocks(AT, 'Asia/Dhaka', 'Europe/Lisbon')).toBe('04:42 tomorrow their time · 22:42 your time');
    expect(both_clocks(AT, 'Europe/Oslo', 'Europe/Lisbon')).toBe('23:42 their time · 22:42 your time');
    expect(time_there(AT + 2 * 3_600_000, 'America/New_York', 'Europe/Lisbon')).toBe('19:42 yesterday their time');
  });

  it('count midnight as 00, and days over the date line', () => {
    expect(time(Date.UTC(2026, 10, 22, 0, 5), 'UTC')).toBe('00:05');
    expect(day_offset(Date.UTC(2026, 11, 31, 23, 30), 'Pacific/Auckland', 'America/New_York')).toBe(1);
    expect(day_offset(Date.UTC(2026, 11, 31, 23, 30), 'America/New_York', 'Pacific/Auckland')).toBe(-1);
  });

  it('are written as the language writes them', () => {
    set_locale('en', ['en-US']);
    expect(time(AT, 'Europe/Lisbon')).toMatch(/^10:42\sPM$/);
    set_locale('fr');
    expect(time(AT, 'Europe/Lisbon')).toBe('22:42');
    expect(date(AT, 'Europe/Lisbon')).toBe('dimanche 22 novembre 2026');
    set_locale('en');
  });

  it('know which zones there are', () => {
    expect(['Europe/Oslo', 'UTC', 'Oslo', '', 'Mars/Base'].map(is_zone)).toEqual([true, true, false, false, false]);
  });

  it('omit a zone that this browser does not know', () => {
    expect(time(AT, 'Nowhere/Atall')).toBeNull();
    expect(both_clocks(AT, 'Nowhere/Atall', 'Europe/Lisbon')).toBe('22:42 your time');
  });

  it('format dates and durations', () => {
    expect(date(AT, 'Europe/Lisbon')).toBe('Sunday, 22 November 2026');
    expect(duration(451_999)).toBe('07:31');
    expect(duration(3_600_000 + 451_000)).toBe('1:07:31');
    expect(duration(-5)).toBe('00:00');
    expect([45_000, 780_000, 3_900_000].map(duration_text)).toEqual(['45 s', '13 min', '1 h 05 min']);
  });
});
