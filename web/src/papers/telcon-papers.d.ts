// The modules of papers and of PDF files, as `wasm-bindgen --target web` generates them from the crates telcon-papers-wasm and
// telcon-pdf-wasm. JSON in them is typed by contents.ts. All functions throw sentences for people.
declare module 'telcon-papers' {
  export default function init(module?: {
    module_or_path: BufferSource | Response | Promise<Response>;
  }): Promise<unknown>;
  /** Checks a paper of this name (`request`, `schedule`, …) and returns it as it is written. */
  export function check(paper: string, json: string): string;
  export function requests_resemble(one_json: string, other_json: string): boolean;
}

declare module 'telcon-pdf' {
  export default function init(module?: {
    module_or_path: BufferSource | Response | Promise<Response>;
  }): Promise<unknown>;
  /** `id` identifies the version: the same gives the same file. */
  export function brief_pdf(brief_json: string, banner: string, id: string): Uint8Array;
}
