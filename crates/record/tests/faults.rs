//! The note-taker is killed, or its disk is full, at every file system operation.

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use support::*;
use telcon_record::fs::SpoolFs;
use telcon_record::*;

const FLUSHES: u8 = 2;

fn file_name(n: u8) -> String {
    format!("events/{n:06}.jsonl")
}

/// Writes a record until an operation fails. Returns the paths that the writer reported as durable, and whether it finished.
fn write_until_killed(fs: Arc<dyn SpoolFs>, dir: &Path) -> (Vec<String>, bool) {
    let mut safe = Vec::new();
    let Ok(mut writer) = RecordWriter::create_on(fs, dir, &custodians(), CALL) else {
        return (safe, false);
    };
    for n in 0..FLUSHES {
        writer.add(&file_name(n), payload(n, "x")).unwrap();
        match writer.flush_part() {
            Ok(_) => safe.push(format!("data/session-1/{}", file_name(n))),
            Err(_) => return (safe, false),
        }
    }
    writer.add("participants.json", payload(9, "x")).unwrap();
    match writer.finish(&info(false)) {
        Ok(_) => safe.push("data/session-1/participants.json".to_owned()),
        Err(_) => return (safe, false),
    }
    (safe, true)
}

/// The files in committed parts: the journal has the part's line, and the part exists under one of its names. Parsed here
/// without the crate's code. They must not be lost, even if the writer was killed before it could report them.
fn committed(dir: &Path) -> Vec<String> {
    let journal = std::fs::read_to_string(dir.join("resume.jsonl")).unwrap_or_default();
    let whole = journal.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let mut files = Vec::new();
    for line in whole.filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()) {
        let part = &line["part"];
        let Some(name) = part["digest"]["name"].as_str() else { continue };
        let is_there = |name: String| {
            let bytes = std::fs::read(dir.join(name)).unwrap_or_default();
            sha256(&bytes).to_string() == part["digest"]["sha256"]
        };
        if is_there(name.to_owned()) || is_there(format!("{name}.tmp")) {
            let entries = part["files"].as_array().unwrap();
            files.extend(entries.iter().map(|file| file["path"].as_str().unwrap().to_owned()));
        }
    }
    files
}

/// Recovers, finishes if necessary, opens, and checks that the bag contains every durable file.
fn recover(dir: &Path, safe: &[String], finished: bool, what: &str) {
    let committed = committed(dir);
    // The journal is removed last, so without it the seal lists the parts.
    let known = committed.len() >= safe.len() || dir.join("seal.json").exists();
    assert!(known, "{what}: {safe:?}, but only {committed:?}");
    let writer = match RecordWriter::recover(dir, &custodians()) {
        Ok(Recovered::Unfinished(writer)) => Some(writer),
        Ok(Recovered::Sealed(_)) => None,
        Err(RecordError::NoRecord(_)) if safe.is_empty() => {
            // Killed in `create`: creating the record again works.
            RecordWriter::create(dir, &custodians(), CALL).unwrap_or_else(|e| panic!("{what}: {e}"));
            return;
        }
        Err(e) => panic!("{what}: {e}"),
    };
    if let Some(mut writer) = writer {
        assert!(!finished, "{what}: finished, but recovered as unfinished");
        assert_eq!(writer.foreign_parts(), [""; 0], "{what}");
        assert!(writer.session() > 1, "{what}");
        writer.add("events/000000.jsonl", payload(77, "after the crash")).unwrap();
        writer.finish(&info(true)).unwrap();
    }
    let names: Vec<String> = files_below(dir).into_keys().collect();
    assert!(names.iter().all(|n| n == "seal.json" || n.ends_with(".tar.age")), "{what}: {names:?}");
    let out = dir.with_extension("out");
    open_record(dir, &[identity(1)], &out).unwrap_or_else(|e| panic!("{what}: {e}"));
    let bag = files_below(&out.join("evidence/bag"));
    for path in safe.iter().chain(&committed) {
        assert!(bag.contains_key(path), "{what}: {path} was lost");
    }
}

#[test]
fn kill_at_every_operation_loses_nothing_committed() {
    let mut kills = 0;
    for effect in EFFECTS {
        for at in 0.. {
            let root = tempfile::tempdir().unwrap();
            let dir = root.path().join(CALL);
            let fs = Arc::new(FaultyFs::new(at, effect, Fault::Kill));
            let (safe, finished) = write_until_killed(fs.clone(), &dir);
            if !fs.hit() {
                assert!(finished);
                break;
            }
            kills += 1;
            recover(&dir, &safe, finished, &format!("killed at operation {at}, {effect:?}"));
        }
    }
    // create 5, two flushes of 5, finish 5 + 3 + 2, for each effect.
    assert!(kills >= 3 * 25, "{kills}");
}

#[test]
fn kill_during_recovery_loses_nothing_committed() {
    let mut kills = 0;
    for effect in EFFECTS {
        for first in 0.. {
            let root = tempfile::tempdir().unwrap();
            let origin = root.path().join("origin");
            let fs = Arc::new(FaultyFs::new(first, effect, Fault::Kill));
            let (mut safe, finished) = write_until_killed(fs.clone(), &origin);
            if !fs.hit() {
                break;
            }
            safe.extend(committed(&origin));
            safe.sort();
            safe.dedup();
            if safe.is_empty() {
                continue;
            }
            for second in 0.. {
                let dir = root.path().join(format!("copy-{second}"));
                std::fs::create_dir(&dir).unwrap();
                for (name, bytes) in files_below(&origin) {
                    std::fs::write(dir.join(name), bytes).unwrap();
                }
                let fs = Arc::new(FaultyFs::new(second, effect, Fault::Kill));
                let _ = RecordWriter::recover_on(fs.clone(), &dir, &custodians());
                if !fs.hit() {
                    break;
                }
                kills += 1;
                recover(
                    &dir,
                    &safe,
                    finished,
                    &format!("killed at {first} and, during recovery, at {second}, {effect:?}"),
                );
            }
        }
    }
    assert!(kills > 100, "{kills}");
}

/// Retries a call that fails because the disk is full, which lasts for a limited number of operations.
fn retry<T>(what: &str, dir: &Path, mut call: impl FnMut() -> Result<T, RecordError>) -> T {
    for _ in 0..3 {
        match call() {
            Ok(value) => return value,
            Err(e) => assert!(matches!(e, RecordError::DiskFull { .. }) && e.is_retryable(), "{what}: {e}"),
        }
        for (name, bytes) in files_below(dir).into_iter().filter(|(name, _)| name.ends_with(".tar.age")) {
            assert!(bytes.starts_with(b"age-encryption.org/v1\n") && bytes.len() > 4096, "{what}: half of {name}");
        }
    }
    panic!("{what}: still full");
}

#[test]
fn full_disk_at_every_operation_and_its_cleanup_is_retryable() {
    for (effect, times) in EFFECTS.into_iter().flat_map(|effect| [(effect, 1), (effect, 2)]) {
        for at in 0.. {
            let what = format!("full at operation {at} for {times}, {effect:?}");
            let root = tempfile::tempdir().unwrap();
            let dir = root.path().join(CALL);
            let fs = Arc::new(FaultyFs::new(at, effect, Fault::Full(times)));
            let mut writer = retry(&what, root.path(), || {
                match RecordWriter::create_on(fs.clone(), &dir, &custodians(), CALL) {
                    // Reported as failed, but created.
                    Err(RecordError::Exists(_)) => match RecordWriter::recover_on(fs.clone(), &dir, &custodians())? {
                        Recovered::Unfinished(writer) => Ok(*writer),
                        Recovered::Sealed(_) => panic!("{what}: sealed"),
                    },
                    other => other,
                }
            });
            for n in 0..FLUSHES {
                writer.add(&file_name(n), payload(n, "x")).unwrap();
                retry(&what, &dir, || writer.flush_part().map(drop));
            }
            let mut sealed = retry(&what, &dir, || writer.finish(&info(false)));
            retry(&what, &dir, || sealed.attach_signature("a.b.c"));
            let out = root.path().join("out");
            let opened = open_record(&dir, &[identity(2)], &out).unwrap_or_else(|e| panic!("{what}: {e}"));
            assert_eq!((opened.files, opened.jws.as_deref()), (usize::from(FLUSHES), Some("a.b.c")), "{what}");
            assert!(files_below(&dir).keys().all(|name| !name.ends_with(".tmp")), "{what}");
            if !fs.hit() {
                break;
            }
        }
    }
}

#[test]
fn persistently_full_disk_keeps_data_in_memory() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(CALL);
    let fs = Arc::new(FullFs(AtomicBool::new(false)));
    let mut writer = RecordWriter::create_on(fs.clone(), &dir, &custodians(), CALL).unwrap();
    writer.add("a.jsonl", payload(1, "before")).unwrap();
    writer.flush_part().unwrap();
    let before = files_below(&dir);

    fs.0.store(true, Ordering::SeqCst);
    for n in 0..5 {
        writer.add(&file_name(n), payload(10 + n, "meanwhile")).unwrap();
        let waiting = writer.buffered_bytes();
        assert!(matches!(writer.flush_part(), Err(RecordError::DiskFull { .. })));
        assert!(matches!(writer.finish(&info(true)), Err(RecordError::DiskFull { .. })));
        assert_eq!((writer.buffered_bytes(), writer.parts().len()), (waiting, 1));
        assert_eq!(files_below(&dir), before, "something was left on the disk");
    }
    fs.0.store(false, Ordering::SeqCst);
    writer.flush_part().unwrap();
    writer.finish(&info(false)).unwrap();
    assert_eq!(open_record(&dir, &[identity(1)], &root.path().join("out")).unwrap().files, 6);
}

#[test]
fn full_buffer_refuses_more_and_loses_nothing() {
    let root = tempfile::tempdir().unwrap();
    let mut writer = RecordWriter::create(&root.path().join(CALL), &custodians(), CALL).unwrap();
    let big = |n: u8| payload(n, &"x".repeat(20 << 20));
    writer.add("a", big(1)).unwrap();
    writer.add("b", big(2)).unwrap();
    let (error, third) = writer.add("c", big(3)).unwrap_err();
    assert!(matches!(error, RecordError::BufferFull));
    writer.flush_part().unwrap();
    writer.add("c", third).unwrap();
    writer.finish(&info(false)).unwrap();
    assert_eq!(open_record(&root.path().join(CALL), &[identity(1)], &root.path().join("out")).unwrap().files, 3);
}

#[test]
fn damage_that_no_crash_causes_is_an_error() {
    let begun = |root: &Path| {
        let dir = root.join(CALL);
        let mut writer = RecordWriter::create(&dir, &custodians(), CALL).unwrap();
        for n in 0..2 {
            writer.add(&file_name(n), payload(n, "x")).unwrap();
            writer.flush_part().unwrap();
        }
        dir
    };
    let root = tempfile::tempdir().unwrap();
    let dir = begun(&root.path().join("changed"));
    let part = dir.join("part-000001.tar.age");
    let mut bytes = std::fs::read(&part).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&part, bytes).unwrap();
    assert!(matches!(RecordWriter::recover(&dir, &custodians()), Err(RecordError::PartChanged(_))));

    let dir = begun(&root.path().join("missing"));
    std::fs::remove_file(dir.join("part-000000.tar.age")).unwrap();
    assert!(matches!(RecordWriter::recover(&dir, &custodians()), Err(RecordError::PartMissing(_))));

    let dir = begun(&root.path().join("others"));
    assert!(matches!(RecordWriter::recover(&dir, &custodians()[..1]), Err(RecordError::CustodiansDiffer)));
    assert!(matches!(RecordWriter::create(&dir, &custodians(), CALL), Err(RecordError::Exists(_))));
}

#[test]
fn part_unknown_to_the_journal_is_renamed_and_kept() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join(CALL);
    let mut writer = RecordWriter::create(&dir, &custodians(), CALL).unwrap();
    writer.add("a", payload(1, "x")).unwrap();
    writer.flush_part().unwrap();
    drop(writer);
    std::fs::write(dir.join("part-000001.tar.age"), b"foreign").unwrap();
    let Ok(Recovered::Unfinished(mut writer)) = RecordWriter::recover(&dir, &custodians()) else {
        panic!("not recovered as unfinished")
    };
    assert_eq!(writer.foreign_parts(), ["part-000001.tar.age"]);
    writer.finish(&info(true)).unwrap();
    assert_eq!(files_below(&dir)["part-000001.tar.age.foreign"], b"foreign");
    assert_eq!(open_record(&dir, &[identity(1)], &root.path().join("out")).unwrap().parts, 2);
}
