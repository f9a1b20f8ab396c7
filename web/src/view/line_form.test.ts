import { describe, expect, it } from 'vitest';
import { HOURS, over_line, terms } from '../fake/lines';
import { norland, president } from '../fake/people';
import { NOW } from '../fake/views';
import { end_of_day, form_of, holder_problem, known_holder, modes_from, new_terms, terms_of } from './line_form';
import { hours_words, within_hours } from './line_words';

const ZONE = 'Europe/Lisbon';
const form = (more: Partial<ReturnType<typeof new_terms>> = {}) => ({ ...new_terms('memo', ZONE), ...more });
const made = (more: Parameters<typeof form>[0] = {}) => terms_of(form(more), NOW, ZONE);

describe('what a line allows', () => {
  it('is by default to ring directly, at any time, without an end or a limit', () => {
    expect(made()).toEqual({ reach: 'direct', mode: 'memo' });
  });

  it('has office hours, or its own, in a zone', () => {
    expect(made({ hours: 'office' })).toMatchObject({
      hours: { zone: ZONE, days: HOURS.days, from_min: 540, until_min: 1080 },
    });
    // Until midnight is until the end of the day.
    expect(made({ hours: 'own', days: ['sunday'], from: '22:00', to: '00:00' })).toMatchObject({
      hours: { days: ['sunday'], from_min: 1320, until_min: 1440 },
    });
  });

  it('says what is missing', () => {
    expect(made({ hours: 'own', days: [] })).toBe('days');
    expect(made({ hours: 'own', from: '' })).toBe('hours');
    expect(made({ hours: 'own', from: '09:00', to: '09:00' })).toBe('hours');
    expect(made({ hours: 'office', zone: 'Oslo' })).toBe('zone');
    expect([made({ until: 'date', day: '' }), made({ until: 'date', day: '2026-11-21' })]).toEqual(['day', 'day']);
    expect(holder_problem({ name: ' ', organisation: 'Chancellery', zone: ZONE })).toBe('name');
    expect(holder_problem({ name: 'n'.repeat(65), organisation: 'Chancellery', zone: ZONE })).toBe('name');
    expect(holder_problem({ name: 'The Chancellor', organisation: '', zone: ZONE })).toBe('organisation');
    expect(holder_problem({ name: 'The Chancellor', organisation: 'Chancellery', zone: ZONE })).toBeNull();
  });

  it('ends with the last millisecond of a day where the giver is, also when the clocks change', () => {
    expect(end_of_day('2026-11-22', 'Europe/Oslo')).toBe(Date.UTC(2026, 10, 22, 23) - 1);
    expect(end_of_day('2026-10-24', 'Europe/Oslo')).toBe(Date.UTC(2026, 9, 24, 22) - 1);
    expect(end_of_day('2026-10-25', 'Europe/Oslo')).toBe(Date.UTC(2026, 9, 25, 23) - 1);
    expect([end_of_day('', ZONE), end_of_day('2026-11-22', 'nowhere')]).toEqual([null, null]);
    // Today is still to come.
    expect(made({ until: 'date', day: '2026-11-22' })).toMatchObject({ until_ms: Date.UTC(2026, 10, 23) - 1 });
  });

  it('is the same after the form was opened and saved', () => {
    const was = terms({
      hours: HOURS,
      until_ms: NOW + 86_400_123,
      rings_per_day: 7,
      purpose: 'Fisheries',
      mode: 'audio',
    });
    expect(terms_of(form_of(was, ZONE), NOW, ZONE, was)).toEqual(was);
    expect(terms_of(form_of(terms(), ZONE), NOW, ZONE)).toEqual(terms());
  });
});

it('an office’s lowest record mode is the first choice', () => {
  expect([modes_from('log_only'), modes_from('audio')]).toEqual([['log_only', 'memo', 'audio'], ['audio']]);
});

it('a counterpart who is enrolled already, and has no line, needs no link', () => {
  const people = [
    { ...norland, reachable: false },
    { ...president, reachable: true },
  ];
  expect(known_holder(people, ' the president of norland', 'Chancellery of Norland ')).toEqual(people[0]);
  expect(known_holder([over_line(norland)], norland.name, norland.organisation)).toBeUndefined();
  expect(known_holder([over_line(norland, 'ended')], norland.name, norland.organisation)).toBeDefined();
  expect(known_holder(people, president.name, president.organisation)).toBeUndefined();
});

describe('hours', () => {
  const at = (hours: Partial<typeof HOURS>, ms: number) =>
    within_hours({ ...HOURS, zone: 'Europe/Oslo', ...hours }, ms);
  it('are those of their zone, to the minute, until before their end', () => {
    const monday = Date.UTC(2026, 10, 23);
    const oslo = (hour: number, minute: number) => monday + ((hour - 1) * 60 + minute) * 60_000;
    expect([at({}, oslo(6, 59)), at({}, oslo(7, 0)), at({}, oslo(21, 59)), at({}, oslo(22, 0))]).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  it('over midnight belong to the day on which they begin', () => {
    const night = { days: ['friday' as never], from_min: 1320, until_min: 360 };
    const saturday = Date.UTC(2026, 10, 28, 4);
    expect([at(night, saturday), at(night, saturday - 86_400_000), at(night, saturday + 86_400_000)]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('of a zone that this browser does not know are left to the office', () => {
    expect(at({ zone: 'Nowhere/Town' }, NOW)).toBe(true);
  });

  it('are named with their zone where it is not the reader’s', () => {
    expect(hours_words(HOURS, ZONE)).toBe('Monday to Friday, 07:00 to 22:00');
    expect(hours_words({ ...HOURS, days: ['sunday', 'friday'] }, 'Asia/Dhaka')).toBe(
      'Friday and Sunday, 07:00 to 22:00 (Europe/Lisbon)',
    );
    expect(hours_words(undefined, ZONE)).toBe('at any time');
  });
});
