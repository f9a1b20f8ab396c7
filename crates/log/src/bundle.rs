//! Entry bundles: up to 256 entries, each prefixed with its length (C2SP tlog-tiles, "Log entries").

use crate::tile::TILE_WIDTH;

/// Longest entry, in bytes: its length is a 16-bit field in the bundle.
pub const MAX_ENTRY_LEN: usize = u16::MAX as usize;

/// Longest bundle, in bytes: 256 of the longest entries with their length prefixes.
pub const MAX_BUNDLE_LEN: usize = TILE_WIDTH as usize * (MAX_ENTRY_LEN + 2);

/// The bytes are not a bundle of the expected number of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The bytes end inside an entry, or before the last entry.
    #[error("the bundle is truncated at entry {0}")]
    Truncated(u16),
    /// There are bytes after the last entry.
    #[error("{0} bytes follow the last entry")]
    Trailing(usize),
}

/// Parses a bundle of exactly `width` entries. The entries borrow from `bytes`.
pub fn parse_bundle(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::with_capacity(usize::from(width.min(TILE_WIDTH)));
    let mut rest = bytes;
    for number in 0..width {
        let (length, after) = rest.split_first_chunk::<2>().ok_or(BundleError::Truncated(number))?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, after) = after.split_at_checked(length).ok_or(BundleError::Truncated(number))?;
        entries.push(entry);
        rest = after;
    }
    if rest.is_empty() { Ok(entries) } else { Err(BundleError::Trailing(rest.len())) }
}

/// Appends an entry to a bundle.
///
/// # Panics
/// When the entry is longer than [`MAX_ENTRY_LEN`]: callers check that first.
pub(crate) fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) {
    let length = u16::try_from(entry.len()).expect("invariant: entry lengths are checked before they are bundled");
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_the_empty_and_the_longest_entry() {
        let entries = [b"one".to_vec(), vec![], vec![9; MAX_ENTRY_LEN]];
        let mut bundle = Vec::new();
        entries.iter().for_each(|entry| push_entry(&mut bundle, entry));
        assert_eq!(bundle[..5], [0, 3, b'o', b'n', b'e']);
        assert_eq!(parse_bundle(&bundle, 3).unwrap(), entries);
    }

    #[test]
    fn every_truncation_and_every_trailing_byte_is_detected() {
        let mut bundle = Vec::new();
        push_entry(&mut bundle, b"ab");
        push_entry(&mut bundle, b"c");
        for cut in 0..bundle.len() {
            assert_eq!(parse_bundle(&bundle[..cut], 2), Err(BundleError::Truncated(u16::from(cut >= 4))));
        }
        assert_eq!(parse_bundle(&bundle, 1), Err(BundleError::Trailing(3)));
        assert_eq!(parse_bundle(&bundle, 3), Err(BundleError::Truncated(2)));
        assert_eq!(parse_bundle(&[0xff, 0xff, 0], 1), Err(BundleError::Truncated(0)));
    }
}
