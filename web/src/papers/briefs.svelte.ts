// What the page does with briefs: which one belongs to which planned call, writing one, and what of it was raised.

import type { Documents, OpenDocument } from '../documents.svelte';
import type { ListedDocument, View } from '../engine/contract';
import { problem_of, type Problem } from '../engine/problem';
import { failed, type Loadable } from '../view/loadable';
import type { Brief, Point, Request, When } from './contents';
import { new_item } from './identifiers';
import { writes_briefs } from './roles';

export type BriefDocument = OpenDocument<Brief>;

/** What a person edits: lists as texts, an entry in each paragraph. */
export interface BriefForm {
  purpose: string;
  they_want: string;
  we_want: string;
  say: string;
  if_asked: string;
  avoid: string;
  background: string;
  promised: string;
  limits: string;
}

const POINTS = ['say', 'if_asked', 'avoid'] as const satisfies readonly When[];

const texts = (paragraphs: readonly string[]): string => paragraphs.join('\n');
const paragraphs = (text: string): string[] =>
  text
    .split('\n')
    .map((one) => one.trim())
    .filter((one) => one !== '');

/** Points that are said at these times, in their order. */
export const points_of = (brief: Brief, when: When): Point[] => brief.points.filter((point) => point.when === when);

export function brief_form(brief: Brief): BriefForm {
  const points = (when: When) => texts(points_of(brief, when).map((point) => point.text));
  return {
    purpose: brief.purpose,
    they_want: texts(brief.they_want),
    we_want: texts(brief.we_want),
    say: points('say'),
    if_asked: points('if_asked'),
    avoid: points('avoid'),
    background: texts(brief.background),
    promised: texts(brief.promised),
    limits: texts(brief.limits),
  };
}

/** The brief that a form says. A point whose words stay keeps its identifier: ticks and comments name it. */
export function brief_of(form: BriefForm, before: Brief): Brief {
  const left = [...before.points];
  const points = POINTS.flatMap((when) =>
    paragraphs(form[when]).map((text): Point => {
      const at = left.findIndex((point) => point.text === text);
      const [same] = at < 0 ? [] : left.splice(at, 1);
      return { id: same?.id ?? new_item(), when, text };
    }),
  );
  const known = new Set(points.map((point) => point.id));
  return {
    ...before,
    purpose: form.purpose.trim(),
    they_want: paragraphs(form.they_want),
    we_want: paragraphs(form.we_want),
    points,
    ticks: Object.fromEntries(Object.entries(before.ticks).filter(([id]) => known.has(id))),
    background: paragraphs(form.background),
    promised: paragraphs(form.promised),
    limits: paragraphs(form.limits),
    comments: before.comments.filter((one) => one.about === null || known.has(one.about)),
  };
}

/** The first version of a request's brief. */
export function first_brief(request: Request): Brief {
  return {
    version: 1,
    template: '',
    counterpart: request.counterpart,
    purpose: request.subject,
    they_want: [],
    we_want: [],
    points: [],
    ticks: {},
    background: [],
    promised: [],
    limits: [],
    comments: [],
  };
}

const unsent_ticks = (document: string): string => `brief-ticks.${document}`;

export class Briefs {
  /** The list of the office's server: which briefs there are, and about what. */
  list = $state.raw<Loadable<ListedDocument[]>>({ status: 'loading' });
  writing = $state(false);
  problem = $state.raw<Problem | null>(null);

  constructor(private readonly documents: Documents) {}

  /** The view changed: the list is read again when documents did. */
  update(before: View | null, view: View): void {
    if (view.token === null || !view.you || !writes_briefs(view.you.role)) return;
    const anew = view.token !== before?.token || !view.caught_up !== !before?.caught_up;
    if (view.caught_up && (anew || view.documents_changed !== before?.documents_changed)) void this.load();
  }

  async load(): Promise<void> {
    this.list = await this.documents.listed('brief').then(
      (value): Loadable<ListedDocument[]> => ({ status: 'ready', value }),
      (error: unknown) => failed(this.list, problem_of(error)),
    );
  }

  /** The brief of a request; none if there is none that this person may read. */
  about(request: string | undefined): ListedDocument | undefined {
    if (this.list.status !== 'ready' || request === undefined) return undefined;
    return this.list.value.find(
      (one) => one.state !== 'closed' && one.about && 'document' in one.about && one.about.document === request,
    );
  }

  /** Begins the brief of a request, for those of the office who read it. Gives its document; none if that failed. */
  async begin(request: OpenDocument<Request>): Promise<string | null> {
    if (this.writing) return null;
    this.writing = true;
    this.problem = null;
    try {
      // Who is of the other side is said by certificates: the request, its readers included, was written by them.
      const cards = await this.documents.cards(request.version.signed.readers);
      const readers = cards.filter((card) => writes_briefs(card.role)).map((card) => card.person);
      const about = { document: request.document };
      const draft = { kind: 'brief', readers, about, state: 'draft' } as const;
      const { document } = await this.documents.write(draft, 'brief', first_brief(request.content));
      await this.load();
      return document;
    } catch (error) {
      this.problem = problem_of(error);
      return null;
    } finally {
      this.writing = false;
    }
  }

  /** The points of a brief that were raised, as this device noted: milliseconds since 1970 UTC by point. */
  async ticks(document: string): Promise<Record<string, number>> {
    return (await this.documents.unsent<Record<string, number>>(unsent_ticks(document))) ?? {};
  }

  keep_ticks(document: string, ticks: Record<string, number>): Promise<void> {
    return this.documents.keep_unsent(unsent_ticks(document), ticks);
  }
}
