// The real page, worker and media in Chromium with the fake engine: everything but the protocol.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { build } from 'vite';
import { launch, person, until } from './helpers/chromium.mjs';
import { alerts, devices, office, requests } from './helpers/fake_office.mjs';
import { root, serve } from './helpers/screenshots.mjs';

let site, browser;
before(async () => {
  await build({ root, mode: 'fake', logLevel: 'error' });
  site = await serve(join(root, 'dist-fake'), 'index.html', office);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  site?.stop();
});

async function enrolled() {
  const { context, page } = await person(browser, site.origin);
  await page.goto(`${site.origin}/#enrol=good`);
  await page.getByRole('button', { name: 'Enrol this browser' }).click();
  await until(page, () => window.telcon.screen === 'people');
  return { context, page };
}

test('enrolment names the person, reports refusals, stores nothing before the office accepted it, and clears the address', async () => {
  const { context, page } = await person(browser, site.origin);
  await page.goto(site.origin);
  await page.getByRole('heading', { name: 'This browser isn’t set up yet' }).waitFor();
  await page.goto(`${site.origin}/#enrol=expired`);
  await page.getByRole('heading', { name: 'This link has expired' }).waitFor();
  await page.getByText('Ask your office for a new one.').waitFor();
  await page.goto(`${site.origin}/?again#enrol=used`);
  await page.getByRole('heading', { name: 'Enrol this browser for the President' }).waitFor();
  await page.getByRole('button', { name: 'Enrol this browser' }).click();
  await page.getByRole('heading', { name: 'This link has already been used' }).waitFor();
  await page.getByText('ask your office for another.').waitFor();
  await page.goto(`${site.origin}/?once`);
  await page.getByRole('heading', { name: 'This browser isn’t set up yet' }).waitFor();
  await page.goto(`${site.origin}/#enrol=good`);
  await page.getByRole('button', { name: 'Enrol this browser' }).click();
  await page.getByRole('heading', { name: 'People' }).waitFor();
  assert.equal(new URL(page.url()).hash, '');
  assert.deepEqual(devices, ['good']);
  await page.reload();
  await page.getByRole('heading', { name: 'People' }).waitFor();
  await context.close();
});

test('a device asks a registrar at once, shows the code, waits through a reload, and goes on as enrolled when approved', async () => {
  const { context, page } = await person(browser, site.origin);
  await page.goto(`${site.origin}/#enrol=ask-good`);
  await page.getByText('471 029 583 016').waitFor();
  assert.equal(new URL(page.url()).hash, '', 'the link’s secret is out of the address');
  await page.reload();
  await page.getByText('471 029 583 016').waitFor();
  // The same link again, from the message that brought it: it must not count as another device.
  await page.goto(`${site.origin}/?again#enrol=ask-good`);
  await page.getByText('this browser is waiting already').waitFor();
  requests.approved = true;
  await page.getByRole('heading', { name: 'People' }).waitFor();
  assert.equal(new Set(requests.asked.splice(0)).size, 1, 'one request, repeated');
  await page.reload();
  await page.getByRole('heading', { name: 'People' }).waitFor();
  requests.approved = false;
  await context.close();
});

test('a device that was refused, or whose link another one used, is told so and keeps nothing', async () => {
  const { context, page } = await person(browser, site.origin);
  await page.goto(`${site.origin}/#enrol=ask-refused`);
  await page.getByRole('heading', { name: 'Your security officer did not approve this device' }).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'This browser isn’t set up yet' }).waitFor();
  await page.goto(`${site.origin}/?used#enrol=ask-used`);
  await page.getByRole('heading', { name: 'Another device opened this link first' }).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'This browser isn’t set up yet' }).waitFor();
  await page.goto(`${site.origin}/?stop#enrol=ask-good`);
  await page.getByText('471 029 583 016').waitFor();
  await page.getByRole('button', { name: 'Stop and erase this request' }).click();
  await page.getByRole('heading', { name: 'This browser isn’t set up yet' }).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'This browser isn’t set up yet' }).waitFor();
  await context.close();
});

test('a security officer reads the office’s alerts and marks one as seen, which stays in the list', async () => {
  const { context, page } = await person(browser, site.origin);
  await page.goto(`${site.origin}/#enrol=officer`);
  await page.getByRole('button', { name: 'Enrol this browser' }).click();
  await page.getByRole('button', { name: 'Alerts 2 unseen' }).click();
  const forked = page.getByRole('article', { name: 'A device was shown a log that does not match the earlier one' });
  await forked.getByText('Stop confidential calls.').waitFor();
  await forked.getByText('Device of the President: Chrome (Android)').waitFor();
  await page.getByRole('article', { name: 'A sign-in failed' }).getByText('12 times').waitFor();
  // The office says who saw it, and the list is read again.
  alerts[0].seen = { by: 'e'.repeat(32), at_ms: 1_795_340_600_000 };
  await forked.getByRole('button', { name: 'Mark as seen' }).click();
  await page.getByRole('button', { name: 'Alerts 1 unseen' }).waitFor();
  await forked.getByText('Seen by a security officer').waitFor();
  assert.equal(await forked.getByRole('button', { name: 'Mark as seen' }).count(), 0);
  await page.reload();
  await page.getByRole('heading', { name: 'Alerts' }).waitFor();
  await page.keyboard.press('Alt+1');
  await page.getByRole('heading', { name: 'People and devices' }).waitFor();
  await page.keyboard.press('Alt+2');
  await forked.waitFor();
  await context.close();
});

test('a device that was added in one’s name is announced until it is acknowledged', async () => {
  const { context, page } = await enrolled();
  const peer = await context.newPage();
  await peer.goto(`${site.origin}/peer.html`);
  await peer.evaluate(() => window.channel.postMessage({ fake: 'device_added' }));
  await page.bringToFront();
  const notice = page.getByRole('alert').filter({ hasText: 'A new device was added in your name: Chrome (Android)' });
  await notice.getByText('tell your security officer now').waitFor();
  await page.getByRole('button', { name: 'Calls' }).click();
  await notice.getByRole('button', { name: 'I expected it' }).click();
  await notice.waitFor({ state: 'detached' });
  await context.close();
});

test('a security officer’s device is appointed, invites, shows the link, and approves after the code was read out', async () => {
  const { context, page } = await person(browser, site.origin);
  await page.goto(`${site.origin}/#enrol=officer`);
  await page.getByRole('button', { name: 'Enrol this browser' }).click();
  await page.getByRole('heading', { name: 'This device may not invite or approve yet' }).waitFor();
  const saving = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Save appointment-request.txt' }).click();
  const saved = await saving;
  assert.equal(saved.suggestedFilename(), 'appointment-request.txt');
  assert.equal(await readFile(await saved.path(), 'utf8'), 'fake appointment request');

  const peer = await context.newPage();
  await peer.goto(`${site.origin}/peer.html`);
  await page.bringToFront();
  const tell = (fake) => peer.evaluate((message) => window.channel.postMessage({ fake: message }), fake);
  await tell('appointed');
  await page.getByRole('button', { name: /^Invite/ }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Close' }).click();
  await dialog.waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.keyboard.press('Alt+N');
  assert.equal(await dialog.count(), 1, 'no shortcut acts behind a dialog');
  await dialog.getByRole('button', { name: 'Close' }).click();
  await dialog.waitFor({ state: 'detached' });
  // The shortcut is back when its button says so.
  await page.locator('button[aria-keyshortcuts="Alt+N"]').waitFor();
  await page.keyboard.press('Alt+N');
  await dialog.getByRole('button', { name: 'Create the link' }).click();
  await dialog.getByText('Enter a name and an organisation.').waitFor();
  await dialog.getByLabel('Name or title').fill('The Foreign Minister');
  await dialog.getByLabel('Organisation').fill('Ministry of Foreign Affairs');
  await dialog.getByLabel('Time zone').fill('Nowhere');
  await dialog.getByRole('button', { name: 'Create the link' }).click();
  await dialog.getByText('This is not a time zone').waitFor();
  await dialog.getByLabel('Time zone').fill('Europe/Oslo');
  await page.keyboard.press('Enter');
  const link = page.getByRole('dialog', { name: 'Link for the Foreign Minister' });
  assert.equal(await link.getByLabel('Link', { exact: true }).inputValue(), `${site.origin}/#enrol=ask-good`);
  await link.getByRole('img', { name: 'The link as a QR code' }).waitFor();
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: site.origin });
  await link.getByRole('button', { name: 'Copy link' }).click();
  await link.getByText('Copied.').waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `${site.origin}/#enrol=ask-good`);

  await tell('asks');
  await link.waitFor({ state: 'detached' });
  assert.equal(await page.title(), '1 device waits · Telcon');
  await page.getByRole('button', { name: 'Approve' }).click();
  await page.getByRole('dialog').getByText('471 029 583 016').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Approve' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Back' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await until(page, () => document.activeElement?.textContent?.trim() === 'Approve');
  await page.getByRole('button', { name: 'Approve' }).click();
  await page.getByRole('button', { name: 'The person read me this code' }).click();
  await page.getByText('No device is waiting.').waitFor();
  await context.close();
});

test('a person sees the devices that are enrolled in their name', async () => {
  const { context, page } = await enrolled();
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Your devices' }).click();
  await page.getByRole('heading', { name: 'Your devices' }).waitFor();
  await page.getByText('Chrome (Android)').waitFor();
  assert.equal(new URL(page.url()).hash, '#my-devices');
  await context.close();
});

test('the stored state is encrypted with a non-extractable key', async () => {
  const { context, page } = await enrolled();
  const kept = await page.evaluate(async () => {
    const database = await new Promise((resolve, reject) => {
      const request = indexedDB.open('telcon');
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
    const get = (name) =>
      new Promise((resolve) => {
        const request = database.transaction('keep').objectStore('keep').get(name);
        request.onsuccess = () => resolve(request.result);
      });
    const [key, state] = [await get('key'), await get('state')];
    return { extractable: key.extractable, sealed: new TextDecoder().decode(state.sealed), nonce: state.nonce.length };
  });
  assert.equal(kept.extractable, false);
  assert.equal(kept.nonce, 12);
  assert.ok(!kept.sealed.includes('fake'));
  await context.close();
});

test('a second tab waits, and continues when the first closes', async () => {
  const { context, page } = await enrolled();
  const second = await context.newPage();
  await second.goto(site.origin);
  await second.getByRole('heading', { name: 'Telcon is open in another tab' }).waitFor();
  await page.close();
  await second.getByRole('heading', { name: 'People' }).waitFor();
  await context.close();
});

test('in a call nothing is sent in the clear or before the keys, frames are decrypted, muting keeps the rate, and a reload rejoins', async () => {
  const { context, page } = await enrolled();
  const peer = await context.newPage();
  await peer.goto(`${site.origin}/peer.html`);
  await page.bringToFront();
  await page.getByRole('button', { name: 'Ring The Prime Minister of Estmark' }).click();
  await until(page, () => window.telcon.view.call?.state === 'ringing');
  await page.getByRole('button', { name: 'Stop ringing' }).waitFor();
  await peer.waitForFunction(() => window.heard.legs === 1);
  assert.equal(await peer.evaluate(() => window.heard.frames), 0, 'no frame before there are keys');

  await peer.evaluate(() => window.channel.postMessage({ fake: 'answers' }));
  const { timings } = await until(page, () => window.telcon.timings.first_audio_ms !== null);
  // The worker reports the answer and the first frame in separate messages, and the page reads its clock at each.
  const until_sound = timings.first_audio_ms - timings.answer_ms;
  assert.ok(until_sound > -1_000 && until_sound < 10_000, `${timings.first_audio_ms} after ${timings.answer_ms}`);
  console.log(
    `answer to first opened frame, fake engine: ${Math.round(timings.first_audio_ms - timings.answer_ms)} ms`,
  );
  await peer.waitForFunction(() => window.heard.frames > 60);
  const heard = await peer.evaluate(() => window.heard);
  assert.deepEqual(heard.clear, [], 'every frame is sealed');
  assert.equal(heard.levels, 0, 'no audio levels were offered');
  const steady = new Set(heard.sizes.slice(20));
  assert.equal(steady.size, 1, `constant size: ${[...steady]}`);

  const rate = async () => {
    const from = await peer.evaluate(() => ({ at: performance.now(), frames: window.heard.frames }));
    await peer.waitForFunction((n) => window.heard.frames >= n, from.frames + 50);
    const to = await peer.evaluate(() => ({ at: performance.now(), frames: window.heard.frames }));
    return ((to.frames - from.frames) * 1000) / (to.at - from.at);
  };
  await page.getByRole('button', { name: 'Mute' }).click();
  await page.getByText('You are muted').waitFor();
  const muted = await rate();
  assert.ok(muted > 35 && muted < 65, `50 frames a second, muted too: ${muted}`);
  const sizes = await peer.evaluate(() => new Set(window.heard.sizes.slice(-40)).size);
  assert.equal(sizes, 1, 'constant size, muted too');

  await page.reload();
  await until(page, () => window.telcon.view?.call?.state === 'live' && window.telcon.timings.first_audio_ms !== null);
  await page.getByRole('button', { name: 'End call' }).click();
  await page.getByRole('heading', { name: 'You hung up' }).waitFor();
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByRole('heading', { name: 'People' }).waitFor();
  await context.close();
});

test('a caller who reloads while it rings keeps the direction, the name and the button to stop', async () => {
  const { context, page } = await enrolled();
  const asked = [];
  page.on('dialog', async (dialog) => {
    asked.push(dialog.type());
    await dialog.accept();
  });
  await page.getByRole('button', { name: 'Ring The Prime Minister of Estmark' }).click();
  await page.getByText('The Prime Minister of Estmark’s device is ringing.').waitFor();
  await page.reload();
  await page.getByText('The call may still be ringing').waitFor();
  await page.getByRole('button', { name: 'Mute' }).waitFor();
  assert.deepEqual(asked, ['beforeunload'], 'the browser asked before it left the call');
  await page.getByRole('heading', { name: 'The Prime Minister of Estmark' }).waitFor();
  await page.getByRole('button', { name: 'Stop ringing' }).click();
  await page.getByRole('heading', { name: 'You cancelled the call' }).waitFor();
  await context.close();
});

test('the language is the browser’s, is changed on the page, and is remembered', async () => {
  const { context, page } = await person(browser, site.origin, { locale: 'fr-CA' });
  await page.goto(site.origin);
  await page.getByRole('heading', { name: 'Ce navigateur n’est pas encore configuré' }).waitFor();
  const marked = () => page.evaluate(() => [document.documentElement.lang, document.documentElement.dir]);
  assert.deepEqual(await marked(), ['fr', 'ltr']);
  await page.getByLabel('Langue').selectOption('en');
  await page.getByRole('heading', { name: 'This browser isn’t set up yet' }).waitFor();
  assert.deepEqual(await marked(), ['en', 'ltr']);
  await page.reload();
  await page.getByRole('heading', { name: 'This browser isn’t set up yet' }).waitFor();
  await context.close();
});

/** Init script: sound is held until a press. Playwright's own calls count as one, so the browser's policy never holds it. */
function hold_sound() {
  const Native = window.AudioContext;
  let pressed = false;
  addEventListener('pointerdown', () => (pressed = true), { capture: true });
  window.AudioContext = class extends Native {
    get state() {
      return pressed ? super.state : 'suspended';
    }
    async resume() {
      return pressed ? super.resume() : new Promise(() => {});
    }
  };
}

test('a page that may not sound asks for a press while idle, and a ring says that it is silent', async () => {
  const { context, page } = await enrolled();
  await page.addInitScript(hold_sound);
  await page.reload();
  await page.getByText('Click anywhere to allow the ring sound').waitFor();
  const peer = await context.newPage();
  await peer.goto(`${site.origin}/peer.html`);
  await page.bringToFront();
  await peer.evaluate(() => window.channel.postMessage({ fake: 'rings', verified: true }));
  await page.getByText('This ring is silent').waitFor();
  await page.getByRole('heading', { name: 'The Prime Minister of Estmark' }).click();
  await page.getByText('This ring is silent').waitFor({ state: 'detached' });
  await context.close();
});

test('microphone and speaker are tried and chosen before a call', async () => {
  const { context, page } = await enrolled();
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Test microphone' }).click();
  const level = page.getByRole('meter', { name: 'Microphone level' });
  await page.waitForFunction((meter) => Number(meter.getAttribute('aria-valuenow')) > 5, await level.elementHandle());
  await page.getByRole('button', { name: 'Stop the test' }).click();
  await page.getByLabel('Microphone', { exact: true }).selectOption({ index: 1 });
  const chosen = await page.evaluate(() => localStorage.getItem('telcon.microphone'));
  assert.ok(chosen, 'the choice is remembered');
  await page.getByRole('button', { name: 'Play a test tone' }).click();
  await page.getByRole('button', { name: 'Close' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  const focused = await page.evaluate(() => document.activeElement.textContent.trim());
  assert.match(focused, /^Settings/, 'the focus is back where it was');
  await context.close();
});

test('an unverified ring is not shown', async () => {
  const { context, page } = await enrolled();
  const peer = await context.newPage();
  await peer.goto(`${site.origin}/peer.html`);
  await page.bringToFront();
  await peer.evaluate(() => window.channel.postMessage({ fake: 'rings', verified: false }));
  await page.getByText('A call arrived that this device could not verify').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Accept' }).count(), 0);
  await peer.evaluate(() => window.channel.postMessage({ fake: 'rings', verified: true }));
  await page.getByText('Verified by this device', { exact: true }).waitFor();
  assert.equal(await page.title(), 'The Prime Minister of Estmark is calling');
  await page.keyboard.press('Enter');
  assert.equal(
    await page.evaluate(() => window.telcon.view.call.state),
    'ringing',
    'a key pressed meanwhile answers nothing',
  );
  await page.keyboard.press('Alt+a');
  const { timings } = await until(page, () => window.telcon.timings.first_audio_ms !== null);
  console.log(
    `accept to first opened frame, fake engine: ${Math.round(timings.first_audio_ms - timings.answer_ms)} ms`,
  );
  await peer.evaluate(() => window.channel.postMessage({ fake: 'hangs_up' }));
  await page.getByRole('heading', { name: 'The call has ended' }).waitFor();
  await context.close();
});

test('a second ring stands beside the first, each is declined by itself, and a caller is silenced', async () => {
  const { context, page } = await enrolled();
  const peer = await context.newPage();
  await peer.goto(`${site.origin}/peer.html`);
  await page.bringToFront();
  const rings = () => peer.evaluate(() => window.channel.postMessage({ fake: 'rings', verified: true }));
  await rings();
  await page.getByRole('heading', { name: 'The Prime Minister of Estmark' }).waitFor();
  await rings();
  const further = page.getByRole('region', { name: 'Also ringing' });
  await further.getByText('The President of Norland').waitFor();
  await further.getByRole('button', { name: 'Decline the call from the President of Norland' }).click();
  await further.waitFor({ state: 'detached' });
  assert.equal(await page.evaluate(() => window.telcon.view.call.state), 'ringing', 'the first one rings on');
  await rings();
  await page.getByRole('button', { name: 'Decline', exact: false }).first().waitFor();
  await page.keyboard.press('Alt+n');
  await page.getByRole('heading', { name: 'The President of Norland' }).waitFor();
  await page.getByRole('button', { name: 'Silence this caller' }).click();
  await page.getByRole('button', { name: 'Done' }).click();
  const silenced = page.getByRole('button', { name: 'Let ring again: The President of Norland' });
  await silenced.click();
  await page.getByRole('heading', { name: 'Silenced callers' }).waitFor({ state: 'detached' });
  await rings();
  await page.getByRole('heading', { name: 'The Prime Minister of Estmark' }).waitFor();
  await rings();
  await further.getByRole('button', { name: 'Accept the call from the President of Norland' }).click();
  await until(page, () => window.telcon.view.call.state === 'live');
  await context.close();
});

test('a browser without encoded transforms gets an explanation and no controls', async () => {
  const { context, page } = await person(browser, site.origin);
  await page.addInitScript(() => delete window.RTCRtpScriptTransform);
  await page.goto(site.origin);
  await page.getByRole('heading', { name: 'Telcon needs a browser that can encrypt calls itself' }).waitFor();
  assert.equal(await page.getByRole('button').count(), 0);
  await context.close();
});
