import { describe, expect, it } from 'vitest';
import { NO_ANSWER } from '../engine/enrol';
import { enrol_screen } from './enrol';

const shown = (problem: string | null, busy = false) =>
  enrol_screen({ status: 'enrol', name: 'The President', office: 'Office of the President', problem, busy });

describe('an enrolment link', () => {
  it('says for whom it is, and offers the button', () => {
    expect(shown(null)).toMatchObject({
      kind: 'Office of the President',
      title: 'This link enrols this browser for the President',
      action: 'Enrol this browser',
      refused: false,
    });
    expect(shown(null, true)).toMatchObject({ action: 'One moment', busy: true });
    expect(enrol_screen({ status: 'enrol', name: null, office: null, problem: null, busy: true })).toMatchObject({
      kind: 'Enrolment',
      title: 'This link enrols this browser',
    });
  });

  it('that was refused has what happened as title, then what to do, and no button', () => {
    expect(shown('The enrolment link has expired: ask the office for a new one.')).toMatchObject({
      title: 'The enrolment link has expired',
      sentence: 'Ask the office for a new one.',
      refused: true,
      action: null,
      footnote: 'This browser is not enrolled for the President. Nothing was kept on it.',
    });
    expect(
      shown('This enrolment was used already, and each is for one device: ask your office for another.'),
    ).toMatchObject({
      title: 'This enrolment was used already, and each is for one device',
      sentence: 'Ask your office for another.',
    });
    expect(shown('A signature is invalid: do not trust it, and tell the security officer.').title).toBe(
      'A signature is invalid',
    );
    expect(shown('This link is of another office.')).toMatchObject({
      title: 'This link is of another office',
      sentence: 'Ask your office what to do.',
    });
  });

  it('that may still work can be retried', () => {
    expect(shown(NO_ANSWER)).toMatchObject({
      title: 'Your office did not answer',
      action: 'Try again',
      announce: true,
      refused: false,
    });
    expect(shown(NO_ANSWER).sentence).toMatch(/^Check the connection.*The link is still good\.$/);
  });
});
