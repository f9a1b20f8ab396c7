// Every screen in every state, from fixed views.

import type { App } from '../app.svelte';
import type { Card, RecordLine, Report, View } from '../engine/contract';
import type { Problem } from '../engine/problem';
import { acting_scenes } from './acting';
import { alert_scenes } from './alerts';
import { green_room_scenes } from './green_room';
import { line_scenes } from './lines';
import { brief_scenes } from './briefs';
import { memorandum_scenes } from './memoranda';
import { move_scenes } from './moves';
import { device_scenes } from './devices';
import { ASK_CODE, guard } from '../fake/devices';
import { plan_scenes } from './plans';
import { protection_scenes } from './protection';
import { circulation_scenes } from './circulation';
import { reach_scenes } from './reach';
import { role_scenes } from './roles';
import { shift_scenes } from './shifts';
import { few, governor, many, minister, norland, officer, president, secretary, writer } from '../fake/people';
import { NOW, call, desk, device, incoming, live, member, notice, record_line, view } from '../fake/views';

export type Scene = (app: App) => void;

const on = (shown: View): Scene => (app) => {
  app.state = { status: 'on' };
  app.view = shown;
};
/** The desk with the office's list of calls. */
const at_desk = (shown: View, list: RecordLine[] = []): Scene => and(on(shown), (app) => (app.records = { status: 'ready', value: list }));
const and = (...scenes: Scene[]): Scene => (app) => scenes.forEach((scene) => scene(app));
const favourites = (...people: { person: string }[]): Scene => (app) => {
  app.favourites = new Set(people.map((p) => p.person));
};

const CAPTIONS = [
  { speaker: device(2), name: minister.name, passage: 1, part: 0, behind_ms: 0, start_ms: NOW - 24_000, text: 'It is good to hear your voice. My minister told me the same.', final: true },
  { speaker: device(2), name: minister.name, passage: 2, part: 0, behind_ms: 0, start_ms: NOW - 17_000, text: 'The two points that worry me are the northern [boundary?] and the inspection of vessels.', final: true },
  { speaker: device(1), name: president.name, passage: 3, part: 0, behind_ms: 0, start_ms: NOW - 8_000, text: '[unclear] On inspections, would you accept joint [patrols?]', final: true },
  { speaker: device(2), name: minister.name, passage: 4, part: 0, behind_ms: 0, start_ms: NOW - 2_000, text: 'For a period of three years, yes. I would like to announce it together, perhaps in the', final: false },
];

const listening = live({
  direction: 'listen',
  other: null,
  members: [member(president, 1), member(minister, 2), member(writer, 3), member(officer, 6, { you: true })],
  captions: CAPTIONS,
  captions_behind_ms: 1400,
});

const ringing = notice({ call: 'c9'.repeat(16), from: norland, to: secretary, state: { is: 'ringing' }, members: 1, can_listen: false, opened_ms: NOW - 12_000 });

// Very long names, and names in other scripts.
const union: Card = { ...norland, name: 'The Chair of the Southern African Union of River States and Protectorates', organisation: 'Secretariat of the Southern African Union of River States and Protectorates' };
const sandmark: Card = { ...secretary, person: 'f1'.repeat(16), name: 'صاحب الجلالة ملك ساندمارك وحامي الواحات الشرقية', organisation: 'الديوان الملكي', zone: 'Asia/Riyadh' };
const ostland: Card = { ...governor, person: 'f2'.repeat(16), name: '东海联邦共和国国务院总理兼对外事务委员会主席', organisation: '东海联邦共和国国务院', zone: 'Asia/Shanghai' };
const unbroken: Card = { ...governor, person: 'f3'.repeat(16), name: 'Bundesministerpräsidentschaftsstellvertreterin', organisation: 'Bundeskanzleramt', zone: 'Europe/Vienna' };
const long_heard = live({
  direction: 'listen',
  from: sandmark,
  to: union,
  other: null,
  members: [member(sandmark, 1), member(union, 2), member(writer, 3), member(officer, 6, { you: true })],
  captions: [
    { speaker: device(2), name: union.name, passage: 1, part: 0, behind_ms: 0, start_ms: NOW - 24_000, text: 'It is good to hear your voice. My minister told me the same.', final: true },
    { speaker: device(1), name: sandmark.name, passage: 1, part: 0, behind_ms: 0, start_ms: NOW - 9_000, text: 'وبشأن عمليات التفتيش، هل تقبلون بدوريات مشتركة؟', final: true },
    { speaker: device(2), name: union.name, passage: 2, part: 0, behind_ms: 0, start_ms: NOW - 2_000, text: 'For a period of three years, yes. I would', final: false },
  ],
  captions_behind_ms: 1400,
});

const recent = [
  notice({ call: 'c1'.repeat(16), from: norland, state: { is: 'ended', how: 'missed' }, opened_ms: NOW - 3_600_000, to: president, members: 0, can_listen: false }),
  notice({ call: 'c2'.repeat(16), to: secretary, state: { is: 'ended', how: 'hung_up' }, opened_ms: NOW - 9_000_000, kept_index: 90_371, members: 0, can_listen: false }),
  notice({ call: 'c3'.repeat(16), to: governor, state: { is: 'ended', how: 'failed' }, opened_ms: NOW - 40_000_000, members: 0, can_listen: false }),
];

const line = (n: number, more: Partial<RecordLine>): RecordLine =>
  record_line({
    call: n.toString(16).padStart(32, 'e'),
    opened_ms: NOW - n * 5_400_000,
    answered_ms: NOW - n * 5_400_000 + 9_000,
    ended_ms: NOW - n * 5_400_000 + 789_000,
    ...more,
  });
const { answered_ms: _a, ...unanswered } = line(3, { from: norland, to: president, how: 'missed', records: 0 });
const repeated = [1, 2, 3].map((n) => ({ ...unanswered, call: n.toString(16).padStart(32, 'f'), opened_ms: unanswered.opened_ms - n * 240_000, ended_ms: unanswered.opened_ms - n * 240_000 + 40_000 }));
const { ended_ms: _e, how: _h, ...unended } = line(0, { records: 0, opened_ms: NOW - 459_000, answered_ms: NOW - 451_000 });
const RECORDS: RecordLine[] = [
  unended,
  line(1, { from: minister, to: president }),
  line(2, { to: secretary, records: 0 }),
  unanswered,
  ...repeated,
  line(9, { to: governor, mode: 'log_only', records: 0 }),
  line(14, { from: secretary, to: president, how: 'interrupted', partial: true }),
  line(15, { to: norland, records: 0, missing: true }),
];

const WHOLE: Report = {
  ok: true,
  partial: false,
  missing: null,
  people: [president, minister, officer, writer],
  checks: [
    { ok: true, title: 'Opened before it rang', detail: 'log entry 90412' },
    { ok: true, title: 'Every device is in the log', detail: 'device log 1207, 1188, 1190, 3041' },
    { ok: true, title: 'Its end is in the log', detail: 'log entry 90430' },
    { ok: true, title: 'Matches what was signed', detail: 'names, mode and times' },
    { ok: true, title: 'Sealed by its note-taker', detail: 'Note-taker · 157 parts' },
    { ok: true, title: 'Digest in the log', detail: 'entry 90431 · proof of 17 hashes' },
    { ok: true, title: 'Its log continues what this device has seen', detail: 'log of 90512 entries' },
  ],
};
const BROKEN: Report = {
  ok: false,
  partial: false,
  missing: null,
  people: WHOLE.people,
  checks: WHOLE.checks.map((check, i) =>
    i === 3 ? { ok: false, title: 'The digest is not the one in the log', detail: 'entry 90 431 names another record' } : check,
  ),
};

const records = (shown: View, list: App['records']): Scene => and(on(shown), (app) => {
  app.route = { at: 'calls' };
  app.records = list;
});
const record = (shown: View, checked: App['record']): Scene => and(on(shown), (app) => {
  app.route = { at: 'record', call: RECORDS[1]?.call ?? '' };
  app.record = checked;
});
const checked = (of: RecordLine | undefined, report: Report): App['record'] =>
  of ? { status: 'ready', value: { line: of, report, at_ms: NOW } } : { status: 'loading' };

const refused_link = (problem: Problem): Scene => (app) => {
  app.state = { status: 'enrol', name: president.name, office: 'Office of the President', problem, busy: false };
};

const code_entry = (entry: App['code_entry']): Scene => (app) => {
  app.state = { status: 'unenrolled' };
  app.code_entry = entry;
};

const WAITING = { status: 'waiting', office: 'Office of the President', code: ASK_CODE, expires_ms: NOW + 86_000_000, first_approved: false, unreachable: false } as const;
const asking_over = (why: 'refused' | 'expired' | Problem): Scene => (app) => {
  app.state = { status: 'asking', asking: { status: 'over', office: 'Office of the President', why, kept: false, link_used: true } };
};

export const scenes: Record<string, Scene> = {
  'starting': () => undefined,
  'unsupported': (app) => (app.state = { status: 'unsupported' }),
  'insecure': (app) => (app.state = { status: 'insecure' }),
  'other-tab': (app) => (app.state = { status: 'other_tab' }),
  'failed': (app) => (app.state = { status: 'failed', problem: { code: 'engine_fault' } }),
  'revoked': on(view({ phase: 'revoked', people: [], revocation: { erase: false, by: guard, at_ms: NOW - 60_000 } })),
  'erased': on(view({ phase: 'revoked', people: [], revocation: { erase: true, by: null, at_ms: NOW - 60_000 } })),
  'ring-in-recovered': on(view({ people: few.map((one) => ({ ...one, recovered_ms: NOW - 3_600_000 })), call: incoming() })),
  'recovered': on(view({ recovered_ms: NOW - 3_600_000 })),
  'recovered-others': on(view({ people: few.map((one, n) => (n === 0 ? { ...one, recovered_ms: NOW - 3_600_000 } : one)) })),
  'unenrolled': (app) => (app.state = { status: 'unenrolled' }),
  'code-checking': code_entry({ busy: true, problem: null }),
  'code-wrong': code_entry({ busy: false, problem: { code: 'code_wrong', count: 2 } }),
  'code-closed': code_entry({ busy: false, problem: { code: 'code_closed', count: 0 } }),
  'code-expired': code_entry({ busy: false, problem: { told: 'this code has expired: ask for a new code' } }),
  'code-incomplete': code_entry({ busy: false, problem: { told: 'a code has ten digits: type all of them, as they were read to you' } }),
  'enrol': (app) => (app.state = { status: 'enrol', name: president.name, office: 'Office of the President', problem: null, busy: false }),
  'enrol-busy': (app) => (app.state = { status: 'enrol', name: president.name, office: 'Office of the President', problem: null, busy: true }),
  'enrol-used': refused_link({ told: 'This enrolment was used already, and each is for one device: ask your office for another.' }),
  'enrol-expired': refused_link({ told: 'The enrolment link has expired: ask the office for a new one.' }),
  'enrol-other-office': refused_link({ told: 'The server has another office authority than the one in the enrolment link: do not trust it, and tell the security officer.' }),
  'enrol-no-answer': refused_link({ code: 'no_answer' }),

  'asking': (app) => (app.state = { status: 'asking', asking: WAITING }),
  'asking-starting': (app) => (app.state = { status: 'asking', asking: { status: 'starting', problem: { code: 'no_answer' } } }),
  'asking-unreachable': (app) => {
    app.state = { status: 'asking', asking: { ...WAITING, unreachable: true } };
    app.unused_link = true;
  },
  'asking-refused': asking_over('refused'),
  'asking-expired': asking_over('expired'),
  'asking-link-used': asking_over({ told: 'this link was used already, by another device. If that was not you, tell your office at once' }),
  'asking-refused-kept': (app) => (app.state = { status: 'asking', asking: { status: 'over', office: 'Office of the President', why: 'refused', kept: true, link_used: true } }),
  'asking-not-stopped': (app) => (app.state = { status: 'asking', asking: { status: 'not_stopped', office: 'Office of the President' } }),
  'asking-not-completed': (app) => (app.state = { status: 'asking', asking: { status: 'not_completed', office: 'Office of the President', why: { told: 'a device certificate is not valid yet: check both devices\' clocks' } } }),

  'people': and(on(view()), favourites(minister, norland)),
  'people-sound-blocked': and(on(view()), (app) => (app.sound.ring_blocked = true)),
  'people-notify-denied': and(on(view()), (app) => (app.notifications = 'denied')),
  'settings': and(on(view()), (app) => {
    app.settings_open = true;
    app.notifications = 'default';
    app.sound.devices = { microphones: [{ id: 'a', name: 'Desk microphone' }], speakers: [{ id: 'b', name: 'Headset' }] };
  }),
  'people-many': and(on(view({ people: many })), favourites(minister, norland)),
  'people-search': and(on(view({ people: many })), favourites(minister), (app) => (app.query = 'alv')),
  'people-search-none': and(on(view({ people: many })), (app) => (app.query = 'zz')),
  'people-notify': and(on(view()), (app) => (app.notifications = 'default')),
  'people-spare-link': and(on(view()), (app) => (app.unused_link = true)),
  'people-long': on(view({ people: [union, sandmark, ostland, unbroken].map((card, i) => ({ ...card, reachable: i !== 1 })) })),
  'people-empty': on(view({ people: [] })),
  'people-connecting': on(view({ phase: 'connecting', people: [], token: null })),
  'people-offline': and(on(view({ phase: 'offline', token: null })), favourites(minister)),
  'people-alerts': on(view({ people: few, alerts: [
    { level: 'red', text: 'A ring that claimed to come from the Prime Minister of Estmark was signed by an unknown device. It was not shown.' },
    { level: 'amber', text: 'The log was not checked for an hour: the office has sent no checkpoint.' },
  ] })),
  'people-log-fork': on(view({ people: few, alerts: [
    { level: 'red', text: 'The office’s log has two versions', fork: { version: 1, found_ms: NOW, how: 'roots_differ', call: 'c1'.repeat(16), device: device(2), own: 'office.example/log\n90512\nVw0y1Q0mZr0V0JfJm3nq5m3Q3bJmV2sG5o4Q8F3r1dI=\n\n— office.example/log 3mSb0QAAAA==\n', other: 'office.example/log\n90512\nq1J9n2m0b3c4d5e6f7g8h9i0j1k2l3m4n5o6p7q8r9s=\n\n— office.example/log 3mSb0QBBBB==\n' } },
  ] })),
  'people-forged-ring': on(view({ call: incoming({ verified: false }) })),

  'ring-out-opening': on(view({ call: call({ state: 'opening', opened_index: null, opened_ms: null }) })),
  'ring-out-ringing': on(view({ call: call() })),
  'ring-out-answered': on(view({ call: call({ state: 'answering', verified: true }) })),
  'ring-out-resuming': on(view({ call: call({ state: 'answering', opened_index: null, opened_ms: null }) })),
  'ring-out-reloaded': on(view({ call: live({ started_ms: null, verified: false, members: live().members.filter((m) => m.person !== minister.person) }) })),
  'ring-out-note-taker': on(view({ call: call({ note_taker: true, members: [member(writer, 3)] }) })),
  'ring-out-no-note-taker': on(view({ call: call({ opened_ms: NOW - 9_000 }) })),
  'ring-in-silent': and(on(view({ call: incoming() })), (app) => (app.sound.ring_blocked = true)),
  'ring-in': on(view({ call: incoming() })),
  'ring-in-listeners': on(view({ call: incoming({ mode: 'audio', note_taker: true, members: [member(writer, 3), member(officer, 6)] }) })),
  'ring-in-two': on(view({ call: incoming(), rings: [incoming({ call: 'c1'.repeat(16), other: norland, from: norland })] })),
  'people-silenced': on(view({ silenced: [norland, few[0]!] })),
  'ring-in-long': on(view({ call: incoming({ other: union, from: union }) })),
  'ring-in-arabic': on(view({ call: incoming({ other: sandmark, from: sandmark }) })),
  'ring-out-chinese': on(view({ call: call({ other: ostland, to: ostland }) })),
  'ring-in-answered': on(view({ call: incoming({ state: 'answering' }) })),
  'ring-in-log-only-denied': and(on(view({ call: incoming({ mode: 'log_only' }) })), (app) => (app.sound.microphone = 'denied')),

  'call': on(view({ call: live() })),
  'call-speaking': and(on(view({ call: live() })), (app) => {
    app.sound.speaking = { you: false, others: true };
    app.sound.levels = { you: 0.05, others: 0.2 };
    app.sound.changed_to = 'Headset';
  }),
  'call-rejoining': on(view({ call: incoming({ state: 'answering', other: null, from: null, to: null, verified: false }) })),
  'call-microphone-silenced': and(on(view({ call: live() })), (app) => (app.sound.microphone = 'silenced')),
  'call-full': on(view({ call: live({ mode: 'audio', members: [...live().members, member(officer, 6), member(norland, 8, { muted: true })] }) })),
  'call-muted': on(view({ call: live({ muted: true, members: live().members.map((m) => (m.you ? { ...m, muted: true } : m)) }) })),
  'call-other-muted': on(view({ call: live({ members: live().members.map((m) => ({ ...m, muted: !m.you && m.speaks })) }) })),
  'call-to-be-transcribed': on(view({ call: live({ note_taker: false, noted: false, started_ms: NOW - 1_000, members: live().members.slice(0, 2) }) })),
  'call-reconnecting': on(view({ phase: 'offline', call: live({ state: 'reconnecting' }) })),
  'call-microphone-denied': and(on(view({ call: live() })), (app) => (app.sound.microphone = 'denied')),
  'call-microphone-missing': and(on(view({ call: live() })), (app) => (app.sound.microphone = 'missing')),
  'call-sound-blocked': and(on(view({ call: live() })), (app) => (app.sound.blocked = true)),
  'call-silent': and(on(view({ call: live() })), (app) => (app.media_timed_out = true)),
  'call-away': and(on(view({ call: live(), people: few.map((contact) => ({ ...contact, reachable: false })) })), (app) => (app.media_timed_out = true)),
  'call-alone': on(view({ call: live({ members: live().members.filter((m) => m.you) }) })),
  'call-not-recorded': on(view({ call: live({ note_taker: false, members: live().members.map((m) => ({ ...m, lost: m.role === 'note_taker' })) }) })),
  'call-long': on(view({ call: live({ other: union, to: union, members: [member(president, 1, { you: true }), member(union, 2), member(sandmark, 4), member(unbroken, 5), member(writer, 3)] }) })),
  'call-unverified': on(view({ call: live({ verified: false }) })),

  'ended': and(on(view({ call: live({ state: 'ended', ended: 'hung_up' }) })), (app) => (app.ended_ms = NOW)),
  'ended-by-you': and(on(view({ call: live({ state: 'ended', ended: 'hung_up', hung_up_by: president }) })), (app) => (app.ended_ms = NOW)),
  'ended-log-only': and(on(view({ call: live({ state: 'ended', ended: 'hung_up', mode: 'log_only' }) })), (app) => (app.ended_ms = NOW)),
  'ended-sealed': and(on(view({ call: live({ state: 'ended', ended: 'hung_up' }), notices: [notice({ kept_index: 90_431 })] })), (app) => (app.ended_ms = NOW)),
  'ended-partial': and(on(view({ call: live({ state: 'ended', ended: 'hung_up', mode: 'audio' }), notices: [notice({ kept_index: 90_431, partial: true })] })), (app) => (app.ended_ms = NOW)),
  'ended-not-whole': and(on(view({ call: live({ state: 'ended', ended: 'hung_up', note_taker: false }) })), (app) => (app.ended_ms = NOW)),
  'ended-no-record': and(on(view({ call: live({ state: 'ended', ended: 'hung_up', note_taker: false, noted: false }) })), (app) => (app.ended_ms = NOW)),
  'ended-long': on(view({ call: call({ state: 'ended', ended: 'missed', other: union, to: union }) })),
  'ended-declined': on(view({ call: call({ state: 'ended', ended: 'declined' }) })),
  'ended-missed': on(view({ call: call({ state: 'ended', ended: 'missed' }) })),
  'ended-busy': on(view({ call: call({ state: 'ended', ended: 'busy' }) })),
  'ended-cancelled': on(view({ call: incoming({ state: 'ended', ended: 'cancelled' }) })),
  'ended-elsewhere': on(view({ call: incoming({ state: 'ended', ended: 'taken_elsewhere' }) })),
  'ended-failed': on(view({ call: live({ state: 'ended', ended: 'failed', problem: 'The server tried to add a device that is not in your office’s log. Your device refused and left.' }) })),
  'ended-revoked': on(view({ call: live({ state: 'ended', ended: 'revoked' }) })),
  'ended-interrupted': on(view({ call: live({ state: 'ended', ended: 'interrupted' }) })),

  'desk': at_desk(desk({ call: listening, notices: [notice({ members: 4 }), ...recent] })),
  'desk-not-recorded': at_desk(desk({ notices: [notice({ noted: false, members: 2 }), ...recent] })),
  'desk-live': at_desk(desk({ notices: [notice(), ...recent] })),
  'desk-joining': at_desk(desk({ call: { ...listening, state: 'answering', members: [], captions: [], phrase: null, captions_behind_ms: null }, notices: [notice({ can_listen: false })] })),
  'desk-ringing-no-note-taker': at_desk(desk({ notices: [{ ...ringing, noted: false }, ...recent] })),
  'desk-listening-no-captions': at_desk(desk({ call: { ...listening, note_taker: false, noted: false, captions: [], captions_behind_ms: null, members: listening.members.filter((m) => m.role !== 'note_taker') }, notices: [notice({ noted: false, can_listen: false }), ...recent] })),
  'desk-two': at_desk(desk({ notices: [notice(), ringing, ...recent] })),
  'desk-listening-two': at_desk(desk({ call: listening, notices: [notice({ members: 4 }), ringing, ...recent] })),
  'desk-listening-not-recorded': and(at_desk(desk({ call: { ...listening, note_taker: false, captions_behind_ms: null, members: listening.members.map((m) => ({ ...m, lost: m.role === 'note_taker' })) }, notices: [notice({ members: 4 }), ...recent] })), (app) => (app.sound.blocked = true)),
  'desk-long': at_desk(desk({ call: long_heard, notices: [
    notice({ from: sandmark, to: union, members: 4 }),
    notice({ call: 'c8'.repeat(16), from: unbroken, to: ostland, noted: false }),
    notice({ call: 'c7'.repeat(16), from: unbroken, to: union, state: { is: 'ended', how: 'hung_up' }, can_listen: false }),
  ] })),
  'desk-loading': on(desk({ notices: [], people: few })),
  'desk-list-failed': and(on(desk({ notices: [], people: few })), (app) => (app.records = { status: 'failed', problem: { code: 'office_unreachable' } })),
  'desk-reloaded': and(on(desk({ notices: [] })), (app) => (app.records = { status: 'ready', value: RECORDS })),
  'desk-quiet': and(on(desk({ notices: [], people: few })), (app) => (app.records = { status: 'ready', value: RECORDS.slice(1, 2) })),
  'desk-no-note-taker': at_desk(desk({ notices: [], note_takers: { connected: 0, busy: 0 } })),
  'desk-note-takers-busy': at_desk(desk({ notices: [notice(), ...recent], note_takers: { connected: 1, busy: 1 } })),
  'desk-empty': at_desk(desk({ notices: [] })),
  'desk-refused': at_desk(desk({ call: { ...listening, state: 'ended', ended: 'failed', problem: 'The call’s members could not be verified. This device left it.', members: [] }, notices: [notice(), ...recent] })),
  'desk-offline': at_desk(desk({ phase: 'offline', token: null, notices: recent })),
  'desk-log-broken': at_desk(desk({ notices: recent, log: { size: 90_512, checked_ms: NOW, ok: false, problem: 'The log does not continue' }, alerts: [{ level: 'red', text: 'The office’s log does not continue what this device saw before: it was rewritten. Tell your security officer; make no calls.' }] })),

  ...acting_scenes,
  ...green_room_scenes,
  ...brief_scenes,
  ...memorandum_scenes,
  ...move_scenes,
  ...line_scenes,
  ...circulation_scenes,
  ...reach_scenes,
  ...device_scenes,
  ...alert_scenes,
  ...plan_scenes,
  ...protection_scenes,
  ...role_scenes,
  ...shift_scenes,

  'calls': records(view(), { status: 'ready', value: RECORDS }),
  'calls-desk': records(desk(), { status: 'ready', value: RECORDS }),
  'calls-long': records(desk(), { status: 'ready', value: [line(1, { from: union, to: sandmark }), line(2, { from: unbroken, to: ostland, partial: true }), line(3, { from: ostland, to: president, records: 0 })] }),
  'calls-empty': records(view(), { status: 'ready', value: [] }),
  'calls-loading': records(view(), { status: 'loading' }),
  'calls-failed': records(view(), { status: 'failed', problem: { code: 'office_unreachable' } }),
  'calls-stale': records(view(), { status: 'ready', value: RECORDS, stale: { code: 'office_unreachable' } }),
  'calls-offline': records(view({ phase: 'offline', token: null }), { status: 'loading' }),
  'record': record(desk(), checked(RECORDS[1], WHOLE)),
  'record-hung-up': and(record(desk(), checked(RECORDS[1], WHOLE)), (app) => (app.hung_up_by = new Map([[RECORDS[1]!.call, minister]]))),
  'record-partial': record(desk(), checked({ ...RECORDS[1]!, partial: true }, { ...WHOLE, partial: true })),
  'record-broken': record(desk(), checked(RECORDS[1], BROKEN)),
  'record-waiting': record(
    view(),
    checked(
      { ...RECORDS[2]!, opened_ms: NOW - 400_000, answered_ms: NOW - 395_000, ended_ms: NOW - 8_000 },
      { ok: false, partial: false, missing: null, people: WHOLE.people, checks: WHOLE.checks.map((check, n) => (n !== 4 && n !== 5 ? check : { ...check, ok: false, detail: 'the sealed record is not in the log yet' })) },
    ),
  ),
  'record-overdue': record(view(), checked(
    { ...RECORDS[2]!, ended_ms: NOW - 3_600_000 },
    { ...WHOLE, ok: false, checks: WHOLE.checks.map((check, n) => (n !== 4 && n !== 5 ? check : { ...check, ok: false, detail: 'the sealed record is not in the log yet' })) },
  )),
  'record-stale': record(desk(), { status: 'ready', value: { line: RECORDS[1]!, report: WHOLE, at_ms: NOW }, stale: { code: 'log_grew' } }),
  'record-none': record(
    desk(),
    checked({ ...RECORDS[1]!, records: 0, missing: true }, {
      ...WHOLE,
      people: [president, minister],
      missing: 'no note-taker was in the call',
      checks: [...WHOLE.checks.slice(0, 4), { ok: true, title: 'Its record is missing, and the log says so', detail: 'log entry 90431' }],
    }),
  ),
  'record-missed': record(view(), checked(RECORDS[3], { ok: true, partial: false, missing: null, people: [president], checks: WHOLE.checks.slice(0, 1) })),
  'record-long': record(desk(), checked(line(1, { from: union, to: sandmark }), { ...WHOLE, people: [union, sandmark, officer, writer] })),
  'record-loading': record(view(), { status: 'loading' }),
  'record-failed': record(view(), { status: 'failed', problem: { told: 'This record’s proof could not be read: the office has no such call.' } }),
};

