// Enrolment by a security officer: the real engine, server and command, and a browser for each device.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, page_errors } from './helpers/chromium.mjs';
import { Office } from './helpers/office.mjs';
import { Officer, code, opened as open } from './helpers/officer.mjs';

const OFFICER = 'Security officer';

let office, browser, officer;

before(async () => {
  office = await Office.make();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await office?.close();
});

const opened = (link) => open(browser, office, link);

test('the authority appoints a security officer’s device by the request that it saved', async () => {
  officer = await Officer.appointed(browser, office, OFFICER);
  await officer.page.getByText('Registrar', { exact: true }).waitFor();
});

test('a person’s device is enrolled after the code was compared, also if its page is reloaded meanwhile, and its link is used up', async () => {
  const link = await officer.invite('The Foreign Minister');
  const { context, page } = await opened(link);
  const shown = await code(page);
  assert.equal(new URL(page.url()).hash, '', 'the link’s secret is out of the address');
  await page.reload();
  assert.equal(await code(page), shown, 'after a reload it asks with the same keys');
  await officer.page.getByRole('article', { name: 'The Foreign Minister' }).waitFor();

  const other = await opened(link);
  await other.page.getByRole('heading', { name: 'Another device opened this link first' }).waitFor();
  await officer.page.getByText('The link was opened again on another device once').waitFor();
  await other.page.reload();
  await other.page.getByRole('heading', { name: 'This browser isn’t set up yet' }).waitFor();
  await other.context.close();

  await officer.approve('The Foreign Minister', shown);
  await officer.request('The Foreign Minister').waitFor({ state: 'detached' });
  await page.getByRole('heading', { name: 'People' }).waitFor();
  await officer.page
    .getByRole('region', { name: 'The Foreign Minister' })
    .getByText(`approved by ${OFFICER}`)
    .waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'People' }).waitFor();
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Your devices' }).click();
  await page.getByText('This device').waitFor();
  await context.close();
});

test('a person gets a further device under the same name, and it is revoked', async () => {
  const { context, page } = await opened(await officer.add_device('the Foreign Minister'));
  await officer.approve('The Foreign Minister', await code(page));
  await officer.request('The Foreign Minister').waitFor({ state: 'detached' });
  await page.getByRole('heading', { name: 'People' }).waitFor();
  const rows = officer.page.getByRole('region', { name: 'The Foreign Minister' }).getByRole('listitem');
  await rows.nth(1).waitFor();
  assert.equal(await rows.count(), 2);

  await rows
    .nth(1)
    .getByRole('button', { name: /^Revoke/ })
    .click();
  await officer.page.getByRole('dialog').getByRole('button', { name: 'Revoke', exact: true }).click();
  await page.getByRole('heading', { name: 'This device has been revoked' }).waitFor();
  await page.getByText(`${OFFICER} ordered this`).waitFor();
  await rows.nth(1).getByText('Revoked', { exact: true }).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'This device has been revoked' }).waitFor();
  await context.close();
});

test('a device that was refused is told so, and its link is of no use to another', async () => {
  const link = await officer.invite('A stranger', 'Duty officer');
  const { context, page } = await opened(link);
  await code(page);
  const request = officer.page.getByRole('article', { name: 'A stranger' });
  await request.getByRole('button', { name: 'Refuse' }).click();
  await officer.page.getByRole('button', { name: 'Refuse this device' }).click();
  await page.getByRole('heading', { name: 'Your security officer did not approve this device' }).waitFor();
  await request.waitFor({ state: 'detached' });
  const other = await opened(link);
  await other.page.getByRole('heading', { name: 'Another device opened this link first' }).waitFor();
  for (const one of [context, other.context]) await one.close();
});

test('a link of an invitation that was withdrawn is not valid any more', async () => {
  const link = await officer.invite('The Records officer', 'Records officer');
  await officer.page.getByRole('button', { name: 'Withdraw the invitation of the Records officer' }).click();
  await officer.page.getByRole('button', { name: 'Withdraw it' }).click();
  await officer.page.getByText('None made here.').waitFor();
  const { context, page } = await opened(link);
  await page.getByRole('heading', { name: 'This link is no longer valid' }).waitFor();
  await context.close();
});

test('no page had an uncaught error', () => {
  assert.deepEqual(page_errors, []);
});
