// Messages between the page and the worker that owns the engine.

import type { Card, UserCommand, Report, View } from './contract';
import type { Problem } from './problem';

export type ToWorker =
  | { type: 'command'; command: UserCommand }
  | { type: 'read_link'; fragment: string }
  | { type: 'enrol'; fragment: string }
  | { type: 'check_record'; id: number; proof: string }
  /** The network changed: reconnect without waiting for the backoff. */
  | { type: 'connect_now' };

export type FromWorker =
  | { type: 'ready'; enrolled: boolean }
  | { type: 'link_read'; person: Card | null; office: string | null; problem: Problem | null }
  | { type: 'enrolled' }
  | { type: 'enrol_failed'; problem: Problem }
  | { type: 'view'; view: View }
  | { type: 'open_leg'; call: string }
  | { type: 'media_answer'; sdp: string }
  | { type: 'close_leg' }
  /** The first frame of this leg was decrypted, at milliseconds since 1970 UTC. */
  | { type: 'first_frame_decrypted'; at_ms: number }
  /** Whether media is expected and none arrives. */
  | { type: 'media_timed_out'; timed_out: boolean }
  | { type: 'record_checked'; id: number; report: Report | null; problem: Problem | null }
  | { type: 'erased' }
  /** The engine stopped. Nothing is encrypted or decrypted after this. */
  | { type: 'failed'; problem: Problem };

/** Direction of a media transform. */
export interface TransformOptions {
  side: 'send' | 'receive';
}
