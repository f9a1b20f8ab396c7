//! What a crash leaves, and what it must not.

use super::*;
use telcon_proto::{Card, DeviceId, Ended, PersonId, RecordMode, Role};

const CALL: CallId = CallId::from_bytes([0xca; 16]);

fn device(n: u8) -> DeviceId {
    DeviceId::from_bytes([n; 16])
}

fn card(n: u8) -> Card {
    Card {
        person: PersonId::from_bytes([n; 16]),
        name: format!("Person {n}"),
        organisation: "Chancellery".into(),
        role: Role::Principal,
        zone: "UTC".into(),
    }
}

fn call() -> CallRow {
    CallRow {
        call: CALL,
        ring: "ring".into(),
        from_device: device(1),
        from: card(1),
        to: card(2),
        mode: RecordMode::Audio,
        stage: Stage::Opening,
        epoch: 0,
        answerer: None,
        noted: false,
        opened_ms: 5,
        answered_ms: None,
        ended_ms: None,
        how: None,
        opened_index: None,
        ended_index: None,
        missing_index: None,
    }
}

fn enrolled(n: u8) -> Write {
    Write::Device(Box::new(DeviceRow {
        device: device(n),
        card: card(n),
        chain: vec![Blob(vec![n]), Blob(vec![n, n])],
        cert_sha256: telcon_proto::Digest::from_bytes([n; 32]),
        enrolment: format!("{n}"),
        enrolled_ms: 1,
        revoked_ms: None,
        revocation: None,
        log_index: Some(u64::from(n)),
        revoked_index: None,
    }))
}

fn commit(seq: u64, adds: &[u8], members: &[u8]) -> Write {
    let handshake = Handshake {
        seq,
        from: device(1),
        commit: Blob(vec![seq as u8]),
        welcome: (!adds.is_empty()).then(|| Blob(vec![0xff])),
        adds: adds.iter().map(|n| device(*n)).collect(),
        members: members.iter().map(|n| device(*n)).collect(),
    };
    Write::Committed { call: CALL, handshake: Box::new(handshake), noted: false }
}

struct Disk(tempfile::TempDir);

impl Disk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("telcon.db")
    }
    fn open(&self) -> Store {
        Store::open(&self.path()).unwrap()
    }
}

#[test]
fn everything_comes_back() {
    let disk = Disk::new();
    let ask = Ask { device: device(4), key_package: Blob(vec![4]), answer: true };
    let mut store = disk.open();
    store.apply(&[enrolled(1), enrolled(2), Write::Call(Box::new(call()))]).unwrap();
    store.apply(&[Write::CallOpened(CALL, 7), Write::CallAnswered(CALL, device(2), 9)]).unwrap();
    store.apply(&[commit(1, &[2], &[1, 2]), commit(2, &[3], &[1, 2, 3]), Write::Asked(CALL, ask.clone())]).unwrap();
    store.apply(&[Write::Leaving(CALL, device(3))]).unwrap();
    drop(store);
    let found = disk.open().load().unwrap();
    assert_eq!(found.devices.len(), 2);
    let [active] = &found.active[..] else { panic!("{found:?}") };
    assert_eq!(active.members, [device(1), device(2), device(3)]);
    assert_eq!(active.participants, active.members);
    assert_eq!(active.leaving, [device(3)]);
    assert_eq!(active.asks, [ask]);
    assert_eq!(active.handshakes.iter().map(|h| h.seq).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(
        active.row,
        CallRow {
            stage: Stage::Live,
            epoch: 2,
            answerer: Some(device(2)),
            answered_ms: Some(9),
            opened_index: Some(7),
            ..call()
        }
    );
}

#[test]
fn a_transaction_is_all_or_nothing() {
    let disk = Disk::new();
    let mut store = disk.open();
    store.apply(&[Write::Call(Box::new(call()))]).unwrap();
    // The second commit is of an epoch that is past: both are refused.
    assert!(store.apply(&[commit(1, &[], &[1]), commit(1, &[], &[1])]).is_err());
    let active = store.load().unwrap().active.remove(0);
    assert_eq!((active.row.epoch, active.handshakes.len()), (0, 0));
}

#[test]
fn a_process_that_is_killed_forgets_nothing_that_it_confirmed() {
    // A second connection sees what is on disk while the first was never closed, as after a kill.
    let disk = Disk::new();
    let mut store = disk.open();
    store.apply(&[Write::Call(Box::new(call())), commit(1, &[], &[1])]).unwrap();
    std::mem::forget(store);
    assert_eq!(disk.open().load().unwrap().active[0].row.epoch, 1);
}

#[test]
fn what_served_a_call_alone_is_erased_with_its_end() {
    let disk = Disk::new();
    let mut store = disk.open();
    let ask = Ask { device: device(4), key_package: Blob(vec![4]), answer: false };
    store.apply(&[enrolled(1), enrolled(2), Write::Call(Box::new(call())), commit(1, &[2], &[1, 2])]).unwrap();
    store.apply(&[Write::CallOpened(CALL, 1), Write::Asked(CALL, ask)]).unwrap();
    store.apply(&[Write::CallAnswered(CALL, device(2), 6), Write::CallEnded(CALL, Ended::HungUp, 8)]).unwrap();
    for table in ["handshakes", "asks", "members"] {
        let rows: i64 = store.connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |r| r.get(0)).unwrap();
        assert_eq!(rows, 0, "{table}");
    }
    let unfinished = |store: &Store| store.load().unwrap().unfinished;
    let [Unfinished { row, participants, .. }] = &unfinished(&store)[..] else { panic!("its end is owed to the log") };
    assert_eq!((row.how, participants.len()), (Some(Ended::HungUp), 2));
    store.apply(&[Write::EndLogged(CALL, 2)]).unwrap();
    assert_eq!(unfinished(&store).len(), 1, "its record is owed to the archive");
    store.apply(&[Write::Record(record(1))]).unwrap();
    assert_eq!(unfinished(&store), []);
    assert_eq!(store.load().unwrap().known, [CALL]);

    let reader = Reader::open(&disk.path()).unwrap();
    assert_eq!(reader.records(10).unwrap()[0].records, [record(1)]);
    let (_, devices) = reader.record(&CALL).unwrap().unwrap();
    assert_eq!(devices.iter().map(|d| d.device).collect::<Vec<_>>(), [device(1), device(2)]);
    assert_eq!(reader.record(&CallId::from_bytes([0; 16])).unwrap(), None);
}

fn record(by: u8) -> RecordRow {
    RecordRow {
        call: CALL,
        device: Some(device(by)),
        digest: telcon_proto::Digest::from_bytes([by; 32]),
        kept_ms: 9,
        log_index: 3 + u64::from(by),
        partial: true,
    }
}

#[test]
fn a_record_of_each_note_taker_is_owed() {
    let disk = Disk::new();
    let mut store = disk.open();
    let note_taker = |n: u8| match enrolled(n) {
        Write::Device(row) => {
            Write::Device(Box::new(DeviceRow { card: Card { role: Role::NoteTaker, ..card(n) }, ..*row }))
        }
        _ => unreachable!(),
    };
    store.apply(&[enrolled(1), enrolled(2), note_taker(5), note_taker(6), Write::Call(Box::new(call()))]).unwrap();
    let mut commit = commit(1, &[2, 5, 6], &[1, 2, 5, 6]);
    if let Write::Committed { noted, .. } = &mut commit {
        *noted = true;
    }
    store.apply(&[commit, Write::CallOpened(CALL, 1), Write::CallAnswered(CALL, device(2), 6)]).unwrap();
    store.apply(&[Write::CallEnded(CALL, Ended::HungUp, 8), Write::EndLogged(CALL, 2)]).unwrap();
    let brought = |store: &Store| {
        let unfinished = store.load().unwrap().unfinished;
        unfinished.first().map(|call| call.records.iter().filter_map(|r| r.device).collect::<Vec<_>>())
    };
    assert_eq!(brought(&store), Some(vec![]));
    store.apply(&[Write::Record(record(5))]).unwrap();
    assert_eq!(brought(&store), Some(vec![device(5)]), "the other has one to bring");
    store.apply(&[Write::Record(record(6)), Write::Record(record(5))]).unwrap();
    assert_eq!(brought(&store), None);
    let reader = Reader::open(&disk.path()).unwrap();
    assert_eq!(reader.record(&CALL).unwrap().unwrap().0.records, [record(5), record(6)]);
    assert!(reader.records(10).unwrap()[0].is_partial());
    let whole = RecordRow { partial: false, ..record(6) };
    store.apply(&[Write::Record(whole)]).unwrap();
    assert!(!reader.records(10).unwrap()[0].is_partial(), "one of them lacks nothing");
}

/// What the program wrote that knew one record of each call, and kept no revocations.
const ONE_RECORD_EACH: &str = "DROP TABLE records; CREATE TABLE records (
    call BLOB PRIMARY KEY, digest TEXT NOT NULL, kept_ms INTEGER NOT NULL, log_index INTEGER NOT NULL,
    partial INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID; ALTER TABLE devices DROP COLUMN revocation;";

#[test]
fn a_database_of_version_2_keeps_its_records() {
    let disk = Disk::new();
    let mut store = disk.open();
    store.apply(&[Write::Call(Box::new(call())), Write::CallOpened(CALL, 1)]).unwrap();
    let old = "INSERT INTO records SELECT call, 'of 5', 9, 8, 1 FROM calls; PRAGMA user_version = 2;";
    store.connection.execute_batch(&format!("{ONE_RECORD_EACH} {old}")).unwrap();
    drop(store);
    drop(disk.open());
    let found = Reader::open(&disk.path()).unwrap().records(1).unwrap();
    assert_eq!(found[0].records, [RecordRow { device: None, ..record(5) }]);
}

#[test]
fn an_enrolment_is_used_once() {
    let mut store = Disk::new().open();
    store.apply(&[enrolled(1)]).unwrap();
    assert!(store.apply(&[enrolled(1)]).is_err());
}

#[test]
fn a_newer_database_is_not_touched() {
    let disk = Disk::new();
    disk.open().connection.pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(Store::open(&disk.path()), Err(StoreError::Newer { found: 99, .. })));
}

#[test]
fn a_database_of_version_1_reads_the_log_again_and_knows_how_long_it_was() {
    let disk = Disk::new();
    let mut store = disk.open();
    store.set_log_seen(5).unwrap();
    let back = "ALTER TABLE records DROP COLUMN partial; PRAGMA user_version = 1;";
    store.connection.execute_batch(&format!("{ONE_RECORD_EACH} {back}")).unwrap();
    drop(store);
    let mut store = disk.open();
    assert_eq!((store.log_seen().unwrap(), store.reads_log_again().unwrap()), (5, true));
    store.set_log_seen(6).unwrap();
    assert_eq!((store.log_seen().unwrap(), store.reads_log_again().unwrap()), (6, false));
}
