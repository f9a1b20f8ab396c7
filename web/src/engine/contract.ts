// Generated from the Rust types by `cargo xtask contract --write`. Do not edit.
// What the page exchanges with the engine (crate telcon-wasm) and reads from the office's HTTP API.
// Nothing here decides anything; the engine has verified whatever these types call verified.

export const API_PREFIX = '/api/v1';
export const CONFIRMATION_MAX_AGE_MS = 300000;
export const IDLE_LOCK_MINUTES = 240;
export const LOCKER_ID_BYTES = 16;
export const MAX_PIN_CHARS = 64;
export const MIN_PIN_CHARS = 6;
export const NEED_CONFIRMATION = [
  'approve_device',
  'attest_holder',
  'close_invitation',
  'close_recovery',
  'confirm_recovery',
  'delegate',
  'invite',
  'offer_line',
  'open_recovery',
  'revoke_device',
  'sign_line',
];
export const RECEIVE_SLOTS = 7;
export const SALT_BYTES = 32;

/**
 * What a document is about.
 */
export type About =
  | {
      call: CallId;
    }
  | {
      document: DocumentId;
    };
/**
 * One call. Opaque: it reveals no participant and may be logged.
 */
export type CallId = string;
/**
 * One sealed document. Opaque: the log names it.
 */
export type DocumentId = string;
/**
 * What a delegate may do for the principal.
 */
export type Act = 'ring' | 'answer' | 'lines';
/**
 * Name of an office: a domain in lower-case ASCII labels.
 */
export type OfficeName = string;
/**
 * One person. It must not be logged: it has no `Display`, and its `Debug` shows nothing.
 */
export type PersonId = string;
/**
 * Role of a person in the office that certified them. Certificates carry it: a device reads it from the verified certificate, never from the server's messages.
 */
export type Role =
  | 'principal'
  | 'scheduler'
  | 'duty_officer'
  | 'note_taker'
  | 'interpreter'
  | 'counterpart'
  | 'security_officer'
  | 'records_officer'
  | 'auditor';
/**
 * One enrolled device. Opaque: it may be logged.
 */
export type DeviceId = string;
/**
 * What becomes of a side's aides once the principals are connected.
 */
export type Aides = 'stay' | 'leave';
/**
 * How a fork was found.
 */
export type ForkFinding = 'roots_differ' | 'proof_refused' | 'proof_overdue';
/**
 * Severity of an alert.
 */
export type AlertLevel = 'red' | 'amber';
/**
 * What an alert is about.
 */
export type AlertKind =
  | 'device_asked'
  | 'device_enrolled'
  | 'device_refused'
  | 'device_revoked'
  | 'link_opened_again'
  | 'registrar_appointed'
  | 'recovery_opened'
  | 'recovery_confirmed'
  | 'recovery_closed'
  | 'sign_in_failed'
  | 'account_linked'
  | 'ring_refused'
  | 'proof_invalid'
  | 'log_forked'
  | 'ring_invalid'
  | 'code_guessed'
  | 'line_suspect';
/**
 * One invitation to enrol a device. Opaque: it may be logged.
 */
export type InvitationId = string;
/**
 * Answer to `AskRequest`.
 */
export type Asked =
  | {
      /**
       * How many of two registrars have approved it. Absent where one is enough, and before the first.
       */
      approvals?: number;
      /**
       * Until when, milliseconds since 1970 UTC.
       */
      expires_ms: number;
      state: 'waiting';
    }
  | {
      /**
       * DER certificates: the device's and the registrar's; where the charter demands two registrars, then the device's by the second and that registrar's. The device verifies them.
       */
      chain: Blob[];
      state: 'approved';
    }
  | {
      state: 'refused';
    }
  | {
      state: 'expired';
    };
/**
 * Bytes as standard base64 (RFC 4648, section 4).
 */
export type Blob = string;
/**
 * State of a call on this device.
 */
export type CallState = 'opening' | 'ringing' | 'answering' | 'live' | 'reconnecting' | 'ended';
/**
 * The role of this device in a call.
 */
export type Direction = 'out' | 'in' | 'listen';
/**
 * How a call ended.
 */
export type Ended = 'hung_up' | 'declined' | 'cancelled' | 'missed' | 'busy' | 'failed' | 'interrupted' | 'revoked';
/**
 * One of the two sides.
 */
export type RoomSide = 'caller' | 'callee';
/**
 * What is said to those who wait: a sentence that every screen shows in its own language.
 */
export type HoldWord = 'moment' | 'coming' | 'looking_up';
/**
 * One line that a principal gave. Opaque: it may be logged.
 */
export type LineId = string;
/**
 * Record mode: what is kept of a call. The screen of every participant shows it.
 */
export type RecordMode = 'log_only' | 'memo' | 'audio';
/**
 * Whom a ring over a line reaches.
 */
export type Reach = 'direct' | 'desk' | 'planned';
/**
 * Result of comparing the log of this device with those of the other members of its office.
 */
export type LogComparison = 'unknown' | 'same' | 'different';
/**
 * One shift of a person at a device of a place. Opaque: the log names it.
 */
export type ShiftId = string;
/**
 * What a person who is rung has the caller told.
 */
export type DeclineReply =
  | {
      /**
       * In how many minutes, from 1 to `MAX_LATER_MINUTES`.
       */
      minutes: number;
      type: 'later';
    }
  | {
      type: 'office';
    };
/**
 * The MLS cipher suite of an office, by name.
 */
export type SuiteName = 'hybrid' | 'cnsa2';
/**
 * Answer to `CodeConfirm`.
 */
export type CodeConfirmed =
  | {
      state: 'delivered';
      text: SealedText;
    }
  | {
      /**
       * How many more wrong ones are accepted.
       */
      left: number;
      state: 'wrong';
    };
/**
 * Why a code, or an attempt with it, is over.
 */
export type CodeOver = 'used' | 'guessed' | 'expired' | 'closed' | 'too_many' | 'unknown';
/**
 * One attempt with a short code. Opaque: only the device that made it learns it from the server.
 */
export type CodeRunId = string;
/**
 * State of the connection to the office.
 */
export type ConnectionState = 'connecting' | 'offline' | 'ready' | 'revoked';
/**
 * Whether a line is in use.
 */
export type LineState = 'live' | 'paused' | 'suspect' | 'ended';
/**
 * SHA-256 as 64 lowercase hexadecimal digits.
 */
export type Digest = string;
/**
 * A day of the week.
 */
export type Weekday = 'monday' | 'tuesday' | 'wednesday' | 'thursday' | 'friday' | 'saturday' | 'sunday';
/**
 * One delegation of a principal. Opaque: it may be logged.
 */
export type DelegationId = string;
/**
 * What kind of program a device is.
 */
export type DeviceKind = 'browser' | 'native';
/**
 * Version of a device's program, MAJOR.MINOR.PATCH.
 */
export type ProgramVersion = string;
/**
 * What a document is.
 */
export type DocumentKind =
  | 'request'
  | 'brief'
  | 'profile'
  | 'notes'
  | 'memorandum'
  | 'copy'
  | 'debrief'
  | 'readout'
  | 'actions'
  | 'schedule'
  | 'circulation';
/**
 * What a version claims to be. Which of them a kind has, and who may claim it: `document_policy`.
 */
export type DocumentState =
  'draft' | 'reviewed' | 'approved' | 'declined' | 'published' | 'recalled' | 'closed' | 'destroyed';
/**
 * One recovery of a person who lost all devices. Opaque: it may be logged.
 */
export type RecoveryId = string;
/**
 * Answer to `OpenLocker`.
 */
export type LockerAnswer =
  | {
      secret: Blob;
      state: 'opened';
      /**
       * Signs the device in.
       */
      ticket: string;
    }
  | {
      /**
       * How many attempts are left before the secret is erased.
       */
      attempts_left: number;
      state: 'wrong';
      /**
       * How long the next attempt has to wait, milliseconds.
       */
      wait_ms: number;
    }
  | {
      state: 'wait';
      /**
       * How long still, milliseconds.
       */
      wait_ms: number;
    }
  | {
      state: 'erased';
    };
/**
 * State of a call.
 */
export type NoticeState =
  | {
      is: 'ringing';
    }
  | {
      is: 'live';
      /**
       * When, milliseconds since 1970 UTC.
       */
      since_ms: number;
    }
  | {
      how: Ended;
      is: 'ended';
    };
/**
 * An output of the engine, for the page to carry out in order.
 */
export type PageOutput =
  | {
      /**
       * A `ClientMessage` as text.
       */
      text: string;
      type: 'send';
    }
  | {
      type: 'view';
      view: View;
    }
  | {
      /**
       * Opaque to the page.
       */
      state: string;
      type: 'persist';
    }
  | {
      call: CallId;
      type: 'open_leg';
    }
  | {
      /**
       * WebRTC answer.
       */
      sdp: string;
      type: 'media_answer';
    }
  | {
      type: 'close_leg';
    }
  | {
      report: ErasureReport;
      type: 'erase';
    }
  | {
      type: 'reconnect';
    };
/**
 * Why a person needs it, as the first registrar states it.
 */
export type RecoveryReason = 'lost' | 'stolen' | 'destroyed' | 'other';
/**
 * Content of a push message, as JSON. It names nobody: the page shows the rest, verified, once it is opened.
 */
export type PushMessage = {
  /**
   * `PUSH_VERSION`.
   */
  version: number;
} & PushMessage1;
export type PushMessage1 =
  | {
      about: 'alert';
      /**
       * Index of its entry in the log. The same entry is shown once.
       */
      entry: number;
      kind: AlertKind;
    }
  | {
      about: 'ring';
      call: CallId;
      /**
       * When the ring ends if nobody answers, milliseconds since 1970 UTC: what a push service holds back for longer is no ring any more.
       */
      until_ms: number;
    }
  | {
      about: 'asked';
      call: CallId;
      /**
       * Until when it is worth interrupting a person for it, milliseconds since 1970 UTC.
       */
      until_ms: number;
    }
  | {
      about: 'ring_over';
      call: CallId;
      /**
       * Whether nobody answered or declined it.
       */
      missed: boolean;
    };
/**
 * `POST /api/v1/protection/remove`: removes a passkey or a PIN, but not the last one.
 */
export type RemoveProtector =
  | {
      /**
       * The credential's identifier, base64url without padding, of at most `MAX_CREDENTIAL_ID_BYTES`.
       */
      credential: string;
      kind: 'passkey';
    }
  | {
      kind: 'locker';
      locker_sha256: Digest;
    };
/**
 * How a shift ended.
 */
export type ShiftEnd = 'ended' | 'handed_over' | 'idle' | 'expired' | 'revoked' | 'not_begun' | 'lost';
/**
 * What a person, or the program around the engine, requests.
 */
export type UserCommand =
  | {
      mode?: RecordMode;
      person: PersonId;
      type: 'ring';
    }
  | {
      mode?: RecordMode;
      person: PersonId;
      /**
       * Whether the call is prepared before the principals join it: a green room opens once it is answered.
       */
      prepare?: boolean;
      /**
       * The principal's delegation, as the office listed it.
       */
      statement: string;
      type: 'ring_for';
    }
  | {
      /**
       * In which ways.
       */
      acts: Act[];
      delegate: Card;
      /**
       * Until when.
       */
      not_after_ms: number;
      /**
       * From when, milliseconds since 1970 UTC; now if not given.
       */
      not_before_ms?: number;
      type: 'delegate';
    }
  | {
      delegation: DelegationId;
      type: 'end_delegation';
    }
  | {
      /**
       * The name or title of who is to hold it.
       */
      name: string;
      /**
       * Their own organisation.
       */
      organisation: string;
      terms: LineTerms;
      type: 'give_line';
      /**
       * The principal's delegation, for somebody who acts for them, as the office listed it: the principal confirms who took it.
       */
      under?: string;
      /**
       * How long the link may be used, milliseconds; at most, and if not given, `MAX_INVITATION_MS`.
       */
      valid_ms?: number;
      /**
       * IANA time zone of where they work.
       */
      zone: string;
    }
  | {
      person: PersonId;
      terms: LineTerms;
      type: 'give_line_to';
      /**
       * The principal's delegation, for somebody who acts for them, as the office listed it.
       */
      under?: string;
    }
  | {
      /**
       * The code that was compared: a request with another is not confirmed.
       */
      code: string;
      invitation: InvitationId;
      type: 'confirm_line';
    }
  | {
      change: LineChange;
      lost?: LoggedVersion;
      /**
       * Its newest version, as the office listed it.
       */
      statement: string;
      type: 'sign_line_change';
      /**
       * The principal's delegation, for somebody who acts for them, as the office listed it.
       */
      under?: string;
    }
  | {
      /**
       * Its newest version, as the office listed it.
       */
      statement: string;
      type: 'hand_back';
    }
  | {
      call?: CallId;
      type: 'suspect';
    }
  | {
      list: LineList;
      type: 'see_lines';
    }
  | {
      call?: CallId;
      type: 'answer';
    }
  | {
      call: CallId;
      type: 'answer_instead';
    }
  | {
      call?: CallId;
      reply?: DeclineReply;
      type: 'decline';
    }
  | {
      /**
       * Whether they are silenced from now on.
       */
      on: boolean;
      person: PersonId;
      type: 'silence';
    }
  | {
      person: PersonId;
      settings: ReachSettings;
      type: 'set_reach';
    }
  | {
      /**
       * The name or title to show.
       */
      name: string;
      /**
       * Their own organisation.
       */
      organisation: string;
      person?: PersonId;
      /**
       * Whether it is a place, such as an operations room, and not a person: people work at its devices in shifts.
       */
      place?: boolean;
      role: Role;
      type: 'invite';
      /**
       * How long the link may be used, milliseconds; at most, and if not given, `MAX_INVITATION_MS`.
       */
      valid_ms?: number;
      /**
       * IANA time zone of where they work.
       */
      zone: string;
    }
  | {
      invitation: InvitationId;
      type: 'close_invitation';
    }
  | {
      /**
       * The code that was compared: a request with another is not approved.
       */
      code: string;
      invitation: InvitationId;
      type: 'approve_device';
    }
  | {
      device: DeviceId;
      /**
       * Whether it erases its keys and data when it learns of it. A device that is revoked already may be ordered to.
       */
      erase?: boolean;
      type: 'revoke_device';
    }
  | {
      person: PersonId;
      reason: RecoveryReason;
      type: 'open_recovery';
    }
  | {
      recovery: RecoveryId;
      type: 'confirm_recovery';
    }
  | {
      recovery: RecoveryId;
      type: 'close_recovery';
    }
  | {
      invitation: InvitationId;
      type: 'show_code';
    }
  | {
      line: LineId;
      type: 'show_challenge';
    }
  | {
      type: 'hide_challenge';
    }
  | {
      type: 'hide_code';
    }
  | {
      /**
       * Their log indices.
       */
      alerts: number[];
      type: 'see_alerts';
    }
  | {
      device: DeviceId;
      type: 'acknowledge_device';
    }
  | {
      /**
       * Whether nobody used it.
       */
      idle?: boolean;
      type: 'end_shift';
    }
  | {
      type: 'hang_up';
    }
  | {
      type: 'leave';
    }
  | {
      call: CallId;
      type: 'listen';
    }
  | {
      /**
       * Prefixes of words of their name or organisation.
       */
      name: string;
      type: 'find_people';
    }
  | {
      type: 'available';
    }
  | {
      /**
       * WebRTC offer.
       */
      sdp: string;
      type: 'offer';
    }
  | {
      /**
       * Whether it is muted.
       */
      on: boolean;
      type: 'mute';
    }
  | {
      /**
       * And in one's own words, at most `MAX_HOLD_CHARS`.
       */
      text?: string;
      type: 'hold';
      word: HoldWord;
    }
  | {
      type: 'resume';
    }
  | {
      type: 'hand_over';
    }
  | {
      /**
       * It agrees to the call's record mode.
       */
      agrees_mode?: boolean;
      /**
       * It heard the other side.
       */
      heard?: boolean;
      /**
       * It needs this many minutes more, at most `MAX_ROOM_MINUTES`. Readiness ends that.
       */
      more_minutes?: number;
      /**
       * It is ready, with what the other side stated until now.
       */
      ready?: boolean;
      terms?: RoomTerms;
      type: 'green_room';
    }
  | {
      type: 'speak_now';
    }
  | {
      type: 'media_failed';
    }
  | {
      type: 'dismiss';
    };

/**
 * All types of this file, by name.
 */
export interface Contract {
  About?: About;
  Act?: Act;
  ActsFor?: ActsFor;
  ActsForView?: ActsForView;
  AddedDevice?: AddedDevice;
  Aides?: Aides;
  Alert?: Alert;
  AlertKind?: AlertKind;
  AlertLevel?: AlertLevel;
  AlertList?: AlertList;
  AlertSeen?: AlertSeen;
  ApiError?: ApiError;
  ApprovalView?: ApprovalView;
  AskRequest?: AskRequest;
  Asked?: Asked;
  Blob?: Blob;
  CallId?: CallId;
  CallState?: CallState;
  CallView?: CallView;
  CaptionView?: CaptionView;
  Card?: Card;
  ChallengeRequest?: ChallengeRequest;
  ChallengeView?: ChallengeView;
  Check?: Check;
  CodeConfirmed?: CodeConfirmed;
  CodeOver?: CodeOver;
  CodeRunId?: CodeRunId;
  CodeStarted?: CodeStarted;
  CodeView?: CodeView;
  ConnectionState?: ConnectionState;
  Contact?: Contact;
  ContactLine?: ContactLine;
  DeclineReply?: DeclineReply;
  DelegationId?: DelegationId;
  DelegationList?: DelegationList;
  DeviceId?: DeviceId;
  DeviceKind?: DeviceKind;
  DeviceList?: DeviceList;
  DevicePolicy?: DevicePolicy;
  DeviceRules?: DeviceRules;
  Digest?: Digest;
  Direction?: Direction;
  DoNotDisturb?: DoNotDisturb;
  DocumentId?: DocumentId;
  DocumentKept?: DocumentKept;
  DocumentKind?: DocumentKind;
  DocumentList?: DocumentList;
  DocumentOpening?: DocumentOpening;
  DocumentState?: DocumentState;
  DocumentVersion?: DocumentVersion;
  DoubtedLine?: DoubtedLine;
  Ended?: Ended;
  EnrolRequest?: EnrolRequest;
  ErasureReport?: ErasureReport;
  FailedSignIns?: FailedSignIns;
  ForkFinding?: ForkFinding;
  GreenRoomView?: GreenRoomView;
  HoldView?: HoldView;
  HoldWord?: HoldWord;
  Hours?: Hours;
  IceServer?: IceServer;
  IceServers?: IceServers;
  InvitationId?: InvitationId;
  InvitationView?: InvitationView;
  IssuedTicket?: IssuedTicket;
  Line?: Line;
  LineChange?: LineChange;
  LineId?: LineId;
  LineList?: LineList;
  LineState?: LineState;
  LineTerms?: LineTerms;
  LineView?: LineView;
  ListedDelegation?: ListedDelegation;
  ListedDevice?: ListedDevice;
  ListedDocument?: ListedDocument;
  ListedLine?: ListedLine;
  LockerAnswer?: LockerAnswer;
  LogComparison?: LogComparison;
  LogFork?: LogFork;
  LogState?: LogState;
  Logged?: Logged;
  LoggedVersion?: LoggedVersion;
  MakeLocker?: MakeLocker;
  MemberView?: MemberView;
  NoteTakersView?: NoteTakersView;
  NoticeState?: NoticeState;
  NoticeView?: NoticeView;
  OfferedForView?: OfferedForView;
  OfficeAccount?: OfficeAccount;
  OfficeAlert?: OfficeAlert;
  OfficeAlertsView?: OfficeAlertsView;
  OfficeInfo?: OfficeInfo;
  OfficeName?: OfficeName;
  OfficeView?: OfficeView;
  OnBehalf?: OnBehalf;
  OnShift?: OnShift;
  OpenLocker?: OpenLocker;
  Orders?: Orders;
  PageAsking?: PageAsking;
  PageDraft?: PageDraft;
  PageEnrolment?: PageEnrolment;
  PageOutput?: PageOutput;
  PageVersion?: PageVersion;
  PasskeyAnswer?: PasskeyAnswer;
  PasskeyOptions?: PasskeyOptions;
  PersonId?: PersonId;
  PersonKeys?: PersonKeys;
  PersonsReach?: PersonsReach;
  ProgramVersion?: ProgramVersion;
  ProtectionPolicy?: ProtectionPolicy;
  ProvenDelegation?: ProvenDelegation;
  ProvenDeviceKey?: ProvenDeviceKey;
  ProvenDocument?: ProvenDocument;
  ProvenVersion?: ProvenVersion;
  PushMessage?: PushMessage;
  PushSettings?: PushSettings;
  PushSubscription?: PushSubscription;
  Reach?: Reach;
  ReachSettings?: ReachSettings;
  ReadoutPublished?: ReadoutPublished;
  RecordLine?: RecordLine;
  RecordMode?: RecordMode;
  RecoveryId?: RecoveryId;
  RecoveryReason?: RecoveryReason;
  RecoveryView?: RecoveryView;
  RegistrarView?: RegistrarView;
  RemoveProtector?: RemoveProtector;
  Report?: Report;
  RequestView?: RequestView;
  RevocationView?: RevocationView;
  Role?: Role;
  RoomSide?: RoomSide;
  RoomSideView?: RoomSideView;
  RoomTerms?: RoomTerms;
  SealedText?: SealedText;
  ShiftBegun?: ShiftBegun;
  ShiftEnd?: ShiftEnd;
  ShiftId?: ShiftId;
  ShiftOptions?: ShiftOptions;
  SignIn?: SignIn;
  SignInList?: SignInList;
  SsoFinish?: SsoFinish;
  SsoStarted?: SsoStarted;
  SsoUnlink?: SsoUnlink;
  SuiteName?: SuiteName;
  UserCommand?: UserCommand;
  View?: View;
  Weekday?: Weekday;
  WorkedShift?: WorkedShift;
  You?: You;
}
/**
 * Who acts in a call for one of its two parties.
 */
export interface ActsFor {
  act: Act;
  delegate: Card;
  principal: Card;
}
/**
 * Identity of a person, from a verified certificate. In contact lists it is unverified, as the server sent it: enough to choose whom to ring, never to identify a caller.
 */
export interface Card {
  /**
   * The name or title to show, such as "The President of Norland".
   */
  name: string;
  office: OfficeName;
  /**
   * Their own organisation, such as "Chancellery of Norland".
   */
  organisation: string;
  person: PersonId;
  /**
   * Whether it is a place of the office, such as an operations room or a car, and not a person: its name is the place's, and people work at its devices in shifts (`shift`). Certified, as the role is.
   */
  place?: boolean;
  role: Role;
  /**
   * IANA time zone of where they work, such as `Europe/Oslo`.
   */
  zone: string;
}
/**
 * Who acts in a call for one of its parties.
 */
export interface ActsForView {
  act: Act;
  delegate: Card;
  principal: Card;
  /**
   * Whether the party took the call over: who acted listens since.
   */
  taken_over: boolean;
}
/**
 * A device that was enrolled in a person's name, as their other devices are told (`DevicesAdded`).
 */
export interface AddedDevice {
  /**
   * The name of the registrar who approved it, the last of two, as the server states it; none if it was enrolled by the authority's link.
   */
  approved_by?: string;
  device: DeviceId;
  /**
   * When it was enrolled, milliseconds since 1970 UTC.
   */
  enrolled_ms: number;
  /**
   * What it said it was when it asked; none of devices enrolled by the authority's link.
   */
  label?: string;
}
/**
 * An alert for the person.
 */
export interface Alert {
  fork?: LogFork;
  level: AlertLevel;
  /**
   * One sentence.
   */
  text: string;
}
/**
 * Two signed checkpoints of one log that do not belong to one history, as far as this device was shown.
 */
export interface LogFork {
  call: CallId;
  device: DeviceId;
  /**
   * When this device found it, milliseconds since 1970 UTC by its clock.
   */
  found_ms: number;
  how: ForkFinding;
  /**
   * The signed checkpoint that the member's device follows.
   */
  other: string;
  /**
   * The signed checkpoint that this device follows (C2SP signed note).
   */
  own: string;
  /**
   * Version of this format, which is also that of the file that a page saves and of the line that a program logs: `LOG_FORK_VERSION`.
   */
  version: number;
}
/**
 * `GET /api/v1/alerts`: the office's alerts.
 */
export interface AlertList {
  /**
   * Newest first.
   */
  alerts: OfficeAlert[];
  /**
   * How many in all no security officer has seen.
   */
  unseen: number;
}
/**
 * An alert that is in the log.
 */
export interface OfficeAlert {
  call?: CallId;
  /**
   * How often it happened since the entry before it about the same.
   */
  count: number;
  device?: DeviceId;
  invitation?: InvitationId;
  kind: AlertKind;
  /**
   * Index of its entry in the log: no two alerts have the same.
   */
  log_index: number;
  seen?: AlertSeen;
  /**
   * When, milliseconds since 1970 UTC.
   */
  time_ms: number;
}
/**
 * A security officer saw an alert.
 */
export interface AlertSeen {
  /**
   * When, milliseconds since 1970 UTC.
   */
  at_ms: number;
  by: DeviceId;
}
/**
 * Any error of the HTTP API.
 */
export interface ApiError {
  /**
   * What happened and what to do.
   */
  error: string;
}
/**
 * The first of two security officers' approvals.
 */
export interface ApprovalView {
  /**
   * When, milliseconds since 1970 UTC, by the office's clock.
   */
  at_ms: number;
  by: Card;
  /**
   * Whether this device's person did, on whatever device: somebody else has to approve second.
   */
  own: boolean;
}
/**
 * `POST /api/v1/device-requests`: a new device asks to be enrolled, and asks again until it is answered. The same request may be sent any number of times; another one with the same invitation is refused.
 */
export interface AskRequest {
  /**
   * Compact JWS, type `telcon-device-request+jws`.
   */
  request: string;
}
/**
 * A call on the screen.
 */
export interface CallView {
  /**
   * Who acts in it for one of the two, by a delegation that this device verified: at most one for each.
   */
  acts_for: ActsForView[];
  /**
   * Whether this device's person continues the call here, and their other device has it still: until this one receives sound. It sends none before.
   */
  arriving: boolean;
  call: CallId;
  /**
   * The note-taker's captions, for those who may read them.
   */
  captions: CaptionView[];
  /**
   * Latency of the newest caption, milliseconds.
   */
  captions_behind_ms: number | null;
  /**
   * Once it is over here: the device on which this person continues it.
   */
  continued_on: DeviceId | null;
  direction: Direction;
  /**
   * The callee passed the ring to their office, as the server states it.
   */
  diverted: boolean;
  /**
   * How it ended: a name of `Ended`, `taken_elsewhere`, `continued` on another device of this person, or `stepped_out` before the other principal came: the office goes on with it.
   */
  ended: Ended | 'taken_elsewhere' | 'continued' | 'stepped_out' | null;
  /**
   * The epoch.
   */
  epoch: number | null;
  /**
   * The caller.
   */
  from: Card | null;
  /**
   * Its green room: what the two sides agree on before the principals join.
   */
  green_room: GreenRoomView | null;
  /**
   * Who holds the call. While somebody does, no device sends sound.
   */
  holds: HoldView[];
  /**
   * Who hung up: this person, or the party whose device said so to all members. A server's word alone names nobody.
   */
  hung_up_by: Card | null;
  /**
   * Checkpoints of members that the log did not sign: their senders' programs are wrong. They were ignored.
   */
  invalid_checkpoints: number;
  /**
   * Log entry of its sealed record, after its end.
   */
  kept_index: number | null;
  /**
   * The line that it is over, verified.
   */
  line: LineView | null;
  logs: LogComparison;
  /**
   * All holders of the current key: nobody else can hear.
   */
  members: MemberView[];
  mode: RecordMode;
  /**
   * Whether this device's microphone is off.
   */
  muted: boolean;
  /**
   * Whether a verified note-taker is in it and its heartbeats arrive.
   */
  note_taker: boolean;
  /**
   * Whether one was in it at any time while this device was.
   */
  noted: boolean;
  /**
   * While it rings: no device of the callee is connected, and the office, as it states, notifies them.
   */
  notified: boolean;
  /**
   * Log entry of its opening.
   */
  opened_index: number | null;
  /**
   * Time of that entry.
   */
  opened_ms: number | null;
  /**
   * The other party, from a verified certificate; while it rings out, from the office's list.
   */
  other: Card | null;
  /**
   * Whether all its records are partial.
   */
  partial: boolean;
  /**
   * The phrase that all screens of the call show.
   *
   * @minItems 4
   * @maxItems 4
   */
  phrase: [string, string, string, string] | null;
  /**
   * What went wrong, as a sentence for the person.
   */
  problem: string | null;
  /**
   * What the callee let the caller know when they declined; on the callee's screen, what this person did.
   */
  reply: DeclineReply | null;
  /**
   * Whether this device's person is heard in it.
   */
  speaks: boolean;
  /**
   * When it was answered, milliseconds since 1970 UTC.
   */
  started_ms: number | null;
  state: CallState;
  suite: SuiteName;
  /**
   * The callee.
   */
  to: Card | null;
  /**
   * Whether `other` was verified by this device.
   */
  verified: boolean;
}
/**
 * A caption on the screen.
 */
export interface CaptionView {
  /**
   * Latency: how long after the words were said this was sent, milliseconds.
   */
  behind_ms: number;
  /**
   * Whether the line is final; otherwise it is a draft.
   */
  final: boolean;
  /**
   * The speaker's name, from the certificate.
   */
  name: string;
  /**
   * For a draft, the part of the passage: a later draft of the same part replaces it.
   */
  part: number;
  /**
   * Number of the passage, increasing per speaker. The final lines of a passage replace its drafts.
   */
  passage: number;
  speaker: DeviceId;
  /**
   * Start of the words, milliseconds since 1970 UTC by the note-taker's clock.
   */
  start_ms: number;
  /**
   * The words.
   */
  text: string;
}
/**
 * The green room of a call.
 */
export interface GreenRoomView {
  callee: RoomSideView;
  caller: RoomSideView;
  /**
   * When both principals were connected, milliseconds since 1970 UTC.
   */
  connected_ms: number | null;
  /**
   * Messages of members who speak for no side. They changed nothing: the senders' programs are wrong.
   */
  ignored: number;
  /**
   * When one principal will have waited too long for the other one, milliseconds since 1970 UTC.
   */
  late_at_ms: number | null;
  /**
   * Whether this device's person states what their side brings.
   */
  may_state: boolean;
  /**
   * The side of this device's person; none for other members.
   */
  own: RoomSide | null;
  /**
   * Whether this device waits: it neither sends nor plays sound.
   */
  waits: boolean;
}
/**
 * One side of a green room, as it stated it.
 */
export interface RoomSideView {
  /**
   * It agrees to the record mode.
   */
  agrees_mode: boolean;
  /**
   * The delegate who acts for them; none of a party that takes part in person.
   */
  by: Card | null;
  /**
   * It heard the other side.
   */
  heard: boolean;
  /**
   * Whether the party is in the call.
   */
  here: boolean;
  /**
   * Until when it needs more time, milliseconds since 1970 UTC by its own clock.
   */
  more_until_ms: number | null;
  /**
   * It was ready, and the other side changed something since.
   */
  outdated: boolean;
  /**
   * The party.
   */
  principal: Card | null;
  /**
   * It is ready with what the other side states now.
   */
  ready: boolean;
  /**
   * Whether the side stated anything.
   */
  stated: boolean;
  terms: RoomTerms;
}
/**
 * What one side brings to the call, in its own words.
 */
export interface RoomTerms {
  aides: Aides;
  /**
   * Interpreters.
   */
  interpreters: string[];
  /**
   * Who will listen.
   */
  listening: string[];
  /**
   * Who will be in the room beside the principal, a line each: at most `MAX_ROOM_LINES` of `MAX_ROOM_LINE_CHARS`.
   */
  present: string[];
}
/**
 * Somebody holds a call.
 */
export interface HoldView {
  by: Card;
  /**
   * Whether it is this device's person, on whatever device: they end it.
   */
  own: boolean;
  /**
   * Since when, by this device's clock, milliseconds since 1970 UTC.
   */
  since_ms: number;
  /**
   * And in their own words; may be empty.
   */
  text: string;
  word: HoldWord;
}
/**
 * The line that a call is over, as its giver signed it.
 */
export interface LineView {
  holder: Card;
  line: LineId;
  mode: RecordMode;
  principal: Card;
  /**
   * What it is for.
   */
  purpose: string;
  reach: Reach;
  /**
   * Its version.
   */
  version: number;
}
/**
 * A member of a call.
 */
export interface MemberView {
  device: DeviceId;
  /**
   * Whether it is a note-taker whose heartbeats are overdue.
   */
  lost: boolean;
  /**
   * Whether its microphone is off.
   */
  muted: boolean;
  /**
   * The name or title to show, such as "The President of Norland".
   */
  name: string;
  office: OfficeName;
  /**
   * Who is on shift at it, if it is a device of a place, as the office's server says.
   */
  on_shift: OnShift | null;
  /**
   * Their own organisation, such as "Chancellery of Norland".
   */
  organisation: string;
  person: PersonId;
  /**
   * Whether it is a place of the office, such as an operations room or a car, and not a person: its name is the place's, and people work at its devices in shifts (`shift`). Certified, as the role is.
   */
  place?: boolean;
  role: Role;
  /**
   * Whether it is heard: by its person's role, or because they act for a party.
   */
  speaks: boolean;
  /**
   * Whether it is this one.
   */
  you: boolean;
  /**
   * IANA time zone of where they work, such as `Europe/Oslo`.
   */
  zone: string;
}
/**
 * Who is on shift at a device of a place, as the office's server says.
 */
export interface OnShift {
  person: Card;
  shift: ShiftId;
  /**
   * Since when, milliseconds since 1970 UTC.
   */
  since_ms: number;
  /**
   * Until when at most.
   */
  until_ms: number;
}
/**
 * `POST /api/v1/passkeys/challenge`: a device is to be unlocked, or a command confirmed.
 */
export interface ChallengeRequest {
  device: DeviceId;
}
/**
 * The words of a line that its giver and its holder may ask each other for.
 */
export interface ChallengeView {
  line: LineId;
  /**
   * The words, in their order; none if the line was not bound on this device.
   */
  words: string[] | null;
}
/**
 * Result of one check.
 */
export interface Check {
  /**
   * Numbers and digests, or the reason of a failure.
   */
  detail: string;
  /**
   * Whether it passed.
   */
  ok: boolean;
  /**
   * What was checked, as a short sentence.
   */
  title: string;
}
/**
 * The text that a code carries, for the device that typed it.
 */
export interface SealedText {
  confirmation: Blob;
  enc: Blob;
  sealed: Blob;
}
/**
 * Answer to `CodeStart`.
 */
export interface CodeStarted {
  message: Blob;
  run: CodeRunId;
}
/**
 * A short code that carries an invitation's link.
 */
export interface CodeView {
  /**
   * To be read out; none before the office has allotted a slot, and once it is over.
   */
  code: string | null;
  /**
   * Until when it can be typed, milliseconds since 1970 UTC.
   */
  expires_ms: number | null;
  invitation: InvitationId;
  /**
   * Another device had it, and tried it after it was used.
   */
  late: boolean;
  /**
   * Why it cannot be typed any more.
   */
  over: CodeOver | null;
  /**
   * Attempts with its slot after it was used, by devices that did not prove that they know the code.
   */
  tried: number;
  /**
   * How many wrong codes were typed.
   */
  wrong: number;
}
/**
 * A person whom the device can ring, and whether a device of theirs is connected.
 */
export interface Contact {
  line?: ContactLine;
  /**
   * The name or title to show, such as "The President of Norland".
   */
  name: string;
  /**
   * They cannot be rung before the device's person gives them a line. Only principals find such people.
   */
  needs_line?: boolean;
  /**
   * Whether none of their devices is connected, and the office can notify one of a ring by a push message (`push`).
   */
  notified?: boolean;
  office: OfficeName;
  /**
   * Their own organisation, such as "Chancellery of Norland".
   */
  organisation: string;
  person: PersonId;
  /**
   * Whether it is a place of the office, such as an operations room or a car, and not a person: its name is the place's, and people work at its devices in shifts (`shift`). Certified, as the role is.
   */
  place?: boolean;
  /**
   * Whether one of their devices is connected now.
   */
  reachable: boolean;
  /**
   * When two security officers enrolled a device for them after they had lost all others, as the server states it; only for `RECOVERY_SHOWN_MS`.
   */
  recovered_ms?: number;
  role: Role;
  /**
   * IANA time zone of where they work, such as `Europe/Oslo`.
   */
  zone: string;
}
/**
 * What a contact's line allows, as the server states it: the devices that are rung verify the line itself.
 */
export interface ContactLine {
  line: LineId;
  state: LineState;
  statement_sha256: Digest;
  terms: LineTerms;
}
/**
 * What a line allows.
 */
export interface LineTerms {
  hours?: Hours;
  mode: RecordMode;
  /**
   * What it is for, as the giver wrote it; may be empty.
   */
  purpose?: string;
  reach: Reach;
  /**
   * How often the holder may ring in 24 hours; as often as anybody, without.
   */
  rings_per_day?: number;
  /**
   * Until when, milliseconds since 1970 UTC; without an end, without.
   */
  until_ms?: number;
}
/**
 * When a line may be rung over, by the clocks of one zone.
 */
export interface Hours {
  /**
   * On which days, each once.
   */
  days: Weekday[];
  /**
   * From which minute of these days, below 1440.
   */
  from_min: number;
  /**
   * Until which minute, exclusive, at most 1440. Not after `from_min`: until then on the next day.
   */
  until_min: number;
  /**
   * IANA name of the zone.
   */
  zone: string;
}
/**
 * `GET /api/v1/delegations`: those by and to the bearer's person, or all for who may end all; newest first.
 */
export interface DelegationList {
  /**
   * To a principal: the people who may be chosen as delegates, sorted by name.
   */
  candidates?: Card[];
  /**
   * Delegations.
   */
  delegations: ListedDelegation[];
}
/**
 * A delegation in the list of `GET /api/v1/delegations`.
 */
export interface ListedDelegation {
  /**
   * In which ways.
   */
  acts: Act[];
  delegate: Card;
  delegation: DelegationId;
  /**
   * When it was ended before its time.
   */
  ended_ms?: number;
  /**
   * Until when.
   */
  not_after_ms: number;
  /**
   * From when, milliseconds since 1970 UTC.
   */
  not_before_ms: number;
  principal: Card;
  /**
   * The statement, a compact JWS: its certificates name the principal.
   */
  statement: string;
}
/**
 * `GET /api/v1/devices`: enrolled devices.
 */
export interface DeviceList {
  /**
   * Sorted by person's name, then by time of enrolment.
   */
  devices: ListedDevice[];
}
/**
 * An enrolled device.
 */
export interface ListedDevice {
  account?: OfficeAccount;
  /**
   * When its person last signed in on it with their account at the office's provider, milliseconds since 1970 UTC.
   */
  account_used_ms?: number;
  approved_by?: DeviceId;
  card: Card;
  /**
   * Whether it is connected now.
   */
  connected: boolean;
  device: DeviceId;
  /**
   * When it was enrolled, milliseconds since 1970 UTC.
   */
  enrolled_ms: number;
  /**
   * When a security officer ordered it to erase itself, as part of the revocation or after it.
   */
  erase_ordered_ms?: number;
  /**
   * When it reported that it erased itself. A device whose keys are locked cannot report.
   */
  erased_ms?: number;
  first_approved_by?: DeviceId;
  kind?: DeviceKind;
  /**
   * What it said it was when it was enrolled; none of devices enrolled by the authority's link.
   */
  label?: string;
  /**
   * When it was last connected, milliseconds since 1970 UTC, to within a few minutes; none if it never was, or not since the server keeps this.
   */
  last_seen_ms?: number;
  on_shift?: OnShift;
  program?: ProgramVersion;
  /**
   * Whether it is a registrar.
   */
  registrar: boolean;
  /**
   * When it was revoked.
   */
  revoked_ms?: number;
}
/**
 * A person's account at the office's provider.
 */
export interface OfficeAccount {
  /**
   * The provider's issuer identifier.
   */
  issuer: string;
  /**
   * When it was linked, by the person's first sign-in, milliseconds since 1970 UTC.
   */
  linked_ms: number;
  person: PersonId;
  /**
   * What names the person there.
   */
  subject: string;
}
/**
 * An office's policy for devices.
 */
export interface DevicePolicy {
  everybody: DeviceRules;
  /**
   * Rules for some roles, each in place of the rule for everybody.
   */
  roles?: {
    [k: string]: DeviceRules;
  };
  /**
   * `DEVICE_POLICY_VERSION`.
   */
  version: number;
}
/**
 * Rules for some devices. What is absent is not restricted further.
 */
export interface DeviceRules {
  /**
   * How many devices a person may have, 1 to `MAX_DEVICES_PER_PERSON`.
   */
  devices_per_person?: number;
  /**
   * After how many minutes without use a protected page locks, 1 to `IDLE_LOCK_MINUTES`.
   */
  idle_lock_minutes?: number;
  /**
   * Which kinds of device may sign in.
   */
  kinds?: DeviceKind[];
  minimum_version?: ProgramVersion;
  /**
   * Whether browsers have to be protected by a passkey or PIN before they can do anything.
   */
  protection?: boolean;
}
/**
 * A principal is not to be disturbed.
 */
export interface DoNotDisturb {
  /**
   * Until when, milliseconds since 1970 UTC; until it is turned off, without.
   */
  until_ms?: number;
}
/**
 * The answer to an upload: the version is in the log.
 */
export interface DocumentKept {
  /**
   * Index of its log entry.
   */
  log_index: number;
}
/**
 * `GET /api/v1/documents`: those that the bearer's person may read, newest first.
 */
export interface DocumentList {
  /**
   * Documents, at most `MAX_DOCUMENTS_LISTED`.
   */
  documents: ListedDocument[];
  /**
   * Whether there are more: ask again with the parameter `before`, the last one's `log_index`.
   */
  more: boolean;
}
/**
 * A document in a list: what the server knows of it.
 */
export interface ListedDocument {
  about?: About;
  author: Card;
  /**
   * When it was logged, milliseconds since 1970 UTC by the server's clock.
   */
  changed_ms: number;
  document: DocumentId;
  /**
   * When its readers are to be reminded.
   */
  due_ms?: number;
  kind: DocumentKind;
  /**
   * Index of its log entry: the list is in their order, newest first.
   */
  log_index: number;
  /**
   * Who may read it.
   */
  readers: PersonId[];
  state: DocumentState;
  statement_sha256: Digest;
  /**
   * The number of its newest version.
   */
  version: number;
}
/**
 * An opening of a copy.
 */
export interface DocumentOpening {
  /**
   * When, milliseconds since 1970 UTC by the server's clock.
   */
  at_ms: number;
  device: DeviceId;
  /**
   * Index of the log entry.
   */
  log_index: number;
  person: PersonId;
  /**
   * Which version.
   */
  version: number;
}
/**
 * Payload of `telcon-document+jws`: one version of a document.
 */
export interface DocumentVersion {
  about?: About;
  /**
   * When it was signed, by the author's clock.
   */
  at_ms: number;
  author: Card;
  ciphertext_sha256: Digest;
  content_sha256: Digest;
  document: DocumentId;
  /**
   * When the office's server is to remind its readers, milliseconds since 1970 UTC.
   */
  due_ms?: number;
  kind: DocumentKind;
  office: OfficeName;
  on_behalf?: OnBehalf;
  previous?: Digest;
  /**
   * Who may read it, sorted, each once; the author among them.
   */
  readers: PersonId[];
  state: DocumentState;
  /**
   * From 1, by one each.
   */
  version: number;
}
/**
 * In a ring: on whose behalf it is, by the delegation that allows it.
 */
export interface OnBehalf {
  delegation: DelegationId;
  statement_sha256: Digest;
}
/**
 * A line that is not frozen, while another line of the same holder is: the giver of that one, or a security officer, doubted the holder's identity.
 */
export interface DoubtedLine {
  holder: Card;
  line: LineId;
  principal: Card;
  /**
   * Since when another one is frozen, milliseconds since 1970 UTC, by the switchboard's clock: the latest.
   */
  since_ms: number;
}
/**
 * `POST /api/v1/devices`: enrols a device.
 */
export interface EnrolRequest {
  /**
   * DER certificates: the device's, then the enrolment certificate that signed it.
   */
  chain: Blob[];
}
/**
 * `POST /api/v1/erasures`: a device reports that it erased itself as ordered.
 */
export interface ErasureReport {
  /**
   * Compact JWS, type `telcon-erasure+jws`, by the device over `Erasure`.
   */
  jws: string;
}
/**
 * Attempts to sign in that failed, in the name of one device.
 */
export interface FailedSignIns {
  /**
   * How many there were.
   */
  count: number;
  device: DeviceId;
  /**
   * When the first of them was made, milliseconds since 1970 UTC.
   */
  time_ms: number;
}
/**
 * A TURN server, with the fields of WebRTC's `RTCIceServer`.
 */
export interface IceServer {
  /**
   * The password.
   */
  credential: string;
  /**
   * Its addresses (RFC 7065).
   */
  urls: string[];
  /**
   * The user name of the credential.
   */
  username: string;
}
/**
 * `GET /api/v1/ice-servers`: the office's TURN servers, for signed-in devices whose network blocks the relay's own address.
 */
export interface IceServers {
  /**
   * TURN servers; none where the office has none.
   */
  ice_servers: IceServer[];
  /**
   * Remaining lifetime of the credentials, milliseconds. Relative, because the device's clock may differ from the office's.
   */
  ttl_ms?: number;
}
/**
 * An invitation on the screen.
 */
export interface InvitationView {
  /**
   * How many security officers have to approve the device that asks: one or two, by the office's charter; two of a recovery.
   */
  approvals_needed: number;
  card: Card;
  /**
   * Until when a device may ask with it, or, once one has asked, until when it waits.
   */
  expires_ms: number;
  /**
   * The first of two security officers who approved the device that asks, verified.
   */
  first_approval: ApprovalView | null;
  invitation: InvitationId;
  /**
   * Of an invitation to take a line: what it allows.
   */
  line: LineTerms | null;
  /**
   * The fragment of its link, until a device has asked with it.
   */
  link: string | null;
  /**
   * Whether this device made it, and so has its link and can approve it first.
   */
  made_here: boolean;
  /**
   * When it was made, milliseconds since 1970 UTC.
   */
  made_ms: number;
  /**
   * A delegate offers that line for a principal.
   */
  offered_for: OfferedForView | null;
  /**
   * The recovery that it belongs to.
   */
  recovery: RecoveryId | null;
  /**
   * How many times another device tried to use the link since.
   */
  refused_requests: number;
  /**
   * The device that asks.
   */
  request: RequestView | null;
}
/**
 * A line that a delegate offers for a principal.
 */
export interface OfferedForView {
  /**
   * When the delegate's device attested that the code of the device that asked was compared, milliseconds since 1970 UTC, by the office's account. The principal's devices verify the attestation, and show the code only then.
   */
  attested_ms: number | null;
  delegate: Card;
  principal: Card;
}
/**
 * A device that asks to be enrolled.
 */
export interface RequestView {
  /**
   * The code to compare with the person, over another channel than the link's. None if the request does not verify.
   */
  code: string | null;
  /**
   * What it says it is.
   */
  label: string;
  /**
   * Why it does not verify, for the person.
   */
  problem: string | null;
}
/**
 * Answer to a passkey or PIN that was accepted. It replaces the device's ticket before.
 */
export interface IssuedTicket {
  /**
   * For `Prove`. The server stores its digest only.
   */
  ticket: string;
}
/**
 * Payload of `telcon-line+jws`: one version of a line.
 */
export interface Line {
  /**
   * When it was signed, milliseconds since 1970 UTC by the signer's clock.
   */
  at_ms: number;
  device?: DeviceId;
  holder: Card;
  line: LineId;
  office: OfficeName;
  on_behalf?: OnBehalf;
  previous?: Digest;
  principal: Card;
  state: LineState;
  terms: LineTerms;
  /**
   * From 1, by one each.
   */
  version: number;
}
/**
 * What becomes of a line. What is not given stays.
 */
export interface LineChange {
  state?: LineState;
  terms?: LineTerms;
}
/**
 * `GET /api/v1/lines`: those that the bearer's person gave or holds; of those for whom they act; all for who may see all. Newest first.
 */
export interface LineList {
  /**
   * Lines, at most `MAX_LINES_LISTED`.
   */
  lines: ListedLine[];
  /**
   * Whether there are more: ask again with the parameter `before`, the last one's `given_ms`.
   */
  more: boolean;
}
/**
 * A line in the list of `GET /api/v1/lines`.
 */
export interface ListedLine {
  /**
   * When the newest version was.
   */
  changed_ms: number;
  /**
   * When the first version was logged, milliseconds since 1970 UTC by the server's clock.
   */
  given_ms: number;
  /**
   * When it was last rung over, in either direction.
   */
  last_rung_ms?: number;
  line: Line;
  lost?: LoggedVersion;
  /**
   * Whether a device of the holder is connected.
   */
  reachable: boolean;
  /**
   * The newest statement that the server has, a compact JWS: its certificates name who signed it.
   */
  statement: string;
  statement_sha256: Digest;
}
/**
 * What the log says of a version of a line.
 */
export interface LoggedVersion {
  state: LineState;
  statement_sha256: Digest;
  /**
   * Its number.
   */
  version: number;
}
/**
 * What this device knows of the log.
 */
export interface LogState {
  /**
   * When it was verified, milliseconds since 1970 UTC.
   */
  checked_ms: number;
  /**
   * Whether it continues every tree that this device verified before.
   */
  ok: boolean;
  /**
   * The problem found, if any.
   */
  problem: string | null;
  /**
   * Entries of the newest verified tree.
   */
  size: number;
}
/**
 * An entry of the log with the proof that it is in the tree of a signed checkpoint.
 */
export interface Logged {
  /**
   * The signed checkpoint of the tree that the proof leads to.
   */
  checkpoint: string;
  entry: Blob;
  /**
   * Its index.
   */
  index: number;
  office?: OfficeName;
  /**
   * RFC 6962 inclusion proof, base64 hashes, from the leaf upwards.
   */
  proof: Blob[];
}
/**
 * `POST /api/v1/lockers`: makes a locker for a new PIN. It counts as a protection once it was opened.
 */
export interface MakeLocker {
  locker_sha256: Digest;
  proof_sha256: Digest;
}
/**
 * The office's note-takers, as it states them.
 */
export interface NoteTakersView {
  /**
   * Of these, those that accept no further call now.
   */
  busy: number;
  /**
   * Connected.
   */
  connected: number;
}
/**
 * A call of the office, for staff.
 */
export interface NoticeView {
  /**
   * Who acts in it for a party, according to the office.
   */
  acts_for: ActsFor[];
  /**
   * Whether the principal for whom somebody acts in it was asked to it and has not come.
   */
  asked: boolean;
  /**
   * Until when that rings here, milliseconds since 1970 UTC by this device's clock; none if it is somebody else who was asked.
   */
  asks_until_ms: number | null;
  call: CallId;
  /**
   * Whether this device's person is in it on another device, according to the office, and may continue it here.
   */
  can_continue: boolean;
  /**
   * Whether this device may join it as a listener now.
   */
  can_listen: boolean;
  /**
   * Whether somebody acts in it for this device's person, who may take it over now.
   */
  can_take_over: boolean;
  from: Card;
  /**
   * Log entry of its sealed record.
   */
  kept_index: number | null;
  /**
   * Devices in it.
   */
  members: number;
  mode: RecordMode;
  /**
   * Whether one is joining, according to the office: another need not.
   */
  note_taker_asks: boolean;
  /**
   * Whether a note-taker is in it and responsive, according to the office.
   */
  noted: boolean;
  /**
   * When it was opened, milliseconds since 1970 UTC.
   */
  opened_ms: number;
  /**
   * This person's devices in it, according to the office.
   */
  own_devices: DeviceId[];
  /**
   * Whether all its records are partial.
   */
  partial: boolean;
  state: NoticeState;
  to: Card;
}
/**
 * The office's alerts.
 */
export interface OfficeAlertsView {
  /**
   * Changes whenever the list has changed.
   */
  changes: number;
  /**
   * The newest, newest first. The list has all of them.
   */
  newest: OfficeAlert[];
  /**
   * How many no security officer has seen.
   */
  unseen: number;
}
/**
 * `GET /api/v1/office`: the office's description for a new device. The device trusts the authority only if its digest is the one in the enrolment link, which reached the person out of band.
 */
export interface OfficeInfo {
  authority: Blob;
  /**
   * Compact JWS, type `telcon-charter+jws`, by the office authority over `Charter`.
   */
  charter: string;
  /**
   * Domain that names the office.
   */
  domain: string;
  /**
   * Name to show.
   */
  name: string;
  suite: SuiteName;
}
/**
 * The office.
 */
export interface OfficeView {
  domain: OfficeName;
  /**
   * Whether its charter has lines: principals give them to counterparts, who ring over them alone.
   */
  lines: boolean;
  /**
   * Its name.
   */
  name: string;
}
/**
 * `POST /api/v1/lockers/open`: tries a PIN.
 */
export interface OpenLocker {
  locker: Blob;
  proof: Blob;
}
/**
 * Answer to `OrderRequest`.
 */
export interface Orders {
  /**
   * The signed revocation, as in `Revoked`; none if the device is not revoked.
   */
  revocation?: string;
}
/**
 * A device that asks a registrar to enrol it.
 */
export interface PageAsking {
  /**
   * The code to read to the registrar.
   */
  code: string;
  /**
   * Whether it takes a line: who gave it answers, and not a security officer.
   */
  line: boolean;
  /**
   * The name of the office.
   */
  office: string;
  request: AskRequest;
  /**
   * The state to store before the request is sent. It contains the device's keys.
   */
  state: string;
}
/**
 * What a person writes on a page: `Draft` without its content, which crosses as bytes.
 */
export interface PageDraft {
  about?: About;
  /**
   * Recipients (age) of custodians, for what belongs to a record.
   */
  custodians?: string[];
  document: DocumentId;
  /**
   * When its readers are to be reminded, milliseconds since 1970 UTC.
   */
  due_ms?: number;
  kind: DocumentKind;
  on_behalf?: OnBehalf;
  /**
   * Who may read it, beside its author.
   */
  readers: PersonId[];
  state: DocumentState;
}
/**
 * A device that was created from an enrolment link and is not enrolled yet.
 */
export interface PageEnrolment {
  request: EnrolRequest;
  /**
   * The device's state, to be stored once the office accepted the request.
   */
  state: string;
}
/**
 * Everything a screen shows.
 */
export interface View {
  /**
   * When the person's sign-in with their account at the office's provider ends, milliseconds since 1970 UTC by this device's clock; none if they need none, and while the device is not signed in.
   */
  account_ends_ms: number | null;
  /**
   * Devices that were added in this person's name, until they are acknowledged on this device.
   */
  added_devices: AddedDevice[];
  /**
   * Alerts for the person, newest first.
   */
  alerts: Alert[];
  /**
   * Changes with every alert, also with one that equals an earlier one.
   */
  alerts_raised: number;
  /**
   * The call: the one that this person is in or rings, else the first ring.
   */
  call: CallView | null;
  /**
   * Whether the office has sent its whole state since sign-in: the list of calls is complete.
   */
  caught_up: boolean;
  /**
   * The words of a line that this person asked to see.
   */
  challenge: ChallengeView | null;
  /**
   * The short code that this device shows, asked for, or showed last.
   */
  code: CodeView | null;
  /**
   * Changes whenever delegations by or to this person, or of the whole office for who may end them, have changed.
   */
  delegations_changed: number;
  /**
   * Changes whenever the lists of devices that this one may see have changed.
   */
  devices_changed: number;
  /**
   * How often the office reported that a document which this person reads has a new version: the list is read again when it changes.
   */
  documents_changed: number;
  /**
   * Lines whose holder somebody doubted on another line, as the office says: each can be frozen, too.
   */
  doubted_lines: DoubtedLine[];
  /**
   * Invitations that are not closed, newest first, for those who may see them.
   */
  invitations: InvitationView[];
  /**
   * Changes whenever lines of this person, or of the whole office for who may see them, have changed.
   */
  lines_changed: number;
  /**
   * State of the office's log as this device checked it.
   */
  log: LogState | null;
  mode: RecordMode;
  /**
   * Note-takers, for those who watch calls.
   */
  note_takers: NoteTakersView | null;
  /**
   * Calls of the office, for staff.
   */
  notices: NoticeView[];
  /**
   * The office.
   */
  office: OfficeView | null;
  /**
   * The office's alerts, for security officers.
   */
  office_alerts: OfficeAlertsView | null;
  /**
   * The office refuses this program because of its age.
   */
  outdated: boolean;
  /**
   * The people that it can ring.
   */
  people: Contact[];
  /**
   * Whether there are more, who are found by name.
   */
  people_more: boolean;
  phase: ConnectionState;
  /**
   * When this person is reached, if that is theirs to decide, and then those for whom they may answer now: as the office states it.
   */
  reach: PersonsReach[];
  /**
   * When this person was recovered after they had lost all devices, as the office states it; for thirty days.
   */
  recovered_ms: number | null;
  /**
   * Recoveries that are not over, newest first, for those who may see invitations.
   */
  recoveries: RecoveryView[];
  /**
   * What this device may do as a registrar, if the authority appointed it.
   */
  registrar: RegistrarView | null;
  /**
   * The verified revocation of this device.
   */
  revocation: RevocationView | null;
  /**
   * Further rings, in the order of their arrival. Each can be answered and declined.
   */
  rings: CallView[];
  /**
   * Who is on shift at this device of a place, as the office's server says.
   */
  shift: OnShift | null;
  /**
   * Nobody is on shift at this device of a place: bearer token with which somebody begins one.
   */
  shift_token: string | null;
  /**
   * The callers whom this person has silenced, from the office's list.
   */
  silenced: Card[];
  /**
   * The person has to sign in with their account at the office's provider: bearer token for that alone.
   */
  sso_token: string | null;
  /**
   * Bearer token for the HTTP API while connected.
   */
  token: string | null;
  /**
   * The office refuses this device until its person has unlocked it with a passkey or PIN.
   */
  unlock_required: boolean;
  /**
   * Who this device is, from its own certificate.
   */
  you: You | null;
}
/**
 * Whose reach settings they are, and who set them last.
 */
export interface PersonsReach {
  /**
   * The people whom the settings name, as far as they have a device.
   */
  people?: Card[];
  principal: Card;
  set_by?: Card;
  /**
   * When, milliseconds since 1970 UTC; none if they were never set.
   */
  set_ms?: number;
  settings: ReachSettings;
}
/**
 * When, and in which order, a principal is reached. The default: always, and at the same time as the people who may answer for them.
 */
export interface ReachSettings {
  /**
   * People who may ring while the principal is in a call; nobody twice. Others hear that the principal is busy.
   */
  call_waiting?: PersonId[];
  /**
   * A ring group: it rings at the principal's devices first, and after this many seconds also at those of the people who may answer for them. None: at all of them at once.
   */
  desk_after_s?: number;
  do_not_disturb?: DoNotDisturb;
  /**
   * People whose rings reach the principal nevertheless; nobody twice.
   */
  exceptions?: PersonId[];
  quiet_hours?: Hours;
}
/**
 * A recovery on the screen of a security officer.
 */
export interface RecoveryView {
  /**
   * The security officer who opened it, verified.
   */
  by: Card | null;
  /**
   * Whether this device's person may confirm it: it is verified, somebody else's, about somebody else, and not confirmed.
   */
  can_confirm: boolean;
  card: Card;
  /**
   * The security officer who confirmed it, verified.
   */
  confirmed_by: Card | null;
  /**
   * The person's devices that are not revoked.
   */
  devices: DeviceId[];
  /**
   * Until when it may be confirmed, and a device enrolled.
   */
  expires_ms: number;
  /**
   * When it was opened, milliseconds since 1970 UTC, by the office's clock.
   */
  opened_ms: number;
  /**
   * Whether this device's person did, on whatever device.
   */
  own: boolean;
  /**
   * Why it cannot be confirmed or used: what the office sent does not verify.
   */
  problem: string | null;
  /**
   * Why, as stated. None if the statement does not verify.
   */
  reason: RecoveryReason | null;
  recovery: RecoveryId;
}
/**
 * What a registrar may do.
 */
export interface RegistrarView {
  /**
   * The roles whose people it may enrol.
   */
  roles: Role[];
}
/**
 * A verified revocation of this device.
 */
export interface RevocationView {
  /**
   * When it was signed, milliseconds since 1970 UTC by the signer's clock.
   */
  at_ms: number;
  /**
   * The security officer who signed it; none if the office's authority did.
   */
  by: Card | null;
  /**
   * Whether it orders the device to erase itself.
   */
  erase: boolean;
}
/**
 * This device and its person.
 */
export interface You {
  device: DeviceId;
  /**
   * The name or title to show, such as "The President of Norland".
   */
  name: string;
  office: OfficeName;
  /**
   * Their own organisation, such as "Chancellery of Norland".
   */
  organisation: string;
  person: PersonId;
  /**
   * Whether it is a place of the office, such as an operations room or a car, and not a person: its name is the place's, and people work at its devices in shifts (`shift`). Certified, as the role is.
   */
  place?: boolean;
  role: Role;
  /**
   * IANA time zone of where they work, such as `Europe/Oslo`.
   */
  zone: string;
}
/**
 * A verified version of a document, as a page sees it.
 */
export interface PageVersion {
  /**
   * Index of its log entry.
   */
  log_index: number;
  /**
   * When the log had it, milliseconds since 1970 UTC by the office's clock.
   */
  logged_ms: number;
  signed: DocumentVersion;
  statement_sha256: Digest;
}
/**
 * `POST /api/v1/passkeys` and `POST /api/v1/passkeys/assertion`: what the authenticator answered.
 */
export interface PasskeyAnswer {
  /**
   * Which ceremony it answers.
   */
  ceremony: string;
  /**
   * `RegistrationResponseJSON` or `AuthenticationResponseJSON`, without the results of extensions: those of the PRF extension are the device's secret.
   */
  credential: {
    [k: string]: unknown;
  };
}
/**
 * Options of a WebAuthn ceremony, and the number under which the server keeps its state. It can be used once, for five minutes.
 */
export interface PasskeyOptions {
  /**
   * Which ceremony.
   */
  ceremony: string;
  /**
   * `PublicKeyCredentialCreationOptionsJSON` or `PublicKeyCredentialRequestOptionsJSON` (WebAuthn Level 3, section 5.1). The latter names no credentials, because anybody can ask for it: the device knows its own.
   */
  options: {
    [k: string]: unknown;
  };
}
/**
 * `GET /api/v1/people/{person}/keys`.
 */
export interface PersonKeys {
  /**
   * The keys of their devices that are not revoked, at most `MAX_KEYS_LISTED`.
   */
  keys: ProvenDeviceKey[];
  person: PersonId;
}
/**
 * A device's encryption key with the proofs that it, and the device, are in the log.
 */
export interface ProvenDeviceKey {
  device: Logged;
  signed: Logged;
  /**
   * The statement, a compact JWS of type `telcon-device-key+jws`.
   */
  statement: string;
}
/**
 * `GET /api/v1/protection`: what the office wants of devices in browsers.
 */
export interface ProtectionPolicy {
  devices?: DevicePolicy;
  /**
   * Whether the page lets nobody go on without protecting the device, where `devices` has no rule for their role.
   */
  required: boolean;
}
/**
 * A delegation with the proofs that it, and the device that signed it, are in the log.
 */
export interface ProvenDelegation {
  device: Logged;
  given: Logged;
  /**
   * The statement, a compact JWS of type `telcon-delegation+jws`.
   */
  statement: string;
}
/**
 * `GET /api/v1/documents/{document}`.
 */
export interface ProvenDocument {
  document: DocumentId;
  /**
   * The number of the newest one.
   */
  newest: number;
  /**
   * When it was opened, if it is a copy, newest first.
   */
  opened?: DocumentOpening[];
  /**
   * Its versions in order, from the one that was asked for, at most `MAX_VERSIONS_LISTED`.
   */
  versions: ProvenVersion[];
}
/**
 * A version with the proofs that it, and the device that signed it, are in the log.
 */
export interface ProvenVersion {
  delegation?: ProvenDelegation;
  device: Logged;
  revoked?: Logged;
  signed: Logged;
  /**
   * The statement, a compact JWS of type `telcon-document+jws`.
   */
  statement: string;
}
/**
 * `GET /api/v1/push`: Web Push of the office, and of the bearer's device.
 */
export interface PushSettings {
  endpoint_sha256?: Digest;
  /**
   * Public key of the office for push services (VAPID, RFC 8292), base64url without padding: a subscription is made for it and is of no use under another one. None if the office sends no push messages.
   */
  key?: string;
}
/**
 * `PUT /api/v1/push`: the subscription of the bearer's device, as its browser made it. It replaces the one before.
 */
export interface PushSubscription {
  /**
   * The browser's authentication secret of 16 bytes, base64url without padding.
   */
  auth: string;
  /**
   * Address at the push service, at most `MAX_PUSH_ENDPOINT_BYTES`. Sending to it takes this address and the office's private key.
   */
  endpoint: string;
  /**
   * The browser's public key (P-256, uncompressed), base64url without padding.
   */
  p256dh: string;
}
/**
 * The answer to it: everybody can read it.
 */
export interface ReadoutPublished {
  /**
   * Index of its log entry.
   */
  log_index: number;
}
/**
 * One line of `GET /api/v1/records`.
 */
export interface RecordLine {
  answered_by?: Card;
  /**
   * When it was answered.
   */
  answered_ms?: number;
  call: CallId;
  /**
   * When it ended.
   */
  ended_ms?: number;
  from: Card;
  how?: Ended;
  /**
   * Whether there is no record, and the log has a *record missing* entry.
   */
  missing: boolean;
  mode: RecordMode;
  on_behalf_of?: Card;
  /**
   * When it was opened, milliseconds since 1970 UTC.
   */
  opened_ms: number;
  /**
   * Whether there are records, and all of them are partial.
   */
  partial: boolean;
  /**
   * Number of its sealed records in the archive: one per note-taker that recorded some of it.
   */
  records: number;
  to: Card;
}
/**
 * All checks of one call's records.
 */
export interface Report {
  /**
   * The checks in order.
   */
  checks: Check[];
  /**
   * Recipients (age) of the custodians to whom its records are sealed, as their note-takers signed it: what is added to the record is sealed to them, too. None unless all checks passed.
   */
  custodians?: string[];
  /**
   * Reason of the *record missing* log entry, if there is one.
   */
  missing: string | null;
  /**
   * Whether all checks passed.
   */
  ok: boolean;
  /**
   * Whether all records are partial.
   */
  partial: boolean;
  /**
   * All participants, each once, from the certificates of their devices. A server can omit participants here; the sealed record has the list that the note-taker's device saw.
   */
  people: Card[];
}
/**
 * Answer to `POST /api/v1/shifts`: the shift has begun. The device connects again, and is signed in.
 */
export interface ShiftBegun {
  logged: Logged;
  on_shift: OnShift;
}
/**
 * Answer to `POST /api/v1/shifts/challenge`: options of the WebAuthn ceremony with which a person begins this shift at this device, and no other.
 */
export interface ShiftOptions {
  /**
   * Which ceremony. It can be used once, for five minutes, by the device that began it.
   */
  ceremony: string;
  /**
   * `PublicKeyCredentialRequestOptionsJSON`. It names no credentials: anybody of the office may be there.
   */
  options: {
    [k: string]: unknown;
  };
  shift: ShiftId;
}
/**
 * A time in which a device was connected. Reconnections shortly after each other are one.
 */
export interface SignIn {
  device: DeviceId;
  /**
   * When it signed in first, milliseconds since 1970 UTC.
   */
  from_ms: number;
  kind: DeviceKind;
  /**
   * How often it signed in from first to last.
   */
  times: number;
  /**
   * When it was last connected, to within a few minutes.
   */
  until_ms: number;
}
/**
 * `GET /api/v1/sign-ins`: when the devices of one's own person were connected.
 */
export interface SignInList {
  /**
   * Newest first: attempts in the name of these devices without proof of their keys.
   */
  failed: FailedSignIns[];
  /**
   * Newest first: when this person was on shift at devices of places, at most `MAX_SIGN_INS_PER_DEVICE`.
   */
  shifts?: WorkedShift[];
  /**
   * Newest first, at most `MAX_SIGN_INS_PER_DEVICE` of each device.
   */
  sign_ins: SignIn[];
}
/**
 * A shift of a person in `GET /api/v1/sign-ins`.
 */
export interface WorkedShift {
  /**
   * When it began, milliseconds since 1970 UTC.
   */
  from_ms: number;
  how?: ShiftEnd;
  place: Card;
  shift: ShiftId;
  /**
   * When it ended; none while it lasts.
   */
  until_ms?: number;
}
/**
 * `POST /api/v1/sso/finish`: what the provider's redirect carried.
 */
export interface SsoFinish {
  /**
   * The provider's authorization code.
   */
  code: string;
  /**
   * Names the sign-in that was started, once and within ten minutes.
   */
  state: string;
}
/**
 * Answer to `POST /api/v1/sso/start`.
 */
export interface SsoStarted {
  /**
   * Where the person signs in, at the provider. It sends the browser back to `/sso` of the page that asked, with `code` and `state` or with `error`.
   */
  url: string;
}
/**
 * `POST /api/v1/sso/unlink`: forgets which account is a person's. Their next sign-in links one anew.
 */
export interface SsoUnlink {
  person: PersonId;
}
