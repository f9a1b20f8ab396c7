import { capitalise } from '../format';
import { isolate } from '../isolate';
import { mid } from './names';

/** A call that goes on on another device of one's own, one that is held, and one to which somebody is asked. */
export const moves = {
  your: (device: string) => `your ${isolate(device)}`,
  another: 'another device',
  elsewhere: (other: string, where: string) => `You are in a call with ${mid(other)} on ${where}.`,
  here: 'Continue here',
  back_here: 'Bring it back here',
  arriving: {
    title: 'The call is coming here',
    sentence: (where: string) =>
      `It is still on ${where}, and nothing is sent from here. It comes here as soon as the sound does.`,
  },
  stay: 'Leave it there',
  no_microphone: {
    denied:
      'This browser is not allowed to use the microphone, so the call stays where it is. Allow it next to the page’s address, then try again.',
    missing: 'No microphone was found here, so the call stays where it is. Connect one, then try again.',
  },
  ended: {
    title: (where: string) => `Continued on ${where}`,
    sentence: 'The call goes on there. Its keys are erased on this device.',
    goes_on: { title: 'The call goes on', sentence: 'Its record is made until it ends.' },
  },
  two_devices: 'on two devices for a moment',
  hold: {
    action: 'Hold',
    title: 'Hold the call',
    then: 'No sound is sent, in either direction, until you resume. The others see what you choose.',
    words: {
      moment: 'One moment, please.',
      coming: 'One moment: who you called is coming.',
      looking_up: 'One moment: we are looking something up.',
    },
    own_words: 'In your own words, if you like',
    back: 'Back',
    resume: 'Resume',
    own: 'You hold the call',
    by: (name: string) => `On hold by ${mid(name)}`,
    said: (word: string, text: string) => (text ? `${word} ${isolate(text)}` : word),
    your_microphone: 'On hold: your microphone is off',
  },
  hand_over: {
    action: (principal: string) => `Hand over to ${mid(principal)}`,
    again: (principal: string) => `Call ${mid(principal)} again`,
    back: (principal: string) => `Call ${mid(principal)} back to it`,
    asked: (principal: string) => `${capitalise(mid(principal))} is being called to it.`,
    for_you: (delegate: string, other: string) =>
      `${capitalise(mid(delegate))} holds the call with ${mid(other)} for you.`,
    notification: 'Open Telcon to take the call.',
  },
};
