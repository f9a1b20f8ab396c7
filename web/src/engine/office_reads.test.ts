import { describe, expect, it } from 'vitest';
import { Turns, repeated_read } from './office_reads';

describe('reads of the office', () => {
  it('run a few at a time, in their order, also after one that failed', async () => {
    const turns = new Turns(2);
    const ends: (() => void)[] = [];
    const begun: number[] = [];
    const results = [0, 1, 2, 3].map((n) =>
      turns.run(async () => {
        begun.push(n);
        await new Promise<void>((end) => ends.push(end));
        if (n === 0) throw new Error('refused');
        return n;
      }),
    );
    const first = expect(results[0]).rejects.toThrow('refused');
    expect(begun).toEqual([0, 1]);
    ends.shift()?.();
    await first;
    await Promise.resolve();
    expect(begun).toEqual([0, 1, 2]);
    while (ends.length > 0) {
      ends.shift()?.();
      await new Promise<void>((resolve) => queueMicrotask(resolve));
    }
    expect(await Promise.all(results.slice(1))).toEqual([1, 2, 3]);
    expect(begun).toEqual([0, 1, 2, 3]);
  });

  it('are repeated while too many are in progress, later each time, and not without end', async () => {
    const waits: number[] = [];
    const wait = async (ms: number): Promise<void> => void waits.push(ms);
    const answers = [429, 429, 200];
    const answered = await repeated_read(async () => new Response(null, { status: answers.shift() ?? 500 }), wait);
    expect([answered.status, waits]).toEqual([200, [100, 200]]);
    let reads = 0;
    const busy = await repeated_read(async () => {
      reads++;
      return new Response(null, { status: 429 });
    }, wait);
    expect([busy.status, reads]).toEqual([429, 7]);
  });
});
