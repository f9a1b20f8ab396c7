import { describe, expect, it } from 'vitest';
import { Documents } from '../documents.svelte';
import type { Host } from '../engine/host';
import { FakeDocuments } from '../fake/documents';
import { norland, officer, president, secretary } from '../fake/people';
import { request } from '../fake/plans';
import { Briefs, brief_form, brief_of, first_brief, points_of } from './briefs.svelte';
import type { Request } from './contents';

const REQUEST = 'a1'.repeat(16);

function office(readers = [president.person, officer.person], more: Partial<Request> = {}) {
  const fake = new FakeDocuments(officer, [
    {
      document: REQUEST,
      kind: 'request',
      author: norland,
      readers,
      content: request(more),
    },
  ]);
  const host = { documents: fake.handle } as Host;
  const documents = new Documents(
    () => host,
    () => 'token',
  );
  return { documents, briefs: new Briefs(documents) };
}

describe('a brief', () => {
  it('begins for those of the office who read the request, and never for the other side', async () => {
    const { documents, briefs } = office();
    await briefs.load();
    expect(briefs.about(REQUEST)).toBe(undefined);
    const read = await documents.open<Request>(REQUEST, 'request');
    const document = await briefs.begin(read);
    const listed = briefs.about(REQUEST);
    expect(listed?.document).toBe(document);
    expect(listed?.readers.toSorted()).toEqual([president.person, officer.person].toSorted());
    expect(listed?.readers).not.toContain(norland.person);
  });

  it.each([
    ['who wrote nobody into the request', null],
    ['who wrote somebody else into the request', president.person],
  ])('is never for the other side, %s', async (_, person) => {
    const { documents, briefs } = office([president.person, officer.person, norland.person, secretary.person], {
      person,
    });
    await briefs.begin(await documents.open<Request>(REQUEST, 'request'));
    await briefs.load();
    expect(briefs.about(REQUEST)?.readers.toSorted()).toEqual([president.person, officer.person].toSorted());
  });

  it('keeps the identifiers of points whose words stay, and forgets ticks of those that go', () => {
    const form = {
      ...brief_form(first_brief(request())),
      say: 'Thank them\nAsk for the list',
      avoid: 'The lighthouse',
    };
    const first = brief_of(form, first_brief(request()));
    const [thanks, list] = points_of(first, 'say');
    const ticked = { ...first, ticks: { [thanks?.id ?? '']: 1, [list?.id ?? '']: 2 } };
    const next = brief_of({ ...brief_form(ticked), say: ' Ask for the list \n\nSay goodbye' }, ticked);
    expect(points_of(next, 'say').map((point) => point.text)).toEqual(['Ask for the list', 'Say goodbye']);
    expect(points_of(next, 'say')[0]?.id).toBe(list?.id);
    expect(next.ticks).toEqual({ [list?.id ?? '']: 2 });
    expect(points_of(next, 'avoid')).toEqual(points_of(first, 'avoid'));
    expect(brief_form(next).avoid).toBe('The lighthouse');
  });

  it('has its ticks on this device alone', async () => {
    const { briefs } = office();
    expect(await briefs.ticks('b5'.repeat(16))).toEqual({});
    await briefs.keep_ticks('b5'.repeat(16), { ab: 7 });
    expect(await briefs.ticks('b5'.repeat(16))).toEqual({ ab: 7 });
  });
});
