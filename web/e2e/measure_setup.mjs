// Call setup time: from accepting a ring to the first frame that this browser decrypts. Two Chromium instances, a real
// server and relay on this machine. Prints medians; `make bench` runs it.

import { close_all, launch, until } from './helpers/chromium.mjs';
import { enrolled } from './helpers/enrolled.mjs';
import { Office } from './helpers/office.mjs';
import { fileURLToPath } from 'node:url';

const CALLS = 11;
/** The time that a person takes to read who rings, milliseconds: part of the scenario, in which the connection is prepared. */
const READING_MS = 1_500;
const speech = (name) => fileURLToPath(new URL(`../../crates/client/fixtures/${name}`, import.meta.url));

for (const suite of ['hybrid', 'cnsa2']) {
  const office = await Office.make({ suite });
  const browsers = await Promise.all(['a.wav', 'b.wav'].map((file) => launch({ microphone: speech(file) })));
  try {
    const [a, b] = await Promise.all(browsers.map((browser, n) => enrolled(browser, office, `Leader ${n}`)));
    const waits = { 'accept → first decrypted frame': [], 'ring → the other side rings': [] };
    for (let call = 0; call < CALLS; call++) {
      const ring = Date.now();
      await a.getByRole('button', { name: 'Ring Leader 1' }).click();
      await b.getByRole('button', { name: 'Accept' }).waitFor();
      waits['ring → the other side rings'].push(Date.now() - ring);
      await b.waitForTimeout(READING_MS);
      await b.getByRole('button', { name: 'Accept' }).click();
      const live = () => window.telcon.view.call?.state === 'live' && window.telcon.timings.first_audio_ms !== null;
      const [, { timings }] = await Promise.all([until(a, live), until(b, live)]);
      waits['accept → first decrypted frame'].push(timings.first_audio_ms - timings.answer_ms);
      await a.getByRole('button', { name: 'End call' }).click();
      for (const page of [a, b]) await page.getByRole('button', { name: 'Done' }).click();
    }
    for (const [what, times] of Object.entries(waits)) {
      times.sort((x, y) => x - y);
      const [least, median, most] = [times[0], times[CALLS >> 1], times.at(-1)].map(Math.round);
      console.log(`${suite.padEnd(8)} ${what.padEnd(32)} ${median} ms (${least}–${most}, ${CALLS} calls)`);
    }
  } finally {
    await close_all([...browsers, office]);
  }
}
