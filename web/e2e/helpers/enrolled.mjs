// Enrolment of a person in a browser.

import { person } from './chromium.mjs';
import { capture_tracks } from './audio.mjs';

/** Enrols a new person in a separate context; returns their page. */
export async function enrolled(browser, office, name, role = 'principal') {
  return enrolled_by(browser, office, await office.invite(name, role), role);
}

/** The same with a link; `scripts` run in the page before its own. */
export async function enrolled_by(browser, office, link, role, scripts = [capture_tracks]) {
  const { page } = await person(browser, office.origin);
  for (const script of scripts) await page.addInitScript(script);
  await page.goto(link);
  await page.getByRole('button', { name: 'Enrol this browser' }).click();
  await page.getByRole('heading', { name: role === 'duty-officer' ? 'Desk' : 'People' }).waitFor();
  return page;
}
