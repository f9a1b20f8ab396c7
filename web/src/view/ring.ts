// The screen of an outgoing or incoming ring, and of a caller who reloaded and may still be ringing. Of incoming rings, only those
// that this device has verified are shown.

import type { CallView, RecordLine, View } from '../engine/contract';
import type { RingNotice } from '../engine/ringer';
import { t } from '../text';
import { join_list } from '../text/format';
import { gives_lines } from '../engine/roles';
import { both_clocks, date } from './clock';
import { acts_lines } from './delegations';
import { names_of, type Level, type Shape } from './labels';
import { last_call } from './lines';
import { NOTE_TAKER_JOIN_TIMEOUT_MS } from './recording';
import { was_answered, type ShownCall, type ShownView } from './resume';

/** A ring beside the first one. */
export interface FurtherRing {
  call: string;
  name: string;
  organisation: string;
  /** What will be recorded. */
  mode: string;
}

export interface RingScreen {
  call: string;
  /** The caller of an incoming ring, who can be silenced. */
  caller: string | null;
  /** Others who ring this person now: each can be accepted and declined. */
  further: FurtherRing[];
  /** Small heading: direction of the call. */
  kind: string;
  name: string;
  organisation: string;
  /** Who rings or answers for whom, verified by this device. */
  acts: string[];
  clocks: string;
  /** Purpose of the call's line, in its giver's words; empty without a line. */
  purpose: string;
  /** When they last talked, and for how long, as far as this page knows. */
  last: string | null;
  /** Answers other than Accept and Decline that this person may give. */
  answers: { later: boolean; office: boolean };
  /** Whether this person can have the line frozen because this is not its holder. */
  suspect: boolean;
  /** That two officers recovered the other person lately: their voice may be somebody else's on the line of a new device. */
  recovered: string | null;
  verified: boolean;
  /** What will be recorded, as far as it is known now. */
  kept: { words: string; level: Level; shape: Shape };
  /** Who will listen besides the two participants, and what the record still needs. */
  listens: string;
  phase: 'opening' | 'ringing' | 'answered' | 'resuming';
  /** Whether this device is muted, where its microphone is in use: a listener may be in the call already. Else null. */
  muted: boolean | null;
  /** The progress of the ring. */
  state: { title: string; sentence: string };
  /** Announced once to screen readers. */
  announce: string;
}

/**
 * The ring to show; null without a call, once both parties are in it, or if the device could not verify who rings. A caller who
 * reloaded may be live in it and still ring the other party (`may_still_ring`).
 */
export function ring_screen(
  view: ShownView,
  now: number,
  local_zone: string,
  calls: readonly RecordLine[] = [],
): RingScreen | null {
  const { call } = view;
  if (!call || call.direction === 'listen' || !call.other) return null;
  if (call.state === 'ended' || ((call.state === 'live' || call.state === 'reconnecting') && !may_still_ring(call)))
    return null;
  const incoming = call.direction === 'in';
  if (incoming && !call.verified) return null;
  const { name, organisation, zone } = call.other;
  const texts = t().ring;
  const phase = phase_of(call);
  const progress = state(phase, call);
  const outlook = outlook_of(view, call, now);
  const { line } = call;
  const rings_here = incoming && call.state === 'ringing';
  const gives = view.you !== null && gives_lines(view.you.role);
  return {
    call: call.call,
    caller: incoming && call.state === 'ringing' ? call.other.person : null,
    further: call.state === 'ringing' || call.state === 'opening' ? further_rings(view) : [],
    kind: incoming ? (line && gives ? t().lines.ring.reach[line.reach] : texts.incoming) : texts.outgoing,
    name,
    organisation,
    acts: acts_lines(call),
    clocks: both_clocks(now, zone, local_zone),
    purpose: line?.purpose ?? '',
    last: last_call(calls, call.other.person, local_zone),
    answers: { later: rings_here, office: rings_here && gives },
    suspect: rings_here && gives && line !== null,
    recovered: recovered(view, call.other.person, local_zone),
    verified: call.verified,
    ...outlook,
    phase,
    muted: phase === 'resuming' ? call.muted : null,
    state: progress,
    announce: incoming
      ? [texts.announce_incoming(name, organisation, outlook.kept.words), ...acts_lines(call)].join(' ')
      : texts.announce(progress.title),
  };
}

function recovered(view: View, person: string, local_zone: string): string | null {
  const at_ms = view.people.find((one) => one.person === person)?.recovered_ms;
  return at_ms === undefined ? null : t().people.recovered(date(at_ms, local_zone) ?? '');
}

/** The incoming rings of a screen, each with its own caller, for system notifications. */
export function ring_notices(ring: RingScreen | null): RingNotice[] {
  if (!ring) return [];
  return [
    ...(ring.caller === null ? [] : [notice(ring.call, ring.name)]),
    ...ring.further.map((other) => notice(other.call, other.name)),
  ];
}

/** The same of those who ring while a call is on: its tab may be hidden. */
export const waiting_notices = (waiting: readonly FurtherRing[]): RingNotice[] =>
  waiting.map((other) => notice(other.call, other.name));

const notice = (call: string, name: string): RingNotice => ({
  call,
  title: t().tab.rings(name),
  body: t().ring.notification,
});

/** Rings beside the first, or beside the call. */
export function further_rings(view: View): FurtherRing[] {
  return view.rings.flatMap(({ call, other, mode, verified }) =>
    other && verified
      ? [
          {
            call,
            name: other.name,
            organisation: other.organisation,
            mode: mode === 'log_only' ? t().ring.will_keep.log_only : t().ring.wanted[mode],
          },
        ]
      : [],
  );
}

/**
 * A caller that reloaded was let in again by a listener, and has not seen the other party since: it may still ring there, or they
 * are away for a moment.
 */
export function may_still_ring(call: ShownCall): boolean {
  const in_call = call.state === 'live' || call.state === 'reconnecting';
  const alone = call.members.length > 0 && !was_answered(call) && !call.verified;
  return in_call && alone && call.direction === 'out' && call.other !== null;
}

/** The warning about a ring that could not be verified, unless the engine has raised an alert already. */
export function refused_ring(view: View): string | null {
  const { call } = view;
  // A device that rejoins its own call has no ring: it learns the call's details from the MLS Welcome.
  const forged = call?.direction === 'in' && !call.verified && call.state === 'ringing';
  if (!forged || view.alerts.some((alert) => alert.level === 'red')) return null;
  return t().ring.refused;
}

/** What will be kept is said from what is ready now: a promise only once a note-taker is in the call. */
function outlook_of(view: View, call: CallView, now: number): Pick<RingScreen, 'kept' | 'listens'> {
  const texts = t().ring;
  const listeners = call.members.filter((m) => !m.you && !m.speaks && !m.lost);
  const present = listeners.length > 0 ? texts.will_listen(join_list(names_of(listeners)), listeners.length) : null;
  if (call.mode === 'log_only') {
    return {
      kept: { words: texts.will_keep.log_only, level: 'quiet', shape: 'record' },
      listens: present ?? texts.nobody_listens,
    };
  }
  if (call.note_taker) {
    return {
      kept: { words: texts.will_keep[call.mode], level: 'amber', shape: 'record' },
      listens: present ?? texts.joining,
    };
  }
  const wanted = { words: texts.wanted[call.mode], level: 'amber', shape: 'wait' } as const;
  const and_present = (sentence: string) => (present ? `${sentence} ${present}` : sentence);
  if (view.notices.some((notice) => notice.call === call.call && (notice.noted || notice.note_taker_asks)))
    return { kept: wanted, listens: and_present(texts.joining) };
  // A caller's device sees the members while it rings; of a callee's, the office says who has joined.
  const told = call.direction === 'out' || view.notices.some((notice) => notice.call === call.call);
  const seen = told && call.state === 'ringing' && call.opened_ms !== null;
  if (seen && now - (call.opened_ms ?? now) > NOTE_TAKER_JOIN_TIMEOUT_MS) {
    return {
      kept: { words: texts.not_ready_short, level: 'amber', shape: 'unrecorded' },
      listens: and_present(texts.not_ready),
    };
  }
  return { kept: wanted, listens: and_present(texts.unknown) };
}

function phase_of(call: ShownCall): RingScreen['phase'] {
  if (call.state === 'opening') return 'opening';
  if (may_still_ring(call)) return 'resuming';
  if (call.state !== 'answering') return 'ringing';
  // An answered call has an epoch or a verified callee; a caller that reloads while it rings has neither.
  return call.direction === 'out' && !call.verified && call.members.length === 0 && call.epoch === null
    ? 'resuming'
    : 'answered';
}

function state(phase: RingScreen['phase'], call: CallView): RingScreen['state'] {
  const texts = t().ring;
  switch (phase) {
    case 'ringing':
      if (call.direction === 'out' && call.diverted) return t().lines.ring.diverted;
      if (call.notified) {
        return { title: texts.notifying, sentence: texts.devices_notified(call.other?.name ?? t().names.other_side) };
      }
      return {
        title: texts.ringing,
        sentence: call.direction === 'in' ? '' : texts.device_rings(call.other?.name ?? t().names.other_side),
      };
    default:
      return texts[phase];
  }
}
