// What the page does with sealed documents: reading those of a kind, writing versions, keeping what is not sent.

import type { Card, DocumentKind, ListedDelegation, ListedDocument, PageVersion } from './engine/contract';
import type { DocumentAnswers, NewVersion, Openings, WrittenDocument } from './engine/documents';
import type { Host } from './engine/host';
import { problem_of, type Problem } from './engine/problem';
import { papers } from './papers';

/** The paper that a document of each kind contains, by its name in the module of papers. */
export type PaperName =
  | 'request'
  | 'schedule'
  | 'brief'
  | 'profile'
  | 'notes'
  | 'memorandum'
  | 'circulation'
  | 'copy'
  | 'debrief'
  | 'readout'
  | 'action';

/** A document that was read, verified and opened on this device. */
export interface OpenDocument<T> {
  document: string;
  /** All of its versions, oldest first. */
  versions: PageVersion[];
  /** The one that `content` is of. */
  version: PageVersion;
  content: T;
  opened: Openings;
}

/** A document that is listed, and could not be read. */
export interface Unread {
  listed: ListedDocument;
  problem: Problem;
}

export interface Listed<T> {
  documents: OpenDocument<T>[];
  unread: Unread[];
}

/** Documents that are looked at for devices with newer keys, the newest first. */
const SEALED_AGAIN = 100;
/** Documents that are read at once. */
const READ_AT_ONCE = 6;

export class Documents {
  /** What was opened, by document: read again only where the list has a newer version. */
  readonly #opened = new Map<string, OpenDocument<unknown>>();

  /** Certified people by identifier. */
  readonly #cards = new Map<string, Card>();

  constructor(
    private readonly host: () => Host,
    private readonly token: () => string | null,
  ) {}

  #token(): string {
    const token = this.token();
    if (token === null) throw { code: 'office_unreachable' } satisfies Problem;
    return token;
  }

  /** The list of the office's server, newest first: all of a kind that this person may read. */
  async listed(kind: DocumentKind): Promise<ListedDocument[]> {
    const all: ListedDocument[] = [];
    for (;;) {
      const before = all.at(-1)?.log_index;
      const page = await this.host().documents(
        { is: 'list', kind, ...(before !== undefined && { before }) },
        this.#token(),
      );
      all.push(...page.documents);
      if (!page.more || page.documents.length === 0) return all;
    }
  }

  /**
   * All documents of a kind that this person may read and `wanted` wants, opened, newest first. What does not verify or open is in
   * `unread` and hides nothing else. Rejects with a `Problem` where the list cannot be read.
   */
  async all<T>(
    kind: DocumentKind,
    paper: PaperName,
    wanted: (one: ListedDocument) => boolean = () => true,
  ): Promise<Listed<T>> {
    const list = (await this.listed(kind)).filter(wanted);
    const read = new Map<string, OpenDocument<T>>();
    const unread: Unread[] = [];
    const waiting = [...list];
    const reader = async (): Promise<void> => {
      for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
        const known = this.#opened.get(one.document);
        if (known?.version.statement_sha256 === one.statement_sha256) {
          read.set(one.document, known as OpenDocument<T>);
          continue;
        }
        try {
          read.set(one.document, await this.open<T>(one.document, paper));
        } catch (error) {
          unread.push({ listed: one, problem: problem_of(error) });
        }
      }
    };
    await Promise.all(Array.from({ length: READ_AT_ONCE }, reader));
    return { documents: list.flatMap((one) => read.get(one.document) ?? []), unread };
  }

  /** A document, in its newest version or in this one. Rejects with a `Problem`. */
  async open<T>(document: string, paper: PaperName, version?: number): Promise<OpenDocument<T>> {
    const request = { is: 'read', document, ...(version !== undefined && { version }) } as const;
    const read = await this.host().documents(request, this.#token());
    const content = JSON.parse((await papers()).check(paper, read.content)) as T;
    const opened = { ...read, content };
    if (version === undefined) this.#opened.set(document, opened);
    return opened;
  }

  /**
   * Writes a version. `follows`: the one that its author read; none for a new document. Rejects with a `Problem`, `document_changed` if
   * somebody else was faster: then it is read again, and what was written is kept by the caller.
   */
  async write(draft: NewVersion, paper: PaperName, content: object, follows?: PageVersion): Promise<WrittenDocument> {
    const json = (await papers()).check(paper, JSON.stringify(content));
    return this.host().documents(
      { is: 'write', draft, content: json, follows: follows?.signed.version ?? 0 },
      this.#token(),
    );
  }

  /** The next version of a document that was read: same kind, subject and readers unless `change` says otherwise. */
  follow<T extends object>(
    read: OpenDocument<T>,
    paper: PaperName,
    content: T,
    change: Partial<NewVersion> & Pick<NewVersion, 'state'>,
  ): Promise<WrittenDocument> {
    const { signed } = read.version;
    const draft: NewVersion = {
      document: read.document,
      kind: signed.kind,
      readers: signed.readers,
      ...(signed.about && { about: signed.about }),
      ...change,
    };
    return this.write(draft, paper, content, read.version);
  }

  /**
   * The people of these identifiers as the certificates of their devices say, in this order; those without a device that reads are left
   * out. Readers are chosen among them: names and roles in the office's lists are what its server says. Rejects with a `Problem`.
   */
  async cards(people: Iterable<string>): Promise<Card[]> {
    const wanted = [...new Set(people)];
    const missing = wanted.filter((person) => !this.#cards.has(person));
    if (missing.length > 0) {
      const found = await this.host().documents({ is: 'cards', people: missing }, this.#token());
      for (const card of found) this.#cards.set(card.person, card);
    }
    return wanted.flatMap((person) => this.#cards.get(person) ?? []);
  }

  /** These delegations as the principals' devices signed them, and not as the office lists them; one that does not verify is left out. */
  async delegations(listed: readonly ListedDelegation[]): Promise<ListedDelegation[]> {
    const statements = listed.map((one) => one.statement);
    const signed = await this.host().documents({ is: 'delegations', statements }, '');
    return listed.flatMap((one, at) => {
      const says = signed[at];
      if (!says || says.delegation !== one.delegation || says.principal !== one.principal.person) return [];
      const { acts, delegate, not_after_ms, not_before_ms } = says;
      return [{ ...one, acts, delegate, not_after_ms, not_before_ms }];
    });
  }

  /** All versions, verified, and who opened it; opens nothing. Rejects with a `Problem`. */
  history(document: string): Promise<DocumentAnswers['history']> {
    return this.host().documents({ is: 'history', document }, this.#token());
  }

  /** Publishes a readout: from then on everybody can read it. Rejects with a `Problem`. */
  publish(document: string, readout: string, payload: string): Promise<DocumentAnswers['publish']> {
    return this.host().documents({ is: 'publish', document, readout, payload }, this.#token());
  }

  /**
   * Seals the newest documents again for devices of their readers that have newer keys, which read on then. What was sealed to none of this
   * person's devices before is left to other readers. Copies of others are not opened by it: only what the person reads is listed.
   */
  async seal_again(most = SEALED_AGAIN): Promise<number> {
    let again = 0;
    const page = await this.host().documents({ is: 'list' }, this.#token());
    for (const { document } of page.documents.slice(0, most)) {
      again += await this.host()
        .documents({ is: 'seal_again', document }, this.#token())
        .catch(() => 0);
    }
    return again;
  }

  /** Keeps what a person has written and not sent, for this device alone; `null` deletes it. */
  async keep_unsent(name: string, content: object | null): Promise<void> {
    const text = content === null ? null : JSON.stringify(content);
    await this.host().documents({ is: 'keep_unsent', name, content: text }, '');
  }

  /** What was kept under this name; none if nothing was, or it is of another device. */
  async unsent<T>(name: string): Promise<T | null> {
    const text = await this.host()
      .documents({ is: 'unsent', name }, '')
      .catch(() => null);
    return text === null ? null : (JSON.parse(text) as T);
  }

  /** Forgets what was read: nobody is signed in any more. */
  forget(): void {
    this.#opened.clear();
    this.#cards.clear();
  }
}
