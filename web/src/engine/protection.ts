// The worker's side of a device's protection: it opens the keys, and adds and removes what opens them.

import type { LockerAnswer } from './contract';
import type { KeyStore, Opened, Protector } from './key_store';
import type { LockerOffice } from './protection_office';
import type { Problem } from './problem';

/** What proves that the person is there. */
export type Presence = { is: 'passkey'; opened: Opened; ticket: string | null } | { is: 'pin'; pin: string };

/** A request of the page. */
export type ProtectionRequest =
  /** Opens the keys and starts the device. */
  | { do: 'unlock'; by: Presence }
  /** The person confirmed a dangerous command: only the ticket is taken. */
  | { do: 'confirm'; by: Presence }
  /** The first passkey of an unprotected device, or a further one: then `by` opens one that is there. */
  | { do: 'add_passkey'; protector: Protector; secret: Uint8Array<ArrayBuffer>; by: Presence | null }
  /** A PIN for an unprotected device, or in place of the one before. `token`: bearer token. */
  | { do: 'set_pin'; pin: string; token: string; by: Presence | null }
  | { do: 'remove'; id: string }
  /** The ticket of a passkey that was registered with the office. */
  | { do: 'ticket'; ticket: string };

export interface ProtectionEnvironment {
  store: KeyStore;
  office: LockerOffice;
  /** 32 bytes of key and 32 bytes of proof. Throws a sentence. */
  stretch(pin: string, salt: Uint8Array): Uint8Array;
  /** This device's identifier. */
  device(): string;
  now_ms(): number;
  set_ticket(ticket: string): void;
  /** Starts the device from its opened keys. */
  start(): Promise<void>;
}

/** As in `telcon_core::pin`. */
const SALT_BYTES = 32;
/** As in `telcon_proto::protection`. */
const LOCKER_ID_BYTES = 16;

export class ProtectionWorker {
  constructor(private readonly environment: ProtectionEnvironment) {}

  /** Throws a `Problem` or a sentence. */
  async handle(request: ProtectionRequest): Promise<void> {
    const { environment } = this;
    const { store } = environment;
    switch (request.do) {
      case 'unlock': {
        const opened = await this.#open(request.by);
        await store.unlock(opened);
        return environment.start();
      }
      case 'confirm':
        return void (await this.#open(request.by));
      case 'add_passkey': {
        if (store.protectors.length === 0) {
          return store.protect(environment.device(), request.protector, request.secret);
        }
        return store.add(request.protector, request.secret, await this.#presence(request.by));
      }
      case 'set_pin':
        return this.#set_pin(request.pin, request.token, request.by);
      case 'remove':
        return store.remove(request.id);
      case 'ticket':
        return environment.set_ticket(request.ticket);
    }
  }

  async #presence(by: Presence | null): Promise<Opened> {
    if (!by) throw { code: 'not_confirmed' } satisfies Problem;
    return this.#open(by);
  }

  /** What opens a protector; takes the ticket that comes with it. */
  async #open(by: Presence): Promise<Opened> {
    if (by.is === 'passkey') {
      if (by.ticket) this.environment.set_ticket(by.ticket);
      return by.opened;
    }
    const protector = this.environment.store.protectors.find(({ kind }) => kind === 'pin');
    if (!protector) throw { code: 'wrong_protector' } satisfies Problem;
    const { key, proof } = this.#stretch(by.pin, protector.salt);
    return { id: protector.id, secret: await this.#open_locker(protector.id, key, proof) };
  }

  async #open_locker(id: string, key: Uint8Array, proof: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    const answer = await this.environment.office.open(base64(from_base64(id)), base64(proof));
    if (answer.state !== 'opened') throw problem_of_locker(answer);
    this.environment.set_ticket(answer.ticket);
    return joined(key, from_base64(answer.secret));
  }

  async #set_pin(pin: string, token: string, by: Presence | null): Promise<void> {
    const { environment } = this;
    const { store } = environment;
    const before = store.protectors.find(({ kind }) => kind === 'pin');
    const opened = store.protectors.length === 0 ? null : await this.#presence(by);
    const locker = crypto.getRandomValues(new Uint8Array(LOCKER_ID_BYTES));
    const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
    const { key, proof } = this.#stretch(pin, salt);
    await environment.office.make(token, await sha256_hex(locker), await sha256_hex(proof));
    // Opened before it is relied on: that the office has it is known then, and it counts as a protection.
    const id = base64(locker);
    const secret = await this.#open_locker(id, key, proof);
    const protector: Protector = { kind: 'pin', id, salt, added_ms: environment.now_ms() };
    if (opened) await store.add(protector, secret, opened, before?.id);
    else await store.protect(environment.device(), protector, secret);
  }

  #stretch(pin: string, salt: Uint8Array): { key: Uint8Array; proof: Uint8Array } {
    const stretched = this.environment.stretch(pin.normalize('NFKC'), salt);
    return { key: stretched.slice(0, 32), proof: stretched.slice(32) };
  }
}

function problem_of_locker(answer: Exclude<LockerAnswer, { state: 'opened' }>): Problem {
  switch (answer.state) {
    case 'wrong':
      return { code: 'pin_wrong', count: answer.attempts_left };
    case 'wait':
      return { code: 'pin_wait', count: Math.ceil(answer.wait_ms / 1000) };
    case 'erased':
      return { code: 'pin_erased' };
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

const base64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes));
const from_base64 = (text: string): Uint8Array => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

/** SHA-256 as the office compares it: 64 hexadecimal digits. */
export async function sha256_hex(bytes: Uint8Array<ArrayBufferLike>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array(bytes)));
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The digest by which the office knows a locker. */
export const locker_sha256 = (id: string): Promise<string> => sha256_hex(from_base64(id));
