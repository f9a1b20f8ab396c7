//! What checking an archive found, in a form that people and programs read.

use std::collections::BTreeMap;

use serde::Serialize;

use telcon_proto::{Ended, RecordMode};

/// Everything that [`crate::verify_archive`] found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArchiveReport {
    /// What is wrong. Empty: the archive is what its log says.
    pub problems: Vec<Problem>,
    /// The log's name.
    pub origin: String,
    /// Entries in the log, and tiles checked; 0 if the log itself is not sound.
    pub entries: u64,
    /// Tiles and entry bundles that were read and computed again.
    pub tiles: u64,
    /// The checkpoint as a signed note. Keep it: the next check then sees whether the log was rewritten.
    pub checkpoint: Option<String>,
    /// When the log signed it, seconds since the Unix epoch.
    pub checkpoint_time_s: Option<u64>,
    /// Witnesses whose cosignature under the checkpoint is good, and when they gave it (seconds since the Unix epoch).
    pub witnesses: BTreeMap<String, u64>,
    /// Entries by type.
    pub entry_types: BTreeMap<String, u64>,
    /// Calls that were opened.
    pub calls: u64,
    /// Calls that may be going on or being sealed still.
    pub pending: u64,
    /// Record directories that were checked.
    pub records: u64,
    /// Records that are whole, in the log, and properly signed.
    pub records_good: u64,
    /// Of these, how many say that they lack something.
    pub records_partial: u64,
    /// Those.
    pub partial: Vec<PartialRecord>,
    /// Bytes of all parts.
    pub record_bytes: u64,
    /// Device certificates that are in the log and in the archive.
    pub devices: u64,
    /// Answered calls that should have a record and have none, with or without a reason.
    pub gaps: Vec<Gap>,
}

/// A record that says of itself that it lacks something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartialRecord {
    /// The call.
    pub call: String,
    /// The record's directory below `records`.
    pub record: String,
    /// When the call was opened, milliseconds since the Unix epoch, if the log says so.
    pub opened_ms: Option<u64>,
}

/// A call without a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The call.
    pub call: String,
    /// When it was opened, milliseconds since the Unix epoch.
    pub opened_ms: u64,
    /// How it ended.
    pub how: Ended,
    /// What should have been kept.
    pub mode: RecordMode,
    /// The reason in the log; `None` is a problem too.
    pub why: Option<String>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What it is about.
    pub kind: ProblemKind,
    /// The call, where it is about one.
    pub call: Option<String>,
    /// The record's directory below `records`, where it is about one of the call's records.
    pub record: Option<String>,
    /// What is wrong, for people.
    pub text: String,
}

/// What a problem is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// The log itself: changed, rolled back, forked, not cosigned.
    Log,
    /// An entry that cannot be read.
    Entry,
    /// Entries of a call that do not fit together.
    Call,
    /// A call without a record and without a reason.
    Gap,
    /// A record that is not what was sealed, or not what the log says.
    Record,
    /// A signature under a record.
    Signature,
    /// A device or its certificate.
    Device,
    /// The archive's directory could not be read.
    Io,
}

impl ArchiveReport {
    /// Whether nothing is wrong. Gaps with a reason are not wrong.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }
}
