// A ring, going out or coming in. Only what this device verified is ever shown as ringing.

import type { CallView, View } from '../engine/contract';
import { both_clocks } from './clock';
import { join_names, mid_sentence, mode_labels } from './labels';

export interface RingScreen {
  /** Small, above: which way. */
  kind: string;
  name: string;
  organisation: string;
  clocks: string;
  verified: boolean;
  /** What will be kept. */
  mode: string;
  /** Who will hear it besides the two. */
  listens: string;
  /** Outgoing: where it stands. */
  state: { title: string; sentence: string };
  /** Whether something animated in truth: a bell rings there. */
  animated: boolean;
  /** What a screen reader is told, once. */
  announce: string;
}

/** The ring to show, or nothing: no call, one under way, or one that this device could not verify. */
export function ring_screen(view: View, now: number, local_zone: string): RingScreen | null {
  const { call } = view;
  if (!call || call.direction === 'listen' || !call.other) return null;
  if (call.state === 'live' || call.state === 'reconnecting' || call.state === 'ended') return null;
  if (call.direction === 'in' && !call.verified) return null;
  const { name, organisation, zone } = call.other;
  const incoming = call.direction === 'in';
  return {
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

/** What to tell when a ring came that could not be verified and the engine said nothing of it yet. */
export function refused_ring(view: View): string | null {
  const { call } = view;
  // A device that comes back to its own call learns from the welcome, and not from a ring, what it is in.
  const forged = call?.direction === 'in' && !call.verified && call.state === 'ringing';
  if (!forged || view.alerts.some((alert) => alert.level === 'red')) return null;
  return 'A ring came that this device could not verify. It was not shown, and nobody was connected. Tell your security officer.';
}

function listens(call: CallView): string {
  const listeners = call.members
    .filter((m) => m.role === 'note_taker' || m.role === 'duty_officer')
    .map((m) => mid_sentence(m.name));
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
