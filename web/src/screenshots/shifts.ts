// A place's device: nobody on shift, somebody on shift, and how others see it.

import type { App } from '../app.svelte';
import type { OnShift, View } from '../engine/contract';
import { DEVICES, SIGN_INS, guard, guarded, listed } from '../fake/devices';
import { minister, officer, president, writer } from '../fake/people';
import { NOW, desk, device, live, member, notice, view } from '../fake/views';
import type { Scene } from './scenes';

const room = { ...officer, person: 'e'.padStart(32, '0'), name: 'Operations room', place: true };
const car = { ...room, person: 'f'.padStart(32, '0'), name: 'The car of the Chair of the Southern African Union of River States' };
const shift: OnShift = {
  shift: '5'.repeat(32),
  person: { ...officer, name: 'Ana Ruiz' },
  since_ms: NOW - 6_000_000,
  until_ms: NOW + 37_200_000,
};

const at =
  (shown: View, then?: (shift: App['shift'], app: App) => void): Scene =>
  (app) => {
    app.state = { status: 'on' };
    app.view = shown;
    app.records = { status: 'ready', value: [] };
    app.protection.passkeys = true;
    app.shift.update(shown);
    then?.(app.shift, app);
  };

const you = { ...room, device: device(8) };
const waits = desk({ you, phase: 'offline', token: null, shift_token: 'token' });
const works = desk({ you, shift });
const in_call = live({
  direction: 'listen',
  other: null,
  members: [member(president, 1), member(minister, 2), member(writer, 3), member(room, 8, { you: true, on_shift: shift })],
});

export const shift_scenes: Record<string, Scene> = {
  'shift-start': at(waits),
  'shift-start-long': at({ ...waits, you: { ...car, device: device(8) } }),
  'shift-start-busy': at(waits, (shift) => (shift.busy = true)),
  'shift-start-offline': at(waits, (shift) => shift.update({ ...waits, shift_token: null })),
  'shift-start-nobody': at(waits, (shift) => (shift.problem = { code: 'no_own_passkey' })),
  'shift-start-role': at(
    waits,
    (shift) =>
      (shift.problem = {
        told: 'your role does not allow a shift at this place: someone whose role does has to begin it',
      }),
  ),
  'shift-start-no-passkeys': at(waits, (_, app) => (app.protection.passkeys = false)),
  'shift': at(works),
  'shift-listening': at(desk({ you, shift, call: in_call, notices: [notice({ members: 4 })] })),
  'shift-hand-over': at(works, (shift) => shift.hand_over()),
  'shift-hand-over-failed': at(works, (shift) => {
    shift.hand_over();
    shift.problem = { code: 'no_own_passkey' };
  }),
  'shift-in-call': at(
    view({
      call: live({ members: [member(president, 1, { you: true }), member(minister, 2), member(room, 8, { on_shift: shift })] }),
    }),
  ),
  'shift-officer': at(guarded(), (_, app) => {
    const value = [...DEVICES, listed(room, 8, { on_shift: shift, connected: true }), listed(car, 9)];
    app.registrar.list = { status: 'ready', value };
  }),
  'shift-invite-place': at(guarded({ you: { ...guard, device: device(8) } }), (_, app) => {
    app.registrar.list = { status: 'ready', value: DEVICES };
    app.registrar.dialog = { is: 'invite', person: null };
  }),
  'shift-sign-ins': at(view(), (_, app) => {
    app.registrar.list = { status: 'ready', value: DEVICES };
    app.route = { at: 'my_devices' };
    const worked = { shift: shift.shift, place: room, from_ms: NOW - 90_000_000, until_ms: NOW - 60_000_000 };
    const shifts = [{ shift: '6'.repeat(32), place: room, from_ms: NOW - 6_000_000 }, { ...worked, how: 'handed_over' as const }];
    app.sign_ins.list = { status: 'ready', value: { ...SIGN_INS, shifts } };
  }),
};
