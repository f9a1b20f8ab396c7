// English names inside sentences.

import { isolate } from '../isolate';

/** `The President` inside a sentence: `the President`. */
export function mid(name: string): string {
  return name.startsWith('The ') ? `the ${name.slice(4)}` : isolate(name);
}
