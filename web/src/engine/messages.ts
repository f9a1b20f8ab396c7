// Messages between the page and the worker that owns the engine.

import type { Card, UserCommand, Report, RevocationView, View } from './contract';
import type { DocumentAnswer, DocumentRequest } from './documents';
import type { Asking } from './asking';
import type { Problem } from './problem';
import type { Proof, Protected, ProtectionRequest } from './protection';

export type ToWorker =
  | { type: 'command'; command: UserCommand }
  /** A link was opened. `label`: what this device says it is, if the link is a registrar's. */
  | { type: 'open_link'; fragment: string; label: string }
  /** A short code was typed. Answered by `asking`, as for the link that it carries, or by `code_refused`. */
  | { type: 'enter_code'; typed: string; label: string }
  /** Forget the request that waits for a registrar. */
  | { type: 'stop_asking' }
  | { type: 'enrol'; fragment: string }
  | { type: 'check_record'; id: number; proof: string }
  /** A text with which the holder of the authority appoints this device as a registrar. */
  | { type: 'request_appointment'; id: number }
  /** About the protection of this device. Answered by `protection`. */
  | { type: 'protection'; id: number; request: ProtectionRequest }
  /** Erase this device here: keys and state. Answered by `erased_here`; nothing can be done afterwards but a reload. */
  | { type: 'erase'; id: number }
  /** About documents. Answered by `documents`. */
  | { type: 'documents'; id: number; request: DocumentRequest; token: string }
  /** The network changed: reconnect without waiting for the backoff. */
  | { type: 'connect_now' };

export type FromWorker =
  /** `asking`: it waits for a registrar. */
  | { type: 'ready'; enrolled: boolean; asking: boolean }
  /** How this device is protected, before `ready` or `locked`, and when a device was enrolled. */
  | { type: 'protectors'; device: string; how: Protected }
  /** The keys have to be opened first. */
  | { type: 'locked' }
  | { type: 'protection'; id: number; how: Protected; proof: Proof | null; problem: Problem | null }
  | { type: 'asking'; asking: Asking }
  /** The request was forgotten. */
  | { type: 'asking_stopped' }
  | { type: 'link_read'; person: Card | null; office: string | null; problem: Problem | null }
  | { type: 'code_refused'; problem: Problem }
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
  | { type: 'documents'; id: number; answer: DocumentAnswer; problem: Problem | null }
  | { type: 'appointment_requested'; id: number; text: string | null; problem: Problem | null }
  /** This device is revoked, as was verified while its keys are locked. If it was ordered to erase itself, it did. */
  | { type: 'revoked'; revocation: RevocationView }
  /** This device was ordered to erase itself, and its keys and state were erased. */
  | { type: 'erased' }
  /** Answers `erase`. */
  | { type: 'erased_here'; id: number; problem: Problem | null }
  /** The engine stopped. Nothing is encrypted or decrypted after this. */
  | { type: 'failed'; problem: Problem };

/** Direction of a media transform. */
export interface TransformOptions {
  side: 'send' | 'receive';
}
