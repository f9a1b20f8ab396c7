// Enrolling this browser: what the link would do, or what became of it and what to do now.

import { worth_another_try } from '../engine/enrol';
import type { Stage } from './screen';
import { lower_the } from './words';

export interface EnrolScreen {
  /** Small, above: whose office. */
  kind: string;
  title: string;
  sentence: string;
  /** Something happened that has to be told at once. */
  news: boolean;
  /** The link will never work here. */
  refused: boolean;
  /** On the button; without one there is nothing to press. */
  act: string | null;
  busy: boolean;
  /** Below the button. */
  aside: string;
}

export function enrol_screen({ name, office, problem, busy }: Extract<Stage, { is: 'enrol' }>): EnrolScreen {
  const kind = office ?? 'Enrolment';
  const whom = name === null ? '' : ` for ${lower_the(name)}`;
  if (problem !== null) {
    const again = worth_another_try(problem);
    return {
      kind,
      ...happened(problem),
      news: true,
      refused: !again,
      act: again ? 'Try again' : null,
      busy,
      aside: again && whom ? `The link enrols this browser${whom}.` : `This browser is not enrolled${whom}. Nothing was kept on it.`,
    };
  }
  return {
    kind,
    title: `This link enrols this browser${whom}`,
    sentence: 'The keys are made here and never leave this device. The link works once; whoever finds it afterwards can do nothing with it.',
    news: false,
    refused: false,
    act: busy ? 'One moment' : 'Enrol this browser',
    busy,
    aside: 'Not you? Close this page and tell your office.',
  };
}

/** Problems say first what happened and then, after a full stop or a colon, what to do. */
function happened(problem: string): { title: string; sentence: string } {
  const [, title, rest] = /^(.+?)(?:[.:]\s+(.+))?$/s.exec(problem) ?? [null, problem, undefined];
  const todo = rest ?? 'Ask your office what to do.';
  return { title: (title ?? problem).replace(/\.$/, ''), sentence: `${todo[0]?.toUpperCase()}${todo.slice(1)}` };
}
