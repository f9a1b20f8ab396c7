// Sound without pauses that a browser's noise suppression takes for speech, and how long none of it was heard.

import { writeFile } from 'node:fs/promises';

const RATE = 48_000;
/** A tone that stands still is suppressed as noise. */
const HOP_S = 0.08;
const SECONDS = 8;

/** Writes it as a WAV file, which Chromium loops as microphone. */
export async function hopping_tone(path) {
  const samples = RATE * SECONDS;
  const file = Buffer.alloc(44 + 2 * samples);
  file.write('RIFF', 0);
  file.writeUInt32LE(36 + 2 * samples, 4);
  file.write('WAVEfmt ', 8);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(RATE, 24);
  file.writeUInt32LE(2 * RATE, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write('data', 36);
  file.writeUInt32LE(2 * samples, 40);
  let [phase, seed] = [0, 7];
  let hz = 400;
  for (let i = 0; i < samples; i++) {
    if (i % Math.round(HOP_S * RATE) === 0) {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      hz = 300 + (seed % 2_400);
    }
    phase += (2 * Math.PI * hz) / RATE;
    file.writeInt16LE(Math.round(0.5 * 32_767 * Math.sin(phase)), 44 + 2 * i);
  }
  await writeFile(path, file);
}

/** Init script of a page: notes when any received track is heard. Browsers of this test play without a gesture. */
export function note_sound() {
  window.heard_at = [];
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(...options) {
      super(...options);
      const context = new AudioContext();
      const analyser = context.createAnalyser();
      analyser.fftSize = 512;
      const samples = new Float32Array(analyser.fftSize);
      this.addEventListener('track', ({ track }) =>
        context.createMediaStreamSource(new MediaStream([track])).connect(analyser),
      );
      const timer = setInterval(() => {
        if (this.connectionState === 'closed') {
          clearInterval(timer);
          void context.close();
          return;
        }
        analyser.getFloatTimeDomainData(samples);
        const rms = Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
        if (rms > 0.01) window.heard_at.push(Date.now());
      }, 5);
    }
  };
}

/** The longest time in which none of these pages heard anything between two moments, milliseconds. */
export async function longest_silence(pages, from, to) {
  const heard = await Promise.all(pages.map((page) => page.evaluate(() => window.heard_at)));
  const times = [from, ...heard.flat().filter((at) => at >= from && at <= to), to].sort((a, b) => a - b);
  return Math.max(...times.slice(1).map((at, i) => at - times[i]));
}
