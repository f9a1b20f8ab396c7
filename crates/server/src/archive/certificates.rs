//! Certificates of all devices that were ever enrolled, stored as objects where auditors look for them.

use crate::{
    digest::sha256,
    objects::{Key, ObjectError, Objects},
    reconcile::{CertificateSource, SecondCertificates},
    store::{Certified, DeviceRow, LostDevice, RegistrarRow},
};
use std::{collections::BTreeSet, sync::Arc};
use telcon_identity::Office;
use telcon_proto::{Blob, Digest};

const DEVICES: &str = "devices";
const ISSUERS: &str = "issuers";

/// `devices/` and `issuers/` of the archive.
#[derive(Clone)]
pub struct Certificates {
    objects: Arc<dyn Objects>,
}

impl Certificates {
    /// Stores certificates in `objects`.
    pub fn new(objects: Arc<dyn Objects>) -> Self {
        Self { objects }
    }

    /// Stores a device's certificate and the one that signed it, unless they are stored already; of two registrars, both.
    ///
    /// # Errors
    /// The object store's.
    pub fn store(&self, device: &DeviceRow) -> Result<(), ObjectError> {
        for (key, der) in keys(device).into_iter().zip(&device.chain) {
            self.objects.create(&key, der.as_slice())?;
        }
        Ok(())
    }

    /// Stores a registrar's certificate beside the issuers of devices, under its own digest.
    ///
    /// # Errors
    /// The object store's.
    pub fn store_registrar(&self, cert_sha256: &Digest, der: &Blob) -> Result<(), ObjectError> {
        self.objects.create(&key(ISSUERS, cert_sha256), der.as_slice()).map(drop)
    }

    /// Stores those of these devices' and registrars' certificates that are missing because a process was killed before it stored
    /// them. Returns the number of devices and registrars that lacked one.
    ///
    /// # Errors
    /// The object store's.
    pub fn store_missing(&self, devices: &[DeviceRow], registrars: &[RegistrarRow]) -> Result<usize, ObjectError> {
        let mut there = BTreeSet::new();
        for group in [DEVICES, ISSUERS] {
            let group = Key::parse(group).expect("invariant: the constant is a valid key");
            there.extend(self.objects.list(&group)?.into_iter().map(|object| object.key));
        }
        let is_missing = |device: &&DeviceRow| keys(device).iter().any(|key| !there.contains(key));
        let missing: Vec<&DeviceRow> = devices.iter().filter(is_missing).collect();
        missing.iter().try_for_each(|device| self.store(device))?;
        let is_missing = |registrar: &&RegistrarRow| !there.contains(&key(ISSUERS, &registrar.cert_sha256));
        let appointed: Vec<&RegistrarRow> = registrars.iter().filter(is_missing).collect();
        appointed
            .iter()
            .try_for_each(|registrar| self.store_registrar(&registrar.cert_sha256, &registrar.certificate))?;
        Ok(missing.len() + appointed.len())
    }

    /// A device's certificates, each with the one that signed it, if all are stored.
    fn chain(&self, certificates: impl Iterator<Item = Digest>) -> Result<Option<Vec<Blob>>, ObjectError> {
        let mut chain = Vec::new();
        for key in certificates.flat_map(|cert_sha256| [DEVICES, ISSUERS].map(|group| key(group, &cert_sha256))) {
            let Some(der) = self.objects.get(&key)? else { return Ok(None) };
            chain.push(Blob(der));
        }
        Ok(Some(chain))
    }
}

/// The archive's certificates, for a database that lacks devices. What is stored is trusted only as far as the office's
/// authority signed it and the log names it.
pub struct ArchivedDevices {
    certificates: Certificates,
    office: Office,
}

impl ArchivedDevices {
    /// The devices of `office` in `certificates`.
    pub fn new(certificates: Certificates, office: Office) -> Self {
        Self { certificates, office }
    }

    /// A chain with what certified the principal's device that signed it, if it is a holder's: that is stored with the principal's
    /// device, by two registrars under the digests of both its certificates. None if one of them is missing.
    fn with_givers(&self, chain: Vec<Blob>, seconds: &SecondCertificates) -> Result<Option<Vec<Blob>>, ObjectError> {
        let [device, issuer] = &chain[..] else { return Ok(Some(chain)) };
        let giver = sha256(issuer.as_slice());
        if self.certificates.objects.get(&key(DEVICES, &giver))?.is_none() {
            return Ok(Some(chain));
        }
        let above = self.certificates.chain([giver].into_iter().chain(seconds.get(&giver).copied()))?;
        Ok(above.map(|above| [vec![device.clone()], above].concat()))
    }
}

impl CertificateSource for ArchivedDevices {
    fn certified(&self, lost: &LostDevice, seconds: &SecondCertificates) -> Result<Option<Certified>, ObjectError> {
        let certificates = [lost.cert_sha256].into_iter().chain(lost.second_cert_sha256);
        let Some(chain) = self.certificates.chain(certificates)? else { return Ok(None) };
        let Some(chain) = self.with_givers(chain, seconds)? else { return Ok(None) };
        // Valid when it was enrolled: whether it is valid now is checked at each sign-in.
        let ders: Vec<&[u8]> = chain.iter().map(Blob::as_slice).collect();
        let verified = match self.office.verify_chain(&ders, lost.enrolled_ms) {
            Ok(verified) => verified,
            Err(error) => {
                tracing::error!(device = %lost.device, %error, "an archived certificate does not verify: restore archive/devices and archive/issuers from a backup");
                return Ok(None);
            }
        };
        let named = verified.device() == lost.device
            && Digest::from_bytes(verified.cert_sha256()) == lost.cert_sha256
            && verified.second_cert_sha256().map(Digest::from_bytes) == lost.second_cert_sha256
            && verified.enrolment_hex() == lost.enrolment;
        if !named {
            tracing::error!(device = %lost.device, "an archived certificate is not the one in the log: restore archive/devices and archive/issuers from a backup");
            return Ok(None);
        }
        Ok(Some(Certified { card: verified.card().clone(), chain }))
    }

    fn registrar(&self, cert_sha256: &Digest) -> Result<Option<Blob>, ObjectError> {
        let der = self.certificates.objects.get(&key(ISSUERS, cert_sha256))?.map(Blob);
        Ok(der.filter(|der| sha256(der.as_slice()) == *cert_sha256))
    }

    fn verifies(&self, revocation: &str) -> bool {
        self.office.verify_revocation(revocation).is_ok()
    }
}

/// Where a device's certificates are stored, in the order of its chain.
fn keys(device: &DeviceRow) -> Vec<Key> {
    let certificates = [device.cert_sha256].into_iter().chain(device.second_cert_sha256());
    certificates.flat_map(|cert_sha256| [DEVICES, ISSUERS].map(|group| key(group, &cert_sha256))).collect()
}

fn key(group: &str, cert_sha256: &Digest) -> Key {
    Key::parse(&format!("{group}/{cert_sha256}.der")).expect("invariant: a digest is hexadecimal")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::DiskObjects;
    use telcon_proto::{Blob, Card, DeviceId, OfficeName, PersonId, Role};

    fn device(n: u8) -> DeviceRow {
        let person = PersonId::from_bytes([n; 16]);
        DeviceRow {
            device: DeviceId::from_bytes([n; 16]),
            card: Card {
                person,
                office: OfficeName::parse("office.example").unwrap(),
                name: "A".into(),
                organisation: "B".into(),
                role: Role::Principal,
                zone: "UTC".into(),
                place: false,
            },
            chain: vec![Blob(vec![n]), Blob(vec![n, n])],
            cert_sha256: Digest::from_bytes([n; 32]),
            enrolment: format!("{n}"),
            enrolled_ms: 1,
            revoked_ms: None,
            revocation: None,
            erase_ordered_ms: None,
            log_index: Some(1),
            revoked_index: None,
        }
    }

    #[test]
    fn missing_certificates_are_stored_and_existing_ones_unchanged() {
        let dir = tempfile::tempdir().unwrap();
        let certificates = Certificates::new(Arc::new(DiskObjects::open(dir.path()).unwrap()));
        certificates.store(&device(1)).unwrap();
        certificates.store(&DeviceRow { chain: vec![Blob(vec![9]), Blob(vec![9])], ..device(1) }).unwrap();
        assert_eq!(std::fs::read(dir.path().join(format!("devices/{}.der", "01".repeat(32)))).unwrap(), [1]);
        std::fs::remove_file(dir.path().join(format!("issuers/{}.der", "01".repeat(32)))).unwrap();
        let registrar = RegistrarRow {
            device: DeviceId::from_bytes([4; 16]),
            certificate: Blob(vec![4]),
            cert_sha256: Digest::from_bytes([4; 32]),
            roles: vec![Role::Principal],
            appointed_ms: 1,
            log_index: Some(2),
        };
        for stored in [4, 0] {
            let devices = [device(1), device(2), device(3)];
            assert_eq!(certificates.store_missing(&devices, std::slice::from_ref(&registrar)).unwrap(), stored);
        }
        assert_eq!(std::fs::read(dir.path().join(format!("issuers/{}.der", "04".repeat(32)))).unwrap(), [4]);
        assert_eq!(std::fs::read(dir.path().join(format!("issuers/{}.der", "01".repeat(32)))).unwrap(), [1, 1]);
        assert_eq!(std::fs::read(dir.path().join(format!("devices/{}.der", "03".repeat(32)))).unwrap(), [3]);
    }
}
