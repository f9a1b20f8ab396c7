//! Entries of an office's transparency log: the one definition for the switchboard that writes them and for every device and
//! auditor that reads them.
//!
//! An entry is a JSON object with `type` and `time_ms`. It holds opaque ids, digests and times; no content of a call, and
//! nothing that names people, their organisations or their places, because everybody who reaches the server can read the log.
//! So a signature whose header carries a certificate is in an entry by its digest only.
//!
//! Compatibility: entries are kept for decades, so a type never changes its meaning. A field may be added if it is optional;
//! anything else is a new type. Readers skip unknown types and unknown fields ([`ReadEntry::Unknown`]); a known type with a
//! missing or ill-formed field is a fault of the log's writer and is reported ([`ReadEntry::Malformed`]).
//!
//! ```
//! use telcon_proto::{CallId, Ended, entry::{Entry, ReadEntry}};
//!
//! let call = CallId::from_bytes([1; 16]);
//! let entry = Entry::CallEnded { time_ms: 5, call, how: Ended::Missed, answered: Some(false), answered_ms: None, delegation: None };
//! let json = r#"{"type":"call_ended","time_ms":5,"call":"01010101010101010101010101010101","how":"missed","answered":false}"#;
//! assert_eq!(entry.to_bytes(), json.as_bytes());
//! assert_eq!(ReadEntry::parse(json.as_bytes()), ReadEntry::Known(entry));
//! ```

use crate::{
    CallId, DelegationId, DeviceId, Digest, DocumentId, Ended, InvitationId, ItemId, LineId, PersonId, RecordMode,
    RecoveryId, ShiftId, SuiteName, line::LineState, recovery::RecoveryEnd, shift::ShiftEnd,
};
use serde::{Deserialize, Serialize};

/// One log entry. Times are milliseconds since 1970 UTC by the switchboard's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Entry {
    /// A device was enrolled. One enrolment makes one device.
    DeviceEnrolled {
        /// When.
        time_ms: u64,
        /// The device.
        device: DeviceId,
        /// SHA-256 of its DER certificate.
        cert_sha256: Digest,
        /// The enrolment that it consumed, hexadecimal.
        enrolment: String,
        /// Whose device it is, for those who know the person's identifier: [`person_commitment`]. Absent in entries of older
        /// versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        person_sha256: Option<Digest>,
        /// SHA-256 of the DER certificate that a second registrar issued for the same key. Absent where the charter does not
        /// demand two, of devices that the authority enrolled, and in entries of older versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        second_cert_sha256: Option<Digest>,
    },
    /// A device may no longer sign in.
    DeviceRevoked {
        /// When.
        time_ms: u64,
        /// The device.
        device: DeviceId,
        /// The statement of the authority or of a registrar, a compact JWS over [`crate::http::Revocation`]. Without a valid one a
        /// reader that does not trust the server ignores the entry. Absent in entries of the first version.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        jws: Option<String>,
    },
    /// A device rings. The entry is durable before any other device learns of the call.
    CallOpened {
        /// When.
        time_ms: u64,
        /// The call.
        call: CallId,
        /// SHA-256 of the ring's compact JWS.
        ring_sha256: Digest,
        /// What will be kept.
        mode: RecordMode,
        /// The suite of the call.
        suite: SuiteName,
        /// The caller's device.
        devices: Vec<DeviceId>,
        /// The delegation under which the device's person rings for a principal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delegation: Option<DelegationId>,
        /// The line that the ring is over.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        line: Option<LineId>,
    },
    /// The call is over.
    CallEnded {
        /// When.
        time_ms: u64,
        /// The call.
        call: CallId,
        /// How.
        how: Ended,
        /// Whether a device answered. Absent in entries of the first version.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answered: Option<bool>,
        /// When it was answered. Absent in entries of older versions, and of calls that were not answered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answered_ms: Option<u64>,
        /// The delegation under which a person answered for the one who was rung.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delegation: Option<DelegationId>,
    },
    /// A sealed record of the call is in the archive.
    RecordArchived {
        /// When.
        time_ms: u64,
        /// The call.
        call: CallId,
        /// The note-taker's device that sealed it: a call has one record per note-taker.
        device: DeviceId,
        /// The record's digest ([`crate::seal`]).
        record_digest: Digest,
        /// SHA-256 of the note-taker's signature over it, the compact JWS in the record's seal.
        jws_sha256: Digest,
        /// Number of parts.
        parts: u64,
        /// Whether the note-taker signed that something is missing from it.
        partial: bool,
    },
    /// As [`Entry::RecordArchived`], in logs of earlier versions. It holds the signature itself, whose certificate names the
    /// note-taker; it is read and no longer written.
    RecordSealed {
        /// When.
        time_ms: u64,
        /// The call.
        call: CallId,
        /// The note-taker's device that sealed it: a call has one record per note-taker. Absent in entries of the first
        /// version, where only the signature names it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<DeviceId>,
        /// The record's digest ([`crate::seal`]).
        record_digest: Digest,
        /// The note-taker's signature over it, a compact JWS.
        jws: String,
        /// Number of parts.
        parts: u64,
        /// Whether the note-taker signed that something is missing from it.
        partial: bool,
    },
    /// The record of a call had not arrived at its deadline. A later [`Entry::RecordArchived`] may follow.
    RecordMissing {
        /// When.
        time_ms: u64,
        /// The call.
        call: CallId,
        /// The reason, as far as the server can tell.
        why: String,
    },
    /// The authority appointed a device of the office as a registrar: it may enrol devices of some roles.
    RegistrarAppointed {
        /// When.
        time_ms: u64,
        /// The device.
        device: DeviceId,
        /// SHA-256 of its DER registrar certificate.
        cert_sha256: Digest,
    },
    /// A registrar invited a person to enrol a device.
    InvitationMade {
        /// When.
        time_ms: u64,
        /// The invitation.
        invitation: InvitationId,
        /// The registrar's device.
        by: DeviceId,
        /// Until when a device may ask with it, milliseconds since 1970 UTC.
        expires_ms: u64,
        /// Whether it offers a line, of the same identifier, made by a principal or by a delegate for one.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        line: bool,
        /// The delegation under which a delegate offers that line for a principal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delegation: Option<DelegationId>,
    },
    /// The server was started with other rules for devices ([`crate::device_policy`]).
    DevicePolicyChanged {
        /// When.
        time_ms: u64,
        /// SHA-256 of the rules as compact JSON.
        policy_sha256: Digest,
    },
    /// An invitation can no longer be used.
    InvitationClosed {
        /// When.
        time_ms: u64,
        /// The invitation.
        invitation: InvitationId,
        /// How.
        how: InvitationClosed,
        /// The registrar's device that closed it; none if it expired.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<DeviceId>,
        /// The device that asked with it, if one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<DeviceId>,
    },
    /// A registrar states that a person lost all devices. Nothing follows from it until a registrar of another person confirms it.
    RecoveryOpened {
        /// When.
        time_ms: u64,
        /// The recovery.
        recovery: RecoveryId,
        /// The registrar's device.
        by: DeviceId,
        /// Its statement, a compact JWS over [`crate::recovery::RecoveryStatement`].
        jws: String,
    },
    /// A registrar of another person confirmed it: the person's devices are revoked, and one device may ask with the invitation.
    RecoveryConfirmed {
        /// When.
        time_ms: u64,
        /// The recovery.
        recovery: RecoveryId,
        /// The registrar's device.
        by: DeviceId,
        /// The invitation. The device that is enrolled with it needs the certificates of both registrars.
        invitation: InvitationId,
        /// Its statement, a compact JWS over [`crate::recovery::RecoveryConfirmation`].
        jws: String,
    },
    /// A recovery is over.
    RecoveryClosed {
        /// When.
        time_ms: u64,
        /// The recovery.
        recovery: RecoveryId,
        /// How.
        how: RecoveryEnd,
        /// The registrar's device that closed it; none if it expired.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<DeviceId>,
        /// The device that was enrolled, if one was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<DeviceId>,
    },
    /// The server or a device noticed something that concerns the security officer ([`crate::OfficeAlert`]).
    AlertRaised {
        /// When.
        time_ms: u64,
        /// What: the word of an [`crate::AlertKind`]. Readers skip words that they do not know.
        kind: String,
        /// The device that it is about; of what a device reports, that device.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<DeviceId>,
        /// The invitation that it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        invitation: Option<InvitationId>,
        /// The call that a ring or report names, which need not exist.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<CallId>,
        /// How often it happened since the entry before it about the same.
        count: u64,
    },
    /// A principal lets somebody act for them ([`crate::delegation`]). Neither is named.
    DelegationGiven {
        /// When.
        time_ms: u64,
        /// The delegation.
        delegation: DelegationId,
        /// The principal's device that signed it.
        device: DeviceId,
        /// SHA-256 of the statement, a compact JWS.
        statement_sha256: Digest,
        /// Until when it is valid, unless it ends before, milliseconds since 1970 UTC.
        until_ms: u64,
    },
    /// A delegation ended before its time: no later call is rung or answered under it.
    DelegationEnded {
        /// When.
        time_ms: u64,
        /// The delegation.
        delegation: DelegationId,
        /// The device whose person ended it; none if it ended with a revoked device.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<DeviceId>,
        /// SHA-256 of the signed statement that ended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        statement_sha256: Option<Digest>,
    },
    /// A version of a line was signed ([`crate::line`]): it was given, bound, changed, paused or ended. Nobody is named.
    LineSigned {
        /// When.
        time_ms: u64,
        /// The line.
        line: LineId,
        /// The version.
        version: u32,
        /// Whether the line is in use from now on.
        state: LineState,
        /// The device that signed it.
        by: DeviceId,
        /// SHA-256 of the statement, a compact JWS.
        statement_sha256: Digest,
        /// SHA-256 of its sealed form for custodians ([`crate::line_seal`]). Absent in entries of offices whose charter names no
        /// custodians.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sealed_sha256: Option<Digest>,
    },
    /// Somebody began a shift at a device of a place. Neither is named.
    ShiftStarted {
        /// When.
        time_ms: u64,
        /// The shift.
        shift: ShiftId,
        /// The place's device.
        device: DeviceId,
        /// Who, for those who know the person's identifier: [`crate::shift::shift_commitment`].
        person_sha256: Digest,
    },
    /// A shift ended.
    ShiftEnded {
        /// When.
        time_ms: u64,
        /// The shift.
        shift: ShiftId,
        /// How.
        how: ShiftEnd,
    },
    /// A device stated the key that documents are sealed to ([`crate::device_key`]).
    DeviceKey {
        /// When.
        time_ms: u64,
        /// The device.
        device: DeviceId,
        /// SHA-256 of the statement, a compact JWS.
        statement_sha256: Digest,
    },
    /// A version of a document was signed ([`crate::document`]). Neither its kind nor anybody is named.
    DocumentVersion {
        /// When.
        time_ms: u64,
        /// The document.
        document: DocumentId,
        /// The version.
        version: u32,
        /// SHA-256 of the statement, a compact JWS.
        statement_sha256: Digest,
    },
    /// A device was about to get the sealed file of a copy in circulation.
    DocumentOpened {
        /// When.
        time_ms: u64,
        /// The document.
        document: DocumentId,
        /// The version.
        version: u32,
        /// The device.
        device: DeviceId,
    },
    /// A readout was published: its server serves it to everybody ([`crate::readout`]).
    ReadoutPublished {
        /// When.
        time_ms: u64,
        /// The readout.
        readout: ItemId,
        /// SHA-256 of the signed text, a compact JWS.
        statement_sha256: Digest,
    },
    /// Custodians opened a record of the call.
    ArchiveOpened {
        /// When.
        time_ms: u64,
        /// The call.
        call: CallId,
        /// Who opened it: an identifier or a digest of a key, not a name.
        by: String,
    },
}

/// What [`Entry::DeviceEnrolled`] says of the person whose device was enrolled: SHA-256 over the text *telcon device of person 1*
/// and a line feed, the person's identifier and the device's. Identifiers are random, so that the digest tells others nothing, not
/// even which devices are of one person. Who knows the person's identifier finds the person's devices in the log, and whoever
/// verifies the device's certificate verifies the digest as well.
pub fn person_commitment(person: PersonId, device: DeviceId, sha256: impl FnOnce(&[u8]) -> Digest) -> Digest {
    sha256(&[b"telcon device of person 1\n", &person.as_bytes()[..], &device.as_bytes()[..]].concat())
}

/// Whether a registrar certified the device of an [`Entry::DeviceEnrolled`]: the enrolment's identifier is then the start of the
/// certificate's digest. Otherwise the device was enrolled with a link of the authority, which has an identifier of its own.
pub fn is_by_registrar(cert_sha256: &Digest, enrolment: &str) -> bool {
    enrolment.len() == 32 && cert_sha256.to_string().starts_with(enrolment)
}

/// How an invitation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum InvitationClosed {
    /// A registrar approved the device that asked.
    Approved,
    /// A registrar refused the device that asked.
    Refused,
    /// A registrar withdrew it before a device asked.
    Withdrawn,
    /// It was not used, or not answered, in time.
    Expired,
}

impl InvitationClosed {
    /// The name in the log and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
        }
    }
}

/// The `type` words of [`Entry`].
pub const KINDS: [&str; 25] = [
    "device_enrolled",
    "device_revoked",
    "call_opened",
    "call_ended",
    "record_sealed",
    "record_missing",
    "archive_opened",
    "record_archived",
    "registrar_appointed",
    "invitation_made",
    "invitation_closed",
    "alert_raised",
    "device_policy_changed",
    "recovery_opened",
    "recovery_confirmed",
    "recovery_closed",
    "delegation_given",
    "delegation_ended",
    "line_signed",
    "shift_started",
    "shift_ended",
    "device_key",
    "document_version",
    "document_opened",
    "readout_published",
];

impl Entry {
    /// The `type` word.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::DeviceEnrolled { .. } => KINDS[0],
            Self::DeviceRevoked { .. } => KINDS[1],
            Self::CallOpened { .. } => KINDS[2],
            Self::CallEnded { .. } => KINDS[3],
            Self::RecordSealed { .. } => KINDS[4],
            Self::RecordMissing { .. } => KINDS[5],
            Self::ArchiveOpened { .. } => KINDS[6],
            Self::RecordArchived { .. } => KINDS[7],
            Self::RegistrarAppointed { .. } => KINDS[8],
            Self::InvitationMade { .. } => KINDS[9],
            Self::InvitationClosed { .. } => KINDS[10],
            Self::AlertRaised { .. } => KINDS[11],
            Self::DevicePolicyChanged { .. } => KINDS[12],
            Self::RecoveryOpened { .. } => KINDS[13],
            Self::RecoveryConfirmed { .. } => KINDS[14],
            Self::RecoveryClosed { .. } => KINDS[15],
            Self::DelegationGiven { .. } => KINDS[16],
            Self::DelegationEnded { .. } => KINDS[17],
            Self::LineSigned { .. } => KINDS[18],
            Self::ShiftStarted { .. } => KINDS[19],
            Self::ShiftEnded { .. } => KINDS[20],
            Self::DeviceKey { .. } => KINDS[21],
            Self::DocumentVersion { .. } => KINDS[22],
            Self::DocumentOpened { .. } => KINDS[23],
            Self::ReadoutPublished { .. } => KINDS[24],
        }
    }

    /// When it was written, milliseconds since 1970 UTC.
    pub const fn time_ms(&self) -> u64 {
        match self {
            Self::DeviceEnrolled { time_ms, .. }
            | Self::DeviceRevoked { time_ms, .. }
            | Self::CallOpened { time_ms, .. }
            | Self::CallEnded { time_ms, .. }
            | Self::RecordArchived { time_ms, .. }
            | Self::RecordSealed { time_ms, .. }
            | Self::RecordMissing { time_ms, .. }
            | Self::RegistrarAppointed { time_ms, .. }
            | Self::InvitationMade { time_ms, .. }
            | Self::InvitationClosed { time_ms, .. }
            | Self::AlertRaised { time_ms, .. }
            | Self::DevicePolicyChanged { time_ms, .. }
            | Self::RecoveryOpened { time_ms, .. }
            | Self::RecoveryConfirmed { time_ms, .. }
            | Self::RecoveryClosed { time_ms, .. }
            | Self::DelegationGiven { time_ms, .. }
            | Self::DelegationEnded { time_ms, .. }
            | Self::LineSigned { time_ms, .. }
            | Self::ShiftStarted { time_ms, .. }
            | Self::ShiftEnded { time_ms, .. }
            | Self::DeviceKey { time_ms, .. }
            | Self::DocumentVersion { time_ms, .. }
            | Self::DocumentOpened { time_ms, .. }
            | Self::ReadoutPublished { time_ms, .. }
            | Self::ArchiveOpened { time_ms, .. } => *time_ms,
        }
    }

    /// The call that it is about.
    pub const fn call(&self) -> Option<CallId> {
        match self {
            Self::DeviceEnrolled { .. }
            | Self::DeviceRevoked { .. }
            | Self::RegistrarAppointed { .. }
            | Self::InvitationMade { .. }
            | Self::InvitationClosed { .. }
            | Self::DevicePolicyChanged { .. }
            | Self::RecoveryOpened { .. }
            | Self::RecoveryConfirmed { .. }
            | Self::RecoveryClosed { .. }
            | Self::DelegationGiven { .. }
            | Self::DelegationEnded { .. }
            | Self::LineSigned { .. }
            | Self::ShiftStarted { .. }
            | Self::ShiftEnded { .. }
            | Self::DeviceKey { .. }
            | Self::DocumentVersion { .. }
            | Self::DocumentOpened { .. }
            | Self::ReadoutPublished { .. }
            // The call that an alert names need not exist.
            | Self::AlertRaised { .. } => None,
            Self::CallOpened { call, .. }
            | Self::CallEnded { call, .. }
            | Self::RecordArchived { call, .. }
            | Self::RecordSealed { call, .. }
            | Self::RecordMissing { call, .. }
            | Self::ArchiveOpened { call, .. } => Some(*call),
        }
    }

    /// What the entry says of a record, if it is about one that is in the archive.
    pub fn archived_record(&self) -> Option<ArchivedRecord<'_>> {
        match self {
            Self::RecordArchived { device, record_digest, jws_sha256, parts, partial, .. } => Some(ArchivedRecord {
                device: Some(*device),
                record_digest: *record_digest,
                signature: LoggedSignature::Sha256(*jws_sha256),
                parts: *parts,
                partial: *partial,
            }),
            Self::RecordSealed { device, record_digest, jws, parts, partial, .. } => Some(ArchivedRecord {
                device: *device,
                record_digest: *record_digest,
                signature: LoggedSignature::Jws(jws),
                parts: *parts,
                partial: *partial,
            }),
            _ => None,
        }
    }

    /// The bytes that go into the log.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("invariant: an entry has no map keys that JSON cannot hold")
    }
}

/// A record in the archive, as entries of either type state it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchivedRecord<'a> {
    /// The device that sealed it, unless an entry of the first version leaves it to the signature.
    pub device: Option<DeviceId>,
    /// Its digest.
    pub record_digest: Digest,
    /// Its note-taker's signature.
    pub signature: LoggedSignature<'a>,
    /// Number of parts.
    pub parts: u64,
    /// Whether the note-taker signed that something is missing from it.
    pub partial: bool,
}

/// A signature as an entry states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoggedSignature<'a> {
    /// The compact JWS.
    Jws(&'a str),
    /// SHA-256 of the compact JWS.
    Sha256(Digest),
}

impl LoggedSignature<'_> {
    /// Whether this is the signature `jws`, of which `sha256` is the digest.
    pub fn is(&self, jws: &str, sha256: impl FnOnce(&[u8]) -> Digest) -> bool {
        match self {
            Self::Jws(logged) => *logged == jws,
            Self::Sha256(digest) => *digest == sha256(jws.as_bytes()),
        }
    }
}

/// Longest name of a type of entry, bytes. Entries are of the server's choice, and whoever counts types holds their names.
const MAX_KIND_BYTES: usize = 64;
/// Most of an entry's flaw that is told, characters: it can repeat the entry.
const MAX_FLAW_CHARS: usize = 200;

/// An entry as far as it could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadEntry {
    /// One of [`Entry`].
    Known(Entry),
    /// An object of another type, which is named: a newer program wrote it.
    Unknown(String),
    /// Not an entry; says why.
    Malformed(String),
}

impl ReadEntry {
    /// Reads the bytes of one entry. Never fails: see the variants.
    pub fn parse(bytes: &[u8]) -> Self {
        let value: serde_json::Value = match serde_json::from_slice(bytes) {
            Ok(value) => value,
            Err(error) => return Self::malformed(&error),
        };
        match value.get("type").and_then(|kind| kind.as_str()) {
            None => Self::Malformed("it has no type".to_owned()),
            Some(kind) if kind.len() > MAX_KIND_BYTES => {
                Self::Malformed(format!("its type has a name of {} bytes", kind.len()))
            }
            Some(kind) if !KINDS.contains(&kind) => Self::Unknown(kind.to_owned()),
            Some(_) => serde_json::from_value(value).map_or_else(|error| Self::malformed(&error), Self::Known),
        }
    }

    fn malformed(error: &serde_json::Error) -> Self {
        Self::Malformed(error.to_string().chars().take(MAX_FLAW_CHARS).collect())
    }

    /// The entry, if it is of a type that this program knows.
    pub fn known(self) -> Option<Entry> {
        match self {
            Self::Known(entry) => Some(entry),
            Self::Unknown(_) | Self::Malformed(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01010101010101010101010101010101";
    const CALL: CallId = CallId::from_bytes([1; 16]);
    const DEVICE: DeviceId = DeviceId::from_bytes([1; 16]);
    const INVITATION: InvitationId = InvitationId::from_bytes([1; 16]);
    const RECOVERY: RecoveryId = RecoveryId::from_bytes([1; 16]);
    const DELEGATION: DelegationId = DelegationId::from_bytes([1; 16]);
    const DOCUMENT: DocumentId = DocumentId::from_bytes([1; 16]);
    const READOUT: ItemId = ItemId::from_bytes([1; 16]);
    const LINE: LineId = LineId::from_bytes([1; 16]);
    const SHIFT: ShiftId = ShiftId::from_bytes([1; 16]);
    const DIGEST: Digest = Digest::from_bytes([0xab; 32]);

    /// Every type of entry with its JSON: the contract with archives that exist.
    fn all() -> Vec<(Entry, String)> {
        let digest = "ab".repeat(32);
        let enrolled = |person_sha256, second_cert_sha256| Entry::DeviceEnrolled {
            time_ms: 1,
            device: DEVICE,
            cert_sha256: DIGEST,
            enrolment: "e".into(),
            person_sha256,
            second_cert_sha256,
        };
        let sealed = |device| Entry::RecordSealed {
            time_ms: 1,
            call: CALL,
            device,
            record_digest: DIGEST,
            jws: "a.b.c".into(),
            parts: 2,
            partial: false,
        };
        vec![
            (
                enrolled(None, None),
                format!(
                    r#"{{"type":"device_enrolled","time_ms":1,"device":"{ID}","cert_sha256":"{digest}","enrolment":"e"}}"#
                ),
            ),
            (
                enrolled(Some(DIGEST), None),
                format!(
                    r#"{{"type":"device_enrolled","time_ms":1,"device":"{ID}","cert_sha256":"{digest}","enrolment":"e","person_sha256":"{digest}"}}"#
                ),
            ),
            (
                enrolled(Some(DIGEST), Some(DIGEST)),
                format!(
                    r#"{{"type":"device_enrolled","time_ms":1,"device":"{ID}","cert_sha256":"{digest}","enrolment":"e","person_sha256":"{digest}","second_cert_sha256":"{digest}"}}"#
                ),
            ),
            (
                Entry::DeviceRevoked { time_ms: 1, device: DEVICE, jws: None },
                format!(r#"{{"type":"device_revoked","time_ms":1,"device":"{ID}"}}"#),
            ),
            (
                Entry::DeviceRevoked { time_ms: 1, device: DEVICE, jws: Some("a.b.c".into()) },
                format!(r#"{{"type":"device_revoked","time_ms":1,"device":"{ID}","jws":"a.b.c"}}"#),
            ),
            (
                Entry::RecoveryOpened { time_ms: 1, recovery: RECOVERY, by: DEVICE, jws: "a.b.c".into() },
                format!(r#"{{"type":"recovery_opened","time_ms":1,"recovery":"{ID}","by":"{ID}","jws":"a.b.c"}}"#),
            ),
            (
                Entry::RecoveryConfirmed {
                    time_ms: 1,
                    recovery: RECOVERY,
                    by: DEVICE,
                    invitation: INVITATION,
                    jws: "a.b.c".into(),
                },
                format!(
                    r#"{{"type":"recovery_confirmed","time_ms":1,"recovery":"{ID}","by":"{ID}","invitation":"{ID}","jws":"a.b.c"}}"#
                ),
            ),
            (
                Entry::RecoveryClosed {
                    time_ms: 1,
                    recovery: RECOVERY,
                    how: RecoveryEnd::Completed,
                    by: Some(DEVICE),
                    device: Some(DEVICE),
                },
                format!(
                    r#"{{"type":"recovery_closed","time_ms":1,"recovery":"{ID}","how":"completed","by":"{ID}","device":"{ID}"}}"#
                ),
            ),
            (
                Entry::RecoveryClosed {
                    time_ms: 1,
                    recovery: RECOVERY,
                    how: RecoveryEnd::Expired,
                    by: None,
                    device: None,
                },
                format!(r#"{{"type":"recovery_closed","time_ms":1,"recovery":"{ID}","how":"expired"}}"#),
            ),
            (
                Entry::RecordArchived {
                    time_ms: 1,
                    call: CALL,
                    device: DEVICE,
                    record_digest: DIGEST,
                    jws_sha256: DIGEST,
                    parts: 2,
                    partial: false,
                },
                format!(
                    r#"{{"type":"record_archived","time_ms":1,"call":"{ID}","device":"{ID}","record_digest":"{digest}","jws_sha256":"{digest}","parts":2,"partial":false}}"#
                ),
            ),
            (
                Entry::CallOpened {
                    time_ms: 1,
                    call: CALL,
                    ring_sha256: DIGEST,
                    mode: RecordMode::LogOnly,
                    suite: SuiteName::Hybrid,
                    devices: vec![DEVICE],
                    delegation: None,
                    line: None,
                },
                format!(
                    r#"{{"type":"call_opened","time_ms":1,"call":"{ID}","ring_sha256":"{digest}","mode":"log_only","suite":"hybrid","devices":["{ID}"]}}"#
                ),
            ),
            (
                Entry::CallOpened {
                    time_ms: 1,
                    call: CALL,
                    ring_sha256: DIGEST,
                    mode: RecordMode::LogOnly,
                    suite: SuiteName::Hybrid,
                    devices: vec![DEVICE],
                    delegation: Some(DELEGATION),
                    line: None,
                },
                format!(
                    r#"{{"type":"call_opened","time_ms":1,"call":"{ID}","ring_sha256":"{digest}","mode":"log_only","suite":"hybrid","devices":["{ID}"],"delegation":"{ID}"}}"#
                ),
            ),
            (
                Entry::DelegationGiven {
                    time_ms: 1,
                    delegation: DELEGATION,
                    device: DEVICE,
                    statement_sha256: DIGEST,
                    until_ms: 9,
                },
                format!(
                    r#"{{"type":"delegation_given","time_ms":1,"delegation":"{ID}","device":"{ID}","statement_sha256":"{digest}","until_ms":9}}"#
                ),
            ),
            (
                Entry::CallOpened {
                    time_ms: 1,
                    call: CALL,
                    ring_sha256: DIGEST,
                    mode: RecordMode::LogOnly,
                    suite: SuiteName::Hybrid,
                    devices: vec![DEVICE],
                    delegation: None,
                    line: Some(LINE),
                },
                format!(
                    r#"{{"type":"call_opened","time_ms":1,"call":"{ID}","ring_sha256":"{digest}","mode":"log_only","suite":"hybrid","devices":["{ID}"],"line":"{ID}"}}"#
                ),
            ),
            (
                Entry::LineSigned {
                    time_ms: 1,
                    line: LINE,
                    version: 2,
                    state: LineState::Paused,
                    by: DEVICE,
                    statement_sha256: DIGEST,
                    sealed_sha256: None,
                },
                format!(
                    r#"{{"type":"line_signed","time_ms":1,"line":"{ID}","version":2,"state":"paused","by":"{ID}","statement_sha256":"{digest}"}}"#
                ),
            ),
            (
                Entry::LineSigned {
                    time_ms: 1,
                    line: LINE,
                    version: 2,
                    state: LineState::Paused,
                    by: DEVICE,
                    statement_sha256: DIGEST,
                    sealed_sha256: Some(DIGEST),
                },
                format!(
                    r#"{{"type":"line_signed","time_ms":1,"line":"{ID}","version":2,"state":"paused","by":"{ID}","statement_sha256":"{digest}","sealed_sha256":"{digest}"}}"#
                ),
            ),
            (
                Entry::InvitationMade {
                    time_ms: 1,
                    invitation: INVITATION,
                    by: DEVICE,
                    expires_ms: 2,
                    line: true,
                    delegation: None,
                },
                format!(
                    r#"{{"type":"invitation_made","time_ms":1,"invitation":"{ID}","by":"{ID}","expires_ms":2,"line":true}}"#
                ),
            ),
            (
                Entry::InvitationMade {
                    time_ms: 1,
                    invitation: INVITATION,
                    by: DEVICE,
                    expires_ms: 2,
                    line: true,
                    delegation: Some(DELEGATION),
                },
                format!(
                    r#"{{"type":"invitation_made","time_ms":1,"invitation":"{ID}","by":"{ID}","expires_ms":2,"line":true,"delegation":"{ID}"}}"#
                ),
            ),
            (
                Entry::ShiftStarted { time_ms: 1, shift: SHIFT, device: DEVICE, person_sha256: DIGEST },
                format!(
                    r#"{{"type":"shift_started","time_ms":1,"shift":"{ID}","device":"{ID}","person_sha256":"{digest}"}}"#
                ),
            ),
            (
                Entry::ShiftEnded { time_ms: 1, shift: SHIFT, how: ShiftEnd::HandedOver },
                format!(r#"{{"type":"shift_ended","time_ms":1,"shift":"{ID}","how":"handed_over"}}"#),
            ),
            (
                Entry::DeviceKey { time_ms: 1, device: DEVICE, statement_sha256: DIGEST },
                format!(r#"{{"type":"device_key","time_ms":1,"device":"{ID}","statement_sha256":"{digest}"}}"#),
            ),
            (
                Entry::DocumentVersion { time_ms: 1, document: DOCUMENT, version: 3, statement_sha256: DIGEST },
                format!(
                    r#"{{"type":"document_version","time_ms":1,"document":"{ID}","version":3,"statement_sha256":"{digest}"}}"#
                ),
            ),
            (
                Entry::DocumentOpened { time_ms: 1, document: DOCUMENT, version: 3, device: DEVICE },
                format!(r#"{{"type":"document_opened","time_ms":1,"document":"{ID}","version":3,"device":"{ID}"}}"#),
            ),
            (
                Entry::ReadoutPublished { time_ms: 1, readout: READOUT, statement_sha256: DIGEST },
                format!(r#"{{"type":"readout_published","time_ms":1,"readout":"{ID}","statement_sha256":"{digest}"}}"#),
            ),
            (
                Entry::DelegationEnded { time_ms: 1, delegation: DELEGATION, by: None, statement_sha256: None },
                format!(r#"{{"type":"delegation_ended","time_ms":1,"delegation":"{ID}"}}"#),
            ),
            (
                Entry::DelegationEnded {
                    time_ms: 1,
                    delegation: DELEGATION,
                    by: Some(DEVICE),
                    statement_sha256: Some(DIGEST),
                },
                format!(
                    r#"{{"type":"delegation_ended","time_ms":1,"delegation":"{ID}","by":"{ID}","statement_sha256":"{digest}"}}"#
                ),
            ),
            (
                Entry::CallEnded {
                    time_ms: 1,
                    call: CALL,
                    how: Ended::HungUp,
                    answered: None,
                    answered_ms: None,
                    delegation: None,
                },
                format!(r#"{{"type":"call_ended","time_ms":1,"call":"{ID}","how":"hung_up"}}"#),
            ),
            (
                Entry::CallEnded {
                    time_ms: 3,
                    call: CALL,
                    how: Ended::HungUp,
                    answered: Some(true),
                    answered_ms: Some(2),
                    delegation: None,
                },
                format!(
                    r#"{{"type":"call_ended","time_ms":3,"call":"{ID}","how":"hung_up","answered":true,"answered_ms":2}}"#
                ),
            ),
            (
                Entry::CallEnded {
                    time_ms: 3,
                    call: CALL,
                    how: Ended::HungUp,
                    answered: Some(true),
                    answered_ms: Some(2),
                    delegation: Some(DELEGATION),
                },
                format!(
                    r#"{{"type":"call_ended","time_ms":3,"call":"{ID}","how":"hung_up","answered":true,"answered_ms":2,"delegation":"{ID}"}}"#
                ),
            ),
            (
                sealed(None),
                format!(
                    r#"{{"type":"record_sealed","time_ms":1,"call":"{ID}","record_digest":"{digest}","jws":"a.b.c","parts":2,"partial":false}}"#
                ),
            ),
            (
                sealed(Some(DEVICE)),
                format!(
                    r#"{{"type":"record_sealed","time_ms":1,"call":"{ID}","device":"{ID}","record_digest":"{digest}","jws":"a.b.c","parts":2,"partial":false}}"#
                ),
            ),
            (
                Entry::RecordMissing { time_ms: 1, call: CALL, why: "w".into() },
                format!(r#"{{"type":"record_missing","time_ms":1,"call":"{ID}","why":"w"}}"#),
            ),
            (
                Entry::ArchiveOpened { time_ms: 1, call: CALL, by: "b".into() },
                format!(r#"{{"type":"archive_opened","time_ms":1,"call":"{ID}","by":"b"}}"#),
            ),
            (
                Entry::RegistrarAppointed { time_ms: 1, device: DEVICE, cert_sha256: DIGEST },
                format!(r#"{{"type":"registrar_appointed","time_ms":1,"device":"{ID}","cert_sha256":"{digest}"}}"#),
            ),
            (
                Entry::DevicePolicyChanged { time_ms: 1, policy_sha256: DIGEST },
                format!(r#"{{"type":"device_policy_changed","time_ms":1,"policy_sha256":"{digest}"}}"#),
            ),
            (
                Entry::InvitationMade {
                    time_ms: 1,
                    invitation: INVITATION,
                    by: DEVICE,
                    expires_ms: 2,
                    line: false,
                    delegation: None,
                },
                format!(r#"{{"type":"invitation_made","time_ms":1,"invitation":"{ID}","by":"{ID}","expires_ms":2}}"#),
            ),
            (
                Entry::InvitationClosed {
                    time_ms: 1,
                    invitation: INVITATION,
                    how: InvitationClosed::Approved,
                    by: Some(DEVICE),
                    device: Some(DEVICE),
                },
                format!(
                    r#"{{"type":"invitation_closed","time_ms":1,"invitation":"{ID}","how":"approved","by":"{ID}","device":"{ID}"}}"#
                ),
            ),
            (
                Entry::InvitationClosed {
                    time_ms: 1,
                    invitation: INVITATION,
                    how: InvitationClosed::Expired,
                    by: None,
                    device: None,
                },
                format!(r#"{{"type":"invitation_closed","time_ms":1,"invitation":"{ID}","how":"expired"}}"#),
            ),
            (
                Entry::AlertRaised {
                    time_ms: 1,
                    kind: "ring_refused".into(),
                    device: Some(DEVICE),
                    invitation: Some(INVITATION),
                    call: Some(CALL),
                    count: 2,
                },
                format!(
                    r#"{{"type":"alert_raised","time_ms":1,"kind":"ring_refused","device":"{ID}","invitation":"{ID}","call":"{ID}","count":2}}"#
                ),
            ),
            (
                Entry::AlertRaised {
                    time_ms: 1,
                    kind: "of_a_newer_version".into(),
                    device: None,
                    invitation: None,
                    call: None,
                    count: 1,
                },
                r#"{"type":"alert_raised","time_ms":1,"kind":"of_a_newer_version","count":1}"#.to_owned(),
            ),
        ]
    }

    #[test]
    fn every_entry_has_the_documented_json_and_tolerates_new_fields() {
        for (entry, json) in all() {
            assert_eq!(String::from_utf8(entry.to_bytes()).unwrap(), json);
            assert!(json.contains(&format!(r#""type":"{}""#, entry.kind())));
            let newer = json.replacen('{', r#"{"added_later":[1],"#, 1);
            assert_eq!(ReadEntry::parse(newer.as_bytes()), ReadEntry::Known(entry));
        }
        let kinds: std::collections::BTreeSet<_> = all().iter().map(|(entry, _)| entry.kind()).collect();
        assert_eq!(kinds, KINDS.into_iter().collect(), "a type has no example above");
    }

    #[test]
    fn a_person_is_committed_to_with_each_device() {
        let hashed = std::cell::RefCell::new(Vec::new());
        let digest = person_commitment(PersonId::from_bytes([2; 16]), DEVICE, |bytes| {
            *hashed.borrow_mut() = bytes.to_vec();
            DIGEST
        });
        let expected = [&b"telcon device of person 1\n"[..], &[2; 16], &[1; 16]].concat();
        assert_eq!((digest, hashed.into_inner()), (DIGEST, expected));
    }

    #[test]
    fn the_protocol_document_lists_every_entry_type_with_its_fields() {
        let document = include_str!("../../../docs/protocol.md");
        let table = document.split("\n## Log\n").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a chapter");
        // Type and fields of each row.
        let rows: std::collections::BTreeMap<&str, std::collections::BTreeSet<&str>> = table
            .lines()
            .filter_map(|line| line.strip_prefix("| `"))
            .filter(|line| !line.starts_with("type`"))
            .map(|line| {
                let (kind, rest) = line.split_once("` |").expect("a row");
                let fields = rest.split('|').next().expect("a cell");
                (kind, fields.split('`').skip(1).step_by(2).collect())
            })
            .collect();
        let mut defined = std::collections::BTreeMap::<_, std::collections::BTreeSet<_>>::new();
        for (entry, json) in all() {
            let value: serde_json::Value = serde_json::from_str(&json).unwrap();
            let fields = value.as_object().unwrap().keys().filter(|name| !["type", "time_ms"].contains(&name.as_str()));
            defined.entry(entry.kind()).or_default().extend(fields.cloned());
        }
        let defined = defined.iter().map(|(kind, fields)| (*kind, fields.iter().map(String::as_str).collect()));
        assert_eq!(rows, defined.collect());
    }

    #[test]
    fn what_is_kept_of_an_entry_that_is_not_known_is_short() {
        let long = "x".repeat(60_000);
        let entries = [
            format!(r#"{{"type":"{long}","time_ms":1}}"#),
            format!(r#"{{"type":"call_ended","time_ms":1,"call":"{ID}","how":"{long}"}}"#),
            format!(r#"{{"type":"call_ended","time_ms":1,"call":"{ID}","{long}":1}}"#),
        ];
        for entry in entries {
            let ReadEntry::Malformed(why) = ReadEntry::parse(entry.as_bytes()) else { panic!("{}", &entry[..80]) };
            assert!(why.len() <= 4 * MAX_FLAW_CHARS, "{} bytes", why.len());
        }
        let longest = "x".repeat(MAX_KIND_BYTES);
        let entry = format!(r#"{{"type":"{longest}","time_ms":1}}"#);
        assert_eq!(ReadEntry::parse(entry.as_bytes()), ReadEntry::Unknown(longest));
    }

    #[test]
    fn unknown_types_are_skipped_and_malformed_entries_reported() {
        let newer = br#"{"type":"line_revoked","time_ms":1}"#;
        assert_eq!(ReadEntry::parse(newer), ReadEntry::Unknown("line_revoked".into()));
        let mut bad = vec![b"".to_vec(), b"{}".to_vec(), b"[1]".to_vec(), b"\xff".to_vec()];
        for (from, to) in [("01010101", "zz"), (r#":1,"#, r#":-1,"#), ("hung_up", "vanished"), ("abab", "ABAB")] {
            bad.extend(all().into_iter().filter_map(|(_, json)| {
                let changed = json.replacen(from, to, 1);
                (changed != json).then(|| changed.into_bytes())
            }));
        }
        for bytes in bad {
            let read = ReadEntry::parse(&bytes);
            assert!(matches!(read, ReadEntry::Malformed(_)), "{}", String::from_utf8_lossy(&bytes));
        }
    }
}
