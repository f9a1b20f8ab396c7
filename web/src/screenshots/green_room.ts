// A call that is prepared before its principals join it.

import type { GreenRoomView, RoomSideView, View } from '../engine/contract';
import { acts_for } from '../fake/delegations';
import { minister, officer, president, writer } from '../fake/people';
import { NOW, desk, device, live, member, notice, view } from '../fake/views';
import type { Scene } from './scenes';

const aide = { ...officer, person: 'ad'.repeat(16), name: 'Estmark desk', organisation: 'Office of the Prime Minister' };

const shows =
  (shown: View): Scene =>
  (app) => {
    app.state = { status: 'on' };
    app.view = shown;
    app.now = NOW;
  };

const side = (more: Partial<RoomSideView>): RoomSideView => ({
  principal: president,
  by: officer,
  here: false,
  stated: true,
  terms: { present: [], listening: [], interpreters: [], aides: 'stay' },
  agrees_mode: false,
  heard: false,
  ready: false,
  outdated: false,
  more_until_ms: null,
  ...more,
});
const ours = (more: Partial<RoomSideView> = {}) =>
  side({
    terms: { present: ['The Chief of Staff'], listening: ['The Foreign Minister'], interpreters: ['M. Dubois'], aides: 'stay' },
    ...more,
  });
const theirs = (more: Partial<RoomSideView> = {}) =>
  side({
    principal: minister,
    by: aide,
    terms: { present: ['The Secretary of the Cabinet', 'The Ambassador'], listening: [], interpreters: [], aides: 'leave' },
    ...more,
  });
const agreed = { heard: true, agrees_mode: true } as const;

export const room = (more: Partial<GreenRoomView> = {}): GreenRoomView => ({
  own: 'caller',
  may_state: true,
  caller: ours(),
  callee: theirs(),
  waits: false,
  connected_ms: null,
  late_at_ms: null,
  ignored: 0,
  ...more,
});

const acting = [acts_for(), acts_for({ principal: minister, delegate: aide, act: 'answer' })];
const members = [member(officer, 6, { you: true, speaks: true }), member(aide, 7, { speaks: true }), member(writer, 3)];
const prepared = (green_room: GreenRoomView | null) =>
  live({ other: minister, from: officer, to: minister, acts_for: acting, members, green_room });
const at_desk = (green_room: GreenRoomView | null): Scene =>
  shows(desk({ call: prepared(green_room), notices: [notice({ from: officer, acts_for: acting })] }));
const principal_waits = (green_room: GreenRoomView): Scene =>
  shows(
    view({
      call: live({
        other: minister,
        from: officer,
        to: minister,
        acts_for: [acts_for({ taken_over: true }), acting[1] ?? acts_for()],
        members: [member(president, 1, { you: true }), ...members.map((one) => ({ ...one, you: false }))],
        green_room,
      }),
    }),
  );
const waiting = room({ waits: true, may_state: false, caller: ours({ ...agreed, here: true, ready: true }), late_at_ms: NOW + 60_000 });

export const green_room_scenes: Record<string, Scene> = {
  'green-room-offered': at_desk(null),
  'green-room': at_desk(room()),
  'green-room-checked': at_desk(room({ caller: ours(agreed), callee: theirs({ ...agreed, more_until_ms: NOW + 110_000 }) })),
  'green-room-changed': at_desk(room({ caller: ours({ ...agreed, outdated: true }), callee: theirs({ ...agreed, ready: true }) })),
  'green-room-ready': at_desk(room({ caller: ours({ ...agreed, ready: true }), callee: theirs(agreed) })),
  'green-room-called': at_desk(room({ caller: ours({ ...agreed, ready: true }), callee: theirs({ ...agreed, ready: true }) })),
  'green-room-late': at_desk(
    room({
      caller: ours({ ...agreed, ready: true, here: true }),
      callee: theirs({ ...agreed, ready: true }),
      late_at_ms: NOW - 1,
    }),
  ),
  'green-room-connected': at_desk(
    room({
      may_state: false,
      caller: ours({ ...agreed, ready: true, here: true }),
      callee: theirs({ ...agreed, ready: true, here: true }),
      connected_ms: NOW - 60_000,
    }),
  ),
  'green-room-in-person': shows(
    view({
      you: { ...minister, device: device(2) },
      call: live({
        direction: 'in',
        other: president,
        from: officer,
        to: minister,
        acts_for: [acts_for()],
        members: [member(officer, 6, { speaks: true }), member(minister, 2, { you: true })],
        green_room: room({ own: 'callee', callee: theirs({ by: null, here: true }), caller: ours({ ...agreed, ready: true }) }),
      }),
    }),
  ),
  'green-room-waits': principal_waits(waiting),
  'green-room-waits-late': principal_waits({ ...waiting, late_at_ms: NOW - 1 }),
};
