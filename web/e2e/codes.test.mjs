// Enrolment by a short code that is read out: the real engine and server, and a browser for each device.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import decode from 'qr/decode.js';
import { launch, page_errors } from './helpers/chromium.mjs';
import { Office } from './helpers/office.mjs';
import { Officer, code, opened as open } from './helpers/officer.mjs';

const SHOWN = /\d{4}-\d{3}-\d{3}/;
let office, browser, officer;

before(async () => {
  office = await Office.make();
  browser = await launch();
  officer = await Officer.appointed(browser, office, 'Security officer');
});
after(async () => {
  await browser?.close();
  await office?.close();
});

/** A browser that is not enrolled, on the office's page. */
async function unenrolled() {
  const { context, page } = await open(browser, office, office.origin);
  await page.getByRole('heading', { name: 'This browser isn’t set up yet' }).waitFor();
  return { context, page };
}

/** What a camera reads in a picture of an element. */
async function scanned(element) {
  const png = (await element.screenshot({ type: 'png' })).toString('base64');
  const blank = await (await browser.newContext()).newPage();
  const { width, height, pixels } = await blank.evaluate(async (png) => {
    const image = new Image();
    image.src = `data:image/png;base64,${png}`;
    await image.decode();
    const canvas = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height });
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, image.width, image.height);
    return { width: image.width, height: image.height, pixels: [...data] };
  }, png);
  await blank.context().close();
  return decode({ width, height, data: Uint8Array.from(pixels) });
}

const dialog = () => officer.page.getByRole('dialog', { name: /^Link for/ });

/** Invites a person and has a code shown; the dialog stays open. */
async function shown(name) {
  await officer.invite(name);
  await officer.page
    .getByRole('button', { name: new RegExp(`^Show link for ${name.replace(/^The /, 'the ')}`) })
    .click();
  await dialog().getByRole('button', { name: 'Show a code' }).click();
  return read();
}

async function digits(within) {
  return SHOWN.exec(await within.getByText(SHOWN).textContent())[0];
}

/** The code that the officer reads out. */
async function read() {
  return digits(dialog());
}

/** By keyboard. */
async function type(page, typed) {
  const input = page.getByLabel('Code', { exact: true });
  await input.focus();
  await input.fill('');
  await page.keyboard.type(typed);
  await page.keyboard.press('Enter');
}

/** Another code in the same slot. */
const wrong = (right) => right.slice(0, -1) + (right.endsWith('7') ? '8' : '7');

test('a browser is enrolled by a code that was read out, after a mistake, and both people compare as with a link', async () => {
  const right = await shown('The Foreign Minister');
  const { context, page } = await unenrolled();
  await type(page, '1234');
  await page.getByText('A code has ten digits.').waitFor();
  await type(page, wrong(right));
  await page
    .getByText('This is not the code. Check it with the person who read it to you. 2 more attempts are left.')
    .waitFor();
  await dialog().getByText('A wrong code was typed.').waitFor();
  // As people write it.
  await type(page, right.replaceAll('-', ' '));
  const compared = await code(page);
  assert.equal(new URL(page.url()).hash, '');
  await officer.approve('The Foreign Minister', compared);
  await page.getByRole('heading', { name: 'People' }).waitFor();
  await context.close();
});

test('three wrong codes close it, both sides are told, and the next code of the same link works', async () => {
  const right = await shown('The Minister of Finance');
  const { context, page } = await unenrolled();
  for (const left of [2, 1]) {
    await type(page, wrong(right));
    await page.getByText(new RegExp(`${left} more attempts? (is|are) left`)).waitFor();
  }
  await type(page, wrong(right));
  await page.getByText('Three wrong codes were typed, and it is closed now.').waitFor();
  await dialog().getByText('Three wrong codes were typed. This code is closed.').waitFor();
  assert.equal(await dialog().getByText(SHOWN).count(), 0);
  await type(page, right);
  await page.getByText('This code is closed, because wrong codes were typed.').waitFor();
  await dialog().getByRole('button', { name: 'Show a new code' }).click();
  await type(page, await read());
  await code(page);
  await officer.page.getByRole('article', { name: 'The Minister of Finance' }).waitFor();
  // It is an alert of the office.
  await officer.page.evaluate(() => (location.hash = 'alerts'));
  await officer.page.getByText('Wrong codes were typed until the code was closed').first().waitFor();
  await officer.page.goBack();
  await context.close();
});

test('a code that was withdrawn, or whose page was reloaded, says so to who types it', async () => {
  const withdrawn = await shown('The Records officer');
  await dialog().getByRole('button', { name: 'Withdraw this code' }).click();
  await dialog().getByRole('button', { name: 'Show a code' }).click();
  const lost = await read();
  await officer.page.reload();
  await officer.page.getByRole('button', { name: /^Show link for the Records officer/ }).waitFor();
  const { context, page } = await unenrolled();
  for (const old of [withdrawn, lost]) {
    await type(page, old);
    await page.getByText('The device that showed this code is not connected. Ask for a new code.').waitFor();
  }
  await context.close();
});

test('in an office with cnsa2, a camera reads the QR code and opens the page, and codes work', async () => {
  const other = await Office.make({ suite: 'cnsa2' });
  const guard = await Officer.appointed(browser, other, 'Security officer');
  const link = await guard.invite('The Foreign Minister');
  await guard.page.getByRole('button', { name: /^Show link for/ }).click();
  const shown_link = guard.page.getByRole('dialog', { name: /^Link for/ });
  assert.equal(await scanned(shown_link.getByRole('img')), link);
  const { context, page } = await open(browser, other, other.origin);
  await shown_link.getByRole('button', { name: 'Show a code' }).click();
  const right = await digits(shown_link);
  await type(page, right);
  await guard.approve('The Foreign Minister', await code(page));
  await page.getByRole('heading', { name: 'People' }).waitFor();
  // A new link, read by the camera.
  await guard.invite('The Minister of Finance');
  await guard.page.getByRole('button', { name: /^Show link for/ }).click();
  const camera = await open(browser, other, await scanned(shown_link.getByRole('img')));
  await code(camera.page);
  for (const one of [context, camera.context, guard.page.context()]) await one.close();
  await other.close();
});

test('no page had an uncaught error', () => {
  assert.deepEqual(page_errors, []);
});
