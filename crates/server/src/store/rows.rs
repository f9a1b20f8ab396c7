//! What the store keeps, as types: rows, and the writes that change them.

use telcon_proto::{Blob, CallId, Card, DeviceId, Digest, Ended, PersonId, RecordMode};

/// An enrolled device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRow {
    /// The device.
    pub device: DeviceId,
    /// Its person, as its certificate names them.
    pub card: Card,
    /// DER certificates: the device's, then the enrolment certificate that signed it.
    pub chain: Vec<Blob>,
    /// SHA-256 of the device's certificate.
    pub cert_sha256: Digest,
    /// The enrolment it used up.
    pub enrolment: String,
    /// When, milliseconds since 1970 UTC.
    pub enrolled_ms: u64,
    /// When it was revoked.
    pub revoked_ms: Option<u64>,
    /// The office authority's word for that (`telcon-revocation+jws`): a device that was away is given it when it signs in.
    /// None where the log is all that knows of the revocation.
    pub revocation: Option<String>,
    /// Index of its enrolment in the log; none while the log has not taken it.
    pub log_index: Option<u64>,
    /// Index of its revocation in the log.
    pub revoked_index: Option<u64>,
}

/// Where a call stands, as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its opening is on its way to the log. Nobody has heard of it.
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
    /// What is to be kept.
    pub mode: RecordMode,
    /// Where it stands.
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
    /// Index of the entry that its record is missing.
    pub missing_index: Option<u64>,
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

/// A device that waits to be added to a call.
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
    /// The device that sealed it and brought it. None where an older program took it: then it is the call's only one.
    pub device: Option<DeviceId>,
    /// The record's digest, as sealed.
    pub digest: Digest,
    /// When it arrived, milliseconds since 1970 UTC.
    pub kept_ms: u64,
    /// Index of its entry in the log.
    pub log_index: u64,
    /// Whether the note-taker that sealed it says that something is missing.
    pub partial: bool,
}

/// One change. All changes that one input causes are one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// A device is being enrolled.
    Device(Box<DeviceRow>),
    /// Its entry is in the log.
    DeviceLogged(DeviceId, u64),
    /// The log did not take it: its enrolment can be used again.
    DeviceForgotten(DeviceId),
    /// No device that the log does not have will ever get there: enrolments that were interrupted can be used again.
    UnloggedDevicesForgotten,
    /// A device was revoked, at this time, on this word where it is known.
    DeviceRevoked(DeviceId, u64, Option<String>),
    /// The entry of the revocation is in the log.
    RevocationLogged(DeviceId, u64),
    /// A call is to be opened. Its only member is the caller's device.
    Call(Box<CallRow>),
    /// Its opening is in the log: it rings.
    CallOpened(CallId, u64),
    /// A device answered, at this time.
    CallAnswered(CallId, DeviceId, u64),
    /// A device waits to be added.
    Asked(CallId, Ask),
    /// It waits no longer.
    AskDropped(CallId, DeviceId),
    /// A member left or was lost, and is to be removed.
    Leaving(CallId, DeviceId),
    /// A commit was taken: the call's epoch is now one more.
    Committed {
        /// The call.
        call: CallId,
        /// The commit.
        handshake: Box<Handshake>,
        /// Whether a note-taker was ever in the call.
        noted: bool,
    },
    /// Commits up to this sequence number need not be kept.
    HandshakesForgotten(CallId, u64),
    /// The call ended so, at this time. What served it alone is erased.
    CallEnded(CallId, Ended, u64),
    /// The entry of its end is in the log.
    EndLogged(CallId, u64),
    /// The entry that its record is missing is in the log.
    MissingLogged(CallId, u64),
    /// A record of it is in the archive and in the log.
    Record(RecordRow),
    /// Every entry of the log below this size is accounted for in the store.
    LogSeen(u64),
}

/// A call that is not over, with everything needed to go on.
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

/// A call that is over, and of which something is owed still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The call.
    pub row: CallRow,
    /// Devices that were ever in it.
    pub participants: Vec<DeviceId>,
    /// Its records that are in the archive.
    pub records: Vec<RecordRow>,
}

/// Everything a switchboard starts from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// All devices, revoked ones too.
    pub devices: Vec<DeviceRow>,
    /// Calls that are not over.
    pub active: Vec<ActiveCall>,
    /// Calls that are over, and whose end is not in the log or of which a note-taker has a record to bring.
    pub unfinished: Vec<Unfinished>,
}

/// Person of a device row, for indices.
impl DeviceRow {
    /// The person whose device it is.
    pub fn person(&self) -> PersonId {
        self.card.person
    }
}
