// Screens without controls: why Telcon cannot be used here, and what to do.

import type { Problem } from '../engine/problem';
import { t, type Text } from '../text';
import { problem_text } from './problem';

export interface StatusPage {
  kind: string;
  title: string;
  sentences: readonly string[];
  /** Severity; a word is shown besides the colour. */
  level: 'plain' | 'red';
  reload: boolean;
}

export type StatusPageName = keyof Text['status'];

export function status_page(which: StatusPageName, problem?: Problem): StatusPage {
  const page = t().status[which];
  return {
    ...page,
    sentences: problem ? [problem_text(problem)] : page.sentences,
    level: which === 'revoked' || which === 'failed' ? 'red' : 'plain',
    reload: which === 'failed',
  };
}
