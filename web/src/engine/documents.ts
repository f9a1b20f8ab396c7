// Documents in the worker: what the engine seals and verifies, carried to and from the office's HTTP API.

import {
  API_PREFIX,
  type Card,
  type DocumentKept,
  type DocumentKind,
  type DocumentList,
  type ListedDelegation,
  type PageDraft,
  type PageVersion,
  type PersonKeys,
  type ProvenDocument,
  type ReadoutPublished,
} from './contract';
import type { Engine } from './engine';
import { refusal, type Fetch } from './enrol';
import type { Storage } from './key_storage';
import { DOCUMENT_READS_AT_ONCE, repeated_read, Turns } from './office_reads';
import type { Problem } from './problem';

/** What a person writes; without `document` it is a new one. */
export type NewVersion = Omit<PageDraft, 'document'> & { document?: string };

/** What a delegation's statement says: the `Delegation` that a principal's device signed. */
export type SignedDelegation = Pick<
  ListedDelegation,
  'acts' | 'delegate' | 'delegation' | 'not_after_ms' | 'not_before_ms'
> & { principal: string };

/** What the page asks the worker for. Contents are text: JSON of a paper. */
export type DocumentRequest =
  /** A page of the list, newest first; `before`: the `log_index` of the last one that is known. */
  | { is: 'list'; kind?: DocumentKind; before?: number }
  /** All versions, verified; and the content of the newest, or of this one. */
  | { is: 'read'; document: string; version?: number }
  /** `follows`: the version that the author read, 0 for a new document. Refused with `document_changed` if there is a newer one. */
  | { is: 'write'; draft: NewVersion; content: string; follows: number }
  /** Seals the newest version again for devices of its readers whose keys are newer. */
  | { is: 'seal_again'; document: string }
  /** All versions, verified, and who opened it; opens nothing, so that nothing is logged. */
  | { is: 'history'; document: string }
  /** Signs the payload of a readout and publishes it; `document` is the one that it is written in, which claims that it is published. */
  | { is: 'publish'; document: string; readout: string; payload: string }
  /** The people of these identifiers, each as the certificate of their device says; those without a key are left out. */
  | { is: 'cards'; people: string[] }
  /** What each of these statements delegates, if a principal's device signed it. */
  | { is: 'delegations'; statements: string[] }
  /** Keeps what is not sent yet, sealed for this device; `null` deletes it. */
  | { is: 'keep_unsent'; name: string; content: string | null }
  | { is: 'unsent'; name: string };

/** When a copy was opened, of the server's list. */
export type Openings = NonNullable<ProvenDocument['opened']>;

/** A version that was read. */
export interface ReadDocument {
  document: string;
  /** All versions that were shown, verified, oldest first. */
  versions: PageVersion[];
  /** The one that was opened. */
  version: PageVersion;
  content: string;
  opened: Openings;
}

export interface WrittenDocument {
  document: string;
  version: number;
  log_index: number;
}

/** What each request is answered with. */
export interface DocumentAnswers {
  list: DocumentList;
  read: ReadDocument;
  write: WrittenDocument;
  /** For how many devices. */
  seal_again: number;
  history: { versions: PageVersion[]; opened: Openings };
  publish: ReadoutPublished;
  cards: Card[];
  delegations: (SignedDelegation | null)[];
  keep_unsent: null;
  unsent: string | null;
}

export type DocumentAnswer = DocumentAnswers[DocumentRequest['is']];

/** Runs something in the engine, and then what it put out. Throws what the engine refuses. */
export type InEngine = <T>(work: (engine: Engine, now_ms: number) => T) => T;

const UNSENT = 'unsent:';
/** Content, JSON of papers, is UTF-8. */
const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

export class DocumentWork {
  readonly #turns = new Turns(DOCUMENT_READS_AT_ONCE);

  constructor(
    private readonly in_engine: InEngine,
    /** `fetch` of the office with a time limit. */
    private readonly fetch_office: Fetch,
    private readonly storage: Storage,
  ) {}

  /** Requests in progress, by document: what the engine has read of it is forgotten after the last one. */
  readonly #uses = new Map<string, number>();

  /** Throws a `Problem`, or a sentence of the engine. `token`: the bearer token of this device's session. */
  async handle(request: DocumentRequest, token: string): Promise<DocumentAnswer> {
    const document = 'document' in request ? request.document : 'draft' in request ? request.draft.document : undefined;
    if (document === undefined) return this.#handle(request, token);
    this.#uses.set(document, (this.#uses.get(document) ?? 0) + 1);
    try {
      return await this.#handle(request, token);
    } finally {
      this.#used(document);
    }
  }

  #used(document: string): void {
    const uses = (this.#uses.get(document) ?? 1) - 1;
    if (uses > 0) return void this.#uses.set(document, uses);
    this.#uses.delete(document);
    try {
      this.in_engine((engine) => engine.forget_document(document));
    } catch {
      // The engine stopped, and forgot everything.
    }
  }

  #handle(request: DocumentRequest, token: string): Promise<DocumentAnswer> {
    switch (request.is) {
      case 'list':
        return this.#list(token, request.kind, request.before);
      case 'read':
        return this.#read(token, request.document, request.version);
      case 'write':
        return this.#write(token, request.draft, request.content, request.follows);
      case 'seal_again':
        return this.#seal_again(token, request.document);
      case 'history':
        return this.#see(token, request.document, this.#first_shown(request.document));
      case 'publish':
        return this.#publish(token, request);
      case 'cards':
        return this.#cards(token, request.people);
      case 'delegations':
        return Promise.resolve(request.statements.map((statement) => this.#delegation(statement)));
      case 'keep_unsent':
        return this.#keep_unsent(request.name, request.content);
      case 'unsent':
        return this.#unsent(request.name);
    }
  }

  async #ask(token: string, path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { ...(init.headers as Record<string, string>), authorization: `Bearer ${token}` };
    let answer: Response;
    try {
      const request = { cache: 'no-store', credentials: 'omit', ...init, headers } as const;
      answer = await this.#turns.run(() => repeated_read(() => this.fetch_office(`${API_PREFIX}${path}`, request)));
    } catch {
      throw { code: 'office_unreachable' } satisfies Problem;
    }
    if (answer.status === 404) throw { code: 'document_missing' } satisfies Problem;
    if (answer.status === 409) throw { code: 'document_changed' } satisfies Problem;
    if (!answer.ok) throw await refusal(answer);
    return answer;
  }

  async #list(token: string, kind?: DocumentKind, before?: number): Promise<DocumentList> {
    const query = new URLSearchParams();
    if (kind !== undefined) query.set('kind', kind);
    if (before !== undefined) query.set('before', String(before));
    return (await this.#ask(token, `/documents?${query}`)).json() as Promise<DocumentList>;
  }

  /** Versions from this one on, verified; pages overlap by one, so that each continues the one before. */
  async #see(token: string, document: string, from: number): Promise<{ versions: PageVersion[]; opened: Openings }> {
    const versions: PageVersion[] = [];
    for (let next = from; ;) {
      const known = () => this.in_engine((engine) => engine.known_document(document)) ?? 0;
      const before = known();
      const text = await (await this.#ask(token, `/documents/${document}?from=${next}`)).text();
      let page: PageVersion[];
      try {
        page = JSON.parse(this.in_engine((engine, now_ms) => engine.see_document(text, now_ms))) as PageVersion[];
      } catch (error) {
        // A newer version that was read or written here meanwhile makes this an old answer, or one that begins before what the engine
        // continues: that accuses nobody.
        const newer = known();
        if (newer <= before && (next === 1 || newer <= next)) throw error;
        if (next > 1) next = newer;
        continue;
      }
      versions.push(...page.slice(versions.length > 0 ? 1 : 0));
      const last = versions.at(-1)?.signed.version ?? 0;
      const proven = JSON.parse(text) as ProvenDocument;
      if (last >= proven.newest) return { versions, opened: proven.opened ?? [] };
      if (last <= next) throw { code: 'document_incomplete' } satisfies Problem;
      next = last;
    }
  }

  async #read(token: string, document: string, wanted?: number): Promise<ReadDocument> {
    const { versions, opened } = await this.#see(token, document, this.#first_shown(document));
    const version = wanted === undefined ? versions.at(-1) : versions.find((one) => one.signed.version === wanted);
    if (version === undefined) throw { code: 'document_incomplete' } satisfies Problem;
    const content = decode(await this.#open(token, document, version.signed.version));
    return { document, versions, version, content, opened };
  }

  /** From the first version, so that what became of it can be shown; of a long chain from the newest one that is known. */
  #first_shown(document: string): number {
    const known = this.in_engine((engine) => engine.known_document(document)) ?? 1;
    return known > LONG_CHAIN ? known : 1;
  }

  async #sealed(token: string, document: string, version: number): Promise<Uint8Array> {
    const answer = await this.#ask(token, `/documents/${document}/${version}`);
    return new Uint8Array(await answer.arrayBuffer());
  }

  async #open(token: string, document: string, version: number): Promise<Uint8Array> {
    const sealed = await this.#sealed(token, document, version);
    return this.in_engine((engine) => engine.open_document(document, version, sealed));
  }

  async #keys(token: string, readers: string[]): Promise<PersonKeys[]> {
    const keys = readers.map(async (person) => (await this.#ask(token, `/people/${person}/keys`)).json());
    return Promise.all(keys) as Promise<PersonKeys[]>;
  }

  async #cards(token: string, people: string[]): Promise<Card[]> {
    const cards = (await this.#keys(token, people)).map(
      (keys) => JSON.parse(this.in_engine((engine) => engine.card_of_keys(JSON.stringify(keys)))) as Card | null,
    );
    return cards.filter((card) => card !== null);
  }

  #delegation(statement: string): SignedDelegation | null {
    try {
      return JSON.parse(this.in_engine((engine) => engine.delegation_of(statement))) as SignedDelegation;
    } catch {
      return null;
    }
  }

  async #write(token: string, draft: NewVersion, content: string, follows: number): Promise<WrittenDocument> {
    const document = draft.document ?? this.in_engine((engine) => engine.new_document());
    if (follows > 0) {
      const { versions } = await this.#see(token, document, this.#first_shown(document));
      if (versions.at(-1)?.signed.version !== follows) throw { code: 'document_changed' } satisfies Problem;
    }
    const keys = JSON.stringify(await this.#keys(token, draft.readers));
    const text = JSON.stringify({ ...draft, document });
    const upload = this.in_engine((engine, now_ms) =>
      engine.write_document(text, encode(content), keys, follows, now_ms),
    );
    const version = follows + 1;
    const answer = await this.#ask(token, `/documents/${document}/${version}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: upload,
    });
    const { log_index } = (await answer.json()) as DocumentKept;
    // Seen from now on: a server that withholds what was written here is noticed.
    await this.#see(token, document, follows > 0 ? follows : 1);
    return { document, version, log_index };
  }

  async #seal_again(token: string, document: string): Promise<number> {
    const { version } = await this.#read_statement(token, document);
    const { signed } = version;
    const newer = (await this.#keys(token, signed.readers)).map(({ keys }) =>
      keys.filter((key) => key.signed.index > version.log_index),
    );
    // A copy is not fetched for nothing: that it was opened is logged.
    if (newer.every((keys) => keys.length === 0)) return 0;
    const sealed = await this.#sealed(token, document, signed.version);
    let again = 0;
    for (const keys of newer) {
      for (const key of keys) {
        const text = JSON.stringify(key);
        const device = this.in_engine((engine) => engine.device_of_key(text));
        const body = this.in_engine((engine, now_ms) =>
          engine.seal_document_again(document, signed.version, sealed, text, now_ms),
        );
        if (body === undefined) continue;
        await this.#ask(token, `/documents/${document}/${signed.version}/seals/${device}`, {
          method: 'PUT',
          headers: { 'content-type': 'application/octet-stream' },
          body: body as BufferSource,
        });
        again++;
      }
    }
    return again;
  }

  async #publish(
    token: string,
    { document, readout, payload }: { document: string; readout: string; payload: string },
  ): Promise<ReadoutPublished> {
    const jws = this.in_engine((engine) => engine.sign_readout(payload));
    const answer = await this.#ask(token, `/readouts/${readout}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ document, jws }),
    });
    return (await answer.json()) as ReadoutPublished;
  }

  async #read_statement(token: string, document: string): Promise<{ version: PageVersion }> {
    const known = this.in_engine((engine) => engine.known_document(document)) ?? 1;
    const { versions } = await this.#see(token, document, known);
    const version = versions.at(-1);
    if (version === undefined) throw { code: 'document_incomplete' } satisfies Problem;
    return { version };
  }

  async #keep_unsent(name: string, content: string | null): Promise<null> {
    const sealed = content === null ? undefined : this.in_engine((engine) => engine.seal_unsent(encode(content)));
    await this.storage.put({ [UNSENT + name]: sealed });
    return null;
  }

  async #unsent(name: string): Promise<string | null> {
    const sealed = (await this.storage.get(UNSENT + name)) as Uint8Array | undefined;
    return sealed === undefined ? null : decode(this.in_engine((engine) => engine.open_unsent(sealed)));
  }
}

/** Versions that one answer of the office has at most. */
const LONG_CHAIN = 50;
