// What the page does for the protection of this device: protect it, unlock it, confirm dangerous commands, lock it.

import { CONFIRMATION_MAX_AGE_MS, type UserCommand } from './engine/contract';
import type { Host } from './engine/host';
import type { Protector } from './engine/key_store';
import {
  create_passkey,
  local_options,
  passkeys_supported,
  use_passkey,
  type PasskeyProtector,
} from './engine/passkeys';
import { problem_of, type Problem } from './engine/problem';
import { locker_sha256, type Presence } from './engine/protection';
import type { ProtectionOffice } from './engine/protection_office';

/** How long before the office's limit a command is confirmed anew, milliseconds: the way there takes time. */
const CONFIRMATION_MARGIN_MS = 30_000;
/**
 * After how long without a key press or touch the device locks itself, milliseconds. A locked device does not ring, so it is hours:
 * longer than a morning without a call.
 */
export const LOCK_AFTER_IDLE_MS = 4 * 60 * 60 * 1000;
/** That the person chose not to protect this device now. */
const LATER = 'telcon.protect_later';

/** Commands that the office takes from a protected device only with a recent confirmation. */
const DANGEROUS: readonly UserCommand['type'][] = ['invite', 'close_invitation', 'approve_device', 'revoke_device'];

/** What a dialog asks for. */
export type ProtectionDialog =
  /** A dangerous command waits for the person's presence. */
  | { is: 'confirm' }
  /** A new PIN, once the person has proved their presence. */
  | { is: 'new_pin' };

interface Waiting {
  resolve: (by: Presence) => void;
  reject: (problem: Problem) => void;
}

export class Protection {
  protectors = $state.raw<Protector[]>([]);
  /** Whether the office lets nobody go on unprotected; `null` until it has said so. */
  required = $state<boolean | null>(null);
  busy = $state(false);
  problem = $state.raw<Problem | null>(null);
  dialog = $state.raw<ProtectionDialog | null>(null);
  /** The person chose the PIN on a screen that offers both. */
  with_pin = $state(false);
  readonly has_passkey = $derived(this.protectors.some(({ kind }) => kind === 'passkey'));
  readonly has_pin = $derived(this.protectors.some(({ kind }) => kind === 'pin'));
  /** Whether this browser can make passkeys. Scenes set it. */
  passkeys = $state(passkeys_supported());
  /** This device's identifier. */
  device: string | null = null;
  #confirmed_at = -Infinity;
  #used_at = 0;
  #waiting: Waiting | null = null;

  constructor(
    private readonly host: () => Host,
    private readonly office: ProtectionOffice,
    private readonly token: () => string | null,
    /** Locks: the worker and what it holds in memory end with the page. */
    private readonly reload: () => void = () => location.reload(),
    /** Milliseconds of a monotonic clock. */
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** What the worker says of this device. */
  known(device: string, protectors: Protector[]): void {
    if (device) this.device = device;
    this.protectors = protectors;
    this.used();
  }

  /** Whether the screen after enrolment is shown at a start: once, or always if the office wants it. */
  get offered(): boolean {
    return this.protectors.length === 0 && (this.required === true || !is_later());
  }

  async read_policy(): Promise<void> {
    try {
      this.required = (await this.office.policy()).required;
    } catch {
      this.required = false;
    }
  }

  not_now(): void {
    set_later();
  }

  /** Makes a passkey that protects this device, or a further one. */
  async add_passkey(): Promise<boolean> {
    return this.#work(async () => {
      const by = this.protectors.length > 0 ? await this.presence() : null;
      const token = this.#token();
      if (by) await this.host().protection({ do: 'confirm', by });
      const { ceremony, options } = await this.office.begin_registration(token);
      const creation = options as unknown as PublicKeyCredentialCreationOptionsJSON;
      const { protector, touch } = await create_passkey(creation, Date.now());
      // First here: a passkey that the office knows and this device does not would lock the device out.
      this.protectors = await this.host().protection({ do: 'add_passkey', protector, secret: touch.secret, by });
      const ticket = await this.office.register(token, ceremony, touch.credential);
      await this.host().protection({ do: 'ticket', ticket });
      this.#confirmed();
    });
  }

  /** Protects this device by a PIN, or replaces the one before. */
  async set_pin(pin: string): Promise<boolean> {
    return this.#work(async () => {
      const before = this.protectors.find(({ kind }) => kind === 'pin');
      const by = this.#presence ?? (this.protectors.length > 0 ? await this.presence() : null);
      this.protectors = await this.host().protection({ do: 'set_pin', pin, token: this.#token(), by });
      this.#confirmed();
      this.#presence = null;
      this.dialog = null;
      if (before)
        await this.office.remove(this.#token(), { kind: 'locker', locker_sha256: await locker_sha256(before.id) });
    });
  }

  /** Asks for a new PIN after the person proved their presence. */
  async change_pin(): Promise<void> {
    await this.#work(async () => {
      this.#presence = await this.presence();
      this.dialog = { is: 'new_pin' };
    });
  }
  #presence: Presence | null = null;

  /** Removes a protector, here first: what the office still knows is of no use without it. */
  async remove(protector: Protector): Promise<boolean> {
    return this.#work(async () => {
      await this.host().protection({ do: 'confirm', by: await this.presence() });
      this.#confirmed();
      this.protectors = await this.host().protection({ do: 'remove', id: protector.id });
      const which =
        protector.kind === 'passkey'
          ? ({ kind: 'passkey', credential: protector.id } as const)
          : ({ kind: 'locker', locker_sha256: await locker_sha256(protector.id) } as const);
      await this.office.remove(this.#token(), which);
    });
  }

  /** Opens this device's keys with a passkey. */
  async unlock(): Promise<boolean> {
    return this.#work(async () => this.#unlock(await this.#touch()));
  }

  async unlock_with_pin(pin: string): Promise<boolean> {
    return this.#work(() => this.#unlock({ is: 'pin', pin }));
  }

  async #unlock(by: Presence): Promise<void> {
    this.protectors = await this.host().protection({ do: 'unlock', by });
    this.#confirmed();
  }

  /** Forgets the opened keys. */
  lock(): void {
    this.reload();
  }

  /** A key was pressed, or the screen touched. */
  used(): void {
    this.#used_at = this.now();
  }

  /** Called every second. `in_call`: it does not lock during a call. */
  tick(in_call: boolean): void {
    if (in_call) return this.used();
    if (this.protectors.length > 0 && this.now() - this.#used_at >= LOCK_AFTER_IDLE_MS) this.lock();
  }

  /** The same host, whose dangerous commands wait until the person has confirmed them. */
  guarded(host: Host): Host {
    return {
      ...host,
      command: (command) => {
        if (this.protectors.length === 0 || !DANGEROUS.includes(command.type)) return host.command(command);
        this.confirm().then(
          () => host.command(command),
          () => undefined,
        );
      },
    };
  }

  /** Has the person confirm that they are there, unless they did so lately. */
  async confirm(): Promise<void> {
    if (this.now() - this.#confirmed_at < CONFIRMATION_MAX_AGE_MS - CONFIRMATION_MARGIN_MS) return;
    await this.host().protection({ do: 'confirm', by: await this.presence() });
    this.#confirmed();
    this.dialog = null;
  }

  /** Proof that the person is there: a touch, or the PIN that a dialog asks for. */
  async presence(): Promise<Presence> {
    if (this.has_passkey) {
      try {
        return await this.#touch();
      } catch (error) {
        // The dialog says why, and offers the PIN if there is one.
        this.problem = problem_of(error);
      }
    }
    this.#waiting?.reject({ code: 'not_confirmed' });
    this.dialog = { is: 'confirm' };
    return new Promise((resolve, reject) => (this.#waiting = { resolve, reject }));
  }

  /** The dialog's answer. */
  async answer(pin: string | null): Promise<void> {
    this.problem = null;
    try {
      const by: Presence = pin === null ? await this.#touch() : { is: 'pin', pin };
      // A wrong PIN is asked for again.
      if (pin !== null) await this.host().protection({ do: 'confirm', by });
      const waiting = this.#waiting;
      this.#waiting = null;
      this.dialog = null;
      waiting?.resolve(by);
    } catch (error) {
      this.problem = problem_of(error);
    }
  }

  close_dialog(): void {
    this.dialog = null;
    this.problem = null;
    this.#presence = null;
    this.#waiting?.reject({ code: 'not_confirmed' });
    this.#waiting = null;
  }

  /** One touch: the key's secret for the worker, and a ticket if the office can be reached. */
  async #touch(): Promise<Presence> {
    const passkeys = this.protectors.filter((one): one is PasskeyProtector => one.kind === 'passkey');
    const rp_id = passkeys[0]?.rp_id;
    if (rp_id === undefined || this.device === null) throw { code: 'wrong_protector' } satisfies Problem;
    const asked = await this.office.challenge(this.device).catch(() => null);
    const options =
      (asked?.options as unknown as PublicKeyCredentialRequestOptionsJSON | undefined) ?? local_options(rp_id);
    const { id, secret, credential } = await use_passkey({ ...options, rpId: rp_id }, passkeys);
    const ticket = asked && (await this.#ticket(asked.ceremony, credential));
    return { is: 'passkey', opened: { id, secret }, ticket };
  }

  async #ticket(ceremony: string, credential: object): Promise<string | null> {
    try {
      return await this.office.assertion(ceremony, credential);
    } catch (error) {
      const problem = problem_of(error);
      // The keys open without the office; it will ask again when it is back.
      if ('code' in problem && (problem.code === 'no_answer' || problem.code === 'unavailable')) return null;
      throw problem;
    }
  }

  #token(): string {
    const token = this.token();
    if (token === null) throw { code: 'office_unreachable' } satisfies Problem;
    return token;
  }

  #confirmed(): void {
    this.#confirmed_at = this.now();
    this.used();
  }

  async #work(work: () => Promise<void>): Promise<boolean> {
    if (this.busy) return false;
    this.busy = true;
    this.problem = null;
    try {
      await work();
      return true;
    } catch (error) {
      this.problem = problem_of(error);
      return false;
    } finally {
      this.busy = false;
    }
  }
}

function is_later(): boolean {
  try {
    return localStorage.getItem(LATER) !== null;
  } catch {
    return false;
  }
}

function set_later(): void {
  try {
    localStorage.setItem(LATER, '1');
  } catch {
    // Storage is unavailable: the screen is shown again at the next start.
  }
}
