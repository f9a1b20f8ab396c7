import { afterEach, describe, expect, it, vi } from 'vitest';
import { ask_before_leaving, keep_awake, keep_storage } from './page_guard';

afterEach(() => vi.unstubAllGlobals());

describe('the screen', () => {
  it('is kept awake again after the page was hidden, and released at the end', async () => {
    const document = Object.assign(new EventTarget(), { hidden: false });
    const locks: { released: boolean; release(): Promise<void> }[] = [];
    const request = vi.fn(async () => {
      const lock = { released: false, release: vi.fn(async () => void (lock.released = true)) };
      locks.push(lock);
      return lock;
    });
    vi.stubGlobal('document', document);
    vi.stubGlobal('navigator', { wakeLock: { request } });
    const release = keep_awake();
    await vi.waitFor(() => expect(locks).toHaveLength(1));
    // The browser releases the lock of a hidden page by itself.
    locks[0]!.released = true;
    document.hidden = true;
    document.dispatchEvent(new Event('visibilitychange'));
    expect(request).toHaveBeenCalledTimes(1);
    document.hidden = false;
    document.dispatchEvent(new Event('visibilitychange'));
    await vi.waitFor(() => expect(locks).toHaveLength(2));
    release();
    await vi.waitFor(() => expect(locks[1]!.released).toBe(true));
    document.dispatchEvent(new Event('visibilitychange'));
    expect(request).toHaveBeenCalledTimes(2);
  });
});

describe('leaving', () => {
  it('is asked about during a call, and not afterwards', () => {
    const page = new EventTarget();
    vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
    vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
    const leaves = () => page.dispatchEvent(new Event('beforeunload', { cancelable: true }));
    const done = ask_before_leaving();
    expect(leaves()).toBe(false);
    done();
    expect(leaves()).toBe(true);
  });
});

describe('storage', () => {
  it('is asked to be kept, once', async () => {
    const persist = vi.fn(async () => true);
    vi.stubGlobal('navigator', { storage: { persist, persisted: async () => false } });
    await keep_storage();
    expect(persist).toHaveBeenCalledTimes(1);
    vi.stubGlobal('navigator', { storage: { persist, persisted: async () => true } });
    await keep_storage();
    expect(persist).toHaveBeenCalledTimes(1);
    vi.stubGlobal('navigator', {});
    await keep_storage();
  });
});
