import './styles/paper.css';
import { mount } from 'svelte';
import Root from './App.svelte';
import { App } from './app.svelte';
import { start_host, type Host } from './engine/host';
import { Media } from './engine/media';
import { records_over_http } from './engine/records';
import { be_the_one } from './engine/tab';

let host: Host | undefined;
const app = new App(() => {
  if (!host) throw new Error('invariant: nothing is asked before the engine started');
  return host;
}, records_over_http);

// For tests and for those who look: what the screen is made from. Nothing can be changed through it.
Object.defineProperty(window, 'telcon', {
  value: Object.freeze({
    get view() {
      return structuredClone(app.view);
    },
    get screen() {
      return app.screen;
    },
    get timings() {
      return { ...app.timings };
    },
  }),
});

mount(Root, { target: document.getElementById('app') ?? document.body, props: { app } });
app.begin();

if (!isSecureContext) {
  app.stage = { is: 'insecure' };
} else if (!Media.supported() || !navigator.locks || !crypto.subtle) {
  app.stage = { is: 'unsupported' };
} else {
  await be_the_one(() => (app.stage = { is: 'other_tab' }));
  app.stage = { is: 'starting' };
  host = start_host(new Worker(new URL('./engine/worker.ts', import.meta.url), { type: 'module' }), app.events);
}
