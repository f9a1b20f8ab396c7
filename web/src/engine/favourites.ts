// Favourites are this device's own: nobody else learns whom one likes to have at hand.

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
    // Kept for as long as the page is open, then.
  }
}

export function forget_favourites(): void {
  try {
    localStorage.removeItem(NAME);
  } catch {
    // Nothing was kept.
  }
}
