// What a screen reads of documents, and reads again when one of them changed.

import { problem_of } from '../engine/problem';
import { NumberedReads } from '../numbered_reads';
import { failed, type Loadable } from '../view/loadable';

export class Reading<T> {
  state = $state.raw<Loadable<T>>({ status: 'loading' });
  readonly #reads = new NumberedReads();

  /** Reads; an answer that a later read has overtaken is not shown. */
  async read(from: () => Promise<T>): Promise<void> {
    const read = this.#reads.start();
    try {
      const value = await from();
      if (this.#reads.answered(read)) this.state = { status: 'ready', value };
    } catch (error) {
      if (this.#reads.answered(read)) this.state = failed(this.state, problem_of(error));
    }
  }
}
