import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { IDLE_LOCK_MINUTES, type UserCommand } from './engine/contract';
import type { Host } from './engine/host';
import { KeyStore, MAX_PROTECTORS, type Protector } from './engine/key_store';
import type { PasskeyProtector } from './engine/passkeys';
import { problem_of, type Problem } from './engine/problem';
import { ProtectionWorker, type Protected } from './engine/protection';
import type { ProtectionOffice } from './engine/protection_office';
import { FakeLockerOffice } from './fake/locker_office';
import { page_storage, memory_storage } from './fake/storage';
import { Protection } from './protection.svelte';

const PIN = '271828';
const pin: Protector = { kind: 'pin', id: 'bG9ja2Vy', salt: new Uint8Array(32), added_ms: 5 };
const withdraw: UserCommand = { type: 'close_invitation', invitation: 'a'.repeat(32) };
const MINUTE = 60_000;
const IDLE_MS = IDLE_LOCK_MINUTES * MINUTE;
const REFUSED: Problem = { told: 'the passkey was not accepted' };
const AWAY: Problem = { code: 'office_unreachable' };

/** The person's authenticator: each passkey has one secret. */
const authenticator = { made: 0, touched: 0, touch: () => Promise.resolve('passkey-1') };

function credential(id: string) {
  const results = { first: new Uint8Array(32).fill(id.charCodeAt(id.length - 1)) };
  return {
    id,
    getClientExtensionResults: () => ({ prf: { enabled: true, results } }),
    toJSON: () => ({ id, rawId: id, type: 'public-key', response: {} }),
  };
}

beforeEach(() => {
  Object.assign(authenticator, { made: 0, touched: 0, touch: () => Promise.resolve('passkey-1') });
  vi.spyOn(console, 'error').mockImplementation(() => undefined);
  vi.stubGlobal('localStorage', page_storage());
  vi.stubGlobal('sessionStorage', page_storage());
  vi.stubGlobal('PublicKeyCredential', {
    parseCreationOptionsFromJSON: (options: object) => ({ ...options }),
    parseRequestOptionsFromJSON: (options: object) => ({ ...options }),
  });
  vi.stubGlobal('navigator', {
    credentials: {
      create: async () => credential(`passkey-${++authenticator.made}`),
      async get() {
        authenticator.touched++;
        return credential(await authenticator.touch());
      },
    },
  });
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** A page of a device. `storage` and `lockers`: of the page before. */
async function page({ storage = memory_storage(), lockers = new FakeLockerOffice(), required = false } = {}) {
  const store = new KeyStore(storage);
  if ((await store.open()).status === 'empty') await store.save('the device');
  const stretched: string[] = [];
  const worker = new ProtectionWorker({
    store,
    office: lockers,
    stretch(pin) {
      stretched.push(pin);
      return new Uint8Array(64).fill(pin.charCodeAt(0));
    },
    device: () => 'd',
    now_ms: () => 7,
    set_ticket: () => undefined,
    start: async () => undefined,
  });
  const how = (): Protected => ({ protectors: store.protectors, begun: store.begun_pins.length > 0 });
  const host = {
    async protection(request: Parameters<Host['protection']>[0]) {
      try {
        const proof = await worker.handle(request);
        return { ...how(), proof };
      } catch (error) {
        throw problem_of(error);
      }
    },
  };
  const asked: unknown = { ceremony: 'c', options: { rp: { id: 'localhost' }, rpId: 'localhost' } };
  const office = {
    policy: vi.fn<ProtectionOffice['policy']>(async () => ({ required })),
    begin_registration: vi.fn(async () => asked as never),
    register: vi.fn(async (_token: string, _ceremony: string, { id }: { id?: string }) => {
      lockers.passkeys.add(id!);
      return 'ticket';
    }),
    challenge: vi.fn(async () => asked as never),
    assertion: vi.fn<ProtectionOffice['assertion']>(async (_ceremony, used) =>
      lockers.passkeys.has((used as { id: string }).id) ? 'ticket' : null,
    ),
  };
  const reload = vi.fn();
  const clock = { now: 0 };
  const protection = new Protection(
    () => host as unknown as Host,
    office,
    () => 'token',
    reload,
    () => clock.now,
  );
  protection.known('d', how());
  const commands: UserCommand[] = [];
  const cancelled: Problem[] = [];
  const command = (one: UserCommand) =>
    protection.confirmed_first(
      one,
      (sent) => void commands.push(sent),
      (why) => void cancelled.push(why),
    );
  return {
    protection,
    store,
    office,
    lockers,
    reload,
    clock,
    stretched,
    commands,
    cancelled,
    command,
    /** The page that is loaded after this one. */
    next: () => page({ storage, lockers, required }),
  };
}

async function with_pin() {
  const made = await page();
  expect(await made.protection.set_pin(PIN)).toBe(true);
  return made;
}

async function with_passkey() {
  authenticator.made = 0;
  const made = await page();
  expect(await made.protection.add_passkey()).toBe(true);
  return made;
}

const asks = (protection: Protection) => vi.waitFor(() => expect(protection.dialog?.is).toBe('confirm'));

describe('a dangerous command', () => {
  it('waits for a confirmation that is older than the office’s limit, and is then sent', async () => {
    const { protection, command, commands, clock } = await with_pin();
    command(withdraw);
    expect(commands, 'the PIN was just set').toEqual([withdraw]);
    clock.now += 5 * MINUTE;
    command(withdraw);
    await asks(protection);
    expect([protection.dialog, commands.length]).toEqual([{ is: 'confirm', why: 'office' }, 1]);
    await protection.answer('999999');
    expect([protection.problem, commands.length]).toEqual([{ code: 'pin_wrong', count: 9 }, 1]);
    await protection.answer(PIN);
    await vi.waitFor(() => expect(commands).toHaveLength(2));
    expect([protection.dialog, protection.problem]).toEqual([null, null]);
  });

  it('is not sent if the person closes the dialog, and its sender gets the reason', async () => {
    const { protection, command, commands, cancelled, clock } = await with_pin();
    clock.now += 5 * MINUTE;
    command(withdraw);
    await asks(protection);
    protection.close_dialog();
    await vi.waitFor(() => expect(cancelled).toEqual([{ code: 'not_confirmed' }]));
    expect([protection.dialog, commands]).toEqual([null, []]);
  });

  it('is not sent after a touch that the office did not see', async () => {
    for (const [answer, problem] of [
      [() => Promise.reject(AWAY), AWAY],
      [() => Promise.reject(REFUSED), { code: 'passkey_unknown' }],
      [() => Promise.resolve(null), { code: 'passkey_unknown' }],
    ] as const) {
      const { protection, office, command, commands, clock } = await with_passkey();
      clock.now += 5 * MINUTE;
      office.assertion.mockImplementationOnce(answer);
      command(withdraw);
      await asks(protection);
      expect([protection.problem, commands]).toEqual([problem, []]);
      command(withdraw);
      await vi.waitFor(() => expect(commands, 'a touch that it saw').toEqual([withdraw]));
    }
  });

  it('is sent at once from an unprotected device, and others always', async () => {
    const unprotected = await page();
    unprotected.command(withdraw);
    expect(unprotected.commands).toEqual([withdraw]);
    const { command, commands, clock } = await with_pin();
    clock.now += 5 * MINUTE;
    command({ type: 'hang_up' });
    expect(commands).toEqual([{ type: 'hang_up' }]);
  });
});

describe('a PIN that was typed once', () => {
  it('is tried once by each thing that it confirms', async () => {
    const { protection, stretched, lockers, command, commands, clock } = await with_pin();
    const tried = async (work: () => unknown) => {
      [stretched.length, lockers.requests.length] = [0, 0];
      clock.now += 5 * MINUTE;
      const done = work();
      await asks(protection);
      await protection.answer(PIN);
      await done;
      return [stretched, lockers.requests.filter((request) => request === 'open').length];
    };
    expect(await tried(() => command(withdraw))).toEqual([[PIN], 1]);
    await vi.waitFor(() => expect(commands).toEqual([withdraw]));
    expect(await tried(() => protection.add_passkey())).toEqual([[PIN], 1]);
    protection.protectors = protection.protectors.filter(({ kind }) => kind === 'pin');
    expect(await tried(() => protection.change_pin())).toEqual([[PIN], 1]);
    expect(protection.dialog).toEqual({ is: 'new_pin' });
    stretched.length = 0;
    await protection.set_pin('314159');
    expect([stretched, protection.problem]).toEqual([['314159'], null]);
  });
});

describe('unlocking', () => {
  it.each([
    ['cannot be reached', () => Promise.reject(AWAY), 'opened_without_office'],
    ['does not answer in time', () => Promise.reject({ code: 'no_answer', status: 504 }), 'opened_without_office'],
    ['refuses the passkey', () => Promise.reject(REFUSED), 'passkey_unknown'],
    ['knows no passkey of this device', () => Promise.resolve(null), 'passkey_unknown'],
  ] as const)('opens the keys when the office %s, and says why it is asked for again', async (_, answer, code) => {
    const { protection, office, store, reload, next } = await with_passkey().then(({ next }) => next());
    expect(await store.open()).toMatchObject({ status: 'locked' });
    office.assertion.mockImplementationOnce(answer);
    expect(await protection.unlock()).toBe(true);
    expect(await store.load()).toBe('the device');
    protection.lock_for_office();
    expect(reload).toHaveBeenCalledOnce();
    const then = await next();
    then.protection.locked();
    expect(then.protection.problem).toEqual({ code });
    const later = await next();
    later.protection.locked();
    expect(later.protection.problem, 'it is shown once').toBeNull();
  });

  it('without a challenge opens the keys, and is no confirmation', async () => {
    const { protection, office, command, commands, clock } = await with_passkey().then(({ next }) => next());
    clock.now += 5 * MINUTE;
    office.challenge.mockRejectedValue(AWAY);
    expect(await protection.unlock()).toBe(true);
    command(withdraw);
    await asks(protection);
    expect([protection.problem, commands]).toEqual([AWAY, []]);
  });

  it('that the office asks for by itself is explained', async () => {
    const { protection, next } = await with_pin();
    protection.lock_for_office();
    const then = await next();
    then.protection.locked();
    expect(then.protection.problem).toEqual({ code: 'unlock_again' });
  });
});

describe('adding a passkey', () => {
  it('makes none in the authenticator where no more fit', async () => {
    const { protection } = await with_pin();
    protection.protectors = Array.from({ length: MAX_PROTECTORS }, () => pin);
    expect(await protection.add_passkey()).toBe(false);
    expect([protection.problem, authenticator.made]).toEqual([{ code: 'too_many_protectors' }, 0]);
  });

  it('as the first one that the office did not register says so, and another one takes its place', async () => {
    const { protection, office, store, lockers } = await page();
    office.register.mockRejectedValueOnce(AWAY);
    expect(await protection.add_passkey()).toBe(false);
    expect([protection.problem, store.protectors.map(({ id }) => id)]).toEqual([
      { code: 'not_registered' },
      ['passkey-1'],
    ]);
    expect(await protection.add_passkey()).toBe(true);
    expect([store.protectors.map(({ id }) => id), [...lockers.passkeys]]).toEqual([['passkey-2'], ['passkey-2']]);
  });

  it('as a further one that the office did not register leaves nothing behind', async () => {
    for (const committed of [false, true]) {
      const { protection, office, store, lockers, next } = await with_passkey();
      office.register.mockImplementationOnce(async () => {
        if (committed) lockers.passkeys.add('passkey-2');
        throw AWAY;
      });
      expect(await protection.add_passkey()).toBe(false);
      expect(protection.problem).toEqual({ code: 'passkey_not_added' });
      expect(store.protectors.map(({ id }) => id)).toEqual(['passkey-1']);
      // The office may have it: it is removed there, once this page has ended.
      expect(store.unused).toEqual([{ kind: 'passkey', id: 'passkey-2' }]);
      const then = await next();
      await then.protection.unlock();
      await then.protection.signed_in();
      expect([...lockers.passkeys]).toEqual(['passkey-1']);
    }
  });
});

describe('removing a protector', () => {
  it('that the office does not confirm says so, and is repeated at the next sign-in', async () => {
    const { protection, lockers, next } = await with_passkey();
    await protection.set_pin(PIN);
    lockers.failing = { request: 'remove', how: 'lost' };
    const passkey = protection.protectors.find((one): one is PasskeyProtector => one.kind === 'passkey')!;
    expect(await protection.remove(passkey)).toBe(false);
    expect([protection.problem, [...lockers.passkeys]]).toEqual([{ code: 'not_removed_at_office' }, ['passkey-1']]);
    const then = await next();
    expect(then.protection.protectors.map(({ kind }) => kind)).toEqual(['pin']);
    await then.protection.unlock_with_pin(PIN);
    await then.protection.signed_in();
    expect([[...lockers.passkeys], then.store.unused]).toEqual([[], []]);
  });

  it('needs a touch that the office saw', async () => {
    const { protection, office, store } = await with_passkey();
    await protection.add_passkey();
    office.assertion.mockRejectedValueOnce(AWAY);
    const removing = protection.remove(protection.protectors[0]!);
    await asks(protection);
    expect(protection.dialog).toEqual({ is: 'confirm', why: 'own' });
    protection.close_dialog();
    expect([await removing, store.protectors.length]).toEqual([false, 2]);
  });
});

describe('a protected device', () => {
  it('locks itself when nobody has used it for hours, not during a call, and not if it is unprotected', async () => {
    const { protection, reload, clock } = await with_pin();
    clock.now += IDLE_MS - 1;
    protection.tick(false);
    expect(reload).not.toHaveBeenCalled();
    protection.used();
    clock.now += IDLE_MS;
    protection.tick(true);
    expect(reload).not.toHaveBeenCalled();
    clock.now += IDLE_MS - 1;
    protection.tick(false);
    expect(reload, 'the time begins when the call is over').not.toHaveBeenCalled();
    clock.now += 1;
    protection.tick(false);
    expect(reload).toHaveBeenCalledOnce();
    const unprotected = await page();
    unprotected.clock.now += IDLE_MS;
    unprotected.protection.tick(false);
    expect(unprotected.reload).not.toHaveBeenCalled();
  });

  it('locks itself after the minutes that the office wants', async () => {
    const { protection, office, reload, clock } = await with_pin();
    const devices = { version: 1, everybody: { idle_lock_minutes: 5 } };
    office.policy.mockResolvedValueOnce({ required: false, devices });
    await protection.read_policy();
    clock.now += 5 * MINUTE - 1;
    protection.tick(false);
    expect(reload).not.toHaveBeenCalled();
    clock.now += 1;
    protection.tick(false);
    expect(reload).toHaveBeenCalledOnce();
  });
});

describe('the offer to protect a device', () => {
  it('is always made where the office requires it', async () => {
    const { protection } = await page({ required: true });
    await protection.read_policy();
    protection.not_now();
    expect([protection.required, protection.offered]).toEqual([true, true]);
    await protection.set_pin(PIN);
    expect(protection.offered).toBe(false);
  });

  it('is made until the office has said that it does not require it, and it is asked again until then', async () => {
    const { protection, office, clock } = await page();
    protection.not_now();
    office.policy.mockRejectedValueOnce(AWAY).mockRejectedValueOnce(AWAY);
    await protection.read_policy();
    expect([protection.required, protection.offered], 'a failure lets nobody go on').toEqual([null, true]);
    for (const expected of [null, false]) {
      clock.now += 4_999;
      protection.tick(false);
      clock.now += 1;
      protection.tick(false);
      await vi.waitFor(() => expect(protection.required).toBe(expected));
    }
    expect([protection.offered, office.policy.mock.calls.length]).toEqual([false, 3]);
    clock.now += 60 * MINUTE;
    protection.tick(false);
    expect(office.policy).toHaveBeenCalledTimes(3);
  });

  it('is made anew once the person’s role is known, where the office requires it of that role', async () => {
    const { protection, office } = await page();
    protection.not_now();
    const devices = { version: 1, everybody: {}, roles: { auditor: { protection: true } } };
    office.policy.mockResolvedValueOnce({ required: false, devices });
    const offered: boolean[] = [];
    protection.policy_known = () => void offered.push(protection.offered);
    await protection.read_policy();
    protection.role_known('auditor');
    expect(offered).toEqual([false, true]);
  });

  it('stays as the office said last while it cannot be asked', async () => {
    for (const required of [true, false]) {
      const before = await page({ required });
      before.protection.not_now();
      await before.protection.read_policy();
      const { protection, office } = await before.next();
      office.policy.mockRejectedValue(AWAY);
      await protection.read_policy();
      expect([protection.required, protection.offered]).toEqual([required, required]);
    }
  });
});
