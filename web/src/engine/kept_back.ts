import type { CallView } from './contract';

/** Whether this device sends silence for now, whatever its person chose. */
export const kept_back = (call: Pick<CallView, 'arriving' | 'holds' | 'green_room'> | null): boolean =>
  call !== null && (call.arriving || (call.green_room?.waits ?? false) || call.holds.length > 0);
