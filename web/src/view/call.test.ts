import { describe, expect, it } from 'vitest';
import type { CallView } from '../engine/contract';
import { few, minister, norland, officer } from '../fake/people';
import { NOW, live, member, notice, view } from '../fake/views';
import { call_screen, type MediaState } from './call';

const GOOD: MediaState = { microphone: 'on', sound_blocked: false, media_timed_out: false };
const shown = (more: Partial<CallView> = {}, sound: Partial<MediaState> = {}) =>
  call_screen(view({ call: live(more) }), NOW, { ...GOOD, ...sound });

describe('in a call', () => {
  it('lists all members, this device first, with what they do', () => {
    const members = [member(officer, 6), ...live().members, member(norland, 8, { muted: true })];
    expect(shown({ members })?.members.map((m) => [m.name, m.does])).toEqual([
      ['You', 'this device'],
      ['The Prime Minister of Estmark', 'speaker'],
      ['The President of Norland', 'speaker, muted'],
      ['Duty officer', 'listener'],
      ['Note-taker', 'listener, transcribing'],
    ]);
  });

  it('shows badges, phrase and time as text', () => {
    expect(shown()).toMatchObject({
      private: 'Private, verified',
      mode: { words: 'On the record: transcript', level: 'amber' },
      timer: '07:31',
      phrase: 'harbor · velvet · lantern · oak',
      alarms: [],
    });
    expect(shown({ mode: 'audio' })?.mode.words).toBe('On the record: transcript and audio');
  });

  it('names the listeners in a separate line', () => {
    expect(shown()?.listens).toBe('Note-taker is listening');
    expect(shown({ members: [...live().members, member(officer, 6)] })?.listens).toMatch(/ and .* are listening$/);
    expect(shown({ members: live().members.slice(0, 2) })?.listens).toBeNull();
  });

  it('calls nothing verified that was not', () => {
    expect(shown({ verified: false })).toMatchObject({ private: 'Private', verified: false });
  });

  it('raises an alarm for each problem, with what to do', () => {
    expect(shown({ state: 'reconnecting' })?.alarms[0]?.title).toBe('Reconnecting');
    expect(shown({}, { media_timed_out: true })?.alarms[0]?.title).toBe('No sound from the Prime Minister of Estmark');
    expect(shown({}, { media_timed_out: true })?.alarms[0]?.sentence).toMatch(/connection/);
    const muted = live().members.map((m) => ({ ...m, muted: !m.you }));
    for (const media_timed_out of [false, true])
      expect(shown({ members: muted }, { media_timed_out })?.alarms.map((alarm) => alarm.title)).toEqual([
        'The Prime Minister of Estmark’s microphone is off',
      ]);
    const one_heard = [...muted, member(norland, 8)];
    expect(shown({ members: one_heard })?.alarms, 'somebody else is heard').toEqual([]);
    expect(shown({ members: muted })?.members[1]?.does).toBe('speaker, muted');
    expect(shown({ state: 'reconnecting' }, { media_timed_out: true })?.alarms.length).toBe(1);
    expect(shown({ members: live().members.filter((m) => m.you) })?.alarms[0]?.title).toBe(
      'You are alone in this call',
    );
    const denied = shown({}, { microphone: 'denied', sound_blocked: true });
    expect(denied?.alarms.map((t) => t.action)).toEqual(['microphone', 'sound']);
  });

  it('says that the other side closed its page or lost its connection, once the office knows', () => {
    const people = few.map((contact) => ({ ...contact, reachable: contact.person !== minister.person }));
    const first = (more: Parameters<typeof view>[0], media_timed_out = true) =>
      call_screen(view({ call: live(), ...more }), NOW, { ...GOOD, media_timed_out })?.alarms[0]?.title;
    expect(first({ people })).toBe('The Prime Minister of Estmark is not connected');
    // Sound that arrives counts for more; and offline this device knows nothing of others.
    expect(first({ people }, false)).toBeUndefined();
    expect(first({ people, phase: 'offline' })).toBe('No sound from the Prime Minister of Estmark');
    expect(first({ people: [] })).toBe('No sound from the Prime Minister of Estmark');
  });

  it('says why a call that should be recorded is not', () => {
    const why = (more: Partial<CallView>) => shown(more)?.alarms[0]?.sentence;
    expect(why({ note_taker: false })).toMatch(/no note-taker is in it/);
    expect(why({ note_taker: false, started_ms: NOW - 1_000 })).toBeUndefined();
    expect(why({ note_taker: false, mode: 'log_only' })).toBeUndefined();
    const lost = live().members.map((m) => ({ ...m, lost: m.role === 'note_taker' }));
    expect(why({ note_taker: false, members: lost })).toMatch(/not responding/);
    expect(shown({ note_taker: false, members: lost })?.members.at(-1)?.does).toBe('not responding');
  });

  it('says that a note-taker joins only where one is known to', () => {
    const members = live().members.slice(0, 2);
    const soon = live({ note_taker: false, started_ms: NOW - 1_000, members });
    const words = (notices: ReturnType<typeof notice>[], call = soon) =>
      call_screen(view({ call, notices }), NOW, GOOD)?.mode.words;
    expect(words([])).toBe('To be transcribed');
    expect(words([notice({ noted: false })])).toBe('To be transcribed');
    expect(words([notice({ noted: false, note_taker_asks: true })])).toBe('Note-taker joining');
    expect(words([], { ...soon, members: live().members }), 'it is a member').toBe('Note-taker joining');
  });

  it('never says that a note-taker listens beside “Not being recorded”', () => {
    const lost = live().members.map((m) => ({ ...m, lost: m.role === 'note_taker' }));
    expect(shown({ note_taker: false, members: lost })).toMatchObject({
      mode: { words: 'Not being recorded', level: 'red' },
      listens: null,
    });
  });

  it('says that the system has silenced the microphone', () => {
    expect(shown({}, { microphone: 'silenced' })?.alarms[0]).toMatchObject({
      title: 'They cannot hear you',
      action: 'microphone',
    });
  });

  it('marks who speaks, where only one other can', () => {
    const speaking = { you: true, others: true };
    const marked = (more: Partial<CallView>) => shown(more, { speaking })?.members.map((m) => m.speaking);
    expect(marked({})).toEqual([true, true, false]);
    expect(marked({ members: [...live().members, member(norland, 8)] })).toEqual([true, false, false, false]);
    expect(marked({ members: live().members.map((m) => ({ ...m, muted: true })) })).toEqual([false, false, false]);
  });

  it('keeps keys and digests under Details', () => {
    expect(shown()?.details.map((detail) => detail.name)).toEqual(['Encryption', 'Key round', 'Log entry']);
    expect(JSON.stringify({ ...shown(), details: [] })).not.toMatch(/AES|key|round/i);
  });

  it('has a heading also while it is not known who the other party is', () => {
    const unknown = shown({ state: 'reconnecting', other: null });
    expect(unknown?.name).toBe('The other side');
  });

  it('is not the screen of a listener', () => {
    expect(shown({ direction: 'listen', other: null })).toBeNull();
  });
});
