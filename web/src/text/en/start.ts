// What each role can do, on the screen that it starts with.

export const start = {
  principal: 'Ring people, and be rung.',
  counterpart: 'Ring the people who gave you a line, and be rung by them.',
  duty_officer: 'A call appears here as soon as it rings. You can join it as a visible listener and read its captions.',
  note_taker: 'A call appears here as soon as it rings. You can join it as a visible listener and keep its record.',
  scheduler:
    'A call of your office appears here as soon as it rings, with who listens and whether it is recorded. You join no calls.',
  interpreter:
    'A call appears here as soon as it rings. You can join it as a visible listener: everyone sees you, and you are not heard.',
  security_officer: 'Invite people, approve and revoke their devices, and read the alerts.',
  records_officer:
    'Open a call to check the proof of its record. The sealed files open with the custodians’ keys, away from this page.',
  auditor: 'Open a call to check the proof of its record, and read the alerts. You see no content and no sealed files.',
};
