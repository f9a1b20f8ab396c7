// What a page keeps outside of the key store.

/** Erases all of it: this device was ordered to. Nothing of it is secret, and what fails is tried no further. */
export async function erase_page_data(): Promise<void> {
  for (const storage of ['localStorage', 'sessionStorage'] as const) {
    try {
      globalThis[storage]?.clear();
    } catch {
      // Blocked by the browser: then nothing is in it.
    }
  }
  const names = (await globalThis.caches?.keys().catch(() => [])) ?? [];
  await Promise.allSettled(names.map((name) => caches.delete(name)));
  const workers = (await globalThis.navigator?.serviceWorker?.getRegistrations().catch(() => [])) ?? [];
  await Promise.allSettled(workers.map((worker) => worker.unregister()));
}
