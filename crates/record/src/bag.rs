//! The bag (RFC 8493): writing its tag files, and validation of a set of files as a bag.

use std::collections::BTreeMap;

use crate::digest::{Digest, sha256};
use crate::error::RecordError;

const BAGIT_TXT: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";
pub(crate) const BAG_INFO: &str = "bag-info.txt";
const MANIFEST: &str = "manifest-sha256.txt";
const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";
const BAGIT: &str = "bagit.txt";

/// Maximum size of a value in `bag-info.txt`, bytes: a reason or a title, not a document.
pub const MAX_INFO_VALUE_BYTES: usize = 2000;

/// Metadata for `bag-info.txt`, given when a record is finished. It is sealed with the record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BagInfo {
    /// `Bagging-Date`, as RFC 8493 writes it: `YYYY-MM-DD`.
    pub date: String,
    /// Whether the record is known to be incomplete: a crash, a lost device, a full disk.
    pub partial: bool,
    /// Why it is partial; empty for a complete record.
    pub reason: String,
    /// Further elements such as `Contact-Name`. Labels consist of letters, digits and `-`.
    pub extra: Vec<(String, String)>,
}

/// A payload file as the manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Path inside the bag, `data/…`.
    pub path: String,
    /// SHA-256 of the file.
    pub sha256: Digest,
    /// Length in bytes.
    pub bytes: u64,
}

/// The tag files of a bag with `files`, in the order in which they are written.
pub(crate) fn tag_files(
    call_id: &str,
    sessions: u32,
    files: &[FileEntry],
    info: &BagInfo,
) -> Result<Vec<(&'static str, Vec<u8>)>, RecordError> {
    let date_ok = info.date.len() == 10
        && info.date.bytes().enumerate().all(|(i, b)| if matches!(i, 4 | 7) { b == b'-' } else { b.is_ascii_digit() });
    if !date_ok {
        return Err(RecordError::Misuse("BagInfo.date must be YYYY-MM-DD"));
    }
    let octets: u64 = files.iter().map(|f| f.bytes).sum();
    let mut bag_info = format!(
        "Bagging-Date: {}\nBag-Software-Agent: telcon-record {}\nExternal-Identifier: {call_id}\nPayload-Oxum: \
         {octets}.{}\nTelcon-Partial: {}\nTelcon-Sessions: {sessions}\n",
        info.date,
        env!("CARGO_PKG_VERSION"),
        files.len(),
        info.partial,
    );
    let reason = ("Telcon-Reason".to_owned(), info.reason.clone());
    for (label, value) in info.extra.iter().chain((!info.reason.is_empty()).then_some(&reason)) {
        // With a repeated label, which value applies would depend on the reader.
        if bag_info.lines().any(|line| line.split(':').next() == Some(label)) {
            return Err(RecordError::Misuse("a BagInfo label is repeated or reserved"));
        }
        if label.is_empty() || !label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(RecordError::Misuse("a BagInfo label must be letters, digits and hyphens"));
        }
        if value.len() > MAX_INFO_VALUE_BYTES {
            return Err(RecordError::Misuse("a BagInfo value is too long"));
        }
        // A line break would start another element.
        let value: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        bag_info.push_str(&format!("{label}: {}\n", value.trim()));
    }
    let line = |digest: Digest, path: &str| format!("{digest}  {path}\n");
    let manifest: String = files.iter().map(|f| line(f.sha256, &f.path)).collect();
    let mut tags =
        vec![(BAGIT, BAGIT_TXT.as_bytes().to_vec()), (BAG_INFO, bag_info.into()), (MANIFEST, manifest.into())];
    let tag_manifest: String = tags.iter().map(|(path, bytes)| line(sha256(bytes), path)).collect();
    tags.push((TAG_MANIFEST, tag_manifest.into()));
    Ok(tags)
}

/// Collects the files of a bag during extraction, then validates the bag.
#[derive(Default)]
pub(crate) struct BagValidator {
    payload: BTreeMap<String, (Digest, u64)>,
    tags: BTreeMap<String, Vec<u8>>,
}

/// Metadata of a valid bag.
#[derive(Debug)]
pub(crate) struct ValidBag {
    pub(crate) files: usize,
    pub(crate) bytes: u64,
    /// `bag-info.txt`, in order.
    pub(crate) info: Vec<(String, String)>,
}

impl BagValidator {
    /// Adds an extracted file.
    pub(crate) fn add_file(&mut self, path: &str, bytes: &[u8]) -> Result<(), RecordError> {
        if path.starts_with("data/") {
            self.payload.insert(path.to_owned(), (sha256(bytes), bytes.len() as u64));
        } else if matches!(path, BAGIT | BAG_INFO | MANIFEST | TAG_MANIFEST) {
            self.tags.insert(path.to_owned(), bytes.to_vec());
        } else {
            return Err(RecordError::Bag(format!("{path} is not a file of a bag")));
        }
        Ok(())
    }

    /// Checks that the files are a complete and valid bag (RFC 8493, section 3) of this call.
    pub(crate) fn finish(self, call_id: &str, partial: bool) -> Result<ValidBag, RecordError> {
        let bad = |what: String| RecordError::Bag(what);
        let tag = |name: &str| {
            let bytes = self.tags.get(name).ok_or_else(|| bad(format!("{name} is missing")))?;
            std::str::from_utf8(bytes).map_err(|_| bad(format!("{name} is not UTF-8")))
        };
        if tag(BAGIT)? != BAGIT_TXT {
            return Err(bad(format!("{BAGIT} does not declare BagIt 1.0")));
        }
        let tag_digests = self.tags.iter().map(|(path, bytes)| (path.as_str(), sha256(bytes)));
        let listed_tags = tag_digests.filter(|(path, _)| *path != TAG_MANIFEST);
        check_manifest(TAG_MANIFEST, tag(TAG_MANIFEST)?, listed_tags.collect())?;
        let payload = self.payload.iter().map(|(path, (digest, _))| (path.as_str(), *digest));
        check_manifest(MANIFEST, tag(MANIFEST)?, payload.collect())?;

        let mut info = Vec::new();
        for line in tag(BAG_INFO)?.lines() {
            let (label, value) = line.split_once(": ").ok_or_else(|| bad(format!("{BAG_INFO} has an invalid line")))?;
            info.push((label.to_owned(), value.to_owned()));
        }
        let bytes = self.payload.values().map(|(_, bytes)| bytes).sum();
        let expected = [
            ("External-Identifier", call_id.to_owned()),
            ("Payload-Oxum", format!("{bytes}.{}", self.payload.len())),
            ("Telcon-Partial", partial.to_string()),
        ];
        for (label, value) in expected {
            let found: Vec<_> = info.iter().filter(|(l, _)| l == label).map(|(_, v)| v).collect();
            if found != [&value] {
                return Err(bad(format!("{BAG_INFO}: {label} is not {value}")));
            }
        }
        Ok(ValidBag { files: self.payload.len(), bytes, info })
    }
}

/// Checks that `manifest` lists exactly `found`.
fn check_manifest(name: &str, manifest: &str, mut found: BTreeMap<&str, Digest>) -> Result<(), RecordError> {
    let bad = |what: String| Err(RecordError::Bag(format!("{name}: {what}")));
    for line in manifest.lines() {
        let parsed = line.split_once("  ").and_then(|(digest, path)| Some((digest.parse::<Digest>().ok()?, path)));
        let Some((digest, path)) = parsed else {
            return bad("a line is not a digest and a path".into());
        };
        match found.remove(path) {
            Some(actual) if actual == digest => {}
            Some(_) => return bad(format!("{path} has a different digest")),
            None => return bad(format!("{path} is missing, or listed twice")),
        }
    }
    match found.keys().next() {
        Some(path) => bad(format!("{path} is not listed")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: &str = "00112233445566778899aabbccddeeff";

    type Files = Vec<(String, Vec<u8>)>;

    fn bag(info: &BagInfo) -> Files {
        let files = [("data/a", b"one"), ("data/b", b"two")];
        let entries = files.map(|(path, b)| FileEntry { path: path.into(), sha256: sha256(b), bytes: 3 });
        let tags = tag_files(CALL, 1, &entries, info).unwrap();
        let payload = files.map(|(path, b)| (path.to_owned(), b.to_vec()));
        payload.into_iter().chain(tags.into_iter().map(|(p, b)| (p.to_owned(), b))).collect()
    }

    fn info() -> BagInfo {
        BagInfo { date: "2026-11-22".into(), ..BagInfo::default() }
    }

    fn check(files: &[(String, Vec<u8>)]) -> Result<ValidBag, String> {
        let mut check = BagValidator::default();
        for (path, bytes) in files {
            check.add_file(path, bytes).map_err(|e| e.to_string())?;
        }
        check.finish(CALL, false).map_err(|e| e.to_string())
    }

    #[test]
    fn written_bag_is_valid() {
        let valid = check(&bag(&info())).unwrap();
        assert_eq!((valid.files, valid.bytes), (2, 6));
        assert!(valid.info.contains(&("External-Identifier".into(), CALL.into())));
    }

    #[test]
    fn every_change_is_detected() {
        let edit = |f: &dyn Fn(&mut Files)| {
            let mut files = bag(&info());
            f(&mut files);
            check(&files).unwrap_err()
        };
        assert!(edit(&|f| f[0].1.push(0)).contains("data/a has a different digest"));
        assert!(edit(&|f| drop(f.remove(0))).contains("data/a is missing"));
        assert!(edit(&|f| f.push(("data/c".into(), vec![]))).contains("data/c is not listed"));
        assert!(edit(&|f| f.push(("fetch.txt".into(), vec![]))).contains("not a file of a bag"));
        for tag in 2..6 {
            assert!(edit(&|f| drop(f.remove(tag))).contains("missing"), "{tag}");
            assert!(!edit(&|f| f[tag].1.push(b'x')).is_empty(), "{tag}");
        }
    }

    #[test]
    fn bag_of_another_call_or_state_is_refused() {
        let refused = |call: &str, partial: bool| {
            let mut check = BagValidator::default();
            bag(&info()).iter().for_each(|(path, bytes)| check.add_file(path, bytes).unwrap());
            check.finish(call, partial).unwrap_err().to_string()
        };
        assert!(refused(&"f".repeat(32), false).contains("External-Identifier"));
        assert!(refused(CALL, true).contains("Telcon-Partial"));
    }

    #[test]
    fn values_cannot_inject_elements() {
        let reason = "power\nTelcon-Partial: false".to_owned();
        let valid = check(&bag(&BagInfo { reason, ..info() })).unwrap();
        assert!(valid.info.contains(&("Telcon-Reason".into(), "power Telcon-Partial: false".into())));
        let bad_label = BagInfo { extra: vec![("A: b\nC".into(), "d".into())], ..info() };
        assert!(matches!(tag_files(CALL, 1, &[], &bad_label), Err(RecordError::Misuse(_))));
        let twice = BagInfo { extra: vec![("Payload-Oxum".into(), "0.0".into())], ..info() };
        assert!(matches!(tag_files(CALL, 1, &[], &twice), Err(RecordError::Misuse(_))));
        let bad_date = BagInfo { date: "22.11.2026".into(), ..info() };
        assert!(matches!(tag_files(CALL, 1, &[], &bad_date), Err(RecordError::Misuse(_))));
    }
}
