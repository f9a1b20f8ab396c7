// View model of the enrolment screen.

import { is_retryable } from '../engine/problem';
import { t } from '../text';
import { problem_text } from './problem';
import type { AppState } from './screen';

export interface EnrolScreen {
  /** Small, above: whose office. */
  kind: string;
  title: string;
  sentence: string;
  /** Something happened that screen readers announce at once. */
  announce: boolean;
  /** The link will never work here. */
  refused: boolean;
  /** Label of the button; `null` hides it. */
  action: string | null;
  busy: boolean;
  /** Below the button. */
  footnote: string;
}

export function enrol_screen({ name, office, problem, busy }: Extract<AppState, { status: 'enrol' }>): EnrolScreen {
  const texts = t().enrol;
  const kind = office ?? texts.kind;
  if (problem !== null) {
    const again = is_retryable(problem);
    return {
      kind,
      ...refusal_text(problem_text(problem)),
      announce: true,
      refused: !again,
      action: again ? t().words.try_again : null,
      busy,
      footnote: again && name !== null ? texts.still_valid(name) : texts.nothing_stored,
    };
  }
  return {
    kind,
    title: name === null ? texts.title : texts.title_for(name),
    sentence: texts.sentence,
    announce: false,
    refused: false,
    action: busy ? t().words.one_moment : texts.action,
    busy,
    footnote: texts.not_you,
  };
}

/** Splits a problem into what happened and, after a full stop or a colon, what to do. */
export function refusal_text(problem: string): { title: string; sentence: string } {
  const [, title, rest] = /^(.+?)(?:(?:\.|\u00a0?:)\s+(.+))?$/s.exec(problem) ?? [null, problem, undefined];
  const todo = rest ?? t().problems.ask_office;
  return { title: (title ?? problem).replace(/\.$/, ''), sentence: `${todo[0]?.toUpperCase()}${todo.slice(1)}` };
}
