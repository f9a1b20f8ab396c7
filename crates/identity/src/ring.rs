//! Rings: who rings whom, signed by the caller's device, verified by every device that shows it.

use crate::{
    chain::VerifiedDevice,
    error::{Flaw, IdentityError, Lapse, Mismatch, Result},
    jws,
    key::DeviceKey,
    office::Office,
};
use sha2::{Digest, Sha256};
use telcon_proto::{
    WIRE_VERSION,
    limits::RING_MAX_AGE_MS,
    message::{Ring, RingError},
    policy,
};

/// Type of a ring (RFC 7515 section 4.1.9).
pub const RING_TYP: &str = "telcon-ring+jws";
/// How far in the future a ring may be dated, milliseconds: what two clocks differ.
pub const RING_MAX_FUTURE_MS: u64 = 60_000;

/// Signs a ring with the caller's device key and its chain (DER: device, enrolment).
pub fn sign_ring(key: &DeviceKey, chain: &[Vec<u8>], ring: &Ring) -> String {
    let payload = serde_json::to_vec(ring).expect("invariant: strings and numbers are JSON");
    jws::sign(key, RING_TYP, &payload, chain)
}

/// A ring that a device of the office signed, of somebody who may ring. Only verification makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRing {
    ring: Ring,
    device: VerifiedDevice,
    sha256: [u8; 32],
}

impl VerifiedRing {
    /// What was signed.
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Who rings.
    pub fn device(&self) -> &VerifiedDevice {
        &self.device
    }

    /// SHA-256 over the text of the JWS, as the log entry of the opening has it.
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }
}

fn read(payload: &[u8]) -> Result<Ring> {
    Ring::read(payload).map_err(|error| match error {
        RingError::Malformed => IdentityError::from(Flaw::Payload),
        RingError::Version(version) => Mismatch::WireVersion(version).into(),
    })
}

impl Office {
    /// Verifies a ring that rings now: signature, chain, office, device, role, suite, version, age, and that no less is kept
    /// than the office keeps of every call. The caller's device is of this office; whether the callee and the call are is up
    /// to whoever takes the ring ([`Ring::is_within`]).
    ///
    /// # Errors
    /// Those of [`Office::verify_ring_past`], at the present time; [`Mismatch::WireVersion`] for older versions too;
    /// [`Lapse::Ring`], [`Lapse::RingFuture`], [`Flaw::RingMode`].
    pub fn verify_ring(&self, jws: &str, now_ms: u64) -> Result<VerifiedRing> {
        let ring = self.verify_ring_untimed(jws)?;
        if ring.ring.version != WIRE_VERSION {
            return Err(Mismatch::WireVersion(ring.ring.version).into());
        }
        let at_ms = ring.ring.at_ms;
        if now_ms.saturating_sub(at_ms) > RING_MAX_AGE_MS {
            return Err(Lapse::Ring.into());
        }
        if at_ms.saturating_sub(now_ms) > RING_MAX_FUTURE_MS {
            return Err(Lapse::RingFuture.into());
        }
        if ring.ring.mode < self.floor() {
            return Err(Flaw::RingMode.into());
        }
        ring.device.check_time(now_ms)?;
        Ok(ring)
    }

    /// Verifies a ring of the past, for a device that joins the call and for auditors: as [`Office::verify_ring`], but the
    /// certificate need only have been valid when the ring was signed, by the caller's clock, and the ring may be of an older
    /// version. What pins that time is [`Office::verify_opening`].
    ///
    /// # Errors
    /// [`Flaw`]s of the signed text and the chain; [`Flaw::OtherOffice`], [`Flaw::OtherDevice`], [`Flaw::RingRole`],
    /// [`Flaw::RingSuite`]; [`Mismatch::WireVersion`]; [`Lapse::Device`], [`Lapse::DeviceNotYet`].
    pub fn verify_ring_past(&self, jws: &str) -> Result<VerifiedRing> {
        let ring = self.verify_ring_untimed(jws)?;
        ring.device.check_time(ring.ring.at_ms)?;
        Ok(ring)
    }

    fn verify_ring_untimed(&self, jws: &str) -> Result<VerifiedRing> {
        let (device, payload) = self.verify_signed(jws, RING_TYP)?;
        let ring = read(&payload)?;
        if ring.from.office != *self.domain() {
            return Err(Flaw::OtherOffice.into());
        }
        if ring.from.id != device.device() {
            return Err(Flaw::OtherDevice.into());
        }
        if !policy::may_ring_somebody(device.card().role) {
            return Err(Flaw::RingRole.into());
        }
        if ring.suite != self.suite() {
            return Err(Flaw::RingSuite.into());
        }
        Ok(VerifiedRing { ring, device, sha256: Sha256::digest(jws).into() })
    }
}
