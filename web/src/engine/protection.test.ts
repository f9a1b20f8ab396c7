import { describe, expect, it } from 'vitest';
import type { LockerAnswer } from './contract';
import { KeyStore, type Protector } from './key_store';
import { ProtectionWorker, sha256_hex, type ProtectionEnvironment } from './protection';

const bytes = (n: number) => new Uint8Array(32).fill(n);
const passkey: Protector = { kind: 'passkey', id: 'p', salt: bytes(9), rp_id: 'localhost', added_ms: 5 };
const touch = (n: number) => ({ is: 'passkey', opened: { id: 'p', secret: bytes(n) }, ticket: `touch ${n}` }) as const;
const as_bytes = (text: string) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

/** An office that keeps lockers as the real one does, with ten attempts. */
class FakeOffice {
  lockers = new Map<string, { proof: string; secret: Uint8Array | null; failures: number }>();
  received: string[] = [];

  async make(_token: string, locker: string, proof: string): Promise<void> {
    this.received.push(locker, proof);
    this.lockers.set(locker, { proof, secret: crypto.getRandomValues(new Uint8Array(32)), failures: 0 });
  }

  async open(locker: string, proof: string): Promise<LockerAnswer> {
    this.received.push(locker, proof);
    const found = this.lockers.get(await sha256_hex(as_bytes(locker)));
    if (!found?.secret) return { state: 'erased' };
    if (found.proof !== (await sha256_hex(as_bytes(proof)))) {
      if (++found.failures === 10) found.secret = null;
      return found.secret ? { state: 'wrong', attempts_left: 10 - found.failures, wait_ms: 0 } : { state: 'erased' };
    }
    return { state: 'opened', secret: btoa(String.fromCharCode(...found.secret)), ticket: `pin ${this.lockers.size}` };
  }
}

async function device(state = 'the device') {
  const values = new Map<string, unknown>();
  const storage = {
    get: async (name: string) => values.get(name),
    async put(changed: Record<string, unknown>) {
      for (const [name, value] of Object.entries(changed)) {
        if (value === undefined) values.delete(name);
        else values.set(name, value);
      }
    },
    clear: async () => values.clear(),
  };
  const office = new FakeOffice();
  const tickets: string[] = [];
  const started: (string | undefined)[] = [];
  const open_page = () => {
    const store = new KeyStore(storage);
    const environment: ProtectionEnvironment = {
      store,
      office,
      // Stands for Argon2id: the key is of the PIN alone and the proof is another value.
      stretch: (pin, salt) => Uint8Array.from([...bytes(pin.length + salt[0]!), ...bytes(pin.charCodeAt(0))]),
      device: () => 'd1',
      now_ms: () => 7,
      set_ticket: (ticket) => void tickets.push(ticket),
      start: async () => void started.push(await store.load()),
    };
    return { store, worker: new ProtectionWorker(environment) };
  };
  const { store, worker } = open_page();
  await store.save(state);
  return { store, worker, office, tickets, started, open_page, values };
}

describe('the protection of a device', () => {
  it('by a passkey opens with its secret and takes the ticket', async () => {
    const { worker, open_page, started, tickets } = await device();
    await worker.handle({ do: 'add_passkey', protector: passkey, secret: bytes(1), by: null });
    const { store, worker: again } = open_page();
    await store.open();
    await expect(again.handle({ do: 'unlock', by: touch(2) })).rejects.toEqual({ code: 'wrong_protector' });
    expect(started).toEqual([]);
    await again.handle({ do: 'unlock', by: touch(1) });
    expect([started, tickets.at(-1)]).toEqual([['the device'], 'touch 1']);
  });

  it('by a PIN needs the PIN and the office’s secret', async () => {
    const { worker, office, open_page, started } = await device();
    await worker.handle({ do: 'set_pin', pin: '271828', token: 't', by: null });
    const { store, worker: again } = open_page();
    await store.open();
    await expect(again.handle({ do: 'unlock', by: { is: 'pin', pin: '999999' } })).rejects.toEqual({
      code: 'pin_wrong',
      count: 9,
    });
    await again.handle({ do: 'unlock', by: { is: 'pin', pin: '271828' } });
    expect(started).toEqual(['the device']);
    // Without the office's secret the right PIN opens nothing.
    for (const locker of office.lockers.values()) locker.secret = bytes(0);
    const { store: third, worker: without } = open_page();
    await third.open();
    await expect(without.handle({ do: 'unlock', by: { is: 'pin', pin: '271828' } })).rejects.toEqual({
      code: 'wrong_protector',
    });
  });

  it('gives the office neither the PIN nor the key that is made of it', async () => {
    const { worker, office } = await device();
    await worker.handle({ do: 'set_pin', pin: '271828', token: 't', by: null });
    const salt = (worker as unknown as { environment: ProtectionEnvironment }).environment.store.protectors[0]!
      .salt[0]!;
    const key = btoa(String.fromCharCode(...bytes(6 + salt)));
    expect(office.received.length).toBeGreaterThan(2);
    for (const text of office.received) expect(text.includes(key) || text.includes('271828')).toBe(false);
  });

  it('ends when the office has erased its secret', async () => {
    const { worker, open_page } = await device();
    await worker.handle({ do: 'set_pin', pin: '271828', token: 't', by: null });
    const { store, worker: copy } = open_page();
    await store.open();
    const attempt = (pin: string) => copy.handle({ do: 'unlock', by: { is: 'pin', pin } });
    for (let n = 0; n < 9; n++) await expect(attempt('999999')).rejects.toMatchObject({ code: 'pin_wrong' });
    for (const pin of ['999999', '271828']) await expect(attempt(pin)).rejects.toEqual({ code: 'pin_erased' });
  });

  it('is added to only by who is there', async () => {
    const { worker, store } = await device();
    await worker.handle({ do: 'add_passkey', protector: passkey, secret: bytes(1), by: null });
    const another: Protector = { ...passkey, id: 'q' };
    const add = (by: Parameters<typeof worker.handle>[0] & { do: 'add_passkey' }) => worker.handle(by);
    await expect(add({ do: 'add_passkey', protector: another, secret: bytes(2), by: null })).rejects.toEqual({
      code: 'not_confirmed',
    });
    await expect(add({ do: 'add_passkey', protector: another, secret: bytes(2), by: touch(9) })).rejects.toEqual({
      code: 'wrong_protector',
    });
    await expect(worker.handle({ do: 'set_pin', pin: '271828', token: 't', by: null })).rejects.toEqual({
      code: 'not_confirmed',
    });
    await worker.handle({ do: 'set_pin', pin: '271828', token: 't', by: touch(1) });
    await worker.handle({ do: 'set_pin', pin: '314159', token: 't', by: { is: 'pin', pin: '271828' } });
    expect(store.protectors.map(({ kind }) => kind)).toEqual(['passkey', 'pin']);
  });
});
