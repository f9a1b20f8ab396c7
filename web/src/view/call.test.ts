import { describe, expect, it } from 'vitest';
import type { CallView, Ended } from '../engine/contract';
import { norland, officer, president } from '../fake/people';
import { CALL, NOW, call, incoming, live, member, notice, view } from '../fake/views';
import { call_screen, ended_screen, type MediaState } from './call';

const HERE = 'Europe/Lisbon';
const GOOD: MediaState = { microphone: 'on', sound_blocked: false, media_timed_out: false };
const shown = (more: Partial<CallView> = {}, sound: Partial<MediaState> = {}) =>
  call_screen(view({ call: live(more) }), NOW, { ...GOOD, ...sound });

describe('in a call', () => {
  it('lists all members, this device first, with what they do', () => {
    const members = [member(officer, 6), ...live().members, member(norland, 8, { muted: true })];
    expect(shown({ members })?.members.map((m) => [m.name, m.does])).toEqual([
      ['You', 'this device'],
      ['The Prime Minister of Estmark', 'speaks'],
      ['The President of Norland', 'speaks, muted'],
      ['Duty officer', 'listens'],
      ['Note-taker', 'listens, writes'],
    ]);
  });

  it('shows badges, phrase and time as text', () => {
    expect(shown()).toMatchObject({
      private: 'Private, verified',
      mode: 'On the record: memo',
      timer: '07:31',
      phrase: 'harbour · velvet · nine',
      alarms: [],
    });
    expect(shown({ mode: 'audio' })?.mode).toBe('On the record: memo and sound');
  });

  it('names the listeners in a separate line', () => {
    expect(shown()?.listens).toBe('Note-taker listens');
    expect(shown({ members: [...live().members, member(officer, 6)] })?.listens).toMatch(/ and .* listen$/);
    expect(shown({ members: live().members.slice(0, 2) })?.listens).toBeNull();
  });

  it('calls nothing verified that was not', () => {
    expect(shown({ verified: false })).toMatchObject({ private: 'Private', verified: false });
  });

  it('raises an alarm for each problem, with what to do', () => {
    expect(shown({ state: 'reconnecting' })?.alarms[0]?.title).toBe('Reconnecting');
    expect(shown({}, { media_timed_out: true })?.alarms[0]?.title).toBe(
      'Nothing comes from the Prime Minister of Estmark',
    );
    expect(shown({ state: 'reconnecting' }, { media_timed_out: true })?.alarms.length).toBe(1);
    expect(shown({ members: live().members.filter((m) => m.you) })?.alarms[0]?.title).toBe('You are alone');
    const denied = shown({}, { microphone: 'denied', sound_blocked: true });
    expect(denied?.alarms.map((t) => t.action)).toEqual(['microphone', 'sound']);
    const listener = shown({ direction: 'listen' }, { microphone: 'denied' });
    expect(listener?.alarms).toEqual([]);
  });

  it('says why a call that should be recorded is not', () => {
    const why = (more: Partial<CallView>) => shown(more)?.alarms[0]?.sentence;
    expect(why({ note_taker: false })).toMatch(/no note-taker writes it/);
    expect(why({ note_taker: false, started_ms: NOW - 1_000 })).toBeUndefined();
    expect(why({ note_taker: false, mode: 'log_only' })).toBeUndefined();
    const lost = live().members.map((m) => ({ ...m, lost: m.role === 'note_taker' }));
    expect(why({ note_taker: false, members: lost })).toMatch(/does not answer/);
    expect(shown({ note_taker: false, members: lost })?.members.at(-1)?.does).toBe('listens, does not answer');
    expect(shown({ note_taker: false, members: lost })?.mode).toBe('Not being recorded');
  });

  it('shows a listener whose call it is', () => {
    expect(shown({ direction: 'listen', other: null })).toMatchObject({
      name: 'The President and the Prime Minister of Estmark',
      listening: true,
    });
  });
});

describe('after a call', () => {
  const over = (more: Partial<CallView>) => ended_screen(view({ call: call({ state: 'ended', ...more }) }), null, HERE);

  it('each ending has its own text on each side', () => {
    const ends: Ended[] = ['hung_up', 'declined', 'cancelled', 'missed', 'busy', 'failed', 'interrupted', 'revoked'];
    const titles = ends.map((ended) => over({ ended })?.title);
    expect(titles).toEqual([
      'The call has ended',
      'Declined',
      'You stopped ringing',
      'Nobody answered',
      'Busy',
      'This call was stopped',
      'The connection was lost',
      'This call was closed',
    ]);
    expect(over({ ...incoming(), state: 'ended', ended: 'declined' })?.title).toBe('You declined');
    expect(over({ ...incoming(), state: 'ended', ended: 'taken_elsewhere' })?.title).toBe('Answered elsewhere');
  });

  it('a failed call says what the device refused', () => {
    expect(over({ ended: 'failed', problem: 'A member was not in the log.' })).toMatchObject({
      bad: true,
      sentence: 'A member was not in the log.',
    });
  });

  it('the state of the record follows from the call and its seal', () => {
    const record = (more: Partial<CallView>) => over(more)?.record.title;
    expect(record({ opened_index: null, ended: 'failed' })).toBe('No record');
    expect(record({ ended: 'missed' })).toBe('The attempt is in the log');
    expect(record({ ended: 'hung_up', started_ms: NOW, mode: 'log_only' })).toBe('The call is in the log');
    expect(record({ ended: 'hung_up', started_ms: NOW })).toBe('The record is on its way');
    expect(record({ ended: 'hung_up', started_ms: NOW, note_taker: false })).toBe('The record may not be whole');
    expect(record({ ended: 'hung_up', started_ms: NOW, note_taker: false, noted: false })).toBe('There is no record');
    const sealed = view({
      call: call({ state: 'ended', ended: 'hung_up', started_ms: NOW }),
      notices: [notice({ call: CALL, kept_index: 90_431 })],
    });
    expect(ended_screen(sealed, NOW + 780_000, HERE)).toMatchObject({
      lasted: '13 min',
      record: { title: 'The record is sealed' },
    });
  });

  it('a partial record says what is missing, in the colour of its level', () => {
    const said = { ended: 'hung_up', started_ms: NOW } as const;
    const record = (more: Partial<CallView>, of: Parameters<typeof notice>[0] | null = null) =>
      ended_screen(
        view({ call: call({ state: 'ended', ...said, ...more }), notices: of ? [notice({ call: CALL, ...of })] : [] }),
        null,
        HERE,
      )?.record;
    expect(record({ note_taker: false, noted: false })).toMatchObject({
      level: 'red',
      shape: 'unrecorded',
      missing: 'everything that was said. No note-taker was in this call.',
    });
    expect(record({ note_taker: false, noted: false, mode: 'audio' })?.missing).toBe(
      'everything that was said, in words and in sound. No note-taker was in this call.',
    );
    expect(record({ note_taker: false })).toMatchObject({
      level: 'amber',
      missing: 'perhaps the last of what was said. The note-taker did not answer when the call ended.',
    });
    expect(record({}, { kept_index: 90_431, partial: true })).toMatchObject({
      level: 'amber',
      missing: 'a part of the call, as the note-taker signed.',
      small: 'log entry 90\u202f412 · 09:42:18 · sealed in entry 90\u202f431',
    });
    for (const nothing of [
      record({}),
      record({ mode: 'log_only' }),
      record({ started_ms: null }),
      record({}, { kept_index: 90_431 }),
    ]) {
      expect(nothing?.missing).toBeNull();
    }
  });

  it('is not shown before the end', () => {
    expect(ended_screen(view({ call: live() }), null, HERE)).toBeNull();
    expect(ended_screen(view({ you: { ...president, device: '' } }), null, HERE)).toBeNull();
  });
});
