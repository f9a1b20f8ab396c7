// Encrypts and decrypts with the fake cipher, and reports size and marker of each received frame.

const MARK = [0xfa, 0xce];

self.onrtctransform = ({ transformer }) => {
  const { side, shift } = transformer.options;
  const stream = new TransformStream({
    transform(frame, controller) {
      const bytes = new Uint8Array(frame.data);
      if (side === 'receive') {
        const sealed = MARK.every((byte, i) => bytes[i] === byte);
        self.postMessage({ size: bytes.length, sealed, head: [...bytes.slice(0, 8)] });
        frame.data = bytes.slice(2).map((b) => b - shift).buffer;
      } else {
        frame.data = Uint8Array.from([...MARK, ...bytes.map((b) => b + shift)]).buffer;
      }
      controller.enqueue(frame);
    },
  });
  transformer.readable
    .pipeThrough(stream)
    .pipeTo(transformer.writable)
    .catch(() => undefined);
};
