// Word error rate of the transcript for speech into browsers' microphones, and latency of the captions on the desk's
// screen. Three Chromium pages, real server, relay and note-taker.
// `make bench` runs it with the project's fixtures; for other speech: `node e2e/measure_transcript.mjs a.wav a.txt b.wav b.txt` with the
// environment of `helpers/office.mjs` (mono WAV of 16-bit samples, and its reference text).

import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { close_all, launch, until } from './helpers/chromium.mjs';
import { enrolled } from './helpers/enrolled.mjs';
import { Office } from './helpers/office.mjs';

/** Silence before the speech, seconds: time to set the call up; and after it, for the last words to arrive. */
const LEAD_S = 12;
const TRAIL_S = 4;

const fixture = (name) => fileURLToPath(new URL(`../../crates/client/fixtures/${name}`, import.meta.url));
const given = process.argv.slice(2);
const [wav_a, text_a, wav_b, text_b] = given.length > 0 ? given : ['a.wav', 'a.txt', 'b.wav', 'b.txt'].map(fixture);
if (!text_b) throw new Error('four arguments are needed: a.wav a.txt b.wav b.txt');
const folder = await mkdtemp(join(tmpdir(), 'telcon-words-'));
const files = await Promise.all([wav_a, wav_b].map((path, n) => padded(path, join(folder, `${n}.wav`))));
const longest = Math.max(...files.map((file) => file.seconds));
/** How long the microphones play, seconds: the length of the scenario. No event announces their end. */
const PLAYING_S = longest + LEAD_S + TRAIL_S;
const office = await Office.make();
const browsers = await Promise.all(files.map(({ path }) => launch({ microphone: `${path}%noloop` })));
try {
  await office.start_note_taker();
  const [a, b] = await Promise.all(browsers.map((browser, n) => enrolled(browser, office, `Leader ${n}`)));
  const desk = await enrolled(browsers[0], office, 'Desk', 'duty-officer');
  await a.getByRole('button', { name: 'Ring Leader 1' }).click();
  const rung = Date.now();
  await b.getByRole('button', { name: 'Accept' }).click();
  const recording = () => window.telcon.view.call?.state === 'live' && window.telcon.view.call.note_taker;
  await Promise.all([until(a, recording), until(b, recording)]);
  await desk.getByRole('button', { name: 'Join as visible listener' }).click();
  await until(desk, () => window.telcon.view.call?.state === 'live');
  await desk.evaluate(observe_captions);
  const late = (Date.now() - rung) / 1000;
  if (late > LEAD_S) throw new Error(`the note-taker joined after ${late} s, after the speech began: run it again`);
  await a.waitForTimeout(PLAYING_S * 1000);
  const behind = (await desk.evaluate(() => window.behind)).sort((x, y) => x - y);
  const at = (share) => (behind[Math.min(behind.length - 1, Math.floor(share * behind.length))] / 1000).toFixed(1);
  console.log(
    `captions with new words: ${behind.length}; behind them ${at(0.5)} s (median), ${at(0.95)} s (95 of 100), ${at(1)} s (most)`,
  );
  await a.getByRole('button', { name: 'End call' }).click();
  const record = await office.record();
  const lines = JSON.parse(await readFile(join(record, 'transcript.json'), 'utf8'));
  const came = await packets(record);
  for (const [n, text] of [text_a, text_b].entries()) {
    const said = words(await readFile(text, 'utf8'));
    const heard = words(spoken_by(lines, `Leader ${n}`));
    const wrong = distance(said, heard);
    const { packets, lost } = came(lines, `Leader ${n}`);
    console.log(
      `Leader ${n}: ${said.length} words, ${wrong} wrong: ${((100 * wrong) / said.length).toFixed(1)} %; ${packets} packets received, ${lost} lost`,
    );
    if (process.env.SHOW) console.log(`  ${heard.join(' ')}`);
  }
} finally {
  await close_all([...browsers, office]);
  await rm(folder, { recursive: true, force: true });
}

/**
 * In the page: records the latency of every caption with new words, milliseconds. A final line that replaces a draft has
 * none: it arrives when the passage is over.
 */
function observe_captions() {
  window.behind = [];
  const [seen, covered] = [new Set(), {}];
  setInterval(() => {
    for (const { speaker, start_ms, final, text, behind_ms } of window.telcon.view.call?.captions ?? []) {
      const key = [speaker, start_ms, final, text].join(' ');
      const end = Date.now() - behind_ms;
      if (seen.has(key)) continue;
      seen.add(key);
      if (end < (covered[speaker] ?? 0) + 300) continue;
      covered[speaker] = end;
      window.behind.push(behind_ms);
    }
  }, 50);
}

/** How many packets of a speaker the note-taker received and how many were lost, as its record says. */
async function packets(record) {
  const files = (await readdir(record, { recursive: true })).filter(
    (name) => name.includes('events/') && name.endsWith('.jsonl'),
  );
  const events = await Promise.all(files.map((name) => readFile(join(record, name), 'utf8')));
  const heard = events
    .flatMap((text) =>
      text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    )
    .find((event) => event.what === 'heard');
  return (transcript, name) => {
    const { speaker } = transcript.segments.find((segment) => segment.name === name);
    return heard.speakers.find(({ from }) => from === speaker);
  };
}

function spoken_by(transcript, name) {
  return transcript.segments
    .filter((segment) => segment.name === name)
    .map((segment) => segment.text)
    .join(' ');
}

/** The WAV with silence prepended. */
async function padded(path, to) {
  const file = await readFile(path);
  const [rate, at] = [file.readUInt32LE(24), file.indexOf('data')];
  const sound = file.subarray(at + 8);
  const silence = Buffer.alloc(LEAD_S * rate * 2);
  const head = Buffer.from(file.subarray(0, at + 8));
  head.writeUInt32LE(silence.length + sound.length, at + 4);
  head.writeUInt32LE(head.length - 8 + silence.length + sound.length, 4);
  await writeFile(to, Buffer.concat([head, silence, sound]));
  return { path: to, seconds: sound.length / 2 / rate };
}

/** Lower case, no punctuation. */
function words(text) {
  return text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s']/gu, ' ')
    .split(/\s+/)
    .filter(Boolean);
}

/** Levenshtein distance in words. */
function distance(a, b) {
  let row = b.map((_, i) => i + 1);
  row.unshift(0);
  for (const [i, word] of a.entries()) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++)
      next.push(Math.min(row[j] + (word === b[j] ? 0 : 1), row[j + 1] + 1, next[j] + 1));
    row = next;
  }
  return row.at(-1);
}
