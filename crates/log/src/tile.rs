//! File names, and the contents of hash tiles (C2SP tlog-tiles, "Merkle Tree" and "Log entries").

use crate::hash::{HASH_LEN, Hash, node_hash};
use std::fmt;

/// Hashes in a full tile, entries in a full bundle; fixed by tlog-tiles.
pub const TILE_WIDTH: u16 = 256;

/// Tree levels that one tile spans: log2 of [`TILE_WIDTH`].
pub const TILE_HEIGHT: u32 = 8;

/// Highest tile level in a path; fixed by tlog-tiles. A tree of 64-bit size has 8 levels.
pub const MAX_TILE_LEVEL: u8 = 63;

/// Path of the current signed checkpoint.
pub const CHECKPOINT_PATH: &str = "checkpoint";

/// Longest path [`TilePath::parse`] accepts. The path of the largest 64-bit index is shorter.
pub const MAX_TILE_PATH_LEN: usize = 64;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes at this tile level. Level 0 holds leaf hashes; a hash of each higher level covers 256 times as many entries.
    Hashes(u8),
    /// The entries of the level-0 tile with the same index.
    Entries,
}

/// The path of a tile or entry bundle: `tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]`.
///
/// Parsing accepts only the canonical spelling, so a parsed path is safe as a file name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    kind: TileKind,
    index: u64,
    width: u16,
}

/// The text is not the path of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the path of a tile")]
pub struct TilePathError;

/// The bytes are not a tile of the expected width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a tile of {expected} hashes has {} bytes, not {bytes}", usize::from(*expected) * HASH_LEN)]
pub struct TileFormatError {
    /// Hashes expected.
    pub expected: u16,
    /// Bytes found.
    pub bytes: usize,
}

impl TilePath {
    /// The path of tile number `index` (from 0) of `kind` with `width` hashes or entries.
    ///
    /// # Errors
    /// `width` is not 1 to 256, or the level is above [`MAX_TILE_LEVEL`].
    pub fn new(kind: TileKind, index: u64, width: u16) -> Result<Self, TilePathError> {
        let level_fits = !matches!(kind, TileKind::Hashes(level) if level > MAX_TILE_LEVEL);
        let width_fits = (1..=TILE_WIDTH).contains(&width);
        if level_fits && width_fits { Ok(TilePath { kind, index, width }) } else { Err(TilePathError) }
    }

    /// The tile that a tree of `size` entries has at this index: full, partial, or none.
    pub fn in_tree(kind: TileKind, index: u64, size: u64) -> Option<Self> {
        let level = match kind {
            TileKind::Hashes(level) => u32::from(level),
            TileKind::Entries => 0,
        };
        let hashes = size.checked_shr(level * TILE_HEIGHT).unwrap_or(0);
        let before = index.checked_mul(u64::from(TILE_WIDTH))?;
        let width = hashes.checked_sub(before)?.min(u64::from(TILE_WIDTH));
        TilePath::new(kind, index, width as u16).ok()
    }

    /// Parses a path, for example from an HTTP request.
    ///
    /// # Errors
    /// Everything but the canonical spelling.
    pub fn parse(path: &str) -> Result<Self, TilePathError> {
        if path.len() > MAX_TILE_PATH_LEN {
            return Err(TilePathError);
        }
        let rest = path.strip_prefix("tile/").ok_or(TilePathError)?;
        let (kind, rest) = rest.split_once('/').ok_or(TilePathError)?;
        let kind = match kind {
            "entries" => TileKind::Entries,
            level => TileKind::Hashes(level.parse().map_err(|_| TilePathError)?),
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().map_err(|_| TilePathError)?),
            None => (rest, TILE_WIDTH),
        };
        let mut index: u64 = 0;
        for group in number.split('/') {
            let digits: u64 = group.strip_prefix('x').unwrap_or(group).parse().map_err(|_| TilePathError)?;
            index = index.checked_mul(1000).and_then(|index| index.checked_add(digits)).ok_or(TilePathError)?;
        }
        let parsed = TilePath::new(kind, index, width)?;
        // Signs, missing zeros, redundant groups and `.p/256` are non-canonical spellings of the same tile.
        if parsed.to_string() == path { Ok(parsed) } else { Err(TilePathError) }
    }

    /// Whether the tile holds hashes or entries.
    pub fn kind(&self) -> TileKind {
        self.kind
    }

    /// Index within the level, from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Number of hashes or entries: 1 to 256.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Whether the tile has all 256 hashes or entries, so that no wider version of it will follow.
    pub fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The full tile with the same index.
    pub fn full(&self) -> TilePath {
        TilePath { width: TILE_WIDTH, ..*self }
    }

    /// The directory of the partial tiles with this index: `tile/<L>/<N>.p`.
    pub(crate) fn partial_dir(&self) -> String {
        format!("{}.p", self.full())
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        let mut groups = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for group in groups[1..].iter().rev() {
            write!(f, "x{group:03}/")?;
        }
        write!(f, "{:03}", groups[0])?;
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

/// Parses a tile of exactly `width` hashes.
pub fn parse_tile(bytes: &[u8], width: u16) -> Result<Vec<Hash>, TileFormatError> {
    let (hashes, rest) = bytes.as_chunks::<HASH_LEN>();
    if !rest.is_empty() || hashes.len() != usize::from(width) {
        return Err(TileFormatError { expected: width, bytes: bytes.len() });
    }
    Ok(hashes.iter().map(|hash| Hash(*hash)).collect())
}

/// Serialises a tile.
pub fn encode_tile(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The root of the complete subtree over these neighbouring hashes.
///
/// # Panics
/// When the number of hashes is not a power of two.
pub(crate) fn subtree_root(hashes: &[Hash]) -> Hash {
    assert!(hashes.len().is_power_of_two(), "invariant: a complete subtree has a power of two of hashes");
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        level = level.as_chunks::<2>().0.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    level[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_match_the_specification() {
        let path = |kind, index, width| TilePath::new(kind, index, width).unwrap().to_string();
        assert_eq!(path(TileKind::Hashes(0), 0, 256), "tile/0/000");
        assert_eq!(path(TileKind::Entries, 1_234_067, 256), "tile/entries/x001/x234/067");
        assert_eq!(path(TileKind::Hashes(1), 1000, 17), "tile/1/x001/000.p/17");
        assert_eq!(TilePath::new(TileKind::Hashes(2), 1000, 17).unwrap().partial_dir(), "tile/2/x001/000.p");
        let longest = path(TileKind::Entries, u64::MAX, 255);
        assert_eq!(longest, "tile/entries/x018/x446/x744/x073/x709/x551/615.p/255");
        assert!(longest.len() < MAX_TILE_PATH_LEN);
        assert_eq!(TilePath::parse(&longest).unwrap().index(), u64::MAX);
    }

    #[test]
    fn tiles_match_the_specifications_example_of_70000_entries() {
        let width = |level, index| TilePath::in_tree(TileKind::Hashes(level), index, 70_000).map(|tile| tile.width());
        assert_eq!((width(0, 272), width(0, 273), width(0, 274)), (Some(256), Some(112), None));
        assert_eq!((width(1, 0), width(1, 1), width(1, 2)), (Some(256), Some(17), None));
        assert_eq!((width(2, 0), width(2, 1), width(3, 0), width(63, 0)), (Some(1), None, None, None));
        let width = |level| TilePath::in_tree(TileKind::Hashes(level), 0, 256).map(|tile| tile.width());
        assert_eq!((width(0), width(1), width(2)), (Some(256), Some(1), None));
        assert_eq!(TilePath::in_tree(TileKind::Entries, u64::MAX, u64::MAX), None);
    }

    #[test]
    fn non_canonical_spellings_are_refused() {
        for bad in [
            "",
            "tile",
            "tile/",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/00",
            "tile/0/0000",
            "tile/00/000",
            "tile/64/000",
            "tile/256/000",
            "tile/-1/000",
            "tile/+1/000",
            "tile/entry/000",
            "/tile/0/000",
            "tile/0/000/",
            "tile/0/x000/001",
            "tile/0/001/000",
            "tile/0/x001/x000",
            "tile/0/+01",
            "tile/0/-01",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/257",
            "tile/0/000.p/01",
            "tile/0/000.p/",
            "tile/0/000.p",
            "tile/0/000.p/1/2",
            "tile/0/../000",
            "tile/entries/../../lock",
            "tile/0/x１23/000",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
        ] {
            assert_eq!(TilePath::parse(bad), Err(TilePathError), "{bad}");
        }
        assert!(TilePath::parse(&"tile/0/x001/".repeat(1000)).is_err());
    }

    #[test]
    fn a_tile_has_exactly_its_width() {
        let hashes = vec![Hash([7; 32]); 3];
        let bytes = encode_tile(&hashes);
        assert_eq!(parse_tile(&bytes, 3).unwrap(), hashes);
        for (bytes, width) in [(&bytes[..], 2), (&bytes[..], 4), (&bytes[..95], 3), (&bytes[..0], 1)] {
            assert_eq!(parse_tile(bytes, width), Err(TileFormatError { expected: width, bytes: bytes.len() }));
        }
    }
}
