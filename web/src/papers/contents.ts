// Generated from the Rust types by `cargo xtask contract --write`. Do not edit.
// What is written about a call: the contents of sealed documents, as the crate telcon-papers checks them.

/**
 * One call. Opaque: it reveals no participant and may be logged.
 */
export type CallId = string;
/**
 * One item of what is written about a call: a note, a turn, a promise. It stays inside of sealed documents.
 */
export type ItemId = string;
/**
 * One person. It must not be logged: it has no `Display`, and its `Debug` shows nothing.
 */
export type PersonId = string;
/**
 * Which side has to act.
 */
export type Side = 'ours' | 'theirs';
/**
 * Where an action stands.
 */
export type ActionState = 'open' | 'done' | 'dropped';
/**
 * What became of the review of an approved version.
 */
export type Review =
  | {
      review: 'same';
    }
  | {
      review: 'missing';
    }
  | {
      /**
       * Turns whose mark was lowered since.
       */
      lowered: ItemId[];
      review: 'changed';
    }
  | {
      review: 'incomplete';
    }
  | {
      review: 'unknown';
    };
/**
 * How old a draft is, against `DRAFT_DAYS`.
 */
export type DraftAge =
  | {
      age: 'young';
    }
  | {
      age: 'ending';
      /**
       * How many, whole ones.
       */
      days: number;
    }
  | {
      age: 'over';
    };
/**
 * Why a memorandum cannot be approved yet.
 */
export type Blocker =
  | {
      blocker: 'subject_unmarked';
    }
  | {
      blocker: 'turn_unmarked';
      of: ItemId;
    }
  | {
      blocker: 'decision_unmarked';
      of: number;
    }
  | {
      blocker: 'actions_unmarked';
    }
  | {
      blocker: 'mark_unknown';
      of: {
        /**
         * The mark as it would be printed.
         */
        mark: string;
        /**
         * The turn; none for the subject, a decision or the actions.
         */
        turn: ItemId | null;
      };
    }
  | {
      blocker: 'unconfirmed';
      of: ItemId;
    }
  | {
      blocker: 'no_participants';
    }
  | {
      blocker: 'no_times';
    }
  | {
      blocker: 'no_turns';
    }
  | {
      blocker: 'no_classification_block';
    }
  | {
      blocker: 'comment_open';
      of: ItemId;
    };
/**
 * Where a name in a memorandum comes from.
 */
export type AttendeeSource = 'call' | 'typed';
/**
 * On what a classification rests.
 */
export type Basis =
  | {
      basis: 'original';
      /**
       * The reason.
       */
      reason: string;
    }
  | {
      basis: 'derived';
      /**
       * The source.
       */
      from: string;
    };
/**
 * One paragraph of a memorandum, ready to show: text of others has passed `printable`.
 */
export type Block =
  | {
      letterhead: string;
    }
  | {
      title: string;
    }
  | {
      heading: string;
    }
  | {
      field: {
        /**
         * `SUBJECT`.
         */
        label: string;
        /**
         * The value.
         */
        value: string;
      };
    }
  | {
      turn: {
        /**
         * `09:35:02`, by the first place's clock.
         */
        clock: string;
        /**
         * Whether the words are the machine's and nobody signed them off.
         */
        is_unconfirmed: boolean;
        /**
         * `(C)`, or `(?)` without a mark.
         */
        mark: string;
        portion: ItemId;
        /**
         * Who speaks.
         */
        speaker: string;
        /**
         * The words, with how sure each run is.
         */
        words: [unknown, unknown][];
      };
    }
  | {
      item: {
        /**
         * As of a turn.
         */
        mark: string;
        /**
         * The text.
         */
        text: string;
      };
    }
  | {
      small: string;
    };
/**
 * When a talking point is said.
 */
export type When = 'say' | 'if_asked' | 'avoid';
/**
 * Which part of a memorandum.
 */
export type Part =
  | {
      part: 'subject';
    }
  | {
      id: ItemId;
      part: 'turn';
      /**
       * Who speaks.
       */
      speaker: string;
    }
  | {
      /**
       * Its place in the list, from 0.
       */
      number: number;
      part: 'decision';
    }
  | {
      part: 'actions';
    }
  | {
      part: 'frame';
    }
  | {
      part: 'comments';
    };
/**
 * One sealed document. Opaque: the log names it.
 */
export type DocumentId = string;
/**
 * SHA-256 as 64 lowercase hexadecimal digits.
 */
export type Digest = string;
/**
 * What a reader may do beside reading.
 */
export type Printing = 'no' | 'marked';
/**
 * How the duty to record an outside call stands.
 */
export type Countdown =
  | {
      stands: 'met';
    }
  | {
      /**
       * Whole days after it.
       */
      days: number;
      stands: 'late';
    }
  | {
      /**
       * Whole days until the deadline.
       */
      days: number;
      stands: 'days_left';
    }
  | {
      /**
       * Whole days after the deadline.
       */
      days: number;
      stands: 'overdue';
    };
/**
 * Which call a debrief is about.
 */
export type DebriefOf =
  | {
      call: CallId;
      of: 'call';
    }
  | {
      /**
       * When it was, milliseconds since the Unix epoch.
       */
      at_ms: number;
      /**
       * How long, minutes; none if nobody remembers.
       */
      length_min: number | null;
      of: 'outside';
      /**
       * Over what: `my own telephone`.
       */
      over: string;
      /**
       * When it was reported, milliseconds since the Unix epoch.
       */
      reported_ms: number;
      /**
       * With whom.
       */
      with: string[];
      /**
       * How exact that is, minutes to either side: people remember `around noon`.
       */
      within_min: number;
    };
/**
 * How a debrief came about.
 */
export type DebriefSource = 'spoken' | 'written';
/**
 * What a principal, or somebody for them, can say to a request.
 */
export type Verdict = 'yes' | 'not_now' | 'my_office_will_call' | 'declined';
/**
 * How a request reached the desk.
 */
export type DeskMedium = 'letter' | 'mail' | 'telephone' | 'in_person';
/**
 * One enrolled device. Opaque: it may be logged.
 */
export type DeviceId = string;
/**
 * How a request came in.
 */
export type Door =
  | {
      door: 'line';
      line: LineId;
    }
  | {
      door: 'principal';
    }
  | {
      by: DeskMedium;
      door: 'desk';
    };
/**
 * One line that a principal gave. Opaque: it may be logged.
 */
export type LineId = string;
/**
 * What a moment of a call is.
 */
export type NoteMark =
  | {
      mark: 'plain';
    }
  | {
      mark: 'decision';
    }
  | {
      mark: 'action';
      side: Side;
      /**
       * Until when, milliseconds since the Unix epoch.
       */
      until_ms: number | null;
      /**
       * By whom.
       */
      who: string;
    }
  | {
      mark: 'quote';
    }
  | {
      mark: 'sensitive';
    };
/**
 * What a message about a request is.
 */
export type ExchangeKind = 'asked_back' | 'answered' | 'forwarded';
/**
 * Who wrote a turn's words.
 */
export type Origin = 'machine' | 'person';
/**
 * How sure a run of words is.
 */
export type RunKind = 'plain' | 'uncertain' | 'remark';
/**
 * Name of an office: a domain in lower-case ASCII labels.
 */
export type OfficeName = string;
/**
 * What a readout says.
 */
export type Says =
  | {
      /**
       * In order.
       */
      paragraphs: string[];
      says: 'text';
    }
  | {
      says: 'no_comment';
    };
/**
 * The type of a readout's payload.
 */
export type ReadoutType = 'telcon_readout';
/**
 * How soon.
 */
export type Urgency = 'when_possible' | 'this_week' | 'today' | 'now';
/**
 * Whether it is known that the request comes from them.
 */
export type Verification =
  | {
      verified: 'unverified';
    }
  | {
      verified: 'by_signature';
    }
  | {
      /**
       * When, milliseconds since the Unix epoch.
       */
      at_ms: number;
      by: PersonId;
      call: CallId;
      verified: 'by_call_back';
    }
  | {
      /**
       * When, milliseconds since the Unix epoch.
       */
      at_ms: number;
      by: PersonId;
      call: CallId;
      verified: 'denied';
    };
/**
 * Where a schedule stands.
 */
export type Standing =
  | {
      state: 'offering';
    }
  | {
      slot: Slot;
      state: 'confirmed';
    }
  | {
      slot: Slot;
      state: 'cancelled';
    };

/**
 * All types of this file, by name.
 */
export interface Contract {
  Action?: Action;
  ActionState?: ActionState;
  Alternatives?: Alternatives;
  Approval?: Approval;
  Approved?: Approved;
  Assessment?: Assessment;
  Attendee?: Attendee;
  AttendeeSource?: AttendeeSource;
  Basis?: Basis;
  Block?: Block;
  Blocker?: Blocker;
  Brief?: Brief;
  CallId?: CallId;
  Change?: Change;
  ChangedSide?: ChangedSide;
  Circulation?: Circulation;
  ClassificationBlock?: ClassificationBlock;
  Colophon?: Colophon;
  Comment?: Comment;
  Copy?: Copy;
  Corrects?: Corrects;
  Countdown?: Countdown;
  Debrief?: Debrief;
  DebriefOf?: DebriefOf;
  DebriefSource?: DebriefSource;
  Decision?: Decision;
  DeskMedium?: DeskMedium;
  DeviceId?: DeviceId;
  Digest?: Digest;
  DocumentId?: DocumentId;
  Door?: Door;
  Draft?: Draft;
  DraftAge?: DraftAge;
  Edit?: Edit;
  Enquiry?: Enquiry;
  Exchange?: Exchange;
  ExchangeKind?: ExchangeKind;
  Fit?: Fit;
  IssuedCopy?: IssuedCopy;
  IssuedTo?: IssuedTo;
  ItemId?: ItemId;
  LayoutKey?: Digest;
  LineId?: LineId;
  Mark?: Mark;
  Memorandum?: Memorandum;
  Note?: Note;
  NoteMark?: NoteMark;
  Notes?: Notes;
  OfficeName?: OfficeName;
  Origin?: Origin;
  Part?: Part;
  PastCall?: PastCall;
  PersonId?: PersonId;
  Place?: Place;
  PlaceTime?: PlaceTime;
  Point?: Point;
  Portion?: Portion;
  Printing?: Printing;
  Profile?: Profile;
  Reader?: Reader;
  Readout?: Readout;
  ReadoutFile?: ReadoutFile;
  ReadoutType?: ReadoutType;
  Reminder?: Reminder;
  Request?: Request;
  Review?: Review;
  Round?: Round;
  Run?: Run;
  RunKind?: RunKind;
  Says?: Says;
  Schedule?: Schedule;
  Scheme?: Scheme;
  Sheet?: Sheet;
  ShownTo?: ShownTo;
  Side?: Side;
  Slot?: Slot;
  Standing?: Standing;
  Trace?: Trace;
  Turn?: Turn;
  Urgency?: Urgency;
  Verdict?: Verdict;
  Verification?: Verification;
  When?: When;
  Wording?: Wording;
}
/**
 * One promise.
 */
export interface Action {
  /**
   * The call in which it was promised; none for one that was told of outside of a call.
   */
  call: CallId | null;
  /**
   * Until when, milliseconds since the Unix epoch; none if nothing was said.
   */
  due_ms: number | null;
  id: ItemId;
  /**
   * The person in this office, if it is one.
   */
  person: PersonId | null;
  /**
   * When to remind, milliseconds since the Unix epoch.
   */
  remind_ms: number | null;
  side: Side;
  state: ActionState;
  /**
   * `VERSION`.
   */
  version: number;
  /**
   * What.
   */
  what: string;
  /**
   * Who sees to it, by name or title.
   */
  who: string;
}
/**
 * Wordings of a portion that the author approved as equal in meaning.
 */
export interface Alternatives {
  portion: ItemId;
  /**
   * The wordings; the first is the memorandum's own, which the record copy has.
   */
  wordings: string[];
}
/**
 * An approved version, and what became of its review.
 */
export interface Approval {
  review: Review;
  /**
   * The number of the approved version.
   */
  version: number;
}
/**
 * An approval.
 */
export interface Approved {
  /**
   * When, milliseconds since the Unix epoch.
   */
  at_ms: number;
  by: PersonId;
}
/**
 * What a page shows of a memorandum while it is worked on.
 */
export interface Assessment {
  age: DraftAge;
  /**
   * The banner; none while no portion is marked.
   */
  banner: string | null;
  /**
   * What stands in the way of approval.
   */
  blockers: Blocker[];
  /**
   * Whether the banner may still rise, because a portion has no valid mark.
   */
  may_rise: boolean;
  /**
   * Until when a draft has to be finished or destroyed, milliseconds since the Unix epoch.
   */
  until_ms: number;
}
/**
 * Somebody who took part.
 */
export interface Attendee {
  /**
   * Name or title.
   */
  name: string;
  /**
   * Their organisation.
   */
  organisation: string;
  /**
   * The person, if known to this office.
   */
  person: PersonId | null;
  source: AttendeeSource;
}
/**
 * A brief.
 */
export interface Brief {
  /**
   * Background on the other leader and the matter.
   */
  background: string[];
  /**
   * Remarks of those who draft it; not shown to the principal.
   */
  comments: Comment[];
  /**
   * With whom.
   */
  counterpart: string;
  /**
   * How far the principal may go.
   */
  limits: string[];
  /**
   * Talking points, in the order in which they are shown.
   */
  points: Point[];
  /**
   * What was promised last time, ours and theirs, put there from the profile.
   */
  promised: string[];
  /**
   * What the call is for, in a sentence or two.
   */
  purpose: string;
  /**
   * Name of the template that it was made from; empty if none.
   */
  template: string;
  /**
   * What they want.
   */
  they_want: string[];
  /**
   * Points that were raised, with the time: milliseconds since the Unix epoch.
   */
  ticks: {
    /**
     * This interface was referenced by `undefined`'s JSON-Schema definition
     * via the `patternProperty` "^[0-9a-f]{32}$".
     */
    [k: string]: number;
  };
  /**
   * `VERSION`.
   */
  version: number;
  /**
   * What we want.
   */
  we_want: string[];
}
/**
 * A remark on a brief or memorandum.
 */
export interface Comment {
  /**
   * What it is about; none: the whole.
   */
  about: ItemId | null;
  /**
   * When, milliseconds since the Unix epoch.
   */
  at_ms: number;
  by: PersonId;
  id: ItemId;
  /**
   * Who settled it; none while it is open.
   */
  settled_by: PersonId | null;
  /**
   * What.
   */
  text: string;
}
/**
 * A talking point.
 */
export interface Point {
  id: ItemId;
  /**
   * What.
   */
  text: string;
  when: When;
}
/**
 * A part that is not the same in two versions.
 */
export interface Change {
  /**
   * In the later version; none if the part was removed.
   */
  after: ChangedSide | null;
  /**
   * In the earlier version; none if the part is new.
   */
  before: ChangedSide | null;
  /**
   * Whether its mark is lower, has fewer caveats, or is gone.
   */
  lowered: boolean;
  part: Part;
}
/**
 * One side of a change.
 */
export interface ChangedSide {
  /**
   * Words that only this side has.
   */
  differs: string;
  /**
   * `(C)`; empty without a mark.
   */
  mark: string;
  /**
   * Words at the end that both sides have.
   */
  same_after: string;
  /**
   * Words at the beginning that both sides have.
   */
  same_before: string;
  /**
   * Whether they are words of the machine that nobody signed off.
   */
  unconfirmed: boolean;
}
/**
 * A circulation of one approved version of a memorandum.
 */
export interface Circulation {
  /**
   * Wordings that copies may have.
   */
  alternatives: Alternatives[];
  /**
   * The copies.
   */
  copies: Copy[];
  /**
   * The name under which its readers are offered again: *small clutch*. Empty: they are not.
   */
  group: string;
  memorandum: Digest;
  /**
   * Its version.
   */
  memorandum_version: number;
  /**
   * What readers are told: `POLICY`, or the office's own words.
   */
  policy: string;
  /**
   * `VERSION`.
   */
  version: number;
}
/**
 * One reader's copy.
 */
export interface Copy {
  /**
   * Which wording of each of `alternatives` it has.
   */
  choices: number[];
  document: DocumentId;
  /**
   * Until when it may be opened, milliseconds since the Unix epoch; none: until it is recalled.
   */
  expires_ms: number | null;
  layout_key: Digest;
  /**
   * The reader's name or title.
   */
  name: string;
  /**
   * On every page. From 1.
   */
  number: number;
  printing: Printing;
  reader: PersonId;
  /**
   * When it was recalled.
   */
  recalled_ms: number | null;
}
/**
 * Why and until when a memorandum is classified.
 */
export interface ClassificationBlock {
  basis: Basis;
  /**
   * By whom, name and position.
   */
  by: string;
  /**
   * `25 years`, a date or an event.
   */
  declassify_on: string;
}
/**
 * Where a memorandum comes from, printed at its end. Known only after it was sealed and logged.
 */
export interface Colophon {
  /**
   * Size and root of the checkpoint by which it was proven; empty before.
   */
  checkpoint: string;
  /**
   * The digest of the content, hexadecimal.
   */
  digest: string;
  /**
   * The version of the document.
   */
  document_version: number;
  /**
   * Its index in the log; none before it is logged.
   */
  log_index: number | null;
  /**
   * The record's identifier.
   */
  record: string;
  /**
   * `draft`, `reviewed`, `approved`.
   */
  state: string;
}
/**
 * Which readout another one corrects.
 */
export interface Corrects {
  digest: Digest;
  id: ItemId;
}
/**
 * A debrief.
 */
export interface Debrief {
  /**
   * What was promised.
   */
  actions: Action[];
  /**
   * When, milliseconds since the Unix epoch.
   */
  at_ms: number;
  by: PersonId;
  call: DebriefOf;
  /**
   * What is remembered, paragraph by paragraph.
   */
  remembered: string[];
  source: DebriefSource;
  /**
   * `VERSION`.
   */
  version: number;
}
/**
 * What was decided about a request.
 */
export interface Decision {
  /**
   * When, milliseconds since the Unix epoch.
   */
  at_ms: number;
  by: PersonId;
  /**
   * Why, or with which wish; may be empty, but for a refusal.
   */
  reason: string;
  verdict: Verdict;
}
/**
 * What a note-taker writes.
 */
export interface Draft {
  /**
   * The moment of the call, milliseconds after it was answered.
   */
  at_ms: number;
  kind: NoteMark;
  /**
   * Who was speaking; empty if nobody in particular.
   */
  speaker: string;
  /**
   * What.
   */
  text: string;
}
/**
 * Which of two edits is the later one: a logical clock (Lamport), then the device, so that it is the same everywhere.
 */
export interface Edit {
  by: PersonId;
  /**
   * Greater than every clock that its device had seen in these notes.
   */
  clock: number;
  device: DeviceId;
}
/**
 * A question from outside about a call.
 */
export interface Enquiry {
  /**
   * What was answered, and when; none while nobody did.
   */
  answered_ms: number | null;
  /**
   * When, milliseconds since the Unix epoch.
   */
  at_ms: number;
  /**
   * Who asks.
   */
  from: string;
  id: ItemId;
  /**
   * What.
   */
  question: string;
}
/**
 * A message about a request.
 */
export interface Exchange {
  /**
   * When, milliseconds since the Unix epoch.
   */
  at_ms: number;
  by: PersonId;
  id: ItemId;
  kind: ExchangeKind;
  /**
   * What.
   */
  text: string;
}
/**
 * How a copy fits.
 */
export interface Fit {
  /**
   * Probability that one copy whose wordings were drawn at random would fit at least as well: the exact distribution over wordings, in steps of 0.05 nats, times one over the likelihood ratio of the line breaks, which bounds their chance (Markov's inequality). The best of many copies has more chances.
   */
  chance: number;
  /**
   * Log-likelihood of the text relative to the background, nats.
   */
  log_likelihood: number;
  /**
   * The copy's number.
   */
  number: number;
  /**
   * Probability that the text comes from this copy, among all copies and none of them.
   */
  probability: number;
}
/**
 * A reader's copy as that reader gets it: the content of a document of kind *copy*.
 */
export interface IssuedCopy {
  colophon: Colophon;
  copy: IssuedTo;
  memorandum: Memorandum;
  /**
   * The notice that the reader has to accept before the page shows the copy.
   */
  policy: string;
  /**
   * `VERSION`.
   */
  version: number;
}
/**
 * Whose copy it is, and what they may do with it.
 */
export interface IssuedTo {
  /**
   * Until when it may be opened, milliseconds since the Unix epoch; none: until it is recalled.
   */
  expires_ms: number | null;
  layout_key: Digest;
  /**
   * `number`.
   */
  number: number;
  printing: Printing;
  reader: PersonId;
}
/**
 * A memorandum.
 */
export interface Memorandum {
  /**
   * What was promised; the mark of the section.
   */
  actions: Action[];
  /**
   * The mark of the list of actions; needed if there are any.
   */
  actions_mark: Mark | null;
  /**
   * When the call was answered, milliseconds since the Unix epoch.
   */
  answered_ms: number;
  call: CallId;
  /**
   * `CAUTION`, or the office's own.
   */
  caution: string;
  /**
   * The classification block, where the scheme demands one.
   */
  classification: ClassificationBlock | null;
  /**
   * Remarks of those who work on it; not printed.
   */
  comments: Comment[];
  /**
   * The office's number for it; may be empty.
   */
  control: string;
  /**
   * What was decided.
   */
  decisions: Portion[];
  /**
   * Who gets it, in the order of copy numbers.
   */
  distribution: string[];
  /**
   * When its first draft was made, milliseconds since the Unix epoch.
   */
  drafted_ms: number;
  /**
   * When it ended.
   */
  ended_ms: number;
  /**
   * Who interpreted.
   */
  interpreters: Attendee[];
  /**
   * `OFFICE OF THE PRESIDENT`.
   */
  letterhead: string;
  /**
   * Who listened without writing.
   */
  listeners: Attendee[];
  /**
   * Who wrote.
   */
  note_takers: Attendee[];
  /**
   * Who spoke.
   */
  participants: Attendee[];
  scheme: Scheme;
  subject: Portion;
  /**
   * Date, time and place, ours first.
   */
  times: PlaceTime[];
  /**
   * What was said.
   */
  turns: Turn[];
  /**
   * `VERSION`.
   */
  version: number;
}
/**
 * A portion's mark: which level of the scheme, and which caveats, by their portion wording.
 */
export interface Mark {
  /**
   * `portion` of caveats, each once.
   */
  caveats?: string[];
  /**
   * `portion` of a level.
   */
  level: string;
}
/**
 * A text with its mark.
 */
export interface Portion {
  /**
   * Its mark; none until somebody marked it.
   */
  mark: Mark | null;
  /**
   * The text.
   */
  text: string;
}
/**
 * A marking scheme.
 */
export interface Scheme {
  /**
   * From this level on (index), a memorandum needs a classification block; none if the scheme has no such block.
   */
  block_from: number | null;
  /**
   * Restrictions that add to a level: `NOFORN`.
   */
  caveats: Wording[];
  /**
   * `us`, `uk`, `eu`, `nato`, `private`, or an office's own name.
   */
  id: string;
  /**
   * From the lowest to the highest.
   */
  levels: Wording[];
  /**
   * In words: `United States`.
   */
  name: string;
  /**
   * Between a level and caveats: `//`.
   */
  separator: string;
}
/**
 * One level of a scheme, or one caveat.
 */
export interface Wording {
  /**
   * At the top and bottom of a page: `CONFIDENTIAL`.
   */
  banner: string;
  /**
   * In front of a portion, without parentheses: `C`.
   */
  portion: string;
}
/**
 * A call's date and times at one place, as its clocks showed them.
 */
export interface PlaceTime {
  /**
   * `29 May 2026`.
   */
  date: string;
  /**
   * `09:28`.
   */
  from: string;
  place: Place;
  /**
   * `09:40`, with the date before it if it is another one.
   */
  to: string;
  /**
   * `EDT`, or `UTC-04:00`.
   */
  zone: string;
}
/**
 * One place of a call, and its clocks.
 */
export interface Place {
  /**
   * Whose: `The President`.
   */
  of: string;
  /**
   * Where: `Oval Office`; may be empty.
   */
  place: string;
  /**
   * IANA zone.
   */
  zone: string;
}
/**
 * What one speaker said at a time.
 */
export interface Turn {
  /**
   * Milliseconds after the call was answered.
   */
  at_ms: number;
  /**
   * Whether a person signed them off. What a person wrote is.
   */
  confirmed: boolean;
  id: ItemId;
  /**
   * How long, milliseconds.
   */
  length_ms: number;
  /**
   * The mark.
   */
  mark: Mark | null;
  origin: Origin;
  /**
   * The words.
   */
  runs: Run[];
  /**
   * Whether a note-taker marked the moment as sensitive: shown to the person who marks the portion.
   */
  sensitive: boolean;
  /**
   * Who speaks; empty for a remark about the time.
   */
  speaker: string;
}
/**
 * Words of a turn that are equally sure.
 */
export interface Run {
  kind: RunKind;
  /**
   * The words, or the remark without its brackets.
   */
  text: string;
}
/**
 * One note. Its fields are ordered by what decides between two states of it: the edit first.
 *
 * This interface was referenced by `undefined`'s JSON-Schema definition
 * via the `patternProperty` "^[0-9a-f]{32}$".
 */
export interface Note {
  /**
   * The moment of the call, milliseconds after it was answered.
   */
  at_ms: number;
  author: PersonId;
  edit: Edit;
  kind: NoteMark;
  /**
   * Whether it was removed. It stays, so that another device's older state does not bring it back.
   */
  removed: boolean;
  /**
   * Who was speaking; empty if nobody in particular.
   */
  speaker: string;
  /**
   * What.
   */
  text: string;
}
/**
 * The notes of a call.
 *
 * ``` use telcon_papers::notes::{Draft, Notes, NoteMark}; use telcon_proto::{DeviceId, ItemId, PersonId};
 *
 * let (ann, phone) = (PersonId::from_bytes([1; 16]), DeviceId::from_bytes([1; 16])); let (ben, desk) = (PersonId::from_bytes([2; 16]), DeviceId::from_bytes([2; 16])); let draft = |text: &str| Draft { at_ms: 0, speaker: String::new(), text: text.into(), kind: NoteMark::Plain }; let (mut here, mut there) = (Notes::default(), Notes::default()); here.write(ItemId::from_bytes([1; 16]), draft("Joint patrols."), phone, ann); there.write(ItemId::from_bytes([2; 16]), draft("Three years."), desk, ben); here.merge(&there); there.merge(&here); assert_eq!(here, there); assert_eq!(here.shown().count(), 2); ```
 */
export interface Notes {
  /**
   * Each note's state.
   */
  notes: {
    [k: string]: Note;
  };
  /**
   * `VERSION`.
   */
  version: number;
}
/**
 * A call of the past, in a line.
 */
export interface PastCall {
  /**
   * When, milliseconds since the Unix epoch.
   */
  at_ms: number;
  call: CallId;
  /**
   * About what.
   */
  subject: string;
}
/**
 * What an office knows of a counterpart.
 */
export interface Profile {
  /**
   * What to know about them.
   */
  background: string[];
  /**
   * Calls, oldest first.
   */
  calls: PastCall[];
  /**
   * Languages, BCP 47 tags, the preferred one first.
   */
  languages: string[];
  /**
   * Name or title.
   */
  name: string;
  /**
   * How the principal addresses them.
   */
  name_to_use: string;
  /**
   * What was promised on either side.
   */
  promises: Action[];
  /**
   * `VERSION`.
   */
  version: number;
}
/**
 * A reader who is to get a copy.
 */
export interface Reader {
  /**
   * Until when, milliseconds since the Unix epoch.
   */
  expires_ms: number | null;
  /**
   * Their name or title.
   */
  name: string;
  person: PersonId;
  printing: Printing;
}
/**
 * What is published. It is signed as it stands (`payload`); nothing in it is secret, and nothing names a record.
 */
export interface Readout {
  /**
   * The readout that it corrects, and the digest of that one's payload. The first stays published.
   */
  corrects: Corrects | null;
  id: ItemId;
  /**
   * Language, a BCP 47 tag.
   */
  language: string;
  office: OfficeName;
  /**
   * When it was published, milliseconds since the Unix epoch.
   */
  published_ms: number;
  says: Says;
  /**
   * The headline.
   */
  title: string;
  type: ReadoutType;
  /**
   * 1 so far.
   */
  version: number;
}
/**
 * What an office keeps about the readout of a call; not published.
 */
export interface ReadoutFile {
  /**
   * Who approved it, and when.
   */
  approved: Approved | null;
  /**
   * What the draft says; none before it is begun.
   */
  draft: Says | null;
  /**
   * Questions from outside.
   */
  enquiries: Enquiry[];
  /**
   * What was published, oldest first: the readout, then corrections.
   */
  published: Readout[];
  /**
   * When it was shown to the other side, and what they said; none if it was not.
   */
  shown_to_them: ShownTo | null;
  /**
   * The draft's headline; empty before it is begun. Files of the first builds had none.
   */
  title: string;
  /**
   * `VERSION`.
   */
  version: number;
}
/**
 * That a draft was shown to the other side.
 */
export interface ShownTo {
  /**
   * What they said; empty while they have not.
   */
  answer: string;
  /**
   * When, milliseconds since the Unix epoch.
   */
  at_ms: number;
}
/**
 * A reminder.
 */
export interface Reminder {
  /**
   * Minutes before the start.
   */
  before_min: number;
  person: PersonId;
}
/**
 * A request for a call.
 */
export interface Request {
  /**
   * Who would like to speak, or with whom the principal would: name or title.
   */
  counterpart: string;
  /**
   * What was decided; none while it waits.
   */
  decision: Decision | null;
  door: Door;
  /**
   * Questions, answers and forwards, oldest first.
   */
  exchanges: Exchange[];
  /**
   * Languages, BCP 47 tags, the preferred one first. More than one: an interpreter may be needed.
   */
  languages: string[];
  /**
   * How long, minutes.
   */
  length_min: number;
  /**
   * Their office or organisation.
   */
  organisation: string;
  /**
   * Who else is to be in the call.
   */
  others: string[];
  /**
   * The counterpart, if they hold a line.
   */
  person: PersonId | null;
  principal: PersonId;
  /**
   * When it would suit them.
   */
  proposed: Slot[];
  /**
   * When it came in, milliseconds since the Unix epoch.
   */
  received_ms: number;
  /**
   * About what; may be empty if the principal wants to talk to them.
   */
  subject: string;
  urgency: Urgency;
  verification: Verification;
  /**
   * `VERSION`.
   */
  version: number;
}
/**
 * A time that a call could have.
 */
export interface Slot {
  /**
   * How long, minutes.
   */
  length_min: number;
  /**
   * Its start, milliseconds since the Unix epoch.
   */
  start_ms: number;
}
/**
 * One round: times that a side offered.
 */
export interface Round {
  /**
   * When, milliseconds since the Unix epoch.
   */
  at_ms: number;
  id: ItemId;
  /**
   * The other side's choice among them; none while it waits, or if it made a counter-offer.
   */
  picked: number | null;
  side: Side;
  /**
   * The times, at most `MAX_OFFERS`.
   */
  slots: Slot[];
}
/**
 * The schedule of one planned call.
 */
export interface Schedule {
  /**
   * When it was confirmed, moved or cancelled, milliseconds since the Unix epoch; 0 while offers are open.
   */
  changed_ms: number;
  /**
   * The places, ours first.
   */
  places: Place[];
  /**
   * Reminders.
   */
  reminders: Reminder[];
  /**
   * Offers, oldest first.
   */
  rounds: Round[];
  /**
   * RFC 5545, section 3.8.7.4: grows with each change that calendars have to learn.
   */
  sequence: number;
  standing: Standing;
  /**
   * The title in calendars: `Private call`, or what the office wants.
   */
  title: string;
  uid: ItemId;
  /**
   * `VERSION`.
   */
  version: number;
}
/**
 * A laid out memorandum.
 */
export interface Sheet {
  /**
   * At the top and bottom of each page; of a draft without any mark, that it is one.
   */
  banner: string;
  /**
   * The paragraphs.
   */
  blocks: Block[];
  /**
   * On each page beside its number: record and copy.
   */
  footer: string;
  /**
   * The document's title.
   */
  title: string;
}
/**
 * The result.
 */
export interface Trace {
  /**
   * Each copy, the best first.
   */
  fits: Fit[];
  /**
   * Probability that it comes from none of them alone.
   */
  none: number;
  /**
   * Portions with alternatives of which it has enough to tell wordings apart.
   */
  telling: number;
  /**
   * Words of the leaked text that were used.
   */
  words: number;
}
