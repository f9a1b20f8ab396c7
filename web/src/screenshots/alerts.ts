// The security officer's alerts, and devices that were added in somebody's name, in every state.

import type { App } from '../app.svelte';
import type { OfficeAlert, View } from '../engine/contract';
import { ALERTS, added, alerted } from '../fake/alerts';
import { DEVICES, listed } from '../fake/devices';
import { few, norland, president } from '../fake/people';
import { call, desk, device, view } from '../fake/views';
import type { Scene } from './scenes';

type List = App['office_alerts']['list'];

const alerts =
  (list: List, shown: View = alerted(list.status === 'ready' ? list.value : [])): Scene =>
  (app) => {
    app.state = { status: 'on' };
    app.view = shown;
    app.route = { at: 'alerts' };
    app.office_alerts.list = list;
    app.registrar.list = { status: 'ready', value: DEVICES };
  };
const ready = (value: OfficeAlert[]): List => ({ status: 'ready', value });
const on =
  (shown: View): Scene =>
  (app) => {
    app.state = { status: 'on' };
    app.view = shown;
    app.records = { status: 'ready', value: [] };
  };
const long = {
  ...norland,
  name: 'The Chair of the Southern African Union of River States and Protectorates',
  organisation: 'Secretariat of the Southern African Union of River States',
};

/** The settings of an officer, with notifications while the page is closed in this state. */
const push =
  (state: App['push']['state'], problem: App['push']['problem'] = null): Scene =>
  (app) => {
    on(alerted())(app);
    app.registrar.list = { status: 'ready', value: DEVICES };
    app.push.state = state;
    app.push.problem = problem;
    app.settings_open = true;
  };

/** The settings of somebody who is rung. */
const rings =
  (state: App['push']['state'], shown: View = view()): Scene =>
  (app) => {
    on(shown)(app);
    app.push.state = state;
    app.settings_open = true;
  };

export const alert_scenes: Record<string, Scene> = {
  'settings-rings-off': rings('off'),
  'settings-rings-on': rings('on'),
  'settings-rings-unsupported': rings('unsupported'),
  'people-rings-offered': (app) => {
    on(view())(app);
    app.push.state = 'off';
  },
  'desk-rings-offered': (app) => {
    on(desk())(app);
    app.push.state = 'off';
  },
  'people-notified': on(view({ people: few.map((one, i) => ({ ...one, reachable: i === 0, notified: i === 1 })) })),
  'ring-out-notified': on(view({ call: call({ notified: true }) })),
  'settings-push-off': push('off'),
  'settings-push-on': push('on'),
  'settings-push-blocked': push('blocked'),
  'settings-push-unsupported': push('unsupported'),
  'settings-push-none': push('no_push'),
  'settings-push-failed': push('off', { code: 'office_unreachable' }),
  alerts: alerts(ready(ALERTS)),
  'alerts-more': (app) => {
    alerts(ready(ALERTS.slice(0, 3)))(app);
    app.office_alerts.more = true;
  },
  'alerts-empty': alerts(ready([])),
  'alerts-seen': alerts(ready(ALERTS.filter((one) => one.seen))),
  'alerts-long': (app) => {
    alerts(ready([{ ...ALERTS[0]!, device: device(21) }]))(app);
    app.registrar.list = {
      status: 'ready',
      value: [listed(long, 21, { label: 'SomeVeryLongBrowserNameWithoutAnySpaceInIt on SomeSystem' })],
    };
  },
  'alerts-loading': alerts({ status: 'loading' }),
  'alerts-failed': alerts({ status: 'failed', problem: { code: 'office_unreachable' } }),
  'alerts-stale': alerts({ ...ready(ALERTS.slice(0, 2)), stale: { code: 'office_unreachable' } } as List),
  'alerts-offline': alerts(ready(ALERTS.slice(0, 2)), alerted(ALERTS, { phase: 'offline', token: null })),
  'officer-alerts-unseen': (app) => {
    on(alerted())(app);
    app.registrar.list = { status: 'ready', value: DEVICES };
  },

  'people-device-added': on(view({ added_devices: [added()] })),
  'people-devices-added': on(
    view({
      added_devices: [
        { device: device(31), enrolled_ms: added().enrolled_ms },
        added({ label: 'SomeVeryLongBrowserNameWithoutAnySpaceInIt on SomeSystem', approved_by: long.name }),
      ],
    }),
  ),
  'people-device-added-offline': on(view({ added_devices: [added()], phase: 'offline', token: null })),
  'desk-device-added': on(desk({ added_devices: [added({ approved_by: president.name })] })),
};
