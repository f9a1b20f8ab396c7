// An office that demands two security officers: the real engine, server and command, and a browser for each device.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, page_errors, person } from './helpers/chromium.mjs';
import { Office } from './helpers/office.mjs';

const CODE = /\d{3} \d{3} \d{3} \d{3}/;

let office, browser;

before(async () => {
  office = await Office.make({ two_registrars: true });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await office?.close();
});

async function opened(link) {
  const { page } = await person(browser, office.origin);
  await page.goto(link);
  return page;
}

/** The page of a security officer whom the authority appointed. */
async function officer(name) {
  const page = await opened(await office.invite(name, 'security-officer'));
  await page.getByRole('button', { name: 'Enrol this browser' }).click();
  await page.getByRole('heading', { name: 'This device may not invite or approve yet' }).waitFor();
  const saving = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Save appointment-request.txt' }).click();
  const request = join(office.dir, `${name.replaceAll(' ', '-')}.txt`);
  await (await saving).saveAs(request);
  await office.appoint(request);
  await page.getByRole('button', { name: /^Invite/ }).waitFor();
  return page;
}

async function code(within) {
  const [digits] = CODE.exec(await within.getByText(CODE).first().textContent());
  return digits;
}

test('a device is enrolled after two security officers compared its code', async () => {
  const [first, second] = [await officer('Security officer'), await officer('Deputy security officer')];
  await first.getByRole('button', { name: /^Invite/ }).click();
  const form = first.getByRole('dialog', { name: 'Invite a person' });
  await form.getByLabel('Name or title').fill('The Foreign Minister');
  await form.getByLabel('Organisation').fill('Office of the President');
  await form.getByLabel('Role').selectOption({ label: 'Principal' });
  await form.getByLabel('Time zone').fill('Europe/Oslo');
  await form.getByRole('button', { name: 'Create the link' }).click();
  const dialog = first.getByRole('dialog', { name: /^Link for/ });
  const link = await dialog.getByLabel('Link', { exact: true }).inputValue();
  await dialog.getByRole('button', { name: 'Close' }).click();

  const minister = await opened(link);
  const shown = await code(minister);
  const request = (page) => page.getByRole('article', { name: 'The Foreign Minister' });
  await request(second).getByText('That device has to approve it first').waitFor();
  assert.equal(await request(second).getByRole('button', { name: 'Approve' }).count(), 0);

  await request(first).getByText('Two security officers have to approve this device.').waitFor();
  assert.equal(await code(request(first)), shown);
  await request(first).getByRole('button', { name: 'Approve' }).click();
  await first.getByRole('button', { name: 'The person read me this code' }).click();
  await request(first).getByText('You approved this device. A second security officer must approve it, too.').waitFor();
  await minister.getByText('One of two approvals').waitFor();

  await request(second).getByText('Approved by Security officer. A second security officer must approve it').waitFor();
  assert.equal(await code(request(second)), shown, 'the second officer compares the same code');
  // It survives a reload of the second officer's page.
  await second.reload();
  assert.equal(await code(request(second)), shown);
  await request(second).getByRole('button', { name: 'Approve' }).click();
  await second.getByRole('dialog').getByText(shown).waitFor();
  await second.getByRole('button', { name: 'The person read me this code' }).click();
  for (const page of [first, second]) await request(page).waitFor({ state: 'detached' });
  await minister.getByRole('heading', { name: 'People' }).waitFor();
  const row = second.getByRole('region', { name: 'The Foreign Minister' });
  await row.getByText('approved by Security officer and Deputy security officer').waitFor();
  await office.kill_server();
  assert.match(await office.verify(), /3 devices|devices +3/);
});

test('no page had an uncaught error', () => {
  assert.deepEqual(page_errors, []);
});
