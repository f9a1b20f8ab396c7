//! Tar fragments: whole members in POSIX ustar format, regular files only.
//!
//! The reader is stricter than tar, because an attacker may have written its input: no links, devices, directories, extensions
//! or sparse files, no path outside the bag, no repeated path.

use std::collections::HashSet;

use ::tar::{EntryType, Header};

use crate::error::RecordError;
use crate::path::is_bag_path;

const BLOCK: usize = 512;

/// The two zero blocks that terminate a tar stream; only the final part has them.
pub(crate) const END_OF_ARCHIVE: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// Maximum number of members of a record. A day of ten speakers in ten-second chunks is 86,400 audio files; the manifest of
/// the maximum with the longest paths fits in one member.
pub const MAX_MEMBERS: usize = 250_000;
const _: () = assert!(MAX_MEMBERS as u64 * (64 + 2 + crate::path::MAX_PATH_BYTES as u64 + 1) <= MAX_MEMBER_BYTES);

/// Maximum size of one file in a record, bytes; the writer's buffer is smaller.
pub const MAX_MEMBER_BYTES: u64 = 64 << 20;

/// Maximum total size of a record's files, bytes: a day of ten speakers at 64 kbit/s is 7 GB.
pub const MAX_RECORD_BYTES: u64 = 16 << 30;

/// Size in a tar stream of a member of `length` bytes.
pub(crate) fn member_bytes(length: usize) -> usize {
    BLOCK + length.next_multiple_of(BLOCK)
}

/// Appends one file. `root` is the bag's directory (the call id), `path` is relative to it.
pub(crate) fn append_member(out: &mut Vec<u8>, root: &str, path: &str, bytes: &[u8]) -> Result<(), RecordError> {
    let mut header = Header::new_ustar();
    header.set_path(format!("{root}/{path}")).map_err(|_| RecordError::InvalidPath(path.to_owned()))?;
    header.set_entry_type(EntryType::Regular);
    header.set_size(bytes.len() as u64);
    header.set_mode(0o400);
    // No time, user or group: relevant times are in the files.
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(bytes);
    out.resize(out.len() + bytes.len().next_multiple_of(BLOCK) - bytes.len(), 0);
    Ok(())
}

/// Reads the members of a record's fragments in order.
pub(crate) struct TarReader {
    root: String,
    seen: HashSet<String>,
    total: u64,
}

impl TarReader {
    /// A reader for the bag in directory `root`.
    pub(crate) fn new(root: &str) -> Self {
        Self { root: root.to_owned(), seen: HashSet::new(), total: 0 }
    }

    /// Calls `file` with path (inside the bag) and content of every member of `fragment`. `last` says whether the end-of-archive
    /// blocks are required or forbidden.
    pub(crate) fn read(
        &mut self,
        fragment: &[u8],
        last: bool,
        mut file: impl FnMut(&str, &[u8]) -> Result<(), RecordError>,
    ) -> Result<(), RecordError> {
        let refuse = |what: &str| Err(RecordError::Tar(what.to_owned()));
        let mut rest = fragment;
        loop {
            if rest.is_empty() {
                return if last { refuse("the end-of-archive blocks are missing") } else { Ok(()) };
            }
            let Some((block, after)) = rest.split_first_chunk::<BLOCK>() else {
                return refuse("truncated inside a header");
            };
            if block.iter().all(|b| *b == 0) {
                return match (last, rest == END_OF_ARCHIVE) {
                    (true, true) => Ok(()),
                    (true, false) => refuse("data follows the end-of-archive blocks"),
                    (false, _) => refuse("end-of-archive blocks before the final part"),
                };
            }
            let (path, size) = self.check_header(block)?;
            if size > after.len() as u64 {
                return refuse("truncated inside a file");
            }
            let (bytes, after) = after.split_at(size as usize);
            let padding = bytes.len().next_multiple_of(BLOCK) - bytes.len();
            match after.split_at_checked(padding) {
                Some((zeros, next)) if zeros.iter().all(|b| *b == 0) => rest = next,
                _ => return refuse("the padding of a file is truncated or not zero"),
            }
            file(&path, bytes)?;
        }
    }

    /// Checks one header; returns the path inside the bag and the size.
    fn check_header(&mut self, block: &[u8; BLOCK]) -> Result<(String, u64), RecordError> {
        let refuse = |what: String| RecordError::Tar(what);
        let header = Header::from_byte_slice(block);
        let sum: u32 =
            block.iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) }).sum();
        if header.cksum().ok() != Some(sum) {
            return Err(refuse("a header's checksum is wrong".into()));
        }
        if header.as_ustar().is_none() {
            return Err(refuse("a header is not POSIX ustar".into()));
        }
        let name = String::from_utf8_lossy(&header.path_bytes()).into_owned();
        if header.entry_type() != EntryType::Regular || header.link_name_bytes().is_some() {
            return Err(refuse(format!("{name:?} is not a regular file")));
        }
        let path = name.strip_prefix(self.root.as_str()).and_then(|rest| rest.strip_prefix('/'));
        let Some(path) = path.filter(|path| is_bag_path(path)) else {
            return Err(refuse(format!("{name:?} is not a path in this bag")));
        };
        let size = header.entry_size().map_err(|_| refuse(format!("{name:?} has an invalid size")))?;
        self.total = self.total.saturating_add(size);
        if size > MAX_MEMBER_BYTES || self.total > MAX_RECORD_BYTES {
            return Err(refuse(format!("{name:?} is too large")));
        }
        if self.seen.len() >= MAX_MEMBERS {
            return Err(refuse("too many files".into()));
        }
        if !self.seen.insert(path.to_owned()) {
            return Err(refuse(format!("{name:?} is repeated")));
        }
        Ok((path.to_owned(), size))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOT: &str = "00112233445566778899aabbccddeeff";

    fn fragment(edit: impl FnOnce(&mut Header), bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        append_member(&mut out, ROOT, "data/a.txt", bytes).unwrap();
        let mut header = Header::from_byte_slice(&out[..BLOCK]).clone();
        edit(&mut header);
        header.set_cksum();
        out[..BLOCK].copy_from_slice(header.as_bytes());
        out
    }

    fn read(fragment: &[u8], last: bool) -> Result<Vec<(String, Vec<u8>)>, String> {
        let mut files = Vec::new();
        TarReader::new(ROOT)
            .read(fragment, last, |path, bytes| {
                files.push((path.to_owned(), bytes.to_vec()));
                Ok(())
            })
            .map_err(|e| e.to_string())?;
        Ok(files)
    }

    #[test]
    fn whole_members_round_trip() {
        let one = fragment(|_| (), b"hello");
        assert_eq!(read(&one, false).unwrap(), [("data/a.txt".to_owned(), b"hello".to_vec())]);
        assert_eq!(one.len(), member_bytes(5));
        let mut last = one.clone();
        last.extend_from_slice(&END_OF_ARCHIVE);
        assert_eq!(read(&last, true).unwrap().len(), 1);
        assert!(read(&last, false).unwrap_err().contains("before the final part"));
        assert!(read(&one, true).unwrap_err().contains("end-of-archive blocks are missing"));
        last.push(0);
        assert!(read(&last, true).unwrap_err().contains("follows the end-of-archive"));
    }

    #[test]
    fn longest_path_fits() {
        let path = format!("data/{}/{}", "d".repeat(15), "f".repeat(99));
        assert_eq!(path.len(), crate::path::MAX_PATH_BYTES);
        let mut out = Vec::new();
        append_member(&mut out, ROOT, &path, b"x").unwrap();
        assert_eq!(read(&out, false).unwrap()[0].0, path);
    }

    #[test]
    fn paths_outside_the_bag_are_refused() {
        for name in ["../evil", "/etc/passwd", "data/../../evil", "other/data/a", ROOT, "C:\\evil"] {
            let bad = fragment(
                |h| {
                    let field = &mut h.as_ustar_mut().unwrap();
                    field.prefix = [0; 155];
                    field.name = [0; 100];
                    field.name[..name.len()].copy_from_slice(name.as_bytes());
                },
                b"x",
            );
            assert!(read(&bad, false).unwrap_err().contains("not a path in this bag"), "{name}");
        }
        let up = format!("{ROOT}/../evil");
        let bad = fragment(|h| h.as_ustar_mut().unwrap().name[..up.len()].copy_from_slice(up.as_bytes()), b"x");
        assert!(read(&bad, false).unwrap_err().contains("not a path in this bag"));
    }

    #[test]
    fn anything_but_a_regular_file_is_refused() {
        for kind in [
            EntryType::Symlink,
            EntryType::Link,
            EntryType::Char,
            EntryType::Block,
            EntryType::Fifo,
            EntryType::Directory,
            EntryType::GNULongName,
            EntryType::GNUSparse,
            EntryType::XHeader,
            EntryType::XGlobalHeader,
            EntryType::Continuous,
        ] {
            let bad = fragment(|h| h.set_entry_type(kind), b"x");
            assert!(read(&bad, false).unwrap_err().contains("not a regular file"), "{kind:?}");
        }
        let hidden_link = fragment(|h| h.set_link_name("/etc/passwd").unwrap(), b"x");
        assert!(read(&hidden_link, false).unwrap_err().contains("not a regular file"));
    }

    #[test]
    fn oversized_truncated_and_repeated_members_are_refused() {
        let huge = fragment(|h| h.set_size(MAX_MEMBER_BYTES + 1), b"x");
        assert!(read(&huge, false).unwrap_err().contains("too large"));
        let endless = fragment(|h| h.set_size(u64::MAX), b"x");
        assert!(read(&endless, false).unwrap_err().contains("too large"));
        let beyond = fragment(|h| h.set_size(4096), b"x");
        assert!(read(&beyond, false).unwrap_err().contains("inside a file"));
        let one = fragment(|_| (), b"x");
        assert!(read(&one[..BLOCK + 1], false).unwrap_err().contains("padding"));
        assert!(read(&one[..100], false).unwrap_err().contains("inside a header"));
        assert!(read(&[one.clone(), one.clone()].concat(), false).unwrap_err().contains("repeated"));
        let mut flipped = one;
        flipped[0] ^= 1;
        assert!(read(&flipped, false).unwrap_err().contains("checksum"));
    }

    #[test]
    fn total_size_over_the_limit_is_refused() {
        let one = fragment(|_| (), b"x");
        let mut reader = TarReader::new(ROOT);
        reader.total = MAX_RECORD_BYTES;
        assert!(reader.read(&one, false, |_, _| Ok(())).unwrap_err().to_string().contains("too large"));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2048), last: bool) {
            let _ = read(&bytes, last);
        }

        #[test]
        fn every_valid_bag_path_fits(path in "data(/[a-z]{1,99}){1,6}") {
            let mut out = Vec::new();
            if is_bag_path(&path) {
                append_member(&mut out, ROOT, &path, b"x").unwrap();
                prop_assert_eq!(&read(&out, false).unwrap()[0].0, &path);
            }
        }

        #[test]
        fn flipped_headers_never_panic(at in 0usize..512, value: u8, fix: bool) {
            let mut bytes = fragment(|_| (), b"hello");
            bytes[at] = value;
            if fix {
                let mut header = Header::from_byte_slice(&bytes[..BLOCK]).clone();
                header.set_cksum();
                bytes[..BLOCK].copy_from_slice(header.as_bytes());
            }
            for (path, _) in read(&bytes, false).unwrap_or_default() {
                prop_assert!(is_bag_path(&path));
            }
        }
    }
}
