// What went wrong, as a sentence for a person.

const OURS = 'Something went wrong on this device. Reload this page and try again.';

/** Programs write their errors in small letters and without a full stop; people are told in sentences. */
export function sentence(error: unknown): string {
  const text = (typeof error === 'string' ? error : error instanceof Error ? error.message : '').trim();
  if (!text) return OURS;
  const begun = text[0]?.toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`;
}
