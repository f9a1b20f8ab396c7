// Media transforms: every frame goes through the engine, or nowhere.

/** What a transform uses of an encoded frame. */
export interface Frame {
  data: ArrayBuffer;
}

export type Work = (frame: Uint8Array) => Uint8Array | undefined;

/** A packet to play: the frame's own, or one that got lost, so many frames before it. */
export interface Packet {
  before: number;
  data: Uint8Array;
}

/** RTP ticks of one frame of 20 ms: Opus counts at 48 kHz (RFC 7587). */
const FRAME_TICKS = 960;

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

/** A stream that opens each frame and gives its packets, those that got lost as frames of their own. */
export function opening<F extends Frame>(open: Work, earlier: (frame: F, ticks: number) => F | undefined): TransformStream<F, F> {
  return new TransformStream<F, F>({
    transform(frame, controller) {
      const opened = open(new Uint8Array(frame.data));
      if (opened === undefined) return;
      for (const { before, data } of packets(opened)) {
        const carrier = before === 0 ? frame : earlier(frame, before * FRAME_TICKS);
        if (!carrier) continue;
        carrier.data = whole(data);
        controller.enqueue(carrier);
      }
    },
  });
}

/** Reads what the engine gives of an opened frame: how far before it, length, packet, over and over. */
export function packets(opened: Uint8Array): Packet[] {
  const found: Packet[] = [];
  for (let at = 0; at + 3 <= opened.length; ) {
    const [before = 0, high = 0, low = 0] = opened.subarray(at, at + 3);
    const end = at + 3 + high * 256 + low;
    found.push({ before, data: opened.subarray(at + 3, end) });
    at = end;
  }
  return found;
}

/** As WebRTC Encoded Transform has it; the DOM types that come with TypeScript do not yet. */
type MakesFrames = new (frame: RTCEncodedAudioFrame, options: { metadata: RTCEncodedAudioFrameMetadata }) => RTCEncodedAudioFrame;

/** The same frame so many RTP ticks earlier; nothing where the browser cannot make one. */
export function earlier(frame: RTCEncodedAudioFrame, ticks: number): RTCEncodedAudioFrame | undefined {
  const metadata = frame.getMetadata();
  if (metadata.rtpTimestamp === undefined) return undefined;
  try {
    return new (RTCEncodedAudioFrame as unknown as MakesFrames)(frame, { metadata: { ...metadata, rtpTimestamp: (metadata.rtpTimestamp - ticks) >>> 0 } });
  } catch {
    return undefined;
  }
}

/** Exactly the bytes of a view, which may be a window on a larger buffer (the engine's whole memory). */
export function whole(bytes: Uint8Array): ArrayBuffer {
  const { buffer, byteOffset, byteLength } = bytes;
  if (byteOffset === 0 && byteLength === buffer.byteLength && buffer instanceof ArrayBuffer) return buffer;
  return bytes.slice().buffer;
}
