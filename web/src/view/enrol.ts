// View model of the enrolment screen.

import { is_retryable } from '../engine/enrol';
import type { Stage } from './screen';
import { mid_sentence } from './labels';

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

export function enrol_screen({ name, office, problem, busy }: Extract<Stage, { status: 'enrol' }>): EnrolScreen {
  const kind = office ?? 'Enrolment';
  const whom = name === null ? '' : ` for ${mid_sentence(name)}`;
  if (problem !== null) {
    const again = is_retryable(problem);
    return {
      kind,
      ...refusal_text(problem),
      announce: true,
      refused: !again,
      action: again ? 'Try again' : null,
      busy,
      footnote:
        again && whom
          ? `The link enrols this browser${whom}.`
          : `This browser is not enrolled${whom}. Nothing was kept on it.`,
    };
  }
  return {
    kind,
    title: `This link enrols this browser${whom}`,
    sentence:
      'The keys are made here and never leave this device. The link works once; whoever finds it afterwards can do nothing with it.',
    announce: false,
    refused: false,
    action: busy ? 'One moment' : 'Enrol this browser',
    busy,
    footnote: 'Not you? Close this page and tell your office.',
  };
}

/** Splits a problem into what happened and, after a full stop or a colon, what to do. */
function refusal_text(problem: string): { title: string; sentence: string } {
  const [, title, rest] = /^(.+?)(?:[.:]\s+(.+))?$/s.exec(problem) ?? [null, problem, undefined];
  const todo = rest ?? 'Ask your office what to do.';
  return { title: (title ?? problem).replace(/\.$/, ''), sentence: `${todo[0]?.toUpperCase()}${todo.slice(1)}` };
}
