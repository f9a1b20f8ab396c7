import type { CallView } from './contract';

/** Whether this device sends silence for now, whatever its person chose. */
export const kept_back = (call: Pick<CallView, 'arriving' | 'holds'> | null): boolean =>
  call !== null && (call.arriving || call.holds.length > 0);
