use super::*;
use crate::key::LogSigner;
use crate::log::Log;
use crate::storage::MemoryStorage;

fn signer() -> LogSigner {
    LogSigner::from_seed(&[1; 32], "office.example/log").unwrap()
}

fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

/// A log of `size` entries, some of them `changed`, and its checkpoints at 0, 100, 200…
fn log_of(size: u64, changed: &[u64]) -> (MemoryStorage, Vec<Checkpoint>) {
    let mut log = Log::create(MemoryStorage::new(), signer(), 0).unwrap();
    let mut seen = vec![log.checkpoint().checkpoint().clone()];
    for first in (0..size).step_by(100) {
        let entries = (first..size.min(first + 100))
            .map(|index| if changed.contains(&index) { b"another".to_vec() } else { entry(index) });
        seen.push(log.append(&entries.collect::<Vec<_>>(), 0).unwrap().checkpoint.checkpoint().clone());
    }
    (log.storage().clone(), seen)
}

fn audit(storage: &MemoryStorage, remembered: &[Checkpoint]) -> Result<(), AuditError> {
    verify_tree(storage, signer().verifier_key(), remembered).map(|_| ())
}

/// Audits a valid log after modifying one file.
fn with(size: u64, path: &str, modify: impl FnOnce(&mut Vec<u8>)) -> Result<(), AuditError> {
    let (mut storage, _) = log_of(size, &[]);
    modify(storage.files_mut().get_mut(path).unwrap_or_else(|| panic!("there is no {path}")));
    audit(&storage, &[])
}

#[test]
fn a_valid_log_of_any_shape_verifies_and_yields_its_entries() {
    for size in [0, 1, 2, 255, 256, 257, 600, 1024] {
        let (storage, seen) = log_of(size, &[]);
        let report = verify_tree(&storage, signer().verifier_key(), &seen).unwrap();
        assert_eq!(report.checkpoint().size(), size);
        let entries: Vec<_> = report.entries().map(Result::unwrap).collect();
        assert_eq!(entries, (0..size).map(|index| (index, entry(index))).collect::<Vec<_>>());
        let mut visited = Vec::new();
        let visit = |index, entry: &[u8]| visited.push((index, entry.to_vec()));
        verify_tree_visiting(&storage, signer().verifier_key(), &seen, visit).unwrap();
        assert_eq!(visited, entries);
    }
    let (storage, _) = log_of(600, &[]);
    let report = verify_tree(&storage, signer().verifier_key(), &[]).unwrap();
    assert_eq!(report.tiles(), 3 + 3 + 1);
}

#[test]
fn every_modified_byte_of_every_tile_and_bundle_is_detected() {
    let (storage, seen) = log_of(260, &[]);
    for (path, bytes) in storage.files().iter().filter(|(path, _)| path.starts_with("tile/")) {
        // Partial tiles of older trees are not read for this tree; see the test of an older tree below.
        let current = !path.contains(".p/") || path.ends_with(".p/4") || path.starts_with("tile/1/");
        for position in (0..bytes.len()).step_by(if bytes.len() > 500 { 97 } else { 1 }).filter(|_| current) {
            let mut modified = storage.clone();
            modified.files_mut().get_mut(path).unwrap()[position] ^= 0x20;
            assert!(audit(&modified, &seen).is_err(), "{path} at {position}");
        }
    }
}

#[test]
fn errors_name_the_modified_entry_or_tile() {
    let in_bundle = with(600, "tile/entries/001", |bytes| bytes[2 + 4] ^= 1);
    assert!(matches!(in_bundle, Err(AuditError::EntryModified(256))));
    let in_tail = with(600, "tile/entries/002.p/88", |bytes| *bytes.last_mut().unwrap() ^= 1);
    assert!(matches!(in_tail, Err(AuditError::EntryModified(599))));
    for tile in ["tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"] {
        let changed = with(600, tile, |bytes| bytes[40] ^= 1);
        assert!(matches!(changed, Err(AuditError::TileModified(named)) if named.to_string() == tile), "{tile}");
    }
}

#[test]
fn errors_name_missing_and_truncated_files() {
    for path in ["tile/entries/001", "tile/entries/002.p/88", "tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2"] {
        let (mut storage, _) = log_of(600, &[]);
        storage.files_mut().remove(path);
        let missing = audit(&storage, &[]);
        assert!(matches!(missing, Err(AuditError::Read(ReadError::Missing(named))) if named.to_string() == path));
        let truncated = with(600, path, |bytes| bytes.truncate(bytes.len() - 1));
        assert!(
            matches!(truncated, Err(AuditError::Read(ReadError::Tile(named, _) | ReadError::Bundle(named, _))) if named.to_string() == path)
        );
        let longer = with(600, path, |bytes| bytes.push(0));
        assert!(matches!(longer, Err(AuditError::Read(_))));
    }
    let (mut storage, _) = log_of(3, &[]);
    storage.files_mut().remove("checkpoint");
    assert!(matches!(audit(&storage, &[]), Err(AuditError::NoCheckpoint)));
}

#[test]
fn a_modified_or_foreign_checkpoint_is_rejected() {
    let error_after = |modify: &dyn Fn(&mut Vec<u8>)| with(300, "checkpoint", |bytes| modify(bytes)).unwrap_err();
    assert!(matches!(error_after(&|bytes| bytes.truncate(20)), AuditError::Checkpoint(NoteError::Malformed)));
    assert!(matches!(error_after(&|bytes| bytes[0] = 0xff), AuditError::Checkpoint(NoteError::Malformed)));
    let size = |bytes: &mut Vec<u8>| bytes["office.example/log\n".len()] = b'2';
    assert!(matches!(error_after(&size), AuditError::Checkpoint(NoteError::BadSignature)));
    let (storage, _) = log_of(3, &[]);
    let other = LogSigner::from_seed(&[2; 32], "office.example/log").unwrap();
    let rejected = verify_tree(&storage, other.verifier_key(), &[]);
    assert!(matches!(rejected, Err(AuditError::Checkpoint(NoteError::UnknownSigner))));
}

#[test]
fn a_rollback_is_detected_by_remembered_checkpoints() {
    let (storage, seen) = log_of(400, &[]);
    let (old, _) = log_of(300, &[]);
    audit(&storage, &seen).unwrap();
    audit(&old, &seen[..4]).unwrap();
    let rolled_back = audit(&old, &seen);
    assert!(matches!(rolled_back, Err(AuditError::RolledBack { remembered: 400, shown: 300 })));
    // Only the checkpoint is rolled back, with the newer tiles in place.
    let mut storage = storage;
    let checkpoint = old.files()["checkpoint"].clone();
    storage.files_mut().insert("checkpoint".into(), checkpoint);
    audit(&storage, &[]).unwrap();
    let rolled_back = audit(&storage, &seen[4..]);
    assert!(matches!(rolled_back, Err(AuditError::RolledBack { remembered: 400, shown: 300 })));
}

/// The log signs another, internally consistent history.
#[test]
fn a_fork_is_detected_by_remembered_checkpoints() {
    let (_, seen) = log_of(300, &[]);
    let (forked, other) = log_of(500, &[150]);
    audit(&forked, &other).unwrap();
    audit(&forked, &seen[..2]).unwrap();
    assert!(matches!(audit(&forked, &seen), Err(AuditError::Forked { remembered: 200 })));
    assert!(matches!(audit(&forked, &seen[3..]), Err(AuditError::Forked { remembered: 300 })));
    // The order of remembered checkpoints is irrelevant, and a fork at the current size is detected too.
    let (same_size, _) = log_of(300, &[299]);
    let mut seen = seen;
    seen.reverse();
    assert!(matches!(audit(&same_size, &seen), Err(AuditError::Forked { remembered: 300 })));
    let foreign = Checkpoint { origin: "other.example/log".into(), ..seen[0].clone() };
    assert!(matches!(audit(&forked, &[foreign]), Err(AuditError::OtherLog(_))));
}

/// All entries and tiles are rewritten consistently, under the original checkpoint.
#[test]
fn a_completely_rewritten_history_does_not_match_the_signature() {
    let (storage, _) = log_of(300, &[]);
    let (mut rewritten, _) = log_of(300, &[7]);
    rewritten.files_mut().insert("checkpoint".into(), storage.files()["checkpoint"].clone());
    assert!(matches!(audit(&rewritten, &[]), Err(AuditError::WrongRoot { size: 300 })));
}

#[test]
fn an_older_tree_is_read_from_wider_tiles() {
    let (mut storage, seen) = log_of(600, &[]);
    let old = log_of(100, &[]).0.files()["checkpoint"].clone();
    storage.files_mut().insert("checkpoint".into(), old);
    assert!(!storage.files().contains_key("tile/0/000.p/100"), "the log removes superseded partial tiles");
    let report = verify_tree(&storage, signer().verifier_key(), &seen[..2]).unwrap();
    assert_eq!(report.entries().map(Result::unwrap).last(), Some((99, entry(99))));
}

/// A reader whose files change during the audit.
struct Mutable<'s>(&'s std::cell::RefCell<MemoryStorage>);

impl Reader for Mutable<'_> {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.0.borrow().read(path)
    }
}

#[test]
fn entries_modified_after_the_audit_are_not_returned() {
    let storage = std::cell::RefCell::new(log_of(600, &[]).0);
    let report = verify_tree(Mutable(&storage), signer().verifier_key(), &[]).unwrap();
    storage.borrow_mut().files_mut().get_mut("tile/entries/001").unwrap()[2] ^= 1;
    let entries: Vec<_> = report.entries().collect();
    assert_eq!(entries.len(), 257, "the iterator ends with the error");
    assert!(matches!(&entries[255], Ok((255, _))));
    assert!(matches!(&entries[256], Err(AuditError::ModifiedSince(bundle)) if bundle.index() == 1));
}

#[test]
fn a_tree_is_followed_by_its_new_entries_alone() {
    for (old, new) in [(0, 0), (0, 1), (1, 2), (100, 300), (200, 200), (256, 257), (300, 1024), (512, 513)] {
        let (before, seen) = log_of(old, &[]);
        let mut followed = verify_tree(&before, signer().verifier_key(), &seen).unwrap().follow();
        let (mut storage, seen) = log_of(new, &[]);
        // Not needed, so it is not missed: hashes, and the entries of full bundles that were verified.
        storage.files_mut().retain(|path, _| path.starts_with("tile/entries/"));
        if old >= 256 {
            storage.files_mut().remove("tile/entries/000");
        }
        let newer = signed_head(&seen);
        let mut added = Vec::new();
        followed.advance(&storage, &newer, |index, entry| added.push((index, entry.to_vec()))).unwrap();
        assert_eq!(added, (old..new).map(|index| (index, entry(index))).collect::<Vec<_>>());
        assert_eq!(followed.checkpoint(), &newer);
    }
}

#[test]
fn a_followed_tree_refuses_rollback_fork_and_modified_entries_and_stays_as_it_was() {
    let (storage, seen) = log_of(300, &[]);
    let followed = verify_tree(&storage, signer().verifier_key(), &seen).unwrap().follow();
    let advance = |size, changed: &[u64], modify: &str| {
        let (mut storage, seen) = log_of(size, changed);
        if let Some(bytes) = storage.files_mut().get_mut(modify) {
            *bytes.last_mut().unwrap() ^= 1;
        }
        let mut tree = followed.clone();
        let result = tree.advance(&storage, &signed_head(&seen), |_, _| {});
        assert_eq!(tree.checkpoint() == followed.checkpoint(), result.is_err());
        result
    };
    assert!(matches!(advance(200, &[], ""), Err(AuditError::RolledBack { remembered: 300, shown: 200 })));
    assert!(matches!(advance(400, &[7], ""), Err(AuditError::WrongRoot { size: 400 })));
    assert!(matches!(advance(400, &[], "tile/entries/001.p/144"), Err(AuditError::WrongRoot { size: 400 })));
    assert!(matches!(advance(300, &[7], ""), Err(AuditError::WrongRoot { size: 300 })), "of the same size");
    assert!(advance(400, &[350], "").is_ok());
}

/// The newest of these checkpoints, signed by the log.
fn signed_head(seen: &[Checkpoint]) -> SignedCheckpoint {
    signer().sign(seen.last().unwrap().clone(), 0)
}
