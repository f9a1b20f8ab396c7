import { describe, expect, it } from 'vitest';
import { minister, president } from '../fake/people';
import { NOW, call, incoming, live, view } from '../fake/views';
import { call_screen } from './call';
import { ended_screen } from './ended';
import { remember, resume } from './resume';
import { ring_screen } from './ring';
import { screen_name } from './screen';

const HERE = 'Europe/Lisbon';
/** What the engine shows of a call that its device was in, before it has rejoined. */
const rejoining = () =>
  incoming({
    state: 'answering',
    other: null,
    from: null,
    to: null,
    verified: false,
    opened_index: null,
    opened_ms: null,
  });
const screen = (of: ReturnType<typeof view>) => screen_name({ status: 'on' }, of, { at: 'home' }, null);

describe('a reload', () => {
  it('while it rings keeps the direction, the name and the button to stop', () => {
    const shown = resume(view({ call: rejoining() }), remember(call()));
    expect(screen(shown)).toBe('ring_out');
    expect(ring_screen(shown, NOW, HERE)).toMatchObject({ name: minister.name, phase: 'resuming' });
  });

  it('while it rings, and then stopped, is a call that was cancelled', () => {
    const over = { ...rejoining(), state: 'ended' as const, ended: 'hung_up' as const, hung_up_by: president };
    const title = (before: Parameters<typeof remember>[0]) =>
      ended_screen(resume(view({ call: over }), remember(before)), null, HERE)?.title;
    expect(title(call())).toBe('You cancelled the call');
    expect([title(live()), title(live({ direction: 'in' }))]).toEqual(['You hung up', 'You hung up']);
  });

  it('while it rings does not make the caller the one who missed the call', () => {
    const over = { ...rejoining(), state: 'ended' as const, ended: 'missed' as const };
    expect(ended_screen(resume(view({ call: over }), remember(call())), null, HERE)?.title).toBe('No answer');
  });

  it('in a call shows it as reconnecting, with its name', () => {
    for (const before of [live(), live({ direction: 'in' }), incoming({ state: 'answering' })]) {
      const shown = resume(view({ call: rejoining() }), remember(before));
      expect(screen(shown)).toBe('call');
      const media = { microphone: 'on', sound_blocked: false, media_timed_out: false } as const;
      expect(call_screen(shown, NOW, media)).toMatchObject({
        name: minister.name,
        alarms: [{ title: 'Reconnecting' }],
      });
    }
  });

  it('of a call that was answered does not make it a ring, nor an attempt', () => {
    // Let in again by a listener while the other party is away for a moment.
    const alone = live({ started_ms: null, verified: false, members: live().members.filter((m) => m.you) });
    expect(screen(resume(view({ call: alone }), remember(call())))).toBe('ring_out');
    const answered = remember(live());
    expect(screen(resume(view({ call: alone }), answered))).toBe('call');
    const over = (of: Parameters<typeof call>[0]) =>
      ended_screen(
        resume(view({ call: call({ ...alone, phrase: null, noted: false, state: 'ended', ...of }) }), answered),
        null,
        HERE,
      );
    expect(over({ ended: 'cancelled', hung_up_by: president })).toMatchObject({
      title: 'You hung up',
      record: { title: 'The call is in the log', level: 'quiet' },
    });
    expect(over({ ended: 'failed', direction: 'in' })?.title).toBe('The call was stopped');
    expect(over({ ended: 'hung_up', mode: 'log_only' })?.record.title).toBe('The call is in the log');
    expect(over({ ended: 'hung_up', kept_index: 7 })?.record.title).toBe('The record is sealed');
  });

  it('twice in a row still knows that it was answered', () => {
    const first = remember(resume(view({ call: rejoining() }), remember(live())).call, remember(live()));
    expect(first?.answered).toBe(true);
    expect(remember(rejoining(), first)?.answered).toBe(true);
  });

  it('does not take an answer for one that was taken back', () => {
    expect(remember(call(), remember(live()))?.answered).toBe(false);
    expect(resume(view({ call: call() }), remember(live())).call?.answered).toBeUndefined();
  });

  it('of which nothing is remembered still shows a call that can be ended', () => {
    expect(screen(resume(view({ call: rejoining() }), null))).toBe('call');
  });

  it('changes nothing that the engine knows, and nothing of another call', () => {
    const known = view({ call: live() });
    expect(resume(known, remember(live()))).toBe(known);
    const other = view({ call: rejoining() });
    expect(resume(other, { ...remember(call())!, call: 'ff'.repeat(16) })).toBe(other);
    expect(remember(live({ state: 'ended' }))).toBeNull();
  });
});
