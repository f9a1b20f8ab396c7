// A ring to a closed page: the real server, a push service of ours, and Chromium, whose worker decrypts nothing but shows what the
// browser decrypted: here the push service of the test decrypts, as the browser does.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, until } from './helpers/chromium.mjs';
import { enrolled } from './helpers/enrolled.mjs';
import { Office } from './helpers/office.mjs';
import { PushBrowser } from './helpers/push_browser.mjs';
import { PushService } from './helpers/push_service.mjs';

let office, service, called, browser, caller;
const CALLEE = 'The Prime Minister of Estmark';

before(async () => {
  service = await PushService.start();
  office = await Office.make({ serve: ['--push-service', service.origin] });
  called = await PushBrowser.start(office.origin, service);
  browser = await launch();
});
after(async () => {
  await called?.close();
  await browser?.close();
  await office?.close();
  service?.close();
});

/** Notifications that are on the screen, with what they carry. */
async function shown() {
  return (await called.worker()).evaluate(async () =>
    (await self.registration.getNotifications()).map(({ title, tag, data, requireInteraction, silent, actions }) => ({
      title,
      tag,
      ring: data.ring,
      requireInteraction,
      silent: silent === true,
      actions: actions.map(({ title }) => title),
    })),
  );
}

/** The caller rings; returns the message that the push service got, and what the caller is told. */
async function ring() {
  const next = service.next();
  await caller.getByRole('button', { name: `Ring ${CALLEE}` }).click();
  return next;
}

async function stop_ringing() {
  const next = service.next();
  await caller.getByRole('button', { name: 'Stop ringing' }).click();
  await caller.getByRole('button', { name: 'Done' }).click();
  return next;
}

test('somebody who is rung is asked once whether this browser rings while the page is closed', async () => {
  const page = await called.opened(await office.invite(CALLEE, 'principal'));
  await page.getByRole('button', { name: 'Enrol this browser' }).click();
  await page.getByRole('heading', { name: 'Calls while the page is closed' }).waitFor();
  await page.getByRole('button', { name: 'Ring me when the page is closed' }).click();
  await page.getByRole('heading', { name: 'Calls while the page is closed' }).waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Settings' }).click();
  const dialog = page.getByRole('dialog', { name: 'Settings' });
  await dialog.getByText('notifies you of calls even while this page is closed').waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'People' }).waitFor();
  assert.equal(await page.getByRole('heading', { name: 'Calls while the page is closed' }).count(), 0);
  await page.close();
});

test('the page can be installed as an app', async () => {
  const page = await called.opened();
  const session = await called.context.newCDPSession(page);
  const { url, errors, data } = await session.send('Page.getAppManifest');
  assert.equal(url, `${office.origin}/manifest.webmanifest`);
  assert.deepEqual(errors, []);
  const manifest = JSON.parse(data);
  assert.deepEqual([manifest.display, manifest.start_url], ['standalone', '/']);
  for (const { src, type, purpose } of manifest.icons) {
    const answer = await page.request.get(`${office.origin}${src}`);
    assert.deepEqual([answer.status(), answer.headers()['content-type']], [200, type], `${src} ${purpose}`);
  }
  const { installabilityErrors } = await session.send('Page.getInstallabilityErrors');
  assert.deepEqual(
    // A profile of a headless browser counts as incognito.
    installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== 'in-incognito'),
    [],
  );
  await page.close();
});

test('a ring reaches a closed page, and the page that it opens rings and answers', async () => {
  assert.deepEqual(
    called.context.pages().map((page) => page.url()),
    ['about:blank'],
    'the page is closed',
  );
  caller = await enrolled(browser, office, 'The President');
  await caller.getByText('Reachable by notification').waitFor();
  const rang = performance.now();
  const message = await ring();
  await caller.getByText('Notifying their devices', { exact: true }).waitFor();
  const { call, until_ms, ...rest } = JSON.parse(message.text);
  assert.deepEqual(rest, { version: 1, about: 'ring' });
  assert.ok(until_ms > Date.now() && until_ms <= Date.now() + 45_000);
  assert.ok(!message.text.includes('President'), 'nobody is named');
  const notification = await called.delivered(message.text);
  const notified_ms = performance.now() - rang;
  assert.deepEqual(notification, {
    title: 'Incoming call',
    body: 'Open Telcon to see who. Their identity is verified there.',
    tag: `ring-${call}`,
  });
  assert.deepEqual(await shown(), [
    {
      title: 'Incoming call',
      tag: `ring-${call}`,
      ring: 'rings',
      requireInteraction: true,
      silent: false,
      actions: ['See who rings', 'Not now'],
    },
  ]);
  assert.deepEqual(await called.press('later'), ['close']);
  assert.deepEqual(await called.press('see'), ['close', '/']);

  const from = performance.now();
  const page = await called.opened();
  await page.getByRole('heading', { name: 'The President' }).waitFor();
  const rings_ms = performance.now() - from;
  await page.getByText('Verified by this device', { exact: true }).waitFor();
  await caller.getByText('device is ringing').waitFor();
  assert.deepEqual(await shown(), [], 'the page shows the ring: its notification is gone');
  const live = () => window.telcon.view?.call?.state === 'live' && window.telcon.timings.first_audio_ms !== null;
  await page.getByRole('button', { name: 'Accept' }).click();
  await Promise.all([until(page, live), until(caller, live)]);
  console.log(
    `ring to notification: ${Math.round(notified_ms)} ms; opening the page to ringing: ${Math.round(rings_ms)} ms`,
  );
  await page.getByRole('button', { name: 'End call' }).click();
  await page.close();
  await caller.getByRole('button', { name: 'Done' }).click();
  await caller.getByText('Reachable by notification').waitFor();
});

test('a caller who gives up leaves a missed call in place of the ring, and no replay brings it back', async () => {
  const rings = await ring();
  const { call } = JSON.parse(rings.text);
  await called.delivered(rings.text);
  const over = await stop_ringing();
  assert.deepEqual(JSON.parse(over.text), { version: 1, about: 'ring_over', call, missed: true });
  assert.equal(over.size, rings.size, 'a push service learns no length');
  assert.equal(over.headers.topic, rings.headers.topic);
  const missed = { title: 'You missed a call', body: 'Open Telcon to see who rang.', tag: `ring-${call}` };
  assert.deepEqual(await called.delivered(over.text), missed);
  assert.deepEqual(await called.delivered(over.text), missed, 'delivered twice');
  assert.deepEqual(await called.delivered(rings.text), missed, 'the ring again, after its end');
  const [one, ...more] = await shown();
  assert.deepEqual([one.ring, one.silent, one.requireInteraction, more], ['over', true, false, []]);
  assert.deepEqual(await called.press(), ['close', '/#calls']);
});

test('a ring that the push service held back, and a forged one, do not ring', async () => {
  const call = 'ab'.repeat(16);
  const late = { version: 1, about: 'ring', call, until_ms: Date.now() - 61_000 };
  assert.equal((await called.delivered(JSON.stringify(late))).title, 'You missed a call');
  const forged = { version: 1, about: 'ring', call: 'The President', until_ms: Date.now() + 9_000, title: 'Pay now' };
  assert.equal((await called.delivered(JSON.stringify(forged))).body, 'Open Telcon');
});

test('a page that is open is rung without a push message, and a closed one with the first that comes', async () => {
  const page = await called.opened();
  await page.getByRole('heading', { name: 'People' }).waitFor();
  await caller.getByText('Available').waitFor();
  const first = service.next();
  await caller.getByRole('button', { name: `Ring ${CALLEE}` }).click();
  await page.getByRole('button', { name: 'Decline' }).waitFor();
  const shown_call = await page.evaluate(() => window.telcon.view.call.call);
  await page.getByRole('button', { name: 'Decline' }).click();
  await caller.getByRole('button', { name: 'Done' }).click();
  await page.close();
  await caller.getByText('Reachable by notification').waitFor();
  await caller.getByRole('button', { name: `Ring ${CALLEE}` }).click();
  // A message about the first call, however late, comes before this one's.
  const { about, call } = JSON.parse((await first).text);
  assert.deepEqual([about, call], ['ring', await caller.evaluate(() => window.telcon.view.call.call)]);
  assert.notEqual(call, shown_call);
  await stop_ringing();
});
