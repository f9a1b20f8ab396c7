// Loudness of sound tracks, for level bars and "speaking" marks. Nothing of it leaves the device.

/** Samples per reading: about 20 ms. */
const WINDOW = 1024;
/** Interval of readings, milliseconds. */
export const LEVEL_INTERVAL_MS = 100;

/** Root mean square of samples between -1 and 1. */
export function rms(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return samples.length === 0 ? 0 : Math.sqrt(sum / samples.length);
}

export class LevelMeter {
  #context: AudioContext | undefined;
  #samples = new Float32Array(WINDOW);
  #inputs: { source: MediaStreamAudioSourceNode; analyser: AnalyserNode }[] = [];

  /** Measures these tracks in place of the earlier ones. */
  measure(tracks: MediaStreamTrack[]): void {
    this.stop();
    if (tracks.length === 0) return;
    this.#context ??= new AudioContext();
    void this.#context.resume().catch(() => undefined);
    for (const track of tracks) {
      const source = this.#context.createMediaStreamSource(new MediaStream([track]));
      const analyser = new AnalyserNode(this.#context, { fftSize: WINDOW });
      source.connect(analyser);
      this.#inputs.push({ source, analyser });
    }
  }

  /** The loudest of the tracks now, 0 to 1. */
  level(): number {
    let loudest = 0;
    for (const { analyser } of this.#inputs) {
      analyser.getFloatTimeDomainData(this.#samples);
      loudest = Math.max(loudest, rms(this.#samples));
    }
    return loudest;
  }

  /** Stops measuring. The meter can be used again. */
  stop(): void {
    for (const { source } of this.#inputs) source.disconnect();
    this.#inputs = [];
    void this.#context?.suspend().catch(() => undefined);
  }

  /** Stops measuring for good, and gives the audio device back. */
  close(): void {
    this.stop();
    void this.#context?.close().catch(() => undefined);
    this.#context = undefined;
  }
}
