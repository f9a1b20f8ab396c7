// A fake engine with the interface of telcon-wasm, for development, screenshots and tests of the page. It encrypts and
// verifies nothing. A BroadcastChannel carries the events of a test: rings, and the relay's answers.

import type { AddedDevice, CallView, Card, UserCommand, PageOutput, View } from '../engine/contract';
import type { Engine } from '../engine/engine';
import { added } from './alerts';
import { ASK_CODE } from './devices';
import { FakeGiver } from './giver';
import { FakeRegistrar } from './registrar';
import { norland, president } from './people';
import { call, device, incoming, live, view } from './views';

type TestEvent =
  | { fake: 'appointed' }
  | { fake: 'asks' }
  | { fake: 'device_added' }
  | { fake: 'takes_line' }
  | { fake: 'rings'; verified: boolean }
  | { fake: 'answers' }
  | { fake: 'hangs_up' }
  | { fake: 'sdp'; sdp: string };

/** The fake cipher adds `SHIFT` to each byte and prepends `MARK`. */
const SHIFT = 85;
const MARK = [0xfa, 0xce];

export default async function init(): Promise<void> {}

/** What a device's state is after its enrolment with a link. */
const STATES: Record<string, string> = { officer: 'fake officer', expires: 'fake expired' };

export class Telcon implements Engine {
  #outputs: PageOutput[] = [];
  #call: CallView | null = null;
  #rings: CallView[] = [];
  #silenced: Card[] = [];
  #added: AddedDevice[] = [];
  #giver = new FakeGiver();
  #channel = new BroadcastChannel('fake-world');
  #wakeup: number | undefined;
  /** Set on a security officer's device. */
  #officer: FakeRegistrar | undefined;

  constructor(state: string, _seed: Uint8Array, now_ms: number) {
    if (!state.startsWith('fake')) throw new Error('this device’s stored keys cannot be read');
    this.#channel.onmessage = ({ data }: MessageEvent<TestEvent>) => this.#handle_event(data);
    if (state === 'fake expired') throw new Error('This device’s certificate has expired.');
    if (state === 'fake officer') this.#officer = new FakeRegistrar();
    // Rejoin a call that was live before a reload.
    if (state === 'fake in a call') {
      this.#call = live({ started_ms: now_ms, state: 'reconnecting' });
      this.#outputs.push({ type: 'open_leg', call: this.#call.call });
      this.#wakeup = now_ms + 50;
    }
    // Rejoin a call that rang before a reload: the engine does not know any more whom it rang.
    if (state === 'fake rings') {
      this.#call = incoming({ state: 'answering', other: null, from: null, to: null, verified: false });
    }
    this.#show();
  }

  static anchor(): string {
    return 'anchor';
  }

  static order_request(anchor: string): string {
    return JSON.stringify({ device: anchor, certificate: '' });
  }

  /** A genuine statement is the JSON of what it says. */
  static revocation(_anchor: string, statement: string): string | undefined {
    return statement.startsWith('{') ? statement : undefined;
  }

  static erasure_report(_state: string, statement: string): string | undefined {
    const erase = statement.startsWith('{') && (JSON.parse(statement) as { erase: boolean }).erase;
    return erase ? JSON.stringify({ jws: `erased by ${statement}` }) : undefined;
  }

  static enrol(fragment: string): string {
    if (fragment === 'expired') throw new Error('This link has expired. Ask your office for a new one.');
    if (fragment === 'other')
      throw new Error('This link is of another office. Open the address that your own office gave you.');
    return JSON.stringify({ request: { chain: [fragment] }, state: STATES[fragment] ?? 'fake' });
  }

  static read_invitation(): string {
    return JSON.stringify(president);
  }

  static is_ask(fragment: string): boolean {
    return fragment.startsWith('ask');
  }

  static is_asking(state: string): boolean {
    return state.startsWith('asking ');
  }

  static ask(fragment: string, _info: string, label: string): string {
    if (fragment === 'ask-other')
      throw new Error('This link is of another office. Open the address that your own office gave you.');
    return Telcon.asking(`asking ${fragment} ${label}`);
  }

  static asking(state: string): string {
    const office = 'Office of the President';
    return JSON.stringify({ request: { request: state.slice('asking '.length) }, code: ASK_CODE, office, state });
  }

  static complete(_state: string, chain: string): string {
    if (chain.includes('forged'))
      throw new Error('a signature is invalid: do not trust it, and tell the security officer');
    return 'fake';
  }

  // It has no documents: scenes and tests of the page have theirs in `FakeDocuments`.

  new_document(): string {
    return '0'.repeat(32);
  }

  known_document(): undefined {
    return undefined;
  }

  see_document(): never {
    throw new Error('the fake engine has no documents');
  }

  forget_document(): void {
    // There is none.
  }

  open_document(): never {
    return this.see_document();
  }

  write_document(): never {
    return this.see_document();
  }

  seal_document_again(): never {
    return this.see_document();
  }

  card_of_keys(): never {
    throw new Error('the fake office has no documents');
  }
  delegation_of(): never {
    throw new Error('the fake office has no documents');
  }
  device_of_key(): never {
    return this.see_document();
  }

  sign_readout(payload: string): string {
    return payload;
  }
  seal_unsent(content: Uint8Array): Uint8Array {
    return content;
  }

  open_unsent(sealed: Uint8Array): Uint8Array {
    return sealed;
  }

  appointment_request(): string {
    return 'fake appointment request';
  }

  static stretch_pin(pin: string, salt: Uint8Array): Uint8Array {
    const bytes = new TextEncoder().encode(pin);
    return Uint8Array.from({ length: 64 }, (_, i) => (bytes[i % bytes.length] ?? 0) ^ (salt[i % salt.length] ?? 0));
  }

  set_ticket(): void {}
  connected(): void {}
  disconnected(): void {}
  handle_server(): void {}

  tick(now_ms: number): void {
    if (this.#wakeup === undefined || now_ms < this.#wakeup || !this.#call) return;
    this.#wakeup = undefined;
    if (this.#call.state === 'opening') {
      this.#outputs.push({ type: 'open_leg', call: this.#call.call });
      this.#outputs.push({ type: 'persist', state: 'fake rings' });
      this.#set(call({ opened_ms: now_ms }));
    } else if (this.#call.state === 'answering' || this.#call.state === 'reconnecting') {
      this.#outputs.push({ type: 'persist', state: 'fake in a call' });
      this.#set(live({ direction: this.#call.direction, started_ms: this.#call.started_ms ?? now_ms }));
    }
  }

  command(now_ms: number, json: string): void {
    const command = JSON.parse(json) as UserCommand;
    if (this.#officer?.command(command)) return this.#show();
    if (this.#giver.command(command)) {
      this.#channel.postMessage({ fake: 'line', command });
      return this.#show();
    }
    switch (command.type) {
      case 'ring':
        this.#wakeup = now_ms + 20;
        return this.#set(call({ state: 'opening', opened_index: null, opened_ms: null }));
      case 'answer': {
        const answered = this.#rings.find((ring) => ring.call === command.call);
        this.#rings = [];
        this.#wakeup = now_ms + 20;
        return this.#set(incoming({ ...answered, state: 'answering' }));
      }
      case 'silence':
        this.#silenced = command.on ? [norland] : [];
        return command.on ? this.#decline(null) : this.#show();
      case 'acknowledge_device':
        this.#added = [];
        return this.#show();
      case 'offer':
        return this.#channel.postMessage({ fake: 'offer', sdp: command.sdp });
      case 'mute':
        if (this.#call) this.#set({ ...this.#call, muted: command.on });
        return;
      case 'decline':
        return this.#decline(command.call ?? null);
      case 'hang_up':
      case 'leave':
        return this.#end(
          this.#call?.state === 'live' || this.#call?.other === null ? 'hung_up' : 'cancelled',
          president,
        );
      case 'dismiss':
        return this.#set(null);
      default:
        return;
    }
  }

  poll(): string | undefined {
    const output = this.#outputs.shift();
    return output && JSON.stringify(output);
  }

  /** Frames can be encrypted only in a live call. */
  seal(frame: Uint8Array): Uint8Array | undefined {
    return this.#call?.state === 'live' ? Uint8Array.from([...MARK, ...frame.map((b) => b + SHIFT)]) : undefined;
  }

  has_output(): boolean {
    return this.#outputs.length > 0;
  }

  open(frame: Uint8Array): Uint8Array | undefined {
    const marked = MARK.every((byte, i) => frame[i] === byte);
    return marked && this.#call?.state === 'live' ? frame.slice(MARK.length).map((b) => b - SHIFT) : undefined;
  }

  check_record(): string {
    return JSON.stringify({
      ok: true,
      partial: false,
      missing: null,
      people: [president],
      checks: [{ ok: true, title: 'Opened before it rang', detail: 'log entry 412' }],
    });
  }

  /** Test events bypass the driver, so the engine must be polled. */
  next_wakeup_ms(): number {
    return Date.now() + 20;
  }

  free(): void {}

  #handle_event(message: TestEvent): void {
    if (message.fake === 'appointed' || message.fake === 'asks') {
      this.#officer?.handle(message.fake);
      return this.#show();
    }
    if (message.fake === 'takes_line') {
      this.#giver.take();
      return this.#show();
    }
    if (message.fake === 'device_added') {
      this.#added = [added()];
      return this.#show();
    }
    if (message.fake === 'sdp') this.#outputs.push({ type: 'media_answer', sdp: message.sdp });
    if (message.fake === 'rings' && this.#call?.state === 'ringing' && this.#call.verified) {
      this.#rings = [incoming({ call: 'c1'.repeat(16), other: norland, from: norland })];
      return this.#show();
    }
    if (message.fake === 'rings') {
      this.#set(incoming({ verified: message.verified }));
      if (message.verified && this.#call) this.#outputs.push({ type: 'open_leg', call: this.#call.call });
    }
    if (message.fake === 'answers' && this.#call) {
      this.#wakeup = Date.now();
      this.#set({ ...this.#call, state: 'answering', verified: true });
    }
    if (message.fake === 'hangs_up') this.#end('hung_up');
  }

  #decline(call: string | null): void {
    const [next, ...others] = this.#rings;
    if (next && call === next.call) {
      this.#rings = others;
      return this.#show();
    }
    if (!next) return this.#end('declined');
    this.#rings = others;
    this.#set(next);
  }

  #end(ended: NonNullable<CallView['ended']>, hung_up_by: Card | null = null): void {
    if (!this.#call) return;
    this.#outputs.push({ type: 'close_leg' }, { type: 'persist', state: 'fake' });
    this.#set({ ...this.#call, state: 'ended', ended, hung_up_by });
  }

  #set(next: CallView | null): void {
    this.#call = next;
    this.#show();
  }

  #show(): void {
    if (this.#officer) {
      this.#outputs.push({ type: 'view', view: this.#officer.view() });
      return;
    }
    const shown: View = view({
      call: this.#call,
      rings: this.#rings,
      silenced: this.#silenced,
      added_devices: this.#added,
      invitations: this.#giver.invitations,
      lines_changed: this.#giver.lines_changed,
      documents_changed: 0,
      you: { ...president, device: device(1) },
    });
    this.#outputs.push({ type: 'view', view: shown });
  }
}

/** A code of the fake office: 0042-271-828. */
export class EnteredCode {
  readonly #digits: string;

  constructor(typed: string) {
    this.#digits = typed.replace(/\D/g, '');
    if (this.#digits.length !== 10)
      throw new Error('a code has ten digits: type all of them, as they were read to you');
  }

  slot(): string {
    return this.#digits.slice(0, 4);
  }

  message(): string {
    return JSON.stringify({ message: '', key: '' });
  }

  answer(): string {
    return JSON.stringify({ confirmation: this.#digits.slice(4) });
  }

  open(): string {
    return 'ask-good';
  }

  free(): void {}
}
