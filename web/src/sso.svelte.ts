// The person signs in with their account at the office's provider, on a page of the provider.

import type { View } from './engine/contract';
import { problem_of, type Problem } from './engine/problem';
import type { SsoOffice } from './engine/sso_office';
import { take_return } from './sso_return';

export class OfficeSignIn {
  /** The office signs this device in only once its person has signed in at the provider. */
  required = $state(false);
  /** A request is under way, or the browser leaves for the provider's page. */
  busy = $state(false);
  problem = $state.raw<Problem | null>(null);
  /** What may be asked: of a connection that waits, or of one that is signed in, which renews it. `null` while there is none. */
  #token = $state.raw<string | null>(null);
  readonly online = $derived(this.#token !== null);

  constructor(
    private readonly office: SsoOffice,
    private readonly leave_for: (url: string) => void = (url) => location.assign(url),
  ) {}

  /** The view changed. */
  update(view: View): void {
    this.#token = view.sso_token ?? view.token;
    // Until the next sign-in, connections come and go.
    if (view.token !== null && this.required) [this.required, this.busy, this.problem] = [false, false, null];
    if (view.sso_token !== null) this.required = true;
    if (this.#token === null) return;
    const returned = take_return();
    if (returned === null) this.problem = { code: 'sso_refused' };
    else if (returned) void this.#finish(this.#token, returned.state, returned.code);
  }

  /** A device that waits signs in anew; one that is signed in goes on. */
  async #finish(token: string, state: string, code: string): Promise<void> {
    await this.#work(token, (token) => this.office.finish(token, state, code));
    if (!this.required) this.busy = false;
  }

  /** Leaves for the provider's page. */
  async start(): Promise<void> {
    if (this.#token === null) return;
    await this.#work(this.#token, async (token) => {
      const url = await this.office.start(token);
      // The server serves this page, too; this is only no way to run something in it.
      if (!/^https?:\/\//.test(url)) throw { code: 'unavailable' } satisfies Problem;
      this.leave_for(url);
    });
  }

  /** Has the office forget which account is a person's, once this person has confirmed it. Returns whether it has. */
  async forget(token: string, person: string, confirm: () => Promise<void>): Promise<boolean> {
    if (this.busy) return false;
    await this.#work(token, async () => {
      await confirm();
      await this.office.unlink(token, person);
    });
    this.busy = false;
    return this.problem === null;
  }

  /** It stays busy if it succeeds: the browser leaves, or the device signs in anew. */
  async #work(token: string, work: (token: string) => Promise<void>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.problem = null;
    try {
      await work(token);
    } catch (error) {
      this.problem = problem_of(error);
      this.busy = false;
    }
  }
}
