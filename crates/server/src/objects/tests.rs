//! One test suite for every object store.

use super::*;
use crate::peers::MotoServer;
use std::{io::Write as _, sync::Arc};

type Case = (&'static str, fn(&dyn Objects));

const SUITE: &[Case] = &[
    ("create_succeeds_once", create_succeeds_once),
    ("replaces_incomplete_uploads", replaces_incomplete_uploads),
    ("lists_by_prefix", lists_by_prefix),
    ("deletes", deletes),
    ("relocates_all_objects_and_the_marker_last", relocates_all_objects_and_the_marker_last),
    ("relocation_is_idempotent_after_a_crash", relocation_is_idempotent_after_a_crash),
    ("one_of_many_concurrent_creates_succeeds", one_of_many_concurrent_creates_succeeds),
    ("stores_large_objects", stores_large_objects),
];

#[test]
fn disk_passes_the_suite() {
    for (name, case) in SUITE {
        eprintln!("{name}");
        let dir = tempfile::tempdir().unwrap();
        case(&DiskObjects::open(dir.path()).unwrap());
    }
}

#[test]
fn s3_passes_the_suite() {
    let server = MotoServer::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let spool = tempfile::tempdir().unwrap();
    for (name, case) in SUITE {
        eprintln!("{name}");
        for url in [format!("s3://sealed/{name}"), "s3://sealed".into()] {
            server.reset("sealed");
            let location = ObjectsLocation::S3 { url, endpoint: String::new(), spool: spool.path().join("spool") };
            case(&*open(&server, &location, &runtime));
        }
    }
}

fn open(server: &MotoServer, location: &ObjectsLocation, runtime: &tokio::runtime::Runtime) -> Arc<dyn Objects> {
    let ObjectsLocation::S3 { url, spool, .. } = location else { panic!("{location}") };
    let settings = server.environment().map(|(name, value)| (name.to_owned(), value));
    Arc::new(s3::S3Objects::open(url, spool.clone(), settings, runtime.handle().clone()).unwrap())
}

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn put(objects: &dyn Objects, at: &str, bytes: &[u8]) {
    let spool = objects.spool().unwrap();
    let mut file = spool.create().unwrap();
    file.write_all(bytes).unwrap();
    file.sync_all().unwrap();
    objects.put(&key(at), spool).unwrap();
}

fn names(objects: &dyn Objects, below: &str) -> Vec<String> {
    objects.list(&key(below)).unwrap().iter().map(|found| found.key.to_string()).collect()
}

fn create_succeeds_once(objects: &dyn Objects) {
    assert_eq!(objects.get(&key("devices/a.der")).unwrap(), None);
    assert!(objects.create(&key("devices/a.der"), b"one").unwrap());
    assert!(!objects.create(&key("devices/a.der"), b"two").unwrap());
    assert_eq!(objects.get(&key("devices/a.der")).unwrap().unwrap(), b"one");
    assert_eq!(objects.get(&key("devices")).unwrap(), None, "a group is not an object");
    assert_eq!(objects.get(&key("devices/a.der/b")).unwrap(), None);
    assert!(objects.create(&key("devices/empty"), b"").unwrap());
    assert_eq!(objects.get(&key("devices/empty")).unwrap().unwrap(), b"");
}

fn replaces_incomplete_uploads(objects: &dyn Objects) {
    for bytes in [&b"one"[..], b"and two", b""] {
        put(objects, ".incoming/r/part", bytes);
        assert_eq!(objects.get(&key(".incoming/r/part")).unwrap().unwrap(), bytes);
    }
    let (kept, dropped) = (objects.spool().unwrap(), objects.spool().unwrap());
    kept.create().unwrap().write_all(b"a").unwrap();
    dropped.create().unwrap().write_all(b"b").unwrap();
    drop(dropped);
    objects.put(&key(".incoming/r/part"), kept).unwrap();
    assert_eq!(objects.get(&key(".incoming/r/part")).unwrap().unwrap(), b"a", "spool files are distinct");
}

fn lists_by_prefix(objects: &dyn Objects) {
    assert_eq!(names(objects, "records"), [""; 0]);
    for at in ["records/b/2", "records/a/1", "records/ab/1", "records/a/seal.json", "other/a"] {
        assert!(objects.create(&key(at), at.as_bytes()).unwrap());
    }
    assert_eq!(names(objects, "records/a"), ["records/a/1", "records/a/seal.json"]);
    let all = objects.list(&key("records")).unwrap();
    assert_eq!(all.iter().map(|found| found.bytes).collect::<Vec<_>>(), [11, 19, 12, 11]);
    assert_eq!(names(objects, "records"), ["records/a/1", "records/a/seal.json", "records/ab/1", "records/b/2"]);
    assert!(all.iter().all(|found| found.modified_ms > 1_700_000_000_000));
}

fn deletes(objects: &dyn Objects) {
    put(objects, ".incoming/r/1", b"one");
    put(objects, ".incoming/r/2", b"two");
    for _ in 0..2 {
        objects.delete(&key(".incoming/r/1")).unwrap();
    }
    assert_eq!(names(objects, ".incoming"), [".incoming/r/2"]);
    objects.delete(&key(".incoming/r/2")).unwrap();
    objects.delete(&key(".incoming/x/2")).unwrap();
    assert_eq!(names(objects, ".incoming"), [""; 0]);
    put(objects, ".incoming/r/1", b"again");
}

fn relocates_all_objects_and_the_marker_last(objects: &dyn Objects) {
    let (from, to) = (key(".incoming/r"), key("records/r"));
    for (name, bytes) in [("1", b"one"), ("2", b"two"), ("seal.json", b"yes")] {
        put(objects, &format!(".incoming/r/{name}"), bytes);
    }
    put(objects, ".incoming/rr/1", b"not of it");
    objects.relocate(&from, &to, "seal.json").unwrap();
    assert_eq!(names(objects, "records"), ["records/r/1", "records/r/2", "records/r/seal.json"]);
    assert_eq!(names(objects, ".incoming"), [".incoming/rr/1"]);
    assert_eq!(objects.get(&key("records/r/2")).unwrap().unwrap(), b"two");
    // And back, replacing another object.
    put(objects, ".incoming/r/3", b"stale");
    put(objects, ".incoming/r/1", b"stale");
    objects.relocate(&to, &from, "seal.json").unwrap();
    assert_eq!(names(objects, "records"), [""; 0]);
    assert_eq!(names(objects, ".incoming/r"), [".incoming/r/1", ".incoming/r/2", ".incoming/r/seal.json"]);
    assert_eq!(objects.get(&key(".incoming/r/1")).unwrap().unwrap(), b"one");
    assert!(objects.relocate(&to, &from, "seal.json").is_err(), "no objects");
    assert_eq!(names(objects, ".incoming/r").len(), 3);
}

fn relocation_is_idempotent_after_a_crash(objects: &dyn Objects) {
    // Some parts were copied before the process was killed, and one was uploaded again afterwards.
    put(objects, "records/r/1", b"old");
    put(objects, "records/r/9", b"old");
    for (name, bytes) in [("1", b"one"), ("2", b"two"), ("seal.json", b"yes")] {
        put(objects, &format!(".incoming/r/{name}"), bytes);
    }
    objects.relocate(&key(".incoming/r"), &key("records/r"), "seal.json").unwrap();
    assert_eq!(names(objects, "records"), ["records/r/1", "records/r/2", "records/r/seal.json"]);
    assert_eq!(objects.get(&key("records/r/1")).unwrap().unwrap(), b"one");
}

fn one_of_many_concurrent_creates_succeeds(objects: &dyn Objects) {
    let created = std::thread::scope(|scope| {
        let create = |n: u8| scope.spawn(move || objects.create(&key("devices/x"), &[n]).unwrap());
        let threads: Vec<_> = (0..8).map(create).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(created.iter().filter(|created| **created).count(), 1);
    let winner = created.iter().position(|created| *created).unwrap();
    assert_eq!(objects.get(&key("devices/x")).unwrap().unwrap(), [winner as u8]);
}

fn stores_large_objects(objects: &dyn Objects) {
    let bytes: Vec<u8> = (0..9_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    put(objects, ".incoming/r/1", &bytes);
    assert!(objects.get(&key(".incoming/r/1")).unwrap().unwrap() == bytes);
    assert_eq!(objects.list(&key(".incoming")).unwrap()[0].bytes, bytes.len() as u64);
}

#[test]
fn spool_files_of_a_killed_process_are_removed_at_start() {
    let dir = tempfile::tempdir().unwrap();
    let objects = DiskObjects::open(dir.path()).unwrap();
    let spool = objects.spool().unwrap();
    spool.create().unwrap().write_all(b"half").unwrap();
    std::mem::forget(spool);
    drop(DiskObjects::open(dir.path()).unwrap());
    assert_eq!(std::fs::read_dir(dir.path().join(".spool")).unwrap().count(), 0);
}

#[test]
fn locations_are_parsed() {
    let data = std::path::Path::new("data");
    for bad in ["", "s4://x", "disk:", "/x"] {
        assert!(matches!(ObjectsLocation::parse(bad, data), Err(ObjectError::Location(_))), "{bad:?}");
    }
    assert_eq!(ObjectsLocation::parse("disk:x", data).unwrap(), ObjectsLocation::Disk("x".into()));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for bad in ["s3://", "s3:///x", "s3://bucket/a/../b", "s3://bucket//a"] {
        let location = ObjectsLocation::parse(bad, data).unwrap();
        assert!(matches!(location.open(runtime.handle().clone()), Err(ObjectError::Location(_))), "{bad:?}");
    }
}
