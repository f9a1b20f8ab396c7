// Enrolment by a security officer: the real engine, server and command, and a browser for each device.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, page_errors, person } from './helpers/chromium.mjs';
import { Office } from './helpers/office.mjs';

const OFFICER = 'Security officer';
const CODE = /\d{3} \d{3} \d{3} \d{3}/;

let office, browser, officer;

before(async () => {
  office = await Office.make();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await office?.close();
});

/** Opens a link as a new device. */
async function opened(link) {
  const { context, page } = await person(browser, office.origin);
  await page.goto(link);
  return { context, page };
}

/** The code on a page, once it shows one. */
async function code(page) {
  const [digits] = CODE.exec(await page.getByText(CODE).first().textContent());
  return digits;
}

/** The officer invites; returns the link, after the dialog that shows it was closed. */
async function invite(name, role = 'Principal') {
  await officer.getByRole('button', { name: /^Invite/ }).click();
  const form = officer.getByRole('dialog', { name: 'Invite a person' });
  await form.getByLabel('Name or title').fill(name);
  await form.getByLabel('Organisation').fill('Office of the President');
  await form.getByLabel('Role').selectOption({ label: role });
  await form.getByLabel('Time zone').fill('Europe/Oslo');
  await form.getByRole('button', { name: 'Create the link' }).click();
  return shown_link();
}

/** The link in the dialog that opened by itself. */
async function shown_link() {
  const dialog = officer.getByRole('dialog', { name: /^Link for/ });
  const link = await dialog.getByLabel('Link', { exact: true }).inputValue();
  await dialog.getByRole('button', { name: 'Close' }).click();
  await dialog.waitFor({ state: 'detached' });
  assert.ok(link.startsWith(`${office.origin}/#enrol=`), link);
  return link;
}

/** The officer approves the device of a person that shows this code. */
async function approve(name, shown) {
  const request = officer.getByRole('article', { name });
  assert.equal(await code(request), shown, 'both screens show the same code');
  await request.getByRole('button', { name: 'Approve' }).click();
  await officer.getByRole('dialog').getByText(shown).waitFor();
  await officer.getByRole('button', { name: 'The person read me this code' }).click();
  await request.waitFor({ state: 'detached' });
}

test('the authority appoints a security officer’s device by the request that it saved', async () => {
  ({ page: officer } = await opened(await office.invite(OFFICER, 'security-officer')));
  await officer.getByRole('button', { name: 'Enrol this browser' }).click();
  await officer.getByRole('heading', { name: 'This device may not invite or approve yet' }).waitFor();
  assert.equal(await officer.getByRole('button', { name: /^Ring/ }).count(), 0);
  const saving = officer.waitForEvent('download');
  await officer.getByRole('button', { name: 'Save appointment-request.txt' }).click();
  const request = join(office.dir, 'appointment-request.txt');
  await (await saving).saveAs(request);
  assert.match(await office.appoint(request), /may now enrol people/);
  await officer.getByRole('button', { name: /^Invite/ }).waitFor();
  await officer.getByText('Registrar', { exact: true }).waitFor();
});

test('a person’s device is enrolled after the code was compared, also if its page is reloaded meanwhile, and its link is used up', async () => {
  const link = await invite('The Foreign Minister');
  const { context, page } = await opened(link);
  const shown = await code(page);
  assert.equal(new URL(page.url()).hash, '', 'the link’s secret is out of the address');
  await page.reload();
  assert.equal(await code(page), shown, 'after a reload it asks with the same keys');
  await officer.getByRole('article', { name: 'The Foreign Minister' }).waitFor();

  const other = await opened(link);
  await other.page.getByRole('heading', { name: 'Another device opened this link first' }).waitFor();
  await officer.getByText('The link was opened again on another device once').waitFor();
  await other.page.reload();
  await other.page.getByRole('heading', { name: 'This browser isn’t set up yet' }).waitFor();
  await other.context.close();

  await approve('The Foreign Minister', shown);
  await page.getByRole('heading', { name: 'People' }).waitFor();
  await officer.getByRole('region', { name: 'The Foreign Minister' }).getByText(`approved by ${OFFICER}`).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'People' }).waitFor();
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Your devices' }).click();
  await page.getByText('This device').waitFor();
  await context.close();
});

test('a person gets a further device under the same name, and it is revoked', async () => {
  await officer.getByRole('button', { name: 'Add a device for the Foreign Minister' }).click();
  await officer.getByRole('button', { name: 'Create the link' }).click();
  const { context, page } = await opened(await shown_link());
  await approve('The Foreign Minister', await code(page));
  await page.getByRole('heading', { name: 'People' }).waitFor();
  const rows = officer.getByRole('region', { name: 'The Foreign Minister' }).getByRole('listitem');
  await rows.nth(1).waitFor();
  assert.equal(await rows.count(), 2);

  await rows
    .nth(1)
    .getByRole('button', { name: /^Revoke/ })
    .click();
  await officer.getByRole('button', { name: 'Revoke this device' }).click();
  await page.getByRole('heading', { name: 'This device has been revoked' }).waitFor();
  await rows.nth(1).getByText('Revoked', { exact: true }).waitFor();
  await context.close();
});

test('a device that was refused is told so, and its link is of no use to another', async () => {
  const link = await invite('A stranger', 'Duty officer');
  const { context, page } = await opened(link);
  await code(page);
  const request = officer.getByRole('article', { name: 'A stranger' });
  await request.getByRole('button', { name: 'Refuse' }).click();
  await officer.getByRole('button', { name: 'Refuse this device' }).click();
  await page.getByRole('heading', { name: 'Your security officer did not approve this device' }).waitFor();
  await request.waitFor({ state: 'detached' });
  const other = await opened(link);
  await other.page.getByRole('heading', { name: 'Another device opened this link first' }).waitFor();
  for (const one of [context, other.context]) await one.close();
});

test('a link of an invitation that was withdrawn is not valid any more', async () => {
  const link = await invite('The Records officer', 'Records officer');
  await officer.getByRole('button', { name: 'Withdraw the invitation of the Records officer' }).click();
  await officer.getByRole('button', { name: 'Withdraw it' }).click();
  await officer.getByText('No invitation is open.').waitFor();
  const { context, page } = await opened(link);
  await page.getByRole('heading', { name: 'This link is no longer valid' }).waitFor();
  await context.close();
});

test('no page had an uncaught error', () => {
  assert.deepEqual(page_errors, []);
});
