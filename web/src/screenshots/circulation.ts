// Copies in circulation, tracing, readouts and promises.

import { Documents } from '../documents.svelte';
import type { Card } from '../engine/contract';
import type { Host } from '../engine/host';
import { FakeDocuments, type FakeDocument } from '../fake/documents';
import { memorandum, OTHER, TURN, WORDS } from '../fake/memorandum';
import { governor, minister, president, secretary } from '../fake/people';
import { NOW, view } from '../fake/views';
import type { Action, Circulation, IssuedCopy, ReadoutFile } from '../papers/contents';
import type { Route } from '../view/screen';
import type { Scene } from './scenes';

const DAY = 86_400_000;
const MEMO = 'aa'.repeat(16);
const READOUT = 'bb'.repeat(16);
const copy_id = (number: number) => `c${number}`.repeat(16);
const READERS = [president, minister, governor];

const circulation: Circulation = {
  version: 1,
  memorandum: 'dd'.repeat(32),
  memorandum_version: 2,
  group: 'Small clutch',
  policy: 'This copy was made for you alone.',
  alternatives: [{ portion: TURN, wordings: [WORDS, OTHER] }],
  copies: READERS.map(({ person, name }, at) => ({
    number: at + 1,
    document: copy_id(at + 1),
    reader: person,
    name,
    choices: [1],
    layout_key: `${at + 1}e`.repeat(32),
    printing: 'marked',
    expires_ms: null,
    recalled_ms: at === 2 ? NOW - 3_600_000 : null,
  })),
};
const issued = (number: number, reader: string): IssuedCopy => ({
  version: 1,
  policy: circulation.policy,
  copy: { number, reader, layout_key: `${number}e`.repeat(32), printing: 'marked', expires_ms: null },
  memorandum: memorandum(),
  colophon: {
    record: 'cc'.repeat(16),
    document_version: 2,
    state: 'approved',
    digest: 'dd'.repeat(32),
    log_index: 801,
    checkpoint: '',
  },
});
const policy_read = (fake: FakeDocuments) =>
  void fake.handle({ is: 'keep_unsent', name: 'copies.policy', content: '{}' }, '');
const DEVICE = '9d'.repeat(16);
const copies: FakeDocument[] = READERS.map(({ person }, at) => ({
  document: copy_id(at + 1),
  kind: 'copy',
  author: secretary,
  readers: [person],
  content: issued(at + 1, person),
  states: at === 2 ? ['approved', 'recalled'] : ['approved'],
  at_ms: NOW - DAY,
  opened: at === 0 ? [{ version: 1, person, device: DEVICE, at_ms: NOW - 7_200_000, log_index: 812 }] : [],
}));
const memo: FakeDocument = {
  document: MEMO,
  kind: 'memorandum',
  author: secretary,
  readers: READERS.map((one) => one.person),
  content: memorandum(),
  states: ['draft', 'approved'],
};
const registry: FakeDocument = {
  document: 'ac'.repeat(16),
  kind: 'circulation',
  author: secretary,
  readers: [president.person],
  content: circulation,
  about: { document: MEMO },
};
const file: ReadoutFile = {
  version: 1,
  title: 'Call with the Prime Minister of Norland',
  draft: { says: 'text', paragraphs: ['The President spoke with the Prime Minister of Norland today.', 'They spoke about grain.'] },
  shown_to_them: { at_ms: NOW - DAY, answer: 'No objection.' },
  approved: { by: president.person, at_ms: NOW - 3_600_000 },
  published: [],
  enquiries: [
    { id: 'e1'.repeat(16), from: 'The Morning Courier', at_ms: NOW - DAY, question: 'Did they speak about fish?', answered_ms: null },
  ],
};
const readout = (content: ReadoutFile, states: FakeDocument['states']): FakeDocument => ({
  document: READOUT,
  kind: 'readout',
  author: secretary,
  readers: [president.person],
  content,
  ...(states && { states }),
});
const published: ReadoutFile = {
  ...file,
  published: [
    {
      version: 1,
      type: 'telcon_readout',
      id: 'ba'.repeat(16),
      office: president.office,
      published_ms: NOW - 1_800_000,
      language: 'en',
      title: 'Call with the Prime Minister of Norland',
      says: { says: 'no_comment' },
      corrects: null,
    },
  ],
};
const promise = (at: number, content: Partial<Action>): FakeDocument => ({
  document: `f${at}`.repeat(16),
  kind: 'actions',
  author: secretary,
  readers: [president.person],
  content: {
    version: 1,
    id: `a${at}`.repeat(16),
    call: null,
    side: 'theirs',
    who: 'The Prime Minister of Norland',
    person: null,
    what: 'Send the list of inspectors',
    due_ms: NOW + DAY,
    remind_ms: null,
    state: 'open',
    ...content,
  } satisfies Action,
});

const at =
  (you: Card, route: Route, documents: FakeDocument[], change: (fake: FakeDocuments) => void = () => undefined): Scene =>
  (app) => {
    const fake = new FakeDocuments(you, documents);
    change(fake);
    const host = { documents: fake.handle } as Host;
    Object.assign(app, {
      documents: new Documents(
        () => host,
        () => 'token',
      ),
    });
    app.state = { status: 'on' };
    app.view = view({ you: { ...you, device: DEVICE } as never });
    app.route = route;
  };

export const circulation_scenes: Record<string, Scene> = {
  'copies': at(president, { at: 'papers', tab: 'copies' }, copies),
  'copies-none': at(president, { at: 'papers', tab: 'copies' }, []),
  'copies-failed': at(president, { at: 'papers', tab: 'copies' }, [], (fake) => (fake.problem = { code: 'office_unreachable' })),
  'copy-policy': at(president, { at: 'paper', kind: 'copy', document: copy_id(1) }, copies),
  'copy': at(president, { at: 'paper', kind: 'copy', document: copy_id(1) }, copies, policy_read),
  'circulate': at(secretary, { at: 'paper', kind: 'circulation', document: MEMO }, [memo]),
  'circulate-copies': at(secretary, { at: 'paper', kind: 'circulation', document: MEMO }, [memo, registry, ...copies]),
  'circulate-interrupted': at(secretary, { at: 'paper', kind: 'circulation', document: MEMO }, [memo, registry, ...copies.slice(1)]),
  'trace': at(president, { at: 'papers', tab: 'trace' }, [memo, registry]),
  'trace-none': at(president, { at: 'papers', tab: 'trace' }, []),
  'readouts': at(president, { at: 'papers', tab: 'readouts' }, [readout(published, ['draft', 'approved', 'published'])]),
  'readout-draft': at(president, { at: 'paper', kind: 'readout', document: READOUT }, [readout({ ...file, approved: null }, ['draft'])]),
  'readout-approved': at(president, { at: 'paper', kind: 'readout', document: READOUT }, [readout(file, ['draft', 'approved'])]),
  'readout-published': at(president, { at: 'paper', kind: 'readout', document: READOUT }, [
    readout(published, ['draft', 'approved', 'published']),
  ]),
  'promises': at(president, { at: 'papers', tab: 'actions' }, [
    promise(1, {}),
    promise(2, { side: 'ours', who: '', what: 'Call back about fish', due_ms: NOW - DAY }),
    promise(3, { state: 'done', due_ms: null }),
  ]),
  'promises-none': at(president, { at: 'papers', tab: 'actions' }, []),
};
