// What this browser keeps: the engine's state, encrypted by a key that no script can read out.
//
// Both lie in IndexedDB. Whoever copies the disk has the key too, if the browser's own store is not protected; the
// key's being non-extractable stops a script from taking it elsewhere, no more.

const DATABASE = 'telcon';
const STORE = 'keep';
/** AES-GCM nonce, bytes (NIST SP 800-38D). */
const NONCE_BYTES = 12;

interface Kept {
  nonce: Uint8Array<ArrayBuffer>;
  sealed: ArrayBuffer;
}

export class Keep {
  #database: Promise<IDBDatabase> | undefined;
  #key: Promise<CryptoKey> | undefined;

  /** The state kept last, or nothing. Throws if it is there but cannot be opened. */
  async load(): Promise<string | undefined> {
    const kept = (await this.#get('state')) as Kept | undefined;
    if (!kept) return undefined;
    const plain = await crypto.subtle.decrypt({ name: 'AES-GCM', iv: kept.nonce }, await this.#device_key(), kept.sealed);
    return new TextDecoder().decode(plain);
  }

  /** Keeps a state in place of the last one, and returns when it is on disk. */
  async save(state: string): Promise<void> {
    const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    const plain = new TextEncoder().encode(state);
    const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv: nonce }, await this.#device_key(), plain);
    await this.#put('state', { nonce, sealed } satisfies Kept);
  }

  /** Forgets everything: the device was revoked. */
  async erase(): Promise<void> {
    const store = await this.#open('readwrite');
    await finished(store.clear());
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
    return finished((await this.#open('readonly')).get(name));
  }

  async #put(name: string, value: unknown): Promise<void> {
    const store = await this.#open('readwrite');
    store.put(value, name);
    await committed(store.transaction);
  }

  async #open(mode: IDBTransactionMode): Promise<IDBObjectStore> {
    this.#database ??= new Promise((resolve, reject) => {
      const request = indexedDB.open(DATABASE, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE);
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error ?? new Error('indexedDB'));
    });
    const database = await this.#database;
    // Strict: a state that is sent on must not be lost with the power.
    return database.transaction(STORE, mode, { durability: 'strict' }).objectStore(STORE);
  }
}

function finished<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('indexedDB'));
  });
}

function committed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error('indexedDB'));
  });
}
