import { svelte } from '@sveltejs/vite-plugin-svelte';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const engine = here('./src/wasm/telcon_wasm.js');

// `--mode shots` builds the development page with the fake engine into a folder of its own, so that nothing of it can
// reach production.
export default defineConfig(({ mode, command }) => {
  const shots = mode === 'shots';
  const fake = shots || mode === 'test';
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
      outDir: shots ? 'dist-shots' : 'dist',
      emptyOutDir: true,
      // The content security policy allows no data: addresses and no inline scripts.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      rollupOptions: { input: here(shots ? './shots.html' : './index.html') },
    },
    server: {
      proxy: { '/api': { target: process.env.TELCON_SERVER ?? 'http://127.0.0.1:8443', ws: true, secure: false } },
    },
    test: { include: ['src/**/*.test.ts'], environment: 'node' },
  };
});
