// One WebSocket to the office, opened again whenever it is lost.

/** First pause before another try, milliseconds: a restart of the server is over in about this. */
const FIRST_PAUSE_MS = 250;
/** Longest pause, milliseconds: what a person waits before they reload by hand. */
const LONGEST_PAUSE_MS = 8_000;
/** How long a connection may take to open, milliseconds: a server that hangs lets it wait for ever. */
const OPENS_WITHIN_MS = 10_000;

export interface SocketEvents {
  opened(): void;
  closed(): void;
  received(text: string): void;
}

export class Socket {
  #socket: WebSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #tries = 0;
  #stopped = false;

  constructor(
    private readonly address: string,
    private readonly events: SocketEvents,
  ) {
    this.#open();
  }

  /** Sends now, or not at all: the engine repeats after a reconnect what is still wanted. */
  send(text: string): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(text);
  }

  /** The network came back: tries at once. */
  connect_now(): void {
    if (this.#socket || this.#stopped) return;
    this.#tries = 0;
    this.#open();
  }

  /** Nothing comes on the connection that stands: it is left, whatever becomes of it, and another is opened. */
  reconnect(): void {
    const silent = this.#socket;
    if (!silent || this.#stopped) return;
    this.#socket = undefined;
    silent.close();
    this.events.closed();
    this.#open_after_pause();
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
    this.#timer = setTimeout(() => this.#socket === socket && this.reconnect(), OPENS_WITHIN_MS);
    socket.onopen = () => {
      if (this.#socket !== socket) return;
      clearTimeout(this.#timer);
      this.#tries = 0;
      this.events.opened();
    };
    socket.onmessage = (event) => {
      if (this.#socket === socket && typeof event.data === 'string') this.events.received(event.data);
    };
    socket.onclose = () => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      this.events.closed();
      this.#open_after_pause();
    };
  }

  #open_after_pause(): void {
    clearTimeout(this.#timer);
    if (!this.#stopped) this.#timer = setTimeout(() => this.#open(), pause(this.#tries++));
  }
}

/** How long to wait before try `n`, with chance in it: after a restart not all devices shall come at once. */
export function pause(n: number, chance: number = Math.random()): number {
  const full = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** n);
  return full / 2 + (full / 2) * chance;
}
