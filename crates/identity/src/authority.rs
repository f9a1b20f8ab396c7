//! The office's own certificate authority. Its key is kept by the office's security officer and never on the server.

use crate::{
    certificate::{Certificate, Fields, Span, key_id, serial},
    error::{Flaw, Misuse, Result, Validity},
    invitation::Invitation,
    jws,
    key::{DeviceKey, SEED_BYTES},
    name::{card_name, office_name, read_office},
    validity::{AUTHORITY_VALIDITY_S, CLOCK_TOLERANCE_S, DEVICE_VALIDITY_S, MAX_INVITATION_TTL_S},
};
use std::fmt;
use telcon_log::VerifierKey;
use telcon_proto::{
    Blob, Card, DeviceId, OfficeName, PersonId, RecordMode, SuiteName, hex,
    http::{Charter, IssuedInvitation, OfficeInfo, Registrars, Revocation},
    line::Rings,
    line_seal::check_custodians,
};
use x509_cert::{ext::pkix::BasicConstraints, ext::pkix::KeyUsages};

/// Type of a charter (RFC 7515 section 4.1.9).
pub const CHARTER_TYP: &str = "telcon-charter+jws";
/// Type of the statement that a person was invited.
pub const INVITATION_TYP: &str = "telcon-invitation+jws";
/// Type of a revocation.
pub const REVOCATION_TYP: &str = "telcon-revocation+jws";

/// The authority with its private key.
pub struct Authority {
    key: DeviceKey,
    certificate: Certificate,
    domain: OfficeName,
}

/// The person to invite. The seed is the secret of the link; like the identifier it must be fresh and random.
pub struct InviteSpec {
    /// The person's card, which the enrolled device's certificate will contain.
    pub card: Card,
    /// Identifies this enrolment in certificates and in the log.
    pub enrolment_id: [u8; 16],
    /// Seed of the one-time enrolment key.
    pub enrolment_seed: [u8; SEED_BYTES],
    /// Now, milliseconds since 1970 UTC.
    pub now_ms: u64,
    /// Lifetime of the link, milliseconds, up to [`MAX_INVITATION_TTL_S`].
    pub ttl_ms: u64,
}

/// What an office decides once, when it is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CharterTerms {
    /// The lowest record mode of its calls.
    pub floor: RecordMode,
    /// How many registrars certify a device.
    pub registrars: Registrars,
    /// Who may ring whom.
    pub rings: Rings,
}

impl From<RecordMode> for CharterTerms {
    /// One registrar; roles decide who may ring whom.
    fn from(floor: RecordMode) -> Self {
        Self { floor, registrars: Registrars::One, rings: Rings::ByRole }
    }
}

impl Authority {
    /// Creates an authority: a self-signed certificate for the key of `seed`, valid for [`AUTHORITY_VALIDITY_S`].
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
        let fields = Fields {
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
        Ok(Self { certificate: fields.sign(&key)?, key, domain })
    }

    /// Opens an authority from its seed and certificate.
    ///
    /// # Errors
    /// [`Misuse::AuthorityKey`] when they do not match; [`Flaw`]s of a certificate that is not an authority's.
    pub fn open(suite: SuiteName, seed: &[u8; SEED_BYTES], cert_der: &[u8]) -> Result<Self> {
        let (certificate, domain, _) = read_authority(cert_der)?;
        let key = DeviceKey::from_seed(suite, seed);
        if certificate.fields().suite != suite || certificate.fields().public != key.public_bytes() {
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

    pub(crate) fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    pub(crate) fn key(&self) -> &DeviceKey {
        &self.key
    }

    /// The office, by domain.
    pub fn domain(&self) -> &OfficeName {
        &self.domain
    }

    /// The authority's suite, which is the office's.
    pub fn suite(&self) -> SuiteName {
        self.key.suite()
    }

    /// Invites a person to enrol one device: issues the enrolment certificate and puts it, the seed of its key and the
    /// digest of the authority into a link.
    ///
    /// The certificate may issue (CA, path length 0) for [`InviteSpec::ttl_ms`] (its private key usage period), and is
    /// valid until a device certificate issued at the last moment expires.
    ///
    /// # Errors
    /// [`Misuse`] of the card, the time or the lifetime; [`Validity::Authority`] when the authority's certificate expires before.
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
        let authority = self.certificate.fields();
        // An authority that was just created may become valid later than the tolerance allows for its first invitation.
        let valid = Span { from_s: key_use.from_s.max(authority.valid.from_s), until_s };
        if !authority.valid.contains(&valid) {
            return Err(Validity::Authority.into());
        }
        let fields = Fields {
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
        let certificate = fields.sign(&self.key)?;
        Invitation::new(self.suite(), spec.enrolment_seed, self.certificate_sha256(), certificate.der())
    }

    /// States that a person was invited: a JWS of type [`INVITATION_TYP`] over [`IssuedInvitation`], for the switchboard.
    /// `same_name_as` are the people of whom the office knows that they look the same and are others.
    pub fn issued(&self, invitation: &Invitation, same_name_as: Vec<PersonId>, now_ms: u64) -> String {
        let issued = IssuedInvitation {
            office: self.domain.to_string(),
            enrolment: hex(&invitation.enrolment()),
            card: invitation.card().clone(),
            same_name_as,
            expires_ms: invitation.expires_ms(),
            at_ms: now_ms,
        };
        let payload = serde_json::to_vec(&issued).expect("invariant: strings and numbers are JSON");
        jws::sign(&self.key, INVITATION_TYP, &payload, &[])
    }

    /// The office's description for its devices, with its signed charter: the decisions that the server must not make, which
    /// are the log's key (C2SP verifier key), the lowest record mode and the number of registrars.
    ///
    /// # Errors
    /// [`Flaw::LogKey`].
    pub fn office(&self, log_key: &str, terms: impl Into<CharterTerms>, now_ms: u64) -> Result<OfficeInfo> {
        self.office_with(log_key, terms, Vec::new(), now_ms)
    }

    /// The same with custodians: recipients (age) to whom the devices of the office seal each version of a line.
    ///
    /// # Errors
    /// [`Flaw::LogKey`]; [`Misuse::Custodians`].
    pub fn office_with(
        &self,
        log_key: &str,
        terms: impl Into<CharterTerms>,
        custodians: Vec<String>,
        now_ms: u64,
    ) -> Result<OfficeInfo> {
        check_custodians(&custodians).map_err(|_| Misuse::Custodians)?;
        let CharterTerms { floor, registrars, rings } = terms.into();
        log_key.parse::<VerifierKey>().map_err(|_| Flaw::LogKey)?;
        let (domain, name) = read_office(&self.certificate.fields().subject)?;
        let (office, log_key) = (domain.to_string(), log_key.to_owned());
        let charter = Charter { office, log_key, floor, registrars, rings, custodians, at_ms: now_ms };
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
        self.sign_revocation(device, false, now_ms)
    }

    /// As [`Authority::revoke`], and orders the device to erase its keys and data when it learns of it.
    ///
    /// # Errors
    /// As [`Authority::revoke`].
    pub fn revoke_and_erase(&self, device: DeviceId, now_ms: u64) -> Result<String> {
        self.sign_revocation(device, true, now_ms)
    }

    fn sign_revocation(&self, device: DeviceId, erase: bool, now_ms: u64) -> Result<String> {
        let revocation = Revocation { office: self.domain.to_string(), device, at_ms: now_ms, by: None, erase };
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
    let fields = certificate.fields();
    if !fields.constraints.ca {
        return Err(Flaw::NotAnIssuer.into());
    }
    if fields.constraints.path_len_constraint != Some(1) {
        return Err(Flaw::PathLength.into());
    }
    if fields.usage != (KeyUsages::KeyCertSign | KeyUsages::DigitalSignature) {
        return Err(Flaw::KeyUsage.into());
    }
    if fields.issuer != fields.subject || fields.issuer_key.is_some() || fields.key_use.is_some() {
        return Err(Flaw::OtherAuthority.into());
    }
    if fields.valid.length_s() > AUTHORITY_VALIDITY_S || !fields.valid.contains(&fields.valid) {
        return Err(Flaw::Validity.into());
    }
    let [id @ .., _, _, _, _] = key_id(&fields.public);
    if fields.serial != serial(&id) {
        return Err(Flaw::SerialNumber.into());
    }
    let (domain, name) = read_office(&fields.subject)?;
    certificate.verify(&fields.public)?;
    Ok((certificate, domain, name))
}
