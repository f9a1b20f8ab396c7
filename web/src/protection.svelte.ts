// What the page does for the protection of this device: protect it, unlock it, confirm dangerous commands, lock it.

import {
  CONFIRMATION_MAX_AGE_MS,
  NEED_CONFIRMATION,
  type ProtectionPolicy,
  type Role,
  type UserCommand,
} from './engine/contract';
import { idle_lock_ms, requires_protection } from './engine/device_rules';
import type { Host } from './engine/host';
import { MAX_PROTECTORS, type Protector } from './engine/key_store';
import {
  create_passkey,
  local_options,
  passkeys_supported,
  use_passkey,
  type PasskeyProtector,
} from './engine/passkeys';
import { is_retryable, problem_of, type Problem, type ProblemCode } from './engine/problem';
import type { Presence, Proof, Protected, ProtectionRequest } from './engine/protection';
import type { ProtectionOffice } from './engine/protection_office';
import * as memory from './engine/protection_memory';

/** How long before the office's limit a command is confirmed anew, milliseconds: the way there takes time. */
const CONFIRMATION_MARGIN_MS = 30_000;
/** How often the office is asked for its policy until it answers, milliseconds. */
const POLICY_INTERVAL_MS = 5_000;

/** What a dialog asks for. */
export type ProtectionDialog =
  /** The person's presence is needed: a dangerous command waits for it, or a change of this device's own protection. */
  | { is: 'confirm'; why: 'office' | 'own' }
  /** A new PIN, once the person has proved their presence. */
  | { is: 'new_pin' };

interface Waiting {
  resolve: (proof: Proof) => void;
  reject: (problem: Problem) => void;
  needs_ticket: boolean;
}

export class Protection {
  protectors = $state.raw<Protector[]>([]);
  /** A PIN may protect this device at the office whose setting was interrupted here: unlocking with it ends that. */
  begun = $state(false);
  /** Whether the office lets nobody go on unprotected, as it said last; `null` until it has said so. */
  required = $state<boolean | null>(memory.required());
  /** What the office wants, once it has said so. */
  policy = $state.raw<ProtectionPolicy | null>(null);
  #role: Role | null = null;
  busy = $state(false);
  /** The dialog's answer is being tried. */
  answering = $state(false);
  problem = $state.raw<Problem | null>(null);
  dialog = $state.raw<ProtectionDialog | null>(null);
  /** The person chose the PIN on a screen that offers both. */
  with_pin = $state(false);
  readonly has_passkey = $derived(this.protectors.some(({ kind }) => kind === 'passkey'));
  readonly has_pin = $derived(this.protectors.some(({ kind }) => kind === 'pin'));
  readonly opens_with_pin = $derived(this.has_pin || (this.begun && this.protectors.length === 0));
  /** Whether this browser can make passkeys. Scenes set it. */
  passkeys = $state(passkeys_supported());
  /** This device's identifier. */
  device: string | null = null;
  #confirmed_at = -Infinity;
  #used_at = 0;
  #waiting: Waiting | null = null;
  /** Proved for a PIN that is still to be chosen. */
  #proof: Proof | null = null;
  /** Why the last touch gave no ticket. */
  #no_ticket: Problem | null = null;
  /** Whether the policy is wanted and was not read yet, and when it was asked for last. */
  #wants_policy = false;
  #policy_asked_at = -Infinity;

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
  known(device: string, { protectors, begun }: Protected): void {
    if (device) this.device = device;
    this.protectors = protectors;
    this.begun = begun;
    this.used();
  }

  /** The keys are locked. A page that locked itself left the reason. */
  locked(): void {
    this.problem = memory.take_lock_reason();
  }

  /**
   * Whether the device is to be protected before it is used: until the person postpones that, which the office can forbid. What it
   * wants may not be known yet.
   */
  get offered(): boolean {
    return this.protectors.length === 0 && (this.required !== false || !memory.is_later());
  }

  /** Asks for the office's policy, and again until it answers: a failure must not let anybody go on unprotected. */
  async read_policy(): Promise<void> {
    this.#wants_policy = true;
    this.#policy_asked_at = this.now();
    try {
      this.policy = await this.office.policy();
      this.#wants_policy = false;
      this.#apply_policy();
    } catch {
      // Asked again by `tick`.
    }
  }

  /** The person's role is known: the office may have rules for it. */
  role_known(role: Role): void {
    if (this.#role === role) return;
    this.#role = role;
    this.#apply_policy();
  }

  #apply_policy(): void {
    if (!this.policy) return;
    this.required = requires_protection(this.policy, this.#role);
    memory.set_required(this.required);
    this.policy_known();
  }

  /** Called when it is known what the office wants of this device. */
  policy_known: () => void = () => undefined;

  not_now(): void {
    memory.set_later();
  }

  /** Makes a passkey that protects this device, or a further one. */
  async add_passkey(): Promise<boolean> {
    return this.#work(async () => {
      // Checked first: a discoverable passkey stays in the authenticator, also if it cannot be used then.
      if (this.protectors.length >= MAX_PROTECTORS) throw { code: 'too_many_protectors' } satisfies Problem;
      const proof = this.protectors.length > 0 ? await this.#presence('own') : null;
      const token = this.#token();
      const { ceremony, options } = await this.office.begin_registration(token);
      const creation = options as unknown as PublicKeyCredentialCreationOptionsJSON;
      const { protector, touch } = await create_passkey(creation, Date.now());
      const { id } = protector;
      const add = { do: 'add_passkey', protector, secret: touch.secret, proof: proof?.handle ?? null } as const;
      // The first one is kept here before the office has it: one that only the office knows would lock the device out. A further
      // one is registered first: others open the device, and what only the office knows it is made to remove.
      await this.#ask(proof ? { do: 'begin_passkey', id } : add);
      let ticket;
      try {
        ticket = await this.office.register(token, ceremony, touch.credential);
      } catch (error) {
        console.error('register', error);
        throw { code: proof ? 'passkey_not_added' : 'not_registered' } satisfies Problem;
      }
      await this.#ask({ do: 'registered', id, ticket });
      if (proof) await this.#ask(add);
      this.#confirmed();
      await this.#forget();
      void this.signed_in();
    });
  }

  /** Protects this device by a PIN, or replaces the one before. */
  async set_pin(pin: string): Promise<boolean> {
    return this.#work(async () => {
      const replaces = this.has_pin;
      const proof = this.#proof ?? (this.protectors.length > 0 ? await this.#presence('own') : null);
      await this.#ask({ do: 'set_pin', pin, token: this.#token(), proof: proof?.handle ?? null });
      this.#confirmed();
      this.dialog = null;
      await this.#forget();
      if (replaces) await this.#tidy();
      else void this.signed_in();
    });
  }

  /** Asks for a new PIN after the person proved their presence. */
  async change_pin(): Promise<void> {
    await this.#work(async () => {
      this.#proof = await this.#presence('own');
      this.dialog = { is: 'new_pin' };
    });
  }

  /**
   * Removes a protector, here first. Until the office has removed it too, a copy of the profile from before still signs in
   * with it: the worker keeps its identifier and has the office remove it after each sign-in, until that is confirmed.
   */
  async remove(protector: Protector): Promise<boolean> {
    return this.#work(async () => {
      await this.#presence('own', true);
      await this.#forget();
      this.#confirmed();
      await this.#ask({ do: 'remove', id: protector.id });
      await this.#tidy();
    });
  }

  async #tidy(): Promise<void> {
    try {
      await this.#ask({ do: 'tidy', token: this.#token() });
    } catch {
      throw { code: 'not_removed_at_office' } satisfies Problem;
    }
  }

  /** The device has signed in: what the office still has to remove, it can remove now. */
  async signed_in(): Promise<void> {
    if (this.protectors.length > 0) await this.#tidy().catch(() => undefined);
  }

  /** Opens this device's keys with a passkey. */
  async unlock(): Promise<boolean> {
    return this.#work(async () => this.#unlock(await this.#touch()));
  }

  async unlock_with_pin(pin: string): Promise<boolean> {
    return this.#work(() => this.#unlock({ is: 'pin', pin }));
  }

  async #unlock(by: Presence): Promise<void> {
    await this.#ask({ do: 'unlock', by });
    // The office did not see one without a ticket, and asks again.
    if (by.is === 'pin' || by.ticket) this.#confirmed();
    else this.used();
  }

  /** Forgets the opened keys. */
  lock(): void {
    this.reload();
  }

  /** The office does not take this device without a new ticket. The reason is shown once the page is loaded again. */
  lock_for_office(): void {
    memory.set_lock_reason(this.#no_ticket ?? { code: 'unlock_again' });
    this.lock();
  }

  /** A key was pressed, or the screen touched. */
  used(): void {
    this.#used_at = this.now();
  }

  /** Called every second. `in_call`: it does not lock during a call. */
  tick(in_call: boolean): void {
    if (this.#wants_policy && this.now() - this.#policy_asked_at >= POLICY_INTERVAL_MS) void this.read_policy();
    if (in_call) return this.used();
    if (this.protectors.length > 0 && this.is_idle()) this.lock();
  }

  /** Whether nobody has used the page for as long as the office allows. */
  is_idle(): boolean {
    return this.now() - this.#used_at >= idle_lock_ms(this.policy, this.#role);
  }

  /**
   * Calls `send` with a command, at once or, if it is a dangerous one of a protected device, when the person has confirmed it;
   * `cancelled` if they do not.
   */
  confirmed_first(command: UserCommand, send: (command: UserCommand) => void, cancelled: (why: Problem) => void): void {
    this.confirmed_if(NEED_CONFIRMATION.includes(command.type), () => send(command), cancelled);
  }

  /** Has the person confirm first, where the device is protected and it is `needed`. */
  confirmed_if(needed: boolean, send: () => void, cancelled: (why: Problem) => void): void {
    if (!needed || this.protectors.length === 0 || this.#is_confirmed()) return send();
    this.confirm().then(send, (error: unknown) => cancelled(problem_of(error)));
  }

  #is_confirmed(): boolean {
    return this.now() - this.#confirmed_at < CONFIRMATION_MAX_AGE_MS - CONFIRMATION_MARGIN_MS;
  }

  /** Has the person confirm that they are there, unless they did so lately. The office has to see it too. */
  async confirm(): Promise<void> {
    if (this.#is_confirmed()) return;
    await this.#presence('office', true);
    await this.#forget();
    this.#confirmed();
    this.dialog = null;
  }

  /** A proof that the person is there: of a touch, or of the PIN that a dialog asks for. */
  async #presence(why: 'office' | 'own', needs_ticket = false): Promise<Proof> {
    if (this.has_passkey) {
      try {
        return await this.#prove(await this.#touch(), needs_ticket);
      } catch (error) {
        // The dialog says why, and offers the PIN if there is one.
        this.problem = problem_of(error);
      }
    }
    this.#waiting?.reject({ code: 'not_confirmed' });
    this.dialog = { is: 'confirm', why };
    return new Promise((resolve, reject) => (this.#waiting = { resolve, reject, needs_ticket }));
  }

  async #prove(by: Presence, needs_ticket: boolean): Promise<Proof> {
    const proof = await this.#ask({ do: 'prove', by });
    if (proof && (proof.ticket || !needs_ticket)) return proof;
    await this.#forget();
    const away = this.#no_ticket === null || is_code(this.#no_ticket, 'opened_without_office');
    throw away ? ({ code: 'office_unreachable' } satisfies Problem) : this.#no_ticket;
  }

  /** The dialog's answer. A wrong PIN is asked for again. */
  async answer(pin: string | null): Promise<void> {
    const waiting = this.#waiting;
    if (this.answering || !waiting) return;
    this.answering = true;
    this.problem = null;
    try {
      const by: Presence = pin === null ? await this.#touch() : { is: 'pin', pin };
      const proof = await this.#prove(by, waiting.needs_ticket);
      // Closed meanwhile.
      if (this.#waiting !== waiting) return void (await this.#forget());
      this.#waiting = null;
      this.dialog = null;
      waiting.resolve(proof);
    } catch (error) {
      if (this.#waiting === waiting) this.problem = problem_of(error);
    } finally {
      this.answering = false;
    }
  }

  close_dialog(): void {
    this.dialog = null;
    this.problem = null;
    if (this.#proof) void this.#forget();
    this.#waiting?.reject({ code: 'not_confirmed' });
    this.#waiting = null;
  }

  /** One touch: the key's secret for the worker, and a ticket if the office can be reached. */
  async #touch(): Promise<Presence> {
    const passkeys = this.protectors.filter((one): one is PasskeyProtector => one.kind === 'passkey');
    const rp_id = passkeys[0]?.rp_id;
    if (rp_id === undefined || this.device === null) throw { code: 'wrong_protector' } satisfies Problem;
    this.#no_ticket = null;
    const asked = await this.office.challenge(this.device).catch(() => null);
    if (!asked) this.#no_ticket = { code: 'opened_without_office' };
    const options =
      (asked?.options as unknown as PublicKeyCredentialRequestOptionsJSON | undefined) ?? local_options(rp_id);
    const { id, secret, credential } = await use_passkey({ ...options, rpId: rp_id }, passkeys);
    const ticket = asked && (await this.#ticket(asked.ceremony, credential));
    return { is: 'passkey', opened: { id, secret }, ticket };
  }

  /** `null`: the keys open all the same, and `#no_ticket` says why the office will ask again. */
  async #ticket(ceremony: string, credential: object): Promise<string | null> {
    try {
      const ticket = await this.office.assertion(ceremony, credential);
      if (ticket === null) this.#no_ticket = { code: 'passkey_unknown' };
      return ticket;
    } catch (error) {
      this.#no_ticket = { code: is_retryable(problem_of(error)) ? 'opened_without_office' : 'passkey_unknown' };
      return null;
    }
  }

  async #ask(request: ProtectionRequest): Promise<Proof | null> {
    const { proof, ...how } = await this.host().protection(request);
    this.protectors = how.protectors;
    this.begun = how.begun;
    return proof;
  }

  /** The worker forgets what it kept of a proof. */
  async #forget(): Promise<void> {
    this.#proof = null;
    await this.#ask({ do: 'forget' });
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

const is_code = (problem: Problem, code: ProblemCode): boolean => 'code' in problem && problem.code === code;
