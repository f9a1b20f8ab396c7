// Enrols this browser: fetches the office's description, has the engine make keys and a request, and posts the request.

import { API_PREFIX, type ApiError, type PageEnrolment } from './contract';
import { problem_of, type Problem } from './problem';

export type Fetch = (path: string, init?: RequestInit) => Promise<Response>;

/** `GET /api/v1/office`, as text for the engine to verify. Throws a `Problem`. */
export async function office_info(fetch_office: Fetch = fetch): Promise<string> {
  const answer = await request_office(fetch_office, '/office');
  if (!answer.ok) throw await refusal(answer);
  return answer.text();
}

/** Returns the device state to store. Nothing is stored before the office accepted the device. Throws a `Problem`. */
export async function enrol(
  fragment: string,
  make: (fragment: string, info: string) => string,
  fetch_office: Fetch = fetch,
): Promise<string> {
  const info = await office_info(fetch_office);
  const { request, state } = JSON.parse(make(fragment, info)) as PageEnrolment;
  const answer = await post_to_office(fetch_office, '/devices', request);
  if (!answer.ok) throw await refusal(answer);
  return state;
}

/** Posts JSON to a path of the office's API. Throws a `Problem` if there is no answer. */
export function post_to_office(fetch_office: Fetch, path: string, body: object): Promise<Response> {
  return request_office(fetch_office, path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

async function request_office(fetch_office: Fetch, path: string, init?: RequestInit): Promise<Response> {
  try {
    return await fetch_office(`${API_PREFIX}${path}`, { cache: 'no-store', credentials: 'omit', ...init });
  } catch {
    throw { code: 'no_answer' } satisfies Problem;
  }
}

/** `fetch` with a bearer token, and a time limit. */
export function with_token(token: string, timeout_ms: number): Fetch {
  return (path, init) => {
    const headers = { ...(init?.headers as Record<string, string>), authorization: `Bearer ${token}` };
    return fetch(path, { ...init, headers, signal: AbortSignal.timeout(timeout_ms) });
  };
}

/** An answer that is no error. Throws a `Problem`. */
export async function answered(answer: Promise<Response>): Promise<Response> {
  const response = await answer.catch(() => {
    throw { code: 'office_unreachable' } satisfies Problem;
  });
  if (!response.ok) throw await refusal(response);
  return response;
}

/** The office's error sentence, or a generic problem when the body has none. */
export async function refusal(answer: Response): Promise<Problem> {
  try {
    const { error } = (await answer.json()) as Partial<ApiError>;
    if (typeof error === 'string' && error) return problem_of(error);
  } catch {
    // Not JSON: the answer is from a proxy, not from the office.
  }
  return answer.status >= 500 ? { code: 'unavailable' } : { code: 'refused', status: answer.status };
}
