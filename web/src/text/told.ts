// Sentences that the engine and the office's server write in English: the known ones have a text in the catalogue, the
// others are shown as they came.

import { t, type Text } from '.';
import { capitalise } from './format';

type Told = keyof Text['told'];

/** Distinctive parts of sentences, of which the first that matches counts. */
export const KNOWN: readonly (readonly [RegExp, Told])[] = [
  // Enrolment.
  [/another office authority than the one in the enrolment link|link is of another office/i, 'other_office'],
  [/this link was used already, by another device/i, 'link_used_elsewhere'],
  [/this link is not (known here|valid any more)/i, 'link_closed'],
  [/this (enrolment|link) was used already/i, 'link_used'],
  [/(enrolment link|this link) has expired/i, 'link_expired'],
  [/enrolment link is not valid yet/i, 'link_early'],
  [/enrolment link is (inconsistent|of version)|not a complete enrolment link/i, 'link_damaged'],
  [/this device is not enrolled/i, 'not_enrolled'],
  // People's devices.
  [/device of this id is enrolled already/i, 'link_again'],
  [/the device cannot ask: (.+)/i, 'cannot_ask'],
  [/this device is not a registrar/i, 'not_registrar'],
  [
    /this device may not (enrol|invite) people of that role|may not approve devices of people of that role/i,
    'other_role',
  ],
  [/this device may not close invitations/i, 'not_registrar'],
  [/the invitation was not made: (.+)\./i, 'not_invited'],
  [/an invitation is valid for up to seven days/i, 'own_clock'],
  [/too many invitations are open/i, 'too_many_invitations'],
  [/the invitation is closed|this invitation is closed already/i, 'invitation_closed'],
  [/this person is enrolled as (.+): ask your office for a link with those words/i, 'other_words'],
  [/^(.+) looks the same as (.+), who is .+: if this is the same person/i, 'looks_like'],
  [/request was made without the link that it names|request names another invitation/i, 'forged_request'],
  [/the device was not approved: (.+)\./i, 'not_approved'],
  [/certificate is not for the device and person|issued with another registrar's/i, 'request_changed'],
  [/may not revoke devices of people of that role/i, 'other_role_revoke'],
  [/this device was revoked already/i, 'revoked_already'],
  [/the device was not revoked: (.+)\./i, 'not_revoked'],
  [/did not verify this revocation|could not verify the certificate: approve it again/i, 'verify_again'],
  [/sent another device's appointment/i, 'other_appointment'],
  [/this device cannot act as a registrar: (.+)\./i, 'cannot_register'],
  // Versions.
  [/uses version \S+ of the protocol|this server speaks version|this server's API is at/i, 'update_device'],
  [/not a message of this version|something this version does not understand/i, 'update_device'],
  // Ringing.
  [/end the present call|leave the present call|you are in another call: end it/i, 'in_a_call'],
  [/not in the office's list/i, 'not_listed'],
  [/belongs to another office, which yours|not connected to others/i, 'not_connected_offices'],
  [/cannot ring yourself|cannot ring oneself/i, 'yourself'],
  [/this person rings you now|they ring you at this moment/i, 'rings_you'],
  [/person can be rung again in (\S+) s$/i, 'ring_later'],
  [/too many rings from this/i, 'too_many'],
  [/no such person here, or they have no device/i, 'unreachable'],
  [/this role may not be rung/i, 'may_not_ring'],
  [/the ring.{0,50}? was not accepted: (.+)/i, 'not_accepted'],
  [
    /your office did not open this call|this call was opened before|names another (device than|cipher suite)/i,
    'not_opened',
  ],
  [/(did not|could not) verify (it|this ring): ring again/i, 'not_opened'],
  [/ring of an earlier call/i, 'old_ring'],
  [/ring was refused because it could not be verified: (.+)\. Tell the security officer/i, 'unverified_ring'],
  [/only people who may ring this person can be silenced/i, 'cannot_silence'],
  [/list of silenced callers is full/i, 'silenced_full'],
  // In a call.
  [/this call is over, or cannot be joined|no such call, or it is over|that ring is over/i, 'call_over'],
  [/another device has answered this call|only a device that rings can decline/i, 'answered_elsewhere'],
  [/this device has (?:answered|asked)(?: to join)? already/i, 'being_let_in'],
  [/this device may not join the call/i, 'may_not_join'],
  [
    /this device is (not in the call|no member of the call any more)|what this device missed is no longer kept/i,
    'not_in_call',
  ],
  [/nobody else holds the keys of this call/i, 'keys_lost'],
  [/the call is full/i, 'full'],
  [/could not (create|make) (new )?keys/i, 'no_keys'],
  [/refused admission to the call: (.+)\./i, 'refused_admission'],
  [/ended because it could not be trusted: (.+)\./i, 'untrusted'],
  [/says that this device is in (another call|a call that)/i, 'other_call'],
  [/the call is on no relay|relay refused the audio connection/i, 'no_sound'],
  // The office and its log.
  [/log was (rewritten|rolled back|forked)|log does not continue what this device saw/i, 'log_rewritten'],
  [/from another log than the office's/i, 'other_log'],
  [/log's checkpoint is invalid/i, 'log_unsigned'],
  [/says that this device is revoked/i, 'revoked_unproved'],
  [/this device's clock is (\S+) (\S+) .+ the clock of your office/i, 'clock'],
  [/no connection to your office/i, 'no_connection'],
  [/server is restarting/i, 'restarting'],
  [/disk of the server's database is full/i, 'disk_full'],
  [/server failed|server's database failed|server's store cannot be read|log cannot be written/i, 'server_failed'],
  [/server cannot make random numbers|server could not check the proof|the request took too long/i, 'server_failed'],
  [/too many (searches|connections are signing in|lists are being read)|too many requests in progress/i, 'too_often'],
  [/audio connection too often|^wait a second$|rate limit exceeded|did not come in time: connect again/i, 'too_often'],
  [/server sent a message over the limit/i, 'too_long'],
  // Reasons, inside a sentence.
  [/^no note-taker was in the call$/i, 'no_note_taker'],
  [/its record did not arrive in time$/i, 'not_delivered'],
  [/^nobody answered, so nothing was said$/i, 'nothing_said'],
];

/** Which known sentence it is. */
export const told_name = (text: string): Told | null => KNOWN.find(([pattern]) => pattern.test(text))?.[1] ?? null;

/** A reason of the engine or the server, as part of a sentence, in the current language, if it is a known one. */
export function told_reason(text: string): string {
  for (const [pattern, name] of KNOWN) {
    const found = pattern.exec(text);
    if (!found) continue;
    const known = t().told[name];
    return typeof known === 'string' ? known : (known as (...parts: string[]) => string)(...found.slice(1));
  }
  return text;
}

/** A sentence of the engine or the server in the current language, if it is a known one. Programs write neither a capital nor a full stop. */
export function told(text: string): string {
  const sentence = capitalise(told_reason(text).trim());
  return sentence === '' || /[.!?…]$/.test(sentence) ? sentence : `${sentence}.`;
}
