// Enrols this browser: fetches the office's description, has the engine make keys and a request, and posts the request.

import { API_PREFIX, type ApiError, type PageEnrolment } from './contract';
import { error_sentence } from './error_sentence';

type Fetch = (path: string, init?: RequestInit) => Promise<Response>;

export const NO_ANSWER =
  'Your office did not answer. Check the connection of this device, then press the button again. The link is still good.';

const UNAVAILABLE = 'Your office cannot answer at the moment. Try again in a minute.';
/** Note-takers are programs (`telcon note`): a browser cannot write records. */
export const NOTE_TAKER_LINK =
  'This link is for the office’s note-taker. That is a program on a machine of the office, and it is enrolled there: telcon enrol. A browser cannot write records.';

/** Whether the enrolment can be retried with the same link. */
export function is_retryable(problem: string): boolean {
  return problem === NO_ANSWER || problem === UNAVAILABLE;
}

/** `GET /api/v1/office`, as text for the engine to verify. Throws a sentence for people. */
export async function office_info(fetch_office: Fetch = fetch): Promise<string> {
  const answer = await request_office(fetch_office, '/office');
  if (!answer.ok) throw await refusal_sentence(answer);
  return answer.text();
}

/** Returns the device state to store. Nothing is stored before the office accepted the device. Throws a sentence for people. */
export async function enrol(
  fragment: string,
  make: (fragment: string, info: string) => string,
  fetch_office: Fetch = fetch,
): Promise<string> {
  const info = await office_info(fetch_office);
  const { request, state } = JSON.parse(make(fragment, info)) as PageEnrolment;
  const answer = await request_office(fetch_office, '/devices', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
  });
  if (!answer.ok) throw await refusal_sentence(answer);
  return state;
}

async function request_office(fetch_office: Fetch, path: string, init?: RequestInit): Promise<Response> {
  try {
    return await fetch_office(`${API_PREFIX}${path}`, { cache: 'no-store', credentials: 'omit', ...init });
  } catch {
    throw NO_ANSWER;
  }
}

/** The office's error sentence, or a generic one when the body has none. */
export async function refusal_sentence(answer: Response): Promise<string> {
  try {
    const { error } = (await answer.json()) as Partial<ApiError>;
    if (typeof error === 'string' && error) return error_sentence(error);
  } catch {
    // Not JSON: the answer is from a proxy, not from the office.
  }
  return answer.status >= 500
    ? UNAVAILABLE
    : `Your office refused this (${answer.status}). Ask your office what to do.`;
}
