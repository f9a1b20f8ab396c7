// The start screens of roles that are not shown elsewhere, and what they may do.

import type { App } from '../app.svelte';
import type { Card, View } from '../engine/contract';
import { ALERTS, alerted } from '../fake/alerts';
import { auditor, interpreter, minister, president, scheduler, writer } from '../fake/people';
import { NOW, desk, device, live, member, notice, record_line } from '../fake/views';
import type { Scene } from './scenes';

const at =
  (who: Card, more: Partial<View> = {}, place: 'home' | 'alerts' = 'home'): Scene =>
  (app: App) => {
    app.state = { status: 'on' };
    app.view = desk({ you: { ...who, device: device(6) }, people: [], notices: [], ...more });
    app.route = { at: place };
    app.records = { status: 'ready', value: LINES };
  };

const LINES = [
  record_line({ call: 'd1'.repeat(16), opened_ms: NOW - 7_200_000, answered_ms: NOW - 7_190_000, ended_ms: NOW - 6_600_000 }),
  record_line({ call: 'd2'.repeat(16), from: minister, to: president }),
];
const heard = live({
  direction: 'listen',
  from: president,
  to: minister,
  other: null,
  captions: [],
  members: [member(president, 1), member(minister, 2), member(writer, 3), member(interpreter, 6, { you: true })],
});

export const role_scenes: Record<string, Scene> = {
  scheduler: at(scheduler),
  'scheduler-live': at(scheduler, { notices: [notice({ can_listen: false })] }),
  interpreter: at(interpreter),
  'interpreter-live': at(interpreter, { notices: [notice()] }),
  'interpreter-listening': at(interpreter, { call: heard, notices: [notice({ members: 4 })] }),
  'auditor-calls': at(auditor),
  'auditor-alerts': (app) => {
    at(auditor, { office_alerts: alerted(ALERTS).office_alerts }, 'alerts')(app);
    app.office_alerts.list = { status: 'ready', value: ALERTS };
  },
};
