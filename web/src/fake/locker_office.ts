// An office that keeps lockers as the real one does, with ten attempts. Requests can fail before or after they take effect.

import type { LockerAnswer, RemoveProtector } from '../engine/contract';
import { base64, from_base64, sha256_hex } from '../engine/encoding';
import type { LockerOffice } from '../engine/protection_office';

/** `lost`: it has no effect. `committed`: it has, and its answer is lost. */
export type Failure = 'lost' | 'committed';
type Request = keyof LockerOffice;

export class FakeLockerOffice implements LockerOffice {
  lockers = new Map<string, { proof: string; secret: Uint8Array | null; failures: number; confirmed: boolean }>();
  passkeys = new Set<string>();
  /** What it was sent. */
  received: string[] = [];
  requests: Request[] = [];
  /** The ticket that signs the device in. */
  ticket: string | null = null;
  /** The next request of this kind fails. */
  failing: { request: Request; how: Failure } | null = null;

  /** Lockers that were opened once: each is a protection. */
  get confirmed(): string[] {
    return [...this.lockers].filter(([, { confirmed }]) => confirmed).map(([id]) => id);
  }

  get protects(): boolean {
    return this.confirmed.length + this.passkeys.size > 0;
  }

  make(_token: string, locker: string, proof: string): Promise<void> {
    return this.#request('make', async () => {
      this.received.push(locker, proof);
      if (this.confirmed.length >= 2) throw { told: 'this device has too many PINs: remove one first' };
      for (const [id, { confirmed }] of this.lockers) if (!confirmed) this.lockers.delete(id);
      const secret = crypto.getRandomValues(new Uint8Array(32));
      this.lockers.set(locker, { proof, secret, failures: 0, confirmed: false });
    });
  }

  open(locker: string, proof: string): Promise<LockerAnswer> {
    return this.#request('open', async () => {
      this.received.push(locker, proof);
      const found = this.lockers.get(await sha256_hex(from_base64(locker)));
      if (!found?.secret) return { state: 'erased' };
      if (found.proof !== (await sha256_hex(from_base64(proof)))) {
        if (++found.failures === 10) found.secret = null;
        return found.secret ? { state: 'wrong', attempts_left: 10 - found.failures, wait_ms: 0 } : { state: 'erased' };
      }
      found.confirmed = true;
      this.ticket = crypto.randomUUID();
      return { state: 'opened', secret: base64(found.secret), ticket: this.ticket };
    });
  }

  remove(_token: string, which: RemoveProtector): Promise<'removed' | 'last'> {
    return this.#request('remove', async () => {
      if (this.confirmed.length + this.passkeys.size < 2) return 'last';
      if (which.kind === 'passkey') this.passkeys.delete(which.credential);
      else this.lockers.delete(which.locker_sha256);
      return 'removed';
    });
  }

  async #request<T>(request: Request, work: () => Promise<T>): Promise<T> {
    this.requests.push(request);
    const how = this.failing?.request === request ? this.failing.how : null;
    if (how) this.failing = null;
    if (how === 'lost') throw { code: 'office_unreachable' };
    const answer = await work();
    if (how === 'committed') throw { code: 'office_unreachable' };
    return answer;
  }
}
