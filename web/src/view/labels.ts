// Labels of the product's terms, and formatting of names and numbers.

import type { CallView, Card, Ended, RecordMode, Role, SuiteName } from '../engine/contract';

/** Icons, each with one meaning. */
export type Shape =
  | 'seal'
  | 'phone'
  | 'unreachable'
  | 'star'
  | 'alert'
  | 'wait'
  | 'record'
  | 'unrecorded'
  | 'microphone'
  | 'muted'
  | 'silent'
  | 'back'
  | 'lock'
  | 'no';

/** Labels of a record mode during a call, before it, and in lists. */
export const mode_labels: Record<RecordMode, { now: string; ahead: string; short: string }> = {
  log_only: { now: 'On the record: log only', ahead: 'Only the log will be kept', short: 'Log only' },
  memo: { now: 'On the record: memo', ahead: 'Memo will be kept', short: 'Memo' },
  audio: { now: 'On the record: memo and sound', ahead: 'Memo and sound will be kept', short: 'Memo and sound' },
};

/** What a member of a role does in a call. */
export const role_activity: Record<Role, string> = {
  principal: 'speaks',
  counterpart: 'speaks',
  duty_officer: 'listens',
  note_taker: 'listens, writes',
};

export const role_name: Record<Role, string> = {
  principal: 'principal',
  counterpart: 'counterpart',
  duty_officer: 'duty officer',
  note_taker: 'note-taker',
};

/** The algorithms of a suite, for technical details. */
export const suite_labels: Record<SuiteName, string> = {
  hybrid: 'ML-KEM-768 and X25519, AES-256-GCM',
  cnsa2: 'ML-KEM-1024, ML-DSA-87, AES-256-GCM',
};

/** How a call ended, as shown in lists and records. */
export const ended_labels: Record<Ended, string> = {
  hung_up: 'One of the two ended it',
  declined: 'Declined',
  cancelled: 'The caller stopped ringing',
  missed: 'Nobody answered',
  busy: 'Busy in another call',
  failed: 'Stopped: a device refused what it saw or could not encrypt',
  interrupted: 'The connection was lost',
  revoked: 'A device in it was revoked',
};

/** How a call ended, for a person who was in it. */
export function ended_text(call: CallView): { title: string; sentence: string } {
  const mine = call.direction === 'in';
  const listened = call.direction === 'listen';
  const they = isolate(call.other?.name ?? 'The other side');
  switch (call.ended) {
    case 'declined':
      return mine
        ? { title: 'You declined', sentence: 'It stopped ringing on all your devices.' }
        : { title: 'Declined', sentence: `${they} cannot talk now.` };
    case 'cancelled':
      return mine
        ? { title: 'They stopped ringing', sentence: `${they} gave up before an answer.` }
        : { title: 'You stopped ringing', sentence: 'Nobody answered before that.' };
    case 'missed':
      return mine
        ? { title: 'You missed this call', sentence: 'It rang here and nobody answered.' }
        : { title: 'Nobody answered', sentence: `It rang at ${mid_sentence(they)} until the time was over.` };
    case 'busy':
      return { title: 'Busy', sentence: `${they} is in another call.` };
    case 'failed':
      return {
        title: 'This call was stopped',
        sentence: call.problem ?? 'A device refused what it saw, or could not encrypt. Nothing was sent in the clear.',
      };
    case 'interrupted':
      return {
        title: 'The connection was lost',
        sentence: 'It did not come back within a minute, so the call was closed.',
      };
    case 'revoked':
      return {
        title: 'This call was closed',
        sentence:
          'The office revoked a device in it, so the call ended at once. Ask your office before you ring again.',
      };
    case 'taken_elsewhere':
      return { title: 'Answered elsewhere', sentence: 'Another device of yours took this call.' };
    default:
      return listened
        ? { title: 'You no longer listen', sentence: 'Your device has no key to this call any more.' }
        : { title: 'The call has ended', sentence: 'Its keys are erased on this device.' };
  }
}

/** `The President` inside a sentence: `the President`. */
export function mid_sentence(name: string): string {
  return name.startsWith('The ') ? `the ${name.slice(4)}` : isolate(name);
}

/** Isolates a right-to-left name, so that it does not reorder the text around it (UAX #9, isolates). */
export function isolate(name: string): string {
  return /[\u0590-\u08ff\ufb1d-\ufefc]/.test(name) ? `\u2068${name}\u2069` : name;
}

/** `The President and the Prime Minister of Estmark`. */
export function both_names(from: Card, to: Card): string {
  return `${isolate(from.name)} and ${mid_sentence(to.name)}`;
}

/** `a`, `a and b`, `a, b and c`. */
export function join_names(names: string[]): string {
  if (names.length < 2) return names.join('');
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

/** A number with thin gaps between thousands: `90 412`. */
export function format_number(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, '\u202f');
}
