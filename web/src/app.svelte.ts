// State of the page: the engine's view, the current route, and pending requests.

import type { Card, DeclineReply, HoldWord, ReachSettings, RecordLine, RevocationView, View } from './engine/contract';
import { forget_favourites, load_favourites, save_favourites } from './engine/favourites';
import type { Host, HostEvents } from './engine/host';
import { load_call, save_call } from './engine/call_memory';
import type { Alerts } from './engine/alerts';
import { is_link_unused } from './engine/asking';
import type { Delegations as DelegationOffice } from './engine/delegations';
import type { Devices } from './engine/devices';
import type { Lines as LineOffice } from './engine/lines';
import { RECORD_PAGE, RECORDS_PER_PAGE, with_newest, type Records } from './engine/records';
import type { MicrophoneState } from './engine/microphone';
import { erase_page_data } from './engine/page_data';
import { problem_of, type Problem } from './engine/problem';
import { acts_for_others, is_rung, marks_alerts, sees_all_records, watches } from './engine/roles';
import type { SoundKind } from './engine/sound_devices';
import type { ShiftOffice } from './engine/shift_office';
import type { SsoOffice } from './engine/sso_office';
import * as protection_memory from './engine/protection_memory';
import type { ProtectionOffice } from './engine/protection_office';
import { Delegations } from './delegations.svelte';
import * as current_page from './engine/current_page';
import { Documents } from './documents.svelte';
import { PlannedCalls } from './papers/plans.svelte';
import { forget_link, has_link, opened_link, put_back_link } from './link';
import { Lines } from './lines.svelte';
import { keep_storage } from './page_guard';
import { Protection } from './protection.svelte';
import { checked_record, type CheckedRecord } from './record_check';
import { NumberedReads } from './numbered_reads';
import { OfficeAlerts } from './office_alerts.svelte';
import { OwnDevices } from './own_devices.svelte';
import { Promises } from './promises.svelte';
import { PushSwitch } from './push.svelte';
import { Registrar } from './registrar.svelte';
import { Shift } from './shift.svelte';
import { SignIns } from './sign_ins.svelte';
import { Sound } from './sound.svelte';
import { OfficeSignIn } from './sso.svelte';
import { catch_return } from './sso_return';
import { Briefs } from './papers/briefs.svelte';
import { CallNotes } from './papers/call_notes.svelte';
import { choose_locale } from './text';
import type { Locale } from './text/locales';
import { current_locale } from './text/state.svelte';
import { local_zone } from './view/clock';
import { for_lines, offering } from './view/delegations';
import { device_label } from './view/device_label';
import type { RoomSaid } from './view/green_room';
import { failed, needs_reading, type Loadable } from './view/loadable';
import { is_pending } from './view/records';
import { remember, resume, type RememberedCall, type ShownView } from './view/resume';
import { MIN_SEARCH_CHARS, wanted_name } from './view/people';
import {
  fragment_of,
  lists_calls,
  place_of,
  route_of,
  screen_name,
  tab_title,
  type AppState,
  type Place,
  type Route,
} from './view/screen';

/** Whether system notifications of rings are shown: `default` is not asked yet. */
export type Notifications = NotificationPermission | 'unsupported';

/** How long documents are left alone after one changed, before they are sealed again for newer devices, milliseconds. */
const SEAL_AGAIN_MS = 5_000;

export class App {
  state = $state.raw<AppState>({ status: 'starting' });
  view = $state.raw<ShownView | null>(null);
  now = $state(Date.now());
  route = $state.raw<Route>({ at: 'home' });
  favourites = $state.raw<ReadonlySet<string>>(new Set());
  query = $state('');
  readonly sound = new Sound();
  readonly registrar: Registrar;
  readonly sign_ins: SignIns;
  readonly office_alerts: OfficeAlerts;
  readonly delegations: Delegations;
  readonly lines: Lines;
  readonly documents: Documents;
  readonly plans: PlannedCalls;
  readonly briefs: Briefs;
  readonly call_notes: CallNotes;
  readonly own_devices: OwnDevices;
  /** A call was to continue here, and stays where it is: there is no microphone. */
  move_refused = $state<'denied' | 'missing' | null>(null);
  readonly protection: Protection;
  readonly sso: OfficeSignIn;
  readonly shift: Shift;
  readonly push = new PushSwitch(current_locale);
  /** Frames from the other side are expected and none arrived within the keepalive timeout. */
  media_timed_out = $state(false);
  /** An enrolment link was opened in a browser that is enrolled already, or waits for a registrar. */
  unused_link = $state(false);
  /** The short code that was typed here, and why it gave nothing. */
  code_entry = $state.raw<{ busy: boolean; problem: Problem | null }>({ busy: false, problem: null });
  /** The person is asked whether this device is to be erased here, and what came of it. */
  erasing = $state.raw<{ busy: boolean; problem: Problem | null } | null>(null);
  dismissed = $state<string | null>(null);
  /** Texts of amber alerts that the person dismissed; red alerts cannot be dismissed. */
  dismissed_alerts = $state.raw<ReadonlySet<string>>(new Set());
  ended_ms = $state<number | null>(null);
  readonly promises = new Promises();
  /** Calls that did not ring here, which the person has read of. */
  seen_missed = $state.raw<ReadonlySet<string>>(new Set());
  /** Who hung up, by call: of those that this page was in since it was loaded. */
  hung_up_by = $state.raw<ReadonlyMap<string, Card>>(new Map());
  notifications = $state<Notifications>('unsupported');
  settings_open = $state(false);
  records = $state.raw<Loadable<RecordLine[]>>({ status: 'loading' });
  record = $state.raw<Loadable<CheckedRecord>>({ status: 'loading' });

  /** Address of the office's page, to which links lead. */
  address = globalThis.location?.origin ?? '';
  /** Scenes of screenshots: no prompts, no listeners. */
  fixed = false;
  /** The call in which this device is muted only until it has a microphone. */
  #muted_without_microphone: string | null = null;
  #remembered: RememberedCall | null = null;
  /** The link that was not used because this device's keys are locked: erasing the device here makes it usable. */
  #kept_link: string | null = null;
  /** The screen that offers a protection was shown without having been asked for. */
  #offers = false;
  /** Calls older than those of the list can be fetched. */
  more_records = $state(false);
  readonly #record_reads = new NumberedReads();
  #search_timer: ReturnType<typeof setTimeout> | undefined;
  #seal_timer: ReturnType<typeof setTimeout> | undefined;

  readonly timings: { answer_ms: number | null; first_audio_ms: number | null } = {
    answer_ms: null,
    first_audio_ms: null,
  };
  readonly screen = $derived.by(() =>
    screen_name(this.state, this.view, this.route, this.dismissed, {
      sso_required: this.sso.required,
      shift_required: this.shift.required,
      later: this.lines.later,
    }),
  );
  /** What this person is notified of while the page is closed. */
  readonly notified_of = $derived.by((): 'rings' | 'alerts' | null => {
    const role = this.view?.you?.role;
    if (role === undefined) return null;
    return is_rung(role) ? 'rings' : marks_alerts(role) ? 'alerts' : null;
  });
  readonly title = $derived(tab_title(this.screen, this.view));

  constructor(
    private readonly host: () => Host,
    private readonly office: Records &
      Devices &
      Alerts &
      DelegationOffice &
      LineOffice &
      ProtectionOffice &
      SsoOffice &
      ShiftOffice,
    /** IANA time zone of this device. */
    readonly zone: string = local_zone(),
  ) {
    this.protection = new Protection(host, office, () => this.view?.token ?? this.view?.shift_token ?? null);
    this.protection.policy_known = () => this.#offer_protection();
    this.sign_ins = new SignIns(office);
    this.own_devices = new OwnDevices(office);
    this.registrar = new Registrar(host, office, (...command) => this.protection.confirmed_first(...command));
    this.office_alerts = new OfficeAlerts(host, office);
    this.delegations = new Delegations(host, office, (...command) => this.protection.confirmed_first(...command));
    this.lines = new Lines(host, office, (...action) => this.protection.confirmed_if(...action));
    this.lines.made = (invitation) => {
      if (this.route.at === 'give') this.navigate({ at: 'offer', invitation }, 'replace');
    };
    this.lines.under = (one) => {
      const { list } = this.delegations;
      if (one.line.principal.person === this.view?.you?.person || list.status !== 'ready') return null;
      return for_lines(list.value, one.line.principal.person, this.now)?.statement ?? null;
    };
    this.lines.may_change = (one) =>
      one.line.principal.person === this.view?.you?.person || this.lines.under(one) !== null;
    this.lines.offers_for = () => {
      const { list } = this.delegations;
      const person = this.view?.you?.person;
      return list.status === 'ready' && person !== undefined ? offering(list.value, person, this.now) : [];
    };
    this.documents = new Documents(host, () => this.view?.token ?? null);
    this.plans = new PlannedCalls({
      view: () => this.view,
      documents: this.documents,
      read_delegations: async () => {
        await this.delegations.load(this.view?.token);
        const { list } = this.delegations;
        return list.status === 'ready' ? list.value.delegations : [];
      },
      ring: (person, under) => (under === null ? this.ring(person) : this.ring_for(person, under)),
      zone,
      now: () => this.now,
    });
    this.briefs = new Briefs(this.documents);
    this.call_notes = new CallNotes(this.documents);
    this.sso = new OfficeSignIn(office);
    this.shift = new Shift(host, office);
  }

  // Events from the engine.

  readonly events: HostEvents = {
    ready: (enrolled, asking) => {
      const fragment = opened_link();
      if (enrolled) {
        void keep_storage();
        this.#kept_link = null;
        this.#start_device();
        if (fragment !== null) this.#ignore_link();
      } else if (asking) {
        // What it shows follows. It goes on with the request that it has: opening its link again must not count as another device.
        if (fragment !== null) this.#ignore_link();
      } else if (fragment !== null) {
        this.state = { status: 'enrol', name: null, office: null, problem: null, busy: true };
        this.host().open_link(fragment, device_label(navigator));
      } else {
        this.state = { status: 'unenrolled' };
      }
    },
    protectors: (device, how) => this.protection.known(device, how),
    locked: () => {
      this.state = { status: 'locked' };
      this.protection.locked();
      if (opened_link() !== null) this.#keep_link();
    },
    revoked: (revocation) => {
      this.state = { status: 'revoked', revocation };
      this.#revoked(revocation, null);
    },
    link_read: (person, office, problem) => {
      if (problem && ends_link(problem)) forget_link();
      this.state = {
        status: 'enrol',
        name: person?.name ?? null,
        office,
        problem,
        busy: false,
      };
    },
    asking: (asking) => {
      // A link that is still unused is opened again by a reload.
      if (!is_link_unused(asking) && opened_link() !== null) forget_link();
      if (this.state.status !== 'asking') void keep_storage();
      this.code_entry = { busy: false, problem: null };
      this.state = { status: 'asking', asking };
    },
    asking_stopped: () => {
      this.unused_link = false;
      this.state = { status: 'unenrolled' };
    },
    code_refused: (problem) => {
      this.code_entry = { busy: false, problem };
    },
    enrolled: () => {
      forget_link();
      this.unused_link = false;
      void keep_storage();
      this.protect();
    },
    enrol_failed: (problem) => {
      if (ends_link(problem)) forget_link();
      if (this.state.status === 'enrol') this.state = { ...this.state, problem, busy: false };
    },
    view: (view) => this.#show(view),
    failed: (problem) => {
      this.state = { status: 'failed', problem };
    },
    microphone: (state) => {
      this.sound.microphone = state;
      this.#tell_microphone();
    },
    sound_blocked: (blocked) => {
      this.sound.blocked = blocked;
    },
    levels: (you, others) => this.sound.update_levels(you, others, performance.now()),
    microphone_name: (name) => this.sound.uses(name),
    sound_devices: (devices) => this.sound.update_devices(devices),
    first_frame_decrypted: (at_ms) => {
      this.timings.first_audio_ms ??= at_ms;
    },
    media_timed_out: (timed_out) => {
      this.media_timed_out = timed_out;
    },
  };

  /** The device's keys are open. One that is not protected is offered a protection first. */
  #start_device(): void {
    this.state = { status: 'on' };
    // Of a protected one too: the policy says after how long it locks itself.
    void this.protection.read_policy();
    if (this.protection.protectors.length === 0) this.#offer_protection();
  }

  /** By what the office said last. Until it has said anything, nobody goes on unprotected: it may forbid that. */
  #offer_protection(): void {
    const { offered } = this.protection;
    // Nothing covers a call; it is offered after it.
    if (this.view?.call && this.view.call.state !== 'ended') return;
    if (this.state.status === 'on' && offered) {
      this.#offers = true;
      this.state = { status: 'protect' };
    } else if (this.state.status === 'protect' && this.#offers && !offered) {
      this.state = { status: 'on' };
    }
  }

  /** Shows the screen that offers a protection, also after the person postponed that. */
  protect(): void {
    this.settings_open = false;
    this.#offers = false;
    this.state = { status: 'protect' };
    void this.protection.read_policy();
  }

  /** The screen that offers a protection ends: it was chosen, or postponed. */
  end_protect(): void {
    if (this.protection.protectors.length === 0) this.protection.not_now();
    if (this.state.status === 'protect') this.state = { status: 'on' };
  }

  /** A link works once: it is not consumed in a browser that is enrolled already. */
  #ignore_link(): void {
    this.unused_link = true;
    forget_link();
  }

  /** As `#ignore_link`, where the link can still be used here: once the device is erased. */
  #keep_link(): void {
    this.#kept_link = opened_link();
    this.#ignore_link();
  }

  /** A short code was typed, which carries a registrar's link. */
  enter_code(typed: string): void {
    if (this.code_entry.busy) return;
    this.code_entry = { busy: true, problem: null };
    this.host().enter_code(typed, device_label(navigator));
  }

  /** Asks the person whether this device is to be erased here. */
  ask_erase(): void {
    this.erasing = { busy: false, problem: null };
  }

  /** The person closed that question. An erasure that they began goes on, and a failure of it is shown again. */
  cancel_erase(): void {
    this.erasing = null;
  }

  /** Erases this device's keys here, and loads the page again: with the link that was opened, if one was. */
  async erase(): Promise<void> {
    if (!this.erasing || this.erasing.busy) return;
    this.erasing = { busy: true, problem: null };
    try {
      await this.host().erase();
    } catch (error) {
      this.erasing = { busy: false, problem: problem_of(error) };
      return;
    }
    await this.#forget();
    if (this.#kept_link !== null) put_back_link(this.#kept_link);
    location.reload();
  }

  /** The device is erased: what the page remembers of it must not be taken for the next one's. */
  async #forget(): Promise<void> {
    forget_favourites();
    this.promises.forget();
    protection_memory.forget();
    await this.push.forget();
  }

  /** A device that is only revoked keeps what is stored here; the office has ended its notifications. */
  #revoked(revocation: RevocationView | null, before: RevocationView | null): void {
    if (revocation?.erase && !before?.erase) void this.#forget().then(erase_page_data);
    else if (revocation && before === null) void this.push.forget();
  }

  #seal_again(): void {
    clearTimeout(this.#seal_timer);
    this.#seal_timer = setTimeout(() => void this.documents.seal_again().catch(() => undefined), SEAL_AGAIN_MS);
  }

  #show(shown: View): void {
    const before = this.view;
    const view = resume(shown, this.#remembered);
    this.view = view;
    if (view.you) this.protection.role_known(view.you.role);
    if (view.you) this.protection.device = view.you.device;
    this.sso.update(view);
    this.shift.update(view);
    if (view.outdated && !before?.outdated) this.#reload_or_stop();
    if (view.token !== null) current_page.is_current();
    if (view.unlock_required && !before?.unlock_required) this.#lock_or_stop();
    if (view.token !== null && view.token !== (before?.token ?? null)) void this.protection.signed_in();
    const named = [
      ...view.notices.flatMap((one) => (one.can_continue ? one.own_devices : [])),
      view.call?.continued_on ?? '',
    ];
    void this.own_devices.read(named.filter(Boolean), view.token);
    this.registrar.update(before, view);
    this.lines.update(before, view);
    // Nobody is on shift any more: what was opened does not stay in memory.
    if (view.shift_token !== null && !before?.shift_token) this.documents.forget();
    this.plans.update(before, view);
    this.briefs.update(before, view);
    // A view before sign-in has no call yet, and must not make the page forget it.
    if (view.call || view.caught_up) {
      const remembered = remember(view.call, this.#remembered);
      save_call(remembered);
      // The screen after the call still needs its direction.
      if (view.call?.state !== 'ended') this.#remembered = remembered;
    }
    if (!view.call || view.call.state === 'ended') this.sound.call_over();
    this.#tell_microphone();
    // Settings must not cover a ring.
    if (this.screen === 'ring_in' && before?.call?.call !== view.call?.call) this.settings_open = false;
    const { call } = view;
    if (call && call.call !== before?.call?.call) {
      this.ended_ms = null;
      this.timings.answer_ms = null;
      this.timings.first_audio_ms = null;
    }
    if (call?.state === 'answering' || call?.state === 'live') this.timings.answer_ms ??= clock();
    const ended_now = call?.state === 'ended' && before?.call?.call === call.call && before.call.state !== 'ended';
    if (ended_now) this.ended_ms = Date.now();
    if (ended_now && call.hung_up_by) this.hung_up_by = new Map(this.hung_up_by).set(call.call, call.hung_up_by);
    if (view.phase === 'revoked') this.#revoked(view.revocation, before?.revocation ?? null);
    // A record is verified against the log that this device follows: the size of that comes just after the sign-in.
    const known = (of: ShownView | null) => (of?.log ? of.token : null);
    const signed_in_again = known(view) !== null && known(before) !== known(view);
    if (signed_in_again && view.token && this.notified_of !== null) void this.push.check(view.token);
    const rung = (of: ShownView | null) =>
      of?.caught_up ? [of.call, ...of.rings].map((ring) => ring?.call).join() : null;
    if (rung(view) !== null && rung(view) !== rung(before)) void this.push.close_rings();
    // The office may have been restarted with other rules.
    if (signed_in_again && before !== null) void this.protection.read_policy();
    this.call_notes.update(view);
    if (ended_now) this.#offer_protection();
    // A reader's newer device reads on once another one has sealed what they read again for it.
    const documents_changed = before !== null && before.documents_changed !== view.documents_changed;
    if (view.token !== null && !this.fixed && (signed_in_again || documents_changed)) this.#seal_again();
    const alerts_changed = before !== null && before.office_alerts?.changes !== view.office_alerts?.changes;
    if (alerts_changed && this.#place() === 'alerts') void this.office_alerts.load(view.token);
    if (signed_in_again || (ended_now && view.token !== null)) this.reload();
    else if (
      before !== null &&
      before.delegations_changed !== view.delegations_changed &&
      ['acting', 'lines'].includes(this.#place() ?? '')
    )
      this.reload();
    else if (before !== null && before.lines_changed !== view.lines_changed && this.#place() === 'lines') this.reload();
    else if (before !== null && before.devices_changed !== view.devices_changed && this.#lists_devices()) this.reload();
  }

  /**
   * The office wants this device unlocked anew: also by the PIN whose setting was interrupted here after the office had counted
   * it. A copy from before it was protected cannot be.
   */
  #lock_or_stop(): void {
    if (this.protection.protectors.length > 0) this.protection.lock_for_office();
    else if (this.protection.begun) this.state = { status: 'locked' };
    else this.state = { status: 'failed', problem: { code: 'protected_elsewhere' } };
  }

  /** The office refuses this page because of its age. A reload gets a newer one, unless the server has none. */
  #reload_or_stop(): void {
    if (current_page.may_reload()) location.reload();
    else this.state = { status: 'failed', problem: { code: 'outdated' } };
  }

  /**
   * Tells the others that nothing will be heard from here, as for a press of Mute, and when that is over: they must not take it
   * for a lost connection.
   */
  #tell_microphone(): void {
    const call = this.view?.call;
    if (call?.state !== 'live' || call.direction === 'listen') return;
    const { microphone } = this.sound;
    if (is_inaudible(microphone) && !call.muted && this.#muted_without_microphone !== call.call) {
      this.#muted_without_microphone = call.call;
      this.host().command({ type: 'mute', on: true });
    } else if (microphone === 'on' && call.muted && this.#muted_without_microphone === call.call) {
      this.#muted_without_microphone = null;
      this.host().command({ type: 'mute', on: false });
    }
  }

  // Actions of the person.

  /** Asks the office for the people whom the search names, where the list does not have everybody, once typing pauses. */
  find_people(): void {
    this.#find(() => this.view && wanted_name(this.view, this.query));
  }

  /** The same for a person of whom a line is to be given: they may be enrolled already. */
  find_holder(name: string): void {
    this.#find(() => (name.trim().length >= MIN_SEARCH_CHARS ? name.trim() : null));
  }

  #find(wanted: () => string | null): void {
    clearTimeout(this.#search_timer);
    this.#search_timer = setTimeout(() => {
      const name = wanted();
      if (name) this.host().command({ type: 'find_people', name });
    }, SEARCH_DELAY_MS);
  }

  /** A promise to call this person is kept with it. */
  ring(person: string): void {
    this.promises.remove(person);
    this.host().request_microphone();
    this.host().command({ type: 'ring', person });
  }

  /** Rings for a principal, under their delegation. */
  ring_for(person: string, statement: string, prepare = false): void {
    this.host().request_microphone();
    this.host().command({ type: 'ring_for', person, statement, prepare });
  }

  /** Takes over a call in which somebody acts for this person. */
  take_over(call: string): void {
    this.timings.answer_ms = clock();
    this.host().command({ type: 'listen', call });
    this.host().request_microphone();
    this.host().play();
  }

  /**
   * Continues here a call that this person has on another device, or to which they are asked. It stays there while this device has no
   * microphone.
   */
  async continue_here(call: string): Promise<void> {
    const track = this.host().acquire_microphone();
    this.host().play();
    this.move_refused = null;
    if (!(await track)) {
      this.move_refused = this.sound.microphone === 'denied' ? 'denied' : 'missing';
      return;
    }
    // It may have been here before.
    this.dismissed = null;
    [this.timings.answer_ms, this.timings.first_audio_ms] = [clock(), null];
    this.host().command({ type: 'listen', call });
  }

  /** Holds the call with a word to the others. */
  hold(word: HoldWord, text: string): void {
    this.host().command({ type: 'hold', word, text });
  }

  resume(): void {
    this.host().command({ type: 'resume' });
  }

  /** Asks the principal for whom this person acts in the call to it. */
  hand_over(): void {
    this.host().command({ type: 'hand_over' });
  }

  /** Opens the call's green room, with nothing stated. */
  open_room(): void {
    this.state_in_room({});
  }

  /** States what this person's side brings to the call. */
  state_in_room(said: RoomSaid): void {
    this.host().command({ type: 'green_room', ...said });
  }

  /** Speaks in a prepared call without waiting for the other principal. */
  speak_now(): void {
    this.host().command({ type: 'speak_now' });
  }

  /** `call`: the ring that the person saw. One that ended in this moment is not replaced by another. */
  answer(call: string): void {
    this.timings.answer_ms = clock();
    this.host().command({ type: 'answer', call });
    this.host().request_microphone();
    this.host().play();
  }

  /** Ends the present call for everybody, and answers who waited. */
  answer_instead(call: string): void {
    this.timings.answer_ms = clock();
    this.host().command({ type: 'answer_instead', call });
    this.host().request_microphone();
    this.host().play();
  }

  /** When a principal is reached: this person, or one for whom they may answer. */
  set_reach(person: string, settings: ReachSettings): void {
    this.host().command({ type: 'set_reach', person, settings });
  }

  /** The person read that somebody called. */
  see_missed(call: string): void {
    this.seen_missed = new Set([...this.seen_missed, call]);
  }

  decline(call: string): void {
    this.host().command({ type: 'decline', call });
  }

  /** Does not answer, and says what happens instead. Of a promise, this device reminds the person. */
  reply(call: string, reply: DeclineReply): void {
    const from = this.view?.call?.call === call ? this.view.call.other : null;
    if (reply.type === 'later' && from) this.promises.add(from.person, this.now + reply.minutes * 60_000);
    this.host().command({ type: 'decline', call, reply });
  }

  /** Somebody doubted who holds this line on another one: it is frozen, too, wherever it stands in the list. */
  async freeze_doubted(line: string): Promise<void> {
    const token = this.view?.token;
    if (this.view?.you && acts_for_others(this.view.you.role)) await this.delegations.load(token);
    await this.lines.freeze(line, token);
  }

  /** The other side is not who holds the line: the ring or call ends, and the line is frozen. */
  suspect(call: string): void {
    this.host().command({ type: 'suspect', call });
  }

  /** Withdraws the offer of a line, or refuses the device that took it: its page has nothing more to show. */
  close_line(invitation: string): void {
    this.lines.close(invitation);
    if (this.route.at === 'offer' && this.route.invitation === invitation) this.navigate({ at: 'lines' }, 'replace');
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
    // There is nothing to unmute without a microphone: it is asked for again, and unmutes the call once it works.
    if (!on && is_inaudible(this.sound.microphone)) {
      this.#muted_without_microphone = this.view?.call?.call ?? null;
      return this.host().retry_microphone();
    }
    this.#muted_without_microphone = null;
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

  /** The person read that a device was added in their name. */
  acknowledge_device(device: string): void {
    this.host().command({ type: 'acknowledge_device', device });
  }

  /** Has the office forget which account at its provider is a person's. Returns whether it has. */
  async forget_account(person: string): Promise<boolean> {
    const token = this.view?.token;
    if (!token) return false;
    const confirm = async () => (this.protection.protectors.length > 0 ? this.protection.confirm() : undefined);
    const done = await this.sso.forget(token, person, confirm);
    if (done) this.reload();
    return done;
  }

  enrol(): void {
    const fragment = opened_link();
    if (fragment === null || this.state.status !== 'enrol' || this.state.busy) return;
    this.state = { ...this.state, problem: null, busy: true };
    this.host().enrol(fragment);
  }

  /** Forgets the request that waits for a registrar, so that another link can be used. */
  stop_asking(): void {
    this.host().stop_asking();
  }

  toggle_favourite(person: string): void {
    const next = new Set(this.favourites);
    if (!next.delete(person)) next.add(person);
    this.favourites = next;
    save_favourites(next);
  }

  /** The person answers whether this browser is to ring while the page is closed, or changes it. */
  async ring_when_closed(on: boolean): Promise<void> {
    const token = this.view?.token;
    if (!token) return;
    await (on ? this.push.turn_on(token) : this.push.turn_off(token));
    if ('Notification' in globalThis) this.notifications = Notification.permission;
  }

  async request_notifications(): Promise<void> {
    this.notifications = await Notification.requestPermission();
  }

  choose_device(kind: SoundKind, id: string | null): void {
    this.sound.choose(kind, id);
    this.host().choose_device(kind, id);
  }

  choose_language(locale: Locale): void {
    choose_locale(locale, navigator.languages);
    void this.push.speak(locale);
  }

  /** `how`: whether the Back button leads to what was shown before. */
  navigate(route: Route, how: 'push' | 'replace' = 'push'): void {
    const fragment = fragment_of(route);
    history[how === 'push' ? 'pushState' : 'replaceState'](null, '', fragment ? `#${fragment}` : location.pathname);
    this.show_route(route);
  }

  show_route(route: Route): void {
    this.route = route;
    this.reload();
  }

  /** Fetches the data of the current screen again, and shows that it is on its way where there is none. */
  reload(): void {
    if (this.records.status === 'failed') this.records = { status: 'loading' };
    if (this.record.status === 'failed') this.record = { status: 'loading' };
    if (this.registrar.list.status === 'failed') this.registrar.list = { status: 'loading' };
    if (this.sign_ins.list.status === 'failed') this.sign_ins.list = { status: 'loading' };
    if (this.office_alerts.list.status === 'failed') this.office_alerts.list = { status: 'loading' };
    if (this.delegations.list.status === 'failed') this.delegations.list = { status: 'loading' };
    if (this.lines.list.status === 'failed') this.lines.list = { status: 'loading' };
    if (this.plans.list.status === 'failed') this.plans.list = { status: 'loading' };
    this.#refresh();
  }

  #refresh(): void {
    const place = this.#place();
    if (this.#shows_calls()) void this.#load_records();
    if (this.route.at === 'record' && place === 'record') void this.#load_record(this.route.call);
    if (place === 'alerts') void this.office_alerts.load(this.view?.token);
    if (place === 'acting') void this.delegations.load(this.view?.token);
    if (place === 'lines') void this.lines.load(this.view?.token);
    if (this.#shows_plans() && this.view?.token && needs_reading(this.plans.list)) void this.plans.load();
    // Under which delegation somebody changes a principal's lines.
    if ((place === 'lines' || place === 'give') && this.view?.you && acts_for_others(this.view.you.role))
      void this.delegations.load(this.view.token);
    if (this.#lists_devices()) void this.registrar.load(this.view?.token);
    if (place === 'my_devices') void this.sign_ins.load(this.view?.token);
  }

  /** Whether the screen shows the list of calls. */
  #shows_calls(): boolean {
    const place = this.#place();
    if (place === 'calls') return true;
    return (place === 'desk' || place === 'papers') && this.view !== null && lists_calls(this.view);
  }

  /** The approved brief of the newest planned call with this person. */
  brief_with(person: string | undefined): string | undefined {
    if (person === undefined || this.plans.list.status !== 'ready') return undefined;
    const requests = this.plans.list.value.plans.filter((plan) => plan.request?.content.person === person);
    const found = requests.map((plan) => this.briefs.about(plan.request?.document));
    return found.find((one) => one?.state === 'approved')?.document;
  }

  /** Whether the screen shows planned calls. */
  #shows_plans(): boolean {
    const place = this.#place();
    return place === 'papers' || place === 'paper' || place === 'people';
  }

  /** What the route leads to, whatever covers it. */
  #place(): Place | null {
    return this.view && place_of(this.view, this.route);
  }

  /** Whether the screen is made from the list of devices. Alerts name devices and their people. */
  #lists_devices(): boolean {
    const place = this.#place();
    return place === 'devices' || place === 'my_devices' || place === 'alerts';
  }

  #on_second(): void {
    this.now = Date.now();
    const in_call = this.view?.call !== null && this.view?.call !== undefined && this.view.call.state !== 'ended';
    // A shift ends before the page locks: what follows is the next person's.
    if (in_call || !this.protection.is_idle() || !this.shift.idle(this.now)) this.protection.tick(in_call);
    if (Math.floor(this.now / 1000) % POLL_INTERVAL_S === 0 && !document.hidden && this.#expects_changes())
      this.#refresh();
  }

  /** Whether data on the screen is expected to change without a message that announces it, so that it must be polled. */
  #expects_changes(): boolean {
    const place = this.#place();
    // Of the devices that alerts name, a list that could not be read would otherwise stay away.
    if (place === 'alerts' && needs_reading(this.office_alerts.list)) return true;
    if (place === 'lines') return needs_reading(this.lines.list);
    if (this.#lists_devices()) return this.registrar.expects_changes(this.now);
    if (place === 'record') {
      const { record } = this;
      return needs_reading(record) || (record.status === 'ready' && is_pending(record.value.line, this.now));
    }
    if (needs_reading(this.records)) return this.#shows_calls();
    const lines = this.records.status === 'ready' ? this.records.value : [];
    if (place === 'desk' && this.#shows_calls()) {
      // A call that ended while this page was open: whether its record has arrived.
      const ended =
        this.view?.notices.filter((n) => n.state.is === 'ended' && n.mode !== 'log_only' && n.kept_index === null) ??
        [];
      const known = (call: string) => lines.find((line) => line.call === call);
      return ended.some((notice) => !known(notice.call) || is_pending(known(notice.call)!, this.now));
    }
    // Who does not watch calls is told of none.
    const role = this.view?.you?.role;
    const is_told = role === undefined || watches(role) || !sees_all_records(role);
    return place === 'calls' && (!is_told || lines.some((line) => is_pending(line, this.now)));
  }

  async #load_records(): Promise<void> {
    const token = this.view?.token;
    if (!token) return;
    const read = this.#record_reads.start();
    try {
      const newest = await this.office.list(token);
      if (!this.#record_reads.answered(read)) return;
      const known = this.records.status === 'ready' ? this.records.value : [];
      const { entries, more } = with_newest(known, newest, this.more_records, RECORD_PAGE);
      this.records = { status: 'ready', value: entries };
      this.more_records = more;
    } catch (error) {
      if (this.#record_reads.answered(read)) this.records = failed(this.records, problem_of(error));
    }
  }

  /** Adds the calls before the oldest of the list. */
  async load_older_records(): Promise<void> {
    const token = this.view?.token;
    const oldest = this.records.status === 'ready' ? this.records.value.at(-1) : undefined;
    if (!token || !oldest) return;
    const read = this.#record_reads.start();
    try {
      const older = await this.office.list(token, oldest);
      if (this.records.status !== 'ready' || this.records.value.at(-1)?.call !== oldest.call) return;
      // As of alerts: an older page says nothing about the newest one.
      this.records = { ...this.records, value: [...this.records.value, ...older] };
      this.more_records = older.length === RECORDS_PER_PAGE;
    } catch (error) {
      if (!this.#record_reads.is_overtaken(read)) this.records = failed(this.records, problem_of(error));
    }
  }

  /** The record of a call, with the checks that this device made of its proof. Rejects with a `Problem`. */
  checked_record(call: string): Promise<CheckedRecord> {
    const token = this.view?.token;
    if (!token) return Promise.reject({ code: 'office_unreachable' } satisfies Problem);
    return checked_record(
      () => this.view?.log?.size ?? 0,
      (size) => this.office.proof(token, call, size),
      (proof) => this.host().check(proof),
    );
  }

  async #load_record(call: string): Promise<void> {
    const token = this.view?.token;
    const wanted = () => this.route.at === 'record' && this.route.call === call;
    if (this.record.status === 'ready' && this.record.value.line.call !== call) this.record = { status: 'loading' };
    // Without a log to continue, a proof would be held to nothing.
    if (!token || !this.view?.log) return;
    try {
      const value = await this.checked_record(call);
      if (wanted()) this.record = { status: 'ready', value };
    } catch (error) {
      if (wanted()) this.record = failed(this.record, problem_of(error));
    }
  }

  /** Loads favourites and route and starts the clock. Screenshots do not call it: their state is fixed. */
  start(): void {
    this.favourites = load_favourites();
    this.promises.load();
    this.#remembered = load_call();
    catch_return();
    opened_link();
    this.route = route_of(location.hash.slice(1));
    addEventListener('popstate', () => {
      // An enrolment link was pasted into a tab that is open already.
      const link = has_link() && opened_link() !== null;
      const { state } = this;
      const over = state.status === 'asking' && state.asking.status === 'over';
      if ((state.status === 'unenrolled' || over) && link) this.events.ready(false, false);
      else if ((state.status === 'locked' || state.status === 'failed') && link) this.#keep_link();
      else if ((state.status === 'on' || state.status === 'protect' || state.status === 'asking') && link)
        this.#ignore_link();
      else this.show_route(route_of(location.hash.slice(1)));
    });
    for (const kind of ['pointerdown', 'keydown'] as const) addEventListener(kind, () => this.protection.used());
    setInterval(() => this.#on_second(), 1000);
    // Only the push worker sends messages here: a notification was pressed and asks for a screen, or one of a ring is shown.
    navigator.serviceWorker?.addEventListener('message', ({ data }) => {
      if ((data === 'alerts' || data === 'calls') && this.route.at !== data) this.navigate({ at: data });
      if (data === 'rung' && this.view?.token && !document.hidden) void this.push.close_rings();
    });
    this.notifications = 'Notification' in globalThis ? Notification.permission : 'unsupported';
  }
}

/** Whether the link will never work: the office or the engine says so. What failed otherwise is tried again by a reload. */
const ends_link = (problem: Problem): boolean => 'told' in problem || problem.code === 'refused';

/** Whether the others hear nothing from this device. */
const is_inaudible = (microphone: MicrophoneState): boolean =>
  microphone === 'denied' || microphone === 'missing' || microphone === 'silenced';
/** How long typing pauses before the office is asked, milliseconds: it answers five searches a second. */
const SEARCH_DELAY_MS = 250;

/** Polling interval while a listed call is live or its record is pending, seconds. */
const POLL_INTERVAL_S = 5;

/** Milliseconds since 1970 UTC with fractions, on the same time base as the worker's. */
const clock = () => performance.timeOrigin + performance.now();
