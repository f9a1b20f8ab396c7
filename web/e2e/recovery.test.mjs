// A person who lost everything is recovered by two security officers, and devices are ordered to erase themselves: the real engine,
// server and command, and a browser for each device.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, page_errors } from './helpers/chromium.mjs';
import { Office } from './helpers/office.mjs';
import { Officer, code, opened } from './helpers/officer.mjs';

let office, browser, one, two;

before(async () => {
  // A recovery needs two security officers also in an office that demands one for a device.
  office = await Office.make();
  browser = await launch();
  one = await Officer.appointed(browser, office, 'Security officer');
});
after(async () => {
  await browser?.close();
  await office?.close();
});

/** Enrols a device with the first officer. */
async function enrolled(name, link) {
  const { context, page } = await opened(browser, office, link);
  await one.approve(name, await code(page));
  await one.request(name).waitFor({ state: 'detached' });
  await page.getByRole('heading', { name: 'People' }).waitFor();
  return { context, page };
}

const stored = (page) =>
  page.evaluate(
    () =>
      new Promise((resolve) => {
        const request = indexedDB.open('telcon', 1);
        request.onsuccess = () => {
          const all = request.result.transaction('keep').objectStore('keep').getAllKeys();
          all.onsuccess = () => resolve(all.result);
        };
      }),
  );

test('a security officer who is alone is told who can help', async () => {
  const { context } = await enrolled('The Foreign Minister', await one.invite('The Foreign Minister'));
  await one.page.getByRole('button', { name: 'Lost everything: the Foreign Minister' }).click();
  const dialog = one.page.getByRole('dialog');
  await dialog.getByText('telcon revoke --erase').waitFor();
  assert.equal(await dialog.getByRole('button', { name: 'Open the recovery' }).count(), 0);
  await dialog.getByRole('button', { name: 'Back' }).click();
  await context.close();
});

test('a device that is revoked stays as it is, and erases itself once that is ordered', async () => {
  const { context, page } = await enrolled('The Foreign Minister', await one.add_device('the Foreign Minister'));
  const rows = one.page.getByRole('region', { name: 'The Foreign Minister' }).getByRole('listitem');
  await rows
    .nth(1)
    .getByRole('button', { name: /^Revoke/ })
    .click();
  await one.page.getByRole('dialog').getByRole('button', { name: 'Revoke', exact: true }).click();
  await page.getByRole('heading', { name: 'This device has been revoked' }).waitFor();
  assert.ok((await stored(page)).includes('state'), 'its keys are still there');
  await rows
    .nth(1)
    .getByRole('button', { name: /^Erase/ })
    .click();
  await one.page.getByRole('button', { name: 'Erase this device' }).click();
  await rows.nth(1).getByText('not confirmed yet').waitFor();
  // At the next contact.
  await page.reload();
  await page.getByRole('heading', { name: 'This device has been erased' }).waitFor();
  await page.getByText('Security officer ordered this').waitFor();
  assert.deepEqual(await stored(page), []);
  await rows
    .nth(1)
    .getByText(/erased \S+ /)
    .waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'This browser isn’t set up yet' }).waitFor();
  await context.close();
});

test('two security officers recover a person', async () => {
  two = await Officer.appointed(browser, office, 'Deputy security officer');
  const friend = await enrolled('The President', await one.invite('The President'));
  const old = await enrolled('The Foreign Minister', await one.add_device('the Foreign Minister'));

  await one.page.getByRole('button', { name: 'Lost everything: the Foreign Minister' }).click();
  await one.page.getByLabel('What happened').selectOption({ label: 'Stolen' });
  await one.page.getByRole('button', { name: 'Open the recovery' }).click();
  const card = (officer) => officer.page.getByRole('article', { name: 'The Foreign Minister' });
  await card(one).getByText('You opened this recovery · Stolen').waitFor();
  assert.equal(
    await card(one).getByRole('button', { name: 'Confirm' }).count(),
    0,
    'one officer alone recovers nobody',
  );
  await card(two).getByText('Opened by Security officer · Stolen').waitFor();
  await old.page.getByRole('heading', { name: 'People' }).waitFor();

  await card(two).getByRole('button', { name: 'Confirm' }).click();
  await two.page.getByRole('button', { name: 'Confirm the recovery' }).click();
  const link = await two.shown_link();
  await old.page.getByRole('heading', { name: 'This device has been erased' }).waitFor();
  await old.page.getByText('Deputy security officer ordered this').waitFor();

  const fresh = await opened(browser, office, link);
  const shown = await code(fresh.page);
  const request = (officer) =>
    officer.page.getByRole('article', { name: 'The Foreign Minister' }).filter({ hasText: shown });
  await request(two).getByRole('button', { name: 'Approve' }).click();
  await two.page.getByRole('button', { name: 'The person read me this code' }).click();
  await fresh.page.getByText('One of two approvals').waitFor();
  await request(one).getByText('Approved by Deputy security officer').waitFor();
  await request(one).getByRole('button', { name: 'Approve' }).click();
  await one.page.getByRole('button', { name: 'The person read me this code' }).click();

  await fresh.page.getByText('Two security officers set up this device for you').waitFor();
  await friend.page.getByText('by two security officers').waitFor();
  const row = one.page.getByRole('region', { name: 'The Foreign Minister' });
  await row.getByText('approved by Deputy security officer and Security officer').waitFor();
  for (const officer of [one, two]) await card(officer).first().waitFor({ state: 'detached' });
  await office.kill_server();
  await office.verify();
});

test('no page had an uncaught error', () => {
  assert.deepEqual(page_errors, []);
});
