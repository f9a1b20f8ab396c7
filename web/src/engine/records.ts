// Records over the office's HTTP API.

import type { Card, Ended, RecordMode } from './contract';
import { refusal_sentence } from './enrol';

/** One line of `GET /api/records`. */
export interface RecordLine {
  call: string;
  from: Card;
  to: Card;
  mode: RecordMode;
  opened_ms: number;
  answered_ms?: number;
  ended_ms?: number;
  how?: Ended;
  /** How many sealed records of it are in the archive: one of each note-taker that heard some of it. */
  records: number;
  /** There are records, and their note-takers say of each that something is missing. */
  partial: boolean;
  /** There is none, and the log says why. */
  missing?: boolean;
}

/** `GET /api/records/{call}`: passed unparsed to the engine, which verifies it; the page reads only the line. */
export interface RecordProof {
  line: RecordLine;
}

export interface Records {
  list(token: string): Promise<RecordLine[]>;
  /** The proof as text, as received. */
  proof(token: string, call: string): Promise<string>;
}

export const records_over_http: Records = {
  async list(token) {
    return JSON.parse(await get(token, '/api/records')) as RecordLine[];
  },
  proof(token, call) {
    return get(token, `/api/records/${encodeURIComponent(call)}`);
  },
};

async function get(token: string, path: string): Promise<string> {
  let answer: Response;
  try {
    answer = await fetch(path, {
      cache: 'no-store',
      credentials: 'omit',
      headers: { authorization: `Bearer ${token}` },
    });
  } catch {
    throw 'Your office did not answer. Check the connection of this device and try again.';
  }
  if (!answer.ok) throw await refusal_sentence(answer);
  return answer.text();
}
