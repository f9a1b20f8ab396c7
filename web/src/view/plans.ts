// View models of planned calls: a request and its schedule as one card.

import type { Card, View } from '../engine/contract';
import { acts_for_others, holds_lines } from '../engine/roles';
import { agreed_slot, newest_slots, type CallBack, type Plan, type RequestFor } from '../papers/plans.svelte';
import type { Conflict } from '../papers/plans';
import type { Schedule, Slot } from '../papers/contents';
import { t } from '../text';
import { compare_names, date_format, format_number, join_list } from '../text/format';
import { time } from './clock';
import type { Level, Shape } from './labels';

export interface SlotRow {
  choice: number;
  start_ms: number;
  /** The time in this person's clock, for labels. */
  yours: string;
  /** What the clocks of all places show. */
  clocks: { of: string; time: string }[];
  conflict: Conflict | null;
}

export interface PlanCard {
  id: string;
  who: string;
  where: string;
  subject: string;
  /** How soon, how long, languages, who else. */
  facts: string[];
  /** How it came in. */
  came: string | null;
  proof: { words: string; level: Level; shape: Shape } | null;
  stands: { words: string; level: Level; shape: Shape };
  reason: string | null;
  said: { id: string; who: string; text: string }[];
  /** Times that the request proposes, while none are offered. */
  proposed: SlotRow[];
  /** Times on offer. */
  offered: SlotRow[];
  agreed: SlotRow | null;
  alike: string | null;
  is_forged: boolean;
  /** For whom this person answers; `null` for themselves. */
  answers_for: string | null;
  can: {
    decide: boolean;
    yes: boolean;
    ask_back: boolean;
    answer: boolean;
    forward: boolean;
    close: boolean;
    /** The person to ring, to verify the request. */
    call_back: string | null;
    offer: boolean;
    pick: boolean;
    pick_for_them: boolean;
    confirm: boolean;
    cancel: boolean;
  };
  /** Why nobody can be rung to verify it; `null` if somebody can, or need not. */
  no_call_back: string | null;
  section: 'inbox' | 'planned' | 'agreed' | 'over';
  places: Schedule['places'];
  /** The other side, if they hold a line: they read the schedule. */
  person: string | null;
  length_min: number;
}

/** What a card needs of the page. */
export interface PlansPage {
  under: (principal: string, act: 'answer' | 'ring') => { principal: Card } | undefined;
  calling: CallBack | null;
}

/** How long calls may be asked for, minutes. */
export const LENGTHS = [10, 15, 20, 30, 45, 60] as const;
/** When one may be reminded, minutes before. */
export const REMINDERS = [5, 15, 30, 60, 120] as const;
/** Times that may be offered at once: `MAX_OFFERS` of `crates/papers`. */
export const MAX_OFFERED = 5;

/** Such as `Tue 1 Dec, 15:30 CET`. */
const moment = (ms: number, zone: string): string =>
  date_format(zone, {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
    timeZoneName: 'short',
  })?.format(ms) ?? '';

export function slot_row(
  slot: Slot,
  choice: number,
  places: Schedule['places'],
  zone: string,
  conflict?: Conflict,
): SlotRow {
  const { offer } = t().plans;
  return {
    choice,
    start_ms: slot.start_ms,
    yours: moment(slot.start_ms, zone),
    clocks:
      places.length > 0
        ? places.map((place) => ({ of: place.of, time: moment(slot.start_ms, place.zone) }))
        : [{ of: offer.you, time: moment(slot.start_ms, zone) }],
    conflict: conflict ?? null,
  };
}

/** The places of a call: the principal's, then theirs. */
function places_of(plan: Plan, view: View, page: PlansPage, zone: string): Schedule['places'] {
  if (plan.schedule) return plan.schedule.content.places;
  const request = plan.request?.content;
  if (!request) return [];
  const { you } = view;
  const first = plan.request?.versions[0]?.signed.author;
  const ours =
    you?.person === request.principal
      ? you
      : ((page.under(request.principal, 'answer') ?? page.under(request.principal, 'ring'))?.principal ??
        view.people.find((one) => one.person === request.principal));
  const theirs = first?.role === 'counterpart' ? first : view.people.find((one) => one.person === request.person);
  return [
    { of: ours?.name ?? view.office?.name ?? t().app, zone: ours?.zone ?? zone, place: '' },
    ...(theirs ? [{ of: theirs.name, zone: theirs.zone, place: '' }] : []),
  ];
}

export function plan_card(plan: Plan, plans: readonly Plan[], view: View, page: PlansPage, zone: string): PlanCard {
  const texts = t().plans;
  const { request, schedule } = plan;
  const content = request?.content ?? null;
  const role = view.you?.role;
  const is_theirs = role !== undefined && holds_lines(role);
  const is_principal = content !== null && view.you?.person === content.principal;
  const names = new Map<string, string>();
  for (const { signed } of [...(request?.versions ?? []), ...(schedule?.versions ?? [])])
    names.set(signed.author.person, signed.author.name);
  const name = (person: string) => names.get(person) ?? texts.said.somebody;
  const places = places_of(plan, view, page, zone);
  const under = content && !is_principal && !is_theirs ? page.under(content.principal, 'answer') : undefined;
  const open = plan.stands !== null && !['approved', 'declined', 'closed'].includes(plan.stands);
  const desk = role === 'principal' || (role !== undefined && acts_for_others(role));
  const answers = open && (is_principal || under !== undefined);
  const who = who_of(plan, view);
  const person = content ? (author_of(plan)?.person ?? content.person) : null;
  const ready = view.token !== null;

  const state = schedule?.version.signed.state ?? null;
  const live = schedule !== null && (state === 'draft' || state === 'approved');
  const last = schedule?.content.rounds.at(-1);
  const on_offer = live && last?.picked === null;
  const theirs_to_choose = last?.side === 'ours';
  const slot = schedule ? agreed_slot(schedule.content) : null;
  // One that was cancelled has to be taken out of calendars.
  const standing = schedule?.content.standing;
  const calendar_slot =
    standing && standing.state !== 'offering' && (live || state === 'closed') ? standing.slot : null;
  const may_plan =
    desk && content !== null && plan.is_proven && ['approved', 'office_calls'].includes(plan.stands ?? '');
  const calls_back =
    desk && open && content?.door.door === 'desk' && !plan.is_proven && content.verification.verified !== 'denied';
  const rings = content !== null && (is_principal || page.under(content.principal, 'ring') !== undefined);
  const has_line = person !== null && view.people.some((one) => one.person === person);

  return {
    id: plan.id,
    who,
    where: where_of(plan, is_theirs),
    subject: content?.subject ?? '',
    facts: content
      ? [
          texts.form.urgencies[content.urgency],
          texts.facts.length(format_number(content.length_min)),
          ...(content.languages.length > 0 ? [texts.facts.languages(join_list(content.languages.map(language)))] : []),
          ...(content.others.length > 0 ? [texts.facts.others(join_list(content.others))] : []),
        ]
      : [],
    came: came(plan, is_theirs),
    proof: proof(plan, is_theirs, name),
    stands: stands(plan, is_theirs),
    // Of a draft, what stands in the content is not claimed by anybody who may decide.
    reason: content?.decision && request?.version.signed.state !== 'draft' ? content.decision.reason || null : null,
    // What may be forged is not shown as somebody's words.
    said: (plan.is_forged ? [] : (content?.exchanges ?? [])).map((one) => ({
      id: one.id,
      who: texts.said[one.kind](name(one.by)),
      text: one.text,
    })),
    proposed: schedule
      ? []
      : (content?.proposed ?? []).map((one, i) => slot_row(one, i, places, zone, plan.conflicts[i])),
    offered:
      on_offer && last
        ? newest_slots(schedule.content).map((one, i) => slot_row(one, i, places, zone, plan.conflicts[i]))
        : [],
    agreed: calendar_slot && !plan.is_forged ? slot_row(calendar_slot, 0, places, zone) : null,
    alike: alike(plan, plans, view),
    is_forged: plan.is_forged,
    answers_for: under?.principal.name ?? null,
    can: {
      decide: ready && answers,
      yes: ready && answers && plan.is_proven,
      ask_back: ready && open && desk && person !== null,
      answer: ready && open && is_theirs && plan.stands === 'asked',
      forward: ready && open && desk && !plan.is_forged,
      close:
        ready &&
        plan.stands !== 'declined' &&
        plan.stands !== 'closed' &&
        !schedule &&
        request !== null &&
        (is_theirs || desk),
      call_back: ready && calls_back && rings && has_line ? person : null,
      offer: ready && (live ? !plan.is_forged && !(on_offer && (last?.side === 'theirs') === is_theirs) : may_plan),
      pick: ready && on_offer && !plan.is_forged && theirs_to_choose === is_theirs,
      pick_for_them: ready && on_offer && desk && theirs_to_choose && !reads(schedule, person),
      confirm: ready && desk && !plan.is_forged && state === 'draft' && slot !== null && !on_offer,
      cancel: ready && live,
    },
    no_call_back: !calls_back
      ? null
      : !has_line
        ? texts.call_back.no_line
        : !rings
          ? texts.call_back.no_delegation
          : null,
    section: section(plan),
    places,
    person,
    length_min:
      content?.length_min ??
      newest_slots(schedule?.content ?? ({ rounds: [] } as unknown as Schedule))[0]?.length_min ??
      20,
  };
}

/** The holder of the line who asked, by the certificate that signed the first version. */
function author_of(plan: Plan): Card | null {
  const first = plan.request?.versions[0]?.signed.author ?? null;
  return first?.role === 'counterpart' ? first : null;
}

/** The other side, as this person sees it. */
function who_of(plan: Plan, view: View): string {
  const role = view.you?.role;
  const is_theirs = role !== undefined && holds_lines(role);
  if (plan.request && !is_theirs) return author_of(plan)?.name ?? plan.request.content.counterpart;
  if (plan.request)
    return view.people.find((one) => one.person === plan.request?.content.principal)?.name ?? view.office?.name ?? '';
  return plan.schedule?.content.places[is_theirs ? 0 : 1]?.of ?? view.office?.name ?? '';
}

/** The other side's organisation; the holder of a line knows whom they ask. */
const where_of = (plan: Plan, is_theirs: boolean): string =>
  is_theirs || !plan.request ? '' : (author_of(plan)?.organisation ?? plan.request.content.organisation);

/** Whether the other side reads the schedule: then they choose for themselves. */
const reads = (schedule: Plan['schedule'], person: string | null): boolean =>
  person !== null && schedule !== null && schedule.version.signed.readers.includes(person);

const language = (tag: string): string => {
  try {
    return new Intl.DisplayNames([document.documentElement.lang || 'en'], { type: 'language' }).of(tag) ?? tag;
  } catch {
    return tag;
  }
};

function came(plan: Plan, is_theirs: boolean): string | null {
  const { door, form } = t().plans;
  const content = plan.request?.content;
  const first = plan.request?.versions[0]?.signed.author;
  if (!content || !first || is_theirs) return null;
  if (content.door.door === 'line') return door.line;
  if (content.door.door === 'principal') return door.principal(first.name);
  return door.desk(form.media[content.door.by], first.name);
}

function proof(plan: Plan, is_theirs: boolean, name: (person: string) => string): PlanCard['proof'] {
  const texts = t().plans.proof;
  const content = plan.request?.content;
  if (!content || is_theirs) return null;
  const { verification } = content;
  if (plan.is_proven) {
    const words =
      content.door.door === 'line'
        ? texts.signed
        : content.door.door === 'principal'
          ? texts.wished
          : verification.verified === 'by_call_back'
            ? texts.called(name(verification.by))
            : texts.signed;
    return { words, level: 'seal', shape: 'seal' };
  }
  if (content.door.door !== 'desk') return { words: texts.broken, level: 'red', shape: 'alert' };
  if (verification.verified === 'denied') return { words: texts.denied, level: 'red', shape: 'no' };
  return { words: texts.unverified, level: 'amber', shape: 'wait' };
}

function stands(plan: Plan, is_theirs: boolean): PlanCard['stands'] {
  const texts = t().plans.stands;
  const { schedule } = plan;
  if (schedule) {
    const { state } = schedule.version.signed;
    const last = schedule.content.rounds.at(-1);
    const slot = agreed_slot(schedule.content);
    if (plan.is_forged) return { words: texts.forged, level: 'red', shape: 'alert' };
    const mine = (last?.side === 'theirs') === is_theirs;
    if (state === 'closed') return { words: texts.cancelled, level: 'quiet', shape: 'no' };
    if (state === 'approved') return { words: texts.confirmed, level: 'seal', shape: 'seal' };
    if (last?.picked === null && slot) return { words: texts.moving, level: 'amber', shape: 'wait' };
    if (last?.picked === null)
      return { words: mine ? texts.offered_them : texts.offered_you, level: 'amber', shape: 'wait' };
    return { words: is_theirs ? texts.picked_you : texts.picked, level: 'amber', shape: 'wait' };
  }
  const where = plan.stands ?? 'closed';
  const words = texts[where];
  if (where === 'approved') return { words, level: 'seal', shape: 'seal' };
  if (where === 'declined') return { words, level: 'red', shape: 'no' };
  if (where === 'closed') return { words, level: 'quiet', shape: 'no' };
  return { words, level: where === 'not_now' ? 'quiet' : 'amber', shape: 'wait' };
}

function section(plan: Plan): PlanCard['section'] {
  const state = plan.schedule?.version.signed.state;
  if (plan.stands === 'declined' || plan.stands === 'closed') return 'over';
  if (state === 'closed') return 'over';
  if (state === 'approved') return 'agreed';
  if (plan.schedule || plan.stands === 'approved' || plan.stands === 'office_calls') return 'planned';
  return 'inbox';
}

function alike(plan: Plan, plans: readonly Plan[], view: View): string | null {
  const others = plans.filter((one) => plan.alike.includes(one.id)).map((one) => who_of(one, view));
  return others.length === 0 ? null : t().plans.alike(join_list([...new Set(others)]));
}

export interface PlansScreen {
  sections: { section: PlanCard['section']; title: string; cards: PlanCard[] }[];
  nothing: boolean;
}

const SECTIONS = ['inbox', 'planned', 'agreed', 'over'] as const;

export function plans_screen(plans: readonly Plan[], view: View, page: PlansPage, zone: string): PlansScreen {
  const texts = t().plans;
  const cards = together(plans).map((plan) => plan_card(plan, plans, view, page, zone));
  const sections = SECTIONS.map((name) => ({
    section: name,
    title: texts[name],
    cards: cards.filter((card) => card.section === name),
  }));
  sections[2]?.cards.sort(
    (a, b) => (a.agreed?.start_ms ?? 0) - (b.agreed?.start_ms ?? 0) || compare_names(a.who, b.who),
  );
  return { sections: sections.filter((one) => one.cards.length > 0), nothing: cards.length === 0 };
}

/** Requests that resemble each other stand beside each other. */
function together(plans: readonly Plan[]): Plan[] {
  const shown = new Set<string>();
  const of = new Map(plans.map((plan) => [plan.id, plan]));
  return plans.flatMap((plan) => {
    const group = [plan, ...plan.alike.flatMap((id) => of.get(id) ?? [])].filter((one) => !shown.has(one.id));
    group.forEach((one) => shown.add(one.id));
    return shown.has(plan.id) && group.length === 0 ? [] : group;
  });
}

/** Requests that wait for this person's own answer, for their home screen. */
export const waiting_cards = (screen: PlansScreen): PlanCard[] =>
  (screen.sections.find((one) => one.section === 'inbox')?.cards ?? []).filter(
    (card) => card.can.decide && card.answers_for === null && card.stands.words === t().plans.stands.waiting,
  );

/** Calls that begin soon, of which this person is to be reminded. */
export function reminders(
  plans: readonly Plan[],
  view: View,
  now: number,
  zone: string,
): { id: string; words: string }[] {
  return plans.flatMap((plan) => {
    const { schedule } = plan;
    const slot =
      schedule && schedule.version.signed.state !== 'closed' && !plan.is_forged ? agreed_slot(schedule.content) : null;
    const mine = schedule?.content.reminders.find((one) => one.person === view.you?.person);
    if (!slot || !mine) return [];
    const begins = slot.start_ms - mine.before_min * 60_000;
    if (now < begins || now >= slot.start_ms + slot.length_min * 60_000) return [];
    return [
      { id: `${plan.id} ${slot.start_ms}`, words: t().plans.due(who_of(plan, view), time(slot.start_ms, zone) ?? '') },
    ];
  });
}

/** What this person can ask of, or for, somebody of their list; `null` if nothing. */
export function asked_of(view: View, person: string): RequestFor | null {
  const one = view.people.find((other) => other.person === person);
  const role = view.you?.role;
  if (!one || role === undefined) return null;
  if (holds_lines(role) && one.role === 'principal' && one.line && one.line.state !== 'ended')
    return { is: 'line', principal: one, line: one.line.line };
  return role === 'principal' && one.role === 'counterpart' ? { is: 'principal', counterpart: one } : null;
}
