//! The journal: what a restarted note-taker needs to continue a record that it cannot decrypt.
//!
//! A write-ahead file of JSON lines beside the parts, unencrypted. It contains paths, lengths and digests of salted files (see
//! [`crate::Payload`]) and nothing else of the call: a `begin` line, then a `session` line per run of the note-taker and a
//! `part` line per part. Each line is durable before what it announces happens.

use serde::{Deserialize, Serialize};
use telcon_proto::CallId;

use crate::bag::FileEntry;
use crate::error::RecordError;
use crate::part::part_name;
use crate::path::is_bag_path;
use crate::seal::{MAX_RECORD_PARTS, PartDigest};

/// Name of the journal in the record's directory. It is removed when the record is sealed.
pub const JOURNAL_FILE: &str = "resume.jsonl";

/// Largest journal read, bytes: a line of 250 bytes for each of [`crate::MAX_MEMBERS`] files, and for each part.
pub(crate) const MAX_JOURNAL_BYTES: u64 = 128 << 20;

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Line {
    /// Starts the record.
    Begin { version: u32, call_id: CallId, custodians: Vec<String> },
    /// Starts a run of the note-taker, numbered from 1.
    Session(u32),
    /// Commits a part: its file is complete under its temporary name and about to be renamed.
    Part {
        digest: PartDigest,
        files: Vec<FileEntry>,
        /// Set in the final part only: everything but `seal.json` is written.
        #[serde(default, rename = "last", skip_serializing_if = "Option::is_none")]
        final_part: Option<FinalPart>,
    },
}

/// What `seal.json` needs beside the list of parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FinalPart {
    pub(crate) partial: bool,
}

/// A parsed and validated journal.
#[derive(Debug)]
pub(crate) struct Journal {
    pub(crate) call_id: CallId,
    pub(crate) custodians: Vec<String>,
    pub(crate) session: u32,
    pub(crate) parts: Vec<JournalPart>,
    pub(crate) final_part: Option<FinalPart>,
    /// The newest line is a part's: nothing after it may have happened yet, not even the part's rename.
    pub(crate) part_is_newest_line: bool,
    /// Length of the complete lines, bytes. What follows is torn and must be truncated.
    pub(crate) valid_bytes: u64,
}

/// A committed part and the offset of its line.
#[derive(Debug)]
pub(crate) struct JournalPart {
    pub(crate) digest: PartDigest,
    pub(crate) files: Vec<FileEntry>,
    pub(crate) line_start: u64,
}

impl Line {
    /// The serialized line with its line feed.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("invariant: a journal line has nothing JSON cannot hold");
        bytes.push(b'\n');
        bytes
    }
}

impl Journal {
    /// Parses a journal. A torn last line (no line feed, or not JSON, because of a crash during the write) is ignored: nothing
    /// it announces has happened. Any other damage is an error.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut journal: Option<Journal> = None;
        let mut at = 0;
        for (index, text) in bytes.split_inclusive(|b| *b == b'\n').enumerate() {
            let bad = |what: &str| RecordError::Journal { line: index + 1, what: what.to_owned() };
            let next = at + text.len();
            let is_last = next == bytes.len();
            let line = match (text.last(), serde_json::from_slice::<Line>(text)) {
                (Some(b'\n'), Ok(line)) => line,
                _ if is_last => break,
                (_, Err(e)) => return Err(bad(&e.to_string())),
                (_, Ok(_)) => unreachable!("invariant: only the last piece of a split can lack its line feed"),
            };
            match (journal.as_mut(), line) {
                (None, Line::Begin { version: 1, call_id, custodians }) => {
                    journal = Some(Journal::started(call_id, custodians));
                }
                (Some(j), Line::Session(session)) if j.final_part.is_none() && session > j.session => {
                    (j.session, j.part_is_newest_line) = (session, false);
                }
                (Some(j), Line::Part { digest, files, final_part }) => {
                    j.part(digest, files, final_part, at as u64).map_err(bad)?;
                }
                _ => return Err(bad("the line is out of order")),
            }
            at = next;
            if let Some(journal) = &mut journal {
                journal.valid_bytes = at as u64;
            }
        }
        journal.ok_or(RecordError::Journal { line: 1, what: "the first line is missing or invalid".to_owned() })
    }

    fn started(call_id: CallId, custodians: Vec<String>) -> Self {
        let parts = Vec::new();
        Self { call_id, custodians, session: 0, parts, final_part: None, part_is_newest_line: false, valid_bytes: 0 }
    }

    fn part(
        &mut self,
        digest: PartDigest,
        files: Vec<FileEntry>,
        final_part: Option<FinalPart>,
        line_start: u64,
    ) -> Result<(), &'static str> {
        if self.final_part.is_some() || self.session == 0 || self.parts.len() >= MAX_RECORD_PARTS {
            return Err("a part is not allowed here");
        }
        if digest.name != part_name(self.parts.len()) {
            return Err("the part is out of order");
        }
        if !files.iter().all(|f| f.path.starts_with("data/") && is_bag_path(&f.path)) {
            return Err("a file is not in data/");
        }
        self.parts.push(JournalPart { digest, files, line_start });
        self.final_part = final_part;
        self.part_is_newest_line = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::digest::sha256;

    fn begin() -> Line {
        Line::Begin { version: 1, call_id: CallId::from_bytes([0xab; 16]), custodians: vec!["age1pq1x".into()] }
    }

    fn part(index: usize, last: bool) -> Line {
        let digest = PartDigest { name: part_name(index), sha256: sha256(b"x"), bytes: 1 };
        let file = FileEntry { path: format!("data/session-1/{index}.json"), sha256: sha256(b"y"), bytes: 2 };
        Line::Part { digest, files: vec![file], final_part: last.then_some(FinalPart { partial: true }) }
    }

    fn bytes(lines: &[Line]) -> Vec<u8> {
        lines.iter().flat_map(Line::to_bytes).collect()
    }

    #[test]
    fn journal_round_trips() {
        let text = bytes(&[begin(), Line::Session(1), part(0, false), Line::Session(2), part(1, true)]);
        let journal = Journal::parse(&text).unwrap();
        assert_eq!(
            (journal.session, journal.parts.len(), journal.final_part),
            (2, 2, Some(FinalPart { partial: true }))
        );
        assert_eq!(journal.valid_bytes, text.len() as u64);
        assert_eq!(&text[journal.parts[1].line_start as usize..], part(1, true).to_bytes());
    }

    #[test]
    fn torn_last_line_is_truncated_at_every_offset() {
        let whole = bytes(&[begin(), Line::Session(1)]);
        let text = bytes(&[begin(), Line::Session(1), part(0, false)]);
        for cut in whole.len()..text.len() {
            let journal = Journal::parse(&text[..cut]).unwrap();
            assert_eq!((journal.parts.len(), journal.valid_bytes), (0, whole.len() as u64), "{cut}");
        }
        let garbage = [whole.as_slice(), b"\0\0\0\n"].concat();
        assert_eq!(Journal::parse(&garbage).unwrap().valid_bytes, whole.len() as u64);
    }

    #[test]
    fn other_damage_is_an_error() {
        let cases = [
            bytes(&[begin(), begin()]),
            bytes(&[Line::Session(1), begin()]),
            bytes(&[begin(), part(0, false), Line::Session(1)]),
            bytes(&[begin(), Line::Session(1), part(1, false)]),
            bytes(&[begin(), Line::Session(1), Line::Session(1)]),
            bytes(&[begin(), Line::Session(1), part(0, true), part(1, false)]),
            [&begin().to_bytes()[..], b"garbage\n", &Line::Session(1).to_bytes()[..]].concat(),
            vec![],
        ];
        for (n, case) in cases.iter().enumerate() {
            assert!(matches!(Journal::parse(case), Err(RecordError::Journal { .. })), "case {n}");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(tail in prop::collection::vec(any::<u8>(), 0..200), prefix: bool) {
            let mut text = if prefix { bytes(&[begin(), Line::Session(1)]) } else { Vec::new() };
            text.extend(tail);
            let _ = Journal::parse(&text);
        }
    }
}
