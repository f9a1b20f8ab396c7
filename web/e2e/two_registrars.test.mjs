// An office that demands two security officers: the real engine, server and command, and a browser for each device.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, page_errors } from './helpers/chromium.mjs';
import { Office } from './helpers/office.mjs';
import { Officer, code, opened } from './helpers/officer.mjs';

let office, browser;

before(async () => {
  office = await Office.make({ two_registrars: true });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await office?.close();
});

test('a device is enrolled after two security officers compared its code', async () => {
  const inviter = await Officer.appointed(browser, office, 'Security officer');
  const deputy = await Officer.appointed(browser, office, 'Deputy security officer');
  const [first, second] = [inviter.page, deputy.page];
  const { page: minister } = await opened(browser, office, await inviter.invite('The Foreign Minister'));
  const shown = await code(minister);
  const request = (page) => page.getByRole('article', { name: 'The Foreign Minister' });
  await request(second).getByText('That device has to approve it first').waitFor();
  assert.equal(await request(second).getByRole('button', { name: 'Approve' }).count(), 0);

  await request(first).getByText('Two security officers have to approve this device.').waitFor();
  await inviter.approve('The Foreign Minister', shown);
  await request(first).getByText('You approved this device. A second security officer must approve it, too.').waitFor();
  await minister.getByText('One of two approvals').waitFor();

  await request(second).getByText('Approved by Security officer. A second security officer must approve it').waitFor();
  assert.equal(await code(request(second)), shown, 'the second officer compares the same code');
  // It survives a reload of the second officer's page.
  await second.reload();
  assert.equal(await code(request(second)), shown);
  await deputy.approve('The Foreign Minister', shown);
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
