// What the page does for delegations: the list, giving and ending one.

import type { Act, Card, DelegationList, UserCommand } from './engine/contract';
import type { Delegations as Office } from './engine/delegations';
import type { Host } from './engine/host';
import { NumberedReads } from './numbered_reads';
import { problem_of, type Problem } from './engine/problem';
import type { Protection } from './protection.svelte';
import { failed, type Loadable } from './view/loadable';

export class Delegations {
  list = $state.raw<Loadable<DelegationList>>({ status: 'loading' });
  /** The delegation that is about to be ended: the person is asked. */
  ending = $state.raw<string | null>(null);
  /** A command waits until the person has confirmed it; nothing was sent. */
  confirming = $state(false);
  /** Why the last one was not given: the person did not confirm. */
  not_given = $state.raw<Problem | null>(null);
  readonly #reads = new NumberedReads();

  constructor(
    private readonly host: () => Host,
    private readonly office: Office,
    /** Has the person confirm a command first, where that is needed. */
    private readonly confirmed_first: Protection['confirmed_first'] = (command, send) => send(command),
  ) {}

  give(delegate: Card, acts: Act[], not_after_ms: number): void {
    if (this.confirming) return;
    this.not_given = null;
    this.confirming = true;
    const send = (command: UserCommand) => {
      this.confirming = false;
      this.host().command(command);
    };
    this.confirmed_first({ type: 'delegate', delegate, acts, not_after_ms }, send, (why) => {
      this.confirming = false;
      this.not_given = why;
    });
  }

  /** Whoever may end one may do so at once. */
  end(delegation: string): void {
    this.ending = null;
    this.host().command({ type: 'end_delegation', delegation });
  }

  async load(token: string | null | undefined): Promise<void> {
    if (!token) return;
    const read = this.#reads.start();
    const list = await this.office.delegations(token).then(
      (value): Loadable<DelegationList> => ({ status: 'ready', value }),
      (error: unknown) => failed(this.list, problem_of(error)),
    );
    if (this.#reads.answered(read)) this.list = list;
  }
}
