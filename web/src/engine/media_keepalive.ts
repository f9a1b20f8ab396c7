// Keepalive of received media. Frames arrive at a constant rate whether anybody speaks or not, so their absence means a
// lost connection and never silence.

/** Time without any frame after which the media is timed out, milliseconds. */
const MEDIA_TIMEOUT_MS = 3_000;

export class MediaKeepAlive {
  #last_ms: number | undefined;
  #reported = false;

  /** A frame was decrypted. */
  received(now: number): void {
    this.#last_ms = now;
  }

  /** `expected`: media should arrive now. Returns whether it is timed out if that changed, else nothing. */
  check(now: number, expected: boolean): boolean | undefined {
    if (!expected) this.#last_ms = undefined;
    else this.#last_ms ??= now;
    const timed_out = this.#last_ms !== undefined && now - this.#last_ms > MEDIA_TIMEOUT_MS;
    if (timed_out === this.#reported) return undefined;
    this.#reported = timed_out;
    return timed_out;
  }
}
