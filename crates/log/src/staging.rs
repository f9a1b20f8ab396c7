//! The staging file: all files that one append publishes, written as one file so that they are durable together before
//! the append is committed.
//!
//! Format: [`MAGIC`]; the number of files (u32); for each file the length of its path (u16), path, length (u32), bytes;
//! then the SHA-256 of everything before. Integers are big-endian.

use crate::hash::{HASH_LEN, sha256};
use crate::tile::TilePath;

/// The first bytes of a staging file, with the format's version.
pub const MAGIC: &[u8] = b"telcon-log-stage/1\n";

/// Tiles to be published, with their bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StagedFiles {
    /// Each file's path and content.
    pub files: Vec<(TilePath, Vec<u8>)>,
}

/// The bytes are not a completely written staging file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the staging file is corrupt")]
pub struct StagingError;

impl StagedFiles {
    /// Serialises the files.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&length(self.files.len()));
        for (tile, content) in &self.files {
            let path = tile.to_string();
            bytes.extend_from_slice(&length(path.len())[2..]);
            bytes.extend_from_slice(path.as_bytes());
            bytes.extend_from_slice(&length(content.len()));
            bytes.extend_from_slice(content);
        }
        let digest = sha256(&bytes);
        bytes.extend_from_slice(digest.as_bytes());
        bytes
    }

    /// Parses a staging file. Only tile paths are accepted.
    pub fn parse(bytes: &[u8]) -> Result<Self, StagingError> {
        let (content, digest) = bytes.split_last_chunk::<HASH_LEN>().ok_or(StagingError)?;
        if sha256(content).as_bytes() != digest {
            return Err(StagingError);
        }
        let mut rest = content.strip_prefix(MAGIC).ok_or(StagingError)?;
        let count = u32::from_be_bytes(*take(&mut rest)?);
        let mut files = Vec::new();
        for _ in 0..count {
            let path = usize::from(u16::from_be_bytes(*take(&mut rest)?));
            let path = std::str::from_utf8(take_slice(&mut rest, path)?).map_err(|_| StagingError)?;
            let tile = TilePath::parse(path).map_err(|_| StagingError)?;
            let length = u32::from_be_bytes(*take(&mut rest)?);
            let bytes = take_slice(&mut rest, usize::try_from(length).map_err(|_| StagingError)?)?;
            files.push((tile, bytes.to_vec()));
        }
        if rest.is_empty() { Ok(StagedFiles { files }) } else { Err(StagingError) }
    }
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("invariant: one append is bounded well below 4 GiB").to_be_bytes()
}

fn take<'b, const N: usize>(rest: &mut &'b [u8]) -> Result<&'b [u8; N], StagingError> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(StagingError)?;
    *rest = tail;
    Ok(head)
}

fn take_slice<'b>(rest: &mut &'b [u8], length: usize) -> Result<&'b [u8], StagingError> {
    let (head, tail) = rest.split_at_checked(length).ok_or(StagingError)?;
    *rest = tail;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tile::TileKind;

    fn sample() -> StagedFiles {
        let tile = |kind, index, width| TilePath::new(kind, index, width).unwrap();
        StagedFiles {
            files: vec![(tile(TileKind::Hashes(0), 3, 256), vec![1; 40]), (tile(TileKind::Entries, 1003, 7), vec![])],
        }
    }

    #[test]
    fn encoding_round_trips() {
        for staged in [sample(), StagedFiles::default()] {
            assert_eq!(StagedFiles::parse(&staged.encode()).unwrap(), staged);
        }
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_detected() {
        let bytes = sample().encode();
        for end in 0..bytes.len() {
            assert_eq!(StagedFiles::parse(&bytes[..end]), Err(StagingError));
        }
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(StagedFiles::parse(&changed), Err(StagingError));
        }
    }

    /// With a valid digest, as an attacker with write access to the disk would craft it.
    #[test]
    fn lengths_and_paths_are_validated() {
        let sealed = |content: &[u8]| [MAGIC, content, sha256(&[MAGIC, content].concat()).as_bytes()].concat();
        assert_eq!(StagedFiles::parse(&sealed(&[0, 0, 0, 0])), Ok(StagedFiles::default()));
        assert_eq!(StagedFiles::parse(&sealed(&[0, 0, 0, 0, 0])), Err(StagingError));
        assert_eq!(StagedFiles::parse(&sealed(&[0xff, 0xff, 0xff, 0xff])), Err(StagingError));
        let file = |path: &str, length: [u8; 4]| {
            sealed(&[&[0, 0, 0, 1, 0, path.len() as u8], path.as_bytes(), &length[..]].concat())
        };
        assert!(StagedFiles::parse(&file("tile/0/000", [0; 4])).is_ok());
        assert_eq!(StagedFiles::parse(&file("tile/0/000", [0xff; 4])), Err(StagingError));
        for path in ["checkpoint", "../../etc/passwd", "tile/0/../../x", "/tile/0/000", ""] {
            assert_eq!(StagedFiles::parse(&file(path, [0; 4])), Err(StagingError), "{path}");
        }
    }
}
