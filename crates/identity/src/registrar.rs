//! Registrars: devices of the office that the authority lets enrol other devices, and how they do it.
//!
//! A registrar certificate is for the key that the device has already. Its subject is the device's, with the roles whose people
//! it may enrol. It issues device certificates and no other (path length 0); the authority above it stays offline.
//!
//! Where the charter demands two registrars, the second certifies exactly what the first did ([`Office::verify_approval`],
//! [`Registrar::certify_second`]): the same key, person, device and validity.

use crate::{
    ask::VerifiedRequest,
    authority::{Authority, REVOCATION_TYP},
    certificate::{Fields, Span, key_id, serial},
    chain::{Certified, VerifiedDevice, verify_certified},
    error::{Flaw, Misuse, Result, Validity},
    jws,
    key::DeviceKey,
    name::{card_name, registrar_name},
    office::Office,
    rights::{BESIDE, Registrar, Rights, registrar_serial},
    validity::{CERTIFIED_TO_LOGGED_S, CLOCK_TOLERANCE_S, DEVICE_VALIDITY_S, REGISTRAR_VALIDITY_S},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use telcon_proto::{
    Card, DeviceId, Role,
    http::Revocation,
    limits::DEVICE_REQUEST_MS,
    policy::{Action, allows},
    statement::AppointmentRequest,
};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsages};

/// Type of a request to be appointed as a registrar.
pub const APPOINTMENT_REQUEST_TYP: &str = "telcon-appointment-request+jws";
impl Authority {
    /// Appoints a device of this office as a registrar for people of these roles: returns its registrar certificate, DER.
    ///
    /// # Errors
    /// [`Flaw::OtherOffice`], [`Flaw::RegistrarRole`]: not a device of this office, or of a person who may enrol devices.
    /// [`Misuse::Roles`]; [`Validity::Authority`] if the authority's certificate expires before.
    pub fn appoint(&self, device: &VerifiedDevice, roles: &[Role], now_ms: u64) -> Result<Vec<u8>> {
        if device.office() != self.domain() || device.suite() != self.suite() {
            return Err(Flaw::OtherOffice.into());
        }
        if !allows(device.card().role, Action::EnrolDevices) {
            return Err(Flaw::RegistrarRole.into());
        }
        let now_s = now_ms / 1000;
        let root = self.certificate().fields();
        let from_s = now_s.saturating_sub(CLOCK_TOLERANCE_S).max(root.valid.from_s);
        let key_use = Span { from_s, until_s: now_s.checked_add(REGISTRAR_VALIDITY_S).ok_or(Misuse::Time)? };
        let valid = Span { from_s, until_s: key_use.until_s.checked_add(DEVICE_VALIDITY_S).ok_or(Misuse::Time)? };
        if !root.valid.contains(&valid) {
            return Err(Validity::Authority.into());
        }
        let id = device.device();
        let fields = Fields {
            serial: registrar_serial(id.as_bytes()).to_vec(),
            issuer: root.subject.clone(),
            issuer_key: Some(key_id(&root.public)),
            subject: registrar_name(device.card(), id.as_bytes(), roles)?,
            valid,
            suite: self.suite(),
            public: device.public_key().to_vec(),
            constraints: BasicConstraints { ca: true, path_len_constraint: Some(0) },
            usage: KeyUsages::KeyCertSign.into(),
            key_use: Some(key_use),
        };
        Ok(fields.sign(self.key())?.der().to_vec())
    }
}

impl Registrar {
    /// Revokes a device: a statement for the switchboard and for that device, which [`crate::Office::verify_revocation`] verifies.
    /// What stands before the `~` is for the log, which names nobody.
    ///
    /// # Errors
    /// [`Misuse::RegistrarKey`] if `key` is not this registrar's.
    pub fn revoke(&self, key: &DeviceKey, device: DeviceId, now_ms: u64) -> Result<String> {
        self.sign_revocation(key, device, false, now_ms)
    }

    /// As [`Registrar::revoke`], and orders the device to erase its keys and data when it learns of it.
    ///
    /// # Errors
    /// As [`Registrar::revoke`].
    pub fn revoke_and_erase(&self, key: &DeviceKey, device: DeviceId, now_ms: u64) -> Result<String> {
        self.sign_revocation(key, device, true, now_ms)
    }

    fn sign_revocation(&self, key: &DeviceKey, device: DeviceId, erase: bool, now_ms: u64) -> Result<String> {
        if key.public_bytes() != self.public_key() {
            return Err(Misuse::RegistrarKey.into());
        }
        let office = self.rights.card.office.to_string();
        let revocation = Revocation { office, device, at_ms: now_ms, by: Some(self.rights.device), erase };
        let payload = serde_json::to_vec(&revocation).expect("invariant: strings and numbers are JSON");
        let jws = jws::sign(key, REVOCATION_TYP, &payload, &[]);
        Ok(with_certificate(&jws, self.der()))
    }

    /// Certifies the key of a device that asked. Returns the chain, DER: device, registrar.
    ///
    /// # Errors
    /// [`Misuse::RegistrarKey`] if `key` is not this registrar's; [`Misuse::RoleNotAllowed`], [`Misuse::CardOffice`];
    /// [`Validity::Registrar`]; [`Flaw::EnrolmentKeyReused`] if the request is for the registrar's own key.
    pub fn certify(
        &self,
        key: &DeviceKey,
        request: &VerifiedRequest,
        card: &Card,
        now_ms: u64,
    ) -> Result<Vec<Vec<u8>>> {
        let own = self.certificate.fields();
        let now_s = now_ms / 1000;
        if !self.rights.key_use.contains_s(now_s) {
            return Err(Validity::Registrar.into());
        }
        let from_s = now_s.saturating_sub(CLOCK_TOLERANCE_S).max(self.rights.key_use.from_s);
        let valid = Span { from_s, until_s: from_s.saturating_add(DEVICE_VALIDITY_S).min(own.valid.until_s) };
        self.issue(key, request.request().device, request.request().key.as_slice(), card, valid)
    }

    /// Certifies, as the second of two registrars, what the first certified. Returns its own chain, DER: device, registrar.
    ///
    /// # Errors
    /// [`Misuse::SamePerson`]; [`Validity::Registrar`]; [`Validity::FirstApproval`], [`Validity::SecondRegistrar`]: the first has
    /// to approve again; and those of [`Registrar::certify`].
    pub fn certify_second(&self, key: &DeviceKey, first: &VerifiedApproval, now_ms: u64) -> Result<Vec<Vec<u8>>> {
        if first.registrar.card.person == self.rights.card.person {
            return Err(Misuse::SamePerson.into());
        }
        let (now_s, valid) = (now_ms / 1000, first.device.valid());
        if !self.rights.key_use.contains_s(now_s) {
            return Err(Validity::Registrar.into());
        }
        let latest_s = valid.from_s.saturating_add(DEVICE_REQUEST_MS / 1000 + CERTIFIED_TO_LOGGED_S);
        if !(valid.from_s.saturating_sub(CLOCK_TOLERANCE_S)..=latest_s).contains(&now_s) {
            return Err(Validity::FirstApproval.into());
        }
        if !self.rights.key_use.contains_s(valid.from_s) {
            return Err(Validity::SecondRegistrar.into());
        }
        self.issue(key, first.device.device(), first.device.public_key(), first.device.card(), valid)
    }

    fn issue(
        &self,
        key: &DeviceKey,
        device: DeviceId,
        public: &[u8],
        card: &Card,
        valid: Span,
    ) -> Result<Vec<Vec<u8>>> {
        let own = self.certificate.fields();
        if key.public_bytes() != own.public {
            return Err(Misuse::RegistrarKey.into());
        }
        if public == own.public {
            return Err(Flaw::EnrolmentKeyReused.into());
        }
        if card.office != self.rights.card.office {
            return Err(Misuse::CardOffice.into());
        }
        if !self.rights.roles.contains(&card.role) {
            return Err(Misuse::RoleNotAllowed.into());
        }
        let fields = Fields {
            serial: serial(device.as_bytes()).to_vec(),
            issuer: own.subject.clone(),
            issuer_key: Some(key_id(&own.public)),
            subject: card_name(card, device.as_bytes())?,
            valid,
            suite: own.suite,
            public: public.to_vec(),
            constraints: BasicConstraints { ca: false, path_len_constraint: None },
            usage: KeyUsages::DigitalSignature.into(),
            key_use: None,
        };
        Ok(vec![fields.sign(key)?.der().to_vec(), self.certificate.der().to_vec()])
    }
}

/// One registrar's certificate for the device that asked. It does not make a device of the office where the charter demands two.
/// Only verification creates one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedApproval {
    device: VerifiedDevice,
    registrar: Rights,
}

impl VerifiedApproval {
    /// The device that it is for.
    pub fn device(&self) -> DeviceId {
        self.device.device()
    }

    /// The registrar's device.
    pub fn registrar(&self) -> DeviceId {
        self.registrar.device
    }

    /// The registrar's person.
    pub fn card(&self) -> &Card {
        &self.registrar.card
    }
}

impl Office {
    /// Verifies that a registrar of this office certified, with this chain (DER: device, registrar), exactly the key and device
    /// that asked, for this person, and that the certificate is valid at `now_ms`.
    ///
    /// # Errors
    /// [`Flaw`]s of the chain; [`Flaw::OtherRequest`]; [`Validity::Device`], [`Validity::DeviceNotYet`].
    pub fn verify_approval(
        &self,
        chain: &[impl AsRef<[u8]>],
        request: &VerifiedRequest,
        card: &Card,
        now_ms: u64,
    ) -> Result<VerifiedApproval> {
        let [device, issuer] = chain else { return Err(Flaw::ChainLength.into()) };
        let Certified { device, registrar } = verify_certified(&self.authority, device, issuer)?;
        let (registrar, _) = registrar.ok_or(Flaw::OtherEnrolment)?;
        let asked = request.request();
        if device.public_key() != asked.key.as_slice() || device.device() != asked.device || device.card() != card {
            return Err(Flaw::OtherRequest.into());
        }
        device.check_time(now_ms)?;
        Ok(VerifiedApproval { device, registrar })
    }
}

/// What a revocation says, unverified; none if it is no statement. A certificate beside it is ignored.
pub fn claimed_revocation(statement: &str) -> Option<Revocation> {
    let signed = jws::decode(without_certificate(statement)).ok()?;
    serde_json::from_slice(signed.claimed_payload()).ok()
}

/// Whether a revocation orders its device to erase itself, unverified.
pub fn orders_erasure(statement: &str) -> bool {
    claimed_revocation(statement).is_some_and(|revocation| revocation.erase)
}

/// The registrar's device that a revocation names as its signer, unverified; none if it names none.
pub fn claimed_revoker(statement: &str) -> Option<DeviceId> {
    claimed_revocation(statement)?.by
}

/// A revocation as it was signed, without the certificate beside it.
pub fn without_certificate(statement: &str) -> &str {
    statement.split(BESIDE).next().unwrap_or(statement)
}

/// A registrar's revocation with the certificate that it is verified with.
pub fn with_certificate(jws: &str, registrar_der: &[u8]) -> String {
    format!("{jws}{BESIDE}{}", STANDARD.encode(registrar_der))
}

/// Checks that a card can be put into a certificate.
///
/// # Errors
/// [`Misuse::Name`], [`Misuse::Zone`].
pub fn check_card(card: &Card) -> Result<()> {
    card_name(card, &[0; 16]).map(drop)
}

/// Asks the holder of the authority to appoint a device as a registrar: a JWS of type [`APPOINTMENT_REQUEST_TYP`] with its
/// certificates.
pub fn request_appointment(key: &DeviceKey, chain: &[Vec<u8>], device: &VerifiedDevice, now_ms: u64) -> String {
    let statement = AppointmentRequest { office: device.office().to_string(), device: device.device(), at_ms: now_ms };
    let payload = serde_json::to_vec(&statement).expect("invariant: strings and numbers are JSON");
    jws::sign(key, APPOINTMENT_REQUEST_TYP, &payload, chain)
}

impl Office {
    /// Verifies [`request_appointment`]: a device of this office that is valid now and proved to have its key.
    ///
    /// # Errors
    /// [`Flaw`]s of the signed text and the chain; [`Flaw::OtherDevice`]; [`Validity::Device`], [`Validity::DeviceNotYet`].
    pub fn verify_appointment_request(&self, jws: &str, now_ms: u64) -> Result<VerifiedDevice> {
        let (device, payload) = self.verify_signed(jws.trim(), APPOINTMENT_REQUEST_TYP)?;
        let request: AppointmentRequest = serde_json::from_slice(&payload).map_err(|_| Flaw::Payload)?;
        if *self.domain() != request.office {
            return Err(Flaw::OtherOffice.into());
        }
        if request.device != device.device() {
            return Err(Flaw::OtherDevice.into());
        }
        device.check_time(now_ms)?;
        Ok(device)
    }
}
