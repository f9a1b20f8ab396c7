// From notes during a call to an approved memorandum, and the report of a call outside of Telcon: real engine, server and note-taker.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, page_errors, until } from './helpers/chromium.mjs';
import { enrolled } from './helpers/enrolled.mjs';
import { Friction } from './helpers/friction.mjs';
import { approve, call_with_listener, draft, mark_and_review, note, papers } from './helpers/memorandum.mjs';
import { Office } from './helpers/office.mjs';
import { root } from './helpers/screenshots.mjs';

const fixture = (name) => join(root, '../crates/client/fixtures', name);
const OTHER = 'The Prime Minister of Estmark';
let office, browser_a, browser_b;
const friction = new Friction();

before(async () => {
  office = await Office.make();
  await office.start_note_taker();
  [browser_a, browser_b] = await Promise.all(['a.wav', 'b.wav'].map((file) => launch({ microphone: fixture(file) })));
});
after(async () => {
  friction.print();
  await Promise.all([browser_a?.close(), browser_b?.close()]);
  await office?.close();
});

test('notes of a call become a memorandum that is reviewed and approved', async () => {
  const president = await enrolled(browser_a, office, 'The President');
  const minister = await enrolled(browser_b, office, OTHER);
  const desk = await enrolled(browser_b, office, 'Duty officer', 'duty-officer');

  await call_with_listener(president, minister, { name: OTHER, desk, members: 4 });

  await note(desk, 'Joint patrols for three years.', 'decision');
  // Killed at once: what was written is on the device.
  await desk.reload();
  await until(desk, () => window.telcon.view?.call === null || window.telcon.view?.call?.state !== 'live');
  const rejoin = desk.getByRole('button', { name: 'Join as visible listener' });
  if (await rejoin.isVisible({ timeout: 5_000 }).catch(() => false)) await rejoin.click();
  await desk.getByText('Joint patrols for three years.').waitFor({ timeout: 30_000 });
  await note(desk, 'They send a list of inspectors.', 'quote');
  await president.getByText('Notes', { exact: true }).first().click();
  await note(president, 'We answer in a week.');
  await president.getByRole('button', { name: 'End call' }).click();
  await minister.getByRole('heading', { name: /hung up$/ }).waitFor();
  await president.getByRole('button', { name: 'Done' }).click();
  await office.record();

  friction.begin();
  const tap = (button) => friction.tap(button);
  await draft(desk, tap);
  for (const text of ['Joint patrols for three years.', 'They send a list of inspectors.', 'We answer in a week.'])
    await desk.getByText(text).first().waitFor();
  assert.ok((await desk.getByText(OTHER).count()) > 0, 'the participants are those of the record');
  assert.equal(await desk.getByRole('button', { name: 'Sign as reviewed' }).count(), 0, 'nothing is marked yet');
  await mark_and_review(desk, tap);
  friction.end('memorandum: drafted, marked and reviewed', { taps: 3 });

  friction.begin();
  await approve(president, tap);
  friction.end('memorandum: approved', { taps: 2 });
  await desk.getByText('was approved as it was reviewed. Verified by this device.').waitFor();

  // The same file on both devices, byte for byte.
  const files = await Promise.all(
    [desk, president].map(async (page) => {
      const download = page.waitForEvent('download');
      await page.getByRole('button', { name: 'PDF' }).click();
      return readFile(await (await download).path());
    }),
  );
  assert.ok(files[0].subarray(0, 5).toString() === '%PDF-' && files[0].equals(files[1]));

  // What was approved and is changed is a draft again.
  await desk.getByRole('textbox', { name: 'Comment' }).fill('The spring is missing.');
  await desk.getByRole('button', { name: 'Add comment' }).click();
  await desk.getByRole('button', { name: 'Sign a draft version' }).click();
  await desk
    .getByText(/Version 4 · Draft/)
    .first()
    .waitFor();
  await desk.getByRole('button', { name: 'Compare 3 and 4' }).click();
  await desk.getByRole('heading', { name: 'Version 3 and version 4' }).waitFor();
  assert.deepEqual(friction.over(), []);
  assert.deepEqual(page_errors, []);
});

test('a call outside of Telcon is reported, and counts down', async () => {
  const principal = await enrolled(browser_a, office, 'The Chancellor');
  friction.begin();
  await papers(principal, 'Memoranda');
  await friction.tap(principal.getByRole('button', { name: 'I used another phone' }));
  await principal.getByLabel('With whom').fill('The President of Norland');
  const yesterday = await principal.evaluate(() => {
    const at = new Date(Date.now() - 86_400_000);
    return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  });
  await principal.getByLabel('When').fill(yesterday);
  await principal.getByLabel('Over what').fill('my own telephone');
  await principal.getByLabel('What was said').fill('Fishing in the north.\n\nA visit in the spring.');
  await principal.getByLabel('What they promised').fill('Send dates');
  await friction.tap(principal.getByRole('button', { name: 'File report' }));
  await principal.getByText('In the record in time').waitFor();
  friction.end('report of a call outside', { taps: 2, ms: 120_000 });
  assert.deepEqual(friction.over(), []);
  assert.deepEqual(page_errors, []);
});
