// When a principal is reached: do not disturb gives a ring to the desk, an exception rings through, the desk joins after some seconds,
// and a named caller waits during a call.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, page_errors, until } from './helpers/chromium.mjs';
import { enrolled } from './helpers/enrolled.mjs';
import { Office } from './helpers/office.mjs';
import { root } from './helpers/screenshots.mjs';

const fixture = (name) => join(root, '../crates/client/fixtures', name);

let office, browser, president, minister, norland, desk;

before(async () => {
  office = await Office.make();
  browser = await launch({ microphone: fixture('a.wav') });
  president = await enrolled(browser, office, 'The President');
  minister = await enrolled(browser, office, 'The Prime Minister of Estmark');
  norland = await enrolled(browser, office, 'The President of Norland');
  desk = await enrolled(browser, office, 'Duty officer', 'duty-officer');
  await president.getByRole('button', { name: 'Acting' }).click();
  await president.getByLabel('Who').selectOption({ label: 'Duty officer, Office of the President' });
  await president.getByRole('checkbox', { name: /answer/i }).check();
  await president.getByLabel('For how long').selectOption({ label: 'One day' });
  await president.getByRole('button', { name: 'Let them act' }).click();
  await president.getByRole('heading', { name: 'Duty officer' }).waitFor();
  await until(desk, () => window.telcon.view.reach.length === 1);
});
after(async () => {
  await browser?.close();
  await office?.close();
});

const ring = (page) => page.getByRole('button', { name: 'Ring The President', exact: true }).click();
const ringing = () => window.telcon.view?.call?.direction === 'in' && window.telcon.view.call.state === 'ringing';
const ended = () => window.telcon.view?.call?.state === 'ended';
const live = () => window.telcon.view?.call?.state === 'live';
const is_rung = (page) => page.evaluate(ringing);

async function stop(page, others) {
  await page.getByRole('button', { name: /Stop ringing/ }).click();
  await Promise.all(
    [page, ...others].map(async (other) => {
      await until(other, () => !window.telcon.view?.call || window.telcon.view.call.state === 'ended');
      const done = other.getByRole('button', { name: /^Done/ });
      if (await done.count()) await done.first().click();
    }),
  );
}

test('do not disturb is unmistakable, and gives a ring to the desk', async () => {
  await president.getByRole('button', { name: 'People' }).click();
  await president.getByRole('button', { name: /^When I can be reached/ }).click();
  await president.getByRole('button', { name: 'For one hour' }).click();
  await president.getByText(/^Do not disturb until/).waitFor();
  await president.getByRole('button', { name: 'People' }).click();
  await president.getByRole('heading', { name: /^Do not disturb until/ }).waitFor();
  await desk.getByText(/^Do not disturb until/).waitFor();

  await ring(minister);
  await until(desk, ringing);
  await minister.getByText('Their office takes the call. It rings there.').waitFor();
  assert.equal(await is_rung(president), false);
  await stop(minister, [desk]);
  await president.getByText(/The Prime Minister of Estmark called at .*You were not rung\./).waitFor();
  await president.getByRole('button', { name: 'Done', exact: true }).click();
});

test('an exception rings through', async () => {
  await president.getByRole('button', { name: /^When I can be reached/ }).click();
  const form = president.getByRole('form', { name: 'Add to: Who rings all the same' });
  await form.getByRole('combobox').selectOption({ label: 'The President of Norland' });
  await form.getByRole('button', { name: 'Add' }).click();
  await president.getByRole('button', { name: 'Remove the President of Norland' }).waitFor();
  await ring(norland);
  await Promise.all([until(president, ringing), until(desk, ringing)]);
  await stop(norland, [president, desk]);
});

test('the desk turns it off, and the principal sees who did', async () => {
  await desk.getByRole('button', { name: 'Change when the President can be reached' }).click();
  await desk.getByRole('button', { name: 'Turn off' }).click();
  await until(president, () => window.telcon.view.reach[0].settings.do_not_disturb === undefined);
  await president.getByText('Set by Duty officer.').waitFor();
});

test('the desk rings some seconds after the principal', async () => {
  await president.getByRole('combobox', { name: 'My office also rings' }).selectOption({ label: 'After 5 seconds' });
  await until(desk, () => window.telcon.view.reach[0].settings.desk_after_s === 5);
  const began = Date.now();
  await ring(minister);
  await until(president, ringing);
  assert.equal(await is_rung(desk), false);
  await until(desk, ringing);
  const waited = Date.now() - began;
  assert.ok(waited >= 4_900 && waited < 15_000, `${waited} ms`);
  assert.equal(await is_rung(president), true);
  await stop(minister, [president, desk]);
});

test('a named caller waits during a call, and is answered instead', async () => {
  const form = president.getByRole('form', { name: 'Add to: Who may ring during a call' });
  await form.getByRole('combobox').selectOption({ label: 'The President of Norland' });
  await form.getByRole('button', { name: 'Add' }).click();
  await until(president, () => window.telcon.view.reach[0].settings.call_waiting?.length === 1);
  await ring(minister);
  await until(president, ringing);
  await president.getByRole('button', { name: 'Accept' }).click();
  await Promise.all([until(president, live), until(minister, live)]);
  await ring(norland);
  await president.getByText('The President of Norland is calling').waitFor();
  await until(president, live);
  await president.getByRole('button', { name: 'End this call and answer the President of Norland' }).click();
  await until(minister, ended);
  const [{ view }] = await Promise.all([until(president, live), until(norland, live)]);
  assert.equal(view.call.other.name, 'The President of Norland');
  await president.getByRole('button', { name: /End call/ }).click();
  await until(norland, ended);
  assert.deepEqual(page_errors, []);
});
