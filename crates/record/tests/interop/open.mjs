// Opens every part of a record with npm age-encryption and writes the tar stream they make.
// node open.mjs <directory with node_modules> <record directory> <file for the tar stream>; the identity on standard input.
import { createRequire } from "node:module";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, record, out] = process.argv.slice(2);
const library = createRequire(join(resolve(modules), "any.js")).resolve("age-encryption");
const { Decrypter } = await import(pathToFileURL(library).href);

const decrypter = new Decrypter();
decrypter.addIdentity(readFileSync(0, "utf8").trim());
const names = readdirSync(record).filter((name) => name.endsWith(".tar.age")).sort();
const parts = [];
for (const name of names) {
  parts.push(await decrypter.decrypt(new Uint8Array(readFileSync(join(record, name)))));
}
writeFileSync(out, Buffer.concat(parts));
console.log(`${names.length} parts`);
