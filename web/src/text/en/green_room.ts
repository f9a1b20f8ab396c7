import { capitalise } from '../format';
import { isolate } from '../isolate';
import { mid } from './names';

const minutes = (n: number) => (n === 1 ? 'one more minute' : `${n === 2 ? 'two' : n} more minutes`);

/** A call that both sides' aides prepare before the principals join it. */
export const green_room = {
  title: 'Green room',
  open: 'Prepare the call',
  open_how: 'You agree with the other side on who takes part. The principals are connected when both sides are ready.',
  prepare: 'Prepare it before the principals join',
  yours: (principal: string) => `Your side: ${mid(principal)}`,
  theirs: (principal: string) => `Their side: ${mid(principal)}`,
  side: (principal: string) => `For ${mid(principal)}`,
  other_side: 'the other side',
  by: (name: string) => capitalise(mid(name)),
  in_person: 'in person',
  nothing: 'Nothing stated yet',
  lists: {
    present: 'In the room',
    listening: 'Listening',
    interpreters: 'Interpreters',
  },
  one_a_line: 'One name a line',
  none: 'nobody',
  edit: 'Who takes part',
  save: 'Tell the other side',
  aides: {
    title: 'After the hand-over the aides',
    stay: 'stay and listen',
    leave: 'leave the call',
  },
  checks: {
    heard: 'We hear the other side',
    mode: (mode: string) => `Agreed: ${mode}`,
    ready: 'Ready',
  },
  done: 'yes',
  open_check: 'not yet',
  again: 'Changed since: ready again?',
  ready: 'Ready',
  not_ready: 'Not ready after all',
  more: 'Two more minutes',
  more_of: (name: string, left: number) => `${capitalise(mid(name))} needs ${minutes(left)}.`,
  more_over: (name: string) => `The time that ${mid(name)} asked for is over.`,
  next: {
    heard: 'Now: speak to the other side. Tick the box when you heard them.',
    mode: 'Now: agree to how the call is recorded.',
    ready: 'Now: press Ready when your principal can come.',
    outdated: 'They changed something. Look at it, then press Ready again.',
    theirs: 'Your side is ready. Waiting for the other side.',
    called: 'Both sides are ready. The principals are being called.',
    one: (name: string) => `${capitalise(mid(name))} is here and waits. Nobody hears them yet.`,
    late: (here: string, away: string) =>
      `${capitalise(mid(here))} waits for ${mid(away)}, who does not come. Call them again, or tell the other side.`,
  },
  connected: (at: string) => `Both principals are connected since ${at}.`,
  listening_now: 'You listen from now on.',
  ignored: 'A listener’s program tried to speak for a side. It was ignored.',
  waits: {
    title: (name: string) => `You are connected as soon as ${mid(name)} is there`,
    sentence: 'Until then nobody hears you, and you hear nobody.',
    unknown: 'the other side',
    late: (name: string) => `${capitalise(mid(name))} has not come. You may leave: your office calls you again.`,
    speak: 'Speak now, without waiting',
    leave: 'Leave, my office stays',
  },
  stepped_out: {
    title: 'You left the call',
    sentence: (name: string) => `It goes on with ${isolate(name)}. Its keys are erased on this device.`,
    sentence_plain: 'The call goes on without you. Its keys are erased on this device.',
  },
};
