// Ways for media beside the relay's own address: the office's TURN servers, for networks that let nothing through but TLS.

/** `GET /api/media`. */
export interface MediaWays {
  ice_servers: RTCIceServer[];
  /** For how long from now their passwords work, milliseconds. */
  works_ms?: number;
}

/** New passwords are fetched when the old ones work for less than this, milliseconds: longer than most calls. */
const FRESH_MS = 3 * 3_600_000;
/** How long the office is not asked again after it did not answer, milliseconds. */
const AGAIN_MS = 60_000;

export class Ways {
  #servers: RTCIceServer[] = [];
  #next_ms = 0;

  constructor(
    private readonly fetch_ways: (token: string) => Promise<MediaWays>,
    private readonly now: () => number = Date.now,
  ) {}

  /** What is known now; nothing is waited for, since most networks need none of it. */
  get servers(): RTCIceServer[] {
    return this.#servers;
  }

  /** Fetches them where it is time to, with what this device shows to its office. */
  async follow(token: string | null): Promise<void> {
    if (token === null || this.now() < this.#next_ms) return;
    this.#next_ms = this.now() + AGAIN_MS;
    try {
      const { ice_servers, works_ms } = await this.fetch_ways(token);
      this.#servers = ice_servers;
      this.#next_ms = this.now() + Math.max(AGAIN_MS, (works_ms ?? 2 * FRESH_MS) - FRESH_MS);
    } catch {
      // The relay's own address is there all the same.
    }
  }
}

export async function ways_over_http(token: string): Promise<MediaWays> {
  const answer = await fetch('/api/media', { cache: 'no-store', credentials: 'omit', headers: { authorization: `Bearer ${token}` } });
  if (!answer.ok) throw new Error(`the office answered ${answer.status}`);
  return (await answer.json()) as MediaWays;
}
