// View model of the short code that an invitation's link is read out with.

import type { CodeView } from '../engine/contract';
import { t } from '../text';
import { format_number } from '../text/format';
import { date_time } from './clock';

export interface ShownCode {
  status: 'none' | 'opening' | 'open' | 'over';
  /** To be read out. */
  code: string | null;
  /** What to do with it, or what became of it. */
  sentences: readonly string[];
  /** Something that the person must notice; a shape and a word are shown besides the colour. */
  warning: { level: 'amber' | 'red'; text: string } | null;
  /** Label of the button that shows a code; `null` hides it. */
  action: string | null;
}

/** `address`: where the person opens the page. */
export function shown_code(code: CodeView | null, invitation: string, address: string, local_zone: string): ShownCode {
  const texts = t().codes.show;
  const none = { code: null, warning: null };
  if (code === null || code.invitation !== invitation)
    return { ...none, status: 'none', sentences: [texts.why], action: texts.action };
  if (code.over !== null) {
    // Wrong codes were guessed, or only its first four digits were tried, which anybody may do.
    const level = code.over === 'guessed' ? 'red' : code.over === 'too_many' ? 'amber' : null;
    const warning: ShownCode['warning'] = level === null ? null : { level, text: texts.over[code.over] };
    const said = level === null ? texts.over[code.over] : texts.guessed_then;
    const tried = code.tried > 0 && !code.late ? [texts.tried(code.tried, format_number(code.tried))] : [];
    return {
      ...none,
      status: 'over',
      sentences: [said, ...tried],
      warning: code.late ? { level: 'red', text: texts.late } : warning,
      action: code.over === 'used' ? null : texts.again,
    };
  }
  if (code.code === null) return { ...none, status: 'opening', sentences: [texts.opening], action: null };
  const until = code.expires_ms === null ? null : date_time(code.expires_ms, local_zone);
  const wrong = texts.wrong(code.wrong, format_number(code.wrong));
  return {
    status: 'open',
    code: code.code,
    sentences: [texts.how(address.replace(/^https?:\/\//, '')), ...(until === null ? [] : [texts.until(until)])],
    warning: code.wrong > 0 ? { level: 'amber', text: wrong } : null,
    action: null,
  };
}
