//! State of a call for the office's staff.

use crate::{
    CallId, Card, Ended, RecordMode, delegation::ActsFor, hand_over::AskedFor, message::DeclineReply, terms::Party,
};
use serde::{Deserialize, Serialize};

/// Notice of a call to the office's staff, to a principal for whom somebody acts in it, and to other devices of its parties, which may
/// continue it; sent at each change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Notice {
    /// The call.
    pub call: CallId,
    /// Who rang.
    pub from: Card,
    /// Whom.
    pub to: PersonNamed,
    /// Record mode.
    pub mode: RecordMode,
    /// Its state.
    pub state: NoticeState,
    /// Devices in it now.
    pub members: Vec<Party>,
    /// A note-taker has asked to join and is not a member yet: no other one is needed.
    #[serde(default)]
    pub note_taker_asks: bool,
    /// There are note-takers among its members, and all of them are unresponsive: another is needed.
    #[serde(default)]
    pub note_taker_silent: bool,
    /// When it was opened, milliseconds since 1970 UTC.
    pub opened_ms: u64,
    /// Who acts in it for its parties. These get the notice too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acts_for: Vec<ActsFor>,
    /// Principals who were asked to it, and have not come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<AskedFor>,
    /// What the person rung had the caller told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<DeclineReply>,
}

/// The callee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PersonNamed {
    /// Who.
    pub card: Card,
}

/// State of a call.
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
