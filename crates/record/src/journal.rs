//! The resume journal: what a note-taker that was killed must know to go on with a record it cannot read.
//!
//! A file of JSON lines in clear text next to the parts. It holds paths, lengths and digests of salted files (see
//! [`crate::Payload`]) and nothing else of the call. First a `begin` line, then a `session` line for each run of the
//! note-taker and a `part` line for each part, every line on the disk before what it announces happens.

use serde::{Deserialize, Serialize};
use telcon_proto::CallId;

use crate::bag::FileEntry;
use crate::error::RecordError;
use crate::part::part_name;
use crate::path::is_bag_path;
use crate::seal::{MAX_RECORD_PARTS, PartDigest};

/// Name of the journal in the record's directory; gone once the record is sealed.
pub const JOURNAL_FILE: &str = "resume.jsonl";

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Line {
    /// The record begins.
    Begin { version: u32, call_id: CallId, custodians: Vec<String> },
    /// A run of the note-taker begins; from 1, rising.
    Session(u32),
    /// A part is committed: its file is complete under its temporary name and about to get its own.
    Part {
        digest: PartDigest,
        files: Vec<FileEntry>,
        /// Set in the last part only: the record is finished but for `seal.json`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last: Option<Last>,
    },
}

/// What `seal.json` says that the parts do not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Last {
    pub(crate) partial: bool,
}

/// A journal, read and checked.
#[derive(Debug)]
pub(crate) struct Journal {
    pub(crate) call_id: CallId,
    pub(crate) custodians: Vec<String>,
    pub(crate) session: u32,
    pub(crate) parts: Vec<JournalPart>,
    pub(crate) last: Option<Last>,
    /// The last line is that of a part; so it may have been followed by nothing yet, not even by the part's rename.
    pub(crate) ends_with_part: bool,
    /// Bytes of the whole lines; what follows is torn and to be cut off.
    pub(crate) good_bytes: u64,
}

/// A committed part and where its line begins.
#[derive(Debug)]
pub(crate) struct JournalPart {
    pub(crate) digest: PartDigest,
    pub(crate) files: Vec<FileEntry>,
    pub(crate) line_start: u64,
}

impl Line {
    /// The line with its line feed.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("invariant: a journal line has nothing JSON cannot hold");
        bytes.push(b'\n');
        bytes
    }
}

impl Journal {
    /// Reads a journal. A last line that is torn (no line feed, or not JSON: the crash came while it was written) is left
    /// out, since nothing happens before its line is whole; any other damage is an error.
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
                    journal = Some(Journal::begun(call_id, custodians));
                }
                (Some(j), Line::Session(session)) if j.last.is_none() && session > j.session => {
                    (j.session, j.ends_with_part) = (session, false);
                }
                (Some(j), Line::Part { digest, files, last }) => {
                    j.part(digest, files, last, at as u64).map_err(bad)?;
                }
                _ => return Err(bad("a line out of order")),
            }
            at = next;
            if let Some(journal) = &mut journal {
                journal.good_bytes = at as u64;
            }
        }
        journal.ok_or(RecordError::Journal { line: 1, what: "it has no beginning".to_owned() })
    }

    fn begun(call_id: CallId, custodians: Vec<String>) -> Self {
        let parts = Vec::new();
        Self { call_id, custodians, session: 0, parts, last: None, ends_with_part: false, good_bytes: 0 }
    }

    fn part(
        &mut self,
        digest: PartDigest,
        files: Vec<FileEntry>,
        last: Option<Last>,
        line_start: u64,
    ) -> Result<(), &'static str> {
        if self.last.is_some() || self.session == 0 || self.parts.len() >= MAX_RECORD_PARTS {
            return Err("a part where none can be");
        }
        if digest.name != part_name(self.parts.len()) {
            return Err("a part out of order");
        }
        if !files.iter().all(|f| f.path.starts_with("data/") && is_bag_path(&f.path)) {
            return Err("a file that is not in data/");
        }
        self.parts.push(JournalPart { digest, files, line_start });
        self.last = last;
        self.ends_with_part = true;
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
        Line::Part { digest, files: vec![file], last: last.then_some(Last { partial: true }) }
    }

    fn bytes(lines: &[Line]) -> Vec<u8> {
        lines.iter().flat_map(Line::to_bytes).collect()
    }

    #[test]
    fn reads_what_is_written() {
        let text = bytes(&[begin(), Line::Session(1), part(0, false), Line::Session(2), part(1, true)]);
        let journal = Journal::parse(&text).unwrap();
        assert_eq!((journal.session, journal.parts.len(), journal.last), (2, 2, Some(Last { partial: true })));
        assert_eq!(journal.good_bytes, text.len() as u64);
        assert_eq!(&text[journal.parts[1].line_start as usize..], part(1, true).to_bytes());
    }

    #[test]
    fn a_torn_last_line_is_cut_off_wherever_it_tore() {
        let whole = bytes(&[begin(), Line::Session(1)]);
        let text = bytes(&[begin(), Line::Session(1), part(0, false)]);
        for cut in whole.len()..text.len() {
            let journal = Journal::parse(&text[..cut]).unwrap();
            assert_eq!((journal.parts.len(), journal.good_bytes), (0, whole.len() as u64), "{cut}");
        }
        let garbage = [whole.as_slice(), b"\0\0\0\n"].concat();
        assert_eq!(Journal::parse(&garbage).unwrap().good_bytes, whole.len() as u64);
    }

    #[test]
    fn damage_elsewhere_is_an_error() {
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
