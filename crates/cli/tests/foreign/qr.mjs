// Reads a QR code with npm qr, as a camera would: from the blocks of a terminal, or the rectangles of a PDF page.
// node qr.mjs <directory with node_modules> terminal|pdf: the text or file on standard input, the code's text on standard output.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { inflateSync } from "node:zlib";

const [modules, from] = process.argv.slice(2);
const library = createRequire(join(resolve(modules), "any.js")).resolve("qr/decode.js");
const { default: decode } = await import(pathToFileURL(library).href);

const input = readFileSync(0);
console.log(decode(from === "pdf" ? page(input) : terminal(input.toString("utf8"))));

/** An image of `dark(x, y)`. */
function image(width, height, dark) {
  const data = new Uint8Array(width * height * 4).fill(255);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) if (dark(x, y)) data.fill(0, (y * width + x) * 4, (y * width + x) * 4 + 3);
  return { width, height, data };
}

/** Each character is two modules, one above the other; blocks are light. */
function terminal(text) {
  const lines = text.split("\n").filter((line) => /[▀▄█]/.test(line) && /^[ ▀▄█]+$/.test(line));
  const rows = lines.flatMap((line) => [
    [...line].map((c) => c === " " || c === "▄"),
    [...line].map((c) => c === " " || c === "▀"),
  ]);
  // A last half row below the quiet zone is background.
  const size = rows[0].length;
  const scale = 4;
  return image(size * scale, size * scale, (x, y) => rows[Math.floor(y / scale)][Math.floor(x / scale)]);
}

/** The filled rectangles of the first page, A4. */
function page(pdf) {
  const text = pdf.toString("latin1");
  const scale = 4;
  const [width, height] = [596 * scale, 842 * scale];
  const dark = new Uint8Array(width * height);
  for (const found of text.matchAll(/stream\r?\n/g)) {
    const end = text.indexOf("endstream", found.index);
    if (text[found.index - 1] === "d") continue;
    let content;
    try {
      content = inflateSync(pdf.subarray(found.index + found[0].length, end)).toString("latin1");
    } catch {
      continue;
    }
    for (const rect of content.matchAll(/^([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) re$/gm)) {
      const [left, bottom, wide, high] = rect.slice(1).map((n) => Number(n) * scale);
      for (let y = Math.round(height - bottom - high); y < Math.round(height - bottom); y++)
        dark.fill(1, y * width + Math.round(left), y * width + Math.round(left + wide));
    }
  }
  return image(width, height, (x, y) => dark[y * width + x]);
}
