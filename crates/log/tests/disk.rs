//! The log on a real disk: reopening, mutual exclusion of writers, and SIGKILL.
#![cfg(feature = "disk")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use telcon_log::{DiskReader, DiskStorage, Error, Log, LogSigner, StorageError, verify_tree};

/// The log directory of the child process of the kill test. Unset in an ordinary run, where the child does nothing.
const CHILD_DIR: &str = "TELCON_LOG_TEST_CHILD_DIR";

fn signer() -> LogSigner {
    LogSigner::from_seed(&[1; 32], "office.example/log").unwrap()
}

fn open(dir: &Path) -> Log<DiskStorage> {
    Log::open_or_create(DiskStorage::open(dir).unwrap(), signer(), 0).unwrap()
}

fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

#[test]
fn appended_entries_survive_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(dir.path());
    let first = log.append(&(0..300).map(entry).collect::<Vec<_>>(), 1_000).unwrap().checkpoint;
    drop(log);
    let mut log = open(dir.path());
    assert_eq!(log.checkpoint(), &first);
    let second = log.append(&[entry(300)], 2_000).unwrap();
    assert_eq!(second.first_index, 300);
    let report =
        verify_tree(DiskReader::new(dir.path()), signer().verifier_key(), &[first.checkpoint().clone()]).unwrap();
    assert_eq!(report.checkpoint(), &second.checkpoint);
    let entries: Vec<_> = report.entries().map(Result::unwrap).collect();
    assert_eq!(entries, (0..=300).map(|index| (index, entry(index))).collect::<Vec<_>>());
    assert_eq!(std::fs::read(dir.path().join("checkpoint")).unwrap(), second.checkpoint.note().as_bytes());
    assert!(dir.path().join("tile/0/001.p/45").is_file() && !dir.path().join("tile/0/000.p").exists());
}

#[test]
fn a_second_writer_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    assert!(matches!(DiskStorage::open(dir.path()), Err(StorageError::InUse)));
    drop(log);
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(Log::open(DiskStorage::open(empty.path()).unwrap(), signer()), Err(Error::NotFound)));
}

/// Not a test by itself: the process that [`killed_at_any_moment`] kills. Appends repeatedly and prints each acknowledged
/// size.
#[test]
fn child_that_appends() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
    let mut log = open(Path::new(&dir));
    // Bounded, so that an orphaned process ends.
    for _ in 0..5_000 {
        let first = log.checkpoint().size();
        let appended = log.append(&(first..first + 1 + first % 3).map(entry).collect::<Vec<_>>(), first).unwrap();
        println!("acknowledged {}", appended.checkpoint.size());
    }
}

/// SIGKILL after an acknowledgement, while the next append is in progress.
#[test]
fn killed_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    let mut remembered = Vec::new();
    for round in 0..25 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_appends", "--nocapture"])
            .env(CHILD_DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut sizes =
            lines.filter_map(|line| line.unwrap().split_once("acknowledged ")?.1.trim().parse::<u64>().ok());
        let acknowledged = sizes.nth(1 + round % 7).expect("the child keeps appending");
        child.kill().unwrap();
        child.wait().unwrap();
        // The published files before recovery, as an auditor sees them.
        let seen = verify_tree(DiskReader::new(dir.path()), signer().verifier_key(), &remembered).unwrap();
        assert!(seen.checkpoint().size() >= acknowledged);
        remembered.push(seen.checkpoint().checkpoint().clone());
        let log = open(dir.path());
        assert!(log.checkpoint().size() >= seen.checkpoint().size());
        remembered.push(log.checkpoint().checkpoint().clone());
        drop(log);
        let report = verify_tree(DiskReader::new(dir.path()), signer().verifier_key(), &remembered).unwrap();
        for read in report.entries() {
            let (index, bytes) = read.unwrap();
            assert_eq!(bytes, entry(index));
        }
    }
}
