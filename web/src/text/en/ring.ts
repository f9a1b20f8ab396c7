import { capitalise, plural } from '../format';
import { isolate } from '../isolate';
import { mid } from './names';

export const ring = {
  incoming: 'Incoming call',
  outgoing: 'Outgoing call',
  verified: 'Verified by this device',
  verified_later: 'Verified when they answer',
  duty_officer: 'The duty officer will be notified',
  accept: 'Accept',
  decline: 'Decline',
  silence: 'Silence this caller',
  also_ringing: 'Also ringing',
  accept_person: (name: string) => `Accept the call from ${mid(name)}`,
  decline_person: (name: string) => `Decline the call from ${mid(name)}`,
  stop: 'Stop ringing',
  end: 'End call',
  opening: { title: 'Connecting', sentence: 'The call is entered in the log before it rings.' },
  ringing: 'Ringing',
  device_rings: (name: string) => `${capitalise(mid(name))}’s device is ringing.`,
  notifying: 'Notifying their devices',
  devices_notified: (name: string) =>
    `No page of ${mid(name)} is open. Their devices are notified, and ring once the page is opened.`,
  answered: { title: 'Answered', sentence: 'The two devices are agreeing on keys.' },
  resuming: { title: 'Reconnecting', sentence: 'This page was reloaded. The call may still be ringing.' },
  will_keep: {
    log_only: 'Only the log will be kept',
    memo: 'A transcript will be kept',
    audio: 'A transcript and audio will be kept',
  },
  wanted: { memo: 'To be transcribed', audio: 'To be transcribed and recorded' },
  not_ready: 'No note-taker is available: this call would not be recorded.',
  not_ready_short: 'No note-taker available',
  joining: 'A note-taker is joining. Everyone sees who is in the call.',
  unknown: 'It is recorded only once a note-taker has joined. The call screen shows it.',
  will_listen: (names: string, n: number) =>
    `${capitalise(names)} ${plural(n, { one: 'is', other: 'are' })} in the call and will listen. Everyone sees who is in the call.`,
  nobody_listens: 'Nobody else is listening. Everyone sees who is in the call.',
  not_heard: 'They will not hear you',
  announce_incoming: (name: string, organisation: string, kept: string) =>
    `${isolate(name)}, ${isolate(organisation)}, is calling you. Verified by this device. ${kept}.`,
  announce: (title: string) => `${title}.`,
  notification: 'Verified by this device.',
  silent: 'This ring is silent',
  silent_sentence: 'Your browser blocks sound until you click or press a key on this page.',
  refused:
    'A call arrived that this device could not verify. It was not shown and nobody was connected. Tell your security officer.',
};
