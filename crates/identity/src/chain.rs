//! Chains of certificates: device, its issuer (an enrolment or a registrar), and the pinned authority above them. Where the
//! charter demands two registrars, a chain has two such pairs for one key, of two people: device, registrar, device, registrar.
//! The device of a line's holder stands before the chain of the principal's device that certified it.
//!
//! Rules and depth are fixed: there is no path building, no optional extension and no name constraint. The chains also pass
//! standard path validation (RFC 5280 section 6).

use crate::{
    certificate::{Certificate, Fields, Span, key_id, serial},
    error::{Flaw, Mismatch, Result, Validity},
    name::{is_registrar_name, read_card, read_office},
    rights::{Rights, verify_registrar},
    validity::{CERTIFIED_TO_LOGGED_S, CLOCK_TOLERANCE_S, DEVICE_VALIDITY_S, MAX_INVITATION_TTL_S},
};
use sha2::{Digest as _, Sha256};
use telcon_proto::{
    Card, DeviceId, Digest, OfficeName, Qualified, SuiteName,
    entry::person_commitment,
    http::Registrars,
    limits::DEVICE_REQUEST_MS,
    line::Rings,
    policy::{Action, allows},
};
use x509_cert::ext::pkix::KeyUsages;

/// A device whose certificate chain leads to the office's authority. Only verification creates one. It does not prove that
/// the certificate is in the log ([`crate::LoggedDevice`]), or that it is not revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedDevice {
    device: DeviceId,
    card: Card,
    public_key: Vec<u8>,
    suite: SuiteName,
    cert_sha256: [u8; 32],
    enrolment: [u8; 16],
    valid: Span,
    /// When the log may have taken it.
    logged: Span,
    registrars: Vec<DeviceId>,
    second_cert_sha256: Option<[u8; 32]>,
    given_by: Option<DeviceId>,
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

    /// The person's card, as the office's authority certified it.
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

    /// SHA-256 of the device certificate, DER; of two registrars' certificates, of the first.
    pub fn cert_sha256(&self) -> [u8; 32] {
        self.cert_sha256
    }

    /// SHA-256 of the certificate that the second registrar issued for the same key, DER.
    pub fn second_cert_sha256(&self) -> Option<[u8; 32]> {
        self.second_cert_sha256
    }

    /// Identifier of its enrolment: of the link, or, if a registrar certified it, the start of the certificate's digest.
    pub fn enrolment(&self) -> [u8; 16] {
        self.enrolment
    }

    /// The registrars' devices that certified it, in the order of the chain; none if it was enrolled with a link of the authority.
    pub fn registrars(&self) -> &[DeviceId] {
        &self.registrars
    }

    /// The principal's device that certified it as the holder's of a line; none of a device that the office enrolled.
    pub fn given_by(&self) -> Option<DeviceId> {
        self.given_by
    }

    /// First and last second of the certificate's validity.
    pub(crate) fn valid(&self) -> Span {
        self.valid
    }

    /// [`VerifiedDevice::enrolment`] in lower-case hexadecimal, as log entries name it.
    pub fn enrolment_hex(&self) -> String {
        telcon_proto::hex(&self.enrolment)
    }

    /// What the log entry of the device has to say of its person ([`telcon_proto::entry::person_commitment`]).
    pub fn person_sha256(&self) -> Digest {
        person_commitment(self.card.person, self.device, |bytes| Digest::from_bytes(Sha256::digest(bytes).into()))
    }

    /// First and last moment at which the device certificate is valid, milliseconds since 1970 UTC.
    pub fn valid_ms(&self) -> (u64, u64) {
        (self.valid.from_s.saturating_mul(1000), self.valid.until_s.saturating_mul(1000).saturating_add(999))
    }

    /// Whether the enrolment was open at a time, within [`CLOCK_TOLERANCE_S`].
    pub(crate) fn enrolled_at(&self, time_ms: u64) -> bool {
        let open = Span {
            from_s: self.logged.from_s.saturating_sub(CLOCK_TOLERANCE_S),
            until_s: self.logged.until_s.saturating_add(CLOCK_TOLERANCE_S),
        };
        open.contains_s(time_ms / 1000)
    }

    /// Checks that the device certificate is valid at a time.
    pub(crate) fn check_time(&self, at_ms: u64) -> Result<()> {
        let at_s = at_ms / 1000;
        if at_s > self.valid.until_s {
            return Err(Validity::Device.into());
        }
        if at_s < self.valid.from_s {
            return Err(Validity::DeviceNotYet.into());
        }
        Ok(())
    }
}

/// Content of an enrolment certificate whose signature is not verified yet.
pub(crate) struct Enrolment {
    pub(crate) card: Card,
    pub(crate) id: [u8; 16],
    pub(crate) key_use: Span,
}

/// Checks that a certificate has the rights of an enrolment and no more.
pub(crate) fn check_enrolment(certificate: &Certificate) -> Result<Enrolment> {
    let fields = certificate.fields();
    if !fields.constraints.ca {
        return Err(Flaw::NotAnIssuer.into());
    }
    if fields.constraints.path_len_constraint != Some(0) {
        return Err(Flaw::PathLength.into());
    }
    if fields.usage != KeyUsages::KeyCertSign {
        return Err(Flaw::KeyUsage.into());
    }
    let key_use = fields.key_use.ok_or(Flaw::Validity)?;
    let fits = fields.valid.contains(&key_use)
        && key_use.length_s() <= MAX_INVITATION_TTL_S + CLOCK_TOLERANCE_S
        && fields.valid.until_s - key_use.until_s <= DEVICE_VALIDITY_S;
    if !fits {
        return Err(Flaw::Validity.into());
    }
    // The issuer is a claim until the authority's signature is verified.
    let (office, _) = read_office(&fields.issuer).map_err(|_| Flaw::OtherAuthority)?;
    let (card, id) = read_card(&fields.subject, &office)?;
    if fields.serial != serial(&id) {
        return Err(Flaw::SerialNumber.into());
    }
    Ok(Enrolment { card, id, key_use })
}

/// Checks an enrolment certificate against the authority.
pub(crate) fn verify_enrolment(authority: &Certificate, certificate: &Certificate) -> Result<Enrolment> {
    let (root, fields) = (authority.fields(), certificate.fields());
    if fields.suite != root.suite {
        return Err(Mismatch::Suite { office: root.suite, other: fields.suite }.into());
    }
    let enrolment = check_enrolment(certificate)?;
    if fields.issuer != root.subject || fields.issuer_key != Some(key_id(&root.public)) {
        return Err(Flaw::OtherAuthority.into());
    }
    certificate.verify(&root.public)?;
    if !root.valid.contains(&fields.valid) {
        return Err(Flaw::Validity.into());
    }
    Ok(enrolment)
}

/// The office that a chain claims to be of: the issuer's name in its enrolment certificate. It proves nothing.
///
/// # Errors
/// [`Flaw::ChainLength`], [`Flaw::OtherAuthority`], and those of a malformed certificate.
pub(crate) fn claimed_office(chain: &[impl AsRef<[u8]>]) -> Result<OfficeName> {
    let ([_, issuer] | [_, issuer, _, _] | [_, _, issuer] | [_, _, issuer, _, _]) = chain else {
        return Err(Flaw::ChainLength.into());
    };
    let (office, _) =
        read_office(&Certificate::read(issuer.as_ref())?.fields().issuer).map_err(|_| Flaw::OtherAuthority)?;
    Ok(office)
}

/// What issued a device certificate.
enum Issuer {
    Enrolment(Enrolment),
    Registrar(Rights),
}

impl Issuer {
    fn office(&self) -> &OfficeName {
        match self {
            Self::Enrolment(enrolment) => &enrolment.card.office,
            Self::Registrar(rights) => &rights.card.office,
        }
    }

    fn key_use(&self) -> &Span {
        match self {
            Self::Enrolment(enrolment) => &enrolment.key_use,
            Self::Registrar(rights) => &rights.key_use,
        }
    }
}

fn verify_issuer(authority: &Certificate, certificate: &Certificate) -> Result<Issuer> {
    if is_registrar_name(&certificate.fields().subject) {
        return verify_registrar(authority, certificate).map(Issuer::Registrar);
    }
    verify_enrolment(authority, certificate).map(Issuer::Enrolment)
}

/// A device certificate that one issuer signed. Whether that is enough is for [`verify_chain`] alone.
pub(crate) struct Certified {
    pub(crate) device: VerifiedDevice,
    /// The registrar that signed it, and its key; none of an enrolment of the authority.
    pub(crate) registrar: Option<(Rights, Vec<u8>)>,
}

/// Verifies a chain against the authority, except for the present time. This is the one rule about how many registrars certify
/// a device. The authority needs no registrar: it is above them, and the first registrars are enrolled by it.
pub(crate) fn verify_chain(
    authority: &Certificate,
    registrars: Registrars,
    rings: Rings,
    chain: &[impl AsRef<[u8]>],
) -> Result<VerifiedDevice> {
    match (chain, registrars) {
        ([device, issuer], registrars) => {
            let Certified { device, registrar } = verify_certified(authority, device, issuer)?;
            if registrar.is_some() && registrars == Registrars::Two {
                return Err(Flaw::OneRegistrar.into());
            }
            Ok(device)
        }
        // Also where one is enough: whoever was recovered has the certificates of two ([`crate::VerifiedRecovery`]).
        ([first, first_registrar, second, second_registrar], _) => {
            let first = verify_certified(authority, first, first_registrar)?;
            both(first, verify_certified(authority, second, second_registrar)?)
        }
        // Where roles decide who rings, a holder would ring everybody, whatever the line says.
        ([_, giver @ ..], _) if matches!(giver.len(), 2 | 4) && rings == Rings::ByRole => {
            Err(Flaw::LinesNotUsed.into())
        }
        ([holder, giver @ ..], registrars) if matches!(giver.len(), 2 | 4) => {
            let issuer = verify_chain(authority, registrars, rings, giver)?;
            verify_holder(&issuer, &Certificate::read(giver[0].as_ref())?, &Certificate::read(holder.as_ref())?)
        }
        _ => Err(Flaw::ChainLength.into()),
    }
}

/// Verifies the certificate of a line's holder against the verified device of the principal who gave the line.
///
/// The principal's certificate is an end entity's for other programs: its role lets it certify holders, and nothing else. So these
/// chains do not pass standard path validation, and holders' devices are to be verified by this rule.
fn verify_holder(giver: &VerifiedDevice, issuer: &Certificate, holder: &Certificate) -> Result<VerifiedDevice> {
    let (fields, parent) = (holder.fields(), issuer.fields());
    check_device_fields(fields, parent)?;
    holder.verify(&parent.public)?;
    let (card, id) = read_card(&fields.subject, giver.office())?;
    if fields.serial != serial(&id) {
        return Err(Flaw::SerialNumber.into());
    }
    if !allows(giver.card.role, Action::GiveLines) || !allows(card.role, Action::HoldLines) {
        return Err(Flaw::HolderRole.into());
    }
    if card.person == giver.card.person || DeviceId::from_bytes(id) == giver.device {
        return Err(Flaw::CardChanged.into());
    }
    if !giver.valid.contains(&fields.valid) || fields.valid.length_s() > DEVICE_VALIDITY_S {
        return Err(Flaw::Validity.into());
    }
    let device = of_fields(holder, card, id, None);
    Ok(VerifiedDevice { given_by: Some(giver.device), ..device })
}

/// Checks what a device certificate may be, and that it names its issuer.
fn check_device_fields(fields: &Fields, parent: &Fields) -> Result<()> {
    if fields.suite != parent.suite {
        return Err(Mismatch::Suite { office: parent.suite, other: fields.suite }.into());
    }
    if fields.constraints.ca {
        return Err(Flaw::IssuerAsDevice.into());
    }
    if fields.constraints.path_len_constraint.is_some() {
        return Err(Flaw::PathLength.into());
    }
    if fields.usage != KeyUsages::DigitalSignature || fields.key_use.is_some() {
        return Err(Flaw::KeyUsage.into());
    }
    if fields.issuer != parent.subject || fields.issuer_key != Some(key_id(&parent.public)) {
        return Err(Flaw::OtherEnrolment.into());
    }
    if fields.public == parent.public {
        return Err(Flaw::EnrolmentKeyReused.into());
    }
    Ok(())
}

/// The device of a certificate whose issuer certifies at once what is asked: of a registrar or a principal, not of a link.
fn of_fields(certificate: &Certificate, card: Card, id: [u8; 16], registrar: Option<DeviceId>) -> VerifiedDevice {
    let (fields, cert_sha256) = (certificate.fields(), certificate.sha256());
    let mut enrolment = [0; 16];
    enrolment.copy_from_slice(&cert_sha256[..16]);
    let from_s = fields.valid.from_s;
    VerifiedDevice {
        device: DeviceId::from_bytes(id),
        card,
        public_key: fields.public.clone(),
        suite: fields.suite,
        cert_sha256,
        enrolment,
        valid: fields.valid,
        logged: Span { from_s, until_s: from_s.saturating_add(CERTIFIED_TO_LOGGED_S) },
        registrars: registrar.into_iter().collect(),
        second_cert_sha256: None,
        given_by: None,
    }
}

/// Joins what two registrars certified, if they are two people and certified exactly the same.
fn both(first: Certified, second: Certified) -> Result<VerifiedDevice> {
    let (Some((one, one_key)), Some((other, other_key))) = (&first.registrar, &second.registrar) else {
        return Err(Flaw::ChainLength.into());
    };
    if one.card.person == other.card.person || one.device == other.device || one_key == other_key {
        return Err(Flaw::SameRegistrar.into());
    }
    let (mut device, other) = (first.device, second.device);
    let same = device.device == other.device
        && device.card == other.card
        && device.public_key == other.public_key
        && device.valid == other.valid;
    if !same {
        return Err(Flaw::OtherApproval.into());
    }
    // The second approves while the request waits, with the validity that the first began.
    device.logged.until_s = device.logged.until_s.saturating_add(DEVICE_REQUEST_MS / 1000);
    device.registrars.extend(other.registrars);
    device.second_cert_sha256 = Some(other.cert_sha256);
    Ok(device)
}

/// Verifies one device certificate and its issuer's against the authority, except for the present time.
pub(crate) fn verify_certified(
    authority: &Certificate,
    device: impl AsRef<[u8]>,
    issuer: impl AsRef<[u8]>,
) -> Result<Certified> {
    let (device, issuer) = (Certificate::read(device.as_ref())?, Certificate::read(issuer.as_ref())?);
    let parent_is = verify_issuer(authority, &issuer)?;
    let (fields, parent) = (device.fields(), issuer.fields());
    check_device_fields(fields, parent)?;
    device.verify(&parent.public)?;
    let (card, id) = read_card(&fields.subject, parent_is.office())?;
    if fields.serial != serial(&id) {
        return Err(Flaw::SerialNumber.into());
    }
    match &parent_is {
        Issuer::Enrolment(enrolment) if card != enrolment.card => return Err(Flaw::CardChanged.into()),
        Issuer::Registrar(rights) if !rights.roles.contains(&card.role) => return Err(Flaw::RoleNotAllowed.into()),
        _ => {}
    }
    if !parent_is.key_use().contains_s(fields.valid.from_s) {
        return Err(Flaw::OutsideEnrolment.into());
    }
    if !parent.valid.contains(&fields.valid) || fields.valid.length_s() > DEVICE_VALIDITY_S {
        return Err(Flaw::Validity.into());
    }
    match parent_is {
        Issuer::Enrolment(Enrolment { id: enrolment, key_use: logged, .. }) => {
            let device = VerifiedDevice { enrolment, logged, ..of_fields(&device, card, id, None) };
            Ok(Certified { device, registrar: None })
        }
        Issuer::Registrar(rights) => {
            let device = of_fields(&device, card, id, Some(rights.device));
            Ok(Certified { device, registrar: Some((rights, parent.public.clone())) })
        }
    }
}
