// Fetching and verifying the proof of one record, against the log that this device follows.

import type { RecordLine, Report } from './engine/contract';
import type { Problem } from './engine/problem';
import type { RecordProof } from './engine/records';
import { check_name } from './view/checks';

export interface CheckedRecord {
  line: RecordLine;
  report: Report;
  at_ms: number;
}

/**
 * `fetch` gets a proof that continues the log of this size, and `check` verifies it. While a proof is on its way this device may
 * follow the log further: then the proof proves too little, and another one is fetched, once. Rejects with a `Problem`.
 */
export async function checked_record(
  log_size: () => number,
  fetch: (log_size: number) => Promise<string>,
  check: (proof: string) => Promise<Report>,
): Promise<CheckedRecord> {
  const attempt = async (): Promise<CheckedRecord | null> => {
    const size = log_size();
    const proof = await fetch(size);
    const report = await check(proof);
    const continues = report.checks.every((one) => one.ok || check_name(one.title) !== 'continues');
    if (!continues && log_size() !== size) return null;
    const { line } = JSON.parse(proof) as RecordProof;
    return { line, report, at_ms: Date.now() };
  };
  const checked = (await attempt()) ?? (await attempt());
  if (!checked) throw { code: 'log_grew' } satisfies Problem;
  return checked;
}
