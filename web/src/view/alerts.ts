// View model of the office's alerts: each says what happened, what it means and what to do.

import type { AlertKind, ListedDevice, OfficeAlert, View } from '../engine/contract';
import { t } from '../text';
import { format_number } from '../text/format';
import { date_time } from './clock';
import { device_title } from './devices';
import type { Level } from './labels';
import { marks_alerts, sees_all_devices } from '../engine/roles';
import type { Loadable } from './loadable';

export interface AlertRow {
  log_index: number;
  level: Level;
  /** How serious it is, in a word. */
  word: string;
  what: string;
  means: string;
  act: string;
  when: string;
  /** Its entry in the log. */
  entry: string;
  /** How often it happened, where it was more than once. */
  times: string | null;
  /** The device and its person, as far as the list of devices has them. */
  about: string | null;
  /** The devices page shows what it is about. */
  shows_devices: boolean;
  seen: string | null;
}

export interface AlertsScreen {
  rows: AlertRow[];
  /** How many no officer has seen, of the whole list. */
  unseen: string | null;
  /** Those of `rows` that no officer has seen. */
  not_seen: number[];
  /** Whether this person marks alerts as seen. */
  marks: boolean;
}

const LEVELS: Record<AlertKind, Level> = {
  device_asked: 'amber',
  device_enrolled: 'quiet',
  device_refused: 'quiet',
  device_revoked: 'quiet',
  recovery_opened: 'red',
  recovery_confirmed: 'red',
  recovery_closed: 'amber',
  link_opened_again: 'red',
  registrar_appointed: 'amber',
  sign_in_failed: 'amber',
  account_linked: 'amber',
  ring_refused: 'red',
  proof_invalid: 'red',
  log_forked: 'red',
  ring_invalid: 'red',
  code_guessed: 'amber',
  line_suspect: 'red',
};

/** Hexadecimal digits of an identifier that are shown: enough to find it in the log. */
const SHORT_ID_DIGITS = 8;

/** How many alerts no security officer has seen. */
export const unseen_alerts = (view: View | null): number => view?.office_alerts?.unseen ?? 0;

export function alerts_screen(
  view: View,
  alerts: OfficeAlert[],
  devices: Loadable<ListedDevice[]>,
  local_zone: string,
): AlertsScreen {
  const known = known_devices(devices, view.you !== null && sees_all_devices(view.you.role));
  const marks = view.you !== null && marks_alerts(view.you.role);
  const unseen = unseen_alerts(view);
  return {
    rows: alerts.map((alert) => alert_row(alert, known, marks, local_zone)),
    unseen: unseen > 0 ? t().alerts.unseen(unseen, format_number(unseen)) : null,
    marks,
    not_seen: alerts.filter((alert) => !alert.seen).map((alert) => alert.log_index),
  };
}

interface KnownDevices {
  by_id: ReadonlyMap<string, ListedDevice>;
  /** This person sees the devices of the whole office. */
  all: boolean;
  /** The list is there and current: a device that it does not have is in no list. */
  complete: boolean;
}

/** `all`: the list is that of the whole office, as far as this person sees it. */
function known_devices(list: Loadable<ListedDevice[]>, all: boolean): KnownDevices {
  const devices = all && list.status === 'ready' ? list.value : [];
  return {
    by_id: new Map(devices.map((device) => [device.device, device])),
    all,
    complete: all && list.status === 'ready' && list.stale === undefined,
  };
}

/** `acts`: this person can do something about it. */
function alert_row(alert: OfficeAlert, known: KnownDevices, acts: boolean, local_zone: string): AlertRow {
  const texts = t().alerts;
  const { what, means, act } = texts.kinds[alert.kind];
  const level = LEVELS[alert.kind];
  const at = (ms: number) => date_time(ms, local_zone) ?? '';
  const officer = alert.seen && known.by_id.get(alert.seen.by)?.card.name;
  return {
    log_index: alert.log_index,
    level,
    word: { red: texts.levels.red, amber: texts.levels.amber, quiet: texts.levels.quiet, seal: texts.levels.quiet }[
      level
    ],
    what,
    means,
    act: acts ? act : texts.ask(format_number(alert.log_index)),
    when: at(alert.time_ms),
    entry: texts.entry(format_number(alert.log_index)),
    times: alert.count > 1 ? texts.times(format_number(alert.count)) : null,
    about: about(alert, known, local_zone),
    shows_devices: alert.device !== undefined && known.by_id.has(alert.device),
    seen: alert.seen ? texts.seen(officer ?? texts.an_officer, at(alert.seen.at_ms)) : null,
  };
}

function about(alert: OfficeAlert, known: KnownDevices, local_zone: string): string | null {
  const texts = t().alerts;
  if (alert.device === undefined) return alert.kind === 'sign_in_failed' ? texts.not_enrolled : null;
  const device = known.by_id.get(alert.device);
  if (device) {
    const title = device_title({ ...device, role: device.card.role }, local_zone);
    return texts.device_of(title, device.card.name);
  }
  if (!known.all) return texts.device_id(alert.device.slice(0, SHORT_ID_DIGITS));
  const in_no_list = alert.kind === 'device_asked' || alert.kind === 'device_refused';
  return in_no_list || !known.complete ? null : texts.unknown_device;
}

/** A device that was added in this person's name: what it says it is, and who approved it, as the office states it. */
export interface AddedDeviceNotice {
  device: string;
  text: string;
}

export function added_device_notices(view: View | null, local_zone: string): AddedDeviceNotice[] {
  const texts = t().alerts.added;
  return (view?.added_devices ?? []).map(({ device, label, approved_by, enrolled_ms }) => {
    const when = date_time(enrolled_ms, local_zone) ?? '';
    // Whether an officer approved it is stated by `approved_by` alone: a device need not say what it is.
    const text =
      approved_by === undefined ? texts.by_link(when) : texts.approved(label || t().devices.unnamed, approved_by, when);
    return { device, text };
  });
}
