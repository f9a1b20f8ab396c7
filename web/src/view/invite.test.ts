import { describe, expect, it } from 'vitest';
import { CATALOGUES } from '../text';
import { invite_problem } from './invite';

describe('an invitation', () => {
  it('says what is missing, and stops saying so once it is there', () => {
    const fields = { name: 'The Minister', organisation: 'Ministry', zone: 'Europe/Oslo' };
    expect(invite_problem({ ...fields, name: ' ' })).toBe('empty');
    expect(invite_problem({ ...fields, organisation: '' })).toBe('empty');
    expect(invite_problem({ ...fields, zone: 'Nowhere' })).toBe('no_zone');
    expect(invite_problem(fields)).toBeNull();
  });

  it('has a line for each role', () => {
    for (const { devices } of Object.values(CATALOGUES)) {
      expect(Object.keys(devices.invite.roles).sort()).toEqual(Object.keys(devices.roles).sort());
    }
  });
});
