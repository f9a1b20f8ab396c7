// Favourites are stored on this device only: the server does not learn them.

const NAME = 'telcon.favourites';

export function load_favourites(): ReadonlySet<string> {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(NAME) ?? '[]');
    return new Set(Array.isArray(kept) ? kept.filter((person) => typeof person === 'string') : []);
  } catch {
    return new Set();
  }
}

export function save_favourites(favourites: ReadonlySet<string>): void {
  try {
    localStorage.setItem(NAME, JSON.stringify([...favourites]));
  } catch {
    // Storage is unavailable: favourites last until the page is closed.
  }
}

export function forget_favourites(): void {
  try {
    localStorage.removeItem(NAME);
  } catch {
    // Storage is unavailable: nothing was stored.
  }
}
