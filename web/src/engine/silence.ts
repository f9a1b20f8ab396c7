// A track of silence, for a device without a microphone.

export class Silence {
  #context: AudioContext | undefined;
  #track: MediaStreamTrack | undefined;

  /** The track; `null` in a browser that makes none. */
  start(): MediaStreamTrack | null {
    // After a reload, a browser runs it only from a press on.
    if (this.#track) void this.#context?.resume();
    if (this.#track) return this.#track;
    if (typeof AudioContext !== 'function') return null;
    const context = new AudioContext();
    const destination = context.createMediaStreamDestination();
    // A destination without a source produces no frames.
    const source = new ConstantSourceNode(context, { offset: 0 });
    source.connect(destination);
    source.start();
    this.#context = context;
    this.#track = destination.stream.getAudioTracks()[0];
    return this.#track ?? null;
  }

  stop(): void {
    this.#track?.stop();
    this.#track = undefined;
    void this.#context?.close();
    this.#context = undefined;
  }
}
