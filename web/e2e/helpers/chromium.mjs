// Chromium as every test here starts it: without a screen, without calling home, with a file for a microphone.

import { chromium } from 'playwright-core';

/** What went wrong in any page, unseen by whoever looks at it. */
export const page_errors = [];

const EXECUTABLE = process.env.TELCON_CHROMIUM ?? '/usr/bin/chromium';

/**
 * @param {{ microphone?: string, args?: string[] }} [options] `microphone`: a WAV file that plays, over and over, as the
 * microphone; without one the fake device beeps.
 */
export function launch({ microphone, args = [] } = {}) {
  return chromium.launch({
    executablePath: EXECUTABLE,
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--use-fake-ui-for-media-stream',
      '--use-fake-device-for-media-stream',
      ...(microphone ? [`--use-file-for-fake-audio-capture=${microphone}`] : []),
      ...args,
    ],
  });
}

/** A person: a browser context of their own (own keys, own lock), with the microphone allowed. */
export async function person(browser, origin, options = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
  await context.grantPermissions(['microphone'], { origin });
  const page = await context.newPage();
  page.on('pageerror', (error) => {
    console.error('page:', error);
    page_errors.push(`${error}`);
  });
  return { context, page };
}

/** Waits until the page's view satisfies a condition, and returns what the page then knows (`window.telcon`). */
export async function until(page, condition, { timeout = 30_000 } = {}) {
  await page.waitForFunction(condition, undefined, { timeout, polling: 20 });
  return page.evaluate(() => ({ view: window.telcon.view, screen: window.telcon.screen, timings: window.telcon.timings }));
}

/** Closes everything, whatever of it fails to. */
export async function after_all(things) {
  await Promise.allSettled(things.map((thing) => thing?.close()));
}
