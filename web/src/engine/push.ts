// Web Push: the office's side over HTTP, and the browser's.

import { API_PREFIX, type PushSettings, type PushSubscription as Subscribed } from './contract';
import { base64url, from_base64url } from './encoding';
import { refusal } from './enrol';
import type { Problem } from './problem';

/** How long the office may take, milliseconds. */
const TIMEOUT_MS = 8_000;

/** Requests of the page. Each throws a `Problem`. */
export interface PushOffice {
  settings(token: string): Promise<PushSettings>;
  subscribe(token: string, subscription: Subscribed): Promise<void>;
  unsubscribe(token: string): Promise<void>;
}

async function request(token: string, method: 'GET' | 'PUT' | 'DELETE', body?: object): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(`${API_PREFIX}/push`, {
      method,
      cache: 'no-store',
      credentials: 'omit',
      headers: { authorization: `Bearer ${token}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw { code: 'office_unreachable' } satisfies Problem;
  }
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

export const push_over_http: PushOffice = {
  settings: async (token) => (await request(token, 'GET')).json() as Promise<PushSettings>,
  subscribe: async (token, subscription) => void (await request(token, 'PUT', subscription)),
  unsubscribe: async (token) => void (await request(token, 'DELETE')),
};

/** A subscription of this browser. */
export interface BrowserSubscription {
  /** The office's key that it was made for, base64url. */
  key: string;
  subscription: Subscribed;
}

/** The browser's side. */
export interface PushBrowser {
  supported(): boolean;
  permission(): NotificationPermission;
  request_permission(): Promise<NotificationPermission>;
  /** The subscription, if this browser has one. */
  current(): Promise<BrowserSubscription | null>;
  /** Subscribes with the worker in this language. */
  subscribe(key: string, language: string): Promise<BrowserSubscription>;
  /** Ends the subscription and removes the worker. */
  unsubscribe(): Promise<void>;
  /** Has the worker, if there is one, speak this language from now on. */
  speak(language: string): Promise<void>;
  /** Removes notifications of rings: the page shows what has become of them. */
  close_rings(): Promise<void>;
}

const WORKER = '/push-worker.js';
const worker_of = (language: string): string => `${WORKER}?language=${encodeURIComponent(language)}`;

const registered = (): Promise<ServiceWorkerRegistration | undefined> => navigator.serviceWorker.getRegistration('/');

export const push_in_browser: PushBrowser = {
  supported: () =>
    globalThis.navigator?.serviceWorker !== undefined && 'PushManager' in globalThis && 'Notification' in globalThis,
  permission: () => Notification.permission,
  request_permission: () => Notification.requestPermission(),
  async current() {
    const subscription = await (await registered())?.pushManager.getSubscription();
    return subscription ? read(subscription) : null;
  },
  async subscribe(key, language) {
    await navigator.serviceWorker.register(worker_of(language), { updateViaCache: 'none' });
    const { pushManager } = await navigator.serviceWorker.ready;
    return read(await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: from_base64url(key) }));
  },
  async unsubscribe() {
    const registration = await registered();
    await (await registration?.pushManager.getSubscription())?.unsubscribe();
    await registration?.unregister();
  },
  async speak(language) {
    if (await registered()) await navigator.serviceWorker.register(worker_of(language), { updateViaCache: 'none' });
  },
  async close_rings() {
    const shown = (await (await registered())?.getNotifications()) ?? [];
    for (const one of shown) if ((one.data as { ring?: unknown } | null)?.ring === 'rings') one.close();
  },
};

function read(subscription: PushSubscription): BrowserSubscription {
  const text = (bytes: ArrayBuffer | null) => base64url(new Uint8Array(bytes ?? new ArrayBuffer(0)));
  const part = (name: PushEncryptionKeyName) => text(subscription.getKey(name));
  return {
    key: text(subscription.options.applicationServerKey),
    subscription: { endpoint: subscription.endpoint, p256dh: part('p256dh'), auth: part('auth') },
  };
}
