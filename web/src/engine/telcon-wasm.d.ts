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
    free(): void;
  }
}
