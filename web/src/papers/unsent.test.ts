import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Documents } from '../documents.svelte';
import { Unsent } from './unsent';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function storage() {
  const writes: { content: object | null; done: () => void; fail: () => void }[] = [];
  const keep_unsent = (_name: string, content: object | null) =>
    new Promise<void>((done, fail) => writes.push({ content, done, fail: () => fail(new Error('full')) }));
  const told: boolean[] = [];
  const unsent = new Unsent<{ text: string }>({ keep_unsent } as unknown as Documents, 'x', (stored) =>
    told.push(stored),
  );
  return { writes, told, unsent };
}

describe('what is not sent', () => {
  it('is said to be stored once the newest change is, and not when an earlier one is', async () => {
    const { writes, told, unsent } = storage();
    unsent.keep({ text: 'a' });
    await vi.advanceTimersByTimeAsync(500);
    unsent.keep({ text: 'ab' });
    writes[0]?.done();
    await vi.advanceTimersByTimeAsync(0);
    expect(told).toEqual([false, false]);
    await vi.advanceTimersByTimeAsync(500);
    expect(writes.map((one) => one.content)).toEqual([{ text: 'a' }, { text: 'ab' }]);
    writes[1]?.done();
    await unsent.flush();
    expect(told).toEqual([false, false, true]);
  });

  it('is not said to be stored where the browser refused it, and the next change is tried', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const { writes, told, unsent } = storage();
    unsent.keep({ text: 'a' });
    const first = unsent.flush();
    await vi.advanceTimersByTimeAsync(0);
    writes[0]?.fail();
    await first;
    unsent.keep({ text: 'b' });
    const second = unsent.flush();
    await vi.advanceTimersByTimeAsync(0);
    writes[1]?.done();
    await second;
    expect(told).toEqual([false, false, true]);
  });
});
