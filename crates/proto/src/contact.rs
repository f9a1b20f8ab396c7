//! A person in the list of whom a device can ring.

use crate::{Card, line::ContactLine};
use serde::{Deserialize, Serialize};

/// A person whom the device can ring, and whether a device of theirs is connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Contact {
    /// Who.
    #[serde(flatten)]
    pub card: Card,
    /// Whether one of their devices is connected now.
    pub reachable: bool,
    /// Whether none of their devices is connected, and the office can notify one of a ring by a push message ([`crate::push`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub notified: bool,
    /// When two security officers enrolled a device for them after they had lost all others, as the server states it; only for
    /// [`crate::limits::RECOVERY_SHOWN_MS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered_ms: Option<u64>,
    /// The line between them and the device's person, or the principal for whom that person rings, where the charter demands one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<Box<ContactLine>>,
    /// They cannot be rung before the device's person gives them a line. Only principals find such people.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_line: bool,
}
