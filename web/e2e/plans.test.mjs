// Planned calls from the request to a time that both sides have in their calendars: over a line, by the principal's own wish, and by a
// letter that the desk verifies by calling back. What people write is nowhere on the server.

import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch, page_errors, until } from './helpers/chromium.mjs';
import { Friction } from './helpers/friction.mjs';
import { enrolled_by, let_act, line_holder } from './helpers/line_office.mjs';
import { Office } from './helpers/office.mjs';
import { Officer } from './helpers/officer.mjs';
import { root } from './helpers/screenshots.mjs';

const fixture = (name) => join(root, '../crates/client/fixtures', name);
const NAME = 'The President of Norland';
const SUBJECT = 'Fisheries xylograph agreement';
const LETTER = 'Quorum zeppelin visit';
const WISH = 'Marzipan summit';

let office, browser, president, desk, holder;
const friction = new Friction();

/** The plans of a page. */
const plans = async (page) => {
  const tab = page.getByRole('button', { name: 'Papers' }).first();
  await tab.click();
  await page.getByRole('heading', { name: 'Planned calls', level: 1 }).waitFor();
};
/** The card of a planned call: by what stands on it. */
const card = (page, words) => page.getByRole('article').filter({ hasText: words });
const home = (page, name) => page.getByRole('button', { name }).first().click();
/** A local time, days from now, as a field has it. */
const local = (days, hour) => {
  const at = new Date(Date.now() + days * 86_400_000);
  const two = (n) => String(n).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(hour)}:00`;
};
const ended = () => window.telcon.view?.call?.state === 'ended';
const live = () => window.telcon.view?.call?.state === 'live';

before(async () => {
  office = await Office.make({ rings: 'lines' });
  browser = await launch({ microphone: fixture('a.wav') });
  const officer = await Officer.appointed(browser, office, 'Security officer');
  president = await enrolled_by(officer, browser, office, 'The President', 'Principal', 'People');
  desk = await enrolled_by(officer, browser, office, 'Duty officer', 'Duty officer', 'Desk');
  holder = await line_holder(browser, office, president, NAME, 'Chancellery of Norland');
  await let_act(president, 'Duty officer, Office of the President');
  await home(president, 'People');
  for (const page of [president, desk, holder]) page.setDefaultTimeout(10_000);
});
after(async () => {
  friction.print();
  await browser?.close();
  await office?.close();
});

test('the holder of a line asks for a call, and what they typed survives a reload', async () => {
  friction.begin();
  await friction.tap(holder.getByRole('button', { name: 'Ask for a call: The President' }));
  await holder.getByLabel('About what').pressSequentially(SUBJECT, { delay: 20 });
  await holder.getByText('Times, languages, who else').click();
  await holder.getByLabel('Time 1 that suits you').fill(local(2, 15));
  await holder.getByText('Kept on this device until you send it.').waitFor();
  await holder.reload();
  await holder.getByRole('button', { name: 'Ask for a call: The President' }).click();
  await holder.waitForFunction(
    (words) => [...document.querySelectorAll('dialog input')].some((one) => one.value === words),
    SUBJECT,
  );
  await friction.tap(holder.getByRole('button', { name: 'Send' }));
  await holder.getByRole('dialog').waitFor({ state: 'detached' });
  friction.end('a call is asked for (with a reload)', { taps: 2, ms: 45_000 });
});

test('it reaches the principal, whose device seals it to the desk', async () => {
  const asked = card(president, SUBJECT);
  await asked.getByText(`${NAME} would like to speak with you`).waitFor();
  await asked.getByText('Signed by their device').waitFor();
  await plans(desk);
  await card(desk, SUBJECT).getByText('You answer for the President.').waitFor();
});

test('the desk asks back, and their answer brings it back', async () => {
  await card(desk, SUBJECT).getByRole('button', { name: 'Ask back…' }).click();
  await card(desk, SUBJECT).getByLabel('Your question').fill('Which of the two?');
  await card(desk, SUBJECT).getByRole('button', { name: 'Send' }).click();
  await plans(holder);
  await card(holder, 'Which of the two?').getByRole('button', { name: 'Answer…' }).click();
  await card(holder, SUBJECT).getByLabel('Your answer').fill('The second one');
  await card(holder, SUBJECT).getByRole('button', { name: 'Send' }).click();
  await card(desk, 'The second one').waitFor();
});

test('the principal says yes with one tap', async () => {
  await card(president, 'The second one').waitFor();
  friction.begin();
  await friction.tap(card(president, SUBJECT).getByRole('button', { name: 'Yes' }));
  await card(president, SUBJECT).waitFor({ state: 'detached' });
  friction.end('a request is approved', { taps: 2 });
  await card(desk, SUBJECT).getByText('Approved', { exact: true }).waitFor();
});

test('the desk offers times, they choose, the desk confirms, and both have it in their calendars', async () => {
  const planned = card(desk, SUBJECT);
  await planned.getByRole('button', { name: 'Offer times' }).click();
  await planned.getByLabel('Time 1').fill(local(3, 10));
  await planned.getByLabel('Time 2').fill(local(4, 16));
  await planned.getByRole('button', { name: 'Offer', exact: true }).click();
  const offered = card(holder, SUBJECT);
  await offered.getByText('Choose a time').waitFor();
  // Both places' clocks of each time.
  assert.deepEqual(await offered.locator('ol li').first().locator('bdi').allInnerTexts(), ['The President', NAME]);
  await offered
    .getByRole('button', { name: /^Choose/ })
    .nth(1)
    .click();
  await planned.getByText('They chose: confirm it').waitFor();
  await planned.getByRole('button', { name: 'Confirm' }).click();
  await offered.getByText('Confirmed', { exact: true }).waitFor();
  const file = async (page, button) => {
    const saving = page.waitForEvent('download');
    await card(page, SUBJECT).getByRole('button', { name: button }).click();
    return readFile(await (await saving).path(), 'utf8');
  };
  const ours = await file(desk, 'Add to calendar');
  assert.equal(await file(holder, 'Add to calendar'), ours, 'the same event on both sides');
  assert.match(ours, /SUMMARY:Private call/);
  assert.doesNotMatch(ours, /Norland|Fisheries/, 'the calendar learns neither whom nor what about');
  const uid = (text) => /UID:(\S+)/.exec(text)[1];
  const sequence = (text) => Number(/SEQUENCE:(\d+)/.exec(text)[1]);

  // They cannot keep it: they offer another time, which the desk takes.
  await offered.getByRole('button', { name: 'Move it' }).click();
  await offered.getByLabel('Time 1').fill(local(5, 9));
  await offered.getByRole('button', { name: 'Offer', exact: true }).click();
  await planned.getByText('Another time is offered').waitFor();
  await planned.getByRole('button', { name: /^Choose/ }).click();
  await offered.getByText('Confirmed', { exact: true }).waitFor();
  const moved = await file(holder, 'Add to calendar');
  assert.equal(uid(moved), uid(ours));
  assert.equal(sequence(moved), sequence(ours) + 1);

  await planned.getByRole('button', { name: 'Cancel the call' }).click();
  await offered.getByText('Cancelled').waitFor();
  const cancelled = await file(holder, 'Take out of the calendar');
  assert.match(cancelled, /STATUS:CANCELLED/);
  assert.equal(sequence(cancelled), sequence(ours) + 2);
});

test('the desk writes a brief, the principal approves it, and has it beside the ring', async () => {
  friction.begin();
  await friction.tap(card(desk, SUBJECT).getByRole('button', { name: 'Write a brief' }));
  await friction.tap(desk.getByRole('button', { name: 'Edit' }));
  await desk.getByLabel('What we want').fill('Joint quagga patrols');
  await desk.getByLabel('Say', { exact: true }).fill('Thank them for the rescue\nAsk for the list');
  // What is not saved survives a reload.
  await desk.getByLabel('Do not raise').fill('The lighthouse');
  await desk.getByText('Kept on this device, not saved yet').waitFor();
  await desk.reload();
  assert.equal(await desk.getByLabel('Do not raise').inputValue(), 'The lighthouse');
  await friction.tap(desk.getByRole('button', { name: 'Save', exact: true }));
  await desk.getByText('Ask for the list').waitFor();
  friction.end('a brief is written', { taps: 4 });
  await plans(president);
  await card(president, SUBJECT).getByRole('button', { name: 'Open the brief' }).click();
  await president.getByRole('button', { name: 'Approve' }).click();
  await president.getByText('Approved', { exact: true }).waitFor();
  const saving = president.waitForEvent('download');
  await president.getByRole('button', { name: 'Save as PDF' }).click();
  const bytes = await readFile(await (await saving).path());
  assert.equal(bytes.subarray(0, 5).toString(), '%PDF-');
  await president.getByRole('checkbox', { name: 'Thank them for the rescue' }).check();
  await home(holder, 'People');
  await holder.getByRole('button', { name: 'Ring The President' }).click();
  await president.getByRole('button', { name: /^Accept/ }).waitFor();
  await president.getByText('Brief', { exact: true }).click();
  await president.getByText('Joint quagga patrols').waitFor();
  assert.ok(
    await president.getByRole('checkbox', { name: /Thank them for the rescue/ }).isChecked(),
    'as it was ticked',
  );
  await holder.getByRole('button', { name: /Stop ringing/ }).click();
  // It rang at the desk too, which answers for the principal.
  for (const page of [president, desk, holder]) {
    await until(page, () => !window.telcon.view.call || window.telcon.view.call.state === 'ended');
    const done = page.getByRole('button', { name: /^Done/ });
    if (await done.count()) await done.first().click();
  }
  await plans(desk);
  await plans(holder);
  await home(president, 'People');
});

test('the principal has a call planned from the list', async () => {
  await home(president, 'People');
  friction.begin();
  await friction.tap(president.getByRole('button', { name: `Plan a call: ${NAME}` }));
  await president.getByLabel('About what (if you like)').fill(WISH);
  await friction.tap(president.getByRole('button', { name: 'Tell my office' }));
  await card(desk, WISH).getByText('The President wants this call').waitFor();
  friction.end('the principal wants a call', { taps: 2, ms: 10_000 });
});

test('a letter stays unverified until the desk has called back over the line that it holds', async () => {
  friction.begin();
  await friction.tap(desk.getByRole('button', { name: 'Enter a request' }));
  await desk.getByLabel('From whom').selectOption({ label: NAME });
  await desk.getByLabel('About what').pressSequentially(LETTER, { delay: 20 });
  await friction.tap(desk.getByRole('button', { name: 'Enter', exact: true }));
  const letter = card(desk, LETTER);
  await letter.getByText('Not verified').waitFor();
  friction.end('the desk enters a letter', { taps: 2, ms: 45_000 });
  assert.equal(await letter.getByRole('button', { name: 'Yes' }).count(), 0, 'nobody approves it yet');
  const on_phone = card(president, LETTER);
  await on_phone.getByText('Not verified').waitFor();
  assert.equal(await on_phone.getByRole('button', { name: 'Yes' }).count(), 0);

  await letter.getByRole('button', { name: 'Call back to verify' }).click();
  await holder.getByRole('button', { name: /^Accept/ }).click();
  await Promise.all([until(desk, live), until(holder, live)]);
  await holder.getByRole('button', { name: /End call/ }).click();
  await until(desk, ended);
  for (const page of [desk, holder]) await page.getByRole('button', { name: 'Done' }).click();
  await letter.getByRole('button', { name: 'Yes, it is theirs' }).click();
  await letter.getByText(/^Confirmed when .*called back$/).waitFor();
  await on_phone.getByRole('button', { name: 'Yes' }).click();
  await letter.getByText('Approved', { exact: true }).waitFor();
});

test('the principal’s own calendar is compared on their device, and is kept there', async () => {
  await plans(president);
  const day = local(6, 10).slice(0, 10).replaceAll('-', '');
  const lines = [
    'BEGIN:VCALENDAR',
    'VERSION:2.0',
    'PRODID:x',
    'BEGIN:VEVENT',
    'UID:x',
    `DTSTART:${day}T000000`,
    `DTEND:${day}T235900`,
  ];
  await president.getByLabel('Compare with my calendar').setInputFiles({
    name: 'mine.ics',
    mimeType: 'text/calendar',
    buffer: Buffer.from([...lines, 'SUMMARY:Halberd dinner', 'END:VEVENT', 'END:VCALENDAR', ''].join('\r\n')),
  });
  await president.getByText('Compared with mine.ics, on this device only.').waitFor();
  const letter = card(president, LETTER);
  await letter.getByRole('button', { name: 'Offer times' }).click();
  await letter.getByLabel('Time 1').fill(local(6, 12));
  await letter.getByRole('button', { name: 'Offer', exact: true }).click();
  await letter.getByText('You are busy then').waitFor();
  await president.reload();
  await letter.getByText('You are busy then').waitFor();
});

test('nothing that people wrote is on the server', async () => {
  const files = (await readdir(join(office.dir, 'server'), { recursive: true, withFileTypes: true })).filter((one) =>
    one.isFile(),
  );
  assert.ok(files.length > 0);
  for (const one of files) {
    const bytes = await readFile(join(one.parentPath, one.name));
    for (const word of [
      'xylograph',
      'zeppelin',
      'Marzipan',
      'Halberd',
      'Which of the two',
      'The second one',
      'quagga',
      'lighthouse',
    ])
      assert.ok(!bytes.includes(word), `${word} in ${one.name}`);
  }
});

test('no page had an error', () => assert.deepEqual(page_errors, []));
test('everything was within its budget', () => assert.deepEqual(friction.over(), []));
