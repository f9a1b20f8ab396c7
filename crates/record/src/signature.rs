//! Verification of signatures, as an interface: this crate verifies none itself.

use std::collections::BTreeMap;

use telcon_proto::document::DocumentVersion;
use telcon_proto::{InvitationId, Role};

use crate::digest::Digest;
use crate::seal::RecordReference;

/// The signer of a seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The device's id, as log entries name it.
    pub device: String,
    /// SHA-256 of the certificate that the signature was verified with, if known. Archive verification compares it with the
    /// log.
    pub cert_sha256: Option<Digest>,
    /// Role in that certificate.
    pub role: Role,
    /// When it signed, milliseconds since the Unix epoch, by its own clock.
    pub signed_ms: u64,
    /// First and last moment of the certificate's validity, milliseconds since the Unix epoch.
    pub valid_ms: (u64, u64),
}

/// A device whose certificate was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolledDevice {
    /// Its id.
    pub device: String,
    /// The registrars' devices that certified it, in the order of its certificates; none if it has a link of the authority.
    pub registrars: Vec<String>,
    /// The principal's device that certified it as the holder's of a line.
    pub given_by: Option<String>,
    /// Role in its certificate.
    pub role: Role,
    /// What its log entry has to say of the person ([`telcon_proto::entry::person_commitment`]).
    pub person_sha256: Digest,
}

/// A version of a document whose statement was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedVersion {
    /// What was signed.
    pub content: DocumentVersion,
    /// The id of the device that signed it.
    pub device: String,
}

/// Verifies signatures and certificates; implemented over `telcon-identity` by the caller.
pub trait SignatureVerifier {
    /// Verifies that `jws` is a device's signature over exactly `claims`. `devices` has the archive's certificates; outside of
    /// an archive it is empty, and the verifier needs its own. The caller checks whether the device was enrolled at the time.
    ///
    /// # Errors
    /// Why it is invalid, for a report.
    fn verify(&self, jws: &str, claims: &RecordReference, devices: &Devices) -> Result<Signer, String>;

    /// Whether the office's charter names custodians, so that every version of a line has a sealed form.
    fn seals_lines(&self) -> bool {
        false
    }

    /// Verifies that the office had issued these certificates (DER) at `enrolled_ms`: the device's, and what signed it, which is
    /// signed by the office's authority; twice if two registrars certified the device. It verifies that they are as many as the
    /// office's charter demands.
    ///
    /// # Errors
    /// Why it is invalid, for a report.
    fn verify_enrolment(&self, chain: &[Vec<u8>], enrolled_ms: u64) -> Result<EnrolledDevice, String>;

    /// The registrar's device that a revocation names as its signer, unverified; none if it names none.
    fn claimed_revoker(&self, jws: &str) -> Option<String>;

    /// Verifies that `jws` is a revocation by the office's authority; with `registrar`, by the registrar of this certificate (DER),
    /// which may revoke devices of people of this role. Returns the device's id.
    ///
    /// # Errors
    /// Why it is invalid, for a report.
    fn verify_revocation(&self, jws: &str, registrar: Option<(&[u8], Role)>) -> Result<String, String>;

    /// Verifies that a registrar stated that a person lost all devices, and, if there is a confirmation, that a registrar of another
    /// person confirmed exactly that with this invitation. Each is a JWS and the registrar's certificate (DER).
    ///
    /// # Errors
    /// Why it is invalid, for a report.
    fn verify_recovery(
        &self,
        opened: (&str, &[u8]),
        confirmed: Option<(&str, &[u8], InvitationId)>,
    ) -> Result<(), String>;

    /// Verifies that a device of somebody who may claim it signed this statement of a document's version, and that it follows `before`,
    /// the statement of the version before it. The caller checks device and delegation against the log.
    ///
    /// # Errors
    /// Why it is invalid, for a report.
    fn verify_version(&self, statement: &str, before: Option<&str>) -> Result<SignedVersion, String>;
}

/// The device certificates of an archive, by SHA-256. Files whose name is not their SHA-256 are excluded.
#[derive(Debug, Clone, Default)]
pub struct Devices {
    certificates: BTreeMap<Digest, Vec<u8>>,
}

impl Devices {
    pub(crate) fn insert(&mut self, sha256: Digest, der: Vec<u8>) {
        self.certificates.insert(sha256, der);
    }

    /// The certificate (DER) with this SHA-256.
    pub fn certificate(&self, sha256: &Digest) -> Option<&[u8]> {
        self.certificates.get(sha256).map(Vec::as_slice)
    }

    /// All certificates (DER) with their SHA-256.
    pub fn certificates(&self) -> impl Iterator<Item = (&Digest, &[u8])> {
        self.certificates.iter().map(|(digest, der)| (digest, der.as_slice()))
    }
}
