// Acting for somebody: a principal lets the desk ring, which does, and takes the call over; then they end it.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, page_errors, until } from './helpers/chromium.mjs';
import { enrolled } from './helpers/enrolled.mjs';
import { Office } from './helpers/office.mjs';
import { root } from './helpers/screenshots.mjs';

const fixture = (name) => join(root, '../crates/client/fixtures', name);

let office, browser, president, minister, desk;

before(async () => {
  office = await Office.make();
  browser = await launch({ microphone: fixture('a.wav') });
  president = await enrolled(browser, office, 'The President');
  minister = await enrolled(browser, office, 'The Prime Minister of Estmark');
  desk = await enrolled(browser, office, 'Duty officer', 'duty-officer');
});
after(async () => {
  await browser?.close();
  await office?.close();
});

const live = () => window.telcon.view?.call?.state === 'live';
const heard = () => window.telcon.view?.call?.state === 'live' && window.telcon.timings.first_audio_ms !== null;

test('nobody can be rung for anybody before a principal allows it', async () => {
  await desk.getByRole('button', { name: 'Acting' }).click();
  await desk.getByRole('heading', { name: 'You act for' }).waitFor();
  await desk.getByText('Nobody has asked you to act for them.').waitFor();
  assert.equal(await desk.getByRole('button', { name: /^Ring/ }).count(), 0);
});

test('a principal lets the desk ring, with a term', async () => {
  await president.getByRole('button', { name: 'Acting' }).click();
  await president.getByRole('heading', { name: 'Who acts for you' }).waitFor();
  await president.getByLabel('Who').selectOption({ label: 'Duty officer, Office of the President' });
  await president.getByLabel('For how long').selectOption({ label: 'One day' });
  await president.getByRole('button', { name: 'Let them act' }).click();
  await president.getByRole('heading', { name: 'Duty officer' }).waitFor();
  await president.getByText(/^Ring · until/).waitFor();
});

test('the desk rings for the principal, and the other side sees both names', async () => {
  await desk.getByRole('button', { name: 'Ring the Prime Minister of Estmark for the President' }).click();
  await minister.getByText('Duty officer rings for the President.').first().waitFor();
  await minister.getByText('Verified by this device', { exact: true }).waitFor();
  await minister.getByRole('button', { name: 'Accept' }).click();
  const [, { view }] = await Promise.all([until(desk, heard), until(minister, heard)]);
  assert.equal(view.call.other.name, 'Duty officer');
  assert.deepEqual(
    view.call.acts_for.map((one) => [one.principal.name, one.delegate.name, one.act, one.taken_over]),
    [['The President', 'Duty officer', 'ring', false]],
  );
});

test('the principal takes the call over, and the desk only listens from then on', async () => {
  await president.getByRole('button', { name: 'People' }).click();
  await president.getByText('Duty officer is calling the Prime Minister of Estmark for you.').waitFor();
  await president.getByRole('button', { name: 'Take the call' }).click();
  await until(president, heard);
  const taken = () => window.telcon.view.call?.acts_for[0]?.taken_over === true;
  const screens = await Promise.all([president, minister, desk].map((page) => until(page, taken)));
  for (const { view } of screens) {
    const speakers = view.call.members.filter((member) => member.speaks).map((member) => member.name);
    assert.deepEqual(speakers.sort(), ['The President', 'The Prime Minister of Estmark']);
  }
  await desk.getByRole('button', { name: /End call/ }).click();
  const two = () => window.telcon.view.call?.members.length === 2;
  await Promise.all([until(president, two), until(minister, two)]);
  await until(minister, live);
  await president.getByRole('button', { name: /End call/ }).click();
  await until(minister, () => window.telcon.view?.call?.state === 'ended');
});

test('the principal ends it, and the desk can ring for them no longer', async () => {
  for (const page of [president, desk]) {
    const done = page.getByRole('button', { name: 'Done' });
    if (await done.count()) await done.first().click();
  }
  await president.getByRole('button', { name: 'Acting' }).click();
  await president.getByRole('button', { name: 'End: Duty officer' }).click();
  await president.getByRole('button', { name: 'End it' }).click();
  await president.getByText('Nobody acts for you.').waitFor();
  await desk.getByRole('button', { name: 'Acting' }).click();
  await desk.getByText('Nobody has asked you to act for them.').waitFor();
  await until(desk, () => window.telcon.view.people.length === 0);
  assert.equal(await desk.getByRole('button', { name: /^Ring/ }).count(), 0);
  assert.deepEqual(page_errors, []);
});
