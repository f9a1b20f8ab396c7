// What the page does for people's devices: the list, and a security officer's invitations and answers.

import type { Card, InvitationView, ListedDevice, RecoveryReason, UserCommand, View } from './engine/contract';
import type { Devices } from './engine/devices';
import type { Host } from './engine/host';
import { problem_of, type Problem } from './engine/problem';
import type { Protection } from './protection.svelte';
import { NumberedReads } from './numbered_reads';
import { told_name } from './text/told';
import { failed, needs_reading, type Loadable } from './view/loadable';

export type RegistrarDialog =
  /** `person`: who gets a further device; a new person without one. */
  | { is: 'invite'; person: Card | null }
  | { is: 'link'; invitation: string }
  /** `code`: the one that was on the screen when the dialog was opened. */
  | { is: 'approve'; invitation: string; code: string }
  /** Withdraw an invitation, or refuse the device that asked with it. */
  | { is: 'close'; invitation: string }
  /** Has the office forget which account at its provider is a person's. */
  | { is: 'unlink'; person: string; name: string; account: string }
  /** `name`, `title` and `details`: whose device, what it is, and since when: two of one person may say that they are the same. */
  | { is: 'revoke'; device: string; name: string; title: string; details: string[]; revoked?: boolean }
  /** A person who lost everything. */
  | { is: 'recover'; person: Card }
  | { is: 'confirm_recovery'; recovery: string }
  /** Withdraw a recovery, or refuse it. */
  | { is: 'close_recovery'; recovery: string };

export type Invited = Omit<Extract<UserCommand, { type: 'invite' }>, 'type'>;

/** How often the list is read again while it is shown, milliseconds. */
const POLL_INTERVAL_MS = 30_000;

/** How long the office may take to carry out an action until it can be repeated, milliseconds. */
const ACTION_TIMEOUT_MS = 10_000;

/** Alerts that come by themselves, and do not refuse an action. */
const UNRELATED_ALERTS: readonly (string | null)[] = ['clock', 'log_rewritten', 'other_log', 'log_unsigned'];

export class Registrar {
  list = $state.raw<Loadable<ListedDevice[]>>({ status: 'loading' });
  dialog = $state.raw<RegistrarDialog | null>(null);
  /** A command waits until the person has confirmed it; nothing was sent. */
  confirming = $state(false);
  /** An invitation was sent, and the office has not logged it yet. */
  inviting = $state(false);
  /** Why the last invitation was not made. */
  not_invited = $state.raw<Problem | null>(null);
  /** Invitations that were answered here, until the office says what came of it or does not answer in time. */
  answered = $state.raw<ReadonlySet<string>>(new Set());
  /** Why no request for an appointment could be saved. */
  not_saved = $state.raw<Problem | null>(null);
  /** When the list was read last, milliseconds since 1970 UTC. */
  #read_ms = 0;
  readonly #reads = new NumberedReads();
  #invite_timeout: ReturnType<typeof setTimeout> | undefined;
  #answer_timeout: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly host: () => Host,
    private readonly office: Pick<Devices, 'devices'>,
    /** Has the person confirm a command first, where that is needed. */
    private readonly confirmed_first: Protection['confirmed_first'] = (command, send) => send(command),
  ) {}

  /** The view changed: a link opens by itself, and a dialog about what is not there any more closes. */
  update(before: View | null, view: View): void {
    // What was sent before the connection was lost is not answered any more.
    if (view.token === null) {
      if (this.inviting) this.#invited({ code: 'office_unreachable' });
      this.#forget_answers();
    }
    const refusal = new_refusal(before, view);
    const made = this.inviting ? made_since(before, view) : undefined;
    if (made) {
      this.#invited(null);
      if (this.dialog === null || this.dialog.is === 'invite')
        this.dialog = { is: 'link', invitation: made.invitation };
    } else if (this.inviting && refusal !== null) {
      this.#invited({ told: refusal });
    }
    if (refusal !== null) this.#forget_answers();
    // After each sign-in the list of invitations is empty until the office has sent it.
    if (!view.caught_up) return;
    this.#update_recovery(view);
    const open = new Map(view.invitations.map((one) => [one.invitation, one]));
    if (this.answered.size > 0) {
      const known = new Map(before?.invitations.map((one) => [one.invitation, one]));
      // The first of two approvals leaves the invitation open.
      const is_open = (id: string) =>
        open.get(id)?.first_approval?.at_ms === known.get(id)?.first_approval?.at_ms && open.has(id);
      this.answered = new Set([...this.answered].filter(is_open));
    }
    const { dialog } = this;
    if (dialog === null || !('invitation' in dialog)) return;
    const about = open.get(dialog.invitation);
    const still =
      dialog.is === 'link' ? about?.link : dialog.is === 'approve' ? about?.request?.code === dialog.code : about;
    if (!still) this.dialog = null;
  }

  /** The recovery that a dialog is about is over, or was confirmed meanwhile. */
  #update_recovery(view: View): void {
    const { dialog } = this;
    if (dialog === null || !('recovery' in dialog)) return;
    const about = view.recoveries.find((one) => one.recovery === dialog.recovery);
    if (!about || (dialog.is === 'confirm_recovery' && !about.can_confirm)) this.dialog = null;
  }

  invite(person: Invited): void {
    this.not_invited = null;
    const sent = () => {
      this.inviting = true;
      this.#invite_timeout = setTimeout(() => this.#invited({ code: 'unavailable' }), ACTION_TIMEOUT_MS);
    };
    this.#send({ type: 'invite', ...person }, sent, (why) => (this.not_invited = why));
  }

  /** The time in which the office has to act begins when the person has confirmed the command. */
  #send(command: UserCommand, sent: () => void, cancelled: (why: Problem) => void = () => undefined): void {
    if (this.confirming) return;
    this.confirming = true;
    const send = () => {
      this.confirming = false;
      sent();
      this.host().command(command);
    };
    this.confirmed_first(command, send, (why) => {
      this.confirming = false;
      cancelled(why);
    });
  }

  #invited(problem: Problem | null): void {
    clearTimeout(this.#invite_timeout);
    this.inviting = false;
    this.not_invited = problem;
  }

  /** `code`: the one that was compared. */
  approve(invitation: string, code: string): void {
    this.dialog = null;
    this.#send({ type: 'approve_device', invitation, code }, () => this.#answered(invitation));
  }

  /** Withdraws an invitation, or refuses the device that asked with it. */
  close(invitation: string): void {
    this.dialog = null;
    this.#send({ type: 'close_invitation', invitation }, () => this.#answered(invitation));
  }

  /** Has a short code made for an invitation's link, to be read out. */
  show_code(invitation: string): void {
    this.host().command({ type: 'show_code', invitation });
  }

  hide_code(): void {
    this.host().command({ type: 'hide_code' });
  }

  /** `erase`: whether it erases its keys and data, too. */
  revoke(device: string, erase: boolean): void {
    this.dialog = null;
    this.#send({ type: 'revoke_device', device, erase }, () => undefined);
  }

  open_recovery(person: string, reason: RecoveryReason): void {
    this.dialog = null;
    this.#send({ type: 'open_recovery', person, reason }, () => undefined);
  }

  confirm_recovery(recovery: string): void {
    this.dialog = null;
    // The invitation that follows opens its link, as one that was made here.
    this.#send({ type: 'confirm_recovery', recovery }, () => {
      this.inviting = true;
      this.#invite_timeout = setTimeout(() => this.#invited({ code: 'unavailable' }), ACTION_TIMEOUT_MS);
    });
  }

  close_recovery(recovery: string): void {
    this.dialog = null;
    this.#send({ type: 'close_recovery', recovery }, () => undefined);
  }

  #answered(invitation: string): void {
    this.answered = new Set([...this.answered, invitation]);
    clearTimeout(this.#answer_timeout);
    this.#answer_timeout = setTimeout(() => this.#forget_answers(), ACTION_TIMEOUT_MS);
  }

  /** Invitations that are still listed can be answered again. */
  #forget_answers(): void {
    clearTimeout(this.#answer_timeout);
    this.answered = new Set();
  }

  open(dialog: RegistrarDialog): void {
    this.not_invited = null;
    this.dialog = dialog;
  }

  /** The text with which the authority appoints this device, for `save` to put into a file. */
  async request_appointment(save: (text: string) => void): Promise<void> {
    this.not_saved = null;
    try {
      save(await this.host().request_appointment());
    } catch (error) {
      this.not_saved = problem_of(error);
    }
  }

  /** Which devices are connected changes without a message. A list that could not be read is tried again sooner. */
  expects_changes(now: number): boolean {
    return needs_reading(this.list) || now - this.#read_ms >= POLL_INTERVAL_MS;
  }

  async load(token: string | null | undefined): Promise<void> {
    if (!token) return;
    const read = this.#reads.start();
    const list = await this.office.devices(token).then(
      (value): Loadable<ListedDevice[]> => ({ status: 'ready', value }),
      (error: unknown) => failed(this.list, problem_of(error)),
    );
    if (!this.#reads.answered(read)) return;
    this.list = list;
    if (!needs_reading(list)) this.#read_ms = Date.now();
  }
}

/** The alert that refuses an action, if this view is the first with it. The engine repeats an equal alert in the same place. */
export function new_refusal(before: View | null, view: View): string | null {
  const [alert] = view.alerts;
  if (before === null || !alert || view.alerts_raised === before.alerts_raised) return null;
  return UNRELATED_ALERTS.includes(told_name(alert.text)) ? null : alert.text;
}

/** An invitation of this device that was added between two views with the whole list. */
export function made_since(before: View | null, view: View): InvitationView | undefined {
  if (!before?.caught_up || !view.caught_up) return undefined;
  const known = new Set(before.invitations.map((one) => one.invitation));
  return view.invitations.find((one) => one.made_here && one.link !== null && !known.has(one.invitation));
}
