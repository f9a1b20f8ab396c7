// Acting for somebody, in every state.

import type { App } from '../app.svelte';
import type { View } from '../engine/contract';
import { GIVEN, acts_for, delegation } from '../fake/delegations';
import { guarded } from '../fake/devices';
import { few, minister, officer, president } from '../fake/people';
import { NOW, call, desk, device, incoming, live, member, notice, view } from '../fake/views';
import type { Scene } from './scenes';

type List = App['delegations']['list'];
const ready = (value = GIVEN): List => ({ status: 'ready', value });

const acting =
  (shown: View, list: List = ready(), then?: Scene): Scene =>
  (app) => {
    app.state = { status: 'on' };
    app.view = shown;
    app.route = { at: 'acting' };
    app.delegations.list = list;
    then?.(app);
  };
const shows =
  (shown: View): Scene =>
  (app) => {
    app.state = { status: 'on' };
    app.view = shown;
  };
/** The minister is called by the desk of the president. */
const rung = { other: officer, from: officer, to: minister, acts_for: [acts_for()] };
const own = { you: { ...minister, device: device(2) } };
const rings_out = call({ other: minister, from: officer, to: minister, acts_for: [acts_for()] });
const for_you = notice({ from: officer, to: minister, acts_for: [acts_for()], can_listen: false, can_take_over: true });
const three = [
  member(minister, 2, { you: true }),
  member(officer, 6, { speaks: true }),
];

export const acting_scenes: Record<string, Scene> = {
  'acting': acting(view()),
  'acting-none': acting(view(), ready({ delegations: [], candidates: [officer] })),
  'acting-nobody': acting(view(), ready({ delegations: [] })),
  'acting-ending': acting(view(), ready(), (app) => (app.delegations.ending = delegation().delegation)),
  'acting-not-given': acting(view(), ready(), (app) => (app.delegations.not_given = { code: 'not_confirmed' })),
  'acting-desk': acting(desk({ people: few })),
  'acting-desk-none': acting(desk(), ready({ delegations: [] })),
  'acting-officer': acting(guarded()),
  'acting-loading': acting(view(), { status: 'loading' }),
  'acting-failed': acting(view(), { status: 'failed', problem: { code: 'office_unreachable' } }),
  'acting-offline': acting(view({ phase: 'offline', token: null })),
  'acting-stale': acting(view(), { status: 'ready', value: GIVEN, stale: { code: 'office_unreachable' } }),
  'acting-rung': shows(view({ ...own, call: incoming(rung) })),
  'acting-rings': shows(desk({ call: rings_out })),
  'acting-call': shows(view({ ...own, call: live({ direction: 'in', ...rung, members: three }) })),
  'acting-taken-over': shows(
    view({
      call: live({
        other: minister,
        from: officer,
        to: minister,
        acts_for: [acts_for({ taken_over: true })],
        members: [member(president, 1, { you: true }), member(minister, 2), member(officer, 6)],
      }),
    }),
  ),
  'acting-take': shows(view({ notices: [for_you] })),
  'acting-desk-live': (app) => {
    shows(desk({ notices: [{ ...for_you, can_listen: true, can_take_over: false }] }))(app);
    app.records = { status: 'ready', value: [] };
    app.now = NOW;
  },
};
