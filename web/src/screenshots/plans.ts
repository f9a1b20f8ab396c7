// Planned calls: the inbox of the desk and of the principal, the forms of requests, and schedules on both sides.

import type { Card, View } from '../engine/contract';
import { FakeDocuments, type FakeDocument } from '../fake/documents';
import { minister, norland, officer, president } from '../fake/people';
import { HOUR, asked, picked, request, schedule, scheduled, slot } from '../fake/plans';
import { NOW, desk, device, view } from '../fake/views';
import type { Request, Schedule } from '../papers/contents';
import type { Conflict, Stands } from '../papers/plans';
import type { Plan, RequestFor } from '../papers/plans.svelte';
import type { Scene } from './scenes';

interface Shown {
  request?: FakeDocument;
  schedule?: FakeDocument;
  stands?: Stands;
  is_proven?: boolean;
  is_forged?: boolean;
  conflicts?: Conflict[];
  alike?: string[];
}

function plan(you: Card, shown: Shown): Plan {
  const documents = [shown.request, shown.schedule].filter((one) => one !== undefined);
  const fake = new FakeDocuments(you, documents);
  return {
    id: documents[0]?.document ?? '',
    request: shown.request ? fake.opened<Request>(shown.request.document) : null,
    stands: shown.request ? (shown.stands ?? 'waiting') : null,
    is_proven: shown.is_proven ?? true,
    schedule: shown.schedule ? fake.opened<Schedule>(shown.schedule.document) : null,
    is_forged: shown.is_forged ?? false,
    conflicts: shown.conflicts ?? [],
    alike: shown.alike ?? [],
  };
}

const delegation = {
  acts: ['ring' as const, 'answer' as const],
  delegate: officer,
  delegation: 'de'.repeat(16),
  not_after_ms: NOW + 24 * HOUR,
  not_before_ms: NOW - HOUR,
  principal: president,
  statement: 'a.b.c',
};
const people = [norland, minister].map((one) => ({ ...one, reachable: true }));
const at_desk = desk({ people });
const of_principal = view();
const held: View = view({
  you: { ...norland, device: device(9) },
  people: [
    {
      ...president,
      reachable: true,
      line: { line: 'aa'.repeat(16), state: 'live', statement_sha256: 'bb'.repeat(32), terms: { mode: 'memo', reach: 'planned' } },
    },
  ],
});

const on = (shown: View, plans: Shown[], at: 'papers' | 'home' = 'papers'): Scene => (app) => {
  app.state = { status: 'on' };
  app.view = shown;
  app.route = { at };
  const you = shown.you ?? president;
  app.plans.delegations = [delegation];
  app.plans.list = { status: 'ready', value: { plans: plans.map((one) => plan(you, one)), unread: 0 } };
};
const form = (shown: View, what: RequestFor): Scene => (app) => {
  on(shown, [], what.is === 'desk' ? 'papers' : 'home')(app);
  app.plans.open_form(what);
};

const FULL = request({
  languages: ['en', 'nb'],
  others: ['The Minister of Fisheries'],
  proposed: [slot(26), slot(50)],
  exchanges: [
    { id: 'e1'.repeat(16), kind: 'asked_back', by: officer.person, at_ms: NOW - HOUR, text: 'Is this about the northern or the southern agreement?' },
    { id: 'e2'.repeat(16), kind: 'answered', by: norland.person, at_ms: NOW - HOUR / 2, text: 'The northern one, before the vote on Thursday.' },
  ],
});
const LETTER = request({
  door: { door: 'desk', by: 'letter' },
  verification: { verified: 'unverified' },
  subject: 'Fisheries: the northern agreement',
});
const line = (id: string, content: Request = FULL): FakeDocument => asked(id, content);
const letter = (id: string, content: Request = LETTER): FakeDocument => asked(id, content, { author: officer });
const approved = asked('a1', request(), { states: ['draft', 'approved'] });
const inbox: Shown[] = [
  { request: line('a1'), alike: ['a2'.repeat(16)] },
  { request: letter('a2'), is_proven: false, alike: ['a1'.repeat(16)] },
  { request: asked('a3', request({ door: { door: 'principal' }, subject: '', counterpart: minister.name, organisation: minister.organisation, person: minister.person, urgency: 'today' }), { author: president }) },
];
const denied = request({ ...LETTER, verification: { verified: 'denied', call: 'c1'.repeat(16), at_ms: NOW, by: officer.person } });
const declined = request({ decision: { verdict: 'declined', by: president.person, at_ms: NOW, reason: 'We speak at the summit next week.' } });

export const plan_scenes: Record<string, Scene> = {
  'plans-empty': on(at_desk, []),
  'plans-loading': (app) => {
    on(at_desk, [])(app);
    app.plans.list = { status: 'loading' };
  },
  'plans-failed': (app) => {
    on(at_desk, [])(app);
    app.plans.list = { status: 'failed', problem: { code: 'office_unreachable' } };
  },
  'plans-offline': on({ ...at_desk, token: null, phase: 'offline' }, inbox),
  'plans-unread': (app) => {
    on(at_desk, inbox.slice(0, 1))(app);
    if (app.plans.list.status === 'ready') app.plans.list = { status: 'ready', value: { ...app.plans.list.value, unread: 2 } };
  },
  'plans-inbox': on(at_desk, inbox),
  'plans-call-back': (app) => {
    on(at_desk, inbox.slice(1, 2))(app);
    app.plans.calling = { document: 'a2'.repeat(16), person: norland.person, call: 'c1'.repeat(16) };
  },
  'plans-no-line': on(desk({ people: [] }), inbox.slice(1, 2)),
  'plans-refused': (app) => {
    on(at_desk, inbox.slice(0, 1))(app);
    app.plans.problems = new Map([['a1'.repeat(16), { code: 'document_changed' }]]);
  },
  'plans-over': on(at_desk, [
    { request: letter('a1', denied), is_proven: false },
    { request: asked('a2', declined, { states: ['draft', 'declined'] }), stands: 'declined' },
    { request: asked('a3', request(), { states: ['draft', 'closed'] }), stands: 'closed' },
  ]),
  'plans-approved': on(at_desk, [{ request: approved, stands: 'approved' }]),
  'plans-offered': on(of_principal, [
    { request: approved, stands: 'approved', schedule: scheduled('b1', schedule()), conflicts: ['busy', 'free'] },
  ]),
  'plans-picked': on(at_desk, [{ request: approved, stands: 'approved', schedule: scheduled('b1', picked(), { author: norland }) }]),
  'plans-confirmed': on(at_desk, [
    { request: approved, stands: 'approved', schedule: scheduled('b1', picked(), { states: ['draft', 'approved'] }) },
  ]),
  'plans-forged': on(at_desk, [
    { request: approved, stands: 'approved', schedule: scheduled('b1', picked(), { author: norland }), is_forged: true },
  ]),
  'plans-cancelled': on(at_desk, [
    {
      request: approved,
      stands: 'approved',
      schedule: scheduled('b1', { ...picked(), standing: { state: 'cancelled', slot: slot(26) }, sequence: 1 }, { states: ['draft', 'closed'] }),
    },
  ]),
  'plans-holder': on(held, [
    { request: line('a1', { ...FULL, exchanges: FULL.exchanges.slice(0, 1) }), stands: 'asked' },
    { schedule: scheduled('b1', schedule()) },
  ]),
  'plans-calendar': (app) => {
    on(of_principal, [{ request: line('a1'), conflicts: ['unsure', 'busy'] }])(app);
    app.plans.calendar = { name: 'calendar.ics', text: '' };
  },
  'plan-page': (app) => {
    on(at_desk, inbox)(app);
    app.route = { at: 'paper', kind: 'request', document: 'a1'.repeat(16) };
  },
  'people-request': on(of_principal, [{ request: line('a1') }, { request: letter('a2'), is_proven: false }], 'home'),
  'people-reminder': on(
    of_principal,
    [
      {
        request: approved,
        stands: 'approved',
        schedule: scheduled('b1', picked({ rounds: [{ id: 'ac'.repeat(16), side: 'ours', at_ms: NOW, slots: [{ start_ms: NOW + HOUR / 6, length_min: 20 }], picked: null }] }), { states: ['draft', 'approved'] }),
      },
    ],
    'home',
  ),
  'people-ask': on(held, [], 'home'),
  'form-ask': form(held, { is: 'line', principal: president, line: 'aa'.repeat(16) }),
  'form-wish': form(of_principal, { is: 'principal', counterpart: norland }),
  'form-desk': form(at_desk, { is: 'desk' }),
  'form-not-sent': (app) => {
    form(held, { is: 'line', principal: president, line: 'aa'.repeat(16) })(app);
    app.plans.not_sent = { code: 'office_unreachable' };
  },
};
