// Loudness as a bar and as a "speaking" mark.

/** Loudness of one moment, 0 to 1, as root mean square. */
export interface Levels {
  you: number;
  others: number;
}

/** Root mean square above which sound counts as speech: quiet speech at arm's length. */
const SPEECH = 0.02;
/** How long the mark stays after the last loud moment, milliseconds: longer than a pause between words. */
const HOLD_MS = 600;
/** Decibels below full scale at which the bar is empty. */
const FLOOR_DB = -60;

/** Filled part of a level bar, 0 to 1: loudness is heard in decibels. */
export function bar(level: number): number {
  if (level <= 0) return 0;
  const db = 20 * Math.log10(level);
  return Math.min(1, Math.max(0, (db - FLOOR_DB) / -FLOOR_DB));
}

/** Whether somebody speaks, held over short pauses. */
export class SpeechHold {
  #last_ms: number | undefined;

  update(level: number, now_ms: number): boolean {
    if (level >= SPEECH) this.#last_ms = now_ms;
    return this.#last_ms !== undefined && now_ms - this.#last_ms < HOLD_MS;
  }
}
