import { describe, expect, it } from 'vitest';
import { Documents } from '../documents.svelte';
import type { Host } from '../engine/host';
import { FakeDocuments } from '../fake/documents';
import { memorandum, OTHER, TURN, WORDS } from '../fake/memorandum';
import { minister, president, secretary } from '../fake/people';
import { NOW } from '../fake/views';
import { papers, pdf } from '.';
import { circulation_of, issue_copies, not_issued, plan_copies, recall_copy } from './circulate.svelte';
import type { IssuedCopy, Memorandum, Trace } from './contents';
import { new_readout, publish_next, with_draft } from './readouts.svelte';
import type { ReadoutFile } from './contents';

const MEMO = 'aa'.repeat(16);
async function office() {
  const fake = new FakeDocuments(secretary, [
    {
      document: MEMO,
      kind: 'memorandum',
      author: secretary,
      readers: [secretary.person],
      content: memorandum(),
      states: ['draft', 'approved'],
    },
  ]);
  const host = { documents: fake.handle } as Host;
  const documents = new Documents(
    () => host,
    () => 'token',
  );
  return { fake, documents, memo: await documents.open<Memorandum>(MEMO, 'memorandum') };
}
const plan = {
  readers: [president, minister],
  printing: 'marked' as const,
  expires_ms: null,
  group: 'small clutch',
  alternatives: [{ portion: TURN, wordings: [WORDS, OTHER] }],
  tracers: [],
};

describe('a circulation', () => {
  it('that was interrupted goes on from its registry, and issues no copy twice', async () => {
    const { documents, memo } = await office();
    const registry = await plan_copies(documents, memo, plan, null);
    expect(registry.content.copies.map((copy) => copy.number)).toEqual([1, 2]);
    // Killed after the first copy.
    let issued = 0;
    const killed = issue_copies(documents, memo, registry, () => {
      if (++issued === 1) throw new Error('killed');
    });
    await expect(killed).rejects.toThrow('killed');
    const found = await circulation_of(documents, MEMO);
    if (!found) throw new Error('the registry is lost');
    expect((await not_issued(documents, found)).map((copy) => copy.number)).toEqual([2]);
    expect(await issue_copies(documents, memo, found)).toBe(1);
    expect(await issue_copies(documents, memo, found)).toBe(0);
    const copies = await documents.listed('copy');
    expect(copies.map((copy) => copy.readers.length)).toEqual([2, 2]);
    // Further readers get further numbers.
    const more = await plan_copies(
      documents,
      memo,
      { ...plan, readers: [president, { person: 'ee'.repeat(16), name: 'X' }] },
      found,
    );
    expect(more.content.copies.map((copy) => copy.number)).toEqual([1, 2, 3]);
  });

  it('recalls a copy, which nobody but its author reads any more', async () => {
    const { documents, memo } = await office();
    const registry = await plan_copies(documents, memo, plan, null);
    await issue_copies(documents, memo, registry);
    const after = await recall_copy(documents, memo, registry, 1, NOW);
    expect(after.content.copies.map((copy) => copy.recalled_ms)).toEqual([NOW, null]);
    const recalled = (await documents.listed('copy')).find(
      (copy) => copy.document === registry.content.copies[0]?.document,
    );
    expect([recalled?.state, recalled?.readers]).toEqual(['recalled', [secretary.person]]);
    expect(await not_issued(documents, after)).toEqual([]);
  });

  it('gives each reader their own words, lines and number, and traces a leak to the copy that it fits', async () => {
    const { documents, memo } = await office();
    const registry = await plan_copies(documents, memo, plan, null);
    await issue_copies(documents, memo, registry);
    const one = registry.content.copies[0];
    if (!one) throw new Error('no copy');
    const issued = await documents.open<IssuedCopy>(one.document, 'copy');
    const json = JSON.stringify(issued.content);
    expect(json).toContain(OTHER);
    expect(json).not.toContain(WORDS);
    const layout = await pdf();
    expect((await papers()).memorandum_offset(JSON.stringify(issued.content.memorandum))).toBe(0);
    expect(layout.copy_sheet(json, 0)).toContain('Copy 1');
    expect((JSON.parse(layout.copy_lines(json, 0)) as string[][]).flat().join(' ')).toBe(OTHER);
    expect(new TextDecoder().decode(layout.copy_pdf(json, 0).slice(0, 5))).toBe('%PDF-');
    const registry_json = JSON.stringify(registry.content);
    for (const known of [JSON.stringify(memo.content), '']) {
      const trace = JSON.parse(layout.trace_copies(registry_json, known, OTHER, false)) as Trace;
      expect(trace.fits.length).toBe(2);
      expect(trace.none).toBeLessThan(0.5);
    }
  });
});

describe('a readout', () => {
  it('is published as it was approved, and a correction leaves the first in place', async () => {
    const { fake, documents } = await office();
    const about = { office: 'office.example', language: 'en', now_ms: NOW };
    const { document } = await documents.write(
      { kind: 'readout', state: 'draft', readers: [] },
      'readout',
      new_readout(),
    );
    const open = () => documents.open<ReadoutFile>(document, 'readout');
    const says = { says: 'text', paragraphs: ['They spoke.'] } as const;
    await documents.follow(
      await open(),
      'readout',
      with_draft((await open()).content, 'Call with Norland', { ...says, paragraphs: ['They spoke.'] }),
      { state: 'draft' },
    );
    await expect(publish_next(documents, await open(), about)).rejects.toThrow('approved is empty');
    const approve = async () => {
      const one = await open();
      await documents.follow(
        one,
        'readout',
        { ...one.content, approved: { by: president.person, at_ms: NOW } },
        { state: 'approved' },
      );
    };
    await approve();
    await publish_next(documents, await open(), about);
    expect(fake.published.size).toBe(1);
    await documents.follow(
      await open(),
      'readout',
      with_draft((await open()).content, 'Corrected', { says: 'no_comment' }),
      {
        state: 'draft',
      },
    );
    await approve();
    await publish_next(documents, await open(), about);
    const [first, second] = (await open()).content.published;
    expect([first?.corrects, second?.corrects?.id]).toEqual([null, first?.id]);
    expect(fake.published.size).toBe(2);
    expect(JSON.parse(fake.published.get(second?.id ?? '') ?? '')).toMatchObject({
      type: 'telcon_readout',
      title: 'Corrected',
    });
  });
});
