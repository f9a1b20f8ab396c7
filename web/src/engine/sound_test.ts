// Trying the microphone and the speaker before it matters, outside of any call.

import { LEVEL_INTERVAL_MS, LevelMeter } from './level_meter';
import { microphone_constraints, microphone_failure, type MicrophoneState } from './microphone';
import { chosen_device } from './sound_devices';

/** A chord that is pleasant and heard over speech, hertz. */
const TONE_HZ = [523.25, 659.25];
const TONE_S = 1.2;

/** Measures the chosen microphone until the returned function is called. */
export function test_microphone(level: (level: number) => void, failed: (state: MicrophoneState) => void): () => void {
  const meter = new LevelMeter();
  let stream: MediaStream | undefined;
  let timer: ReturnType<typeof setInterval> | undefined;
  let stopped = false;
  const stop = () => {
    stopped = true;
    clearInterval(timer);
    meter.close();
    for (const track of stream?.getTracks() ?? []) track.stop();
  };
  navigator.mediaDevices.getUserMedia(microphone_constraints()).then(
    (granted) => {
      stream = granted;
      if (stopped) return stop();
      meter.measure(granted.getAudioTracks());
      timer = setInterval(() => level(meter.level()), LEVEL_INTERVAL_MS);
    },
    (error: unknown) => failed(microphone_failure(error)),
  );
  return stop;
}

/** Plays a short tone on the chosen speaker. */
export async function play_test_tone(): Promise<void> {
  const context = new AudioContext();
  const speaker = chosen_device('speaker');
  try {
    if (speaker !== null && 'setSinkId' in context) await (context as SinkContext).setSinkId(speaker);
  } catch {
    // The chosen speaker is gone: the default one plays.
  }
  const volume = new GainNode(context, { gain: 0 });
  const start = context.currentTime + 0.05;
  volume.gain.setValueAtTime(0, start);
  volume.gain.linearRampToValueAtTime(0.15, start + 0.05);
  volume.gain.linearRampToValueAtTime(0, start + TONE_S);
  volume.connect(context.destination);
  const tones = TONE_HZ.map((frequency) => new OscillatorNode(context, { frequency }));
  for (const tone of tones) {
    tone.connect(volume);
    tone.start(start);
    tone.stop(start + TONE_S);
  }
  await new Promise((ended) => tones[0]?.addEventListener('ended', ended));
  await context.close();
}

/** `AudioContext.setSinkId`, which TypeScript's DOM types do not have yet. */
type SinkContext = AudioContext & { setSinkId(id: string): Promise<void> };
