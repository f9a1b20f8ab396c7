// One memorandum: its versions, this person's edits of it, and its signatures.

import type { App } from '../app.svelte';
import type { OpenDocument } from '../documents.svelte';
import type { DocumentState, PageVersion } from '../engine/contract';
import { problem_of, type Problem } from '../engine/problem';
import { save_file } from '../parts/save_file';
import type { Loadable } from '../view/loadable';
import { papers, pdf } from '.';
import type { Approval, Assessment, Change, Colophon, Mark, Memorandum, Part, Review, Turn } from './contents';
import { new_item } from './identifiers';
import { Unsent } from './unsent';

/** Edits that were not sent: of which version, and the content. */
interface Edits {
  follows: number;
  content: Memorandum;
}

/** Two versions side by side. */
export interface Comparison {
  before: PageVersion;
  after: PageVersion;
  changes: Change[];
}

/** A step of a chain, as the module of papers reads it. */
interface Step {
  version: number;
  state: DocumentState;
  content: Memorandum | null;
}

export type Export = 'pdf' | 'docx' | 'text';

export class MemorandumWork {
  read = $state.raw<Loadable<OpenDocument<Memorandum>>>({ status: 'loading' });
  /** What is shown: the newest version, with this person's edits. */
  content = $state.raw<Memorandum | null>(null);
  assessment = $state.raw<Assessment | null>(null);
  /** The words of the turns, in their order. */
  texts = $state.raw<string[]>([]);
  edited = $state(false);
  /** Parts that this person and somebody else changed: theirs was kept here. */
  both = $state.raw<Part[]>([]);
  approvals = $state.raw<Approval[]>([]);
  comparison = $state.raw<Comparison | null>(null);
  problem = $state.raw<Problem | null>(null);
  /** Why an approval was not signed: it is not what was reviewed. */
  refused = $state.raw<Review | null>(null);
  busy = $state(false);
  readonly #edits: Unsent<Edits>;

  constructor(
    private readonly app: App,
    readonly document: string,
  ) {
    this.#edits = new Unsent(app.documents, `memorandum.${document}`);
  }

  get state(): DocumentState | null {
    return this.read.status === 'ready' ? this.read.value.version.signed.state : null;
  }

  /** Reads the newest version, and joins what this person has changed and not sent. */
  async load(): Promise<void> {
    try {
      const read = await this.app.documents.open<Memorandum>(this.document, 'memorandum');
      // What was typed since the last read counts, and is on its way to the device.
      const kept = this.edited && this.content ? this.#current_edits() : await this.#edits.read();
      let content = read.content;
      if (kept && kept.follows === read.version.signed.version) content = kept.content;
      else if (kept) content = await this.#joined(kept, read);
      this.read = { status: 'ready', value: read };
      await this.#show(content, kept !== null && JSON.stringify(content) !== JSON.stringify(read.content));
      this.#edits.keep(this.edited ? this.#current_edits() : null);
      await this.#check_approvals(read);
    } catch (error) {
      const problem = problem_of(error);
      if (this.read.status === 'ready') this.read = { ...this.read, stale: problem };
      else this.read = { status: 'failed', problem };
    }
  }

  #current_edits(): Edits | null {
    if (this.read.status !== 'ready' || !this.content) return null;
    return { follows: this.read.value.version.signed.version, content: this.content };
  }

  async #joined(kept: Edits, read: OpenDocument<Memorandum>): Promise<Memorandum> {
    const base = await this.app.documents.open<Memorandum>(this.document, 'memorandum', kept.follows);
    const [ours, theirs] = [JSON.stringify(kept.content), JSON.stringify(read.content)];
    const joined = (await papers()).join_memoranda(JSON.stringify(base.content), ours, theirs);
    const [content, both] = JSON.parse(joined) as [Memorandum, Part[]];
    this.both = both;
    return content;
  }

  async #show(content: Memorandum, edited: boolean): Promise<void> {
    const module = await papers();
    const json = JSON.stringify(content);
    this.assessment = JSON.parse(module.assess_memorandum(json, this.app.now)) as Assessment;
    this.texts = JSON.parse(module.turn_texts(json)) as string[];
    this.content = content;
    this.edited = edited;
  }

  /** Every approved version is compared with its review on this device, too. */
  async #check_approvals(read: OpenDocument<Memorandum>): Promise<void> {
    const { versions } = read;
    const needed = new Set(
      versions.flatMap((one, at) => (one.signed.state === 'approved' ? [one, versions[at - 1]] : [])),
    );
    const step = async (one: PageVersion): Promise<Step> => {
      const { version, state } = one.signed;
      const content = needed.has(one) ? await this.#opened(version) : null;
      return { version, state, content };
    };
    const chain = await Promise.all(versions.map(step));
    this.approvals = JSON.parse((await papers()).memorandum_approvals(JSON.stringify(chain))) as Approval[];
  }

  /** The content of a version; `null` where this device cannot open it: it was not one of its readers. */
  async #opened(version: number): Promise<Memorandum | null> {
    try {
      return (await this.app.documents.open<Memorandum>(this.document, 'memorandum', version)).content;
    } catch {
      return null;
    }
  }

  /** This person changes something. */
  async edit(change: (memo: Memorandum) => Memorandum): Promise<void> {
    if (!this.content) return;
    this.refused = null;
    try {
      await this.#show(change($state.snapshot(this.content)), true);
      this.#edits.keep(this.#current_edits());
    } catch (error) {
      this.problem = problem_of(error);
    }
  }

  edit_turn(id: string, change: (turn: Turn) => Turn): Promise<void> {
    return this.edit((memo) => ({ ...memo, turns: memo.turns.map((turn) => (turn.id === id ? change(turn) : turn)) }));
  }

  async rewrite(id: string, text: string): Promise<void> {
    const module = await papers();
    await this.edit((memo) => JSON.parse(module.rewrite_turn(JSON.stringify(memo), id, text)) as Memorandum);
  }

  async confirm(ids: string[]): Promise<void> {
    const module = await papers();
    const turns = JSON.stringify(ids);
    await this.edit((memo) => JSON.parse(module.confirm_turns(JSON.stringify(memo), turns)) as Memorandum);
  }

  /** Gives every portion that has none this mark. */
  mark_rest(mark: Mark): Promise<void> {
    const fill = <T extends { mark: Mark | null }>(one: T): T => ({ ...one, mark: one.mark ?? mark });
    return this.edit((memo) => ({
      ...memo,
      subject: fill(memo.subject),
      turns: memo.turns.map(fill),
      decisions: memo.decisions.map(fill),
      actions_mark: memo.actions.length > 0 ? (memo.actions_mark ?? mark) : memo.actions_mark,
    }));
  }

  comment(text: string, about: string | null): Promise<void> {
    const by = this.app.view?.you?.person ?? '';
    const comment = { id: new_item(), about, by, at_ms: Date.now(), text, settled_by: null };
    return this.edit((memo) => ({ ...memo, comments: [...memo.comments, comment] }));
  }

  settle(id: string): Promise<void> {
    const by = this.app.view?.you?.person ?? null;
    return this.edit((memo) => ({
      ...memo,
      comments: memo.comments.map((one) => (one.id === id ? { ...one, settled_by: by } : one)),
    }));
  }

  /** Signs a version of this state. An approval is signed only if it is what was reviewed, and complete. */
  async sign(state: 'draft' | 'reviewed' | 'approved'): Promise<void> {
    const { read, content } = this;
    if (read.status !== 'ready' || !content || this.busy) return;
    this.busy = true;
    this.problem = null;
    this.refused = null;
    try {
      await this.#edits.flush();
      const custodians = state === 'approved' ? await this.#custodians(read.value, content) : [];
      if (custodians === null) return;
      const change = { state, ...(custodians.length > 0 && { custodians }) };
      await this.app.documents.follow(read.value, 'memorandum', content, change);
      this.edited = false;
      this.both = [];
      this.#edits.keep(null);
      await this.#edits.flush();
      await this.load();
    } catch (error) {
      this.problem = problem_of(error);
      if ('code' in this.problem && this.problem.code === 'document_changed') await this.load();
    } finally {
      this.busy = false;
    }
  }

  /** Recipients of the custodians of the call's record, who get what is approved; `null` if it may not be approved. */
  async #custodians(read: OpenDocument<Memorandum>, content: Memorandum): Promise<string[] | null> {
    const { version, state } = read.version.signed;
    // Opened again: what is compared is what the office's server has, not what this page remembers of it.
    const before: Step = { version, state, content: await this.#opened(version) };
    const module = await papers();
    const review = JSON.parse(module.memorandum_review(JSON.stringify(before), JSON.stringify(content))) as Review;
    if (review.review !== 'same') {
      this.refused = review;
      return null;
    }
    const { line, report } = await this.app.checked_record(content.call);
    const { custodians = [] } = report;
    // What is approved belongs to the record: without its custodians it would not be in it.
    if (line.records > 0 && custodians.length === 0) throw { code: 'record_unproven' } satisfies Problem;
    return custodians;
  }

  /** Shows two versions side by side. */
  async compare(before: number, after: number): Promise<void> {
    this.problem = null;
    try {
      const open = (version: number) => this.app.documents.open<Memorandum>(this.document, 'memorandum', version);
      const [one, other] = await Promise.all([open(before), open(after)]);
      const module = await papers();
      const changes = module.memorandum_changes(JSON.stringify(one.content), JSON.stringify(other.content));
      this.comparison = { before: one.version, after: other.version, changes: JSON.parse(changes) as Change[] };
    } catch (error) {
      this.problem = problem_of(error);
    }
  }

  /** Saves the newest version as a file. */
  async save(as: Export): Promise<void> {
    if (this.read.status !== 'ready') return;
    const { content, version } = this.read.value;
    this.problem = null;
    try {
      const module = await papers();
      const memo = JSON.stringify(content);
      const colophon = JSON.stringify(colophon_of(content, version));
      const offset = module.memorandum_offset(memo);
      const name = `memorandum-${content.call.slice(0, 8)}-v${version.signed.version}`;
      if (as === 'pdf') {
        save_file(`${name}.pdf`, 'application/pdf', (await pdf()).memorandum_pdf(memo, colophon, offset));
      } else if (as === 'docx') save_file(`${name}.docx`, DOCX, module.memorandum_docx(memo, colophon, offset));
      else save_file(`${name}.txt`, 'text/plain;charset=utf-8', module.memorandum_text(memo, colophon, offset));
    } catch (error) {
      this.problem = problem_of(error);
    }
  }
}

const DOCX = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document';

function colophon_of(memo: Memorandum, { signed, log_index }: PageVersion): Colophon {
  return {
    record: memo.call,
    document_version: signed.version,
    state: signed.state,
    digest: signed.content_sha256,
    log_index,
    checkpoint: '',
  };
}
