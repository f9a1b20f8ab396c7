// Keeps what is being written on this device until it is sent: at every change, at most once a second.

import type { Documents } from '../documents.svelte';

const DELAY_MS = 500;

export class Unsent<T extends object> {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #waiting: T | null | undefined;
  /** Writes of this name, one after the other. */
  #last: Promise<void> = Promise.resolve();

  constructor(
    private readonly documents: Documents,
    private readonly name: string,
  ) {}

  read(): Promise<T | null> {
    return this.documents.unsent<T>(this.name);
  }

  /** Keeps it soon; `null` deletes it. */
  keep(content: T | null): void {
    this.#waiting = content;
    this.#timer ??= setTimeout(() => void this.flush(), DELAY_MS);
  }

  /** Keeps at once what waits. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const waiting = this.#waiting;
    if (waiting === undefined) return this.#last;
    this.#waiting = undefined;
    const write = () => this.documents.keep_unsent(this.name, waiting).catch(() => undefined);
    this.#last = this.#last.then(write);
    return this.#last;
  }
}
