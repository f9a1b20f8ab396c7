// View model of the contact list, favourites first.

import type { Contact, View } from '../engine/contract';
import { t } from '../text';
import { compare_names } from '../text/format';
import { holds_lines } from '../engine/roles';
import { date as date_of, time, time_there } from './clock';
import type { Level, Shape } from './labels';
import type { CallPromise } from '../promises.svelte';
import { contact_words } from './lines';

/** More people than this get a search field. */
export const SEARCH_FROM = 9;

export interface PersonRow {
  person: string;
  name: string;
  /** Their organisation. */
  where: string;
  favourite: boolean;
  reachable: boolean;
  /** Their local time. */
  time: string;
  /** Whether they can be rung, as text. */
  state: string;
  can_ring: boolean;
  /** What their line allows, or that it is not in use; `null` without one. */
  line: { words: string; level: Level; shape: Shape } | null;
  /** There is no ring button: the line is for planned calls. */
  never_rings: boolean;
  /** That two officers recovered them lately: whoever calls should make sure who answers. */
  recovered: string | null;
  /** Whether this person does not want to be rung by them. */
  silenced: boolean;
}

export interface PeopleScreen {
  /** Above the title: office and local time. */
  office: string;
  you: string;
  verified: boolean;
  /** State of the connection, while nothing is verified. */
  connection: string;
  search: boolean;
  favourites: PersonRow[];
  others: PersonRow[];
  /** Silenced callers: each can be let ring again. */
  silenced: { person: string; name: string; where: string }[];
  /** In place of an empty list. */
  nothing: { title: string; sentence: string } | null;
  /** Above the list: no connection. */
  offline: string | null;
  /** Above the list: this person was recovered lately. */
  recovered: string | null;
}

/** State of the connection to the office, in a word. */
export function connection_words(phase: View['phase']): string {
  const { connection } = t();
  return phase === 'ready' ? connection.connected : phase === 'connecting' ? connection.connecting : connection.offline;
}

export function people_screen(
  view: View,
  favourites: ReadonlySet<string>,
  query: string,
  now: number,
  local_zone: string,
): PeopleScreen {
  const silenced = new Set(view.silenced.map((card) => card.person));
  const rows = [...view.people]
    .sort((a, b) => compare_names(a.name, b.name))
    .map((contact) => ({
      ...row(contact, view, favourites.has(contact.person), now, local_zone),
      silenced: silenced.has(contact.person),
    }));
  const search = view.people_more || rows.length >= SEARCH_FROM;
  const found = search ? rows.filter((row) => matches(row, query)) : rows;
  return {
    office: [view.office?.name ?? t().app, time(now, local_zone)].join(' · '),
    you: view.you?.name ?? '',
    verified: view.you !== null && view.phase === 'ready',
    connection: connection_words(view.phase),
    search,
    favourites: found.filter((row) => row.favourite),
    others: found.filter((row) => !row.favourite),
    silenced: view.silenced.map((card) => ({ person: card.person, name: card.name, where: card.organisation })),
    nothing: nothing(view, rows.length, found.length),
    offline: offline(view, rows.length),
    recovered: view.recovered_ms === null ? null : t().people.you_recovered(date(view.recovered_ms, local_zone)),
  };
}

const date = (ms: number, zone: string): string => date_of(ms, zone) ?? '';

function row(
  contact: Contact,
  view: View,
  favourite: boolean,
  now: number,
  local_zone: string,
): Omit<PersonRow, 'silenced'> {
  const { people } = t();
  const ready = view.phase === 'ready';
  const line = contact_words(contact, view.you?.role, now, local_zone);
  const may_ring = line?.may_ring ?? true;
  return {
    person: contact.person,
    name: contact.name,
    where: contact.organisation,
    favourite,
    reachable: contact.reachable,
    time: time_there(now, contact.zone, local_zone) ?? '',
    // Of somebody who cannot be rung now for another reason, the line says why.
    state: !ready ? people.you_offline : may_ring ? presence(contact) : '',
    can_ring: ready && (contact.reachable || contact.notified === true) && may_ring,
    line,
    never_rings: line?.never_rings ?? false,
    recovered: contact.recovered_ms === undefined ? null : people.recovered(date(contact.recovered_ms, local_zone)),
  };
}

function presence({ reachable, notified }: Contact): string {
  const { people } = t();
  if (reachable) return people.available;
  return notified ? people.notified : people.offline;
}

/** A promise to call a person that is due to be kept. */
export interface DuePromise {
  person: string;
  name: string;
  /** When the call was promised for. */
  at: string;
  can_ring: boolean;
}

/** Promises to people of the list. */
export function promises_due(view: View, open: readonly CallPromise[], now: number, local_zone: string): DuePromise[] {
  return open.flatMap(({ person, at_ms }) => {
    const contact = view.people.find((one) => one.person === person);
    if (!contact) return [];
    const { name, can_ring } = row(contact, view, false, now, local_zone);
    return [{ person, name, at: time(at_ms, local_zone) ?? '', can_ring }];
  });
}

/** What the office is to be asked for, where the list does not have everybody: two letters or more. */
export function wanted_name(view: View, query: string): string | null {
  const name = query.trim();
  return view.people_more && view.phase === 'ready' && name.length >= MIN_SEARCH_CHARS ? name : null;
}

/** With less, the office would find half of its people. */
export const MIN_SEARCH_CHARS = 2;

/** Whether each word of the query is a prefix of a word of the row. */
function matches(row: PersonRow, query: string): boolean {
  const plain = (text: string) => text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
  const words = plain(`${row.name} ${row.where}`).split(/[^\p{L}\p{N}]+/u);
  return plain(query)
    .split(/\s+/)
    .every((part) => words.some((word) => word.startsWith(part)));
}

function nothing(view: View, all: number, found: number): PeopleScreen['nothing'] {
  if (all > 0) return found > 0 ? null : t().people.none_found;
  switch (view.phase) {
    case 'ready':
      return view.you && holds_lines(view.you.role) ? t().lines.contact.none : t().people.none;
    case 'offline':
      return t().people.unreachable;
    default:
      return t().people.connecting;
  }
}

function offline(view: View, people: number): string | null {
  if (people === 0) return null;
  if (view.phase === 'offline') return t().people.not_connected;
  if (view.phase === 'connecting') return t().people.connecting_line;
  return null;
}
