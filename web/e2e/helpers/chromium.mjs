// Launches Chromium: headless, without background networking, with a file as microphone.

import { chromium } from 'playwright-core';

/** Uncaught errors of all pages. */
export const page_errors = [];

const EXECUTABLE = process.env.TELCON_CHROMIUM ?? '/usr/bin/chromium';

/**
 * @param {{ microphone?: string, args?: string[] }} [options] `microphone`: a WAV file that is looped as microphone
 * input; without one the fake device beeps.
 */
export function launch(options = {}) {
  return chromium.launch(settings(options));
}

/** A browser with a profile on disk, as its one context. */
export function launch_profile(folder, { args, ...options } = {}) {
  return chromium.launchPersistentContext(folder, { ...settings({ args }), ...options });
}

function settings({ microphone, args = [] } = {}) {
  return {
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
  };
}

/** Presses “Not now” on the screen that offers to protect a device: most tests are not about it. */
export function protect_later() {
  const press = () => document.querySelector('[data-protect="later"]:enabled')?.click();
  new MutationObserver(press).observe(document, { subtree: true, childList: true, attributes: true });
}

/**
 * A person: a separate browser context (own keys, own lock) with microphone permission. `protects`: whether the test itself answers
 * the offer to protect the device.
 */
export async function person(browser, origin, { protects = false, ...options } = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
  if (!protects) await context.addInitScript(protect_later);
  await context.grantPermissions(['microphone'], { origin });
  const page = await context.newPage();
  page.on('pageerror', (error) => {
    console.error('page:', error);
    page_errors.push(`${error}`);
  });
  return { context, page };
}

/** Waits until a condition holds in the page, and returns `window.telcon`. */
export async function until(page, condition, { timeout = 30_000 } = {}) {
  await page.waitForFunction(condition, undefined, { timeout, polling: 20 });
  return page.evaluate(() => ({
    view: window.telcon.view,
    screen: window.telcon.screen,
    timings: window.telcon.timings,
  }));
}

/** Closes everything, even if some of it fails to close. */
export async function close_all(things) {
  await Promise.allSettled(things.map((thing) => thing?.close()));
}
