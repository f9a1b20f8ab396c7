// What the page does about planned calls: requests for them, and their schedules.

import type { Card, ListedDelegation, OnBehalf, PageVersion, View } from '../engine/contract';
import type { Documents, OpenDocument } from '../documents.svelte';
import { acts_for_others, delegates } from '../engine/roles';
import { problem_of, type Problem } from '../engine/problem';
import { NumberedReads } from '../numbered_reads';
import { failed, type Loadable } from '../view/loadable';
import { papers_tabs } from '../view/papers';
import { papers } from '.';
import type { Request, Schedule, Slot } from './contents';
import {
  conflicts,
  new_schedule,
  request_stands,
  request_step,
  schedule_step,
  type By,
  type Conflict,
  type Known,
  type RequestStep,
  type ScheduleStep,
  type Stands,
} from './plans';
import { new_item } from './identifiers';

/** One planned call: its request, its schedule, or both. The other side of a schedule may not read the request. */
export interface Plan {
  /** The request's document, else the schedule's. */
  id: string;
  request: OpenDocument<Request> | null;
  stands: Stands | null;
  /** It is proven that the request is theirs. */
  is_proven: boolean;
  schedule: OpenDocument<Schedule> | null;
  /** The other side's newest version of the schedule changes more than it may. */
  is_forged: boolean;
  /** Of the times that are offered, whether they conflict with this person's own calendar; none without a calendar. */
  conflicts: Conflict[];
  /** Other requests that seem to be the same wish. */
  alike: string[];
}

export interface Plans {
  plans: Plan[];
  /** Documents that could not be read. */
  unread: number;
}

/** What the person writes into a new request. */
export type NewRequest = Pick<
  Request,
  | 'principal'
  | 'counterpart'
  | 'organisation'
  | 'person'
  | 'door'
  | 'subject'
  | 'urgency'
  | 'length_min'
  | 'languages'
  | 'others'
> & {
  /** Local times of this device, as fields have them. */
  times: string[];
};

/** For whom a request is made, while its form is open. */
export type RequestFor =
  /** Of a principal, by the holder of a line. */
  | { is: 'line'; principal: Card; line: string }
  /** The principal's own wish. */
  | { is: 'principal'; counterpart: Card }
  /** What came to the desk by another way. */
  | { is: 'desk' };

/** A call by which the desk verifies a request. */
export interface CallBack {
  document: string;
  person: string;
  call: string | null;
}

export interface OwnCalendar {
  name: string;
  text: string;
}

/** What was over longer ago than this is not listed, milliseconds. */
const LISTED_MS = 14 * 86_400_000;
/** Open requests that are compared with each other. */
const COMPARED = 60;
/** Attempts of a step that somebody else's overtook. */
const ATTEMPTS = 3;
const TITLE = 'Private call';

interface Around {
  view: () => View | null;
  documents: Documents;
  /** The delegations of this person, read now. */
  read_delegations: () => Promise<readonly ListedDelegation[]>;
  ring: (person: string, under: string | null) => void;
  /** IANA zone of this device. */
  zone: string;
  now: () => number;
}

/** What a version of the other side leaves as it was: who reads, and what it is about. */
const terms = ({ readers, about }: PageVersion['signed']): string => JSON.stringify([readers, about]);

export class PlannedCalls {
  list = $state.raw<Loadable<Plans>>({ status: 'loading' });
  form = $state.raw<RequestFor | null>(null);
  sending = $state(false);
  not_sent = $state.raw<Problem | null>(null);
  /** Plans in which a step is being taken. */
  busy = $state.raw<ReadonlySet<string>>(new Set());
  /** Why the last step in a plan was not taken. */
  problems = $state.raw<ReadonlyMap<string, Problem>>(new Map());
  calling = $state.raw<CallBack | null>(null);
  calendar = $state.raw<OwnCalendar | null>(null);
  calendar_problem = $state.raw<Problem | null>(null);
  delegations = $state.raw<readonly ListedDelegation[]>([]);
  /** Reminders that the person has read, by document and time. */
  reminded = $state.raw<ReadonlySet<string>>(new Set());
  readonly #reads = new NumberedReads();
  /** Versions of the other side, by statement, that were held to those before them. */
  readonly #held = new Set<string>();
  /** What was kept on this device is read once, before the first list. */
  #restoring: Promise<void> | null = null;

  constructor(private readonly around: Around) {}

  get #documents(): Documents {
    return this.around.documents;
  }

  /** The view changed: the list is read again when documents did, and a call that verifies a request is noted. */
  update(before: View | null, view: View): void {
    this.#follow_call(view);
    if (view.token === null || !view.you || !papers_tabs(view.you.role).includes('plans')) return;
    const anew = view.token !== before?.token || !view.caught_up !== !before?.caught_up;
    if (view.caught_up && (anew || view.documents_changed !== before?.documents_changed)) void this.load();
  }

  async load(): Promise<void> {
    const read = this.#reads.start();
    const list = await this.#read().then(
      (value): Loadable<Plans> => ({ status: 'ready', value }),
      (error: unknown) => failed(this.list, problem_of(error)),
    );
    if (!this.#reads.answered(read)) return;
    this.list = list;
    if (list.status === 'ready') void this.#share(list.value.plans);
  }

  async #read(): Promise<Plans> {
    await (this.#restoring ??= this.#restore());
    const role = this.around.view()?.you?.role;
    if (role && (delegates(role) || acts_for_others(role)))
      this.delegations = await this.around
        .read_delegations()
        .then((listed) => this.#documents.delegations(listed))
        .catch(() => this.delegations);
    const over = ['declined', 'closed', 'recalled', 'destroyed'];
    const wanted = (one: { state: string; changed_ms: number }) =>
      !over.includes(one.state) || one.changed_ms > this.around.now() - LISTED_MS;
    const [requests, schedules] = await Promise.all([
      this.#documents.all<Request>('request', 'request', wanted),
      this.#documents.all<Schedule>('schedule', 'schedule', wanted),
    ]);
    const of_request = new Map(requests.documents.map((one) => [one.document, one]));
    const about = (one: OpenDocument<Schedule>) => {
      const { about } = one.version.signed;
      return about && 'document' in about ? about.document : undefined;
    };
    // The newest schedule of a request is the one that counts.
    const of_schedule = new Map<string, OpenDocument<Schedule>>();
    const alone: OpenDocument<Schedule>[] = [];
    for (const one of schedules.documents) {
      const request = about(one);
      if (request === undefined || !of_request.has(request)) alone.push(one);
      else if (!of_schedule.has(request)) of_schedule.set(request, one);
    }
    const plans = await Promise.all([
      ...requests.documents.map((one) => this.#plan(one, of_schedule.get(one.document) ?? null)),
      ...alone.map((one) => this.#plan(null, one)),
    ]);
    await this.#compare(plans);
    return { plans, unread: requests.unread.length + schedules.unread.length };
  }

  async #plan(request: OpenDocument<Request> | null, schedule: OpenDocument<Schedule> | null): Promise<Plan> {
    const where = request ? await request_stands(request.content, known(request)) : null;
    const holds = request === null || (await this.#request_holds(request));
    return {
      id: (request ?? schedule)?.document ?? '',
      request,
      stands: where?.stands ?? null,
      is_proven: holds && (where?.is_proven ?? false),
      schedule,
      is_forged: !holds || (schedule !== null && !(await this.#schedule_holds(schedule))),
      conflicts: await this.#conflicts(request, schedule),
      alike: [],
    };
  }

  /** The other side takes no step before the office offered times. */
  async #schedule_holds(schedule: OpenDocument<Schedule>): Promise<boolean> {
    const { is_their_step } = await papers();
    return this.#holds(schedule, 'schedule', (after, before) => before !== '' && is_their_step(after, before));
  }

  async #request_holds(request: OpenDocument<Request>): Promise<boolean> {
    const { is_their_request } = await papers();
    return this.#holds(request, 'request', is_their_request);
  }

  /**
   * Every version of the other side is held to the version before, not the newest alone: two in a row would vouch for each other. What
   * this device cannot open counts if the office has written a version since: its device could, and held it to the same.
   */
  async #holds<T>(
    one: OpenDocument<T>,
    paper: 'request' | 'schedule',
    is_theirs: (after: string, before: string, author: string) => boolean,
  ): Promise<boolean> {
    const newest = one.version.signed.version;
    const vouched = one.versions.findLastIndex((version) => version.signed.author.role !== 'counterpart');
    const content = async (version: number) =>
      JSON.stringify(
        version === newest ? one.content : (await this.#documents.open<object>(one.document, paper, version)).content,
      );
    for (const [at, { signed, statement_sha256 }] of one.versions.entries()) {
      if (signed.author.role !== 'counterpart' || this.#held.has(statement_sha256)) continue;
      const earlier = one.versions[at - 1]?.signed;
      const same_terms = !earlier || terms(earlier) === terms(signed);
      try {
        const before = signed.version === 1 ? '' : await content(signed.version - 1);
        if (!same_terms || !is_theirs(await content(signed.version), before, signed.author.person)) return false;
      } catch {
        if (!same_terms || at > vouched) return false;
      }
      this.#held.add(statement_sha256);
    }
    return true;
  }

  async #conflicts(
    request: OpenDocument<Request> | null,
    schedule: OpenDocument<Schedule> | null,
  ): Promise<Conflict[]> {
    const slots = schedule ? newest_slots(schedule.content) : (request?.content.proposed ?? []);
    if (!this.calendar || slots.length === 0) return [];
    try {
      return (await conflicts(this.calendar.text, slots, this.around.zone)).conflicts;
    } catch (error) {
      this.calendar_problem = problem_of(error);
      return [];
    }
  }

  async #compare(plans: Plan[]): Promise<void> {
    const open = plans
      .filter((one) => one.request && one.stands !== 'declined' && one.stands !== 'closed')
      .slice(0, COMPARED);
    if (open.length < 2) return;
    const { requests_resemble } = await papers();
    const texts = open.map((one) => JSON.stringify(one.request?.content));
    for (const [i, one] of open.entries()) {
      for (const [j, other] of open.entries()) {
        if (j > i && requests_resemble(texts[i] ?? '', texts[j] ?? '')) {
          one.alike.push(other.id);
          other.alike.push(one.id);
        }
      }
    }
  }

  /**
   * The holder of a line learns nothing of the principal's office: what they send is sealed to the principal alone, and a device of the
   * principal seals it to those who may answer for them.
   */
  async #share(plans: readonly Plan[]): Promise<void> {
    const you = this.around.view()?.you;
    if (you?.role !== 'principal') return;
    const may = this.#delegates(you.person);
    for (const { request, is_forged } of plans) {
      // This device vouches for what it signs: a request that says what its author may not say is passed on to nobody.
      if (is_forged || request?.content.principal !== you.person) continue;
      const { state, readers } = request.version.signed;
      const missing = may.filter((person) => !readers.includes(person));
      if (missing.length === 0 || (state !== 'draft' && state !== 'reviewed')) continue;
      const wider = { state, readers: [...readers, ...missing] };
      // Another device of theirs may have done it, or somebody written meanwhile: the list is read again then.
      await this.#documents.follow(request, 'request', request.content, wider).catch(() => undefined);
    }
  }

  /** Who may answer for a principal now, as far as this person knows. */
  #delegates(principal: string): string[] {
    const now = this.around.now();
    return this.delegations
      .filter((one) => one.principal.person === principal && counts(one, 'answer', now))
      .map((one) => one.delegate.person);
  }

  /** The delegation under which this person acts for a principal in this way now. */
  under(principal: string, act: 'answer' | 'ring'): ListedDelegation | undefined {
    const you = this.around.view()?.you;
    return this.delegations.find(
      (one) =>
        one.principal.person === principal &&
        one.delegate.person === you?.person &&
        counts(one, act, this.around.now()),
    );
  }

  // Requests.

  open_form(form: RequestFor): void {
    this.not_sent = null;
    this.form = form;
  }

  /** Writes a new request. Returns whether it was sent. */
  async ask(request: NewRequest): Promise<boolean> {
    const you = this.around.view()?.you;
    if (!you || this.sending) return false;
    this.sending = true;
    this.not_sent = null;
    try {
      const { times, ...rest } = request;
      const content: Request = {
        ...rest,
        version: 1,
        received_ms: this.around.now(),
        proposed: await this.slots_of(times, request.length_min),
        verification: { verified: request.door.door === 'desk' ? 'unverified' : 'by_signature' },
        decision: null,
        exchanges: [],
      };
      const readers = you.role === 'principal' ? this.#delegates(you.person) : [request.principal];
      await this.#documents.write({ kind: 'request', readers, state: 'draft' }, 'request', content);
      this.form = null;
      void this.load();
      return true;
    } catch (error) {
      this.not_sent = problem_of(error);
      return false;
    } finally {
      this.sending = false;
    }
  }

  /** Times that were written into fields, as this device's clock shows them. Rejects with a `Problem` for one that is none. */
  async slots_of(times: readonly string[], length_min: number): Promise<Slot[]> {
    const { moment_in } = await papers();
    return times.filter(Boolean).map((local) => {
      const start_ms = moment_in(this.around.zone, local);
      if (start_ms === undefined) throw { code: 'unknown' } satisfies Problem;
      return { start_ms, length_min };
    });
  }

  /**
   * Takes a step about a request. `seen`: only if this is still the newest version: nobody decides about what they have not read.
   * `to`: who may read it from now on, too.
   */
  async step(plan: Plan, step: RequestStep, to: readonly string[] = []): Promise<boolean> {
    const { request } = plan;
    if (!request) return false;
    const seen = step.step === 'decide' ? request.version : null;
    return this.#write(plan.id, async () => {
      const read = await this.#newest<Request>(request.document, 'request', seen);
      const { content, state } = await request_step(read.content, step, known(read), this.#by());
      const readers = [...read.version.signed.readers, ...to];
      const claims = step.step === 'decide' && (state === 'approved' || state === 'declined');
      await this.#documents.follow(read, 'request', content, {
        state,
        readers,
        ...(claims && (await this.#on_behalf(read.content.principal))),
      });
    });
  }

  /** Named where only the principal may claim something in their own right. */
  async #on_behalf(principal: string): Promise<{ on_behalf?: OnBehalf }> {
    const you = this.around.view()?.you;
    const under = you?.person === principal ? undefined : this.under(principal, 'answer');
    if (under === undefined) return {};
    const { statement_sha256 } = await papers();
    return { on_behalf: { delegation: under.delegation, statement_sha256: statement_sha256(under.statement) } };
  }

  async #newest<T>(
    document: string,
    paper: 'request' | 'schedule',
    seen: PageVersion | null,
  ): Promise<OpenDocument<T>> {
    const read = await this.#documents.open<T>(document, paper);
    if (seen && seen.statement_sha256 !== read.version.statement_sha256) {
      void this.load();
      throw { code: 'document_changed' } satisfies Problem;
    }
    return read;
  }

  #by(): By {
    const you = this.around.view()?.you;
    if (!you) throw { code: 'office_unreachable' } satisfies Problem;
    return { person: you.person, role: you.role, at_ms: this.around.now(), id: new_item() };
  }

  /** A step is taken again on the newest version if somebody else's overtook it: the rules say whether it still fits. */
  async #write(id: string, work: () => Promise<void>): Promise<boolean> {
    if (this.busy.has(id)) return false;
    this.busy = new Set([...this.busy, id]);
    this.#set_problem(id, null);
    try {
      for (let attempt = 1; ; attempt++) {
        try {
          await work();
          break;
        } catch (error) {
          const problem = problem_of(error);
          if (!('code' in problem && problem.code === 'document_changed' && attempt < ATTEMPTS)) throw error;
        }
      }
      await this.load();
      return true;
    } catch (error) {
      this.#set_problem(id, problem_of(error));
      return false;
    } finally {
      this.busy = new Set([...this.busy].filter((one) => one !== id));
    }
  }

  #set_problem(id: string, problem: Problem | null): void {
    const problems = new Map(this.problems);
    if (problem) problems.set(id, problem);
    else problems.delete(id);
    this.problems = problems;
  }

  // The call by which a request is verified.

  /** Rings the person in whose name a request was entered. */
  call_back(plan: Plan, person: string): void {
    const principal = plan.request?.content.principal;
    const you = this.around.view()?.you;
    if (!plan.request || principal === undefined || !you) return;
    const under = you.person === principal ? null : this.under(principal, 'ring');
    if (under === undefined) return;
    this.#set_calling({ document: plan.request.document, person, call: null });
    this.around.ring(person, under?.statement ?? null);
  }

  #follow_call({ call }: View): void {
    const { calling } = this;
    if (!calling || calling.call !== null || !call || call.direction !== 'out' || call.to?.person !== calling.person)
      return;
    if (call.state === 'ended') return;
    this.#set_calling({ ...calling, call: call.call });
  }

  #set_calling(calling: CallBack | null): void {
    this.calling = calling;
    void this.#documents.keep_unsent('call-back', calling);
  }

  /** What they said in that call; `null`: they were not reached. */
  async called_back(plan: Plan, confirmed: boolean | null): Promise<void> {
    const call = this.calling?.call ?? null;
    if (confirmed === null || call === null) return this.#set_calling(null);
    if (await this.step(plan, { step: 'called_back', call, confirmed })) this.#set_calling(null);
  }

  // Schedules.

  /** Offers times for a call: the first ones, or others. `remind_min`: when its readers are reminded, before it begins. */
  async offer(
    plan: Plan,
    places: Schedule['places'],
    slots: Slot[],
    person: string | null,
    remind_min: number,
  ): Promise<boolean> {
    const step: ScheduleStep = { step: 'offer', slots };
    const { request, schedule } = plan;
    if (schedule && schedule.version.signed.state !== 'closed') return this.schedule_step(plan, step);
    if (!request) return false;
    return this.#write(plan.id, async () => {
      const { content, state } = await new_schedule(TITLE, places, step, this.#by());
      const readers = [...new Set([...request.version.signed.readers, ...(person === null ? [] : [person])])];
      const remind = readers.map((one) => ({ before_min: remind_min, person: one }));
      await this.#documents.write(
        { kind: 'schedule', readers, state, about: { document: request.document } },
        'schedule',
        { ...content, reminders: remind },
      );
    });
  }

  async schedule_step(plan: Plan, step: ScheduleStep): Promise<boolean> {
    const { schedule } = plan;
    if (!schedule) return false;
    return this.#write(plan.id, async () => {
      const read = await this.#newest<Schedule>(schedule.document, 'schedule', schedule.version);
      const { content, state } = await schedule_step(read.content, step, read.version.signed.state, this.#by());
      const due_ms = reminder_ms(content);
      await this.#documents.follow(read, 'schedule', content, {
        state,
        ...(state === 'approved' && due_ms !== null && { due_ms }),
      });
    });
  }

  /** The calendar file of a schedule; none while no time is agreed. */
  async calendar_file(schedule: Schedule): Promise<string | undefined> {
    return (await papers()).calendar_file(JSON.stringify(schedule), this.around.view()?.office?.domain ?? '');
  }

  // This person's own calendar, which stays on this device.

  async #restore(): Promise<void> {
    this.calendar = await this.#documents.unsent<OwnCalendar>('calendar');
    const kept = await this.#documents.unsent<CallBack>('call-back');
    this.calling ??= kept;
  }

  async use_calendar(calendar: OwnCalendar | null): Promise<void> {
    this.calendar_problem = null;
    try {
      // A file that is no calendar is refused before it is kept.
      if (calendar) await conflicts(calendar.text, [], this.around.zone);
      await this.#documents.keep_unsent('calendar', calendar);
      this.calendar = calendar;
      await this.load();
    } catch (error) {
      this.calendar_problem = problem_of(error);
    }
  }

  read_reminder(id: string): void {
    this.reminded = new Set([...this.reminded, id]);
  }

  /** Nobody is signed in any more. */
  forget(): void {
    this.list = { status: 'loading' };
    this.calendar = null;
    this.calling = null;
    this.#restoring = null;
  }
}

/** What the statements of a document prove. */
const known = (read: OpenDocument<unknown>): Known => ({
  first: read.versions[0]?.signed.author.role ?? read.version.signed.author.role,
  state: read.version.signed.state,
});

function counts(one: ListedDelegation, act: 'answer' | 'ring', now: number): boolean {
  return one.acts.includes(act) && one.ended_ms === undefined && one.not_before_ms <= now && now <= one.not_after_ms;
}

/** The times that are on offer. */
export const newest_slots = (schedule: Schedule): Slot[] => schedule.rounds.at(-1)?.slots ?? [];

/** The time that is agreed, as far as a schedule says. */
export const agreed_slot = (schedule: Schedule): Slot | null =>
  schedule.standing.state === 'confirmed' ? schedule.standing.slot : null;

/** When the first of its readers is to be reminded. */
export function reminder_ms(schedule: Schedule): number | null {
  const slot = agreed_slot(schedule);
  const before = schedule.reminders.map((one) => one.before_min);
  return slot && before.length > 0 ? slot.start_ms - Math.max(...before) * 60_000 : null;
}
