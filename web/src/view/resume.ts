// A page that is reloaded in a call learns its details from the engine only once it has rejoined, and that it was answered only
// once the other party is in it again. Until then the screen keeps what it showed before: the direction, the name, and whether
// they were talking.

import type { CallView, Card, View } from '../engine/contract';

/** What a page remembers of its call, for its own reload. The person's id, not their name: it is stored in the clear. */
export interface RememberedCall {
  call: string;
  direction: CallView['direction'];
  /** The other side, by id. */
  person: string | null;
  answered: boolean;
}

/** A call as the engine shows it, with what the page remembers of it. */
export type ShownCall = CallView & {
  /** It was answered before this page was reloaded. */
  answered?: boolean;
};

/** The engine's view, with what the page remembers of its call. */
export type ShownView = Omit<View, 'call'> & { call: ShownCall | null };

/** Whether the call was answered, as far as this device knows. */
export const was_answered = (call: ShownCall): boolean => call.started_ms !== null || call.answered === true;

/** What to remember of a call; `null` for one that is over. `before` has the person of a call that is not known again yet. */
export function remember(call: ShownCall | null, before: RememberedCall | null = null): RememberedCall | null {
  if (!call || call.state === 'ended') return null;
  const known = before?.call === call.call ? before : null;
  return {
    call: call.call,
    direction: call.direction,
    person: call.other?.person ?? known?.person ?? null,
    answered: !still_rings(call) && (accepted_here(call) || was_answered(call) || known?.answered === true),
  };
}

/** The view with what was remembered of its call, where the engine does not know it (any more). */
export function resume(view: View, remembered: RememberedCall | null): ShownView {
  const { call } = view;
  if (!call || call.call !== remembered?.call || call.direction === 'listen') return view;
  const { direction } = remembered;
  const answered = remembered.answered && call.started_ms === null && !still_rings(call);
  const other = call.other ?? card(view, remembered.person);
  // Whoever was rung and engaged had accepted; a caller may still be ringing.
  const rejoins = call.state === 'answering' && call.other === null && (answered || direction === 'in');
  if (direction === call.direction && other === call.other && !rejoins && !answered) return view;
  const shown: ShownCall = { ...call, direction, other, state: rejoins ? 'reconnecting' : call.state };
  return { ...view, call: answered ? { ...shown, answered } : shown };
}

/** The engine knows that nobody has answered: an answer that it showed was taken back. */
const still_rings = (call: CallView): boolean => call.state === 'opening' || call.state === 'ringing';

/** The person of this device pressed Accept. */
const accepted_here = (call: CallView): boolean => call.direction === 'in' && call.state === 'answering';

function card(view: View, person: string | null): Card | null {
  return view.people.find((contact) => contact.person === person) ?? null;
}
