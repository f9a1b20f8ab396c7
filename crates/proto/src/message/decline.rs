//! What somebody who declines a ring lets the caller know.

use serde::{Deserialize, Serialize};

/// A word to the caller with which a ring is declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum DeclineReply {
    /// They will call back.
    Later {
        /// In how many minutes.
        minutes: u16,
    },
    /// Their office takes the call: it goes on ringing at those who may answer for them.
    Office,
}
