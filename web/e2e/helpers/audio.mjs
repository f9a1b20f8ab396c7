// Audio that a page receives, captured after decoding, and its similarity to reference speech.

import { readFile } from 'node:fs/promises';

/** Window of a loudness value, seconds. */
const STEP_S = 0.02;

/** Init script of a page: keeps references to all peer connections and received tracks. */
export function capture_tracks() {
  const Native = window.RTCPeerConnection;
  window.received_tracks = [];
  window.connections = [];
  window.RTCPeerConnection = class extends Native {
    constructor(...options) {
      super(...options);
      window.connections.push(this);
      this.addEventListener('track', ({ track }) => window.received_tracks.push(track));
    }
  };
}

/** Protocol of the selected candidate pair of the newest peer connection: `udp` or `tcp`. */
export function relay_protocol(page) {
  return page.evaluate(async () => {
    const stats = [...(await window.connections.at(-1).getStats()).values()];
    const transport = stats.find((entry) => entry.type === 'transport');
    const pair = stats.find((entry) => entry.id === transport?.selectedCandidatePairId);
    return stats.find((entry) => entry.id === pair?.remoteCandidateId)?.protocol ?? null;
  });
}

/** Loudness of the received audio, all speakers mixed, one value per 20 ms, for `seconds`. */
export function received_loudness(page, seconds) {
  return page.evaluate(
    async ([seconds, step]) => {
      const context = new AudioContext();
      const recorder = context.createScriptProcessor(4096, 1, 1);
      for (const track of window.received_tracks.filter((track) => track.readyState === 'live')) {
        context.createMediaStreamSource(new MediaStream([track])).connect(recorder);
      }
      recorder.connect(context.destination);
      const samples = [];
      await new Promise((resolve) => {
        recorder.onaudioprocess = ({ inputBuffer }) => {
          samples.push(...inputBuffer.getChannelData(0));
          if (samples.length >= seconds * context.sampleRate) resolve();
        };
      });
      const size = Math.round(step * context.sampleRate);
      const loudness = [];
      for (let at = 0; at + size <= samples.length; at += size) {
        loudness.push(Math.sqrt(samples.slice(at, at + size).reduce((sum, x) => sum + x * x, 0) / size));
      }
      await context.close();
      return loudness;
    },
    [seconds, STEP_S],
  );
}

/** Waits until the page receives audio as loud as speech; fails after half a minute of silence. */
export async function wait_for_audio(page) {
  for (let second = 0; second < 30; second += 1) {
    if (Math.max(...(await received_loudness(page, 1))) > 0.02) return;
  }
  throw new Error('no audio was received for 30 s');
}

/** Loudness of a 16-bit mono WAV file, one value per 20 ms. */
export async function file_loudness(path) {
  const file = await readFile(path);
  const rate = file.readUInt32LE(24);
  const data = file.indexOf('data') + 8;
  const size = Math.round(STEP_S * rate);
  const loudness = [];
  for (let at = data; at + size * 2 <= file.length; at += size * 2) {
    let sum = 0;
    for (let i = 0; i < size; i++) sum += (file.readInt16LE(at + i * 2) / 32768) ** 2;
    loudness.push(Math.sqrt(sum / size));
  }
  return loudness;
}

/**
 * Similarity of `heard` to a part of `said`, which is played in a loop: the highest correlation of their logarithmic
 * loudness over all shifts. Speech against itself through a codec is near 1, against other speech near 0.3.
 */
export function similarity(heard, said) {
  const log = (loudness) => loudness.map((x) => Math.log10(x + 1e-3));
  const [a, b] = [log(heard), log(said)];
  let best = -1;
  for (let shift = 0; shift < b.length; shift++) {
    best = Math.max(
      best,
      correlation(a, (i) => b[(i + shift) % b.length]),
    );
  }
  return best;
}

function correlation(a, b) {
  const n = a.length;
  let [sa, sb, saa, sbb, sab] = [0, 0, 0, 0, 0];
  for (let i = 0; i < n; i++) {
    const [x, y] = [a[i], b(i)];
    sa += x;
    sb += y;
    saa += x * x;
    sbb += y * y;
    sab += x * y;
  }
  return (sab - (sa * sb) / n) / Math.sqrt((saa - (sa * sa) / n) * (sbb - (sb * sb) / n) || 1);
}
