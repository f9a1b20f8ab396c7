//! Recovery of a person who lost all devices and everything that opens them: two registrars of different people state it, always,
//! also where the charter demands one registrar for a device.
//!
//! The first opens it, the second confirms it. Only then the person's devices are revoked, with the order to erase themselves, and an
//! invitation exists with which one new device may ask. That device needs the certificates of both registrars. All of it is in the
//! log, which names nobody.

use crate::{Card, DeviceId, Digest, InvitationId, PersonId, RecoveryId};
use serde::{Deserialize, Serialize};

/// Why a person needs it, as the first registrar states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RecoveryReason {
    /// The devices were lost.
    Lost,
    /// They were stolen.
    Stolen,
    /// They do not work any more.
    Destroyed,
    /// Another reason.
    Other,
}

impl RecoveryReason {
    /// The word on the wire and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Stolen => "stolen",
            Self::Destroyed => "destroyed",
            Self::Other => "other",
        }
    }
}

/// How a recovery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RecoveryEnd {
    /// A new device of the person is enrolled.
    Completed,
    /// The registrar that opened it withdrew it.
    Withdrawn,
    /// Another registrar refused it, or the device that asked.
    Refused,
    /// Nobody confirmed it, or no device was enrolled, in time.
    Expired,
}

impl RecoveryEnd {
    /// The word on the wire, in the log and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Withdrawn => "withdrawn",
            Self::Refused => "refused",
            Self::Expired => "expired",
        }
    }
}

/// Payload of `telcon-recovery+jws`: a registrar states that a person lost all devices. It is in the public log, so it names the
/// person by a digest only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryStatement {
    /// The office, by domain.
    pub office: String,
    /// The recovery: an identifier that its registrar drew.
    pub recovery: RecoveryId,
    /// Whom it is for: [`person_commitment`].
    pub person_sha256: Digest,
    /// Why.
    pub reason: RecoveryReason,
    /// When it was signed, milliseconds since 1970 UTC by the registrar's clock.
    pub at_ms: u64,
    /// The registrar's device.
    pub by: DeviceId,
}

/// Payload of `telcon-recovery-confirmation+jws`: a registrar of another person confirms a recovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryConfirmation {
    /// The office, by domain.
    pub office: String,
    /// The recovery.
    pub recovery: RecoveryId,
    /// SHA-256 of the compact JWS that opened it: a confirmation is worth nothing for another statement.
    pub opened_sha256: Digest,
    /// The invitation with which the new device asks.
    pub invitation: InvitationId,
    /// The devices of the person that are revoked with it: whoever reads the log sees whether they are.
    pub devices: Vec<DeviceId>,
    /// When it was signed, milliseconds since 1970 UTC by the registrar's clock.
    pub at_ms: u64,
    /// The registrar's device.
    pub by: DeviceId,
}

/// How a [`RecoveryStatement`] names its person: SHA-256 over the text *telcon recovery of person 1* and a line feed, the person's
/// identifier and the recovery's. It tells nothing to whoever does not know the person's identifier.
pub fn person_commitment(person: PersonId, recovery: RecoveryId, sha256: impl FnOnce(&[u8]) -> Digest) -> Digest {
    sha256(&[b"telcon recovery of person 1\n", &person.as_bytes()[..], &recovery.as_bytes()[..]].concat())
}

/// A recovery that is not over, as registrars see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OpenRecovery {
    /// Which.
    pub recovery: RecoveryId,
    /// The person who lost all devices.
    pub card: Card,
    /// The statement that opened it: compact JWS, `~`, base64 of the registrar's certificate. Devices show what it says, once it is
    /// verified.
    pub statement: String,
    /// When it was opened, milliseconds since 1970 UTC.
    pub opened_ms: u64,
    /// Until when it may be confirmed, and a device enrolled.
    pub expires_ms: u64,
    /// The person's devices that are not revoked.
    pub devices: Vec<DeviceId>,
    /// The confirmation, in the same form, once another registrar confirmed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<String>,
}
