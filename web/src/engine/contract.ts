// The contract with the engine (crate telcon-wasm): what it shows, what it can be told, what it hands out.
// Nothing here decides anything; the engine has verified whatever these types call verified.

export type Role = 'principal' | 'duty_officer' | 'note_taker' | 'counterpart';
export type RecordMode = 'log_only' | 'memo' | 'audio';
export type Suite = 'hybrid' | 'cnsa2';
export type Ended = 'hung_up' | 'declined' | 'cancelled' | 'missed' | 'busy' | 'failed' | 'interrupted' | 'revoked';

/** Who somebody is. `zone` is the IANA time zone of where they work. */
export interface Card {
  person: string;
  name: string;
  organisation: string;
  role: Role;
  zone: string;
}

export interface Contact extends Card {
  reachable: boolean;
}

/** A device in the call. */
export interface Member extends Card {
  device: string;
  you: boolean;
  muted: boolean;
  /** A note-taker that has not said for a while that it is there. */
  lost: boolean;
}

/**
 * A piece of what the note-taker's machine heard. `speaker` is a device; times are milliseconds since 1970 UTC. `passage`
 * grows per speaker, and begins anew with another note-taker.
 */
export interface Caption {
  speaker: string;
  name: string;
  passage: number;
  start_ms: number;
  text: string;
  final: boolean;
}

export interface Call {
  call: string;
  direction: 'out' | 'in' | 'listen';
  state: 'opening' | 'ringing' | 'answering' | 'live' | 'reconnecting' | 'ended';
  ended: null | Ended | 'taken_elsewhere';
  problem: string | null;
  other: Card | null;
  from: Card | null;
  to: Card | null;
  verified: boolean;
  mode: RecordMode;
  suite: Suite;
  phrase: string[] | null;
  members: Member[];
  started_ms: number | null;
  /** Whether a note-taker is in it now, by the verified list, and says that it writes. */
  note_taker: boolean;
  /** Whether one was at any time. */
  noted: boolean;
  /** Log entry of its sealed record, after its end. */
  kept_index: number | null;
  /** Every note-taker that brought a record of it says that something is missing. */
  partial: boolean;
  muted: boolean;
  epoch: number | null;
  opened_index: number | null;
  opened_ms: number | null;
  captions: Caption[];
  captions_behind_ms: number | null;
}

export type NoticeState = { is: 'ringing' } | { is: 'live'; since_ms: number } | { is: 'ended'; how: Ended };

/** A call of the office, as its staff is told of it. */
export interface Notice {
  call: string;
  from: Card;
  to: Card;
  mode: RecordMode;
  state: NoticeState;
  members: number;
  opened_ms: number;
  kept_index: number | null;
  partial: boolean;
  can_listen: boolean;
  /** Whether a note-taker is in it, as the office says. */
  noted: boolean;
  /** Whether one is about to be. */
  note_taker_asks: boolean;
}

export interface Alert {
  level: 'red' | 'amber';
  text: string;
}

export interface View {
  phase: 'connecting' | 'offline' | 'ready' | 'revoked';
  you: (Card & { device: string }) | null;
  office: { domain: string; name: string } | null;
  people: Contact[];
  /** There are others, who are found by name. */
  people_more: boolean;
  mode: RecordMode;
  /** Bearer of `/api/records`, while connected. */
  token: string | null;
  log: { size: number; checked_ms: number; ok: boolean; problem: string | null } | null;
  call: Call | null;
  notices: Notice[];
  alerts: Alert[];
}

export type Command =
  | { do: 'ring'; person: string }
  | { do: 'answer' }
  | { do: 'decline' }
  | { do: 'hang_up' }
  | { do: 'listen'; call: string }
  | { do: 'find_people'; name: string }
  | { do: 'leave' }
  | { do: 'offer'; sdp: string }
  | { do: 'mute'; on: boolean }
  | { do: 'media_failed' }
  /** Clears an ended call. */
  | { do: 'dismiss' };

export type Output =
  | { out: 'send'; text: string }
  | { out: 'view'; view: View }
  | { out: 'persist'; state: string }
  | { out: 'open_leg'; call: string }
  | { out: 'media_answer'; sdp: string }
  | { out: 'close_leg' }
  | { out: 'erase' }
  /** The office does not answer on this connection. */
  | { out: 'reconnect' };

/** What checking one record found. */
export interface Report {
  ok: boolean;
  checks: { ok: boolean; title: string; detail: string }[];
  /** The note-taker signed that something is missing from the record. */
  partial: boolean;
  /** Why there is no record of what was said, as the log says it. */
  missing: string | null;
  /** Everybody who was in the call, by their certificates. */
  people: Card[];
}

/** What `Telcon.enrol` returns. */
export interface Enrolment {
  request: { chain: string[] };
  state: string;
}

/** The part of the engine that drives a session; the class in `telcon-wasm` has it. */
export interface Engine {
  connected(now_ms: number): void;
  disconnected(now_ms: number): void;
  handle_server(now_ms: number, text: string): void;
  tick(now_ms: number): void;
  command(now_ms: number, json: string): void;
  poll(): string | undefined;
  seal(frame: Uint8Array): Uint8Array | undefined;
  open(frame: Uint8Array, steady_ms: number): Uint8Array | undefined;
  check_record(proof_json: string, now_ms: number): string;
  next_wakeup_ms(): number | undefined;
}
