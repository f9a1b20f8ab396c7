// Which screen is shown. A ring covers everything, a call covers the lists.

import type { Alert, View } from '../engine/contract';
import type { Asking } from '../engine/asking';
import type { Problem } from '../engine/problem';
import { speaks } from '../engine/roles';
import { t } from '../text';
import type { ShownView } from './resume';
import { may_still_ring } from './ring';

export type Route = { at: 'home' } | { at: 'calls' } | { at: 'record'; call: string };

export type Stage =
  | { status: 'starting' }
  | { status: 'unsupported' }
  | { status: 'insecure' }
  | { status: 'other_tab' }
  | { status: 'unenrolled' }
  | { status: 'enrol'; name: string | null; office: string | null; problem: Problem | null; busy: boolean }
  | { status: 'asking'; asking: Asking }
  | { status: 'on' }
  | { status: 'failed'; problem: Problem };

export type ScreenName =
  | 'starting'
  | 'unsupported'
  | 'insecure'
  | 'other_tab'
  | 'unenrolled'
  | 'enrol'
  | 'asking'
  | 'failed'
  | 'revoked'
  | 'people'
  | 'desk'
  | 'calls'
  | 'record'
  | 'ring_in'
  | 'ring_out'
  | 'call'
  | 'ended';

/** `dismissed` is the ended call that the person dismissed. */
export function screen_name(stage: Stage, view: ShownView | null, route: Route, dismissed: string | null): ScreenName {
  if (stage.status !== 'on') return stage.status;
  if (!view) return 'starting';
  if (view.phase === 'revoked') return 'revoked';
  const home = at_desk(view) ? 'desk' : 'people';
  const here = route.at === 'home' ? home : route.at;
  const { call } = view;
  if (!call) return here;
  // Only the desk listens, and shows its call beside the others.
  if (call.direction === 'listen') return here;
  if (call.state === 'ended') return call.call === dismissed ? here : 'ended';
  if (may_still_ring(call)) return 'ring_out';
  if (call.state === 'live' || call.state === 'reconnecting') return 'call';
  // A device that rejoins after a reload has accepted or placed this call, and must be able to end it.
  if (call.state === 'answering' && !call.other) return 'call';
  if (call.direction === 'out') return 'ring_out';
  return call.verified && call.other ? 'ring_in' : here;
}

/** Whether this person's home screen is the desk. */
export function at_desk(view: View): boolean {
  return view.you ? !speaks(view.you.role) : false;
}

/** Each alert once, red before amber, without dismissed amber ones. */
export function alerts_to_show(view: View | null, dismissed_alerts: ReadonlySet<string>): Alert[] {
  const once = new Map((view?.alerts ?? []).map((alert) => [alert.text, alert]));
  const shown = [...once.values()].filter((alert) => alert.level === 'red' || !dismissed_alerts.has(alert.text));
  return [...shown.filter((alert) => alert.level === 'red'), ...shown.filter((alert) => alert.level === 'amber')];
}

/** The route of a URL fragment. */
export function route_of(fragment: string): Route {
  const record = /^record=([0-9a-f]{32})$/.exec(fragment)?.[1];
  if (record) return { at: 'record', call: record };
  return fragment === 'calls' ? { at: 'calls' } : { at: 'home' };
}

export function fragment_of(route: Route): string {
  return route.at === 'record' ? `record=${route.call}` : route.at === 'calls' ? 'calls' : '';
}

/** Title of the browser's tab; a ring must be visible from another tab. */
export function tab_title(name: ScreenName, view: View | null): string {
  const other = view?.call?.other?.name;
  const { tab } = t();
  switch (name) {
    case 'ring_in':
      return tab.rings(other ?? '');
    case 'ring_out':
    case 'call':
      return other ? tab.of(other) : tab.in_call;
    default:
      return view?.office ? tab.of(view.office.name) : t().app;
  }
}
