import './styles/paper.css';
import './styles/papers.css';
import { mount } from 'svelte';
import Root from './App.svelte';
import { App } from './app.svelte';
import { alerts_over_http } from './engine/alerts';
import { delegations_over_http } from './engine/delegations';
import { devices_over_http } from './engine/devices';
import { start_host, type Host } from './engine/host';
import { lines_over_http } from './engine/lines';
import { protection_over_http } from './engine/protection_office';
import { Media } from './engine/media';
import { records_over_http } from './engine/records';
import { acquire_tab_lock } from './engine/tab_lock';
import { shifts_over_http } from './engine/shift_office';
import { sso_over_http } from './engine/sso_office';
import { start_locale } from './text';

let host: Host | undefined;
const app = new App(
  () => {
    if (!host) throw new Error('invariant: no command is issued before the engine started');
    return host;
  },
  {
    ...records_over_http,
    ...devices_over_http,
    ...alerts_over_http,
    ...delegations_over_http,
    ...lines_over_http,
    ...protection_over_http,
    ...shifts_over_http,
    ...sso_over_http,
  },
);

// For browser tests and debugging: a read-only copy of what the screen is made from.
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

start_locale(navigator.languages);
mount(Root, { target: document.getElementById('app') ?? document.body, props: { app } });
app.start();

if (!isSecureContext) {
  app.state = { status: 'insecure' };
} else if (!Media.supported() || !navigator.locks || !crypto.subtle) {
  app.state = { status: 'unsupported' };
} else {
  await acquire_tab_lock(() => (app.state = { status: 'other_tab' }));
  app.state = { status: 'starting' };
  host = start_host(new Worker(new URL('./engine/worker.ts', import.meta.url), { type: 'module' }), app.events);
}
