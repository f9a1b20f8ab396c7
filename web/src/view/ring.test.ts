import { describe, expect, it } from 'vitest';
import { minister, norland, officer, writer } from '../fake/people';
import { CALL, NOW, call, incoming, live, member, view } from '../fake/views';
import { refused_ring, ring_screen } from './ring';
import { screen_name } from './screen';

const HERE = 'Europe/Lisbon';
const ring = (shown: Parameters<typeof view>[0]) => ring_screen(view(shown), NOW, HERE);

describe('a ring', () => {
  it('shows who this device verified, both clocks, and what will be kept', () => {
    expect(ring({ call: incoming() })).toMatchObject({
      name: 'The Prime Minister of Estmark',
      clocks: '15:42 there · 09:42 here',
      verified: true,
      mode: 'Memo will be kept',
      animated: true,
      announce:
        'The Prime Minister of Estmark, Office of the Prime Minister, rings you. Verified by this device. Memo will be kept.',
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
      title: 'Opening',
      sentence: 'The call is entered in the log before it rings.',
    });
    expect(ring({ call: call({ state: 'answering', verified: true }) })).toMatchObject({
      animated: false,
      state: { title: 'Answered' },
    });
  });

  it('names who will listen, as far as known', () => {
    expect(ring({ call: incoming({ members: [member(writer, 3), member(officer, 6)] }) })?.listens).toBe(
      'Note-taker and Duty officer will listen. Everyone sees who is in the call.',
    );
    expect(ring({ call: incoming() })?.listens).toMatch(/^A note-taker joins the call/);
    expect(ring({ call: incoming({ mode: 'log_only' }) })?.listens).toMatch(/^Nobody else listens/);
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
        mode: 'Memo and sound will be kept',
      },
    ]);
    expect(ring({ call: call(), rings: [second] })).toMatchObject({ caller: null, further: [{ call: second.call }] });
    expect(ring({ call: incoming({ state: 'answering' }), rings: [second] })?.further).toEqual([]);
    expect(ring({ call: incoming(), rings: [{ ...second, verified: false }] })?.further).toEqual([]);
  });

  it('is not shown once the call is live', () => {
    expect(ring({ call: live() })).toBeNull();
    expect(ring({})).toBeNull();
  });
});
