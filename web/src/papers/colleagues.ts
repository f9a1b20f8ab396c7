// Who reads what is written about a call: the people of this office who were in it or work on it, from verified certificates.

import type { App } from '../app.svelte';
import type { Card, RecordLine } from '../engine/contract';

/** Roles that work on notes, debriefs and memoranda. */
const WORKS: readonly Card['role'][] = ['principal', 'scheduler', 'duty_officer', 'note_taker', 'interpreter'];

/** `you` first; each once. The server sees who they are, and not what they read. */
export function readers(you: Card, people: readonly Card[]): string[] {
  const ours = people.filter((card) => card.office === you.office && WORKS.includes(card.role));
  return [...new Set([you.person, ...ours.map((card) => card.person)])];
}

/** The people whom the line of a record names. */
export const named = (line: RecordLine): Card[] =>
  [line.from, line.to, line.on_behalf_of, line.answered_by].filter((card) => card !== undefined);

/** The people whom this page knows: those that can be rung, and those of the calls in the list. */
export function known_people({ view, records }: App): Card[] {
  const of_calls = records.status === 'ready' ? records.value.flatMap(named) : [];
  return [...(view?.people ?? []), ...of_calls];
}
