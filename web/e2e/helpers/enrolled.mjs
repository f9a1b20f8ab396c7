// Enrolment of a person in a browser.

import { person } from './chromium.mjs';
import { capture_tracks } from './audio.mjs';

/** Enrols a new person in a separate context; returns their page. `script` runs in it before the page does. */
export async function enrolled(browser, office, name, role = 'principal', script = capture_tracks) {
  const title = role === 'duty-officer' ? 'Desk' : 'People';
  return enrolled_with(browser, office, await office.invite(name, role), title, script);
}

/** The same with a link that is there already: one for a further device of a person. `title`: the heading of their home. */
export async function enrolled_with(browser, office, link, title = 'People', script = capture_tracks) {
  const { page } = await person(browser, office.origin);
  await page.addInitScript(script);
  await page.goto(link);
  await page.getByRole('button', { name: 'Enrol this browser' }).click();
  await page.getByRole('heading', { name: title }).waitFor();
  return page;
}
