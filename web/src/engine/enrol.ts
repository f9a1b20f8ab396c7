// Enrols this browser: asks the office who it is, lets the engine make keys and a request, and hands the request in.

import type { Enrolment } from './contract';
import { sentence } from './sentence';

type Fetch = (path: string, init?: RequestInit) => Promise<Response>;

export const NO_ANSWER = 'Your office did not answer. Check the connection of this device, then press the button again. The link is still good.';

const BUSY = 'Your office cannot answer at the moment. Try again in a minute.';
/** A note-taker is a program that writes records; a browser would only look like one. */
export const NOT_FOR_A_BROWSER = 'This link is for the office’s note-taker. That is a program on a machine of the office, and it is enrolled there: telcon enrol. A browser cannot write records.';

/** Whether the same link may do another time what it did not do now. */
export function worth_another_try(problem: string): boolean {
  return problem === NO_ANSWER || problem === BUSY;
}

/** `GET /api/office`, as text for the engine to judge. Throws a sentence for people. */
export async function office_info(get: Fetch = fetch): Promise<string> {
  const answer = await reach(get, '/api/office');
  if (!answer.ok) throw await refusal(answer);
  return answer.text();
}

/** Returns the state to keep; nothing has been kept before the office took the device. Throws a sentence for people. */
export async function enrol(
  fragment: string,
  make: (fragment: string, info: string) => string,
  get: Fetch = fetch,
): Promise<string> {
  const info = await office_info(get);
  const { request, state } = JSON.parse(make(fragment, info)) as Enrolment;
  const answer = await reach(get, '/api/devices', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
  });
  if (!answer.ok) throw await refusal(answer);
  return state;
}

async function reach(get: Fetch, path: string, init?: RequestInit): Promise<Response> {
  try {
    return await get(path, { cache: 'no-store', credentials: 'omit', ...init });
  } catch {
    throw NO_ANSWER;
  }
}

/** What the office said, or a sentence of ours when it said nothing that a person can use. */
export async function refusal(answer: Response): Promise<string> {
  try {
    const { error } = (await answer.json()) as { error?: unknown };
    if (typeof error === 'string' && error) return sentence(error);
  } catch {
    // Not JSON: a proxy answered, not the office.
  }
  return answer.status >= 500
    ? BUSY
    : `Your office refused this (${answer.status}). Ask your office what to do.`;
}
