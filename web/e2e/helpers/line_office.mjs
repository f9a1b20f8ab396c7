// An office where nobody rings without a line: a principal, those of the desk who act for them, and holders of lines.

import { person } from './chromium.mjs';
import { code, opened } from './officer.mjs';

export const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true };

/** Enrols a person by the security officer: the certificates of those who give lines are a registrar's. */
export async function enrolled_by(officer, browser, office, name, role, title) {
  const { page } = await opened(browser, office, await officer.invite(name, role));
  await officer.approve(name, await code(page));
  await page.getByRole('heading', { name: title }).waitFor();
  return page;
}

/** A principal gives a line, and a new device takes it; returns the holder's page. */
export async function line_holder(browser, office, president, name, organisation) {
  await president.getByRole('button', { name: 'Give a line' }).click();
  await president.getByLabel('Name or title').fill(name);
  await president.getByLabel('Office or organisation').fill(organisation);
  await president.getByRole('button', { name: 'Give the line' }).click();
  await president.getByRole('img', { name: /^QR code/ }).waitFor();
  const link = await president.evaluate((holder) => {
    const { link: secret } = window.telcon.view.invitations.find((one) => one.card.name === holder && one.link);
    return `${location.origin}/#enrol=${secret}`;
  }, name);
  const { page } = await person(browser, office.origin, PHONE);
  await page.goto(link);
  await code(page);
  await president.getByRole('heading', { name: 'Somebody took the line' }).waitFor();
  await president.getByRole('button', { name: `It is ${name.replace(/^The /, 'the ')}` }).click();
  await page.getByRole('heading', { name: 'The President' }).waitFor();
  return page;
}

/** A principal lets somebody of the desk act for them in every way. */
export async function let_act(president, delegate) {
  await president.getByRole('button', { name: 'Acting' }).click();
  await president.getByLabel('Who').selectOption({ label: delegate });
  for (const act of await president.getByRole('checkbox').all()) await act.check();
  await president.getByRole('button', { name: 'Let them act' }).click();
  await president.getByRole('button', { name: /^End/ }).first().waitFor();
}
