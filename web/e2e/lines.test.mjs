// Lines in an office where nobody rings without one: given by a link, taken once, confirmed by a code that is compared, rung over in
// both directions, paused, doubted, and ended during a call. Taps and seconds are measured against the friction budget.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, page_errors, person, until } from './helpers/chromium.mjs';
import { Friction } from './helpers/friction.mjs';
import { Office } from './helpers/office.mjs';
import { Officer, code, opened } from './helpers/officer.mjs';
import { root } from './helpers/screenshots.mjs';

const fixture = (name) => join(root, '../crates/client/fixtures', name);
const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true };

let office, browser, officer, president, holder, link;
const friction = new Friction();

const heard = () => window.telcon.view?.call?.state === 'live' && window.telcon.timings.first_audio_ms !== null;
const ended = () => window.telcon.view?.call?.state === 'ended';

/** Enrols a person by the security officer: the certificates of those who give lines are a registrar's. */
async function enrolled(name, role, title) {
  const { page } = await opened(browser, office, await officer.invite(name, role));
  await officer.approve(name, await code(page));
  await page.getByRole('heading', { name: title }).waitFor();
  return page;
}

/** Gives a line; returns the link that a camera would read. */
async function give(name, organisation) {
  await friction.tap(president.getByRole('button', { name: 'Give a line' }));
  await president.getByLabel('Name or title').fill(name);
  await president.getByLabel('Office or organisation').fill(organisation);
  await friction.tap(president.getByRole('button', { name: 'Give the line' }));
  await president.getByRole('img', { name: /^QR code/ }).waitFor();
  return president.evaluate((holder) => {
    const { link: secret } = window.telcon.view.invitations.find((one) => one.card.name === holder && one.link);
    return `${location.origin}/#enrol=${secret}`;
  }, name);
}

/** Takes a line on a new device, and has it confirmed. */
async function taken(address, name) {
  const { page } = await person(browser, office.origin, PHONE);
  await page.goto(address);
  const shown = await code(page);
  await president.getByRole('heading', { name: 'Somebody took the line' }).waitFor();
  assert.equal(await code(president), shown, 'both screens show the same code');
  await president.getByRole('button', { name: `It is ${name.replace(/^The /, 'the ')}` }).click();
  await page.getByRole('heading', { name: 'The President' }).waitFor();
  return page;
}

/** Puts the screens after a call away. */
async function done(...pages) {
  for (const page of pages) await page.getByRole('button', { name: 'Done' }).click();
}

const home = () => president.getByRole('button', { name: 'People', exact: false }).first().click();

before(async () => {
  office = await Office.make({ rings: 'lines' });
  browser = await launch({ microphone: fixture('a.wav') });
  officer = await Officer.appointed(browser, office, 'Security officer');
  president = await enrolled('The President', 'Principal', 'People');
});
after(async () => {
  friction.print();
  await browser?.close();
  await office?.close();
});

test('a counterpart whom the office enrolled is found by name, and given a line without a link', async () => {
  const chancellor = await enrolled('The Chancellor', 'Counterpart', 'Nobody yet');
  await president.getByRole('button', { name: 'Give a line' }).click();
  await president.getByLabel('Name or title').fill('The Chancellor');
  await president.getByLabel('Office or organisation').fill('Office of the President');
  await president.getByRole('button', { name: 'Give it to this person now' }).click();
  await chancellor.getByRole('heading', { name: 'The President' }).waitFor();
  await chancellor.getByRole('button', { name: 'Ring The President' }).and(chancellor.locator(':enabled')).waitFor();
  await home();
  await president.getByRole('button', { name: 'Ring The Chancellor' }).and(president.locator(':enabled')).waitFor();
});

test('a principal gives a line with a name, an office and two presses', async () => {
  friction.begin();
  link = await give('The President of Norland', 'Chancellery of Norland');
  friction.end('line handed over, defaults', { taps: 2, ms: 10_000 });
  await president.getByText('Let them scan this with their phone’s camera').waitFor();
  await president.getByText('hours left').waitFor();
});

test('whoever opens it first takes it, learns no name before it is confirmed, and nobody else can use the link', async () => {
  friction.begin();
  const first = await person(browser, office.origin, PHONE);
  holder = first.page;
  await holder.goto(link);
  await holder.getByRole('heading', { name: 'Read these numbers to whoever gave you the line' }).waitFor();
  assert.equal(new URL(holder.url()).hash, '', 'the link’s secret is out of the address');
  assert.doesNotMatch(
    await holder.locator('body').innerText(),
    /The President\b(?! of)/,
    'who gave it is not verified yet',
  );
  const shown = await code(holder);

  // A photograph of the code, a little later.
  const thief = await opened(browser, office, link);
  await thief.page.getByRole('heading', { name: 'Another device opened this link first' }).waitFor();
  await thief.context.close();

  await president.getByRole('heading', { name: 'Somebody took the line' }).waitFor();
  await president.getByText('The link was opened again on another device once').waitFor();
  assert.equal(await code(president), shown, 'both screens show the same code');
  await friction.tap(president.getByRole('button', { name: 'It is the President of Norland' }));
  await holder.getByRole('heading', { name: 'The President' }).waitFor();
  await holder.getByText('Direct line').waitFor();
  friction.end('from the QR code to a line in use', { taps: 1, ms: 60_000 });

  await officer.page.getByRole('button', { name: /^Alerts/ }).click();
  await officer.page.getByRole('article', { name: /link was opened on a second device/ }).waitFor();
});

test('the list says who holds it, and the holder sees nobody else', async () => {
  await president.getByRole('heading', { name: 'Who can reach me' }).waitFor();
  await president.getByText('2 lines are in use.').waitFor();
  await president.getByText('Rings me').first().waitFor();
  const people = await holder.evaluate(() => window.telcon.view.people.map((one) => one.name));
  assert.deepEqual(people, ['The President']);
});

test('the holder rings, and the principal sees which line it is', async () => {
  friction.begin();
  await friction.tap(holder.getByRole('button', { name: 'Ring The President' }));
  await president.getByText('Verified by this device', { exact: true }).waitFor();
  friction.end('ring → the other side rings', { taps: 2, ms: 1_000 });
  await president.getByText('Incoming call · direct line').waitFor();
  friction.begin();
  await friction.tap(president.getByRole('button', { name: /^Accept/ }));
  const [, { timings }] = await Promise.all([until(holder, heard), until(president, heard)]);
  friction.end('answer → sound', { taps: 1, ms: 300 }, timings.first_audio_ms - timings.answer_ms);
  await president.getByRole('button', { name: /End call/ }).click();
  await until(holder, ended);
  await done(president, holder);
});

test('the principal rings over the same line', async () => {
  await home();
  await president.getByRole('button', { name: 'Ring The President of Norland' }).click();
  await holder.getByText('Verified by this device', { exact: true }).waitFor();
  await holder.getByRole('button', { name: /^Accept/ }).click();
  await Promise.all([until(holder, heard), until(president, heard)]);
  await holder.getByRole('button', { name: /End call/ }).click();
  await until(president, ended);
  await done(president, holder);
});

test('“in ten minutes” is a promise: the caller reads it, and the principal is reminded', async () => {
  await holder.getByRole('button', { name: 'Ring The President' }).click();
  await president.getByRole('button', { name: /^In ten minutes/ }).click();
  await holder.getByRole('heading', { name: 'They will call you in ten minutes' }).waitFor();
  await president.getByRole('heading', { name: 'You will call in ten minutes' }).waitFor();
  await done(president, holder);
  await president.getByText(/^You said that you would call the President of Norland/).waitFor();
  await president.getByRole('button', { name: 'Call now' }).click();
  await holder.getByRole('button', { name: /^Accept/ }).click();
  await Promise.all([until(holder, heard), until(president, heard)]);
  await president.getByRole('button', { name: /End call/ }).click();
  await until(holder, ended);
  await done(president, holder);
  assert.equal(await president.getByText(/^You said that/).count(), 0, 'it was kept');
});

test('a line that is paused is not rung over, in one press, and used again in another', async () => {
  await president.getByRole('button', { name: 'Lines' }).click();
  friction.begin();
  await friction.tap(president.getByRole('switch', { name: 'Line of the President of Norland in use' }));
  await holder.getByText('They paused this line').waitFor();
  friction.end('pause a line', { taps: 1 });
  assert.ok(await holder.getByRole('button', { name: 'Ring The President' }).isDisabled());
  await president.getByText('Paused', { exact: true }).waitFor();
  await president.getByRole('switch', { name: 'Line of the President of Norland in use' }).click();
  await holder.getByText('Direct line').waitFor();
});

test('what it allows is changed: planned calls only have no ring button', async () => {
  await president.getByRole('button', { name: /^The President of Norland/ }).click();
  await president.getByRole('button', { name: 'Change what it allows' }).click();
  await president.getByRole('radio', { name: /only be in planned calls/ }).check();
  await president.getByLabel('Purpose').fill('Fisheries agreement');
  await president.getByRole('button', { name: 'Save' }).click();
  await holder.getByText('Planned calls only').waitFor();
  assert.equal(await holder.getByRole('button', { name: /^Ring/ }).count(), 0);
  await president.getByRole('button', { name: /^The President of Norland/ }).click();
  await president.getByRole('button', { name: 'Change what it allows' }).click();
  await president.getByRole('radio', { name: /ring me directly/ }).check();
  await president.getByRole('button', { name: 'Save' }).click();
  await holder.getByText('Direct line').waitFor();
});

test('a security officer ends a line during a call, which ends on both sides', async () => {
  await holder.getByRole('button', { name: 'Ring The President' }).click();
  await president.getByText('Fisheries agreement').waitFor();
  await president.getByRole('button', { name: /^Accept/ }).click();
  await Promise.all([until(holder, heard), until(president, heard)]);
  await officer.page.getByRole('button', { name: 'Lines' }).click();
  await officer.page.getByRole('heading', { name: 'Who holds which line' }).waitFor();
  await officer.page.getByRole('button', { name: /^The President of Norland/ }).click();
  await officer.page.getByRole('button', { name: 'End this line…' }).click();
  await officer.page.getByRole('button', { name: 'End the line' }).click();
  const [a, b] = await Promise.all([until(holder, ended), until(president, ended)]);
  assert.deepEqual([a.view.call.ended, b.view.call.ended], ['revoked', 'revoked']);
  await done(president, holder);
  await until(holder, () => window.telcon.view.people.every((one) => one.line?.state !== 'live'));
  assert.equal(await holder.getByRole('button', { name: /^Ring/, disabled: false }).count(), 0);
});

test('a caller who is not the holder is frozen out, once asked, and the security officer is told', async () => {
  await home();
  const address = await give('The Secretary-General', 'Northern Council');
  const secretary = await taken(address, 'The Secretary-General');
  await secretary.getByRole('button', { name: 'Ring The President' }).click();
  await president.getByRole('button', { name: 'This is not them…' }).click();
  await president.getByRole('button', { name: 'Freeze the line' }).click();
  await until(secretary, ended);
  await done(secretary);
  await secretary.getByText('This line is frozen').waitFor();
  await officer.page.getByRole('button', { name: /^Alerts/ }).click();
  await officer.page.getByRole('article', { name: 'A line was frozen: somebody doubted who was ringing' }).waitFor();
});

test('a line that is handed back ends, and the giver sees it', async () => {
  const close = president.getByRole('button', { name: 'Done' });
  if (await close.count()) await close.click();
  await home();
  const address = await give('The Governor of the Bank', 'Reserve Bank of Estmark');
  const governor = await taken(address, 'The Governor of the Bank');
  await governor.getByRole('button', { name: 'Lines' }).click();
  await governor.getByRole('button', { name: /^The President/ }).click();
  await governor.getByRole('button', { name: 'Hand this line back…' }).click();
  await governor.getByRole('button', { name: 'Hand it back' }).click();
  await president.getByRole('heading', { name: 'Who can reach me' }).waitFor();
  await president.getByRole('button', { name: /^The Governor of the Bank.*Ended/s }).waitFor();
});

test('a device that is not theirs is refused, and a line that is withdrawn opens nothing', async () => {
  await home();
  const stranger = await opened(browser, office, await give('The Foreign Minister of Sarre', 'Ministry'));
  await code(stranger.page);
  await president.getByRole('button', { name: 'It is not them…' }).click();
  await president.getByRole('button', { name: /^It is not them: stop/ }).click();
  await stranger.page.getByRole('heading', { name: 'They did not confirm that it was you' }).waitFor();
  await stranger.context.close();

  await home();
  const address = await give('The Chancellor of Ostland', 'Federal Chancellery');
  await president.getByRole('button', { name: 'Withdraw this line' }).click();
  await president.getByRole('button', { name: 'Withdraw it' }).click();
  await president.getByRole('heading', { name: 'Who can reach me' }).waitFor();
  const late = await opened(browser, office, address);
  await late.page.getByRole('heading', { name: 'This link is no longer valid' }).waitFor();
  await late.context.close();
});

test('the custodian opens what the pages sealed: who could reach the principal, and what became of it', async () => {
  const { reachable, acts, offers, missing, problems } = await office.lines_on(new Date().toISOString().slice(0, 10));
  assert.deepEqual([missing, problems], [[], []]);
  assert.ok(reachable.length > 0 && reachable.every((one) => one.principal.name === 'The President'));
  const done_to = (name) => acts.filter((one) => one.holder.name === name).map((one) => one.act);
  assert.deepEqual(done_to('The Secretary-General'), ['given and bound', 'frozen']);
  assert.deepEqual(done_to('The Governor of the Bank'), ['given and bound', 'handed back']);
  assert.deepEqual(done_to('The Foreign Minister of Sarre'), [], 'nobody held it');
  assert.ok(['refused', 'withdrawn'].every((what) => offers.some((one) => one.what === what)));
});

test('nothing took more taps than its budget, and no page had an uncaught error', () => {
  assert.deepEqual(friction.over(), []);
  assert.deepEqual(page_errors, []);
});
