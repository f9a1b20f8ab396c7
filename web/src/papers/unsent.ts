// Keeps what is being written on this device until it is sent: at every change, at most twice a second.

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
    /** Told whether the newest change is stored. */
    private readonly stored: (stored: boolean) => void = () => undefined,
  ) {}

  read(): Promise<T | null> {
    return this.documents.unsent<T>(this.name);
  }

  /** Keeps it soon; `null` deletes it. */
  keep(content: T | null): void {
    this.#waiting = content;
    this.stored(false);
    this.#timer ??= setTimeout(() => void this.flush(), DELAY_MS);
  }

  /** Keeps at once what waits. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const waiting = this.#waiting;
    if (waiting === undefined) return this.#last;
    this.#waiting = undefined;
    const write = async (): Promise<void> => {
      try {
        await this.documents.keep_unsent(this.name, waiting);
        // What was changed meanwhile is stored by the next write.
        if (this.#waiting === undefined) this.stored(waiting !== null);
      } catch (error) {
        // It stays on the screen, which does not say that it is stored.
        console.error('unsent', error);
      }
    };
    this.#last = this.#last.then(write);
    return this.#last;
  }
}
