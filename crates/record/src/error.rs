//! What can go wrong with a record, by blame.

use std::path::PathBuf;

/// Why writing, resuming, opening or checking a record failed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The disk is full (or a quota is reached). Nothing half-written is left, everything not yet sealed is still in
    /// memory, and the same call may be repeated when there is room.
    #[error("the disk is full while writing {path}")]
    DiskFull {
        /// The file that was being written.
        path: PathBuf,
    },
    /// Another failure of the file system. As after [`RecordError::DiskFull`], the call may be repeated.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory concerned.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The caller's misuse: says what.
    #[error("misuse: {0}")]
    Misuse(&'static str),
    /// What is buffered and this file together pass [`crate::MAX_BUFFERED_BYTES`]; flush first.
    #[error("the buffer of the next part is full: flush it first")]
    BufferFull,
    /// The path may not be in a bag, see [`crate::is_bag_path`].
    #[error("a record cannot hold a file named {0:?}")]
    Path(String),
    /// A file of this path is in the record already.
    #[error("the record already holds {0}")]
    Duplicate(String),
    /// The record is longer than the format goes.
    #[error("the record has more parts or files than its format allows")]
    TooLong,
    /// The directory holds a record already; resume it instead.
    #[error("{0} already holds a record")]
    Exists(PathBuf),
    /// The directory holds neither a journal nor a seal.
    #[error("{0} holds no record")]
    NoRecord(PathBuf),
    /// The record was begun for other custodians than those given.
    #[error("the record was begun for other custodians")]
    OtherCustodians,
    /// The resume journal is not what this crate writes (a torn last line is; it is cut off).
    #[error("the resume journal is damaged at line {line}: {what}")]
    Journal {
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// `seal.json` is not a valid seal.
    #[error("seal.json: {0}")]
    Seal(String),
    /// A part that the seal or the journal lists is not there.
    #[error("{0} is missing")]
    PartMissing(String),
    /// A part is not the one that was sealed: its SHA-256 or its length differ.
    #[error("{0} is not the part that was sealed")]
    PartChanged(String),
    /// There is a part that the seal does not list.
    #[error("{0} is not listed in the seal")]
    PartExtra(String),
    /// A part is no age file or is sealed to other recipients than the custodians the seal lists.
    #[error("{part}: {what}")]
    PartHeader {
        /// The part's file name.
        part: String,
        /// What is wrong.
        what: String,
    },
    /// None of the identities opens the part.
    #[error("{0} is not sealed to any of the identities given")]
    WrongIdentity(String),
    /// The part opened, but its content did not decrypt: damaged, or made to be.
    #[error("{part}: {what}")]
    Decrypt {
        /// The part's file name.
        part: String,
        /// What age says.
        what: String,
    },
    /// The tar stream holds what no record has: links, escaping paths, too much.
    #[error("the tar stream is refused: {0}")]
    Tar(String),
    /// The bag is not valid (RFC 8493 section 3), or is not the bag of this seal.
    #[error("the bag is not valid: {0}")]
    Bag(String),
    /// A sound chunk or transcript in a valid bag cannot be read.
    #[error("{path}: {what}")]
    Content {
        /// The file in the bag.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// The place to open into exists already.
    #[error("{0} exists already")]
    OutExists(PathBuf),
}

impl RecordError {
    /// An I/O failure at `path`; a full disk becomes its own kind.
    pub(crate) fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        let path = path.into();
        match source.kind() {
            StorageFull | QuotaExceeded => Self::DiskFull { path },
            _ => Self::Io { path, source },
        }
    }

    /// Whether the same call may succeed later without any change by the caller.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::DiskFull { .. } | Self::Io { .. })
    }
}
