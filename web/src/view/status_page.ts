// Screens without controls: why Telcon cannot be used here, and what to do.

import type { Problem, ProblemCode } from '../engine/problem';
import { t, type Text } from '../text';
import { problem_text } from './problem';

export interface StatusPage {
  kind: string;
  title: string;
  sentences: readonly string[];
  /** Severity; a word is shown besides the colour. */
  level: 'plain' | 'red';
  reload: boolean;
  /** Offers to erase this device here: nothing else lets this browser be enrolled again. */
  erase: boolean;
}

/** Problems that a reload may not end. */
const LASTING: readonly ProblemCode[] = ['protected_elsewhere', 'start_failed', 'keys_of_newer_version'];

export type StatusPageName = keyof Text['status'];

export function status_page(which: StatusPageName, problem?: Problem): StatusPage {
  const page = t().status[which];
  return {
    ...page,
    sentences: problem ? [problem_text(problem)] : page.sentences,
    level: which === 'revoked' || which === 'failed' ? 'red' : 'plain',
    reload: which === 'failed',
    erase: which === 'failed' && problem !== undefined && 'code' in problem && LASTING.includes(problem.code),
  };
}
