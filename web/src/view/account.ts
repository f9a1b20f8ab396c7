// View model of the person's sign-in at the office's provider, while it lasts.

import type { View } from '../engine/contract';
import { t } from '../text';
import { time } from './clock';

/** How long before its end a person is reminded to renew it, milliseconds: a call that begins then is seldom longer. */
export const RENEW_BEFORE_MS = 30 * 60_000;

/**
 * That the sign-in ends soon, and when. Not during a call and while it rings: whoever renews it leaves the page for a moment, and a call
 * is not interrupted by its end.
 */
export function renewal(view: View | null, now: number, zone: string): string | null {
  if (view === null || view.account_ends_ms === null || view.token === null) return null;
  const in_call = (view.call !== null && view.call.state !== 'ended') || view.rings.length > 0;
  if (in_call || view.account_ends_ms - now > RENEW_BEFORE_MS) return null;
  return t().sso.ends(time(view.account_ends_ms, zone) ?? '');
}
