// The development page: one scene by name, `?shot=name`; without a name, the list of names.

import '../styles/paper.css';
import { mount } from 'svelte';
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
  want_microphone: nothing,
  retry_microphone: nothing,
  play: nothing,
};
const never = () => new Promise<never>(nothing);
const app = new App(() => host, { list: never, proof: never }, 'Europe/Lisbon');
app.now = NOW;

const scene = scenes[new URLSearchParams(location.search).get('shot') ?? ''];
if (scene) {
  scene(app);
  mount(Root, { target: document.getElementById('app') ?? document.body, props: { app } });
} else {
  document.title = 'Shots';
  const list = document.createElement('ul');
  for (const name of Object.keys(scenes)) {
    const link = document.createElement('a');
    link.href = `?shot=${name}`;
    link.textContent = name;
    link.dataset.shot = name;
    list.append(document.createElement('li'));
    list.lastElementChild?.append(link);
  }
  document.body.append(list);
}
