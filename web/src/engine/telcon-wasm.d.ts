// The engine as `wasm-bindgen --target web` generates it from the crate telcon-wasm. The generated file is not in the
// repository; this is the part of it that the page uses.
declare module 'telcon-wasm' {
  import type { Engine } from './engine';

  export default function init(): Promise<unknown>;

  export class Telcon implements Engine {
    constructor(state: string, seed: Uint8Array, now_ms: number);
    static enrol(fragment: string, office_info_json: string, seed: Uint8Array, now_ms: number): string;
    /** Verifies a link's fragment against the office; returns the invited person as JSON of a `Card`. Throws a sentence for people. */
    static read_invitation(fragment: string, office_info_json: string): string;
    /** Whether a fragment is a registrar's link: a device asks with it instead of enrolling at once. */
    static is_ask(fragment: string): boolean;
    /** Whether a stored state is of a device that waits for a registrar. */
    static is_asking(state: string): boolean;
    /** Makes a device's key and request from a registrar's link; returns JSON of a `PageAsking`. Throws a sentence for people. */
    static ask(fragment: string, office_info_json: string, label: string, seed: Uint8Array, now_ms: number): string;
    /** The `PageAsking` of a stored state. */
    static asking(state: string): string;
    /** Takes the certificates of an approved device, JSON of base64 texts; returns its state. */
    static complete(state: string, chain_json: string, now_ms: number): string;
    /** What a locked device needs to verify that it was revoked, readable and without secrets. */
    static anchor(state: string): string;
    /** Body of `POST /api/v1/orders` for the device of an anchor. */
    static order_request(anchor: string): string;
    /** JSON of a `RevocationView` if the statement revokes the device of an anchor; nothing if it does not verify. */
    static revocation(anchor: string, statement: string): string | undefined;
    /** JSON of an `ErasureReport` of a device that cannot be opened; nothing if the statement does not order it to erase itself. */
    static erasure_report(state: string, statement: string, now_ms: number): string | undefined;
    /** Stretches a PIN: 32 bytes of key, 32 bytes of proof. Throws a sentence for people. */
    static stretch_pin(pin: string, salt: Uint8Array): Uint8Array;
    set_ticket(ticket: string | undefined): void;
    connected(now_ms: number): void;
    disconnected(now_ms: number): void;
    handle_server(now_ms: number, text: string): void;
    tick(now_ms: number): void;
    command(now_ms: number, json: string): void;
    poll(): string | undefined;
    seal(frame: Uint8Array): Uint8Array | undefined;
    open(frame: Uint8Array, steady_ms: number): Uint8Array | undefined;
    has_output(): boolean;
    check_record(proof_json: string, now_ms: number): string;
    next_wakeup_ms(): number | undefined;
    appointment_request(now_ms: number): string;
    new_document(): string;
    known_document(document: string): number | undefined;
    see_document(proven_json: string, now_ms: number): string;
    forget_document(document: string): void;
    open_document(document: string, version: number, sealed: Uint8Array): Uint8Array;
    write_document(draft_json: string, content: Uint8Array, keys_json: string, follows: number, now_ms: number): string;
    seal_document_again(
      document: string,
      version: number,
      sealed: Uint8Array,
      key_json: string,
      now_ms: number,
    ): Uint8Array | undefined;
    card_of_keys(keys_json: string): string;
    delegation_of(statement: string): string;
    device_of_key(key_json: string): string;
    sign_readout(payload: string): string;
    seal_unsent(content: Uint8Array): Uint8Array;
    open_unsent(sealed: Uint8Array): Uint8Array;
    free(): void;
  }

  /** A short code that was typed into the page. Each step is taken once. All of it throws sentences for people. */
  export class EnteredCode {
    constructor(typed: string, office_info_json: string, seed: Uint8Array);
    slot(): string;
    /** JSON of a `CodeStart`, to be sent. */
    message(): string;
    /** Takes JSON of a `CodeStarted`; returns JSON of a `CodeConfirm`, to be sent. */
    answer(started_json: string): string;
    /** Takes JSON of a `SealedText`; returns the fragment of a registrar's link. */
    open(text_json: string): string;
    free(): void;
  }
}
