// A person of an office, in a browser of theirs.

import { person } from './chromium.mjs';
import { keep_tracks } from './sound.mjs';

/** Enrols a new person in a context of their own. Their page. */
export async function enrolled(browser, office, name, role = 'principal') {
  const { page } = await person(browser, office.origin);
  await page.addInitScript(keep_tracks);
  await page.goto(await office.invite(name, role));
  await page.getByRole('button', { name: 'Enrol this browser' }).click();
  await page.getByRole('heading', { name: role === 'duty-officer' ? 'The desk' : 'People' }).waitFor();
  return page;
}
