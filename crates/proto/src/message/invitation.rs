//! An invitation as registrars see it.

use crate::{Blob, Card, DeviceId, InvitationId, RecoveryId, attestation::OfferedFor, line::LineTerms};
use serde::{Deserialize, Serialize};

/// An invitation that is not closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OpenInvitation {
    /// Which.
    pub invitation: InvitationId,
    /// The person whom it invites.
    pub card: Card,
    /// The registrar's device that made it. That device alone has the secret of its link, so it alone can approve first.
    pub by: DeviceId,
    /// When it was made, milliseconds since 1970 UTC.
    pub made_ms: u64,
    /// Until when a device may ask with it.
    pub expires_ms: u64,
    /// The request of the device that asks, a compact JWS over [`crate::statement::DeviceRequest`]. The link is used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// How many times the link was opened by another device since. More than none is a reason to ask who.
    #[serde(default)]
    pub refused_requests: u64,
    /// The approval of the first of two registrars, where the charter demands two and the second has not answered yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_approval: Option<FirstApproval>,
    /// The recovery that it belongs to: two registrars approve its device, also where the charter demands one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<RecoveryId>,
    /// A principal's: what the line allows that whoever is approved gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<LineTerms>,
    /// A delegate offers that line for a principal, who confirms it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered_for: Option<OfferedFor>,
}

/// The first of two registrars' approvals of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FirstApproval {
    /// DER certificates: the device's, which that registrar issued, and the registrar's. The second registrar verifies that they
    /// are for the request and the person of this invitation.
    pub chain: Vec<Blob>,
    /// When, milliseconds since 1970 UTC, by the switchboard's clock.
    pub at_ms: u64,
}
