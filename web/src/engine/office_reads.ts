// Reads of the office's HTTP API: a server answers a few of one device at a time, and refuses the others with 429.

/** Of the four that a server answers at a time, those that documents take: the others are for lists. */
export const DOCUMENT_READS_AT_ONCE = 2;
/** A refused read is repeated after this, and after twice as long each further time, milliseconds. */
const RETRY_MS = 100;
const RETRIES = 6;

const wait_ms = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Repeats a read that was refused because too many of this device were in progress. */
export async function repeated_read(read: () => Promise<Response>, wait = wait_ms): Promise<Response> {
  for (let retry = 0; ; retry++) {
    const answer = await read();
    if (answer.status !== 429 || retry === RETRIES) return answer;
    await wait(RETRY_MS * 2 ** retry);
  }
}

/** Runs at most so many at a time; the others wait in their order. */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(private readonly most: number) {}

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.most) await new Promise<void>((turn) => this.#waiting.push(turn));
    else this.#running++;
    try {
      return await work();
    } finally {
      // The next one takes over the place.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }
}
