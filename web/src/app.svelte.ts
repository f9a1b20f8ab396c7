// The page's state: what the engine shows, where the person is, and what they asked for.

import type { Report, View } from './engine/contract';
import { forget_favourites, load_favourites, save_favourites } from './engine/favourites';
import type { Host, HostEvents } from './engine/host';
import type { MicrophoneState } from './engine/microphone';
import type { RecordLine, RecordProof, Records } from './engine/records';
import { sentence } from './engine/sentence';
import { here } from './view/clock';
import { still_changes } from './view/records';
import { at_desk, fragment_of, route_of, screen_name, tab_title, type Route, type Stage } from './view/screen';

/** Something asked of the office: on its way, there, or failed with a sentence. */
export type Loaded<T> = { is: 'loading' } | { is: 'there'; value: T } | { is: 'failed'; problem: string };

export interface CheckedRecord {
  line: RecordLine;
  report: Report;
  at_ms: number;
}

export class App {
  stage = $state.raw<Stage>({ is: 'starting' });
  view = $state.raw<View | null>(null);
  now = $state(Date.now());
  route = $state.raw<Route>({ at: 'home' });
  favourites = $state.raw<ReadonlySet<string>>(new Set());
  query = $state('');
  microphone = $state<MicrophoneState>('off');
  sound_blocked = $state(false);
  /** Sound of the others should come and does not. */
  silent = $state(false);
  /** An enrolment link was opened here, where there is a device already. */
  spare_link = $state(false);
  dismissed = $state<string | null>(null);
  /** Amber alerts that the person has read; red ones stay. */
  put_away = $state.raw<ReadonlySet<string>>(new Set());
  ended_ms = $state<number | null>(null);
  can_ask_to_notify = $state(false);
  records = $state.raw<Loaded<RecordLine[]>>({ is: 'loading' });
  record = $state.raw<Loaded<CheckedRecord>>({ is: 'loading' });

  readonly timings: { answer_ms: number | null; first_audio_ms: number | null } = { answer_ms: null, first_audio_ms: null };
  readonly screen = $derived(screen_name(this.stage, this.view, this.route, this.dismissed));
  readonly title = $derived(tab_title(this.screen, this.view));

  constructor(
    private readonly host: () => Host,
    private readonly office: Records,
    /** The zone of this device. */
    readonly zone: string = here(),
  ) {}

  // What the engine tells.

  readonly events: HostEvents = {
    ready: (enrolled) => {
      const fragment = enrolment_of(location.hash);
      if (enrolled) {
        this.stage = { is: 'on' };
        if (fragment !== null) this.#leave_link_unused();
      } else if (fragment !== null) {
        this.stage = { is: 'enrol', name: null, office: null, problem: null, busy: true };
        this.host().read_link(fragment);
      } else {
        this.stage = { is: 'unenrolled' };
      }
    },
    link: (person, office, problem) => {
      this.stage = {
        is: 'enrol',
        name: person?.name ?? null,
        office,
        problem,
        busy: false,
      };
    },
    enrolled: () => {
      clear_address();
      this.stage = { is: 'on' };
    },
    enrol_failed: (problem) => {
      if (this.stage.is === 'enrol') this.stage = { ...this.stage, problem, busy: false };
    },
    view: (view) => this.#show(view),
    failed: (problem) => {
      this.stage = { is: 'failed', problem };
    },
    microphone: (state) => {
      this.microphone = state;
    },
    sound_blocked: (blocked) => {
      this.sound_blocked = blocked;
    },
    heard: (at_ms) => {
      this.timings.first_audio_ms ??= at_ms;
    },
    silent: (silent) => {
      this.silent = silent;
    },
  };

  /** A link works once; it is not used up where it would change nothing. */
  #leave_link_unused(): void {
    this.spare_link = true;
    clear_address();
  }

  #show(view: View): void {
    const before = this.view;
    this.view = view;
    const { call } = view;
    if (call && call.call !== before?.call?.call) {
      this.ended_ms = null;
      this.timings.answer_ms = null;
      this.timings.first_audio_ms = null;
    }
    if (call?.state === 'answering' || call?.state === 'live') this.timings.answer_ms ??= clock();
    const ended_now = call?.state === 'ended' && before?.call?.call === call.call && before.call.state !== 'ended';
    if (ended_now) this.ended_ms = Date.now();
    if (view.phase === 'revoked') forget_favourites();
    const came_back = view.token !== null && before?.token !== view.token;
    if (came_back || (ended_now && view.token !== null)) this.reload();
  }

  // What the person does.

  ring(person: string): void {
    this.host().want_microphone();
    this.host().command({ do: 'ring', person });
  }

  answer(): void {
    this.timings.answer_ms = clock();
    this.host().command({ do: 'answer' });
    this.host().want_microphone();
    this.host().play();
  }

  decline(): void {
    this.host().command({ do: 'decline' });
  }

  hang_up(): void {
    this.host().command({ do: 'hang_up' });
  }

  listen(call: string): void {
    this.host().command({ do: 'listen', call });
  }

  leave(): void {
    this.host().command({ do: 'leave' });
  }

  mute(on: boolean): void {
    this.host().command({ do: 'mute', on });
  }

  dismiss(): void {
    this.dismissed = this.view?.call?.call ?? null;
    this.host().command({ do: 'dismiss' });
  }

  put_alert_away(text: string): void {
    this.put_away = new Set([...this.put_away, text]);
  }

  mend(what: 'microphone' | 'sound'): void {
    if (what === 'microphone') this.host().retry_microphone();
    else this.host().play();
  }

  enrol(): void {
    const fragment = enrolment_of(location.hash);
    if (fragment === null || this.stage.is !== 'enrol' || this.stage.busy) return;
    this.stage = { ...this.stage, problem: null, busy: true };
    this.host().enrol(fragment);
  }

  favour(person: string): void {
    const next = new Set(this.favourites);
    if (!next.delete(person)) next.add(person);
    this.favourites = next;
    save_favourites(next);
  }

  async ask_to_notify(): Promise<void> {
    await Notification.requestPermission();
    this.can_ask_to_notify = false;
  }

  go(route: Route): void {
    const fragment = fragment_of(route);
    history.pushState(null, '', fragment ? `#${fragment}` : location.pathname);
    this.arrive(route);
  }

  arrive(route: Route): void {
    this.route = route;
    this.reload();
  }

  /** Asks the office again for what the open screen shows. */
  reload(): void {
    if (this.route.at === 'calls' || this.#at_home_desk()) void this.#load_records();
    if (this.route.at === 'record') void this.#load_record(this.route.call);
  }

  #at_home_desk(): boolean {
    return this.route.at === 'home' && this.view !== null && at_desk(this.view);
  }

  #second(): void {
    this.now = Date.now();
    if (Math.floor(this.now / 1000) % READ_AGAIN_S === 0 && !document.hidden && this.#awaits()) this.reload();
  }

  /** Whether what is shown is still to change without anybody telling this page. */
  #awaits(): boolean {
    if (this.route.at === 'record') return this.record.is === 'there' && still_changes(this.record.value.line, this.now);
    const lines = this.records.is === 'there' ? this.records.value : [];
    if (this.#at_home_desk()) {
      // A call that ended beside this page: whether there is a record of it.
      const ended = this.view?.notices.filter((n) => n.state.is === 'ended' && n.mode !== 'log_only' && n.kept_index === null) ?? [];
      const known = (call: string) => lines.find((line) => line.call === call);
      return ended.some((notice) => !known(notice.call) || still_changes(known(notice.call)!, this.now));
    }
    return this.route.at === 'calls' && lines.some((line) => still_changes(line, this.now));
  }

  async #load_records(): Promise<void> {
    const token = this.view?.token;
    if (!token) return;
    if (this.records.is === 'failed') this.records = { is: 'loading' };
    try {
      this.records = { is: 'there', value: await this.office.list(token) };
    } catch (error) {
      this.records = { is: 'failed', problem: sentence(error) };
    }
  }

  async #load_record(call: string): Promise<void> {
    const token = this.view?.token;
    const wanted = () => this.route.at === 'record' && this.route.call === call;
    const shown = this.record.is === 'there' && this.record.value.line.call === call;
    if (!shown) this.record = { is: 'loading' };
    if (!token) return;
    try {
      const proof = await this.office.proof(token, call);
      const report = await this.host().check(proof);
      const { line } = JSON.parse(proof) as RecordProof;
      if (wanted()) this.record = { is: 'there', value: { line, report, at_ms: Date.now() } };
    } catch (error) {
      if (wanted()) this.record = { is: 'failed', problem: sentence(error) };
    }
  }

  /** Favourites, the address, the clock: what a real page has and a picture of one does not. */
  begin(): void {
    this.favourites = load_favourites();
    this.route = route_of(location.hash.slice(1));
    addEventListener('popstate', () => {
      // An enrolment link opened in the tab that already says that it needs one.
      const link = enrolment_of(location.hash) !== null;
      if (this.stage.is === 'unenrolled' && link) this.events.ready(false);
      else if (this.stage.is === 'on' && link) this.#leave_link_unused();
      else this.arrive(route_of(location.hash.slice(1)));
    });
    setInterval(() => this.#second(), 1000);
    this.can_ask_to_notify = 'Notification' in globalThis && Notification.permission === 'default';
  }
}

/** How often the list of calls is read again while a call in it goes on or its record is on its way, seconds. */
const READ_AGAIN_S = 5;

/** Milliseconds since 1970 with fractions, in step with the worker's. */
const clock = () => performance.timeOrigin + performance.now();

function enrolment_of(hash: string): string | null {
  return hash.startsWith('#enrol=') ? hash.slice('#enrol='.length) : null;
}

/** The link must not stay in the address bar or the history, used or not. */
function clear_address(): void {
  history.replaceState(null, '', location.pathname);
}
