// People of every role in one browser, each at a name of its own below localhost, with the real engine and server: the screen that
// each starts with, what it offers, and a call that is watched, heard and audited.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { capture_tracks, wait_for_audio } from './helpers/audio.mjs';
import { Authenticator } from './helpers/authenticator.mjs';
import { launch, page_errors, person, until } from './helpers/chromium.mjs';
import { Office } from './helpers/office.mjs';

let office, browser, context;
const pages = new Map();

/**
 * Role, heading of its first screen, and its navigation beside Settings: the first leads to that screen, the others to one of their
 * own name.
 */
const ROLES = [
  ['principal', 'People', ['People', 'Calls', 'Lines', 'Papers', 'Acting']],
  ['counterpart', 'People', ['People', 'Calls', 'Lines', 'Papers']],
  ['scheduler', 'Calls today', ['Today', 'Calls', 'Lines', 'Papers', 'Acting']],
  ['duty-officer', 'Desk', ['Desk', 'Calls', 'Lines', 'Papers', 'Acting']],
  ['interpreter', 'Interpreting', ['Calls', 'Papers']],
  ['security-officer', 'People and devices', ['Devices', 'Alerts', 'Lines', 'Papers', 'Acting']],
  ['records-officer', 'Calls', ['Calls', 'Papers']],
  ['auditor', 'Calls', ['Calls', 'Alerts', 'Papers']],
];

before(async () => {
  office = await Office.make();
  browser = await launch();
  ({ context } = await person(browser, office.origin));
  await context.addInitScript(capture_tracks);
});
after(async () => {
  await browser?.close();
  await office?.close();
});

/** The heading of *Acting*: a principal lets others act, staff act, and security officers see who does. */
const ACTING = {
  principal: 'Who acts for you',
  scheduler: 'You act for',
  'duty-officer': 'You act for',
  'security-officer': 'Who acts for whom',
};

/** The heading of *Lines*: whose they are. */
const LINES = {
  principal: 'Who can reach me',
  counterpart: 'Your lines',
  scheduler: 'Who can reach whom',
  'duty-officer': 'Who can reach whom',
  'security-officer': 'Who holds which line',
};

/** The heading of *Papers*: the first list of the role. */
const PAPERS = {
  principal: 'Planned calls',
  counterpart: 'Planned calls',
  scheduler: 'Planned calls',
  'duty-officer': 'Planned calls',
};

/** Requests that the office refused, as `status path`. */
const refused = [];

async function opened(role, name) {
  const origin = office.origin.replace('localhost', `${role}.localhost`);
  await context.grantPermissions(['microphone'], { origin });
  const page = await context.newPage();
  page.on('pageerror', (error) => page_errors.push(`${error}`));
  page.on('response', (answer) => {
    const { pathname } = new URL(answer.url());
    if (answer.status() >= 400 && pathname.startsWith('/api/v1/')) refused.push(`${answer.status()} ${pathname}`);
  });
  const link = await office.invite(name, role);
  await page.goto(link.replace(office.origin, origin));
  await page.getByRole('button', { name: 'Enrol this browser' }).click();
  return page;
}

test('each role starts with a screen of its own, and every button of its navigation leads somewhere', async () => {
  for (const [role, heading, navigation] of ROLES) {
    const page = await opened(role, `The ${role.replace('-', ' ')}`);
    pages.set(role, page);
    await page.getByRole('heading', { name: heading, exact: true, level: 1 }).waitFor();
    // Beside it, *Papers* has a navigation of its own.
    const main = page.getByRole('navigation').first();
    const buttons = main.getByRole('button');
    assert.equal(await buttons.count(), navigation.length + 1, role);
    for (const name of navigation) {
      await main.getByRole('button', { name }).click();
      const titles = { Acting: ACTING[role], Lines: LINES[role], Papers: PAPERS[role] ?? 'Copies for you' };
      const leads_to = name === navigation[0] ? heading : (titles[name] ?? name);
      await page.getByRole('heading', { name: leads_to, exact: true, level: 1 }).waitFor();
      await until(page, () => Boolean(window.telcon.view?.token));
      assert.equal(
        await page.getByText(/role does not include this|could not be loaded/).count(),
        0,
        `${role}: ${name}`,
      );
    }
    await main.getByRole('button', { name: navigation[0] }).click();
    assert.deepEqual(refused, [], role);
  }
});

test('a call is seen by the scheduler, heard by the interpreter, and proven to the auditor', async () => {
  const [caller, callee] = [pages.get('principal'), pages.get('counterpart')];
  await caller.getByRole('button', { name: 'Ring The counterpart' }).click();
  await callee.getByRole('button', { name: 'Accept' }).click();
  await until(caller, () => window.telcon.view?.call?.state === 'live');

  const scheduler = pages.get('scheduler');
  await scheduler.getByRole('region', { name: /The principal and the counterpart/i }).waitFor();
  assert.equal(await scheduler.getByRole('button', { name: 'Join as visible listener' }).count(), 0);

  const interpreter = pages.get('interpreter');
  await interpreter.getByText('you are not heard').waitFor();
  await interpreter.getByRole('button', { name: 'Join as visible listener' }).click();
  const joined = () => window.telcon.view?.call?.members.some((member) => member.role === 'interpreter');
  await Promise.all([until(caller, joined), until(callee, joined), until(interpreter, joined)]);
  await wait_for_audio(interpreter);
  assert.equal(await interpreter.getByText('Captions', { exact: true }).count(), 0, 'no captions are promised');

  await caller.getByRole('button', { name: 'End call' }).click();
  const auditor = pages.get('auditor');
  await auditor.reload();
  await auditor
    .getByRole('button', { name: /principal/i })
    .first()
    .click();
  await auditor
    .getByRole('heading', { name: /Record of a telephone conversation/ })
    .first()
    .waitFor();
  await auditor.getByRole('button', { name: 'Alerts' }).click();
  await auditor.getByText('A device was enrolled').first().waitFor();
  assert.equal(await auditor.getByRole('button', { name: /Mark/ }).count(), 0);
});

test('a page below localhost is protected by a passkey of its own name', async () => {
  const { context, page } = await person(browser, office.origin, { protects: true });
  await Authenticator.add(context, page);
  const link = await office.invite('The keeper', 'auditor');
  await page.goto(link.replace('localhost', 'keeper.localhost'));
  await page.getByRole('button', { name: 'Enrol this browser' }).click();
  await page.getByRole('button', { name: 'Use a passkey' }).click();
  await page.getByRole('button', { name: 'Settings' }).waitFor();
  await page.reload();
  await page.getByRole('button', { name: 'Unlock with your passkey' }).click();
  await page.getByRole('heading', { name: 'Calls', level: 1 }).waitFor();
});

test('no page had an uncaught error, and asked for nothing that its role may not have', () => {
  assert.deepEqual(page_errors, []);
  assert.deepEqual(refused, []);
});
