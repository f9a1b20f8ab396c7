//! Reading a whole log and believing nothing but the key and what the auditor remembers.
//!
//! Everything is computed again from the entries: every tile, the root, and the roots of the trees the auditor saw
//! before. So the errors can say what was changed, as far as that can be known.

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::hash::{Hash, leaf_hash, sha256};
use crate::key::VerifierKey;
use crate::note::NoteError;
use crate::storage::{Reader, StorageError};
use crate::tile::{CHECKPOINT_PATH, TILE_WIDTH, TileKind, TilePath};
use crate::tree::{Frontier, ReadError, read_entries, read_hashes};

/// What is wrong with a log.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// There is no checkpoint.
    #[error("the checkpoint is missing")]
    NoCheckpoint,
    /// The checkpoint is not one that the log signed.
    #[error("the checkpoint is not the log's: {0}")]
    Checkpoint(NoteError),
    /// A remembered checkpoint is of another log: the auditor's mistake.
    #[error("a remembered checkpoint is of another log, {0}")]
    OtherLog(String),
    /// The log shows fewer entries than it once signed for.
    #[error("the log was rolled back: it signed for {remembered} entries once and shows {shown}")]
    RolledBack {
        /// Size of the remembered tree.
        remembered: u64,
        /// Size of the tree now shown.
        shown: u64,
    },
    /// The log is sound in itself, but not the one seen before: it signed two histories. Both checkpoints together
    /// prove it.
    #[error("the log was forked: its first {remembered} entries are not those it signed for once")]
    Forked {
        /// Size of the remembered tree.
        remembered: u64,
    },
    /// A tile or bundle is missing or malformed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The entry is not the one that the tree was signed with.
    #[error("entry {0} was changed")]
    EntryChanged(u64),
    /// The entries are those that were signed for; this tile is not the one they make.
    #[error("{0} was changed")]
    TileChanged(TilePath),
    /// Entries and tiles agree with each other (or both were changed), and not with the signed root.
    #[error("the {size} entries are not those that were signed for")]
    WrongRoot {
        /// Entries in the signed tree.
        size: u64,
    },
    /// A bundle is no longer what it was when the tree was verified.
    #[error("{0} changed after it was verified")]
    ChangedSince(TilePath),
}

impl From<StorageError> for AuditError {
    fn from(error: StorageError) -> Self {
        AuditError::Read(error.into())
    }
}

/// A log found sound, and the way to its entries.
#[derive(Debug)]
pub struct TreeReport<R> {
    reader: R,
    checkpoint: SignedCheckpoint,
    tiles: u64,
    /// Digest of each verified bundle, so that entries read later are those that were verified.
    bundles: Vec<Hash>,
}

/// Reads and verifies the whole log in `reader` against the log's key and the checkpoints that the caller
/// `remembered` from earlier (in any order; none is fine, and then a rollback cannot be seen).
///
/// Takes time and reading in proportion to the log; memory for 32 bytes every 256 entries.
///
/// # Errors
/// The first thing found wrong.
pub fn verify_tree<R: Reader>(
    reader: R,
    key: &VerifierKey,
    remembered: &[Checkpoint],
) -> Result<TreeReport<R>, AuditError> {
    let note = reader.read(CHECKPOINT_PATH)?.ok_or(AuditError::NoCheckpoint)?;
    let note = str::from_utf8(&note).map_err(|_| AuditError::Checkpoint(NoteError::Malformed))?;
    let checkpoint = key.open(note).map_err(AuditError::Checkpoint)?;
    for old in remembered {
        if old.origin != checkpoint.checkpoint().origin {
            return Err(AuditError::OtherLog(old.origin.clone()));
        }
        if old.size > checkpoint.size() {
            return Err(AuditError::RolledBack { remembered: old.size, shown: checkpoint.size() });
        }
    }
    let mut audit = Audit { reader: &reader, size: checkpoint.size(), tiles: 0, differing: None, changed_entry: None };
    let (root, bundles, forked) = audit.run(remembered)?;
    let (tiles, differing, changed_entry) = (audit.tiles, audit.differing, audit.changed_entry);
    match (root == *checkpoint.root(), differing, changed_entry) {
        (true, Some(tile), _) => return Err(AuditError::TileChanged(tile)),
        (false, _, Some(index)) => return Err(AuditError::EntryChanged(index)),
        (false, _, None) => return Err(AuditError::WrongRoot { size: checkpoint.size() }),
        (true, None, _) => {}
    }
    match forked {
        Some(remembered) => Err(AuditError::Forked { remembered }),
        None => Ok(TreeReport { reader, checkpoint, tiles, bundles }),
    }
}

struct Audit<'r, R> {
    reader: &'r R,
    size: u64,
    tiles: u64,
    /// The first tile found that the entries do not make.
    differing: Option<TilePath>,
    /// The first entry found that the tile above it does not have.
    changed_entry: Option<u64>,
}

impl<R: Reader> Audit<'_, R> {
    /// Computes the tree from its entries; returns its root, the digests of the bundles, and the size of the first
    /// remembered tree that is not its beginning.
    fn run(&mut self, remembered: &[Checkpoint]) -> Result<(Hash, Vec<Hash>, Option<u64>), AuditError> {
        let mut remembered: Vec<&Checkpoint> = remembered.iter().collect();
        remembered.sort_by_key(|old| old.size);
        let mut remembered = remembered.into_iter().peekable();
        let (mut frontier, mut full, mut bundles, mut forked) = (Frontier::new(), Vec::new(), Vec::new(), None);
        let mut compare = |frontier: &Frontier| {
            while let Some(old) = remembered.next_if(|old| old.size == frontier.size()) {
                if old.root != frontier.root() {
                    forked = forked.or(Some(old.size));
                }
            }
        };
        compare(&frontier);
        while let Some(bundle) = TilePath::in_tree(TileKind::Entries, bundles.len() as u64, self.size) {
            let entries = read_entries(self.reader, bundle)?;
            bundles.push(digest(&entries));
            for entry in &entries {
                frontier.push(leaf_hash(entry), &mut full);
                compare(&frontier);
            }
            self.tiles += 1;
            for (tile, hashes) in full.drain(..) {
                self.check_tile(tile, &hashes)?;
            }
        }
        for (tile, hashes) in frontier.partial_tiles() {
            self.check_tile(tile, hashes)?;
        }
        Ok((frontier.root(), bundles, forked))
    }

    fn check_tile(&mut self, tile: TilePath, expected: &[Hash]) -> Result<(), AuditError> {
        let stored = read_hashes(self.reader, tile)?;
        self.tiles += 1;
        let Some(offset) = stored.iter().zip(expected).position(|(stored, expected)| stored != expected) else {
            return Ok(());
        };
        self.differing.get_or_insert(tile);
        if tile.kind() == TileKind::Hashes(0) {
            self.changed_entry.get_or_insert(tile.index() * u64::from(TILE_WIDTH) + offset as u64);
        }
        Ok(())
    }
}

impl<R: Reader> TreeReport<R> {
    /// The signed checkpoint that everything was checked against. Remember it for the next audit.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// Tiles and entry bundles read.
    pub fn tiles(&self) -> u64 {
        self.tiles
    }

    /// All entries with their indexes, from 0. They are read once more and checked to be those that were verified.
    pub fn entries(&self) -> impl Iterator<Item = NumberedEntry> {
        let mut failed = false;
        (0..self.bundles.len() as u64)
            .map(|index| self.bundle(index))
            .take_while(move |bundle| {
                let stopped = failed;
                failed |= bundle.is_err();
                !stopped
            })
            .flat_map(|bundle| match bundle {
                Ok(entries) => entries,
                Err(error) => vec![Err(error)],
            })
    }

    fn bundle(&self, index: u64) -> Result<Vec<NumberedEntry>, AuditError> {
        let bundle = TilePath::in_tree(TileKind::Entries, index, self.checkpoint.size())
            .expect("invariant: only bundles within the tree were verified");
        let entries = read_entries(&self.reader, bundle)?;
        if digest(&entries) != self.bundles[index as usize] {
            return Err(AuditError::ChangedSince(bundle));
        }
        Ok((index * u64::from(TILE_WIDTH)..).zip(entries).map(Ok).collect())
    }
}

/// An entry with its index, as the iterator gives it.
type NumberedEntry = Result<(u64, Vec<u8>), AuditError>;

/// Over leaf hashes, so that it is the same for a bundle read whole and for the beginning of a wider one.
fn digest(entries: &[Vec<u8>]) -> Hash {
    let hashes: Vec<u8> = entries.iter().flat_map(|entry| leaf_hash(entry).0).collect();
    sha256(&hashes)
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
