// Data that the page asks its office for.

import type { Problem } from '../engine/problem';

/** The result of a request to the office. */
export type Loadable<T> =
  | { status: 'loading' }
  | {
      status: 'ready';
      value: T;
      /** Why reading it again failed: the value is an earlier one. */
      stale?: Problem;
    }
  | { status: 'failed'; problem: Problem };

/** After a request failed: what is shown already stays, with the problem. */
export function failed<T>(shown: Loadable<T>, problem: Problem): Loadable<T> {
  return shown.status === 'ready' ? { ...shown, stale: problem } : { status: 'failed', problem };
}

/** Whether the last request failed, so that it is worth repeating. */
export const needs_reading = <T>(of: Loadable<T>): boolean =>
  of.status === 'failed' || (of.status === 'ready' && of.stale !== undefined);
