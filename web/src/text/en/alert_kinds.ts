// What happened, of each kind of alert: without a full stop. The push worker has only this file and `push.ts`.

export const alert_kinds = {
  device_asked: 'A new device asks to be enrolled',
  device_enrolled: 'A device was enrolled',
  device_refused: 'A device was refused',
  device_revoked: 'A device was revoked',
  recovery_opened: 'A recovery was opened: somebody is said to have lost all devices',
  recovery_confirmed: 'A recovery was confirmed: all devices of a person are revoked',
  recovery_closed: 'A recovery ended',
  link_opened_again: 'An invitation’s link was opened on a second device',
  registrar_appointed: 'A device was appointed as a registrar',
  sign_in_failed: 'A sign-in failed',
  account_linked: 'A person signed in with an office account for the first time',
  ring_refused: 'A device sent a ring that does not verify',
  proof_invalid: 'A device received a proof that does not verify',
  log_forked: 'A device was shown a log that does not match the earlier one',
  ring_invalid: 'The server delivered a ring that does not verify',
  code_guessed: 'Wrong codes were typed until the code was closed',
  line_suspect: 'A line was frozen: somebody doubted who was ringing',
};
