//! A profile of a counterpart, which grows from call to call.

use crate::action::{Action, ActionState, Side};
use crate::brief::{Brief, paragraphs};
use crate::content::*;
use serde::{Deserialize, Serialize};
use telcon_proto::CallId;

/// Most past calls that a profile names.
pub const MAX_PAST_CALLS: usize = 2_000;
/// Most promises that a profile keeps.
pub const MAX_PROMISES: usize = 1_000;

/// A call of the past, in a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PastCall {
    /// The call.
    pub call: CallId,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// About what.
    pub subject: String,
}

/// What an office knows of a counterpart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// [`Content::VERSION`].
    pub version: u32,
    /// Name or title.
    pub name: String,
    /// How the principal addresses them.
    pub name_to_use: String,
    /// Languages, BCP 47 tags, the preferred one first.
    pub languages: Vec<String>,
    /// What to know about them.
    pub background: Vec<String>,
    /// Calls, oldest first.
    pub calls: Vec<PastCall>,
    /// What was promised on either side.
    pub promises: Vec<Action>,
}

impl Profile {
    /// Adds a call and what was promised in it. Of an action that is known, what is newly given replaces the known one.
    pub fn add_call(&mut self, call: PastCall, actions: &[Action]) {
        self.calls.retain(|known| known.call != call.call);
        let at = self.calls.partition_point(|known| (known.at_ms, known.call) <= (call.at_ms, call.call));
        self.calls.insert(at, call);
        self.promise(actions);
    }

    /// Adds what was promised: the next brief has it while it is open. Of an action that is known, what is newly given replaces the known one.
    pub fn promise(&mut self, actions: &[Action]) {
        for action in actions {
            match self.promises.iter_mut().find(|known| known.id == action.id) {
                Some(known) => *known = action.clone(),
                None => self.promises.push(action.clone()),
            }
        }
    }

    /// Puts what a next call should know into a brief: open promises, how to address them, background that it does not have.
    pub fn fill(&self, brief: &mut Brief) {
        let open = self.promises.iter().filter(|action| action.state == ActionState::Open);
        for action in open {
            let line = match (action.side, action.who.as_str()) {
                (Side::Ours, _) => format!("We: {}", action.what),
                (Side::Theirs, who) => format!("{who}: {}", action.what),
            };
            add(&mut brief.promised, line);
        }
        if !self.name_to_use.is_empty() {
            add(&mut brief.background, format!("Name to use: {}", self.name_to_use));
        }
        if !self.languages.is_empty() {
            add(&mut brief.background, format!("Languages: {}", self.languages.join(", ")));
        }
        self.background.iter().for_each(|text| add(&mut brief.background, text.clone()));
    }
}

fn add(list: &mut Vec<String>, text: String) {
    if list.len() < MAX_ITEMS && !list.contains(&text) {
        list.push(text);
    }
}

impl Content for Profile {
    fn check(&self) -> Result<(), Invalid> {
        short("name", &self.name)?;
        optional("name_to_use", &self.name_to_use, MAX_SHORT_CHARS)?;
        crate::request::languages("languages", &self.languages)?;
        paragraphs("background", &self.background)?;
        count("calls", &self.calls, MAX_PAST_CALLS)?;
        unique("calls", self.calls.iter().map(|call| call.call))?;
        self.calls.iter().try_for_each(|call| {
            time("at_ms", call.at_ms)?;
            optional("subject", &call.subject, MAX_PARAGRAPH_CHARS)
        })?;
        count("promises", &self.promises, MAX_PROMISES)?;
        unique("promises", self.promises.iter().map(|action| action.id))?;
        self.promises.iter().try_for_each(Content::check)
    }
}
