//! An office as an outsider sees it: its description and its log, over HTTP.

use crate::office::server_url;
use anyhow::{Context as _, bail};
use telcon_client::{http::get_json, log_files::LogFiles};
use telcon_identity::Office;
use telcon_log::{
    AuditError, Checkpoint, Hash, SignedCheckpoint, StorageError, TreeReport,
    note::MAX_NOTE_LEN,
    storage::Reader,
    tile::CHECKPOINT_PATH,
    tree::{ReadError, Tree},
    verify_tree_visiting,
};
use telcon_proto::http::{API_PREFIX, OfficeInfo};

/// Largest log that is read, entries: an office with a thousand calls a day writes that much in thirty years. A server whose key signs
/// a larger one could keep an auditor busy for ever.
const MAX_ENTRIES: u64 = 50_000_000;

/// An office whose authority is the one that the auditor knows, and its log.
pub struct Source {
    /// The office's description as the server gave it.
    pub info: OfficeInfo,
    /// The office: its authority signed the log's key.
    pub office: Office,
    files: LogFiles,
}

/// What is wrong with a log, of which the office's key signed a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// In words.
    pub text: String,
    /// The newest checkpoint as the server showed it, a signed note.
    pub newer: Option<String>,
    /// The proof that the log was forked.
    pub fork: Option<Fork>,
}

/// The tree of the newer checkpoint at the size of an older one. The root there is not the one that was signed earlier.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Fork {
    /// Size of the older tree, entries.
    size: u64,
    /// Root of the newer tree's first `size` entries, base64.
    root: Hash,
    /// The consistency proof between that root and the newer one (RFC 6962 section 2.1.2), base64.
    consistency: Vec<Hash>,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingKind {
    /// It signed two histories.
    Forked,
    /// It has fewer entries than it signed for.
    RolledBack,
    /// The authority signed another key for it than before.
    OtherKey,
    /// What is served is not what was signed.
    Damaged,
    /// Its entries contradict each other: the log itself is the evidence.
    Contradictory,
    /// A witness that is required did not cosign the checkpoint.
    NotCosigned,
}

impl FindingKind {
    /// Its name in reports and evidence for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forked => "forked",
            Self::RolledBack => "rolled_back",
            Self::OtherKey => "other_key",
            Self::Damaged => "damaged",
            Self::Contradictory => "contradictory",
            Self::NotCosigned => "not_cosigned",
        }
    }
}

impl serde::Serialize for FindingKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Why a log is not known to be consistent.
#[derive(Debug)]
pub enum Failure {
    /// It is not.
    Finding(Finding),
    /// It could not be read.
    Unreachable(anyhow::Error),
    /// What was given, or this machine, is at fault: a file that is not a checkpoint of this log, a state that is damaged or cannot
    /// be written. Trying again does not help.
    Local(anyhow::Error),
}

impl Finding {
    /// What is wrong, in words, and the newest checkpoint as the server showed it.
    pub fn new(kind: FindingKind, text: impl Into<String>, newer: Option<&str>) -> Self {
        Self { kind, text: text.into(), newer: newer.map(str::to_owned), fork: None }
    }

    /// Damage.
    pub fn damaged(text: impl Into<String>, newer: Option<&str>) -> Self {
        Self::new(FindingKind::Damaged, text, newer)
    }
}

impl Source {
    /// Reads the description of the office at this address and verifies it with the authority's digest.
    ///
    /// # Errors
    /// When there is no answer, or it is another authority's.
    pub fn open(address: &str, authority: &[u8; 32]) -> anyhow::Result<Self> {
        let server = server_url(address)?;
        let info: OfficeInfo = get_json(&format!("{server}{API_PREFIX}/office"), None)?;
        let found = Office::pin(&info, None).context("the office's description does not verify")?;
        if found.authority_sha256() != *authority {
            bail!(
                "the authority of the office at {server} is {}, not the one given: compare the digest with the one that \
                 `telcon office init` or `telcon init` printed; if that is right, you are not talking to your office",
                telcon_proto::hex(&found.authority_sha256())
            );
        }
        Ok(Self { office: found, files: LogFiles::new(&server)?, info })
    }

    /// The newest checkpoint, signed by the log.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn checkpoint(&self) -> Result<SignedCheckpoint, Failure> {
        let note = self.files.read(CHECKPOINT_PATH).map_err(unreadable)?;
        let note = note.ok_or_else(|| Failure::Finding(Finding::damaged("the log has no checkpoint", None)))?;
        // Kept as evidence, and never executed or shown unescaped.
        let text = String::from_utf8_lossy(&note[..note.len().min(MAX_NOTE_LEN)]).into_owned();
        let checkpoint = self.office.log_key().open(&text).map_err(|error| {
            let what = format!("the checkpoint is not signed by the log whose key the authority certified: {error}");
            Failure::Finding(Finding::damaged(what, Some(&text)))
        })?;
        match checkpoint.size() {
            size if size > MAX_ENTRIES => {
                let what = "entries are more than this program reads";
                Err(Failure::Unreachable(anyhow::anyhow!("the log is not verified: its {size} {what} ({MAX_ENTRIES})")))
            }
            _ => Ok(checkpoint),
        }
    }

    /// Verifies the whole log under `checkpoint`, and that it continues the `remembered` ones. The entries that `visit` is given
    /// are unverified until this function returns.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn verify<'a>(
        &'a self,
        checkpoint: &'a SignedCheckpoint,
        remembered: &[Checkpoint],
        visit: impl FnMut(u64, &[u8]),
    ) -> Result<TreeReport<Snapshot<'a>>, Failure> {
        let verified = verify_tree_visiting(self.at(checkpoint), self.office.log_key(), remembered, visit);
        verified.map_err(|error| self.failure(error, checkpoint))
    }

    /// The log's files as they are under a checkpoint.
    pub fn at<'a>(&'a self, checkpoint: &'a SignedCheckpoint) -> Snapshot<'a> {
        Snapshot { files: &self.files, checkpoint }
    }

    fn failure(&self, error: AuditError, checkpoint: &SignedCheckpoint) -> Failure {
        let kind = match error {
            AuditError::Read(ReadError::Storage(error)) => return unreadable(error),
            AuditError::Forked { .. } => FindingKind::Forked,
            AuditError::RolledBack { .. } => FindingKind::RolledBack,
            AuditError::OtherLog(_) => FindingKind::OtherKey,
            _ => FindingKind::Damaged,
        };
        let fork = match error {
            AuditError::Forked { remembered } => self.fork(checkpoint, remembered).ok(),
            _ => None,
        };
        Failure::Finding(Finding { fork, ..Finding::new(kind, error.to_string(), Some(checkpoint.note())) })
    }

    fn fork(&self, checkpoint: &SignedCheckpoint, size: u64) -> Result<Fork, ReadError> {
        let tree = Tree::new(self.at(checkpoint), checkpoint.size());
        Ok(Fork { size, root: tree.root(size)?, consistency: tree.consistency_proof(size, checkpoint.size())? })
    }
}

/// A file that could not be read: too large is the server's fault, everything else may be the network's.
fn unreadable(error: StorageError) -> Failure {
    match error {
        StorageError::TooLarge(_) => Failure::Finding(Finding::damaged(error.to_string(), None)),
        error => Failure::Unreachable(anyhow::Error::from(error).context("the log cannot be read")),
    }
}

/// The log's files under one checkpoint: the server may publish a newer one meanwhile.
#[derive(Debug, Clone, Copy)]
pub struct Snapshot<'a> {
    files: &'a LogFiles,
    checkpoint: &'a SignedCheckpoint,
}

impl Reader for Snapshot<'_> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StorageError> {
        if path == CHECKPOINT_PATH {
            return Ok(Some(self.checkpoint.note().as_bytes().to_vec()));
        }
        self.files.read(path)
    }
}
