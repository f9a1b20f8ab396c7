// Lines on the real page with the fake engine: giving one with the keyboard and with two presses, who took it, and the list.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { build } from 'vite';
import { launch, page_errors, person, until } from './helpers/chromium.mjs';
import { line, lines, office } from './helpers/fake_office.mjs';
import { Friction } from './helpers/friction.mjs';
import { root, serve } from './helpers/screenshots.mjs';

let site, browser, page, context, peer;
const friction = new Friction();

before(async () => {
  await build({ root, mode: 'fake', logLevel: 'error' });
  site = await serve(join(root, 'dist-fake'), 'index.html', office);
  browser = await launch();
  ({ context, page } = await person(browser, site.origin, { viewport: { width: 360, height: 740 }, hasTouch: true }));
  page.setDefaultTimeout(8_000);
  await page.goto(`${site.origin}/#enrol=good`);
  await page.getByRole('button', { name: 'Enrol this browser' }).click();
  await until(page, () => window.telcon.screen === 'people');
  peer = await context.newPage();
  await peer.goto(`${site.origin}/peer.html`);
  // Commands about lines, as the page sends them.
  await peer.evaluate(() => {
    window.sent = [];
    window.channel.addEventListener('message', ({ data }) => data.fake === 'line' && window.sent.push(data.command));
  });
  await page.bringToFront();
});
after(async () => {
  friction.print();
  await browser?.close();
  site?.stop();
});

const sent = (type) => peer.evaluate((wanted) => window.sent.filter((one) => one.type === wanted), type);
const tell = (fake) => peer.evaluate((message) => window.channel.postMessage({ fake: message }), fake);

test('a line is given with a name, an office and two presses', async () => {
  friction.begin();
  await friction.tap(page.getByRole('button', { name: 'Give a line' }));
  await page.getByLabel('Name or title').fill('The King of Sandmark');
  await page.getByLabel('Office or organisation').fill('The Royal Court');
  await friction.tap(page.getByRole('button', { name: 'Give the line' }));
  await page.getByRole('img', { name: 'QR code of the line for the King of Sandmark' }).waitFor();
  const { taps } = friction.end('line handed over, defaults, page only', { taps: 2, ms: 10_000 });
  assert.equal(taps, 2);
  const [command] = await sent('give_line');
  assert.deepEqual(command, {
    type: 'give_line',
    name: 'The King of Sandmark',
    organisation: 'The Royal Court',
    zone: await page.evaluate(() => Intl.DateTimeFormat().resolvedOptions().timeZone),
    terms: { reach: 'direct', mode: 'memo' },
    valid_ms: 86_400_000,
  });
  await page.getByText('24 hours left').waitFor();
  // The Back button does not lead to the form again.
  await page.goBack();
  await page.getByRole('heading', { name: 'People' }).waitFor();
  await page.goForward();
  await page.getByRole('img', { name: /^QR code/ }).waitFor();
});

test('the card prints, and nothing else of the page', async () => {
  await page.emulateMedia({ media: 'print' });
  await page.getByRole('heading', { name: 'A line to the President' }).waitFor();
  await page.getByText('This card works once').waitFor();
  assert.equal(await page.getByRole('button').count(), 0);
  const card = await page.pdf();
  assert.ok(card.byteLength > 10_000, 'a PDF with the code');
  await page.emulateMedia({ media: null });
  assert.equal(await page.getByText('This card works once').isVisible(), false);
});

test('who took it is asked at once, can wait, and is confirmed by the code that was shown', async () => {
  await tell('takes_line');
  await page.getByRole('heading', { name: 'Somebody took the line' }).waitFor();
  await page.getByText('471 029 583 016').waitFor();
  await page.getByRole('button', { name: 'Later' }).click();
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByRole('button', { name: 'Answer', exact: true }).first().click();
  lines.push(line('The King of Sandmark', 'The Royal Court'));
  await page.getByRole('button', { name: 'It is the King of Sandmark' }).click();
  await page.getByRole('heading', { name: 'Who can reach me' }).waitFor();
  await page.getByText('One line is in use.').waitFor();
  const [command] = await sent('confirm_line');
  assert.equal(command.code, '471 029 583 016');
});

test('a line is paused in one press, and what the office listed is shown to the engine', async () => {
  await page.getByRole('switch', { name: 'Line of the King of Sandmark in use' }).waitFor();
  lines[0] = line('The King of Sandmark', 'The Royal Court', { state: 'paused', statement: 'e.2.J' });
  await page.getByRole('switch', { name: 'Line of the King of Sandmark in use' }).click();
  await page.getByText('Paused', { exact: true }).waitFor();
  const [command] = await sent('sign_line_change');
  assert.deepEqual(command.change, { state: 'paused' });
  const seen = await sent('see_lines');
  assert.equal(seen.at(-1).list.lines[0].statement, 'e.2.J');
  lines[0] = line('The King of Sandmark', 'The Royal Court', { statement: 'e.3.J' });
  await page.getByRole('switch', { name: 'Line of the King of Sandmark in use' }).click();
  await page.getByText('Paused', { exact: true }).waitFor({ state: 'detached' });
});

test('everything is in reach of a keyboard: details, a change, an end that is asked once', async () => {
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.getByRole('button', { name: /^The King of Sandmark/ }).focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog');
  await dialog.getByText('One device of theirs').waitFor();
  await dialog.getByRole('button', { name: 'Change what it allows' }).focus();
  await page.keyboard.press('Enter');
  await dialog.getByRole('radio', { name: 'ring me directly' }).focus();
  await page.keyboard.press('ArrowDown');
  await dialog.getByRole('combobox', { name: 'When' }).selectOption({ label: 'Other hours' });
  await dialog.getByRole('checkbox', { name: 'Saturday' }).focus();
  await page.keyboard.press('Space');
  await dialog.getByRole('combobox', { name: 'How often' }).selectOption({ label: 'up to 3 times a day' });
  await dialog.getByLabel('Purpose').fill('Fisheries agreement');
  await dialog.getByRole('button', { name: 'Save' }).focus();
  await page.keyboard.press('Enter');
  await dialog.waitFor({ state: 'detached' });
  const changes = await sent('sign_line_change');
  const { terms } = changes.at(-1).change;
  assert.deepEqual(
    [terms.reach, terms.hours.days.includes('saturday'), terms.rings_per_day, terms.purpose],
    ['desk', true, 3, 'Fisheries agreement'],
  );
  lines[0] = { ...lines[0], statement: 'e.4.J' };
  await page.keyboard.press('Alt+1');
  await page.keyboard.press('Alt+5');
  await page.getByRole('button', { name: /^The King of Sandmark/ }).click();
  await dialog.getByRole('button', { name: 'End this line…' }).click();
  await dialog.getByRole('heading', { name: 'End the line of the King of Sandmark?' }).waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  assert.equal((await sent('sign_line_change')).length, changes.length, 'Escape ends nothing');
});

test('a ring is answered with a promise, of which the page reminds', async () => {
  await page.keyboard.press('Alt+1');
  await peer.evaluate(() => window.channel.postMessage({ fake: 'rings', verified: true }));
  await page.getByRole('button', { name: /^In ten minutes/ }).waitFor();
  await page.keyboard.press('Alt+T');
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByText(/^You said that you would call the Prime Minister of Estmark at/).waitFor();
  await page.reload();
  await page.getByText(/^You said that you would call the Prime Minister of Estmark at/).waitFor();
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByText(/^You said that/).waitFor({ state: 'detached' });
  assert.deepEqual(friction.over(), []);
  assert.deepEqual(page_errors, []);
});
