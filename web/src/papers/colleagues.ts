// Who reads what is written about a call: the people of this office who were in it or work on it. Names and roles that the office's server
// lists decide nothing: those of the certificates do.

import type { App } from '../app.svelte';
import type { Card, RecordLine } from '../engine/contract';
import { DESK } from './roles';

/** Roles that work on notes, debriefs and memoranda. */
const WORKS: readonly Card['role'][] = [...DESK, 'note_taker', 'interpreter'];

/** `people`: as certified. `you` first; each once. The server sees who they are, and not what they read. */
export function readers(you: Card, people: readonly Card[]): string[] {
  const ours = people.filter((card) => card.office === you.office && WORKS.includes(card.role));
  return [...new Set([you.person, ...ours.map((card) => card.person)])];
}

/** The people whom the line of a record names. */
export const named = (line: RecordLine): Card[] =>
  [line.from, line.to, line.on_behalf_of, line.answered_by].filter((card) => card !== undefined);

/** Identifiers of people who may be colleagues: those in the office's lists, of the calls in the list, and who may act for this person. */
function listed({ view, records, delegations }: App): string[] {
  const of_calls = records.status === 'ready' ? records.value.flatMap(named) : [];
  const acting = delegations.list.status === 'ready' ? delegations.list.value : null;
  const delegates = (acting?.delegations ?? []).flatMap((one) => [one.delegate, one.principal]);
  return [...(view?.people ?? []), ...of_calls, ...delegates, ...(acting?.candidates ?? [])]
    .filter((card) => card.role !== 'counterpart')
    .map((card) => card.person);
}

/** The people of this office whom this page knows, as certified; `more`: identifiers of others. Rejects with a `Problem`. */
export async function colleagues(app: App, more: readonly string[] = []): Promise<Card[]> {
  const you = app.view?.you;
  if (!you) return [];
  if (DESK.includes(you.role) && app.delegations.list.status !== 'ready') await app.delegations.load(app.view?.token);
  const known = [...listed(app), ...more].filter((person) => person !== you.person);
  const cards = await app.documents.cards(known);
  return cards.filter((card) => card.office === you.office && card.role !== 'counterpart');
}

/** The principals and the desk among them. */
export const desk = async (app: App): Promise<string[]> =>
  (await colleagues(app)).filter((card) => DESK.includes(card.role)).map((card) => card.person);
