// The service worker. It shows push messages and opens the page; it keeps nothing, fetches nothing and answers no requests of the
// page.

import { shown_message, type PushTexts } from './push_message';
import { alert_kinds as en_kinds } from './text/en/alert_kinds';
import { push as en } from './text/en/push';
import { alert_kinds as fr_kinds } from './text/fr/alert_kinds';
import { push as fr } from './text/fr/push';

const worker = self as unknown as ServiceWorkerGlobalScope;
/** The page registers the worker with its language: a worker cannot read where the page keeps it. */
const language = new URL(worker.location.href).searchParams.get('language');
const texts: PushTexts =
  language === fr.shown.language ? { ...fr.shown, kinds: fr_kinds } : { ...en.shown, kinds: en_kinds };

// A newer version has nothing to wait for.
worker.addEventListener('install', () => void worker.skipWaiting());

worker.addEventListener('push', (event) => {
  const { title, body, tag } = shown_message(event.data?.text() ?? null, texts);
  event.waitUntil(worker.registration.showNotification(title, { body, tag, lang: texts.language }));
});

worker.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(open_alerts());
});

/** Shows the alerts in the page that is open, or opens it. */
async function open_alerts(): Promise<void> {
  const [page] = await worker.clients.matchAll({ type: 'window', includeUncontrolled: true });
  if (!page) return void (await worker.clients.openWindow('/#alerts'));
  page.postMessage('alerts');
  await page.focus();
}
