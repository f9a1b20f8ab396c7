// Protecting, unlocking and confirming, in every state.

import type { App } from '../app.svelte';
import type { Protector } from '../engine/key_store';
import { NOW, view } from '../fake/views';
import type { Scene } from './scenes';

const salt = new Uint8Array(32);
const passkey = (n: number): Protector => ({
  kind: 'passkey',
  id: `p${n}`,
  salt,
  rp_id: 'office.example',
  added_ms: NOW - n * 86_400_000,
});
const pin: Protector = { kind: 'pin', id: 'l', salt, added_ms: NOW - 86_400_000 };

const at =
  (status: 'locked' | 'protect' | 'on', protectors: Protector[], then?: (protection: App['protection'], app: App) => void): Scene =>
  (app) => {
    app.state = { status };
    if (status !== 'locked') app.view = view();
    const { protection } = app;
    protection.passkeys = true;
    protection.required = false;
    protection.known('d', { protectors, begun: false });
    then?.(protection, app);
  };
const settings =
  (protectors: Protector[]): Scene =>
    at('on', protectors, (_, app) => (app.settings_open = true));

/** The device has proven its key, and its person has not signed in at the provider. */
const waiting = view({ phase: 'offline', token: null, sso_token: 'token' });

export const protection_scenes: Record<string, Scene> = {
  'protect': at('protect', []),
  'protect-required': at('protect', [], (protection) => (protection.required = true)),
  'protect-busy': at('protect', [], (protection) => (protection.busy = true)),
  'protect-no-prf': at('protect', [], (protection) => (protection.problem = { code: 'no_prf_new' })),
  'protect-pin': at('protect', [], (protection) => (protection.with_pin = true)),
  'protect-no-passkeys': at('protect', [], (protection) => (protection.passkeys = false)),
  'protect-offline': at('protect', [], (_, app) => (app.view = view({ phase: 'offline', token: null }))),
  'unlock': at('locked', [passkey(1)]),
  'unlock-either': at('locked', [passkey(1), pin]),
  'unlock-pin': at('locked', [pin]),
  'unlock-busy': at('locked', [passkey(1)], (protection) => (protection.busy = true)),
  'unlock-cancelled': at('locked', [passkey(1)], (protection) => (protection.problem = { code: 'not_confirmed' })),
  'unlock-pin-wrong': at('locked', [pin], (protection) => (protection.problem = { code: 'pin_wrong', count: 1 })),
  'unlock-pin-erased': at('locked', [passkey(1), pin], (protection) => {
    protection.with_pin = true;
    protection.problem = { code: 'pin_erased' };
  }),
  'unlock-link': at('locked', [passkey(1)], (_, app) => (app.unused_link = true)),
  'unlock-refused': at('locked', [passkey(1)], (protection) => (protection.problem = { code: 'passkey_unknown' })),
  'unlock-begun': at('locked', [], (protection) => (protection.begun = true)),
  'unlock-erase': at('locked', [passkey(1)], (_, app) => app.ask_erase()),
  'unlock-erase-link': at('locked', [passkey(1)], (_, app) => {
    app.unused_link = true;
    app.erasing = { busy: false, problem: { code: 'not_erased' } };
  }),
  'office-sign-in': at('on', [passkey(1)], (_, app) => app.sso.update(waiting)),
  'office-sign-in-busy': at('on', [passkey(1)], (_, app) => {
    app.sso.update(waiting);
    app.sso.busy = true;
  }),
  'office-sign-in-offline': at('on', [passkey(1)], (_, app) => {
    app.sso.update(waiting);
    app.sso.update(view({ phase: 'offline', token: null }));
  }),
  'office-sign-in-refused': at('on', [passkey(1)], (_, app) => {
    app.sso.update(waiting);
    app.sso.problem = { code: 'sso_refused' };
  }),
  'office-sign-in-away': at('on', [passkey(1)], (_, app) => {
    app.sso.update(waiting);
    app.sso.problem = {
      told: 'your office\'s sign-in service does not answer: try again, and tell your office if it goes on',
    };
  }),
  'people-sign-in-ends': (app) => {
    app.state = { status: 'on' };
    app.view = view({ account_ends_ms: NOW + 600_000 });
  },
  'outdated': (app) => (app.state = { status: 'failed', problem: { code: 'outdated' } }),
  'protected-elsewhere': (app) => (app.state = { status: 'failed', problem: { code: 'protected_elsewhere' } }),
  'confirm': at('on', [passkey(1), pin], (protection) => (protection.dialog = { is: 'confirm', why: 'office' })),
  'confirm-own': at('on', [passkey(1)], (protection) => (protection.dialog = { is: 'confirm', why: 'own' })),
  'confirm-busy': at('on', [passkey(1)], (protection) => {
    protection.dialog = { is: 'confirm', why: 'office' };
    protection.answering = true;
  }),
  'confirm-pin-wrong': at('on', [pin], (protection) => {
    protection.dialog = { is: 'confirm', why: 'office' };
    protection.problem = { code: 'pin_wrong', count: 7 };
  }),
  'confirm-failed': at('on', [passkey(1)], (protection) => {
    protection.dialog = { is: 'confirm', why: 'office' };
    protection.problem = { code: 'not_confirmed' };
  }),
  'confirm-new-pin': at('on', [pin], (protection) => (protection.dialog = { is: 'new_pin' })),
  'settings-not-removed': at('on', [passkey(3)], (protection, app) => {
    app.settings_open = true;
    protection.problem = { code: 'not_removed_at_office' };
  }),
  'settings-unprotected': settings([]),
  'settings-protected': settings([passkey(3), passkey(2), pin]),
};
