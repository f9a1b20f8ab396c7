// Node.js fetches no files: modules of WebAssembly are read beside their scripts.

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const over_network = globalThis.fetch;
globalThis.fetch = async (input, init) => {
  if (!String(input).startsWith('file:')) return over_network(input, init);
  const module = await readFile(fileURLToPath(String(input)));
  return new Response(module, { headers: { 'content-type': 'application/wasm' } });
};
