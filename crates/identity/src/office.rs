//! The trust anchor that a device holds: its office.

use crate::{
    authority::{CHARTER_TYP, INVITATION_TYP, REVOCATION_TYP, read_authority},
    certificate::Certificate,
    chain::{VerifiedDevice, verify_chain, verify_enrolment},
    error::{Flaw, Mismatch, Result, Validity},
    invitation::Invitation,
    jws,
    name::card_name,
    rights::{BESIDE, Registrar, verify_registrar},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};
use std::fmt;
use telcon_log::VerifierKey;
use telcon_proto::{
    DeviceId, Digest, OfficeName, PersonId, RecordMode, Role, SuiteName,
    http::{Charter, IssuedInvitation, OfficeInfo, Registrars, Revocation},
    line::Rings,
    line_seal::check_custodians,
};

/// The office's authority and its charter, as a device pins them once, at enrolment.
///
/// The authority is authenticated by the digest in the enrolment link; it signed the charter, which contains the log's key
/// and the lowest record mode. A split view (a server that signs two histories with the log's key) is detected by comparing
/// checkpoints between devices, as witnesses do, not by one device alone.
#[derive(Clone)]
pub struct Office {
    pub(crate) authority: Certificate,
    pub(crate) log: VerifierKey,
    domain: OfficeName,
    name: String,
    charter: Charter,
}

impl Office {
    /// Pins an office. With `authority_sha256`, from the enrolment link or the device's state, the server's description is
    /// verified against it; without, the authority is trusted on first use, which is for auditors who compare digests by
    /// hand and for tests.
    ///
    /// # Errors
    /// [`Flaw::AuthorityDigest`], [`Flaw::OfficeInfo`], [`Flaw::LogKey`], [`Mismatch::Suite`], and the
    /// errors of the authority's certificate and of the charter's signature.
    pub fn pin(info: &OfficeInfo, authority_sha256: Option<&[u8; 32]>) -> Result<Self> {
        let (authority, domain, name) = read_authority(info.authority.as_slice())?;
        if authority_sha256.is_some_and(|pinned| *pinned != authority.sha256()) {
            return Err(Flaw::AuthorityDigest.into());
        }
        if domain != info.domain || name != info.name {
            return Err(Flaw::OfficeInfo.into());
        }
        let suite = authority.fields().suite;
        if suite != info.suite {
            return Err(Mismatch::Suite { office: suite, other: info.suite }.into());
        }
        let charter = jws::verify(&info.charter, CHARTER_TYP, suite, &authority.fields().public)?;
        let charter: Charter = serde_json::from_slice(&charter).map_err(|_| Flaw::Payload)?;
        if domain != charter.office {
            return Err(Flaw::OtherOffice.into());
        }
        check_custodians(&charter.custodians).map_err(|_| Flaw::Payload)?;
        let log = charter.log_key.parse().map_err(|_| Flaw::LogKey)?;
        Ok(Self { authority, log, domain, name, charter })
    }

    /// The office's domain, its name on the wire.
    pub fn domain(&self) -> &OfficeName {
        &self.domain
    }

    /// Name to show.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The suite of the office's certificates and calls.
    pub fn suite(&self) -> SuiteName {
        self.authority.fields().suite
    }

    /// The authority's certificate, DER.
    pub fn authority_der(&self) -> &[u8] {
        self.authority.der()
    }

    /// SHA-256 of [`Office::authority_der`]: the value to store and compare.
    pub fn authority_sha256(&self) -> [u8; 32] {
        self.authority.sha256()
    }

    /// C2SP verifier key of the office's log, which the authority signed.
    pub fn log_key(&self) -> &VerifierKey {
        &self.log
    }

    /// The lowest record mode of the office's calls, which the authority signed.
    pub fn floor(&self) -> RecordMode {
        self.charter.floor
    }

    /// How many registrars certify a device of this office, which the authority signed.
    pub fn registrars(&self) -> Registrars {
        self.charter.registrars
    }

    /// Who may ring whom, which the authority signed.
    pub fn rings(&self) -> Rings {
        self.charter.rings
    }

    /// Recipients (age) of the custodians to whom every version of a line is sealed, which the authority signed. None in offices whose
    /// lines have no sealed form.
    pub fn custodians(&self) -> &[String] {
        &self.charter.custodians
    }

    /// The office with another log key: to check before an entry is logged whether devices will accept it (a dry run).
    #[must_use]
    pub fn with_log_key(&self, log: VerifierKey) -> Self {
        Self { log, ..self.clone() }
    }

    /// Verifies that this office's authority issued an enrolment link. Its card may then be shown as verified before the
    /// person enrols.
    ///
    /// # Errors
    /// [`Flaw::AuthorityDigest`], [`Flaw::OtherAuthority`], [`Flaw::Signature`], [`Mismatch::Suite`].
    pub fn verify_invitation(&self, invitation: &Invitation) -> Result<()> {
        if invitation.authority_sha256() != self.authority_sha256() {
            return Err(Flaw::AuthorityDigest.into());
        }
        verify_enrolment(&self.authority, invitation.certificate()).map(drop)
    }

    /// Verifies a chain (DER: device, and what certified it) up to this office's authority, valid at `now_ms`. A device that
    /// registrars enrolled counts with the number of them that the charter demands, at least: of two, the chain is device,
    /// registrar, device, registrar, as that of a recovered person's device is in every office.
    ///
    /// # Errors
    /// [`Flaw`]s of the chain; [`crate::Validity::Device`] and [`crate::Validity::DeviceNotYet`].
    pub fn verify_chain(&self, chain: &[impl AsRef<[u8]>], now_ms: u64) -> Result<VerifiedDevice> {
        let device = self.chain(chain)?;
        device.check_time(now_ms)?;
        Ok(device)
    }

    /// Who a device is or was: verifies its chain in everything but time. It does not say that the device may do anything; an order to it
    /// is for it also when its certificate has expired.
    ///
    /// # Errors
    /// [`Flaw`]s of the chain.
    pub fn identify(&self, chain: &[impl AsRef<[u8]>]) -> Result<VerifiedDevice> {
        self.chain(chain)
    }

    /// Verifies a chain in everything but time.
    pub(crate) fn chain(&self, chain: &[impl AsRef<[u8]>]) -> Result<VerifiedDevice> {
        verify_chain(&self.authority, self.charter.registrars, self.charter.rings, chain)
    }

    /// Verifies a registrar certificate of this office: authentic, and in use at `now_ms`.
    ///
    /// # Errors
    /// [`Flaw`]s of the certificate; [`crate::Validity::Registrar`].
    pub fn verify_registrar(&self, der: &[u8], now_ms: u64) -> Result<Registrar> {
        let certificate = Certificate::read(der)?;
        let rights = verify_registrar(&self.authority, &certificate)?;
        if !rights.key_use.contains_s(now_ms / 1000) {
            return Err(Validity::Registrar.into());
        }
        Ok(Registrar { certificate, rights })
    }

    /// Verifies a revocation: by this office's authority (a JWS), or by one of its registrars (a JWS, `~`, base64 of its
    /// certificate). It says who signed; whether a registrar may revoke this device, by role and by the log, is for the caller.
    ///
    /// # Errors
    /// [`Flaw`]s of the signed text and the certificate; [`Flaw::OtherOffice`], [`Flaw::OtherDevice`], [`Validity::Registrar`].
    pub fn verify_revocation(&self, statement: &str) -> Result<VerifiedRevocation> {
        let (jws, registrar) = match statement.split_once(BESIDE) {
            None => (statement, None),
            Some((jws, certificate)) => {
                let der = STANDARD.decode(certificate).map_err(|_| Flaw::CertificateForm)?;
                let certificate = Certificate::read(&der)?;
                let rights = verify_registrar(&self.authority, &certificate)?;
                (jws, Some(Registrar { certificate, rights }))
            }
        };
        let signer = registrar.as_ref().map_or(&self.authority.fields().public[..], |registrar| registrar.public_key());
        let payload = jws::verify(jws, REVOCATION_TYP, self.suite(), signer)?;
        let revocation: Revocation = serde_json::from_slice(&payload).map_err(|_| Flaw::Payload)?;
        if self.domain != revocation.office {
            return Err(Flaw::OtherOffice.into());
        }
        if revocation.by != registrar.as_ref().map(Registrar::device) {
            return Err(Flaw::OtherDevice.into());
        }
        if registrar.as_ref().is_some_and(|signer| !signer.rights.key_use.contains_s(revocation.at_ms / 1000)) {
            return Err(Validity::Registrar.into());
        }
        let order_sha256 = Digest::from_bytes(Sha256::digest(jws).into());
        let Revocation { device, at_ms, erase, .. } = revocation;
        Ok(VerifiedRevocation { device, registrar, erase, at_ms, order_sha256 })
    }

    /// Verifies a statement of this office's authority that a person was invited.
    ///
    /// # Errors
    /// [`Flaw`]s of the signed text; [`Flaw::OtherOffice`]; [`crate::Misuse`] of the card; [`Validity::Invitation`] when the link has
    /// expired.
    pub fn verify_issued_invitation(&self, jws: &str, now_ms: u64) -> Result<IssuedInvitation> {
        let payload = jws::verify(jws, INVITATION_TYP, self.suite(), &self.authority.fields().public)?;
        let issued: IssuedInvitation = serde_json::from_slice(&payload).map_err(|_| Flaw::Payload)?;
        if self.domain != issued.office || self.domain != issued.card.office {
            return Err(Flaw::OtherOffice.into());
        }
        card_name(&issued.card, &[0; 16])?;
        // An identifier of any kind: 32 lower-case hexadecimal digits.
        issued.enrolment.parse::<PersonId>().map_err(|_| Flaw::Payload)?;
        if issued.expires_ms <= now_ms {
            return Err(Validity::Invitation.into());
        }
        Ok(issued)
    }

    /// Verifies a text that a device of this office signed and put its chain into, in everything but time.
    pub(crate) fn verify_signed(&self, token: &str, typ: &str) -> Result<(VerifiedDevice, Vec<u8>)> {
        let signed = jws::decode(token)?;
        if signed.typ() != typ {
            return Err(Flaw::JwsType.into());
        }
        let device = self.chain(signed.x5c())?;
        let payload = signed.verify(typ, device.suite(), device.public_key())?;
        Ok((device, payload))
    }
}

/// A verified revocation. Only verification creates one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRevocation {
    device: DeviceId,
    registrar: Option<Registrar>,
    erase: bool,
    at_ms: u64,
    order_sha256: Digest,
}

impl VerifiedRevocation {
    /// The device that is revoked.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// The registrar that revoked it; none if the authority did.
    pub fn registrar(&self) -> Option<&Registrar> {
        self.registrar.as_ref()
    }

    /// Whether the device is ordered to erase its keys and data.
    pub fn erases(&self) -> bool {
        self.erase
    }

    /// When it was signed, milliseconds since 1970 UTC by the signer's clock.
    pub fn at_ms(&self) -> u64 {
        self.at_ms
    }

    /// SHA-256 of the compact JWS, by which the device names it when it has erased itself.
    pub fn order_sha256(&self) -> Digest {
        self.order_sha256
    }

    /// Whether the signer may revoke devices of people of this role.
    pub fn is_allowed(&self, role: Role) -> bool {
        self.registrar.as_ref().is_none_or(|registrar| registrar.roles().contains(&role))
    }
}

impl fmt::Debug for Office {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Office").field("domain", &self.domain).field("suite", &self.suite()).finish()
    }
}
