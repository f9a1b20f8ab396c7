//! Inputs and outputs of the switchboard.

use crate::store::{AlertId, DocumentStanding, PushRow, SignedLine, Write};
use std::collections::BTreeSet;
use telcon_proto::{
    Blob, CallId, Card, DelegationId, DeviceId, Digest, DocumentId, InvitationId, LineId, OfficeName, PersonId,
    RecordMode, RecoveryId, ServerMessage, ShiftId, SuiteName,
    attestation::HolderAttestation,
    delegation::Delegation,
    device_policy::DevicePolicy,
    document::DocumentVersion,
    entry::Entry,
    http::Asked,
    line::{Line, Rings},
    message::{Logged, RefusalCode, Ring},
    push::PushAbout,
    recovery::RecoveryReason,
};

/// One signed-in connection, numbered by the driver. Numbers are never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// One HTTP request that waits for the switchboard's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// The office's settings.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Domain that names the office.
    pub domain: OfficeName,
    /// The suite of its calls.
    pub suite: SuiteName,
    /// The floor: the lowest record mode of its calls.
    pub floor: RecordMode,
    /// How long a record may take to arrive, milliseconds ([`crate::limits::RECORD_DUE_MS`]).
    pub record_due_ms: u64,
    /// The office's rules for devices.
    pub devices: DevicePolicy,
    /// Who may ring whom.
    pub rings: Rings,
}

/// A ring whose signature and certificates the driver verified against the office.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRing {
    /// The signed content.
    pub ring: Ring,
    /// As the caller's device signed it.
    pub jws: String,
    /// Whether the store has a call of this id. Calls that the switchboard has in memory need not be looked up.
    pub call_exists: bool,
    /// What the store has of the version of a line that it names.
    pub line: Option<Box<SignedLine>>,
}

/// Why the driver did not accept a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRing {
    /// The call that it names, as far as it can be read. It is not verified: only its sender is told.
    pub call: Option<CallId>,
    /// For the caller's program.
    pub code: RefusalCode,
    /// For people.
    pub why: String,
    /// Whether no honest device sends such a ring.
    pub is_hostile: bool,
}

impl RefusedRing {
    /// The store does not tell whether the call exists.
    pub fn store_failed(call: CallId) -> Self {
        Self::unavailable(Some(call), "the server's store cannot be read now")
    }

    /// The server failed, and not the ring.
    pub fn unavailable(call: Option<CallId>, why: &str) -> Self {
        Self { call, code: RefusalCode::Unavailable, why: format!("{why}: ring again"), is_hostile: false }
    }
}

/// The effects of one input. The writes are made durable, all or none, before anything else leaves the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Changes of the store: one transaction.
    pub writes: Vec<Write>,
    /// Outputs, carried out afterwards in this order.
    pub outputs: Vec<Output>,
}

/// An output of the switchboard, for its driver to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a message. Log proofs in it contain only the index of their entry: the driver fills in proof and
    /// checkpoint, so that every proof leads to the newest checkpoint.
    Send(SessionId, Box<ServerMessage>),
    /// Close the connection. The session is already forgotten.
    Close(SessionId, CloseReason),
    /// Append to the log, and report the result to [`super::Switchboard::logged`].
    Append(PendingAppend, Entry),
    /// A command to the relay.
    Relay(RelayCommand),
    /// Answer the HTTP request.
    Reply(RequestId, Result<Reply, Refusal>),
    /// A command to the task that sends Web Push messages.
    Push(PushCommand),
}

/// What the task is to do that sends Web Push messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushCommand {
    /// The switchboard starts: what waits is stated anew.
    Restart,
    /// Send a message.
    Send(Box<Push>),
    /// Do not send this device any more that this call rings: it is connected.
    Withdraw(DeviceId, CallId),
    /// Send nothing more to this device: its subscription ended, or is another one.
    Forget(DeviceId),
}

/// A message to one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// Its subscription.
    pub to: PushRow,
    /// What it says.
    pub about: PushAbout,
    /// Until when it is of use, milliseconds since 1970 UTC.
    pub until_ms: u64,
}

/// Why a connection is closed by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The same device connected again.
    Replaced,
    /// The device was revoked.
    Revoked,
    /// The shift at the place's device is over, or is another one now.
    ShiftOver,
}

/// Identifies a log append when its result is reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PendingAppend {
    /// A device is enrolled, requested by this request.
    Enrolled(DeviceId, RequestId),
    /// A device is revoked, or ordered to erase itself after that.
    Revoked(RevocationAppend),
    /// A call is opened.
    Opened(CallId),
    /// A call is over.
    Ended(CallId),
    /// A record was delivered by this request.
    Sealed(Box<Seal>, RequestId),
    /// A record is missing.
    Missing(CallId),
    /// A device is a registrar, requested by this request if it still waits.
    Appointed(DeviceId, Option<RequestId>),
    /// An invitation was made.
    InvitationMade(InvitationId),
    /// An invitation was closed.
    InvitationClosed(InvitationId),
    /// A recovery was opened.
    RecoveryOpened(RecoveryId),
    /// A recovery was confirmed.
    RecoveryConfirmed(RecoveryId),
    /// A recovery is over.
    RecoveryClosed(RecoveryId),
    /// An alert is raised.
    Alert(AlertId),
    /// A delegation was given.
    DelegationGiven(DelegationId),
    /// A delegation was ended.
    DelegationEnded(DelegationId),
    /// A version of a line was signed.
    LineSigned(LineId),
    /// A version of a document was signed.
    DocumentSigned(DocumentId),
    /// A device stated its key.
    DeviceKey(DeviceId),
    /// A copy, of this document and version, was opened on this device at this time, requested by this request.
    DocumentOpened((DocumentId, u32, DeviceId, u64), RequestId),
    /// A readout is published, requested by this request.
    ReadoutPublished(RequestId),
    /// A shift began.
    ShiftStarted(ShiftId),
    /// A shift ended.
    ShiftEnded(ShiftId),
}

/// An order whose entry is appended. Another one may be given to the same device meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationAppend {
    /// The device.
    pub device: DeviceId,
    /// SHA-256 of the statement as the log has it; none if it is lost.
    pub order_sha256: Option<Digest>,
    /// The entry's time, milliseconds since 1970 UTC.
    pub time_ms: u64,
    /// The request that it answers, if it still waits.
    pub request: Option<RequestId>,
}

/// A change at the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayCommand {
    /// The switchboard starts: calls other than these are over. The driver may have lost the command that closed one.
    KeepOnly(BTreeSet<CallId>),
    /// Allow legs for a call: its opening is in the log, at this index.
    OpenCall(CallId, u64),
    /// The call ended.
    CloseCall(CallId),
    /// A device offers its leg. The answer arrives through [`super::Switchboard::leg_added`].
    AddLeg {
        /// The call.
        call: CallId,
        /// The device.
        device: DeviceId,
        /// Where the answer goes.
        session: SessionId,
        /// The offer.
        sdp: String,
    },
    /// Remove the device's leg.
    RemoveLeg(CallId, DeviceId),
}

/// Why a device gets no leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegRefusal {
    /// The device offers too often.
    TooMany,
    /// The call is on no relay.
    NotPlaced,
    /// All relays refused the offer; the last one for this reason, which is for the operator.
    Relay(String),
}

/// The successful result of an HTTP request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Done, and in the log at this index.
    Logged(u64),
    /// The link is known.
    LinkKept,
    /// The subscription is stored, or erased.
    PushStored,
    /// What became of a device's request.
    Asked(Asked),
    /// There is no such open invitation: the store knows how it ended, if there was one.
    NoOpenInvitation,
    /// The approval is kept until a second registrar answers.
    ApprovedFirst,
    /// It is noted that the device erased itself.
    ErasureNoted,
    /// A recovery is confirmed, and what follows from it carried out.
    RecoveryConfirmed,
}

impl Reply {
    /// The index in the log.
    ///
    /// # Errors
    /// If the answer is to another kind of request.
    pub fn logged(self) -> Result<u64, Refusal> {
        match self {
            Self::Logged(index) => Ok(index),
            Self::LinkKept
            | Self::PushStored
            | Self::Asked(_)
            | Self::NoOpenInvitation
            | Self::ApprovedFirst
            | Self::ErasureNoted
            | Self::RecoveryConfirmed => {
                Err(Refusal::new(RefusalKind::Unavailable, "the server gave another answer: try again"))
            }
        }
    }
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which kind, for the HTTP status.
    pub kind: RefusalKind,
    /// What happened and what to do.
    pub message: String,
}

impl Refusal {
    /// A refusal of this kind.
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// Kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// It was done before, or conflicts with existing state: 409.
    Conflict,
    /// Not possible any more: 410.
    Gone,
    /// Not allowed to this device: 403.
    Forbidden,
    /// Not found: 404.
    NotFound,
    /// A failure of the server; retry: 503.
    Unavailable,
}

/// A device whose certificates were checked, and that is to be enrolled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDevice {
    /// The device.
    pub device: DeviceId,
    /// Its person, as the certificate names them.
    pub card: Card,
    /// DER: the device's certificate, then its issuer's; twice where two registrars certified it.
    pub chain: Vec<Blob>,
    /// SHA-256 of the device's certificate, the first of two.
    pub cert_sha256: Digest,
    /// SHA-256 of the certificate that a second registrar issued.
    pub second_cert_sha256: Option<Digest>,
    /// The registrars' devices that certified it; none if it has a link of the authority.
    pub registrars: Vec<DeviceId>,
    /// The enrolment.
    pub enrolment: String,
    /// Whether the store has a device of this enrolment.
    pub enrolment_is_used: bool,
}

/// A registrar's approval of a device whose certificates were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approved {
    /// By the first of two registrars that the charter demands: no certificate of an enrolled device yet.
    First(FirstApproved),
    /// By all that the charter demands.
    Last(NewDevice),
    /// By the principal who offered a line, with its first version.
    Holder(NewDevice, Box<NewLine>),
}

/// The first of two registrars' approvals, checked against the device's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstApproved {
    /// The device.
    pub device: DeviceId,
    /// Its person, as the certificate names them.
    pub card: Card,
    /// DER: the device's certificate, then the registrar's.
    pub chain: Vec<Blob>,
}

/// A new device's request whose signature was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceAsked {
    /// The invitation that it names.
    pub invitation: InvitationId,
    /// The device.
    pub device: DeviceId,
    /// SHA-256 of the token of the link.
    pub token_sha256: Digest,
    /// As the device signed it.
    pub jws: String,
}

/// A registrar's revocation of a device, whose signature was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The device.
    pub device: DeviceId,
    /// The registrar's device that signed.
    pub by: DeviceId,
    /// The statement, with the registrar's certificate.
    pub statement: String,
}

/// A registrar's statement that a person lost all devices, whose signature was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpeningRecovery {
    /// Which.
    pub recovery: RecoveryId,
    /// The person that it is for.
    pub person: PersonId,
    /// Why.
    pub reason: RecoveryReason,
    /// The registrar's device that signed.
    pub by: DeviceId,
    /// The statement, with the registrar's certificate.
    pub statement: String,
}

/// Another registrar's confirmation of it, and the revocations that follow from it, whose signatures were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmingRecovery {
    /// Which.
    pub recovery: RecoveryId,
    /// The statement that was confirmed.
    pub opened: String,
    /// The registrar's device that signed.
    pub by: DeviceId,
    /// The confirmation, with the registrar's certificate.
    pub statement: String,
    /// The invitation with which the new device asks.
    pub invitation: InvitationId,
    /// SHA-256 of the token of its link.
    pub token_sha256: Digest,
    /// The devices that the confirmation names.
    pub devices: Vec<DeviceId>,
    /// Devices and their revocations, with the order to erase, by the same registrar.
    pub revocations: Vec<(DeviceId, String)>,
}

/// A delegation whose signature was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelegation {
    /// The signed content.
    pub content: Delegation,
    /// The device that signed it.
    pub device: DeviceId,
    /// As it was signed.
    pub statement: String,
    /// SHA-256 of that.
    pub sha256: Digest,
    /// Whether the store has a delegation of this id.
    pub exists: bool,
}

/// A version of a line whose signature was checked, and that it follows in what it says the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLine {
    /// The signed content.
    pub content: Line,
    /// The device that signed it.
    pub by: DeviceId,
    /// As it was signed.
    pub statement: String,
    /// SHA-256 of that.
    pub sha256: Digest,
    /// Its sealed form; none where the charter names no custodians.
    pub sealed: Option<SealedLine>,
    /// The digest of the version that it was found to follow in what it says; none of a first one, or if that was not known.
    pub follows: Option<Digest>,
    /// Whether the store has a line of this id.
    pub exists: bool,
}

/// The sealed form of a version of a line ([`telcon_proto::line_seal`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedLine {
    /// The age file.
    pub bytes: Vec<u8>,
    /// SHA-256 of that.
    pub sha256: Digest,
}

/// A version of a document whose signature was checked, that it is for the sealed file that is stored, and that it follows in what it says
/// the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDocument {
    /// The signed content.
    pub content: DocumentVersion,
    /// The device that signed it.
    pub by: DeviceId,
    /// As it was signed.
    pub statement: String,
    /// SHA-256 of that.
    pub sha256: Digest,
    /// The digest of the version that it was found to follow in what it says; none of a first one, or if that was not known.
    pub follows: Option<Digest>,
    /// What the store has of the document.
    pub standing: DocumentStanding,
}

/// A device's key whose statement was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDeviceKey {
    /// The device that signed it.
    pub device: DeviceId,
    /// As it was signed.
    pub statement: String,
    /// SHA-256 of that.
    pub sha256: Digest,
}

/// What a delegate's device says of the device that took a line that it offered: signature, delegation and request were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAttestation {
    /// The signed content.
    pub content: HolderAttestation,
    /// The device that signed it.
    pub by: DeviceId,
    /// As it was signed.
    pub statement: String,
    /// The delegation, as it was signed.
    pub delegation: String,
}

/// The end of a delegation, whose signature was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegationEnding {
    /// Which.
    pub delegation: DelegationId,
    /// The device that signed it.
    pub by: DeviceId,
    /// SHA-256 of the statement.
    pub sha256: Digest,
}

/// A shift that a person begins at a device of a place, with a passkey that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeginningShift {
    /// The shift, drawn at random with the challenge.
    pub shift: ShiftId,
    /// The place's device.
    pub device: DeviceId,
    /// The device for which the passkey is registered: its person begins the shift.
    pub with: DeviceId,
}

/// A sealed record whose parts and signature were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The call.
    pub call: CallId,
    /// The device that sealed it.
    pub device: DeviceId,
    /// The record's digest.
    pub digest: Digest,
    /// The signature over it.
    pub jws: String,
    /// How many parts.
    pub parts: usize,
    /// Whether the note-taker declared it partial.
    pub partial: bool,
}

/// A reference to an entry of the log; see [`Output::Send`].
pub(super) fn entry_at(index: u64) -> Logged {
    Logged { entry: Blob::default(), index, proof: Vec::new(), checkpoint: String::new(), office: None }
}
