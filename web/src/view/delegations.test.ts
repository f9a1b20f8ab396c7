import { describe, expect, it } from 'vitest';
import { GIVEN, acts_for, delegation } from '../fake/delegations';
import { guarded } from '../fake/devices';
import { minister, officer, president } from '../fake/people';
import { NOW, desk, incoming, live, notice, record_line, view } from '../fake/views';
import { record_days } from './records';
import { acts_lines, acts_notice, delegations_screen, for_lines, take_overs, term_end } from './delegations';

const ZONE = 'Europe/Lisbon';
const screen = (of = view(), list = GIVEN) => delegations_screen(of, list, NOW, ZONE);

describe('a principal', () => {
  it('sees who acts, in which ways and until when, and ends it', () => {
    const [first, second] = screen().current;
    expect([first?.name, first?.may, first?.can_end, first?.can_ring]).toEqual([
      'Duty officer',
      'Ring and answer',
      true,
      false,
    ]);
    expect(first?.term).toMatch(/^until 28 Nov 2026/);
    expect(second?.term, 'one that has not begun says so').toMatch(/^from 23 Nov 2026.* until/);
    expect(screen().candidates).toEqual([officer]);
  });

  it('sees ended and expired ones apart, and cannot end them again', () => {
    const { past } = screen();
    expect(past.map((one) => one.can_end)).toEqual([false, false]);
    expect(past[0]?.over).toMatch(/^Ended/);
    expect(past[1]?.over).toMatch(/^Over since/);
  });

  it('cannot end one without a connection', () => {
    expect(screen(view({ phase: 'offline' })).current.every((one) => !one.can_end)).toBe(true);
  });
});

it('a duty officer rings for those whose delegation says so, and has begun', () => {
  const { current, candidates } = screen(desk());
  expect(candidates).toBeNull();
  expect(current.map((one) => [one.name, one.can_ring, one.can_end])).toEqual([
    [president.name, true, false],
    [minister.name, false, false],
  ]);
  const early = delegation({ not_before_ms: NOW + 1 });
  expect(screen(desk(), { delegations: [early] }).current[0]?.can_ring).toBe(false);
});

it('a security officer sees both people, and ends any', () => {
  const [first] = screen(guarded()).current;
  expect([first?.name, first?.can_end, first?.can_ring]).toEqual(['Duty officer for the President', true, false]);
});

it('the longest term stays within the limit of the office', () => {
  expect(term_end(NOW, 90) - NOW).toBe(90 * 86_400_000);
});

describe('a call that somebody makes or answers for this person', () => {
  const acts = acts_for();
  it('can be taken over while it is live, and this person is in no other', () => {
    const rings = notice({ from: officer, to: minister, acts_for: [acts], can_take_over: true });
    expect(take_overs(view({ notices: [rings] })).map((one) => one.sentence)).toEqual([
      'Duty officer is calling the Prime Minister of Estmark for you.',
    ]);
    const answered = notice({
      from: minister,
      to: president,
      acts_for: [{ ...acts, act: 'answer' }],
      can_take_over: true,
    });
    expect(take_overs(view({ notices: [answered] }))[0]?.sentence).toBe(
      'Duty officer answered a call from the Prime Minister of Estmark for you.',
    );
    expect(take_overs(view({ notices: [rings], call: live() }))).toEqual([]);
    expect(take_overs(view({ notices: [{ ...rings, can_take_over: false }] }))).toEqual([]);
    expect(take_overs(view({ phase: 'offline', notices: [rings] }))).toEqual([]);
  });

  it('names both on the screens', () => {
    expect(acts_lines(incoming({ acts_for: [acts] }))).toEqual(['Duty officer rings for the President.']);
    expect(acts_lines(live({ acts_for: [{ ...acts, act: 'answer' }] }))).toEqual([
      'Duty officer speaks for the President.',
    ]);
    expect(acts_lines(live({ acts_for: [{ ...acts, taken_over: true }] }))[0]).toBe(
      'The President has taken the call; Duty officer listens.',
    );
    expect(acts_notice(notice({ acts_for: [acts] }))).toBe('Duty officer rings for the President.');
    expect(acts_notice(notice())).toBeNull();
  });
});

it('the list of calls names who rang or answered for whom', () => {
  const outcome = (more: Parameters<typeof record_line>[0]) =>
    record_days([record_line(more)], null, NOW + 900_000, ZONE)[0]?.rows[0]?.outcome;
  expect(outcome({ from: officer, to: minister, on_behalf_of: president })).toBe(
    'Duty officer rang on behalf of the President',
  );
  expect(outcome({ from: minister, to: president, answered_by: officer })).toBe(
    'Duty officer answered on behalf of the President',
  );
  expect(outcome({})).toBe('');
});

it('a principal’s lines are changed under a delegation that says so, and is in force', () => {
  const acts = ['lines' as const];
  const found = (more: Parameters<typeof delegation>[0]) =>
    for_lines({ delegations: [delegation({ acts, ...more })] }, president.person, NOW);
  expect(found({})?.acts).toEqual(acts);
  for (const more of [
    { acts: ['ring' as const] },
    { principal: minister },
    { ended_ms: NOW - 1 },
    { not_before_ms: NOW + 1 },
  ])
    expect(found(more)).toBeUndefined();
});
