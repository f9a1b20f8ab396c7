import { mid } from './names';

export const enrol = {
  kind: 'Enrolment',
  title: 'Enrol this browser',
  title_for: (name: string) => `Enrol this browser for ${mid(name)}`,
  sentence:
    'The keys are created here and never leave this device. The link works once; afterwards it is of no use to anyone.',
  action: 'Enrol this browser',
  not_you: 'Not you? Close this page and tell your office.',
  still_valid: (name: string) => `The link enrols this browser for ${mid(name)}.`,
  nothing_stored: 'This browser is not enrolled. Nothing was stored on it.',
  already: (name: string) =>
    `This browser is already enrolled as ${mid(name)}’s device, so the enrolment link was not used. If it is for another browser, open it there.`,
  /** Whose device it is, while that is not known. */
  somebody: 'someone',
};
