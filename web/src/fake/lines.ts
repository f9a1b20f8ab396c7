// Lines of a fictitious office.

import type {
  Card,
  Contact,
  InvitationView,
  LineList,
  LineState,
  LineTerms,
  LineView,
  ListedLine,
  OfferedForView,
} from '../engine/contract';
import { asks, invitation } from './devices';
import { OFFICE, minister, norland, officer, president, secretary } from './people';
import { NOW, device } from './views';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

export const governor: Card = {
  ...secretary,
  person: 'a5'.repeat(16),
  name: 'The Governor of the Bank',
  organisation: 'Reserve Bank of Estmark',
  zone: 'Asia/Dhaka',
};
export const sarre: Card = {
  ...secretary,
  person: 'a6'.repeat(16),
  name: 'The Foreign Minister of Sarre',
  organisation: 'Ministry of Foreign Affairs',
  zone: 'Europe/Paris',
};
export const estmark: Card = { ...minister, role: 'counterpart' };

export const terms = (more: Partial<LineTerms> = {}): LineTerms => ({ reach: 'direct', mode: 'memo', ...more });

const WEEKDAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday'] as const;
export const HOURS = { zone: 'Europe/Lisbon', days: [...WEEKDAYS], from_min: 7 * 60, until_min: 22 * 60 };

export function listed_line(
  holder: Card,
  more: Partial<Omit<ListedLine, 'line'>> & { line?: Partial<ListedLine['line']> } = {},
): ListedLine {
  const { line, ...rest } = more;
  return {
    statement: `e.${holder.person}.J`,
    statement_sha256: 'ab'.repeat(32),
    line: {
      office: OFFICE,
      line: holder.person.replace(/^../, 'c1'),
      version: 1,
      principal: president,
      holder,
      device: device(40),
      terms: terms(),
      state: 'live',
      at_ms: NOW - 21 * DAY,
      ...line,
    },
    given_ms: NOW - 21 * DAY,
    changed_ms: NOW - 21 * DAY,
    reachable: true,
    ...rest,
  };
}

export const LINES: LineList = {
  lines: [
    listed_line(estmark, {
      line: { terms: terms({ hours: HOURS, purpose: 'Fisheries agreement' }) },
      last_rung_ms: NOW - 5 * DAY,
    }),
    listed_line(secretary, {
      line: { terms: terms({ reach: 'desk' }) },
      last_rung_ms: NOW - 40 * DAY,
      reachable: false,
    }),
    listed_line(governor, { line: { terms: terms({ reach: 'planned', until_ms: Date.UTC(2027, 5, 30, 22, 59) }) } }),
    listed_line(sarre, {
      line: { state: 'paused', terms: terms({ rings_per_day: 3 }) },
      changed_ms: NOW - 92 * 60_000,
      last_rung_ms: NOW - 9 * DAY,
    }),
    listed_line(
      { ...norland, person: 'a7'.repeat(16), name: 'The Chancellor of Ostland', organisation: 'Federal Chancellery' },
      { line: { state: 'ended' }, changed_ms: NOW - 3 * DAY },
    ),
  ],
  more: false,
};

export const FROZEN: LineList = {
  more: false,
  lines: LINES.lines.map((one, n) =>
    n === 0 ? { ...one, changed_ms: NOW - 4 * 60_000, line: { ...one.line, state: 'suspect' } } : one,
  ),
};

type Offer = Partial<InvitationView>;
/** The offer of a line, that nobody has taken yet. */
export const offer = (more: Offer = {}, allows = terms()): InvitationView => ({
  ...invitation({ card: norland, made_ms: NOW - 30_000, expires_ms: NOW + DAY - 30_000, ...more }),
  line: allows,
});

/** The offer of a line, with a device that took it. */
export const taken = (more: Offer = {}): InvitationView => ({
  ...asks({ request: { label: 'Safari (iPhone)', code: '471 029 583 016', problem: null }, ...more }),
  line: terms(),
});

/** That the desk offers a line for the principal. */
export const offered_for = (more: Partial<OfferedForView> = {}): OfferedForView => ({
  principal: president,
  delegate: officer,
  attested_ms: null,
  ...more,
});

/** Somebody who gave this person a line, or holds one of theirs. */
export const over_line = (card: Card, state: LineState = 'live', allows = terms(), reachable = true): Contact => ({
  ...card,
  reachable,
  line: { line: 'c1'.repeat(16), statement_sha256: 'ab'.repeat(32), state, terms: allows },
});

export const call_line = (more: Partial<LineView> = {}): LineView => ({
  line: LINES.lines[0]?.line.line ?? '',
  version: 1,
  principal: president,
  holder: estmark,
  purpose: 'Fisheries agreement',
  reach: 'direct',
  mode: 'memo',
  ...more,
});
