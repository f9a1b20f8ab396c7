// Alerts of a fictitious office.

import type { AddedDevice, AlertKind, OfficeAlert, View } from '../engine/contract';
import { guarded } from './devices';
import { NOW, device } from './views';

const MINUTE = 60_000;

export function alert(kind: AlertKind, n: number, more: Partial<OfficeAlert> = {}): OfficeAlert {
  return { log_index: 90_500 - n, time_ms: NOW - n * 37 * MINUTE, kind, count: 1, ...more };
}

/** One of each kind, newest first; the two oldest were seen. */
export const ALERTS: OfficeAlert[] = [
  alert('log_forked', 1, { device: device(1) }),
  alert('ring_invalid', 2, { device: device(1), call: 'c1'.repeat(16) }),
  alert('proof_invalid', 3, { device: device(6) }),
  alert('ring_refused', 4, { device: device(5) }),
  alert('sign_in_failed', 5, { device: device(11), count: 1_204 }),
  alert('sign_in_failed', 6, { count: 12 }),
  alert('account_linked', 7, { device: device(11) }),
  alert('link_opened_again', 8, { invitation: 'a1'.repeat(16) }),
  alert('device_asked', 9, { device: device(40), invitation: 'a1'.repeat(16) }),
  alert('device_refused', 10, { device: device(41), invitation: 'a2'.repeat(16) }),
  alert('device_revoked', 11, { device: device(13) }),
  alert('code_guessed', 12, { device: device(8) }),
  alert('recovery_opened', 13, { device: device(8) }),
  alert('recovery_confirmed', 14, { device: device(9) }),
  alert('recovery_closed', 15, { device: device(8) }),
  alert('line_suspect', 16, { device: device(1) }),
  alert('device_enrolled', 17, { device: device(11), seen: { by: device(8), at_ms: NOW - 9 * MINUTE } }),
  alert('registrar_appointed', 18, { device: device(8), seen: { by: device(77), at_ms: NOW - 8 * MINUTE } }),
];

/** A security officer's view with alerts. */
export function alerted(alerts: OfficeAlert[] = ALERTS, more: Partial<View> = {}): View {
  const unseen = alerts.filter((one) => !one.seen).length;
  return guarded({ office_alerts: { unseen, newest: alerts.slice(0, 16), changes: 1 }, ...more });
}

export function added(more: Partial<AddedDevice> = {}): AddedDevice {
  return {
    device: device(30),
    label: 'Chrome (Android)',
    approved_by: 'Security officer',
    enrolled_ms: NOW - 12 * MINUTE,
    ...more,
  };
}
