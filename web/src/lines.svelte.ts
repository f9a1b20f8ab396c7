// What the page does for lines: giving one, confirming who took it, the list of who can ring, and changes of one.

import type {
  LineChange,
  LineList,
  LineTerms,
  ListedDelegation,
  ListedLine,
  UserCommand,
  View,
} from './engine/contract';
import type { Host } from './engine/host';
import { needs_confirmation, type Lines as Office } from './engine/lines';
import { problem_of, type Problem } from './engine/problem';
import { NumberedReads } from './numbered_reads';
import type { Protection } from './protection.svelte';
import { made_since, new_refusal } from './registrar.svelte';
import { failed, type Loadable } from './view/loadable';

export type LinesDialog =
  | { is: 'line'; line: string }
  | { is: 'change'; line: string }
  | { is: 'end'; line: string }
  | { is: 'freeze'; line: string }
  | { is: 'hand_back'; line: string }
  | { is: 'pause_all' }
  | { is: 'withdraw'; invitation: string }
  /** The device that took a line is not theirs. */
  | { is: 'refuse'; invitation: string };

export type GivenLine = Omit<Extract<UserCommand, { type: 'give_line' }>, 'type'>;

/** How long the office may take to carry out an action until it can be repeated, milliseconds. */
const ACTION_TIMEOUT_MS = 10_000;
/** How many lines are changed at once: a page of the list, and half of what the office accepts of a device in a second. */
const CHANGED_AT_ONCE = 50;

export class Lines {
  list = $state.raw<Loadable<LineList>>({ status: 'loading' });
  dialog = $state.raw<LinesDialog | null>(null);
  /** A command waits until the person has confirmed it; nothing was sent. */
  confirming = $state(false);
  /** A line was given, and the office has not logged its invitation yet. */
  giving = $state(false);
  /** Why the last line was not given. */
  not_given = $state.raw<Problem | null>(null);
  /** Why the last change was not made. */
  not_changed = $state.raw<Problem | null>(null);
  /** Invitations that were answered here, until the office says what came of it or does not answer in time. */
  answered = $state.raw<ReadonlySet<string>>(new Set());
  /** Invitations whose question the person put off. */
  later = $state.raw<ReadonlySet<string>>(new Set());
  /** Lines whose holder is doubted, and that the person did not want to freeze now. */
  doubts_put_off = $state.raw<ReadonlySet<string>>(new Set());
  /** Statements that were changed here, until the list has newer ones or the office does not answer in time. */
  changing = $state.raw<ReadonlySet<string>>(new Set());
  /** Several lines are being changed, or the whole list is read for that. */
  changing_all = $state(false);
  /** Lines that were paused together here: they are resumed together. */
  paused_together = $state.raw<readonly string[]>([]);
  /** Called with the invitation of a line that was given here. */
  made: (invitation: string) => void = () => undefined;
  /** The delegation under which this person changes a line; `null` for their own. */
  under: (one: ListedLine) => string | null = () => null;
  /** Whether this person changes this line: their own, or under a delegation. */
  may_change: (one: ListedLine) => boolean = () => true;
  /** The delegations under which this person offers lines for others. */
  offers_for: () => ListedDelegation[] = () => [];
  readonly #reads = new NumberedReads();
  #give_timeout: ReturnType<typeof setTimeout> | undefined;
  #answer_timeout: ReturnType<typeof setTimeout> | undefined;
  #change_timeout: ReturnType<typeof setTimeout> | undefined;
  /** Called once nothing is `changing` any more: whether the list has newer statements of all. */
  #changed: (all: boolean) => void = () => undefined;

  constructor(
    private readonly host: () => Host,
    private readonly office: Office,
    /** Has the person confirm first, where that is needed. */
    private readonly confirmed_if: Protection['confirmed_if'] = (_needed, send) => send(),
  ) {}

  /** The view changed: the link of a new line opens by itself, and what was answered is done or can be repeated. */
  update(before: View | null, view: View): void {
    // What was sent before the connection was lost is not answered any more.
    if (view.token === null) {
      if (this.giving) this.#given({ code: 'office_unreachable' });
      if (this.changing_all) this.not_changed = { code: 'office_unreachable' };
      this.#forget_answers();
      this.#forget_changes();
    }
    const refusal = new_refusal(before, view);
    const made = this.giving ? made_since(before, view) : undefined;
    if (made?.line) {
      this.#given(null);
      this.made(made.invitation);
    } else if (this.giving && refusal !== null) {
      this.#given({ told: refusal });
    }
    if (refusal !== null) {
      if (this.changing_all) this.not_changed = { told: refusal };
      this.#forget_answers();
      this.#forget_changes();
    }
    if (!view.caught_up) return;
    if (this.doubts_put_off.size > 0) {
      const doubted = view.doubted_lines.filter((one) => this.doubts_put_off.has(one.line));
      this.doubts_put_off = new Set(doubted.map((one) => one.line));
    }
    const open = new Set(view.invitations.map((one) => one.invitation));
    if (this.answered.size > 0) this.answered = new Set([...this.answered].filter((id) => open.has(id)));
    const { dialog } = this;
    if (dialog && 'invitation' in dialog && !open.has(dialog.invitation)) this.dialog = null;
  }

  give(line: GivenLine): void {
    if (this.giving) return;
    this.not_given = null;
    this.#send(
      { type: 'give_line', ...line },
      () => this.#sent_line(),
      (why) => (this.not_given = why),
    );
  }

  /** To a person who is enrolled here already: there is no link, and nothing to confirm. */
  give_to(person: string, terms: LineTerms, under: string | null, done: () => void): void {
    this.not_given = null;
    const command: UserCommand = { type: 'give_line_to', person, terms, ...(under !== null && { under }) };
    this.#send(command, done, (why) => (this.not_given = why));
  }

  #sent_line(): void {
    this.giving = true;
    this.#give_timeout = setTimeout(() => this.#given({ code: 'unavailable' }), ACTION_TIMEOUT_MS);
  }

  #given(problem: Problem | null): void {
    clearTimeout(this.#give_timeout);
    this.giving = false;
    this.not_given = problem;
  }

  /** `code`: the one that was compared. */
  confirm(invitation: string, code: string): void {
    this.#send({ type: 'confirm_line', invitation, code }, () => this.#answered(invitation));
  }

  /** Withdraws the offer of a line, or refuses the device that took it. */
  close(invitation: string): void {
    this.dialog = null;
    this.#send({ type: 'close_invitation', invitation }, () => this.#answered(invitation));
  }

  put_off(invitation: string): void {
    this.later = new Set([...this.later, invitation]);
  }

  /** The card that asks who took a line is shown again. */
  show_taken(invitation: string): void {
    this.later = new Set([...this.later].filter((one) => one !== invitation));
  }

  /** The words that the giver and the holder of a line may ask each other for. */
  show_challenge(line: string): void {
    this.host().command({ type: 'show_challenge', line });
  }

  hide_challenge(): void {
    this.host().command({ type: 'hide_challenge' });
  }

  put_doubt_off(line: string): void {
    this.doubts_put_off = new Set([...this.doubts_put_off, line]);
  }

  /** Reads the list until it has this line, and freezes it. */
  async freeze(line: string, token: string | null | undefined): Promise<void> {
    this.not_changed = null;
    await this.load(token);
    while (this.list.status === 'ready') {
      const { value, stale } = this.list;
      const one = value.lines.find((other) => other.line.line === line);
      if (one && this.may_change(one)) return this.change(one, { state: 'suspect' });
      if (one || !value.more || stale) break;
      await this.load_older(token);
      if (this.list.value === value) break;
    }
    this.not_changed = { code: 'unavailable' };
  }

  change(one: ListedLine, change: LineChange): void {
    this.dialog = null;
    this.#send(this.#change_of(one, change), () => this.#changing([one]));
  }

  /** Reads the whole list, and asks whether all of it is to be paused. */
  async ask_pause_all(token: string | null | undefined): Promise<void> {
    if (this.changing_all) return;
    this.not_changed = null;
    this.changing_all = true;
    while (this.list.status === 'ready' && this.list.value.more) {
      const { value } = this.list;
      await this.load_older(token);
      if (this.list.value !== value) continue;
      this.not_changed = this.list.stale ?? { code: 'office_unreachable' };
      break;
    }
    this.changing_all = false;
    if (this.not_changed === null) this.dialog = { is: 'pause_all' };
  }

  pause_all(lines: ListedLine[]): void {
    this.dialog = null;
    this.#change_all(lines, { state: 'paused' }, (sent) => {
      this.paused_together = [...new Set([...this.paused_together, ...sent])];
    });
  }

  resume_together(lines: ListedLine[]): void {
    this.#change_all(lines, { state: 'live' }, (sent) => {
      this.paused_together = this.paused_together.filter((line) => !sent.includes(line));
    });
  }

  hand_back(one: ListedLine): void {
    this.dialog = null;
    this.#send({ type: 'hand_back', statement: one.statement }, () => this.#changing([one]));
  }

  #change_of(one: ListedLine, change: LineChange): UserCommand {
    const under = this.under(one);
    return {
      type: 'sign_line_change',
      statement: one.statement,
      change,
      ...(one.lost && { lost: one.lost }),
      ...(under !== null && { under }),
    };
  }

  /** A part at a time, the next once the office has answered the last. `sent` is told the lines of each. */
  #change_all(lines: ListedLine[], change: LineChange, sent: (lines: string[]) => void): void {
    const [first] = lines;
    if (!first || this.changing_all) return;
    this.#confirmed(
      needs_confirmation(this.#change_of(first, change)),
      () => void this.#change_parts(lines, change, sent),
    );
  }

  async #change_parts(lines: ListedLine[], change: LineChange, sent: (lines: string[]) => void): Promise<void> {
    this.changing_all = true;
    for (let from = 0; from < lines.length; from += CHANGED_AT_ONCE) {
      const part = lines.slice(from, from + CHANGED_AT_ONCE);
      sent(part.map((one) => one.line.line));
      const changed = new Promise<boolean>((resolve) => (this.#changed = resolve));
      this.#changing(part);
      for (const one of part) this.host().command(this.#change_of(one, change));
      if (await changed) continue;
      this.not_changed ??= { code: 'unavailable' };
      break;
    }
    this.changing_all = false;
  }

  /** The time in which the office has to act begins when the person has confirmed the command. */
  #send(command: UserCommand, sent: () => void, cancelled?: (why: Problem) => void): void {
    const send = (): void => {
      sent();
      this.host().command(command);
    };
    this.#confirmed(needs_confirmation(command), send, cancelled);
  }

  #confirmed(needed: boolean, send: () => void, cancelled?: (why: Problem) => void): void {
    this.not_changed = null;
    if (!needed) return send();
    if (this.confirming) return;
    this.confirming = true;
    this.confirmed_if(
      needed,
      () => {
        this.confirming = false;
        send();
      },
      (why) => {
        this.confirming = false;
        (cancelled ?? ((problem: Problem) => (this.not_changed = problem)))(why);
      },
    );
  }

  #answered(invitation: string): void {
    this.answered = new Set([...this.answered, invitation]);
    clearTimeout(this.#answer_timeout);
    this.#answer_timeout = setTimeout(() => this.#forget_answers(), ACTION_TIMEOUT_MS);
  }

  /** Invitations that are still listed can be answered again. */
  #forget_answers(): void {
    clearTimeout(this.#answer_timeout);
    this.answered = new Set();
  }

  #changing(lines: ListedLine[]): void {
    this.changing = new Set([...this.changing, ...lines.map((one) => one.statement)]);
    clearTimeout(this.#change_timeout);
    this.#change_timeout = setTimeout(() => this.#forget_changes(), ACTION_TIMEOUT_MS);
  }

  #forget_changes(): void {
    clearTimeout(this.#change_timeout);
    if (this.changing.size > 0) this.#changed(false);
    this.changing = new Set();
  }

  async load(token: string | null | undefined): Promise<void> {
    if (!token) return;
    const read = this.#reads.start();
    const pages: LineList[] = [];
    const list = await this.#read(token, pages).then(
      (value): Loadable<LineList> => ({ status: 'ready', value }),
      (error: unknown) => failed(this.list, problem_of(error)),
    );
    if (!this.#reads.answered(read)) return;
    this.list = list;
    if (list.status !== 'ready' || list.stale !== undefined) return;
    // From now on this device accepts no older version of a line than the office has shown it.
    for (const page of pages) this.host().command({ type: 'see_lines', list: page });
    // A statement that is not the newest any more was changed.
    if (this.changing.size === 0) return;
    const newest = new Set(list.value.lines.map((one) => one.statement));
    this.changing = new Set([...this.changing].filter((statement) => newest.has(statement)));
    if (this.changing.size === 0) this.#changed(true);
  }

  /** The newest page, then what is known of older ones; of these, the pages with lines that were changed here are read again. */
  async #read(token: string, pages: LineList[]): Promise<LineList> {
    const newest = await this.office.lines(token);
    pages.push(newest);
    let list = with_page(this.list.status === 'ready' ? this.list.value : null, 0, newest);
    for (let from = newest.lines.length; ;) {
      const at = list.lines.findIndex((one, n) => n >= from && this.changing.has(one.statement));
      const before = list.lines[at - 1];
      if (at < 0 || !before) return list;
      const page = await this.office.lines(token, before);
      pages.push(page);
      list = with_page(list, at, page);
      from = at + Math.max(page.lines.length, 1);
    }
  }

  /** Adds the lines that were given before the oldest of the list. */
  async load_older(token: string | null | undefined): Promise<void> {
    const oldest = this.list.status === 'ready' ? this.list.value.lines.at(-1) : undefined;
    if (!token || !oldest) return;
    const read = this.#reads.start();
    try {
      const older = await this.office.lines(token, oldest);
      if (!this.#reads.answered(read) || this.list.status !== 'ready') return;
      this.host().command({ type: 'see_lines', list: older });
      const { lines, more } = older;
      // An empty page has nothing after it.
      const value = { lines: [...this.list.value.lines, ...lines], more: more && lines.length > 0 };
      this.list = { status: 'ready', value };
    } catch (error) {
      if (this.#reads.answered(read)) this.list = failed(this.list, problem_of(error));
    }
  }
}

/** A page in place of what is known from its first line on. What was given before its last line stays, if the list has no gap then. */
function with_page(known: LineList | null, from: number, page: LineList): LineList {
  const before = known?.lines.slice(0, from) ?? [];
  const last = page.lines.at(-1);
  const meets = known?.lines.some((one) => one.line.line === last?.line.line) === true;
  const older = page.more && meets && known && last ? known.lines.filter((one) => one.given_ms < last.given_ms) : [];
  return { lines: [...before, ...page.lines, ...older], more: older.length > 0 && known ? known.more : page.more };
}
