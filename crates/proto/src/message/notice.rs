//! A call as the office's staff sees it.

use crate::{CallId, Card, Ended, RecordMode, words::Party};
use serde::{Deserialize, Serialize};

/// A call as the office's staff is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Notice {
    /// The call.
    pub call: CallId,
    /// Who rang.
    pub from: Card,
    /// Whom.
    pub to: PersonNamed,
    /// What is kept.
    pub mode: RecordMode,
    /// Where it stands.
    pub state: NoticeState,
    /// Devices in it now.
    pub members: Vec<Party>,
    /// A note-taker has asked to be let in, and is not a member yet: another need not ask.
    #[serde(default)]
    pub note_taker_asks: bool,
    /// There are note-takers among its members, and nothing has come of any for so long that another is to come.
    #[serde(default)]
    pub note_taker_silent: bool,
    /// When it was opened, milliseconds since 1970 UTC.
    pub opened_ms: u64,
}

/// Whom a call rings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PersonNamed {
    /// Who.
    pub card: Card,
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum NoticeState {
    /// It rings.
    Ringing,
    /// It was answered.
    Live {
        /// When, milliseconds since 1970 UTC.
        since_ms: u64,
    },
    /// It is over.
    Ended {
        /// How.
        how: Ended,
    },
}
