// Delegations over the office's HTTP API.

import type { DelegationList } from './contract';
import { get_from_office } from './records';

export interface Delegations {
  /** Those by and to this person, or all for security officers; with whom a principal may choose. */
  delegations(token: string): Promise<DelegationList>;
}

export const delegations_over_http: Delegations = {
  async delegations(token) {
    return JSON.parse(await get_from_office(token, '/delegations')) as DelegationList;
  },
};
