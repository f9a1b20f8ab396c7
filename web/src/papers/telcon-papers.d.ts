// The modules of papers and of PDF files, as `wasm-bindgen --target web` generates them from the crates telcon-papers-wasm and
// telcon-pdf-wasm. JSON in them is typed by contents.ts. All functions throw sentences for people.
declare module 'telcon-papers' {
  export default function init(module?: {
    module_or_path: BufferSource | Response | Promise<Response>;
  }): Promise<unknown>;
  /** Checks a paper of this name (`request`, `schedule`, …) and returns it as it is written. */
  export function check(paper: string, json: string): string;
  export function requests_resemble(one_json: string, other_json: string): boolean;
  /** Takes `Alternatives[]`; returns a `Circulation` without copies. */
  export function circulation_of(memorandum: string, version: number, alternatives: string, group: string): string;
  /** Takes `Reader[]` and 32 random bytes for each. */
  export function circulation_add(circulation: string, readers: string, random: Uint8Array): string;
  export function circulation_recall(circulation: string, number: number, now_ms: number): string;
  /** Takes a `Colophon`; returns `IssuedCopy[]`. */
  export function circulation_issue(circulation: string, memorandum: string, colophon: string): string;
  export function memorandum_offset_seconds(memorandum: string): number;
  export function readout_payload(readout: string): string;
  /** Takes a `ReadoutFile`; returns the `Readout` that is published next. */
  export function readout_next(
    file: string,
    id: string,
    office: string,
    language: string,
    title: string,
    now_ms: number,
  ): string;
  export function readout_html(readout: string): string;
  /** Returns `Enquiry[]`. */
  export function readout_unanswered(file: string): string;
  /** Takes a `Profile` and `Action[]`; returns a `Profile`. */
  export function profile_with_promises(profile: string, promises: string): string;
}

declare module 'telcon-pdf' {
  export default function init(module?: {
    module_or_path: BufferSource | Response | Promise<Response>;
  }): Promise<unknown>;
  /** `id` identifies the version: the same gives the same file. */
  export function brief_pdf(brief_json: string, banner: string, id: string): Uint8Array;
  /** Takes an `IssuedCopy`; returns a `Sheet`. */
  export function copy_sheet(issued: string, offset_seconds: number): string;
  /** Returns `string[][]`: the lines of each turn. */
  export function copy_lines(issued: string, offset_seconds: number): string;
  export function copy_pdf(issued: string, offset_seconds: number): Uint8Array;
  /** Takes a `Circulation`, and a `Memorandum` or an empty text; returns a `Trace`. */
  export function trace_copies(circulation: string, memorandum: string, leaked: string, as_printed: boolean): string;
}
