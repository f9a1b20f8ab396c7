//! The tree over its tiles: appending at its right edge, and reading hashes, proofs and entries from stored tiles.

use crate::bundle::{BundleError, parse_bundle};
use crate::hash::{Hash, empty_root, node_hash};
use crate::storage::{Reader, StorageError};
use crate::tile::{TILE_HEIGHT, TILE_WIDTH, TileFormatError, TileKind, TilePath, parse_tile, subtree_root};
use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

/// Tile levels that a tree of 64-bit size can have.
const TILE_LEVELS: u8 = (u64::BITS / TILE_HEIGHT) as u8;

/// Why a tile or an entry could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file that the tree requires does not exist.
    #[error("{0} is missing")]
    Missing(TilePath),
    /// The tile does not have the number of hashes that its path says.
    #[error("{0}: {1}")]
    Tile(TilePath, TileFormatError),
    /// The bundle does not have the number of entries that its path says.
    #[error("{0}: {1}")]
    Bundle(TilePath, BundleError),
    /// The requested index or size is beyond the tree.
    #[error("{asked} is beyond the tree of {size} entries")]
    OutOfRange {
        /// The requested index or size.
        asked: u64,
        /// Entries in the tree.
        size: u64,
    },
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The right edge of a tree: for each tile level, the hashes of the tile that is not full yet. It suffices to compute
/// the root and to append.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

impl Frontier {
    /// The right edge of the empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the right edge of the tree of `size` entries. Does not check its root.
    pub fn load(reader: &impl Reader, size: u64) -> Result<Self, ReadError> {
        let mut levels = Vec::new();
        for level in 0..TILE_LEVELS {
            let hashes = size >> (u32::from(level) * TILE_HEIGHT);
            let (index, width) = (hashes / u64::from(TILE_WIDTH), (hashes % u64::from(TILE_WIDTH)) as u16);
            levels.push(match TilePath::new(TileKind::Hashes(level), index, width) {
                Ok(tile) => read_hashes(reader, tile)?,
                Err(_) => Vec::new(),
            });
        }
        while levels.last().is_some_and(Vec::is_empty) {
            levels.pop();
        }
        Ok(Frontier { size, levels })
    }

    /// Entries in the tree.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends an entry by its leaf hash. Tiles that become full are pushed to `full`, level 0 first.
    pub fn push(&mut self, leaf: Hash, full: &mut Vec<(TilePath, Vec<Hash>)>) {
        self.size += 1;
        let mut carry = Some(leaf);
        for level in 0..TILE_LEVELS {
            let Some(hash) = carry.take() else { break };
            if self.levels.len() == usize::from(level) {
                self.levels.push(Vec::new());
            }
            let hashes = &mut self.levels[usize::from(level)];
            hashes.push(hash);
            if hashes.len() == usize::from(TILE_WIDTH) {
                carry = Some(subtree_root(hashes));
                let index = (self.size >> (u32::from(level) * TILE_HEIGHT)) / u64::from(TILE_WIDTH) - 1;
                let tile = TilePath::new(TileKind::Hashes(level), index, TILE_WIDTH);
                full.push((tile.expect("invariant: level and width are in range"), std::mem::take(hashes)));
            }
        }
    }

    /// The root hash of the tree.
    pub fn root(&self) -> Hash {
        // From the smallest complete subtree on the right to the largest on the left (RFC 6962 section 2.1).
        let mut root = None;
        for hashes in &self.levels {
            let mut end = hashes.len();
            while end > 0 {
                let peak = 1 << end.trailing_zeros();
                let hash = subtree_root(&hashes[end - peak..end]);
                root = Some(root.map_or(hash, |right| node_hash(&hash, &right)));
                end -= peak;
            }
        }
        root.unwrap_or_else(empty_root)
    }

    /// The partial tiles, lowest level first.
    pub fn partial_tiles(&self) -> impl Iterator<Item = (TilePath, &[Hash])> {
        self.levels.iter().enumerate().filter(|(_, hashes)| !hashes.is_empty()).map(|(level, hashes)| {
            let kind = TileKind::Hashes(level as u8);
            let index = (self.size >> (level as u32 * TILE_HEIGHT)) / u64::from(TILE_WIDTH);
            let tile = TilePath::new(kind, index, hashes.len() as u16);
            (tile.expect("invariant: level and width are in range"), hashes.as_slice())
        })
    }
}

/// Hashes, proofs and entries of a tree of a given size, read from its tiles. Stored tiles are not verified: the
/// recipient of a proof verifies it.
pub struct Tree<R> {
    reader: R,
    size: u64,
    tiles: RefCell<HashMap<TilePath, Vec<Hash>>>,
}

impl<R: Reader> Tree<R> {
    /// The tree of `size` entries in this storage. Caches every tile it reads.
    pub fn new(reader: R, size: u64) -> Self {
        Tree { reader, size, tiles: RefCell::default() }
    }

    /// The root hash over the first `size` entries.
    pub fn root(&self, size: u64) -> Result<Hash, ReadError> {
        self.within(size)?;
        if size == 0 { Ok(empty_root()) } else { self.range(0..size) }
    }

    /// The proof that entry `index` is in the tree of the first `size` entries (RFC 6962 section 2.1.1).
    pub fn inclusion_proof(&self, index: u64, size: u64) -> Result<Vec<Hash>, ReadError> {
        self.within(size)?;
        if index >= size {
            return Err(ReadError::OutOfRange { asked: index, size });
        }
        let mut siblings = Vec::new();
        let mut range = 0..size;
        while range.end - range.start > 1 {
            let (left, right) = split(&range);
            let (own, sibling) = if index < left.end { (left, right) } else { (right, left) };
            siblings.push(sibling);
            range = own;
        }
        siblings.into_iter().rev().map(|sibling| self.range(sibling)).collect()
    }

    /// The proof that the first `new_size` entries begin with the first `old_size` (RFC 6962 section 2.1.2). Empty for
    /// equal sizes and from the empty tree.
    pub fn consistency_proof(&self, old_size: u64, new_size: u64) -> Result<Vec<Hash>, ReadError> {
        self.within(new_size)?;
        if old_size > new_size {
            return Err(ReadError::OutOfRange { asked: old_size, size: new_size });
        }
        if old_size == 0 || old_size == new_size {
            return Ok(Vec::new());
        }
        let mut parts = Vec::new();
        let mut range = 0..new_size;
        while range.end != old_size {
            let (left, right) = split(&range);
            let (own, sibling) = if old_size <= left.end { (left, right) } else { (right, left) };
            parts.push(sibling);
            range = own;
        }
        // Where the old tree is the whole leftmost subtree, the verifier has its root already.
        if range.start > 0 {
            parts.push(range);
        }
        parts.into_iter().rev().map(|part| self.range(part)).collect()
    }

    /// The entries of a range, reading one bundle at a time.
    pub fn entries(&self, range: Range<u64>) -> Result<Entries<'_, R>, ReadError> {
        self.within(range.end)?;
        Ok(Entries { reader: &self.reader, size: self.size, range, bundle: Vec::new().into_iter() })
    }

    fn within(&self, size: u64) -> Result<(), ReadError> {
        if size > self.size { Err(ReadError::OutOfRange { asked: size, size: self.size }) } else { Ok(()) }
    }

    /// The hash over a range that results from RFC 6962 splits.
    fn range(&self, range: Range<u64>) -> Result<Hash, ReadError> {
        let count = range.end - range.start;
        if count.is_power_of_two() {
            let level = count.trailing_zeros();
            return self.node(level, range.start >> level);
        }
        let (left, right) = split(&range);
        Ok(node_hash(&self.range(left)?, &self.range(right)?))
    }

    /// The root of complete subtree number `index` (from 0, left to right) of 2^`level` entries.
    fn node(&self, level: u32, index: u64) -> Result<Hash, ReadError> {
        let (tile_level, height) = (level / TILE_HEIGHT, level % TILE_HEIGHT);
        let first = index << height;
        let (tile, offset) = (first / u64::from(TILE_WIDTH), (first % u64::from(TILE_WIDTH)) as usize);
        let tile = TilePath::in_tree(TileKind::Hashes(tile_level as u8), tile, self.size)
            .expect("invariant: every complete subtree within the tree has its hash in a tile");
        let mut tiles = self.tiles.borrow_mut();
        let hashes = match tiles.entry(tile) {
            Entry::Occupied(read) => read.into_mut(),
            Entry::Vacant(unread) => unread.insert(read_hashes(&self.reader, tile)?),
        };
        Ok(subtree_root(&hashes[offset..offset + (1 << height)]))
    }
}

/// Splits a range at the largest power of two below its length (RFC 6962 section 2.1).
fn split(range: &Range<u64>) -> (Range<u64>, Range<u64>) {
    let middle = range.start + (1 << (range.end - range.start - 1).ilog2());
    (range.start..middle, middle..range.end)
}

/// Entries with their indexes, from [`Tree::entries`].
pub struct Entries<'r, R> {
    reader: &'r R,
    size: u64,
    range: Range<u64>,
    bundle: std::vec::IntoIter<Vec<u8>>,
}

impl<R: Reader> Iterator for Entries<'_, R> {
    type Item = Result<(u64, Vec<u8>), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.range.is_empty() {
            return None;
        }
        let index = self.range.start;
        if self.bundle.len() == 0 {
            let tile = TilePath::in_tree(TileKind::Entries, index / u64::from(TILE_WIDTH), self.size)
                .expect("invariant: the range is within the tree");
            match read_entries(self.reader, tile) {
                Ok(entries) => self.bundle = entries.into_iter(),
                Err(error) => {
                    self.range.start = self.range.end;
                    return Some(Err(error));
                }
            }
            for _ in 0..index % u64::from(TILE_WIDTH) {
                self.bundle.next();
            }
        }
        self.range.start += 1;
        self.bundle.next().map(|entry| Ok((index, entry)))
    }
}

/// Reads a hash tile. If a partial tile was removed, the prefix of the full tile is used.
pub fn read_hashes(reader: &impl Reader, tile: TilePath) -> Result<Vec<Hash>, ReadError> {
    let (found, bytes) = read_tile(reader, tile)?;
    let mut hashes = parse_tile(&bytes, found.width()).map_err(|error| ReadError::Tile(found, error))?;
    hashes.truncate(usize::from(tile.width()));
    Ok(hashes)
}

/// Reads an entry bundle. If a partial bundle was removed, the prefix of the full bundle is used.
pub fn read_entries(reader: &impl Reader, tile: TilePath) -> Result<Vec<Vec<u8>>, ReadError> {
    let bundle = Bundle::read(reader, tile)?;
    Ok(bundle.entries()?.into_iter().map(<[u8]>::to_vec).collect())
}

/// The bytes of an entry bundle, so that its entries can be borrowed instead of copied.
pub(crate) struct Bundle {
    wanted: TilePath,
    found: TilePath,
    bytes: Vec<u8>,
}

impl Bundle {
    /// Reads the bundle; see [`read_entries`].
    pub(crate) fn read(reader: &impl Reader, wanted: TilePath) -> Result<Self, ReadError> {
        let (found, bytes) = read_tile(reader, wanted)?;
        Ok(Bundle { wanted, found, bytes })
    }

    /// The entries.
    pub(crate) fn entries(&self) -> Result<Vec<&[u8]>, ReadError> {
        let parsed = parse_bundle(&self.bytes, self.found.width());
        let mut entries = parsed.map_err(|error| ReadError::Bundle(self.found, error))?;
        entries.truncate(usize::from(self.wanted.width()));
        Ok(entries)
    }
}

fn read_tile(reader: &impl Reader, tile: TilePath) -> Result<(TilePath, Vec<u8>), ReadError> {
    for tile in [tile, tile.full()] {
        if let Some(bytes) = reader.read(&tile.to_string())? {
            return Ok((tile, bytes));
        }
    }
    Err(ReadError::Missing(tile))
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
