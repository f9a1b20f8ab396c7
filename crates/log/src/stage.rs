//! The stage: all files that one step of the log publishes, in one file, so that they are durable together before the
//! step is committed.
//!
//! Form: [`MAGIC`]; the number of files (u32); for each its path's length (u16), path, length (u32), bytes; then the
//! SHA-256 of everything before. Numbers are big endian.

use crate::hash::{HASH_LEN, sha256};
use crate::tile::TilePath;

/// The first bytes of a stage, with its version.
pub const MAGIC: &[u8] = b"telcon-log-stage/1\n";

/// Tiles to be published, with their bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stage {
    /// In the order in which they will be written.
    pub files: Vec<(TilePath, Vec<u8>)>,
}

/// The bytes are not a stage that was written whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the staged files are damaged")]
pub struct StageError;

impl Stage {
    /// The stage's bytes.
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

    /// Reads a stage. Only names of tiles are accepted as paths.
    pub fn parse(bytes: &[u8]) -> Result<Self, StageError> {
        let (content, digest) = bytes.split_last_chunk::<HASH_LEN>().ok_or(StageError)?;
        if sha256(content).as_bytes() != digest {
            return Err(StageError);
        }
        let mut rest = content.strip_prefix(MAGIC).ok_or(StageError)?;
        let count = u32::from_be_bytes(*take(&mut rest)?);
        let mut files = Vec::new();
        for _ in 0..count {
            let path = usize::from(u16::from_be_bytes(*take(&mut rest)?));
            let path = std::str::from_utf8(take_slice(&mut rest, path)?).map_err(|_| StageError)?;
            let tile = TilePath::parse(path).map_err(|_| StageError)?;
            let length = u32::from_be_bytes(*take(&mut rest)?);
            let bytes = take_slice(&mut rest, usize::try_from(length).map_err(|_| StageError)?)?;
            files.push((tile, bytes.to_vec()));
        }
        if rest.is_empty() { Ok(Stage { files }) } else { Err(StageError) }
    }
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("invariant: one append is bounded well below 4 GiB").to_be_bytes()
}

fn take<'b, const N: usize>(rest: &mut &'b [u8]) -> Result<&'b [u8; N], StageError> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(StageError)?;
    *rest = tail;
    Ok(head)
}

fn take_slice<'b>(rest: &mut &'b [u8], length: usize) -> Result<&'b [u8], StageError> {
    let (head, tail) = rest.split_at_checked(length).ok_or(StageError)?;
    *rest = tail;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tile::TileKind;

    fn sample() -> Stage {
        let tile = |kind, index, width| TilePath::new(kind, index, width).unwrap();
        Stage {
            files: vec![(tile(TileKind::Hashes(0), 3, 256), vec![1; 40]), (tile(TileKind::Entries, 1003, 7), vec![])],
        }
    }

    #[test]
    fn comes_back_as_it_went() {
        for stage in [sample(), Stage::default()] {
            assert_eq!(Stage::parse(&stage.encode()).unwrap(), stage);
        }
    }

    #[test]
    fn every_cut_and_every_changed_bit_is_noticed() {
        let bytes = sample().encode();
        for end in 0..bytes.len() {
            assert_eq!(Stage::parse(&bytes[..end]), Err(StageError));
        }
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Stage::parse(&changed), Err(StageError));
        }
    }

    /// With a right digest, as someone who can write to the disk would make it.
    #[test]
    fn lengths_and_paths_are_not_believed() {
        let sealed = |content: &[u8]| [MAGIC, content, sha256(&[MAGIC, content].concat()).as_bytes()].concat();
        assert_eq!(Stage::parse(&sealed(&[0, 0, 0, 0])), Ok(Stage::default()));
        assert_eq!(Stage::parse(&sealed(&[0, 0, 0, 0, 0])), Err(StageError));
        assert_eq!(Stage::parse(&sealed(&[0xff, 0xff, 0xff, 0xff])), Err(StageError));
        let file = |path: &str, length: [u8; 4]| {
            sealed(&[&[0, 0, 0, 1, 0, path.len() as u8], path.as_bytes(), &length[..]].concat())
        };
        assert!(Stage::parse(&file("tile/0/000", [0; 4])).is_ok());
        assert_eq!(Stage::parse(&file("tile/0/000", [0xff; 4])), Err(StageError));
        for path in ["checkpoint", "../../etc/passwd", "tile/0/../../x", "/tile/0/000", ""] {
            assert_eq!(Stage::parse(&file(path, [0; 4])), Err(StageError), "{path}");
        }
    }
}
