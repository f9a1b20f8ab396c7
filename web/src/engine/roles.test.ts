import { describe, expect, it } from 'vitest';
import manual from '../../../docs/policy.md?raw';
import { ROLES } from '../fake/people';
import type { Role } from './contract';
import {
  acts_for_others,
  delegates,
  ends_delegations,
  gives_lines,
  holds_lines,
  is_rung,
  joins_calls,
  listens,
  marks_alerts,
  reads_captions,
  sees_alerts,
  sees_all_devices,
  sees_all_records,
  speaks,
  stops_lines,
  watches,
  works_in_shifts,
  writes_records,
} from './roles';

const rows = manual
  .split('\n')
  .filter((line) => line.startsWith('|'))
  .map((line) => line.split('|').map((cell) => cell.trim()));
const [header = []] = rows;

function allowed(action: string): Role[] {
  const row = rows.find(([, first]) => first === action);
  if (!row) throw new Error(`docs/policy.md has no row "${action}"`);
  return header.filter((_, column) => row[column] === 'yes').map((role) => role.replace(/[ -]/, '_') as Role);
}

describe('roles', () => {
  it('are those of the policy', () => {
    expect(ROLES.filter(speaks).sort()).toEqual(allowed('be a party of a call and send audio').sort());
    expect(ROLES.filter(listens)).toEqual(allowed('join a call as a visible listener, without sending audio'));
    expect(ROLES.filter(joins_calls).sort()).toEqual(
      [
        ...allowed('be a party of a call and send audio'),
        ...allowed('join a call as a visible listener, without sending audio'),
      ].sort(),
    );
    expect(ROLES.filter(sees_all_devices)).toEqual(allowed('see all people, their devices and all invitations'));
    expect(ROLES.filter(sees_alerts)).toEqual(allowed("see the office's alerts"));
    expect(ROLES.filter(marks_alerts)).toEqual(allowed("mark the office's alerts as seen"));
    expect(ROLES.filter(delegates)).toEqual(
      allowed('let staff ring, answer or change lines for oneself, by a signed delegation'),
    );
    expect(ROLES.filter(acts_for_others)).toEqual(
      allowed('ring, answer or change lines for a principal, under their delegation'),
    );
    expect(ROLES.filter(is_rung).sort()).toEqual(
      [
        ...allowed('be rung and answer'),
        ...allowed('ring, answer or change lines for a principal, under their delegation'),
      ].sort(),
    );
    expect(ROLES.filter(ends_delegations)).toEqual(allowed('see all delegations, and end them'));
    expect(ROLES.filter(gives_lines)).toEqual(allowed('give lines to counterparts, and change, pause and end them'));
    expect(ROLES.filter(holds_lines)).toEqual(allowed('hold lines, and hand them back'));
    expect(ROLES.filter(stops_lines)).toEqual(allowed('see all lines, and freeze or end them'));
    expect(ROLES.filter(works_in_shifts)).toEqual(allowed('work in shifts at a device of a place'));
    expect(ROLES.filter(watches)).toEqual(allowed('see every call while it takes place'));
    expect(ROLES.filter(reads_captions)).toEqual(allowed('read the live captions of a call'));
    expect(ROLES.filter(sees_all_records)).toEqual(allowed('see the records of all calls, with proofs'));
    expect(ROLES.filter(writes_records)).toEqual(allowed('transcribe a call and seal its record'));
  });

  it('has all roles of the table', () => {
    expect(header.slice(2, -1).map((role) => role.replace(/[ -]/, '_'))).toEqual(ROLES);
  });
});
