//! The log as its one writer sees it.

use crate::bundle::{MAX_ENTRY_LEN, push_entry};
use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::hash::{Hash, leaf_hash};
use crate::key::{CosignerKey, LogSigner};
use crate::note::NoteError;
use crate::sequence::{LOCK_PATH, STAGE_DIR, commit_and_publish, stage, stage_path, tidy};
use crate::stage::{Stage, StageError};
use crate::storage::{Storage, StorageError};
use crate::tile::{CHECKPOINT_PATH, TILE_WIDTH, TileKind, TilePath, encode_tile};
use crate::tree::{Frontier, ReadError, Tree, read_entries};
use std::ops::Range;

/// Most entries in one append. Bounds the staged file, which holds all of them, to some 84 MiB; callers with more
/// append more often.
pub const MAX_APPEND_ENTRIES: usize = 1024;

/// Why the log could not be opened, read or appended to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no log in this storage.
    #[error("there is no log here")]
    NotFound,
    /// There is a log, or a part of one, in this storage already.
    #[error("there is a log here already")]
    AlreadyExists,
    /// An entry is longer than [`MAX_ENTRY_LEN`].
    #[error("an entry of {0} bytes is longer than a log takes ({MAX_ENTRY_LEN})")]
    EntryTooLong(usize),
    /// More than [`MAX_APPEND_ENTRIES`] at once.
    #[error("{0} entries are more than one append takes ({MAX_APPEND_ENTRIES})")]
    TooManyEntries(usize),
    /// A tile or an entry could not be read, or lies beyond the tree.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The storage failed before this call committed anything: its entries are not in the log.
    #[error("the log's storage failed: {0}")]
    Storage(#[from] StorageError),
    /// The storage failed while committing or publishing: the entries may be in the log for good, or not at all.
    /// [`Log::recover`] (or the next append, or opening again) settles which; do not append the same entries before.
    #[error("it is not known whether the entries were appended: {0}")]
    InDoubt(StorageError),
    /// The lock or the published checkpoint is not one that this signer signed.
    #[error("{path}: {source}")]
    Checkpoint {
        /// Which of the two.
        path: &'static str,
        /// What is wrong with it.
        source: NoteError,
    },
    /// The line is not the witness's cosignature on the current checkpoint; perhaps it is on an older one.
    #[error("not a cosignature on the current checkpoint: {0}")]
    Cosignature(NoteError),
    /// What is published is not a beginning of what was signed last: the storage was rolled back or changed. Signing on
    /// would fork the log, so it stays closed.
    #[error("the published log of {published} entries is not a part of the last signed one of {signed}")]
    Diverged {
        /// Size of the published checkpoint.
        published: u64,
        /// Size of the checkpoint in the lock.
        signed: u64,
    },
    /// The stored tiles do not lead to the signed root.
    #[error("the stored tiles do not lead to the root signed for {size} entries")]
    WrongRoot {
        /// Entries in the signed tree.
        size: u64,
    },
    /// A committed step has to be finished, but what it was going to publish is gone.
    #[error("the staged files for the signed tree of {size} entries are missing")]
    StageMissing {
        /// Entries in the signed tree.
        size: u64,
    },
    /// A committed step has to be finished, but what it was going to publish is damaged.
    #[error(transparent)]
    Stage(#[from] StageError),
}

/// What an append did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Index of the first of the entries; the others follow it.
    pub first_index: u64,
    /// The signed tree that holds them.
    pub checkpoint: SignedCheckpoint,
}

/// An open log. One writer: the storage keeps others out.
pub struct Log<S> {
    storage: S,
    signer: LogSigner,
    state: State,
    /// A step failed halfway; nothing may be signed before it is known how it ended.
    unsettled: bool,
}

/// The log's last finished step.
struct State {
    frontier: Frontier,
    /// The entry bundle that is not full yet.
    tail: Vec<u8>,
    signed: SignedCheckpoint,
}

impl<S: Storage> Log<S> {
    /// Starts a log under the signer's origin. `time_ms` (milliseconds since the Unix epoch, as everywhere here) goes
    /// into the checkpoint of the empty tree.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] where there is a log; then [`Log::open`] it.
    pub fn create(mut storage: S, signer: LogSigner, time_ms: u64) -> Result<Self, Error> {
        if storage.read(LOCK_PATH)?.is_some() || storage.read(CHECKPOINT_PATH)?.is_some() {
            return Err(Error::AlreadyExists);
        }
        let frontier = Frontier::new();
        let signed = sign(&signer, &frontier, time_ms);
        let empty = Stage::default();
        stage(&mut storage, signed.checkpoint(), &empty)?;
        commit_and_publish(&mut storage, None, &signed, &empty).map_err(Error::InDoubt)?;
        let unsettled = tidy(&mut storage, signed.checkpoint(), &empty).is_err();
        Ok(Log { storage, signer, state: State { frontier, tail: Vec::new(), signed }, unsettled })
    }

    /// Opens a log for writing. Finishes a step that was committed and not published, and checks that the stored right
    /// edge leads to the signed root.
    pub fn open(mut storage: S, signer: LogSigner) -> Result<Self, Error> {
        let state = State::recover(&mut storage, &signer)?;
        Ok(Log { storage, signer, state, unsettled: false })
    }

    /// Opens the log, or starts it where there is none.
    pub fn open_or_create(storage: S, signer: LogSigner, time_ms: u64) -> Result<Self, Error> {
        let exists = storage.read(LOCK_PATH)?.is_some() || storage.read(CHECKPOINT_PATH)?.is_some();
        if exists { Self::open(storage, signer) } else { Self::create(storage, signer, time_ms) }
    }

    /// Appends entries, in order. When this returns they are durable and published under the returned checkpoint,
    /// which says `time_ms` (rounded down to seconds). Without entries, signs the same tree with a newer time.
    ///
    /// # Errors
    /// After [`Error::InDoubt`] see there; after any other error the entries are not in the log.
    pub fn append(&mut self, entries: &[Vec<u8>], time_ms: u64) -> Result<Appended, Error> {
        if entries.len() > MAX_APPEND_ENTRIES {
            return Err(Error::TooManyEntries(entries.len()));
        }
        if let Some(long) = entries.iter().find(|entry| entry.len() > MAX_ENTRY_LEN) {
            return Err(Error::EntryTooLong(long.len()));
        }
        self.recover()?;
        let first_index = self.state.frontier.size();
        let (frontier, tail, files) = self.state.grow(entries);
        let signed = sign(&self.signer, &frontier, time_ms);
        self.step(State { frontier, tail, signed }, &files)?;
        Ok(Appended { first_index, checkpoint: self.state.signed.clone() })
    }

    /// Adds a witness's cosignature line to the published checkpoint, after checking it.
    ///
    /// # Errors
    /// [`Error::Cosignature`], and those of [`Log::append`].
    pub fn add_cosignature(&mut self, witness: &CosignerKey, line: &str) -> Result<&SignedCheckpoint, Error> {
        self.recover()?;
        let signed = witness.attach(&self.state.signed, line).map_err(Error::Cosignature)?;
        let (frontier, tail, files) = self.state.grow(&[]);
        self.step(State { frontier, tail, signed }, &files)?;
        Ok(&self.state.signed)
    }

    /// Finds out how a step ended that failed with [`Error::InDoubt`], and finishes it if it was committed. Compare
    /// [`Log::checkpoint`] before and after: if it grew, the entries are in.
    pub fn recover(&mut self) -> Result<(), Error> {
        if self.unsettled {
            self.state = State::recover(&mut self.storage, &self.signer)?;
            self.unsettled = false;
        }
        Ok(())
    }

    /// The last checkpoint that is known to be published.
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

    /// The proof that entry `index` is in the tree of the first `size` entries.
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<Hash>, Error> {
        Ok(self.tree().inclusion_proof(index, size)?)
    }

    /// The proof that the tree of the first `new_size` entries begins with the tree of the first `old_size`.
    pub fn consistency_proof(&self, old_size: u64, new_size: u64) -> Result<Vec<Hash>, Error> {
        Ok(self.tree().consistency_proof(old_size, new_size)?)
    }

    /// The storage, to serve published files from.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    fn size(&self) -> u64 {
        self.state.frontier.size()
    }

    fn tree(&self) -> Tree<&S> {
        Tree::new(&self.storage, self.size())
    }

    /// Makes `next` history, see [`crate::sequence`].
    fn step(&mut self, next: State, files: &Stage) -> Result<(), Error> {
        // Pessimism first: an early return, or a panic below, leaves it standing.
        self.unsettled = true;
        stage(&mut self.storage, next.signed.checkpoint(), files)?;
        commit_and_publish(&mut self.storage, Some(self.state.signed.note()), &next.signed, files)
            .map_err(Error::InDoubt)?;
        self.unsettled = tidy(&mut self.storage, next.signed.checkpoint(), files).is_err();
        self.state = next;
        Ok(())
    }
}

impl State {
    /// The state after `entries`, and the files that lead there.
    fn grow(&self, entries: &[Vec<u8>]) -> (Frontier, Vec<u8>, Stage) {
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
        (frontier, tail, Stage { files })
    }

    /// Finishes the last committed step if it needs that, and loads the state after it.
    fn recover<S: Storage>(storage: &mut S, signer: &LogSigner) -> Result<Self, Error> {
        let signed = read_checkpoint(storage, signer, LOCK_PATH)?;
        let published = read_checkpoint(storage, signer, CHECKPOINT_PATH)?;
        let Some(signed) = signed else {
            // Published, but not by a lock that is here: somebody removed it, and what it said is not known.
            return Err(published
                .map_or(Error::NotFound, |published| Error::Diverged { published: published.size(), signed: 0 }));
        };
        if let Some(published) = &published {
            check_is_beginning(storage, published, &signed)?;
        }
        // Under the published checkpoint all is published already; only tidying can be left to do.
        let finished = published.as_ref() == Some(&signed);
        let staged = storage.read(&stage_path(signed.checkpoint()))?;
        let files = match staged.as_deref().map(Stage::parse) {
            Some(Ok(files)) => files,
            None | Some(Err(_)) if finished => Stage::default(),
            Some(Err(damaged)) => return Err(damaged.into()),
            None => return Err(Error::StageMissing { size: signed.size() }),
        };
        if !finished {
            commit_and_publish(storage, Some(signed.note()), &signed, &files)?;
        }
        let state = State::load(storage, signed)?;
        tidy(storage, state.signed.checkpoint(), &files)?;
        for name in storage.list(STAGE_DIR)? {
            storage.remove(&format!("{STAGE_DIR}/{name}"))?;
        }
        Ok(state)
    }

    /// Reads the right edge of the published tree and checks it against the signed root.
    fn load<S: Storage>(storage: &S, signed: SignedCheckpoint) -> Result<Self, Error> {
        let frontier = Frontier::load(storage, signed.size())?;
        if frontier.root() != *signed.root() {
            return Err(Error::WrongRoot { size: signed.size() });
        }
        let mut tail = Vec::new();
        let width = (signed.size() % u64::from(TILE_WIDTH)) as u16;
        if let Ok(bundle) = TilePath::new(TileKind::Entries, signed.size() / u64::from(TILE_WIDTH), width) {
            let entries = read_entries(storage, bundle)?;
            // The next bundle will repeat these bytes; repeating wrong ones would publish entries nobody appended.
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

/// Checks, before anything of the signed step is published, that it continues what is published.
fn check_is_beginning<S: Storage>(
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
