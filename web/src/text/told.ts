// Sentences that the engine and the office's server write in English: the known ones have a text in the catalogue, the
// others are shown as they came.

import type { Role } from '../engine/contract';
import { t, type Text } from '.';
import { capitalise, uncapitalise } from './format';

type Told = keyof Text['told'];

/**
 * Distinctive parts of sentences, of which the first that matches counts. What a group `why` matches is such a sentence itself,
 * and `role` a role.
 */
export const KNOWN: readonly (readonly [RegExp, Told])[] = [
  // Sentences with a reason, which is worded too.
  [/the device cannot ask: (?<why>.+)/i, 'cannot_ask'],
  [/the device was not enrolled: (?<why>.+)/i, 'not_enrolled_here'],
  [/the invitation was not made: (?<why>.+)\./i, 'not_invited'],
  [/the device was not approved: (?<why>.+)\./i, 'not_approved'],
  [/the certificate does not verify: (?<why>.+)/i, 'not_approved'],
  [/the device was not revoked: (?<why>.+)\./i, 'not_revoked'],
  [/the revocation does not verify: (?<why>.+)/i, 'not_revoked'],
  [/this device cannot act as a registrar: (?<why>.+)\./i, 'cannot_register'],
  [/the ring.{0,50}? was not accepted: (?<why>.+)/i, 'not_accepted'],
  [/ring was refused because it could not be verified: (?<why>.+)\. Tell the security officer/i, 'unverified_ring'],
  [/a ring was not shown: /i, 'ring_crossed'],
  [/refused admission to the call: (?<why>.+)\./i, 'refused_admission'],
  [/^the call was ended: /i, 'call_crossed'],
  [/of the other side (?:and may not read this|read requests and schedules)/i, 'reader_of_other_side'],
  [/you stopped this line on this device/i, 'line_stopped_here'],
  [/a stop that this device sent again was refused: (?<why>.+)\. Look at your lines/i, 'stop_refused'],
  [/ended because it could not be trusted: (?<why>.+)\./i, 'untrusted'],
  // Acting for somebody.
  [/the (?:end of the )?delegation does not verify: (?<why>.+)/i, 'not_delegated'],
  [/nothing was signed: (?<why>.+)\./i, 'not_delegated'],
  [/you cannot ring for this person: (?<why>.+)\./i, 'cannot_ring_for'],
  [/somebody's delegation was refused because it could not be verified: (?<why>.+)\./i, 'delegation_refused'],
  [
    /delegation has ended|delegation, or it has ended|delegation is not in force|principal has no device/i,
    'delegation_over',
  ],
  [/a delegation is not valid yet/i, 'delegation_early'],
  [/delegation is not for ringing|delegation is for another act/i, 'delegation_act'],
  [/rung for themselves|ring somebody for themselves/i, 'for_themselves'],
  [/delegation of this id was given before|delegation is over already/i, 'delegation_again'],
  [/who is to act has no device here/i, 'delegate_unknown'],
  [/too many delegations/i, 'too_many_delegations'],
  [/cannot be written now: the delegation counts/i, 'delegation_pending'],
  [/clock differs from the office's: set it, then/i, 'delegation_clock'],
  [/only its principal, or a security officer|people of your role do not ring for others/i, 'not_this_role'],
  [/by the device that signed it$|not verify (this|the) statement: /i, 'verify_again'],
  // Lines.
  [/a line was refused because it could not be verified: (?<why>.+)\./i, 'line_refused'],
  [/the line was not (?:offered|given): (?<why>.+)\./i, 'line_not_given'],
  [/the line was not confirmed: (?<why>.+)\./i, 'line_not_confirmed'],
  [/the line was not (?:changed|handed back): (?<why>.+)\./i, 'line_not_changed'],
  [/you cannot change lines for this person: (?<why>.+)\./i, 'line_not_changed'],
  [/list of lines has one that does not verify: (?<why>.+)\./i, 'lines_unverified'],
  [/list of lines shows an older version/i, 'lines_older'],
  [
    /people of your role do not give lines|only a principal's device offers|line is offered to a counterpart/i,
    'line_giver',
  ],
  [/not in the office's list, or needs no line/i, 'line_not_listed'],
  [/line is not yours to hand back|somebody else gave this line|signed line is another principal's/i, 'line_not_yours'],
  [/no call over a line is on/i, 'line_no_call'],
  [/only the person who gave this line, or a security officer/i, 'line_freeze_them'],
  [
    /no line that was (?:given|offered) on this device|line was offered on another device|invitation offers a line/i,
    'line_elsewhere',
  ],
  [/does not know the time zone of its hours|no such time zone: choose another/i, 'line_zone'],
  [/it is for a line: who gave it confirms|this invitation is not for a line/i, 'line_confirmed_by_giver'],
  [/the line is missing that the device is approved for/i, 'update_device'],
  [/may not close this invitation, or it is closed/i, 'invitation_closed'],
  [/what the line allows is not within its limits/i, 'line_limits'],
  [/too many of your lines wait/i, 'line_too_many_open'],
  [/as many lines as one can/i, 'line_too_many'],
  [/known to the office and holds no line of yours|known to the office: offer the line to a new one/i, 'line_known'],
  [/charter has no lines/i, 'lines_none'],
  [/keeps what it allows: change that|use it again first, then change what it allows/i, 'line_use_first'],
  [/change of the line counts once it can/i, 'line_log_pending'],
  [/line is not in the office's log yet|this line is being changed/i, 'line_pending'],
  [/last change of this line is not in the office's log yet/i, 'line_pending'],
  [/there is no such line, or it has ended|this line has ended|this line's time is over/i, 'line_ended'],
  [/this line has changed (meanwhile|since)/i, 'line_changed'],
  [/what the delegate said does not verify: (?<why>.+)/i, 'attestation_unverified'],
  [/shows another offer than the delegate made|what was signed is not the line that was offered/i, 'attestation_other'],
  [/line was offered for somebody else, who has to confirm/i, 'offered_for_other'],
  [/whoever offered this line has not compared the code/i, 'not_compared'],
  [/the principal was told already who took this line/i, 'attested_already'],
  [/the device that offered this line was revoked/i, 'offerer_revoked'],
  [/a line stays between the same people/i, 'line_same_people'],
  [/a line of this id was given before/i, 'line_again'],
  [/this line is between other people/i, 'line_other_people'],
  [/this line belongs to another device/i, 'line_device'],
  [/backup that is older than this line's last change|confirms a line after the office's server/i, 'line_restored'],
  [/lost a version that is not newer/i, 'line_not_lost'],
  [/line is paused: the person does not want/i, 'line_paused'],
  [/line is frozen until the office has cleared/i, 'line_suspect'],
  [/line demands a higher record mode/i, 'line_mode'],
  [/line is for planned calls: ask for a time/i, 'line_planned'],
  [/at certain hours only, in the zone (\S+): ring then/i, 'line_hours_in'],
  [/may be rung over (\S+) times in 24 hours/i, 'line_often'],
  [/one rings over a line, and the ring names none|the ring names no line/i, 'line_missing'],
  [/a call is promised within twelve hours/i, 'promise_limit'],
  [/signed line is not the one that was offered|line is for a device that its holder/i, 'verify_again'],
  [/could not (verify this version of|read this) (a )?line/i, 'verify_again'],
  // Enrolment.
  [/another office authority than the one in the enrolment link|link is of another office/i, 'other_office'],
  [/this link was used already, by another device/i, 'link_used_elsewhere'],
  [/this link is not (known here|valid any more)/i, 'link_closed'],
  [/this (enrolment|link) was used already/i, 'link_used'],
  [/(enrolment link|this link) has expired/i, 'link_expired'],
  [/enrolment link is not valid yet/i, 'link_early'],
  [/enrolment link is (inconsistent|of version)|not a complete enrolment link/i, 'link_damaged'],
  [/this device is not enrolled/i, 'not_enrolled'],
  [/stored keys cannot be read/i, 'keys_unreadable'],
  // Short codes.
  [/^a code has digits only/i, 'code_digits'],
  [/^a code has ten digits/i, 'code_length'],
  [/whoever answered does not know this code/i, 'code_not_proved'],
  [/another device used this code/i, 'code_used'],
  [/this code is closed, because wrong codes were typed/i, 'code_guessed'],
  [/this code has expired/i, 'code_expired'],
  [/device that showed this code closed it or is not connected/i, 'code_gone'],
  [/this code is closed, because it was tried too often/i, 'code_too_many'],
  [/this attempt is not known any more/i, 'code_again'],
  [/no such code is open/i, 'code_unknown'],
  [/device that shows this code does not answer/i, 'code_no_answer'],
  [/^too many codes were (typed|made)/i, 'too_often'],
  [/the server did not forward this: make another code/i, 'code_expired'],
  [/a code can only be shown for an open invitation/i, 'code_not_here'],
  [/the code was typed on another device, too/i, 'code_late'],
  [
    /answer about this code is malformed|message of this code is too long|device that shows this code is of another version/i,
    'update_device',
  ],
  // People's devices.
  [/device of this id is enrolled already/i, 'link_again'],
  [/the person has (\S+) devices, and the limit is (\S+)/i, 'too_many_devices'],
  [/not a registrar any more/i, 'appointment_over'],
  [/this device is not a registrar|this device may not close invitations|is not a registrar's$/i, 'not_registrar'],
  [/(this device|this registrar) may not (enrol|invite) people of that role/i, 'other_role'],
  [/may not approve devices of people of that role|for a role that its registrar may not enrol/i, 'other_role'],
  [/an invitation is valid for up to seven days/i, 'own_clock'],
  [/too many invitations are open/i, 'too_many_invitations'],
  [/an invitation of this id exists/i, 'invitation_exists'],
  [/the invitation is closed|this invitation is closed already/i, 'invitation_closed'],
  [
    /this person is enrolled as (.+), (?<role>[^,]+), (\S+): ask your office for a link with those words/i,
    'other_words',
  ],
  [
    /^(.+?)(?:, [a-z -]+)? looks the same as (.+?)(?:, [a-z -]+)?, who is .+: if this is the same person/i,
    'looks_like',
  ],
  [/^(.+?)(?:, [a-z -]+)? looks the same as (.+?)(?:, [a-z -]+)?, who is enrolled: ask/i, 'looks_like_link'],
  [/request was made without the link that it names|request names another invitation/i, 'forged_request'],
  [/made on another device, which (has to answer it|alone can verify)/i, 'made_elsewhere'],
  [/code is not the one that you compared/i, 'other_code'],
  // Recoveries.
  [/the recovery was not (opened|confirmed): (?<why>.+)\./i, 'recovery_failed'],
  [/the (recovery|confirmation) does not verify: (?<why>.+)/i, 'recovery_unverified'],
  [/its statement does not verify: (?<why>.+)/i, 'recovery_unverified'],
  [/its statement is about another person|whoever (opened|confirmed) it may not enrol/i, 'recovery_not_genuine'],
  [/nobody (opens|confirms) a recovery of their own/i, 'recovery_own'],
  [/you opened this recovery: another security officer/i, 'recovery_same'],
  [/a recovery of this person is open already/i, 'recovery_open'],
  [/(this recovery|it) is confirmed already/i, 'recovery_confirmed'],
  [/^(this recovery|it) is over/i, 'recovery_over'],
  [/may not (recover|close recoveries of) people of that role/i, 'recovery_role'],
  [/whoever opened this recovery may not recover/i, 'recovery_void'],
  [
    /person's devices have changed|confirmation is of another statement|a recovery of this id exists/i,
    'recovery_changed',
  ],
  [/is another device's: (open|confirm) the recovery again/i, 'recovery_changed'],
  [/device of this person is being enrolled/i, 'recovery_enrolling'],
  [/too many recoveries are open/i, 'too_many_recoveries'],
  [/no device of this person was ever enrolled/i, 'no_such_person'],
  [/two security officers have to approve the device of a recovered/i, 'recovery_two'],
  [/who opened this recovery has to approve/i, 'recovery_second'],
  // Two security officers.
  [/the first approval does not verify: (?<why>.+)/i, 'first_unverified'],
  [/you approved this device already/i, 'same_approver'],
  [/appointed after the first security officer approved/i, 'appointed_later'],
  [/first security officer's approval is too old/i, 'first_too_old'],
  [/first security officer's approval has changed/i, 'first_changed'],
  [/first security officer's approval does not count any more/i, 'first_void'],
  [/no device has asked yet/i, 'nobody_asked'],
  [/certificate is not for the device and person|issued with another registrar's/i, 'request_changed'],
  [/may not revoke devices of people of that role/i, 'other_role_revoke'],
  [/this device was revoked already/i, 'revoked_already'],
  [/disconnected, but the revocation could not be logged yet/i, 'revocation_pending'],
  [/approved this device, and it is being enrolled/i, 'being_enrolled'],
  [/no such device is enrolled here/i, 'no_such_device'],
  [/(did not|could not) verify (this|the) (revocation|certificate|statement)/i, 'verify_again'],
  [/sent another device's appointment|does not match the registrar's certificate/i, 'other_appointment'],
  // Protection of a device's keys.
  [/^confirm this with your passkey or PIN/i, 'confirm_again'],
  [/^unlock this device with its passkey or PIN/i, 'unlock_first'],
  [/the passkey was not accepted: try again|passkey was used elsewhere at the same time/i, 'passkey_refused'],
  [/the passkey was not accepted: reload|the passkey's answer is malformed/i, 'passkey_unusable'],
  [/this took too long, or was answered already/i, 'too_late'],
  [/this device has too many passkeys/i, 'too_many_passkeys'],
  [/this device has too many PINs/i, 'too_many_pins'],
  [/nothing else unlocks this device/i, 'last_protector'],
  [/a PIN has \d+ to \d+ characters/i, 'pin_length'],
  [/too many attempts at this PIN (wait|are waiting)/i, 'pin_waits'],
  [/the salt of the PIN is damaged/i, 'pin_damaged'],
  [/too little free memory for the PIN/i, 'no_memory'],
  [/the origin of this page is not the office's/i, 'other_address'],
  // Accounts at the office's provider.
  [/sign-in service does not answer/i, 'sso_away'],
  [/sign-in service did not confirm who you are/i, 'sso_unconfirmed'],
  [/not the account that your office knows as yours/i, 'sso_other_account'],
  [/this sign-in took too long, or was ended/i, 'sso_late'],
  [/this sign-in was begun on another device/i, 'sso_other_device'],
  [
    /people of this office do not sign in at a provider|only your office's page can begin|state and code are what/i,
    'sso_unusable',
  ],
  // Rules for devices.
  [/your office (lets no browser sign in|does not allow browsers) for your role/i, 'no_browser'],
  [/a place's device is a browser/i, 'place_is_browser'],
  [/nobody works in shifts at this device|nobody is on shift at this device/i, 'no_shifts_here'],
  [/the device of this passkey is revoked|your office does not know this passkey, or its device/i, 'shift_unknown'],
  [/this passkey protects a place's device/i, 'shift_own_passkey'],
  [/your role does not allow a shift at this place/i, 'shift_role'],
  [/a shift begins at this device already/i, 'shift_begins'],
  [/this shift ended before it began/i, 'shift_ended_first'],
  [/a place has a role that works in shifts/i, 'place_role'],
  [/your office (lets only browsers sign in|allows only browsers) for your role/i, 'only_browsers'],
  [/protect this device with a passkey or PIN first/i, 'protect_first'],
  [/older than your office allows/i, 'update_device'],
  // Roles.
  [/this device's role may not |only a security officer's is$/i, 'not_this_role'],
  // Notifications while the page is closed.
  [/this office sends no push messages/i, 'no_push_here'],
  [/reached its limit of push subscriptions|too many devices are told of alerts/i, 'too_many_subscriptions'],
  [/the push service has no public address|the address of the subscription (is longer|must be)/i, 'push_not_reached'],
  [/(p256dh|auth) must be .+: subscribe again/i, 'push_again'],
  // Versions.
  [/uses version \S+ of the protocol|this server speaks version|this server's API is at/i, 'update_device'],
  [
    /the message (is too long|holds the character NUL): update|not a message of this version|something this version does not understand/i,
    'update_device',
  ],
  [/the body (is (too long|not readable)|does not have)|send the body with|nothing at this address/i, 'update_device'],
  [/a locker's identifier has|credential's identifier is|the query is \?limit=/i, 'update_device'],
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
  [
    /your office did not open this call|this call was opened before|names another (device than|cipher suite)/i,
    'not_opened',
  ],
  [/(did not|could not) verify (it|this ring): ring again/i, 'not_opened'],
  [/ring of an earlier call/i, 'old_ring'],
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
  [/says that this device is in (another call|a call that)/i, 'other_call'],
  [/the call is on no relay|relay refused the audio connection/i, 'no_sound'],
  // Records.
  [/^no such call\.?$/i, 'no_such_call'],
  [/the list has no call with the id/i, 'list_changed'],
  [/ask for proofs between sizes up to that/i, 'log_behind'],
  // The office and its log.
  [/log was (rewritten|rolled back|forked)|log does not continue what this device saw/i, 'log_rewritten'],
  [/from another log than the office's/i, 'other_log'],
  [/log's checkpoint is invalid/i, 'log_unsigned'],
  [/says that this device is revoked/i, 'revoked_unproved'],
  [/this device's clock is (\S+) (\S+) .+ the clock of your office/i, 'clock'],
  [/no connection to your office|^sign in first/i, 'no_connection'],
  [/server is restarting/i, 'restarting'],
  [/disk of the server's database is full/i, 'disk_full'],
  [/server failed|server's database failed|server's store cannot be read|log cannot be written/i, 'server_failed'],
  [/server cannot make random numbers|server could not check the proof|the request took too long/i, 'server_failed'],
  [/too many (searches|connections are signing in|lists are being read)|too many requests in progress/i, 'too_often'],
  [/audio connection too often|^wait a second$|rate limit exceeded|did not come in time: connect again/i, 'too_often'],
  [/server sent a message over the limit/i, 'too_long'],
  // Lines: reasons, inside a sentence.
  [/the line has ended: ask for a new one/i, 'line_ended'],
  [/the line is paused: ask again later/i, 'line_paused'],
  [/the line is frozen, because somebody doubted/i, 'line_suspect'],
  [/the line is for planned calls only/i, 'line_planned'],
  [/the line may not be rung over at this hour/i, 'line_hours'],
  [/only a principal's device gives a line/i, 'line_giver'],
  [/comes from a device that the line is not bound to/i, 'line_device'],
  [/a ring came without a line/i, 'line_missing'],
  [/a ring names another line than/i, 'other_line'],
  [/the key does not match this device's certificate/i, 'device_key'],
  // Reasons, inside a sentence.
  [/device certificate has expired/i, 'certificate_expired'],
  [/device certificate is not valid yet/i, 'certificate_early'],
  [/authority's certificate expires too soon/i, 'authority_ends'],
  [/a ring is too old to be answered/i, 'ring_old'],
  [/a ring is dated in the future/i, 'ring_future'],
  [/a ring (comes from a person who|asks for another suite|has a lower record mode)/i, 'ring_not_allowed'],
  [/the office uses .+ and this is for /i, 'other_suite'],
  [/another office's authority|another authority uses|belongs to an office that|a different office than/i, 'foreign'],
  [/a name is empty, longer than/i, 'bad_name'],
  [/a time zone is not written as an IANA name/i, 'bad_zone'],
  [/a signature is invalid|a checkpoint is not signed/i, 'bad_signature'],
  [
    /^an? (device |issuer's |registrar's )?(certificate('s)?|public key) |^a group member's credential/i,
    'bad_certificate',
  ],
  [/^a log (proof|entry)|log key/i, 'not_in_log'],
  [/: do not trust it, and tell the security officer/i, 'not_genuine'],
  [/^no note-taker was in the call$/i, 'no_note_taker'],
  [/its record did not arrive in time$/i, 'not_delivered'],
  [/^nobody answered, so nothing was said$/i, 'nothing_said'],
  [/before the server learned of an answer/i, 'answer_unknown'],
  [/the recovery was opened too long ago|it was opened too long ago, or by another clock/i, 'recovery_old'],
  [/signs in (with the office account )?too often/i, 'signs_in_too_often'],
  [/by the clock of the office's server its certificate has expired/i, 'expired_by_server_clock'],
];

/** Which known sentence it is. */
export const told_name = (text: string): Told | null => KNOWN.find(([pattern]) => pattern.test(text))?.[1] ?? null;

/** A reason of the engine or the server, as part of a sentence, in the current language, if it is a known one. */
export function told_reason(text: string): string {
  for (const [pattern, name] of KNOWN) {
    const found = pattern.exec(text);
    if (!found) continue;
    const known = t().told[name];
    if (typeof known === 'string') return known;
    const { why, role } = found.groups ?? {};
    const worded = found.slice(1).map((part) => (part === why ? inside(part) : part === role ? role_name(part) : part));
    return (known as (...parts: string[]) => string)(...worded);
  }
  return text;
}

/** A sentence as the reason inside another. */
const inside = (text: string): string => uncapitalise(told_reason(text)).replace(/\.$/, '');

/** A role as the server writes it, such as `note-taker`, in the current language. */
function role_name(words: string): string {
  const { roles } = t().devices;
  return roles[words.replace(/[ -]/g, '_') as Role] ?? words;
}

/** A sentence of the engine or the server in the current language, if it is a known one. Programs write neither a capital nor a full stop. */
export function told(text: string): string {
  const sentence = capitalise(told_reason(text).trim());
  return sentence === '' || /[.!?…]$/.test(sentence) ? sentence : `${sentence}.`;
}
