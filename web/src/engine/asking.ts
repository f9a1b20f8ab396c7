// A new device asks a registrar to enrol it: it sends the same request until it is answered. The first request consumes the
// link, so the device's keys are stored before it is sent, and a reload goes on with the same ones.

import type { Asked, Blob as Certificate, PageAsking } from './contract';
import { office_info, post_to_office, refusal, type Fetch } from './enrol';
import { problem_of, type Problem } from './problem';

/** What the screen shows of a device that asks. */
export type Asking =
  /** The office's description is being read; nothing was sent. `problem`: why that failed the last time. */
  | { status: 'starting'; problem: Problem | null }
  | {
      status: 'waiting';
      office: string;
      /** To be read to the registrar. */
      code: string;
      /** Until when a registrar may answer, milliseconds since 1970 UTC; not known before the office's first answer. */
      expires_ms: number | null;
      /** One of two registrars has approved it, where the office demands two. */
      first_approved: boolean;
      /** The office did not answer the last time. */
      unreachable: boolean;
      /** A principal gave a line with it; a registrar invited otherwise. */
      line?: boolean;
    }
  /** It was approved, and this device could not verify or store that. Its keys are kept; a reload repeats the request. */
  | { status: 'not_completed'; office: string; why: Problem }
  /** The person stopped it, and the keys could not be erased: a reload goes on with it. */
  | { status: 'not_stopped'; office: string | null }
  /**
   * The request will never succeed. `kept`: its keys could not be erased; a reload tries that again. `link_used`: the request was
   * sent; otherwise it could not be made or stored, and a reload opens the link again.
   */
  | {
      status: 'over';
      office: string | null;
      why: 'refused' | 'expired' | Problem;
      kept: boolean;
      link_used: boolean;
      line?: boolean;
    };

/** Whether the link can still be used: nothing was sent. */
export const is_link_unused = (asking: Asking): boolean =>
  asking.status === 'starting' || (asking.status === 'over' && !asking.link_used);

/** How often an unanswered request is repeated, milliseconds: two people wait for it on the telephone. */
export const ASK_INTERVAL_MS = 2_000;
/** Longest interval while the office does not answer, milliseconds. */
export const MAX_ASK_INTERVAL_MS = 10_000;

/** Statuses after which retrying cannot succeed: no such invitation, enrolled already, link consumed, request invalid. */
const FINAL: readonly number[] = [404, 409, 410, 422];

/** I/O that the device needs. `save` and `erase` resolve once that is durable. */
export interface AskingEnvironment {
  fetch: Fetch;
  /** Calls `callback` once, `ms` from now, and does not wait for what it does; returns a function that cancels it. */
  set_timer(ms: number, callback: () => Promise<void>): () => void;
  save(state: string): Promise<void>;
  erase(): Promise<void>;
  /** Verifies the certificates, stores the enrolled device and starts it. */
  complete(state: string, chain: Certificate[]): Promise<void>;
  show(asking: Asking): void;
}

export class AskingDevice {
  #asking: PageAsking | undefined;
  #expires_ms: number | null = null;
  #first_approved = false;
  #cancel: (() => void) | undefined;
  #failures = 0;
  /** What the timer, or `ask_now`, does next. */
  #next: (() => Promise<void>) | undefined;
  /** The step under way. */
  #step: Promise<void> | undefined;
  #stopped = false;
  #enrolled = false;

  constructor(private readonly environment: AskingEnvironment) {}

  /**
   * From a link: `make` makes keys and request (JSON of a `PageAsking`) from the office's description, or throws an `Error` whose
   * message is shown.
   */
  async start(make: (info: string) => string): Promise<void> {
    this.environment.show({ status: 'starting', problem: null });
    await this.#run(() => this.#begin(make));
  }

  /** After a reload. */
  async resume(asking: PageAsking): Promise<void> {
    this.#asking = asking;
    this.#show_waiting(false);
    await this.#run(() => this.#ask());
  }

  /** Asks without waiting for the interval: the network is back. */
  async ask_now(): Promise<void> {
    if (this.#next) await this.#run(this.#next);
  }

  /** Forgets the request. Whether its keys are erased: not if it was enrolled meanwhile, or if that fails, which is shown. */
  async stop(): Promise<boolean> {
    this.#end();
    await this.#step;
    if (this.#enrolled) return false;
    try {
      await this.environment.erase();
      return true;
    } catch {
      this.environment.show({ status: 'not_stopped', office: this.#asking?.office ?? null });
      return false;
    }
  }

  async #run(step: () => Promise<void>): Promise<void> {
    if (this.#step || this.#stopped) return;
    this.#cancel?.();
    this.#step = step();
    try {
      await this.#step;
    } finally {
      this.#step = undefined;
    }
  }

  #after(ms: number, step: () => Promise<void>): void {
    if (this.#stopped) return;
    this.#next = step;
    this.#cancel = this.environment.set_timer(ms, () => this.#run(step));
  }

  #backoff(): number {
    return Math.min(MAX_ASK_INTERVAL_MS, ASK_INTERVAL_MS * 2 ** this.#failures++);
  }

  async #begin(make: (info: string) => string): Promise<void> {
    let info: string;
    try {
      info = await office_info(this.environment.fetch);
    } catch (error) {
      if (this.#stopped) return;
      this.environment.show({ status: 'starting', problem: problem_of(error) });
      return this.#after(this.#backoff(), () => this.#begin(make));
    }
    if (this.#stopped) return;
    try {
      const asking = JSON.parse(make(info)) as PageAsking;
      // Commit: from here on a reload repeats this request.
      await this.#save(asking.state);
      this.#asking = asking;
    } catch (error) {
      return this.#over({ office: null, why: problem_of(error), kept: false, link_used: false });
    }
    this.#failures = 0;
    this.#show_waiting(false);
    if (!this.#stopped) await this.#ask();
  }

  async #save(state: string): Promise<void> {
    try {
      await this.environment.save(state);
    } catch {
      throw { code: 'keys_not_saved' } satisfies Problem;
    }
  }

  async #ask(): Promise<void> {
    const asking = this.#asking;
    if (!asking) return;
    try {
      const answer = await post_to_office(this.environment.fetch, '/device-requests', asking.request);
      if (!answer.ok) return await this.#not_taken(asking, answer);
      const asked = (await answer.json()) as Asked;
      if (!this.#stopped) await this.#answered(asking, asked);
    } catch {
      // No connection, or an answer that is not the office's.
      this.#retry();
    }
  }

  async #answered(asking: PageAsking, asked: Asked): Promise<void> {
    switch (asked.state) {
      case 'waiting':
        this.#failures = 0;
        this.#expires_ms = asked.expires_ms;
        this.#first_approved = (asked.approvals ?? 0) > 0;
        this.#show_waiting(false);
        return this.#after(ASK_INTERVAL_MS, () => this.#ask());
      case 'approved':
        try {
          await this.environment.complete(asking.state, asked.chain);
          this.#enrolled = true;
          return this.#end();
        } catch (error) {
          // The keys are kept: the reason may be this device's clock, or its disk.
          this.#end();
          return this.environment.show({ status: 'not_completed', office: asking.office, why: problem_of(error) });
        }
      case 'refused':
      case 'expired':
        return this.#erase_and_tell(asking, asked.state);
      default:
        return this.#retry();
    }
  }

  /** A proxy's error page must not cost the device its keys: only an answer with the office's reason is final. */
  async #not_taken(asking: PageAsking, answer: Response): Promise<void> {
    const why = FINAL.includes(answer.status) ? await refusal(answer) : null;
    if (this.#stopped) return;
    if (why === null || 'code' in why) return this.#retry();
    return this.#erase_and_tell(asking, why);
  }

  #retry(): void {
    if (this.#stopped) return;
    this.#show_waiting(true);
    this.#after(this.#backoff(), () => this.#ask());
  }

  async #erase_and_tell(asking: PageAsking, why: 'refused' | 'expired' | Problem): Promise<void> {
    let kept = false;
    try {
      await this.environment.erase();
    } catch {
      // The answer is shown all the same; after a reload the office gives it again.
      kept = true;
    }
    this.#over({ office: asking.office, why, kept, link_used: true });
  }

  #show_waiting(unreachable: boolean): void {
    const asking = this.#asking;
    if (!asking || this.#stopped) return;
    const { office, code } = asking;
    const [expires_ms, first_approved] = [this.#expires_ms, this.#first_approved];
    const line = of_line(asking);
    this.environment.show({ status: 'waiting', office, code, expires_ms, first_approved, unreachable, ...line });
  }

  #over(over: Omit<Extract<Asking, { status: 'over' }>, 'status'>): void {
    this.#end();
    this.environment.show({ status: 'over', ...over, ...of_line(this.#asking) });
  }

  #end(): void {
    this.#stopped = true;
    this.#next = undefined;
    this.#cancel?.();
  }
}

/** That a principal gave a line with the link. */
const of_line = (asking: PageAsking | undefined): { line?: true } => (asking?.line ? { line: true } : {});
