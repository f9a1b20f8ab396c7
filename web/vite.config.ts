import { svelte } from '@sveltejs/vite-plugin-svelte';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
/** The server that `npm run dev` proxies to. */
const office = { target: process.env.TELCON_SERVER ?? 'http://127.0.0.1:8080', secure: false };
const engine = here('./src/wasm/telcon_wasm.js');

/**
 * The service worker: one classic script at the root of the site, so that it is the worker of the whole page, and with a fixed name,
 * so that a newer version replaces it.
 */
const push_worker: Plugin = {
  name: 'push-worker',
  apply: 'build',
  async generateBundle() {
    const built = await build({
      configFile: false,
      logLevel: 'error',
      root: here('.'),
      publicDir: false,
      build: {
        write: false,
        target: 'es2023',
        rollupOptions: { input: here('./src/push_worker.ts'), output: { format: 'iife' } },
      },
    });
    const outputs = [built].flat().flatMap((one) => ('output' in one ? one.output : []));
    const [script] = outputs.filter((one) => one.type === 'chunk');
    if (!script || outputs.length !== 1) throw new Error('invariant: the worker is one script');
    this.emitFile({ type: 'asset', fileName: 'push-worker.js', source: script.code });
  },
};

// `--mode screenshots` builds the scenes page and `--mode fake` the real page with the fake engine, each into a separate
// folder, so that none of it can reach production.
export default defineConfig(({ mode, command }) => {
  const screenshots = mode === 'screenshots';
  const fake = screenshots || mode === 'fake' || mode === 'test';
  if (command === 'build' && !fake && !existsSync(engine)) {
    throw new Error('The engine is not built: make src/wasm/telcon_wasm.js from the crate telcon-wasm first.');
  }
  return {
    plugins: [svelte(), ...(screenshots ? [] : [push_worker])],
    resolve: {
      alias: {
        'telcon-wasm': fake ? here('./src/fake/engine.ts') : engine,
        // They do the same with any engine.
        'telcon-papers': here('./src/wasm/telcon_papers_wasm.js'),
        'telcon-pdf': here('./src/wasm/telcon_pdf_wasm.js'),
      },
      ...(mode === 'test' ? { conditions: ['browser'] } : {}),
    },
    worker: { format: 'es' as const },
    build: {
      target: 'es2023',
      // Keep light-dark() unlowered: rings are dark inside a light page.
      cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
      outDir: screenshots ? 'dist-screenshots' : mode === 'fake' ? 'dist-fake' : 'dist',
      emptyOutDir: true,
      // The content security policy allows no data: addresses and no inline scripts.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      rollupOptions: { input: here(screenshots ? './screenshots.html' : './index.html') },
    },
    server: { proxy: { '/api': office, '/ws': { ...office, ws: true } } },
    test: { include: ['src/**/*.test.ts'], environment: 'node', setupFiles: ['./vitest.setup.mjs'] },
  };
});
