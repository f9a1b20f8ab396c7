// Readouts: written, approved, published. What is published was first written into the sealed document, so that publishing goes on after a
// kill with the same words and identifier.

import type { Documents, OpenDocument } from '../documents.svelte';
import { papers } from '.';
import type { Readout, ReadoutFile } from './contents';

export type ReadoutDocument = OpenDocument<ReadoutFile>;

export const new_readout = (): ReadoutFile => ({
  version: 1,
  draft: null,
  shown_to_them: null,
  approved: null,
  published: [],
  enquiries: [],
});

/** An identifier drawn at random. */
export const random_id = (): string =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** Paragraphs of a text: an empty line begins one. */
export const paragraphs_of = (text: string): string[] =>
  text
    .split(/\n\s*\n/)
    .map((one) => one.trim())
    .filter((one) => one !== '');

/** Writes what a readout says: a change takes an approval with it. */
export function with_draft(file: ReadoutFile, says: NonNullable<ReadoutFile['draft']>): ReadoutFile {
  return { ...file, draft: says, approved: null };
}

/** Publishes the approved draft: into its document first, then to everybody. */
export async function publish_next(
  documents: Documents,
  one: ReadoutDocument,
  { office, language, title, now_ms }: { office: string; language: string; title: string; now_ms: number },
): Promise<void> {
  const rules = await papers();
  const next = JSON.parse(
    rules.readout_next(JSON.stringify(one.content), random_id(), office, language, title, now_ms),
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
