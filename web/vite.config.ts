import { svelte } from '@sveltejs/vite-plugin-svelte';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
/** The server that `npm run dev` speaks to. */
const office = { target: process.env.TELCON_SERVER ?? 'http://127.0.0.1:8080', secure: false };
const engine = here('./src/wasm/telcon_wasm.js');

// `--mode shots` builds the development page, and `--mode fake` the true page over the fake engine, each into a folder of
// its own, so that nothing of them can reach production.
export default defineConfig(({ mode, command }) => {
  const shots = mode === 'shots';
  const fake = shots || mode === 'fake' || mode === 'test';
  if (command === 'build' && !fake && !existsSync(engine)) {
    throw new Error('The engine is not built: make src/wasm/telcon_wasm.js from the crate telcon-wasm first.');
  }
  return {
    plugins: [svelte()],
    resolve: {
      alias: { 'telcon-wasm': fake ? here('./src/fake/telcon.ts') : engine },
      ...(mode === 'test' ? { conditions: ['browser'] } : {}),
    },
    worker: { format: 'es' as const },
    build: {
      target: 'es2023',
      // light-dark() must stay as it is: rings are dark inside a light page.
      cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
      outDir: shots ? 'dist-shots' : mode === 'fake' ? 'dist-fake' : 'dist',
      emptyOutDir: true,
      // The content security policy allows no data: addresses and no inline scripts.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      rollupOptions: { input: here(shots ? './shots.html' : './index.html') },
    },
    server: { proxy: { '/api': office, '/ws': { ...office, ws: true } } },
    test: { include: ['src/**/*.test.ts'], environment: 'node' },
  };
});
