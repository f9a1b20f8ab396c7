// View model of one memorandum: what is shown beside its text, and who may sign what.

import type { PageVersion, Role, View } from '../engine/contract';
import type { Approval, Blocker } from '../papers/contents';
import type { MemorandumWork } from '../papers/memorandum.svelte';
import { approves_memoranda, drafts_memoranda, reviews_memoranda } from '../papers/roles';
import { t } from '../text';
import { format_number } from '../text/format';
import { date_time } from './clock';
import type { Level, Shape } from './labels';
import { badge, until, type MemoState } from './memoranda';

export interface MemorandumScreen {
  state: MemoState;
  /** `Version 3 · Reviewed`. */
  version: string;
  look: { level: Level; shape: Shape | undefined };
  signed: string;
  banner: string;
  may_rise: boolean;
  until: string | null;
  /** This person may change it. */
  open: boolean;
  blockers: { sentence: string; turn: string | null }[];
  unmarked: boolean;
  needs_block: boolean;
  reason: string;
  /** Turns whose words nobody signed off. */
  unconfirmed: string[];
  reviews: { level: 'seal' | 'quiet' | 'red'; sentence: string }[];
  refused: string | null;
  hint: string | null;
  signatures: { state: 'draft' | 'reviewed' | 'approved'; label: string; main: boolean }[];
  versions: { number: number; title: string; signed: string; before: number | null }[];
}

export function memorandum_screen(work: MemorandumWork, view: View, zone: string): MemorandumScreen | null {
  const { read, content, assessment, edited } = work;
  const role = view.you?.role;
  if (read.status !== 'ready' || !content || !assessment || role === undefined) return null;
  const texts = t().memoranda.one;
  const { version, versions } = read.value;
  const state = version.signed.state as MemoState;
  const { banner, may_rise } = assessment;
  const over = state === 'destroyed';
  const open = drafts_memoranda(role) && !over;
  const complete = assessment.blockers.length === 0;
  const { basis } = content.classification ?? {};
  return {
    state,
    version: title(version),
    look: look(
      state,
      work.approvals.find((one) => one.version === version.signed.version),
    ),
    signed: signed(version, zone),
    banner: banner === null ? texts.not_marked : may_rise ? texts.may_rise(banner) : banner,
    may_rise,
    until:
      state === 'approved' || over || assessment.age.age === 'young'
        ? null
        : until(assessment.age, assessment.until_ms, zone),
    open,
    blockers: blockers(assessment.blockers),
    unmarked: assessment.blockers.some(({ blocker }) => blocker.endsWith('_unmarked')),
    needs_block: assessment.blockers.some(({ blocker }) => blocker === 'no_classification_block'),
    reason: basis === undefined ? '' : basis.basis === 'original' ? basis.reason : basis.from,
    unconfirmed: content.turns.filter((turn) => !turn.confirmed).map((turn) => turn.id),
    reviews: work.approvals.map(review),
    refused: work.refused === null || work.refused.review === 'same' ? null : texts.refused[work.refused.review],
    hint: hint(state, edited, complete, role),
    signatures: signatures(state, edited, complete, role),
    versions: versions
      .map((one, i) => ({
        number: one.signed.version,
        title: title(one),
        signed: signed(one, zone),
        before: versions[i - 1]?.signed.version ?? null,
      }))
      .reverse(),
  };
}

const title = ({ signed: { version, state } }: PageVersion): string => {
  const { states, one } = t().memoranda;
  return one.version(format_number(version), state in states ? states[state as MemoState] : state);
};

const signed = ({ signed: { author }, logged_ms }: PageVersion, zone: string): string =>
  t().memoranda.one.signed(author.name, date_time(logged_ms, zone) ?? '');

/** An approval is green once this device has compared it with its review, and red where they differ. */
function look(state: MemoState, approval: Approval | undefined): MemorandumScreen['look'] {
  if (state !== 'approved' || !approval || approval.review.review === 'unknown') return badge(state);
  return approval.review.review === 'same' ? { level: 'seal', shape: 'seal' } : { level: 'red', shape: 'alert' };
}

/** What this person can sign now; the one that leads on is the main one. */
function signatures(state: MemoState, edited: boolean, complete: boolean, role: Role): MemorandumScreen['signatures'] {
  const { one } = t().memoranda;
  const found: MemorandumScreen['signatures'] = [];
  const reviewed = state === 'reviewed' && !edited;
  if (reviewed && complete && approves_memoranda(role))
    found.push({ state: 'approved', label: one.approve, main: true });
  // A change after approval is a draft of its own version before it can be reviewed again.
  const may_review = state === 'draft' || (state === 'reviewed' && edited);
  if (may_review && complete && reviews_memoranda(role))
    found.push({ state: 'reviewed', label: one.review, main: true });
  if (edited && state !== 'destroyed' && drafts_memoranda(role))
    found.push({ state: 'draft', label: one.save, main: found.length === 0 });
  return found;
}

function hint(state: MemoState, edited: boolean, complete: boolean, role: Role): string | null {
  const { one } = t().memoranda;
  if (state === 'approved') return drafts_memoranda(role) ? one.change_again : null;
  if (!complete) return null;
  if (state === 'draft' || edited) return reviews_memoranda(role) ? one.none_left : one.wait_review;
  return state === 'reviewed' ? (approves_memoranda(role) ? one.approve_hint : one.wait_approve) : null;
}

/** One sentence for each kind of blocker, with the first turn that it is about. */
function blockers(list: Blocker[]): MemorandumScreen['blockers'] {
  const { blocker: words } = t().memoranda.one;
  const turns = (kind: 'turn_unmarked' | 'unconfirmed' | 'comment_open' | 'decision_unmarked') =>
    list.flatMap((one) => (one.blocker === kind ? [one.of] : []));
  const counted = (
    kind: Parameters<typeof turns>[0],
    say: (n: number, count: string) => string,
  ): MemorandumScreen['blockers'] => {
    const found = turns(kind);
    const [first] = found;
    const of_turn = (kind === 'turn_unmarked' || kind === 'unconfirmed') && typeof first === 'string';
    return found.length === 0
      ? []
      : [{ sentence: say(found.length, format_number(found.length)), turn: of_turn ? first : null }];
  };
  const single = list.flatMap((one): MemorandumScreen['blockers'] => {
    switch (one.blocker) {
      case 'turn_unmarked':
      case 'unconfirmed':
      case 'comment_open':
      case 'decision_unmarked':
        return [];
      case 'mark_unknown':
        return [{ sentence: words.mark_unknown(one.of.mark), turn: one.of.turn }];
      default:
        return [{ sentence: words[one.blocker], turn: null }];
    }
  });
  return [
    ...counted('unconfirmed', words.unconfirmed),
    ...counted('turn_unmarked', words.turns_unmarked),
    ...counted('decision_unmarked', words.decisions_unmarked),
    ...single,
    ...counted('comment_open', words.comments_open),
  ];
}

function review({ version, review }: Approval): MemorandumScreen['reviews'][number] {
  const { reviews } = t().memoranda.one;
  const number = format_number(version);
  switch (review.review) {
    case 'same':
      return { level: 'seal', sentence: reviews.same(number) };
    case 'unknown':
      return { level: 'quiet', sentence: reviews.unknown(number) };
    case 'changed': {
      const n = review.lowered.length;
      const lowered = n > 0 ? [reviews.lowered(n, format_number(n))] : [];
      return { level: 'red', sentence: [reviews.changed(number), ...lowered].join(' ') };
    }
    default:
      return { level: 'red', sentence: reviews[review.review](number) };
  }
}
