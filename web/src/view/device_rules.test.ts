import { expect, it } from 'vitest';
import { device_rules } from './device_rules';

it('are listed for everybody and for each role that has rules of its own', () => {
  const devices = {
    version: 1,
    everybody: { protection: true, devices_per_person: 1 },
    roles: {
      note_taker: { kinds: ['native' as const], protection: false },
      auditor: { idle_lock_minutes: 15 },
      principal: {},
    },
  };
  expect(device_rules({ required: true, devices })).toEqual([
    { who: 'Everybody', rules: ['Passkey or PIN required', 'One device for each person'] },
    { who: 'Note-taker', rules: ['Programs only, no browser', 'No passkey or PIN required'] },
    { who: 'Auditor', rules: ['Locks after 15 minutes without use'] },
  ]);
});

it('are none where the office has none, or they are not known yet', () => {
  expect(device_rules(null)).toEqual([]);
  expect(device_rules({ required: false })).toEqual([]);
});
