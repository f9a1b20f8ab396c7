import { describe, expect, it } from 'vitest';
import { idle_lock_ms, requires_protection } from './device_rules';

describe('rules for devices', () => {
  it('of a role come before those for everybody, and those before what the office says in general', () => {
    const policy = {
      required: false,
      devices: {
        version: 1,
        everybody: { protection: true, idle_lock_minutes: 60 },
        roles: { note_taker: { protection: false }, principal: { idle_lock_minutes: 5 } },
      },
    };
    expect(requires_protection(policy, null)).toBe(true);
    expect(requires_protection(policy, 'note_taker')).toBe(false);
    expect(idle_lock_ms(policy, 'principal')).toBe(300_000);
    expect(idle_lock_ms(policy, 'note_taker')).toBe(3_600_000);
  });

  it('are the usual ones where the office has none, or they are not known yet', () => {
    expect(requires_protection({ required: true }, 'principal')).toBe(true);
    expect(idle_lock_ms({ required: true }, 'principal')).toBe(4 * 3_600_000);
    expect(idle_lock_ms(null, null)).toBe(4 * 3_600_000);
  });
});
