// Ended calls on the desk: what needs attention first meets the eye, and repeated missed calls are one row.

import type { Ended, NoticeView, RecordLine, View } from '../engine/contract';
import { t } from '../text';
import { format_number } from '../text/format';
import { duration_text, short_date, time } from './clock';
import { both_names, type Shape } from './labels';
import { is_pending, no_record } from './records';

export interface RecentRow {
  /** The call, or the newest of a group. */
  call: string;
  title: string;
  detail: string;
  look: 'plain' | 'missed' | 'bad';
  shape: Shape;
}

/** Number of rows shown; the rest is under Calls. */
const RECENT = 8;

interface Entry {
  row: RecentRow;
  opened_ms: number;
  /** Calls that may share a row: the same two, the same way round, unanswered. */
  group: string | null;
}

/** Whether a call ended without an answer and without a refusal. */
export const was_missed = (how: Ended, answered: boolean): boolean =>
  !answered && (how === 'missed' || how === 'cancelled');

/** `lines` are calls from before this page was opened, as the office lists them. */
export function recent_rows(view: View, lines: RecordLine[], now: number, local_zone: string): RecentRow[] {
  const noticed = new Set(view.notices.map((notice) => notice.call));
  const entries = [
    ...view.notices
      .filter((notice) => notice.state.is === 'ended')
      .map((notice) =>
        of_notice(
          notice,
          lines.find((line) => line.call === notice.call),
          now,
          local_zone,
        ),
      ),
    ...lines
      .filter((line) => line.ended_ms !== undefined && !noticed.has(line.call))
      .map((line) => of_line(line, now, local_zone)),
  ].sort((a, b) => b.opened_ms - a.opened_ms);
  return grouped(entries, now, local_zone).slice(0, RECENT);
}

function grouped(entries: Entry[], now: number, local_zone: string): RecentRow[] {
  const rows: { of: Entry[] }[] = [];
  for (const entry of entries) {
    const last = rows.at(-1)?.of;
    if (entry.group !== null && last?.[0]?.group === entry.group) last.push(entry);
    else rows.push({ of: [entry] });
  }
  return rows.map(({ of }) => {
    const [newest] = of;
    if (!newest) throw new Error('invariant: a group has an entry');
    if (of.length === 1) return newest.row;
    const times = of.map((entry) => when(entry.opened_ms, now, local_zone)).join(', ');
    return {
      ...newest.row,
      detail: `${t().desk.missed_calls(of.length, format_number(of.length))} · ${times}`,
    };
  });
}

/** `line`: the office's list entry, if it was fetched after the call ended. */
function of_notice(notice: NoticeView, line: RecordLine | undefined, now: number, local_zone: string): Entry {
  const how = notice.state.is === 'ended' ? notice.state.how : 'hung_up';
  const none = notice.kept_index === null && line !== undefined && no_record(line);
  const { desk } = t();
  const kept = none
    ? desk.no_record
    : notice.kept_index === null
      ? line !== undefined && is_pending(line, now)
        ? t().records.not_sealed.toLowerCase()
        : null
      : desk.sealed_entry(format_number(notice.kept_index), notice.partial ? desk.sealed_partial : desk.sealed);
  return entry(notice, how, lasted(line), kept, none, now, local_zone);
}

function of_line(line: RecordLine, now: number, local_zone: string): Entry {
  const { desk } = t();
  const none = no_record(line);
  const kept = line.records > 0 ? (line.partial ? desk.sealed_partial : desk.sealed) : none ? desk.no_record : null;
  return entry(line, line.how ?? 'hung_up', lasted(line), kept, none, now, local_zone);
}

const lasted = (line: RecordLine | undefined): string | null =>
  line?.answered_ms === undefined || line.ended_ms === undefined
    ? null
    : duration_text(line.ended_ms - line.answered_ms);

function entry(
  call: Pick<RecordLine, 'call' | 'from' | 'to' | 'opened_ms'>,
  how: Ended,
  duration: string | null,
  kept: string | null,
  no_record: boolean,
  now: number,
  local_zone: string,
): Entry {
  const missed = was_missed(how, duration !== null);
  const bad = how === 'failed' || no_record;
  const { records } = t();
  const ended = missed ? records.missed : how === 'hung_up' && duration !== null ? null : records.ended[how];
  return {
    opened_ms: call.opened_ms,
    group: missed ? `${call.from.person} ${call.to.person}` : null,
    row: {
      call: call.call,
      title: both_names(call.from, call.to),
      detail: [when(call.opened_ms, now, local_zone), duration, ended, kept].filter(Boolean).join(' · '),
      look: bad ? 'bad' : missed ? 'missed' : 'plain',
      shape: bad ? (no_record ? 'unrecorded' : 'no') : missed ? 'missed' : 'phone',
    },
  };
}

function when(ms: number, now: number, local_zone: string): string {
  const at = time(ms, local_zone) ?? '';
  const day = short_date(ms, local_zone);
  return day === null || day === short_date(now, local_zone) ? at : t().times.on_day(day, at);
}
