// What a role can do, on the screen that it starts with: of roles that start with calls, live or past.

export const start = {
  duty_officer: 'A call appears here as soon as it rings. You can join it as a visible listener and read its captions.',
  scheduler:
    'A call of your office appears here as soon as it rings. You see who is listening and whether it is recorded, and join no calls.',
  interpreter:
    'A call appears here as soon as it rings. You can join it as a visible listener: everyone sees you, and you are not heard.',
  records_officer:
    'Open a call to check the proof of its record. The sealed files open with the custodians’ keys, away from this page.',
  auditor: 'Open a call to check the proof of its record, and read the alerts. You see no content and no sealed files.',
};
