import { describe, expect, it } from 'vitest';
import { FakeLockerOffice, type Failure } from '../fake/locker_office';
import { memory_storage } from '../fake/storage';
import { KeyStore, type Protector } from './key_store';
import { ProtectionWorker, type Presence, type ProtectionEnvironment } from './protection';

const bytes = (n: number) => new Uint8Array(32).fill(n);
const passkey: Protector = { kind: 'passkey', id: 'p', salt: bytes(9), rp_id: 'localhost', added_ms: 5 };
const touch = (n: number) => ({ is: 'passkey', opened: { id: 'p', secret: bytes(n) }, ticket: `touch ${n}` }) as const;
const typed = (pin: string): Presence => ({ is: 'pin', pin });

async function device(state = 'the device') {
  const storage = memory_storage();
  const office = new FakeLockerOffice();
  const tickets: string[] = [];
  const started: (string | undefined)[] = [];
  const stretched: string[] = [];
  const open_page = () => {
    const store = new KeyStore(storage);
    const environment: ProtectionEnvironment = {
      store,
      office,
      // Stands for Argon2id: the key is of the PIN alone and the proof is another value.
      stretch(pin, salt) {
        stretched.push(pin);
        return Uint8Array.from([...bytes(pin.length + salt[0]!), ...bytes(pin.charCodeAt(0))]);
      },
      device: () => 'd1',
      now_ms: () => 7,
      set_ticket: (ticket) => void tickets.push(ticket),
      start: async () => void started.push(await store.load()),
    };
    const worker = new ProtectionWorker(environment);
    const prove = async (by: Presence) => (await worker.handle({ do: 'prove', by }))!.handle;
    return {
      store,
      worker,
      prove,
      unlock: (by: Presence) => worker.handle({ do: 'unlock', by }),
      async set_pin(pin: string, by: Presence | null = null) {
        await worker.handle({ do: 'set_pin', pin, token: 't', proof: by && (await prove(by)) });
      },
      async add_passkey(by: Presence | null = null, n = 1, protector = passkey) {
        const proof = by && (await prove(by));
        await worker.handle({ do: 'add_passkey', protector, secret: bytes(n), proof });
        office.passkeys.add(protector.id);
      },
      tidy: () => worker.handle({ do: 'tidy', token: 't' }),
    };
  };
  const page = open_page();
  await page.store.save(state);
  return { ...page, office, tickets, started, stretched, open_page, storage };
}

describe('the protection of a device', () => {
  it('by a passkey opens with its secret and takes the ticket', async () => {
    const { add_passkey, open_page, started, tickets } = await device();
    await add_passkey();
    const { store, worker: again } = open_page();
    await store.open();
    await expect(again.handle({ do: 'unlock', by: touch(2) })).rejects.toEqual({ code: 'wrong_protector' });
    expect(started).toEqual([]);
    await again.handle({ do: 'unlock', by: touch(1) });
    expect([started, tickets.at(-1)]).toEqual([['the device'], 'touch 1']);
  });

  it('by a PIN needs the PIN and the office’s secret', async () => {
    const { set_pin, office, open_page, started } = await device();
    await set_pin('271828');
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
    const { worker, set_pin, office } = await device();
    await set_pin('271828');
    const salt = (worker as unknown as { environment: ProtectionEnvironment }).environment.store.protectors[0]!
      .salt[0]!;
    const key = btoa(String.fromCharCode(...bytes(6 + salt)));
    expect(office.received.length).toBeGreaterThan(2);
    for (const text of office.received) expect(text.includes(key) || text.includes('271828')).toBe(false);
  });

  it('ends when the office has erased its secret', async () => {
    const { set_pin, open_page } = await device();
    await set_pin('271828');
    const { store, worker: copy } = open_page();
    await store.open();
    const attempt = (pin: string) => copy.handle({ do: 'unlock', by: typed(pin) });
    for (let n = 0; n < 9; n++) await expect(attempt('999999')).rejects.toMatchObject({ code: 'pin_wrong' });
    for (const pin of ['999999', '271828']) await expect(attempt(pin)).rejects.toEqual({ code: 'pin_erased' });
  });

  it('is added to only by who is there', async () => {
    const { worker, store, prove, add_passkey, set_pin } = await device();
    await add_passkey();
    const another: Protector = { ...passkey, id: 'q' };
    const unproved = { do: 'add_passkey', protector: another, secret: bytes(2) } as const;
    for (const proof of [null, 1, 7])
      await expect(worker.handle({ ...unproved, proof })).rejects.toEqual({ code: 'not_confirmed' });
    await expect(add_passkey(touch(9), 2, another)).rejects.toEqual({ code: 'wrong_protector' });
    await expect(set_pin('271828')).rejects.toEqual({ code: 'not_confirmed' });
    await set_pin('271828', touch(1));
    await set_pin('314159', typed('271828'));
    expect(store.protectors.map(({ kind }) => kind)).toEqual(['passkey', 'pin']);
    const forgotten = await prove(touch(1));
    await worker.handle({ do: 'forget' });
    await expect(worker.handle({ ...unproved, proof: forgotten })).rejects.toEqual({ code: 'not_confirmed' });
    const replaced = await prove(touch(1));
    await prove(touch(1));
    await expect(worker.handle({ ...unproved, proof: replaced })).rejects.toEqual({ code: 'not_confirmed' });
  });

  it('tries a PIN once, however long what it confirms takes', async () => {
    const { set_pin, prove, worker, office, stretched } = await device();
    await set_pin('271828');
    [stretched.length, office.requests.length] = [0, 0];
    const proof = await prove(typed('271828'));
    expect([stretched.length, office.requests]).toEqual([1, ['open']]);
    await worker.handle({ do: 'set_pin', pin: '314159', token: 't', proof });
    expect([stretched, office.requests]).toEqual([
      ['271828', '314159'],
      ['open', 'make', 'open'],
    ]);
  });
});

const FAILURES: Failure[] = ['lost', 'committed'];
const STEPS = ['make', 'begin', 'open', 'store'] as const;
const CASES = STEPS.flatMap((step) => FAILURES.map((how) => [step, how] as const));

/** One step of setting a PIN fails: a request, or the first or second write. */
function interrupt(
  { office, storage }: Awaited<ReturnType<typeof device>>,
  step: (typeof STEPS)[number],
  how: Failure,
) {
  if (step === 'make' || step === 'open') return void (office.failing = { request: step, how });
  let writes = 0;
  storage.writing = (when) => {
    if (when === 'before') writes += 1;
    const this_one = writes === (step === 'begin' ? 1 : 2);
    if (this_one && when === (how === 'lost' ? 'before' : 'after')) throw new Error('killed');
  };
}

describe('setting a PIN that is interrupted', () => {
  it.each(CASES)('never locks the device out: %s, %s', async (step, how) => {
    const made = await device();
    const { office, started, tickets, storage, open_page } = made;
    interrupt(made, step, how);
    await expect(made.set_pin('271828')).rejects.toBeDefined();
    storage.writing = () => undefined;
    // The tab is gone. The office admits the device without a ticket only while it counts no protection.
    const next = open_page();
    const { status } = await next.store.open();
    if (status === 'locked' || office.protects) {
      if (office.protects) expect(status === 'locked' || next.store.begun_pins.length > 0).toBe(true);
      await expect(next.unlock(typed('999999'))).rejects.toMatchObject({ code: 'pin_wrong' });
      await next.unlock(typed('271828'));
      expect(tickets.at(-1)).toBe(office.ticket);
    } else {
      expect([status, await next.store.load()]).toEqual(['open', 'the device']);
      await next.set_pin('271828');
    }
    await next.store.save('a later state');
    const last = open_page();
    expect((await last.store.open()).status).toBe('locked');
    await last.unlock(typed('271828'));
    expect([started.at(-1), office.confirmed.length]).toEqual(['a later state', 1]);
  });

  it.each(CASES)('is finished, or done anew with another PIN, in the same page: %s, %s', async (step, how) => {
    for (const pin of ['271828', '314159']) {
      const made = await device();
      const { office, storage, open_page, started } = made;
      interrupt(made, step, how);
      await expect(made.set_pin('271828')).rejects.toBeDefined();
      storage.writing = () => undefined;
      // What was committed although it failed is known after a reload only.
      const stored = step === 'store' && how === 'committed';
      const page = stored ? open_page() : made;
      if (stored) {
        await page.store.open();
        await page.unlock(typed('271828'));
      }
      await page.set_pin(pin, stored ? typed('271828') : null);
      await page.tidy();
      expect(office.confirmed).toHaveLength(1);
      const last = open_page();
      await last.store.open();
      await last.unlock(typed(pin));
      expect(started.at(-1)).toBe('the device');
    }
  });

  it.each(CASES)('leaves nothing behind at the office of a protected device: %s, %s', async (step, how) => {
    for (const before of [null, '161803']) {
      const made = await device();
      const { office, storage, open_page } = made;
      await made.add_passkey();
      if (before) await made.set_pin(before, touch(1));
      interrupt(made, step, how);
      await expect(made.set_pin('271828', touch(1))).rejects.toBeDefined();
      storage.writing = () => undefined;
      for (const pin of ['271828', '314159', '141421']) {
        const next = open_page();
        await next.store.open();
        await next.unlock(touch(1));
        await next.tidy();
        const pins = next.store.protectors.filter(({ kind }) => kind === 'pin');
        expect([office.confirmed.length, next.store.unused]).toEqual([pins.length, []]);
        await next.set_pin(pin, touch(1));
      }
      const last = open_page();
      await last.store.open();
      await last.unlock(typed('141421'));
    }
  });

  it('is not undone by a removal at the office meanwhile', async () => {
    const { add_passkey, set_pin, office, worker, store, unlock } = await device();
    await add_passkey();
    const open = office.open.bind(office);
    office.open = async (locker, proof) => {
      const answer = await open(locker, proof);
      await worker.handle({ do: 'tidy', token: 't' });
      return answer;
    };
    await set_pin('271828', touch(1));
    expect([office.confirmed.length, store.unused]).toEqual([1, []]);
    await unlock(typed('271828'));
  });
});

describe('a protector that was removed', () => {
  it.each(FAILURES)('stays known until the office has removed it: %s', async (how) => {
    for (const kind of ['pin', 'passkey'] as const) {
      const { add_passkey, set_pin, store, worker, office, open_page, tidy } = await device();
      await add_passkey();
      await set_pin('271828', touch(1));
      const { id } = store.protectors.find((one) => one.kind === kind)!;
      office.failing = { request: 'remove', how };
      await worker.handle({ do: 'remove', id });
      await expect(tidy()).rejects.toEqual({ code: 'office_unreachable' });
      const next = open_page();
      await next.store.open();
      expect(next.store.unused).toEqual([{ kind, id }]);
      await next.unlock(kind === 'pin' ? touch(1) : typed('271828'));
      await next.tidy();
      expect([office.confirmed.length, office.passkeys.size]).toEqual(kind === 'pin' ? [0, 1] : [1, 0]);
      expect(next.store.unused).toEqual([]);
    }
  });

  it('that is the last one which the office has is not forgotten, unless another one signs in', async () => {
    const removed = { kind: 'passkey', id: 'p' };
    for (const lost of ['lockers', 'passkeys'] as const) {
      const { add_passkey, set_pin, office, open_page } = await device();
      await add_passkey();
      await set_pin('271828', touch(1));
      // The office was restored from a backup that is older than one of them.
      office[lost].clear();
      const next = open_page();
      await next.store.open();
      await next.unlock(lost === 'lockers' ? touch(1) : typed('271828'));
      await next.worker.handle({ do: 'remove', id: 'p' });
      await next.tidy();
      expect([office.protects, next.store.unused]).toEqual([true, lost === 'lockers' ? [removed] : []]);
    }
  });
});

describe('a passkey', () => {
  it('that is registered while the page ends is removed at the office, and the others stay', async () => {
    const { add_passkey, worker, office, open_page } = await device();
    await add_passkey();
    await worker.handle({ do: 'begin_passkey', id: 'q' });
    office.passkeys.add('q');
    const next = open_page();
    await next.store.open();
    await next.unlock(touch(1));
    await next.tidy();
    expect([[...office.passkeys], next.store.unused]).toEqual([['p'], []]);
  });

  it('that the office is not known to have is replaced by what is added, else not', async () => {
    for (const registered of [false, true]) {
      const { add_passkey, worker, store } = await device();
      await add_passkey();
      if (registered) await worker.handle({ do: 'registered', id: 'p', ticket: 't' });
      await add_passkey({ ...touch(1), ticket: null }, 2, { ...passkey, id: 'q' });
      expect(store.protectors.map(({ id }) => id)).toEqual(registered ? ['p', 'q'] : ['q']);
      expect(store.unused).toEqual(registered ? [] : [{ kind: 'passkey', id: 'p' }]);
    }
  });
});
