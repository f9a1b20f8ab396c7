// The interface of the engine (class `Telcon` of the crate telcon-wasm) that a session uses. JSON in it is typed by
// contract.ts.

export interface Engine {
  connected(now_ms: number): void;
  disconnected(now_ms: number): void;
  handle_server(now_ms: number, text: string): void;
  tick(now_ms: number): void;
  /** The ticket with which this device signs in from now on. */
  set_ticket(ticket: string | undefined): void;
  /** A `UserCommand`. */
  command(now_ms: number, json: string): void;
  /** The next `PageOutput`. */
  poll(): string | undefined;
  seal(frame: Uint8Array): Uint8Array | undefined;
  open(frame: Uint8Array, steady_ms: number): Uint8Array | undefined;
  /** Whether `poll` has an output. */
  has_output(): boolean;
  /** Takes a `RecordProof`, returns a `Report`. */
  check_record(proof_json: string, now_ms: number): string;
  next_wakeup_ms(): number | undefined;
  /** A text with which the holder of the office's authority appoints this device as a registrar. */
  appointment_request(now_ms: number): string;
}
