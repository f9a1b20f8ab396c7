// A file that the page makes, as a download.

/** How long the browser may read the file, milliseconds: the download has begun with the press. */
const KEPT_MS = 60_000;

/** Saves `content` as a download of this name. `type`: its media type. */
export function save_file(name: string, type: string, content: string | Uint8Array): void {
  const url = URL.createObjectURL(new Blob([content as string | Uint8Array<ArrayBuffer>], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}
