import { describe, expect, it } from 'vitest';
import { kept_back } from '../engine/kept_back';
import { acts_for } from '../fake/delegations';
import { minister, officer, president } from '../fake/people';
import { NOW, desk, live, member, view } from '../fake/views';
import { room } from '../screenshots/green_room';
import { green_room, lines_of, MAX_ROOM_LINES } from './green_room';

const members = [member(officer, 6, { you: true, speaks: true }), member(minister, 2)];
const at = (more: Parameters<typeof room>[0], now = NOW) => {
  const speaks = members.map((one) => ({ ...one, speaks: !one.you || (more?.connected_ms ?? null) === null }));
  return green_room(
    desk({ call: live({ acts_for: [acts_for()], members: speaks, green_room: room(more) }) }),
    now,
    'UTC',
  );
};
const panel = (more: Parameters<typeof room>[0], now = NOW) => {
  const state = at(more, now);
  if (state.is !== 'open') throw new Error(state.is);
  return state.panel;
};
const { caller, callee } = room();
const checked = { ...caller, heard: true, agrees_mode: true };

describe('the green room', () => {
  it('is offered to who acts for somebody, while no principal has joined', () => {
    const offered = (more: object) => green_room(desk({ call: live({ members, ...more }) }), NOW, 'UTC').is;
    expect(offered({ acts_for: [acts_for()] })).toBe('may_open');
    expect(offered({ acts_for: [acts_for({ taken_over: true })] })).toBe('none');
    expect(offered({})).toBe('none');
  });

  it('says the one thing that is to be done next', () => {
    expect(panel({}).next).toMatch(/speak to the other side/);
    expect(panel({ caller: { ...checked, agrees_mode: false } }).next).toMatch(/agree to how/);
    expect(panel({ caller: checked }).next).toMatch(/press Ready/);
    expect(panel({ caller: { ...checked, ready: true } }).next).toMatch(/Waiting for the other side/);
    expect(panel({ caller: { ...checked, outdated: true } })).toMatchObject({ urgent: true });
    const both = { caller: { ...checked, ready: true }, callee: { ...callee, ready: true } };
    expect(panel(both).next).toMatch(/are being called/);
    const one = { ...both, caller: { ...both.caller, here: true }, late_at_ms: NOW + 1_000 };
    expect(panel(one).next).toBe('The President is here and waits. Nobody hears them yet.');
    expect(panel(one, NOW + 1_000)).toMatchObject({ urgent: true });
    expect(panel({ ...one, connected_ms: NOW, may_state: false })).toMatchObject({ own: null });
  });

  it('allows Ready only after the sound check and the record mode', () => {
    expect(panel({}).can_be_ready).toBe(false);
    expect(panel({ caller: checked }).can_be_ready).toBe(true);
    expect(panel({ caller: { ...checked, ready: true } }).can_be_ready).toBe(false);
  });

  it('counts the minutes that the other side asked for', () => {
    const asked = { callee: { ...callee, more_until_ms: NOW + 120_000 } };
    expect(panel(asked).columns[1]?.more).toBe('Estmark desk needs two more minutes.');
    expect(panel(asked, NOW + 61_000).columns[1]?.more).toMatch(/one more minute/);
    expect(panel(asked, NOW + 120_000).columns[1]?.more).toMatch(/is over/);
  });

  it('has a principal wait without sound, and says for whom', () => {
    const call = live({ other: minister, green_room: room({ waits: true, late_at_ms: NOW }) });
    expect(kept_back(call)).toBe(true);
    const state = green_room(view({ call }), NOW, 'UTC');
    expect(state).toMatchObject({
      is: 'waits',
      wait: { title: 'You are connected as soon as the Prime Minister of Estmark is there' },
    });
    expect(state.is === 'waits' && state.wait.late).toMatch(/has not come/);
    // Who is connected talks.
    const talks = live({ green_room: room({ connected_ms: NOW, may_state: false }) });
    expect(green_room(view({ you: { ...president, device: '' }, call: talks }), NOW, 'UTC')).toEqual({ is: 'none' });
  });

  it('takes names a line each, and not too many', () => {
    expect(lines_of(' A \n\nB')).toEqual(['A', 'B']);
    expect(lines_of('x\n'.repeat(20))).toHaveLength(MAX_ROOM_LINES);
  });
});
