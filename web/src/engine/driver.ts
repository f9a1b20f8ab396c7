// Runs one engine: feeds it events and time, and carries out what it hands back, in its order.

import type { Command, Engine, Output, Report } from './contract';
import type { FromWorker } from './messages';

/** What a driver needs of the world. `save` keeps the state durably before it resolves. */
export interface World {
  now(): number;
  /** Milliseconds of a clock that nobody sets: for what is measured. */
  steady(): number;
  send(text: string): void;
  save(state: string): Promise<void>;
  erase(): Promise<void>;
  tell(message: FromWorker): void;
  /** Calls back once, `ms` from now; returns how to cancel that. */
  after(ms: number, callback: () => void): () => void;
  /** Gives up the connection to the office, and opens another. */
  reconnect(): void;
  /** Stops everything: the device is revoked or the engine broke. */
  stop(): void;
}

export class Driver {
  #saving: Promise<void> | undefined;
  #cancel_wakeup: (() => void) | undefined;
  #stopped = false;
  #failed = false;

  constructor(
    private readonly engine: Engine,
    private readonly world: World,
  ) {}

  get stopped(): boolean {
    return this.#stopped;
  }

  connected(): void {
    this.#run(() => this.engine.connected(this.world.now()));
  }

  disconnected(): void {
    this.#run(() => this.engine.disconnected(this.world.now()));
  }

  received(text: string): void {
    this.#run(() => this.engine.handle_server(this.world.now(), text));
  }

  command(command: Command): void {
    this.#run(() => this.engine.command(this.world.now(), JSON.stringify(command)));
  }

  tick(): void {
    this.#run(() => this.engine.tick(this.world.now()));
  }

  /** Encrypts a frame. `undefined`: drop it. Whatever goes wrong, the frame is dropped and not sent as it is. */
  seal(frame: Uint8Array): Uint8Array | undefined {
    return this.#frame(() => this.engine.seal(frame));
  }

  /** Decrypts a frame. `undefined`: drop it. */
  open(frame: Uint8Array): Uint8Array | undefined {
    return this.#frame(() => this.engine.open(frame, this.world.steady()));
  }

  /** Checks the proof of one record. Throws a sentence for people. */
  check(proof: string): Report {
    return JSON.parse(this.engine.check_record(proof, this.world.now())) as Report;
  }

  #frame(work: () => Uint8Array | undefined): Uint8Array | undefined {
    if (this.#stopped) return undefined;
    try {
      return work();
    } catch (error) {
      this.#fail(error);
      return undefined;
    }
  }

  #run(step: () => void): void {
    if (this.#stopped) return;
    try {
      step();
      for (;;) {
        const text = this.engine.poll();
        if (text === undefined || this.#stopped) break;
        this.#carry_out(JSON.parse(text) as Output);
      }
      this.#schedule();
    } catch (error) {
      this.#fail(error);
    }
  }

  #carry_out(output: Output): void {
    const { world } = this;
    switch (output.out) {
      case 'view':
        return world.tell({ tell: 'view', view: output.view });
      case 'open_leg':
        return world.tell({ tell: 'open_leg', call: output.call });
      case 'media_answer':
        return world.tell({ tell: 'media_answer', sdp: output.sdp });
      case 'close_leg':
        return world.tell({ tell: 'close_leg' });
      case 'persist':
        return this.#queue(() => world.save(output.state));
      case 'send':
        // What is sent may rest on the state kept just before: a message that leaves first could, after a crash, be
        // followed by another made from the older state.
        if (this.#saving) return this.#queue(async () => world.send(output.text));
        return world.send(output.text);
      case 'reconnect':
        return world.reconnect();
      case 'erase':
        this.#stopped = true;
        this.#cancel_wakeup?.();
        return this.#queue(async () => {
          await world.erase();
          world.tell({ tell: 'erased' });
          world.stop();
        });
    }
  }

  #queue(work: () => Promise<void>): void {
    // After a failure nothing that was waiting may happen any more: it rests on what could not be kept.
    const turn = async () => (this.#failed ? undefined : work());
    const done = (this.#saving ?? Promise.resolve()).then(turn).then(
      () => {
        if (this.#saving === done) this.#saving = undefined;
      },
      () => {
        this.#fail('This browser could not keep the keys of this device. Free some space, then reload this page.');
      },
    );
    this.#saving = done;
  }

  #schedule(): void {
    this.#cancel_wakeup?.();
    this.#cancel_wakeup = undefined;
    const at = this.engine.next_wakeup_ms();
    if (at === undefined || this.#stopped) return;
    this.#cancel_wakeup = this.world.after(Math.max(0, at - this.world.now()), () => this.tick());
  }

  #fail(error: unknown): void {
    if (this.#failed) return;
    // The engine refused what it was given, and is whole; only a trap leaves it in pieces.
    if (error instanceof Error && !(error instanceof WebAssembly.RuntimeError)) {
      console.error('refused by the engine', error.message);
      return;
    }
    this.#failed = true;
    this.#stopped = true;
    this.#cancel_wakeup?.();
    const problem =
      typeof error === 'string'
        ? error
        : 'The part of Telcon that encrypts stopped by a fault of its own. Nothing was sent in the clear. Reload this page.';
    if (typeof error !== 'string') console.error('engine', error);
    this.world.tell({ tell: 'failed', problem });
    this.world.stop();
  }
}
