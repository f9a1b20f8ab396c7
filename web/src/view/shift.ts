// Who is on shift at a place's device, in words. It is the office's server that says so, and the words say that.

import type { OnShift, ShiftEnd } from '../engine/contract';
import { t } from '../text';
import { time } from './clock';

/** Such as `Ana Ruiz on shift since 08:02, until 20:02 at the latest`. */
export function shift_line({ person, since_ms, until_ms }: OnShift, zone: string): string {
  return t().shift.line(person.name, time(since_ms, zone) ?? '', time(until_ms, zone) ?? '');
}

/** Of somebody else's device: with whose word it is. */
export const on_shift_elsewhere = (shift: OnShift): string => t().shift.elsewhere(shift.person.name);

/** How a shift ended; `null` where its person ended it. */
export const shift_end = (how: ShiftEnd): string | null => (how === 'ended' ? null : t().shift.ends[how]);
