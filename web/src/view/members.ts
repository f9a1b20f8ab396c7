// The members of a call, as a list and as a sentence.

import type { MemberView } from '../engine/contract';
import { speaks } from '../engine/roles';
import { t } from '../text';
import { join_list } from '../text/format';
import { names_of } from './labels';
import { on_shift_elsewhere } from './shift';

export interface MemberRow {
  device: string;
  name: string;
  organisation: string;
  does: string;
  /** Who is on shift, of a place's device. */
  on_shift: string | null;
  /** Is heard at this moment. */
  speaking: boolean;
}

/** Whose sound is above the threshold of speech. */
export interface Speaking {
  you: boolean;
  /** Somebody of the others. */
  others: boolean;
}

export const NOBODY_SPEAKS: Speaking = { you: false, others: false };

/** This device first, then speakers, then listeners. */
/** A person who speaks, with each of their devices in the call: while they continue it on another one there are two. */
function by_person(all: MemberView[]): MemberView[][] {
  const groups = new Map<string, MemberView[]>();
  for (const m of all) {
    const key = m.speaks ? `${m.office} ${m.person}` : m.device;
    groups.set(key, [...(groups.get(key) ?? []), m]);
  }
  return [...groups.values()];
}

export function members(all: MemberView[], speaking: Speaking = NOBODY_SPEAKS): MemberRow[] {
  const { call, moves } = t();
  const rank = (m: MemberView) => (m.you ? 0 : m.speaks ? 1 : 2);
  // The page hears all others in one mix: it knows who speaks only where one of them can.
  const people = by_person([...all].sort((a, b) => rank(a) - rank(b)));
  const other_speakers = people.filter((devices) => devices.every((m) => !m.you && m.speaks));
  return people
    .map((devices) => {
      // One participant: this device, or the one that is heard.
      const m = devices.find((one) => one.you) ?? devices.find((one) => !one.muted) ?? devices[0];
      return { m, more: devices.length > 1 };
    })
    .filter((row): row is { m: MemberView; more: boolean } => row.m !== undefined)
    .map(({ m, more }) => {
      const heard = m.you ? speaking.you && m.speaks : speaking.others && other_speakers.length === 1;
      return {
        device: m.device,
        name: m.you ? t().words.you : m.name,
        organisation: m.organisation,
        does: [
          m.you ? call.this_device : null,
          m.you && m.speaks ? null : m.lost ? call.not_responding : does(m),
          m.muted ? call.muted : null,
          more ? moves.two_devices : null,
        ]
          .filter((part) => part !== null)
          .join(', '),
        on_shift: m.on_shift ? on_shift_elsewhere(m.on_shift) : null,
        speaking: heard && m.speaks && !m.muted,
      };
    });
}

/** What a member does: by their role, or for a party. */
const does = (m: MemberView): string => (m.speaks && !speaks(m.role) ? t().acting.speaks_for : t().call.does[m.role]);

/** Who listens, in a line that is always visible. A note-taker that does not respond is not said to listen. */
export function listeners_line(all: MemberView[]): string | null {
  const listeners = all.filter((m) => !m.you && !m.speaks && !m.lost);
  return listeners.length === 0 ? null : t().call.listens(join_list(names_of(listeners)), listeners.length);
}
