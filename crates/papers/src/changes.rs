//! What differs between two versions of a memorandum, and how two people's changes to one version are joined.

use crate::marking::{Mark, Scheme};
use crate::memorandum::{Memorandum, Portion, RunKind, Turn};
use serde::{Deserialize, Serialize};
use telcon_proto::ItemId;

/// Which part of a memorandum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "part", rename_all = "snake_case", deny_unknown_fields)]
pub enum Part {
    /// The subject.
    Subject,
    /// A turn.
    Turn {
        /// Which.
        id: ItemId,
        /// Who speaks.
        speaker: String,
    },
    /// A decision.
    Decision {
        /// Its place in the list, from 0.
        number: usize,
    },
    /// The list of actions.
    Actions,
    /// What stands around the text: letterhead, people, times, caution, classification, distribution.
    Frame,
    /// Comments.
    Comments,
}

/// One side of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ChangedSide {
    /// `(C)`; empty without a mark.
    pub mark: String,
    /// Words at the beginning that both sides have.
    pub same_before: String,
    /// Words that only this side has.
    pub differs: String,
    /// Words at the end that both sides have.
    pub same_after: String,
    /// Whether they are words of the machine that nobody signed off.
    pub unconfirmed: bool,
}

/// A part that is not the same in two versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Which.
    pub part: Part,
    /// In the earlier version; none if the part is new.
    pub before: Option<ChangedSide>,
    /// In the later version; none if the part was removed.
    pub after: Option<ChangedSide>,
    /// Whether its mark is lower, has fewer caveats, or is gone.
    pub lowered: bool,
}

fn printed(scheme: &Scheme, mark: &Option<Mark>) -> String {
    mark.as_ref().map(|mark| scheme.portion(mark)).unwrap_or_default()
}

fn side(mark: String, text: &str, unconfirmed: bool) -> ChangedSide {
    ChangedSide { mark, same_before: String::new(), differs: text.to_owned(), same_after: String::new(), unconfirmed }
}

/// Moves the words that both sides begin and end with out of what differs.
fn align(one: &mut ChangedSide, other: &mut ChangedSide) {
    let (a, b): (Vec<&str>, Vec<&str>) =
        (one.differs.split_whitespace().collect(), other.differs.split_whitespace().collect());
    let start = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let end = a[start..].iter().rev().zip(b[start..].iter().rev()).take_while(|(x, y)| x == y).count();
    let parts = |words: &[&str]| {
        (words[..start].join(" "), words[start..words.len() - end].join(" "), words[words.len() - end..].join(" "))
    };
    let (of_one, of_other) = (parts(&a), parts(&b));
    (one.same_before, one.differs, one.same_after) = of_one;
    (other.same_before, other.differs, other.same_after) = of_other;
}

fn change(part: Part, before: Option<ChangedSide>, after: Option<ChangedSide>, lowered: bool) -> Change {
    let (mut before, mut after) = (before, after);
    if let (Some(before), Some(after)) = (&mut before, &mut after) {
        align(before, after);
    }
    Change { part, before, after, lowered }
}

fn of_turn(scheme: &Scheme, turn: &Turn) -> ChangedSide {
    let unconfirmed = !turn.confirmed || turn.runs.iter().any(|run| run.kind == RunKind::Uncertain);
    side(printed(scheme, &turn.mark), &turn.text(), unconfirmed)
}

fn of_portion(scheme: &Scheme, portion: &Portion) -> ChangedSide {
    side(printed(scheme, &portion.mark), &portion.text, false)
}

/// Whether a portion's mark is lower in the later version, in the sense of [`Memorandum::lowered`].
fn is_lower(before: &Memorandum, after: &Memorandum, marks: (&Option<Mark>, &Option<Mark>)) -> bool {
    let Some(was) = marks.0.as_ref().filter(|mark| before.scheme.rank(mark).is_some()) else { return false };
    let Some(now) = marks.1.as_ref() else { return true };
    before.scheme != after.scheme
        || after.scheme.rank(now) < before.scheme.rank(was)
        || !now.caveats.is_superset(&was.caveats)
}

/// The memorandum without its portions and comments.
fn frame(memo: &Memorandum) -> Memorandum {
    let mut frame = memo.clone();
    frame.subject = Portion { mark: None, text: String::new() };
    frame.turns.clear();
    frame.decisions.clear();
    frame.actions.clear();
    frame.actions_mark = None;
    frame.comments.clear();
    frame
}

/// What differs, in the order of the memorandum.
pub fn changes(before: &Memorandum, after: &Memorandum) -> Vec<Change> {
    let mut found = Vec::new();
    if frame(before) != frame(after) {
        found.push(change(Part::Frame, None, None, before.scheme != after.scheme));
    }
    if before.subject != after.subject {
        let lowered = is_lower(before, after, (&before.subject.mark, &after.subject.mark));
        let sides = (of_portion(&before.scheme, &before.subject), of_portion(&after.scheme, &after.subject));
        found.push(change(Part::Subject, Some(sides.0), Some(sides.1), lowered));
    }
    let lowered = before.lowered(after);
    let part = |turn: &Turn| Part::Turn { id: turn.id, speaker: turn.speaker.clone() };
    for turn in &after.turns {
        let was = before.turns.iter().find(|known| known.id == turn.id);
        if was != Some(turn) {
            let was = was.map(|was| of_turn(&before.scheme, was));
            found.push(change(part(turn), was, Some(of_turn(&after.scheme, turn)), lowered.contains(&turn.id)));
        }
    }
    for turn in before.turns.iter().filter(|turn| after.turns.iter().all(|known| known.id != turn.id)) {
        found.push(change(part(turn), Some(of_turn(&before.scheme, turn)), None, lowered.contains(&turn.id)));
    }
    for number in 0..before.decisions.len().max(after.decisions.len()) {
        let (was, now) = (before.decisions.get(number), after.decisions.get(number));
        if was != now {
            let lowered =
                was.is_some_and(|was| is_lower(before, after, (&was.mark, &now.and_then(|now| now.mark.clone()))));
            let sides = (was.map(|was| of_portion(&before.scheme, was)), now.map(|now| of_portion(&after.scheme, now)));
            found.push(change(Part::Decision { number }, sides.0, sides.1, lowered));
        }
    }
    if (&before.actions, &before.actions_mark) != (&after.actions, &after.actions_mark) {
        let of = |memo: &Memorandum| {
            let lines: Vec<_> = memo.actions.iter().map(|action| format!("{}: {}.", action.who, action.what)).collect();
            side(printed(&memo.scheme, &memo.actions_mark), &lines.join(" "), false)
        };
        let lowered = is_lower(before, after, (&before.actions_mark, &after.actions_mark));
        found.push(change(Part::Actions, Some(of(before)), Some(of(after)), lowered));
    }
    if before.comments != after.comments {
        found.push(change(Part::Comments, None, None, false));
    }
    found
}

/// Two people's changes to one version, joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Everything that only one of them changed, and of what both changed our side.
    pub memo: Memorandum,
    /// Parts that both changed differently: a person has to look at them.
    pub both: Vec<Part>,
}

/// Joins `ours` with `theirs`; both were made from `base`.
pub fn join(base: &Memorandum, ours: &Memorandum, theirs: &Memorandum) -> Joined {
    let mut both = Vec::new();
    let mut memo = pick(&frame(base), &frame(ours), &frame(theirs), || both.push(Part::Frame));
    memo.subject = pick(&base.subject, &ours.subject, &theirs.subject, || both.push(Part::Subject));
    let turn = |memo: &Memorandum, id: ItemId| memo.turns.iter().find(|turn| turn.id == id).cloned();
    let mut ids: Vec<ItemId> = ours.turns.iter().map(|turn| turn.id).collect();
    ids.extend(theirs.turns.iter().map(|turn| turn.id).filter(|id| ours.turns.iter().all(|turn| turn.id != *id)));
    for id in ids {
        let (was, mine, other) = (turn(base, id), turn(ours, id), turn(theirs, id));
        let speaker = mine.as_ref().or(other.as_ref()).map(|turn| turn.speaker.clone()).unwrap_or_default();
        memo.turns.extend(pick(&was, &mine, &other, || both.push(Part::Turn { id, speaker: speaker.clone() })));
    }
    memo.turns.sort_by_key(|turn| turn.at_ms);
    memo.decisions =
        pick(&base.decisions, &ours.decisions, &theirs.decisions, || both.push(Part::Decision { number: 0 }));
    let actions = |memo: &Memorandum| (memo.actions.clone(), memo.actions_mark.clone());
    (memo.actions, memo.actions_mark) =
        pick(&actions(base), &actions(ours), &actions(theirs), || both.push(Part::Actions));
    // Comments are added and settled, never removed: the settled one of two is the later.
    memo.comments = ours.comments.clone();
    for comment in &theirs.comments {
        match memo.comments.iter_mut().find(|known| known.id == comment.id) {
            Some(known) if known.settled_by.is_none() => *known = comment.clone(),
            Some(_) => {}
            None => memo.comments.push(comment.clone()),
        }
    }
    let known: Vec<ItemId> = memo.turns.iter().map(|turn| turn.id).collect();
    memo.comments.retain(|comment| comment.about.is_none_or(|about| known.contains(&about)));
    Joined { memo, both }
}

/// What one of two changed; ours if both did, differently.
fn pick<T: Clone + PartialEq>(base: &T, ours: &T, theirs: &T, mut both: impl FnMut()) -> T {
    if ours == base {
        return theirs.clone();
    }
    if theirs != base && theirs != ours {
        both();
    }
    ours.clone()
}
