// People of a fictitious office.

import type { Card, Contact, Role } from '../engine/contract';

/** The office that certified all of them. */
export const OFFICE = 'office.example';

export const ROLES: Role[] = [
  'principal',
  'counterpart',
  'scheduler',
  'duty_officer',
  'note_taker',
  'interpreter',
  'security_officer',
  'records_officer',
  'auditor',
];

const id = (n: number) => n.toString(16).padStart(32, '0');

export const president: Card = {
  person: id(1),
  office: OFFICE,
  name: 'The President',
  organisation: 'Office of the President',
  role: 'principal',
  zone: 'Europe/Lisbon',
};
export const minister: Card = {
  person: id(2),
  office: OFFICE,
  name: 'The Prime Minister of Estmark',
  organisation: 'Office of the Prime Minister',
  role: 'principal',
  zone: 'Asia/Dhaka',
};
export const norland: Card = {
  person: id(3),
  office: OFFICE,
  name: 'The President of Norland',
  organisation: 'Chancellery of Norland',
  role: 'counterpart',
  zone: 'Europe/Oslo',
};
export const secretary: Card = {
  person: id(4),
  office: OFFICE,
  name: 'The Secretary-General',
  organisation: 'Northern Council',
  role: 'counterpart',
  zone: 'America/New_York',
};
export const governor: Card = {
  person: id(5),
  office: OFFICE,
  name: 'The Governor of the Bank',
  organisation: 'Reserve Bank of Estmark',
  role: 'principal',
  zone: 'Asia/Dhaka',
};
export const officer: Card = {
  person: id(6),
  office: OFFICE,
  name: 'Duty officer',
  organisation: 'Office of the President',
  role: 'duty_officer',
  zone: 'Europe/Lisbon',
};
export const writer: Card = {
  person: id(7),
  office: OFFICE,
  name: 'Note-taker',
  organisation: 'Office of the President',
  role: 'note_taker',
  zone: 'Europe/Lisbon',
};

export const scheduler: Card = { ...writer, person: id(10), name: 'Chief of Staff', role: 'scheduler' };
export const interpreter: Card = { ...writer, person: id(11), name: 'Interpreter', role: 'interpreter' };
export const auditor: Card = {
  ...writer,
  person: id(12),
  name: 'Auditor',
  organisation: 'Court of Audit',
  role: 'auditor',
};

/** Everybody who has a device, as its certificate says. */
export const certified: Card[] = [
  president,
  minister,
  norland,
  secretary,
  governor,
  officer,
  writer,
  scheduler,
  interpreter,
  auditor,
];

export const few: Contact[] = [
  { ...minister, reachable: true },
  { ...norland, reachable: true },
  { ...secretary, reachable: true },
  { ...governor, reachable: false },
];

export const many: Contact[] = [
  ...few,
  ...[
    ['The Chancellor of Ostland', 'Federal Chancellery', 'Europe/Vienna'],
    ['The King of Sandmark', 'The Royal Court', 'Asia/Riyadh'],
    [
      'The Chair of the Southern African Union of River States',
      'Secretariat of the Southern African Union of River States',
      'Africa/Johannesburg',
    ],
    ['The Foreign Minister', 'Ministry of Foreign Affairs', 'Europe/Lisbon'],
    ['The Premier of Westisle', 'Office of the Premier', 'Pacific/Auckland'],
    ['The President of Álvora', 'Palácio da Alvorada de Álvora', 'America/Sao_Paulo'],
  ].map(([name, organisation, zone], i) => ({
    person: id(20 + i),
    office: OFFICE,
    name: name ?? '',
    organisation: organisation ?? '',
    role: 'counterpart' as const,
    zone: zone ?? '',
    reachable: i % 3 !== 2,
  })),
];
