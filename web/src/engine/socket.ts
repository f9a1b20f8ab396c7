// A WebSocket to the office that reconnects with exponential backoff.

/** First backoff, milliseconds: about as long as a restart of the server takes. */
const MIN_BACKOFF_MS = 250;
/** Longest backoff, milliseconds: about as long as a person waits before reloading by hand. */
const MAX_BACKOFF_MS = 8_000;
/** Connect timeout, milliseconds: a hanging server would leave the connection opening forever. */
const CONNECT_TIMEOUT_MS = 10_000;

export interface SocketEvents {
  opened(): void;
  closed(): void;
  received(text: string): void;
}

export class Socket {
  #socket: WebSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #attempts = 0;
  #stopped = false;

  constructor(
    private readonly address: string,
    private readonly events: SocketEvents,
  ) {
    this.#open();
  }

  /** Sends if connected, else drops the message: the engine repeats after a reconnect what is still needed. */
  send(text: string): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(text);
  }

  /** Reconnects without waiting for the backoff: the network is back. */
  connect_now(): void {
    if (this.#socket || this.#stopped) return;
    this.#attempts = 0;
    this.#open();
  }

  /** Abandons a connection that timed out and opens another. */
  reconnect(): void {
    const stale = this.#socket;
    if (!stale || this.#stopped) return;
    this.#socket = undefined;
    stale.close();
    this.events.closed();
    this.#reconnect_after_backoff();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
    this.#socket = undefined;
  }

  #open(): void {
    clearTimeout(this.#timer);
    const socket = new WebSocket(this.address);
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#socket === socket && this.reconnect(), CONNECT_TIMEOUT_MS);
    socket.onopen = () => {
      if (this.#socket !== socket) return;
      clearTimeout(this.#timer);
      this.#attempts = 0;
      this.events.opened();
    };
    socket.onmessage = (event) => {
      if (this.#socket === socket && typeof event.data === 'string') this.events.received(event.data);
    };
    socket.onclose = () => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      this.events.closed();
      this.#reconnect_after_backoff();
    };
  }

  #reconnect_after_backoff(): void {
    clearTimeout(this.#timer);
    if (!this.#stopped) this.#timer = setTimeout(() => this.#open(), backoff_ms(this.#attempts++));
  }
}

/** Backoff before attempt `n`, with jitter: after a restart, devices must not all reconnect at the same moment. */
export function backoff_ms(n: number, jitter: number = Math.random()): number {
  const full = Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** n);
  return full / 2 + (full / 2) * jitter;
}
