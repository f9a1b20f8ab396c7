// The microphone: asked for early, held for one call, given back after it.

export type MicrophoneState = 'off' | 'asking' | 'on' | 'denied' | 'missing';

const WANTED: MediaStreamConstraints = {
  audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 },
};

export class Microphone {
  #track: Promise<MediaStreamTrack | null> | undefined;
  #held: MediaStreamTrack | undefined;
  /** Counts what was asked and given back: an answer to an older question is not held. */
  #round = 0;

  /** `changed` hears every new state; `replaced` hears a track that took the place of a lost one. */
  constructor(
    private readonly changed: (state: MicrophoneState) => void,
    private readonly replaced: (track: MediaStreamTrack | null) => void,
  ) {}

  /** The microphone's track, asked for on the first call. Nothing if it was refused or there is none. */
  acquire(): Promise<MediaStreamTrack | null> {
    this.#track ??= this.#ask();
    return this.#track;
  }

  /** Asks only where that cannot raise a question: the permission was given before. */
  async warm_up(): Promise<void> {
    try {
      const { state } = await navigator.permissions.query({ name: 'microphone' as PermissionName });
      if (state === 'granted') await this.acquire();
    } catch {
      // A browser without this query asks at the answer instead.
    }
  }

  /** Asks again after a refusal or a lost device. */
  async retry(): Promise<void> {
    this.release();
    this.replaced(await this.acquire());
  }

  /** Gives the microphone back; its light goes out. */
  release(): void {
    const track = this.#track;
    this.#round++;
    this.#track = undefined;
    this.#held?.stop();
    this.#held = undefined;
    // One still being asked for is stopped when it comes.
    if (track) void track.then((late) => late?.stop());
    this.changed('off');
  }

  async #ask(): Promise<MediaStreamTrack | null> {
    this.changed('asking');
    const round = this.#round;
    const asked = () => this.#round === round;
    try {
      const stream = await navigator.mediaDevices.getUserMedia(WANTED);
      const track = stream.getAudioTracks()[0] ?? null;
      if (!track || !asked()) {
        track?.stop();
        return null;
      }
      this.#held = track;
      track.onended = () => {
        if (this.#held === track) void this.retry();
      };
      this.changed('on');
      return track;
    } catch (error) {
      const refused = error instanceof DOMException && (error.name === 'NotAllowedError' || error.name === 'SecurityError');
      if (asked()) this.changed(refused ? 'denied' : 'missing');
      return null;
    }
  }
}
