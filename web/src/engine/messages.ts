// What the page and the worker that owns the engine say to each other.

import type { Card, Command, Report, View } from './contract';

export type ToWorker =
  | { ask: 'command'; command: Command }
  | { ask: 'link'; fragment: string }
  | { ask: 'enrol'; fragment: string }
  | { ask: 'check'; id: number; proof: string }
  /** The network changed: do not wait for the next try. */
  | { ask: 'connect_now' };

export type FromWorker =
  | { tell: 'ready'; enrolled: boolean }
  | { tell: 'link'; person: Card | null; office: string | null; problem: string | null }
  | { tell: 'enrolled' }
  | { tell: 'enrol_failed'; problem: string }
  | { tell: 'view'; view: View }
  | { tell: 'open_leg'; call: string }
  | { tell: 'media_answer'; sdp: string }
  | { tell: 'close_leg' }
  /** The first frame of this leg that could be opened; milliseconds since 1970 UTC. */
  | { tell: 'heard'; at_ms: number }
  /** Whether sound should come and does not. */
  | { tell: 'silent'; silent: boolean }
  | { tell: 'checked'; id: number; report: Report | null; problem: string | null }
  | { tell: 'erased' }
  /** The engine stopped. Nothing is sent or opened after this. */
  | { tell: 'failed'; problem: string };

/** Which way a media transform works. */
export interface TransformOptions {
  side: 'send' | 'receive';
}
