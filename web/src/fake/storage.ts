// A browser profile's storage in memory: the key store's, and the page's own.

import type { Storage as KeyStorage } from '../engine/key_storage';

export interface MemoryStorage extends KeyStorage {
  values: Map<string, unknown>;
  /** Called before each write takes effect, and after it. What it throws, the write throws. */
  writing: (when: 'before' | 'after', changed: Record<string, unknown>) => void;
}

export function memory_storage(values = new Map<string, unknown>()): MemoryStorage {
  const storage: MemoryStorage = {
    values,
    writing: () => undefined,
    get: async (name) => values.get(name),
    async put(changed) {
      storage.writing('before', changed);
      for (const [name, value] of Object.entries(changed)) {
        if (value === undefined) values.delete(name);
        else values.set(name, value);
      }
      storage.writing('after', changed);
    },
    clear: async () => values.clear(),
  };
  return storage;
}

/** Stands for `localStorage` and `sessionStorage`. */
export function page_storage(values = new Map<string, string>()) {
  return {
    getItem: (name: string) => values.get(name) ?? null,
    setItem: (name: string, value: string) => void values.set(name, value),
    removeItem: (name: string) => void values.delete(name),
  };
}
