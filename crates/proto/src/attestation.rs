//! Lines that a delegate offers for a principal: who offers, and what the delegate's device says of the device that took one.
//!
//! A delegate cannot certify anybody. The delegate's device has the link's secret, so it alone can verify the request of the device that
//! asked, and the delegate compares the code; what came of it is signed. A device of the principal verifies that statement, shows it, and
//! certifies the holder when the principal confirms.

use crate::{Card, DeviceId, Digest, InvitationId, OfficeName, delegation::OnBehalf, line::LineTerms};
use serde::{Deserialize, Serialize};

/// Payload of `telcon-holder-attestation+jws`, signed by the delegate's device that made the offer: this device asked with the offer's
/// link, and its person read out its code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HolderAttestation {
    /// The office of all.
    pub office: OfficeName,
    /// The offer; the line has the same identifier.
    pub invitation: InvitationId,
    /// For whom it was offered.
    pub principal: Card,
    /// Who is to hold it, in the words of the delegate.
    pub holder: Card,
    /// What it allows.
    pub terms: LineTerms,
    /// The device that asked.
    pub device: DeviceId,
    /// SHA-256 of its request, a compact JWS over [`crate::statement::DeviceRequest`].
    pub request_sha256: Digest,
    /// The delegation under which the delegate acts.
    pub on_behalf: OnBehalf,
    /// When it was signed, by the device's clock, milliseconds since 1970 UTC.
    pub at_ms: u64,
}

/// In an open invitation: a delegate offers its line for a principal. The names are the office's account until there is an attestation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OfferedFor {
    /// The principal.
    pub principal: Card,
    /// Who offers it.
    pub delegate: Card,
    /// Once the delegate has compared the code of the device that asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attested: Option<Attested>,
}

/// An attestation, with the delegation that it names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Attested {
    /// Compact JWS over [`HolderAttestation`].
    pub statement: String,
    /// Compact JWS of type `telcon-delegation+jws`.
    pub delegation: String,
    /// When the office took it, milliseconds since 1970 UTC, by the switchboard's clock.
    pub at_ms: u64,
}
