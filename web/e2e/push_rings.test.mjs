// A ring to a closed page: the real server, a push service of ours, and Chromium, whose worker decrypts nothing but shows what the
// browser decrypted: here the push service of the test decrypts, as the browser does.

import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, launch_profile, protect_later, until } from './helpers/chromium.mjs';
import { enrolled } from './helpers/enrolled.mjs';
import { Office } from './helpers/office.mjs';
import { PushService, stub_push_manager } from './helpers/push_service.mjs';

let office, service, profile, context, cdp, browser, caller;
const registrations = new Map();
const recorded = new EventEmitter();
const CALLEE = 'The Prime Minister of Estmark';

before(async () => {
  service = await PushService.start();
  office = await Office.make({ serve: ['--push-service', service.origin] });
  profile = await mkdtemp(join(tmpdir(), 'telcon-profile-'));
  context = await launch_profile(profile);
  await context.addInitScript(protect_later);
  await context.addInitScript(stub_push_manager, service.subscription);
  await context.grantPermissions(['notifications', 'microphone'], { origin: office.origin });
  // A blank page keeps the browser running while the office's page is closed.
  const [blank] = context.pages();
  cdp = await context.newCDPSession(blank);
  cdp.on('ServiceWorker.workerRegistrationUpdated', ({ registrations: changed }) => {
    for (const one of changed) registrations.set(one.registrationId, one);
  });
  await cdp.send('ServiceWorker.enable');
  cdp.on('BackgroundService.backgroundServiceEventReceived', ({ backgroundServiceEvent: event }) => {
    const field = (name) => event.eventMetadata.find(({ key }) => key === name)?.value;
    if (event.eventName === 'Notification displayed')
      recorded.emit('displayed', { title: field('Title'), body: field('Body'), tag: event.instanceId });
    if (event.eventName === 'Push event completed') recorded.emit('completed', field('Status'));
  });
  for (const name of ['notifications', 'pushMessaging']) {
    await cdp.send('BackgroundService.startObserving', { service: name });
    await cdp.send('BackgroundService.setRecording', { service: name, shouldRecord: true });
  }
  browser = await launch();
});
after(async () => {
  await context?.close();
  await browser?.close();
  await office?.close();
  service?.close();
  if (profile) await rm(profile, { recursive: true, force: true });
});

async function opened(address = office.origin) {
  const page = await context.newPage();
  await page.goto(address);
  return page;
}

async function worker() {
  const of_office = (one) => one.url().startsWith(`${office.origin}/push-worker.js`);
  return (
    context.serviceWorkers().find(of_office) ?? (await context.waitForEvent('serviceworker', { predicate: of_office }))
  );
}

/** Hands the browser a message, whose worker is stopped, as its push service does; returns the notification that is displayed. */
async function delivered(data) {
  await cdp.send('ServiceWorker.stopAllWorkers');
  const [registration] = [...registrations.values()].filter(
    (one) => !one.isDeleted && one.scopeURL.startsWith(office.origin),
  );
  const [displayed, completed] = [once(recorded, 'displayed'), once(recorded, 'completed')];
  const { registrationId } = registration;
  await cdp.send('ServiceWorker.deliverPushMessage', { origin: office.origin, registrationId, data });
  assert.deepEqual(await completed, ['Success']);
  return (await displayed)[0];
}

/** Notifications that are on the screen, with what they carry. */
async function shown() {
  return (await worker()).evaluate(async () =>
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

/** A press on the newest notification, as far as a script can make one; returns what the worker asks for. */
async function press(action = '') {
  return (await worker()).evaluate(async (action) => {
    const asked = [];
    self.clients.openWindow = async (address) => void asked.push(address);
    self.WindowClient.prototype.focus = async function () {
      asked.push('focus');
      return this;
    };
    const [notification] = await self.registration.getNotifications();
    const event = new self.ExtendableEvent('notificationclick');
    event.notification = { close: () => asked.push('close'), data: notification?.data ?? null };
    event.action = action;
    const done = [];
    event.waitUntil = (work) => void done.push(work);
    self.dispatchEvent(event);
    await Promise.all(done);
    return asked;
  }, action);
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
  const page = await opened(await office.invite(CALLEE, 'principal'));
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
  const page = await opened();
  const session = await context.newCDPSession(page);
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
    context.pages().map((page) => page.url()),
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
  const notification = await delivered(message.text);
  const notified_ms = performance.now() - rang;
  assert.deepEqual(notification, {
    title: 'Somebody rings you',
    body: 'Open Telcon to see who. Their identity is verified there.',
    tag: `ring-${call}`,
  });
  assert.deepEqual(await shown(), [
    {
      title: 'Somebody rings you',
      tag: `ring-${call}`,
      ring: 'rings',
      requireInteraction: true,
      silent: false,
      actions: ['See who rings', 'Not now'],
    },
  ]);
  assert.deepEqual(await press('later'), ['close']);
  assert.deepEqual(await press('see'), ['close', '/']);

  const from = performance.now();
  const page = await opened();
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
  await delivered(rings.text);
  const over = await stop_ringing();
  assert.deepEqual(JSON.parse(over.text), { version: 1, about: 'ring_over', call, missed: true });
  assert.equal(over.size, rings.size, 'a push service learns no length');
  assert.equal(over.headers.topic, rings.headers.topic);
  const missed = { title: 'You missed a call', body: 'Open Telcon to see whose.', tag: `ring-${call}` };
  assert.deepEqual(await delivered(over.text), missed);
  assert.deepEqual(await delivered(over.text), missed, 'delivered twice');
  assert.deepEqual(await delivered(rings.text), missed, 'the ring again, after its end');
  const [one, ...more] = await shown();
  assert.deepEqual([one.ring, one.silent, one.requireInteraction, more], ['over', true, false, []]);
  assert.deepEqual(await press(), ['close', '/#calls']);
});

test('a ring that the push service held back, and a forged one, do not ring', async () => {
  const call = 'ab'.repeat(16);
  const late = { version: 1, about: 'ring', call, until_ms: Date.now() - 61_000 };
  assert.equal((await delivered(JSON.stringify(late))).title, 'You missed a call');
  const forged = { version: 1, about: 'ring', call: 'The President', until_ms: Date.now() + 9_000, title: 'Pay now' };
  assert.equal((await delivered(JSON.stringify(forged))).body, 'Open Telcon');
});

test('a page that is open in the background is asked for the ring, and shows it', async () => {
  const page = await opened();
  await page.getByRole('heading', { name: 'People' }).waitFor();
  await caller.getByText('Available').waitFor();
  let pushed = false;
  void service.next().then(() => (pushed = true));
  await caller.getByRole('button', { name: `Ring ${CALLEE}` }).click();
  await page.getByRole('heading', { name: 'The President' }).waitFor();
  await page.getByRole('button', { name: 'Decline' }).click();
  await caller.getByRole('button', { name: 'Done' }).click();
  assert.equal(pushed, false, 'a page that is open needs no push message');
  await page.close();
});
