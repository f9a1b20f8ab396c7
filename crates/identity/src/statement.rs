//! Other signed statements of devices: the sign-in, and the digest of a record.

use crate::{
    chain::VerifiedDevice,
    error::{Flaw, Result},
    jws,
    key::DeviceKey,
    office::Office,
    registrar::without_certificate,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use telcon_proto::{
    Blob, CallId, DeviceId, Digest, SuiteName,
    sealing::{SealFlaw, check_certificate},
    statement::{Erasure, RecordSigned, SignIn},
};

/// Type of a sign-in (RFC 7515 section 4.1.9).
pub const SIGN_IN_TYP: &str = "telcon-sign-in+jws";
/// Type of a record's signature.
pub const RECORD_TYP: &str = "telcon-record+jws";

/// Type of a device's statement that it erases itself.
pub const ERASURE_TYP: &str = "telcon-erasure+jws";

/// Answers a switchboard's challenge.
pub fn sign_in(key: &DeviceKey, office_domain: &str, device: DeviceId, nonce: &[u8]) -> String {
    let statement = SignIn { office: office_domain.to_owned(), device, nonce: Blob(nonce.to_vec()) };
    jws::sign(key, SIGN_IN_TYP, &encode(&statement), &[])
}

/// Verifies the answer to a challenge, with the device's key as verified at its enrolment. The switchboard has to make sure
/// that the nonce is fresh and used once.
///
/// # Errors
/// [`Flaw`]s of the signed text; [`Flaw::OtherOffice`], [`Flaw::OtherDevice`], [`Flaw::OtherChallenge`].
pub fn verify_sign_in(
    jws: &str,
    suite: SuiteName,
    public: &[u8],
    office_domain: &str,
    device: DeviceId,
    nonce: &[u8],
) -> Result<()> {
    let signed: SignIn = decode(&jws::verify(jws, SIGN_IN_TYP, suite, public)?)?;
    if signed.office != office_domain {
        return Err(Flaw::OtherOffice.into());
    }
    if signed.device != device {
        return Err(Flaw::OtherDevice.into());
    }
    if signed.nonce.as_slice() != nonce {
        return Err(Flaw::OtherChallenge.into());
    }
    Ok(())
}

/// A device states that it erases itself as the revocation of this digest orders ([`crate::VerifiedRevocation::order_sha256`]).
pub fn sign_erasure(
    key: &DeviceKey,
    office_domain: &str,
    device: DeviceId,
    order_sha256: Digest,
    now_ms: u64,
) -> String {
    let statement = Erasure { office: office_domain.to_owned(), device, order_sha256, at_ms: now_ms };
    jws::sign(key, ERASURE_TYP, &encode(&statement), &[])
}

/// The device that a statement of an erasure names, unverified.
pub fn claimed_erasure(jws: &str) -> Option<DeviceId> {
    let signed = jws::decode(jws).ok()?;
    decode::<Erasure>(signed.claimed_payload()).ok().map(|erasure| erasure.device)
}

/// Verifies [`sign_erasure`], with the device's key as verified at its enrolment and the order that it was sent.
///
/// # Errors
/// [`Flaw`]s of the signed text; [`Flaw::OtherOffice`], [`Flaw::OtherDevice`]; [`Flaw::OtherChallenge`] if it is about another order.
pub fn verify_erasure(
    jws: &str,
    suite: SuiteName,
    public: &[u8],
    office_domain: &str,
    device: DeviceId,
    order: &str,
) -> Result<()> {
    let signed: Erasure = decode(&jws::verify(jws, ERASURE_TYP, suite, public)?)?;
    if signed.office != office_domain {
        return Err(Flaw::OtherOffice.into());
    }
    if signed.device != device {
        return Err(Flaw::OtherDevice.into());
    }
    if signed.order_sha256 != Digest::from_bytes(Sha256::digest(without_certificate(order)).into()) {
        return Err(Flaw::OtherChallenge.into());
    }
    Ok(())
}

/// Signs the digest of a call's record: `parts` parts, `partial` if something is missing from it.
pub fn sign_record(
    key: &DeviceKey,
    chain: &[Vec<u8>],
    call: CallId,
    record_digest: &Digest,
    parts: usize,
    partial: bool,
    at_ms: u64,
) -> String {
    let statement = RecordSigned { call, digest: *record_digest, parts: parts as u64, partial, at_ms };
    jws::sign(key, RECORD_TYP, &encode(&statement), chain)
}

/// A verified signature of a record, by a device of the office whose role may write records. Only verification creates one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRecord {
    device: VerifiedDevice,
    parts: usize,
    partial: bool,
    at_ms: u64,
    jws_sha256: Digest,
}

impl VerifiedRecord {
    /// The device that signed.
    pub fn device(&self) -> &VerifiedDevice {
        &self.device
    }

    /// Parts in the record.
    pub fn parts(&self) -> usize {
        self.parts
    }

    /// Whether the note-taker signed that something is missing.
    pub fn partial(&self) -> bool {
        self.partial
    }

    /// SHA-256 of the compact JWS, as the log has it.
    pub fn jws_sha256(&self) -> Digest {
        self.jws_sha256
    }

    /// When, milliseconds since 1970 UTC, by the device's clock.
    pub fn at_ms(&self) -> u64 {
        self.at_ms
    }
}

impl Office {
    /// Verifies a record's signature: by a device of this office, certificate valid at the time signed, of a role that may
    /// write records ([`telcon_proto::policy::Action::WriteRecord`]), about this call and this digest.
    ///
    /// # Errors
    /// [`Flaw`]s of the signed text and the chain; [`Flaw::RecordRole`], [`Flaw::OtherRecord`]; [`crate::Validity::Device`],
    /// [`crate::Validity::DeviceNotYet`].
    pub fn verify_record(&self, jws: &str, call: CallId, record_digest: &Digest) -> Result<VerifiedRecord> {
        let (device, payload) = self.verify_signed(jws, RECORD_TYP)?;
        let signed: RecordSigned = decode(&payload)?;
        // The error of `check_time` below says whether it is too early or too late.
        if let Err(SealFlaw::Role(_)) = check_certificate(device.card().role, signed.at_ms, device.valid_ms()) {
            return Err(Flaw::RecordRole.into());
        }
        if signed.call != call || signed.digest != *record_digest {
            return Err(Flaw::OtherRecord.into());
        }
        device.check_time(signed.at_ms)?;
        let jws_sha256 = Digest::from_bytes(Sha256::digest(jws).into());
        let parts = usize::try_from(signed.parts).map_err(|_| Flaw::Payload)?;
        Ok(VerifiedRecord { device, parts, partial: signed.partial, at_ms: signed.at_ms, jws_sha256 })
    }
}

fn encode(statement: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(statement).expect("invariant: strings and numbers are JSON")
}

fn decode<T: for<'de> Deserialize<'de>>(payload: &[u8]) -> Result<T> {
    Ok(serde_json::from_slice(payload).map_err(|_| Flaw::Payload)?)
}
