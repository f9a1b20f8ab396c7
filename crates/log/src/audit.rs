//! Verification of a whole log, trusting only its public key and the auditor's remembered checkpoints.
//!
//! Everything is recomputed from the entries: every tile, the root, and the roots of the remembered trees. Errors
//! therefore name the modified file or entry, as far as it can be known.

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::hash::{HASH_LEN, Hash, leaf_hash, sha256};
use crate::key::VerifierKey;
use crate::note::NoteError;
use crate::storage::{Reader, StorageError};
use crate::tile::{CHECKPOINT_PATH, TILE_WIDTH, TileKind, TilePath};
use crate::tree::{Bundle, Frontier, ReadError, read_hashes};

/// Why a log does not verify.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// There is no checkpoint.
    #[error("the checkpoint is missing")]
    NoCheckpoint,
    /// The checkpoint is not signed by the log.
    #[error("the checkpoint is not signed by the log: {0}")]
    Checkpoint(NoteError),
    /// A remembered checkpoint belongs to another log: an error of the caller.
    #[error("a remembered checkpoint belongs to another log, {0}")]
    OtherLog(String),
    /// The log has fewer entries than it signed for earlier.
    #[error("the log was rolled back: it signed for {remembered} entries and shows {shown}")]
    RolledBack {
        /// Size of the remembered tree.
        remembered: u64,
        /// Size of the tree shown now.
        shown: u64,
    },
    /// The log is internally consistent but does not extend a remembered tree: it signed two histories. The two
    /// checkpoints prove it.
    #[error("the log was forked: its first {remembered} entries are not those it signed for earlier")]
    Forked {
        /// Size of the remembered tree.
        remembered: u64,
    },
    /// A tile or bundle is missing or malformed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The entry is not the one in the signed tree.
    #[error("entry {0} was modified")]
    EntryModified(u64),
    /// The entries match the signed root; this tile does not match the entries.
    #[error("{0} was modified")]
    TileModified(TilePath),
    /// Entries and tiles are consistent with each other (or both were modified), but not with the signed root.
    #[error("the {size} entries do not match the signed root")]
    WrongRoot {
        /// Entries in the signed tree.
        size: u64,
    },
    /// A bundle was modified after the tree was verified.
    #[error("{0} was modified after it was verified")]
    ModifiedSince(TilePath),
}

impl From<StorageError> for AuditError {
    fn from(error: StorageError) -> Self {
        AuditError::Read(error.into())
    }
}

/// A verified log, giving access to its entries.
#[derive(Debug)]
pub struct TreeReport<R> {
    reader: R,
    checkpoint: SignedCheckpoint,
    frontier: Frontier,
    tiles: u64,
    /// Digest of each verified bundle, so that entries read later are checked to be the verified ones.
    bundles: Vec<Hash>,
}

/// Reads and verifies the whole log in `reader` against the log's key and the checkpoints that the caller `remembered`
/// from earlier, in any order. Without remembered checkpoints a rollback or fork cannot be detected.
///
/// Time and I/O are linear in the size of the log; memory is 32 bytes per 256 entries.
///
/// # Errors
/// The first problem found.
pub fn verify_tree<R: Reader>(
    reader: R,
    key: &VerifierKey,
    remembered: &[Checkpoint],
) -> Result<TreeReport<R>, AuditError> {
    verify_tree_visiting(reader, key, remembered, |_, _| {})
}

/// [`verify_tree`], passing every entry with its index to `visit` while it is read, so that a caller that needs all
/// entries reads them only once.
///
/// Until this function returns `Ok`, the visited entries are unverified: discard what was computed from them on an error.
///
/// # Errors
/// The first problem found.
pub fn verify_tree_visiting<R: Reader>(
    reader: R,
    key: &VerifierKey,
    remembered: &[Checkpoint],
    mut visit: impl FnMut(u64, &[u8]),
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
    let mut audit = Audit { reader: &reader, size: checkpoint.size(), tiles: 0, differing: None, modified_entry: None };
    let (frontier, bundles, forked) = audit.run(remembered, &mut visit)?;
    let root = frontier.root();
    let (tiles, differing, modified_entry) = (audit.tiles, audit.differing, audit.modified_entry);
    match (root == *checkpoint.root(), differing, modified_entry) {
        (true, Some(tile), _) => return Err(AuditError::TileModified(tile)),
        (false, _, Some(index)) => return Err(AuditError::EntryModified(index)),
        (false, _, None) => return Err(AuditError::WrongRoot { size: checkpoint.size() }),
        (true, None, _) => {}
    }
    match forked {
        Some(remembered) => Err(AuditError::Forked { remembered }),
        None => Ok(TreeReport { reader, checkpoint, frontier, tiles, bundles }),
    }
}

struct Audit<'r, R> {
    reader: &'r R,
    size: u64,
    tiles: u64,
    /// The first tile that does not match the entries.
    differing: Option<TilePath>,
    /// The first entry that does not match its leaf hash in the level-0 tile.
    modified_entry: Option<u64>,
}

impl<R: Reader> Audit<'_, R> {
    /// Computes the tree from its entries. Returns its right edge, the digests of the bundles, and the size of the smallest
    /// remembered tree that is not a prefix of it.
    fn run(
        &mut self,
        remembered: &[Checkpoint],
        visit: &mut impl FnMut(u64, &[u8]),
    ) -> Result<(Frontier, Vec<Hash>, Option<u64>), AuditError> {
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
            let bundle = Bundle::read(self.reader, bundle)?;
            let entries = bundle.entries()?;
            (frontier.size()..).zip(&entries).for_each(|(index, entry)| visit(index, entry));
            let leaves: Vec<Hash> = entries.into_iter().map(leaf_hash).collect();
            bundles.push(digest(&leaves));
            for leaf in leaves {
                frontier.push(leaf, &mut full);
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
        Ok((frontier, bundles, forked))
    }

    fn check_tile(&mut self, tile: TilePath, expected: &[Hash]) -> Result<(), AuditError> {
        let stored = read_hashes(self.reader, tile)?;
        self.tiles += 1;
        let Some(offset) = stored.iter().zip(expected).position(|(stored, expected)| stored != expected) else {
            return Ok(());
        };
        self.differing.get_or_insert(tile);
        if tile.kind() == TileKind::Hashes(0) {
            self.modified_entry.get_or_insert(tile.index() * u64::from(TILE_WIDTH) + offset as u64);
        }
        Ok(())
    }
}

impl<R: Reader> TreeReport<R> {
    /// The signed checkpoint that the log was verified against. Remember it for the next audit.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// What it takes to verify entries that are added later without reading the earlier ones again.
    pub fn follow(self) -> FollowedTree {
        FollowedTree { frontier: self.frontier, checkpoint: self.checkpoint }
    }

    /// Number of tiles and entry bundles read.
    pub fn tiles(&self) -> u64 {
        self.tiles
    }

    /// All entries with their indexes, from 0. They are read again and checked to be the verified ones. After an error
    /// the iterator ends.
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
        let read = Bundle::read(&self.reader, bundle)?;
        let entries = read.entries()?;
        let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        if digest(&leaves) != self.bundles[index as usize] {
            return Err(AuditError::ModifiedSince(bundle));
        }
        Ok((index * u64::from(TILE_WIDTH)..).zip(entries.into_iter().map(<[u8]>::to_vec)).map(Ok).collect())
    }
}

/// A verified tree that is followed while it grows: of each newer tree only the entries that were added are read. From
/// [`TreeReport::follow`].
#[derive(Debug, Clone)]
pub struct FollowedTree {
    frontier: Frontier,
    checkpoint: SignedCheckpoint,
}

impl FollowedTree {
    /// The checkpoint up to which everything is verified.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// Verifies that the tree of `newer` is this one with entries added to it, which are read from `reader` and passed to `visit`
    /// with their indexes. Until this function returns `Ok` they are unverified. After an error this tree is as before.
    ///
    /// # Errors
    /// [`AuditError::RolledBack`], [`AuditError::OtherLog`]; [`AuditError::WrongRoot`] if this tree and the entries do not make the
    /// newer one: [`verify_tree`] of the whole newer log then tells a fork from a modified file.
    pub fn advance(
        &mut self,
        reader: &impl Reader,
        newer: &SignedCheckpoint,
        mut visit: impl FnMut(u64, &[u8]),
    ) -> Result<(), AuditError> {
        let older = self.checkpoint.checkpoint();
        if older.origin != newer.checkpoint().origin {
            return Err(AuditError::OtherLog(older.origin.clone()));
        }
        if newer.size() < older.size {
            return Err(AuditError::RolledBack { remembered: older.size, shown: newer.size() });
        }
        let (mut frontier, mut full) = (self.frontier.clone(), Vec::new());
        while frontier.size() < newer.size() {
            let first = frontier.size();
            let (index, skip) = (first / u64::from(TILE_WIDTH), (first % u64::from(TILE_WIDTH)) as usize);
            let bundle = TilePath::in_tree(TileKind::Entries, index, newer.size())
                .expect("invariant: the entry is within the tree");
            let bundle = Bundle::read(reader, bundle)?;
            for (index, entry) in (first..).zip(bundle.entries()?.into_iter().skip(skip)) {
                visit(index, entry);
                frontier.push(leaf_hash(entry), &mut full);
            }
            full.clear();
        }
        if frontier.root() != *newer.root() {
            return Err(AuditError::WrongRoot { size: newer.size() });
        }
        (self.frontier, self.checkpoint) = (frontier, newer.clone());
        Ok(())
    }
}

/// An item of [`TreeReport::entries`]: an entry with its index.
type NumberedEntry = Result<(u64, Vec<u8>), AuditError>;

/// The digest of a bundle, computed over its leaf hashes, so that a partial bundle and the prefix of the full bundle have
/// the same digest.
fn digest(leaves: &[Hash]) -> Hash {
    let mut bytes = Vec::with_capacity(leaves.len() * HASH_LEN);
    leaves.iter().for_each(|leaf| bytes.extend_from_slice(leaf.as_bytes()));
    sha256(&bytes)
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
