// Storage of the engine's state, encrypted with a non-extractable key.
//
// Key and ciphertext are in the same IndexedDB. Non-extractability stops a script from exporting the key; it does not
// protect against somebody who copies the disk, unless the browser's profile is encrypted.

const DATABASE = 'telcon';
/** Object store of database version 1. Renaming it would lose the keys of enrolled browsers. */
const STORE = 'keep';
/** AES-GCM nonce, bytes (NIST SP 800-38D). */
const NONCE_BYTES = 12;

interface SealedState {
  nonce: Uint8Array<ArrayBuffer>;
  sealed: ArrayBuffer;
}

export class KeyStore {
  #database: Promise<IDBDatabase> | undefined;
  #key: Promise<CryptoKey> | undefined;

  /** The state saved last, or nothing. Throws if it exists and cannot be decrypted. */
  async load(): Promise<string | undefined> {
    const kept = (await this.#get('state')) as SealedState | undefined;
    if (!kept) return undefined;
    const plain = await crypto.subtle.decrypt(
      { name: 'AES-GCM', iv: kept.nonce },
      await this.#device_key(),
      kept.sealed,
    );
    return new TextDecoder().decode(plain);
  }

  /** Replaces the saved state; resolves when it is on disk. */
  async save(state: string): Promise<void> {
    const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    const plain = new TextEncoder().encode(state);
    const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv: nonce }, await this.#device_key(), plain);
    await this.#put('state', { nonce, sealed } satisfies SealedState);
  }

  /** Erases state and key, both or neither; resolves when that is on disk. A state that is saved later gets a new key. */
  async erase(): Promise<void> {
    const store = await this.#open('readwrite');
    store.clear();
    await transaction_done(store.transaction);
    this.#key = undefined;
  }

  #device_key(): Promise<CryptoKey> {
    this.#key ??= this.#find_key();
    return this.#key;
  }

  async #find_key(): Promise<CryptoKey> {
    const kept = (await this.#get('key')) as CryptoKey | undefined;
    if (kept) return kept;
    const made = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
    await this.#put('key', made);
    return made;
  }

  async #get(name: string): Promise<unknown> {
    return request_done((await this.#open('readonly')).get(name));
  }

  async #put(name: string, value: unknown): Promise<void> {
    const store = await this.#open('readwrite');
    store.put(value, name);
    await transaction_done(store.transaction);
  }

  async #open(mode: IDBTransactionMode): Promise<IDBObjectStore> {
    this.#database ??= new Promise((resolve, reject) => {
      const request = indexedDB.open(DATABASE, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE);
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error ?? new Error('indexedDB'));
    });
    const database = await this.#database;
    // Strict durability: messages that depend on a state are sent right after it was saved.
    return database.transaction(STORE, mode, { durability: 'strict' }).objectStore(STORE);
  }
}

function request_done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('indexedDB'));
  });
}

function transaction_done(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error('indexedDB'));
  });
}
