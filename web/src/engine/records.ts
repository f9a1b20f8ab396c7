// Records over the office's HTTP API.

import { API_PREFIX, type RecordLine } from './contract';
import { refusal } from './enrol';
import type { Problem } from './problem';

/** `GET /api/v1/records/{call}`: passed unparsed to the engine, which verifies it; the page reads only the line. */
export interface RecordProof {
  line: RecordLine;
}

export interface Records {
  list(token: string): Promise<RecordLine[]>;
  /** The proof as text, as received; it continues the log of `log_size` entries, which this device follows. */
  proof(token: string, call: string, log_size: number): Promise<string>;
}

export const records_over_http: Records = {
  async list(token) {
    return JSON.parse(await get(token, '/records')) as RecordLine[];
  },
  proof(token, call, log_size) {
    return get(token, `/records/${encodeURIComponent(call)}?log_size=${log_size}`);
  },
};

async function get(token: string, path: string): Promise<string> {
  let answer: Response;
  try {
    answer = await fetch(`${API_PREFIX}${path}`, {
      cache: 'no-store',
      credentials: 'omit',
      headers: { authorization: `Bearer ${token}` },
    });
  } catch {
    throw { code: 'office_unreachable' } satisfies Problem;
  }
  if (!answer.ok) throw await refusal(answer);
  return answer.text();
}
