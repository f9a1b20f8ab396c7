// Which screen is shown. A ring covers everything, a call covers the lists.

import type { Alert, DocumentKind, InvitationView, RevocationView, View } from '../engine/contract';
import type { Asking } from '../engine/asking';
import type { Problem } from '../engine/problem';
import {
  acts_for_others,
  gives_lines,
  sees_alerts,
  sees_all_devices,
  sees_all_records,
  sees_delegations,
  sees_lines,
  speaks,
  watches,
} from '../engine/roles';
import { t } from '../text';
import { format_number } from '../text/format';
import { unseen_alerts } from './alerts';
import { awaits_answer, taken_line } from './lines';
import { is_document_kind, is_papers_tab, papers_tabs, type PapersTab } from './papers';
import type { ShownView } from './resume';
import { may_still_ring } from './ring';

export type Route =
  | { at: 'home' }
  | { at: 'calls' }
  | { at: 'record'; call: string }
  | { at: 'devices' }
  | { at: 'my_devices' }
  | { at: 'alerts' }
  | { at: 'acting' }
  | { at: 'lines' }
  /** When a principal is reached; of oneself, or the first for whom one may answer, without a person. */
  | { at: 'reach'; person?: string }
  /** A principal gives a line; `offer` shows its link. */
  | { at: 'give' }
  | { at: 'offer'; invitation: string }
  /** What is written about calls; the first tab that this person has, without one. */
  | { at: 'papers'; tab?: PapersTab }
  /** One document. */
  | { at: 'paper'; kind: DocumentKind; document: string };

/** Home screens: each role has one. */
export type Home = 'people' | 'desk' | 'calls' | 'devices';

/** Screens that a route leads to. */
export type Place =
  Home | 'record' | 'my_devices' | 'alerts' | 'acting' | 'lines' | 'reach' | 'give' | 'offer' | 'papers' | 'paper';

/** What decides the screen before the engine's view does: while it is `on` or `protect`, the view decides. */
export type AppState =
  | { status: 'starting' }
  | { status: 'unsupported' }
  | { status: 'insecure' }
  | { status: 'other_tab' }
  | { status: 'unenrolled' }
  | { status: 'enrol'; name: string | null; office: string | null; problem: Problem | null; busy: boolean }
  | { status: 'asking'; asking: Asking }
  /** The keys have to be opened with a passkey or PIN. */
  | { status: 'locked' }
  /** Enrolled and running; the page offers to protect the device first. */
  | { status: 'protect' }
  | { status: 'on' }
  /** A locked device was revoked. */
  | { status: 'revoked'; revocation: RevocationView }
  | { status: 'failed'; problem: Problem };

export type ScreenName =
  | 'starting'
  | 'unsupported'
  | 'insecure'
  | 'other_tab'
  | 'unenrolled'
  | 'enrol'
  | 'asking'
  | 'locked'
  | 'protect'
  | 'office_sign_in'
  | 'shift'
  | 'failed'
  | 'revoked'
  | Place
  | 'line_taken'
  | 'ring_in'
  | 'ring_out'
  | 'call'
  | 'ended';

/** What covers the screen of a device that runs, or does not. */
interface Covering {
  /** The person has to sign in with their account at the office's provider. */
  sso_required?: boolean;
  /** Nobody is on shift, as far as is known. */
  shift_required?: boolean;
  /** Invitations whose question the person put off. */
  later?: ReadonlySet<string>;
}

/**
 * `dismissed` is the ended call that the person dismissed; `sso_required`: the office waits for a sign-in with the office account;
 * `shift_required`: nobody is on shift at this place's device; `later`: invitations whose question the person put off.
 */
export function screen_name(
  state: AppState,
  view: ShownView | null,
  route: Route,
  dismissed: string | null,
  { sso_required = false, shift_required = false, later = new Set() }: Covering = {},
): ScreenName {
  // The offer to protect the device covers no call, and no revocation.
  const call_now = view?.call && view.call.state !== 'ended';
  // Nothing of the office reaches this device before that, so that there is nothing else to do.
  const runs = state.status === 'on' || state.status === 'protect';
  if (sso_required && runs && !call_now && view?.phase !== 'revoked') return 'office_sign_in';
  const covers = state.status === 'protect' && !call_now && view?.phase !== 'revoked';
  if (covers || (state.status !== 'on' && state.status !== 'protect')) return state.status;
  if (shift_required && view?.phase !== 'revoked') return 'shift';
  if (!view) return 'starting';
  if (view.phase === 'revoked') return 'revoked';
  // Who took a line is asked at once, and covers what was open, but no call.
  const here = taken_line(view, later) ? 'line_taken' : place_of(view, route);
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

/** This person's home screen. */
export function home_of(view: View): Home {
  const role = view.you?.role;
  if (role === undefined || speaks(role)) return 'people';
  if (watches(role)) return 'desk';
  return sees_all_devices(role) ? 'devices' : 'calls';
}

/** Whether this person has a list of calls: their own, or all. */
export function lists_calls(view: View): boolean {
  const role = view.you?.role;
  return role === undefined || speaks(role) || sees_all_records(role);
}

/** Whether this person has a list of delegations. A place acts for nobody. */
export const has_delegations = (view: View): boolean =>
  view.you !== null && !view.you.place && sees_delegations(view.you.role);

/** Where a route leads this person: nobody gets to a screen that would be empty for their role. */
export function place_of(view: View, route: Route): Place {
  const home = home_of(view);
  switch (route.at) {
    case 'home':
      return home;
    case 'devices':
      return home === 'devices' ? 'devices' : 'my_devices';
    case 'my_devices':
      return 'my_devices';
    case 'alerts':
      return view.you && sees_alerts(view.you.role) ? 'alerts' : home;
    case 'acting':
      return has_delegations(view) ? 'acting' : home;
    case 'lines':
      return view.you && sees_lines(view.you.role) ? 'lines' : home;
    case 'reach':
      return view.reach.length > 0 ? 'reach' : home;
    case 'papers':
    case 'paper':
      return view.you && papers_tabs(view.you.role).length > 0 ? route.at : home;
    case 'give':
    case 'offer':
      return view.you && (gives_lines(view.you.role) || acts_for_others(view.you.role)) ? route.at : home;
    default:
      return lists_calls(view) ? route.at : home;
  }
}

/** Devices that wait for this person's answer. The giver of a line confirms its holder. */
export function waiting_devices(view: View | null): number {
  const waits = (one: InvitationView) => (one.line === null ? one.request !== null : awaits_answer(view, one));
  return view?.invitations.filter(waits).length ?? 0;
}

/** Which alert it is. Forks share their sentence, and each has evidence of its own to save. */
export const alert_key = (alert: Alert): string => alert.fork?.other ?? alert.text;

/** Each alert once, red before amber, without dismissed amber ones. */
export function alerts_to_show(view: View | null, dismissed_alerts: ReadonlySet<string>): Alert[] {
  const once = new Map((view?.alerts ?? []).map((alert) => [alert_key(alert), alert]));
  const shown = [...once.values()].filter((alert) => alert.level === 'red' || !dismissed_alerts.has(alert.text));
  return [...shown.filter((alert) => alert.level === 'red'), ...shown.filter((alert) => alert.level === 'amber')];
}

/** The route of a URL fragment. */
export function route_of(fragment: string): Route {
  const record = /^record=([0-9a-f]{32})$/.exec(fragment)?.[1];
  if (record) return { at: 'record', call: record };
  const offer = /^offer=([0-9a-f]{32})$/.exec(fragment)?.[1];
  if (offer) return { at: 'offer', invitation: offer };
  const reach = /^reach=([0-9a-f]{32})$/.exec(fragment)?.[1];
  if (reach) return { at: 'reach', person: reach };
  const paper = /^paper=([a-z]+)\.([0-9a-f]{32})$/.exec(fragment);
  if (paper && is_document_kind(paper[1])) return { at: 'paper', kind: paper[1], document: paper[2] ?? '' };
  const tab = /^papers=([a-z]+)$/.exec(fragment)?.[1];
  if (is_papers_tab(tab)) return { at: 'papers', tab };
  switch (fragment) {
    case 'calls':
    case 'devices':
    case 'alerts':
    case 'acting':
    case 'lines':
    case 'reach':
    case 'give':
    case 'papers':
      return { at: fragment };
    case 'my-devices':
      return { at: 'my_devices' };
    default:
      return { at: 'home' };
  }
}

export function fragment_of(route: Route): string {
  switch (route.at) {
    case 'home':
      return '';
    case 'record':
      return `record=${route.call}`;
    case 'offer':
      return `offer=${route.invitation}`;
    case 'reach':
      return route.person === undefined ? 'reach' : `reach=${route.person}`;
    case 'papers':
      return route.tab === undefined ? 'papers' : `papers=${route.tab}`;
    case 'paper':
      return `paper=${route.kind}.${route.document}`;
    case 'my_devices':
      return 'my-devices';
    default:
      return route.at;
  }
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
    default: {
      const waiting = waiting_devices(view);
      if (waiting > 0) return tab.devices_wait(waiting, format_number(waiting));
      const unseen = unseen_alerts(view);
      if (unseen > 0) return tab.alerts(unseen, format_number(unseen));
      return view?.office ? tab.of(view.office.name) : t().app;
    }
  }
}
