// What is remembered of a call that has no record: after a direct call, or of one outside of Telcon.

import type { App } from '../app.svelte';
import type { OpenDocument } from '../documents.svelte';
import type { RecordLine } from '../engine/contract';
import { problem_of, type Problem } from '../engine/problem';
import { colleagues, named, readers } from './colleagues';
import type { Action, Debrief, DebriefOf } from './contents';
import { new_item } from './identifiers';
import { approves_debriefs } from './roles';
import { Unsent } from './unsent';

/** What the form has, as it was typed. */
export interface DebriefForm {
  /** When an outside call was, `2026-11-22T16:30` by this device's clock. */
  at: string;
  within_min: number;
  length_min: string;
  over: string;
  with: string;
  remembered: string;
  /** What was promised, a line each. */
  ours: string;
  theirs: string;
}

export const EMPTY_FORM: DebriefForm = {
  at: '',
  within_min: 30,
  length_min: '',
  over: '',
  with: '',
  remembered: '',
  ours: '',
  theirs: '',
};

const lines = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);

/** The form as a debrief. `call`: the call over Telcon that it is of; `null` for one outside. */
export function debrief_of(form: DebriefForm, call: string | null, by: string, now_ms: number): Debrief {
  const of: DebriefOf =
    call !== null
      ? { of: 'call', call }
      : {
          of: 'outside',
          at_ms: new Date(form.at).getTime(),
          within_min: form.within_min,
          length_min: form.length_min === '' ? null : Number(form.length_min),
          over: form.over.trim(),
          with: form.with
            .split(/[,;\n]/)
            .map((name) => name.trim())
            .filter(Boolean),
          reported_ms: now_ms,
        };
  const promise =
    (side: Action['side'], who: string) =>
    (what: string): Action => ({
      version: 1,
      id: new_item(),
      call,
      side,
      who,
      person: null,
      what,
      due_ms: null,
      remind_ms: null,
      state: 'open',
    });
  const they = of.of === 'outside' ? (of.with[0] ?? '') : form.with.trim();
  return {
    version: 1,
    call: of,
    by,
    source: 'written',
    at_ms: now_ms,
    remembered: form.remembered
      .split(/\n\s*\n/)
      .map((text) => text.trim())
      .filter(Boolean),
    actions: [...lines(form.ours).map(promise('ours', '')), ...lines(form.theirs).map(promise('theirs', they))],
  };
}

export class DebriefWork {
  form = $state<DebriefForm>({ ...EMPTY_FORM });
  busy = $state(false);
  problem = $state.raw<Problem | null>(null);
  readonly #kept: Unsent<DebriefForm>;

  constructor(
    private readonly app: App,
    /** The call over Telcon; `null` for a call outside. */
    readonly line: RecordLine | null,
  ) {
    this.#kept = new Unsent(app.documents, `debrief.${line?.call ?? 'outside'}`);
  }

  /** Whether everything that must be there is. */
  get complete(): boolean {
    const { form } = this;
    const outside = this.line !== null || (form.at !== '' && form.over.trim() !== '' && form.with.trim() !== '');
    return outside && form.remembered.trim() !== '';
  }

  async load(): Promise<void> {
    const kept = await this.#kept.read();
    if (kept) this.form = { ...EMPTY_FORM, ...kept };
  }

  changed(): void {
    this.#kept.keep($state.snapshot(this.form));
  }

  /** Files it: a principal's own report is approved at once. Gives the document. */
  async file(): Promise<string | null> {
    const you = this.app.view?.you;
    if (!you || this.busy || !this.complete) return null;
    this.busy = true;
    this.problem = null;
    try {
      const { line, app } = this;
      const others = line ? named(line) : [];
      const they = line && others.find((card) => card.person !== you.person);
      const form = $state.snapshot(this.form);
      const content = debrief_of(
        they ? { ...form, with: they.name } : form,
        line?.call ?? null,
        you.person,
        Date.now(),
      );
      const draft = {
        kind: 'debrief',
        ...(line && { about: { call: line.call } }),
        state: 'draft',
        readers: readers(
          you,
          await colleagues(
            app,
            others.map((card) => card.person),
          ),
        ),
      } as const;
      const { document } = await app.documents.write(draft, 'debrief', content);
      this.#kept.keep(null);
      await this.#kept.flush();
      if (approves_debriefs(you.role)) await approve_debrief(app, document);
      return document;
    } catch (error) {
      this.problem = problem_of(error);
      return null;
    } finally {
      this.busy = false;
    }
  }
}

/** The principal signs a debrief as it stands: it is part of the record from then on. */
export async function approve_debrief(app: App, document: string): Promise<void> {
  const read: OpenDocument<Debrief> = await app.documents.open<Debrief>(document, 'debrief');
  await app.documents.follow(read, 'debrief', read.content, { state: 'approved' });
}
