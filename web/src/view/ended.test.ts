import { describe, expect, it } from 'vitest';
import type { CallView, Ended } from '../engine/contract';
import { minister, president } from '../fake/people';
import { CALL, NOW, incoming, live, notice, view } from '../fake/views';
import { ended_screen } from './ended';

const HERE = 'Europe/Lisbon';

describe('after a call', () => {
  const over = (more: Partial<CallView>) =>
    ended_screen(view({ call: live({ state: 'ended', started_ms: null, ...more }) }), null, HERE);

  it('each ending has its own text on each side', () => {
    const ends: Ended[] = ['hung_up', 'declined', 'cancelled', 'missed', 'busy', 'failed', 'interrupted', 'revoked'];
    const titles = ends.map((ended) => over({ ended })?.title);
    expect(titles).toEqual([
      'The call has ended',
      'Declined',
      'You cancelled the call',
      'No answer',
      'Busy',
      'The call was stopped',
      'The connection was lost',
      'The call was ended',
    ]);
    expect(over({ ...incoming(), state: 'ended', ended: 'declined' })?.title).toBe('You declined');
    expect(over({ ...incoming(), state: 'ended', ended: 'taken_elsewhere' })?.title).toBe('Answered on another device');
  });

  it('that a reload ended says so, and is a missed call to whom it rang', () => {
    const problem = 'nobody else holds the keys of this call: hang up and ring again';
    expect(over({ ended: 'failed', opened_index: null, problem })).toMatchObject({
      title: 'The call has ended',
      sentence: expect.stringMatching(/^This page was reloaded/),
      bad: false,
    });
    expect(over({ ...incoming(), state: 'ended', ended: 'failed', problem: null })).toMatchObject({
      title: 'Missed call',
      bad: false,
    });
  });

  it('names who hung up only where this device knows it', () => {
    const shown = (hung_up_by: CallView['hung_up_by']) =>
      ended_screen(view({ call: live({ state: 'ended', ended: 'hung_up', hung_up_by }) }), null, HERE)?.title;
    expect(shown(null)).toBe('The call has ended');
    expect(shown(minister)).toBe('The Prime Minister of Estmark hung up');
    expect(shown(president)).toBe('You hung up');
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
    expect(record({ ended: 'hung_up', started_ms: NOW })).toBe('The record is being sealed');
    expect(record({ ended: 'hung_up', started_ms: NOW, note_taker: false })).toBe('The record may be incomplete');
    expect(record({ ended: 'hung_up', started_ms: NOW, note_taker: false, noted: false })).toBe('There is no record');
    const sealed = view({
      call: live({ state: 'ended', ended: 'hung_up', started_ms: NOW }),
      notices: [notice({ call: CALL, kept_index: 90_431 })],
    });
    expect(ended_screen(sealed, NOW + 780_000, HERE)).toMatchObject({
      lasted: 'Duration: 13 min',
      record: { title: 'The record is sealed' },
    });
  });

  it('a partial record says what is missing, in the colour of its level', () => {
    const said = { ended: 'hung_up', started_ms: NOW } as const;
    const record = (more: Partial<CallView>, of: Parameters<typeof notice>[0] | null = null) =>
      ended_screen(
        view({ call: live({ state: 'ended', ...said, ...more }), notices: of ? [notice({ call: CALL, ...of })] : [] }),
        null,
        HERE,
      )?.record;
    expect(record({ note_taker: false, noted: false })).toMatchObject({
      level: 'red',
      shape: 'unrecorded',
      missing: 'everything that was said. No note-taker was in this call.',
    });
    expect(record({ note_taker: false, noted: false, mode: 'audio' })?.missing).toBe(
      'everything that was said, both transcript and audio. No note-taker was in this call.',
    );
    expect(record({ note_taker: false })).toMatchObject({
      level: 'amber',
      missing: 'perhaps the end of the conversation. The note-taker was not responding when the call ended.',
    });
    expect(record({}, { kept_index: 90_431, partial: true })).toMatchObject({
      level: 'amber',
      title: 'Sealed, incomplete',
      missing: null,
      sentence: 'The note-taker did not receive everything. The custodians can read what is missing.',
      shape: 'alert',
      small: 'log entry 90,412 · 09:42:18 · sealed in log entry 90,431',
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

  it('of a call that was answered elsewhere does not say that nobody talked', () => {
    const elsewhere = over({ ...incoming(), state: 'ended', ended: 'taken_elsewhere' });
    expect(elsewhere?.record.title).toBe('The call is in the log');
    expect(over({ ended: 'missed' })?.record.title).toBe('The attempt is in the log');
  });

  it('is not shown before the end', () => {
    expect(ended_screen(view({ call: live() }), null, HERE)).toBeNull();
    expect(ended_screen(view({ you: { ...president, device: '' } }), null, HERE)).toBeNull();
  });
});
