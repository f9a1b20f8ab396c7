//! Handing a call over: who acts in a call asks the principal to it.

use crate::PersonId;
use serde::{Deserialize, Serialize};

/// A principal was asked to a call by who acts, or acted, for them in it ([`crate::ClientMessage::HandOver`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AskedFor {
    /// The principal.
    pub principal: PersonId,
    /// When they were asked last, milliseconds since 1970 UTC.
    pub at_ms: u64,
}
