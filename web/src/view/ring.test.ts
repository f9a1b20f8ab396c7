import { describe, expect, it } from 'vitest';
import { minister, norland, officer, writer } from '../fake/people';
import { CALL, NOW, call, incoming, live, member, notice, view } from '../fake/views';
import { refused_ring, ring_notices, ring_screen } from './ring';
import { screen_name } from './screen';

const HERE = 'Europe/Lisbon';
const ring = (shown: Parameters<typeof view>[0]) => ring_screen(view(shown), NOW, HERE);

describe('a ring', () => {
  it('shows who this device verified, both clocks, and what will be kept', () => {
    expect(ring({ call: incoming() })).toMatchObject({
      name: 'The Prime Minister of Estmark',
      clocks: '15:42 their time · 09:42 your time',
      verified: true,
      kept: { words: 'To be transcribed' },
      phase: 'ringing',
      announce:
        'The Prime Minister of Estmark, Office of the Prime Minister, is calling you. Verified by this device. To be transcribed.',
    });
  });

  it('is never shown unverified: an alert is shown instead', () => {
    const forged = view({ call: incoming({ verified: false }) });
    expect(ring_screen(forged, NOW, HERE)).toBeNull();
    expect(screen_name({ status: 'on' }, forged, { at: 'home' }, null)).toBe('people');
    expect(refused_ring(forged)).toMatch(/could not verify/);
    expect(refused_ring({ ...forged, alerts: [{ level: 'red', text: 'said already' }] })).toBeNull();
    expect(refused_ring(view({ call: incoming() }))).toBeNull();
  });

  it('claims nothing about the other side before their device answered', () => {
    expect(ring({ call: call() })?.verified).toBe(false);
    expect(ring({ call: call({ state: 'opening' }) })?.state).toEqual({
      title: 'Connecting',
      sentence: 'The call is entered in the log before it rings.',
    });
    expect(ring({ call: call({ state: 'answering', verified: true }) })).toMatchObject({
      phase: 'answered',
      state: { title: 'Answered' },
    });
  });

  it('says that it rings nowhere yet while the office notifies their devices', () => {
    expect(ring({ call: call({ notified: true }) })?.state).toEqual({
      title: 'Notifying their devices',
      sentence:
        'No page of the Prime Minister of Estmark is open. Their devices are notified, and ring once the page is opened.',
    });
    expect(ring({ call: call() })?.state.title).toBe('Ringing');
  });

  it('names who will listen, as far as known', () => {
    expect(ring({ call: incoming({ members: [member(writer, 3), member(officer, 6)] }) })?.listens).toEqual(
      expect.stringMatching(
        /Note-taker and Duty officer are in the call and will listen\. Everyone sees who is in the call\.$/,
      ),
    );
    expect(ring({ call: incoming({ mode: 'log_only' }) })?.listens).toMatch(/^Nobody else is listening/);
  });

  it('promises a record only once a note-taker is in the call', () => {
    const kept = (more: Parameters<typeof call>[0]) => ring({ call: call(more) });
    expect(kept({ note_taker: true, members: [member(writer, 3)] })).toMatchObject({
      kept: { words: 'A transcript will be kept' },
      listens: 'Note-taker is in the call and will listen. Everyone sees who is in the call.',
    });
    expect(kept({ opened_ms: NOW - 1_000 })?.kept.words).toBe('To be transcribed');
    expect(kept({ opened_ms: NOW - 9_000 })).toMatchObject({
      kept: { words: 'No note-taker available', shape: 'unrecorded' },
      listens: 'No note-taker is available: this call would not be recorded.',
    });
    expect(
      ring({
        call: call({ opened_ms: NOW - 9_000 }),
        notices: [notice({ call: CALL, note_taker_asks: true, noted: false })],
      }),
    ).toMatchObject({
      kept: { words: 'To be transcribed' },
      listens: expect.stringMatching(/^A note-taker is joining/),
    });
    // A callee's device sees no members before it answers: it knows of them where the office says so.
    expect(
      ring({
        call: incoming({ opened_ms: NOW - 9_000 }),
        notices: [notice({ state: { is: 'ringing' }, noted: false })],
      })?.kept.words,
    ).toBe('No note-taker available');
    expect(ring({ call: incoming({ opened_ms: NOW - 9_000 }) })?.kept.words).toBe('To be transcribed');
  });

  it('is shown with all others that ring, each by itself', () => {
    const second = incoming({ call: 'c1'.repeat(16), other: norland, from: norland, mode: 'audio' });
    const both = ring({ call: incoming(), rings: [second] });
    expect(both).toMatchObject({ call: CALL, caller: minister.person });
    expect(both?.further).toEqual([
      {
        call: second.call,
        name: norland.name,
        organisation: norland.organisation,
        mode: 'To be transcribed and recorded',
      },
    ]);
    expect(ring({ call: call(), rings: [second] })).toMatchObject({ caller: null, further: [{ call: second.call }] });
    expect(ring({ call: incoming({ state: 'answering' }), rings: [second] })?.further).toEqual([]);
    expect(ring({ call: incoming(), rings: [{ ...second, verified: false }] })?.further).toEqual([]);
  });

  it('may still ring after a reload, until the other party is seen', () => {
    const back = live({ direction: 'out', started_ms: null, verified: false });
    expect(ring({ call: back })).toMatchObject({ phase: 'resuming', name: minister.name });
    expect(ring({ call: { ...back, verified: true } })).toBeNull();
    expect(ring({ call: { ...back, started_ms: NOW } })).toBeNull();
    expect(ring({ call: { ...back, direction: 'in' } })).toBeNull();
  });

  it('that may go on after a reload can be muted: a listener may hear it', () => {
    const back = live({ direction: 'out', started_ms: null, verified: false });
    expect(ring({ call: back })?.muted).toBe(false);
    expect(ring({ call: { ...back, muted: true } })?.muted).toBe(true);
    expect([ring({ call: call() })?.muted, ring({ call: incoming() })?.muted]).toEqual([null, null]);
  });

  it('is notified under the name of its own caller', () => {
    const second = incoming({ call: 'c1'.repeat(16), other: norland, from: norland });
    const notices = (shown: Parameters<typeof view>[0]) => ring_notices(ring(shown)).map((n) => [n.call, n.title]);
    const norland_calls = [second.call, 'The President of Norland is calling'];
    expect(notices({ call: incoming(), rings: [second] })).toEqual([
      [CALL, 'The Prime Minister of Estmark is calling'],
      norland_calls,
    ]);
    expect(notices({ call: second })).toEqual([norland_calls]);
    expect(notices({ call: call(), rings: [second] })).toEqual([norland_calls]);
    expect([notices({ call: incoming({ state: 'answering' }) }), ring_notices(null)]).toEqual([[], []]);
  });

  it('is not shown once the call is live', () => {
    expect(ring({ call: live() })).toBeNull();
    expect(ring({})).toBeNull();
  });
});
