// A principal lets somebody of the staff act for them.

/** On the principal's page. `acts`: what the form says that they may, such as `ring for you`. */
export async function let_act(page, name, acts) {
  await page.getByRole('button', { name: 'Acting' }).click();
  const who = page.getByLabel('Who', { exact: true });
  await who.waitFor();
  const option = who.locator('option').filter({ hasText: name });
  await who.selectOption(await option.getAttribute('value'));
  for (const act of ['ring for you', 'answer for you'])
    await page.getByRole('checkbox', { name: act }).setChecked(acts.includes(act), { force: true });
  await page.getByRole('button', { name: 'Let them act' }).click();
  await page.getByRole('listitem').filter({ hasText: name }).first().waitFor();
}
