// The calls that this person may see, with what is written about each: notes, debrief, memorandum.

import type { App } from '../app.svelte';
import type { OpenDocument, Unread } from '../documents.svelte';
import type { Card, RecordLine } from '../engine/contract';
import { problem_of, type Problem } from '../engine/problem';
import type { CheckedRecord } from '../record_check';
import { failed, type Loadable } from '../view/loadable';
import { papers } from '.';
import { heard_name, is_about, notes_name, type Heard, type KeptNotes } from './call_notes.svelte';
import { named, readers } from './colleagues';
import type { Assessment, Countdown, Debrief, DebriefOf, Memorandum, Notes, Scheme } from './contents';

export interface DraftedMemorandum extends OpenDocument<Memorandum> {
  assessment: Assessment;
}

export interface FiledDebrief extends OpenDocument<Debrief> {
  /** Of a call outside of Telcon: how its twenty days stand. */
  countdown: Countdown | null;
}

export interface Written {
  memoranda: DraftedMemorandum[];
  debriefs: FiledDebrief[];
  notes: OpenDocument<Notes>[];
  unread: Unread[];
  /** Calls of which a debrief is due. */
  due: ReadonlySet<string>;
}

/** Where the office's choice of a marking scheme for new memoranda is kept: on this device, until there is an office-wide one. */
const SCHEME = 'memorandum.scheme';

export class Memoranda {
  list = $state.raw<Loadable<Written>>({ status: 'loading' });
  /** The call whose memorandum is being drafted. */
  drafting = $state<string | null>(null);
  problem = $state.raw<Problem | null>(null);
  schemes = $state.raw<Scheme[]>([]);
  scheme = $state('private');
  #loading: Promise<void> | null = null;
  #again = false;

  constructor(private readonly app: App) {}

  /** Reads everything again. One read at a time: what changes meanwhile is read by one that follows. */
  load(): Promise<void> {
    this.#again = true;
    this.#loading ??= this.#load_all().finally(() => (this.#loading = null));
    return this.#loading;
  }

  async #load_all(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      await this.#load();
    }
  }

  async #load(): Promise<void> {
    const { documents } = this.app;
    try {
      const module = await papers();
      const [memoranda, debriefs, notes] = await Promise.all([
        documents.all<Memorandum>('memorandum', 'memorandum'),
        documents.all<Debrief>('debrief', 'debrief'),
        documents.all<Notes>('notes', 'notes'),
      ]);
      this.schemes = JSON.parse(module.schemes()) as Scheme[];
      this.scheme = (await documents.unsent<{ id: string }>(SCHEME))?.id ?? this.schemes[0]?.id ?? '';
      const lines = this.app.records.status === 'ready' ? this.app.records.value : [];
      const calls = [...memoranda.documents, ...debriefs.documents, ...notes.documents].flatMap(({ version }) => {
        const { about } = version.signed;
        return about && 'call' in about ? [about.call] : [];
      });
      const due = JSON.parse(module.debriefs_due(JSON.stringify(lines), JSON.stringify(calls))) as string[];
      const assessed = (one: OpenDocument<Memorandum>): DraftedMemorandum => ({
        ...one,
        assessment: JSON.parse(module.assess_memorandum(JSON.stringify(one.content), this.app.now)) as Assessment,
      });
      const counted = (one: OpenDocument<Debrief>): FiledDebrief => {
        const filed = one.versions.find((version) => version.signed.state === 'approved');
        const countdown = module.debrief_countdown(JSON.stringify(one.content), filed?.logged_ms, this.app.now);
        return { ...one, countdown: JSON.parse(countdown) as Countdown | null };
      };
      this.list = {
        status: 'ready',
        value: {
          memoranda: memoranda.documents.map(assessed),
          debriefs: debriefs.documents.map(counted),
          notes: notes.documents,
          unread: [...memoranda.unread, ...debriefs.unread, ...notes.unread],
          due: new Set(due),
        },
      };
    } catch (error) {
      this.list = failed(this.list, problem_of(error));
    }
  }

  async choose_scheme(id: string): Promise<void> {
    this.scheme = id;
    await this.app.documents.keep_unsent(SCHEME, { id });
  }

  /** Drafts the memorandum of a call, and gives its document. None if that failed; `problem` says why. */
  async draft(line: RecordLine): Promise<string | null> {
    const you = this.app.view?.you;
    if (!you || this.drafting !== null) return null;
    this.drafting = line.call;
    this.problem = null;
    try {
      const checked = await this.app.checked_record(line.call);
      const people = verified_people(checked);
      const content = await this.#drafted(checked, people);
      const draft = {
        kind: 'memorandum',
        about: { call: line.call },
        state: 'draft',
        readers: readers(you, [...people, ...named(checked.line)]),
      } as const;
      const { document } = await this.app.documents.write(draft, 'memorandum', content);
      await this.app.documents.keep_unsent(heard_name(line.call), null);
      return document;
    } catch (error) {
      this.problem = problem_of(error);
      return null;
    } finally {
      this.drafting = null;
    }
  }

  async #drafted({ line }: CheckedRecord, people: Card[]): Promise<Memorandum> {
    const { app } = this;
    const module = await papers();
    const written = this.list.status === 'ready' ? this.list.value : null;
    const of_call = (one: OpenDocument<unknown>) => is_about(one.version.signed.about, line.call);
    const [heard, kept] = await Promise.all([
      app.documents.unsent<Heard[]>(heard_name(line.call)),
      app.documents.unsent<KeptNotes>(notes_name(line.call)),
    ]);
    const notes = [...(written?.notes ?? []).filter(of_call).map((one) => one.content), ...(kept ? [kept.notes] : [])];
    const remembers = (debrief: Debrief): string => people.find((card) => card.person === debrief.by)?.name ?? '';
    const debriefs = (written?.debriefs ?? [])
      .filter((one) => is_of_call(one.content.call, line.call))
      .map((one) => [one.content, remembers(one.content)]);
    const scheme = this.schemes.find((one) => one.id === this.scheme) ?? this.schemes[0];
    const sources = {
      line,
      people,
      you: app.view?.you?.person,
      scheme,
      letterhead: (app.view?.office?.name ?? '').toUpperCase(),
      subject: '',
      heard: heard ?? [],
      debriefs,
      now_ms: Date.now(),
    };
    const seed = crypto.getRandomValues(new Uint8Array(24));
    return JSON.parse(module.draft_memorandum(JSON.stringify(sources), JSON.stringify(notes), seed)) as Memorandum;
  }

  /** A draft that was not finished is destroyed: its choice is a version of its document. */
  async destroy(one: OpenDocument<Memorandum>): Promise<void> {
    this.problem = null;
    try {
      const left = (await papers()).destroyed_memorandum(JSON.stringify(one.content));
      const content = JSON.parse(left) as Memorandum;
      await this.app.documents.follow(one, 'memorandum', content, { state: 'destroyed' });
      await this.load();
    } catch (error) {
      this.problem = problem_of(error);
    }
  }
}

const is_of_call = (of: DebriefOf, call: string): boolean => of.of === 'call' && of.call === call;

/** The people of a record whose proof holds; only these are put into a memorandum. */
function verified_people({ report }: CheckedRecord): Card[] {
  if (!report.ok) throw { code: 'record_unproven' } satisfies Problem;
  return report.people;
}
