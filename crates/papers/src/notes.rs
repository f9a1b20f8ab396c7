//! Notes of a call, by several note-takers at once.
//!
//! A set of notes is a state-based CRDT: each note is a register whose last writer wins, by a logical clock; two sets are merged by
//! taking the greater state of each note. Merging is commutative, associative and idempotent, so that devices may exchange notes in
//! any order, twice, and after an hour offline, and all of them show the same.

use crate::content::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, btree_map::Entry};
use telcon_proto::{DeviceId, ItemId, PersonId};

/// Most notes of a call, removed ones included: two people who write one each second for two hours.
pub const MAX_NOTES: usize = 16_384;

/// What a moment of a call is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "mark", rename_all = "snake_case", deny_unknown_fields)]
pub enum NoteMark {
    /// Nothing in particular.
    Plain,
    /// Something was decided.
    Decision,
    /// Something was promised.
    Action {
        /// By which side.
        side: crate::action::Side,
        /// By whom.
        who: String,
        /// Until when, milliseconds since the Unix epoch.
        until_ms: Option<u64>,
    },
    /// Word for word.
    Quote,
    /// To be handled with particular care.
    Sensitive,
}

/// Which of two edits is the later one: a logical clock (Lamport), then the device, so that it is the same everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// Greater than every clock that its device had seen in these notes.
    pub clock: u64,
    /// The device on which it was made.
    pub device: DeviceId,
    /// Who made it.
    pub by: PersonId,
}

/// One note. Its fields are ordered by what decides between two states of it: the edit first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// The edit that made it what it is.
    pub edit: Edit,
    /// Whether it was removed. It stays, so that another device's older state does not bring it back.
    pub removed: bool,
    /// Who wrote it first.
    pub author: PersonId,
    /// The moment of the call, milliseconds after it was answered.
    pub at_ms: u64,
    /// Who was speaking; empty if nobody in particular.
    pub speaker: String,
    /// What.
    pub text: String,
    /// What the moment is.
    pub kind: NoteMark,
}

/// What a note-taker writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// The moment of the call, milliseconds after it was answered.
    pub at_ms: u64,
    /// Who was speaking; empty if nobody in particular.
    pub speaker: String,
    /// What.
    pub text: String,
    /// What the moment is.
    pub kind: NoteMark,
}

/// The notes of a call.
///
/// ```
/// use telcon_papers::notes::{Draft, Notes, NoteMark};
/// use telcon_proto::{DeviceId, ItemId, PersonId};
///
/// let (ann, phone) = (PersonId::from_bytes([1; 16]), DeviceId::from_bytes([1; 16]));
/// let (ben, desk) = (PersonId::from_bytes([2; 16]), DeviceId::from_bytes([2; 16]));
/// let draft = |text: &str| Draft { at_ms: 0, speaker: String::new(), text: text.into(), kind: NoteMark::Plain };
/// let (mut here, mut there) = (Notes::default(), Notes::default());
/// here.write(ItemId::from_bytes([1; 16]), draft("Joint patrols."), phone, ann);
/// there.write(ItemId::from_bytes([2; 16]), draft("Three years."), desk, ben);
/// here.merge(&there);
/// there.merge(&here);
/// assert_eq!(here, there);
/// assert_eq!(here.shown().count(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Notes {
    /// [`Content::VERSION`].
    pub version: u32,
    /// Each note's state.
    pub notes: BTreeMap<ItemId, Note>,
}

impl Default for Notes {
    fn default() -> Self {
        Self { version: Self::VERSION, notes: BTreeMap::new() }
    }
}

impl Notes {
    /// The notes that are shown, in the order of the call.
    pub fn shown(&self) -> impl Iterator<Item = (ItemId, &Note)> {
        let mut shown: Vec<_> = self.notes.iter().filter(|(_, note)| !note.removed).collect();
        shown.sort_by_key(|(id, note)| (note.at_ms, **id));
        shown.into_iter().map(|(id, note)| (*id, note))
    }

    /// The clock of the next edit.
    fn next_clock(&self) -> u64 {
        self.notes.values().map(|note| note.edit.clock).max().unwrap_or(0).saturating_add(1)
    }

    /// Writes a note; `id` is drawn at random by the caller. Of a note that exists: edits it; its first author stays.
    pub fn write(&mut self, id: ItemId, draft: Draft, device: DeviceId, by: PersonId) {
        let edit = Edit { clock: self.next_clock(), device, by };
        let author = self.notes.get(&id).map_or(by, |note| note.author);
        let Draft { at_ms, speaker, text, kind } = draft;
        self.notes.insert(id, Note { edit, removed: false, author, at_ms, speaker, text, kind });
    }

    /// Removes a note. Its text is erased here; older versions of the document keep it.
    pub fn remove(&mut self, id: ItemId, device: DeviceId, by: PersonId) -> bool {
        let edit = Edit { clock: self.next_clock(), device, by };
        let Some(note) = self.notes.get_mut(&id) else { return false };
        note.edit = edit;
        note.removed = true;
        note.text.clear();
        note.speaker.clear();
        note.kind = NoteMark::Plain;
        true
    }

    /// Takes over what is later in another set.
    pub fn merge(&mut self, other: &Self) {
        for (id, theirs) in &other.notes {
            match self.notes.entry(*id) {
                Entry::Vacant(vacant) => {
                    vacant.insert(theirs.clone());
                }
                Entry::Occupied(mut ours) if theirs > ours.get() => {
                    ours.insert(theirs.clone());
                }
                Entry::Occupied(_) => {}
            }
        }
    }
}

impl Content for Notes {
    const MAX_BYTES: usize = 16 * 1024 * 1024;

    fn check(&self) -> Result<(), Invalid> {
        ensure(self.notes.len() <= MAX_NOTES, "notes", Reason::TooMany(MAX_NOTES))?;
        for note in self.notes.values() {
            // A clock near the end would leave no later one: nobody could edit any more.
            ensure(note.edit.clock <= u64::from(u32::MAX), "clock", Reason::OutOfRange)?;
            optional("speaker", &note.speaker, MAX_SHORT_CHARS)?;
            optional("text", &note.text, MAX_PARAGRAPH_CHARS)?;
            time("at_ms", note.at_ms)?;
            if let NoteMark::Action { who, until_ms, .. } = &note.kind {
                optional("who", who, MAX_SHORT_CHARS)?;
                until_ms.map_or(Ok(()), |ms| time("until_ms", ms))?;
            }
        }
        Ok(())
    }
}
