// Notes of the call that this device is in, and the captions that it showed. Kept on the device at every change, and written as a
// document that the colleagues in the call read.

import type { Documents, OpenDocument } from '../documents.svelte';
import type { CallView, View } from '../engine/contract';
import { problem_of, type Problem } from '../engine/problem';
import { papers } from '.';
import { readers } from './colleagues';
import type { Draft, Note, Notes } from './contents';
import { new_item } from './identifiers';
import { writes_notes } from './roles';
import { Unsent } from './unsent';

export interface Heard {
  start_ms: number;
  speaker: string;
  name: string;
  text: string;
}

export interface ShownNote extends Note {
  id: string;
  own: boolean;
}

/** What is kept on the device. */
export interface KeptNotes {
  notes: Notes;
  /** Notes that no version of the document has yet. */
  unsent: boolean;
}

export const heard_name = (call: string): string => `heard.${call}`;
export const notes_name = (call: string): string => `notes.${call}`;
/** How long notes wait until they are written as a document, milliseconds. */
const WRITE_AFTER_MS = 20_000;
const NONE: Notes = { version: 1, notes: {} };

export class CallNotes {
  /** The call whose notes these are; none outside of calls. */
  call = $state<string | null>(null);
  shown = $state.raw<ShownNote[]>([]);
  /** Whether the last change is in the document; kept on the device it is at once. */
  written = $state(true);
  problem = $state.raw<Problem | null>(null);

  #own: Notes = NONE;
  #others: Notes[] = [];
  #document: OpenDocument<Notes> | null = null;
  #kept: Unsent<KeptNotes> | null = null;
  #heard_kept: Unsent<Heard[]> | null = null;
  #heard = new Map<string, Heard>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #view: View | null = null;
  #readers: string[] = [];
  #changed = 0;
  /** Work on the notes, one after the other: a note must not be lost between two. */
  #work: Promise<void> = Promise.resolve();

  constructor(private readonly documents: Documents) {}

  /** The view changed. */
  update(view: View): void {
    const { call } = view;
    this.#view = view;
    const lives =
      call && (call.state === 'live' || call.state === 'reconnecting') && view.you && writes_notes(view.you.role)
        ? call
        : null;
    if (lives && lives.call !== this.call) this.#begin(lives.call);
    if (lives) this.#listen(lives);
    else if (this.call !== null) this.#end();
    if (this.call !== null && view.documents_changed !== this.#changed) {
      this.#changed = view.documents_changed;
      void this.#in_turn(() => this.#read_others());
    }
  }

  /** Milliseconds of the call that have passed. */
  at_ms(now: number): number {
    const call = this.#view?.call;
    const live = this.#view?.notices.find((one) => one.call === this.call)?.state;
    const since = call?.started_ms ?? (live?.is === 'live' ? live.since_ms : (call?.opened_ms ?? now));
    return Math.max(0, Math.round(now - since));
  }

  /** Who spoke last, as the captions have it. */
  get speaker(): string {
    return this.#view?.call?.captions.at(-1)?.name ?? '';
  }

  /** Writes a note, or changes the one that has this identifier. */
  write(draft: Draft, id: string = new_item()): Promise<void> {
    return this.#edit((module, notes, device, person) =>
      module.write_note(notes, id, JSON.stringify(draft), device, person),
    );
  }

  remove(id: string): Promise<void> {
    return this.#edit((module, notes, device, person) => module.remove_note(notes, id, device, person));
  }

  /** Writes the document now. */
  save(): Promise<void> {
    return this.#in_turn(() => this.#write());
  }

  #edit(
    work: (module: Awaited<ReturnType<typeof papers>>, notes: string, device: string, person: string) => string,
  ): Promise<void> {
    return this.#in_turn(async () => {
      const you = this.#view?.you;
      if (!you) return;
      const module = await papers();
      // An edit of a colleague's note is one of the merged notes: it goes into the own document and is the later state everywhere.
      const merged = module.merge_notes(JSON.stringify([this.#own, ...this.#others]));
      this.#own = JSON.parse(work(module, merged, you.device, you.person)) as Notes;
      this.written = false;
      this.#kept?.keep({ notes: this.#own, unsent: true });
      await this.#kept?.flush();
      await this.#show();
      this.#timer ??= setTimeout(() => void this.save(), WRITE_AFTER_MS);
    });
  }

  #in_turn(work: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(work).catch((error: unknown) => {
      this.problem = problem_of(error);
    });
    return this.#work;
  }

  #begin(call: string): void {
    this.call = call;
    this.shown = [];
    this.written = true;
    this.problem = null;
    this.#own = NONE;
    this.#others = [];
    this.#document = null;
    this.#readers = [];
    this.#heard = new Map();
    this.#kept = new Unsent<KeptNotes>(this.documents, notes_name(call));
    this.#heard_kept = new Unsent<Heard[]>(this.documents, heard_name(call));
    void this.#in_turn(async () => {
      const [kept, heard] = await Promise.all([this.#kept?.read(), this.#heard_kept?.read()]);
      for (const line of heard ?? []) {
        const key = `${line.speaker} ${line.start_ms}`;
        if (!this.#heard.has(key)) this.#heard.set(key, line);
      }
      const module = await papers();
      if (kept) this.#own = JSON.parse(module.merge_notes(JSON.stringify([this.#own, kept.notes]))) as Notes;
      await this.#read_others();
      if (kept?.unsent) {
        this.written = false;
        this.#timer ??= setTimeout(() => void this.save(), WRITE_AFTER_MS);
      }
    });
  }

  #listen(call: CallView): void {
    const you = this.#view?.you;
    if (you) this.#readers = [...new Set([...this.#readers, ...readers(you, call.members)])];
    let more = false;
    for (const { final, start_ms, speaker, name, text } of call.captions) {
      const key = `${speaker} ${start_ms}`;
      if (!final || this.#heard.get(key)?.text === text) continue;
      this.#heard.set(key, { start_ms, speaker, name, text });
      more = true;
    }
    if (more) this.#heard_kept?.keep([...this.#heard.values()]);
  }

  #end(): void {
    void this.#heard_kept?.flush();
    void this.save();
    const ended = this.call;
    void this.#in_turn(async () => {
      if (this.call === ended) this.call = null;
    });
  }

  async #read_others(): Promise<void> {
    const { call } = this;
    const person = this.#view?.you?.person;
    if (call === null || !person) return;
    try {
      const about = (one: { about?: unknown }) => is_about(one.about, call);
      const { documents } = await this.documents.all<Notes>('notes', 'notes', about);
      const own = documents.filter((one) => one.versions[0]?.signed.author.person === person);
      this.#document = own.at(-1) ?? this.#document;
      this.#others = documents.map((one) => one.content);
    } finally {
      await this.#show();
    }
  }

  async #show(): Promise<void> {
    const module = await papers();
    const merged = module.merge_notes(JSON.stringify([this.#own, ...this.#others]));
    const shown = JSON.parse(module.shown_notes(merged)) as [string, Note][];
    const person = this.#view?.you?.person;
    this.shown = shown.map(([id, note]) => ({ id, ...note, own: note.author === person }));
  }

  async #write(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { call } = this;
    if (call === null || this.written) return;
    const notes = this.#own;
    try {
      if (this.#document) {
        const state = 'draft' as const;
        await this.documents.follow(this.#document, 'notes', notes, { state, readers: this.#readers });
      } else {
        const draft = { kind: 'notes', about: { call }, state: 'draft', readers: this.#readers } as const;
        await this.documents.write(draft, 'notes', notes);
      }
      await this.#read_others();
      this.problem = null;
      this.written = true;
      this.#kept?.keep({ notes, unsent: false });
      await this.#kept?.flush();
    } catch (error) {
      this.problem = problem_of(error);
      // Another device of this person wrote it: its notes are merged, and written again.
      if ('code' in this.problem && this.problem.code === 'document_changed') await this.#read_others();
      this.#timer = setTimeout(() => void this.save(), WRITE_AFTER_MS);
    }
  }
}

/** Whether a document is about this call. */
export const is_about = (about: unknown, call: string): boolean =>
  typeof about === 'object' && about !== null && 'call' in about && about.call === call;
