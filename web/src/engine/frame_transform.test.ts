import { describe, expect, it } from 'vitest';
import { frame_transform, exact_buffer, type EncodedFrame, type ProcessFrame } from './frame_transform';

async function pass(work: ProcessFrame, ...frames: number[][]): Promise<number[][]> {
  const stream = frame_transform<EncodedFrame>(work);
  const writer = stream.writable.getWriter();
  const written = Promise.all(frames.map((bytes) => writer.write({ data: new Uint8Array(bytes).buffer }))).then(() =>
    writer.close(),
  );
  const out: number[][] = [];
  const reader = stream.readable.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read())
    out.push([...new Uint8Array(next.value.data)]);
  await written;
  return out;
}

describe('a media transform', () => {
  it('replaces the data of each frame', async () => {
    expect(await pass((frame) => frame.map((b) => b ^ 0xff), [0, 1], [2])).toEqual([[255, 254], [253]]);
  });

  it('drops a frame that the engine returns nothing for: no frame passes unchanged', async () => {
    expect(await pass(() => undefined, [1, 2, 3], [4])).toEqual([]);
  });

  it('copies the bytes of a view and not the buffer behind it', () => {
    const memory = new Uint8Array(1000).fill(9);
    memory.set([1, 2, 3], 500);
    expect([...new Uint8Array(exact_buffer(memory.subarray(500, 503)))]).toEqual([1, 2, 3]);
  });
});
