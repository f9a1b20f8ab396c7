// View model of the screen after a call: how it ended, and the state of its record.

import type { CallView } from '../engine/contract';
import { t } from '../text';
import { format_number } from '../text/format';
import { told, told_name } from '../text/told';
import { duration_text, time_to_the_second } from './clock';
import type { Level, Shape } from './labels';
import { NO_LABELS, own_device, type DeviceLabels } from './moves';
import { was_answered, type ShownCall, type ShownView } from './resume';

export interface EndedScreen {
  name: string;
  title: string;
  sentence: string;
  bad: boolean;
  lasted: string | null;
  record: EndedRecord;
  /** The call goes on on another device, and may come back here. */
  back: string | null;
}

/** The state of the record after the call. */
export interface EndedRecord {
  level: Level;
  shape: Shape;
  title: string;
  /** What is missing from it. */
  missing: string | null;
  sentence: string;
  /** Entries and times, for those who look. */
  small: string;
}

/** `ended_ms` is when this page learned that the call ended. */
export function ended_screen(
  view: ShownView,
  ended_ms: number | null,
  local_zone: string,
  labels: DeviceLabels = NO_LABELS,
): EndedScreen | null {
  const { call } = view;
  if (call?.state !== 'ended') return null;
  return {
    name: call.other?.name ?? '',
    ...(continued_text(view, call, labels) ?? reply_text(call) ?? ended_text(call, view.you?.person)),
    bad: call.ended === 'failed' && !rang_only(call) && !lost_keys(call),
    lasted:
      call.started_ms === null || ended_ms === null
        ? null
        : t().call.ended.lasted(duration_text(ended_ms - call.started_ms)),
    record: record(view, call, local_zone),
    back:
      view.phase === 'ready'
        ? (view.notices.find((one) => one.call === call.call && one.can_continue)?.call ?? null)
        : null,
  };
}

/** It goes on on another device of this person, to which it may have gone while this one was not connected. */
const continues = (view: ShownView, call: CallView): boolean =>
  call.ended === 'continued' ||
  (call.ended === 'interrupted' && view.notices.some((one) => one.call === call.call && one.can_continue));

function continued_text(
  view: ShownView,
  call: CallView,
  labels: DeviceLabels,
): { title: string; sentence: string } | null {
  if (!continues(view, call)) return null;
  const { title, sentence } = t().moves.ended;
  const there = view.notices.find((one) => one.call === call.call)?.own_devices[0];
  return { title: title(own_device(call.continued_on ?? there, labels)), sentence };
}

/** It rang here and failed elsewhere: to this person it is a missed call. */
const rang_only = (call: ShownCall): boolean => call.direction === 'in' && !was_answered(call) && call.problem === null;

/** A reload lost this device's keys, and there was nobody to let it back in. No device refused anything. */
const lost_keys = (call: CallView): boolean => call.problem !== null && told_name(call.problem) === 'keys_lost';

/** How a ring ended that was answered with a word in place of a conversation; `null` of all others. */
function reply_text(call: ShownCall): { title: string; sentence: string } | null {
  const { later, later_by_you, office, office_by_you } = t().lines.ended;
  const name = call.other?.name ?? t().names.other_side;
  const said = call.reply;
  if (call.direction === 'in') {
    if (said === null || was_answered(call)) return null;
    return said.type === 'office' ? office_by_you : { ...later_by_you, title: later_by_you.title(...in_minutes(said)) };
  }
  if (said?.type === 'later' && call.ended === 'declined')
    return { title: later.title(...in_minutes(said)), sentence: later.sentence(name) };
  if (call.diverted && call.ended === 'missed') return { ...office, sentence: office.sentence(name) };
  return null;
}

const in_minutes = ({ minutes }: { minutes: number }): [number, string] => [minutes, format_number(minutes)];

/** How a call ended, for a person who was in it. */
function ended_text(call: ShownCall, you?: string): { title: string; sentence: string } {
  const texts = t().call.ended;
  const rung = call.direction === 'in';
  const name = call.other?.name ?? t().names.other_side;
  const for_name = (text: { title: string; sentence: (name: string) => string }) => ({
    title: text.title,
    sentence: text.sentence(name),
  });
  // After a reload the engine may know neither that this device rang nor that the call had been answered.
  const given_up = () => (was_answered(call) ? texts.hung_up_by_you : texts.cancelled);
  switch (call.ended) {
    case 'declined':
      return rung ? texts.declined_by_you : for_name(texts.declined);
    case 'cancelled':
      if (rung) return for_name(texts.cancelled_by_them);
      return given_up();
    case 'missed':
      return rung ? texts.missed_by_you : for_name(texts.missed);
    case 'busy':
      return for_name(texts.busy);
    case 'failed':
      if (rang_only(call)) return for_name(texts.failed_ring);
      if (lost_keys(call)) return { title: texts.hung_up.title, sentence: told(call.problem ?? '') };
      return { title: texts.failed.title, sentence: call.problem ? told(call.problem) : texts.failed.sentence };
    case 'interrupted':
      return texts.interrupted;
    case 'stepped_out': {
      const { title, sentence, sentence_plain } = t().green_room.stepped_out;
      return { title, sentence: call.other ? sentence(name) : sentence_plain };
    }
    case 'revoked':
      return texts.revoked;
    case 'taken_elsewhere':
      return texts.taken_elsewhere;
    default:
      if (call.hung_up_by === null) return texts.hung_up;
      if (call.hung_up_by.person === you) return rung ? texts.hung_up_by_you : given_up();
      return { title: texts.hung_up_by(call.hung_up_by.name), sentence: texts.hung_up.sentence };
  }
}

/** Nobody talked, as far as this device knows. What was answered on another device of this person was a conversation there. */
function was_attempt(call: ShownCall): boolean {
  switch (call.ended) {
    case 'taken_elsewhere':
      return false;
    case 'declined':
    case 'missed':
    case 'busy':
      return call.started_ms === null;
    case 'cancelled':
      return call.direction === 'in' ? call.started_ms === null : !was_answered(call);
    default:
      return !was_answered(call);
  }
}

function record(view: ShownView, call: ShownCall, local_zone: string): EndedRecord {
  const texts = t().call.kept;
  const notice = view.notices.find((one) => one.call === call.call);
  const kept = notice?.kept_index ?? call.kept_index;
  const partial = notice?.partial ?? call.partial;
  const small = [
    call.opened_index === null ? null : texts.log_entry(format_number(call.opened_index)),
    call.opened_ms === null ? null : time_to_the_second(call.opened_ms, local_zone),
    kept === null ? null : texts.sealed_entry(format_number(kept)),
  ]
    .filter((part) => part !== null)
    .join(' · ');
  const logged = { level: 'quiet', shape: 'record', missing: null, small } as const;
  if (call.opened_index === null) {
    return call.ended === 'failed' && !lost_keys(call)
      ? { ...logged, shape: 'no', ...texts.not_logged, small: '' }
      : // This device lost its keys, and the call ended before it could rejoin.
        { ...logged, ...texts.later, small: '' };
  }
  if (continues(view, call)) return { ...logged, shape: 'wait', ...t().moves.ended.goes_on };
  if (was_attempt(call)) return { ...logged, ...texts.attempt };
  if (call.mode === 'log_only') return { ...logged, ...texts.log_only };
  if (kept !== null && partial) {
    return { ...logged, level: 'amber', shape: 'alert', ...texts.partial };
  }
  if (kept !== null) return { ...logged, level: 'seal', shape: 'lock', ...texts.sealed };
  // Who was in it is known only to a device that was, and since its page was loaded.
  if (call.started_ms === null) return { ...logged, ...texts.later };
  if (!call.noted) {
    return { ...logged, level: 'red', shape: 'unrecorded', ...texts.none, missing: texts.none_missing[call.mode] };
  }
  if (!call.note_taker) {
    return { ...logged, level: 'amber', shape: 'alert', ...texts.doubtful, missing: texts.doubtful_missing[call.mode] };
  }
  return { ...logged, shape: 'wait', ...texts.pending };
}
