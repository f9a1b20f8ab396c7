// The microphone: requested early, held for one call, released after it.

import { chosen_device } from './sound_devices';

/** `silenced`: the system mutes it, or another program has taken it. */
export type MicrophoneState = 'off' | 'asking' | 'on' | 'denied' | 'missing' | 'silenced';

const PROCESSING: MediaTrackConstraints = {
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
  channelCount: 1,
};

/** Prefers the chosen microphone. `ideal`: a call must not fail because a headset was left at home. */
export function microphone_constraints(): MediaStreamConstraints {
  const device = chosen_device('microphone');
  return { audio: device === null ? PROCESSING : { ...PROCESSING, deviceId: { ideal: device } } };
}

/** Why the browser gave no microphone. */
export const microphone_failure = (error: unknown): MicrophoneState =>
  error instanceof DOMException && (error.name === 'NotAllowedError' || error.name === 'SecurityError')
    ? 'denied'
    : 'missing';

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

  /** The track that is held now. */
  get held(): MediaStreamTrack | null {
    return this.#held ?? null;
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
      const stream = await navigator.mediaDevices.getUserMedia(microphone_constraints());
      const track = stream.getAudioTracks()[0] ?? null;
      if (!track || !is_current()) {
        track?.stop();
        return null;
      }
      this.#held = track;
      track.onended = () => {
        if (this.#held === track) void this.retry();
      };
      // The system mutes and unmutes the source; the page's own mute does not fire these events.
      track.onmute = () => this.#held === track && this.changed('silenced');
      track.onunmute = () => this.#held === track && this.changed('on');
      this.changed(track.muted ? 'silenced' : 'on');
      return track;
    } catch (error) {
      if (is_current()) this.changed(microphone_failure(error));
      return null;
    }
  }
}
