// View model of a device that asks a registrar to enrol it.

import type { Asking } from '../engine/asking';
import { t } from '../text';
import { told_name } from '../text/told';
import { date_time } from './clock';
import { refusal_text } from './enrol';
import { problem_text } from './problem';

export interface AskingScreen {
  /** Small, above: whose office. */
  kind: string;
  title: string;
  sentences: readonly string[];
  /** To be read out, in groups of three digits. */
  code: string | null;
  /** Below the code. */
  notes: readonly string[];
  /** What hinders it at the moment; it goes on by itself. */
  hindered: string | null;
  /** Severity; a shape and a word are shown besides the colour. */
  level: 'plain' | 'amber' | 'red';
  can_stop: boolean;
  can_reload: boolean;
}

export function asking_screen(asking: Asking, local_zone: string): AskingScreen {
  const texts = t().asking;
  const plain = { code: null, notes: [], hindered: null, level: 'plain', can_stop: false, can_reload: false } as const;
  switch (asking.status) {
    case 'starting':
      return {
        ...plain,
        kind: t().enrol.kind,
        title: texts.starting.title,
        sentences: [texts.starting.sentence],
        hindered: asking.unreachable ? texts.starting.unreachable : null,
      };
    case 'waiting': {
      const { waiting } = texts;
      const until = asking.expires_ms === null ? null : date_time(asking.expires_ms, local_zone);
      return {
        ...plain,
        kind: asking.office,
        title: waiting.title,
        sentences: [waiting.how],
        code: grouped(asking.code),
        notes: [waiting.same, waiting.next, ...(until === null ? [] : [waiting.until(until)])],
        hindered: asking.unreachable ? waiting.unreachable : null,
        can_stop: true,
      };
    }
    case 'over':
      return { ...plain, kind: asking.office ?? t().enrol.kind, ...over(asking) };
  }
}

type Over = Pick<AskingScreen, 'title' | 'sentences' | 'level'> & Partial<AskingScreen>;

function over({ why, kept }: Extract<Asking, { status: 'over' }>): Over {
  const texts = t().asking;
  const erased = kept ? [] : [texts.erased];
  if (why === 'refused' || why === 'expired') {
    const { title, sentence } = texts[why];
    return { title, sentences: [sentence], notes: erased, level: why === 'refused' ? 'red' : 'amber' };
  }
  if ('told' in why && told_name(why.told) === 'link_used_elsewhere')
    return { ...texts.used, sentences: texts.used_sentences, notes: erased, level: 'red' };
  if (kept) {
    const sentences = [texts.not_completed.sentence(problem_text(why))];
    return { title: texts.not_completed.title, sentences, level: 'red', can_reload: true };
  }
  const { title, sentence } = refusal_text(problem_text(why));
  return { title, sentences: [sentence], notes: erased, level: 'red' };
}

/** Digits in groups of three, as people read them out. */
export const grouped = (code: string): string => code.replace(/\s/g, '').replace(/(.{3})(?=.)/g, '$1 ');
