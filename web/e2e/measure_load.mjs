// Time from opening the page to a usable one. A cold load has an empty HTTP cache and the page's own thread at a quarter of its speed
// (CDP `Emulation.setCPUThrottlingRate`, which does not slow workers: the engine is in one). A sign-in is from the press of *Unlock
// with your passkey* until the office has signed the device in, at full speed, with a virtual authenticator that is touched at once.
// Prints medians, with the least and most of loads and the 99th percentile of sign-ins, of which there are enough for one. The page
// is asked every 20 ms whether it is usable, so that times are up to 20 ms too long. `make bench` runs it.

import { Authenticator } from './helpers/authenticator.mjs';
import { close_all, launch, person, until } from './helpers/chromium.mjs';
import { Office } from './helpers/office.mjs';

const LOADS = 21;
const SIGN_INS = 101;

/** Prints the median of `times`, and their `spread`. */
function show(what, times, spread) {
  times.sort((x, y) => x - y);
  const at = (part) => Math.round(times[Math.min(times.length - 1, Math.floor(times.length * part))]);
  console.log(`${what.padEnd(46)} ${at(0.5)} ms (${spread(at)}, ${times.length} times)`);
}

const least_and_most = (at) => `${at(0)}–${at(1)}`;
const p99 = (at) => `p99 ${at(0.99)}`;

const is_usable = () => window.telcon?.view?.phase === 'ready';

/** Enrols a person; `offer` is what they press at the offer to protect the device. */
async function enrolled(browser, office, name, offer) {
  const { context, page } = await person(browser, office.origin, { protects: true });
  await Authenticator.add(context, page);
  await page.goto(await office.invite(name, 'principal'));
  await page.getByRole('button', { name: 'Enrol this browser' }).click();
  await page.getByRole('button', { name: offer }).click();
  await page.getByRole('button', { name: 'Settings' }).waitFor();
  await until(page, is_usable);
  return { context, page };
}

async function cold_loads({ context, page }, ready) {
  const cdp = await context.newCDPSession(page);
  await cdp.send('Network.enable');
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: 4 });
  const times = [];
  for (let n = 0; n < LOADS; n++) {
    await cdp.send('Network.clearBrowserCache');
    const start = performance.now();
    await page.reload({ waitUntil: 'commit' });
    await ready();
    times.push(performance.now() - start);
  }
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: 1 });
  return times;
}

const office = await Office.make();
const browser = await launch();
try {
  const open = await enrolled(browser, office, 'Leader', 'Not now');
  show('cold load → connected', await cold_loads(open, () => until(open.page, is_usable)), least_and_most);

  const locked = await enrolled(browser, office, 'Minister', 'Use a passkey');
  const unlock = locked.page.getByRole('button', { name: 'Unlock with your passkey' });
  show('cold load → can be unlocked', await cold_loads(locked, () => unlock.waitFor()), least_and_most);

  const times = [];
  for (let n = 0; n < SIGN_INS; n++) {
    await locked.page.reload();
    await unlock.waitFor();
    const start = performance.now();
    await unlock.click();
    await until(locked.page, is_usable);
    times.push(performance.now() - start);
  }
  show('sign-in with a passkey', times, p99);
} finally {
  await close_all([browser, office]);
}
