// French names inside sentences: articles are written in lower case, and contracted after « de ».

import { isolate } from '../isolate';

const ARTICLE = /^(?:Le|La|Les) |^L[’']/;

/** `Le Président` inside a sentence: `le Président`. */
export function mid(name: string): string {
  return ARTICLE.test(name) ? `l${name.slice(1)}` : isolate(name);
}

/** A name after « de »: `du Président`, `de la Ministre`, `d’Estmark`. */
export function of(name: string): string {
  if (name.startsWith('Le ')) return `du ${name.slice(3)}`;
  if (name.startsWith('Les ')) return `des ${name.slice(4)}`;
  if (ARTICLE.test(name)) return `de ${mid(name)}`;
  return /^[aeiouyàâéèêëîïôöùûü]/i.test(name) ? `d’${name}` : `de ${isolate(name)}`;
}
