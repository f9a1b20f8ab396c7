// Enrolment of a person in a browser.

import { person } from './chromium.mjs';
import { capture_tracks } from './audio.mjs';

/** Enrols a new person in a separate context; returns their page. `script` runs in it before the page does. */
export async function enrolled(browser, office, name, role = 'principal', script = capture_tracks) {
  const { page } = await person(browser, office.origin);
  await page.addInitScript(script);
  await page.goto(await office.invite(name, role));
  await page.getByRole('button', { name: 'Enrol this browser' }).click();
  await page.getByRole('heading', { name: role === 'duty-officer' ? 'Desk' : 'People' }).waitFor();
  return page;
}
