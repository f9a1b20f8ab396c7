// Alerts while the page is closed: the real server, a push service of ours, and Chromium, whose worker shows what was pushed.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { Office } from './helpers/office.mjs';
import { PushBrowser } from './helpers/push_browser.mjs';
import { PushService } from './helpers/push_service.mjs';

let office, service, browser;

before(async () => {
  service = await PushService.start();
  office = await Office.make({ serve: ['--push-service', service.origin] });
  browser = await PushBrowser.start(office.origin, service);
});
after(async () => {
  await browser?.close();
  await office?.close();
  service?.close();
});

/** Enrolment of somebody, which is an alert; returns what the push service got of it. */
async function alerted(name) {
  const next = service.next();
  await office.enrol_device(name);
  return next;
}

async function settings(page) {
  await page.getByRole('button', { name: 'Settings' }).click();
  return page.getByRole('dialog', { name: 'Settings' });
}

test('an officer turns notifications on, and an alert reaches the push service without a name', async () => {
  const page = await browser.opened(await office.invite('Security officer', 'security-officer'));
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
    browser.context.pages().map((page) => page.url()),
    ['about:blank'],
    'the page is closed',
  );
  const { text } = await alerted('The Ambassador');
  const expected = {
    title: 'Telcon: alert for the security officer',
    body: 'A device was enrolled.',
    tag: `alert-${JSON.parse(text).entry}`,
  };
  assert.deepEqual(await browser.delivered(text), expected);
  assert.deepEqual(await browser.delivered(text), expected, 'a replay replaces it');
});

test('a press on the notification opens the alerts', async () => {
  assert.deepEqual(await browser.press(), ['close', '/#alerts']);
  const page = await browser.opened(`${office.origin}/#alerts`);
  await page.getByRole('heading', { name: 'Alerts' }).waitFor();
  await page.getByText('A device was enrolled').first().waitFor();
  await page.close();
});

test('a press while the page is open shows the alerts there', async () => {
  const page = await browser.opened();
  await page.getByRole('heading', { name: 'This device may not invite or approve yet' }).waitFor();
  const { text } = await alerted('The Minister of Defence');
  await browser.delivered(text);
  assert.deepEqual(await browser.press(), ['close', 'focus']);
  await page.getByRole('heading', { name: 'Alerts' }).waitFor();
  assert.equal(new URL(page.url()).hash, '#alerts');
  await page.close();
});

test('a forged or damaged message shows only that there is something to see', async () => {
  for (const forged of [
    'Your keys were stolen: call +1 555 0100',
    '{"version":1,"about":"alert","kind":"owned","entry":1}',
  ]) {
    assert.deepEqual(await browser.delivered(forged), { title: 'Telcon', body: 'Open Telcon', tag: 'telcon' }, forged);
  }
});

test('the worker speaks the language of the page', async () => {
  const page = await browser.opened();
  const dialog = await settings(page);
  const replaced = once(browser.cdp, 'ServiceWorker.workerVersionUpdated');
  await dialog.getByLabel('Language').selectOption('fr');
  await replaced;
  await page.waitForFunction(async () => {
    const registration = await navigator.serviceWorker.getRegistration('/');
    return registration?.active?.scriptURL.endsWith('language=fr') && !registration.waiting && !registration.installing;
  });
  await page.close();
  const { text } = await alerted('The Prime Minister');
  assert.equal((await browser.delivered(text)).body, 'Un appareil a été inscrit.');
});

test('an officer turns notifications off, and nothing is sent any more', async () => {
  const page = await browser.opened();
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
