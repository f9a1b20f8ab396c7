// Notifications while the page is closed: the switch, and keeping the subscription of this browser and the one that the office has
// the same.

import { text_sha256_hex } from './engine/encoding';
import { push_in_browser, push_over_http, type PushBrowser, type PushOffice } from './engine/push';
import { problem_of, type Problem } from './engine/problem';

/** `unknown`: the office has not been asked yet. */
export type PushState = 'unknown' | 'unsupported' | 'no_push' | 'blocked' | 'off' | 'on';

/** That the person turned it on in this browser. */
const WANTED = 'telcon.push';
/** That the person was asked whether this browser is to ring while the page is closed, and answered. */
const ASKED = 'telcon.push_asked';

export class PushSwitch {
  state = $state<PushState>('unknown');
  busy = $state(false);
  problem = $state.raw<Problem | null>(null);
  #asked = $state(is_set(ASKED));
  /** Whether to ask once: it is off, could be on, and nobody has answered here. */
  readonly offered = $derived(this.state === 'off' && !this.#asked);

  constructor(
    private readonly language: () => string,
    private readonly office: PushOffice = push_over_http,
    private readonly browser: PushBrowser = push_in_browser,
  ) {}

  /**
   * Compares this browser with the office, after each sign-in. What was on and is not the same any more (another key of the office,
   * an address that the push service gave up) is subscribed anew.
   */
  check(token: string): Promise<void> {
    return this.#work(async () => {
      if (!this.browser.supported()) return 'unsupported';
      const { key, endpoint_sha256 } = await this.office.settings(token);
      if (key === undefined) return 'no_push';
      if (this.browser.permission() === 'denied') return 'blocked';
      if (!is_set(WANTED) || this.browser.permission() !== 'granted') return 'off';
      const current = await this.browser.current();
      const known = current && endpoint_sha256 === (await text_sha256_hex(current.subscription.endpoint));
      if (!known || current.key !== key) {
        if (current) await this.browser.unsubscribe();
        await this.#subscribe(token, key);
      }
      return 'on';
    });
  }

  turn_on(token: string): Promise<void> {
    this.not_now();
    return this.#work(async () => {
      const { key } = await this.office.settings(token);
      if (key === undefined) return 'no_push';
      const permission = await this.browser.request_permission();
      if (permission !== 'granted') return permission === 'denied' ? 'blocked' : 'off';
      const current = await this.browser.current();
      if (current && current.key !== key) await this.browser.unsubscribe();
      await this.#subscribe(token, key);
      keep(WANTED, true);
      return 'on';
    });
  }

  /** The person answered the question: it is not asked again. */
  not_now(): void {
    this.#asked = true;
    keep(ASKED, true);
  }

  turn_off(token: string): Promise<void> {
    return this.#work(async () => {
      await this.office.unsubscribe(token);
      keep(WANTED, false);
      await this.browser.unsubscribe();
      return 'off';
    });
  }

  /** This device is revoked: the office has erased the subscription. */
  async forget(): Promise<void> {
    keep(WANTED, false);
    keep(ASKED, false);
    this.#asked = false;
    this.state = 'unknown';
    if (this.browser.supported()) await this.browser.unsubscribe().catch(() => {});
  }

  /** The page speaks another language: so does the worker. */
  async speak(language: string): Promise<void> {
    if (this.state === 'on') await this.browser.speak(language).catch(() => {});
  }

  /** The page shows the rings, or what has become of them. */
  async close_rings(): Promise<void> {
    if (this.browser.supported()) await this.browser.close_rings().catch(() => {});
  }

  async #subscribe(token: string, key: string): Promise<void> {
    const { subscription } = await this.browser.subscribe(key, this.language());
    await this.office.subscribe(token, subscription);
  }

  /** One thing at a time. A failure leaves the state as it was, and says so. */
  async #work(work: () => Promise<PushState>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.problem = null;
    try {
      this.state = await work();
    } catch (error) {
      this.problem = problem_of(error);
    } finally {
      this.busy = false;
    }
  }
}

function is_set(name: string): boolean {
  try {
    return localStorage.getItem(name) === 'on';
  } catch {
    return false;
  }
}

function keep(name: string, on: boolean): void {
  try {
    if (on) localStorage.setItem(name, 'on');
    else localStorage.removeItem(name);
  } catch {
    // Storage is unavailable: the person turns it on again in the next session.
  }
}
