//! Whether the version of a memorandum that is approved is the very one that was reviewed.
//!
//! Digests of sealed contents include a random salt, so that two versions of equal content have different digests: equality is decided by
//! the devices that open both versions. The approving device does so before it signs, and readers' devices do so again.

use crate::memorandum::{Blocker, Memorandum};
use serde::{Deserialize, Serialize};
use telcon_proto::{ItemId, document::DocumentState};

/// A version of a memorandum's document.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its number.
    pub version: u32,
    /// What it claims to be.
    pub state: DocumentState,
    /// Its content; none where this device could not open it.
    pub content: Option<Memorandum>,
}

/// What became of the review of an approved version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "review", rename_all = "snake_case", deny_unknown_fields)]
pub enum Review {
    /// The version before it is a review of the same content.
    Same,
    /// The version before it is no review.
    Missing,
    /// The content is not the one that was reviewed.
    Changed {
        /// Turns whose mark was lowered since.
        lowered: Vec<ItemId>,
    },
    /// What was approved is not complete.
    Incomplete,
    /// This device could not open one of the two: it cannot say.
    Unknown,
}

/// An approved version, and what became of its review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The number of the approved version.
    pub version: u32,
    /// Its review.
    pub review: Review,
}

/// The review of what is approved, or is about to be, by the version before it.
pub fn review(before: Option<&Step>, approved: Option<&Memorandum>) -> Review {
    let Some(before) = before.filter(|before| before.state == DocumentState::Reviewed) else { return Review::Missing };
    let (Some(reviewed), Some(approved)) = (&before.content, approved) else { return Review::Unknown };
    if reviewed != approved {
        return Review::Changed { lowered: reviewed.lowered(approved) };
    }
    if approved.blockers().is_empty() { Review::Same } else { Review::Incomplete }
}

/// All approved versions of a chain, oldest first.
pub fn approvals(chain: &[Step]) -> Vec<Approval> {
    let of = |(at, step): (usize, &Step)| {
        let before = at.checked_sub(1).map(|at| &chain[at]).filter(|before| before.version + 1 == step.version);
        Approval { version: step.version, review: review(before, step.content.as_ref()) }
    };
    chain.iter().enumerate().filter(|(_, step)| step.state == DocumentState::Approved).map(of).collect()
}

/// What a page shows of a memorandum while it is worked on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Assessment {
    /// The banner; none while no portion is marked.
    pub banner: Option<String>,
    /// Whether the banner may still rise, because a portion has no valid mark.
    pub may_rise: bool,
    /// What stands in the way of approval.
    pub blockers: Vec<Blocker>,
    /// Until when a draft has to be finished or destroyed, milliseconds since the Unix epoch.
    pub until_ms: u64,
    /// How old the draft is.
    pub age: DraftAge,
}

/// How old a draft is, against [`crate::memorandum::DRAFT_DAYS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "age", rename_all = "snake_case", deny_unknown_fields)]
pub enum DraftAge {
    /// There is time.
    Young,
    /// At most [`WARNING_DAYS`] days are left.
    Ending {
        /// How many, whole ones.
        days: u64,
    },
    /// It has to be finished or destroyed now.
    Over,
}

/// Days before the end of a draft's time from which its authors are warned.
pub const WARNING_DAYS: u64 = 30;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// What a page shows of a memorandum at `now_ms`.
pub fn assess(memo: &Memorandum, now_ms: u64) -> Assessment {
    let until_ms = memo.draft_until_ms();
    let age = match until_ms.checked_sub(now_ms) {
        None | Some(0) => DraftAge::Over,
        Some(left) if left <= WARNING_DAYS * DAY_MS => DraftAge::Ending { days: left / DAY_MS },
        Some(_) => DraftAge::Young,
    };
    Assessment {
        banner: memo.banner().map(|banner| banner.text),
        may_rise: !memo.is_fully_marked(),
        blockers: memo.blockers(),
        until_ms,
        age,
    }
}

/// What is left of a draft that is destroyed: which call it was of, and when it was drafted. Earlier versions keep their words until the
/// office's server deletes them.
pub fn destroyed(memo: &Memorandum) -> Memorandum {
    let mut left = memo.clone();
    left.subject.text.clear();
    left.turns.clear();
    left.decisions.clear();
    left.actions.clear();
    left.actions_mark = None;
    left.comments.clear();
    left
}
