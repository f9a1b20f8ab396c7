// Memoranda, notes and debriefs.

import { Documents } from '../documents.svelte';
import type { Card, View } from '../engine/contract';
import type { Host } from '../engine/host';
import { FakeDocuments, type FakeDocument } from '../fake/documents';
import { minister, norland, officer, president, secretary, writer } from '../fake/people';
import { CALL, NOW, desk, device, live, member, notice, record_line, view } from '../fake/views';
import type { Debrief, Mark, Memorandum, Scheme, Turn } from '../papers/contents';
import type { Scene } from './scenes';

const DAY = 86_400_000;
const id = (n: number) => n.toString(16).padStart(32, 'a');
const document = (n: number) => n.toString(16).padStart(32, '7');

const SCHEME: Scheme = {
  id: 'us',
  name: 'United States',
  levels: [
    { portion: 'U', banner: 'UNCLASSIFIED' },
    { portion: 'C', banner: 'CONFIDENTIAL' },
    { portion: 'S', banner: 'SECRET' },
    { portion: 'TS', banner: 'TOP SECRET' },
  ],
  caveats: [{ portion: 'NF', banner: 'NOFORN' }],
  separator: '//',
  block_from: 1,
};
const U: Mark = { level: 'U' };
const C: Mark = { level: 'C', caveats: ['NF'] };

const turn = (n: number, at_ms: number, speaker: string, text: string, more: Partial<Turn> = {}): Turn => ({
  id: id(n),
  at_ms,
  length_ms: 8_000,
  speaker,
  runs: [{ kind: 'plain', text }],
  origin: 'machine',
  confirmed: true,
  sensitive: false,
  mark: U,
  ...more,
});
const attendee = (card: Card) => ({
  name: card.name,
  organisation: card.organisation,
  person: card.person,
  source: 'call' as const,
});
const at = (card: Card, from: string, to: string, zone: string) => ({
  place: { of: card.name, zone: card.zone, place: '' },
  date: '22 November 2026',
  from,
  to,
  zone,
});

const memo = (more: Partial<Memorandum> = {}): Memorandum => ({
  version: 1,
  call: CALL,
  scheme: SCHEME,
  letterhead: 'OFFICE OF THE PRESIDENT',
  control: '',
  drafted_ms: NOW - DAY,
  subject: { mark: U, text: 'Inspection of vessels and the northern boundary' },
  participants: [attendee(president), attendee(minister)],
  interpreters: [],
  note_takers: [attendee(writer), attendee(officer)],
  listeners: [],
  answered_ms: NOW + 9_000,
  ended_ms: NOW + 789_000,
  times: [at(president, '09:42', '09:55', 'WET'), at(minister, '15:42', '15:55', 'UTC+06:00')],
  turns: [
    turn(1, 4_000, minister.name, 'It is good to hear your voice. My minister told me the same.'),
    turn(2, 14_000, minister.name, 'The two points that worry me are the northern boundary and the inspection of vessels.', { mark: C }),
    turn(3, 31_000, president.name, 'On inspections, would you accept joint patrols, for a period of three years?', { mark: C }),
  ],
  decisions: [{ mark: C, text: 'Joint patrols for three years.' }],
  actions: [
    {
      version: 1,
      id: id(9),
      call: CALL,
      side: 'theirs',
      who: 'Their minister',
      person: null,
      what: 'Send the list of inspectors.',
      due_ms: NOW + 14 * DAY,
      remind_ms: null,
      state: 'open',
    },
  ],
  actions_mark: U,
  caution: 'CAUTION: A Memorandum of a Telephone Conversation is not a verbatim transcript of a discussion.',
  classification: { by: 'A. Director', basis: { basis: 'original', reason: '1.4(b)' }, declassify_on: '22 November 2051' },
  distribution: [],
  comments: [],
  ...more,
});

/** As the machine drafted it. */
const raw = memo({
  subject: { mark: null, text: '' },
  turns: [
    turn(1, 4_000, minister.name, 'It is good to hear your voice. My minister told me the same.', { mark: null, confirmed: false }),
    turn(2, 14_000, minister.name, '', {
      mark: null,
      confirmed: false,
      sensitive: true,
      runs: [
        { kind: 'plain', text: 'The two points that worry me are the northern' },
        { kind: 'uncertain', text: 'boundary' },
        { kind: 'plain', text: 'and the inspection of vessels.' },
      ],
    }),
    turn(3, 31_000, president.name, 'On inspections, would you accept joint patrols?', { mark: null, confirmed: true, origin: 'person' }),
  ],
  decisions: [{ mark: null, text: 'Joint patrols for three years.' }],
  actions_mark: null,
  classification: null,
  comments: [{ id: id(20), about: null, by: officer.person, at_ms: NOW, text: 'Was the spring mentioned?', settled_by: null }],
});

const memorandum = (n: number, content: Memorandum, states: FakeDocument['states']): FakeDocument => ({
  document: document(n),
  kind: 'memorandum',
  author: officer,
  readers: [president.person],
  content,
  about: { call: content.call },
  ...(states && { states }),
});

const other = (n: number) => n.toString(16).padStart(32, 'e');
const LINES = [
  record_line(),
  record_line({ call: other(1), to: norland, opened_ms: NOW - DAY, answered_ms: NOW - DAY + 5_000, ended_ms: NOW - DAY + 400_000 }),
  record_line({ call: other(2), from: secretary, to: president, mode: 'log_only', records: 0, opened_ms: NOW - DAY, answered_ms: NOW - DAY, ended_ms: NOW - DAY + 90_000 }),
  record_line({ call: other(3), to: norland, opened_ms: NOW - 160 * DAY, answered_ms: NOW - 160 * DAY, ended_ms: NOW - 160 * DAY + 900_000 }),
  record_line({ call: other(4), to: minister, opened_ms: NOW - 190 * DAY, answered_ms: NOW - 190 * DAY, ended_ms: NOW - 190 * DAY + 60_000 }),
  record_line({ call: other(5), to: secretary, opened_ms: NOW - 200 * DAY, answered_ms: NOW - 200 * DAY, ended_ms: NOW - 200 * DAY + 60_000 }),
];
const outside = (n: number, days: number, states: FakeDocument['states']): FakeDocument => ({
  document: document(n),
  kind: 'debrief',
  author: president,
  readers: [president.person],
  ...(states && { states }),
  content: {
    version: 1,
    call: {
      of: 'outside',
      at_ms: NOW - days * DAY,
      within_min: 30,
      length_min: 10,
      over: 'my own telephone',
      with: [days > 20 ? 'The Governor of the Bank' : norland.name],
      reported_ms: NOW - DAY,
    },
    by: president.person,
    source: 'written',
    at_ms: NOW - DAY,
    remembered: ['We spoke of the spring.'],
    actions: [],
  } satisfies Debrief,
});
const ALL = [
  memorandum(1, memo(), ['draft', 'reviewed', 'approved']),
  memorandum(2, memo({ call: other(1) }), ['draft', 'reviewed']),
  memorandum(3, memo({ call: other(3), drafted_ms: NOW - 160 * DAY }), ['draft']),
  memorandum(4, memo({ call: other(4), drafted_ms: NOW - 190 * DAY }), ['draft']),
  outside(5, 4, ['draft']),
  outside(6, 27, ['draft']),
];

/** The page of somebody who reads these documents. */
const with_documents =
  (shown: View, documents: FakeDocument[], route: Parameters<Scene>[0]['route']): Scene =>
  (app) => {
    const fake = new FakeDocuments(president, documents);
    const host = { documents: fake.handle } as Host;
    Object.assign(app, { documents: new Documents(() => host, () => 'token') });
    app.state = { status: 'on' };
    app.view = shown;
    app.records = { status: 'ready', value: LINES };
    app.route = route;
  };
const list: Parameters<Scene>[0]['route'] = { at: 'papers', tab: 'memoranda' };
const page = (n: number): Parameters<Scene>[0]['route'] => ({ at: 'paper', kind: 'memorandum', document: document(n) });

const in_call = desk({
  notices: [notice({ can_listen: false })],
  call: live({
    direction: 'listen',
    other: null,
    members: [member(president, 1), member(minister, 2), member(writer, 3), member(officer, 6, { you: true })],
    captions: [
      { speaker: device(2), name: minister.name, passage: 1, part: 0, behind_ms: 0, start_ms: NOW - 24_000, text: 'It is good to hear your voice.', final: true },
      { speaker: device(1), name: president.name, passage: 2, part: 0, behind_ms: 0, start_ms: NOW - 8_000, text: 'On inspections, would you accept joint [patrols?]', final: true },
    ],
    captions_behind_ms: 1400,
  }),
});
const taking =
  (shown: View): Scene =>
  (app) => {
    app.state = { status: 'on' };
    app.view = shown;
    app.call_notes.call = CALL;
    const edit = { by: officer.person, clock: 1, device: device(6) };
    const base = { edit, removed: false, author: officer.person, own: true };
    app.call_notes.shown = [
      { ...base, id: id(1), at_ms: 12_000, speaker: minister.name, text: 'Worried about the boundary.', kind: { mark: 'sensitive' } },
      { ...base, id: id(2), own: false, author: president.person, at_ms: 31_000, speaker: president.name, text: 'Joint patrols for three years.', kind: { mark: 'decision' } },
      { ...base, id: id(3), at_ms: 44_000, speaker: minister.name, text: 'Sends the list of inspectors.', kind: { mark: 'action', side: 'theirs', who: 'Their minister', until_ms: NOW + 14 * DAY } },
    ];
    app.call_notes.written = false;
  };

export const memorandum_scenes: Record<string, Scene> = {
  memoranda: with_documents(view(), ALL, list),
  'memoranda-empty': (app) => {
    with_documents(view(), [], list)(app);
    app.records = { status: 'ready', value: [] };
  },
  'memorandum-draft': with_documents(view(), [memorandum(1, raw, ['draft'])], page(1)),
  'memorandum-reviewed': with_documents(view(), [memorandum(1, memo(), ['draft', 'reviewed'])], page(1)),
  'memorandum-approved': with_documents(view(), [memorandum(1, memo(), ['draft', 'reviewed', 'approved'])], page(1)),
  'memorandum-not-reviewed': with_documents(view(), [memorandum(1, memo(), ['draft', 'approved'])], page(1)),
  'memorandum-missing': with_documents(view(), [], page(1)),
  'notes-desk': taking(in_call),
  'notes-call': taking(view({ call: live({ members: [member(president, 1, { you: true }), member(minister, 2), member(writer, 3)] }) })),
};
