//! What somebody who declines a ring lets the caller know.

use crate::limits::MAX_LATER_MINUTES;
use serde::{Deserialize, Serialize};

/// What a person who is rung has the caller told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum DeclineReply {
    /// They promise to call back: the ring ends as declined.
    Later {
        /// In how many minutes, from 1 to [`MAX_LATER_MINUTES`].
        minutes: u16,
    },
    /// Their office is to answer: the ring stops at their devices, and goes on at those of people who may answer for them.
    Office {},
}

impl DeclineReply {
    /// Whether the time is within its limits.
    pub fn is_well_formed(self) -> bool {
        match self {
            Self::Later { minutes } => (1..=MAX_LATER_MINUTES).contains(&minutes),
            Self::Office {} => true,
        }
    }
}
