use super::*;
use crate::audit::verify_tree;
use crate::cosigner::Cosigner;
use crate::proof::verify_inclusion;
use crate::storage::{MemoryStorage, Reader};

fn signer() -> LogSigner {
    LogSigner::from_seed(&[1; 32], "office.example/log").unwrap()
}

fn batch(range: Range<u64>) -> Vec<Vec<u8>> {
    range.map(|number| format!("entry {number}").into_bytes()).collect()
}

fn log_of(size: u64) -> Log<MemoryStorage> {
    let mut log = Log::create(MemoryStorage::new(), signer(), 0).unwrap();
    for first in (0..size).step_by(100) {
        log.append(&batch(first..size.min(first + 100)), 1000).unwrap();
    }
    log
}

fn reopened(storage: &MemoryStorage) -> Result<Log<MemoryStorage>, Error> {
    Log::open(storage.clone(), signer())
}

#[test]
fn appends_proves_and_reopens() {
    let mut log = log_of(0);
    let old = log.checkpoint().clone();
    assert_eq!((old.size(), old.time_s()), (0, Some(0)));
    let appended = log.append(&batch(0..600), 1_700_000_000_999).unwrap();
    assert_eq!((appended.first_index, appended.checkpoint.size()), (0, 600));
    assert_eq!(appended.checkpoint.time_s(), Some(1_700_000_000));
    let appended = log.append(&batch(600..601), 1_700_000_001_000).unwrap();
    assert_eq!(appended.first_index, 600);
    let new = &appended.checkpoint;
    assert_eq!(log.checkpoint(), new);
    let opened = signer().verifier_key().verify_checkpoint(new.note()).unwrap();
    for index in [0, 255, 256, 511, 512, 599, 600] {
        let entry = log.entry(index).unwrap();
        assert_eq!(entry, format!("entry {index}").as_bytes());
        let proof = log.inclusion_proof(index, 601).unwrap();
        verify_inclusion(&entry, index, opened.size, &proof, &opened.root).unwrap();
    }
    old.checkpoint().followed_by(&opened, &log.consistency_proof(0, 601).unwrap()).unwrap();
    assert_eq!(log.entries(250..260).unwrap(), batch(250..260));
    for beyond in [601, u64::MAX] {
        assert!(matches!(log.entry(beyond), Err(Error::Read(ReadError::OutOfRange { .. }))));
    }
    let again = reopened(log.storage()).unwrap();
    assert_eq!(again.checkpoint(), log.checkpoint());
    assert_eq!(again.storage(), log.storage(), "opening a complete log changes nothing");
}

#[test]
fn a_storage_holds_one_log() {
    assert!(matches!(reopened(&MemoryStorage::new()), Err(Error::NotFound)));
    let log = log_of(3);
    assert!(matches!(Log::create(log.storage().clone(), signer(), 0), Err(Error::AlreadyExists)));
    let opened = Log::open_or_create(log.storage().clone(), signer(), 0).unwrap();
    assert_eq!(opened.checkpoint().size(), 3);
    assert_eq!(Log::open_or_create(MemoryStorage::new(), signer(), 0).unwrap().checkpoint().size(), 0);
    let other = LogSigner::from_seed(&[2; 32], "office.example/log").unwrap();
    let opened = Log::open(log.storage().clone(), other);
    assert!(matches!(opened, Err(Error::Checkpoint { path: LOCK_PATH, source: NoteError::UnknownSigner })));
}

#[test]
fn limits_are_checked_before_any_write() {
    let mut log = log_of(3);
    let before = log.storage().clone();
    let long = vec![0; MAX_ENTRY_LEN + 1];
    assert!(matches!(log.append(&[vec![], long], 0), Err(Error::EntryTooLong(65_536))));
    let many = vec![vec![]; MAX_APPEND_ENTRIES + 1];
    assert!(matches!(log.append(&many, 0), Err(Error::TooManyEntries(4097))));
    assert_eq!(log.storage(), &before);
    log.append(&[vec![], vec![7; MAX_ENTRY_LEN]], 0).unwrap();
    assert_eq!(log.append(&many[1..], 0).unwrap().first_index, 5);
    assert_eq!(log.entry(4).unwrap(), vec![7; MAX_ENTRY_LEN]);
    assert_eq!(reopened(log.storage()).unwrap().checkpoint().size(), 4101);
}

#[test]
fn an_empty_append_only_updates_the_timestamp() {
    let mut log = log_of(300);
    let old = log.checkpoint().clone();
    let appended = log.append(&[], 9_000_000).unwrap();
    assert_eq!((appended.first_index, appended.checkpoint.checkpoint()), (300, old.checkpoint()));
    assert_eq!(appended.checkpoint.time_s(), Some(9000));
    assert_eq!(reopened(log.storage()).unwrap().checkpoint().time_s(), Some(9000));
}

#[test]
fn a_cosignature_is_published_until_the_next_append() {
    let mut log = log_of(3);
    let witness = Cosigner::from_seed(&[9; 32], "witness.example/w1").unwrap();
    let line = witness.cosign(log.checkpoint(), 77).unwrap();
    log.add_cosignature(witness.key(), &line).unwrap();
    let published = log.storage().read(CHECKPOINT_PATH).unwrap().unwrap();
    let published = signer().verifier_key().open(str::from_utf8(&published).unwrap()).unwrap();
    assert_eq!(witness.key().verify(&published), Ok(77));
    assert_eq!(reopened(log.storage()).unwrap().checkpoint(), &published);
    log.append(&batch(3..4), 0).unwrap();
    assert_eq!(witness.key().verify(log.checkpoint()), Err(NoteError::UnknownSigner));
    let late = log.add_cosignature(witness.key(), &line);
    assert!(matches!(late, Err(Error::Cosignature(NoteError::BadSignature))));
}

#[test]
fn partial_tiles_are_removed_after_the_full_tile_and_no_staging_file_remains() {
    let mut log = log_of(0);
    for index in 0..256 {
        log.append(&batch(index..index + 1), 0).unwrap();
        if index == 254 {
            assert!(log.storage().files().contains_key("tile/0/000.p/1"), "partial tiles of published trees remain");
        }
    }
    let paths: Vec<&str> = log.storage().files().keys().map(String::as_str).collect();
    assert_eq!(paths, [".state/lock", "checkpoint", "tile/0/000", "tile/1/000.p/1", "tile/entries/000"]);
}

/// States that a restored backup or tampering leaves. The log must refuse to open, because signing could fork it.
#[test]
fn a_rolled_back_or_modified_storage_does_not_open() {
    let old = log_of(100).storage().clone();
    let mut log = reopened(&old).unwrap();
    log.append(&batch(100..300), 0).unwrap();
    let now = log.storage();
    let with = |change: &dyn Fn(&mut MemoryStorage)| {
        let mut storage = now.clone();
        change(&mut storage);
        reopened(&storage).err().expect("the log opened")
    };
    let file = |storage: &MemoryStorage, path: &str| storage.files()[path].clone();

    let lock_restored = with(&|s| drop(s.files_mut().insert(LOCK_PATH.into(), file(&old, LOCK_PATH))));
    assert!(matches!(lock_restored, Error::Diverged { published: 300, signed: 100 }));
    let lock_lost = with(&|s| drop(s.files_mut().remove(LOCK_PATH)));
    assert!(matches!(lock_lost, Error::Diverged { published: 300, signed: 0 }));
    let checkpoint_lost = with(&|s| drop(s.files_mut().remove(CHECKPOINT_PATH)));
    assert!(matches!(checkpoint_lost, Error::StagingFileMissing { size: 300 }));
    let checkpoint_restored =
        with(&|s| drop(s.files_mut().insert(CHECKPOINT_PATH.into(), file(&old, CHECKPOINT_PATH))));
    assert!(matches!(checkpoint_restored, Error::StagingFileMissing { size: 300 }));
    let lock_corrupt = with(&|s| drop(s.files_mut().insert(LOCK_PATH.into(), vec![0xff])));
    assert!(matches!(lock_corrupt, Error::Checkpoint { path: LOCK_PATH, source: NoteError::Malformed }));

    for edge in ["tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44"] {
        let removed = with(&|s| drop(s.files_mut().remove(edge)));
        assert!(matches!(removed, Error::Read(ReadError::Missing(_))), "{edge}");
        let truncated = with(&|s| s.files_mut().get_mut(edge).unwrap().truncate(10));
        assert!(matches!(truncated, Error::Read(ReadError::Tile(..) | ReadError::Bundle(..))), "{edge}");
        let changed = with(&|s| *s.files_mut().get_mut(edge).unwrap().last_mut().unwrap() ^= 1);
        assert!(matches!(changed, Error::WrongRoot { size: 300 }), "{edge}");
    }
}

#[test]
fn a_fork_already_on_disk_is_detected() {
    let mut other = Log::create(MemoryStorage::new(), signer(), 0).unwrap();
    other.append(&[b"another history".to_vec()], 0).unwrap();
    for size in [1, 2] {
        let mut storage = log_of(size).storage().clone();
        let lock = storage.files()[LOCK_PATH].clone();
        *storage.files_mut() = other.storage().files().clone();
        storage.files_mut().insert(LOCK_PATH.into(), lock);
        let error = reopened(&storage).err().unwrap();
        assert!(matches!(error, Error::Diverged { published: 1, signed: 1 } | Error::StagingFileMissing { size: 2 }));
    }
}

#[test]
fn another_writer_is_detected_before_publication() {
    let mut log = log_of(3);
    let mut elsewhere = reopened(log.storage()).unwrap();
    elsewhere.append(&[b"theirs".to_vec()], 0).unwrap();
    log.storage = elsewhere.storage().clone();
    let error = log.append(&[b"ours".to_vec()], 0).unwrap_err();
    assert!(matches!(error, Error::InDoubt(StorageError::Changed(_))));
    log.recover().unwrap();
    assert_eq!((log.checkpoint().size(), log.entry(3).unwrap()), (4, b"theirs".to_vec()));
    assert_eq!(log.append(&[b"ours".to_vec()], 0).unwrap().first_index, 4);
}

/// A conflicting file exists at a tile's path: it is not overwritten, and nothing is published or signed instead.
#[test]
fn a_published_tile_is_never_overwritten() {
    let mut log = log_of(3);
    let published = log.checkpoint().clone();
    log.storage.files_mut().insert("tile/0/000.p/4".into(), vec![0; 128]);
    for _ in 0..2 {
        let error = log.append(&batch(3..4), 0).unwrap_err();
        assert!(matches!(
            error,
            Error::InDoubt(StorageError::Immutable(_)) | Error::Storage(StorageError::Immutable(_))
        ));
        assert_eq!(log.storage().files()["tile/0/000.p/4"], vec![0; 128]);
        assert_eq!(log.storage().files()[CHECKPOINT_PATH], published.note().as_bytes());
    }
    log.storage.files_mut().remove("tile/0/000.p/4");
    log.recover().unwrap();
    assert_eq!(log.entry(3).unwrap(), b"entry 3");
}

#[test]
fn between_commit_and_publication_the_staging_file_must_be_intact() {
    let mut log = log_of(3);
    let (frontier, tail, files) = log.state.extend(&batch(3..5));
    let signed = sign(&log.signer, &frontier, 0);
    let next = State { frontier, tail, signed };
    let path = staging_path(next.signed.checkpoint());
    let mut storage = log.storage().clone();
    stage(&mut storage, next.signed.checkpoint(), &files.encode()).unwrap();
    storage.swap(LOCK_PATH, Some(log.checkpoint().note().as_bytes()), next.signed.note().as_bytes()).unwrap();

    let mut lost = storage.clone();
    lost.remove(&path).unwrap();
    assert!(matches!(reopened(&lost), Err(Error::StagingFileMissing { size: 5 })));
    let mut corrupt = storage.clone();
    corrupt.files_mut().get_mut(&path).unwrap()[50] ^= 1;
    assert!(matches!(reopened(&corrupt), Err(Error::StagingFile(_))));
    assert_eq!(corrupt.files()[CHECKPOINT_PATH], log.checkpoint().note().as_bytes());

    let completed = reopened(&storage).unwrap();
    assert_eq!(completed.entries(3..5).unwrap(), batch(3..5));
    verify_tree(completed.storage(), signer().verifier_key(), &[log.checkpoint().checkpoint().clone()]).unwrap();

    // After publication a leftover staging file may be corrupt, because it is not needed.
    let mut uncleaned = completed.storage().clone();
    uncleaned.replace(&path, b"corrupt").unwrap();
    uncleaned.replace(".state/stage/9-never-committed", b"corrupt").unwrap();
    assert_eq!(reopened(&uncleaned).unwrap().storage(), completed.storage());
    log.commit(next, &files).unwrap();
}
