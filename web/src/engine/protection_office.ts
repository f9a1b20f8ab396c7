// The office's side of a device's protection, over HTTP.

import type { IssuedTicket, LockerAnswer, PasskeyOptions, ProtectionPolicy, RemoveProtector } from './contract';
import { API_PREFIX } from './contract';
import { answered, post_to_office, refusal, with_token, type Fetch } from './enrol';
import type { Problem } from './problem';

/** How long the office may take, milliseconds. A device must open also while it cannot be reached. */
const TIMEOUT_MS = 8_000;

const limited: Fetch = (path, init) => fetch(path, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });

async function json<T>(answer: Promise<Response>): Promise<T> {
  return (await answered(answer)).json() as Promise<T>;
}

/** Requests of the page. Each throws a `Problem`. */
export interface ProtectionOffice {
  policy(): Promise<ProtectionPolicy>;
  begin_registration(token: string): Promise<PasskeyOptions>;
  register(token: string, ceremony: string, credential: object): Promise<string>;
  challenge(device: string): Promise<PasskeyOptions>;
  /** A ticket; `null` if the office does not know the ceremony: it knows no passkey of this device. */
  assertion(ceremony: string, credential: object): Promise<string | null>;
}

export const protection_over_http: ProtectionOffice = {
  policy: () => json(limited(`${API_PREFIX}/protection`, { cache: 'no-store' })),
  begin_registration: (token) => json(post_to_office(with_token(token, TIMEOUT_MS), '/passkeys/registration', {})),
  async register(token, ceremony, credential) {
    const body = { ceremony, credential };
    return (await json<IssuedTicket>(post_to_office(with_token(token, TIMEOUT_MS), '/passkeys', body))).ticket;
  },
  challenge: (device) => json(post_to_office(limited, '/passkeys/challenge', { device })),
  async assertion(ceremony, credential) {
    const answer = await post_to_office(limited, '/passkeys/assertion', { ceremony, credential });
    if (answer.status === 410) return null;
    if (answer.status >= 500) throw { code: 'unavailable' } satisfies Problem;
    if (!answer.ok) throw await refusal(answer);
    return ((await answer.json()) as IssuedTicket).ticket;
  },
};

/** Requests of the worker, which alone handles PINs and knows what the office has to remove. */
export interface LockerOffice {
  make(token: string, locker_sha256: string, proof_sha256: string): Promise<void>;
  open(locker: string, proof: string): Promise<LockerAnswer>;
  /** `last`: the office has no other protector of this device, and may not have this one. */
  remove(token: string, which: RemoveProtector): Promise<'removed' | 'last'>;
}

export const lockers_over_http: LockerOffice = {
  async make(token, locker_sha256, proof_sha256) {
    await answered(post_to_office(with_token(token, TIMEOUT_MS), '/lockers', { locker_sha256, proof_sha256 }));
  },
  open: (locker, proof) => json(post_to_office(limited, '/lockers/open', { locker, proof })),
  async remove(token, which) {
    const answer = await post_to_office(with_token(token, TIMEOUT_MS), '/protection/remove', which);
    if (answer.status === 409) return 'last';
    await answered(Promise.resolve(answer));
    return 'removed';
  },
};
