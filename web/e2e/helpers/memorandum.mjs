// From a call to its approved memorandum, as the desk and the principal do it.

import { until } from './chromium.mjs';

/** Opens one of the lists under Papers. */
export async function papers(page, tab) {
  await page.getByRole('button', { name: /^Papers/ }).click();
  await page.getByRole('button', { name: tab, exact: true }).click();
}

/** Writes a note in the panel beside a call. */
export async function note(page, text, kind) {
  await page.getByRole('textbox', { name: 'Note' }).fill(text);
  if (kind) await page.getByLabel('Mark as').selectOption(kind);
  await page.getByRole('button', { name: 'Add note' }).click();
  await page.getByText(text).waitFor();
}

/** One rings the other, and `desk` listens; returns once all are in the call. */
export async function call_with_listener(caller, callee, { name, desk, members }) {
  await caller.getByRole('button', { name: `Ring ${name}` }).click();
  await callee.getByRole('button', { name: 'Accept' }).click();
  const live = () => window.telcon.view?.call?.state === 'live';
  await Promise.all([until(caller, live), until(callee, live)]);
  await desk.getByRole('button', { name: 'Join as visible listener' }).click();
  await desk.waitForFunction((count) => window.telcon.view.call?.members.length === count, members);
}

/** Drafts the memorandum of the only call. */
export async function draft(desk, tap = (button) => button.click()) {
  await papers(desk, 'Memoranda');
  await tap(desk.getByRole('button', { name: /^Draft memorandum: / }));
  await desk.getByRole('heading', { name: 'Memorandum of telephone conversation' }).waitFor({ timeout: 60_000 });
}

/** Marks what has no mark, and signs the memorandum as reviewed. */
export async function mark_and_review(desk, tap = (button) => button.click()) {
  await desk.getByLabel('Mark', { exact: true }).selectOption('P');
  await tap(desk.getByRole('button', { name: 'Mark the rest' }));
  await tap(desk.getByRole('button', { name: 'Sign as reviewed' }));
  await desk.getByText('It waits for approval').waitFor();
}

/** Opens the only memorandum, and approves it. */
export async function approve(principal, tap = (button) => button.click()) {
  await papers(principal, 'Memoranda');
  await tap(principal.getByRole('button', { name: /^Open memorandum: / }));
  await tap(principal.getByRole('button', { name: 'Approve' }));
  await principal.getByText('was approved as it was reviewed. Verified by this device.').waitFor();
}
