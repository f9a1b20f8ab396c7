// Ended calls on the desk: what needs attention first meets the eye, and repeated missed calls are one row.

import type { Ended, NoticeView, RecordLine, View } from '../engine/contract';
import { t } from '../text';
import { format_number, uncapitalise } from '../text/format';
import { short_date, time } from './clock';
import { both_names, type Shape } from './labels';
import { kept_record, lasted, record_state, runs, was_missed } from './records';

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

/** `lines` are the newest calls as the office lists them: those of the notices, and those from before this page was opened. */
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
  return runs(entries, (a, b) => a.group !== null && a.group === b.group).map((of) => {
    const [newest] = of;
    if (of.length === 1) return newest.row;
    const times = of.map((entry) => when(entry.opened_ms, now, local_zone)).join(', ');
    return {
      ...newest.row,
      detail: `${t().records.missed_calls(of.length, format_number(of.length))} · ${times}`,
    };
  });
}

/** `line`: the office's list entry, if it was fetched after the call ended. */
function of_notice(notice: NoticeView, line: RecordLine | undefined, now: number, local_zone: string): Entry {
  const how = notice.state.is === 'ended' ? notice.state.how : 'hung_up';
  const duration = line ? lasted(line) : null;
  // A notice says at once that a record has arrived.
  if (notice.kept_index === null)
    return entry(notice, how, duration, line ? kept(line, now) : NOT_DUE, now, local_zone);
  const sealed = kept_record(notice.partial ? 'partial' : 'sealed').words;
  const words = t().desk.sealed_entry(format_number(notice.kept_index), uncapitalise(sealed));
  return entry(notice, how, duration, { words, lacks: false }, now, local_zone);
}

const of_line = (line: RecordLine, now: number, local_zone: string): Entry =>
  entry(line, line.how, lasted(line), kept(line, now), now, local_zone);

/** The state of a record inside a line; and whether it is one that should be there and is not. */
interface Kept {
  words: string | null;
  lacks: boolean;
}

const NOT_DUE: Kept = { words: null, lacks: false };

function kept(line: RecordLine, now: number): Kept {
  const state = record_state(line, now);
  if (state === 'not_due') return NOT_DUE;
  return { words: uncapitalise(kept_record(state).words), lacks: state === 'none' || state === 'overdue' };
}

function entry(
  call: Pick<RecordLine, 'call' | 'from' | 'to' | 'opened_ms'>,
  how: Ended | undefined,
  duration: string | null,
  kept: Kept,
  now: number,
  local_zone: string,
): Entry {
  const missed = was_missed(how, duration !== null);
  const bad = how === 'failed' || kept.lacks;
  const { records } = t();
  const ended = missed ? records.missed : records.ended[how ?? 'hung_up'];
  const plain = !missed && (how ?? 'hung_up') === 'hung_up' && duration !== null;
  return {
    opened_ms: call.opened_ms,
    group: missed ? `${call.from.person} ${call.to.person}` : null,
    row: {
      call: call.call,
      title: both_names(call.from, call.to),
      detail: [when(call.opened_ms, now, local_zone), duration, plain ? null : ended, kept.words]
        .filter(Boolean)
        .join(' · '),
      look: bad ? 'bad' : missed ? 'missed' : 'plain',
      shape: bad ? (kept.lacks ? 'unrecorded' : 'no') : missed ? 'missed' : 'phone',
    },
  };
}

function when(ms: number, now: number, local_zone: string): string {
  const at = time(ms, local_zone) ?? '';
  const day = short_date(ms, local_zone);
  return day === null || day === short_date(now, local_zone) ? at : t().times.on_day(day, at);
}
