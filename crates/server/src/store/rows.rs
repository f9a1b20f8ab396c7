//! The types of the store: rows, and the writes that change them.

use crate::digest::sha256;
use serde::{Deserialize, Serialize};
use telcon_proto::{
    AlertKind, Blob, CallId, Card, DelegationId, DeviceId, Digest, DocumentId, Ended, InvitationId, LineId,
    OfficeAlert, PersonId, RecordMode, RecoveryId, Role, ShiftId,
    alert::AlertSeen,
    delegation::{Act, OnBehalf},
    device_policy::DeviceKind,
    device_policy::ProgramVersion,
    entry::InvitationClosed,
    line::{Line, LineTerms, ListedLine, LoggedVersion},
    reach::ReachSettings,
    recovery::{RecoveryEnd, RecoveryReason},
    shift::{OnShift, ShiftEnd},
};

/// An enrolled device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRow {
    /// The device.
    pub device: DeviceId,
    /// Its person, as its certificate names them.
    pub card: Card,
    /// DER certificates: the device's, then what signed it; twice where two registrars did. Of a line's holder, before that of the
    /// principal's device that certified it.
    pub chain: Vec<Blob>,
    /// SHA-256 of the device's certificate, the first of two.
    pub cert_sha256: Digest,
    /// The enrolment that it consumed.
    pub enrolment: String,
    /// When it was enrolled, milliseconds since 1970 UTC.
    pub enrolled_ms: u64,
    /// When it was revoked.
    pub revoked_ms: Option<u64>,
    /// The authority's signed revocation (`telcon-revocation+jws`), sent to a device that was disconnected when it
    /// signs in. None if the revocation is known from the log only.
    pub revocation: Option<String>,
    /// When it was ordered to erase itself.
    pub erase_ordered_ms: Option<u64>,
    /// Index of its enrolment in the log; none until it is appended.
    pub log_index: Option<u64>,
    /// Index of its revocation in the log.
    pub revoked_index: Option<u64>,
}

/// A device that the log shows as enrolled and of which neither the database nor the archive has the certificate: the
/// database is of a backup older than the enrolment. It cannot sign in, its enrolment counts as used, and its revocation
/// is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostDevice {
    /// The device.
    pub device: DeviceId,
    /// SHA-256 of its certificate.
    pub cert_sha256: Digest,
    /// The enrolment that it consumed.
    pub enrolment: String,
    /// When it was enrolled, milliseconds since 1970 UTC.
    pub enrolled_ms: u64,
    /// Index of its enrolment in the log.
    pub log_index: u64,
    /// When it was revoked.
    pub revoked_ms: Option<u64>,
    /// The authority's signed revocation, as in [`DeviceRow`].
    pub revocation: Option<String>,
    /// Index of its revocation in the log.
    pub revoked_index: Option<u64>,
    /// SHA-256 of the certificate that a second registrar issued for it.
    pub second_cert_sha256: Option<Digest>,
}

/// An invitation whose link has not expired, as the authority stated it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedLinkRow {
    /// The enrolment that its link is for.
    pub enrolment: String,
    /// The person.
    pub card: Card,
    /// People whose names look the same, and of whom the office knows that they are others.
    pub same_name_as: Vec<PersonId>,
    /// Until when the link is valid, milliseconds since 1970 UTC.
    pub expires_ms: u64,
}

/// What the archive has of a device: its person, as certified, and its certificate chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    /// Its person.
    pub card: Card,
    /// DER certificates, as in [`DeviceRow`].
    pub chain: Vec<Blob>,
}

/// The stage of a call, as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its opening is being appended to the log. No other device is notified yet.
    Opening,
    /// It rings.
    Ringing,
    /// It was answered.
    Live,
    /// It is over.
    Ended,
}

impl Stage {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Ringing => "ringing",
            Self::Live => "live",
            Self::Ended => "ended",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        [Self::Opening, Self::Ringing, Self::Live, Self::Ended].into_iter().find(|s| s.word() == word)
    }
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRow {
    /// The call.
    pub call: CallId,
    /// The ring as the caller's device signed it.
    pub ring: String,
    /// The device that rang.
    pub from_device: DeviceId,
    /// Its person.
    pub from: Card,
    /// The person rung.
    pub to: Card,
    /// Its record mode.
    pub mode: RecordMode,
    /// Its stage.
    pub stage: Stage,
    /// Epoch of its MLS group.
    pub epoch: u64,
    /// The device that answered.
    pub answerer: Option<DeviceId>,
    /// Whether a note-taker was ever in it.
    pub noted: bool,
    /// When it was opened, milliseconds since 1970 UTC.
    pub opened_ms: u64,
    /// When it was answered.
    pub answered_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// How it ended.
    pub how: Option<Ended>,
    /// Index of its opening in the log.
    pub opened_index: Option<u64>,
    /// Index of its end in the log.
    pub ended_index: Option<u64>,
    /// Index of the *record missing* entry.
    pub missing_index: Option<u64>,
    /// The delegation under which it was rung, and the principal for whom.
    pub on_behalf: Option<(DelegationId, Card)>,
    /// The delegation under which it was answered for the person rung.
    pub answered_under: Option<DelegationId>,
    /// The line that it is over, and its version.
    pub line: Option<(LineId, u32)>,
    /// Whether the person rung had it handed to their office, or is not to be disturbed.
    pub diverted: bool,
    /// From when those who may answer for the person rung are rung as well; at once, without.
    pub desk_from_ms: Option<u64>,
}

/// When a principal is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReachRow {
    /// The principal.
    pub person: PersonId,
    /// What holds.
    pub settings: ReachSettings,
    /// Who set it last, if it was not the principal.
    pub set_by: Option<Card>,
    /// When, milliseconds since 1970 UTC.
    pub set_ms: u64,
}

/// A call as lists show it: without its ring, the largest column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSummary {
    /// The call.
    pub call: CallId,
    /// The person who rang.
    pub from: Card,
    /// The person rung.
    pub to: Card,
    /// Its record mode.
    pub mode: RecordMode,
    /// When it was opened, milliseconds since 1970 UTC.
    pub opened_ms: u64,
    /// When it was answered.
    pub answered_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// How it ended.
    pub how: Option<Ended>,
    /// Number of its records in the archive.
    pub records: usize,
    /// Whether there are records and all of them are partial.
    pub partial: bool,
    /// Whether the log has a *record missing* entry of it.
    pub missing: bool,
    /// The principal for whom it was rung.
    pub on_behalf_of: Option<Card>,
    /// Who answered for the person rung.
    pub answered_by: Option<Card>,
}

impl CallSummary {
    /// The summary of a call with these records, of each whether it is partial.
    pub(super) fn with_records(self, partial: &[bool]) -> Self {
        let all_partial = !partial.is_empty() && partial.iter().all(|partial| *partial);
        Self { records: partial.len(), partial: all_partial, ..self }
    }
}

/// A device in a list: without its certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceSummary {
    /// The device.
    pub device: DeviceId,
    /// Its person.
    pub card: Card,
    /// When it was enrolled, milliseconds since 1970 UTC.
    pub enrolled_ms: u64,
    /// When it was revoked.
    pub revoked_ms: Option<u64>,
    /// When it was ordered to erase itself.
    pub erase_ordered_ms: Option<u64>,
    /// When it reported that it did.
    pub erased_ms: Option<u64>,
    /// The request with which it was enrolled; none of devices with a link of the authority.
    pub request: Option<String>,
    /// The registrar's device that approved that, the second of two.
    pub approved_by: Option<DeviceId>,
    /// The first of two.
    pub first_approved_by: Option<DeviceId>,
    /// Whether it is a registrar.
    pub registrar: bool,
    /// The version of its program, as that said last.
    pub program: Option<ProgramVersion>,
    /// When its person last signed in on it with their account at the office's provider.
    pub account_used_ms: Option<u64>,
    /// When it was last connected, and what kind of program signed in then; none if it never did.
    pub last_seen: Option<(u64, DeviceKind)>,
    /// Who is on shift at it.
    pub on_shift: Option<OnShift>,
}

/// One ordered commit of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// Sequence number, from 1.
    pub seq: u64,
    /// Who committed.
    pub from: DeviceId,
    /// MLSMessage.
    pub commit: Blob,
    /// MLSMessage for those it added.
    pub welcome: Option<Blob>,
    /// Whom it added.
    pub adds: Vec<DeviceId>,
    /// The members after it, oldest first.
    pub members: Vec<DeviceId>,
}

/// A device that has requested to join a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Who.
    pub device: DeviceId,
    /// Its KeyPackage.
    pub key_package: Blob,
    /// Whether this is the answer to the ring.
    pub answer: bool,
}

/// A sealed record in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordRow {
    /// Its call.
    pub call: CallId,
    /// The device that sealed and delivered it. None if an earlier version archived it: then it is the call's only
    /// record.
    pub device: Option<DeviceId>,
    /// The record's digest, as sealed.
    pub digest: Digest,
    /// When it arrived, milliseconds since 1970 UTC.
    pub kept_ms: u64,
    /// Index of its entry in the log.
    pub log_index: u64,
    /// Whether its note-taker declared it partial.
    pub partial: bool,
}

/// One change. All changes caused by one input are in one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// A device is being enrolled.
    Device(Box<DeviceRow>),
    /// Its entry is in the log.
    DeviceLogged(DeviceId, u64),
    /// The log has the enrolment of a device that the database lacks: stored as a device with what the archive has of
    /// it, otherwise as lost. An attempt to enrol that the log does not have gives way to it.
    EnrolmentFound(Box<LostDevice>, Option<Box<Certified>>),
    /// Removes all devices without a log entry, whose enrolment was interrupted: their enrolments can be used again.
    UnloggedDevicesForgotten,
    /// A device was revoked, at this time, by this signed revocation if it is known. What protected it is erased, and it notifies
    /// nobody any more of devices that were added.
    DeviceRevoked(DeviceId, u64, Option<String>),
    /// A device that is revoked was ordered to erase itself, at this time, by this signed revocation, whose entry is not in the log yet.
    /// The first order stays.
    EraseOrdered(DeviceId, u64, String),
    /// A device that is revoked, by a statement that is lost, was revoked again by this signed revocation, whose entry is not in the log
    /// yet.
    RevocationStated(DeviceId, String),
    /// What a revoked device verifies its revocation with was found: the signed revocation, and when it was ordered to erase itself, if
    /// it was. If none, what the store has cannot be verified, and counts as lost.
    RevocationFound(DeviceId, Option<(Option<u64>, String)>),
    /// A device reported that it erased itself, at this time.
    DeviceErased(DeviceId, u64),
    /// The entry of the revocation is in the log.
    RevocationLogged(DeviceId, u64),
    /// A call is to be opened. Its only member is the caller's device.
    Call(Box<CallRow>),
    /// Its opening is in the log: it rings.
    CallOpened(CallId, u64),
    /// A device answered, at this time.
    CallAnswered(CallId, DeviceId, u64),
    /// A device requests to join.
    Asked(CallId, Ask),
    /// Its request ended.
    AskDropped(CallId, DeviceId),
    /// A member left or was lost, and is to be removed.
    Leaving(CallId, DeviceId),
    /// A commit was ordered: the call's epoch increases by one.
    Committed {
        /// The call.
        call: CallId,
        /// The commit.
        handshake: Box<Handshake>,
        /// Whether a note-taker was ever in the call.
        noted: bool,
    },
    /// Handshakes up to this sequence number are deleted.
    HandshakesForgotten(CallId, u64),
    /// The call ended, in this way and at this time. Its members, requests and handshakes are deleted.
    CallEnded(CallId, Ended, u64),
    /// The log has the end of a call, which was answered at the last of these times: as [`Write::CallEnded`], unless the
    /// database knows its end.
    EndFound(CallId, Ended, u64, Option<u64>),
    /// The entry of its end is in the log.
    EndLogged(CallId, u64),
    /// The *record missing* entry is in the log.
    MissingLogged(CallId, u64),
    /// A record of it is in the archive and in the log.
    Record(RecordRow),
    /// The call has ended, and nothing is pending of it: it is not loaded at start, unless the log turns out to have its opening.
    CallSettled(CallId),
    /// A person was invited. Those whose links had expired at this time are removed.
    LinkIssued(Box<IssuedLinkRow>, u64),
    /// A person silenced a caller, at this time.
    Silenced(PersonId, Box<Card>, u64),
    /// A person undid it.
    SilenceEnded(PersonId, PersonId),
    /// A principal, or somebody for them, set when they are reached.
    Reach(Box<ReachRow>),
    /// A call rings first at the person rung, and from this time at those who may answer for them as well.
    CallDeskFrom(CallId, u64),
    /// The authority appointed a registrar, again perhaps.
    Registrar(Box<RegistrarRow>),
    /// The entry of the appointment is in the log.
    RegistrarLogged(DeviceId, u64),
    /// An invitation is made.
    Invitation(Box<InvitationRow>),
    /// The entry about it is in the log.
    InvitationMadeLogged(InvitationId, u64),
    /// A device asked with it.
    InvitationAsked {
        /// The invitation.
        invitation: InvitationId,
        /// The device.
        device: DeviceId,
        /// Its request, a compact JWS.
        request: String,
        /// Until when it waits for an answer.
        expires_ms: u64,
    },
    /// Another device tried to use its link.
    InvitationOpenedAgain(InvitationId),
    /// The first of two registrars approved the device that asked, again perhaps; or, if none, that approval does not count any
    /// more.
    FirstApproval(InvitationId, Option<Box<FirstApprovalRow>>),
    /// This registrar's device approved the device that asked, alone or second: its enrolment is being logged.
    LastApproval(InvitationId, DeviceId),
    /// A delegate's device said which device took the line that it offered.
    Attestation(InvitationId, Box<AttestationRow>),
    /// It was closed in this way, by this registrar's device, at this time.
    InvitationClosed(InvitationId, InvitationClosed, Option<DeviceId>, u64),
    /// The entry about that is in the log.
    InvitationClosedLogged(InvitationId, u64),
    /// A recovery was opened.
    Recovery(Box<RecoveryRow>),
    /// The entry about it is in the log.
    RecoveryOpenedLogged(RecoveryId, u64),
    /// It was confirmed.
    RecoveryConfirmed(RecoveryId, Box<RecoveryConfirmationRow>),
    /// The entry about that is in the log.
    RecoveryConfirmedLogged(RecoveryId, u64),
    /// It ended in this way, by this registrar's device, with this new device, at this time.
    RecoveryClosed(RecoveryId, RecoveryEnd, Option<DeviceId>, Option<DeviceId>, u64),
    /// The entry about that is in the log.
    RecoveryClosedLogged(RecoveryId, u64),
    /// One request about the protection of a device: all or none, as the condition of the first decides.
    Protection(Vec<super::ProtectionWrite>),
    /// A Web Push subscription changed.
    Push(super::PushWrite),
    /// A delegation is being given.
    Delegation(Box<DelegationRow>),
    /// The entry about it is in the log.
    DelegationLogged(DelegationId, u64),
    /// It was ended before its time.
    DelegationEnded(DelegationId, Box<DelegationEndRow>),
    /// The entry about that is in the log.
    DelegationEndLogged(DelegationId, u64),
    /// The call was answered under this delegation.
    AnsweredUnder(CallId, DelegationId),
    /// A version of a line is signed, with its statement, and is about to be logged.
    LineSigned(Box<LineVersion>, String),
    /// The log has this version of a line, at this index, since this time.
    LineLogged(LineId, LoggedVersion, u64, u64),
    /// A version of a document is signed, with its statement, and is about to be logged. Its sealed file is stored before.
    DocumentSigned(Box<super::DocumentRow>, String),
    /// The log has this version of a document, of this digest, at this index.
    DocumentLogged(DocumentId, u32, Digest, u64),
    /// The log has it that a copy was opened.
    DocumentOpened(super::OpeningRow),
    /// A device stated its key, again perhaps, and the statement is about to be logged.
    DeviceKey(super::DeviceKeyRow, String),
    /// The log has a device's key of this digest, at this index.
    DeviceKeyLogged(DeviceId, Digest, u64),
    /// The person rung had the call handed to their office.
    CallDiverted(CallId),
    /// A shift is being begun.
    Shift(Box<ShiftRow>),
    /// The entry about it is in the log.
    ShiftLogged(ShiftId, u64),
    /// The log has the beginning of a shift at this device, at this time: as [`Write::ShiftLogged`], and a shift that the database does
    /// not know is stored as lost.
    ShiftFound(ShiftId, DeviceId, u64, u64),
    /// It may last until then.
    ShiftUntil(ShiftId, u64),
    /// It ended in this way, at this time.
    ShiftEnded(ShiftId, ShiftEnd, u64),
    /// The entry about that is in the log.
    ShiftEndLogged(ShiftId, u64),
    /// An alert, with its log index once it has one; the same again adds that.
    Alert(Box<AlertRow>),
    /// A security officer's device saw the alert of this log index first, at this time.
    AlertSeen(u64, DeviceId, u64),
    /// A device is being added in a person's name: one of their other devices is to tell them once it is in the log.
    DeviceAdded(Box<AddedDeviceRow>),
    /// The person acknowledged on the first of these devices that the second was added.
    AddedDeviceAcknowledged(DeviceId, DeviceId),
    /// The store reflects every log entry below this size.
    LogSeen(u64),
}

/// Identifies an alert before the log has it: entries about the same are written at different times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertId {
    /// What happened.
    pub kind: AlertKind,
    /// The bytes of the identifier by which alerts are counted together; zeros if several are counted together.
    pub subject: [u8; 16],
    /// When, milliseconds since 1970 UTC.
    pub time_ms: u64,
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertRow {
    /// When, milliseconds since 1970 UTC.
    pub time_ms: u64,
    /// What happened.
    pub kind: AlertKind,
    /// The device that it is about.
    pub device: Option<DeviceId>,
    /// The invitation that it is about.
    pub invitation: Option<InvitationId>,
    /// The call that the ring or report names.
    pub call: Option<CallId>,
    /// How often it happened.
    pub count: u64,
    /// Index of its entry in the log; none until it is appended.
    pub log_index: Option<u64>,
    /// Which security officer has seen it first.
    pub seen: Option<AlertSeen>,
}

impl AlertRow {
    /// Its identity.
    pub fn id(&self) -> AlertId {
        let of_device = || self.device.map(|device| *device.as_bytes());
        let subject = self.invitation.map(|invitation| *invitation.as_bytes()).or_else(of_device);
        AlertId { kind: self.kind, subject: subject.unwrap_or_default(), time_ms: self.time_ms }
    }

    /// As officers are shown it, if it is in the log.
    pub fn shown(&self) -> Option<OfficeAlert> {
        let Self { time_ms, kind, device, invitation, call, count, log_index, seen } = *self;
        Some(OfficeAlert { log_index: log_index?, time_ms, kind, device, invitation, call, count, seen })
    }
}

impl From<OfficeAlert> for AlertRow {
    fn from(alert: OfficeAlert) -> Self {
        let OfficeAlert { log_index, time_ms, kind, device, invitation, call, count, seen } = alert;
        Self { time_ms, kind, device, invitation, call, count, log_index: Some(log_index), seen }
    }
}

/// A device that was added in a person's name, of which one of their other devices notifies them until it is acknowledged there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedDeviceRow {
    /// The device that notifies them.
    pub notified: DeviceId,
    /// The device that was added.
    pub device: DeviceId,
    /// What it said it was.
    pub label: Option<String>,
    /// The registrar's device that approved it.
    pub approved_by: Option<DeviceId>,
    /// When it was enrolled, milliseconds since 1970 UTC.
    pub enrolled_ms: u64,
}

/// A version of a line, without its statement, which is as long as everything else together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineVersion {
    /// What was signed.
    pub content: Line,
    /// SHA-256 of the statement.
    pub sha256: Digest,
    /// SHA-256 of its sealed form, which the archive has.
    pub sealed_sha256: Option<Digest>,
    /// The device that signed it.
    pub by: DeviceId,
    /// When the server took it, as the log has it, milliseconds since 1970 UTC.
    pub signed_ms: u64,
    /// Log entry of it.
    pub index: Option<u64>,
}

/// A line that has not ended, or whose end the log may not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineRow {
    /// Which.
    pub line: LineId,
    /// When its first version was taken, milliseconds since 1970 UTC.
    pub given_ms: u64,
    /// The newest version that is in the log.
    pub current: Option<LineVersion>,
    /// A version that the log may not have.
    pub pending: Option<LineVersion>,
    /// A newer version, of which the database has nothing but what the log says: it is of an older backup.
    pub found: Option<LoggedVersion>,
}

/// Whose lines are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinesOf {
    /// Of all principals.
    Everybody,
    /// That this person gave.
    Principal(PersonId),
    /// That this person holds.
    Holder(PersonId),
    /// Of those for whom this person acts at this time, milliseconds since 1970 UTC.
    Delegate(PersonId, u64),
}

/// Lines, each with the devices of which one has to be connected for its holder to be reachable; and whether there are more.
pub type LinePage = (Vec<(ListedLine, Vec<DeviceId>)>, bool);

/// The version of the line that a call is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineOfCall {
    /// The statement, a compact JWS.
    pub statement: String,
    /// Log entry of the version.
    pub signed: u64,
    /// Log entry of the device that signed it.
    pub signer: u64,
    /// The delegation that it names: statement, log entries of the delegation and of the device that signed that.
    pub delegation: Option<(String, u64, u64)>,
}

/// A version of a line that is in the log, as a call over it needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedLine {
    /// What was signed.
    pub content: Line,
    /// As it was signed, a compact JWS.
    pub statement: String,
    /// SHA-256 of that.
    pub sha256: Digest,
    /// The device that signed it.
    pub by: DeviceId,
    /// Log entry of it.
    pub index: u64,
    /// The delegation that it names: its statement, its log entry and the device that signed it.
    pub delegation: Option<(String, u64, DeviceId)>,
    /// When its holder rang over it, newest first, as many as are counted; milliseconds since 1970 UTC. Empty of live calls.
    pub rings_ms: Vec<u64>,
}

/// A delegation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegationRow {
    /// Which.
    pub delegation: DelegationId,
    /// Who lets somebody act for them.
    pub principal: PersonId,
    /// Their device that signed it.
    pub device: DeviceId,
    /// Who may act.
    pub delegate: Card,
    /// In which ways.
    pub acts: Vec<Act>,
    /// As it was signed, a compact JWS.
    pub statement: String,
    /// SHA-256 of that.
    pub statement_sha256: Digest,
    /// From when, milliseconds since 1970 UTC.
    pub not_before_ms: u64,
    /// Until when.
    pub not_after_ms: u64,
    /// When it was given, as the log has it.
    pub given_ms: u64,
    /// Log entry of it.
    pub given_index: Option<u64>,
    /// Its end before its time.
    pub ended: Option<DelegationEndRow>,
    /// Log entry of that.
    pub ended_index: Option<u64>,
}

/// A shift at a device of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShiftRow {
    /// Which.
    pub shift: ShiftId,
    /// The place's device.
    pub device: DeviceId,
    /// Who; none of a shift that is known from the log only.
    pub person: Option<Card>,
    /// The device of theirs whose passkey they used.
    pub begun_with: Option<DeviceId>,
    /// When it began, milliseconds since 1970 UTC, as the log has it.
    pub started_ms: u64,
    /// Until when it may last.
    pub until_ms: u64,
    /// Log entry of its beginning.
    pub started_index: Option<u64>,
    /// How and when it ended.
    pub ended: Option<(ShiftEnd, u64)>,
    /// Log entry of that.
    pub ended_index: Option<u64>,
}

impl ShiftRow {
    /// As others are shown it.
    pub fn shown(&self) -> Option<OnShift> {
        let person = self.person.clone()?;
        Some(OnShift { shift: self.shift, person, since_ms: self.started_ms, until_ms: self.until_ms })
    }
}

/// The end of a delegation before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegationEndRow {
    /// When, milliseconds since 1970 UTC.
    pub at_ms: u64,
    /// The device whose person ended it; none if it ended with a revoked device.
    pub by: Option<DeviceId>,
    /// SHA-256 of the statement that ended it.
    pub statement_sha256: Option<Digest>,
}

/// A registrar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrarRow {
    /// The device.
    pub device: DeviceId,
    /// Its registrar certificate, DER.
    pub certificate: Blob,
    /// SHA-256 of it.
    pub cert_sha256: Digest,
    /// The roles whose people it may enrol, as the certificate names them.
    pub roles: Vec<Role>,
    /// When it was appointed, milliseconds since 1970 UTC.
    pub appointed_ms: u64,
    /// Log entry of the appointment.
    pub log_index: Option<u64>,
}

/// The first of two registrars' approvals of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstApprovalRow {
    /// The registrar's device.
    pub by: DeviceId,
    /// When, milliseconds since 1970 UTC.
    pub at_ms: u64,
    /// DER certificates: the device's, which it issued, and its own.
    pub chain: Vec<Blob>,
}

/// An invitation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationRow {
    /// Which.
    pub invitation: InvitationId,
    /// The person.
    pub card: Card,
    /// The registrar's device that made it.
    pub made_by: DeviceId,
    /// SHA-256 of the token that requests with its link carry.
    pub token_sha256: Digest,
    /// When, milliseconds since 1970 UTC.
    pub made_ms: u64,
    /// Until when a device could ask with it, as the log has it.
    pub made_expires_ms: u64,
    /// Until when a device may ask with it; once one has asked, until when that waits.
    pub expires_ms: u64,
    /// The request of the device that asked.
    pub request: Option<String>,
    /// That device.
    pub device: Option<DeviceId>,
    /// How often another device tried to use the link.
    pub refused_requests: u64,
    /// How, by which registrar's device and when it was closed.
    pub closed: Option<(InvitationClosed, Option<DeviceId>, u64)>,
    /// Log entry of its making.
    pub made_index: Option<u64>,
    /// The first of two registrars' approvals.
    pub first_approval: Option<FirstApprovalRow>,
    /// The registrar's device whose approval enrols the device that asked: the only one, or the second of two. None before that.
    pub last_approved_by: Option<DeviceId>,
    /// The recovery that it belongs to.
    pub recovery: Option<RecoveryId>,
    /// Of a principal's offer: what the line allows.
    pub line: Option<LineTerms>,
    /// Of an offer that a delegate made: for whom.
    pub offered_for: Option<OfferedForRow>,
    /// What the delegate's device said of the device that asked.
    pub attestation: Option<AttestationRow>,
}

/// For whom a delegate offers a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferedForRow {
    /// The principal.
    pub principal: PersonId,
    /// The delegation.
    pub on_behalf: OnBehalf,
}

/// What a delegate's device said of the device that took a line that it offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttestationRow {
    /// The delegate's device.
    pub by: DeviceId,
    /// When, milliseconds since 1970 UTC.
    pub at_ms: u64,
    /// As it was signed.
    pub statement: String,
    /// The delegation, as it was signed.
    pub delegation: String,
}

/// A recovery of a person who lost all devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryRow {
    /// Which.
    pub recovery: RecoveryId,
    /// The person.
    pub card: Card,
    /// Why.
    pub reason: RecoveryReason,
    /// The registrar's device that opened it.
    pub opened_by: DeviceId,
    /// When, milliseconds since 1970 UTC.
    pub opened_ms: u64,
    /// Until when it may be confirmed, and a device enrolled.
    pub expires_ms: u64,
    /// The statement, with the registrar's certificate.
    pub statement: String,
    /// Log entry of its opening.
    pub opened_index: Option<u64>,
    /// Its confirmation.
    pub confirmation: Option<RecoveryConfirmationRow>,
    /// Log entry of that.
    pub confirmed_index: Option<u64>,
    /// How, by which registrar's device, with which new device and when it ended.
    pub closed: Option<(RecoveryEnd, Option<DeviceId>, Option<DeviceId>, u64)>,
}

/// The confirmation of a recovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryConfirmationRow {
    /// The registrar's device.
    pub by: DeviceId,
    /// When, milliseconds since 1970 UTC.
    pub at_ms: u64,
    /// The statement, with the registrar's certificate.
    pub statement: String,
    /// The invitation with which the new device asks.
    pub invitation: InvitationId,
}

impl InvitationRow {
    /// A new one.
    pub fn new(
        invitation: InvitationId,
        card: Card,
        made_by: DeviceId,
        token_sha256: Digest,
        made_ms: u64,
        expires_ms: u64,
    ) -> Self {
        Self {
            invitation,
            card,
            made_by,
            token_sha256,
            made_ms,
            made_expires_ms: expires_ms,
            expires_ms,
            request: None,
            device: None,
            refused_requests: 0,
            closed: None,
            made_index: None,
            first_approval: None,
            last_approved_by: None,
            recovery: None,
            line: None,
            offered_for: None,
            attestation: None,
        }
    }
}

/// A call that has not ended, with everything needed to continue it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveCall {
    /// The call.
    pub row: CallRow,
    /// Its members, oldest first.
    pub members: Vec<DeviceId>,
    /// Devices that were ever in it.
    pub participants: Vec<DeviceId>,
    /// Members to be removed.
    pub leaving: Vec<DeviceId>,
    /// Devices to be added.
    pub asks: Vec<Ask>,
    /// Its commits, oldest first.
    pub handshakes: Vec<Handshake>,
}

/// A call that has ended, and of which a log entry or record is pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The call.
    pub row: CallRow,
    /// Devices that were ever in it.
    pub participants: Vec<DeviceId>,
    /// Its records that are in the archive.
    pub records: Vec<RecordRow>,
}

/// The state from which a switchboard starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// All devices, including revoked ones.
    pub devices: Vec<DeviceRow>,
    /// Enrolled devices whose certificates are lost.
    pub lost: Vec<LostDevice>,
    /// Calls that are not over.
    pub active: Vec<ActiveCall>,
    /// Calls that have ended, but whose end is not in the log, or of which a note-taker may still deliver a record.
    pub unfinished: Vec<Unfinished>,
    /// People, each with a caller whom they silenced.
    pub silenced: Vec<(PersonId, Card)>,
    /// When principals are reached, of those who ever set it.
    pub reach: Vec<ReachRow>,
    /// Invitations that had not expired when the last one was made.
    pub issued_links: Vec<IssuedLinkRow>,
    /// Registrars.
    pub registrars: Vec<RegistrarRow>,
    /// Invitations that are not closed, or of which a log entry is pending.
    pub invitations: Vec<InvitationRow>,
    /// Recoveries that are not over, or of which a log entry is pending.
    pub recoveries: Vec<RecoveryRow>,
    /// People who were recovered, and when.
    pub recovered: Vec<(PersonId, u64)>,
    /// Alerts that the log may not have, and the newest others, newest first.
    pub alerts: Vec<AlertRow>,
    /// Log indices of the alerts that no security officer has seen.
    pub unseen_alerts: Vec<u64>,
    /// Devices that were added in somebody's name, and not acknowledged.
    pub added_devices: Vec<AddedDeviceRow>,
    /// Web Push subscriptions.
    pub push: Vec<super::PushRow>,
    /// Rings that devices are notified of, and of whose end.
    pub ring_pushes: Vec<super::RingPushRow>,
    /// Shifts that last or of which the log may lack an entry, in the order of their entries.
    pub shifts: Vec<ShiftRow>,
    /// Delegations that have not ended or whose end the log may not have, and those of calls that are not over.
    pub delegations: Vec<DelegationRow>,
    /// Lines that have not ended, or whose end the log may not have.
    pub lines: Vec<LineRow>,
    /// The versions of lines over which calls are that are not over.
    pub call_lines: Vec<SignedLine>,
    /// Versions of documents that the log may not have.
    pub documents: Vec<super::DocumentRow>,
    /// The keys of devices, each with the index of its entry.
    pub device_keys: Vec<(super::DeviceKeyRow, Option<u64>)>,
}

/// The person of a device row, for indices.
impl DeviceRow {
    /// The person whose device it is.
    pub fn person(&self) -> PersonId {
        self.card.person
    }

    /// SHA-256 of the certificate that a second registrar issued for it.
    pub fn second_cert_sha256(&self) -> Option<Digest> {
        self.chain.get(2).filter(|_| self.chain.len() == 4).map(|der| sha256(der.as_slice()))
    }

    /// Whether a principal's device certified it, for the holder of a line.
    pub fn is_holders(&self) -> bool {
        is_holders_chain(&self.chain)
    }
}

/// Whether a chain is that of a line's holder: the certificate by the principal's device, before that device's own pairs.
pub(crate) fn is_holders_chain(chain: &[Blob]) -> bool {
    chain.len() % 2 == 1
}
