// People's devices, and the security officer's screen, in every state.

import type { App } from '../app.svelte';
import type { View } from '../engine/contract';
import { DEVICES, SIGN_INS, archivist, asks, guard, guarded, invitation, listed, recovery, shown_code } from '../fake/devices';
import { minister, norland, president } from '../fake/people';
import { NOW, device, view } from '../fake/views';
import type { Scene } from './scenes';

type List = App['registrar']['list'];

const officer =
  (shown: View, list: List = { status: 'ready', value: DEVICES }, then?: Scene): Scene =>
  (app) => {
    app.state = { status: 'on' };
    app.view = shown;
    app.registrar.list = list;
    then?.(app);
  };
const own =
  (list: List, shown: View = view(), then?: Scene): Scene =>
  (app) => {
    officer(shown, list, then)(app);
    app.route = { at: 'my_devices' };
  };
const two = [asks(), invitation(), invitation({ invitation: 'a3'.repeat(16), made_here: false, link: null })];
const two_officers = [
  ...DEVICES,
  listed({ ...guard, person: '7'.padStart(32, '0'), name: 'Deputy security officer' }, 7, { registrar: true }),
];
const long = {
  ...norland,
  name: 'The Chair of the Southern African Union of River States and Protectorates',
  organisation: 'Secretariat of the Southern African Union of River States',
};

/** Rules for devices, of an office that has some. */
const RULES = {
  required: false,
  devices: {
    version: 1,
    everybody: { protection: true, idle_lock_minutes: 30, devices_per_person: 3 },
    roles: { note_taker: { kinds: ['native' as const], protection: false } },
  },
};

export const device_scenes: Record<string, Scene> = {
  'officer-empty': officer(guarded()),
  'officer-rules': officer(guarded(), undefined, (app) => (app.protection.policy = RULES)),
  'officer-waiting': officer(guarded({ invitations: two })),
  'officer-waiting-two': officer(
    guarded({
      invitations: [
        asks({ approvals_needed: 2, first_approval: { by: guard, own: true, at_ms: NOW } }),
        asks({
          invitation: 'a4'.repeat(16),
          approvals_needed: 2,
          made_here: false,
          first_approval: { by: { ...guard, name: 'Deputy security officer' }, own: false, at_ms: NOW },
        }),
      ],
    }),
  ),
  'officer-waiting-again': officer(guarded({ invitations: [asks({ refused_requests: 2 }), invitation()] })),
  'officer-problem': officer(
    guarded({
      invitations: [
        asks({
          request: {
            label: '',
            code: null,
            problem:
              "a device's request was made without the link that it names: do not trust it, and tell the security officer",
          },
        }),
        asks({
          invitation: 'a4'.repeat(16),
          card: minister,
          made_here: false,
          request: { label: '', code: null, problem: 'it was made on another device, which has to answer it' },
        }),
      ],
    }),
  ),
  'officer-answered': officer(guarded({ invitations: two }), undefined, (app) => {
    app.registrar.answered = new Set([asks().invitation]);
  }),
  'officer-approve': officer(guarded({ invitations: two }), undefined, (app) => {
    app.registrar.dialog = { is: 'approve', invitation: asks().invitation, code: asks().request!.code! };
  }),
  'officer-refuse': officer(guarded({ invitations: two }), undefined, (app) => {
    app.registrar.dialog = { is: 'close', invitation: asks().invitation };
  }),
  'officer-withdraw': officer(guarded({ invitations: two }), undefined, (app) => {
    app.registrar.dialog = { is: 'close', invitation: invitation().invitation };
  }),
  'officer-revoke': officer(guarded(), undefined, (app) => {
    app.registrar.dialog = { is: 'revoke', device: device(11), name: president.name, title: 'Microsoft Edge (Windows)', details: ['Enrolled 20 Nov 2026, 09:42'] };
  }),
  'officer-erase': officer(guarded(), undefined, (app) => {
    app.registrar.dialog = { is: 'revoke', device: device(13), name: president.name, title: 'Chrome (Android)', details: ['Revoked 22 Nov 2026, 06:42'], revoked: true };
  }),
  'officer-erased': officer(guarded(), {
    status: 'ready',
    value: DEVICES.map((one) =>
      one.device === device(13)
        ? { ...one, erase_ordered_ms: NOW - 3_600_000, erased_ms: NOW - 60_000 }
        : one.device === device(11)
          ? { ...one, revoked_ms: NOW - 7_200_000, erase_ordered_ms: NOW - 3_600_000 }
          : one,
    ),
  }),
  'officer-recover': officer(guarded(), { status: 'ready', value: two_officers }, (app) => {
    app.registrar.dialog = { is: 'recover', person: president };
  }),
  'officer-recover-alone': officer(guarded(), undefined, (app) => {
    app.registrar.dialog = { is: 'recover', person: president };
  }),
  'officer-recovery': officer(guarded({ recoveries: [recovery()] })),
  'officer-recovery-own': officer(guarded({ recoveries: [recovery({ by: guard, own: true, can_confirm: false })] })),
  'officer-recovery-confirm': officer(guarded({ recoveries: [recovery()] }), undefined, (app) => {
    app.registrar.dialog = { is: 'confirm_recovery', recovery: recovery().recovery };
  }),
  'officer-recovery-confirmed': officer(
    guarded({
      recoveries: [recovery({ by: guard, own: true, can_confirm: false, devices: [], confirmed_by: { ...guard, name: 'Deputy security officer' } })],
      invitations: [asks({ approvals_needed: 2, recovery: recovery().recovery, made_here: false })],
    }),
  ),
  'officer-recovery-problem': officer(
    guarded({
      recoveries: [recovery({ by: null, reason: null, can_confirm: false, problem: 'its statement is about another person' })],
    }),
  ),
  'officer-recovery-end': officer(guarded({ recoveries: [recovery()] }), undefined, (app) => {
    app.registrar.dialog = { is: 'close_recovery', recovery: recovery().recovery };
  }),
  'officer-unlink': officer(guarded(), undefined, (app) => {
    app.registrar.dialog = { is: 'unlink', person: 'p', name: president.name, account: '7c9e6679-7425-40de-944b' };
  }),
  'officer-unlink-failed': officer(guarded(), undefined, (app) => {
    app.registrar.dialog = { is: 'unlink', person: 'p', name: president.name, account: '7c9e6679-7425-40de-944b' };
    app.sso.problem = { code: 'office_unreachable' };
  }),
  'officer-invite': officer(guarded(), undefined, (app) => {
    app.registrar.dialog = { is: 'invite', person: null };
  }),
  'officer-invite-refused': officer(guarded(), undefined, (app) => {
    app.registrar.dialog = { is: 'invite', person: null };
    app.registrar.not_invited = { told: 'too many invitations are open: withdraw some first' };
  }),
  'officer-add-device': officer(guarded(), undefined, (app) => {
    app.registrar.dialog = { is: 'invite', person: president };
  }),
  'officer-link': officer(guarded({ invitations: [invitation()] }), undefined, (app) => {
    app.registrar.dialog = { is: 'link', invitation: invitation().invitation };
  }),
  ...Object.fromEntries(
    (
      [
        ['', {}],
        ['-opening', { code: null, expires_ms: null }],
        ['-wrong', { wrong: 2 }],
        ['-guessed', { code: null, wrong: 3, over: 'guessed' }],
        ['-expired', { code: null, over: 'expired' }],
        ['-lost', { code: null, over: 'closed' }],
        ['-used', { code: null, over: 'used' }],
        ['-late', { code: null, over: 'used', late: true }],
      ] as const
    ).map(([name, more]) => [
      `officer-code${name}`,
      officer(guarded({ invitations: [invitation()], code: shown_code(more) }), undefined, (app) => {
        app.registrar.dialog = { is: 'link', invitation: invitation().invitation };
      }),
    ]),
  ),
  'officer-long': officer(guarded({ invitations: [asks({ card: long, refused_requests: 1 }), invitation({ card: long })] }), {
    status: 'ready',
    value: [listed(long, 21, { label: 'SomeVeryLongBrowserNameWithoutAnySpaceInIt (SomeSystem)', connected: true }), ...DEVICES],
  }),
  'officer-unappointed': officer(guarded({ registrar: null, invitations: [invitation({ made_here: false, link: null })] })),
  'officer-loading': officer(guarded({ phase: 'connecting', token: null, caught_up: false }), { status: 'loading' }),
  'officer-failed': officer(guarded(), { status: 'failed', problem: { code: 'office_unreachable' } }),
  'officer-offline': officer(guarded({ phase: 'offline', token: null, invitations: two })),

  'my-devices': own({ status: 'ready', value: DEVICES.filter((one) => one.card.person === president.person) }, view(), (app) => {
    app.sign_ins.list = { status: 'ready', value: SIGN_INS };
  }),
  'my-devices-no-sign-ins': own({ status: 'ready', value: [listed(president, 1, { connected: true })] }, view(), (app) => {
    app.sign_ins.list = { status: 'failed', problem: { code: 'office_unreachable' } };
  }),
  'my-devices-stale': own({
    status: 'ready',
    value: [listed(president, 1, { connected: true })],
    stale: { code: 'office_unreachable' },
  }),
  'my-devices-loading': own({ status: 'loading' }),
  'my-devices-failed': own({ status: 'failed', problem: { code: 'office_unreachable' } }),
  'records-officer': officer(view({ you: { ...archivist, device: device(9) }, people: [] }), undefined, (app) => {
    app.records = { status: 'ready', value: [] };
  }),
};
