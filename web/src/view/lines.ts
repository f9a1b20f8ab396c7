// View models of lines: who can reach a principal, who holds which line, the lines that a person holds, and who took one.

import type {
  Contact,
  DoubtedLine,
  InvitationView,
  LineList,
  LineState,
  LineTerms,
  ListedDelegation,
  ListedLine,
  RecordLine,
  Role,
  View,
} from '../engine/contract';
import { acts_for_others, gives_lines, holds_lines, stops_lines } from '../engine/roles';
import { t } from '../text';
import { capitalise, format_number } from '../text/format';
import { told } from '../text/told';
import { date_time, duration_text, full_date } from './clock';
import type { Level, Shape } from './labels';
import { hours_words, narrow_words, often_words, terms_summary, until_words, within_hours } from './line_words';

export interface LineRow {
  line: string;
  one: ListedLine;
  /** The other party: the holder, or of a held line the principal. */
  name: string;
  where: string;
  /** Whom it reaches, where the list has lines of several people. */
  reaches: string | null;
  /** What it allows, in a few words. */
  allows: { words: string; shape: Shape };
  /** What narrows it, each by itself. */
  narrow: string[];
  purpose: string;
  used: string;
  /** That it is not in use, and since when; `null` while it is. */
  state: { words: string; since: string; level: Level; shape: Shape } | null;
  on: boolean;
  /** It can be paused, or used again, from here: what that is called. */
  can_switch: boolean;
  switch_words: string;
  can_unfreeze: boolean;
  can_change: boolean;
  can_freeze: boolean;
  can_end: boolean;
  can_hand_back: boolean;
  /** It was bound with a link: its giver's device and its holder's have words to ask for. */
  has_words: boolean;
  /** That somebody doubted its holder on another line. */
  doubted: string | null;
  /** It was changed from here, and the office has not said so yet. */
  changing: boolean;
  details: { what: string; words: string }[];
}

export interface OfferRow {
  invitation: string;
  name: string;
  where: string;
  /** What has become of it, in a few words. */
  state: string;
  /** Who offered it for whom, of a line that is offered for another person. */
  offered_by: string | null;
  /** A device took it, and this person has to answer. */
  asks: boolean;
  until: string;
  can_show: boolean;
  can_withdraw: boolean;
  /** Its link is on another device. */
  elsewhere: string | null;
  answered: boolean;
}

export interface LinesScreen {
  title: string;
  intro: string;
  can_give: boolean;
  offers: OfferRow[];
  /** Those given today, for who acts for others. */
  today: LineRow[];
  current: LineRow[];
  past: LineRow[];
  nothing: string;
  /** Those that a press of *Pause all* pauses: more than one. */
  to_pause: ListedLine[];
  /** Those that were paused together here, and still are. */
  to_resume: ListedLine[];
  more: boolean;
}

export interface LinesPage {
  changing: ReadonlySet<string>;
  answered: ReadonlySet<string>;
  paused_together: readonly string[];
  /** Whether this person's own lines, or a delegation for lines, let them change one. Security officers stop all. */
  may_change: (one: ListedLine) => boolean;
  /** The delegations under which this person offers lines. */
  offers_for: () => readonly ListedDelegation[];
}

interface Context extends Omit<LinesPage, 'paused_together' | 'offers_for'> {
  view: View;
  now: number;
  zone: string;
  ready: boolean;
  gives: boolean;
  stops: boolean;
  holds: boolean;
  /** The words of the list. */
  texts: ReturnType<typeof t>['lines']['own' | 'all' | 'held' | 'for_others'];
}

/** The row of a line, wherever the screen has it. */
export const row_of = (screen: LinesScreen, line: string): LineRow | undefined =>
  [...screen.today, ...screen.current, ...screen.past].find((one) => one.line === line);

export function lines_screen(view: View, list: LineList, page: LinesPage, now: number, zone: string): LinesScreen {
  const { lines } = t();
  const role = view.you?.role;
  const [gives, holds, stops] = [gives_lines, holds_lines, stops_lines].map((may) => role !== undefined && may(role));
  const texts = gives ? lines.own : holds ? lines.held : stops ? lines.all : lines.for_others;
  const acts = role !== undefined && acts_for_others(role);
  const context: Context = {
    view,
    changing: page.changing,
    answered: page.answered,
    may_change: page.may_change,
    now,
    zone,
    ready: view.phase === 'ready',
    gives: gives === true,
    holds: holds === true,
    stops: stops === true,
    texts,
  };
  const rows = list.lines.map((one) => line_row(one, context));
  const in_use = rows.filter((row) => state_now(row.one, now) !== 'ended');
  const day = full_date(now, zone);
  const today = acts ? in_use.filter((row) => full_date(row.one.given_ms, zone) === day) : [];
  const current = in_use.filter((row) => !today.includes(row));
  // What needs an eye stands first.
  const frozen = current.filter((row) => row.doubted !== null || state_now(row.one, now) === 'suspect');
  const live = in_use.filter((row) => row.on);
  const may_pause = context.ready && !stops && !holds;
  return {
    title: texts.title,
    intro: live.length === 0 ? lines.none_in_use : lines.in_use(live.length, format_number(live.length)),
    can_give: (gives === true || (acts && page.offers_for().length > 0)) && view.office?.lines === true,
    offers: holds ? [] : view.invitations.filter((one) => one.line !== null).map((one) => offer_row(one, context)),
    today,
    current: [...frozen, ...current.filter((row) => !frozen.includes(row))],
    past: rows.filter((row) => state_now(row.one, now) === 'ended'),
    nothing: texts.nothing,
    to_pause: may_pause && live.length > 1 ? live.filter((row) => row.can_switch).map((row) => row.one) : [],
    to_resume: may_pause
      ? in_use
          .map((row) => row.one)
          .filter((one) => !one.lost && one.line.state === 'paused' && page.paused_together.includes(one.line.line))
      : [],
    more: list.more,
  };
}

/** A line that has expired has ended. */
const effective_state = (state: LineState, terms: LineTerms, now: number): LineState =>
  terms.until_ms !== undefined && terms.until_ms < now ? 'ended' : state;

/** Whether a listed line is in use. One whose newest version the office lost is not, until its giver has signed it again. */
function state_now({ line, lost }: ListedLine, now: number): LineState {
  const state = lost ? (lost.state === 'ended' ? 'ended' : 'paused') : line.state;
  return effective_state(state, line.terms, now);
}

const REACH_SHAPES = { direct: 'phone', desk: 'people', planned: 'wait' } as const;

function line_row(one: ListedLine, context: Context): LineRow {
  const { lines } = t();
  const { now, zone, ready, gives, stops, holds, texts } = context;
  const { line } = one;
  const other = holds ? line.principal : line.holder;
  const lost = one.lost !== undefined;
  const state = state_now(one, now);
  const over = state === 'ended';
  const changing = context.changing.has(one.statement);
  // One that expired can still be extended, and ended for good.
  const can = ready && (one.lost ?? line).state !== 'ended' && !changing;
  const givers = can && !stops && !holds && context.may_change(one);
  const others = can && !lost;
  const suspect = (one.lost ?? line).state === 'suspect';
  const doubt = context.view.doubted_lines.find((other) => other.line === line.line);
  return {
    line: line.line,
    one,
    name: other.name,
    where: other.organisation,
    reaches: gives || holds ? null : lines.reaches(line.principal.name),
    allows: { words: texts.reach[line.terms.reach], shape: REACH_SHAPES[line.terms.reach] },
    narrow: narrow_words(line.terms, zone),
    purpose: line.terms.purpose ?? '',
    used: one.last_rung_ms === undefined ? lines.never_used : lines.used(full_date(one.last_rung_ms, zone) ?? ''),
    state: state_of(one, state, givers, zone),
    on: state === 'live',
    // Only the principal uses a frozen line again.
    can_switch: givers && !over && (!suspect || (lost && gives)),
    switch_words: lines.actions[lost ? 'use_again' : state === 'live' ? 'pause' : 'resume'],
    can_unfreeze: givers && suspect && gives && !lost,
    can_change: givers && line.state === 'live' && !lost,
    can_freeze: others && !suspect && (stops || (givers && doubt !== undefined)),
    has_words: line.device !== undefined && !stops && !over,
    doubted: doubt && !suspect && !over ? lines.doubt.since(date_time(doubt.since_ms, zone) ?? '') : null,
    can_end: givers || (others && stops),
    can_hand_back: others && holds,
    changing,
    details: details(one, context),
  };
}

function state_of(one: ListedLine, state: LineState, givers: boolean, zone: string): LineRow['state'] {
  const { lines } = t();
  const at = date_time(one.changed_ms, zone) ?? '';
  switch (state) {
    case 'ended': {
      const expired = (one.lost ?? one.line).state !== 'ended';
      const ended_ms = expired ? (one.line.terms.until_ms ?? one.changed_ms) : one.changed_ms;
      const since = lines.ended_on(full_date(ended_ms, zone) ?? '');
      return { words: lines.states.ended, since, level: 'quiet', shape: 'no' };
    }
    case 'paused':
      if (one.lost) {
        const since = givers ? lines.restored.own : lines.restored.theirs;
        return { words: lines.states.lost, since, level: 'amber', shape: 'silent' };
      }
      return { words: lines.states.paused, since: lines.paused_on(at), level: 'amber', shape: 'silent' };
    case 'suspect':
      return { words: lines.states.suspect, since: lines.frozen_on(at), level: 'red', shape: 'alert' };
    default:
      return null;
  }
}

function details(one: ListedLine, { zone, gives, holds, texts }: Context): LineRow['details'] {
  const { lines } = t();
  const { detail } = lines;
  const { terms, principal, device } = one.line;
  return [
    { what: detail.principal, words: gives || holds ? '' : principal.name },
    { what: detail.allows, words: texts.reach[terms.reach] },
    { what: detail.purpose, words: terms.purpose ?? '' },
    { what: detail.hours, words: capitalise(hours_words(terms.hours, zone)) },
    {
      what: detail.until,
      words: capitalise(until_words(terms.until_ms, zone) ?? (gives ? lines.no_end : lines.no_end_theirs)),
    },
    { what: detail.often, words: capitalise(often_words(terms.rings_per_day) ?? lines.no_limit) },
    { what: detail.mode, words: capitalise(lines.mode[terms.mode]) },
    { what: detail.device, words: holds ? '' : device === undefined ? detail.any_device : detail.one_device },
    { what: detail.given, words: date_time(one.given_ms, zone) ?? '' },
    {
      what: detail.used,
      words: one.last_rung_ms === undefined ? lines.never_used : (date_time(one.last_rung_ms, zone) ?? ''),
    },
  ].filter(({ words }) => words !== '');
}

function offer_row(one: InvitationView, { view, ready, zone, gives, stops, answered }: Context): OfferRow {
  const { lines } = t();
  const until = date_time(one.expires_ms, zone) ?? '';
  const offered = one.offered_for;
  return {
    invitation: one.invitation,
    name: one.card.name,
    where: one.card.organisation,
    state: offer_state(one, view),
    offered_by: offered && lines.offer.offered_by(offered.delegate.name, offered.principal.name),
    asks: awaits_answer(view, one),
    until: one.request === null ? lines.offer.until(until) : lines.taken.until(until),
    can_show: (gives || offered !== null) && one.made_here && one.link !== null,
    // Whoever gave it, on any of their devices, and who acts for them; a security officer stops any line.
    can_withdraw: ready && (gives || stops || offered !== null),
    elsewhere: gives && !one.made_here && offered === null ? lines.offer.elsewhere : null,
    answered: answered.has(one.invitation),
  };
}

function offer_state(one: InvitationView, view: View): string {
  const { lines } = t();
  const offered = one.offered_for;
  if (one.request === null) return lines.offered;
  if (offered === null) return lines.offer.taken;
  if (offered.attested_ms === null)
    return one.made_here ? lines.offer.compare : lines.offer.compares(offered.delegate.name);
  const own = view.you?.person === offered.principal.person;
  return own ? lines.offer.confirm : lines.offer.waits_for(offered.principal.name);
}

/** Whether this person has to answer who took a line: its giver, or, before them, who offered it for them on this device. */
export function awaits_answer(view: View | null, one: InvitationView): boolean {
  if (!view?.you || one.line === null || one.request === null) return false;
  const offered = one.offered_for;
  if (gives_lines(view.you.role)) return offered === null || offered.attested_ms !== null;
  return offered !== null && one.made_here && offered.attested_ms === null;
}

/** The card that asks who took a line. */
export interface TakenCard {
  invitation: string;
  title: string;
  for: string;
  /** What the device says it is. */
  claim: string;
  code: string | null;
  /** What the code is: to be compared, or that it was, and by whom. */
  code_words: string;
  how: string;
  /** What the line allows, where somebody else chose that. */
  allows: string | null;
  /** What does not happen before the answer. */
  nobody: string;
  problem: string | null;
  /** Why it is confirmed on another device. */
  elsewhere: string | null;
  opened_again: string | null;
  yes: string;
  until: string;
  can_confirm: boolean;
  can_refuse: boolean;
  answered: boolean;
}

/** The line that a device took and for which this person has to answer: the one whose time is up first. */
export function taken_line(view: View | null, later: ReadonlySet<string>): InvitationView | null {
  const taken = (view?.invitations ?? []).filter((one) => awaits_answer(view, one) && !later.has(one.invitation));
  return taken.sort((a, b) => a.expires_ms - b.expires_ms)[0] ?? null;
}

export function taken_card(view: View, one: InvitationView, answered: ReadonlySet<string>, zone: string): TakenCard {
  const texts = t().lines.taken;
  const ready = view.phase === 'ready';
  const { label = '', code = null, problem = null } = one.request ?? {};
  const offered = one.offered_for;
  // Only the device that has the link's secret can verify the request, or the principal's what that device signed of it.
  const own = offered !== null && view.you?.person === offered.principal.person;
  const here = one.made_here || own;
  const genuine = here && problem === null;
  const times = one.refused_requests;
  return {
    invitation: one.invitation,
    title: own ? texts.title_offered : texts.title,
    code_words: own ? texts.compared(offered.delegate.name) : texts.code,
    how: own ? texts.compared_on(date_time(offered.attested_ms ?? 0, zone) ?? '') : texts.how,
    allows:
      own && one.line ? capitalise(`${t().lines.own.reach[one.line.reach]}, ${terms_summary(one.line, zone)}`) : null,
    nobody: offered && !own ? texts.nobody_other(offered.principal.name) : texts.nobody,
    for: texts.for(one.card.name, one.card.organisation),
    claim: label === '' ? texts.no_claim : texts.claim(label),
    code: genuine ? code : null,
    problem: here && problem !== null ? texts.not_genuine_then(told(problem)) : null,
    elsewhere: here ? null : texts.elsewhere,
    opened_again: times > 0 ? t().lines.offer.opened_again(times, format_number(times)) : null,
    yes: own ? texts.yes_offered : texts.yes(one.card.name),
    until: texts.until(date_time(one.expires_ms, zone) ?? ''),
    can_confirm: ready && genuine && code !== null,
    can_refuse: ready,
    answered: answered.has(one.invitation),
  };
}

/** That the holder of a line was doubted on another one. */
export function doubt_sentence(view: View | null, { principal, holder }: DoubtedLine): string {
  const { doubt } = t().lines;
  return principal.person === view?.you?.person ? doubt.own(holder.name) : doubt.of(holder.name, principal.name);
}

/** How long an offer still stands, in its largest unit. */
export function time_left(expires_ms: number, now: number): string {
  const { offer } = t().lines;
  const minutes = Math.ceil((expires_ms - now) / 60_000);
  if (minutes <= 0) return offer.over;
  if (minutes < 60) return offer.left_minutes(minutes, format_number(minutes));
  const hours = Math.round(minutes / 60);
  if (hours < 48) return offer.left_hours(hours, format_number(hours));
  const days = Math.round(hours / 24);
  return offer.left_days(days, format_number(days));
}

/** What a contact's line means for whoever looks at the list. */
export interface ContactWords {
  words: string;
  level: Level;
  shape: Shape;
  /** Whether its terms and state let this person ring now. */
  may_ring: boolean;
  /** There is nothing to press: it is for planned calls. */
  never_rings: boolean;
}

export function contact_words(
  contact: Contact,
  role: Role | undefined,
  now: number,
  zone: string,
): ContactWords | null {
  const { line } = contact;
  const texts = t().lines.contact;
  if (contact.needs_line === true)
    return { words: texts.needs_line, level: 'quiet', shape: 'no', may_ring: false, never_rings: true };
  if (!line || role === undefined) return null;
  const holds = holds_lines(role);
  const plain = { level: 'quiet', shape: REACH_SHAPES[line.terms.reach], may_ring: true, never_rings: false } as const;
  const stopped = stopped_words(effective_state(line.state, line.terms, now), holds);
  if (stopped) return { ...stopped, may_ring: false, never_rings: false };
  if (!holds) {
    // Hours and reach do not bind whoever gave the line.
    const words = { direct: texts.rings_you, desk: texts.rings_desk, planned: texts.holder_planned }[line.terms.reach];
    return { ...plain, words };
  }
  if (line.terms.reach === 'planned') return { ...plain, words: texts.planned, may_ring: false, never_rings: true };
  if (!within_hours(line.terms.hours, now)) {
    return { ...plain, words: texts.not_now(hours_words(line.terms.hours, zone)), shape: 'wait', may_ring: false };
  }
  return { ...plain, words: line.terms.reach === 'direct' ? texts.direct : texts.desk };
}

function stopped_words(state: LineState, holds: boolean): Pick<ContactWords, 'words' | 'level' | 'shape'> | null {
  const texts = t().lines.contact;
  switch (state) {
    case 'paused':
      return { words: holds ? texts.paused : texts.own_paused, level: 'amber', shape: 'silent' };
    case 'suspect':
      return { words: holds ? texts.suspect : texts.own_suspect, level: 'red', shape: 'alert' };
    case 'ended':
      return { words: holds ? texts.ended : texts.own_ended, level: 'quiet', shape: 'no' };
    default:
      return null;
  }
}

/** The last conversation with a person, of the calls that the page knows. */
export function last_call(calls: readonly RecordLine[], person: string, zone: string): string | null {
  const talked = calls.filter(
    (call) => call.answered_ms !== undefined && [call.from.person, call.to.person].includes(person),
  );
  const [newest] = talked.sort((a, b) => b.opened_ms - a.opened_ms);
  if (newest?.answered_ms === undefined || newest.ended_ms === undefined) return null;
  const length = duration_text(newest.ended_ms - newest.answered_ms);
  return t().lines.ring.last_call(full_date(newest.opened_ms, zone) ?? '', length);
}
