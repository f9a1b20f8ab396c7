// Chromium's virtual authenticators (CDP domain WebAuthn), and copies of a browser profile.

/** What a page sent to the office, and how often it asked an authenticator. */
function record_ceremonies() {
  window.ceremonies = { create: 0, get: 0, secrets: [] };
  const { ceremonies } = window;
  for (const kind of ['create', 'get']) {
    const original = navigator.credentials[kind].bind(navigator.credentials);
    navigator.credentials[kind] = async (options) => {
      ceremonies[kind]++;
      const credential = await original(options);
      const secret = credential?.getClientExtensionResults().prf?.results?.first;
      if (secret) ceremonies.secrets.push([...new Uint8Array(secret)]);
      return credential;
    };
  }
}

/** A virtual authenticator of a page. */
export class Authenticator {
  static async add(context, page, options = {}) {
    const one = new Authenticator();
    one.cdp = await context.newCDPSession(page);
    await page.addInitScript(record_ceremonies);
    await one.cdp.send('WebAuthn.enable');
    await one.#add(options);
    return one;
  }

  /** Another one of the same page. */
  async another(options = {}) {
    const other = new Authenticator();
    other.cdp = this.cdp;
    await other.#add(options);
    return other;
  }

  async #add({ prf = true, transport = 'internal' }) {
    const options = {
      protocol: 'ctap2',
      ctap2Version: 'ctap2_1',
      transport,
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      hasPrf: prf,
      automaticPresenceSimulation: true,
    };
    const { authenticatorId } = await this.cdp.send('WebAuthn.addVirtualAuthenticator', { options });
    this.id = authenticatorId;
  }

  send(method, parameters = {}) {
    return this.cdp.send(`WebAuthn.${method}`, { authenticatorId: this.id, ...parameters });
  }

  /** Whether its user is recognised when asked. */
  verifies(isUserVerified) {
    return this.send('setUserVerified', { isUserVerified });
  }

  /** Whether somebody touches it when asked. */
  is_touched(enabled) {
    return this.send('setAutomaticPresenceSimulation', { enabled });
  }

  async credentials() {
    return (await this.send('getCredentials')).credentials;
  }

  /** A copy of the credentials: whoever copies an authenticator's or a password manager's passkeys. */
  async copy_to(other) {
    for (const credential of await this.credentials()) await other.send('addCredential', { credential });
  }

  remove() {
    return this.send('removeVirtualAuthenticator');
  }
}

/** All values of the page's IndexedDB that can leave the browser. A key that cannot be exported is left out. */
export function copy_profile(page) {
  return page.evaluate(async () => {
    const encode = (value) => {
      if (value instanceof ArrayBuffer) return { buffer: [...new Uint8Array(value)] };
      if (value instanceof Uint8Array) return { bytes: [...value] };
      if (Array.isArray(value)) return { list: value.map(encode) };
      if (value?.constructor === Object)
        return { object: Object.entries(value).map(([name, part]) => [name, encode(part)]) };
      return typeof value === 'object' ? { unreadable: true } : { plain: value };
    };
    const database = await new Promise((resolve) => {
      const request = indexedDB.open('telcon', 1);
      request.onsuccess = () => resolve(request.result);
    });
    const store = database.transaction('keep').objectStore('keep');
    const all = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
    const [names, values] = await Promise.all([all(store.getAllKeys()), all(store.getAll())]);
    database.close();
    return names.map((name, i) => [name, encode(values[i])]);
  });
}

/** Puts a copy into another browser's profile, whose page has to be reloaded. */
export function paste_profile(page, copied) {
  return page.evaluate(async (entries) => {
    const decode = (value) => {
      if (value.buffer) return new Uint8Array(value.buffer).buffer;
      if (value.bytes) return new Uint8Array(value.bytes);
      if (value.list) return value.list.map(decode);
      if (value.object) return Object.fromEntries(value.object.map(([name, part]) => [name, decode(part)]));
      return value.plain;
    };
    const database = await new Promise((resolve) => {
      const request = indexedDB.open('telcon', 1);
      request.onupgradeneeded = () => request.result.createObjectStore('keep');
      request.onsuccess = () => resolve(request.result);
    });
    const transaction = database.transaction('keep', 'readwrite');
    for (const [name, value] of entries) transaction.objectStore('keep').put(decode(value), name);
    await new Promise((resolve) => (transaction.oncomplete = resolve));
    database.close();
  }, copied);
}
