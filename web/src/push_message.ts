// What a push message shows. Nobody who sends one chooses its words: only words of this page leave this function.

import type { PushMessage } from './engine/contract';
import type { alert_kinds } from './text/en/alert_kinds';
import type { push } from './text/en/push';

/** Version of messages that this worker knows. */
const VERSION = 1;
/**
 * How far this device's clock may be ahead of the office's so that a ring is still shown as one, milliseconds: as much as for the ring
 * itself, which the page verifies.
 */
const CLOCK_TOLERANCE_MS = 60_000;

/** Where a press leads: the page's screen of that name, or wherever it is, which a ring covers. */
export type Leads = 'alerts' | 'calls' | 'page';

export interface Shown {
  title: string;
  body: string;
  /** Notifications with the same tag replace each other without a sound: a message that comes twice is shown once. */
  tag: string;
  leads: Leads;
  /** A ring goes on until its person does something, and is not shown again once it is over. */
  ring: 'rings' | 'over' | null;
}

/** The texts that the worker has, in one language. */
export type PushTexts = (typeof push)['shown'] & { kinds: typeof alert_kinds };

/** Tag of the notification that asks a principal to this call. It is not the ring's, which may have been answered for them. */
const asked_tag = (call: string) => `asked-${call}`;

/** Tag of the notification that has no purpose any more once this one is shown, if there is such a one. */
export const replaced_tag = (shown: Shown): string | null =>
  shown.ring === 'over' && shown.tag.startsWith('ring-') ? asked_tag(shown.tag.slice('ring-'.length)) : null;

/** `text`: the content of the message, `null` without one. Whatever this version does not know leads to the page. */
export function shown_message(text: string | null, texts: PushTexts, now: number): Shown {
  const message = parsed(text);
  const known = message.version === VERSION ? (alert(message, texts) ?? ring(message, texts, now)) : null;
  return known ?? { title: texts.other_title, body: texts.other, tag: 'telcon', leads: 'page', ring: null };
}

type Fields = Record<string, unknown>;

function alert({ about, kind, entry }: Fields, texts: PushTexts): Shown | null {
  const known = about === 'alert' && typeof kind === 'string' && Object.hasOwn(texts.kinds, kind);
  if (!known || !is_count(entry)) return null;
  const body = `${texts.kinds[kind as keyof typeof alert_kinds]}.`;
  return { title: texts.title, body, tag: `alert-${entry}`, leads: 'alerts', ring: null };
}

function ring({ about, call, until_ms, missed }: Fields, texts: PushTexts, now: number): Shown | null {
  if (typeof call !== 'string' || !/^[0-9a-f]{32}$/.test(call)) return null;
  const tag = `ring-${call}`;
  const over = (is_missed: boolean): Shown => ({
    ...(is_missed ? texts.missed : texts.over),
    tag,
    leads: is_missed ? 'calls' : 'page',
    ring: 'over',
  });
  if (about === 'asked' && is_count(until_ms)) {
    const waits = now <= until_ms + CLOCK_TOLERANCE_MS;
    return {
      ...(waits ? texts.asked : texts.over),
      tag: asked_tag(call),
      leads: 'page',
      ring: waits ? 'rings' : 'over',
    };
  }
  if (about === 'ring' && is_count(until_ms)) {
    // A push service that holds a ring back cannot make it ring.
    if (now > until_ms + CLOCK_TOLERANCE_MS) return over(true);
    return { ...texts.ring, tag, leads: 'page', ring: 'rings' };
  }
  return about === 'ring_over' && typeof missed === 'boolean' ? over(missed) : null;
}

const is_count = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function parsed(text: string | null): Fields {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return typeof value === 'object' && value !== null ? (value as Partial<PushMessage> & Fields) : {};
  } catch {
    return {};
  }
}
