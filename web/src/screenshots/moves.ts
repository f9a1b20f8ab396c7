// A call on another device, calls that are held, and calls that are handed over.

import type { View } from '../engine/contract';
import { acts_for } from '../fake/delegations';
import { few, minister, officer, president, writer } from '../fake/people';
import { NOW, call, desk, device, live, member, notice, view } from '../fake/views';
import type { Scene } from './scenes';

const PHONE = device(21);

const shows =
  (shown: View): Scene =>
  (app) => {
    app.state = { status: 'on' };
    app.view = shown;
    app.now = NOW;
    app.own_devices.labels = new Map([[PHONE, 'Chrome (Android)']]);
  };
const there = notice({ can_listen: false, can_continue: true, own_devices: [PHONE] });
const asked = notice({
  from: officer,
  acts_for: [acts_for()],
  can_listen: false,
  can_take_over: true,
  asked: true,
  asks_until_ms: NOW + 30_000,
});
const hold = { by: president, own: true, word: 'coming', text: '', since_ms: NOW - 9_000 } as const;
const speaks_for = {
  other: minister,
  from: officer,
  to: minister,
  acts_for: [acts_for()],
  members: [member(officer, 6, { you: true, speaks: true }), member(minister, 2), member(writer, 3)],
};

export const move_scenes: Record<string, Scene> = {
  'move-elsewhere': shows(view({ notices: [there] })),
  'move-elsewhere-desk': shows(desk({ notices: [{ ...there, from: officer, can_listen: true }] })),
  'move-refused': (app) => {
    shows(view({ notices: [there] }))(app);
    app.move_refused = 'denied';
  },
  'move-arriving': shows(
    view({
      notices: [{ ...there, can_continue: false }],
      call: live({
        arriving: true,
        members: [member(president, 1, { you: true }), member(president, 21), member(minister, 2), member(writer, 3)],
      }),
    }),
  ),
  'move-two-devices': shows(
    view({
      you: { ...minister, device: device(2) },
      call: live({
        direction: 'in',
        other: president,
        members: [
          member(minister, 2, { you: true }),
          member(president, 1, { muted: true }),
          member(president, 21),
          member(writer, 3),
        ],
      }),
    }),
  ),
  'move-continued': shows(
    view({
      notices: [there],
      call: call({ state: 'ended', ended: 'continued', continued_on: PHONE, started_ms: NOW - 60_000, members: [] }),
    }),
  ),
  'hold-own': shows(view({ call: live({ holds: [hold] }) })),
  'hold-waiting': shows(
    view({
      you: { ...minister, device: device(2) },
      call: live({
        direction: 'in',
        other: president,
        members: [member(minister, 2, { you: true }), member(president, 1), member(writer, 3)],
        holds: [{ ...hold, own: false, word: 'looking_up', text: 'Back in two minutes with the figures.' }],
      }),
    }),
  ),
  'hand-over': shows(desk({ people: few, call: live(speaks_for), notices: [notice({ from: officer, acts_for: [acts_for()] })] })),
  'hand-over-asked': shows(
    desk({
      people: few,
      call: live({ ...speaks_for, holds: [{ ...hold, by: officer }] }),
      notices: [notice({ from: officer, acts_for: [acts_for()], asked: true })],
    }),
  ),
  'hand-over-rings': shows(view({ notices: [asked] })),
  'hand-over-back': (app) => {
    shows(
      desk({
        call: live({
          ...speaks_for,
          direction: 'listen',
          acts_for: [acts_for({ taken_over: true })],
          members: [member(president, 1), member(minister, 2), member(officer, 6, { you: true })],
        }),
        notices: [notice({ from: officer, acts_for: [acts_for()] })],
      }),
    )(app);
    app.records = { status: 'ready', value: [] };
  },
};
