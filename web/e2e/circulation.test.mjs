// An approved memorandum is circulated, read, recalled and traced; what the office says in public is published and corrected; promises are
// kept in sight. Real engine, server and note-taker.

import assert from 'node:assert/strict';
import { X509Certificate, verify } from 'node:crypto';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, page_errors } from './helpers/chromium.mjs';
import { enrolled } from './helpers/enrolled.mjs';
import { approve, call_with_listener, draft, mark_and_review, note, papers } from './helpers/memorandum.mjs';
import { Office } from './helpers/office.mjs';
import { root } from './helpers/screenshots.mjs';

const fixture = (name) => join(root, '../crates/client/fixtures', name);
const OTHER = 'The Prime Minister of Estmark';
const READERS = ['The Foreign Minister', 'The Minister of Fisheries', 'The Chief Adviser', 'Duty officer'];
let office, browser_a, browser_b, president, minister, desk;
const readers = new Map();
/** Long enough that the lines of no two copies are broken alike. */
const DECISIONS = [
  'The northern fleet patrols with inspectors of both countries on board of every ship, for three years, and reports each quarter to a joint commission that sits in Sandmark.',
  'Estmark sends names of its candidates before the end of this month; our ministry answers within seven days, and whoever has not been refused by then counts as accepted.',
  'A treaty will be signed next spring in whichever capital ratifies first, after lawyers have compared the two languages and found no sentence that one parliament could read otherwise.',
  'Until that day herring may be landed at four harbours under existing quotas, while mackerel remains suspended because scientists on either coast disagree about last winter.',
];

before(async () => {
  office = await Office.make();
  await office.start_note_taker();
  [browser_a, browser_b] = await Promise.all(['a.wav', 'b.wav'].map((file) => launch({ microphone: fixture(file) })));
  president = await enrolled(browser_a, office, 'The President');
  minister = await enrolled(browser_b, office, OTHER);
  desk = await enrolled(browser_b, office, 'Duty officer', 'duty-officer');
  for (const name of READERS.slice(0, 3)) readers.set(name, await enrolled(browser_b, office, name));
  readers.set('Duty officer', desk);
});
after(async () => {
  await Promise.all([browser_a?.close(), browser_b?.close()]);
  await office?.close();
});

/** Opens the copy that was made for this reader; returns the lines of its turns. */
async function read_copy(page) {
  await papers(page, 'Copies for you');
  await page.getByRole('button', { name: 'Open', exact: true }).click();
  const policy = page.getByRole('button', { name: 'I have read this' });
  await policy
    .or(page.getByRole('region', { name: /^Copy / }).first())
    .first()
    .waitFor();
  if (await policy.isVisible()) await policy.click();
  await page
    .getByRole('region', { name: /^Copy / })
    .first()
    .waitFor();
  return page.locator('.lines span').allInnerTexts();
}

test('an approved memorandum is circulated to four readers, each with a copy of their own', async () => {
  await call_with_listener(president, minister, { name: OTHER, desk, members: 4 });
  for (const text of DECISIONS) await note(desk, text, 'decision');
  await president.getByRole('button', { name: 'End call' }).click();
  await minister.getByRole('heading', { name: /hung up$/ }).waitFor();
  await president.getByRole('button', { name: 'Done' }).click();
  await office.record();
  await draft(desk);
  await mark_and_review(desk);
  await approve(president);

  await president.getByRole('button', { name: 'Circulate' }).click();
  await president.getByRole('heading', { name: 'Circulate' }).waitFor();
  const choice = president.getByRole('group', { name: 'Readers', exact: true });
  for (const name of READERS) await choice.getByLabel(name).check();
  await president.getByLabel('Name of this group, to offer it again').fill('Small clutch');
  await president.getByRole('button', { name: 'Give 4 copies out' }).click();
  await president
    .getByRole('button', { name: /^Recall/ })
    .nth(3)
    .waitFor();
  assert.equal(await president.getByText('not opened yet').count(), 4);
});

const lines = new Map();
test('each reader reads their own copy, and the author sees that they opened it', async () => {
  for (const [name, page] of readers) lines.set(name, await read_copy(page));
  const layouts = new Set([...lines.values()].map((text) => text.join('\n')));
  assert.equal(layouts.size, 4, 'no two copies have the same lines');
  const words = new Set([...lines.values()].map((text) => text.join(' ').replace(/\s+/g, ' ')));
  assert.equal(words.size, 1, 'the words are the same');
  await president.getByText('not opened yet').first().waitFor({ state: 'detached' });
  for (const name of READERS) await president.getByText(new RegExp(`^Copy \\d, ${name} · opened `)).waitFor();
});

test('a page that leaked is compared with the copies: its own fits best, on the page and by the command', async () => {
  const leaked = lines.get('The Minister of Fisheries').join('\n');
  await papers(president, 'Trace a leak');
  await president.getByLabel('The text that was found').fill(leaked);
  await president.getByLabel('I typed it off a page, line by line').check();
  await president.getByRole('button', { name: 'Compare with the copies' }).click();
  await president.getByText('These are probabilities').waitFor();
  const fits = await president.getByRole('row').filter({ hasText: /^Copy/ }).allInnerTexts();
  const percents = fits.map((row) => [row, parseFloat(row.match(/([\d.]+)\s*%/)[1])]).sort((a, b) => b[1] - a[1]);
  assert.match(percents[0][0], /The Minister of Fisheries/);
  assert.ok(percents[0][1] > 50 && percents[1][1] < 10, fits.join('; '));
});

test('a copy that is recalled can be opened no more', async () => {
  await papers(president, 'Memoranda');
  await president.getByRole('button', { name: /^Open memorandum: / }).click();
  await president.getByRole('button', { name: 'Circulate' }).click();
  await president.getByRole('button', { name: 'Recall The Chief Adviser' }).click();
  await president.getByText(/^Copy \d, The Chief Adviser · recalled /).waitFor();
  const reader = readers.get('The Chief Adviser');
  await reader.getByText('This copy was recalled, or its time is over.').waitFor();
  await papers(reader, 'Copies for you');
  await reader.getByRole('heading', { name: 'Nothing here yet' }).waitFor();
});

/** The payload of a published readout, verified by Node’s own cryptography with the key of its certificate. */
async function published(id) {
  // Its document says so first, and then the office has it.
  const until_ms = Date.now() + 10_000;
  const read = () => fetch(`${office.origin}/readouts/${id}.jws`);
  let answer = await read();
  while (answer.status === 404 && Date.now() < until_ms) answer = await read();
  const jws = await answer.text();
  assert.match(jws, /^[\w-]+\.[\w-]+\.[\w-]+\s*$/, jws);
  const [header, payload, signature] = jws.trim().split('.');
  const { alg, x5c } = JSON.parse(Buffer.from(header, 'base64url'));
  assert.equal(alg, 'EdDSA');
  const chain = x5c.map((one) => new X509Certificate(Buffer.from(one, 'base64')));
  const signed = Buffer.from(`${header}.${payload}`);
  assert.ok(verify(null, signed, chain[0].publicKey, Buffer.from(signature, 'base64url')), 'the signature holds');
  assert.ok(
    !verify(null, Buffer.from(`${header}.A${payload}`), chain[0].publicKey, Buffer.from(signature, 'base64url')),
  );
  return JSON.parse(Buffer.from(payload, 'base64url'));
}

test('a readout is written, approved and published with a signature; a correction leaves the first in place', async () => {
  const write = async (title, text) => {
    await president.getByLabel('Headline').fill(title);
    await president.getByLabel('What the office says in public').fill(text);
    await president.getByRole('button', { name: 'Save the draft' }).click();
    await president.getByRole('button', { name: 'Approve' }).click();
    await president.getByRole('button', { name: 'Publish', exact: true }).click();
    await president.getByRole('button', { name: 'Save the draft' }).and(president.locator(':enabled')).waitFor();
  };
  const ids = async () => {
    const links = await president
      .getByRole('link', { name: 'Public page' })
      .evaluateAll((all) => all.map((one) => one.href));
    return links.map((link) => link.split('/').at(-1));
  };
  await papers(president, 'Readouts');
  await president.getByRole('button', { name: 'Write a readout' }).click();
  await write('Call with the Prime Minister of Estmark', 'They spoke about <b>fish</b>.\n\nThey will speak again.');
  await president.getByRole('link', { name: 'Public page' }).waitFor();
  const [first] = await ids();
  const readout = await published(first);
  assert.equal(readout.title, 'Call with the Prime Minister of Estmark');
  const page = await (await fetch(`${office.origin}/readouts/${first}`)).text();
  assert.ok(page.includes('&lt;b&gt;fish&lt;/b&gt;') && !page.includes('<b>fish'), 'what is said is text, not markup');

  await president.getByLabel('Who asks').fill('The Norland Herald');
  await president.getByLabel('What they ask').fill('Did they speak about herring?');
  await president.getByRole('button', { name: 'Add the question' }).click();
  await president.getByRole('button', { name: 'Answered' }).waitFor();
  await papers(president, 'Readouts');
  await president.getByText('1 question is unanswered').waitFor();

  await president.getByRole('button', { name: /^Call with the Prime Minister of Estmark/ }).click();
  await write('Call with the Prime Minister of Estmark, corrected', 'They spoke about herring.');
  await president.getByRole('link', { name: 'Public page' }).nth(1).waitFor();
  const [before, correction] = await ids();
  assert.equal(before, first);
  assert.equal((await published(correction)).corrects.id, first);
  assert.deepEqual(await published(first), readout, 'the first is as it was');
});

test('what was promised is listed with its date until it is kept', async () => {
  await papers(president, 'Promises');
  await president.getByLabel('What was promised').fill('A list of inspectors');
  await president.getByLabel('By whom').fill(OTHER);
  await president.getByLabel('Until').fill('2031-05-01');
  await president.getByRole('button', { name: 'Add', exact: true }).click();
  await president.getByText('A list of inspectors').waitFor();
  await president.getByText('Until Thursday, May 1, 2031').waitFor();
  await papers(desk, 'Promises');
  await desk.getByText('A list of inspectors').waitFor();
  await desk.getByRole('button', { name: 'Done' }).click();
  await desk.getByText('Done', { exact: true }).waitFor();
});

test('the archive verifies with all of it, and no page had an uncaught error', async () => {
  assert.match(await office.verify(), /intact/i);
  assert.deepEqual(page_errors, []);
});
