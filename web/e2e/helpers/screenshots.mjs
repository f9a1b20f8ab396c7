// Builds the scenes page and serves it with the production content security policy.

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

export const root = fileURLToPath(new URL('../../', import.meta.url));

/** No more permissive than the server's policy. */
export const POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' mediastream:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

/** Serves a folder; `api` may answer a request first. Returns the origin and a function that stops the server. */
export async function serve(folder, index, api) {
  const server = createServer(async (request, response) => {
    const path = new URL(request.url, 'http://here').pathname;
    if (await api?.(path, request, response)) return;
    try {
      const file = join(folder, normalize(path === '/' ? index : path));
      const body = await readFile(file);
      response.writeHead(200, {
        'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
        'content-security-policy': POLICY,
      });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    server,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

export async function serve_scenes() {
  await build({ root, mode: 'screenshots', logLevel: 'warn' });
  // What scenes show as published is public.
  const readouts = (path, _request, response) =>
    path.startsWith('/readouts/') && Boolean(response.writeHead(200).end());
  return serve(join(root, 'dist-screenshots'), 'screenshots.html', readouts);
}

/** Opens the scenes page; returns the names of the scenes. */
export async function open_scenes(page, origin, query = 'language=en&dir=ltr') {
  await page.goto(`${origin}/?scene=starting&${query}`);
  await page.waitForFunction(() => window.scenes);
  return page.evaluate(() => window.scenes);
}

/** Shows a scene. One that is not of loading is shown once nothing is being read any more. */
export async function show(page, name) {
  await page.evaluate(async (scene) => {
    await window.show(scene);
    scrollTo(0, 0);
  }, name);
  if (name.includes('loading')) return;
  const read = page.waitForFunction(() => !document.querySelector('.empty-state[aria-busy]'), undefined, {
    timeout: 10_000,
  });
  await read.catch(() => {
    throw new Error(`the scene ${name} goes on reading`);
  });
}
