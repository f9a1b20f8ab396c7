// View models of acting for somebody: a principal's delegates, those for whom a person acts, and calls in which somebody does.

import type {
  Act,
  ActsForView,
  CallView,
  Card,
  DelegationList,
  ListedDelegation,
  NoticeView,
  View,
} from '../engine/contract';
import { delegates, ends_delegations } from '../engine/roles';
import { t } from '../text';
import { capitalise, join_list } from '../text/format';
import { date_time } from './clock';

export interface DelegationRow {
  delegation: string;
  statement: string;
  /** The other person: the delegate of one's own, the principal for whom one acts; both in the list of all. */
  name: string;
  where: string;
  /** What they may do, as a sentence. */
  may: string;
  /** Until when; or that it has not begun. */
  term: string;
  /** Why it does not count any more; null while it does. */
  over: string | null;
  can_end: boolean;
  can_ring: boolean;
  principal: Card;
}

export interface DelegationsScreen {
  title: string;
  intro: string;
  /** The person may give delegations, to these people. */
  candidates: Card[] | null;
  current: DelegationRow[];
  past: DelegationRow[];
  nothing: string;
}

export function delegations_screen(view: View, list: DelegationList, now: number, zone: string): DelegationsScreen {
  const { acting } = t();
  const role = view.you?.role;
  const ready = view.phase === 'ready';
  const gives = role !== undefined && delegates(role);
  const ends_all = role !== undefined && ends_delegations(role);
  const texts = gives ? acting.own : ends_all ? acting.all : acting.for_others;
  const rows = list.delegations.map((one) => row(one, { now, zone, ready, gives, ends_all }));
  return {
    title: texts.title,
    intro: texts.intro,
    candidates: gives ? (list.candidates ?? []) : null,
    current: rows.filter((one) => one.over === null),
    past: rows.filter((one) => one.over !== null),
    nothing: texts.nothing,
  };
}

interface Context {
  now: number;
  zone: string;
  ready: boolean;
  gives: boolean;
  ends_all: boolean;
}

function row(one: ListedDelegation, { now, zone, ready, gives, ends_all }: Context): DelegationRow {
  const { acting } = t();
  const at = (ms: number) => date_time(ms, zone) ?? '';
  const over = one.ended_ms
    ? acting.ended(at(one.ended_ms))
    : one.not_after_ms < now
      ? acting.expired(at(one.not_after_ms))
      : null;
  const begun = one.not_before_ms <= now;
  const shown = gives ? one.delegate : one.principal;
  return {
    delegation: one.delegation,
    statement: one.statement,
    name: ends_all ? acting.for_whom(one.delegate.name, one.principal.name) : shown.name,
    where: shown.organisation,
    may: capitalise(join_list(one.acts.map((act) => acting.acts[act]))),
    term: begun ? acting.until(at(one.not_after_ms)) : acting.between(at(one.not_before_ms), at(one.not_after_ms)),
    over,
    can_end: ready && over === null && (gives || ends_all),
    can_ring: ready && over === null && begun && !gives && !ends_all && one.acts.includes('ring'),
    principal: one.principal,
  };
}

/** The delegation under which this person changes the lines of a principal now. */
export const for_lines = (list: DelegationList, principal: string, now: number): ListedDelegation | undefined =>
  list.delegations.find(
    (one) =>
      one.principal.person === principal &&
      one.acts.includes('lines') &&
      one.ended_ms === undefined &&
      one.not_before_ms <= now &&
      now <= one.not_after_ms,
  );

/** The delegations under which this person may offer lines now, one of each principal. */
export function offering(list: DelegationList, delegate: string, now: number): ListedDelegation[] {
  const to_them = list.delegations.filter((one) => one.delegate.person === delegate);
  const principals = [...new Set(to_them.map((one) => one.principal.person))];
  return principals
    .map((person) => for_lines({ delegations: to_them }, person, now))
    .filter((one): one is ListedDelegation => one !== undefined);
}

/** How long a delegation may last, in days: the longest is the limit of `crates/proto/src/limits.rs`. */
export const TERMS_DAYS = [1, 7, 30, 90] as const;
const DAY_MS = 86_400_000;
/** The end of a term that begins now. The longest stays within the limit. */
export const term_end = (now: number, days: number): number => now + days * DAY_MS;

/** What each act is called where one chooses. */
export const ACTS: Act[] = ['ring', 'answer', 'lines'];

/** The call in which somebody acts for this person, who may take it over. */
export interface TakeOver {
  call: string;
  sentence: string;
}

export function take_overs(view: View): TakeOver[] {
  if (view.phase !== 'ready' || (view.call && view.call.state !== 'ended')) return [];
  return (
    view.notices
      // Who is asked to one sees that on every screen, and more urgently.
      .filter((notice) => notice.can_take_over && notice.asks_until_ms === null)
      .map((notice) => ({ call: notice.call, sentence: acts_now(view, notice) }))
  );
}

function acts_now(view: View, notice: NoticeView): string {
  const { acting } = t();
  const own = notice.acts_for.find((one) => one.principal.person === view.you?.person);
  const name = own?.delegate.name ?? '';
  return own?.act === 'answer'
    ? acting.answered_for_you(name, notice.from.name)
    : acting.rang_for_you(name, notice.to.name);
}

/** Who acts in a call for whom, as this device verified it. */
export const acts_lines = (call: CallView): string[] =>
  call.acts_for.map((one) => acts_line(one, call.state === 'opening' || call.state === 'ringing'));

function acts_line(one: ActsForView, rings: boolean): string {
  const { acting } = t();
  if (one.taken_over) return acting.taken_over(one.principal.name, one.delegate.name);
  if (one.act === 'ring' && rings) return acting.rings_for(one.delegate.name, one.principal.name);
  return acting.speaks(one.delegate.name, one.principal.name);
}

/** The same for staff, as the office says. */
export const acts_notice = (notice: NoticeView): string | null => {
  const { acting } = t();
  const lines = notice.acts_for.map(({ act, delegate, principal }) =>
    acting[act === 'ring' ? 'rings_for' : 'answers_for'](delegate.name, principal.name),
  );
  return lines.length === 0 ? null : lines.join(' ');
};
