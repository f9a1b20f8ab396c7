// Sentences that the engine and the office's server write in English: the known ones have a text in the catalogue, the
// others are shown as they came.

import { t, type Text } from '.';

type Told = keyof Text['told'];

/** Distinctive parts of sentences, of which the first that matches counts. */
const KNOWN: [RegExp, Told][] = [
  [/another office authority than the one in the enrolment link|link is of another office/i, 'other_office'],
  [/this (enrolment|link) was used already/i, 'link_used'],
  [/(enrolment link|this link) has expired/i, 'link_expired'],
  [/enrolment link is not valid yet/i, 'link_early'],
  [/enrolment link is (inconsistent|of version)|link is of version \d+/i, 'link_damaged'],
  [/ring is of another version|uses version \d+ of the protocol/i, 'update_device'],
  [/end the present call|leave the present call|you are in another call: end it/i, 'in_a_call'],
  [/not in the office's list/i, 'not_listed'],
  [/belongs to another office, which yours|not connected to others/i, 'not_connected_offices'],
  [/cannot ring yourself|cannot ring oneself/i, 'yourself'],
  [/this call is over, or cannot be joined|no such call, or it is over/i, 'call_over'],
  [/ring of an earlier call/i, 'old_ring'],
  [/ring was refused because it could not be verified: (.+)\. Tell the security officer/i, 'unverified_ring'],
  [/too many rings from this device/i, 'too_many'],
  [/no such person here, or they have no device/i, 'unreachable'],
  [/nobody else holds the keys of this call/i, 'keys_lost'],
  [/the call is full/i, 'full'],
  [/ended because it could not be trusted: (.+)\./i, 'untrusted'],
  [/log was (rewritten|rolled back|forked)|does not (continue|extend) (what|the tree)/i, 'log_rewritten'],
  [/says that this device is revoked/i, 'revoked_unproved'],
  [/says that this device is in (another call|a call that)/i, 'other_call'],
  [/server is restarting|switchboard is starting/i, 'restarting'],
  [/^no note-taker was in the call$/i, 'no_note_taker'],
  [/its record did not arrive in time$/i, 'not_delivered'],
];

/** Which known sentence it is. */
export const told_name = (text: string): Told | null => KNOWN.find(([pattern]) => pattern.test(text))?.[1] ?? null;

/** A sentence of the engine or the server in the current language, if it is a known one. */
export function told(text: string): string {
  for (const [pattern, name] of KNOWN) {
    const found = pattern.exec(text);
    if (!found) continue;
    const known = t().told[name];
    return typeof known === 'string' ? known : known(found[1] ?? '');
  }
  return text;
}
