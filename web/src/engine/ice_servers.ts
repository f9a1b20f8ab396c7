// The office's TURN servers: the fallback transport for networks that let nothing through but TLS.

import type { IceServers } from './contract';
import { get_from_office } from './records';

/** Credentials are refreshed when they expire within this, milliseconds: longer than most calls. */
const REFRESH_BEFORE_EXPIRY_MS = 3 * 3_600_000;
/** Least time between two requests, milliseconds. */
const RETRY_MS = 60_000;

export class IceServerCache {
  #servers: RTCIceServer[] = [];
  #next_ms = 0;

  constructor(
    private readonly fetch_servers: (token: string) => Promise<IceServers>,
    private readonly now: () => number = Date.now,
  ) {}

  /** The servers known now. Never waited for: most networks need none. */
  get servers(): RTCIceServer[] {
    return this.#servers;
  }

  /** Fetches them when due. `token` is the bearer token of the current connection. */
  async refresh(token: string | null): Promise<void> {
    if (token === null || this.now() < this.#next_ms) return;
    this.#next_ms = this.now() + RETRY_MS;
    try {
      const { ice_servers, ttl_ms } = await this.fetch_servers(token);
      this.#servers = ice_servers;
      this.#next_ms =
        this.now() + Math.max(RETRY_MS, (ttl_ms ?? 2 * REFRESH_BEFORE_EXPIRY_MS) - REFRESH_BEFORE_EXPIRY_MS);
    } catch {
      // The relay is still reachable directly.
    }
  }
}

export async function fetch_ice_servers(token: string): Promise<IceServers> {
  return JSON.parse(await get_from_office(token, '/ice-servers')) as IceServers;
}
