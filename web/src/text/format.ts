// Numbers, lists, plurals and dates as the current language writes them (ECMA-402).

import { current_tag } from './state.svelte';

const cache = new Map<string, unknown>();

/** Builds a formatter once per language and options: constructing one is slow. */
function cached<T>(name: string, build: (tag: string) => T): T {
  const tag = current_tag();
  const key = `${tag} ${name}`;
  if (!cache.has(key)) cache.set(key, build(tag));
  return cache.get(key) as T;
}

/** Such as `90,412` in English and `90 412` in French. */
export const format_number = (n: number): string => cached('number', (tag) => new Intl.NumberFormat(tag)).format(n);

/** One digit after the decimal separator: `1.4`, `1,4`. */
export const format_decimal = (n: number): string =>
  cached('decimal', (tag) => new Intl.NumberFormat(tag, { minimumFractionDigits: 1, maximumFractionDigits: 1 })).format(
    n,
  );

/** `1.2 %`, of a share from 0 to 1. */
export const format_percent = (share: number): string =>
  cached('percent', (tag) => new Intl.NumberFormat(tag, { style: 'percent', maximumFractionDigits: 2 })).format(share);

/** `a, b and c`. */
export const join_list = (items: string[]): string => cached('list', (tag) => new Intl.ListFormat(tag)).format(items);

/** The form of a word for a number. */
export function plural(n: number, forms: { one: string; other: string }): string {
  const rule = cached('plural', (tag) => new Intl.PluralRules(tag)).select(n);
  return rule === 'one' ? forms.one : forms.other;
}

/** Compares names for sorting. */
export const compare_names = (a: string, b: string): number =>
  cached('collator', (tag) => new Intl.Collator(tag)).compare(a, b);

/** The first letter in upper case. */
export const capitalise = (text: string): string =>
  text.replace(/^\p{L}/u, (letter) => letter.toLocaleUpperCase(current_tag()));

/** The first letter in lower case, for a label inside a line. */
export const uncapitalise = (text: string): string =>
  text.replace(/^\p{L}/u, (letter) => letter.toLocaleLowerCase(current_tag()));

/** A formatter of times in a zone; `null` for a zone that this browser does not know. */
export function date_format(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat | null {
  return cached(`${zone} ${JSON.stringify(options)}`, (tag) => {
    try {
      return new Intl.DateTimeFormat(tag, { ...options, timeZone: zone });
    } catch {
      return null;
    }
  });
}
