// The modules of papers and of PDF files, as `wasm-bindgen --target web` generates them from the crates telcon-papers-wasm and
// telcon-pdf-wasm. JSON in them is typed by contents.ts. All functions throw sentences for people.
declare module 'telcon-papers' {
  export default function init(module?: {
    module_or_path: BufferSource | Response | Promise<Response>;
  }): Promise<unknown>;
  /** Checks a paper of this name (`request`, `schedule`, …) and returns it as it is written. */
  export function check(paper: string, json: string): string;
  export function requests_resemble(one_json: string, other_json: string): boolean;
  // Arguments and answers of these are JSON of the types in plans.ts.
  export function request_step(request: string, step: string, known: string, by: string): string;
  export function request_stands(request: string, known: string): string;
  export function new_schedule(uid: string, title: string, places: string, step: string, by: string): string;
  export function schedule_step(schedule: string, step: string, state: string, by: string): string;
  /** Whether a version by the other side is one step after the version before. */
  export function is_their_request(after: string, before: string, author: string): boolean;
  export function is_their_step(after: string, before: string): boolean;
  export function calendar_file(schedule: string, office: string): string | undefined;
  export function calendar_conflicts(calendar: Uint8Array, slots: string, zone: string): string;
  /** When a zone's clocks show `2026-12-01T15:30`. */
  export function moment_in(zone: string, local: string): number | undefined;
  export function statement_sha256(statement: string): string;
  // Memoranda, notes and debriefs: crates/papers-wasm/src/memoranda.rs says what each argument is.
  export function schemes(): string;
  export function draft_memorandum(sources: string, notes: string, seed: Uint8Array): string;
  export function assess_memorandum(memo: string, now_ms: number): string;
  export function confirm_turns(memo: string, turns: string): string;
  export function rewrite_turn(memo: string, turn: string, text: string): string;
  export function turn_texts(memo: string): string;
  export function memorandum_changes(before: string, after: string): string;
  export function join_memoranda(base: string, ours: string, theirs: string): string;
  export function memorandum_approvals(chain: string): string;
  export function memorandum_review(before: string, memo: string): string;
  export function destroyed_memorandum(memo: string): string;
  export function memorandum_offset(memo: string): number;
  export function memorandum_text(memo: string, colophon: string, offset_seconds: number): string;
  export function memorandum_docx(memo: string, colophon: string, offset_seconds: number): Uint8Array;
  export function write_note(notes: string, id: string, draft: string, device: string, person: string): string;
  export function remove_note(notes: string, id: string, device: string, person: string): string;
  export function merge_notes(all: string): string;
  export function shown_notes(notes: string): string;
  export function debriefs_due(lines: string, written: string): string;
  export function debrief_countdown(debrief: string, filed_ms: number | undefined, now_ms: number): string;
  export function may_claim(role: string, kind: string, state: string): boolean;
  /** Takes `Alternatives[]`; returns a `Circulation` without copies. */
  export function circulation_of(memorandum: string, version: number, alternatives: string, group: string): string;
  /** Takes `Reader[]` and 32 random bytes for each. */
  export function circulation_add(circulation: string, readers: string, random: Uint8Array): string;
  export function circulation_recall(circulation: string, number: number, now_ms: number): string;
  /** Takes a `Colophon`; returns `IssuedCopy[]`. */
  export function circulation_issue(circulation: string, memorandum: string, colophon: string): string;
  export function readout_payload(readout: string): string;
  /** Takes a `ReadoutFile`; returns the `Readout` that is published next. */
  export function readout_next(file: string, id: string, office: string, language: string, now_ms: number): string;
  /** Takes a `Profile` and `Action[]`; returns a `Profile`. */
  export function profile_with_promises(profile: string, promises: string): string;
}

declare module 'telcon-pdf' {
  export default function init(module?: {
    module_or_path: BufferSource | Response | Promise<Response>;
  }): Promise<unknown>;
  /** `id` identifies the version: the same gives the same file. */
  export function brief_pdf(brief_json: string, banner: string, id: string): Uint8Array;
  export function memorandum_pdf(memo: string, colophon: string, offset_seconds: number): Uint8Array;
  /** Takes an `IssuedCopy`; returns a `Sheet`. */
  export function copy_sheet(issued: string, offset_seconds: number): string;
  /** Returns `string[][]`: the lines of each turn. */
  export function copy_lines(issued: string, offset_seconds: number): string;
  export function copy_pdf(issued: string, offset_seconds: number): Uint8Array;
  /** Takes a `Circulation`, and a `Memorandum` or an empty text; returns a `Trace`. */
  export function trace_copies(circulation: string, memorandum: string, leaked: string, as_printed: boolean): string;
}
