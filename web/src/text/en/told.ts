// Sentences of the engine and the office's server that people meet, reworded. `told.ts` beside this folder finds them.

export const told = {
  other_office: 'This link belongs to a different office. Do not continue.',
  link_used: 'This link has already been used. Each link is for one device: ask your office for another.',
  link_used_elsewhere:
    'Another device opened this link first. If that was not you, tell your office at once, by telephone or in person: somebody else may have the link.',
  link_closed: 'This link is no longer valid. Ask your office for another.',
  link_expired: 'This link has expired. Ask your office for a new one.',
  link_early: 'This link is not valid yet. Check this device’s clock.',
  link_damaged:
    'This link is damaged or incomplete. Copy the whole link and open it again, or ask your office for a new one.',
  link_again: 'This browser’s keys were used already. Ask your office for another link.',
  cannot_ask: (why: string) => `This device’s request was not accepted: ${why}. Ask your office for another link.`,
  not_registrar: 'This device may not invite or approve. The holder of the office’s authority has to appoint it.',
  other_role: 'This device may not invite or approve people of that role.',
  not_invited: (why: string) => `The invitation was not made: ${why}.`,
  own_clock: 'An invitation is valid for up to seven days. Check this device’s clock.',
  too_many_invitations: 'Too many invitations are open. Withdraw some first.',
  invitation_closed: 'This invitation is closed already.',
  other_words: (words: string) =>
    `This person is enrolled as ${words}. Use “Add a device” beside their name, or have the devices under the old words revoked first.`,
  forged_request: 'The device that asked does not have the link of this invitation.',
  not_approved: (why: string) => `The device was not approved: ${why}.`,
  request_changed:
    'Your office’s server has another request than the one that you approved. Refuse it, and invite this person again.',
  other_appointment:
    'The office’s server sent another device’s appointment. Tell the holder of the office’s authority.',
  cannot_register: (why: string) =>
    `This device can no longer invite or approve: ${why}. The holder of the office’s authority has to appoint it again.`,
  update_device: 'This device’s version of Telcon is out of date. Reload this page to update it.',
  in_a_call: 'End the current call first.',
  not_listed: 'This person is not in your office’s list.',
  not_connected_offices: 'This person belongs to another office, and your office is not connected to it.',
  yourself: 'You cannot call yourself.',
  call_over: 'This call has ended, or cannot be joined.',
  old_ring: 'An earlier call was repeated. It was not shown.',
  unverified_ring: (why: string) =>
    `A call could not be verified and was not shown: ${why}. Tell your security officer.`,
  too_many: 'Too many calls in a short time. Wait a minute, then try again.',
  unreachable: 'That person has no device here.',
  keys_lost: 'This page was reloaded, and no other device could let it back into the call. Ring again.',
  full: 'The call is full: somebody has to leave first.',
  untrusted: (why: string) => `The call was ended because it could not be trusted: ${why}. Tell your security officer.`,
  log_rewritten: 'The office’s log was changed after the fact. Make no calls, and tell your security officer.',
  revoked_unproved:
    'The office’s server claims that this device is revoked, but gave no proof of it. Ask your security officer.',
  other_call: 'The office’s server claims that this device is in a different call. Tell your security officer.',
  restarting: 'Your office’s server is restarting. Try again in a moment.',
  no_note_taker: 'no note-taker was in the call',
  not_delivered: 'a note-taker was in the call, but its record did not arrive in time',
  not_enrolled: 'Your office does not know this device. Ask it for a new enrolment link.',
  rings_you: 'They are calling you at this moment: accept their call.',
  ring_later: (seconds: string) => `They declined or did not answer. You can call them again in ${seconds} seconds.`,
  may_not_ring: 'This person cannot be called from this device.',
  not_accepted: (why: string) =>
    `Your office did not accept the call: ${why}. Call again; if that does not help, tell your office.`,
  not_opened: 'Your office did not open this call. Call again; if that does not help, tell your office.',
  cannot_silence: 'This person cannot call you, so there is nothing to silence.',
  silenced_full: 'Your list of silenced callers is full. Let one of them ring again first.',
  answered_elsewhere: 'This call was answered on another device, or no longer rings here.',
  being_let_in: 'This device is being let into the call. Wait a moment.',
  may_not_join: 'This device may not join that call.',
  not_in_call: 'This device is no longer in that call.',
  no_keys: 'This device could not create keys for the call. Reload this page, then call again.',
  refused_admission: (why: string) => `Somebody was not let into the call: ${why}.`,
  no_sound: 'Your office could not connect the sound of this call. Try again in a moment.',
  other_log:
    'This device was shown a call or a device that is not in the office’s log. Make no calls, and tell your security officer.',
  log_unsigned: 'The office’s log is not signed as it should be. Make no calls, and tell your security officer.',
  clock: (n: string, unit: string) =>
    `This device’s clock and your office’s differ by ${n} ${unit}. Calls may fail until both are right.`,
  no_connection: 'There is no connection to your office. Try again when it is back.',
  disk_full: 'The disk of your office’s server is full. Tell your office.',
  server_failed: 'Your office’s server has a fault. Try again; if that does not help, tell your office.',
  too_often: 'Too many requests at once. Wait a moment, then try again.',
  too_long: 'Your office’s server sent more than this device accepts. It was ignored.',
  nothing_said: 'nobody answered, so nothing was said',
};
