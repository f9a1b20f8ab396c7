// The service worker. It shows push messages and opens the page; it keeps nothing, fetches nothing and answers no requests of the
// page.

import type { Locale } from './text/locales';
import { replaced_tag, shown_message, type Leads, type PushTexts, type Shown } from './push_message';
import { alert_kinds as en_kinds } from './text/en/alert_kinds';
import { push as en } from './text/en/push';
import { alert_kinds as fr_kinds } from './text/fr/alert_kinds';
import { push as fr } from './text/fr/push';

/** What TypeScript does not know of notifications. */
interface Options extends NotificationOptions {
  data: Data;
  actions?: { action: string; title: string }[];
  vibrate?: number[];
}

/** What a notification carries for its press. */
interface Data {
  leads: Leads;
  ring: Shown['ring'];
}

const worker = self as unknown as ServiceWorkerGlobalScope;
/** The page registers the worker with its language: a worker cannot read where the page keeps it. */
const language = new URL(worker.location.href).searchParams.get('language');
const TEXTS: Record<Locale, PushTexts> = {
  en: { ...en.shown, kinds: en_kinds },
  fr: { ...fr.shown, kinds: fr_kinds },
};
const texts = Object.values(TEXTS).find((one) => one.language === language) ?? TEXTS.en;
/** The button that closes a ring's notification and leaves the ring to other devices. */
const LATER = 'later';
/** Milliseconds of vibration and pause. */
const RING_PATTERN = [600, 300, 600, 300, 600];

// A newer version has nothing to wait for.
worker.addEventListener('install', () => void worker.skipWaiting());

worker.addEventListener('push', (event) => {
  event.waitUntil(show(shown_message(event.data?.text() ?? null, texts, Date.now())));
});

worker.addEventListener('notificationclick', (event) => {
  event.notification.close();
  if (event.action === LATER) return;
  const data = event.notification.data as Data | null;
  event.waitUntil(open_page(data?.leads ?? 'page'));
});

async function show(shown: Shown): Promise<void> {
  const { title, body, tag, leads, ring } = shown;
  const replaced = replaced_tag(shown);
  if (replaced) for (const before of await worker.registration.getNotifications({ tag: replaced })) before.close();
  const options: Options = { body, tag, lang: texts.language, icon: '/icon-192.png', data: { leads, ring } };
  if (ring === 'over') options.silent = true;
  if (ring === 'rings') {
    // A push service may change the order, or send again what is over.
    const [before] = await worker.registration.getNotifications({ tag });
    const known = before?.data as Data | undefined;
    if (before && known?.ring === 'over') {
      const again: Options = { ...options, body: before.body, silent: true, data: known };
      return worker.registration.showNotification(before.title, again);
    }
    options.requireInteraction = true;
    options.vibrate = RING_PATTERN;
    options.actions = [
      { action: 'see', title: texts.see },
      { action: LATER, title: texts.later },
    ];
  }
  await worker.registration.showNotification(title, options);
  // A page that lost its connection connects; one that shows the ring removes the notification.
  if (ring === 'rings') for (const page of await pages()) page.postMessage('rung');
}

const pages = (): Promise<readonly WindowClient[]> =>
  worker.clients.matchAll({ type: 'window', includeUncontrolled: true });

/** Shows the page that is open, or opens it. */
async function open_page(leads: Leads): Promise<void> {
  const [page] = await pages();
  if (!page) return void (await worker.clients.openWindow(leads === 'page' ? '/' : `/#${leads}`));
  page.postMessage(leads);
  await page.focus();
}
