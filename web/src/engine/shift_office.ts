// Shifts at a place's device, over HTTP.

import type { ShiftOptions } from './contract';
import { post_to_office, refusal, type Fetch } from './enrol';
import type { Problem } from './problem';

/** How long the office may take, milliseconds: it writes its log meanwhile. */
const TIMEOUT_MS = 15_000;

/** Requests of the page. Each throws a `Problem`. */
export interface ShiftOffice {
  /** Options for an authenticator, for this device and the shift that begins. */
  shift_challenge(token: string): Promise<ShiftOptions>;
  /** Begins it with what the authenticator answered. */
  begin_shift(token: string, ceremony: string, credential: object): Promise<void>;
}

function with_token(token: string): Fetch {
  return (path, init) => {
    const headers = { ...(init?.headers as Record<string, string>), authorization: `Bearer ${token}` };
    return fetch(path, { ...init, headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
  };
}

async function answered(answer: Promise<Response>): Promise<Response> {
  const response = await answer.catch(() => {
    throw { code: 'office_unreachable' } satisfies Problem;
  });
  if (!response.ok) throw await refusal(response);
  return response;
}

export const shifts_over_http: ShiftOffice = {
  async shift_challenge(token) {
    return (await answered(post_to_office(with_token(token), '/shifts/challenge', {}))).json() as Promise<ShiftOptions>;
  },
  async begin_shift(token, ceremony, credential) {
    await answered(post_to_office(with_token(token), '/shifts', { ceremony, credential }));
  },
};
