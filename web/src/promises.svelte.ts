// Calls that this person said they would make: "in ten minutes". Each is for this device to remind them of.

const NAME = 'telcon.promises';
/** How long after its time a promise is still shown, milliseconds. */
const KEPT_MS = 60 * 60_000;

/** The person's id, not their name: it is stored in the clear. */
export interface CallPromise {
  person: string;
  at_ms: number;
}

export class Promises {
  all = $state.raw<readonly CallPromise[]>([]);

  /** The next one to this person replaces the one before. */
  add(person: string, at_ms: number): void {
    this.#set([...this.all.filter((one) => one.person !== person), { person, at_ms }]);
  }

  remove(person: string): void {
    this.#set(this.all.filter((one) => one.person !== person));
  }

  /** Those that are not long over, the most urgent first. */
  open(now: number): CallPromise[] {
    return this.all.filter((one) => now < one.at_ms + KEPT_MS).sort((a, b) => a.at_ms - b.at_ms);
  }

  load(): void {
    try {
      this.all = read(localStorage.getItem(NAME));
    } catch {
      // There is no storage: promises last as long as the page.
    }
  }

  forget(): void {
    this.all = [];
    try {
      localStorage.removeItem(NAME);
    } catch {
      // There is no storage, so that nothing is in it.
    }
  }

  #set(all: CallPromise[]): void {
    this.all = all;
    try {
      localStorage.setItem(NAME, JSON.stringify(all));
    } catch {
      // As for `load`.
    }
  }
}

function read(stored: string | null): CallPromise[] {
  const all: unknown = JSON.parse(stored ?? '[]');
  if (!Array.isArray(all)) return [];
  return all.filter((one): one is CallPromise => typeof one?.person === 'string' && Number.isFinite(one?.at_ms));
}
