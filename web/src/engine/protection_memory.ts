// What the page remembers about the protection of this device outside of the key store: nothing of it is secret.

import { is_problem, type Problem } from './problem';

/** That the person chose not to protect this device now. */
const LATER = 'telcon.protect_later';
/** Whether the office requires protection, by its last answer. */
const REQUIRED = 'telcon.protection_required';
/** Why the page locked itself, for the page that is loaded then. */
const LOCK_REASON = 'telcon.lock_reason';

/** `null`: the office has not said it yet. */
export function required(): boolean | null {
  const kept = get(() => localStorage, REQUIRED);
  return kept === null ? null : kept !== 'no';
}

export const set_required = (required: boolean): void => set(() => localStorage, REQUIRED, required ? 'yes' : 'no');
export const is_later = (): boolean => get(() => localStorage, LATER) !== null;
export const set_later = (): void => set(() => localStorage, LATER, '1');
export const set_lock_reason = (problem: Problem): void =>
  set(() => sessionStorage, LOCK_REASON, JSON.stringify(problem));

export function take_lock_reason(): Problem | null {
  try {
    const reason: unknown = JSON.parse(sessionStorage.getItem(LOCK_REASON) ?? 'null');
    sessionStorage.removeItem(LOCK_REASON);
    return is_problem(reason) ? reason : null;
  } catch {
    return null;
  }
}

/** The device was erased: another one may be another person's. */
export function forget(): void {
  for (const name of [LATER, REQUIRED]) remove(() => localStorage, name);
  remove(() => sessionStorage, LOCK_REASON);
}

function remove(storage: () => Storage, name: string): void {
  try {
    storage().removeItem(name);
  } catch {
    // Storage is unavailable: nothing was stored.
  }
}

function get(storage: () => Storage, name: string): string | null {
  try {
    return storage().getItem(name);
  } catch {
    return null;
  }
}

function set(storage: () => Storage, name: string, value: string): void {
  try {
    storage().setItem(name, value);
  } catch {
    // Storage is unavailable: it is forgotten at the next start.
  }
}
