// Readouts: written, approved, published. What is published was first written into the sealed document, so that publishing goes on after a
// kill with the same words and identifier.

import type { Documents, OpenDocument } from '../documents.svelte';
import { papers } from '.';
import type { Readout, ReadoutFile } from './contents';
import { new_item } from './identifiers';

export type ReadoutDocument = OpenDocument<ReadoutFile>;

export const new_readout = (): ReadoutFile => ({
  version: 1,
  title: '',
  draft: null,
  shown_to_them: null,
  approved: null,
  published: [],
  enquiries: [],
});

/** Paragraphs of a text: an empty line begins one. */
export const paragraphs_of = (text: string): string[] =>
  text
    .split(/\n\s*\n/)
    .map((one) => one.trim())
    .filter((one) => one !== '');

/** Writes what a readout says: a change takes an approval with it. */
export function with_draft(file: ReadoutFile, title: string, says: NonNullable<ReadoutFile['draft']>): ReadoutFile {
  return { ...file, title: title.trim(), draft: says, approved: null };
}

/** Publishes the approved draft, headline and all: into its document first, then to everybody. */
export async function publish_next(
  documents: Documents,
  one: ReadoutDocument,
  { office, language, now_ms }: { office: string; language: string; now_ms: number },
): Promise<void> {
  const rules = await papers();
  const next = JSON.parse(
    rules.readout_next(JSON.stringify(one.content), new_item(), office, language, now_ms),
  ) as Readout;
  const file: ReadoutFile = { ...one.content, published: [...one.content.published, next] };
  const { document } = await documents.follow(one, 'readout', file, { state: 'published' });
  await publish(documents, document, next);
}

/** Publishes what its document says is published: repeating it changes nothing. */
export async function publish(documents: Documents, document: string, readout: Readout): Promise<void> {
  await documents.publish(document, readout.id, (await papers()).readout_payload(JSON.stringify(readout)));
}

/** Whether everybody can read it; without an answer of the office, that is assumed. */
export async function is_public({ id }: Readout): Promise<boolean> {
  const answer = await fetch(`/readouts/${id}.jws`, { method: 'HEAD' }).catch(() => null);
  return answer?.status !== 404;
}
