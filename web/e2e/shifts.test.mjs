// A place's device: enrolled as one, and people begin, hand over and end their shifts at it with their own passkeys.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Authenticator } from './helpers/authenticator.mjs';
import { launch, page_errors, person, until } from './helpers/chromium.mjs';
import { enrolled } from './helpers/enrolled.mjs';
import { Office } from './helpers/office.mjs';
import { Officer, code, opened } from './helpers/officer.mjs';

const BEGIN = 'Sign in to begin your shift';

let office, browser, officer, room, reader, ana, ben, president, minister;

/** Enrols a person whose own device is protected by a passkey; returns its authenticator. */
async function with_passkey(name, role) {
  const { context, page } = await person(browser, office.origin, { protects: true });
  const key = await Authenticator.add(context, page);
  await page.goto(await office.invite(name, role));
  await page.getByRole('button', { name: 'Enrol this browser' }).click();
  await page.getByRole('heading', { name: 'Protect this device' }).waitFor();
  await page.getByRole('button', { name: 'Use a passkey' }).click();
  await page.getByRole('button', { name: 'Settings' }).waitFor();
  return { page, key };
}

/** Somebody puts their security key into the room's machine, and takes the one before out. */
async function insert(key) {
  await reader.remove();
  reader = await reader.another({ transport: 'usb' });
  await key.copy_to(reader);
}

before(async () => {
  office = await Office.make();
  browser = await launch();
  officer = await Officer.appointed(browser, office, 'Security officer');
  ana = await with_passkey('Ana Ruiz', 'duty-officer');
  ben = await with_passkey('Ben Ito', 'duty-officer');
});
after(async () => {
  await browser?.close();
  await office?.close();
});

test('a security officer invites a place, whose device is approved as any other', async () => {
  const { page } = officer;
  await page.getByRole('button', { name: /^Invite/ }).click();
  const form = page.getByRole('dialog', { name: 'Invite a person or a place' });
  await form.getByLabel('Who is invited').selectOption('place');
  await form.getByLabel('Name of the place').fill('Operations room');
  await form.getByLabel('Organisation').fill('Office of the President');
  assert.equal(await form.getByRole('option', { name: 'Principal' }).count(), 0, 'a leader is no place');
  await form.getByLabel('Role').selectOption({ label: 'Duty officer' });
  await form.getByLabel('Time zone').fill('Europe/Oslo');
  await form.getByRole('button', { name: 'Create the link' }).click();
  const link = await officer.shown_link();
  const device = await opened(browser, office, link);
  room = device.page;
  reader = await Authenticator.add(device.context, room, { transport: 'usb' });
  const shown = await code(room);
  await officer.approve('Operations room', shown);
  await room.getByRole('heading', { name: 'Operations room' }).waitFor();
  await room.getByRole('button', { name: BEGIN }).waitFor();
  const { you, token, notices } = await room.evaluate(() => window.telcon.view);
  assert.deepEqual([you.place, you.role, token, notices], [true, 'duty_officer', null, []]);
});

test('nobody works there without a passkey', async () => {
  await room.getByRole('button', { name: BEGIN }).click();
  await room.getByText('Nobody signed in.').waitFor();
  assert.equal(await room.getByRole('heading', { name: 'Desk' }).count(), 0);
});

test('a person begins their shift with their own passkey', async () => {
  await insert(ana.key);
  await room.getByRole('button', { name: BEGIN }).click();
  await room.getByRole('heading', { name: 'Desk' }).waitFor();
  await room.getByText(/^Ana Ruiz on shift since/).waitFor();
  await until(room, () => window.telcon.view.phase === 'ready');
  // The security officer sees who is there, and Ana that she is.
  await officer.page.getByText('Ana Ruiz on shift, says the office’s server', { exact: false }).waitFor();
  await ana.page.getByRole('button', { name: 'Settings' }).click();
  await ana.page.getByRole('button', { name: 'Your devices' }).click();
  await ana.page.getByText('At Operations room').waitFor();
});

test('a reload and a restart of the server end no shift', async () => {
  await room.reload();
  await room.getByText(/^Ana Ruiz on shift since/).waitFor();
  await office.kill_server();
  await office.serve();
  await until(room, () => window.telcon.view.phase === 'ready');
  await room.getByText(/^Ana Ruiz on shift since/).waitFor();
});

test('everybody in a call sees who is at the place, and that the server says so', async () => {
  president = await enrolled(browser, office, 'The President');
  minister = await enrolled(browser, office, 'The Prime Minister of Estmark');
  await president.getByRole('button', { name: 'Ring the Prime Minister of Estmark' }).click();
  await minister.getByRole('button', { name: 'Accept' }).click();
  await until(minister, () => window.telcon.view?.call?.state === 'live');
  await room.getByRole('button', { name: /^Join as visible listener/ }).click();
  const three = () => window.telcon.view?.call?.members.length === 3;
  await Promise.all([president, minister, room].map((page) => until(page, three)));
  for (const page of [president, minister])
    await until(page, () =>
      window.telcon.view.call.members.some((one) => one.place && one.on_shift?.person.name === 'Ana Ruiz'),
    );
});

test('the next person takes over with theirs, and the device stays in the call', async () => {
  const before = await room.evaluate(() => window.telcon.view.token);
  await insert(ben.key);
  await room.getByRole('button', { name: 'Hand over' }).click();
  await room.getByRole('button', { name: 'Sign in to take over' }).click();
  await room.getByText(/^Ben Ito on shift since/).waitFor();
  await until(room, () => window.telcon.view.phase === 'ready');
  const status = await room.evaluate(
    async (token) => (await fetch('/api/v1/devices', { headers: { authorization: `Bearer ${token}` } })).status,
    before,
  );
  assert.equal(status, 401, 'what the one before had is of no use');
  const taken = () =>
    window.telcon.view.call.state === 'live' &&
    window.telcon.view.call.members.some((one) => one.place && one.on_shift?.person.name === 'Ben Ito');
  await Promise.all([until(president, taken), until(minister, taken)]);
  await until(room, () => window.telcon.view.call?.state === 'live');
});

test('a shift ends when it is ended, and shows nothing afterwards', async () => {
  await room.getByRole('button', { name: 'End shift' }).click();
  await room.getByRole('button', { name: BEGIN }).waitFor();
  assert.equal(await room.getByRole('navigation').count(), 0);
  const view = await room.evaluate(() => window.telcon.view);
  assert.deepEqual([view.token, view.shift, view.notices, view.people], [null, null, [], []]);
  assert.equal(view.call, null);
  const two = () => window.telcon.view.call.members.length === 2;
  await Promise.all([until(president, two), until(minister, two)]);
  await president.getByRole('button', { name: /End call/ }).click();
  await until(minister, () => window.telcon.view?.call?.state === 'ended');
  // There is no note-taker: the call has no record, and nothing else is wrong.
  const found = await office.verify().catch(({ stdout }) => stdout);
  assert.match(found, /1 call/);
  assert.doesNotMatch(found, /shift/);
  assert.deepEqual(page_errors, []);
});
