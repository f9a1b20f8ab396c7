// Briefs: their card, their form, and beside a ring.

import { Documents } from '../documents.svelte';
import type { View } from '../engine/contract';
import type { Host } from '../engine/host';
import { FakeDocuments, type FakeDocument } from '../fake/documents';
import { norland, officer, president, secretary } from '../fake/people';
import { request } from '../fake/plans';
import { desk, incoming, view } from '../fake/views';
import { Briefs, brief_form } from '../papers/briefs.svelte';
import type { Brief, Request } from '../papers/contents';
import type { Scene } from './scenes';

const REQUEST = 'a1'.repeat(16);
const BRIEF = 'b5'.repeat(16);
const id = (n: number) => n.toString(16).padStart(32, 'c');

const brief: Brief = {
  version: 1,
  template: '',
  counterpart: norland.name,
  purpose: 'Agree on inspections before the vote on Thursday.',
  they_want: ['A longer season in the northern waters'],
  we_want: ['Joint patrols for three years', 'A list of inspectors by the end of the month'],
  points: [
    { id: id(1), when: 'say', text: 'Thank them for the rescue in March.' },
    { id: id(2), when: 'say', text: 'Joint patrols work: no incident since they began.' },
    { id: id(3), when: 'if_asked', text: 'The season stays as it is until the stock has been counted.' },
    { id: id(4), when: 'avoid', text: 'The lighthouse.' },
  ],
  ticks: {},
  background: ['They decide alone, and like to hear the figures first.'],
  promised: ['Theirs: the list of inspectors, by 1 December'],
  limits: ['No figures for quotas'],
  comments: [
    { id: id(5), about: null, by: secretary.person, at_ms: 0, text: 'Is the count published by then?', settled_by: null },
  ],
};

const documents = (states: FakeDocument['states']): FakeDocument[] => [
  { document: REQUEST, kind: 'request', author: norland, readers: [president.person, officer.person], content: request() },
  {
    document: BRIEF,
    kind: 'brief',
    author: officer,
    readers: [president.person, officer.person],
    content: brief,
    about: { document: REQUEST },
    ...(states && { states }),
  },
];

const shown =
  (of: View, states: FakeDocument['states'], unsent = false): Scene =>
  (app) => {
    const fake = new FakeDocuments(president, documents(states));
    const host = { documents: fake.handle } as Host;
    const opened = new Documents(() => host, () => 'token');
    if (unsent) void opened.keep_unsent(`brief.${BRIEF}`, brief_form(brief));
    Object.assign(app, { documents: opened, briefs: new Briefs(opened) });
    app.state = { status: 'on' };
    app.view = of;
    app.route = { at: 'paper', kind: 'brief', document: BRIEF };
    const read = fake.opened<Request>(REQUEST);
    const plan = { id: REQUEST, request: read, stands: 'approved' as const, is_proven: true, schedule: null, is_forged: false, conflicts: [], alike: [] };
    app.plans.list = { status: 'ready', value: { plans: [plan], unread: 0 } };
    void app.briefs.load();
  };

export const brief_scenes: Record<string, Scene> = {
  'brief-draft': shown(desk(), ['draft']),
  'brief-edit': shown(desk(), ['draft'], true),
  'brief-approved': shown(view(), ['draft', 'reviewed', 'approved']),
  'brief-ring': shown(view({ call: incoming({ other: norland }) }), ['draft', 'approved']),
};
