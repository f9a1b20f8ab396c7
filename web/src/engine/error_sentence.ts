// Error messages as sentences for people.

const FALLBACK = 'Something went wrong on this device. Reload this page and try again.';

/** Capitalises an error message and ends it with a full stop: programs write neither. */
export function error_sentence(error: unknown): string {
  const text = (typeof error === 'string' ? error : error instanceof Error ? error.message : '').trim();
  if (!text) return FALLBACK;
  const capitalised = text[0]?.toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(capitalised) ? capitalised : `${capitalised}.`;
}
