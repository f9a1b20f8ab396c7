//! Attestations of holders: a delegate's device says which device took a line that it offered for a principal.
//!
//! It certifies nobody. A device of the principal verifies it, with the delegation and the request itself, before it certifies the
//! holder: the server can neither name another device nor have other terms signed.

use crate::{
    VerifiedRequest,
    ask::read_request,
    chain::VerifiedDevice,
    delegation::VerifiedDelegation,
    error::{Flaw, Result},
    jws,
    key::DeviceKey,
    office::Office,
};
use sha2::{Digest as _, Sha256};
use telcon_proto::{
    Card, Digest,
    attestation::{Attested, HolderAttestation},
    delegation::Act,
    limits::MAX_LINE_STATEMENT_CHARS,
    policy::{Action, allows},
};

/// Type of an attestation (RFC 7515 section 4.1.9).
pub const HOLDER_ATTESTATION_TYP: &str = "telcon-holder-attestation+jws";

/// Signs an attestation with the delegate's device key and its chain.
pub fn attest_holder(key: &DeviceKey, chain: &[Vec<u8>], attestation: &HolderAttestation) -> String {
    let payload = serde_json::to_vec(attestation).expect("invariant: strings and numbers are JSON");
    jws::sign(key, HOLDER_ATTESTATION_TYP, &payload, chain)
}

/// SHA-256 over the text of a device's request, as an attestation has it.
pub fn request_sha256(jws: &str) -> Digest {
    Digest::from_bytes(Sha256::digest(jws).into())
}

/// An attestation by a device of a person who may act for principals. Only verification creates one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedAttestation {
    content: HolderAttestation,
    device: VerifiedDevice,
}

impl VerifiedAttestation {
    /// The signed payload.
    pub fn content(&self) -> &HolderAttestation {
        &self.content
    }

    /// The device that signed it.
    pub fn device(&self) -> &VerifiedDevice {
        &self.device
    }

    /// The delegate, as certified.
    pub fn delegate(&self) -> &Card {
        self.device.card()
    }

    /// Holds it to the delegation that it names: exactly this one, of the principal that it names, to its signer, for lines, valid when
    /// it was signed.
    ///
    /// # Errors
    /// [`Flaw::OtherDelegation`], [`Flaw::OtherPrincipal`], and those of [`VerifiedDelegation::check`].
    pub fn check_delegation(&self, delegation: &VerifiedDelegation) -> Result<()> {
        if self.content.on_behalf != delegation.on_behalf() {
            return Err(Flaw::OtherDelegation.into());
        }
        if *delegation.principal() != self.content.principal {
            return Err(Flaw::OtherPrincipal.into());
        }
        delegation.check(Act::Lines, self.device.card(), self.content.at_ms)
    }

    /// Verifies the request that it is about: exactly this text, by the key in it, with this offer and of this device.
    ///
    /// # Errors
    /// Those of [`read_request`]; [`Flaw::OtherRequest`].
    pub fn check_request(&self, office: &Office, jws: &str) -> Result<VerifiedRequest> {
        let verified = read_request(jws, office.domain(), office.suite())?;
        let asked = verified.request();
        let same = self.content.request_sha256 == request_sha256(jws)
            && asked.device == self.content.device
            && asked.invitation == self.content.invitation;
        if same { Ok(verified) } else { Err(Flaw::OtherRequest.into()) }
    }
}

impl Office {
    /// Verifies an attestation in everything but the present time, the delegation that it names and the request that it is about:
    /// signature and chain of a device of this office, whose certificate was valid when it was signed; a signer who may act for
    /// principals; a principal, a holder and terms that a line may have.
    ///
    /// # Errors
    /// [`Flaw`]s of the signed text and the chain; [`Flaw::TooLong`], [`Flaw::OtherOffice`], [`Flaw::LineRole`], [`Flaw::LineTerms`],
    /// [`Flaw::DelegationRole`]; [`crate::Misuse`] of a card; [`crate::Validity`] of the signing device's certificate.
    pub fn verify_attestation(&self, jws: &str) -> Result<VerifiedAttestation> {
        if jws.len() > MAX_LINE_STATEMENT_CHARS {
            return Err(Flaw::TooLong.into());
        }
        let (device, payload) = self.verify_signed(jws, HOLDER_ATTESTATION_TYP)?;
        let content: HolderAttestation = serde_json::from_slice(&payload).map_err(|_| Flaw::Payload)?;
        self.check_given(&content.office, &content.principal, &content.holder, &content.terms)?;
        if !allows(device.card().role, Action::ActForPrincipal) {
            return Err(Flaw::DelegationRole.into());
        }
        device.check_time(content.at_ms)?;
        Ok(VerifiedAttestation { content, device })
    }

    /// Verifies an attestation with its delegation, and the request that it is about.
    ///
    /// # Errors
    /// Those of [`Office::verify_attestation`], [`Office::verify_delegation`], [`VerifiedAttestation::check_delegation`] and
    /// [`VerifiedAttestation::check_request`].
    pub fn verify_attested(
        &self,
        attested: &Attested,
        request: &str,
    ) -> Result<(VerifiedAttestation, VerifiedRequest)> {
        let verified = self.verify_attestation(&attested.statement)?;
        verified.check_delegation(&self.verify_delegation(&attested.delegation)?)?;
        let request = verified.check_request(self, request)?;
        Ok((verified, request))
    }
}
