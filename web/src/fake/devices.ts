// Devices and invitations of a fictitious office.

import type { Card, CodeView, InvitationView, ListedDevice, RecoveryView, SignInList, View } from '../engine/contract';
import { OFFICE, ROLES, governor, minister, norland, officer, president } from './people';
import { NOW, device, view } from './views';

export const guard: Card = {
  person: '8'.padStart(32, '0'),
  office: OFFICE,
  name: 'Security officer',
  organisation: 'Office of the President',
  role: 'security_officer',
  zone: 'Europe/Lisbon',
};
export const archivist: Card = {
  ...guard,
  person: '9'.padStart(32, '0'),
  name: 'Records officer',
  role: 'records_officer',
};

const HOUR = 3_600_000;
/** The code of every device that asks. */
export const ASK_CODE = '471 029 583 016';
/** A fragment as long as real ones. */
export const FRAGMENT =
  'AgGq7mV0c2VjcmV0LWFuZC1kaWdlc3Qtb2YtdGhlLWF1dGhvcml0eS1hbmQtaW52aXRhdGlvbi1pZGVudGlmaWVyLTAxMjM0NTY3ODlhYmNkZWYwMTIz';

/** A registrar's view. */
export function guarded(more: Partial<View> = {}): View {
  return view({ you: { ...guard, device: device(8) }, people: [], registrar: { roles: ROLES }, ...more });
}

export function invitation(more: Partial<InvitationView> = {}): InvitationView {
  return {
    invitation: 'a1'.repeat(16),
    card: minister,
    made_ms: NOW - 2 * HOUR,
    expires_ms: NOW + 166 * HOUR,
    made_here: true,
    link: FRAGMENT,
    request: null,
    refused_requests: 0,
    approvals_needed: 1,
    first_approval: null,
    recovery: null,
    line: null,
    offered_for: null,
    ...more,
  };
}

/** A recovery that another officer opened. */
export function recovery(more: Partial<RecoveryView> = {}): RecoveryView {
  return {
    recovery: 'b1'.repeat(16),
    card: president,
    reason: 'stolen',
    by: { ...guard, person: '7'.padStart(32, '0'), name: 'Deputy security officer' },
    own: false,
    can_confirm: true,
    opened_ms: NOW - HOUR,
    expires_ms: NOW + 23 * HOUR,
    devices: [device(1), device(11)],
    confirmed_by: null,
    problem: null,
    ...more,
  };
}

/** A code of that invitation. */
export function shown_code(more: Partial<CodeView> = {}): CodeView {
  return {
    invitation: 'a1'.repeat(16),
    code: '0042-271-828',
    expires_ms: NOW + 8 * 60_000,
    wrong: 0,
    over: null,
    tried: 0,
    late: false,
    ...more,
  };
}

/** An invitation with which a device asks. */
export function asks(more: Partial<InvitationView> = {}): InvitationView {
  return invitation({
    invitation: 'a2'.repeat(16),
    card: norland,
    expires_ms: NOW + 23 * HOUR,
    link: null,
    request: { label: 'Chrome (Android)', code: ASK_CODE, problem: null },
    ...more,
  });
}

export function listed(card: Card, n: number, more: Partial<ListedDevice> = {}): ListedDevice {
  return { device: device(n), card, registrar: false, enrolled_ms: NOW - n * 97 * HOUR, connected: false, ...more };
}

export const DEVICES: ListedDevice[] = [
  listed(officer, 6, {
    connected: true,
    label: 'Chrome (Linux)',
    approved_by: device(8),
    program: '0.1.0',
    account: {
      person: officer.person,
      issuer: 'https://login.office.example',
      subject: '7c9e6679-7425-40de-944b',
      linked_ms: NOW - 500 * HOUR,
    },
    account_used_ms: NOW - 4 * HOUR,
  }),
  listed(archivist, 9, { label: 'Firefox (Windows)', approved_by: device(8) }),
  listed(guard, 8, { connected: true, registrar: true }),
  listed(governor, 5, { label: 'Chrome (Android)', approved_by: device(8) }),
  listed(president, 1, { connected: true, label: 'Chrome (Android)', approved_by: device(8) }),
  listed(president, 11, {
    label: 'Microsoft Edge (Windows)',
    approved_by: device(8),
    last_seen_ms: NOW - 25 * HOUR,
    kind: 'browser',
  }),
  listed(president, 13, { label: 'Chrome (Android)', approved_by: device(99), revoked_ms: NOW - 3 * HOUR }),
];

/** Sign-ins of the president's devices. */
export const SIGN_INS: SignInList = {
  sign_ins: [
    { device: device(1), from_ms: NOW - 2 * HOUR, until_ms: NOW, times: 4, kind: 'browser' },
    { device: device(11), from_ms: NOW - 27 * HOUR, until_ms: NOW - 25 * HOUR, times: 1, kind: 'browser' },
    { device: device(1), from_ms: NOW - 50 * HOUR, until_ms: NOW - 29 * HOUR, times: 12, kind: 'browser' },
  ],
  failed: [{ device: device(11), time_ms: NOW - 28 * HOUR, count: 3 }],
};
