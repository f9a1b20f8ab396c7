// The screen of an outgoing or incoming ring. Only rings that this device has verified are shown.

import type { CallView, View } from '../engine/contract';
import { speaks } from '../engine/roles';
import { both_clocks } from './clock';
import { join_names, mid_sentence, mode_labels } from './labels';

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
  clocks: string;
  verified: boolean;
  /** What will be recorded. */
  mode: string;
  /** Who will listen besides the two participants. */
  listens: string;
  /** Outgoing: the progress of the ring. */
  state: { title: string; sentence: string };
  /** Whether to animate: the other device is ringing. */
  animated: boolean;
  /** Announced once to screen readers. */
  announce: string;
}

/** The ring to show; null without a call, once it is live, or if the device could not verify it. */
export function ring_screen(view: View, now: number, local_zone: string): RingScreen | null {
  const { call } = view;
  if (!call || call.direction === 'listen' || !call.other) return null;
  if (call.state === 'live' || call.state === 'reconnecting' || call.state === 'ended') return null;
  if (call.direction === 'in' && !call.verified) return null;
  const { name, organisation, zone } = call.other;
  const incoming = call.direction === 'in';
  return {
    call: call.call,
    caller: incoming && call.state === 'ringing' ? call.other.person : null,
    further: call.state === 'ringing' || call.state === 'opening' ? further_rings(view) : [],
    kind: incoming ? 'Incoming · direct call' : 'Outgoing · direct call',
    name,
    organisation,
    clocks: both_clocks(now, zone, local_zone),
    verified: call.verified,
    mode: mode_labels[call.mode].ahead,
    listens: listens(call),
    state: state(call),
    animated: call.state === 'ringing',
    announce: incoming
      ? `${name}, ${organisation}, rings you. Verified by this device. ${mode_labels[call.mode].ahead}.`
      : `${state(call).title}.`,
  };
}

function further_rings(view: View): FurtherRing[] {
  return view.rings.flatMap(({ call, other, mode, verified }) =>
    other && verified
      ? [{ call, name: other.name, organisation: other.organisation, mode: mode_labels[mode].ahead }]
      : [],
  );
}

/** The warning about a ring that could not be verified, unless the engine has raised an alert already. */
export function refused_ring(view: View): string | null {
  const { call } = view;
  // A device that rejoins its own call has no ring: it learns the call's details from the MLS Welcome.
  const forged = call?.direction === 'in' && !call.verified && call.state === 'ringing';
  if (!forged || view.alerts.some((alert) => alert.level === 'red')) return null;
  return 'A ring came that this device could not verify. It was not shown, and nobody was connected. Tell your security officer.';
}

function listens(call: CallView): string {
  const listeners = call.members.filter((m) => !speaks(m.role)).map((m) => mid_sentence(m.name));
  if (listeners.length > 0) {
    const names = join_names(listeners);
    return `${names[0]?.toUpperCase()}${names.slice(1)} will listen. Everyone sees who is in the call.`;
  }
  return call.mode === 'log_only'
    ? 'Nobody else listens. Everyone sees who is in the call.'
    : 'A note-taker joins the call. Everyone sees who is in it.';
}

function state(call: CallView): RingScreen['state'] {
  const they = call.other ? mid_sentence(call.other.name) : 'the other side';
  switch (call.state) {
    case 'opening':
      return { title: 'Opening', sentence: 'The call is entered in the log before it rings.' };
    case 'answering':
      return { title: 'Answered', sentence: 'Both devices agree on keys.' };
    default:
      return call.direction === 'in'
        ? { title: 'Ringing', sentence: '' }
        : { title: 'Ringing', sentence: `A device of ${they} verified you and rings.` };
  }
}
