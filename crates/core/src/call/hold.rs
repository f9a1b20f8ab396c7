//! Holding a call: a party has the sound of all kept back for a moment, with a word to the others. Every device that speaks keeps its
//! own sound back while somebody holds the call.

use serde::{Deserialize, Serialize};
use telcon_proto::{Card, limits::MAX_HOLD_CHARS, printable::printable};

/// What is said to those who wait: a sentence that every screen shows in its own language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum HoldWord {
    /// One moment, please.
    Moment,
    /// One moment: who is called is on the way.
    Coming,
    /// One moment: something is being looked up.
    LookingUp,
}

/// Somebody holds a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HoldView {
    /// Who.
    pub by: Card,
    /// Whether it is this device's person, on whatever device: they end it.
    pub own: bool,
    /// What they say to those who wait.
    pub word: HoldWord,
    /// And in their own words; may be empty.
    pub text: String,
    /// Since when, by this device's clock, milliseconds since 1970 UTC.
    pub since_ms: u64,
}

/// Who holds the call now.
#[derive(Default)]
pub(super) struct Holds {
    holds: Vec<Hold>,
    /// Whether this device's person held the call while this device was in it: those who join are told that they do not any more.
    pub(super) held_before: bool,
}

/// One person's hold.
#[derive(Clone, PartialEq)]
pub(super) struct Hold {
    pub(super) by: Card,
    pub(super) word: HoldWord,
    pub(super) text: String,
    since_ms: u64,
}

/// The free words as they can be shown.
pub(super) fn shown(text: &str) -> String {
    printable(text.trim()).chars().take(MAX_HOLD_CHARS).collect()
}

impl Holds {
    /// Whether sound is kept back.
    pub(super) fn any(&self) -> bool {
        !self.holds.is_empty()
    }

    /// A person holds the call. Returns whether that is new.
    pub(super) fn hold(&mut self, by: &Card, word: HoldWord, text: &str, now_ms: u64) -> bool {
        let text = shown(text);
        if let Some(known) = self.of_mut(by) {
            let new = (known.word, &known.text) != (word, &text);
            (known.word, known.text) = (word, text);
            return new;
        }
        self.holds.push(Hold { by: by.clone(), word, text, since_ms: now_ms });
        true
    }

    /// A person does not hold it any more. Returns whether they did.
    pub(super) fn resume(&mut self, by: &Card) -> bool {
        let before = self.holds.len();
        self.holds.retain(|hold| !hold.by.is_same_person(by));
        self.holds.len() < before
    }

    fn of_mut(&mut self, by: &Card) -> Option<&mut Hold> {
        self.holds.iter_mut().find(|hold| hold.by.is_same_person(by))
    }

    /// This person's.
    pub(super) fn of(&self, by: &Card) -> Option<&Hold> {
        self.holds.iter().find(|hold| hold.by.is_same_person(by))
    }

    /// Ends the holds of people who are not parties in the call any more: nobody is kept waiting by somebody who is gone. Gives them.
    pub(super) fn end_unless(&mut self, counts: impl Fn(&Card) -> bool) -> Vec<Card> {
        let (kept, over): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.holds).into_iter().partition(|one| counts(&one.by));
        self.holds = kept;
        over.into_iter().map(|hold| hold.by).collect()
    }

    pub(super) fn views(&self, me: &Card) -> Vec<HoldView> {
        let view = |hold: &Hold| HoldView {
            own: hold.by.is_same_person(me),
            by: hold.by.clone(),
            word: hold.word,
            text: hold.text.clone(),
            since_ms: hold.since_ms,
        };
        self.holds.iter().map(view).collect()
    }
}
