// The language of the page, and the tag by which numbers, dates and lists are written. Reading either in a component or a
// derived value makes it follow a change.

import { LOCALES, type Locale } from './locales';

/** BCP 47 tag for a language without a region: which conventions it is written by. */
const DEFAULT_TAG: Record<Locale, string> = { en: 'en-GB', fr: 'fr-FR' };

let locale = $state<Locale>('en');
let tag = $state(DEFAULT_TAG.en);

export const current_locale = (): Locale => locale;

/** BCP 47 tag for `Intl`. */
export const current_tag = (): string => tag;

/** Sets the language. `languages` are the browser's: the first of the same language gives the regional conventions. */
export function set_locale(next: Locale, languages: readonly string[] = []): void {
  locale = next;
  tag = languages.find((one) => language_of(one) === next && one.includes('-')) ?? DEFAULT_TAG[next];
}

/** The first of the browser's languages that the page has; English without one. */
export function preferred_locale(languages: readonly string[]): Locale {
  for (const one of languages) {
    const found = LOCALES.find((locale) => locale === language_of(one));
    if (found) return found;
  }
  return 'en';
}

const language_of = (tag: string): string => tag.toLowerCase().split('-')[0] ?? '';
