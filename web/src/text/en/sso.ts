// Signing in with the account at the office's provider.

import { mid } from './names';

export const sso = {
  kind: 'One more step',
  title: 'Sign in with your office account',
  sentence: 'Your office requires this for your role. You sign in on your office’s sign-in page and come back here.',
  no_rings: 'Until then, this device does not ring.',
  action: 'Go to the sign-in page',
  offline: 'Your office cannot be reached at the moment. You can go on as soon as it answers.',
  ends: (time: string) =>
    `Your sign-in with your office account ends at ${time}. Renew it now, so that you are not signed out later.`,
  renew: 'Renew',
  account: (subject: string) => `office account ${subject}`,
  forget: 'Forget account',
  forget_of: (name: string) => `Forget account of ${mid(name)}`,
  forget_title: 'Forget this office account?',
  forget_then:
    'At their next sign-in, this person links an account anew, and security officers are told. Devices that are connected go on: revoke those that are not theirs.',
  forget_yes: 'Forget this account',
  used: (time: string) => `signed in with it ${time}`,
};
