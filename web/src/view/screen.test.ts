import { describe, expect, it } from 'vitest';
import type { LogFork, Role } from '../engine/contract';
import { asks, guarded } from '../fake/devices';
import { president } from '../fake/people';
import { CALL, call, desk, device, incoming, live, view } from '../fake/views';
import { alert_key, alerts_to_show, fragment_of, route_of, screen_name, tab_title, type Route } from './screen';

const HOME: Route = { at: 'home' };
const shown = (of: ReturnType<typeof view>, route: Route = HOME, dismissed: string | null = null) =>
  screen_name({ status: 'on' }, of, route, dismissed);

describe('the offer to protect a device', () => {
  const shown = (of: ReturnType<typeof view> | null) => screen_name({ status: 'protect' }, of, { at: 'home' }, null);
  it('covers neither a ring nor a call nor a revocation', () => {
    expect([shown(null), shown(view())]).toEqual(['protect', 'protect']);
    expect(shown(view({ call: incoming() }))).toBe('ring_in');
    expect(shown(view({ call: live() }))).toBe('call');
    expect(shown(view({ call: live({ state: 'ended', ended: 'hung_up' }) }))).toBe('protect');
    expect(shown(view({ phase: 'revoked' }))).toBe('revoked');
  });

  it('has nothing to do with a locked device, of which nothing is known', () => {
    expect(screen_name({ status: 'locked' }, null, { at: 'calls' }, null)).toBe('locked');
  });
});

describe('which screen', () => {
  it('a ring and a call cover whatever was open', () => {
    for (const route of [HOME, { at: 'calls' } as const, { at: 'record', call: CALL } as const]) {
      expect(shown(view({ call: incoming() }), route)).toBe('ring_in');
      expect(shown(view({ call: call() }), route)).toBe('ring_out');
      expect(shown(view({ call: live() }), route)).toBe('call');
      expect(shown(view({ call: live({ state: 'reconnecting' }) }), route)).toBe('call');
    }
  });

  it('an ended call stays until it is put away, and the next one is shown again', () => {
    const over = view({ call: live({ state: 'ended', ended: 'hung_up' }) });
    expect(shown(over)).toBe('ended');
    expect(shown(over, HOME, CALL)).toBe('people');
    expect(shown(over, HOME, 'another')).toBe('ended');
  });

  it('the desk stays visible while it listens', () => {
    expect(shown(desk())).toBe('desk');
    expect(shown(desk({ call: live({ direction: 'listen' }) }))).toBe('desk');
    expect(shown(desk({ call: live({ direction: 'listen' }) }), { at: 'calls' })).toBe('calls');
  });

  it('each role has its home, and nobody a screen of another role', () => {
    const of = (role: Role) => view({ you: { ...president, role, device: device(1) } });
    const homes: [Role, string][] = [
      ['principal', 'people'],
      ['counterpart', 'people'],
      ['duty_officer', 'desk'],
      ['note_taker', 'desk'],
      ['security_officer', 'devices'],
      ['records_officer', 'calls'],
      ['scheduler', 'desk'],
      ['interpreter', 'desk'],
      ['auditor', 'calls'],
    ];
    for (const [role, home] of homes) {
      expect(shown(of(role))).toBe(home);
      expect(shown(of(role), { at: 'my_devices' })).toBe('my_devices');
      expect(shown(of(role), { at: 'devices' })).toBe(home === 'devices' ? 'devices' : 'my_devices');
      const lists = role !== 'security_officer' && role !== 'interpreter';
      expect(shown(of(role), { at: 'calls' })).toBe(lists ? 'calls' : home);
      const alerted = role === 'security_officer' || role === 'auditor';
      expect(shown(of(role), { at: 'alerts' })).toBe(alerted ? 'alerts' : home);
    }
  });

  it('nothing is shown of a device that was revoked', () => {
    expect(shown(view({ phase: 'revoked', call: live() }))).toBe('revoked');
  });

  it('before there is an engine, the state of the page decides', () => {
    expect(screen_name({ status: 'unsupported' }, view(), HOME, null)).toBe('unsupported');
    expect(screen_name({ status: 'failed', problem: { code: 'unknown' } }, view({ call: live() }), HOME, null)).toBe(
      'failed',
    );
    expect(screen_name({ status: 'on' }, null, HOME, null)).toBe('starting');
  });
});

const FORK: LogFork = {
  version: 1,
  found_ms: 0,
  how: 'roots_differ',
  call: '0a'.repeat(16),
  device: '0b'.repeat(16),
  own: '',
  other: '',
};

describe('alerts', () => {
  it('appear once each, red first, and only amber ones can be dismissed', () => {
    const amber = { level: 'amber' as const, text: 'due' };
    const red = { level: 'red' as const, text: 'refused' };
    const shown = view({ alerts: [amber, red, amber] });
    expect(alerts_to_show(shown, new Set())).toEqual([red, amber]);
    expect(alerts_to_show(shown, new Set(['due', 'refused']))).toEqual([red]);
    expect(alerts_to_show(null, new Set())).toEqual([]);
  });

  it('about forks appear once for each evidence, which nobody else has', () => {
    const forked = (n: number, how: LogFork['how'] = 'roots_differ') => ({
      level: 'red' as const,
      text: how,
      fork: { ...FORK, how, other: `office.example/log\n${n}\n` },
    });
    const forks = [forked(1), forked(2), forked(3, 'proof_overdue')];
    const shown = alerts_to_show(
      view({ alerts: [...forks, forks[0]!, { level: 'red', text: 'roots_differ' }] }),
      new Set(),
    );
    expect(shown.map((one) => one.fork?.other)).toEqual([...forks.map((one) => one.fork.other), undefined]);
    expect(new Set(shown.map(alert_key)).size, 'keys of the list on the screen').toBe(shown.length);
  });
});

describe('addresses', () => {
  it('round-trip, and an unknown one leads home', () => {
    for (const route of [
      HOME,
      { at: 'calls' } as const,
      { at: 'record', call: CALL } as const,
      { at: 'devices' } as const,
      { at: 'my_devices' } as const,
    ]) {
      expect(route_of(fragment_of(route))).toEqual(route);
    }
    for (const strange of ['record=../x', 'record=', 'enrol=abc', 'people']) expect(route_of(strange)).toEqual(HOME);
  });

  it('a ring is shown in the tab’s title', () => {
    expect(tab_title('ring_in', view({ call: incoming() }))).toBe('The Prime Minister of Estmark is calling');
    expect(tab_title('people', view())).toBe('Office of the President · Telcon');
    expect(tab_title('unenrolled', null)).toBe('Telcon');
    expect(tab_title('devices', guarded({ invitations: [asks()] }))).toBe('1 device waits · Telcon');
  });
});
