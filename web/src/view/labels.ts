// Icons, and names of people in sentences.

import type { Card, MemberView } from '../engine/contract';
import { t } from '../text';

/** Icons, each with one meaning. */
export type Shape =
  | 'seal'
  | 'phone'
  | 'unreachable'
  | 'missed'
  | 'people'
  | 'star'
  | 'alert'
  | 'wait'
  | 'record'
  | 'unrecorded'
  | 'microphone'
  | 'muted'
  | 'silent'
  | 'sound'
  | 'settings'
  | 'back'
  | 'forward'
  | 'lock'
  | 'no'
  | 'line'
  | 'paper';

/** Severity of a badge. */
export type Level = 'seal' | 'amber' | 'red' | 'quiet';

/** `The President and the Prime Minister of Estmark`. */
export const both_names = (from: Card, to: Card): string => t().names.both(from.name, to.name);

/** `Name, Organisation`. */
export const named = (card: { name: string; organisation: string }): string =>
  t().names.in_organisation(card.name, card.organisation);

/** Names of members as they stand inside a sentence. */
export const names_of = (members: Pick<MemberView, 'name' | 'you'>[]): string[] =>
  members.map((m) => (m.you ? t().desk.you : t().names.mid(m.name)));
