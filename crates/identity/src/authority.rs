//! The office's own certificate authority. Its key lives with the office's security officer and never on the server.

use crate::{
    certificate::{Certificate, Description, Span, key_id, serial},
    error::{Flaw, Lapse, Misuse, Result},
    invitation::Invitation,
    jws,
    key::{DeviceKey, SEED_BYTES},
    name::{card_name, office_name, read_office},
};
use std::fmt;
use telcon_log::VerifierKey;
use telcon_proto::{
    Blob, Card, DeviceId, OfficeName, RecordMode, SuiteName,
    http::{Charter, OfficeInfo, Revocation},
};
use x509_cert::{ext::pkix::BasicConstraints, ext::pkix::KeyUsages};

/// Type of a charter (RFC 7515 section 4.1.9).
pub const CHARTER_TYP: &str = "telcon-charter+jws";
/// Type of a revocation.
pub const REVOCATION_TYP: &str = "telcon-revocation+jws";
/// How long a device certificate is valid, seconds: a year, so that a device forgotten in a drawer goes by itself.
pub const DEVICE_VALIDITY_S: u64 = 365 * 24 * 60 * 60;
/// How long the authority's certificate is valid, seconds: ten years, longer than any office stays unchanged.
pub const AUTHORITY_VALIDITY_S: u64 = 10 * DEVICE_VALIDITY_S;
/// Longest life of an enrolment link, seconds: 30 days. A link is as good as a device until it is used or expires.
pub const MAX_INVITATION_TTL_S: u64 = 30 * 24 * 60 * 60;
/// How far a certificate's begin is set before its making, seconds: the clocks of two computers differ by so much.
pub const CLOCK_TOLERANCE_S: u64 = 60;

/// The authority with its private key.
pub struct Authority {
    key: DeviceKey,
    certificate: Certificate,
    domain: OfficeName,
}

/// Whom to invite. The seed is the secret of the link; like the identifier it must be fresh and random.
pub struct InviteSpec {
    /// Who the person is, as every device they enrol will say.
    pub card: Card,
    /// Names this enrolment in certificates and in the log.
    pub enrolment_id: [u8; 16],
    /// Seed of the one-time enrolment key.
    pub enrolment_seed: [u8; SEED_BYTES],
    /// Now, milliseconds since 1970 UTC.
    pub now_ms: u64,
    /// How long the link is good, milliseconds, up to [`MAX_INVITATION_TTL_S`].
    pub ttl_ms: u64,
}

impl Authority {
    /// Makes an authority: a self-signed certificate for the key of `seed`, valid for [`AUTHORITY_VALIDITY_S`].
    ///
    /// # Errors
    /// [`Misuse::Domain`], [`Misuse::Name`], [`Misuse::Time`].
    pub fn create(suite: SuiteName, seed: &[u8; SEED_BYTES], domain: &str, name: &str, now_ms: u64) -> Result<Self> {
        let key = DeviceKey::from_seed(suite, seed);
        let domain = OfficeName::parse(domain).map_err(|_| Misuse::Domain)?;
        let subject = office_name(&domain, name)?;
        let from_s = (now_ms / 1000).saturating_sub(CLOCK_TOLERANCE_S);
        let public = key.public_bytes();
        let [id @ .., _, _, _, _] = key_id(&public);
        let says = Description {
            serial: serial(&id).to_vec(),
            issuer: subject.clone(),
            issuer_key: None,
            subject,
            valid: Span { from_s, until_s: from_s.saturating_add(AUTHORITY_VALIDITY_S) },
            suite,
            public,
            constraints: BasicConstraints { ca: true, path_len_constraint: Some(1) },
            usage: KeyUsages::KeyCertSign | KeyUsages::DigitalSignature,
            key_use: None,
        };
        Ok(Self { certificate: says.sign(&key)?, key, domain })
    }

    /// Opens an authority from its seed and certificate.
    ///
    /// # Errors
    /// [`Misuse::AuthorityKey`] when they do not belong together; [`Flaw`]s of a certificate that is no authority's.
    pub fn open(suite: SuiteName, seed: &[u8; SEED_BYTES], cert_der: &[u8]) -> Result<Self> {
        let (certificate, domain, _) = read_authority(cert_der)?;
        let key = DeviceKey::from_seed(suite, seed);
        if certificate.says().suite != suite || certificate.says().public != key.public_bytes() {
            return Err(Misuse::AuthorityKey.into());
        }
        Ok(Self { key, certificate, domain })
    }

    /// The authority's certificate, DER: the office's root, public.
    pub fn certificate_der(&self) -> &[u8] {
        self.certificate.der()
    }

    /// SHA-256 of [`Authority::certificate_der`], which enrolment links pin.
    pub fn certificate_sha256(&self) -> [u8; 32] {
        self.certificate.sha256()
    }

    /// The office, by domain.
    pub fn domain(&self) -> &OfficeName {
        &self.domain
    }

    /// The authority's suite, and so the office's.
    pub fn suite(&self) -> SuiteName {
        self.key.suite()
    }

    /// Invites a person to enrol one device: issues the enrolment certificate and puts it, the seed of its key and the
    /// digest of the authority into a link.
    ///
    /// The certificate may issue (CA, path length 0) for [`InviteSpec::ttl_ms`] (its private key usage period), and is
    /// valid as long as a device certificate issued at the last moment.
    ///
    /// # Errors
    /// [`Misuse`] of the card, the time or the time to live; [`Lapse::Authority`] when the authority ends before.
    pub fn invite(&self, spec: &InviteSpec) -> Result<Invitation> {
        if spec.card.office != self.domain {
            return Err(Misuse::CardOffice.into());
        }
        let ttl_s = spec.ttl_ms / 1000;
        if !(1..=MAX_INVITATION_TTL_S).contains(&ttl_s) {
            return Err(Misuse::InvitationTtl.into());
        }
        let now_s = spec.now_ms / 1000;
        let key = DeviceKey::from_seed(self.suite(), &spec.enrolment_seed);
        let key_use = Span {
            from_s: now_s.saturating_sub(CLOCK_TOLERANCE_S),
            until_s: now_s.checked_add(ttl_s).ok_or(Misuse::Time)?,
        };
        let until_s = key_use.until_s.checked_add(DEVICE_VALIDITY_S).ok_or(Misuse::Time)?;
        let authority = self.certificate.says();
        // An authority that has just been made begins no earlier than its first invitation.
        let valid = Span { from_s: key_use.from_s.max(authority.valid.from_s), until_s };
        if !authority.valid.contains(&valid) {
            return Err(Lapse::Authority.into());
        }
        let says = Description {
            serial: serial(&spec.enrolment_id).to_vec(),
            issuer: authority.subject.clone(),
            issuer_key: Some(key_id(&authority.public)),
            subject: card_name(&spec.card, &spec.enrolment_id)?,
            valid,
            suite: self.suite(),
            public: key.public_bytes(),
            constraints: BasicConstraints { ca: true, path_len_constraint: Some(0) },
            usage: KeyUsages::KeyCertSign.into(),
            key_use: Some(Span { from_s: valid.from_s, ..key_use }),
        };
        let certificate = says.sign(&self.key)?;
        Invitation::new(self.suite(), spec.enrolment_seed, self.certificate_sha256(), certificate.der())
    }

    /// Describes the office to its devices, and signs as its charter what the server must not choose: the log's key
    /// (C2SP verifier key) and the least that is kept of a call.
    ///
    /// # Errors
    /// [`Flaw::LogKey`].
    pub fn office(&self, log_key: &str, floor: RecordMode, now_ms: u64) -> Result<OfficeInfo> {
        log_key.parse::<VerifierKey>().map_err(|_| Flaw::LogKey)?;
        let (domain, name) = read_office(&self.certificate.says().subject)?;
        let charter = Charter { office: domain.to_string(), log_key: log_key.to_owned(), floor, at_ms: now_ms };
        let payload = serde_json::to_vec(&charter).expect("invariant: strings and numbers are JSON");
        Ok(OfficeInfo {
            domain: domain.to_string(),
            name,
            authority: Blob(self.certificate.der().to_vec()),
            suite: self.suite(),
            charter: jws::sign(&self.key, CHARTER_TYP, &payload, &[]),
        })
    }

    /// Revokes a device: a JWS of type [`REVOCATION_TYP`] over [`Revocation`], for the switchboard and the log.
    ///
    /// # Errors
    /// None today; a suite with a stateful key would have some.
    pub fn revoke(&self, device: DeviceId, now_ms: u64) -> Result<String> {
        let revocation = Revocation { office: self.domain.to_string(), device, at_ms: now_ms };
        let payload = serde_json::to_vec(&revocation).expect("invariant: strings and numbers are JSON");
        Ok(jws::sign(&self.key, REVOCATION_TYP, &payload, &[]))
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("domain", &self.domain).field("suite", &self.suite()).finish()
    }
}

/// Reads an authority's certificate: the certificate, the office's domain and its name.
pub(crate) fn read_authority(der: &[u8]) -> Result<(Certificate, OfficeName, String)> {
    let certificate = Certificate::read(der)?;
    let says = certificate.says();
    if !says.constraints.ca {
        return Err(Flaw::NotAnIssuer.into());
    }
    if says.constraints.path_len_constraint != Some(1) {
        return Err(Flaw::PathLength.into());
    }
    if says.usage != (KeyUsages::KeyCertSign | KeyUsages::DigitalSignature) {
        return Err(Flaw::KeyUsage.into());
    }
    if says.issuer != says.subject || says.issuer_key.is_some() || says.key_use.is_some() {
        return Err(Flaw::OtherAuthority.into());
    }
    if says.valid.length_s() > AUTHORITY_VALIDITY_S || !says.valid.contains(&says.valid) {
        return Err(Flaw::Validity.into());
    }
    let [id @ .., _, _, _, _] = key_id(&says.public);
    if says.serial != serial(&id) {
        return Err(Flaw::SerialNumber.into());
    }
    let (domain, name) = read_office(&says.subject)?;
    certificate.verify(&says.public)?;
    Ok((certificate, domain, name))
}
