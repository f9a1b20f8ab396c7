// Screens without controls: why Telcon cannot be used here, and what to do.

import type { RevocationView } from '../engine/contract';
import type { Problem, ProblemCode } from '../engine/problem';
import { t, type Text } from '../text';
import { date_time } from './clock';
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

/** This device was revoked: by whom and when, and whether it erased itself. All of it was verified. */
export function revoked_page(revocation: RevocationView | null, local_zone: string): StatusPage {
  const erased = revocation?.erase ?? false;
  const page = status_page(erased ? 'erased' : 'revoked');
  if (revocation === null) return { ...page, erase: true };
  const time = date_time(revocation.at_ms, local_zone) ?? '';
  const texts = t().revoked_by;
  const by = revocation.by === null ? texts.authority(time) : texts.officer(revocation.by.name, time);
  return { ...page, sentences: [by, ...page.sentences], erase: !erased };
}

export type StatusPageName = keyof Text['status'];

export function status_page(which: StatusPageName, problem?: Problem): StatusPage {
  const page = t().status[which];
  return {
    ...page,
    sentences: problem ? [problem_text(problem)] : page.sentences,
    level: which === 'revoked' || which === 'erased' || which === 'failed' ? 'red' : 'plain',
    reload: which === 'failed',
    erase: which === 'failed' && problem !== undefined && 'code' in problem && LASTING.includes(problem.code),
  };
}
