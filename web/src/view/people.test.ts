import { describe, expect, it } from 'vitest';
import type { Contact } from '../engine/contract';
import { over_line } from '../fake/lines';
import { few, governor, many, minister, norland } from '../fake/people';
import { NOW, view } from '../fake/views';
import { people_screen, promises_due, wanted_name } from './people';

const HERE = 'Europe/Lisbon';
const names = (rows: { name: string }[]) => rows.map((row) => row.name);

describe('people', () => {
  it('are listed favourites first, each with organisation and clock', () => {
    const screen = people_screen(view(), new Set([norland.person]), '', NOW, HERE);
    expect(names(screen.favourites)).toEqual(['The President of Norland']);
    expect(screen.favourites[0]).toMatchObject({
      where: 'Chancellery of Norland',
      time: '10:42 their time',
      state: 'Available',
      can_ring: true,
    });
    expect(names(screen.others)).not.toContain('The President of Norland');
    expect(screen.office).toBe('Office of the President · 09:42');
  });

  it('cannot be rung while their device or this one is offline, and say so', () => {
    const away = people_screen(view(), new Set(), '', NOW, HERE).others.find((row) => row.person === governor.person);
    expect(away).toMatchObject({ time: '15:42 their time', state: 'Offline', can_ring: false });
    const offline = people_screen(view({ phase: 'offline' }), new Set(), '', NOW, HERE);
    expect(offline.others.every((row) => !row.can_ring && row.state === 'You are offline')).toBe(true);
    expect(offline.offline).toMatch(/^You are offline/);
    expect(offline.verified).toBe(false);
  });

  it('whose page is closed can be rung if they are notified, and it says so', () => {
    const people = few.map((one) => ({ ...one, reachable: false, notified: one.person === governor.person }));
    const { others } = people_screen(view({ people }), new Set(), '', NOW, HERE);
    const states = new Map(others.map((row) => [row.person, [row.state, row.can_ring]]));
    expect(states.get(governor.person)).toEqual(['Reachable by notification', true]);
    expect(states.get(norland.person)).toEqual(['Offline', false]);
  });

  it('who need a line before they can be rung have no ring button, and say so', () => {
    const people: Contact[] = [{ ...norland, reachable: true, needs_line: true }];
    const [row] = people_screen(view({ people }), new Set(), '', NOW, HERE).others;
    expect(row).toMatchObject({ can_ring: false, never_rings: true, line: { words: 'Give them a line to ring them' } });
  });

  it('are found by the office where the list does not have everybody', () => {
    expect(people_screen(view({ people_more: true }), new Set(), '', NOW, HERE).search).toBe(true);
    expect(wanted_name(view({ people_more: true }), ' no ')).toBe('no');
    expect(wanted_name(view({ people_more: true }), 'n')).toBeNull();
    expect(wanted_name(view(), 'norland')).toBeNull();
    expect(wanted_name(view({ people_more: true, phase: 'offline' }), 'norland')).toBeNull();
  });

  it('can be searched when there are many, ignoring accents, by word prefixes', () => {
    expect(people_screen(view(), new Set(), 'zz', NOW, HERE)).toMatchObject({ search: false, nothing: null });
    const search = (query: string) => names(people_screen(view({ people: many }), new Set(), query, NOW, HERE).others);
    expect(search('alv')).toEqual(['The President of Álvora']);
    expect(search('pres nor')).toEqual(['The President of Norland']);
    expect(search('resident')).toEqual([]);
    expect(people_screen(view({ people: many }), new Set(), 'zz', NOW, HERE).nothing?.title).toBe(
      'Nobody by that name',
    );
  });

  it('have a sentence in place of an empty list, by reason', () => {
    const title = (phase: 'ready' | 'offline' | 'connecting') =>
      people_screen(view({ phase, people: [] }), new Set(), '', NOW, HERE).nothing?.title;
    expect([title('ready'), title('offline'), title('connecting')]).toEqual([
      'Nobody to ring yet',
      'No connection',
      'Connecting',
    ]);
  });

  it('are sorted alphabetically whatever order the office sends', () => {
    const one = people_screen(view({ people: [...few].reverse() }), new Set(), '', NOW, HERE);
    expect(one.others).toEqual(people_screen(view(), new Set(), '', NOW, HERE).others);
    expect(names(one.others)).toContain(minister.name);
  });
});

it('a promise to call is due until it is kept, and its person is rung as from the list', () => {
  const open = [
    { person: minister.person, at_ms: NOW },
    { person: 'f'.repeat(32), at_ms: NOW },
  ];
  const due = (people: Contact[]) => promises_due(view({ people }), open, NOW, HERE);
  expect(due([{ ...minister, reachable: true }])).toEqual([
    { person: minister.person, name: minister.name, at: '09:42', can_ring: true },
  ]);
  expect(due([{ ...minister, reachable: false, notified: true }])).toMatchObject([{ can_ring: true }]);
  expect(due([over_line(minister, 'paused')])).toMatchObject([{ can_ring: false }]);
});
