//! The log's writer: append, witness cosignatures, recovery.

use crate::bundle::{MAX_ENTRY_LEN, push_entry};
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::commit::{LOCK_PATH, STAGING_DIR, clean_up, commit_and_publish, prepare, stage, staging_path};
use crate::cosigner::CosignerKey;
use crate::hash::{Hash, leaf_hash};
use crate::key::LogSigner;
use crate::note::NoteError;
use crate::staging::{StagedFiles, StagingError};
use crate::storage::{Storage, StorageError};
use crate::tile::{CHECKPOINT_PATH, TILE_WIDTH, TileKind, TilePath, encode_tile};
use crate::tree::{Frontier, ReadError, Tree, read_entries};
use std::ops::Range;

/// Most entries in one append. It bounds the staging file, which holds all of them, to some 270 MiB of the longest entries;
/// callers with more entries append repeatedly. An append waits for a fixed number of flushes, so that throughput grows with
/// the batch.
pub const MAX_APPEND_ENTRIES: usize = 4096;

/// Why the log could not be opened, read or appended to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no log in this storage.
    #[error("there is no log here")]
    NotFound,
    /// There is a log, or part of one, in this storage already.
    #[error("there is a log here already")]
    AlreadyExists,
    /// An entry is longer than [`MAX_ENTRY_LEN`].
    #[error("an entry of {0} bytes exceeds the maximum of {MAX_ENTRY_LEN}")]
    EntryTooLong(usize),
    /// More than [`MAX_APPEND_ENTRIES`] in one append.
    #[error("an append of {0} entries exceeds the maximum of {MAX_APPEND_ENTRIES}")]
    TooManyEntries(usize),
    /// A tile or an entry could not be read, or is beyond the tree.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The storage failed before the commit: the entries are not in the log.
    #[error("the log's storage failed: {0}")]
    Storage(#[from] StorageError),
    /// The storage failed during commit or publication: either all entries are in the log or none. [`Log::recover`] (or
    /// the next append, or reopening the log) determines which; do not append the same entries before.
    #[error("it is not known whether the entries were appended: {0}")]
    InDoubt(StorageError),
    /// The lock file or the published checkpoint was not signed by this signer.
    #[error("{path}: {source}")]
    Checkpoint {
        /// Which of the two.
        path: &'static str,
        /// Why it was rejected.
        source: NoteError,
    },
    /// Not a valid cosignature of this witness on the current checkpoint; possibly on an older one.
    #[error("not a cosignature on the current checkpoint: {0}")]
    Cosignature(NoteError),
    /// The published tree is not a prefix of the last signed one: the storage was rolled back or modified. The log does
    /// not open, because signing another tree would fork it.
    #[error("the published log of {published} entries is not a prefix of the last signed one of {signed}")]
    Diverged {
        /// Size of the published checkpoint.
        published: u64,
        /// Size of the checkpoint in the lock file.
        signed: u64,
    },
    /// The stored tiles do not compute to the signed root.
    #[error("the stored tiles do not compute to the root signed for {size} entries")]
    WrongRoot {
        /// Entries in the signed tree.
        size: u64,
    },
    /// A committed append must be completed, but its staging file is missing.
    #[error("the staging file for the signed tree of {size} entries is missing")]
    StagingFileMissing {
        /// Entries in the signed tree.
        size: u64,
    },
    /// A committed append must be completed, but its staging file is corrupt.
    #[error(transparent)]
    StagingFile(#[from] StagingError),
}

/// The result of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Index of the first entry; the others follow it.
    pub first_index: u64,
    /// The signed tree that contains the entries.
    pub checkpoint: SignedCheckpoint,
}

/// A log open for writing. There is one writer: the storage excludes others.
pub struct Log<S> {
    storage: S,
    signer: LogSigner,
    state: State,
    /// An append failed with an unknown outcome; nothing may be signed before [`Log::recover`].
    needs_recovery: bool,
}

/// The state after the last completed append.
struct State {
    frontier: Frontier,
    /// The partial entry bundle at the right edge.
    tail: Vec<u8>,
    signed: SignedCheckpoint,
}

impl<S: Storage> Log<S> {
    /// Creates a log under the signer's origin. `time_ms` (milliseconds since the Unix epoch, as everywhere in this
    /// module) is the timestamp of the empty tree's checkpoint.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] if there is a log; open it with [`Log::open`].
    pub fn create(mut storage: S, signer: LogSigner, time_ms: u64) -> Result<Self, Error> {
        if storage.read(LOCK_PATH)?.is_some() || storage.read(CHECKPOINT_PATH)?.is_some() {
            return Err(Error::AlreadyExists);
        }
        let frontier = Frontier::new();
        let signed = sign(&signer, &frontier, time_ms);
        let empty = StagedFiles::default();
        stage(&mut storage, signed.checkpoint(), &empty.encode())?;
        commit_and_publish(&mut storage, None, &signed, &empty).map_err(Error::InDoubt)?;
        let needs_recovery = clean_up(&mut storage, signed.checkpoint(), &empty).is_err();
        Ok(Log { storage, signer, state: State { frontier, tail: Vec::new(), signed }, needs_recovery })
    }

    /// Opens a log for writing. Completes an append that was committed but not published, and checks that the stored right
    /// edge computes to the signed root.
    pub fn open(mut storage: S, signer: LogSigner) -> Result<Self, Error> {
        let state = State::recover(&mut storage, &signer)?;
        Ok(Log { storage, signer, state, needs_recovery: false })
    }

    /// Opens the log, or creates it if there is none.
    pub fn open_or_create(storage: S, signer: LogSigner, time_ms: u64) -> Result<Self, Error> {
        let exists = storage.read(LOCK_PATH)?.is_some() || storage.read(CHECKPOINT_PATH)?.is_some();
        if exists { Self::open(storage, signer) } else { Self::create(storage, signer, time_ms) }
    }

    /// Appends entries, in order. On return they are durable and published under the returned checkpoint, whose timestamp
    /// is `time_ms` rounded down to seconds. Without entries, signs the same tree with the new timestamp.
    ///
    /// # Errors
    /// After [`Error::InDoubt`] the outcome is unknown; after any other error the entries are not in the log.
    pub fn append(&mut self, entries: &[Vec<u8>], time_ms: u64) -> Result<Appended, Error> {
        if entries.len() > MAX_APPEND_ENTRIES {
            return Err(Error::TooManyEntries(entries.len()));
        }
        if let Some(long) = entries.iter().find(|entry| entry.len() > MAX_ENTRY_LEN) {
            return Err(Error::EntryTooLong(long.len()));
        }
        self.recover()?;
        let first_index = self.state.frontier.size();
        let (frontier, tail, files) = self.state.extend(entries);
        let signed = sign(&self.signer, &frontier, time_ms);
        self.commit(State { frontier, tail, signed }, &files)?;
        Ok(Appended { first_index, checkpoint: self.state.signed.clone() })
    }

    /// Verifies a witness's cosignature line and adds it to the published checkpoint.
    ///
    /// # Errors
    /// [`Error::Cosignature`], and those of [`Log::append`].
    pub fn add_cosignature(&mut self, witness: &CosignerKey, line: &str) -> Result<&SignedCheckpoint, Error> {
        self.recover()?;
        let signed = witness.attach(&self.state.signed, line).map_err(Error::Cosignature)?;
        let (frontier, tail, files) = self.state.extend(&[]);
        self.commit(State { frontier, tail, signed }, &files)?;
        Ok(&self.state.signed)
    }

    /// Determines the outcome of an append that failed with [`Error::InDoubt`], and completes it if it was committed.
    /// Compare the size of [`Log::checkpoint`] before and after: if it grew, the entries are in the log.
    pub fn recover(&mut self) -> Result<(), Error> {
        if self.needs_recovery {
            self.state = State::recover(&mut self.storage, &self.signer)?;
            self.needs_recovery = false;
        }
        Ok(())
    }

    /// The last checkpoint known to be published.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.state.signed
    }

    /// The entry at `index`.
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, Error> {
        let end = index.checked_add(1).ok_or(ReadError::OutOfRange { asked: index, size: self.size() })?;
        let entry = self.entries(index..end)?.pop();
        Ok(entry.expect("invariant: a range of one entry has one entry"))
    }

    /// The entries of a range.
    pub fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, Error> {
        let tree = self.tree();
        let entries = tree.entries(range)?;
        entries.map(|entry| Ok(entry?.1)).collect()
    }

    /// The proof that entry `index` is in the tree of the first `size` entries (RFC 6962 section 2.1.1).
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<Hash>, Error> {
        Ok(self.tree().inclusion_proof(index, size)?)
    }

    /// The proof that the tree of the first `new_size` entries extends that of the first `old_size` (RFC 6962 section
    /// 2.1.2).
    pub fn consistency_proof(&self, old_size: u64, new_size: u64) -> Result<Vec<Hash>, Error> {
        Ok(self.tree().consistency_proof(old_size, new_size)?)
    }

    /// The storage, for serving published files.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    fn size(&self) -> u64 {
        self.state.frontier.size()
    }

    fn tree(&self) -> Tree<&S> {
        Tree::new(&self.storage, self.size())
    }

    /// Makes `next` history; see [`crate::commit`].
    fn commit(&mut self, next: State, files: &StagedFiles) -> Result<(), Error> {
        // Set first, so that an early return or a panic leaves it set.
        self.needs_recovery = true;
        let staging_file = files.encode();
        prepare(&mut self.storage, &next.signed, files, &staging_file)?;
        stage(&mut self.storage, next.signed.checkpoint(), &staging_file)?;
        commit_and_publish(&mut self.storage, Some(self.state.signed.note()), &next.signed, files)
            .map_err(Error::InDoubt)?;
        self.needs_recovery = clean_up(&mut self.storage, next.signed.checkpoint(), files).is_err();
        self.state = next;
        Ok(())
    }
}

impl State {
    /// The frontier and partial bundle after appending `entries`, and the files to publish.
    fn extend(&self, entries: &[Vec<u8>]) -> (Frontier, Vec<u8>, StagedFiles) {
        let (mut frontier, mut tail) = (self.frontier.clone(), self.tail.clone());
        let (mut full, mut files) = (Vec::new(), Vec::new());
        let bundle = |size: u64, width| {
            let tile = TilePath::new(TileKind::Entries, (size - 1) / u64::from(TILE_WIDTH), width);
            tile.expect("invariant: the width is that of a bundle with entries")
        };
        for entry in entries {
            frontier.push(leaf_hash(entry), &mut full);
            push_entry(&mut tail, entry);
            if frontier.size().is_multiple_of(u64::from(TILE_WIDTH)) {
                files.push((bundle(frontier.size(), TILE_WIDTH), std::mem::take(&mut tail)));
            }
        }
        let width = (frontier.size() % u64::from(TILE_WIDTH)) as u16;
        if width > 0 && !entries.is_empty() {
            files.push((bundle(frontier.size(), width), tail.clone()));
        }
        files.extend(full.iter().map(|(tile, hashes)| (*tile, encode_tile(hashes))));
        let old: Vec<TilePath> = self.frontier.partial_tiles().map(|(tile, _)| tile).collect();
        let changed = frontier.partial_tiles().filter(|(tile, _)| !old.contains(tile));
        files.extend(changed.map(|(tile, hashes)| (tile, encode_tile(hashes))));
        (frontier, tail, StagedFiles { files })
    }

    /// Completes the last committed append if necessary, and loads the state after it.
    fn recover<S: Storage>(storage: &mut S, signer: &LogSigner) -> Result<Self, Error> {
        let signed = read_checkpoint(storage, signer, LOCK_PATH)?;
        let published = read_checkpoint(storage, signer, CHECKPOINT_PATH)?;
        let Some(signed) = signed else {
            // The lock file was removed, so the last signed checkpoint is unknown.
            return Err(published
                .map_or(Error::NotFound, |published| Error::Diverged { published: published.size(), signed: 0 }));
        };
        if let Some(published) = &published {
            check_is_prefix(storage, published, &signed)?;
        }
        // If the last signed checkpoint is published, all its files are; only the clean-up may be incomplete.
        let published_fully = published.as_ref() == Some(&signed);
        let staged = storage.read(&staging_path(signed.checkpoint()))?;
        let files = match staged.as_deref().map(StagedFiles::parse) {
            Some(Ok(files)) => files,
            None | Some(Err(_)) if published_fully => StagedFiles::default(),
            Some(Err(corrupt)) => return Err(corrupt.into()),
            None => return Err(Error::StagingFileMissing { size: signed.size() }),
        };
        if !published_fully {
            commit_and_publish(storage, Some(signed.note()), &signed, &files)?;
        }
        let state = State::load(storage, signed)?;
        clean_up(storage, state.signed.checkpoint(), &files)?;
        for name in storage.list(STAGING_DIR)? {
            storage.remove(&format!("{STAGING_DIR}/{name}"))?;
        }
        Ok(state)
    }

    /// Loads the right edge of the published tree and verifies it against the signed root.
    fn load<S: Storage>(storage: &S, signed: SignedCheckpoint) -> Result<Self, Error> {
        let frontier = Frontier::load(storage, signed.size())?;
        if frontier.root() != *signed.root() {
            return Err(Error::WrongRoot { size: signed.size() });
        }
        let mut tail = Vec::new();
        let width = (signed.size() % u64::from(TILE_WIDTH)) as u16;
        if let Ok(bundle) = TilePath::new(TileKind::Entries, signed.size() / u64::from(TILE_WIDTH), width) {
            let entries = read_entries(storage, bundle)?;
            // The next version of this bundle will contain these bytes, so they must be the entries that were signed.
            let hashes: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
            let signed_hashes = frontier.partial_tiles().find(|(tile, _)| tile.kind() == TileKind::Hashes(0));
            if signed_hashes.map(|(_, hashes)| hashes) != Some(hashes.as_slice()) {
                return Err(Error::WrongRoot { size: signed.size() });
            }
            entries.iter().for_each(|entry| push_entry(&mut tail, entry));
        }
        Ok(State { frontier, tail, signed })
    }
}

fn sign(signer: &LogSigner, frontier: &Frontier, time_ms: u64) -> SignedCheckpoint {
    let origin = signer.verifier_key().origin().to_owned();
    signer.sign(Checkpoint { origin, size: frontier.size(), root: frontier.root() }, time_ms / 1000)
}

fn read_checkpoint<S: Storage>(
    storage: &S,
    signer: &LogSigner,
    path: &'static str,
) -> Result<Option<SignedCheckpoint>, Error> {
    let Some(bytes) = storage.read(path)? else { return Ok(None) };
    let note = str::from_utf8(&bytes).map_err(|_| NoteError::Malformed);
    let signed = note.and_then(|note| signer.verifier_key().open(note));
    signed.map(Some).map_err(|source| Error::Checkpoint { path, source })
}

/// Checks that the published tree is a prefix of the signed one, before anything else of the signed tree is published.
fn check_is_prefix<S: Storage>(
    storage: &S,
    published: &SignedCheckpoint,
    signed: &SignedCheckpoint,
) -> Result<(), Error> {
    let diverged = Error::Diverged { published: published.size(), signed: signed.size() };
    if published.size() > signed.size() || (published.size() == signed.size() && published.root() != signed.root()) {
        return Err(diverged);
    }
    if Frontier::load(storage, published.size())?.root() != *published.root() {
        return Err(Error::WrongRoot { size: published.size() });
    }
    Ok(())
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
