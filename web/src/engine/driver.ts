// Drives one engine: passes events and time in, and executes its outputs in order.

import type { ErasureReport, UserCommand, PageOutput, Report } from './contract';
import type { Engine } from './engine';
import type { FromWorker } from './messages';
import type { Problem } from './problem';

/** I/O that the driver needs. `save` resolves once the state is durable. */
export interface DriverEnvironment {
  now(): number;
  /** Milliseconds of a monotonic clock, for measurements. */
  monotonic_ms(): number;
  send(text: string): void;
  save(state: string): Promise<void>;
  erase(): Promise<void>;
  /** Tells the office that this device erased itself: it signed that before. */
  report_erasure(report: ErasureReport): void;
  post(message: FromWorker): void;
  /** Calls `callback` once, `ms` from now; returns a function that cancels it. */
  set_timer(ms: number, callback: () => void): () => void;
  /** Drops the connection to the office and opens another. */
  reconnect(): void;
  /** Stops all I/O: the device erased itself or the engine trapped. */
  stop(): void;
}

export class Driver {
  #saving: Promise<void> | undefined;
  #cancel_wakeup: (() => void) | undefined;
  #stopped = false;
  #failed = false;

  constructor(
    private readonly engine: Engine,
    private readonly environment: DriverEnvironment,
  ) {}

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Stops the engine. Resolves once nothing more is saved. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel_wakeup?.();
    await this.#saving;
  }

  /** The ticket with which this device signs in from now on. */
  set_ticket(ticket: string): void {
    this.engine.set_ticket(ticket);
  }

  connected(): void {
    this.#run(() => this.engine.connected(this.environment.now()));
  }

  disconnected(): void {
    this.#run(() => this.engine.disconnected(this.environment.now()));
  }

  received(text: string): void {
    this.#run(() => this.engine.handle_server(this.environment.now(), text));
  }

  command(command: UserCommand): void {
    this.#run(() => this.engine.command(this.environment.now(), JSON.stringify(command)));
  }

  tick(): void {
    this.#run(() => this.engine.tick(this.environment.now()));
  }

  /** Encrypts a frame. `undefined`: drop it. On any error the frame is dropped, never sent in the clear. */
  seal(frame: Uint8Array): Uint8Array | undefined {
    return this.#frame(() => this.engine.seal(frame));
  }

  /** Decrypts a frame. `undefined`: drop it. */
  open(frame: Uint8Array): Uint8Array | undefined {
    const packet = this.#frame(() => this.engine.open(frame, this.environment.monotonic_ms()));
    // A frame says whether its sender is muted, which may change the view.
    if (!this.#stopped && this.engine.has_output()) this.#run(() => undefined);
    return packet;
  }

  /** Verifies the proof of one record. Throws a `Problem`, or an error of the engine. */
  check(proof: string): Report {
    const report = JSON.parse(this.engine.check_record(proof, this.environment.now())) as Report;
    // The device follows the log from the proof's checkpoint on, which is stored.
    this.#run(() => undefined);
    return report;
  }

  /** A text with which the holder of the authority appoints this device. Throws an error of the engine. */
  appointment_request(): string {
    return this.engine.appointment_request(this.environment.now());
  }

  /** Runs something in the engine, and what it put out. Throws what the engine refuses; after a trap it runs nothing more. */
  in_engine<T>(work: (engine: Engine, now_ms: number) => T): T {
    if (this.#stopped) throw { code: 'not_enrolled' } satisfies Problem;
    try {
      return work(this.engine, this.environment.now());
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) this.#fail(error);
      throw error;
    } finally {
      this.#run(() => undefined);
    }
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
        this.#handle_output(JSON.parse(text) as PageOutput);
      }
      this.#schedule();
    } catch (error) {
      this.#fail(error);
    }
  }

  #handle_output(output: PageOutput): void {
    const { environment } = this;
    switch (output.type) {
      case 'view':
        return environment.post({ type: 'view', view: output.view });
      case 'open_leg':
        return environment.post({ type: 'open_leg', call: output.call });
      case 'media_answer':
        return environment.post({ type: 'media_answer', sdp: output.sdp });
      case 'close_leg':
        return environment.post({ type: 'close_leg' });
      case 'persist':
        return this.#queue(() => environment.save(output.state));
      case 'send':
        // The message may depend on the state saved just before it. If it left first, a crash could be followed by a
        // second message that was made from the older state.
        if (this.#saving) return this.#queue(async () => environment.send(output.text));
        return environment.send(output.text);
      case 'reconnect':
        return environment.reconnect();
      case 'erase':
        this.#stopped = true;
        this.#cancel_wakeup?.();
        return this.#queue(async () => {
          await environment.erase();
          environment.report_erasure(output.report);
          environment.post({ type: 'erased' });
          environment.stop();
        });
    }
  }

  #queue(work: () => Promise<void>): void {
    // After a failed save, queued work is dropped: it depends on a state that is not durable.
    const turn = async () => (this.#failed ? undefined : work());
    const done = (this.#saving ?? Promise.resolve()).then(turn).then(
      () => {
        if (this.#saving === done) this.#saving = undefined;
      },
      () => {
        this.#stop_with({ code: 'keys_not_saved' });
      },
    );
    this.#saving = done;
  }

  #schedule(): void {
    this.#cancel_wakeup?.();
    this.#cancel_wakeup = undefined;
    const at = this.engine.next_wakeup_ms();
    if (at === undefined || this.#stopped) return;
    this.#cancel_wakeup = this.environment.set_timer(Math.max(0, at - this.environment.now()), () => this.tick());
  }

  #fail(error: unknown): void {
    if (this.#failed) return;
    // An ordinary error means that the engine refused its input and is intact; only a WebAssembly trap leaves it unusable.
    if (error instanceof Error && !(error instanceof WebAssembly.RuntimeError)) {
      console.error('engine refused its input', error.message);
      return;
    }
    console.error('engine', error);
    this.#stop_with({ code: 'engine_fault' });
  }

  #stop_with(problem: Problem): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#stopped = true;
    this.#cancel_wakeup?.();
    this.environment.post({ type: 'failed', problem });
    this.environment.stop();
  }
}
