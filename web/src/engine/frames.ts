// Media transforms: every frame goes through the engine, or nowhere.

/** What a transform uses of an encoded frame. */
export interface Frame {
  data: ArrayBuffer;
}

export type Work = (frame: Uint8Array) => Uint8Array | undefined;

/** A stream that replaces each frame's data by what `work` makes of it, and drops those it makes nothing of. */
export function through<F extends Frame>(work: Work): TransformStream<F, F> {
  return new TransformStream<F, F>({
    transform(frame, controller) {
      const made = work(new Uint8Array(frame.data));
      if (made === undefined) return;
      frame.data = whole(made);
      controller.enqueue(frame);
    },
  });
}

/** Exactly the bytes of a view, which may be a window on a larger buffer (the engine's whole memory). */
export function whole(bytes: Uint8Array): ArrayBuffer {
  const { buffer, byteOffset, byteLength } = bytes;
  if (byteOffset === 0 && byteLength === buffer.byteLength && buffer instanceof ArrayBuffer) return buffer;
  return bytes.slice().buffer;
}
