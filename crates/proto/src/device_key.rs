//! Encryption keys of devices: what documents are sealed to.
//!
//! A device states its key once, signed with its signing key; the digest of the statement is in the log. Before it seals something, a
//! device verifies the other's certificates, the statement and both log entries: a server cannot put a key of its own in their place.

use crate::{DeviceId, OfficeName, PersonId, message::Logged};
use serde::{Deserialize, Serialize};

/// Version of the way in which a device makes its encryption key.
pub const DEVICE_KEY_VERSION: u32 = 1;

/// Payload of `telcon-device-key+jws`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DeviceKeyStatement {
    /// The device's office.
    pub office: OfficeName,
    /// The device that signed it, whose key it is.
    pub device: DeviceId,
    /// The key: an age recipient, `age1pq1…`.
    pub recipient: String,
    /// From 1: a higher one replaces a lower one.
    pub version: u32,
    /// When it was signed, milliseconds since 1970 UTC by the device's clock.
    pub at_ms: u64,
}

/// A device's encryption key with the proofs that it, and the device, are in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProvenDeviceKey {
    /// The statement, a compact JWS of type `telcon-device-key+jws`.
    pub statement: String,
    /// Proof that the log has it.
    pub signed: Logged,
    /// Proof that the certificate of the device is in the log.
    pub device: Logged,
}

/// `GET /api/v1/people/{person}/keys`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PersonKeys {
    /// Whose.
    pub person: PersonId,
    /// The keys of their devices that are not revoked, at most [`crate::limits::MAX_KEYS_LISTED`].
    pub keys: Vec<ProvenDeviceKey>,
}
