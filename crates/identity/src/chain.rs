//! Chains of certificates: device, enrolment, and the pinned authority above them.
//!
//! The rules are fixed, and so is the depth: there is no path building, no optional extension and no name constraint to
//! interpret. What stock tools check (RFC 5280 section 6) holds for these chains too.

use crate::{
    authority::CLOCK_TOLERANCE_S,
    authority::{DEVICE_VALIDITY_S, MAX_INVITATION_TTL_S},
    certificate::{Certificate, Span, key_id, serial},
    error::{Flaw, Lapse, Mismatch, Result},
    name::{read_card, read_office},
};
use telcon_proto::{Card, DeviceId, OfficeName, Qualified, SuiteName};
use x509_cert::ext::pkix::KeyUsages;

/// A device whose certificate chain leads to the office's authority. Only verification makes one, so holding it is the
/// proof. What it does not say: that the certificate is in the log ([`crate::LoggedDevice`]), or not revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedDevice {
    device: DeviceId,
    card: Card,
    public_key: Vec<u8>,
    suite: SuiteName,
    cert_sha256: [u8; 32],
    enrolment: [u8; 16],
    valid: Span,
    key_use: Span,
}

impl VerifiedDevice {
    /// The device.
    pub fn device(&self) -> DeviceId {
        self.device
    }

    /// The device, with the office that certified it.
    pub fn qualified(&self) -> Qualified<DeviceId> {
        self.device.at(self.office())
    }

    /// The office whose authority certified it.
    pub fn office(&self) -> &OfficeName {
        &self.card.office
    }

    /// Whose it is, as the office's authority certified it.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// Its public key, raw.
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// Its suite, which is the office's.
    pub fn suite(&self) -> SuiteName {
        self.suite
    }

    /// SHA-256 of the device certificate, DER.
    pub fn cert_sha256(&self) -> [u8; 32] {
        self.cert_sha256
    }

    /// Identifier of the enrolment that it came by.
    pub fn enrolment(&self) -> [u8; 16] {
        self.enrolment
    }

    /// Until when the device certificate is valid, milliseconds since 1970 UTC.
    pub fn expires_ms(&self) -> u64 {
        self.valid.until_s.saturating_mul(1000)
    }

    /// Whether the enrolment was open at a time, give or take what two clocks differ.
    pub(crate) fn enrolled_at(&self, time_ms: u64) -> bool {
        let open = Span {
            from_s: self.key_use.from_s.saturating_sub(CLOCK_TOLERANCE_S),
            until_s: self.key_use.until_s.saturating_add(CLOCK_TOLERANCE_S),
        };
        open.contains_s(time_ms / 1000)
    }

    /// Checks that the device certificate is valid at a time.
    pub(crate) fn check_time(&self, at_ms: u64) -> Result<()> {
        let at_s = at_ms / 1000;
        if at_s > self.valid.until_s {
            return Err(Lapse::Device.into());
        }
        if at_s < self.valid.from_s {
            return Err(Lapse::DeviceNotYet.into());
        }
        Ok(())
    }
}

/// What an enrolment certificate says, whoever signed it.
pub(crate) struct Enrolment {
    pub(crate) card: Card,
    pub(crate) id: [u8; 16],
    pub(crate) key_use: Span,
}

/// Checks that a certificate has the rights of an enrolment and no more.
pub(crate) fn check_enrolment(certificate: &Certificate) -> Result<Enrolment> {
    let says = certificate.says();
    if !says.constraints.ca {
        return Err(Flaw::NotAnIssuer.into());
    }
    if says.constraints.path_len_constraint != Some(0) {
        return Err(Flaw::PathLength.into());
    }
    if says.usage != KeyUsages::KeyCertSign {
        return Err(Flaw::KeyUsage.into());
    }
    let key_use = says.key_use.ok_or(Flaw::Validity)?;
    let fits = says.valid.contains(&key_use)
        && key_use.length_s() <= MAX_INVITATION_TTL_S + CLOCK_TOLERANCE_S
        && says.valid.until_s - key_use.until_s <= DEVICE_VALIDITY_S;
    if !fits {
        return Err(Flaw::Validity.into());
    }
    // The issuer is a claim until the authority's signature is verified.
    let (office, _) = read_office(&says.issuer).map_err(|_| Flaw::OtherAuthority)?;
    let (card, id) = read_card(&says.subject, &office)?;
    if says.serial != serial(&id) {
        return Err(Flaw::SerialNumber.into());
    }
    Ok(Enrolment { card, id, key_use })
}

/// Checks an enrolment certificate against the authority.
pub(crate) fn verify_enrolment(authority: &Certificate, certificate: &Certificate) -> Result<Enrolment> {
    let (root, says) = (authority.says(), certificate.says());
    if says.suite != root.suite {
        return Err(Mismatch::Suite { office: root.suite, other: says.suite }.into());
    }
    let enrolment = check_enrolment(certificate)?;
    if says.issuer != root.subject || says.issuer_key != Some(key_id(&root.public)) {
        return Err(Flaw::OtherAuthority.into());
    }
    certificate.verify(&root.public)?;
    if !root.valid.contains(&says.valid) {
        return Err(Flaw::Validity.into());
    }
    Ok(enrolment)
}

/// The office that a chain claims to be of: the issuer's name in its enrolment certificate. It proves nothing.
///
/// # Errors
/// [`Flaw::ChainLength`], [`Flaw::OtherAuthority`], and those of a malformed certificate.
pub(crate) fn claimed_office(chain: &[impl AsRef<[u8]>]) -> Result<OfficeName> {
    let [_, issuer] = chain else {
        return Err(Flaw::ChainLength.into());
    };
    let (office, _) =
        read_office(&Certificate::read(issuer.as_ref())?.says().issuer).map_err(|_| Flaw::OtherAuthority)?;
    Ok(office)
}

/// Checks a chain against the authority, in everything but the present time.
pub(crate) fn verify_chain(authority: &Certificate, chain: &[impl AsRef<[u8]>]) -> Result<VerifiedDevice> {
    let [device, issuer] = chain else {
        return Err(Flaw::ChainLength.into());
    };
    let (device, issuer) = (Certificate::read(device.as_ref())?, Certificate::read(issuer.as_ref())?);
    let enrolment = verify_enrolment(authority, &issuer)?;
    let (says, parent) = (device.says(), issuer.says());
    if says.suite != parent.suite {
        return Err(Mismatch::Suite { office: parent.suite, other: says.suite }.into());
    }
    if says.constraints.ca {
        return Err(Flaw::IssuerAsDevice.into());
    }
    if says.constraints.path_len_constraint.is_some() {
        return Err(Flaw::PathLength.into());
    }
    if says.usage != KeyUsages::DigitalSignature || says.key_use.is_some() {
        return Err(Flaw::KeyUsage.into());
    }
    if says.issuer != parent.subject || says.issuer_key != Some(key_id(&parent.public)) {
        return Err(Flaw::OtherEnrolment.into());
    }
    device.verify(&parent.public)?;
    if says.public == parent.public {
        return Err(Flaw::EnrolmentKeyReused.into());
    }
    let (card, id) = read_card(&says.subject, &enrolment.card.office)?;
    if says.serial != serial(&id) {
        return Err(Flaw::SerialNumber.into());
    }
    if card != enrolment.card {
        return Err(Flaw::CardChanged.into());
    }
    if !enrolment.key_use.contains_s(says.valid.from_s) {
        return Err(Flaw::OutsideEnrolment.into());
    }
    if !parent.valid.contains(&says.valid) || says.valid.length_s() > DEVICE_VALIDITY_S {
        return Err(Flaw::Validity.into());
    }
    Ok(VerifiedDevice {
        device: DeviceId::from_bytes(id),
        card,
        public_key: says.public.clone(),
        suite: says.suite,
        cert_sha256: device.sha256(),
        enrolment: enrolment.id,
        valid: says.valid,
        key_use: enrolment.key_use,
    })
}
