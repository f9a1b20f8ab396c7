// Generates the page's types from schemas in docs/api, which `cargo xtask contract` generates from the Rust types. With --check it fails
// where a file differs, and writes nothing.

import { compile } from 'json-schema-to-typescript';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const CONTRACTS = [
  {
    schema: 'page.schema.json',
    target: 'src/engine/contract.ts',
    about: `// What the page exchanges with the engine (crate telcon-wasm) and reads from the office's HTTP API.
// Nothing here decides anything; the engine has verified whatever these types call verified.`,
  },
  {
    schema: 'papers.schema.json',
    target: 'src/papers/contents.ts',
    about: '// What is written about a call: the contents of sealed documents, as the crate telcon-papers checks them.',
  },
];
for (const contract of CONTRACTS) await generate(contract);

async function generate({ schema: name, target: path, about }) {
  const target = here(path);
  const schema = JSON.parse(await readFile(here(`../docs/api/${name}`), 'utf8'));
  const banner = `// Generated from the Rust types by \`cargo xtask contract --write\`. Do not edit.\n${about}`;
  const constants = Object.entries(schema['x-constants'])
    .map(([name, value]) => `export const ${name} = ${JSON.stringify(value)};`)
    .join('\n');
  const types = await compile(without_absent_nulls(untitled(schema)), 'Contract', {
    additionalProperties: false,
    bannerComment: `${banner}\n\n${constants}\n`,
    format: false,
  });
  const text = await format(types, { ...(await resolveConfig(target)), filepath: target });
  if (!process.argv.includes('--check')) {
    await writeFile(target, text);
  } else if ((await readFile(target, 'utf8').catch(() => '')) !== text) {
    console.error(`web/${path} is out of date. Run \`cargo xtask contract --write\`.`);
    process.exitCode = 1;
  }
}

/**
 * Numbers without their Rust formats, which have no meaning in TypeScript; references without the comments of their fields, because the
 * generator would write the type again for each.
 */
function untitled(value) {
  if (Array.isArray(value)) return value.map(untitled);
  if (value === null || typeof value !== 'object') return value;
  if (typeof value.$ref === 'string') return { $ref: value.$ref };
  const { format: _format, ...rest } = value;
  return Object.fromEntries(Object.entries(rest).map(([name, field]) => [name, untitled(field)]));
}

/** A property that is not required is left out by Rust when it has no value, so it is never null. */
function without_absent_nulls(value) {
  if (Array.isArray(value)) return value.map(without_absent_nulls);
  if (value === null || typeof value !== 'object') return value;
  const fields = Object.entries(value).map(([name, field]) => [name, without_absent_nulls(field)]);
  const object = Object.fromEntries(fields);
  if (object.properties && typeof object.properties === 'object') {
    const required = new Set(object.required ?? []);
    const properties = Object.entries(object.properties).map(([name, field]) => [
      name,
      required.has(name) ? field : non_null(field),
    ]);
    object.properties = Object.fromEntries(properties);
  }
  return object;
}

function non_null(schema) {
  const { default: _default, ...rest } = schema;
  if (Array.isArray(rest.type)) {
    const types = rest.type.filter((type) => type !== 'null');
    return { ...rest, type: types.length === 1 ? types[0] : types };
  }
  if (Array.isArray(rest.anyOf)) {
    const options = rest.anyOf.filter((option) => option.type !== 'null');
    if (options.length === 1) return options[0];
    return { ...rest, anyOf: options };
  }
  return rest;
}
