// The development page: one scene by name, `?scene=name`; without a name, the list of names.

import '../styles/paper.css';
import { mount, tick, unmount } from 'svelte';
import Root from '../App.svelte';
import { App } from '../app.svelte';
import type { Host } from '../engine/host';
import { NOW } from '../fake/views';
import { scenes } from './scenes';

const nothing = () => undefined;
const host: Host = {
  command: (command) => console.info('command', JSON.stringify(command)),
  read_link: nothing,
  enrol: nothing,
  check: () => Promise.reject('not here'),
  request_microphone: nothing,
  retry_microphone: nothing,
  play: nothing,
};
const never = () => new Promise<never>(nothing);
const target = document.getElementById('app') ?? document.body;
let mounted: ReturnType<typeof mount> | undefined;

/** Replaces the current scene. Tests call it instead of loading the page for each scene. */
async function show(name: string): Promise<boolean> {
  const scene = scenes[name];
  if (!scene) return false;
  if (mounted) await unmount(mounted);
  const app = new App(() => host, { list: never, proof: never }, 'Europe/Lisbon');
  app.now = NOW;
  scene(app);
  mounted = mount(Root, { target, props: { app } });
  await tick();
  return true;
}
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
