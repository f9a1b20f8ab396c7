import { describe, expect, it } from 'vitest';
import { Documents } from './documents.svelte';
import type { NewVersion } from './engine/documents';
import type { Host } from './engine/host';
import { FakeDocuments, type FakeDocument } from './fake/documents';
import { president, secretary } from './fake/people';
import type { Action } from './papers/contents';

const promise = (what: string): Action => ({
  version: 1,
  id: 'ab'.repeat(16),
  call: null,
  side: 'ours',
  who: 'The Chief of Staff',
  person: null,
  what,
  due_ms: null,
  remind_ms: null,
  state: 'open',
});

function office(...documents: FakeDocument[]) {
  const fake = new FakeDocuments(president, documents);
  const host = { documents: fake.handle } as Host;
  return {
    fake,
    documents: new Documents(
      () => host,
      () => 'token',
    ),
  };
}

const action = (document: string, content: object = promise('Send the draft')): FakeDocument => ({
  document: document.repeat(16),
  kind: 'actions',
  author: secretary,
  readers: [president.person],
  content,
});

describe('documents', () => {
  it('of a kind are opened, newest first, and one that cannot be read hides no other', async () => {
    const { documents } = office(action('a1'), action('a2', { version: 1, nonsense: true }), action('a3'));
    const { documents: read, unread } = await documents.all<Action>('actions', 'action');
    expect(read.map((one) => one.document.slice(0, 2))).toEqual(['a3', 'a1']);
    expect(unread.map((one) => one.listed.document.slice(0, 2))).toEqual(['a2']);
    expect(read[0]?.content.what).toBe('Send the draft');
  });

  it('that are written follow the version that was read', async () => {
    const { documents } = office(action('a1'));
    const read = await documents.open<Action>('a1'.repeat(16), 'action');
    const done = { ...read.content, state: 'done' as const };
    await documents.follow(read, 'action', done, { state: 'closed' });
    await expect(documents.follow(read, 'action', done, { state: 'closed' })).rejects.toEqual({
      code: 'document_changed',
    });
    const again = await documents.open<Action>('a1'.repeat(16), 'action');
    expect([again.content.state, again.versions.map((one) => one.signed.state)]).toEqual(['done', ['draft', 'closed']]);
  });

  it('are not written where they are not within the limits of their kind', async () => {
    const { documents } = office();
    const draft: NewVersion = { kind: 'actions', state: 'draft', readers: [] };
    await expect(documents.write(draft, 'action', promise(''))).rejects.toThrow('what is empty');
    await expect(documents.write(draft, 'action', promise('Call back'))).resolves.toMatchObject({ version: 1 });
  });

  it('that are not sent are kept under a name', async () => {
    const { documents } = office();
    expect(await documents.unsent('brief')).toBe(null);
    await documents.keep_unsent('brief', { purpose: 'trade' });
    expect(await documents.unsent('brief')).toEqual({ purpose: 'trade' });
    await documents.keep_unsent('brief', null);
    expect(await documents.unsent('brief')).toBe(null);
  });
});
