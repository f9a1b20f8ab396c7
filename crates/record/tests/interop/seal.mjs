// Seals a file with npm age-encryption to a new identity of its own and to a given recipient.
// node seal.mjs <directory with node_modules> <recipient> <file for the age file>; the plaintext on standard input; prints the
// new identity and its recipient.
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, recipient, out] = process.argv.slice(2);
const library = createRequire(join(resolve(modules), "any.js")).resolve("age-encryption");
const { Encrypter, generateHybridIdentity, identityToRecipient } = await import(pathToFileURL(library).href);

const identity = await generateHybridIdentity();
const encrypter = new Encrypter();
encrypter.addRecipient(await identityToRecipient(identity));
encrypter.addRecipient(recipient);
writeFileSync(out, await encrypter.encrypt(new Uint8Array(readFileSync(0))));
console.log(identity);
console.log(await identityToRecipient(identity));
