import { describe, expect, it } from 'vitest';
import { through, whole, type Frame, type Work } from './frames';

async function pass(work: Work, ...frames: number[][]): Promise<number[][]> {
  const stream = through<Frame>(work);
  const writer = stream.writable.getWriter();
  const written = Promise.all(frames.map((bytes) => writer.write({ data: new Uint8Array(bytes).buffer }))).then(() => writer.close());
  const out: number[][] = [];
  const reader = stream.readable.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) out.push([...new Uint8Array(next.value.data)]);
  await written;
  return out;
}

describe('a media transform', () => {
  it('passes on what the engine made of a frame', async () => {
    expect(await pass((frame) => frame.map((b) => b ^ 0xff), [0, 1], [2])).toEqual([[255, 254], [253]]);
  });

  it('drops what the engine makes nothing of: no frame ever leaves as it came', async () => {
    expect(await pass(() => undefined, [1, 2, 3], [4])).toEqual([]);
  });

  it('takes the bytes of a window and not the memory behind it', () => {
    const memory = new Uint8Array(1000).fill(9);
    memory.set([1, 2, 3], 500);
    expect([...new Uint8Array(whole(memory.subarray(500, 503)))]).toEqual([1, 2, 3]);
  });
});
