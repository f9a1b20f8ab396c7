// The development page: one scene by name, `?scene=name`; without a name, the list of names.

import { FakeDocuments } from '../fake/documents';
import '../styles/paper.css';
import '../styles/papers.css';
import { mount, tick, unmount } from 'svelte';
import Root from '../App.svelte';
import { App } from '../app.svelte';
import type { Host } from '../engine/host';
import { protection_over_http } from '../engine/protection_office';
import { shifts_over_http } from '../engine/shift_office';
import { sso_over_http } from '../engine/sso_office';
import { president } from '../fake/people';
import { NOW } from '../fake/views';
import type { Locale } from '../text/locales';
import { set_locale } from '../text/state.svelte';
import { scenes } from './scenes';

const nothing = () => undefined;
const host: Host = {
  command: (command) => console.info('command', JSON.stringify(command)),
  open_link: nothing,
  enter_code: nothing,
  stop_asking: nothing,
  request_appointment: () => Promise.reject('not here'),
  protection: () => Promise.reject('not here'),
  erase: () => Promise.reject('not here'),
  documents: new FakeDocuments(president).handle,
  enrol: nothing,
  check: () => Promise.reject('not here'),
  request_microphone: nothing,
  acquire_microphone: () => Promise.resolve(false),
  retry_microphone: nothing,
  play: nothing,
  choose_device: nothing,
};
const never = () => new Promise<never>(nothing);
const target = document.getElementById('app') ?? document.body;
let mounted: ReturnType<typeof mount> | undefined;

/** Language and direction of writing of the scenes: `?language=fr&dir=rtl`. The latter is a pseudo-locale for layouts. */
function set_language(): void {
  const query = new URLSearchParams(location.search);
  set_locale((query.get('language') ?? 'en') as Locale);
  document.documentElement.lang = query.get('language') ?? 'en';
  document.documentElement.dir = query.get('dir') ?? 'ltr';
}

/** Replaces the current scene. Tests call it instead of loading the page for each scene. */
async function show(name: string): Promise<boolean> {
  const scene = scenes[name];
  if (!scene) return false;
  if (mounted) await unmount(mounted);
  const office = {
    list: never,
    proof: never,
    devices: never,
    sign_ins: never,
    alerts: never,
    delegations: never,
    lines: never,
    ...protection_over_http,
    ...shifts_over_http,
    ...sso_over_http,
  };
  const app = new App(() => host, office, 'Europe/Lisbon');
  app.now = NOW;
  app.fixed = true;
  app.address = 'https://telcon.office.example';
  scene(app);
  mounted = mount(Root, { target, props: { app } });
  await tick();
  return true;
}
set_language();
Object.assign(window, { show, scenes: Object.keys(scenes) });

if (!(await show(new URLSearchParams(location.search).get('scene') ?? ''))) {
  const list = document.createElement('ul');
  for (const name of Object.keys(scenes)) {
    const link = document.createElement('a');
    link.href = `?scene=${name}`;
    link.textContent = name;
    const item = document.createElement('li');
    item.append(link);
    list.append(item);
  }
  target.append(list);
}
