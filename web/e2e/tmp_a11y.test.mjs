// Every scene, on a phone and on a desk, light and dark: no axe violation, nothing wider than the screen, no touch target
// under 48 px on a phone, no disabled control with low contrast, and no style or script that the content security policy
// blocks.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { launch } from './helpers/chromium.mjs';
import { open_scenes, serve_scenes, show } from './helpers/screenshots.mjs';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SIZES = [{ viewport: { width: 360, height: 780 }, hasTouch: true }, { viewport: { width: 1440, height: 900 } }];
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

let site, browser;
before(async () => {
  site = await serve_scenes();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  site?.stop();
});

for (const size of SIZES) {
  const phone = size.viewport.width < 900;
  test(`scenes on a ${phone ? 'phone' : 'desk'}`, async (t) => {
    // Axe is injected by the debugger, which bypasses the policy; the page is still subject to it.
    const context = await browser.newContext({ ...size, colorScheme: 'light', reducedMotion: 'reduce' });
    const page = await context.newPage();
    const blocked = [];
    page.on('console', (message) => {
      if (message.type() === 'error') blocked.push(message.text());
    });
    page.on('pageerror', (error) => blocked.push(String(error)));
    const names = (await open_scenes(page, site.origin)).filter((n) =>
      process.env.ONLY ? new RegExp(process.env.ONLY).test(n) : true,
    );
    await page.evaluate(axe);
    for (const name of names) {
      await t.test(name, async () => {
        await show(page, name);
        assert.deepEqual(blocked.splice(0), [], 'console');
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wide <= 0, `wider than the screen by ${wide} px`);
        if (phone) assert.deepEqual(await undersized_targets(page), []);
        assert.deepEqual(await low_contrast(page), [], 'disabled, light');
        assert.deepEqual(await violations(page, { type: 'tag', values: TAGS }), [], 'light');
        // The theme changes colours only.
        await page.emulateMedia({ colorScheme: 'dark' });
        assert.deepEqual(await violations(page, { type: 'rule', values: ['color-contrast'] }), [], 'dark');
        assert.deepEqual(await low_contrast(page), [], 'disabled, dark');
        await page.emulateMedia({ colorScheme: 'light' });
      });
    }
    await context.close();
  });
}

for (const { query, of } of [
  { query: 'language=fr&dir=ltr', of: 'in French' },
  { query: 'language=en&dir=rtl', of: 'from right to left' },
]) {
  test(`scenes on a phone, ${of}`, async (t) => {
    const context = await browser.newContext({ ...SIZES[0], colorScheme: 'light', reducedMotion: 'reduce' });
    const page = await context.newPage();
    const names = (await open_scenes(page, site.origin, query)).filter((n) =>
      process.env.ONLY ? new RegExp(process.env.ONLY).test(n) : true,
    );
    await page.evaluate(axe);
    for (const name of names) {
      await t.test(name, async () => {
        await show(page, name);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wide <= 0, `wider than the screen by ${wide} px`);
        assert.deepEqual(await undersized_targets(page), []);
        assert.deepEqual(await violations(page, { type: 'tag', values: TAGS }), []);
      });
    }
    await context.close();
  });
}

test('on a phone, what ends or stops a call and the words on every screen are above the fold', async () => {
  const page = await browser.newPage({ viewport: { width: 360, height: 740 } });
  for (const language of ['fr', 'en']) {
    await open_scenes(page, site.origin, `language=${language}&dir=ltr`);
    for (const scene of ['desk', 'desk-listening-not-recorded', 'call-full', 'call-not-recorded']) {
      await show(page, scene);
      const bottom = await page.getByRole('navigation').count();
      const fold = bottom ? (await page.getByRole('navigation').boundingBox()).y : 740;
      for (const what of [
        page.getByRole('button', { name: /Stop listening|End call|Cesser d’écouter|Raccrocher/ }),
        page.getByText('harbor · velvet · lantern · oak'),
      ]) {
        const box = await what.boundingBox();
        assert.ok(box.y + box.height <= fold + 1, `${language} ${scene}: ${box.y + box.height} of ${fold}`);
      }
    }
  }
  await show(page, 'call-full');
  await page.getByText('More below').waitFor();
  await page.close();
});

test('the desk shows the newest caption without scrolling, and an alarm above it', async () => {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  await open_scenes(page, site.origin);
  const place = (locator) => locator.evaluate((e) => e.getBoundingClientRect().toJSON());
  const newest = page.getByText('For a period of three years');
  for (const scene of ['desk', 'desk-listening-two', 'desk-listening-not-recorded']) {
    await show(page, scene);
    await page.getByRole('heading', { name: 'Captions' }).waitFor();
    assert.ok((await place(newest)).bottom < 900, scene);
    assert.equal(await page.evaluate(() => document.documentElement.scrollHeight), 900, scene);
  }
  // After a change of size or orientation the newest line stays visible.
  const captions = page.getByRole('list', { name: 'Captions' });
  const at_the_end = (e) => Math.round(e.scrollHeight - e.scrollTop - e.clientHeight) === 0;
  for (const [width, height] of [
    [1440, 560],
    [360, 740],
    [1280, 800],
    [740, 360],
  ]) {
    await page.setViewportSize({ width, height });
    await page.waitForFunction(at_the_end, await captions.elementHandle(), { timeout: 5_000 });
  }
  await page.setViewportSize({ width: 360, height: 740 });
  await show(page, 'desk');
  assert.ok(
    (await place(captions)).bottom <= (await place(page.getByRole('navigation'))).top,
    'the newest line, above the tabs',
  );
  await show(page, 'desk-listening-not-recorded');
  const alarm = await place(page.getByRole('alert').filter({ hasText: 'Not being recorded' }));
  assert.ok(alarm.bottom < (await place(captions)).top && alarm.bottom < 740);
  await page.close();
});

/** Violations that axe finds, as text. */
async function violations(page, runOnly) {
  const found = await page.evaluate(
    (only) => window.axe.run(document, { runOnly: only, resultTypes: ['violations'] }),
    runOnly,
  );
  return found.violations.map(
    (v) => `${v.id}: ${v.help}\n  ${v.nodes.map((n) => `${n.target}: ${n.failureSummary}`).join('\n  ')}`,
  );
}

/** Controls below the minimum touch target size. */
function undersized_targets(page) {
  return page.$$eval('button, a[href], input', (all) =>
    all
      .filter((e) => e.checkVisibility())
      .map((e) => ({ e, box: e.getBoundingClientRect() }))
      .filter(({ box }) => box.width < 48 || box.height < 48)
      .map(({ e, box }) => `${e.textContent?.trim() || e.getAttribute('aria-label')}: ${box.width}×${box.height}`),
  );
}

/** Disabled buttons with low contrast of text or border: axe skips disabled buttons. */
function low_contrast(page) {
  return page.$$eval('button:disabled', (all) => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const over = (colours) => {
      canvas.clearRect(0, 0, 1, 1);
      for (const colour of colours) {
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
      }
      const [red, green, blue] = [...canvas.getImageData(0, 0, 1, 1).data].map((part) => {
        const share = part / 255;
        return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    return all.flatMap((button) => {
      const around = [];
      let shown = 1;
      for (let e = button; e; e = e.parentElement) {
        around.unshift(getComputedStyle(e).backgroundColor);
        shown *= Number(getComputedStyle(e).opacity);
      }
      const style = getComputedStyle(button);
      const words = ratio(over([...around, style.color]), over(around));
      const edge = ratio(over([...around, style.borderTopColor]), over(around.slice(0, -1)));
      const name = button.getAttribute('aria-label') ?? button.textContent.trim();
      return shown < 1 || words < 4.5 || edge < 3
        ? [`${name}: words ${words.toFixed(1)}, edge ${edge.toFixed(1)}, opacity ${shown}`]
        : [];
    });
  });
}
