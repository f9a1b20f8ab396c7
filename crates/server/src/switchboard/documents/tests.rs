//! Documents over a store and a log that fail and crash at any point.

use super::super::office_with_faults::{Office, card};
use super::*;
use crate::digest::sha256;
use telcon_proto::{
    Role,
    document::{DocumentKind, DocumentState, DocumentVersion},
};

const DOCUMENT: DocumentId = DocumentId::from_bytes([0xdc; 16]);
const AUTHOR: DeviceId = DeviceId::from_bytes([20; 16]);
const READER: DeviceId = DeviceId::from_bytes([21; 16]);
const STRANGER: DeviceId = DeviceId::from_bytes([22; 16]);

/// An author (session 2), a reader (session 3) and somebody else (session 4), connected.
fn office() -> Office {
    let mut office = Office::new();
    office.enrol(AUTHOR, card(20, Role::Scheduler));
    office.enrol(READER, card(21, Role::Principal));
    office.enrol(STRANGER, card(22, Role::DutyOfficer));
    connect(&mut office);
    office
}

fn connect(office: &mut Office) {
    for (session, device) in [(2, AUTHOR), (3, READER), (4, STRANGER)] {
        assert!(office.connect(session, device));
    }
    office.done.clear();
}

fn statement(version: u32, salt: &str) -> String {
    format!("statement {version} {salt}")
}

fn version(office: &mut Office, number: u32, salt: &str) -> NewDocument {
    let readers = vec![card(20, Role::Scheduler).person, card(21, Role::Principal).person];
    let previous = (number > 1).then(|| sha256(statement(number - 1, "").as_bytes()));
    let content = DocumentVersion {
        office: super::super::office_with_faults::home(),
        document: DOCUMENT,
        kind: DocumentKind::Brief,
        version: number,
        previous,
        ciphertext_sha256: sha256(salt.as_bytes()),
        content_sha256: sha256(b""),
        readers,
        about: None,
        state: DocumentState::Draft,
        due_ms: None,
        at_ms: office.now,
        author: card(20, Role::Scheduler),
        on_behalf: None,
    };
    let statement = statement(number, salt);
    let sha256 = sha256(statement.as_bytes());
    let standing = office.store.document_standing(&DOCUMENT, number).unwrap();
    NewDocument { content, by: AUTHOR, sha256, statement, follows: previous, standing }
}

fn put(office: &mut Office, number: u32, salt: &str) {
    let new = version(office, number, salt);
    let effects = office.board.put_document(RequestId(9), new, office.now);
    office.run(effects);
}

fn reply(office: &Office) -> Result<u64, RefusalKind> {
    match office.last_reply().expect("an answer") {
        Ok(reply) => Ok(reply.clone().logged().unwrap()),
        Err(refusal) => Err(refusal.kind),
    }
}

fn logged(office: &Office) -> Vec<(u32, Digest)> {
    let signed = |entry| match entry {
        Entry::DocumentVersion { version, statement_sha256, .. } => Some((version, statement_sha256)),
        _ => None,
    };
    office.entries().filter_map(signed).collect()
}

fn told(office: &Office, session: u64) -> Vec<u32> {
    let changed = |message: &ServerMessage| match message {
        ServerMessage::DocumentsChanged { version, .. } => Some(*version),
        _ => None,
    };
    office.sent_to(session).filter_map(changed).collect()
}

#[test]
fn a_version_is_answered_when_the_log_has_it_and_readers_are_told_alone() {
    let mut office = office();
    put(&mut office, 1, "");
    let index = reply(&office).unwrap();
    assert_eq!(logged(&office), [(1, sha256(statement(1, "").as_bytes()))]);
    assert_eq!((told(&office, 2), told(&office, 3), told(&office, 4)), (vec![1], vec![1], vec![]));
    put(&mut office, 1, "");
    assert_eq!(reply(&office), Ok(index), "the same again");
    put(&mut office, 2, "");
    put(&mut office, 2, "other");
    assert_eq!(reply(&office), Err(RefusalKind::Conflict));
    put(&mut office, 4, "");
    assert_eq!(reply(&office), Err(RefusalKind::Conflict), "a gap");
    put(&mut office, 1, "other");
    assert_eq!(reply(&office), Err(RefusalKind::Conflict), "an old version anew");
    assert_eq!(logged(&office).len(), 2);
}

#[test]
fn after_a_crash_at_any_output_a_version_is_there_once_or_not_at_all_and_can_be_sent_again() {
    for left in 0..6 {
        let mut office = office();
        put(&mut office, 1, "");
        office.done.clear();
        office.left = left;
        put(&mut office, 2, "");
        office.restart();
        connect(&mut office);
        let again = logged(&office).len();
        assert!(again <= 2);
        put(&mut office, 2, "");
        assert!(reply(&office).is_ok(), "left {left}: {:?}", office.last_reply());
        let digests: Vec<_> = [1, 2].map(|n| (n, sha256(statement(n, "").as_bytes()))).to_vec();
        assert_eq!(logged(&office), digests, "left {left}");
        put(&mut office, 3, "");
        assert!(reply(&office).is_ok(), "left {left}");
        // The store says the same as the log.
        office.restart();
        let standing = office.store.document_standing(&DOCUMENT, 4).unwrap();
        let (newest, _, _, index) = standing.newest.unwrap();
        assert_eq!((newest, index.is_some(), standing.found), (3, true, None));
    }
}

#[test]
fn while_the_log_fails_a_version_waits_and_no_other_is_taken() {
    let mut office = office();
    office.log_fails = true;
    put(&mut office, 1, "");
    assert_eq!(reply(&office), Err(RefusalKind::Unavailable));
    put(&mut office, 1, "other");
    assert_eq!(reply(&office), Err(RefusalKind::Conflict), "its sealed file is deleted");
    assert!(logged(&office).is_empty() && told(&office, 3).is_empty());
    office.log_fails = false;
    office.wait(LOG_RETRY_MS);
    assert_eq!(logged(&office).len(), 1);
    assert_eq!(told(&office, 3), [1]);
    put(&mut office, 1, "");
    assert!(reply(&office).is_ok());
}

/// The database is of an older backup than the log.
#[test]
fn a_version_that_only_the_log_has_is_taken_from_whoever_has_it_and_no_other_in_its_place() {
    let mut office = office();
    put(&mut office, 1, "");
    let lost = sha256(statement(2, "").as_bytes());
    let entry = Entry::DocumentVersion { time_ms: office.now, document: DOCUMENT, version: 2, statement_sha256: lost };
    office.append(&entry);
    office.restart();
    connect(&mut office);
    put(&mut office, 2, "other");
    assert_eq!(reply(&office), Err(RefusalKind::Conflict));
    put(&mut office, 2, "");
    assert!(reply(&office).is_ok());
    assert_eq!((logged(&office).len(), told(&office, 3)), (2, vec![2]));
    put(&mut office, 3, "");
    assert!(reply(&office).is_ok());
}

/// The attacker has a revoked device, or its token.
#[test]
fn a_revoked_device_writes_nothing_and_nobody_names_readers_who_are_not_enrolled() {
    let mut office = office();
    let mut new = version(&mut office, 1, "");
    new.content.readers.push(PersonId::from_bytes([0xee; 16]));
    let effects = office.board.put_document(RequestId(9), new, office.now);
    office.run(effects);
    assert_eq!(reply(&office), Err(RefusalKind::Forbidden));
    let effects = office.board.revoke(RequestId(8), AUTHOR, "order".into(), office.now);
    office.run(effects);
    put(&mut office, 1, "");
    assert_eq!(reply(&office), Err(RefusalKind::Forbidden));
    assert!(logged(&office).is_empty());
}

#[test]
fn a_copy_is_opened_when_the_log_says_so_and_not_while_it_fails() {
    let mut office = office();
    let opened = |office: &Office| {
        let opened = |entry: &Entry| matches!(entry, Entry::DocumentOpened { device: READER, .. });
        office.entries().filter(opened).count()
    };
    let open = |office: &mut Office| {
        let effects = office.board.open_copy(RequestId(9), DOCUMENT, 1, READER, office.now);
        office.run(effects);
    };
    open(&mut office);
    let index = reply(&office).unwrap();
    open(&mut office);
    assert_eq!((reply(&office), opened(&office)), (Ok(index), 1), "loaded again");
    office.wait(60_000);
    open(&mut office);
    assert_eq!(opened(&office), 2);
    office.wait(60_000);
    office.log_fails = true;
    open(&mut office);
    assert_eq!((reply(&office), opened(&office)), (Err(RefusalKind::Unavailable), 2));
}

/// The attacker has an enrolled device, and wants to fill the log.
#[test]
fn a_device_writes_so_many_versions_in_a_minute_and_no_more() {
    use super::super::held_documents::MAX_WRITTEN;
    let mut office = office();
    for _ in 0..MAX_WRITTEN + 5 {
        let number = logged(&office).len() as u32 + 1;
        put(&mut office, number, "");
    }
    assert_eq!((logged(&office).len() as u32, reply(&office)), (MAX_WRITTEN, Err(RefusalKind::Forbidden)));
    office.wait(60_000);
    put(&mut office, MAX_WRITTEN + 1, "");
    assert!(reply(&office).is_ok());
}

#[test]
fn a_devices_key_is_asked_for_until_it_is_stored_and_is_in_the_log_once() {
    for left in 0..4 {
        let mut office = office();
        let missing = |office: &mut Office, session: u64| {
            office.done.clear();
            assert!(office.connect(session, READER));
            office.sent_to(session).any(|message| matches!(message, ServerMessage::SignedIn { key_missing: true, .. }))
        };
        assert!(missing(&mut office, 5));
        let publish = |office: &mut Office, session: u64| {
            let new = NewDeviceKey { device: READER, statement: "key".into(), sha256: sha256(b"key") };
            let effects = office.board.publish_key(SessionId(session), Ok(new), office.now);
            office.run(effects);
        };
        office.left = left;
        publish(&mut office, 5);
        office.restart();
        if missing(&mut office, 6) {
            publish(&mut office, 6);
        }
        assert!(!missing(&mut office, 7), "left {left}");
        let stated = office.entries().filter(|entry| matches!(entry, Entry::DeviceKey { .. })).count();
        assert_eq!(stated, 1, "left {left}");
        // Not that of another device.
        let new = NewDeviceKey { device: AUTHOR, statement: "key".into(), sha256: sha256(b"key") };
        let effects = office.board.publish_key(SessionId(7), Ok(new), office.now);
        office.run(effects);
        let stated = office.entries().filter(|entry| matches!(entry, Entry::DeviceKey { .. })).count();
        assert_eq!(stated, 1);
    }
}
