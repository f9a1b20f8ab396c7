// Where the key store's values are: one object store in IndexedDB.

const DATABASE = 'telcon';
/** Object store of database version 1. Renaming it would lose the keys of enrolled browsers. */
const STORE = 'keep';

/** Named values. A write is atomic, and durable when its promise resolves. */
export interface Storage {
  get(name: string): Promise<unknown>;
  /** Replaces these values in one transaction; `undefined` deletes. */
  put(values: Record<string, unknown>): Promise<void>;
  clear(): Promise<void>;
}

export function indexed_storage(): Storage {
  let database: Promise<IDBDatabase> | undefined;
  async function open(mode: IDBTransactionMode): Promise<IDBObjectStore> {
    database ??= new Promise((resolve, reject) => {
      const request = indexedDB.open(DATABASE, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE);
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error ?? new Error('indexedDB'));
    });
    // Strict durability: messages that depend on a state are sent right after it was saved.
    return (await database).transaction(STORE, mode, { durability: 'strict' }).objectStore(STORE);
  }
  return {
    async get(name) {
      return request_done((await open('readonly')).get(name));
    },
    async put(values) {
      const store = await open('readwrite');
      for (const [name, value] of Object.entries(values)) {
        if (value === undefined) store.delete(name);
        else store.put(value, name);
      }
      await transaction_done(store.transaction);
    },
    async clear() {
      const store = await open('readwrite');
      store.clear();
      await transaction_done(store.transaction);
    },
  };
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
