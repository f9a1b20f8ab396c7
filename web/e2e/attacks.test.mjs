// What a page of another origin gets, and a reader of the browser's history: the real server and page in Chromium.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch_profile, protect_later } from './helpers/chromium.mjs';
import { Office } from './helpers/office.mjs';

let office, evil, profile, context, used;
/** Requests to the attacker's server, and what its pages are. */
const got = [];
const pages = new Map();

before(async () => {
  office = await Office.make();
  evil = createServer((request, response) => {
    got.push({ url: request.url, headers: request.headers });
    response.writeHead(200, { 'content-type': 'text/html' }).end(pages.get(request.url) ?? '');
  });
  // Another site than the office's, which is `localhost`.
  evil.listen(0, '127.0.0.1');
  await once(evil, 'listening');
  evil.origin = `http://127.0.0.1:${evil.address().port}`;
  profile = await mkdtemp(join(tmpdir(), 'telcon-profile-'));
  context = await launch_profile(profile);
  await context.addInitScript(protect_later);
});
after(async () => {
  await context?.close();
  evil?.closeAllConnections();
  evil?.close();
  await office?.close();
  if (profile) await rm(profile, { recursive: true, force: true });
});

/** Addresses of all requests and the `Referer` of each. */
function watched(page) {
  const seen = [];
  page.on('request', (request) => seen.push({ url: request.url(), referer: request.headers().referer }));
  return seen;
}

/** Addresses that Back and Forward lead to. */
async function history_of(page) {
  const cdp = await context.newCDPSession(page);
  const { entries } = await cdp.send('Page.getNavigationHistory');
  await cdp.detach();
  return entries.map(({ url }) => url);
}

test('link in history or referrer: the secret leaves address, history and requests at once, used or not', async () => {
  const link = await office.invite('The President', 'principal');
  const secret = link.split('#enrol=')[1];
  used = link;
  const page = await context.newPage();
  await page.goto('about:blank');
  const requests = watched(page);
  await page.goto(link);
  await page.getByRole('button', { name: 'Enrol this browser' }).waitFor();
  const nowhere = async () => {
    assert.equal(page.url(), `${office.origin}/`);
    for (const address of await history_of(page)) assert.ok(!address.includes(secret), address);
    const from_script = await page.evaluate(() => [location.href, document.referrer, JSON.stringify(history.state)]);
    assert.ok(!from_script.join().includes(secret));
  };
  await nowhere();
  // Back and forth.
  await page.goBack();
  await page.goForward();
  await nowhere();
  // A reload of the tab still finds the link, another tab does not.
  await page.reload();
  await page.getByRole('button', { name: 'Enrol this browser' }).waitFor();
  await nowhere();
  const other = await context.newPage();
  await other.goto(office.origin);
  assert.equal(await other.evaluate(() => sessionStorage.getItem('telcon.link')), null);
  await other.close();
  // The person follows a link to another site before and after the link is used.
  pages.set('/somewhere', '<!doctype html>somewhere');
  const leave = async () => {
    await page.evaluate((address) => {
      const link = document.createElement('a');
      link.href = address;
      link.textContent = 'away';
      document.body.append(link);
      link.click();
    }, `${evil.origin}/somewhere`);
    await page.waitForURL(`${evil.origin}/somewhere`);
    assert.equal(await page.evaluate(() => document.referrer), '');
    await page.goBack();
  };
  await leave();
  await page.getByRole('button', { name: 'Enrol this browser' }).click();
  await page.getByRole('heading', { name: 'People' }).waitFor();
  await nowhere();
  assert.equal(await page.evaluate(() => sessionStorage.getItem('telcon.link')), null, 'it was used');
  await leave();
  for (const { url, referer } of requests) {
    const sent = url.split('#')[0];
    assert.ok(!sent.includes(secret) && !referer, `${sent} ${referer}`);
  }
  const left = got.filter(({ url }) => url === '/somewhere');
  assert.ok(left.length > 0 && left.every(({ headers }) => headers.referer === undefined));
  await page.close();
});

test('clickjacking: a page of another site shows nothing of the office in a frame, an object or a window that it controls', async () => {
  pages.set(
    '/frame',
    `<!doctype html><iframe src="${office.origin}/"></iframe><object data="${office.origin}/"></object>
     <embed src="${office.origin}/"><iframe sandbox="allow-scripts allow-same-origin" src="${office.origin}/#alerts"></iframe>`,
  );
  const page = await context.newPage();
  await page.goto(`${evil.origin}/frame`, { waitUntil: 'load' });
  const framed = page.frames().slice(1);
  assert.ok(framed.length >= 2);
  for (const frame of framed) {
    assert.ok(!frame.url().startsWith(office.origin), `${frame.url()} is shown`);
    assert.equal(await frame.locator('#app').count(), 0);
  }
  // A window that it opens: it can neither reach into it nor move it later.
  const popup = context.waitForEvent('page');
  await page.evaluate((address) => (window.theirs = window.open(address)), office.origin);
  const opened = await popup;
  await opened.getByRole('heading', { name: 'People' }).waitFor();
  assert.equal(await opened.evaluate(() => window.opener), null);
  assert.equal(await page.evaluate(() => window.theirs.closed), true, 'it holds no handle of it');
  await opened.close();
  await page.close();
});

test('CSRF: a page of another site sends nothing that counts, and reads nothing', async () => {
  pages.set('/csrf', '<!doctype html>');
  assert.deepEqual(await context.cookies(), [], 'there is nothing that a browser would add');
  const page = await context.newPage();
  await page.goto(`${evil.origin}/csrf`);
  const found = await page.evaluate(async (origin) => {
    const tried = async (path, init) => {
      try {
        const answer = await fetch(`${origin}/api/v1${path}`, { credentials: 'include', ...init });
        return answer.type === 'opaque' ? 'opaque' : `read ${answer.status}`;
      } catch {
        return 'blocked';
      }
    };
    const body = JSON.stringify({ chain: [], jws: '', endpoint: 'https://evil.example/' });
    const form = { method: 'POST', mode: 'no-cors', body, headers: { 'content-type': 'text/plain' } };
    const json = { body, headers: { 'content-type': 'application/json' } };
    const socket = new Promise((resolve) => {
      const opened = new WebSocket(`${origin.replace('http', 'ws')}/ws`);
      opened.onopen = () => resolve('open');
      opened.onerror = () => resolve('refused');
    });
    return {
      forms: [await tried('/devices', form), await tried('/revocations', form), await tried('/device-requests', form)],
      asked: [
        await tried('/devices', { method: 'POST', ...json }),
        await tried('/push', { method: 'PUT', ...json }),
        await tried('/push', { method: 'DELETE' }),
      ],
      read: [await tried('/office', {}), await tried('/office', { mode: 'no-cors' })],
      socket: await socket,
    };
  }, office.origin);
  // They arrive, and the server refuses what a form can send (crates/server/tests/attacks.rs); the other page cannot read even that.
  assert.deepEqual(found.forms, ['blocked', 'blocked', 'blocked']);
  assert.deepEqual(found.asked, ['blocked', 'blocked', 'blocked']);
  assert.deepEqual(found.read, ['blocked', 'blocked'], 'neither by CORS nor as a resource of the page');
  assert.equal(found.socket, 'refused');
  await page.close();
});

test('session fixation: what another page leaves in the browser is not taken for a session', async () => {
  // Cookies are not bound to a port: a page at another port of the same host can leave some.
  await context.addCookies([
    { name: 'token', value: 'attacker', url: office.origin },
    { name: 'authorization', value: 'Bearer attacker', url: office.origin },
  ]);
  const page = await context.newPage();
  await page.goto(`${office.origin}/?token=attacker&session=attacker`);
  await page.getByRole('heading', { name: 'People' }).waitFor();
  const token = await page.evaluate(() => window.telcon.view.token);
  assert.ok(token.length > 30 && token !== 'attacker');
  const with_cookies = await page.evaluate(async () => (await fetch('/api/v1/devices')).status);
  assert.equal(with_cookies, 401, 'a cookie is no token');
  await page.reload();
  await page.getByRole('heading', { name: 'People' }).waitFor();
  await page.waitForFunction((before) => window.telcon.view.token && window.telcon.view.token !== before, token);
  await context.clearCookies();
  await page.close();
});

test('link in history: a link that was used enrols nobody, wherever the browser wrote it', async () => {
  const other = await mkdtemp(join(tmpdir(), 'telcon-profile-'));
  const thief = await launch_profile(other);
  try {
    const page = await thief.newPage();
    await page.goto(used);
    await page.getByRole('button', { name: 'Enrol this browser' }).click();
    await page.getByRole('heading', { name: 'This link has already been used' }).waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'This browser isn’t set up yet' }).waitFor();
  } finally {
    await thief.close();
    await rm(other, { recursive: true, force: true });
  }
});
