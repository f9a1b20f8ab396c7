//! Actions: what was promised, by whom, until when.

use crate::content::{Content, Invalid, MAX_PARAGRAPH_CHARS, Reason, ensure, optional, required, short, time};
use serde::{Deserialize, Serialize};
use telcon_proto::{CallId, ItemId, PersonId};

/// Which side has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// This office.
    Ours,
    /// The other side.
    Theirs,
}

/// Where an action stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ActionState {
    /// Promised, not done.
    Open,
    /// Done.
    Done,
    /// Given up, by agreement or by events.
    Dropped,
}

/// One promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// [`Content::VERSION`].
    pub version: u32,
    /// Identifies it across the notes, the memorandum, the profile and the next brief.
    pub id: ItemId,
    /// The call in which it was promised; none for one that was told of outside of a call.
    pub call: Option<CallId>,
    /// Who promised.
    pub side: Side,
    /// Who sees to it, by name or title.
    pub who: String,
    /// The person in this office, if it is one.
    pub person: Option<PersonId>,
    /// What.
    pub what: String,
    /// Until when, milliseconds since the Unix epoch; none if nothing was said.
    pub due_ms: Option<u64>,
    /// When to remind, milliseconds since the Unix epoch.
    pub remind_ms: Option<u64>,
    /// Where it stands.
    pub state: ActionState,
}

/// How an action looks at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Done or dropped.
    Closed,
    /// Nobody said until when.
    Undated,
    /// Milliseconds that are left.
    In(u64),
    /// Milliseconds since it should have been done.
    Overdue(u64),
}

impl Action {
    /// How it stands at `now_ms`.
    pub fn due(&self, now_ms: u64) -> Due {
        match (self.state, self.due_ms) {
            (ActionState::Done | ActionState::Dropped, _) => Due::Closed,
            (ActionState::Open, None) => Due::Undated,
            (ActionState::Open, Some(due)) if due >= now_ms => Due::In(due - now_ms),
            (ActionState::Open, Some(due)) => Due::Overdue(now_ms - due),
        }
    }
}

impl Content for Action {
    fn check(&self) -> Result<(), Invalid> {
        optional("who", &self.who, crate::content::MAX_SHORT_CHARS)?;
        required("what", &self.what, MAX_PARAGRAPH_CHARS)?;
        if self.side == Side::Theirs {
            short("who", &self.who)?;
            ensure(self.person.is_none(), "person", Reason::Contradiction)?;
        }
        self.due_ms.map_or(Ok(()), |ms| time("due_ms", ms))?;
        self.remind_ms.map_or(Ok(()), |ms| time("remind_ms", ms))
    }
}
