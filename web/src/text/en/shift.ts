// Shifts at a place's device.

import { mid } from './names';

export const shift = {
  kind: 'Nobody is on shift',
  sentence: 'This is a shared device. It shows nothing of your office until somebody is on shift.',
  how: 'Sign in with your own passkey: the one that protects a device of yours. If it is on your phone or a security key, choose that when your browser asks.',
  no_passkeys: 'This browser cannot use passkeys, so nobody can begin a shift here. Ask your security officer.',
  begin: 'Sign in to begin your shift',
  offline: 'Your office cannot be reached at the moment. You can sign in as soon as it answers.',
  label: 'Who is on shift',
  line: (name: string, since: string, until: string) =>
    `${mid(name)} on shift since ${since}, until ${until} at the latest`,
  elsewhere: (name: string) => `${mid(name)} on shift, says the office’s server`,
  end: 'End shift',
  hand_over: 'Hand over',
  hand_over_title: 'Hand over this shift?',
  hand_over_how:
    'Whoever takes over signs in with their own passkey. Your shift ends with that, and a call that this device listens to goes on.',
  take_over: 'Sign in to take over',
  at: (place: string) => `At ${mid(place)}`,
  ends: {
    handed_over: 'handed over',
    idle: 'ended: nobody used the device',
    expired: 'ended after the longest time',
    revoked: 'ended: a device was revoked',
    not_begun: 'did not begin',
    lost: 'ended by a restore of the server',
  },
};
