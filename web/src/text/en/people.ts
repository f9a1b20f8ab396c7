import { isolate } from '../isolate';

export const people = {
  title: 'People',
  verified: 'This device is verified',
  search: 'Search people',
  search_hint: 'Name or office',
  favourites: 'Favourites',
  everyone: 'Everyone',
  favourite: (name: string) => `${isolate(name)}: favourite`,
  favourite_add: 'Add to favourites',
  favourite_remove: 'Remove from favourites',
  ring: 'Ring',
  ring_person: (name: string) => `Ring ${isolate(name)}`,
  silenced: 'Silenced callers',
  silenced_one: 'Silenced',
  let_ring: 'Let ring again',
  let_ring_person: (name: string) => `Let ring again: ${isolate(name)}`,
  recovered: (day: string) => `Recovered on ${day} by two security officers`,
  you_recovered: (day: string) =>
    `Two security officers set up this device for you on ${day}, after you had lost all others. For thirty days, whoever can call you sees that. If you did not ask for it, tell your office at once.`,
  available: 'Available',
  offline: 'Offline',
  you_offline: 'You are offline',
  none_found: { title: 'Nobody by that name', sentence: 'Try fewer letters, or the name of their office.' },
  none: {
    title: 'Nobody to ring yet',
    sentence: 'Your office decides whom this device can ring. Ask it to add the people you need.',
  },
  unreachable: { title: 'No connection', sentence: 'Your office cannot be reached. This page keeps trying.' },
  connecting: { title: 'Connecting', sentence: 'Your list of people is loading.' },
  not_connected: 'You are offline. You cannot make or receive calls; this page keeps trying to reconnect.',
  connecting_line: 'Connecting to your office…',
};
