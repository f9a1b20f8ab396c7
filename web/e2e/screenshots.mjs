// Screenshots of every scene into screenshots/: three sizes, light and dark, English; a few in French and from right to left.
// Arguments: substrings of scene names; `--language=fr`, `--dir=rtl`, `--size=phone`, `--theme=light` narrow the choice.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { launch } from './helpers/chromium.mjs';
import { open_scenes, root, serve_scenes, show } from './helpers/screenshots.mjs';

const SIZES = {
  phone: { width: 360, height: 740 },
  tablet: { width: 820, height: 1180 },
  desk: { width: 1440, height: 900 },
};
/** Scenes that are also pictured in the other language and direction. */
const FEW = [
  'people',
  'people-alerts',
  'ring-in',
  'call-full',
  'ended-partial',
  'desk',
  'desk-quiet',
  'calls',
  'record-partial',
  'settings',
  'asking',
  'officer-waiting',
  'officer-link',
  'my-devices',
  'alerts',
  'people-device-added',
  'protect',
  'unlock-either',
  'confirm',
  'line-give',
  'line-offer',
  'line-taken',
  'lines',
  'lines-detail',
  'reach-full',
  'brief-approved',
  'brief-edit',
  'plans-inbox',
  'plans-offered',
  'people-request',
  'people-quiet',
  'call-waiting',
  'people-holder-states',
  'asking-line',
  'ring-in-line',
  'shift-start',
  'shift',
  'plans-inbox',
  'plans-offered',
  'people-request',
  'memoranda',
  'memorandum-draft',
  'notes-call',
  'copies',
  'copy',
  'circulate',
  'readout-draft',
  'promises',
  'trace',
  'green-room',
];
const LOCALES = [
  { language: 'en', dir: 'ltr', scenes: null },
  { language: 'fr', dir: 'ltr', scenes: FEW },
  { language: 'en', dir: 'rtl', scenes: FEW },
];

const options = new Map();
const only = [];
for (const argument of process.argv.slice(2)) {
  const option = /^--(\w+)=(.+)$/.exec(argument);
  if (option) options.set(option[1], option[2]);
  else only.push(argument);
}
const chosen = (name, value) => !options.has(name) || options.get(name) === value;

const site = await serve_scenes();
const browser = await launch();
try {
  await mkdir(join(root, 'screenshots'), { recursive: true });
  for (const { language, dir, scenes } of LOCALES) {
    if (!chosen('language', language) || !chosen('dir', dir)) continue;
    for (const [size, viewport] of Object.entries(SIZES)) {
      if (!chosen('size', size)) continue;
      for (const colorScheme of ['light', 'dark']) {
        if (!chosen('theme', colorScheme)) continue;
        const page = await browser.newPage({ viewport, colorScheme, reducedMotion: 'reduce' });
        const names = await open_scenes(page, site.origin, `language=${language}&dir=${dir}`);
        for (const name of names) {
          if (scenes && !scenes.includes(name)) continue;
          if (only.length > 0 && !only.some((part) => name.includes(part))) continue;
          await show(page, name);
          const locale = dir === 'rtl' ? 'rtl' : language;
          await page.screenshot({ path: join(root, 'screenshots', `${name}.${size}.${colorScheme}.${locale}.png`) });
        }
        await page.close();
      }
    }
  }
} finally {
  await browser.close();
  site.stop();
}
