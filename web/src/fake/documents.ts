// Documents of a fictitious office, in memory: what the worker and the office's server do together, without sealing anything.

import type { Card, DocumentKind, DocumentState, ListedDocument, PageVersion } from '../engine/contract';
import type { DocumentAnswer, DocumentRequest, NewVersion, Openings, SignedDelegation } from '../engine/documents';
import type { Host } from '../engine/host';
import type { OpenDocument } from '../documents.svelte';
import type { Problem } from '../engine/problem';
import { OFFICE, certified } from './people';
import { NOW } from './views';

/** A document as a scene or a test gives it. Versions in order: states of which all but the last have the same content. */
export interface FakeDocument {
  document: string;
  kind: DocumentKind;
  author: Card;
  readers: string[];
  content: object;
  states?: DocumentState[];
  /** Versions after those, by whomever. */
  more?: { author: Card; content: object; state: DocumentState; readers?: string[] }[];
  about?: ListedDocument['about'];
  at_ms?: number;
  opened?: Openings;
}

interface Stored {
  versions: PageVersion[];
  contents: string[];
  opened: Openings;
}

const hex = (n: number, digits: number) => n.toString(16).padStart(digits, '0');

export class FakeDocuments {
  readonly #stored = new Map<string, Stored>();
  readonly #unsent = new Map<string, string>();
  /** Readouts that everybody may read: payloads by identifier. */
  readonly published = new Map<string, string>();
  /** What the statements of delegations say; others do not verify. */
  readonly signed = new Map<string, SignedDelegation>();
  #next = 1;
  /** If set, every request is refused with it. */
  problem: Problem | null = null;

  constructor(
    /** Who reads and writes. */
    private readonly you: Card,
    documents: FakeDocument[] = [],
  ) {
    for (const one of documents) {
      for (const state of one.states ?? ['draft']) {
        this.#add(one.author, { ...one, state }, JSON.stringify(one.content), one.at_ms ?? NOW);
      }
      for (const { author, content, ...changed } of one.more ?? []) {
        this.#add(author, { ...one, ...changed }, JSON.stringify(content), one.at_ms ?? NOW);
      }
      if (one.opened) this.#get(one.document).opened = one.opened;
    }
  }

  /** A document as the page has it after it was read, for scenes. */
  opened<T>(document: string): OpenDocument<T> {
    const { versions, contents, opened } = this.#get(document);
    const version = versions.at(-1);
    if (!version) throw new Error('invariant: a document has a version');
    return { document, versions, version, content: JSON.parse(contents.at(-1) ?? '') as T, opened };
  }

  /** In place of `Host.documents`. */
  readonly handle: Host['documents'] = async (request) => {
    if (this.problem) throw this.problem;
    return this.#answer(request) as never;
  };

  #get(document: string): Stored {
    const stored = this.#stored.get(document);
    if (!stored) throw { code: 'document_missing' } satisfies Problem;
    return stored;
  }

  #add(
    author: Card,
    draft: NewVersion,
    content: string,
    at_ms: number,
  ): { document: string; version: number; log_index: number } {
    const log_index = this.#next++;
    const document = draft.document ?? hex(log_index, 32);
    const stored = this.#stored.get(document) ?? { versions: [], contents: [], opened: [] };
    const version = stored.versions.length + 1;
    stored.versions.push({
      signed: {
        office: OFFICE,
        document,
        kind: draft.kind,
        version,
        ciphertext_sha256: hex(log_index, 64),
        content_sha256: hex(log_index, 64),
        readers: [...new Set([...draft.readers, author.person])].sort(),
        ...(draft.about && { about: draft.about }),
        ...(draft.due_ms !== undefined && { due_ms: draft.due_ms }),
        ...(draft.on_behalf && { on_behalf: draft.on_behalf }),
        state: draft.state,
        at_ms,
        author,
      },
      statement_sha256: hex(log_index, 64),
      log_index,
      logged_ms: at_ms,
    });
    stored.contents.push(content);
    this.#stored.set(document, stored);
    return { document, version, log_index };
  }

  #answer(request: DocumentRequest): DocumentAnswer {
    switch (request.is) {
      case 'list': {
        const newest = [...this.#stored].map(([document, { versions }]) => ({
          document,
          last: versions.at(-1) as PageVersion,
        }));
        const documents = newest
          .filter(({ last }) => request.kind === undefined || last.signed.kind === request.kind)
          .filter(({ last }) => last.signed.readers.includes(this.you.person))
          .sort((a, b) => b.last.log_index - a.last.log_index)
          .map(({ document, last }) => listed(document, last));
        return { documents, more: false };
      }
      case 'read': {
        const { versions, contents, opened } = this.#get(request.document);
        const at = (request.version ?? versions.length) - 1;
        const [version, content] = [versions[at], contents[at]];
        if (version === undefined || content === undefined) throw { code: 'document_incomplete' } satisfies Problem;
        return { document: request.document, versions, version, content, opened };
      }
      case 'write': {
        const { draft, content, follows } = request;
        const newest = draft.document === undefined ? 0 : (this.#stored.get(draft.document)?.versions.length ?? 0);
        if (newest !== follows) throw { code: 'document_changed' } satisfies Problem;
        return this.#add(this.you, draft, content, NOW);
      }
      case 'seal_again':
        return 0;
      case 'history': {
        const { versions, opened } = this.#get(request.document);
        return { versions, opened };
      }
      case 'publish':
        this.published.set(request.readout, request.payload);
        return { log_index: this.#next++ };
      case 'cards':
        return request.people.flatMap((person) => certified.find((card) => card.person === person) ?? []);
      case 'delegations':
        return request.statements.map((statement) => this.signed.get(statement) ?? null);
      case 'keep_unsent':
        if (request.content === null) this.#unsent.delete(request.name);
        else this.#unsent.set(request.name, request.content);
        return null;
      case 'unsent':
        return this.#unsent.get(request.name) ?? null;
    }
  }
}

function listed(document: string, { signed, statement_sha256, log_index, logged_ms }: PageVersion): ListedDocument {
  return {
    document,
    kind: signed.kind,
    ...(signed.about && { about: signed.about }),
    version: signed.version,
    statement_sha256,
    state: signed.state,
    readers: signed.readers,
    author: signed.author,
    ...(signed.due_ms !== undefined && { due_ms: signed.due_ms }),
    changed_ms: logged_ms,
    log_index,
  };
}
