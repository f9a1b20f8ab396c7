// What a tab remembers of its call across its own reload. Session storage: it ends with the tab.

import type { RememberedCall } from '../view/resume';

const NAME = 'telcon.call';

export function load_call(): RememberedCall | null {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(NAME) ?? 'null');
    return is_remembered(kept) ? kept : null;
  } catch {
    return null;
  }
}

export function save_call(call: RememberedCall | null): void {
  try {
    if (call) sessionStorage.setItem(NAME, JSON.stringify(call));
    else sessionStorage.removeItem(NAME);
  } catch {
    // Storage is unavailable: a reload shows the call without its name until the device has rejoined.
  }
}

function is_remembered(kept: unknown): kept is RememberedCall {
  if (typeof kept !== 'object' || kept === null) return false;
  const { call, direction, person, answered } = kept as Record<string, unknown>;
  return (
    typeof call === 'string' &&
    (direction === 'in' || direction === 'out' || direction === 'listen') &&
    (typeof person === 'string' || person === null) &&
    typeof answered === 'boolean'
  );
}
