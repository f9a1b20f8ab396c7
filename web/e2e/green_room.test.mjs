// A call is prepared by both sides' aides, both principals are connected in the same moment, and one who drops comes back.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, page_errors, until } from './helpers/chromium.mjs';
import { let_act } from './helpers/delegation.mjs';
import { enrolled } from './helpers/enrolled.mjs';
import { hopping_tone, note_sound } from './helpers/hopping_tone.mjs';
import { Office } from './helpers/office.mjs';

/** Most that the two principals' first heard frames may differ, milliseconds. */
const BUDGET_MS = 150;

let office, browser, president, minister, ours, theirs;

before(async () => {
  office = await Office.make();
  await office.start_note_taker();
  const microphone = join(office.dir, 'tone.wav');
  await hopping_tone(microphone);
  browser = await launch({ microphone, args: ['--autoplay-policy=no-user-gesture-required'] });
  const enrol = (name, role) => enrolled(browser, office, name, role, note_sound);
  president = await enrol('The President');
  minister = await enrol('The Prime Minister of Estmark');
  ours = await enrol('Duty officer', 'duty-officer');
  theirs = await enrol('Estmark desk', 'duty-officer');
});
after(async () => {
  await browser?.close();
  await office?.close();
});

const heard = () => window.telcon.view?.call?.state === 'live' && window.telcon.timings.first_audio_ms !== null;
const live = () => window.telcon.view?.call?.state === 'live';
const sounds = () => Date.now() - (window.heard_at.at(-1) ?? 0) < 100;
const waits = () => window.telcon.view?.call?.green_room?.waits === true;
const connected = () => (window.telcon.view?.call?.green_room?.connected_ms ?? null) !== null;
const first_heard = (page, after) =>
  page
    .waitForFunction((at) => window.heard_at.find((one) => one > at) ?? false, after, { polling: 10 })
    .then((found) => found.jsonValue());

test('two aides agree in the green room', async () => {
  await let_act(president, 'Duty officer', ['ring for you']);
  await let_act(minister, 'Estmark desk', ['answer for you']);
  await ours.getByRole('button', { name: 'Acting' }).click();
  await ours.getByText('Prepare it before the principals join').click();
  await ours.getByRole('button', { name: 'Ring the Prime Minister of Estmark for the President' }).click();
  await theirs.getByRole('button', { name: 'Accept' }).click();
  await Promise.all([until(ours, heard), until(theirs, heard)]);
  await Promise.all([until(ours, sounds), until(theirs, sounds)]);
  for (const page of [ours, theirs]) {
    await page.getByText('Now: speak to the other side.').waitFor();
    assert.ok(await page.getByRole('button', { name: 'Ready', exact: true }).isDisabled());
  }
  await ours.getByRole('button', { name: 'Who takes part' }).click();
  await ours.getByLabel('Listening').fill('The Foreign Minister\nThe Chief of Staff');
  await ours.getByRole('button', { name: 'Tell the other side' }).click();
  await theirs.getByText('The Foreign Minister, The Chief of Staff').waitFor();
  await theirs.getByRole('button', { name: 'Two more minutes' }).click();
  await ours.getByText('Estmark desk needs two more minutes.').waitFor();
  for (const page of [ours, theirs]) {
    await page.getByRole('checkbox', { name: 'We hear the other side' }).check();
    await page.getByRole('checkbox', { name: /^Agreed:/ }).check();
  }
  for (const page of [ours, theirs]) await page.getByRole('button', { name: 'Ready', exact: true }).click();
  await ours.getByText('Both sides are ready. The principals are being called.').waitFor();
});

test('both principals are connected in the same moment', async () => {
  const ring_heard = async (page) => (await page.evaluate(() => window.heard_at.length)) > 0;
  await president.getByRole('button', { name: 'Take the call' }).click();
  await until(president, waits);
  await president.getByText('You are connected as soon as the Prime Minister of Estmark is there').waitFor();
  for (const page of [ours, theirs]) await page.getByText('The President is here and waits.').waitFor();
  // The aides speak meanwhile; the President hears nothing of it.
  await Promise.all([until(ours, sounds), until(theirs, sounds)]);
  assert.equal(await ring_heard(president), false, 'nothing is played before');
  const start = Date.now();
  await minister.getByRole('button', { name: 'Take the call' }).click();
  const times = await Promise.all([first_heard(president, start), first_heard(minister, start)]);
  const difference = Math.abs(times[0] - times[1]);
  console.log(
    `first frames heard by both principals differ by ${difference} ms, ${Math.round((100 * difference) / BUDGET_MS)} % of the budget;` +
      ` ${Math.max(...times) - start} ms after the second one took the call`,
  );
  await Promise.all([president, minister, ours, theirs].map((page) => until(page, connected)));
  assert.ok(difference <= BUDGET_MS, `${difference} ms`);
  for (const page of [ours, theirs]) {
    await page.getByText(/^Both principals are connected since/).waitFor();
    const { view } = await until(page, live);
    assert.ok(!view.call.members.find((one) => one.you).speaks, 'the aides listen');
  }
});

test('a principal who drops is brought back with one press', async () => {
  await minister.reload();
  await Promise.all([until(minister, live), until(president, sounds)]);
  await until(minister, sounds);
  // Their page is gone for good: the desk calls them back.
  await minister.goto('about:blank');
  await theirs.getByRole('button', { name: 'Call the Prime Minister of Estmark back to it' }).click();
  await minister.goto(office.origin);
  await until(minister, sounds);
  await until(president, sounds);
  await president.getByRole('button', { name: /End call/ }).click();
  await until(minister, () => window.telcon.view?.call?.state === 'ended');
  assert.deepEqual(page_errors, []);
});
