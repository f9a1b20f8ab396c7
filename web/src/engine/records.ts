// Records over the office's HTTP API.

import { API_PREFIX, type RecordLine } from './contract';
import { refusal } from './enrol';
import { repeated_read } from './office_reads';
import type { Problem } from './problem';

/** `GET /api/v1/records/{call}`: passed unparsed to the engine, which verifies it; the page reads only the line. */
export interface RecordProof {
  line: RecordLine;
}

/** Lines in one page of the list. */
export const RECORDS_PER_PAGE = 200;

/** A page of the list, for `with_newest`. */
export const RECORD_PAGE = { size: RECORDS_PER_PAGE, id: (line: RecordLine): string => line.call };

export interface Records {
  /** The newest calls, or those before `oldest`; at most `RECORDS_PER_PAGE`. */
  list(token: string, oldest?: RecordLine): Promise<RecordLine[]>;
  /** The proof as text, as received; it continues the log of `log_size` entries, which this device follows. */
  proof(token: string, call: string, log_size: number): Promise<string>;
}

export const records_over_http: Records = {
  async list(token, oldest) {
    const after = oldest ? `&after=${encodeURIComponent(oldest.call)}` : '';
    return JSON.parse(await get_from_office(token, `/records?limit=${RECORDS_PER_PAGE}${after}`)) as RecordLine[];
  },
  proof(token, call, log_size) {
    return get_from_office(token, `/records/${encodeURIComponent(call)}?log_size=${log_size}`);
  },
};

/**
 * A list after its newest page was read again, newest first: older entries that were read before stay, if the pages overlap.
 * `more`: whether there were more before. `page`: entries in a full page, and what identifies one.
 */
export function with_newest<T>(
  known: T[],
  newest: T[],
  more: boolean,
  page: { size: number; id: (entry: T) => unknown },
): { entries: T[]; more: boolean } {
  const full = newest.length === page.size;
  const last = newest.at(-1);
  const overlap = last === undefined ? -1 : known.findIndex((entry) => page.id(entry) === page.id(last));
  if (!full || overlap < 0) return { entries: newest, more: full };
  const older = known.slice(overlap + 1);
  return { entries: [...newest, ...older], more: older.length === 0 || more };
}

/** Reads a path of the API with a bearer token. Throws a `Problem`. */
export async function get_from_office(token: string, path: string): Promise<string> {
  let answer: Response;
  try {
    const headers = { authorization: `Bearer ${token}` };
    const request = { cache: 'no-store', credentials: 'omit', headers } as const;
    answer = await repeated_read(() => fetch(`${API_PREFIX}${path}`, request));
  } catch {
    throw { code: 'office_unreachable' } satisfies Problem;
  }
  if (!answer.ok) throw await refusal(answer);
  return answer.text();
}
