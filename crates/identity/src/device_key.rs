//! Encryption keys of devices: a device states the key that documents are sealed to, and the log has it.

use crate::{
    chain::VerifiedDevice,
    error::{Flaw, Result},
    jws,
    key::DeviceKey,
    logged::{LoggedDevice, LoggedEntry},
    office::Office,
};
use sha2::{Digest as _, Sha256};
use telcon_proto::{
    Digest, PersonId,
    device_key::{DeviceKeyStatement, ProvenDeviceKey},
    entry::Entry,
    limits::MAX_RECIPIENT_CHARS,
};

/// Type of a statement of a device's encryption key (RFC 7515 section 4.1.9).
pub const DEVICE_KEY_TYP: &str = "telcon-device-key+jws";

/// Signs the statement with the device's signing key and its chain.
pub fn sign_device_key(key: &DeviceKey, chain: &[Vec<u8>], statement: &DeviceKeyStatement) -> String {
    let payload = serde_json::to_vec(statement).expect("invariant: strings and numbers are JSON");
    jws::sign(key, DEVICE_KEY_TYP, &payload, chain)
}

/// A device's encryption key that the device signed. Only verification creates one. It does not prove that the log has it
/// ([`LoggedDeviceKey`]), or that the device was not revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedDeviceKey {
    content: DeviceKeyStatement,
    device: VerifiedDevice,
    sha256: [u8; 32],
}

impl VerifiedDeviceKey {
    /// The signed payload. Whether the recipient is a valid key is checked when something is sealed to it: this crate encrypts nothing.
    pub fn content(&self) -> &DeviceKeyStatement {
        &self.content
    }

    /// The device.
    pub fn device(&self) -> &VerifiedDevice {
        &self.device
    }

    /// SHA-256 over the text of the JWS, as the log has it.
    pub fn sha256(&self) -> Digest {
        Digest::from_bytes(self.sha256)
    }
}

/// A device's encryption key that the log has, of a device that the log has.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedDeviceKey {
    key: VerifiedDeviceKey,
    signed: LoggedEntry,
    device: LoggedDevice,
}

impl LoggedDeviceKey {
    /// The key.
    pub fn key(&self) -> &VerifiedDeviceKey {
        &self.key
    }

    /// Whose device it is, as certified.
    pub fn person(&self) -> PersonId {
        self.key.device.card().person
    }

    /// Its entry: what was signed before is not sealed to it.
    pub fn entry(&self) -> &LoggedEntry {
        &self.signed
    }

    /// The entries that prove it.
    pub fn entries(&self) -> [&LoggedEntry; 2] {
        [&self.signed, self.device.entry()]
    }
}

impl Office {
    /// Verifies the statement of a device's encryption key: signature and chain of a device of this office, which it names, and whose
    /// certificate was valid when it was signed.
    ///
    /// # Errors
    /// [`Flaw`]s of the signed text and the chain; [`Flaw::OtherOffice`], [`Flaw::OtherDevice`], [`Flaw::DeviceKeyForm`];
    /// [`crate::Validity`] of the certificate.
    pub fn verify_device_key(&self, jws: &str) -> Result<VerifiedDeviceKey> {
        let (device, payload) = self.verify_signed(jws, DEVICE_KEY_TYP)?;
        let content: DeviceKeyStatement = serde_json::from_slice(&payload).map_err(|_| Flaw::Payload)?;
        if content.office != *self.domain() {
            return Err(Flaw::OtherOffice.into());
        }
        if content.device != device.device() {
            return Err(Flaw::OtherDevice.into());
        }
        let text = content.recipient.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if content.version == 0
            || content.recipient.len() > MAX_RECIPIENT_CHARS
            || !content.recipient.starts_with("age1pq1")
            || !text
        {
            return Err(Flaw::DeviceKeyForm.into());
        }
        device.check_time(content.at_ms)?;
        Ok(VerifiedDeviceKey { content, device, sha256: Sha256::digest(jws).into() })
    }

    /// Verifies a device's encryption key, and that it and the device are in the log.
    ///
    /// # Errors
    /// Those of [`Office::verify_device_key`], [`Office::verify_logged`] and [`Office::verify_device_logged`]; [`Flaw::LogEntry`],
    /// [`Flaw::OtherEntry`].
    pub fn verify_device_key_logged(&self, proven: &ProvenDeviceKey) -> Result<LoggedDeviceKey> {
        let key = self.verify_device_key(&proven.statement)?;
        let device = self.verify_device_logged(key.device.clone(), &proven.device)?;
        let signed = self.verify_logged(&proven.signed)?;
        let Some(Entry::DeviceKey { device: id, statement_sha256, .. }) = signed.entry() else {
            return Err(Flaw::LogEntry.into());
        };
        if *id != key.device.device() || *statement_sha256 != key.sha256() {
            return Err(Flaw::OtherEntry.into());
        }
        Ok(LoggedDeviceKey { key, signed, device })
    }
}
