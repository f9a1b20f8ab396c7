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
/** Version of stored key wraps. */
const WRAPS_VERSION = 2;
/** Name of the stored key wraps. Version 2 called them so, and another name would lose the keys of protected browsers. */
const WRAPS = 'lock';
/** Name of the PINs whose setting was begun on a device that is not protected yet. */
const BEGUN = 'begun_pins';
/** Name of what lets a locked device verify that it was revoked. It is readable, and holds nothing secret. */
const ANCHOR = 'anchor';
/** Most protectors of one device: passkeys and a PIN. */
export const MAX_PROTECTORS = 8;

interface SealedState {
  nonce: Uint8Array<ArrayBuffer>;
  sealed: ArrayBuffer;
}

export type PinProtector = Extract<Protector, { kind: 'pin' }>;

/** A protector that opens nothing here, and that the office may still know. */
export type Unused = Pick<Protector, 'kind' | 'id'>;

/** What a protected profile has beside its state. */
interface KeyWraps {
  version: typeof WRAPS_VERSION;
  /** The device's identifier: the page needs it before the state is open. */
  device: string;
  wraps: Wrap[];
  /** They stay here until the office has confirmed their removal. Absent: none. */
  unused?: Unused[];
  /** The passkey that protected the device first, until the office is known to have registered it. */
  unregistered?: string;
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
  #wraps: KeyWraps | undefined;
  #begun: PinProtector[] = [];
  /** Writes run one after the other: a state must not be saved with a key that another write is replacing. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(private readonly storage: Storage = indexed_storage()) {}

  /** Reads what is stored. Throws a `Problem` if a newer version wrote it. */
  async open(): Promise<StoreState> {
    const wraps = (await this.storage.get(WRAPS)) as KeyWraps | undefined;
    if (wraps && wraps.version !== WRAPS_VERSION) throw { code: 'keys_of_newer_version' } satisfies Problem;
    this.#wraps = wraps;
    if (wraps) return { status: 'locked', device: wraps.device, protectors: this.protectors };
    this.#begun = ((await this.storage.get(BEGUN)) as PinProtector[] | undefined) ?? [];
    this.#key = (await this.storage.get('key')) as CryptoKey | undefined;
    return { status: this.#key && (await this.storage.get('state')) ? 'open' : 'empty' };
  }

  /** What lets this device verify, also while it is locked, that it was revoked. Browsers of older versions have none until unlocked. */
  async anchor(): Promise<string | undefined> {
    return (await this.storage.get(ANCHOR)) as string | undefined;
  }

  keep_anchor(anchor: string): Promise<void> {
    return this.#in_turn(() => this.storage.put({ [ANCHOR]: anchor }));
  }

  /** The protectors of this device; none if it is unprotected. */
  get protectors(): Protector[] {
    return (this.#wraps?.wraps ?? []).map(({ nonce: _nonce, wrapped: _wrapped, ...protector }) => protector);
  }

  /** PINs whose setting was begun on this unprotected device, newest first: the office may count each as its protection. */
  get begun_pins(): readonly PinProtector[] {
    return this.#begun;
  }

  /** What the office has to remove. */
  get unused(): readonly Unused[] {
    return this.#wraps?.unused ?? [];
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
      if (this.#wraps) throw new Error('the key store is locked');
      const made = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
      await this.storage.put({ key: made, state: await seal(made, state) });
      this.#key = made;
    });
  }

  /**
   * Keeps what identifies a PIN before the office can count it, which it does when it releases the secret: if that answer is
   * lost, an unprotected device asks for this PIN again, and a protected one has the office remove it.
   */
  begin_pin(protector: PinProtector): Promise<void> {
    return this.#in_turn(async () => {
      if (this.#wraps) return this.#replace({ unused: with_unused(this.#wraps, [protector]) });
      const begun = [protector, ...this.#begun];
      await this.storage.put({ [BEGUN]: begun });
      this.#begun = begun;
    });
  }

  /** As `begin_pin`, for a further passkey before it is registered with the office. */
  begin_passkey(id: string): Promise<void> {
    return this.#in_turn(() => this.#replace({ unused: with_unused(this.#known_wraps(), [{ kind: 'passkey', id }]) }));
  }

  /** The office has registered this passkey. */
  registered(id: string): Promise<void> {
    return this.#in_turn(async () => {
      if (this.#wraps?.unregistered === id) await this.#replace({ unregistered: undefined });
    });
  }

  /** The office has confirmed the removal. */
  removed(id: string): Promise<void> {
    return this.#in_turn(() => this.#replace({ unused: this.unused.filter((one) => one.id !== id) }));
  }

  /**
   * Protects an unprotected device: its state is encrypted anew with another data key, and the unprotected key is deleted in
   * the same transaction. `registered`: whether the office is known to have the protector.
   */
  protect(
    device: string,
    protector: Protector,
    secret: Uint8Array<ArrayBuffer>,
    registered: boolean = true,
  ): Promise<void> {
    return this.#in_turn(async () => {
      if (this.#wraps) throw new Error('the device is protected already');
      const state = await this.load();
      if (state === undefined) throw { code: 'not_enrolled' } satisfies Problem;
      const raw = crypto.getRandomValues(new Uint8Array(DATA_KEY_BYTES));
      const wraps: KeyWraps = { version: WRAPS_VERSION, device, wraps: [await wrapped(protector, secret, raw)] };
      wraps.unused = with_unused(wraps, this.#begun);
      if (!registered) wraps.unregistered = protector.id;
      const key = await import_data_key(raw);
      await this.storage.put({ [WRAPS]: wraps, key: undefined, [BEGUN]: undefined, state: await seal(key, state) });
      [this.#wraps, this.#key, this.#begun] = [wraps, key, []];
    });
  }

  /**
   * Adds a protector, or replaces the one of the same kind that `replaces` names. `by` opens one that is there: the
   * unlocked page alone cannot add another. A first passkey that the office is not known to have is replaced by what is added.
   */
  add(protector: Protector, secret: Uint8Array<ArrayBuffer>, by: Opened, replaces?: string): Promise<void> {
    return this.#in_turn(async () => {
      const before = this.#known_wraps();
      const raw = await this.#unwrap(by);
      const added = await wrapped(protector, secret, raw);
      raw.fill(0);
      const gone = [protector.id, replaces, before.unregistered];
      const others = before.wraps.filter(({ id }) => !gone.includes(id));
      if (others.length >= MAX_PROTECTORS) throw { code: 'too_many_protectors' } satisfies Problem;
      await this.#replace_wraps([...others, added]);
    });
  }

  /** Removes a protector, which the office has to remove then. Throws a `Problem` if it is the last one. */
  remove(id: string): Promise<void> {
    return this.#in_turn(async () => {
      const others = this.#known_wraps().wraps.filter((wrap) => wrap.id !== id);
      if (others.length === 0) throw { code: 'last_protector' } satisfies Problem;
      await this.#replace_wraps(others);
    });
  }

  /** Erases state and keys: a revocation orders it, or its person wants to enrol it anew. */
  erase(): Promise<void> {
    return this.#in_turn(async () => {
      await this.storage.clear();
      this.#key = this.#wraps = undefined;
      this.#begun = [];
    });
  }

  /** In the same write, those that are not there any more become what the office has to remove. */
  async #replace_wraps(wraps: Wrap[]): Promise<void> {
    const before = this.#known_wraps();
    const next = { ...before, wraps };
    const unregistered = wraps.some(({ id }) => id === before.unregistered) ? before.unregistered : undefined;
    await this.#replace({ wraps, unused: with_unused(next, before.wraps), unregistered });
  }

  async #replace(changed: Partial<KeyWraps>): Promise<void> {
    const next = { ...this.#known_wraps(), ...changed };
    await this.storage.put({ [WRAPS]: next });
    this.#wraps = next;
  }

  async #unwrap({ id, secret }: Opened): Promise<Uint8Array<ArrayBuffer>> {
    const wrap = this.#known_wraps().wraps.find((one) => one.id === id);
    if (!wrap) throw { code: 'wrong_protector' } satisfies Problem;
    const key = await derive_wrapping_key(wrap.kind, secret);
    try {
      return await open_wrap(wrap, key);
    } catch {
      throw { code: 'wrong_protector' } satisfies Problem;
    }
  }

  #known_wraps(): KeyWraps {
    if (!this.#wraps) throw new Error('the device is not protected');
    return this.#wraps;
  }

  #in_turn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}

/** What the office has to remove: what it had before and these, without what opens the keys. */
function with_unused({ wraps, unused = [] }: KeyWraps, more: readonly Unused[]): Unused[] {
  const all = new Map([...unused, ...more].map(({ kind, id }) => [id, { kind, id }]));
  for (const { id } of wraps) all.delete(id);
  return [...all.values()];
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
