// Encoded media transforms (WebRTC Encoded Transform): every frame is processed by the engine or dropped.

/** The part of an encoded frame that a transform uses. */
export interface EncodedFrame {
  data: ArrayBuffer;
}

export type ProcessFrame = (frame: Uint8Array) => Uint8Array | undefined;

/** A stream that replaces each frame's data by the result of `process`, and drops frames without one. */
export function frame_transform<F extends EncodedFrame>(process: ProcessFrame): TransformStream<F, F> {
  return new TransformStream<F, F>({
    transform(frame, controller) {
      const made = process(new Uint8Array(frame.data));
      if (made === undefined) return;
      frame.data = exact_buffer(made);
      controller.enqueue(frame);
    },
  });
}

/** A buffer with exactly the bytes of a view, which may cover part of a larger buffer (the engine's whole memory). */
export function exact_buffer(bytes: Uint8Array): ArrayBuffer {
  const { buffer, byteOffset, byteLength } = bytes;
  if (byteOffset === 0 && byteLength === buffer.byteLength && buffer instanceof ArrayBuffer) return buffer;
  return bytes.slice().buffer;
}
