//! The enrolment link: one person, one device, for a short time.
//!
//! The link's fragment (the part after `#`, which browsers do not send) carries a one-time key that the office's
//! authority certified. The person's device signs its own certificate with it and erases it. No server ever holds a key that
//! can issue a certificate.
//!
//! # Backdating
//! A certificate alone does not prove when it was signed: with an expired link one can still sign a device certificate that is
//! backdated into the link's lifetime. The log fixes the time: a device is accepted only if its log entry is dated within the
//! enrolment too ([`crate::Office::verify_device_logged`]), and entries are dated by the switchboard and ordered in an
//! append-only log. Backdating therefore needs a leaked link *and* a switchboard that lies about the time, and leaves a public
//! entry, out of order, that the person and the security officer can see.
//! A link that is used twice likewise shows as two devices of one enrolment; the switchboard admits the first.

use crate::{
    certificate::{Certificate, Fields, Span, key_id, serial},
    chain::check_enrolment,
    error::{Flaw, Mismatch, Misuse, Result, Validity},
    key::{DeviceKey, SEED_BYTES},
    link::{bare_fragment, suite_byte, suite_of_byte},
    name::card_name,
    validity::{CLOCK_TOLERANCE_S, DEVICE_VALIDITY_S},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::fmt;
use telcon_proto::{Card, DeviceId, SuiteName};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsages};
use zeroize::Zeroizing;

/// First byte of a fragment.
const VERSION: u8 = 1;
/// Version, suite, seed, digest of the authority; then the enrolment certificate.
const HEADER_BYTES: usize = 2 + SEED_BYTES + 32;
/// Highest version that a link of a later program is expected to have. Text that is no link decodes to any value.
const MAX_PLAUSIBLE_VERSION: u8 = 9;
/// Longest fragment, characters. An ML-DSA-87 certificate with the longest names takes 11,500.
pub const MAX_FRAGMENT_CHARS: usize = 18 * 1024;

/// Content of an enrolment link. It holds a secret, which `Debug` does not show and which is erased when dropped.
pub struct Invitation {
    seed: Zeroizing<[u8; SEED_BYTES]>,
    authority_sha256: [u8; 32],
    certificate: Certificate,
    card: Card,
    enrolment: [u8; 16],
    key_use: Span,
}

impl Invitation {
    pub(crate) fn new(
        suite: SuiteName,
        seed: [u8; SEED_BYTES],
        authority_sha256: [u8; 32],
        certificate_der: &[u8],
    ) -> Result<Self> {
        let seed = Zeroizing::new(seed);
        let certificate = Certificate::read(certificate_der)?;
        let enrolment = check_enrolment(&certificate)?;
        let fields = certificate.fields();
        if fields.suite != suite || DeviceKey::from_seed(suite, &seed).public_bytes() != fields.public {
            return Err(Flaw::Invitation.into());
        }
        Ok(Self {
            seed,
            authority_sha256,
            card: enrolment.card,
            enrolment: enrolment.id,
            key_use: enrolment.key_use,
            certificate,
        })
    }

    /// The link's fragment: base64url of version, suite, seed, authority digest and enrolment certificate. About 1,000
    /// characters in the hybrid suite (fits a QR code), 10,500 in the CNSA 2.0 profile (does not).
    pub fn to_fragment(&self) -> String {
        let suite = suite_byte(self.suite());
        // Reserved at full length: a reallocation would leave a copy of the seed in memory.
        let mut bytes = Zeroizing::new(Vec::with_capacity(HEADER_BYTES + self.certificate.der().len()));
        bytes.extend_from_slice(&[VERSION, suite]);
        bytes.extend_from_slice(&*self.seed);
        bytes.extend_from_slice(&self.authority_sha256);
        bytes.extend_from_slice(self.certificate.der());
        URL_SAFE_NO_PAD.encode(&*bytes)
    }

    /// Parses a fragment, with or without its `#` and surrounding blanks. [`crate::Office::verify_invitation`] verifies that the
    /// office issued it, once the authority's certificate was fetched.
    ///
    /// # Errors
    /// [`Flaw::Invitation`] and [`Flaw`]s of the certificate; [`Mismatch::InvitationVersion`].
    pub fn parse(fragment: &str) -> Result<Self> {
        let fragment = bare_fragment(fragment);
        if fragment.len() > MAX_FRAGMENT_CHARS {
            return Err(Flaw::TooLong.into());
        }
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(fragment).map_err(|_| Flaw::Invitation)?);
        let (header, certificate) = bytes.split_at_checked(HEADER_BYTES).ok_or(Flaw::Invitation)?;
        match header[0] {
            VERSION => {}
            // Anything else than a link would be taken for one of a distant version.
            version @ 1..=MAX_PLAUSIBLE_VERSION => return Err(Mismatch::InvitationVersion(version).into()),
            _ => return Err(Flaw::Invitation.into()),
        }
        let suite = suite_of_byte(header[1]).ok_or(Flaw::Invitation)?;
        let (mut seed, mut authority) = ([0; SEED_BYTES], [0; 32]);
        seed.copy_from_slice(&header[2..2 + SEED_BYTES]);
        authority.copy_from_slice(&header[2 + SEED_BYTES..]);
        Self::new(suite, seed, authority, certificate)
    }

    /// The person that the link enrols, unverified: show it as verified only after [`crate::Office::verify_invitation`].
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// The office's suite.
    pub fn suite(&self) -> SuiteName {
        self.certificate.fields().suite
    }

    /// Identifier of the enrolment.
    pub fn enrolment(&self) -> [u8; 16] {
        self.enrolment
    }

    /// Until when the link is valid, milliseconds since 1970 UTC.
    pub fn expires_ms(&self) -> u64 {
        self.key_use.until_s.saturating_mul(1000)
    }

    /// SHA-256 of the authority's certificate, for [`crate::Office::pin`].
    pub fn authority_sha256(&self) -> [u8; 32] {
        self.authority_sha256
    }

    pub(crate) fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Enrols a device: creates its key from a fresh random seed and its certificate with the enrolment key, which is
    /// erased. Returns the key and the chain (DER: device, enrolment).
    ///
    /// # Errors
    /// [`Validity::Invitation`], [`Validity::InvitationNotYet`], [`Misuse::SeedReused`].
    pub fn enrol(
        self,
        device_seed: &[u8; SEED_BYTES],
        device: DeviceId,
        now_ms: u64,
    ) -> Result<(DeviceKey, Vec<Vec<u8>>)> {
        let now_s = now_ms / 1000;
        if now_s > self.key_use.until_s {
            return Err(Validity::Invitation.into());
        }
        if now_s < self.key_use.from_s {
            return Err(Validity::InvitationNotYet.into());
        }
        if *device_seed == *self.seed {
            return Err(Misuse::SeedReused.into());
        }
        let enrolment = self.certificate.fields();
        let key = DeviceKey::from_seed(enrolment.suite, device_seed);
        let from_s = now_s.saturating_sub(CLOCK_TOLERANCE_S).max(self.key_use.from_s);
        let fields = Fields {
            serial: serial(device.as_bytes()).to_vec(),
            issuer: enrolment.subject.clone(),
            issuer_key: Some(key_id(&enrolment.public)),
            subject: card_name(&self.card, device.as_bytes())?,
            valid: Span { from_s, until_s: from_s.saturating_add(DEVICE_VALIDITY_S) },
            suite: enrolment.suite,
            public: key.public_bytes(),
            constraints: BasicConstraints { ca: false, path_len_constraint: None },
            usage: KeyUsages::DigitalSignature.into(),
            key_use: None,
        };
        let certificate = fields.sign(&DeviceKey::from_seed(enrolment.suite, &self.seed))?;
        Ok((key, vec![certificate.der().to_vec(), self.certificate.der().to_vec()]))
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invitation").field("suite", &self.suite()).field("expires_ms", &self.expires_ms()).finish()
    }
}
