// A call goes on on another device of its person without a gap in the sound, is held with a word, and is handed over by the desk.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, page_errors, until } from './helpers/chromium.mjs';
import { enrolled_by } from './helpers/enrolled.mjs';
import { hopping_tone, longest_silence, note_sound } from './helpers/hopping_tone.mjs';
import { Office } from './helpers/office.mjs';

/** Most sound that a move may lose in either direction, milliseconds. */
const BUDGET_MS = 500;

let office, browser, phone, desk, minister, officer;

const enrolled = (link, role = 'principal') => enrolled_by(browser, office, link, role, [note_sound]);

before(async () => {
  office = await Office.make();
  await office.start_note_taker();
  const microphone = join(office.dir, 'tone.wav');
  await hopping_tone(microphone);
  browser = await launch({ microphone, args: ['--autoplay-policy=no-user-gesture-required'] });
  phone = await enrolled(await office.invite('The President', 'principal'));
  const { view } = await until(phone, () => window.telcon.view?.you);
  desk = await enrolled(await office.invite_again(view.you.person, 'The President', 'principal'));
  minister = await enrolled(await office.invite('The Prime Minister of Estmark', 'principal'));
  officer = await enrolled(await office.invite('Duty officer', 'duty-officer'), 'duty-officer');
});
after(async () => {
  await browser?.close();
  await office?.close();
});

const live = () => window.telcon.view?.call?.state === 'live' && !window.telcon.view.call.arriving;
const heard = () => window.telcon.view?.call?.state === 'live' && window.telcon.timings.first_audio_ms !== null;
const sounds = () => Date.now() - (window.heard_at.at(-1) ?? 0) < 100;
const speakers = (view) => view.call.members.filter((member) => member.speaks).map((member) => member.name);

/** Moves the call with a press, and prints what was lost. */
async function move(what, from, to, button) {
  await until(minister, sounds);
  await until(from, sounds);
  const start = Date.now();
  await to.getByRole('button', { name: button }).click();
  await until(to, live);
  const { view } = await until(from, () => window.telcon.view.call?.state === 'ended');
  assert.equal(view.call.ended, 'continued');
  await until(to, sounds);
  await until(minister, () => window.telcon.view.call.members.filter((member) => member.speaks).length === 2);
  const settled = Date.now();
  await to.waitForFunction((at) => Date.now() > at, settled + 1_000, { polling: 20 });
  await Promise.all([until(minister, sounds), until(to, sounds)]);
  const end = Date.now();
  const lost = {
    'heard by the other side': await longest_silence([minister], start, end),
    'heard by the person': await longest_silence([from, to], start, end),
  };
  for (const [who, ms] of Object.entries(lost))
    console.log(`${what}, longest silence ${who}: ${ms} ms, ${Math.round((100 * ms) / BUDGET_MS)} % of the budget`);
}

test('a call goes on on the desk and comes back', async () => {
  await phone.getByRole('button', { name: 'Ring The Prime Minister of Estmark' }).click();
  await minister.getByRole('button', { name: 'Accept' }).click();
  await Promise.all([until(phone, heard), until(minister, heard)]);
  await desk.getByText('You are in a call with the Prime Minister of Estmark on another device.').waitFor();
  await move('from the phone to the desk', phone, desk, 'Continue here');
  await phone.getByRole('heading', { name: /^Continued on/ }).waitFor();
  const { view } = await until(minister, live);
  assert.deepEqual(speakers(view).sort(), ['The President', 'The Prime Minister of Estmark'], 'one participant each');
  await move('and back to the phone', desk, phone, 'Bring it back here');
});

test('the call is held with a word, and goes on', async () => {
  await phone.getByRole('button', { name: 'Hold', exact: true }).click();
  await phone.getByRole('button', { name: 'One moment: who you called is coming.' }).click();
  await minister.getByText('On hold by the President').waitFor();
  await minister.getByText('On hold: your microphone is off').waitFor();
  await until(minister, () => Date.now() - (window.heard_at.at(-1) ?? 0) > 500);
  await until(phone, () => Date.now() - (window.heard_at.at(-1) ?? 0) > 500);
  await phone.getByRole('button', { name: 'Resume' }).click();
  await Promise.all([until(minister, sounds), until(phone, sounds)]);
  await phone.getByRole('button', { name: /End call/ }).click();
  await until(minister, () => window.telcon.view?.call?.state === 'ended');
});

test('the desk rings, holds and hands over with one press', async () => {
  for (const page of [phone, desk, minister]) {
    const done = page.getByRole('button', { name: 'Done' });
    if (await done.count()) await done.first().click();
  }
  await phone.getByRole('button', { name: 'Acting' }).click();
  await phone.getByLabel('Who').selectOption({ label: 'Duty officer, Office of the President' });
  await phone.getByRole('button', { name: 'Let them act' }).click();
  await phone.getByText(/^Ring/).first().waitFor();
  await officer.getByRole('button', { name: 'Acting' }).click();
  await officer.getByRole('button', { name: 'Ring the Prime Minister of Estmark for the President' }).click();
  await minister.getByRole('button', { name: 'Accept' }).click();
  await Promise.all([until(officer, heard), until(minister, heard)]);
  await officer.getByRole('button', { name: 'Hold', exact: true }).click();
  await officer.getByRole('button', { name: 'One moment: who you called is coming.' }).click();
  await minister.getByText('On hold by Duty officer').waitFor();
  await officer.getByRole('button', { name: 'Hand over to the President' }).click();
  await officer.getByText('The President is being called to it.').waitFor();
  await phone.getByText('Duty officer holds the call with the Prime Minister of Estmark for you.').waitFor();
  await phone.getByRole('button', { name: 'Take the call' }).click();
  await until(phone, live);
  await Promise.all([until(minister, sounds), until(phone, sounds)]);
  const { view } = await until(minister, () => window.telcon.view.call.holds.length === 0);
  assert.deepEqual(speakers(view).sort(), ['The President', 'The Prime Minister of Estmark']);
  // The principal's phone is gone: the desk calls them back, on whatever device.
  await phone.close();
  await officer.getByRole('button', { name: 'Call the President back to it' }).click();
  await desk.getByText('Duty officer holds the call with the Prime Minister of Estmark for you.').waitFor();
  await desk.getByRole('button', { name: 'Continue here' }).click();
  await until(desk, live);
  await until(minister, sounds);
  await desk.getByRole('button', { name: /End call/ }).click();
  await until(minister, () => window.telcon.view?.call?.state === 'ended');
  assert.deepEqual(page_errors, []);
});
