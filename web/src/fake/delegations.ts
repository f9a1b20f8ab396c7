// Delegations of a fictitious office.

import type { ActsForView, DelegationList, ListedDelegation } from '../engine/contract';
import { minister, officer, president } from './people';
import { NOW } from './views';

const DAY = 86_400_000;

export function delegation(more: Partial<ListedDelegation> = {}): ListedDelegation {
  return {
    statement: 'e.y.J',
    delegation: 'de'.repeat(16),
    principal: president,
    delegate: officer,
    acts: ['ring', 'answer'],
    not_before_ms: NOW - DAY,
    not_after_ms: NOW + 6 * DAY,
    ...more,
  };
}

export const GIVEN: DelegationList = {
  delegations: [
    delegation(),
    delegation({ delegation: 'd2'.repeat(16), principal: minister, acts: ['answer'], not_before_ms: NOW + DAY }),
    delegation({ delegation: 'd3'.repeat(16), ended_ms: NOW - 3_600_000 }),
    delegation({ delegation: 'd4'.repeat(16), acts: ['ring'], not_after_ms: NOW - 1 }),
  ],
  candidates: [officer],
};

export const acts_for = (more: Partial<ActsForView> = {}): ActsForView => ({
  principal: president,
  delegate: officer,
  act: 'ring',
  taken_over: false,
  ...more,
});
