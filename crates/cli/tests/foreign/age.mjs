// Passphrase files with npm age-encryption.
// node age.mjs <directory with node_modules> open <passphrase>: the file on standard input, its content on standard output.
// node age.mjs <directory with node_modules> seal <passphrase>: the reverse, not armored, with little work.
import { createRequire } from "node:module";
import { readFileSync, writeSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, action, passphrase] = process.argv.slice(2);
const library = createRequire(join(resolve(modules), "any.js")).resolve("age-encryption");
const { Decrypter, Encrypter, armor } = await import(pathToFileURL(library).href);

const input = new Uint8Array(readFileSync(0));
if (action === "open") {
  const decrypter = new Decrypter();
  decrypter.addPassphrase(passphrase);
  writeSync(1, await decrypter.decrypt(armor.decode(new TextDecoder().decode(input)), "uint8array"));
} else {
  const encrypter = new Encrypter();
  encrypter.setPassphrase(passphrase);
  encrypter.setScryptWorkFactor(12);
  writeSync(1, await encrypter.encrypt(input));
}
