//! What a registrar certificate is and allows.

use crate::{
    certificate::{Certificate, Span, key_id, serial},
    error::{Flaw, Mismatch, Result},
    name::{read_office, read_registrar},
    validity::{CLOCK_TOLERANCE_S, DEVICE_VALIDITY_S, REGISTRAR_VALIDITY_S},
};
use telcon_proto::{
    Card, DeviceId, Role,
    policy::{Action, allows},
};
use x509_cert::ext::pkix::KeyUsages;

/// Separates a registrar's signature from its certificate.
pub(crate) const BESIDE: char = '~';

/// What a registrar certificate allows, after verification against the authority, in everything but time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) card: Card,
    pub(crate) device: DeviceId,
    pub(crate) roles: Vec<Role>,
    pub(crate) key_use: Span,
}

/// Reads a registrar certificate and verifies it against the authority.
pub(crate) fn verify_registrar(authority: &Certificate, certificate: &Certificate) -> Result<Rights> {
    let (root, fields) = (authority.fields(), certificate.fields());
    if fields.suite != root.suite {
        return Err(Mismatch::Suite { office: root.suite, other: fields.suite }.into());
    }
    if !fields.constraints.ca {
        return Err(Flaw::NotAnIssuer.into());
    }
    if fields.constraints.path_len_constraint != Some(0) {
        return Err(Flaw::PathLength.into());
    }
    if fields.usage != KeyUsages::KeyCertSign {
        return Err(Flaw::KeyUsage.into());
    }
    let (office, _) = read_office(&fields.issuer).map_err(|_| Flaw::OtherAuthority)?;
    let (card, id, roles) = read_registrar(&fields.subject, &office)?;
    if !allows(card.role, Action::EnrolDevices) {
        return Err(Flaw::RegistrarRole.into());
    }
    if fields.serial != registrar_serial(&id) {
        return Err(Flaw::SerialNumber.into());
    }
    if fields.issuer != root.subject || fields.issuer_key != Some(key_id(&root.public)) {
        return Err(Flaw::OtherAuthority.into());
    }
    certificate.verify(&root.public)?;
    let key_use = fields.key_use.ok_or(Flaw::Validity)?;
    let fits = root.valid.contains(&fields.valid)
        && fields.valid.contains(&key_use)
        && key_use.length_s() <= REGISTRAR_VALIDITY_S + CLOCK_TOLERANCE_S
        && fields.valid.until_s - key_use.until_s <= DEVICE_VALIDITY_S;
    if !fits {
        return Err(Flaw::Validity.into());
    }
    Ok(Rights { card, device: DeviceId::from_bytes(id), roles, key_use })
}

/// The serial number of a registrar certificate: the device's own has another one of the same issuer's, if the authority
/// enrolled it.
pub(crate) fn registrar_serial(id: &[u8; 16]) -> [u8; 17] {
    let mut serial = serial(id);
    serial[0] = 2;
    serial
}

/// A verified registrar certificate. It does not prove that the appointment is in the log, or that the device is not revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registrar {
    pub(crate) certificate: Certificate,
    pub(crate) rights: Rights,
}

impl Registrar {
    /// The device.
    pub fn device(&self) -> DeviceId {
        self.rights.device
    }

    /// Its person.
    pub fn card(&self) -> &Card {
        &self.rights.card
    }

    /// The roles whose people it may enrol.
    pub fn roles(&self) -> &[Role] {
        &self.rights.roles
    }

    /// The certificate, DER.
    pub fn der(&self) -> &[u8] {
        self.certificate.der()
    }

    /// SHA-256 of [`Registrar::der`], as the log has it.
    pub fn sha256(&self) -> [u8; 32] {
        self.certificate.sha256()
    }

    /// Raw public key of the device that it is for.
    pub fn public_key(&self) -> &[u8] {
        &self.certificate.fields().public
    }
}
