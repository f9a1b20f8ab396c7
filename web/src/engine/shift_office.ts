// Shifts at a place's device, over HTTP.

import type { ShiftOptions } from './contract';
import { answered, post_to_office, with_token } from './enrol';

/** How long the office may take, milliseconds: it writes its log meanwhile. */
const TIMEOUT_MS = 15_000;

/** Requests of the page. Each throws a `Problem`. */
export interface ShiftOffice {
  /** Options for an authenticator, for this device and the shift that begins. */
  shift_challenge(token: string): Promise<ShiftOptions>;
  /** Begins it with what the authenticator answered. */
  begin_shift(token: string, ceremony: string, credential: object): Promise<void>;
}

export const shifts_over_http: ShiftOffice = {
  async shift_challenge(token) {
    return (
      await answered(post_to_office(with_token(token, TIMEOUT_MS), '/shifts/challenge', {}))
    ).json() as Promise<ShiftOptions>;
  },
  async begin_shift(token, ceremony, credential) {
    await answered(post_to_office(with_token(token, TIMEOUT_MS), '/shifts', { ceremony, credential }));
  },
};
