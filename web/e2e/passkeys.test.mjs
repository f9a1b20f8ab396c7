// Protected devices: the real engine and server, and Chromium's virtual authenticators. Attacks are tests of their own.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { Authenticator, copy_profile, paste_profile } from './helpers/authenticator.mjs';
import { launch, page_errors, person, until } from './helpers/chromium.mjs';
import { enrolled } from './helpers/enrolled.mjs';
import { Office } from './helpers/office.mjs';
import { Officer } from './helpers/officer.mjs';

const UNLOCK = 'Unlock with your passkey';
const PIN = '271828';

let office, browser;

before(async () => {
  office = await Office.make();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await office?.close();
});

/** Enrols a person whose page stands at the offer to protect the device. `sent`: bodies of all requests of the page. */
async function at_offer(name, { role = 'principal', prf = true, at = office } = {}) {
  const { context, page } = await person(browser, at.origin, { protects: true });
  const key = await Authenticator.add(context, page, { prf });
  const sent = [];
  context.on('request', (request) => sent.push(request.postData() ?? ''));
  await page.goto(await at.invite(name, role));
  await page.getByRole('button', { name: 'Enrol this browser' }).click();
  await page.getByRole('heading', { name: 'Protect this device' }).waitFor();
  return { context, page, key, sent };
}

/** Enrols a person and protects the device with a passkey. */
async function protected_by_passkey(name, options) {
  const device = await at_offer(name, options);
  await device.page.getByRole('button', { name: 'Use a passkey' }).click();
  await device.page.getByRole('button', { name: 'Settings' }).waitFor();
  return device;
}

async function protected_by_pin(name) {
  const device = await at_offer(name, { prf: false });
  const { page } = device;
  await set_pin(page);
  await page.getByRole('heading', { name: 'People' }).waitFor();
  return device;
}

async function set_pin(page) {
  await page.getByRole('button', { name: 'Use a PIN' }).click();
  await page.getByLabel('New PIN').fill(PIN);
  await page.getByLabel('Repeat the PIN').fill(PIN);
  await page.getByRole('button', { name: 'Set this PIN' }).click();
}

async function unlock_with_pin(page, pin) {
  await page.getByLabel('PIN').fill(pin);
  await page.getByRole('button', { name: 'Unlock with your PIN' }).click();
}

/** This device's identifier, of a locked profile. */
async function locked_device(page) {
  const [[, wraps]] = (await copy_profile(page)).filter(([name]) => name === 'lock');
  return wraps.object.find(([name]) => name === 'device')[1].plain;
}

/** The office's answer to an assertion that a script makes with this credential, as HTTP status. */
async function asserted(page, { credentialId }, userVerification = 'required') {
  return page.evaluate(
    async ({ device, credential, userVerification }) => {
      const post = (path, body) =>
        fetch(`/api/v1/passkeys/${path}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        });
      const { ceremony, options } = await (await post('challenge', { device })).json();
      const id = credential.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
      const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON({
        ...options,
        userVerification,
        allowCredentials: [{ type: 'public-key', id }],
      });
      const answer = await navigator.credentials.get({ publicKey });
      return (await post('assertion', { ceremony, credential: answer.toJSON() })).status;
    },
    { device: await locked_device(page), credential: credentialId, userVerification },
  );
}

const locked = (page) => page.getByRole('heading', { name: 'Unlock this device' }).waitFor();
const at_people = (page) => page.getByRole('heading', { name: 'People' }).waitFor();
const is_connected = (page) => until(page, () => window.telcon.view?.phase === 'ready');
const ceremonies = (page) => page.evaluate(() => window.ceremonies);

async function unlock(page) {
  await locked(page);
  await page.getByRole('button', { name: UNLOCK }).click();
  await at_people(page);
  await is_connected(page);
}

async function erase(page) {
  await page.getByRole('button', { name: /^Erase this device/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Erase it' }).click();
}

async function lock(page) {
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Lock now' }).click();
  await locked(page);
}

/** A new browser that has a copy of somebody's profile. */
async function cloned(profile, prf) {
  const { context, page } = await person(browser, office.origin, { protects: true });
  const key = await Authenticator.add(context, page, { prf });
  await page.goto(office.origin);
  await page.getByRole('heading', { name: 'This browser isn’t set up yet' }).waitFor();
  await paste_profile(page, profile);
  await page.reload();
  await locked(page);
  return { context, page, key };
}

test('a device is protected with one touch, locked by a reload and a button, and opened with one touch; the office never gets the secret', async () => {
  const { context, page, sent } = await protected_by_passkey('The President');
  const made = await ceremonies(page);
  assert.deepEqual([made.create, made.get], [1, 0], 'one touch protects it');
  await page.reload();
  await locked(page);
  assert.equal(await page.evaluate(() => window.telcon.view), null, 'nothing of the device is open');
  await unlock(page);
  const used = await ceremonies(page);
  assert.deepEqual([used.create, used.get], [0, 1], 'one touch opens the keys and signs in');
  await lock(page);
  await unlock(page);
  const secrets = [made, used].flatMap((one) => one.secrets);
  assert.ok(secrets.length >= 2);
  assert.ok(sent.some((body) => body.includes('clientDataJSON')));
  for (const secret of secrets)
    for (const text of ['base64', 'base64url', 'hex'].map((form) => Buffer.from(secret).toString(form)))
      assert.ok(!sent.some((body) => body.includes(text)), 'the office never gets what opens the keys');
  await context.close();
});

test('“Not now” leaves the device as it was, it still opens, and the settings protect it later', async () => {
  const { context, page } = await at_offer('The Foreign Minister');
  await page.getByRole('button', { name: 'Not now' }).click();
  await at_people(page);
  await page.reload();
  await at_people(page);
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByText('This device’s keys are stored unprotected').waitFor();
  await page.getByRole('button', { name: 'Protect this device' }).click();
  await page.getByRole('button', { name: 'Use a passkey' }).click();
  await at_people(page);
  await page.reload();
  await unlock(page);
  await context.close();
});

test('a second passkey opens the device too; the first one opens nothing once it is removed; the last one stays', async () => {
  const { context, page, key } = await protected_by_passkey('The Minister of Finance');
  const second = await key.another({ transport: 'usb' });
  await second.is_touched(false);
  await page.getByRole('button', { name: 'Settings' }).click();
  const settings = page.getByRole('dialog', { name: 'Settings' });
  const rows = settings.getByText(/^Passkey, added on/);
  // The first one confirms, the second one is made: both are there, and the person touches one at a time.
  await page.route('**/passkeys/registration', async (route) => {
    const response = await route.fetch();
    await key.is_touched(false);
    await second.is_touched(true);
    await route.fulfill({ response });
  });
  await settings.getByRole('button', { name: 'Add a passkey' }).click();
  await rows.nth(1).waitFor();
  await settings.getByRole('button', { name: 'Lock now' }).click();
  await unlock(page);
  const profile_with_first = await copy_profile(page);
  await page.getByRole('button', { name: 'Settings' }).click();
  await settings
    .getByRole('button', { name: /^Remove the passkey/ })
    .first()
    .click();
  await until(page, () => document.querySelectorAll('dialog li').length === 1);
  assert.equal(await settings.getByRole('button', { name: /^Remove/ }).count(), 0, 'the last one cannot be removed');
  await settings.getByRole('button', { name: 'Lock now' }).click();
  await unlock(page);
  await second.is_touched(false);
  await key.is_touched(true);
  await page.reload();
  await locked(page);
  const [removed] = await key.credentials();
  assert.equal(await asserted(page, removed), 403, 'the office does not take the removed passkey any more');
  const [kept] = await second.credentials();
  await key.is_touched(false);
  await second.is_touched(true);
  assert.equal(await asserted(page, kept), 200, 'and takes the other one');
  await key.is_touched(true);
  await second.remove();
  await page.getByRole('button', { name: UNLOCK }).click();
  await page.getByText('Nothing was confirmed.').waitFor();
  // Who copied the profile before has the first passkey's wrap, and without its PRF secret cannot open that either.
  const copy = await cloned(profile_with_first, true);
  await key.copy_to(copy.key);
  const [copied] = await copy.key.credentials();
  assert.equal(await asserted(copy.page, copied), 403, 'nor from a copy of the profile from before');
  await copy.page.getByRole('button', { name: UNLOCK }).click();
  await copy.page.getByText('This passkey cannot protect keys').waitFor();
  assert.equal(await copy.page.evaluate(() => window.telcon.view), null);
  await copy.context.close();
  await context.close();
});

// The attacker copied the disk or browser profile.
test('a cloned profile without an authenticator cannot be opened', async () => {
  const { context, page } = await protected_by_passkey('A cloned person');
  const profile = await copy_profile(page);
  assert.deepEqual(
    profile.map(([name]) => name).sort(),
    ['anchor', 'lock', 'state'],
    'no key is stored that a browser could use',
  );
  // What a locked browser verifies an order to erase itself with is readable, and public.
  const [, anchor] = profile.find(([name]) => name === 'anchor');
  assert.deepEqual(Object.keys(JSON.parse(anchor.plain)).sort(), ['chain', 'device', 'office']);
  const copy = await cloned(profile, true);
  await copy.page.getByRole('button', { name: UNLOCK }).click();
  await copy.page.getByText('Nothing was confirmed.').waitFor();
  assert.equal(await copy.page.evaluate(() => window.telcon.view), null);
  await copy.context.close();
  await context.close();
});

// The attacker also copied the passkey, but an authenticator's PRF secrets stay inside it.
test('a cloned profile with a copy of the passkey without its PRF secret cannot be opened', async () => {
  const { context, page, key } = await protected_by_passkey('A twice cloned person');
  const profile = await copy_profile(page);
  for (const prf of [false, true]) {
    const copy = await cloned(profile, prf);
    await key.copy_to(copy.key);
    await copy.page.getByRole('button', { name: UNLOCK }).click();
    await copy.page.getByText('This passkey cannot protect keys').waitFor();
    assert.equal(await copy.page.evaluate(() => window.telcon.view), null);
    await copy.context.close();
  }
  await context.close();
});

// The attacker holds the authenticator, and cannot verify themselves to it.
test('an authenticator that does not verify its user opens nothing, also if a script asks it less strictly', async () => {
  const { context, page, key } = await protected_by_passkey('An unverified person');
  await page.reload();
  await locked(page);
  await key.verifies(false);
  await page.getByRole('button', { name: UNLOCK }).click();
  await page.getByText('Nothing was confirmed.').waitFor();
  const [credential] = await key.credentials();
  const status = await asserted(page, credential, 'discouraged');
  assert.equal(status, 403, 'the office refuses an assertion without user verification');
  assert.equal(await page.evaluate(() => window.telcon.view), null);
  await context.close();
});

test('an authenticator that cannot protect keys is told so, and nothing is registered', async () => {
  const { context, page } = await at_offer('The Minister of Health', { prf: false });
  await page.getByRole('button', { name: 'Use a passkey' }).click();
  await page.getByText('This passkey cannot protect keys.').waitFor();
  await page.getByRole('button', { name: 'Not now' }).click();
  await at_people(page);
  await page.reload();
  await at_people(page);
  await is_connected(page);
  await context.close();
});

test('a dangerous command asks again once the last confirmation is old, and then is carried out', async () => {
  const { context, page } = await protected_by_passkey('Security officer', { role: 'security-officer' });
  const officer = await Officer.on_page(page, office, 'Security officer');
  await page.clock.install();
  await page.reload();
  await locked(page);
  await page.getByRole('button', { name: UNLOCK }).click();
  await officer.invite('The Ambassador');
  assert.equal((await ceremonies(page)).get, 1, 'unlocking was the confirmation');
  await page.clock.fastForward('05:00');
  await officer.invite('The Consul');
  assert.equal((await ceremonies(page)).get, 2, 'it asked again');
  await page.clock.fastForward('01:00');
  await officer.invite('The Attaché');
  assert.equal((await ceremonies(page)).get, 2, 'and not for each command');
  await context.close();
});

test('a PIN opens the device with the office’s help; a copied profile is limited in its attempts', async () => {
  const { context, page } = await protected_by_pin('The Minister of Justice');
  await page.reload();
  await locked(page);
  await unlock_with_pin(page, PIN);
  await at_people(page);
  await is_connected(page);
  const copy = await cloned(await copy_profile(page), false);
  await unlock_with_pin(copy.page, '000000');
  await copy.page.getByText('Wrong PIN. 9 attempts are left.').waitFor();
  for (const [pin, left] of [
    ['111111', 8],
    ['222222', 7],
  ]) {
    await unlock_with_pin(copy.page, pin);
    await copy.page.getByText(`Wrong PIN. ${left} attempts are left.`).waitFor();
  }
  await unlock_with_pin(copy.page, PIN);
  await copy.page.getByText(/Too many wrong PINs\. Wait/).waitFor();
  await copy.context.close();
  await context.close();
});

test('after too many wrong PINs the device cannot be opened any more, also with the right one, and is erased on request', async () => {
  const { context, page } = await protected_by_pin('The Minister of Culture');
  await page.reload();
  await locked(page);
  // Nine attempts were made before, and their waiting times have passed.
  await office.kill_server();
  const sql = 'UPDATE lockers SET failures = 9, retry_ms = 0';
  const python = 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()';
  await promisify(execFile)('python3', ['-c', python, join(office.dir, 'server/telcon.db'), sql]);
  await office.serve();
  for (const pin of ['000000', PIN]) {
    await unlock_with_pin(page, pin);
    await page.getByText('your office erased its part of the key').waitFor();
  }
  await erase(page);
  await page.getByRole('heading', { name: 'This browser isn’t set up yet' }).waitFor();
  assert.deepEqual(await copy_profile(page), [], 'nothing of the device is left');
  await context.close();
});

test('a PIN is changed, and the one before opens nothing', async () => {
  const { context, page } = await protected_by_pin('The Minister of Defence');
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Change the PIN' }).click();
  const confirm = page.getByRole('dialog', { name: 'Confirm that it is you' });
  await confirm.getByLabel('PIN').fill(PIN);
  await confirm.getByRole('button', { name: 'Confirm with your PIN' }).click();
  const choose = page.getByRole('dialog', { name: 'Choose a new PIN' });
  await choose.getByLabel('New PIN').fill('314159');
  await choose.getByLabel('Repeat the PIN').fill('314159');
  await choose.getByRole('button', { name: 'Set this PIN' }).click();
  await choose.waitFor({ state: 'detached' });
  await page.reload();
  await locked(page);
  await unlock_with_pin(page, PIN);
  await page.getByText('Wrong PIN.').waitFor();
  await unlock_with_pin(page, '314159');
  await at_people(page);
  await context.close();
});

test('a link that is opened in a locked browser is not used, and enrols it once the device there is erased', async () => {
  const { context, page } = await protected_by_passkey('The Minister of Education');
  await page.reload();
  await locked(page);
  await page.goto(await office.invite('The Minister of Research', 'principal'));
  await page.getByText('The enrolment link was not used.').waitFor();
  assert.equal(new URL(page.url()).hash, '', 'the link’s secret is out of the address');
  await page.getByRole('button', { name: /^Erase this device/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Keep it' }).click();
  await erase(page);
  await page.getByRole('button', { name: 'Enrol this browser' }).click();
  await page.getByRole('heading', { name: 'Protect this device' }).waitFor();
  await page.getByRole('button', { name: 'Not now' }).click();
  await at_people(page);
  assert.equal(await page.evaluate(() => window.telcon.view.you.name), 'The Minister of Research');
  await context.close();
});

test('a PIN whose setting was interrupted after the office counted it opens the device', async () => {
  const { context, page } = await at_offer('The Minister of Transport', { prf: false });
  let opened = 0;
  await context.route('**/lockers/open', async (route) => {
    await route.fetch();
    opened++;
    await route.abort();
  });
  await set_pin(page);
  await page.getByRole('alert').filter({ hasText: 'office' }).waitFor();
  assert.equal(opened, 1, 'the office opened the locker, and its answer was lost');
  await context.unroute('**/lockers/open');
  await page.reload();
  await locked(page);
  await unlock_with_pin(page, '000000');
  await page.getByText('Wrong PIN. 9 attempts are left.').waitFor();
  await unlock_with_pin(page, PIN);
  await at_people(page);
  await is_connected(page);
  await page.reload();
  await locked(page);
  await unlock_with_pin(page, PIN);
  await at_people(page);
  await context.close();
});

test('where the office requires a protection nobody goes on without one, also while it does not say so', async () => {
  const strict = await Office.make({ serve: ['--require-protection'] });
  try {
    const { context, page } = await at_offer('The Minister of Energy', { at: strict });
    const later = page.getByRole('button', { name: 'Not now' });
    await page.getByText('Your office requires this.').waitFor();
    assert.equal(await later.count(), 0);
    let asked = 0;
    await context.route('**/api/v1/protection', (route) => {
      asked++;
      return route.abort();
    });
    // A browser that does not know yet what the office wants, and one whose person had postponed it.
    for (const [name, value] of [
      ['telcon.unrelated', ''],
      ['telcon.protect_later', '1'],
    ]) {
      await page.evaluate(([name, value]) => (localStorage.clear(), localStorage.setItem(name, value)), [name, value]);
      const before = asked;
      await page.reload();
      await page.getByRole('button', { name: 'Use a passkey' }).and(page.locator(':enabled')).waitFor();
      assert.ok(asked > before, 'the office was asked, in vain');
      assert.equal(await later.count(), 0);
      await page.getByRole('heading', { name: 'Protect this device' }).waitFor();
    }
    await context.unroute('**/api/v1/protection');
    await page.getByText('Your office requires this.').waitFor();
    await page.getByRole('button', { name: 'Use a passkey' }).click();
    await at_people(page);
    await context.close();
  } finally {
    await strict.close();
  }
});

test('a reload during a call asks for one touch and rejoins the call', async () => {
  const { context, page } = await protected_by_passkey('The Chancellor');
  const other = await enrolled(browser, office, 'The Premier');
  await page.getByRole('button', { name: 'Ring The Premier' }).click();
  await other.getByRole('button', { name: 'Accept' }).click();
  const live = () => window.telcon.view?.call?.state === 'live' && window.telcon.timings.first_audio_ms !== null;
  await Promise.all([until(page, live), until(other, live)]);
  page.on('dialog', (dialog) => dialog.accept());
  await page.reload();
  await locked(page);
  await page.getByRole('button', { name: UNLOCK }).click();
  await until(page, live);
  await until(other, live);
  await context.close();
  await other.context().close();
});

test('no page had an uncaught error', () => {
  assert.deepEqual(page_errors, []);
});
