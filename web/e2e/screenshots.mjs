// Screenshots of every scene: phone and desk, light and dark, into screenshots/. Arguments: substrings of scene names.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { launch } from './helpers/chromium.mjs';
import { open_scenes, root, serve_scenes, show } from './helpers/screenshots.mjs';

const SIZES = { phone: { width: 360, height: 780 }, desk: { width: 1440, height: 900 } };
const only = process.argv.slice(2);

const site = await serve_scenes();
const browser = await launch();
try {
  await mkdir(join(root, 'screenshots'), { recursive: true });
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const colorScheme of ['light', 'dark']) {
      const page = await browser.newPage({ viewport, colorScheme, reducedMotion: 'reduce' });
      const names = await open_scenes(page, site.origin);
      for (const name of names) {
        if (only.length > 0 && !only.some((part) => name.includes(part))) continue;
        await show(page, name);
        await page.screenshot({ path: join(root, 'screenshots', `${name}.${size}.${colorScheme}.png`) });
      }
      await page.close();
    }
  }
} finally {
  await browser.close();
  site.stop();
}
