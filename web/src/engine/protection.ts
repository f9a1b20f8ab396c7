// The worker's side of a device's protection: it opens the keys, and adds and removes what opens them.

import { LOCKER_ID_BYTES, SALT_BYTES, type LockerAnswer, type RemoveProtector } from './contract';
import { base64, from_base64, sha256_hex } from './encoding';
import type { KeyStore, Opened, PinProtector, Protector, Unused } from './key_store';
import type { LockerOffice } from './protection_office';
import { problem_of, type Problem } from './problem';

/** What proves that the person is there. */
export type Presence = { is: 'passkey'; opened: Opened; ticket: string | null } | { is: 'pin'; pin: string };

/** A presence that was proved: the worker keeps its secret until it is used or forgotten, so that one PIN is tried once. */
export interface Proof {
  handle: number;
  /** Whether the office confirmed it with a ticket. */
  ticket: boolean;
}

/** A request of the page. */
export type ProtectionRequest =
  /** Opens the keys and starts the device; a PIN whose setting was interrupted protects it first. */
  | { do: 'unlock'; by: Presence }
  /** Takes the ticket of a presence and keeps its secret. Answered with a `Proof`, which replaces the one before. */
  | { do: 'prove'; by: Presence }
  /** The proof is not needed any more. */
  | { do: 'forget' }
  /** A further passkey is about to be registered with the office. */
  | { do: 'begin_passkey'; id: string }
  /** The first passkey of an unprotected device, or a further one: `proof` opens one that is there. */
  | { do: 'add_passkey'; protector: Protector; secret: Uint8Array<ArrayBuffer>; proof: number | null }
  /** The office has registered a passkey. */
  | { do: 'registered'; id: string; ticket: string }
  /** A PIN for an unprotected device, or in place of the one before. `token`: bearer token. */
  | { do: 'set_pin'; pin: string; token: string; proof: number | null }
  | { do: 'remove'; id: string }
  /** Has the office remove what opens nothing here. Needs a recent confirmation. */
  | { do: 'tidy'; token: string };

/** How the device is protected once a request was carried out. */
export interface Protected {
  protectors: Protector[];
  /** A PIN may protect it at the office whose setting was interrupted here. */
  begun: boolean;
}

export interface ProtectionEnvironment {
  store: KeyStore;
  office: LockerOffice;
  /** 32 bytes of key and 32 bytes of proof. Throws a sentence. */
  stretch(pin: string, salt: Uint8Array): Uint8Array;
  /** This device's identifier. */
  device(): string;
  now_ms(): number;
  set_ticket(ticket: string): void;
  /** Starts the device from its opened keys, or connects it again with its new ticket. */
  start(): Promise<void>;
}

/** What a PIN gives: a part of the secret, and what proves the PIN to the office. */
interface Stretched {
  key: Uint8Array;
  proof: Uint8Array;
}

export class ProtectionWorker {
  #proof: { handle: number; opened: Opened } | undefined;
  #handles = 0;
  /** Protectors that are being added: the office must not remove them meanwhile. */
  #begun = new Set<string>();
  /** The protector with which the office gave the last ticket: it has that one. */
  #at_office: string | undefined;

  constructor(private readonly environment: ProtectionEnvironment) {}

  /** Throws a `Problem` or a sentence. */
  async handle(request: ProtectionRequest): Promise<Proof | null> {
    const { environment } = this;
    const { store } = environment;
    switch (request.do) {
      case 'unlock':
        await this.#unlock(request.by);
        await environment.start();
        return null;
      case 'prove':
        return this.#prove(request.by);
      case 'forget':
        this.#proof = undefined;
        return null;
      case 'begin_passkey':
        this.#begun.add(request.id);
        await store.begin_passkey(request.id);
        return null;
      case 'add_passkey': {
        const { protector, secret, proof } = request;
        if (store.protectors.length === 0) await store.protect(environment.device(), protector, secret, false);
        else await store.add(protector, secret, this.#opened(proof));
        this.#begun.delete(protector.id);
        return null;
      }
      case 'registered':
        await this.#take_ticket(request.id, request.ticket);
        return null;
      case 'set_pin':
        await this.#set_pin(request.pin, request.token, request.proof);
        return null;
      case 'remove':
        await store.remove(request.id);
        return null;
      case 'tidy':
        await this.#tidy(request.token);
        return null;
    }
  }

  async #unlock(by: Presence): Promise<void> {
    const { store } = this.environment;
    if (store.protectors.length > 0) return store.unlock((await this.#open(by)).opened);
    const problem: Problem | null = by.is === 'pin' ? await this.#finish(by.pin) : { code: 'wrong_protector' };
    if (problem) throw problem;
  }

  async #prove(by: Presence): Promise<Proof> {
    this.#proof = undefined;
    const { opened, ticket } = await this.#open(by);
    const handle = ++this.#handles;
    this.#proof = { handle, opened };
    return { handle, ticket };
  }

  #opened(handle: number | null): Opened {
    if (!this.#proof || this.#proof.handle !== handle) throw { code: 'not_confirmed' } satisfies Problem;
    return this.#proof.opened;
  }

  /** What opens a protector; takes the ticket that comes with it. */
  async #open(by: Presence): Promise<{ opened: Opened; ticket: boolean }> {
    const { store } = this.environment;
    if (by.is === 'passkey') {
      if (by.ticket) await this.#take_ticket(by.opened.id, by.ticket);
      return { opened: by.opened, ticket: by.ticket !== null };
    }
    const protector = store.protectors.find((one): one is PinProtector => one.kind === 'pin');
    if (!protector) throw { code: 'wrong_protector' } satisfies Problem;
    return {
      opened: { id: protector.id, secret: await this.#open_locker(protector, this.#stretch(by.pin, protector.salt)) },
      ticket: true,
    };
  }

  async #take_ticket(id: string, ticket: string): Promise<void> {
    this.environment.set_ticket(ticket);
    this.#at_office = id;
    await this.environment.store.registered(id);
  }

  async #open_locker({ id }: PinProtector, { key, proof }: Stretched): Promise<Uint8Array<ArrayBuffer>> {
    const answer = await this.environment.office.open(id, base64(proof));
    if (answer.state !== 'opened') throw problem_of_locker(answer);
    await this.#take_ticket(id, answer.ticket);
    return joined(key, from_base64(answer.secret));
  }

  async #set_pin(pin: string, token: string, handle: number | null): Promise<void> {
    const { store, office, now_ms, device } = this.environment;
    const is_protected = store.protectors.length > 0;
    if (!is_protected && store.begun_pins.length > 0 && (await this.#finish(pin)) === null) return;
    const opened = is_protected ? this.#opened(handle) : null;
    const before = store.protectors.find(({ kind }) => kind === 'pin');
    // The office keeps few lockers of a device. What it still has to remove is in the way of a new one.
    if (opened) await this.#tidy(token).catch(() => undefined);
    const protector: PinProtector = {
      kind: 'pin',
      id: base64(crypto.getRandomValues(new Uint8Array(LOCKER_ID_BYTES))),
      salt: crypto.getRandomValues(new Uint8Array(SALT_BYTES)),
      added_ms: now_ms(),
    };
    const stretched = this.#stretch(pin, protector.salt);
    await office.make(token, await locker_sha256(protector.id), await sha256_hex(stretched.proof));
    this.#begun.add(protector.id);
    try {
      // Commit: the office counts the locker as a protection when it is opened, and only then gives what the wrap needs.
      await store.begin_pin(protector);
      const secret = await this.#open_locker(protector, stretched);
      if (opened) await store.add(protector, secret, opened, before?.id);
      else await store.protect(device(), protector, secret);
    } finally {
      this.#begun.delete(protector.id);
    }
  }

  /** Protects the device by a PIN whose setting was interrupted after the office may have counted it. Returns why not. */
  async #finish(pin: string): Promise<Problem | null> {
    const { store, device } = this.environment;
    let why: Problem = { code: 'wrong_protector' };
    for (const protector of store.begun_pins) {
      let secret;
      try {
        secret = await this.#open_locker(protector, this.#stretch(pin, protector.salt));
      } catch (error) {
        const problem = problem_of(error);
        if (!is_of_locker(problem)) throw problem;
        // The office has no locker of one that it never counted, and answers as for one that it erased.
        if (!is_of_locker(why) || why.code === 'pin_erased') why = problem;
        continue;
      }
      await store.protect(device(), protector, secret);
      return null;
    }
    return why;
  }

  /** Throws the last problem, after everything was tried. */
  async #tidy(token: string): Promise<void> {
    const { store, office } = this.environment;
    const at_office = store.protectors.some(({ id }) => id === this.#at_office);
    let failed: unknown = null;
    for (const one of store.unused.filter(({ id }) => !this.#begun.has(id))) {
      try {
        const answer = await office.remove(token, await named(one));
        // It is not there if the last one is another that is in use here.
        if (answer === 'removed' || at_office) await store.removed(one.id);
      } catch (error) {
        failed = error;
      }
    }
    if (failed !== null) throw problem_of(failed);
  }

  #stretch(pin: string, salt: Uint8Array): Stretched {
    const stretched = this.environment.stretch(pin.normalize('NFKC'), salt);
    return { key: stretched.slice(0, 32), proof: stretched.slice(32) };
  }
}

/** Whether an office that was reached gave this answer about a locker. */
const is_of_locker = (problem: Problem): problem is Extract<Problem, { code: string }> =>
  'code' in problem && (problem.code === 'pin_wrong' || problem.code === 'pin_wait' || problem.code === 'pin_erased');

/** A protector as the office knows it. */
async function named({ kind, id }: Unused): Promise<RemoveProtector> {
  if (kind === 'passkey') return { kind, credential: id };
  return { kind: 'locker', locker_sha256: await locker_sha256(id) };
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

/** The digest by which the office knows a locker. */
const locker_sha256 = (id: string): Promise<string> => sha256_hex(from_base64(id));
