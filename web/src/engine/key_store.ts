// Storage of the device's state, encrypted with a data key.
//
// Version 1, an unprotected device: the data key is a non-extractable key in the same IndexedDB. That stops a script from
// exporting it, and does not protect against somebody who copies the disk.
//
// Version 2, a protected device: the data key is stored only in wrapped form, once for each protector. It is unwrapped with
// what the protector gives (a passkey's PRF output, or a PIN with the office's help), and then is in this worker's memory only.

import { indexed_storage, type Storage } from './key_storage';
import { derive_wrapping_key, open_wrap, wrap_key, type Protector, type Wrap } from './key_wrap';
import type { Problem } from './problem';

export type { Protector } from './key_wrap';

/** AES-GCM nonce, bytes (NIST SP 800-38D). */
const NONCE_BYTES = 12;
/** Data key, bytes: AES-256. */
const DATA_KEY_BYTES = 32;
/** Version of a stored lock. */
const LOCK_VERSION = 2;
/** Most protectors of one device: passkeys and a PIN. */
export const MAX_PROTECTORS = 8;

interface SealedState {
  nonce: Uint8Array<ArrayBuffer>;
  sealed: ArrayBuffer;
}

/** What a protected profile has beside its state. */
interface Lock {
  version: typeof LOCK_VERSION;
  /** The device's identifier: the page needs it before the state is open. */
  device: string;
  wraps: Wrap[];
}

/** A protector and the secret that it gives. */
export interface Opened {
  id: string;
  secret: Uint8Array<ArrayBuffer>;
}

export type StoreState =
  { status: 'empty' } | { status: 'open' } | { status: 'locked'; device: string; protectors: Protector[] };

export class KeyStore {
  #key: CryptoKey | undefined;
  #lock: Lock | undefined;
  /** Writes run one after the other: a state must not be saved with a key that another write is replacing. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(private readonly storage: Storage = indexed_storage()) {}

  /** Reads what is stored. Throws a `Problem` if a newer version wrote it. */
  async open(): Promise<StoreState> {
    const lock = (await this.storage.get('lock')) as Lock | undefined;
    if (lock && lock.version !== LOCK_VERSION) throw { code: 'keys_of_newer_version' } satisfies Problem;
    this.#lock = lock;
    if (lock) return { status: 'locked', device: lock.device, protectors: this.protectors };
    this.#key = (await this.storage.get('key')) as CryptoKey | undefined;
    return { status: this.#key && (await this.storage.get('state')) ? 'open' : 'empty' };
  }

  /** The protectors of this device; none if it is unprotected. */
  get protectors(): Protector[] {
    return (this.#lock?.wraps ?? []).map(({ nonce: _nonce, wrapped: _wrapped, ...protector }) => protector);
  }

  /** Unwraps the data key. Throws a `Problem` if the secret is not the protector's. */
  async unlock(by: Opened): Promise<void> {
    this.#key = await import_data_key(await this.#unwrap(by));
  }

  /** The state saved last, or nothing. Throws if it exists and cannot be decrypted. */
  async load(): Promise<string | undefined> {
    const kept = (await this.storage.get('state')) as SealedState | undefined;
    if (!kept) return undefined;
    if (!this.#key) throw new Error('the key store is locked');
    const plain = await crypto.subtle.decrypt({ name: 'AES-GCM', iv: kept.nonce }, this.#key, kept.sealed);
    return new TextDecoder().decode(plain);
  }

  /** Replaces the saved state; resolves when it is on disk. */
  save(state: string): Promise<void> {
    return this.#in_turn(async () => {
      if (this.#key) return this.storage.put({ state: await seal(this.#key, state) });
      if (this.#lock) throw new Error('the key store is locked');
      const made = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
      await this.storage.put({ key: made, state: await seal(made, state) });
      this.#key = made;
    });
  }

  /**
   * Protects an unprotected device: its state is encrypted anew with another data key, and the unprotected key is deleted in
   * the same transaction.
   */
  protect(device: string, protector: Protector, secret: Uint8Array<ArrayBuffer>): Promise<void> {
    return this.#in_turn(async () => {
      if (this.#lock) throw new Error('the device is protected already');
      const state = await this.load();
      if (state === undefined) throw { code: 'not_enrolled' } satisfies Problem;
      const raw = crypto.getRandomValues(new Uint8Array(DATA_KEY_BYTES));
      const lock: Lock = { version: LOCK_VERSION, device, wraps: [await wrapped(protector, secret, raw)] };
      const key = await import_data_key(raw);
      await this.storage.put({ lock, key: undefined, state: await seal(key, state) });
      [this.#lock, this.#key] = [lock, key];
    });
  }

  /**
   * Adds a protector, or replaces the one of the same kind that `replaces` names. `by` opens one that is there: who only has the
   * unlocked page cannot add another.
   */
  add(protector: Protector, secret: Uint8Array<ArrayBuffer>, by: Opened, replaces?: string): Promise<void> {
    return this.#in_turn(async () => {
      const lock = this.#known_lock();
      const raw = await this.#unwrap(by);
      const added = await wrapped(protector, secret, raw);
      raw.fill(0);
      const others = lock.wraps.filter((wrap) => wrap.id !== protector.id && wrap.id !== replaces);
      if (others.length >= MAX_PROTECTORS) throw { code: 'too_many_protectors' } satisfies Problem;
      await this.#replace_wraps(lock, [...others, added]);
    });
  }

  /** Removes a protector. Throws a `Problem` if it is the last one. */
  remove(id: string): Promise<void> {
    return this.#in_turn(async () => {
      const lock = this.#known_lock();
      const others = lock.wraps.filter((wrap) => wrap.id !== id);
      if (others.length === 0) throw { code: 'last_protector' } satisfies Problem;
      await this.#replace_wraps(lock, others);
    });
  }

  /** Erases state and keys: the device was revoked. */
  erase(): Promise<void> {
    return this.#in_turn(async () => {
      await this.storage.clear();
      this.#key = this.#lock = undefined;
    });
  }

  async #replace_wraps(lock: Lock, wraps: Wrap[]): Promise<void> {
    const next = { ...lock, wraps };
    await this.storage.put({ lock: next });
    this.#lock = next;
  }

  async #unwrap({ id, secret }: Opened): Promise<Uint8Array<ArrayBuffer>> {
    const wrap = this.#known_lock().wraps.find((one) => one.id === id);
    if (!wrap) throw { code: 'wrong_protector' } satisfies Problem;
    const key = await derive_wrapping_key(wrap.kind, secret);
    try {
      return await open_wrap(wrap, key);
    } catch {
      throw { code: 'wrong_protector' } satisfies Problem;
    }
  }

  #known_lock(): Lock {
    if (!this.#lock) throw new Error('the device is not protected');
    return this.#lock;
  }

  #in_turn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}

async function wrapped(
  protector: Protector,
  secret: Uint8Array<ArrayBuffer>,
  data_key: Uint8Array<ArrayBuffer>,
): Promise<Wrap> {
  return wrap_key(protector, await derive_wrapping_key(protector.kind, secret), data_key);
}

/** Non-extractable: from here on no script can read it. The raw bytes are overwritten. */
async function import_data_key(raw: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  const key = await crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt', 'decrypt']);
  raw.fill(0);
  return key;
}

async function seal(key: CryptoKey, state: string): Promise<SealedState> {
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const plain = new TextEncoder().encode(state);
  return { nonce, sealed: await crypto.subtle.encrypt({ name: 'AES-GCM', iv: nonce }, key, plain) };
}
