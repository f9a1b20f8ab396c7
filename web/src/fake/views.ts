// Builders of engine views, for tests and screenshots.

import type { CallView, Card, MemberView, NoticeView, RecordLine, View } from '../engine/contract';
import { OFFICE, few, minister, officer, president, writer } from './people';

/** Sunday 22 November 2026, 09:42:26 UTC. */
export const NOW = Date.UTC(2026, 10, 22, 9, 42, 26);
export const CALL = 'c0'.repeat(16);
export const device = (n: number) => n.toString(16).padStart(32, 'd');

export const member = (card: Card, n: number, more: Partial<MemberView> = {}): MemberView => ({
  ...card,
  device: device(n),
  you: false,
  speaks: card.role === 'principal' || card.role === 'counterpart',
  muted: false,
  lost: false,
  on_shift: null,
  ...more,
});

export function view(more: Partial<View> = {}): View {
  return {
    phase: 'ready',
    you: { ...president, device: device(1) },
    office: { domain: OFFICE, name: 'Office of the President', lines: true },
    people: few,
    people_more: false,
    caught_up: true,
    mode: 'memo',
    token: 'token',
    log: { size: 90_512, checked_ms: NOW - 6_000, ok: true, problem: null },
    call: null,
    rings: [],
    silenced: [],
    reach: [],
    registrar: null,
    invitations: [],
    recoveries: [],
    recovered_ms: null,
    revocation: null,
    code: null,
    devices_changed: 0,
    delegations_changed: 0,
    lines_changed: 0,
    documents_changed: 0,
    doubted_lines: [],
    challenge: null,
    office_alerts: null,
    added_devices: [],
    unlock_required: false,
    note_takers: null,
    sso_token: null,
    account_ends_ms: null,
    shift_token: null,
    shift: null,
    outdated: false,
    notices: [],
    alerts: [],
    alerts_raised: 0,
    ...more,
  };
}

export function call(more: Partial<CallView> = {}): CallView {
  return {
    call: CALL,
    direction: 'out',
    state: 'ringing',
    ended: null,
    hung_up_by: null,
    problem: null,
    other: minister,
    from: president,
    to: minister,
    acts_for: [],
    line: null,
    reply: null,
    diverted: false,
    speaks: true,
    verified: false,
    mode: 'memo',
    suite: 'hybrid',
    phrase: null,
    members: [],
    started_ms: null,
    muted: false,
    arriving: false,
    continued_on: null,
    holds: [],
    green_room: null,
    notified: false,
    epoch: null,
    opened_index: 90_412,
    opened_ms: NOW - 8_000,
    captions: [],
    captions_behind_ms: null,
    note_taker: false,
    noted: false,
    kept_index: null,
    partial: false,
    logs: 'unknown',
    invalid_checkpoints: 0,
    ...more,
  };
}

export function live(more: Partial<CallView> = {}): CallView {
  return call({
    state: 'live',
    verified: true,
    phrase: ['harbor', 'velvet', 'lantern', 'oak'],
    members: [member(president, 1, { you: true }), member(minister, 2), member(writer, 3)],
    started_ms: NOW - 451_000,
    note_taker: true,
    noted: true,
    epoch: 3,
    ...more,
  });
}

export function incoming(more: Partial<CallView> = {}): CallView {
  return call({ direction: 'in', from: minister, to: president, verified: true, ...more });
}

export function desk(more: Partial<View> = {}): View {
  const note_takers = { connected: 2, busy: 1 };
  return view({ you: { ...officer, device: device(6) }, people: [], note_takers, ...more });
}

export function notice(more: Partial<NoticeView> = {}): NoticeView {
  return {
    call: CALL,
    from: president,
    to: minister,
    mode: 'memo',
    state: { is: 'live', since_ms: NOW - 451_000 },
    members: 3,
    opened_ms: NOW - 459_000,
    kept_index: null,
    partial: false,
    can_listen: true,
    acts_for: [],
    can_take_over: false,
    can_continue: false,
    own_devices: [],
    asked: false,
    asks_until_ms: null,
    noted: true,
    note_taker_asks: false,
    ...more,
  };
}

/** A call of thirteen minutes, whose record is sealed. */
export function record_line(more: Partial<RecordLine> = {}): RecordLine {
  return {
    call: CALL,
    from: president,
    to: minister,
    mode: 'memo',
    opened_ms: NOW,
    answered_ms: NOW + 9_000,
    ended_ms: NOW + 789_000,
    how: 'hung_up',
    records: 1,
    partial: false,
    missing: false,
    ...more,
  };
}
