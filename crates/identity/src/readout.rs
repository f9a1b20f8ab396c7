//! Readouts: what an office says in public about a call, signed by the device of somebody who may publish it. The payload is public, and
//! the certificates are in the header: whoever has the authority's certificate checks it with stock tools.

use crate::{
    chain::VerifiedDevice,
    error::{Flaw, Result},
    jws,
    key::DeviceKey,
    office::Office,
};
use telcon_proto::{
    document::{DocumentKind, DocumentState},
    document_policy::may_claim,
};

/// Type of a published readout (RFC 7515 section 4.1.9).
pub const READOUT_TYP: &str = "telcon-readout+jws";

/// Signs the payload of a readout with a device key and its chain: `readout.jws`.
pub fn sign_readout(key: &DeviceKey, chain: &[Vec<u8>], payload: &[u8]) -> String {
    jws::sign(key, READOUT_TYP, payload, chain)
}

impl Office {
    /// Verifies a published readout: signature and chain of a device of this office whose person may publish. Returns that device and the
    /// payload.
    ///
    /// # Errors
    /// [`Flaw`]s of the signed text and the chain; [`Flaw::DocumentClaim`] for somebody who may not publish.
    pub fn verify_readout(&self, jws: &str) -> Result<(VerifiedDevice, Vec<u8>)> {
        let (device, payload) = self.verify_signed(jws, READOUT_TYP)?;
        if !may_claim(device.card().role, DocumentKind::Readout, DocumentState::Published) {
            return Err(Flaw::DocumentClaim.into());
        }
        Ok((device, payload))
    }
}
