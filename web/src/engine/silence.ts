// Whether the other side has gone quiet. Sound comes at a constant rate whether anybody speaks or not, so that no frames
// means no connection, and never that nobody has anything to say.

/** How long nothing may be heard before it is said, milliseconds. */
const QUIET_MS = 3_000;

export class Silence {
  #since: number | undefined;
  #told = false;

  /** A frame could be opened. */
  heard(now: number): void {
    this.#since = now;
  }

  /** Looks again. `expected`: sound should come now. Returns what changed: whether it is quiet, or nothing. */
  look(now: number, expected: boolean): boolean | undefined {
    if (!expected) this.#since = undefined;
    else this.#since ??= now;
    const quiet = this.#since !== undefined && now - this.#since > QUIET_MS;
    if (quiet === this.#told) return undefined;
    this.#told = quiet;
    return quiet;
  }
}
