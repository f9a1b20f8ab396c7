import { describe, expect, it } from 'vitest';
import { memory_storage as profile } from '../fake/storage';
import type { Storage } from './key_storage';
import { KeyStore, MAX_PROTECTORS, type PinProtector, type Protector } from './key_store';

const bytes = (n: number) => new Uint8Array(32).fill(n);
const passkey = (id: string): Protector => ({ kind: 'passkey', id, salt: bytes(9), rp_id: 'localhost', added_ms: 5 });
const pin = (id: string): PinProtector => ({ kind: 'pin', id, salt: bytes(8), added_ms: 6 });

async function protected_profile() {
  const storage = profile();
  const store = new KeyStore(storage);
  await store.save('the device');
  await store.protect('d1', passkey('first'), bytes(1));
  return { storage, store };
}

async function opened(storage: Storage, id: string, secret: Uint8Array<ArrayBuffer>): Promise<string | undefined> {
  const store = new KeyStore(storage);
  expect((await store.open()).status).toBe('locked');
  await store.unlock({ id, secret });
  return store.load();
}

describe('the key store', () => {
  it('opens a profile of version 1, and protects it without changing its state', async () => {
    // As version 1 wrote it.
    const key = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
    const nonce = crypto.getRandomValues(new Uint8Array(12));
    const plain = new TextEncoder().encode('an older device');
    const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv: nonce }, key, plain);
    const storage = profile(new Map<string, unknown>(Object.entries({ key, state: { nonce, sealed } })));
    const store = new KeyStore(storage);
    expect(await store.open()).toEqual({ status: 'open' });
    expect(await store.load()).toBe('an older device');
    await store.protect('d1', passkey('first'), bytes(1));
    expect(await store.load()).toBe('an older device');
    expect(await opened(storage, 'first', bytes(1))).toBe('an older device');
  });

  it('keeps no usable key in a protected profile', async () => {
    const { storage } = await protected_profile();
    expect([...storage.values.keys()].sort()).toEqual(['lock', 'state']);
    const store = new KeyStore(storage);
    expect(await store.open()).toEqual({ status: 'locked', device: 'd1', protectors: [passkey('first')] });
    await expect(store.load()).rejects.toThrow('locked');
    await expect(store.save('other')).rejects.toThrow('locked');
  });

  it('opens with the protector’s own secret only', async () => {
    const { storage } = await protected_profile();
    const wrong = { code: 'wrong_protector' };
    await expect(opened(storage, 'first', bytes(2))).rejects.toEqual(wrong);
    await expect(opened(storage, 'other', bytes(1))).rejects.toEqual(wrong);
  });

  it('refuses a wrap that was moved to another protector', async () => {
    const { storage } = await protected_profile();
    const stored = structuredClone(storage.values.get('lock')) as { wraps: { id: string }[] };
    stored.wraps[0]!.id = 'other';
    storage.values.set('lock', stored);
    await expect(opened(storage, 'other', bytes(1))).rejects.toEqual({ code: 'wrong_protector' });
  });

  it('has several protectors, each of which opens it, and never none', async () => {
    const { storage, store } = await protected_profile();
    const by = { id: 'first', secret: bytes(1) };
    await store.add(passkey('second'), bytes(2), by);
    await store.add(pin('locker'), bytes(3), by);
    await store.save('a later state');
    for (const [id, n] of [
      ['first', 1],
      ['second', 2],
      ['locker', 3],
    ] as const)
      expect(await opened(storage, id, bytes(n))).toBe('a later state');
    await store.add(pin('locker 2'), bytes(4), by, 'locker');
    expect(store.protectors.map(({ id }) => id)).toEqual(['first', 'second', 'locker 2']);
    await store.remove('first');
    await store.remove('locker 2');
    await expect(opened(storage, 'first', bytes(1))).rejects.toEqual({ code: 'wrong_protector' });
    await expect(store.remove('second')).rejects.toEqual({ code: 'last_protector' });
    expect(await opened(storage, 'second', bytes(2))).toBe('a later state');
  });

  it('adds a protector only with the secret of another', async () => {
    const { store } = await protected_profile();
    const by = { id: 'first', secret: bytes(7) };
    await expect(store.add(passkey('evil'), bytes(2), by)).rejects.toEqual({ code: 'wrong_protector' });
    expect(store.protectors).toHaveLength(1);
  });

  it('limits the number of protectors', async () => {
    const { store } = await protected_profile();
    const by = { id: 'first', secret: bytes(1) };
    for (let n = 1; n < MAX_PROTECTORS; n++) await store.add(passkey(`${n}`), bytes(2), by);
    await expect(store.add(passkey('one more'), bytes(2), by)).rejects.toEqual({ code: 'too_many_protectors' });
  });

  it('saves a state that is written while the device is being protected', async () => {
    const storage = profile();
    const store = new KeyStore(storage);
    await store.save('before');
    await Promise.all([store.protect('d1', passkey('first'), bytes(1)), store.save('after')]);
    expect(await opened(storage, 'first', bytes(1))).toBe('after');
  });

  it('refuses what a newer version wrote', async () => {
    const storage = profile(new Map<string, unknown>([['lock', { version: 3, wraps: [] }]]));
    await expect(new KeyStore(storage).open()).rejects.toEqual({ code: 'keys_of_newer_version' });
  });

  it('is empty after it was erased', async () => {
    const { storage, store } = await protected_profile();
    await store.erase();
    expect(storage.values.size).toBe(0);
    expect(await new KeyStore(storage).open()).toEqual({ status: 'empty' });
  });
});
