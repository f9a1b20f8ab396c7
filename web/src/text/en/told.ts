// Sentences of the engine and the office's server that people meet, reworded. `told.ts` beside this folder finds them.

export const told = {
  other_office: 'This link belongs to a different office. Do not continue.',
  link_used: 'This link has already been used. Each link is for one device: ask your office for another.',
  link_expired: 'This link has expired. Ask your office for a new one.',
  link_early: 'This link is not valid yet. Check this device’s clock.',
  link_damaged:
    'This link is damaged or incomplete. Copy the whole link and open it again, or ask your office for a new one.',
  update_device: 'This device’s version of Telcon is out of date. Reload this page to update it.',
  in_a_call: 'End the current call first.',
  not_listed: 'This person is not in your office’s list.',
  not_connected_offices: 'This person belongs to another office, and your office is not connected to it.',
  yourself: 'You cannot call yourself.',
  call_over: 'This call has ended, or cannot be joined.',
  old_ring: 'An earlier call was repeated. It was not shown.',
  unverified_ring: (why: string) =>
    `A call could not be verified and was not shown: ${why}. Tell your security officer.`,
  too_many: 'Too many calls from this device. Wait a minute, then try again.',
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
};
