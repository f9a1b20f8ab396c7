/** Isolates a name that is written from right to left, so that it does not reorder the text around it (UAX #9, isolates). */
export function isolate(name: string): string {
  return /[\u0590-\u08ff\ufb1d-\ufefc]/.test(name) ? `\u2068${name}\u2069` : name;
}
