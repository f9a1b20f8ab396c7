// The evidence that the office's log has two versions, as a file. Its format is the engine's.

import type { LogFork } from '../engine/contract';

/** Name of the file: the day, and the call in which it was found. */
export const evidence_file = (fork: LogFork): string =>
  `log-evidence-${new Date(fork.found_ms).toISOString().slice(0, 10)}-${fork.call.slice(0, 8)}.json`;

/** Content of the file. */
export const evidence_text = (fork: LogFork): string => `${JSON.stringify(fork, null, 2)}\n`;
