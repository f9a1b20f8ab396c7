// What a push message shows. Nobody who sends one chooses its words: only words of this page leave this function.

import type { PushMessage } from './engine/contract';
import type { alert_kinds } from './text/en/alert_kinds';
import type { push } from './text/en/push';

/** Version of messages that this worker knows. */
const VERSION = 1;

export interface Shown {
  title: string;
  body: string;
  /** Notifications with the same tag replace each other without a sound: a message that comes twice is shown once. */
  tag: string;
}

/** The texts that the worker has, in one language. */
export type PushTexts = (typeof push)['shown'] & { kinds: typeof alert_kinds };

/** `text`: the content of the message, `null` without one. Whatever is not an alert of this version leads to the page. */
export function shown_message(text: string | null, texts: PushTexts): Shown {
  const message = parsed(text);
  const { kind, entry } = message;
  const is_alert = message.version === VERSION && message.about === 'alert';
  const known = is_alert && typeof kind === 'string' && Object.hasOwn(texts.kinds, kind);
  if (known && Number.isSafeInteger(entry) && entry! >= 0) {
    return { title: texts.title, body: `${texts.kinds[kind]}.`, tag: `alert-${entry}` };
  }
  return { title: texts.other_title, body: texts.other, tag: 'telcon' };
}

function parsed(text: string | null): Partial<PushMessage> {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}
