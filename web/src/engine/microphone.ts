// The microphone: requested early, held for one call, released after it.

export type MicrophoneState = 'off' | 'asking' | 'on' | 'denied' | 'missing';

const CONSTRAINTS: MediaStreamConstraints = {
  audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 },
};

export class Microphone {
  #track: Promise<MediaStreamTrack | null> | undefined;
  #held: MediaStreamTrack | undefined;
  /** Incremented on release: the result of an older request is not kept. */
  #generation = 0;

  /** `changed` is called with every new state, `replaced` with a track that replaces a lost one. */
  constructor(
    private readonly changed: (state: MicrophoneState) => void,
    private readonly replaced: (track: MediaStreamTrack | null) => void,
  ) {}

  /** The microphone's track, requested on the first call. `null` if it was refused or there is none. */
  acquire(): Promise<MediaStreamTrack | null> {
    this.#track ??= this.#ask();
    return this.#track;
  }

  /** Requests the track only if that shows no prompt: the permission was granted before. */
  async acquire_if_granted(): Promise<void> {
    try {
      const { state } = await navigator.permissions.query({ name: 'microphone' as PermissionName });
      if (state === 'granted') await this.acquire();
    } catch {
      // A browser without this query prompts when the person answers.
    }
  }

  /** Requests the track again after a refusal or a lost device. */
  async retry(): Promise<void> {
    this.release();
    this.replaced(await this.acquire());
  }

  /** Releases the microphone; its indicator light goes out. */
  release(): void {
    const track = this.#track;
    this.#generation++;
    this.#track = undefined;
    this.#held?.stop();
    this.#held = undefined;
    // A track that is still being requested is stopped when it arrives.
    if (track) void track.then((late) => late?.stop());
    this.changed('off');
  }

  async #ask(): Promise<MediaStreamTrack | null> {
    this.changed('asking');
    const generation = this.#generation;
    const is_current = () => this.#generation === generation;
    try {
      const stream = await navigator.mediaDevices.getUserMedia(CONSTRAINTS);
      const track = stream.getAudioTracks()[0] ?? null;
      if (!track || !is_current()) {
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
      const refused =
        error instanceof DOMException && (error.name === 'NotAllowedError' || error.name === 'SecurityError');
      if (is_current()) this.changed(refused ? 'denied' : 'missing');
      return null;
    }
  }
}
