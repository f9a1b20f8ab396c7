// State of the page: the engine's view, the current route, and pending requests.

import type { RecordLine, Report, View } from './engine/contract';
import { forget_favourites, load_favourites, save_favourites } from './engine/favourites';
import type { Host, HostEvents } from './engine/host';
import type { MicrophoneState } from './engine/microphone';
import { RECORDS_PER_PAGE, with_newest, type RecordProof, type Records } from './engine/records';
import { error_sentence } from './engine/error_sentence';
import { local_zone } from './view/clock';
import { is_pending } from './view/records';
import { wanted_name } from './view/people';
import { at_desk, fragment_of, route_of, screen_name, tab_title, type Route, type Stage } from './view/screen';

/** The result of a request to the office. `problem` is a sentence for the person. */
export type Loadable<T> = { status: 'loading' } | { status: 'ready'; value: T } | { status: 'failed'; problem: string };

export interface CheckedRecord {
  line: RecordLine;
  report: Report;
  at_ms: number;
}

export class App {
  stage = $state.raw<Stage>({ status: 'starting' });
  view = $state.raw<View | null>(null);
  now = $state(Date.now());
  route = $state.raw<Route>({ at: 'home' });
  favourites = $state.raw<ReadonlySet<string>>(new Set());
  query = $state('');
  microphone = $state<MicrophoneState>('off');
  sound_blocked = $state(false);
  /** Frames from the other side are expected and none arrived within the keepalive timeout. */
  media_timed_out = $state(false);
  /** An enrolment link was opened in a browser that is enrolled already. */
  unused_link = $state(false);
  dismissed = $state<string | null>(null);
  /** Texts of amber alerts that the person dismissed; red alerts cannot be dismissed. */
  dismissed_alerts = $state.raw<ReadonlySet<string>>(new Set());
  ended_ms = $state<number | null>(null);
  can_request_notifications = $state(false);
  records = $state.raw<Loadable<RecordLine[]>>({ status: 'loading' });
  record = $state.raw<Loadable<CheckedRecord>>({ status: 'loading' });

  /** Calls older than those of the list can be fetched. */
  more_records = $state(false);
  #search_timer: ReturnType<typeof setTimeout> | undefined;

  readonly timings: { answer_ms: number | null; first_audio_ms: number | null } = {
    answer_ms: null,
    first_audio_ms: null,
  };
  readonly screen = $derived(screen_name(this.stage, this.view, this.route, this.dismissed));
  readonly title = $derived(tab_title(this.screen, this.view));

  constructor(
    private readonly host: () => Host,
    private readonly office: Records,
    /** IANA time zone of this device. */
    readonly zone: string = local_zone(),
  ) {}

  // Events from the engine.

  readonly events: HostEvents = {
    ready: (enrolled) => {
      const fragment = enrolment_of(location.hash);
      if (enrolled) {
        this.stage = { status: 'on' };
        if (fragment !== null) this.#ignore_link();
      } else if (fragment !== null) {
        this.stage = { status: 'enrol', name: null, office: null, problem: null, busy: true };
        this.host().read_link(fragment);
      } else {
        this.stage = { status: 'unenrolled' };
      }
    },
    link_read: (person, office, problem) => {
      this.stage = {
        status: 'enrol',
        name: person?.name ?? null,
        office,
        problem,
        busy: false,
      };
    },
    enrolled: () => {
      clear_fragment();
      this.stage = { status: 'on' };
    },
    enrol_failed: (problem) => {
      if (this.stage.status === 'enrol') this.stage = { ...this.stage, problem, busy: false };
    },
    view: (view) => this.#show(view),
    failed: (problem) => {
      this.stage = { status: 'failed', problem };
    },
    microphone: (state) => {
      this.microphone = state;
    },
    sound_blocked: (blocked) => {
      this.sound_blocked = blocked;
    },
    first_frame_decrypted: (at_ms) => {
      this.timings.first_audio_ms ??= at_ms;
    },
    media_timed_out: (timed_out) => {
      this.media_timed_out = timed_out;
    },
  };

  /** A link works once: it is not consumed in a browser that is enrolled already. */
  #ignore_link(): void {
    this.unused_link = true;
    clear_fragment();
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
    const signed_in_again = view.token !== null && before?.token !== view.token;
    if (signed_in_again || (ended_now && view.token !== null)) this.reload();
  }

  // Actions of the person.

  /** Asks the office for the people whom the search names, where the list does not have everybody, once typing pauses. */
  find_people(): void {
    clearTimeout(this.#search_timer);
    this.#search_timer = setTimeout(() => {
      const name = this.view && wanted_name(this.view, this.query);
      if (name) this.host().command({ type: 'find_people', name });
    }, SEARCH_DELAY_MS);
  }

  ring(person: string): void {
    this.host().request_microphone();
    this.host().command({ type: 'ring', person });
  }

  /** `call`: the ring that the person saw. One that ended in this moment is not replaced by another. */
  answer(call: string): void {
    this.timings.answer_ms = clock();
    this.host().command({ type: 'answer', call });
    this.host().request_microphone();
    this.host().play();
  }

  decline(call: string): void {
    this.host().command({ type: 'decline', call });
  }

  /** A silenced caller does not ring on any device of this person. */
  silence(person: string, on: boolean): void {
    this.host().command({ type: 'silence', person, on });
  }

  hang_up(): void {
    this.host().command({ type: 'hang_up' });
  }

  listen(call: string): void {
    this.host().command({ type: 'listen', call });
  }

  leave(): void {
    this.host().command({ type: 'leave' });
  }

  mute(on: boolean): void {
    this.host().command({ type: 'mute', on });
  }

  dismiss(): void {
    this.dismissed = this.view?.call?.call ?? null;
    this.host().command({ type: 'dismiss' });
  }

  dismiss_alert(text: string): void {
    this.dismissed_alerts = new Set([...this.dismissed_alerts, text]);
  }

  resolve(what: 'microphone' | 'sound'): void {
    if (what === 'microphone') this.host().retry_microphone();
    else this.host().play();
  }

  enrol(): void {
    const fragment = enrolment_of(location.hash);
    if (fragment === null || this.stage.status !== 'enrol' || this.stage.busy) return;
    this.stage = { ...this.stage, problem: null, busy: true };
    this.host().enrol(fragment);
  }

  toggle_favourite(person: string): void {
    const next = new Set(this.favourites);
    if (!next.delete(person)) next.add(person);
    this.favourites = next;
    save_favourites(next);
  }

  async request_notifications(): Promise<void> {
    await Notification.requestPermission();
    this.can_request_notifications = false;
  }

  navigate(route: Route): void {
    const fragment = fragment_of(route);
    history.pushState(null, '', fragment ? `#${fragment}` : location.pathname);
    this.show_route(route);
  }

  show_route(route: Route): void {
    this.route = route;
    this.reload();
  }

  /** Fetches the data of the current screen again. */
  reload(): void {
    if (this.route.at === 'calls' || this.#at_home_desk()) void this.#load_records();
    if (this.route.at === 'record') void this.#load_record(this.route.call);
  }

  #at_home_desk(): boolean {
    return this.route.at === 'home' && this.view !== null && at_desk(this.view);
  }

  #on_second(): void {
    this.now = Date.now();
    if (Math.floor(this.now / 1000) % POLL_INTERVAL_S === 0 && !document.hidden && this.#expects_changes())
      this.reload();
  }

  /** Whether data on the screen is expected to change without a message that announces it, so that it must be polled. */
  #expects_changes(): boolean {
    if (this.route.at === 'record')
      return this.record.status === 'ready' && is_pending(this.record.value.line, this.now);
    const lines = this.records.status === 'ready' ? this.records.value : [];
    if (this.#at_home_desk()) {
      // A call that ended while this page was open: whether its record has arrived.
      const ended =
        this.view?.notices.filter((n) => n.state.is === 'ended' && n.mode !== 'log_only' && n.kept_index === null) ??
        [];
      const known = (call: string) => lines.find((line) => line.call === call);
      return ended.some((notice) => !known(notice.call) || is_pending(known(notice.call)!, this.now));
    }
    return this.route.at === 'calls' && lines.some((line) => is_pending(line, this.now));
  }

  async #load_records(): Promise<void> {
    const token = this.view?.token;
    if (!token) return;
    if (this.records.status === 'failed') this.records = { status: 'loading' };
    try {
      const newest = await this.office.list(token);
      const known = this.records.status === 'ready' ? this.records.value : [];
      const { lines, more } = with_newest(known, newest, this.more_records);
      this.records = { status: 'ready', value: lines };
      this.more_records = more;
    } catch (error) {
      this.records = { status: 'failed', problem: error_sentence(error) };
    }
  }

  /** Adds the calls before the oldest of the list. */
  async load_older_records(): Promise<void> {
    const token = this.view?.token;
    const oldest = this.records.status === 'ready' ? this.records.value.at(-1) : undefined;
    if (!token || !oldest) return;
    try {
      const older = await this.office.list(token, oldest);
      if (this.records.status !== 'ready' || this.records.value.at(-1)?.call !== oldest.call) return;
      this.records = { status: 'ready', value: [...this.records.value, ...older] };
      this.more_records = older.length === RECORDS_PER_PAGE;
    } catch (error) {
      this.records = { status: 'failed', problem: error_sentence(error) };
    }
  }

  async #load_record(call: string): Promise<void> {
    const token = this.view?.token;
    const wanted = () => this.route.at === 'record' && this.route.call === call;
    const shown = this.record.status === 'ready' && this.record.value.line.call === call;
    if (!shown) this.record = { status: 'loading' };
    if (!token) return;
    try {
      const proof = await this.office.proof(token, call);
      const report = await this.host().check(proof);
      const { line } = JSON.parse(proof) as RecordProof;
      if (wanted()) this.record = { status: 'ready', value: { line, report, at_ms: Date.now() } };
    } catch (error) {
      if (wanted()) this.record = { status: 'failed', problem: error_sentence(error) };
    }
  }

  /** Loads favourites and route and starts the clock. Screenshots do not call it: their state is fixed. */
  start(): void {
    this.favourites = load_favourites();
    this.route = route_of(location.hash.slice(1));
    addEventListener('popstate', () => {
      // An enrolment link was pasted into a tab that is open already.
      const link = enrolment_of(location.hash) !== null;
      if (this.stage.status === 'unenrolled' && link) this.events.ready(false);
      else if (this.stage.status === 'on' && link) this.#ignore_link();
      else this.show_route(route_of(location.hash.slice(1)));
    });
    setInterval(() => this.#on_second(), 1000);
    this.can_request_notifications = 'Notification' in globalThis && Notification.permission === 'default';
  }
}

/** How long typing pauses before the office is asked, milliseconds: it answers five searches a second. */
const SEARCH_DELAY_MS = 250;

/** Polling interval while a listed call is live or its record is pending, seconds. */
const POLL_INTERVAL_S = 5;

/** Milliseconds since 1970 UTC with fractions, on the same time base as the worker's. */
const clock = () => performance.timeOrigin + performance.now();

function enrolment_of(hash: string): string | null {
  return hash.startsWith('#enrol=') ? hash.slice('#enrol='.length) : null;
}

/** The link's secret must not stay in the address bar or the history, used or not. */
function clear_fragment(): void {
  history.replaceState(null, '', location.pathname);
}
