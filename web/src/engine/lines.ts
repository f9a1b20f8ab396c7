// Lines over the office's HTTP API, and what the engine says of them. Types that `contract.ts` does not have yet stand here, by the
// names of `crates/proto/src/line.rs`: once it has them, they go, and so does `line_command`.

import type {
  CallView,
  Card,
  ContactLine,
  Hours,
  InvitationView,
  LineTerms,
  PageAsking,
  Reach,
  RecordMode,
  UserCommand,
  View,
} from './contract';
import { get_from_office } from './records';

export type LineState = ContactLine['state'];
export type { ContactLine, Hours, LineTerms, Reach };

/** One version of a line. */
export interface Line {
  office: string;
  line: string;
  version: number;
  previous?: string;
  principal: Card;
  holder: Card;
  /** The one device that it is bound to. */
  device?: string;
  terms: LineTerms;
  state: LineState;
  at_ms: number;
}

/** A line in the list of `GET /api/v1/lines`. */
export interface ListedLine {
  statement: string;
  statement_sha256: string;
  line: Line;
  given_ms: number;
  changed_ms: number;
  last_rung_ms?: number;
  /** Whether a device of the holder is connected. */
  reachable: boolean;
}

export interface LineList {
  lines: ListedLine[];
  more?: boolean;
}

/** What a person who does not answer now says instead. */
export type DeclineReply = { type: 'later'; minutes: number } | { type: 'office' };

/** A line of a call, as this device verified it (`LineView`). */
export interface CallLine {
  line: string;
  version: number;
  principal: Card;
  holder: Card;
  purpose: string;
  reach: Reach;
  mode: RecordMode;
}

/** What of a line changes: its terms, or whether it is in use. */
export type LineChange = { terms: LineTerms } | { state: LineState };

/** The delegation under which somebody changes a line for a principal, as the office listed it. */
export interface Under {
  under?: string;
}

export type LineCommand =
  | { type: 'give_line'; name: string; organisation: string; zone: string; terms: LineTerms; valid_ms?: number }
  /** To a person whom registrars enrolled: for all their devices. */
  | { type: 'give_line_to'; person: string; terms: LineTerms }
  /** `code`: the one that was compared. */
  | { type: 'confirm_line'; invitation: string; code: string }
  /** `statement`: the newest version, as the office listed it. */
  | ({ type: 'sign_line_change'; statement: string; change: LineChange } & Under)
  | { type: 'hand_back'; statement: string }
  /** Freezes the line of a ring or call, which ends. */
  | { type: 'suspect'; call: string }
  /** The office listed these: this device accepts no older versions from now on. */
  | { type: 'see_lines'; list: LineList }
  | { type: 'decline'; call: string; reply: DeclineReply };

/** The command as the engine takes it. */
export const line_command = (command: LineCommand): UserCommand => command as unknown as UserCommand;

/**
 * Whether the office wants the person to have confirmed a command: what opens a way to a principal does, what closes one does not.
 * The commands send messages of other names, which `NEED_CONFIRMATION` lists.
 */
export function needs_confirmation(command: LineCommand): boolean {
  switch (command.type) {
    case 'give_line':
    case 'give_line_to':
    case 'confirm_line':
      return true;
    case 'sign_line_change':
      return 'terms' in command.change || command.change.state === 'live';
    default:
      return false;
  }
}

/** What a line that an invitation offers allows; `null` of a registrar's invitation. */
export const offered_terms = (invitation: InvitationView): LineTerms | null =>
  (invitation as InvitationView & { line?: LineTerms | null }).line ?? null;

/** The line that a call is over. */
export const line_of_call = (call: CallView): CallLine | null =>
  (call as CallView & { line?: CallLine | null }).line ?? null;

/** What the person who was rung said instead of answering: theirs to the caller, and on their own screen. */
export const reply_of_call = (call: CallView): DeclineReply | null =>
  (call as CallView & { reply?: DeclineReply | null }).reply ?? null;

/** Whether the ring goes on at the desk of the person who was rung. */
export const is_diverted = (call: CallView): boolean => (call as CallView & { diverted?: boolean }).diverted === true;

/** Changes whenever lines that this person may see have changed. */
export const lines_changed = (view: View | null): number =>
  (view as (View & { lines_changed?: number }) | null)?.lines_changed ?? 0;

/** Whether a device that asks was given a line, and not invited by a registrar. */
export const asks_for_line = (asking: PageAsking): boolean => (asking as PageAsking & { line?: boolean }).line === true;

export interface Lines {
  /** Those that this person gave or holds; of those for whom they act; all for security officers. Newest first. */
  lines(token: string, oldest?: ListedLine): Promise<LineList>;
}

export const lines_over_http: Lines = {
  async lines(token, oldest) {
    const before = oldest ? `?before=${oldest.given_ms}` : '';
    return JSON.parse(await get_from_office(token, `/lines${before}`)) as LineList;
  },
};
