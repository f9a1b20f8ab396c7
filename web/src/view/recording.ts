// Whether a call is recorded as its mode asks, and the alarm if it is not; the same on every screen.

import type { CallView, NoticeView } from '../engine/contract';
import { writes_records } from '../engine/roles';
import { t } from '../text';
import { told } from '../text/told';
import type { Shape } from './labels';

/** A problem in a call. */
export interface Alarm {
  level: 'amber' | 'red';
  shape: Shape;
  title: string;
  sentence: string;
}

/** How long a note-taker may take to join, milliseconds. Usually it has joined before the answer. */
export const NOTE_TAKER_JOIN_TIMEOUT_MS = 3_000;

/** The call should be recorded, and no note-taker records it yet. */
export const note_taker_pending = (call: CallView): boolean => call.mode !== 'log_only' && !call.note_taker;

/** A note-taker is on its way into the call: the office has sent one, or it is a member and has not said yet that it records. */
export const note_taker_joins = (call: CallView, notices: NoticeView[]): boolean =>
  notices.some((notice) => notice.call === call.call && (notice.noted || notice.note_taker_asks)) ||
  call.members.some((m) => !m.lost && writes_records(m.role));

/** Why a call that should be recorded is not being recorded now. */
export function unrecorded_reason(call: CallView, now: number): string | null {
  const should =
    call.mode !== 'log_only' && call.started_ms !== null && now - call.started_ms > NOTE_TAKER_JOIN_TIMEOUT_MS;
  if (!should || call.note_taker) return null;
  const why = t().call.why_not_recorded;
  return call.members.some((m) => m.lost) ? why.lost : why.none;
}

export const not_recorded_alarm = (why: string): Alarm => ({
  level: 'red',
  shape: 'unrecorded',
  title: t().call.not_recorded,
  sentence: why,
});

/** An alarm with a sentence from the engine. */
export const problem_alarm = (problem: string): Alarm => ({
  level: 'red',
  shape: 'alert',
  title: t().call.alarms.problem,
  sentence: told(problem),
});
