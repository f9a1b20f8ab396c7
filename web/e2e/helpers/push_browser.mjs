// Chromium with a stubbed push manager and an observed worker: it keeps running while the office's page is closed, takes messages as
// from its push service, and tells which notifications it displays.

import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch_profile, protect_later } from './chromium.mjs';
import { stub_push_manager } from './push_service.mjs';

export class PushBrowser {
  #origin;
  #profile;
  #registrations = new Map();
  /** What the browser records of its worker: `displayed` and `completed`. */
  #recorded = new EventEmitter();
  context;
  cdp;

  /** `service`: the push service that the office's page subscribes at. */
  static async start(origin, service) {
    const browser = new PushBrowser();
    browser.#origin = origin;
    browser.#profile = await mkdtemp(join(tmpdir(), 'telcon-profile-'));
    browser.context = await launch_profile(browser.#profile);
    await browser.context.addInitScript(protect_later);
    await browser.context.addInitScript(stub_push_manager, service.subscription);
    await browser.context.grantPermissions(['notifications', 'microphone'], { origin });
    // A blank page keeps the browser running while the office's page is closed.
    const [blank] = browser.context.pages();
    browser.cdp = await browser.context.newCDPSession(blank);
    await browser.#observe();
    return browser;
  }

  async #observe() {
    const { cdp } = this;
    cdp.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
      for (const one of registrations) this.#registrations.set(one.registrationId, one);
    });
    await cdp.send('ServiceWorker.enable');
    cdp.on('BackgroundService.backgroundServiceEventReceived', ({ backgroundServiceEvent: event }) => {
      const field = (name) => event.eventMetadata.find(({ key }) => key === name)?.value;
      if (event.eventName === 'Notification displayed')
        this.#recorded.emit('displayed', { title: field('Title'), body: field('Body'), tag: event.instanceId });
      if (event.eventName === 'Push event completed') this.#recorded.emit('completed', field('Status'));
    });
    for (const service of ['notifications', 'pushMessaging']) {
      await cdp.send('BackgroundService.startObserving', { service });
      await cdp.send('BackgroundService.setRecording', { service, shouldRecord: true });
    }
  }

  async close() {
    await this.context.close();
    await rm(this.#profile, { recursive: true, force: true });
  }

  async opened(address = this.#origin) {
    const page = await this.context.newPage();
    await page.goto(address);
    return page;
  }

  /** The worker, once it runs. */
  async worker() {
    const { context } = this;
    const predicate = (one) => one.url().startsWith(`${this.#origin}/push-worker.js`);
    return context.serviceWorkers().find(predicate) ?? (await context.waitForEvent('serviceworker', { predicate }));
  }

  /** Wakes the worker, which is stopped, as the browser does that received a message; returns the notification that it displays. */
  async delivered(data) {
    const { cdp } = this;
    await cdp.send('ServiceWorker.stopAllWorkers');
    const [registration] = [...this.#registrations.values()].filter(
      (one) => !one.isDeleted && one.scopeURL.startsWith(this.#origin),
    );
    const { registrationId } = registration;
    const [displayed, completed] = [once(this.#recorded, 'displayed'), once(this.#recorded, 'completed')];
    await cdp.send('ServiceWorker.deliverPushMessage', { origin: this.#origin, registrationId, data });
    assert.deepEqual(await completed, ['Success']);
    return (await displayed)[0];
  }

  /**
   * A press on the newest notification, as far as a script can make one: the browser lets a worker open and focus pages only on a
   * real one, so that what it asks for is noted.
   */
  async press(action = '') {
    return (await this.worker()).evaluate(async (action) => {
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
      event.action = action;
      const done = [];
      event.waitUntil = (work) => void done.push(work);
      self.dispatchEvent(event);
      await Promise.all(done);
      return asked;
    }, action);
  }
}
