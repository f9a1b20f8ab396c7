// Requests and schedules of a fictitious office.

import type { Card } from '../engine/contract';
import type { Request, Schedule, Slot } from '../papers/contents';
import type { FakeDocument } from './documents';
import { norland, officer, president } from './people';
import { NOW } from './views';

export const HOUR = 3_600_000;
export const slot = (hours: number): Slot => ({
  start_ms: Math.floor(NOW / HOUR) * HOUR + hours * HOUR,
  length_min: 20,
});

export const request = (more: Partial<Request> = {}): Request => ({
  version: 1,
  door: { door: 'line', line: 'aa'.repeat(16) },
  received_ms: NOW - HOUR,
  principal: president.person,
  counterpart: norland.name,
  person: norland.person,
  organisation: norland.organisation,
  subject: 'The fisheries agreement',
  urgency: 'this_week',
  length_min: 20,
  proposed: [],
  languages: [],
  others: [],
  verification: { verified: 'by_signature' },
  decision: null,
  exchanges: [],
  ...more,
});

export const schedule = (more: Partial<Schedule> = {}): Schedule => ({
  version: 1,
  uid: 'ab'.repeat(16),
  title: 'Private call',
  places: [
    { of: president.name, zone: president.zone, place: '' },
    { of: norland.name, zone: norland.zone, place: '' },
  ],
  rounds: [{ id: 'ac'.repeat(16), side: 'ours', at_ms: NOW - HOUR, slots: [slot(26), slot(50)], picked: null }],
  standing: { state: 'offering' },
  sequence: 0,
  changed_ms: 0,
  reminders: [{ before_min: 15, person: president.person }],
  ...more,
});

/** The schedule with its first time picked. */
export function picked(more: Partial<Schedule> = {}): Schedule {
  const offered = schedule(more);
  const [round] = offered.rounds;
  const chosen = round?.slots[0];
  if (!round || !chosen) throw new Error('invariant: a schedule has an offer');
  return {
    ...offered,
    rounds: [{ ...round, picked: 0 }],
    standing: { state: 'confirmed', slot: chosen },
    changed_ms: NOW,
  };
}

export const READERS = [president, norland, officer].map((one) => one.person);

/** A document of two hexadecimal digits. */
export const asked = (
  id: string,
  content: Request,
  more: Partial<FakeDocument> & { author?: Card } = {},
): FakeDocument => ({
  document: id.repeat(16),
  kind: 'request',
  author: norland,
  readers: READERS,
  content,
  at_ms: NOW - HOUR,
  ...more,
});

export const scheduled = (id: string, content: Schedule, more: Partial<FakeDocument> = {}): FakeDocument => ({
  document: id.repeat(16),
  kind: 'schedule',
  author: officer,
  readers: READERS,
  content,
  at_ms: NOW - HOUR / 2,
  ...more,
});
