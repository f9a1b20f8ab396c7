// Lines, in every state: giving one, who took it, who can reach whom, and what holders see.

import type { App } from '../app.svelte';
import type { Card, LineList, View } from '../engine/contract';
import { delegation } from '../fake/delegations';
import { ASK_CODE, guarded } from '../fake/devices';
import { FROZEN, HOURS, LINES, call_line, estmark, governor, listed_line, offer, offered_for, over_line, sarre, taken, terms } from '../fake/lines';
import { minister, norland, president, secretary } from '../fake/people';
import { NOW, call, desk, device, incoming, live, member, record_line, view } from '../fake/views';
import type { Scene } from './scenes';

type List = App['lines']['list'];
const ready = (value: LineList = LINES): List => ({ status: 'ready', value });

const on =
  (shown: View, then?: Scene): Scene =>
  (app) => {
    app.state = { status: 'on' };
    app.view = shown;
    then?.(app);
  };
const lines = (shown: View, list: List = ready(), then?: Scene): Scene =>
  on(shown, (app) => {
    app.route = { at: 'lines' };
    app.lines.list = list;
    then?.(app);
  });
const dialog =
  (is: 'line' | 'change' | 'end' | 'freeze' | 'hand_back', n = 0): Scene =>
  (app) =>
    (app.lines.dialog = { is, line: LINES.lines[n]?.line.line ?? '' });
const give = (shown = view(), then?: Scene): Scene => on(shown, (app) => ((app.route = { at: 'give' }), then?.(app)));
const offered = (one = offer(), more: Partial<View> = {}, then?: Scene): Scene =>
  on(view({ invitations: [one], ...more }), (app) => {
    app.route = { at: 'offer', invitation: one.invitation };
    then?.(app);
  });

/** The desk may offer lines for these principals. */
const acting = (...principals: Card[]): Scene => (app) =>
  (app.delegations.list = {
    status: 'ready',
    value: { delegations: principals.map((principal, n) => delegation({ acts: ['lines'], principal, delegation: `d${n}`.repeat(16) })) },
  });
const for_president = (one = taken(), attested_ms: number | null = null) => ({ ...one, offered_for: offered_for({ attested_ms }) });
const doubted = () => ({ line: LINES.lines[0]?.line.line ?? '', principal: president, holder: estmark, since_ms: NOW - 3 * 60_000 });
const compared = () => for_president(taken({ made_here: false, link: null }), NOW - 4 * 60_000);

/** A counterpart with nothing but a browser. */
const holder = (more: Partial<View> = {}): View => view({ you: { ...norland, device: device(40) }, people: [over_line(president), over_line({ ...minister })], ...more });
const HELD: LineList = {
  more: false,
  lines: [
    listed_line(norland, { line: { line: 'c3'.repeat(16), principal: president, terms: terms({ hours: HOURS, purpose: 'Fisheries agreement' }) }, last_rung_ms: NOW - 86_400_000 }),
    listed_line(norland, { statement: 'e.2.J', line: { line: 'c4'.repeat(16), principal: minister, state: 'paused' } }),
  ],
};
const union: Card = { ...norland, person: 'f0'.repeat(16), name: 'The Chair of the Southern African Union of River States and Protectorates', organisation: 'Secretariat of the Southern African Union of River States and Protectorates' };
const sandmark: Card = { ...norland, person: 'f1'.repeat(16), name: 'صاحب الجلالة ملك ساندمارك وحامي الواحات الشرقية', organisation: 'الديوان الملكي', zone: 'Asia/Riyadh' };
const LONG: LineList = {
  more: false,
  lines: [
    listed_line(union, { line: { terms: terms({ hours: HOURS, rings_per_day: 3, until_ms: Date.UTC(2027, 5, 30), purpose: 'Negotiations about the northern boundary and the inspection of vessels at sea' }) } }),
    listed_line(sandmark, { line: { state: 'suspect' } }),
  ],
};

const rung = { other: estmark, from: estmark };
const over = (more = {}) => ({ ...incoming({ ...rung, ...more }), line: call_line() });
const WAITING = { status: 'waiting', office: 'Office of the President', code: ASK_CODE, expires_ms: NOW + 82_000_000, first_approved: false, unreachable: false, line: true } as const;
const asking_over = (why: 'refused' | 'expired' | { told: string }): Scene => (app) => {
  app.state = { status: 'asking', asking: { status: 'over', office: 'Office of the President', why, kept: false, link_used: true, line: true } };
};

export const line_scenes: Record<string, Scene> = {
  'line-give': give(),
  'line-give-failed': give(view(), (app) => (app.lines.not_given = { code: 'unavailable' })),
  'line-give-busy': give(view(), (app) => (app.lines.giving = true)),
  'line-give-offline': give(view({ phase: 'offline', token: null })),
  'line-offer': offered(),
  'line-offer-narrow': offered(offer({ card: union, refused_requests: 2, expires_ms: NOW + 9 * 60_000 }, terms({ reach: 'desk', hours: HOURS, rings_per_day: 3, mode: 'audio' }))),
  'line-offer-code': offered(offer(), { code: { invitation: offer().invitation, code: '0042-271-828', expires_ms: NOW + 8 * 60_000, wrong: 0, tried: 0, over: null, late: false } }),
  'line-offer-elsewhere': offered(offer({ made_here: false, link: null })),
  'line-offer-gone': (app) => {
    offered()(app);
    app.view = view();
  },
  'line-offer-withdraw': offered(offer(), {}, (app) => (app.lines.dialog = { is: 'withdraw', invitation: offer().invitation })),
  'line-taken': on(view({ invitations: [taken()] })),
  'line-taken-twice': on(view({ invitations: [taken({ refused_requests: 1 })] })),
  'line-taken-elsewhere': on(view({ invitations: [taken({ made_here: false, request: { label: 'Safari (iPhone)', code: null, problem: null } })] })),
  'line-taken-forged': on(view({ invitations: [taken({ request: { label: '', code: null, problem: 'The device that asked does not have the link of this invitation.' } })] })),
  'line-taken-sent': on(view({ invitations: [taken()] }), (app) => (app.lines.answered = new Set([taken().invitation]))),
  'line-taken-refuse': on(view({ invitations: [taken()] }), (app) => (app.lines.dialog = { is: 'refuse', invitation: taken().invitation })),
  'line-taken-later': on(view({ invitations: [taken()] }), (app) => app.lines.put_off(taken().invitation)),

  'lines': lines(view()),
  'lines-waiting': lines(view({ invitations: [taken(), offer({ card: { ...sarre, name: 'The Premier of Westisle', organisation: 'Office of the Premier' } })] }), ready(), (app) => app.lines.put_off(taken().invitation)),
  'lines-frozen': lines(view(), ready(FROZEN)),
  'lines-long': lines(view(), ready(LONG)),
  'lines-none': lines(view(), ready({ lines: [], more: false })),
  'lines-sending': lines(view(), ready(), (app) => (app.lines.changing = new Set([LINES.lines[0]?.statement ?? '']))),
  'lines-paused-all': lines(
    view(),
    ready({ more: false, lines: LINES.lines.map((one) => (one.line.state === 'live' ? { ...one, changed_ms: NOW - 5_000, line: { ...one.line, state: 'paused' } } : one)) }),
    (app) => (app.lines.paused_together = LINES.lines.slice(0, 3).map((one) => one.line.line)),
  ),
  'lines-not-changed': lines(view(), ready(), (app) => (app.lines.not_changed = { code: 'not_confirmed' })),
  'lines-loading': lines(view(), { status: 'loading' }),
  'lines-failed': lines(view(), { status: 'failed', problem: { code: 'office_unreachable' } }),
  'lines-offline': lines(view({ phase: 'offline', token: null })),
  'lines-stale': lines(view(), { status: 'ready', value: LINES, stale: { code: 'office_unreachable' } }),
  'lines-more': lines(view(), ready({ ...LINES, more: true })),
  'lines-detail': lines(view(), ready(), dialog('line')),
  'lines-detail-frozen': lines(view(), ready(FROZEN), dialog('line')),
  'lines-detail-ended': lines(view(), ready(), dialog('line', 4)),
  'lines-change': lines(view(), ready(), dialog('change')),
  'lines-end': lines(view(), ready(), dialog('end')),
  'lines-pause-all': lines(view(), ready(), (app) => (app.lines.dialog = { is: 'pause_all' })),
  'lines-desk': lines(desk(), ready(), (app) => (app.delegations.list = { status: 'ready', value: { delegations: [delegation({ acts: ['lines'] })] } })),
  'line-give-desk': give(desk(), acting(president)),
  'line-give-desk-two': give(desk(), acting(president, minister)),
  'line-give-desk-none': give(desk(), acting()),
  'line-offer-desk': on(desk({ invitations: [for_president(offer())] }), (app) => (app.route = { at: 'offer', invitation: offer().invitation })),
  'line-taken-desk': on(desk({ invitations: [for_president()] })),
  'line-taken-from-desk': on(view({ invitations: [compared()] })),
  'line-taken-from-desk-forged': on(view({ invitations: [{ ...compared(), request: { label: '', code: null, problem: 'what the delegate said does not verify: a signature is invalid' } }] })),
  'lines-desk-offers': lines(
    desk({ invitations: [for_president(offer({ invitation: 'a4'.repeat(16), card: { ...sarre, name: 'The Premier of Westisle' } })), compared(), for_president(taken({ invitation: 'a3'.repeat(16), card: governor, made_here: false, link: null }))] }),
    ready({ ...LINES, lines: LINES.lines.map((one, n) => (n === 1 ? { ...one, given_ms: NOW - 40 * 60_000 } : one)) }),
    acting(president),
  ),
  'lines-from-desk': lines(view({ invitations: [compared(), for_president(taken({ invitation: 'a3'.repeat(16), card: governor, made_here: false, link: null }))] }), ready(), (app) => app.lines.put_off(compared().invitation)),
  'lines-words': lines(view({ challenge: { line: LINES.lines[0]?.line.line ?? '', words: ['harbor', 'violin', 'acorn', 'lantern'] } }), ready(), dialog('line')),
  'lines-words-elsewhere': lines(view({ challenge: { line: LINES.lines[0]?.line.line ?? '', words: null } }), ready(), dialog('line')),
  'lines-doubted': lines(view({ doubted_lines: [doubted()] })),
  'people-doubted': on(view({ people: [over_line(estmark), over_line(secretary)], doubted_lines: [doubted()] })),
  'desk-doubted': on(desk({ doubted_lines: [doubted()] })),
  'lines-doubted-detail': lines(view({ doubted_lines: [doubted()] }), ready(), dialog('line')),
  'lines-desk-rings': lines(desk()),
  'lines-desk-none': lines(desk(), ready({ lines: [], more: false })),
  'lines-officer': lines(guarded({ invitations: [taken({ made_here: false, link: null })] })),
  'lines-officer-detail': lines(guarded(), ready(), dialog('line')),
  'lines-officer-freeze': lines(guarded(), ready(), dialog('freeze')),
  'lines-held': lines(holder(), ready(HELD)),
  'lines-held-none': lines(holder(), ready({ lines: [], more: false })),
  'lines-held-detail': lines(holder(), ready(HELD), (app) => (app.lines.dialog = { is: 'line', line: 'c3'.repeat(16) })),
  'lines-held-back': lines(holder(), ready(HELD), (app) => (app.lines.dialog = { is: 'hand_back', line: 'c3'.repeat(16) })),

  'people-lines': on(view({ people: [over_line(estmark), over_line(secretary, 'live', terms({ reach: 'desk' }), false), over_line(governor, 'live', terms({ reach: 'planned' })), over_line(sarre, 'paused')] })),
  'people-promise': on(view({ people: [over_line(estmark), over_line(secretary)] }), (app) => (app.promises.all = [{ person: estmark.person, at_ms: NOW + 8 * 60_000 }])),
  'people-holder': on(holder()),
  'people-holder-states': on(
    holder({
      people: [
        over_line(president, 'live', terms({ hours: { ...HOURS, from_min: 1380, until_min: 1410 } })),
        over_line(minister, 'paused'),
        over_line({ ...governor, role: 'principal' }, 'live', terms({ reach: 'planned' })),
        over_line({ ...sarre, role: 'principal' }, 'suspect'),
        over_line({ ...union, role: 'principal' }, 'ended'),
      ],
    }),
  ),
  'people-holder-none': on(holder({ people: [] })),
  'asking-line': (app) => (app.state = { status: 'asking', asking: WAITING }),
  'asking-line-refused': asking_over('refused'),
  'asking-line-used': asking_over({ told: 'this link was used already, by another device. If that was not you, tell your office at once' }),
  'asking-line-expired': asking_over('expired'),

  'ring-in-line': on(view({ call: over() }), (app) => {
    app.records = { status: 'ready', value: [record_line({ from: estmark, to: president, opened_ms: NOW - 5 * 86_400_000, answered_ms: NOW - 5 * 86_400_000, ended_ms: NOW - 5 * 86_400_000 + 720_000 })] };
  }),
  'ring-in-line-desk': on(view({ call: { ...over(), line: call_line({ reach: 'desk', purpose: '' }) } })),
  'ring-in-holder': on(holder({ call: { ...incoming({ other: president, from: president, to: norland }), line: call_line() } })),
  'call-line': on(view({ call: { ...live({ other: estmark, members: [member(president, 1, { you: true }), member(estmark, 2)] }), line: call_line() } })),
  'ring-out-diverted': on(view({ call: { ...call(), diverted: true } })),
  'ended-later': on(view({ call: { ...call({ state: 'ended', ended: 'declined' }), reply: { type: 'later', minutes: 10 } } })),
  'ended-office': on(view({ call: { ...call({ state: 'ended', ended: 'missed' }), diverted: true } })),
  'ended-later-by-you': on(view({ call: { ...incoming({ state: 'ended', ended: 'declined' }), reply: { type: 'later', minutes: 10 } } })),
  'ended-office-by-you': on(view({ call: { ...incoming({ state: 'ended', ended: 'declined' }), reply: { type: 'office' } } })),
  'call-line-ended': on(view({ call: live({ state: 'ended', ended: 'revoked' }) })),
};
