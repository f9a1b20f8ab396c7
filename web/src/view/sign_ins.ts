// View model of a person's sign-ins.

import type { ListedDevice, SignInList } from '../engine/contract';
import { t } from '../text';
import { format_number } from '../text/format';
import { date_time, full_date, time } from './clock';
import { device_title } from './devices';
import { shift_end } from './shift';

export interface SignInRow {
  id: string;
  title: string;
  /** When, and with what kind of program. */
  details: string[];
  /** It is connected now. */
  connected: boolean;
  failed: boolean;
}

/** Sign-ins and failed attempts, newest first. */
export function sign_in_rows(
  { sign_ins, failed, shifts = [] }: SignInList,
  devices: readonly ListedDevice[],
  local_zone: string,
): SignInRow[] {
  const texts = t().devices.sign_ins;
  const by_id = new Map(devices.map((one) => [one.device, one]));
  const title = (device: string) => {
    const one = by_id.get(device);
    return one ? device_title({ ...one, role: one.card.role }, local_zone) : texts.unlisted;
  };
  const newest = new Set<string>();
  const ended = sign_ins.map((one) => {
    // The list begins with the newest: of each device, that one lasts while it is connected.
    const connected = !newest.has(one.device) && (by_id.get(one.device)?.connected ?? false);
    newest.add(one.device);
    const span = connected
      ? texts.since(date_time(one.from_ms, local_zone) ?? '')
      : between(one.from_ms, one.until_ms, local_zone);
    const details = [span, texts.kinds[one.kind]];
    if (one.times > 1) details.push(texts.times(one.times, format_number(one.times)));
    return {
      at_ms: one.until_ms,
      row: { id: `${one.device} ${one.from_ms}`, title: title(one.device), details, connected, failed: false },
    };
  });
  const refused = failed.map((one) => ({
    at_ms: one.time_ms,
    row: {
      id: `${one.device} failed ${one.time_ms}`,
      title: title(one.device),
      details: [date_time(one.time_ms, local_zone) ?? '', texts.failed(one.count, format_number(one.count))],
      connected: false,
      failed: true,
    },
  }));
  const worked = shifts.map((one) => {
    const span =
      one.until_ms === undefined
        ? texts.since(date_time(one.from_ms, local_zone) ?? '')
        : between(one.from_ms, one.until_ms, local_zone);
    const how = one.how === undefined ? null : shift_end(one.how);
    return {
      at_ms: one.until_ms ?? Infinity,
      row: {
        id: `shift ${one.shift}`,
        title: t().shift.at(one.place.name),
        details: how === null ? [span] : [span, how],
        connected: one.until_ms === undefined,
        failed: false,
      },
    };
  });
  return merged(worked, merged(ended, refused)).map(({ row }) => row);
}

/** Both lists begin with what came last, and keep their order: the clock of the office's server may have been ahead. */
function merged<T extends { at_ms: number }>(one: readonly T[], other: readonly T[]): T[] {
  const [left, right, all] = [[...one], [...other], [] as T[]];
  while (left[0] && right[0]) all.push((left[0].at_ms >= right[0].at_ms ? left : right).shift()!);
  return [...all, ...left, ...right];
}

/** Such as `22 Nov 2026, 16:42 – 18:03`; with both dates where they differ. */
function between(from_ms: number, until_ms: number, zone: string): string {
  const from = date_time(from_ms, zone) ?? '';
  const same_day = full_date(from_ms, zone) === full_date(until_ms, zone);
  const until = (same_day ? time(until_ms, zone) : date_time(until_ms, zone)) ?? '';
  return same_day && until === time(from_ms, zone) ? from : t().devices.sign_ins.between(from, until);
}
