// What a device learns of its revocation without signing in: it is locked, or it was revoked before and may be ordered to erase itself.

import type { ErasureReport, Orders } from './contract';

/** How often a revoked device asks whether it is to erase itself, milliseconds. */
export const ORDER_INTERVAL_MS = 60_000;
const TIMEOUT_MS = 10_000;

/** The signed revocation of the device whose request this is; nothing if there is none, or the office does not answer. */
export async function read_revocation(request: string): Promise<string | undefined> {
  try {
    const answer = await post('/api/v1/orders', request);
    return answer.ok ? ((await answer.json()) as Orders).revocation : undefined;
  } catch {
    return undefined;
  }
}

/** The office shows that nothing came if this fails: the device is erased in any case. */
export async function report_erasure(report: ErasureReport): Promise<void> {
  try {
    await post('/api/v1/erasures', JSON.stringify(report));
  } catch (error) {
    console.warn('erasure not reported', error);
  }
}

function post(path: string, body: string): Promise<Response> {
  return fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    keepalive: true,
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
}
