// A page that is reloaded in a call learns its details from the engine only once it has rejoined. Until then the screen keeps
// what it showed before: the direction, the name, and whether they were talking.

import type { CallView, Card, View } from '../engine/contract';

/** What a page remembers of its call, for its own reload. The person's id, not their name: it is stored in the clear. */
export interface RememberedCall {
  call: string;
  direction: CallView['direction'];
  /** The other side, by id. */
  person: string | null;
  live: boolean;
}

/** What to remember of a call; `null` for one that is over. `before` has the person of a call that is not known again yet. */
export function remember(call: CallView | null, before: RememberedCall | null = null): RememberedCall | null {
  if (!call || call.state === 'ended') return null;
  return {
    call: call.call,
    direction: call.direction,
    person: call.other?.person ?? (before?.call === call.call ? before.person : null),
    live: call.state === 'live' || call.state === 'reconnecting',
  };
}

/** The view with what was remembered of its call, where the engine does not know it (any more). */
export function resume(view: View, remembered: RememberedCall | null): View {
  const { call } = view;
  if (!call || call.call !== remembered?.call || call.direction === 'listen') return view;
  const { direction } = remembered;
  const other = call.other ?? card(view, remembered.person);
  // Whoever was rung and engaged had accepted; a caller may still be ringing.
  const rejoins = call.state === 'answering' && call.other === null && (remembered.live || direction === 'in');
  if (direction === call.direction && other === call.other && !rejoins) return view;
  return { ...view, call: { ...call, direction, other, state: rejoins ? 'reconnecting' : call.state } };
}

function card(view: View, person: string | null): Card | null {
  return view.people.find((contact) => contact.person === person) ?? null;
}
