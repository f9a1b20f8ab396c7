//! Errors of this crate, grouped by cause: resources, misuse by the caller, damaged or hostile input.

use std::path::PathBuf;

/// Why writing, recovering, opening or checking a record failed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The disk is full or a quota is reached. No partial file is left, unsealed data is still in memory, and the same call
    /// can be retried when space is available.
    #[error("the disk is full while writing {path}")]
    DiskFull {
        /// The file that was being written.
        path: PathBuf,
    },
    /// Another file system error. As after [`RecordError::DiskFull`], the call can be retried.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory concerned.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The caller violated the contract of a function; the text says which part.
    #[error("misuse: {0}")]
    Misuse(&'static str),
    /// The buffered files and this one together exceed [`crate::MAX_BUFFERED_BYTES`]; flush, then retry.
    #[error("the buffer of the next part is full; flush it first")]
    BufferFull,
    /// Not a valid path in a bag, see [`crate::is_bag_path`].
    #[error("{0:?} is not a valid path in a record")]
    InvalidPath(String),
    /// The record already contains a file with this path.
    #[error("the record already contains {0}")]
    Duplicate(String),
    /// The record reached the maximum number of parts or files of its format.
    #[error("the record has more parts or files than its format allows")]
    LimitExceeded,
    /// The directory already contains a record; use [`crate::RecordWriter::recover`].
    #[error("{0} already contains a record")]
    Exists(PathBuf),
    /// The directory contains neither a journal nor a seal.
    #[error("{0} contains no record")]
    NoRecord(PathBuf),
    /// The record was created for other custodians than those given.
    #[error("the record was created for other custodians")]
    CustodiansDiffer,
    /// The journal is invalid. A torn last line is not an error: recovery truncates it.
    #[error("the journal is damaged at line {line}: {what}")]
    Journal {
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// `seal.json` is not a valid seal.
    #[error("seal.json: {0}")]
    Seal(String),
    /// A part that the seal or the journal lists does not exist.
    #[error("{0} is missing")]
    PartMissing(String),
    /// A part's SHA-256 or length differs from the one listed.
    #[error("{0} is not the part that was sealed")]
    PartChanged(String),
    /// The directory contains a part that the seal does not list.
    #[error("{0} is not listed in the seal")]
    PartUnlisted(String),
    /// A part is not an age file, or its recipients are not the custodians that the seal lists.
    #[error("{part}: {what}")]
    PartHeader {
        /// The part's file name.
        part: String,
        /// What is wrong.
        what: String,
    },
    /// None of the identities can decrypt the part.
    #[error("{0} is not sealed to any of the identities given")]
    WrongIdentity(String),
    /// The file key was unwrapped, but decryption failed: the part is damaged or was tampered with.
    #[error("{part}: {what}")]
    Decrypt {
        /// The part's file name.
        part: String,
        /// The error reported by age.
        what: String,
    },
    /// The tar stream contains something that no record contains: links, paths outside the bag, oversized members.
    #[error("the tar stream is refused: {0}")]
    Tar(String),
    /// The bag is invalid (RFC 8493, section 3), or does not belong to this seal.
    #[error("the bag is invalid: {0}")]
    Bag(String),
    /// An audio chunk or transcript in a valid bag cannot be read.
    #[error("{path}: {what}")]
    Content {
        /// The file in the bag.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// The output directory already exists.
    #[error("{0} already exists")]
    OutputExists(PathBuf),
}

impl RecordError {
    /// An I/O error at `path`; a full disk has a variant of its own.
    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        let path = path.into();
        match source.kind() {
            StorageFull | QuotaExceeded => Self::DiskFull { path },
            _ => Self::Io { path, source },
        }
    }

    /// Whether the same call can succeed later without changes by the caller.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::DiskFull { .. } | Self::Io { .. })
    }
}
