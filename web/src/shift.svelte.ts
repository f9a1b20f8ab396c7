// Who is at this device of a place: a person begins their shift with their own passkey, hands it over, and ends it.

import type { OnShift, View } from './engine/contract';
import type { Host } from './engine/host';
import { use_any_passkey } from './engine/passkeys';
import { problem_of, type Problem } from './engine/problem';
import type { ShiftOffice } from './engine/shift_office';

/** How long the office may take to end a shift until the device locks without that, milliseconds. */
const END_TIMEOUT_MS = 10_000;

export class Shift {
  /** Nobody is on shift, as far as is known: the device shows nothing of the office. */
  required = $state(false);
  /** Somebody signs in, or the device signs in anew for them. */
  busy = $state(false);
  problem = $state.raw<Problem | null>(null);
  /** Who takes over is asked to sign in. */
  handing_over = $state(false);
  /** Who is on shift, as the office says. */
  current = $state.raw<OnShift | null>(null);
  /** Token of a connection that waits for a shift. */
  #waiting_token = $state.raw<string | null>(null);
  /** Token of the signed-in connection; a handover uses it. */
  #working = $state.raw<string | null>(null);
  /** The shift whose end for idleness was sent, and when; `null` once the connection on which it was sent is lost. */
  #ending: { shift: string; sent_ms: number } | null = null;
  /** A shift is being asked for. */
  #begins = false;
  /** This page was signed in since it was loaded, or since the last shift ended. */
  #was_signed_in = false;
  readonly online = $derived(this.#waiting_token !== null);

  constructor(
    private readonly host: () => Host,
    private readonly office: ShiftOffice,
    /** Asks an authenticator for any passkey of the office. */
    private readonly touch: (options: object) => Promise<object> = (options) =>
      use_any_passkey(options as PublicKeyCredentialRequestOptionsJSON),
  ) {}

  /** The view changed. */
  update(view: View): void {
    const new_connection = view.shift_token !== this.#waiting_token;
    this.#waiting_token = view.shift_token;
    this.#working = view.token;
    this.current = view.shift;
    if (view.token === null) this.#ending = null;
    if (!view.you?.place) return;
    if (view.shift_token !== null) {
      if (this.#was_signed_in) [this.busy, this.problem] = [false, null];
      // It waits for a shift again: the one that was begun ended before the device was signed in.
      else if (new_connection && !this.#begins) this.busy = false;
      this.#was_signed_in = false;
      this.handing_over = false;
      this.required = true;
    } else if (view.token !== null) {
      if (this.required) [this.busy, this.problem] = [false, null];
      this.#was_signed_in = true;
      this.required = false;
    } else if (!this.#was_signed_in) {
      // Not known yet: a lost connection must not show an empty desk to whoever passes by.
      this.required = true;
    }
  }

  /** A person begins a shift. The shift before it ends as handed over. */
  async begin(): Promise<void> {
    const token = this.#waiting_token ?? this.#working;
    if (this.busy || token === null) return;
    this.busy = true;
    this.#begins = true;
    this.problem = null;
    try {
      const { ceremony, options } = await this.office.shift_challenge(token);
      await this.office.begin_shift(token, ceremony, await this.touch(options));
      // It stays busy: the device signs in anew.
      if (this.handing_over) [this.handing_over, this.busy] = [false, false];
    } catch (error) {
      const problem = problem_of(error);
      // Browsers do not tell whether it was cancelled or no passkey is here.
      this.problem = 'code' in problem && problem.code === 'not_confirmed' ? { code: 'no_own_passkey' } : problem;
      this.busy = false;
    } finally {
      this.#begins = false;
    }
  }

  hand_over(): void {
    this.problem = null;
    this.handing_over = true;
  }

  cancel_hand_over(): void {
    this.handing_over = false;
    this.problem = null;
  }

  /** Ends the shift. */
  end(): void {
    this.handing_over = false;
    this.host().command({ type: 'end_shift', idle: false });
  }

  /** Nobody used the device for as long as the office allows. Returns whether a shift is about to end by that. */
  idle(now: number): boolean {
    const { current } = this;
    if (current === null || this.#working === null) return false;
    if (this.#ending?.shift !== current.shift) {
      this.#ending = { shift: current.shift, sent_ms: now };
      this.host().command({ type: 'end_shift', idle: true });
    }
    return now - this.#ending.sent_ms < END_TIMEOUT_MS;
  }
}
