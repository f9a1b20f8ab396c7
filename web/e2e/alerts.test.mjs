// Alerts to security officers and notices of added devices to their people, with the real engine and server.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, page_errors } from './helpers/chromium.mjs';
import { Office } from './helpers/office.mjs';
import { Officer, code, opened } from './helpers/officer.mjs';

let office, browser, officer, alerts;

before(async () => {
  office = await Office.make();
  browser = await launch();
  officer = await Officer.appointed(browser, office, 'Security officer');
  // A second page would take the first one's place: both screens are reached by the keyboard.
  alerts = {
    open: async () => {
      await officer.page.keyboard.press('Alt+2');
      await officer.page.getByRole('heading', { name: 'Alerts', exact: true }).waitFor();
    },
    close: async () => {
      await officer.page.keyboard.press('Alt+1');
      await officer.page.getByRole('heading', { name: 'People and devices' }).waitFor();
    },
    named: (what) => officer.page.getByRole('article', { name: what }),
  };
});
after(async () => {
  await browser?.close();
  await office?.close();
});

/** A new device of a person, approved by the officer, at its list of people. */
async function enrolled(name, link) {
  const device = await opened(browser, office, link);
  await officer.approve(name, await code(device.page));
  await officer.request(name).waitFor({ state: 'detached' });
  await device.page.getByRole('heading', { name: 'People' }).waitFor();
  return device;
}

/** The notice on a page that a device was added. */
const notice = (page) => page.getByRole('alert').filter({ hasText: 'A new device was added in your name' });
const unseen = (count) => officer.page.getByRole('button', { name: `Alerts ${count} unseen` });
const count_unseen = async () => {
  const label = await officer.page.getByRole('button', { name: /^Alerts/ }).textContent();
  return Number(/\d+/.exec(label)?.[0] ?? 0);
};

test('a security officer is alerted that a device asked and was enrolled, of whom, and what to do', async () => {
  const link = await officer.invite('The Foreign Minister');
  const { context, page } = await opened(browser, office, link);
  const shown = await code(page);
  await officer.request('The Foreign Minister').waitFor();
  await alerts.open();
  const asked = alerts.named('A new device asks to be enrolled');
  await asked.getByText('Somebody opened an invitation’s link.').waitFor();
  await asked.getByText('Have the person read you the code by telephone or in person, then approve.').waitFor();

  await alerts.close();
  await officer.approve('The Foreign Minister', shown);
  await page.getByRole('heading', { name: 'People' }).waitFor();
  await alerts.open();
  const added = alerts.named('A device was enrolled').filter({ hasText: 'of the Foreign Minister' });
  await added.getByText('revoke it at once and ask who approved it').waitFor();
  await added.getByRole('button', { name: 'Show devices' }).waitFor();
  assert.equal(await officer.page.getByText('A device that is not in the list').count(), 0);
  await context.close();
});

test('an alert that was marked as seen stays, with who saw it', async () => {
  const before_it = await count_unseen();
  assert.ok(before_it > 1);
  const asked = alerts.named('A new device asks to be enrolled');
  await asked.getByRole('button', { name: 'Mark as seen' }).click();
  await asked.getByText('Seen by Security officer').waitFor();
  await unseen(before_it - 1).waitFor();
  await officer.page.reload();
  await asked.getByText('Seen by Security officer').waitFor();
  await unseen(before_it - 1).waitFor();
  await officer.page.getByRole('button', { name: 'Mark all of these as seen' }).click();
  await officer.page.getByRole('button', { name: /unseen/ }).waitFor({ state: 'detached' });
  await alerts.close();
});

// The attacker recorded a device's sign-in, and repeats it: it answers another challenge.
test('a sign-in that fails is an alert about the device that was named', async () => {
  const { context, page } = await enrolled('The Ambassador', await officer.invite('The Ambassador'));
  const signing_in = page.waitForEvent('websocket').then(async (socket) => {
    const sent = [];
    await socket.waitForEvent('framesent', ({ payload }) => sent.push(payload) === 2);
    return { url: socket.url(), sent };
  });
  await page.reload();
  const recorded = await signing_in;
  await page.getByRole('heading', { name: 'People' }).waitFor();
  const last = await page.evaluate(
    ({ url, sent }) =>
      new Promise((resolve) => {
        let answer;
        const socket = new WebSocket(url);
        socket.onopen = () => socket.send(sent[0]);
        socket.onmessage = ({ data }) => {
          answer = JSON.parse(data).type;
          if (answer === 'challenge') socket.send(sent[1]);
        };
        socket.onclose = () => resolve(answer);
      }),
    recorded,
  );
  assert.equal(last, 'refused');
  await alerts.open();
  const failed = alerts.named('A sign-in failed');
  await failed.getByText('of the Ambassador').waitFor();
  await failed.getByText('They gained no access.').waitFor();
  await failed.getByText('tell the server’s operator').waitFor();
  await alerts.close();
  await context.close();
});

test('a person’s other devices announce a new one, each until it is acknowledged there', async () => {
  const name = 'The Consul';
  const first = await enrolled(name, await officer.invite(name));
  assert.equal(await notice(first.page).count(), 0);
  const second = await enrolled(name, await officer.add_device('the Consul'));
  const of_second = /approved by Security officer, .+ If you did not expect it, tell your security officer now\./;
  await notice(first.page).getByText(of_second).waitFor();
  await notice(first.page).getByRole('button', { name: 'I expected it' }).click();
  await notice(first.page).waitFor({ state: 'detached' });
  assert.equal(await notice(second.page).count(), 0, 'it does not announce itself');

  const third = await enrolled(name, await officer.add_device('the Consul'));
  for (const { page } of [first, second]) await notice(page).waitFor();
  await notice(second.page).getByRole('button', { name: 'I expected it' }).click();
  await notice(second.page).waitFor({ state: 'detached' });
  // Also after both have signed in again.
  for (const { page } of [first, second]) {
    await page.reload();
    await page.getByText('The Ambassador').waitFor();
  }
  await notice(first.page).waitFor();
  assert.equal(await notice(second.page).count(), 0);
  for (const { context } of [first, second, third]) await context.close();
});

test('no page had an uncaught error', () => {
  assert.deepEqual(page_errors, []);
});
