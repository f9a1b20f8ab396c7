// Reads of one list, of which several may be under way.

/** Answers may come in another order than the reads were started: one that a newer read overtook must not replace its answer. */
export class NumberedReads {
  #started = 0;
  #answered = 0;

  /** Starts a read; returns its number. */
  start(): number {
    return ++this.#started;
  }

  /** Whether a read that was started later was answered before. */
  is_overtaken(read: number): boolean {
    return read < this.#answered;
  }

  /** A read was answered, or failed; returns whether that counts. */
  answered(read: number): boolean {
    if (this.is_overtaken(read)) return false;
    this.#answered = read;
    return true;
  }
}
