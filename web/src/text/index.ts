// The texts of the page in the current language.

import { en } from './en';
import { fr } from './fr';
import { LOCALES, type Locale } from './locales';
import { current_locale, preferred_locale, set_locale } from './state.svelte';

/** The type that every catalogue has: the keys of the English one, with any text in them. */
export type Catalogue<T> = T extends string
  ? string
  : T extends readonly string[]
    ? readonly string[]
    : T extends (...values: infer V) => string
      ? (...values: V) => string
      : { [K in keyof T]: Catalogue<T[K]> };
export type Text = Catalogue<typeof en>;

export const CATALOGUES: Record<Locale, Text> = { en, fr };

/** The texts in the current language. */
export const t = (): Text => CATALOGUES[current_locale()];

const NAME = 'telcon.language';

/** Takes the remembered language, else the browser's. */
export function start_locale(languages: readonly string[]): void {
  set_locale(remembered() ?? preferred_locale(languages), languages);
  mark_document();
}

/** Changes the language and remembers it on this device. */
export function choose_locale(locale: Locale, languages: readonly string[]): void {
  set_locale(locale, languages);
  mark_document();
  try {
    localStorage.setItem(NAME, locale);
  } catch {
    // Storage is unavailable: the choice lasts until the page is closed.
  }
}

function remembered(): Locale | null {
  try {
    const kept = localStorage.getItem(NAME);
    return LOCALES.find((locale) => locale === kept) ?? null;
  } catch {
    return null;
  }
}

/** Screen readers pronounce by `lang`; layout follows `dir`. */
function mark_document(): void {
  document.documentElement.lang = current_locale();
  document.documentElement.dir = t().dir;
}
