// View model of a device that asks a registrar to enrol it.

import { is_link_unused, type Asking } from '../engine/asking';
import { is_retryable, type Problem } from '../engine/problem';
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
  const lines = t().lines.asking;
  const plain = { code: null, notes: [], hindered: null, level: 'plain', can_stop: false, can_reload: false } as const;
  switch (asking.status) {
    case 'starting':
      return {
        ...plain,
        kind: t().enrol.kind,
        title: texts.starting.title,
        sentences: [texts.starting.sentence],
        hindered: asking.problem && not_started(asking.problem),
      };
    case 'waiting': {
      const { waiting } = texts;
      const until = asking.expires_ms === null ? null : date_time(asking.expires_ms, local_zone);
      // Who gave it is not known before it is confirmed: the office's name is all that this device has verified.
      if (asking.line) {
        return {
          ...plain,
          kind: [lines.kind, asking.office].join(' · '),
          title: lines.title,
          sentences: [lines.how],
          code: asking.code,
          notes: [lines.same, lines.unknown, lines.next, ...(until === null ? [] : [lines.until(until)])],
          hindered: asking.unreachable ? waiting.unreachable : null,
          can_stop: true,
        };
      }
      return {
        ...plain,
        kind: asking.office,
        title: waiting.title,
        sentences: asking.first_approved ? [waiting.first_approved, waiting.how] : [waiting.how],
        code: asking.code,
        notes: [waiting.same, waiting.next, ...(until === null ? [] : [waiting.until(until)])],
        hindered: asking.unreachable ? waiting.unreachable : null,
        can_stop: true,
      };
    }
    case 'not_completed':
      return {
        ...plain,
        ...not_completed(asking),
        kind: asking.office,
        level: 'red',
        can_stop: true,
        can_reload: true,
      };
    case 'not_stopped':
      return {
        ...plain,
        kind: asking.office ?? t().enrol.kind,
        title: texts.stop.failed,
        sentences: [texts.stop.failed_why],
        level: 'amber',
        can_stop: true,
        can_reload: true,
      };
    case 'over':
      return { ...plain, kind: asking.office ?? t().enrol.kind, ...over(asking) };
  }
}

/** Why the office's description could not be read; it is tried again. */
function not_started(problem: Problem): string {
  const { unreachable, refused } = t().asking.starting;
  return is_retryable(problem) ? unreachable : refused(problem_text(problem));
}

/** Why an approved device is not enrolled: it could not verify that, or not store it. */
function not_completed({ why }: Extract<Asking, { status: 'not_completed' }>) {
  const { unverified, not_saved } = t().asking;
  if ('code' in why) return { title: not_saved, sentences: [problem_text(why)], notes: [unverified.kept] };
  const sentences = [unverified.sentence(problem_text(why)), unverified.next];
  return { title: unverified.title, sentences, notes: [unverified.kept] };
}

type Over = Pick<AskingScreen, 'title' | 'sentences' | 'level'> & Partial<AskingScreen>;

function over(asking: Extract<Asking, { status: 'over' }>): Over {
  const { why, kept } = asking;
  const texts = t().asking;
  const keys = { notes: [kept ? texts.not_erased : texts.erased], can_reload: kept || is_link_unused(asking) };
  if (why === 'refused' || why === 'expired') {
    const { title, sentence } = asking.line ? t().lines.asking[why] : texts[why];
    return { title, sentences: [sentence], ...keys, level: why === 'refused' ? 'red' : 'amber' };
  }
  if ('told' in why && told_name(why.told) === 'link_used_elsewhere')
    return {
      ...texts.used,
      sentences: asking.line ? t().lines.asking.used : texts.used_sentences,
      ...keys,
      level: 'red',
    };
  const { title, sentence } = refusal_text(problem_text(why));
  return { title, sentences: [sentence], ...keys, level: 'red' };
}
