// A file that the page makes, as a download.

/** How long the browser may read the file, milliseconds: the download has begun with the press. */
const KEPT_MS = 60_000;

/** Saves `text` as a download of this name. `type`: its media type. */
export function save_file(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}
