// A push service on loopback, and a browser's subscription at it: the real one cannot be reached from a test.

import { createECDH, createPublicKey, randomBytes, verify } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';
import ece from 'http_ece';

const json = (part) => JSON.parse(Buffer.from(part, 'base64url').toString());

/** Checks the header as RFC 8292 has it; returns the office's key. */
function verified_vapid(header, audience) {
  const [, head, claims, signature, key] = /^vapid t=([\w-]+)\.([\w-]+)\.([\w-]+), k=([\w-]+)$/.exec(header) ?? [];
  const point = Buffer.from(key ?? '', 'base64url');
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    x: point.subarray(1, 33).toString('base64url'),
    y: point.subarray(33).toString('base64url'),
  };
  const by = { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' };
  if (json(head).alg !== 'ES256' || !verify('sha256', `${head}.${claims}`, by, Buffer.from(signature, 'base64url')))
    throw new Error('the push service’s token is not signed');
  const { aud, exp, sub } = json(claims);
  const now = Date.now() / 1000;
  if (aud !== audience || exp <= now || exp > now + 24 * 3600 || !sub) throw new Error('wrong claims');
  return key;
}

export class PushService {
  #received = [];
  #waiting = [];
  #keys = createECDH('prime256v1');
  #auth = randomBytes(16);

  static async start() {
    const service = new PushService();
    service.#keys.generateKeys();
    service.server = createServer((request, response) => void service.#take(request, response));
    service.server.listen(0, '127.0.0.1');
    await once(service.server, 'listening');
    service.origin = `http://127.0.0.1:${service.server.address().port}`;
    return service;
  }

  /** What `pushManager.subscribe()` would return, without its methods. */
  get subscription() {
    return {
      endpoint: `${this.origin}/push/1`,
      p256dh: [...this.#keys.getPublicKey()],
      auth: [...this.#auth],
    };
  }

  async #take(request, response) {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const body = Buffer.concat(pieces);
    const { headers, method, url } = request;
    response.writeHead(201).end();
    const one = { headers, method, url, size: body.length };
    one.key = verified_vapid(headers.authorization, this.origin);
    one.text = ece
      .decrypt(body, { version: 'aes128gcm', privateKey: this.#keys, authSecret: this.#auth.toString('base64url') })
      .toString();
    const waiting = this.#waiting.shift();
    if (waiting) waiting(one);
    else this.#received.push(one);
  }

  /** The next message, opened. */
  next() {
    const one = this.#received.shift();
    return one ? Promise.resolve(one) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/**
 * Init script of a page: the browser’s push manager, which cannot reach its own push service here. What it was asked for is in
 * `subscribed`.
 */
export function stub_push_manager(subscription) {
  const bytes = (part) => Uint8Array.from(subscription[part]).buffer;
  const kept = () => JSON.parse(localStorage.getItem('test.push') ?? 'null');
  const made = (key) => ({
    endpoint: subscription.endpoint,
    options: { userVisibleOnly: true, applicationServerKey: Uint8Array.from(key).buffer },
    getKey: (part) => bytes(part),
    unsubscribe: async () => {
      localStorage.removeItem('test.push');
      return true;
    },
  });
  PushManager.prototype.subscribe = async ({ userVisibleOnly, applicationServerKey }) => {
    if (!userVisibleOnly) throw new Error('only what is shown may be pushed');
    localStorage.setItem('test.push', JSON.stringify([...new Uint8Array(applicationServerKey)]));
    return made(kept());
  };
  PushManager.prototype.getSubscription = async () => (kept() ? made(kept()) : null);
}
