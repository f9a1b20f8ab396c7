import { describe, expect, it } from 'vitest';
import type { Problem } from '../engine/problem';
import { enrol_screen } from './enrol';

const shown = (problem: Problem | null, busy = false) =>
  enrol_screen({ status: 'enrol', name: 'The President', office: 'Office of the President', problem, busy });

describe('an enrolment link', () => {
  it('says for whom it is, and offers the button', () => {
    expect(shown(null)).toMatchObject({
      kind: 'Office of the President',
      title: 'Enrol this browser for the President',
      action: 'Enrol this browser',
      refused: false,
    });
    expect(shown(null, true)).toMatchObject({ action: 'One moment', busy: true });
    expect(enrol_screen({ status: 'enrol', name: null, office: null, problem: null, busy: true })).toMatchObject({
      kind: 'Enrolment',
      title: 'Enrol this browser',
    });
  });

  it('that was refused has what happened as title, then what to do, and no button', () => {
    const told = (text: string) => shown({ told: text });
    expect(told('The enrolment link has expired: ask the office for a new one.')).toMatchObject({
      title: 'This link has expired',
      sentence: 'Ask your office for a new one.',
      refused: true,
      action: null,
      footnote: 'This browser is not enrolled. Nothing was stored on it.',
    });
    expect(
      told('This enrolment was used already, and each is for one device: ask your office for another.'),
    ).toMatchObject({
      title: 'This link has already been used',
      sentence: expect.stringMatching(/^Each link is for one device/),
    });
    expect(told('A signature is invalid: do not trust it, and tell the security officer.').title).toBe(
      'A signature is invalid',
    );
    expect(told('Something else is malformed.')).toMatchObject({
      title: 'Something else is malformed',
      sentence: 'Ask your office what to do.',
    });
  });

  it('of another office says not to continue', () => {
    expect(
      shown({
        told: 'The server has another office authority than the one in the enrolment link: do not trust it, and tell the security officer.',
      }),
    ).toMatchObject({ title: 'This link belongs to a different office', sentence: 'Do not continue.' });
  });

  it('that may still work can be retried', () => {
    expect(shown({ code: 'no_answer' })).toMatchObject({
      title: 'Your office did not answer',
      action: 'Try again',
      announce: true,
      refused: false,
    });
    expect(shown({ code: 'no_answer' }).sentence).toMatch(/^Check .*The link is still valid\.$/);
  });
});
