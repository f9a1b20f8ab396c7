// View models of a call that goes on on another device of this person, of holds, and of a principal who is asked to a call.

import type { CallView, HoldView, NoticeView, View } from '../engine/contract';
import type { RingNotice } from '../engine/ringer';
import { t } from '../text';

/** What this person's devices called themselves when they were enrolled, by device. */
export type DeviceLabels = ReadonlyMap<string, string>;

export const NO_LABELS: DeviceLabels = new Map();

/** `your Chrome (Android)`, as it stands inside a sentence. */
export function own_device(device: string | null | undefined, labels: DeviceLabels): string {
  const label = device ? labels.get(device) : undefined;
  return label ? t().moves.your(label) : t().moves.another;
}

/** A call of this person on another device, which may go on here. */
export interface Elsewhere {
  call: string;
  sentence: string;
}

const free = (view: View): boolean => view.phase === 'ready' && (!view.call || view.call.state === 'ended');

export function elsewhere(view: View, labels: DeviceLabels): Elsewhere[] {
  if (!free(view)) return [];
  return view.notices
    .filter((notice) => notice.can_continue)
    .map((notice) => ({
      call: notice.call,
      sentence: t().moves.elsewhere(other_side(view, notice), own_device(notice.own_devices[0], labels)),
    }));
}

/** The name of the side that is not this person's. */
function other_side(view: View, { from, to, acts_for }: NoticeView): string {
  const you = view.you?.person;
  const called = acts_for.some((one) => one.act === 'ring' && one.principal.person === you);
  return from.person === you || called ? to.name : from.name;
}

/** A call to which this principal is asked now. */
export interface AskedTo extends Elsewhere {
  /** They were in it before: they continue it. */
  again: boolean;
  /** It rings still. */
  rings: boolean;
}

export function asked_to(view: View, now: number): AskedTo[] {
  if (!free(view)) return [];
  return view.notices
    .filter((notice) => notice.asks_until_ms !== null && (notice.can_take_over || notice.can_continue))
    .map((notice) => {
      const own = notice.acts_for.find((one) => one.principal.person === view.you?.person);
      const sentence = t().moves.hand_over.for_you(own?.delegate.name ?? '', other_side(view, notice));
      return { call: notice.call, sentence, again: notice.can_continue, rings: rings(notice, now) };
    });
}

const rings = (notice: NoticeView, now: number): boolean => notice.asks_until_ms !== null && now < notice.asks_until_ms;

/** The same as system notifications. */
export const asked_notices = (asked: AskedTo[]): RingNotice[] =>
  asked
    .filter((one) => one.rings)
    .map(({ call, sentence }) => ({ call, title: sentence, body: t().moves.hand_over.notification }));

/** A hold on the screen. */
export interface Held {
  own: boolean;
  title: string;
  /** What is said to those who wait. */
  said: string;
}

export const holds = (call: CallView): Held[] => call.holds.map(held);

function held({ own, by, word, text }: HoldView): Held {
  const { hold } = t().moves;
  return { own, title: own ? hold.own : hold.by(by.name), said: hold.said(hold.words[word], text) };
}

/** Asking the principal to a call in which this person acts, or acted, for them. */
export interface HandOver {
  label: string;
  /** That they were asked. */
  asked: string | null;
}

export function hand_over(view: View): HandOver | null {
  const { call, you } = view;
  const acts = call?.acts_for.find((one) => one.delegate.person === you?.person);
  if (!call || !acts || call.state === 'ended' || view.phase !== 'ready') return null;
  const texts = t().moves.hand_over;
  const { name } = acts.principal;
  const asked = view.notices.some((notice) => notice.call === call.call && notice.asked);
  const label = acts.taken_over ? texts.back(name) : asked ? texts.again(name) : texts.action(name);
  return { label, asked: asked ? texts.asked(name) : null };
}

/** The words with which one may hold a call, in the order in which they are offered. */
export const HOLD_WORDS = ['moment', 'coming', 'looking_up'] as const;
/** The same limit as in `crates/proto/src/limits.rs`. */
export const MAX_HOLD_CHARS = 120;
