//! An invitation as registrars see it.

use crate::{Card, DeviceId, InvitationId};
use serde::{Deserialize, Serialize};

/// An invitation that is not closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OpenInvitation {
    /// Which.
    pub invitation: InvitationId,
    /// The person whom it invites.
    pub card: Card,
    /// The registrar's device that made it. That device alone has the secret of its link, so it alone can verify a request.
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
}
