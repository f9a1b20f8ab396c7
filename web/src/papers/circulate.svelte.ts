// Circulating a memorandum: the registry first, with every copy that is planned, then the copies. What was interrupted goes on from the
// registry: no number is issued twice.

import type { Documents, OpenDocument } from '../documents.svelte';
import { papers } from '.';
import type { Alternatives, Circulation, Colophon, IssuedCopy, Memorandum, Printing, Reader, Turn } from './contents';

export interface Plan {
  readers: { person: string; name: string }[];
  printing: Printing;
  expires_ms: number | null;
  /** The name under which these readers are offered again; may be empty. */
  group: string;
  alternatives: Alternatives[];
  /** Who may trace, beside the author. */
  tracers: string[];
}

export type Registry = OpenDocument<Circulation>;

/** The words of a turn as `Turn::text` has them: the first wording of a passage is the memorandum's own. */
export const turn_text = (turn: Turn): string =>
  turn.runs.reduce((text, run) => {
    const space = text === '' || /\s$/u.test(text) ? '' : ' ';
    return text + space + (run.kind === 'remark' ? `[${run.text}]` : run.text);
  }, '');

/** The newest circulation of a memorandum, or the circulation of this identifier. */
export async function circulation_of(documents: Documents, id: string): Promise<Registry | null> {
  const of = (one: { document: string; about?: unknown }) =>
    one.document === id || (one.about as { document?: string } | undefined)?.document === id;
  const { documents: found } = await documents.all<Circulation>('circulation', 'circulation', of);
  return found[0] ?? null;
}

/** Writes the registry of the planned copies. Nothing is issued before it is in the log. */
export async function plan_copies(
  documents: Documents,
  memo: OpenDocument<Memorandum>,
  plan: Plan,
  before: Registry | null,
): Promise<Registry> {
  const rules = await papers();
  const memorandum = JSON.stringify(memo.content);
  const begun = before
    ? JSON.stringify(before.content)
    : rules.circulation_of(memorandum, memo.version.signed.version, JSON.stringify(plan.alternatives), plan.group);
  const known = new Set((before?.content.copies ?? []).map((copy) => copy.reader));
  const { printing, expires_ms } = plan;
  const readers: Reader[] = plan.readers
    .filter((reader) => !known.has(reader.person))
    .map(({ person, name }) => ({ person, name, printing, expires_ms }));
  const random = crypto.getRandomValues(new Uint8Array(32 * readers.length));
  const circulation = JSON.parse(rules.circulation_add(begun, JSON.stringify(readers), random)) as Circulation;
  const written = before
    ? await documents.follow(before, 'circulation', circulation, { state: 'draft' })
    : await documents.write(
        { kind: 'circulation', state: 'draft', readers: plan.tracers, about: { document: memo.document } },
        'circulation',
        circulation,
      );
  return documents.open<Circulation>(written.document, 'circulation');
}

function colophon_of({ version }: OpenDocument<Memorandum>): Colophon {
  const { signed } = version;
  return {
    record: signed.about && 'call' in signed.about ? signed.about.call : signed.document,
    document_version: signed.version,
    state: signed.state,
    digest: signed.content_sha256,
    log_index: version.log_index,
    checkpoint: '',
  };
}

/** Copies of a registry that are not issued yet. */
export async function not_issued(documents: Documents, registry: Registry): Promise<Circulation['copies']> {
  const issued = new Set((await documents.listed('copy')).map((one) => one.document));
  return registry.content.copies.filter((copy) => copy.recalled_ms === null && !issued.has(copy.document));
}

/** Issues the copies that are planned and were not issued; `told` is called after each. Returns how many it issued. */
export async function issue_copies(
  documents: Documents,
  memo: OpenDocument<Memorandum>,
  registry: Registry,
  told: (issued: number, of: number) => void = () => {},
): Promise<number> {
  const { content } = registry;
  const waiting = new Set((await not_issued(documents, registry)).map((copy) => copy.document));
  const all = JSON.parse(
    (await papers()).circulation_issue(
      JSON.stringify(content),
      JSON.stringify(memo.content),
      JSON.stringify(colophon_of(memo)),
    ),
  ) as IssuedCopy[];
  let issued = 0;
  for (const [at, copy] of content.copies.entries()) {
    const one = all[at];
    if (one === undefined || !waiting.has(copy.document)) continue;
    await documents.write(
      {
        document: copy.document,
        kind: 'copy',
        state: 'approved',
        readers: [copy.reader],
        about: { document: memo.document },
        ...(copy.expires_ms !== null && { due_ms: copy.expires_ms }),
      },
      'copy',
      one,
    );
    told(++issued, waiting.size);
  }
  return issued;
}

/** Recalls a copy: nobody but its author may read it any more, and the registry says so. */
export async function recall_copy(
  documents: Documents,
  memo: OpenDocument<Memorandum>,
  registry: Registry,
  number: number,
  now_ms: number,
): Promise<Registry> {
  const rules = await papers();
  const at = registry.content.copies.findIndex((copy) => copy.number === number);
  const copy = registry.content.copies[at];
  if (copy === undefined) return registry;
  const circulation = JSON.parse(
    rules.circulation_recall(JSON.stringify(registry.content), number, now_ms),
  ) as Circulation;
  // The registry first: a copy that it says is recalled is never issued, and recalling goes on after a kill.
  await documents.follow(registry, 'circulation', circulation, { state: 'draft' });
  const { versions } = await documents.history(copy.document);
  const newest = versions.at(-1);
  if (newest && newest.signed.state !== 'recalled') {
    const all = JSON.parse(
      rules.circulation_issue(
        JSON.stringify(registry.content),
        JSON.stringify(memo.content),
        JSON.stringify(colophon_of(memo)),
      ),
    ) as IssuedCopy[];
    const { about } = newest.signed;
    const draft = {
      document: copy.document,
      kind: 'copy',
      state: 'recalled',
      readers: [],
      ...(about && { about }),
    } as const;
    await documents.write({ ...draft, readers: [newest.signed.author.person] }, 'copy', all[at] as IssuedCopy, newest);
  }
  return documents.open<Circulation>(registry.document, 'circulation');
}
