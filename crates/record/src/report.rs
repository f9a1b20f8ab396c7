//! The result of verifying an archive, for people and programs.

use std::collections::BTreeMap;

use serde::Serialize;

use telcon_proto::document::DocumentState;
use telcon_proto::{Digest, Ended, RecordMode};

/// The result of [`crate::verify_archive`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArchiveReport {
    /// Problems found. Empty: the archive agrees with its log.
    pub problems: Vec<Problem>,
    /// The log's origin (its name in checkpoints).
    pub origin: String,
    /// Number of entries in the log; 0 if the log is invalid.
    pub entries: u64,
    /// Number of tiles and entry bundles that were read and recomputed.
    pub tiles: u64,
    /// The checkpoint as a signed note. Kept for the next verification, it reveals whether the log was rewritten.
    pub checkpoint: Option<String>,
    /// When the log signed the checkpoint, seconds since the Unix epoch.
    pub checkpoint_time_s: Option<u64>,
    /// Witnesses with a valid cosignature of the checkpoint, and when they signed, seconds since the Unix epoch.
    pub witnesses: BTreeMap<String, u64>,
    /// Number of entries by type.
    pub entry_types: BTreeMap<String, u64>,
    /// Number of alerts by kind: what the office's security officers were shown. Several that happened within minutes may be
    /// one entry.
    pub alerts: BTreeMap<String, u64>,
    /// Number of calls opened.
    pub calls: u64,
    /// Number of calls that may still be live or waiting for their record.
    pub pending: u64,
    /// Number of record directories.
    pub records: u64,
    /// Number of records that are valid, in the log, and correctly signed; partial ones included.
    pub records_good: u64,
    /// Number of partial records among the valid ones.
    pub records_partial: u64,
    /// Number of records that the log does not have yet, and of devices in it whose certificates the archive does not have yet: the
    /// archive is in use.
    pub arriving: u64,
    /// The partial records.
    pub partial: Vec<PartialRecord>,
    /// Total size of all parts, bytes.
    pub record_bytes: u64,
    /// Number of valid device certificates in both log and archive.
    pub devices: u64,
    /// Number of revocations in the log without the authority's statement, as servers of the first version wrote them. They
    /// are ignored.
    pub unsigned_revocations: u64,
    /// The gap report: calls that should have a record and have none, with or without a reason.
    pub gaps: Vec<Gap>,
    /// Files that belong to no archive. They harm nothing.
    pub strays: Vec<Stray>,
    /// Number of versions of documents in the log.
    pub document_versions: u64,
    /// Number of them whose statement and sealed file are in the archive as they were signed.
    pub document_versions_good: u64,
    /// The memoranda, and which version of each was in force when.
    pub memoranda: Vec<MemorandumReport>,
}

/// The versions of a memorandum that were verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemorandumReport {
    /// The document.
    pub document: String,
    /// The call that it is about.
    pub call: Option<String>,
    /// Whether all its versions in the log were verified. Otherwise nothing is known of those after the last one here.
    pub verified: bool,
    /// In the order of the log.
    pub versions: Vec<MemorandumVersion>,
    /// Which approved version was in force when, in the order of time.
    pub in_force: Vec<InForce>,
}

/// A version of a memorandum that was verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemorandumVersion {
    /// Its number.
    pub version: u32,
    /// What its author claims.
    pub state: DocumentState,
    /// Who signed it.
    pub author: String,
    /// Their organisation.
    pub organisation: String,
    /// With which device.
    pub device: String,
    /// When the log had it, milliseconds since the Unix epoch.
    pub logged_ms: u64,
    /// Index of its log entry.
    pub log_index: u64,
    /// SHA-256 of its statement, as the log has it.
    pub statement_sha256: Digest,
}

/// When an approved version was the one that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InForce {
    /// Which.
    pub version: u32,
    /// Who approved it.
    pub approved_by: String,
    /// Since when, milliseconds since the Unix epoch.
    pub from_ms: u64,
    /// Until when; none of the newest one.
    pub until_ms: Option<u64>,
}

/// A file in the archive that is no part of it, such as one that a desktop environment left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stray {
    /// Its path below the archive.
    pub path: String,
}

/// The verdict about an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ArchiveVerdict {
    /// Everything that should be there is there, as it was.
    Complete,
    /// Everything that is there is as it was, and something that should be there is not.
    Gaps,
    /// Something is not as it was.
    Damaged,
}

/// A record whose note-taker declared it incomplete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartialRecord {
    /// The call.
    pub call: String,
    /// The record's directory below `records`.
    pub record: String,
    /// When the call was opened, milliseconds since the Unix epoch, if the log contains it.
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
    /// The call's record mode.
    pub mode: RecordMode,
    /// The reason in the log; `None` is a problem as well.
    pub why: Option<String>,
}

/// A problem found in an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Its subject.
    pub kind: ProblemKind,
    /// The call concerned, if any.
    pub call: Option<String>,
    /// The directory below `records` of the record concerned, if any.
    pub record: Option<String>,
    /// Description for people.
    pub text: String,
}

/// The subject of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// The log: modified, rolled back, split view, not cosigned.
    Log,
    /// An entry that cannot be read.
    Entry,
    /// Inconsistent entries of a call.
    Call,
    /// A call without a record and without a reason.
    Gap,
    /// A record that differs from what was sealed or logged.
    Record,
    /// A record's signature.
    Signature,
    /// A device or its certificate.
    Device,
    /// The sealed form of a line's version.
    Line,
    /// A version of a document that differs from what was signed or logged, or is not in the archive.
    Document,
    /// The archive's directory could not be read.
    Io,
}

impl ArchiveReport {
    /// The verdict. A record that should exist and was never made is a gap, with or without a logged reason; everything else
    /// that is a problem is damage.
    pub fn verdict(&self) -> ArchiveVerdict {
        let is_damage = |problem: &Problem| problem.kind != ProblemKind::Gap;
        if self.problems.iter().any(is_damage) {
            ArchiveVerdict::Damaged
        } else if self.problems.is_empty() && self.gaps.is_empty() && self.records_partial == 0 {
            ArchiveVerdict::Complete
        } else {
            ArchiveVerdict::Gaps
        }
    }

    /// Whether there are no problems. A gap with a reason is not a problem.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }
}
