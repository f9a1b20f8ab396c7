//! Signed rings: created by the caller's device, verified by every device before it shows them.

use crate::{
    chain::VerifiedDevice,
    error::{Flaw, IdentityError, Mismatch, Result, Validity},
    jws,
    key::DeviceKey,
    office::Office,
};
use sha2::{Digest, Sha256};
use telcon_proto::{
    CallId, WIRE_VERSION,
    limits::RING_MAX_AGE_MS,
    message::{Ring, RingError},
    policy,
};

/// Type of a ring (RFC 7515 section 4.1.9).
pub const RING_TYP: &str = "telcon-ring+jws";
/// How far in the future a ring may be dated, milliseconds: tolerated difference between two clocks.
pub const RING_MAX_FUTURE_MS: u64 = 60_000;

/// Signs a ring with the caller's device key and its chain (DER: device, enrolment).
pub fn sign_ring(key: &DeviceKey, chain: &[Vec<u8>], ring: &Ring) -> String {
    let payload = serde_json::to_vec(ring).expect("invariant: strings and numbers are JSON");
    jws::sign(key, RING_TYP, &payload, chain)
}

/// The call that a ring names, without any verification: for the refusal to its own sender.
pub fn claimed_call(jws: &str) -> Option<CallId> {
    let claimed = jws::decode(jws).ok().filter(|decoded| decoded.typ() == RING_TYP)?;
    read(claimed.claimed_payload()).ok().map(|ring| ring.call.id)
}

/// A ring signed by a device of the office whose role may ring, or may ring for others: then it counts only with the delegation that
/// it names ([`VerifiedRing::check_delegation`]). Only verification creates one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRing {
    ring: Ring,
    device: VerifiedDevice,
    sha256: [u8; 32],
}

impl VerifiedRing {
    /// The signed payload.
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// The caller's device.
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
    /// Verifies a new ring: signature, chain, office, device, role, suite, version, age, and that its record mode is not below
    /// the office's minimum. The caller's device belongs to this office; whether the callee and the call do has to be checked
    /// by the receiver ([`Ring::is_within`]).
    ///
    /// # Errors
    /// Those of [`Office::verify_ring_past`], at the present time; [`Mismatch::WireVersion`] for older versions too;
    /// [`Validity::Ring`], [`Validity::RingFuture`], [`Flaw::RingMode`].
    pub fn verify_ring(&self, jws: &str, now_ms: u64) -> Result<VerifiedRing> {
        let ring = self.verify_ring_untimed(jws)?;
        if ring.ring.version != WIRE_VERSION {
            return Err(Mismatch::WireVersion(ring.ring.version).into());
        }
        let at_ms = ring.ring.at_ms;
        if now_ms.saturating_sub(at_ms) > RING_MAX_AGE_MS {
            return Err(Validity::Ring.into());
        }
        if at_ms.saturating_sub(now_ms) > RING_MAX_FUTURE_MS {
            return Err(Validity::RingFuture.into());
        }
        if ring.ring.mode < self.floor() {
            return Err(Flaw::RingMode.into());
        }
        ring.device.check_time(now_ms)?;
        Ok(ring)
    }

    /// Verifies a past ring, for a device that joins the call and for auditors: as [`Office::verify_ring`], but the certificate
    /// only has to have been valid when the ring was signed, by the caller's clock, and the ring may have an older version.
    /// [`Office::verify_opening`] proves that time.
    ///
    /// # Errors
    /// [`Flaw`]s of the signed text and the chain; [`Flaw::OtherOffice`], [`Flaw::OtherDevice`], [`Flaw::RingRole`],
    /// [`Flaw::RingSuite`]; [`Mismatch::WireVersion`]; [`Validity::Device`], [`Validity::DeviceNotYet`].
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
        let role = device.card().role;
        let may = match ring.on_behalf {
            // Which counts only with the delegation: see `VerifiedRing::check_delegation`.
            Some(_) => policy::allows(role, policy::Action::ActForPrincipal),
            None => policy::may_ring_somebody(role),
        };
        if !may {
            return Err(Flaw::RingRole.into());
        }
        if ring.suite != self.suite() {
            return Err(Flaw::RingSuite.into());
        }
        Ok(VerifiedRing { ring, device, sha256: Sha256::digest(jws).into() })
    }
}
