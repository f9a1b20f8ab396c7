// A call with somebody whose browser gives no microphone: the other side is told so, and does not take it for a lost connection.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, page_errors, person, until } from './helpers/chromium.mjs';
import { Office } from './helpers/office.mjs';
import { root } from './helpers/screenshots.mjs';

let office, browser, president, minister;

/** Enrols a person in a browser of their own. `script` runs in their page before it does. */
async function enrolled(name, script) {
  const link = await office.invite(name, 'principal');
  const { context, page } = await person(browser, office.origin);
  if (script) await context.addInitScript(script);
  await page.goto(link);
  await page.getByRole('button', { name: 'Enrol this browser' }).click();
  await page.getByRole('heading', { name: 'People' }).waitFor();
  return page;
}

before(async () => {
  office = await Office.make();
  browser = await launch({ microphone: join(root, '../crates/client/fixtures/a.wav') });
  president = await enrolled('The President');
  minister = await enrolled('The Prime Minister of Estmark', () => {
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = (what) =>
      window.allowed ? ask(what) : Promise.reject(new DOMException('', 'NotAllowedError'));
  });
});
after(async () => {
  await browser?.close();
  await office?.close();
});

test('a microphone that was denied is off, and no lost connection, until it is allowed', async () => {
  await president.getByRole('button', { name: 'Ring the Prime Minister of Estmark' }).click();
  await minister.getByRole('button', { name: 'Accept' }).click();
  await minister.getByText('They cannot hear you').waitFor();
  await president.getByText('The Prime Minister of Estmark’s microphone is off').waitFor();
  await president.getByText('speaker, muted').waitFor();
  assert.equal(await president.getByText('No sound from').count(), 0);
  await minister.evaluate(() => (window.allowed = true));
  await minister.getByRole('button', { name: 'Use the microphone' }).click();
  await president.getByText('microphone is off').waitFor({ state: 'detached' });
  await until(president, () => window.telcon.timings.first_audio_ms !== null);
  assert.deepEqual(page_errors, []);
});
