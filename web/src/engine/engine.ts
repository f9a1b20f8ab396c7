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
  /** An identifier for a new document. */
  new_document(): string;
  /** The number of the newest version that this device has seen. */
  known_document(document: string): number | undefined;
  /** Takes a `ProvenDocument`, returns `PageVersion[]`. */
  see_document(proven_json: string, now_ms: number): string;
  forget_document(document: string): void;
  open_document(document: string, version: number, sealed: Uint8Array): Uint8Array;
  /** Takes a `PageDraft`, its content and `PersonKeys[]`; returns a `DocumentUpload`. `follows`: 0 for a new document. */
  write_document(draft_json: string, content: Uint8Array, keys_json: string, follows: number, now_ms: number): string;
  /** Takes a `ProvenDeviceKey`; nothing if its device needs none. */
  seal_document_again(
    document: string,
    version: number,
    sealed: Uint8Array,
    key_json: string,
    now_ms: number,
  ): Uint8Array | undefined;
  /** Takes `PersonKeys`; returns the person's `Card` by the certificate of their device, `null` without a key. */
  card_of_keys(keys_json: string): string;
  /** The `Delegation` that a principal's device signed. */
  delegation_of(statement: string): string;
  /** The device of a `ProvenDeviceKey`. */
  device_of_key(key_json: string): string;
  /** Signs the payload of a readout: returns what is published. */
  sign_readout(payload: string): string;
  /** Seals for this device alone. */
  seal_unsent(content: Uint8Array): Uint8Array;
  open_unsent(sealed: Uint8Array): Uint8Array;
}
