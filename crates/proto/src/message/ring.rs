//! The content of a signed ring.

use crate::{CallId, DeviceId, PersonId, RecordMode, SuiteName};
use serde::{Deserialize, Serialize};

/// Content of a signed ring, the payload of the `telcon-ring+jws`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Ring {
    /// [`crate::WIRE_VERSION`].
    pub version: u16,
    /// The call, drawn at random by the caller's device; also the MLS group id.
    pub call: CallId,
    /// The office, by domain.
    pub office: String,
    /// The device that rings.
    pub from: DeviceId,
    /// The person rung.
    pub to: PersonId,
    /// What will be kept.
    pub mode: RecordMode,
    /// The suite of the call.
    pub suite: SuiteName,
    /// When it was signed, milliseconds since 1970 UTC, by the device's clock.
    pub at_ms: u64,
}
