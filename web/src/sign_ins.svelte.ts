// When this person's devices were connected, and who tried to sign in as one of them.

import type { SignInList } from './engine/contract';
import type { Devices } from './engine/devices';
import { problem_of } from './engine/problem';
import { NumberedReads } from './numbered_reads';
import { failed, type Loadable } from './view/loadable';

export class SignIns {
  list = $state.raw<Loadable<SignInList>>({ status: 'loading' });
  readonly #reads = new NumberedReads();

  constructor(private readonly office: Devices) {}

  async load(token: string | null | undefined): Promise<void> {
    if (!token) return;
    const read = this.#reads.start();
    const list = await this.office.sign_ins(token).then(
      (value): Loadable<SignInList> => ({ status: 'ready', value }),
      (error: unknown) => failed(this.list, problem_of(error)),
    );
    if (this.#reads.answered(read)) this.list = list;
  }
}
