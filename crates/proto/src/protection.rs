//! Bodies of the HTTP API for the protection of devices: passkeys, lockers for PINs, and the tickets that they give.
//!
//! A device is protected once a passkey or a PIN was registered for it. From then on it signs in with a ticket
//! ([`crate::ClientMessage::Prove`]), which the office issues each time its person uses one of them.

use crate::{Blob, DeviceId, Digest, device_policy::DevicePolicy};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longest identifier of a credential, bytes (WebAuthn Level 3, section 4).
pub const MAX_CREDENTIAL_ID_BYTES: usize = 1023;
/// Shortest PIN, characters. The office limits attempts; six digits withstand the ten that it allows.
pub const MIN_PIN_CHARS: usize = 6;
/// Longest PIN, characters.
pub const MAX_PIN_CHARS: usize = 64;
/// Length of the salt with which a PIN or a passkey's secret is stretched, bytes.
pub const SALT_BYTES: usize = 32;
/// Length of a locker's secret identifier, bytes.
pub const LOCKER_ID_BYTES: usize = 16;
/// Length of a locker's secret and of the proof of a PIN, bytes.
pub const LOCKER_SECRET_BYTES: usize = 32;

/// `GET /api/v1/protection`: what the office wants of devices in browsers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProtectionPolicy {
    /// Whether the page lets nobody go on without protecting the device, where `devices` has no rule for their role.
    pub required: bool,
    /// The office's rules for devices; absent if it has none.
    #[serde(default, skip_serializing_if = "DevicePolicy::is_empty")]
    pub devices: DevicePolicy,
}

/// Options of a WebAuthn ceremony, and the number under which the server keeps its state. It can be used once, for five minutes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PasskeyOptions {
    /// Which ceremony.
    pub ceremony: String,
    /// `PublicKeyCredentialCreationOptionsJSON` or `PublicKeyCredentialRequestOptionsJSON` (WebAuthn Level 3, section 5.1). The
    /// latter names no credentials, because anybody can ask for it: the device knows its own.
    pub options: Value,
}

/// `POST /api/v1/passkeys/challenge`: a device is to be unlocked, or a command confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ChallengeRequest {
    /// Which.
    pub device: DeviceId,
}

/// `POST /api/v1/passkeys` and `POST /api/v1/passkeys/assertion`: what the authenticator answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PasskeyAnswer {
    /// Which ceremony it answers.
    pub ceremony: String,
    /// `RegistrationResponseJSON` or `AuthenticationResponseJSON`, without the results of extensions: those of the PRF
    /// extension are the device's secret.
    pub credential: Value,
}

/// Answer to a passkey or PIN that was accepted. It replaces the device's ticket before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IssuedTicket {
    /// For [`crate::ClientMessage::Prove`]. The server stores its digest only.
    pub ticket: String,
}

/// `POST /api/v1/lockers`: makes a locker for a new PIN. It counts as a protection once it was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MakeLocker {
    /// SHA-256 of the locker's secret identifier, [`LOCKER_ID_BYTES`] random bytes that only the device's profile has.
    pub locker_sha256: Digest,
    /// SHA-256 of the proof of the PIN.
    pub proof_sha256: Digest,
}

/// `POST /api/v1/lockers/open`: tries a PIN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct OpenLocker {
    /// The locker's secret identifier.
    pub locker: Blob,
    /// The proof of the PIN, derived from its Argon2id output.
    pub proof: Blob,
}

/// Answer to [`OpenLocker`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum LockerAnswer {
    /// The PIN is correct.
    Opened {
        /// The secret that opens the device's keys, together with the PIN.
        secret: Blob,
        /// Signs the device in.
        ticket: String,
    },
    /// The PIN is wrong.
    Wrong {
        /// How many attempts are left before the secret is erased.
        attempts_left: u64,
        /// How long the next attempt has to wait, milliseconds.
        wait_ms: u64,
    },
    /// It was tried too soon, and was not looked at.
    Wait {
        /// How long still, milliseconds.
        wait_ms: u64,
    },
    /// There is no such locker, or its secret was erased after too many wrong PINs.
    Erased {},
}

/// `POST /api/v1/protection/remove`: removes a passkey or a PIN, but not the last one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RemoveProtector {
    /// A passkey.
    Passkey {
        /// The credential's identifier, base64url without padding, of at most [`MAX_CREDENTIAL_ID_BYTES`].
        credential: String,
    },
    /// The locker of a PIN.
    Locker {
        /// SHA-256 of its secret identifier.
        locker_sha256: Digest,
    },
}
