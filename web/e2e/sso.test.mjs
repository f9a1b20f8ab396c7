// Single sign-on with a certified provider: the real engine and server, in Chromium. Attacks with forged tokens are in
// crates/server/tests/sso.rs, whose provider signs whatever it is told to.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, person } from './helpers/chromium.mjs';
import { free_port, Office } from './helpers/office.mjs';
import { CLIENT, OfficeProvider, sign_in_there } from './helpers/provider.mjs';

const ASKS = 'Sign in with your office account';
const GO = 'Go to the sign-in page';
let office, provider, browser, dir;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'telcon-sso-'));
  const port = await free_port();
  const file = {
    version: 1,
    issuer: `http://localhost:${port}`,
    client_id: CLIENT.id,
    client_secret_file: 'secret',
    roles: ['duty_officer', 'auditor'],
    // Less than half an hour: the page offers to renew it from the start.
    max_age_minutes: 25,
  };
  await writeFile(join(dir, 'secret'), `${CLIENT.secret}\n`);
  await writeFile(join(dir, 'oidc.json'), JSON.stringify(file));
  office = await Office.make({ serve: ['--oidc', join(dir, 'oidc.json')] });
  provider = await OfficeProvider.start(port, office.origin);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await provider?.stop();
  await office?.close();
  if (dir) await rm(dir, { recursive: true, force: true });
});

/** Enrols a person whose office waits for their account. */
async function at_sign_in(name, role) {
  const { context, page } = await person(browser, office.origin);
  await page.goto(await office.invite(name, role));
  await page.getByRole('button', { name: 'Enrol this browser' }).click();
  await page.getByRole('heading', { name: ASKS }).waitFor();
  return { context, page };
}

async function sign_in(page, account) {
  await page.getByRole('button', { name: GO }).click();
  await sign_in_there(page, account);
}

test('a person of the staff signs in at the provider, and nothing of it stays in the address or the history', async () => {
  const { page } = await at_sign_in('Duty officer', 'duty-officer');
  const sent = [];
  page.on('request', (request) => sent.push(request));
  await sign_in(page, 'duty@office.example');
  await page.waitForFunction(() => window.telcon?.view?.token);
  assert.equal(await page.evaluate(() => window.telcon.screen), 'desk');
  assert.equal(page.url(), `${office.origin}/`);
  const finish = sent.find((request) => request.url().endsWith('/api/v1/sso/finish'));
  const { code } = finish.postDataJSON();
  const after_return = sent.slice(sent.indexOf(finish) + 1);
  assert.ok(!after_return.some((request) => request.url().includes(code)), 'nor in the address of a request');
  for (const request of after_return)
    assert.ok(!(request.headers().referer ?? '').includes('code='), 'nor in a referrer');
  await page.goBack().catch(() => undefined);
  assert.ok(!page.url().includes(encodeURIComponent(code)), 'nor with the Back button');
  // Signed in until the session ends: a reload asks for nothing.
  await page.goto(office.origin);
  await page.waitForFunction(() => window.telcon?.view?.token);
  await page.context().close();
});

test('a code that is used again, or comes with a state that the office did not give, signs nobody in', async () => {
  const { context, page } = await at_sign_in('Auditor', 'auditor');
  // The page is kept from using what it is sent back with.
  const used = [];
  await page.route('**/sso/finish', async (route) => {
    used.push(route.request().postDataJSON());
    await route.abort();
  });
  await sign_in(page, 'auditor@office.example');
  await page.getByText('Your office did not answer').waitFor();
  await page.unroute('**/sso/finish');
  const tried = (body) =>
    page.evaluate(async (body) => {
      const headers = { authorization: `Bearer ${window.telcon.view.sso_token}`, 'content-type': 'application/json' };
      return (await fetch('/api/v1/sso/finish', { method: 'POST', headers, body: JSON.stringify(body) })).status;
    }, body);
  const [{ state, code }] = used;
  assert.equal(await tried({ state: 'guessed', code }), 410);
  assert.equal(await tried({ state, code: 'guessed' }), 403, 'the provider does not know it');
  assert.equal(await tried({ state, code }), 410, 'the attempt before ended it');
  await context.close();
});

test('who refuses at the provider, or signs in as somebody else, is told so and can try again', async () => {
  const { context, page } = await at_sign_in('Second auditor', 'auditor');
  await page.getByRole('button', { name: GO }).click();
  await page.getByRole('button', { name: 'Refuse' }).click();
  await page.getByText('reports that nobody signed in').waitFor();
  assert.equal(page.url(), `${office.origin}/`);
  // This account is the duty officer's, by their first sign-in.
  await sign_in(page, 'duty@office.example');
  await page.getByText('not the account that your office knows').waitFor();
  await context.clearCookies();
  await sign_in(page, 'second@office.example');
  await page.waitForFunction(() => window.telcon?.view?.token);
  await context.close();
});

test('a sign-in that ends soon is renewed, and the person is not signed out meanwhile', async () => {
  const { context, page } = await at_sign_in('Renewing', 'auditor');
  await sign_in(page, 'renewing@office.example');
  await page.waitForFunction(() => window.telcon?.view?.account_ends_ms);
  const ends_ms = await page.evaluate(() => window.telcon.view.account_ends_ms);
  await page.getByText('Your sign-in with your office account ends at').waitFor();
  // The provider knows them, and sends them back at once.
  await page.getByRole('button', { name: 'Renew', exact: true }).click();
  await page.waitForFunction((before) => window.telcon?.view?.account_ends_ms > before, ends_ms);
  assert.equal(page.url(), `${office.origin}/`);
  assert.equal(await page.evaluate(() => window.telcon.view.sso_token), null);
  await context.close();
});

test('while the provider is away, a person is told, and who is signed in stays', async () => {
  const [one, other] = [await at_sign_in('First', 'duty-officer'), await at_sign_in('Other', 'duty-officer')];
  await sign_in(one.page, 'first@office.example');
  await one.page.waitForFunction(() => window.telcon?.view?.token);
  await provider.stop();
  // The description of the provider is known to the server: its page is what does not answer.
  await other.page.getByRole('button', { name: GO }).click();
  await other.page.waitForURL(/^chrome-error:/).catch(() => undefined);
  await one.page.reload();
  await one.page.waitForFunction(() => window.telcon?.view?.token);
  // Nor does it answer the server, which is asked to exchange a code.
  await other.page.goto(`${office.origin}/sso?code=c&state=s`);
  await other.page.getByText('took too long, or was already completed').waitFor();
  await provider.listen();
  await sign_in(other.page, 'other@office.example');
  await other.page.waitForFunction(() => window.telcon?.view?.token);
  await Promise.all([one.context.close(), other.context.close()]);
});
