// A security officer in a browser: invites people, and approves their devices after their codes were compared.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { person } from './chromium.mjs';

const CODE = /\d{3} \d{3} \d{3} \d{3}/;

/** Opens a link as a new device. */
export async function opened(browser, office, link) {
  const { context, page } = await person(browser, office.origin);
  await page.goto(link);
  return { context, page };
}

/** The code on a page or in a part of it, once it shows one. */
export async function code(within) {
  const [digits] = CODE.exec(await within.getByText(CODE).first().textContent());
  return digits;
}

export class Officer {
  /** Enrols a security officer by the authority's link; the authority appoints the device by the request that it saved. */
  static async appointed(browser, office, name) {
    const { page } = await opened(browser, office, await office.invite(name, 'security-officer'));
    await page.getByRole('button', { name: 'Enrol this browser' }).click();
    return Officer.on_page(page, office, name);
  }

  /** Has the authority appoint the enrolled device of a security officer. */
  static async on_page(page, office, name) {
    const officer = new Officer();
    Object.assign(officer, { page, office });
    await page.getByRole('heading', { name: 'This device may not invite or approve yet' }).waitFor();
    assert.equal(await page.getByRole('button', { name: /^Ring/ }).count(), 0);
    const saving = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Save appointment-request.txt' }).click();
    const request = join(office.dir, `${name.replaceAll(' ', '-')}.txt`);
    await (await saving).saveAs(request);
    assert.match(await office.appoint(request), /may now enrol people/);
    await page.getByRole('button', { name: /^Invite/ }).waitFor();
    return officer;
  }

  /** Invites; returns the link, after the dialog that shows it was closed. */
  async invite(name, role = 'Principal') {
    const { page } = this;
    await page.getByRole('button', { name: /^Invite/ }).click();
    const form = page.getByRole('dialog', { name: 'Invite a person' });
    await form.getByLabel('Name or title').fill(name);
    await form.getByLabel('Organisation').fill('Office of the President');
    await form.getByLabel('Role').selectOption({ label: role });
    await form.getByLabel('Time zone').fill('Europe/Oslo');
    await form.getByRole('button', { name: 'Create the link' }).click();
    return this.shown_link();
  }

  /** A link for a further device of an enrolled person. `name`: as it is written inside a sentence. */
  async add_device(name) {
    await this.page.getByRole('button', { name: `Add a device for ${name}` }).click();
    await this.page.getByRole('button', { name: 'Create the link' }).click();
    return this.shown_link();
  }

  /** The link in the dialog that opened by itself. */
  async shown_link() {
    const dialog = this.page.getByRole('dialog', { name: /^Link for/ });
    const link = await dialog.getByLabel('Link', { exact: true }).inputValue();
    await dialog.getByRole('button', { name: 'Close' }).click();
    await dialog.waitFor({ state: 'detached' });
    assert.ok(link.startsWith(`${this.office.origin}/#enrol=`), link);
    return link;
  }

  /** The request of a person's device. */
  request(name) {
    return this.page.getByRole('article', { name });
  }

  /** Approves the device of a person that shows this code. */
  async approve(name, shown) {
    const request = this.request(name);
    assert.equal(await code(request), shown, 'both screens show the same code');
    await request.getByRole('button', { name: 'Approve' }).click();
    await this.page.getByRole('dialog').getByText(shown).waitFor();
    await this.page.getByRole('button', { name: 'The person read me this code' }).click();
  }
}
