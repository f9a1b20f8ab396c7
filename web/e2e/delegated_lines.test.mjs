// Lines that the desk gives for a principal: offered under a delegation, compared by the desk, confirmed by the principal, rung over.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, page_errors, person, until } from './helpers/chromium.mjs';
import { Office } from './helpers/office.mjs';
import { Officer, code, opened } from './helpers/officer.mjs';
import { root } from './helpers/screenshots.mjs';

const fixture = (name) => join(root, '../crates/client/fixtures', name);
const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true };

let office, browser, officer, president, desk, holder;

/** Enrols a person by the security officer: the certificates of those who give lines are a registrar's. */
async function enrolled(name, role, title) {
  const { page } = await opened(browser, office, await officer.invite(name, role));
  await officer.approve(name, await code(page));
  await page.getByRole('heading', { name: title }).waitFor();
  return page;
}

before(async () => {
  office = await Office.make({ rings: 'lines' });
  browser = await launch({ microphone: fixture('a.wav') });
  officer = await Officer.appointed(browser, office, 'Security officer');
  president = await enrolled('The President', 'Principal', 'People');
  desk = await enrolled('Duty officer', 'Duty officer', 'Desk');
});
after(async () => {
  await browser?.close();
  await office?.close();
});

/** The desk offers a line; returns the link that a camera would read. */
async function offered(name, organisation) {
  await desk.getByRole('button', { name: 'Lines' }).click();
  await desk.getByRole('button', { name: 'Give a line' }).click();
  await desk.getByText('It reaches the President, who has to confirm who took it.').waitFor();
  await desk.getByLabel('Name or title').fill(name);
  await desk.getByLabel('Office or organisation').fill(organisation);
  await desk.getByRole('button', { name: 'Give the line' }).click();
  await desk.getByRole('img', { name: /^QR code/ }).waitFor();
  return desk.evaluate((holder) => {
    const { link } = window.telcon.view.invitations.find((one) => one.card.name === holder && one.link);
    return `${location.origin}/#enrol=${link}`;
  }, name);
}

test('without a delegation for lines the desk gives none', async () => {
  await desk.getByRole('button', { name: 'Lines' }).click();
  await desk.getByRole('heading', { name: 'Who can reach whom' }).waitFor();
  assert.equal(await desk.getByRole('button', { name: 'Give a line' }).count(), 0);
  await president.getByRole('button', { name: 'Acting' }).click();
  await president.getByLabel('Who').selectOption({ label: 'Duty officer, Office of the President' });
  await president.getByRole('checkbox', { name: /lines/ }).check();
  await president.getByRole('button', { name: 'Let them act' }).click();
  await president.getByText(/offer, change, pause and end lines/).waitFor();
  await desk.getByRole('button', { name: 'Give a line' }).waitFor();
});

test('the desk offers a line, compares the numbers, and nobody can ring before the principal has confirmed', async () => {
  const link = await offered('The President of Norland', 'Chancellery of Norland');
  await desk.getByText(/^May ring the President directly/).waitFor();
  holder = (await person(browser, office.origin, PHONE)).page;
  await holder.goto(link);
  const shown = await code(holder);
  await desk.getByRole('heading', { name: 'Somebody took the line' }).waitFor();
  assert.equal(await code(desk), shown, 'the desk and the holder see the same numbers');
  // The principal sees in their list what their office is doing, and is not asked yet.
  await president.getByRole('button', { name: 'Lines' }).click();
  await president
    .getByText('Offered by the duty officer for the President')
    .or(president.getByText(/Offered by .*uty officer/))
    .first()
    .waitFor();
  assert.equal(await president.getByRole('heading', { name: 'Your office gave a line' }).count(), 0);
  await desk.getByRole('button', { name: 'It is the President of Norland' }).click();
  await desk.getByText(/^Waits for the President to confirm/).waitFor();

  await president.getByRole('heading', { name: 'Your office gave a line' }).waitFor();
  await president.getByText(/uty officer compared these numbers with them/).waitFor();
  assert.equal(await code(president), shown, 'and so does the principal');
  await holder.getByRole('heading', { name: 'Read these numbers to whoever gave you the line' }).waitFor();
  await president.getByRole('button', { name: 'Confirm this line' }).click();
  await holder.getByRole('heading', { name: 'The President' }).waitFor();
  await holder.getByText('Direct line').waitFor();
  await desk.getByRole('heading', { name: 'Given today' }).waitFor();
});

test('the holder rings the principal over it', async () => {
  await holder.getByRole('button', { name: 'Ring The President' }).click();
  await president.getByText('Verified by this device', { exact: true }).waitFor();
  await president.getByText('Incoming call · direct line').waitFor();
  await president.getByRole('button', { name: /^Accept/ }).click();
  const live = () => window.telcon.view?.call?.state === 'live' && window.telcon.timings.first_audio_ms !== null;
  await Promise.all([until(holder, live), until(president, live)]);
  await president.getByRole('button', { name: /End call/ }).click();
  await until(holder, () => window.telcon.view?.call?.state === 'ended');
  for (const page of [president, holder]) await page.getByRole('button', { name: 'Done' }).click();
});

/** The words of a line, in its details. */
async function words(page, name) {
  await page.getByRole('button', { name: 'Lines' }).click();
  await page.getByRole('button', { name }).click();
  await page.getByRole('button', { name: 'If in doubt: the words to ask for' }).click();
  const said = page.locator('dialog .words');
  await said.getByRole('status').waitFor();
  const text = await said.innerText();
  await page.getByRole('button', { name: 'Close' }).click();
  return text;
}

test('the desk and the holder have the same words to ask for, and the device of the principal says that it has none', async () => {
  const [of_desk, of_holder] = [await words(desk, /^The President of Norland/), await words(holder, /^The President/)];
  assert.match(of_desk, /ask them for these words/);
  assert.equal(of_desk, of_holder);
  assert.match(await words(president, /^The President of Norland/), /This device has no words for this line/);
});

test('the principal refuses who the desk took for somebody else, and the line opens nothing any more', async () => {
  const stranger = await opened(browser, office, await offered('The Foreign Minister of Sarre', 'Ministry'));
  const shown = await code(stranger.page);
  assert.equal(await code(desk), shown);
  await desk.getByRole('button', { name: 'It is the Foreign Minister of Sarre' }).click();
  await president.getByRole('button', { name: 'It is not them…' }).click();
  await president.getByRole('button', { name: /^It is not them: stop/ }).click();
  await stranger.page.getByRole('heading', { name: 'They did not confirm that it was you' }).waitFor();
  await stranger.context.close();
  assert.deepEqual(page_errors, []);
});
