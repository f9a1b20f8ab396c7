// What the page does for people's devices: the list, and a security officer's invitations and answers.

import type { Card, ListedDevice, UserCommand, View } from './engine/contract';
import type { Devices } from './engine/devices';
import type { Host } from './engine/host';
import { problem_of, type Problem } from './engine/problem';
import { grouped } from './view/asking';
import { failed, type Loadable } from './view/loadable';

export type RegistrarDialog =
  /** `person`: who gets a further device; a new person without one. */
  | { is: 'invite'; person: Card | null }
  | { is: 'link'; invitation: string }
  /** `code`: the one that was on the screen when the dialog was opened. */
  | { is: 'approve'; invitation: string; code: string }
  /** Withdraw an invitation, or refuse the device that asked with it. */
  | { is: 'close'; invitation: string }
  /** `name` and `title`: whose device, and what it is. */
  | { is: 'revoke'; device: string; name: string; title: string };

export type Invited = Omit<Extract<UserCommand, { type: 'invite' }>, 'type'>;

/** Whether two codes have the same digits, however they are grouped. */
const same_code = (a: string | null | undefined, b: string): boolean => !!a && grouped(a) === grouped(b);

/** How often the list is read again while it is shown, milliseconds. */
const POLL_INTERVAL_MS = 30_000;

/** How long an invitation may take until the dialog can be used again, milliseconds. */
const INVITE_TIMEOUT_MS = 10_000;

export class Registrar {
  list = $state.raw<Loadable<ListedDevice[]>>({ status: 'loading' });
  dialog = $state.raw<RegistrarDialog | null>(null);
  /** An invitation was sent, and the office has not logged it yet. */
  inviting = $state(false);
  /** Why the last invitation was not made. */
  not_invited = $state.raw<Problem | null>(null);
  /** Invitations that were answered here, until the office says what came of it. */
  answered = $state.raw<ReadonlySet<string>>(new Set());
  /** Why no request for an appointment could be saved. */
  not_saved = $state.raw<Problem | null>(null);
  /** When the list was read last, milliseconds since 1970 UTC. */
  #read_ms = 0;
  #timeout: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly host: () => Host,
    private readonly office: Devices,
  ) {}

  /** The view changed: a link opens by itself, and a dialog about what is not there any more closes. */
  update(before: View | null, view: View): void {
    const new_alert = view.alerts[0]?.text !== before?.alerts[0]?.text ? view.alerts[0] : undefined;
    const known = new Set(before?.invitations.map((one) => one.invitation));
    const made = view.invitations.find((one) => one.made_here && one.link !== null && !known.has(one.invitation));
    if (this.inviting && made) {
      this.#invited(null);
      this.dialog = { is: 'link', invitation: made.invitation };
    } else if (this.inviting && new_alert) {
      this.#invited({ told: new_alert.text });
    }
    const open = new Map(view.invitations.map((one) => [one.invitation, one]));
    if (new_alert || view.token === null) this.answered = new Set();
    else if (this.answered.size > 0) this.answered = new Set([...this.answered].filter((id) => open.has(id)));
    const { dialog } = this;
    if (dialog === null || dialog.is === 'invite' || dialog.is === 'revoke') return;
    const about = open.get(dialog.invitation);
    const still =
      dialog.is === 'link'
        ? about?.link
        : dialog.is === 'approve'
          ? same_code(about?.request?.code, dialog.code)
          : about;
    if (!still) this.dialog = null;
  }

  invite(person: Invited): void {
    this.inviting = true;
    this.not_invited = null;
    this.#timeout = setTimeout(() => this.#invited({ code: 'unavailable' }), INVITE_TIMEOUT_MS);
    this.host().command({ type: 'invite', ...person });
  }

  #invited(problem: Problem | null): void {
    clearTimeout(this.#timeout);
    this.inviting = false;
    this.not_invited = problem;
  }

  approve(invitation: string): void {
    this.#answer(invitation);
    this.host().command({ type: 'approve_device', invitation });
  }

  /** Withdraws an invitation, or refuses the device that asked with it. */
  close(invitation: string): void {
    this.#answer(invitation);
    this.host().command({ type: 'close_invitation', invitation });
  }

  revoke(device: string): void {
    this.dialog = null;
    this.host().command({ type: 'revoke_device', device });
  }

  #answer(invitation: string): void {
    this.dialog = null;
    this.answered = new Set([...this.answered, invitation]);
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
    const { list } = this;
    return list.status !== 'ready' || list.stale !== undefined || now - this.#read_ms >= POLL_INTERVAL_MS;
  }

  async load(token: string | null | undefined): Promise<void> {
    if (!token) return;
    try {
      this.list = { status: 'ready', value: await this.office.devices(token) };
      this.#read_ms = Date.now();
    } catch (error) {
      this.list = failed(this.list, problem_of(error));
    }
  }
}
