// Alerts while the page is closed: the real server, a push service of ours, and Chromium, whose worker shows what was pushed.

import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch_profile, protect_later } from './helpers/chromium.mjs';
import { Office } from './helpers/office.mjs';
import { PushService, stub_push_manager } from './helpers/push_service.mjs';

let office, service, profile, context, blank, cdp;
const registrations = new Map();
/** What the browser records of its worker: `displayed` and `completed`. */
const recorded = new EventEmitter();

before(async () => {
  service = await PushService.start();
  office = await Office.make({ serve: ['--push-service', service.origin] });
  profile = await mkdtemp(join(tmpdir(), 'telcon-profile-'));
  context = await launch_profile(profile);
  await context.addInitScript(protect_later);
  await context.addInitScript(stub_push_manager, service.subscription);
  await context.grantPermissions(['notifications', 'microphone'], { origin: office.origin });
  // A blank page keeps the browser running while the office's page is closed.
  [blank] = context.pages();
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
  for (const service of ['notifications', 'pushMessaging']) {
    await cdp.send('BackgroundService.startObserving', { service });
    await cdp.send('BackgroundService.setRecording', { service, shouldRecord: true });
  }
});
after(async () => {
  await context?.close();
  await office?.close();
  service?.close();
  if (profile) await rm(profile, { recursive: true, force: true });
});

async function opened(address = office.origin) {
  const page = await context.newPage();
  await page.goto(address);
  return page;
}

/** Enrolment of somebody, which is an alert; returns what the push service got of it. */
async function alerted(name) {
  const next = service.next();
  await office.enrol_device(name);
  return next;
}

/** The worker, once it runs. */
async function worker() {
  const of_office = (one) => one.url().startsWith(`${office.origin}/push-worker.js`);
  return (
    context.serviceWorkers().find(of_office) ?? (await context.waitForEvent('serviceworker', { predicate: of_office }))
  );
}

/** Wakes the worker, which is stopped, as the browser does that received a message; returns the notification that it displays. */
async function delivered(data) {
  await cdp.send('ServiceWorker.stopAllWorkers');
  const [registration] = [...registrations.values()].filter(
    (one) => !one.isDeleted && one.scopeURL.startsWith(office.origin),
  );
  const { registrationId } = registration;
  const [displayed, completed] = [once(recorded, 'displayed'), once(recorded, 'completed')];
  await cdp.send('ServiceWorker.deliverPushMessage', { origin: office.origin, registrationId, data });
  assert.deepEqual(await completed, ['Success']);
  return (await displayed)[0];
}

/**
 * A press on a notification, as far as a script can make one: the browser lets a worker open and focus pages only on a real one, so
 * that what it asks for is noted.
 */
async function press() {
  return (await worker()).evaluate(async () => {
    const asked = [];
    self.clients.openWindow = async (address) => void asked.push(address);
    self.WindowClient.prototype.focus = async function () {
      asked.push('focus');
      return this;
    };
    const event = new self.ExtendableEvent('notificationclick');
    // What the worker itself put into the notification that it shows.
    const [shown] = await self.registration.getNotifications();
    event.notification = { close: () => asked.push('close'), data: shown?.data ?? null };
    const done = [];
    event.waitUntil = (work) => void done.push(work);
    self.dispatchEvent(event);
    await Promise.all(done);
    return asked;
  });
}

async function settings(page) {
  await page.getByRole('button', { name: 'Settings' }).click();
  return page.getByRole('dialog', { name: 'Settings' });
}

test('an officer turns notifications on, and an alert reaches the push service without a name', async () => {
  const page = await opened(await office.invite('Security officer', 'security-officer'));
  await page.getByRole('button', { name: 'Enrol this browser' }).click();
  await page.getByRole('heading', { name: 'This device may not invite or approve yet' }).waitFor();
  const dialog = await settings(page);
  await dialog.getByText('You see alerts only while this page is open').waitFor();
  await dialog.getByRole('button', { name: 'Notify me when the page is closed' }).click();
  await dialog.getByText('even while this page is closed').first().waitFor();
  await page.close();

  const first = await alerted('The President');
  assert.deepEqual([first.method, first.url, first.headers['content-encoding']], ['POST', '/push/1', 'aes128gcm']);
  const { entry, ...rest } = JSON.parse(first.text);
  assert.deepEqual(rest, { version: 1, about: 'alert', kind: 'device_enrolled' });
  assert.ok(Number.isSafeInteger(entry));
  const second = await alerted('The Foreign Minister');
  assert.equal(second.size, first.size, 'the push service learns no length');
  assert.notEqual(second.headers.topic, first.headers.topic);
  assert.equal(second.key, first.key);
});

test('the worker shows an alert in plain words while the page is closed, once however often it comes', async () => {
  assert.deepEqual(
    context.pages().map((page) => page.url()),
    ['about:blank'],
    'the page is closed',
  );
  const { text } = await alerted('The Ambassador');
  const expected = {
    title: 'Telcon: alert for the security officer',
    body: 'A device was enrolled.',
    tag: `alert-${JSON.parse(text).entry}`,
  };
  assert.deepEqual(await delivered(text), expected);
  assert.deepEqual(await delivered(text), expected, 'a replay replaces it');
});

test('a press on the notification opens the alerts', async () => {
  assert.deepEqual(await press(), ['close', '/#alerts']);
  const page = await opened(`${office.origin}/#alerts`);
  await page.getByRole('heading', { name: 'Alerts' }).waitFor();
  await page.getByText('A device was enrolled').first().waitFor();
  await page.close();
});

test('a press while the page is open shows the alerts there', async () => {
  const page = await opened();
  await page.getByRole('heading', { name: 'This device may not invite or approve yet' }).waitFor();
  const { text } = await alerted('The Minister of Defence');
  await delivered(text);
  assert.deepEqual(await press(), ['close', 'focus']);
  await page.getByRole('heading', { name: 'Alerts' }).waitFor();
  assert.equal(new URL(page.url()).hash, '#alerts');
  await page.close();
});

test('a forged or damaged message shows only that there is something to see', async () => {
  for (const forged of [
    'Your keys were stolen: call +1 555 0100',
    '{"version":1,"about":"alert","kind":"owned","entry":1}',
  ]) {
    assert.deepEqual(await delivered(forged), { title: 'Telcon', body: 'Open Telcon', tag: 'telcon' }, forged);
  }
});

test('the worker speaks the language of the page', async () => {
  const page = await opened();
  const dialog = await settings(page);
  const replaced = once(cdp, 'ServiceWorker.workerVersionUpdated');
  await dialog.getByLabel('Language').selectOption('fr');
  await replaced;
  await page.waitForFunction(async () => {
    const registration = await navigator.serviceWorker.getRegistration('/');
    return registration?.active?.scriptURL.endsWith('language=fr') && !registration.waiting && !registration.installing;
  });
  await page.close();
  const { text } = await alerted('The Prime Minister');
  assert.equal((await delivered(text)).body, 'Un appareil a été inscrit.');
});

test('an officer turns notifications off, and nothing is sent any more', async () => {
  const page = await opened();
  await page.getByRole('button', { name: 'Réglages' }).click();
  const dialog = page.getByRole('dialog', { name: 'Réglages' });
  await dialog.getByRole('button', { name: 'Désactiver ces notifications' }).click();
  await dialog.getByRole('button', { name: 'Me prévenir lorsque la page est fermée' }).waitFor();
  let more = false;
  void service.next().then(() => (more = true));
  await office.enrol_device('The Speaker');
  await page.goto(`${office.origin}/#alerts`);
  await page.reload();
  await page.getByText('Un appareil a été inscrit').first().waitFor();
  assert.equal(more, false);
  const settings_of = async () => {
    const headers = { authorization: `Bearer ${window.telcon.view.token}` };
    return (await fetch('/api/v1/push', { headers })).json();
  };
  await page.waitForFunction(() => Boolean(window.telcon.view?.token));
  const stored = await page.evaluate(settings_of);
  assert.equal(typeof stored.key, 'string');
  assert.equal('endpoint_sha256' in stored, false, 'the office has forgotten the address');
  const workers = await page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length);
  assert.equal(workers, 0, 'the worker is gone');
});
