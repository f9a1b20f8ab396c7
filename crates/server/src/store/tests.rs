//! One test suite for every database, including the state after a crash.

use super::{faulty::*, testing::TestStore, *};
use crate::peers::PostgresServer;
use std::collections::BTreeSet;
use telcon_proto::{
    AlertKind, Blob, CallId, Card, DelegationId, DeviceId, Digest, Ended, InvitationId, LineId, PersonId, RecordMode,
    Role, ShiftId,
    alert::AlertSeen,
    delegation::Act,
    device_policy::DeviceKind,
    entry::InvitationClosed,
    http::FailedSignIns,
    limits::{MAX_PASSKEYS_PER_DEVICE, MAX_PIN_ATTEMPTS, MAX_SIGN_INS_PER_DEVICE},
    line::{Line, LineState, LineTerms, LoggedVersion, OverLine, Reach},
    reach::ReachSettings,
    shift::ShiftEnd,
};

const CALL: CallId = CallId::from_bytes([0xca; 16]);
const LINE: LineId = LineId::from_bytes([0x1e; 16]);

fn device(n: u8) -> DeviceId {
    DeviceId::from_bytes([n; 16])
}

fn card(n: u8) -> Card {
    Card {
        person: PersonId::from_bytes([n; 16]),
        office: testing::home(),
        name: format!("Person {n}"),
        organisation: "Chancellery".into(),
        role: Role::Principal,
        zone: "UTC".into(),
        place: false,
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
        on_behalf: None,
        answered_under: None,
        line: None,
        diverted: false,
        desk_from_ms: None,
    }
}

fn enrolled(n: u8) -> Write {
    Write::Device(Box::new(DeviceRow {
        device: device(n),
        card: card(n),
        chain: vec![Blob(vec![n]), Blob(vec![n, n])],
        cert_sha256: Digest::from_bytes([n; 32]),
        enrolment: format!("{n}"),
        enrolled_ms: 1,
        revoked_ms: None,
        revocation: None,
        erase_ordered_ms: None,
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

/// A test of the suite.
type Case = (&'static str, fn(&TestStore));

/// Every database must pass these.
const SUITE: &[Case] = &[
    ("everything_is_restored", everything_is_restored),
    ("a_transaction_is_applied_completely_or_not_at_all", a_transaction_is_applied_completely_or_not_at_all),
    ("confirmed_transactions_are_durable", confirmed_transactions_are_durable),
    (
        "the_end_of_a_call_deletes_its_members_requests_and_handshakes",
        the_end_of_a_call_deletes_its_members_requests_and_handshakes,
    ),
    ("the_records_of_an_unfinished_call_are_loaded_with_it", the_records_of_an_unfinished_call_are_loaded_with_it),
    (
        "a_settled_call_is_not_loaded_unless_the_log_turns_out_to_have_its_opening",
        a_settled_call_is_not_loaded_unless_the_log_turns_out_to_have_its_opening,
    ),
    ("ids_cannot_be_reused", ids_cannot_be_reused),
    ("queries_return_only_logged_rows", queries_return_only_logged_rows),
    ("the_list_of_a_persons_calls_is_paged_and_complete", the_list_of_a_persons_calls_is_paged_and_complete),
    ("the_people_of_older_calls_are_found_after_the_upgrade", the_people_of_older_calls_are_found_after_the_upgrade),
    ("silenced_callers_are_restored_per_person", silenced_callers_are_restored_per_person),
    ("when_a_principal_is_reached_is_restored", when_a_principal_is_reached_is_restored),
    ("issued_links_are_restored_until_they_expire", issued_links_are_restored_until_they_expire),
    ("invitations_are_restored_until_the_log_has_their_end", invitations_are_restored_until_the_log_has_their_end),
    ("a_device_keeps_the_certificates_of_two_registrars", a_device_keeps_the_certificates_of_two_registrars),
    ("passkeys_lockers_and_tickets_are_stored", passkeys_lockers_and_tickets_are_stored),
    ("an_account_at_the_provider_is_one_persons", an_account_at_the_provider_is_one_persons),
    ("a_session_with_an_account_ends_with_the_ticket", a_session_with_an_account_ends_with_the_ticket),
    ("a_device_found_after_a_restore_is_notified_of", a_device_found_after_a_restore_is_notified_of),
    ("a_device_keeps_what_unlocks_it", a_device_keeps_what_unlocks_it),
    ("a_revoked_device_loses_what_protected_it", a_revoked_device_loses_what_protected_it),
    ("delegations_are_restored_until_the_log_has_their_end", delegations_are_restored_until_the_log_has_their_end),
    (
        "lines_are_restored_with_their_newest_version_until_they_have_ended",
        lines_are_restored_with_their_newest_version_until_they_have_ended,
    ),
    (
        "lines_are_paged_without_losing_those_of_one_millisecond",
        lines_are_paged_without_losing_those_of_one_millisecond,
    ),
    (
        "offers_and_devices_of_holders_are_kept_and_forgotten_together",
        offers_and_devices_of_holders_are_kept_and_forgotten_together,
    ),
    ("shifts_are_restored_until_the_log_has_their_end", shifts_are_restored_until_the_log_has_their_end),
    ("alerts_are_listed_once_the_log_has_them", alerts_are_listed_once_the_log_has_them),
    ("added_devices_are_kept_until_they_are_acknowledged", added_devices_are_kept_until_they_are_acknowledged),
    (
        "push_subscriptions_are_one_of_a_device_and_erased_with_its_revocation",
        push_subscriptions_are_one_of_a_device_and_erased_with_its_revocation,
    ),
    (
        "rings_that_devices_are_notified_of_are_restored_until_they_are_settled",
        rings_that_devices_are_notified_of_are_restored_until_they_are_settled,
    ),
    ("sign_ins_are_joined_while_a_device_reconnects", sign_ins_are_joined_while_a_device_reconnects),
    ("a_revocation_keeps_its_first_time", a_revocation_keeps_its_first_time),
    ("devices_without_log_entry_can_be_removed", devices_without_log_entry_can_be_removed),
    ("the_log_position_is_stored", the_log_position_is_stored),
    ("writes_are_idempotent", writes_are_idempotent),
    ("reading_does_not_block_writing", reading_does_not_block_writing),
    ("a_newer_database_is_refused", a_newer_database_is_refused),
    ("a_database_belongs_to_one_office", a_database_belongs_to_one_office),
    ("a_lost_device_keeps_enrolment_and_revocation", a_lost_device_keeps_enrolment_and_revocation),
    ("the_log_ends_a_call_that_the_database_has_open", the_log_ends_a_call_that_the_database_has_open),
];

#[test]
fn sqlite_passes_the_suite() {
    for (name, case) in SUITE {
        eprintln!("{name}");
        case(&TestStore::sqlite());
    }
}

#[test]
fn postgres_passes_the_suite() {
    let server = PostgresServer::start();
    for (name, case) in SUITE {
        eprintln!("{name}");
        case(&TestStore::postgres(&server, name));
    }
}

fn everything_is_restored(disk: &TestStore) {
    let ask = Ask { device: device(4), key_package: Blob(vec![4]), answer: true };
    let mut store = disk.writer();
    store.apply(&[enrolled(1), enrolled(2), Write::Call(Box::new(call()))]).unwrap();
    store.apply(&[Write::CallOpened(CALL, 7), Write::CallAnswered(CALL, device(2), 9)]).unwrap();
    store.apply(&[commit(1, &[2], &[1, 2]), commit(2, &[3], &[1, 2, 3]), Write::Asked(CALL, ask.clone())]).unwrap();
    store.apply(&[Write::Leaving(CALL, device(3))]).unwrap();
    drop(store);
    let found = disk.writer().load().unwrap();
    assert_eq!(found.devices.len(), 2);
    let [active] = &found.active[..] else { panic!("{found:?}") };
    assert_eq!(active.members, [device(1), device(2), device(3)]);
    assert_eq!(active.participants, active.members);
    assert_eq!(active.leaving, [device(3)]);
    assert_eq!(active.asks, [ask]);
    assert_eq!(active.handshakes.iter().map(|h| h.seq).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(active.handshakes[0].welcome, Some(Blob(vec![0xff])));
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

fn a_transaction_is_applied_completely_or_not_at_all(disk: &TestStore) {
    let mut store = disk.writer();
    store.apply(&[Write::Call(Box::new(call()))]).unwrap();
    // The second commit is for a past epoch, so the whole transaction is refused.
    assert!(store.apply(&[commit(1, &[], &[1]), commit(1, &[], &[1])]).is_err());
    let active = store.load().unwrap().active.remove(0);
    assert_eq!((active.row.epoch, active.handshakes.len()), (0, 0));
    // A conflict too leaves no half of a batch.
    assert!(matches!(store.apply(&[enrolled(1), Write::Call(Box::new(call()))]), Err(StoreError::Conflict(_))));
    assert_eq!(store.load().unwrap().devices, []);
    store.apply(&[commit(1, &[], &[1])]).expect("a failed transaction leaves the store usable");
}

fn confirmed_transactions_are_durable(disk: &TestStore) {
    // Another connection sees what is durable while the first was never closed, as after a kill.
    let mut store = disk.writer();
    store
        .apply(&[enrolled(1), Write::Call(Box::new(call())), commit(1, &[], &[1]), Write::CallOpened(CALL, 1)])
        .unwrap();
    assert_eq!(disk.reader().record(&CALL).unwrap().unwrap().0.call.epoch, 1);
    if matches!(disk.location, StoreLocation::Sqlite(_)) {
        std::mem::forget(store);
    } else {
        // Its session holds the lock until the server notices.
        drop(store);
    }
    assert_eq!(disk.writer().load().unwrap().active[0].row.epoch, 1);
}

fn the_end_of_a_call_deletes_its_members_requests_and_handshakes(disk: &TestStore) {
    let mut store = disk.writer();
    let ask = Ask { device: device(4), key_package: Blob(vec![4]), answer: false };
    store.apply(&[enrolled(1), enrolled(2), Write::Call(Box::new(call())), commit(1, &[2], &[1, 2])]).unwrap();
    store.apply(&[Write::CallOpened(CALL, 1), Write::Asked(CALL, ask)]).unwrap();
    store.apply(&[Write::CallAnswered(CALL, device(2), 6), Write::CallEnded(CALL, Ended::HungUp, 8)]).unwrap();
    for table in ["handshakes", "asks", "members"] {
        assert_eq!(disk.number(&format!("SELECT count(*) FROM {table}")), 0, "{table}");
    }
    let mut unfinished = || store.load().unwrap().unfinished;
    let [Unfinished { row, participants, .. }] = &unfinished()[..] else { panic!("its end is not in the log") };
    assert_eq!((row.how, participants.len()), (Some(Ended::HungUp), 2));
    store.apply(&[Write::EndLogged(CALL, 2)]).unwrap();
    assert_eq!(store.load().unwrap().unfinished.len(), 1, "it is not settled");
    store.apply(&[Write::Record(record(1)), Write::CallSettled(CALL)]).unwrap();
    assert_eq!(store.load().unwrap().unfinished, []);
    assert!(store.call_exists(&CALL).unwrap());

    let reader = disk.reader();
    assert_eq!(stored(&*reader).records, [record(1)]);
    let (_, devices) = reader.record(&CALL).unwrap().unwrap();
    assert_eq!(devices.iter().map(|d| d.device).collect::<Vec<_>>(), [device(1), device(2)]);
    assert_eq!(reader.record(&CallId::from_bytes([0; 16])).unwrap(), None);
}

fn stored(reader: &dyn Queries) -> StoredRecord {
    reader.record(&CALL).unwrap().unwrap().0
}

fn listed(reader: &dyn Queries) -> CallSummary {
    reader.calls(Some(card(1).person), None, 1).unwrap().unwrap().remove(0)
}

fn record(by: u8) -> RecordRow {
    RecordRow {
        call: CALL,
        device: Some(device(by)),
        digest: Digest::from_bytes([by; 32]),
        kept_ms: 9,
        log_index: 3 + u64::from(by),
        partial: true,
    }
}

fn note_taker(n: u8) -> Write {
    match enrolled(n) {
        Write::Device(row) => {
            Write::Device(Box::new(DeviceRow { card: Card { role: Role::NoteTaker, ..card(n) }, ..*row }))
        }
        _ => unreachable!(),
    }
}

fn the_records_of_an_unfinished_call_are_loaded_with_it(disk: &TestStore) {
    let mut store = disk.writer();
    store.apply(&[enrolled(1), enrolled(2), note_taker(5), note_taker(6), Write::Call(Box::new(call()))]).unwrap();
    let mut commit = commit(1, &[2, 5, 6], &[1, 2, 5, 6]);
    if let Write::Committed { noted, .. } = &mut commit {
        *noted = true;
    }
    store.apply(&[commit, Write::CallOpened(CALL, 1), Write::CallAnswered(CALL, device(2), 6)]).unwrap();
    store.apply(&[Write::CallEnded(CALL, Ended::HungUp, 8), Write::EndLogged(CALL, 2)]).unwrap();
    let delivered = |store: &mut Box<dyn Store>| {
        let unfinished = store.load().unwrap().unfinished;
        unfinished.first().map(|call| call.records.iter().filter_map(|r| r.device).collect::<Vec<_>>())
    };
    assert_eq!(delivered(&mut store), Some(vec![]));
    store.apply(&[Write::Record(record(5))]).unwrap();
    assert_eq!(delivered(&mut store), Some(vec![device(5)]));
    store.apply(&[Write::Record(record(6)), Write::Record(record(5))]).unwrap();
    assert_eq!(delivered(&mut store), Some(vec![device(5), device(6)]), "the same record again is one");
    store.apply(&[Write::CallSettled(CALL)]).unwrap();
    assert_eq!(delivered(&mut store), None);
    let reader = disk.reader();
    assert_eq!(reader.record(&CALL).unwrap().unwrap().0.records, [record(5), record(6)]);
    assert!(listed(&*reader).partial);
    assert_eq!(stored(&*reader).summary(), listed(&*reader), "the line of a call is the same in its list and alone");
    let complete = RecordRow { partial: false, ..record(6) };
    store.apply(&[Write::Record(complete)]).unwrap();
    assert!(!listed(&*reader).partial, "one of the two is complete");
    assert_eq!(stored(&*reader).summary(), listed(&*reader));
    assert_eq!(listed(&*reader).records, 2);
}

fn a_settled_call_is_not_loaded_unless_the_log_turns_out_to_have_its_opening(disk: &TestStore) {
    let mut store = disk.writer();
    store.apply(&[enrolled(1), Write::Call(Box::new(call()))]).unwrap();
    store.apply(&[Write::CallEnded(CALL, Ended::Failed, 8), Write::CallSettled(CALL)]).unwrap();
    assert_eq!(store.load().unwrap().unfinished, [], "it is not in the log");
    // After a crash the log turns out to have its opening.
    store.apply(&[Write::CallOpened(CALL, 1), Write::EndLogged(CALL, 2)]).unwrap();
    let [Unfinished { row, .. }] = &store.load().unwrap().unfinished[..] else { panic!("the reason is pending") };
    assert_eq!((row.stage, row.how, row.ended_index), (Stage::Ended, Some(Ended::Failed), Some(2)));
    store.apply(&[Write::MissingLogged(CALL, 3), Write::CallSettled(CALL)]).unwrap();
    assert_eq!(store.load().unwrap().unfinished, []);
    // An upgrade reads the log again.
    store.apply(&[Write::CallOpened(CALL, 1), Write::EndLogged(CALL, 2), Write::MissingLogged(CALL, 3)]).unwrap();
    assert_eq!(store.load().unwrap().unfinished, []);
    assert_eq!(stored(&*disk.reader()).call.missing_index, Some(3));
    assert!(listed(&*disk.reader()).missing);
}

fn ids_cannot_be_reused(disk: &TestStore) {
    let mut store = disk.writer();
    assert!(!store.call_exists(&CALL).unwrap() && !store.enrolment_is_used("1").unwrap());
    assert_eq!(store.device(&device(1)).unwrap(), None);
    store.apply(&[enrolled(1), Write::Call(Box::new(call())), Write::CallEnded(CALL, Ended::Missed, 6)]).unwrap();
    assert!(matches!(store.apply(&[enrolled(1)]), Err(StoreError::Conflict(_))));
    assert!(matches!(store.apply(&[Write::Call(Box::new(call()))]), Err(StoreError::Conflict(_))));
    let same_enrolment = match enrolled(2) {
        Write::Device(row) => Write::Device(Box::new(DeviceRow { enrolment: "1".into(), ..*row })),
        _ => unreachable!(),
    };
    assert!(matches!(store.apply(&[same_enrolment]), Err(StoreError::Conflict(_))));
    assert!(store.call_exists(&CALL).unwrap() && store.enrolment_is_used("1").unwrap());
    assert_eq!(store.device(&device(1)).unwrap().unwrap().cert_sha256, Digest::from_bytes([1; 32]));
}

fn queries_return_only_logged_rows(disk: &TestStore) {
    let mut store = disk.writer();
    let unlogged = match enrolled(3) {
        Write::Device(row) => Write::Device(Box::new(DeviceRow { log_index: None, ..*row })),
        _ => unreachable!(),
    };
    store.apply(&[enrolled(1), enrolled(2), unlogged]).unwrap();
    for n in 0..5u8 {
        let id = CallId::from_bytes([n; 16]);
        let row = CallRow { call: id, opened_ms: 100 - u64::from(n), ..call() };
        store.apply(&[Write::Call(Box::new(row))]).unwrap();
        if n > 0 {
            store.apply(&[Write::CallOpened(id, u64::from(n))]).unwrap();
        }
    }
    let old = RecordRow { call: CallId::from_bytes([2; 16]), device: None, ..record(1) };
    store
        .apply(&[
            Write::Record(old.clone()),
            Write::Record(RecordRow { call: CallId::from_bytes([3; 16]), ..record(1) }),
        ])
        .unwrap();
    let reader = disk.reader();
    let all = reader.calls(None, None, 3).unwrap().unwrap();
    let found: Vec<u8> = all.iter().map(|call| call.call.as_bytes()[0]).collect();
    assert_eq!(found, [4, 3, 2], "newest first by the log, whatever the clock said, and only logged calls");
    assert_eq!(all.iter().map(|call| call.records).collect::<Vec<_>>(), [0, 1, 1]);
    assert_eq!(reader.record(&CallId::from_bytes([2; 16])).unwrap().unwrap().0.records, [old]);
    assert_eq!(reader.calls(None, None, 100).unwrap().unwrap().len(), 4);
    assert_eq!(reader.devices().unwrap().iter().map(|d| d.device).collect::<Vec<_>>(), [device(1), device(2)]);
    assert!(reader.device(&device(1)).unwrap().is_some());
    assert_eq!(reader.device(&device(3)).unwrap(), None, "it is not in the log");
    assert!(store.device(&device(3)).unwrap().is_some());
    let names = [format!("{}-{}", "03".repeat(16), device(1)), "02".repeat(16)];
    assert_eq!(reader.record_names().unwrap(), BTreeSet::from(names));
}

/// Calls of three people, several of them in the same millisecond; every second one is of person 1.
fn calls_among_three(store: &mut Box<dyn Store>) {
    for n in 1..=24u8 {
        let id = CallId::from_bytes([n; 16]);
        let (from, to) = match n % 4 {
            0 => (card(1), card(2)),
            1 => (card(2), card(3)),
            2 => (card(3), card(1)),
            _ => (card(3), card(2)),
        };
        let row = CallRow { call: id, from, to, opened_ms: 1_000 + u64::from(n / 5), ..call() };
        store.apply(&[Write::Call(Box::new(row)), Write::CallOpened(id, u64::from(n))]).unwrap();
    }
}

fn page_through(reader: &dyn Queries, party: Option<PersonId>, limit: u32) -> Vec<CallSummary> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = reader.calls(party, after, limit).unwrap().unwrap();
        assert!(page.len() <= limit as usize);
        let Some(last) = page.last() else { return all };
        after = Some(last.call);
        all.extend(page);
    }
}

fn the_list_of_a_persons_calls_is_paged_and_complete(disk: &TestStore) {
    let mut store = disk.writer();
    calls_among_three(&mut store);
    let reader = disk.reader();
    let all = page_through(&*reader, None, 100);
    assert_eq!(all.len(), 24);
    // They were entered in the log in the order of their ids.
    assert!(all.is_sorted_by_key(|call| u8::MAX - call.call.as_bytes()[0]), "newest first");
    for n in 1..=4 {
        let person = card(n).person;
        let of_person: Vec<_> =
            all.iter().filter(|c| c.from.person == person || c.to.person == person).cloned().collect();
        for limit in [1, 2, 5, 7, 100] {
            assert_eq!(page_through(&*reader, Some(person), limit), of_person, "person {n}, {limit} at a time");
        }
        assert_eq!(of_person.len(), [12, 18, 18, 0][usize::from(n) - 1]);
    }
    assert_eq!(page_through(&*reader, None, 5), all);
    // A position that is not in the list: an unknown call, and one of two other people.
    assert_eq!(reader.calls(None, Some(CallId::from_bytes([99; 16])), 5).unwrap(), None);
    let others =
        all.iter().find(|c| ![&c.from, &c.to].iter().any(|party| party.person == card(1).person)).unwrap().call;
    assert_eq!(reader.calls(Some(card(1).person), Some(others), 5).unwrap(), None);
    assert!(reader.calls(None, Some(others), 5).unwrap().is_some());
}

/// Undoes what the steps after version 5 created.
const BACK_TO_VERSION_5: &str = "
    DROP INDEX calls_from; DROP INDEX calls_to; DROP INDEX calls_logged; DROP INDEX calls_for; DROP INDEX devices_person;
    DROP TABLE lost_devices; DROP TABLE silenced; DROP TABLE issued_links; DROP TABLE registrars; DROP TABLE invitations;
    DROP TABLE passkeys; DROP TABLE tickets; DROP TABLE lockers; DROP TABLE alerts; DROP TABLE added_devices;
    DROP TABLE push_subscriptions; DROP TABLE recoveries; DROP TABLE delegations; DROP TABLE office_accounts;
    DROP TABLE account_sessions; DROP TABLE programs; DROP TABLE sign_ins; DROP TABLE lines; DROP TABLE line_versions;
    DROP INDEX calls_line; ALTER TABLE calls DROP COLUMN line; ALTER TABLE calls DROP COLUMN line_version;
    ALTER TABLE calls DROP COLUMN diverted; ALTER TABLE devices DROP COLUMN above_issuer;
    DROP TABLE ring_pushes;
    DROP TABLE shifts; DROP TABLE reach; ALTER TABLE calls DROP COLUMN desk_from_ms;
    DROP TABLE documents; DROP TABLE document_versions; DROP TABLE document_readers; DROP TABLE document_openings;
    DROP TABLE found_documents; DROP TABLE device_keys;
    ALTER TABLE calls DROP COLUMN from_person; ALTER TABLE calls DROP COLUMN to_person; ALTER TABLE calls DROP COLUMN delegation;
    ALTER TABLE calls DROP COLUMN for_card; ALTER TABLE calls DROP COLUMN for_person; ALTER TABLE calls DROP COLUMN answered_under;
    ALTER TABLE devices DROP COLUMN person; ALTER TABLE devices DROP COLUMN second_certificate;
    ALTER TABLE devices DROP COLUMN second_issuer; ALTER TABLE devices DROP COLUMN erase_ordered_ms;
    ALTER TABLE devices DROP COLUMN erased_ms; CREATE INDEX calls_opened ON calls (opened_ms);";

fn the_people_of_older_calls_are_found_after_the_upgrade(disk: &TestStore) {
    let mut store = disk.writer();
    calls_among_three(&mut store);
    drop(store);
    let version = match disk.location {
        StoreLocation::Sqlite(_) => "PRAGMA user_version = 5",
        StoreLocation::Postgres(_) => "UPDATE marks SET value = 5 WHERE name = 'version'",
    };
    disk.execute(&format!("{BACK_TO_VERSION_5} {version}"));
    drop(disk.writer());
    assert_eq!(page_through(&*disk.reader(), Some(card(1).person), 4).len(), 12);
}

fn issued_links_are_restored_until_they_expire(disk: &TestStore) {
    let mut store = disk.writer();
    let row = |n: u8, expires_ms| IssuedLinkRow {
        enrolment: format!("{n}"),
        card: card(n),
        same_name_as: vec![card(9).person],
        expires_ms,
    };
    let invited = |n, expires_ms, now_ms| Write::LinkIssued(Box::new(row(n, expires_ms)), now_ms);
    store.apply(&[invited(1, 10, 1), invited(2, 20, 1), invited(2, 20, 2)]).unwrap();
    assert_eq!(store.load().unwrap().issued_links, [row(1, 10), row(2, 20)]);
    store.apply(&[invited(3, 30, 10)]).unwrap();
    assert_eq!(store.load().unwrap().issued_links, [row(2, 20), row(3, 30)]);
}

fn silenced_callers_are_restored_per_person(disk: &TestStore) {
    let mut store = disk.writer();
    let silence = |by: u8, of: u8, ms| Write::Silenced(card(by).person, Box::new(card(of)), ms);
    store.apply(&[silence(1, 2, 5), silence(1, 3, 6), silence(2, 1, 7), silence(1, 2, 8)]).unwrap();
    let of = |store: &mut Box<dyn Store>| store.load().unwrap().silenced;
    assert_eq!(of(&mut store), [(card(1).person, card(2)), (card(1).person, card(3)), (card(2).person, card(1))]);
    store.apply(&[Write::SilenceEnded(card(1).person, card(2).person)]).unwrap();
    store.apply(&[Write::SilenceEnded(card(1).person, card(2).person)]).unwrap();
    drop(store);
    assert_eq!(of(&mut disk.writer()), [(card(1).person, card(3)), (card(2).person, card(1))]);
}

fn when_a_principal_is_reached_is_restored(disk: &TestStore) {
    let row = |n: u8, desk_after_s, set_by| ReachRow {
        person: card(n).person,
        settings: ReachSettings { desk_after_s, exceptions: vec![card(9).person], ..Default::default() },
        set_by,
        set_ms: 5,
    };
    let rows = [row(1, Some(10), None), row(2, None, Some(card(3))), row(1, Some(20), Some(card(3)))];
    let mut store = disk.writer();
    store.apply(&rows.clone().map(|row| Write::Reach(Box::new(row)))).unwrap();
    let ringing = [Write::Call(Box::new(call())), Write::CallOpened(CALL, 8), Write::CallDeskFrom(CALL, 15)];
    store.apply(&[enrolled(1)]).unwrap();
    store.apply(&ringing).unwrap();
    drop(store);
    let snapshot = disk.writer().load().unwrap();
    assert_eq!(snapshot.reach, rows[1..].iter().rev().cloned().collect::<Vec<_>>());
    assert_eq!(snapshot.active[0].row.desk_from_ms, Some(15));
}

fn a_device_keeps_the_certificates_of_two_registrars(disk: &TestStore) {
    let chain: Vec<Blob> = (1..=4).map(|n| Blob(vec![n])).collect();
    let enrolled = |chain: &[Blob]| match enrolled(1) {
        Write::Device(row) => Write::Device(Box::new(DeviceRow { chain: chain.to_vec(), ..*row })),
        _ => unreachable!(),
    };
    let mut store = disk.writer();
    let six: Vec<Blob> = (1..=6).map(|n| Blob(vec![n])).collect();
    for odd in [&chain[..1], &six[..], &[]] {
        assert!(matches!(store.apply(&[enrolled(odd)]), Err(StoreError::Damaged(_))), "{}", odd.len());
    }
    store.apply(&[enrolled(&chain)]).unwrap();
    drop(store);
    assert_eq!(disk.writer().device(&device(1)).unwrap().unwrap().chain, chain);
    assert_eq!(disk.reader().devices().unwrap()[0].chain, chain);
}

fn invitations_are_restored_until_the_log_has_their_end(disk: &TestStore) {
    let id = InvitationId::from_bytes([5; 16]);
    let row = InvitationRow::new(id, card(1), device(1), Digest::from_bytes([8; 32]), 7, 90);
    let registrar = RegistrarRow {
        device: device(1),
        certificate: Blob(vec![4]),
        cert_sha256: Digest::from_bytes([4; 32]),
        roles: vec![Role::Principal, Role::NoteTaker],
        appointed_ms: 6,
        log_index: None,
    };
    let mut store = disk.writer();
    store.apply(&[Write::Registrar(Box::new(registrar.clone())), Write::Invitation(Box::new(row.clone()))]).unwrap();
    let found = store.load().unwrap();
    assert_eq!((found.registrars, found.invitations), (vec![registrar.clone()], vec![row.clone()]));
    assert_eq!(disk.reader().registrars().unwrap(), vec![registrar.clone()]);
    let (request, asking) = ("jws".to_owned(), device(2));
    store
        .apply(&[
            Write::RegistrarLogged(device(1), 3),
            Write::InvitationMadeLogged(id, 4),
            Write::InvitationAsked { invitation: id, device: asking, request: request.clone(), expires_ms: 95 },
            Write::InvitationOpenedAgain(id),
            Write::InvitationOpenedAgain(id),
        ])
        .unwrap();
    let asked = InvitationRow {
        expires_ms: 95,
        request: Some(request),
        device: Some(asking),
        refused_requests: 2,
        made_index: Some(4),
        ..row
    };
    let registrar = RegistrarRow { log_index: Some(3), ..registrar };
    drop(store);
    let mut store = disk.writer();
    let found = store.load().unwrap();
    assert_eq!((found.registrars, found.invitations), (vec![registrar.clone()], vec![asked.clone()]));
    // One registrar of two approved, and again; that does not count any more; one approved again.
    let approval =
        |n: u8| FirstApprovalRow { by: device(n), at_ms: n.into(), chain: vec![Blob(vec![n]), Blob(vec![n, n])] };
    let first = |approval: Option<FirstApprovalRow>| Write::FirstApproval(id, approval.map(Box::new));
    store.apply(&[first(Some(approval(1))), first(Some(approval(2)))]).unwrap();
    assert_eq!(store.load().unwrap().invitations[0].first_approval, Some(approval(2)));
    store.apply(&[first(None)]).unwrap();
    assert_eq!(store.load().unwrap().invitations, std::slice::from_ref(&asked));
    store.apply(&[first(Some(approval(3))), Write::LastApproval(id, device(1))]).unwrap();
    let asked = InvitationRow { first_approval: Some(approval(3)), last_approved_by: Some(device(1)), ..asked };
    // The first end stays.
    let approved = (InvitationClosed::Approved, Some(device(1)), 11);
    store.apply(&[Write::InvitationClosed(id, approved.0, approved.1, approved.2)]).unwrap();
    store.apply(&[Write::InvitationClosed(id, InvitationClosed::Expired, None, 12)]).unwrap();
    let closed = InvitationRow { closed: Some(approved), ..asked };
    assert_eq!(store.load().unwrap().invitations, std::slice::from_ref(&closed));
    store.apply(&[Write::InvitationClosedLogged(id, 5)]).unwrap();
    assert_eq!(store.load().unwrap().invitations, []);
    assert!(
        store.invitation_exists(&id).unwrap() && !store.invitation_exists(&InvitationId::from_bytes([9; 16])).unwrap()
    );
    let reader = disk.reader();
    assert_eq!(reader.invitation(&id).unwrap(), Some(closed.clone()));
    // The device that was enrolled with it is listed with who approved it.
    store.apply(&[enrolled(1), enrolled(2), enrolled(3)]).unwrap();
    let listed = |person| reader.listed_devices(person).unwrap();
    let facts =
        |row: &DeviceSummary| (row.device, row.request.clone(), row.approved_by, row.first_approved_by, row.registrar);
    let expected = [
        (device(1), None, None, None, true),
        (asking, closed.request.clone(), Some(device(1)), Some(device(3)), false),
        (device(3), None, None, None, false),
    ];
    assert_eq!(listed(None).iter().map(facts).collect::<Vec<_>>(), expected);
    for row in listed(None) {
        let person = row.card.person;
        let own = listed(None).into_iter().filter(|row| row.card.person == person).collect::<Vec<_>>();
        assert_eq!(listed(Some(person)), own);
    }
    assert_eq!(listed(Some(PersonId::from_bytes([0xee; 16]))), []);
    // An appointment that is renewed is announced when the log has it.
    store.apply(&[Write::Registrar(Box::new(RegistrarRow { appointed_ms: 20, ..registrar }))]).unwrap();
    assert_eq!(store.load().unwrap().registrars[0].log_index, None);
}

fn passkey(id: &str, n: u8) -> PasskeyRow {
    PasskeyRow { credential: id.into(), device: device(n), passkey: "{}".into(), added_ms: u64::from(n) }
}

/// A locker of device 1.
fn locker(n: u8, confirmed: bool) -> LockerRow {
    LockerRow {
        locker: Digest::from_bytes([n; 32]),
        device: device(1),
        proof: Digest::from_bytes([9; 32]),
        secret: Some(Blob(vec![n; 32])),
        failures: 0,
        retry_ms: 0,
        confirmed,
        made_ms: 5,
    }
}

fn ticket(n: u8) -> TicketRow {
    TicketRow { sha256: Digest::from_bytes([n; 32]), issued_ms: 7, used_ms: 7 }
}

fn passkeys_lockers_and_tickets_are_stored(disk: &TestStore) {
    use ProtectionWrite as W;
    let mut store = disk.writer();
    // Each is a request of its own; returns those whose condition did not hold.
    let mut apply = |writes: Vec<W>| {
        let writes: Vec<Write> = writes.into_iter().map(|one| Write::Protection(vec![one])).collect();
        store.apply(&writes).unwrap().refused.into_iter().collect::<Vec<_>>()
    };
    let refused = apply(vec![
        W::PasskeyAdded(Box::new(passkey("b", 1))),
        W::PasskeyAdded(Box::new(passkey("a", 1))),
        // Identifiers are the authenticators': one that exists is not taken over by another device.
        W::PasskeyAdded(Box::new(passkey("a", 2))),
        W::TicketIssued(device(1), ticket(1)),
        W::TicketIssued(device(1), ticket(2)),
        W::Connected(vec![device(1), device(7)], 8),
        W::LockerMade(Box::new(locker(1, false))),
        // Replaces the one that was never opened.
        W::LockerMade(Box::new(locker(2, false))),
        W::LockerMade(Box::new(LockerRow { device: device(2), ..locker(2, false) })),
    ]);
    assert_eq!(refused, [2, 8]);
    let reader = disk.reader();
    let known =
        |passkeys, lockers| ProtectionRow { passkeys, lockers, ticket: Some(TicketRow { used_ms: 8, ..ticket(2) }) };
    assert_eq!(reader.protection(&device(1)).unwrap(), known(2, 0));
    assert_eq!(reader.protection(&device(2)).unwrap(), ProtectionRow::default());
    assert_eq!(reader.passkeys(&device(1)).unwrap(), [passkey("a", 1), passkey("b", 1)]);
    assert_eq!(reader.locker(&locker(1, false).locker).unwrap(), None);
    let id = locker(2, false).locker;
    let failed = |failures| W::LockerFailed { locker: id, failures, retry_ms: 99 };
    assert_eq!(apply(vec![W::LockerOpened(id), failed(3)]), [0; 0]);
    assert_eq!(reader.protection(&device(1)).unwrap(), known(2, 1));
    let tried = LockerRow { failures: 3, retry_ms: 99, ..locker(2, true) };
    assert_eq!(reader.locker(&id).unwrap(), Some(tried.clone()));
    assert_eq!(apply(vec![failed(10), W::LockerOpened(id), W::PasskeyRemoved(device(2), "a".into())]), [1]);
    assert_eq!(reader.locker(&id).unwrap(), Some(LockerRow { secret: None, failures: 10, ..tried }));
    assert_eq!(reader.protection(&device(1)).unwrap(), known(2, 1), "an erased locker still protects");
    let used = |before: &str, passkey: &str| W::PasskeyUsed {
        credential: "a".into(),
        before: before.into(),
        passkey: passkey.into(),
    };
    // The second was compared with what the first has changed.
    assert_eq!(apply(vec![used("{}", "{1}"), used("{}", "{2}"), W::PasskeyRemoved(device(1), "b".into())]), [1]);
    assert_eq!(reader.passkeys(&device(1)).unwrap(), [PasskeyRow { passkey: "{1}".into(), ..passkey("a", 1) }]);
    let gone = W::LockerFailed { locker: Digest::from_bytes([77; 32]), failures: 1, retry_ms: 0 };
    assert_eq!(apply(vec![W::LockerRemoved(device(1), id), gone]), [1]);
    assert_eq!(reader.protection(&device(1)).unwrap(), known(1, 0));
}

const ISSUER: &str = "https://login.office.example";

fn account_use(n: u8, person: u8, subject: &str, at_ms: u64) -> ProtectionWrite {
    let (person, subject) = (PersonId::from_bytes([person; 16]), subject.to_owned());
    let used = AccountUse { device: device(n), person, issuer: ISSUER.to_owned(), subject, at_ms };
    ProtectionWrite::AccountUsed(Box::new(used))
}

fn an_account_at_the_provider_is_one_persons(disk: &TestStore) {
    let mut store = disk.writer();
    let mut apply = |writes: Vec<ProtectionWrite>| {
        let writes: Vec<Write> = writes.into_iter().map(|one| Write::Protection(vec![one])).collect();
        store.apply(&writes).unwrap().refused.into_iter().collect::<Vec<_>>()
    };
    // In one transaction, as of requests that race: the first decides.
    let refused = apply(vec![
        account_use(1, 1, "ada", 5),
        account_use(2, 2, "ada", 6),
        account_use(1, 1, "mallory", 7),
        account_use(3, 1, "ada", 8),
        account_use(2, 2, "bob", 9),
    ]);
    assert_eq!(refused, [1, 2], "another person's, and another one than before");
    let reader = disk.reader();
    let session = |n: u8| reader.account_session(&device(n), ISSUER).unwrap();
    assert_eq!((session(1), session(2), session(3)), (Some(5), Some(9), Some(8)), "each device has its own");
    assert_eq!(reader.account_session(&device(1), "https://other.example").unwrap(), None);
    let ada = PersonId::from_bytes([1; 16]);
    let account = |person| reader.accounts(person).unwrap().into_iter().map(|one| one.subject).collect::<Vec<_>>();
    assert_eq!((account(Some(ada)), account(None).len()), (vec!["ada".to_owned()], 2));
    assert_eq!(apply(vec![ProtectionWrite::AccountsForgotten(ada), account_use(2, 2, "bob", 10)]), [0; 0]);
    assert_eq!(account(None), ["bob"]);
    let version = "1.4.0".parse().unwrap();
    apply(vec![
        ProtectionWrite::ProgramSeen(device(1), "1.3.0".parse().unwrap()),
        ProtectionWrite::ProgramSeen(device(1), version),
    ]);
    assert_eq!((reader.program(&device(1)).unwrap(), reader.program(&device(2)).unwrap()), (Some(version), None));
}

fn a_session_with_an_account_ends_with_the_ticket(disk: &TestStore) {
    use telcon_proto::limits::{TICKET_MAX_AGE_MS, TICKET_MAX_IDLE_MS};
    let mut store = disk.writer();
    let mut apply = |writes: Vec<ProtectionWrite>| drop(store.apply(&[Write::Protection(writes)]).unwrap());
    let reader = disk.reader();
    let session = || reader.account_session(&device(1), ISSUER).unwrap();
    let start = 1_000_000_000;
    let issued = |at_ms: u64| {
        ProtectionWrite::TicketIssued(device(1), TicketRow { issued_ms: at_ms, used_ms: at_ms, ..ticket(1) })
    };
    apply(vec![issued(start), account_use(1, 1, "ada", start)]);
    // A confirmation, and an unlocking in time.
    apply(vec![issued(start + TICKET_MAX_IDLE_MS - 1)]);
    assert_eq!(session(), Some(start));
    apply(vec![issued(start + 2 * TICKET_MAX_IDLE_MS)]);
    assert_eq!(session(), None, "the device was idle");
    let start = start + 2 * TICKET_MAX_IDLE_MS;
    apply(vec![account_use(1, 1, "ada", start)]);
    apply(vec![ProtectionWrite::Connected(vec![device(1)], start + TICKET_MAX_AGE_MS)]);
    apply(vec![issued(start + TICKET_MAX_AGE_MS)]);
    assert_eq!(session(), None, "the ticket was too old");
}

fn a_device_keeps_what_unlocks_it(disk: &TestStore) {
    use ProtectionWrite as W;
    let mut store = disk.writer();
    let mut apply = |requests: Vec<Vec<W>>| {
        let writes: Vec<Write> = requests.into_iter().map(Write::Protection).collect();
        store.apply(&writes).unwrap().refused.into_iter().collect::<Vec<_>>()
    };
    let add = |id: &str| vec![W::PasskeyAdded(Box::new(passkey(id, 1)))];
    let make = |n: u8| vec![W::LockerMade(Box::new(locker(n, true)))];
    let (first, second) = (locker(1, true).locker, locker(2, true).locker);
    let remove = |id: &str| vec![W::PasskeyRemoved(device(1), id.into())];
    // Two requests at once, each of which the other protector would allow.
    assert_eq!(apply(vec![add("a"), add("b"), remove("a"), remove("b"), remove("unknown")]), [3]);
    // A locker whose secret is erased unlocks nothing.
    let erased = vec![W::LockerFailed { locker: first, failures: MAX_PIN_ATTEMPTS, retry_ms: 0 }];
    assert_eq!(apply(vec![make(1), erased, remove("b")]), [2]);
    assert_eq!(apply(vec![make(2), remove("b")]), [0; 0]);
    assert_eq!(apply(vec![vec![W::LockerRemoved(device(1), second)]]), [0], "the erased one would be left");
    assert_eq!(apply(vec![make(3)]), [0], "it has two");
    assert_eq!(apply(vec![vec![W::LockerRemoved(device(1), first)]]), [0; 0]);
    // If the condition of the first does not hold, the others of the request are not written either.
    let unopened = locker(4, false);
    let opened = |id| vec![W::LockerOpened(id), W::TicketIssued(device(1), ticket(1))];
    assert_eq!(apply(vec![opened(Digest::from_bytes([77; 32]))]), [0]);
    let reader = disk.reader();
    assert_eq!(reader.protection(&device(1)).unwrap(), ProtectionRow { passkeys: 0, lockers: 1, ticket: None });
    assert_eq!(apply(vec![vec![W::LockerMade(Box::new(unopened))], opened(second)]), [0; 0]);
    assert_eq!(reader.protection(&device(1)).unwrap().ticket, Some(ticket(1)));
    // Passkeys are limited.
    let many: Vec<_> = (0..MAX_PASSKEYS_PER_DEVICE + 1).map(|n| add(&n.to_string())).collect();
    assert_eq!(apply(many), [MAX_PASSKEYS_PER_DEVICE]);
}

fn a_revoked_device_loses_what_protected_it(disk: &TestStore) {
    use ProtectionWrite as W;
    let mut store = disk.writer();
    let add = |n: u8| W::PasskeyAdded(Box::new(passkey(&n.to_string(), n)));
    let make = |n: u8, confirmed| W::LockerMade(Box::new(locker(n, confirmed)));
    let all = vec![add(1), make(1, true), make(2, false), W::TicketIssued(device(1), ticket(1))];
    let notified = |by: u8| {
        let row =
            AddedDeviceRow { notified: device(by), device: device(9), label: None, approved_by: None, enrolled_ms: 4 };
        Write::DeviceAdded(Box::new(row))
    };
    store.apply(&[enrolled(1), enrolled(2), enrolled(9), notified(1), notified(2)]).unwrap();
    store.apply(&[Write::Protection(all), Write::Protection(vec![add(2)])]).unwrap();
    store.apply(&[Write::DeviceRevoked(device(1), 4, None)]).unwrap();
    let reader = disk.reader();
    let lockers = [1, 2].map(|n| reader.locker(&Digest::from_bytes([n; 32])).unwrap());
    assert_eq!((reader.protection(&device(1)).unwrap(), lockers), (ProtectionRow::default(), [None, None]));
    assert_eq!(reader.protection(&device(2)).unwrap().passkeys, 1, "another device keeps its own");
    let notified: Vec<_> = store.load().unwrap().added_devices.iter().map(|row| row.notified).collect();
    assert_eq!(notified, [device(2)]);
    // Requests that were under way.
    let late = [add(1), make(3, false)].map(|write| Write::Protection(vec![write]));
    assert_eq!(store.apply(&late).unwrap().refused, [0, 1].into());
    assert_eq!(reader.protection(&device(1)).unwrap(), ProtectionRow::default());
}

fn alerts_are_listed_once_the_log_has_them(disk: &TestStore) {
    let mut store = disk.writer();
    let row = |time_ms, log_index| AlertRow {
        time_ms,
        kind: AlertKind::SignInFailed,
        device: Some(device(1)),
        invitation: Some(InvitationId::from_bytes([2; 16])),
        call: Some(CALL),
        count: 3,
        log_index,
        seen: None,
    };
    let put = |row: AlertRow| Write::Alert(Box::new(row));
    let together = AlertRow { device: None, invitation: None, call: None, ..row(1, None) };
    store.apply(&[put(row(1, None)), put(row(1, None)), put(together.clone()), put(row(2, Some(8)))]).unwrap();
    let listed = |after, limit| {
        let (alerts, unseen) = disk.reader().alerts(after, limit).unwrap();
        (alerts.iter().map(|alert| alert.log_index).collect::<Vec<_>>(), unseen)
    };
    assert_eq!(listed(None, 9), (vec![8], 1));
    store.apply(&[put(row(1, Some(5))), put(row(1, Some(5))), put(row(2, None)), put(row(3, Some(9)))]).unwrap();
    assert_eq!(listed(None, 9), (vec![9, 8, 5], 3));
    assert_eq!((listed(None, 2).0, listed(Some(8), 2).0, listed(Some(5), 2).0), (vec![9, 8], vec![5], vec![]));
    store.apply(&[Write::AlertSeen(8, device(6), 50), Write::AlertSeen(8, device(7), 60)]).unwrap();
    let stored = store.load().unwrap();
    let seen = AlertRow { seen: Some(AlertSeen { by: device(6), at_ms: 50 }), ..row(2, Some(8)) };
    assert_eq!(stored.alerts, [together, row(3, Some(9)), seen, row(1, Some(5))]);
    assert_eq!(stored.unseen_alerts, [5, 9]);
    assert_eq!(listed(None, 9).1, 2);
    // An index is of one entry, whatever was taken for it before.
    store.apply(&[put(row(4, Some(9)))]).unwrap();
    assert_eq!(listed(None, 9), (vec![9, 8, 5], 2));
}

fn added_devices_are_kept_until_they_are_acknowledged(disk: &TestStore) {
    let mut store = disk.writer();
    let row = |notified: u8, label: Option<&str>| AddedDeviceRow {
        notified: device(notified),
        device: device(9),
        label: label.map(str::to_owned),
        approved_by: label.map(|_| device(3)),
        enrolled_ms: 4,
    };
    let added = |row: AddedDeviceRow| Write::DeviceAdded(Box::new(row));
    store.apply(&[enrolled(9), added(row(1, Some("Firefox"))), added(row(1, None)), added(row(2, None))]).unwrap();
    assert_eq!(store.load().unwrap().added_devices, [row(1, Some("Firefox")), row(2, None)]);
    store.apply(&[Write::AddedDeviceAcknowledged(device(2), device(9)), Write::UnloggedDevicesForgotten]).unwrap();
    assert_eq!(store.load().unwrap().added_devices, [row(1, Some("Firefox"))]);
    // The device it is about was never enrolled.
    let about_nothing = AddedDeviceRow { device: device(8), ..row(2, None) };
    store.apply(&[added(about_nothing), Write::UnloggedDevicesForgotten]).unwrap();
    assert_eq!(store.load().unwrap().added_devices, [row(1, Some("Firefox"))]);
}

fn a_device_found_after_a_restore_is_notified_of(disk: &TestStore) {
    let mut store = disk.writer();
    let lost = |n: u8, enrolled_ms| LostDevice {
        device: device(n),
        cert_sha256: Digest::from_bytes([n; 32]),
        enrolment: format!("{n:02}").repeat(16),
        enrolled_ms,
        log_index: n.into(),
        revoked_ms: None,
        revocation: None,
        revoked_index: None,
        second_cert_sha256: None,
    };
    let found = |n: u8, enrolled_ms| {
        let certified = Certified { card: card(1), chain: vec![Blob(vec![n]), Blob(vec![n])] };
        Write::EnrolmentFound(Box::new(lost(n, enrolled_ms)), Some(Box::new(certified)))
    };
    let Write::Device(third) = enrolled(3) else { unreachable!() };
    let third = Write::Device(Box::new(DeviceRow { card: card(1), ..*third }));
    store.apply(&[enrolled(1), enrolled(2), third, Write::DeviceRevoked(device(3), 5, None)]).unwrap();
    store.apply(&[found(8, 1_000_000), found(9, 1_000_001), found(9, 1_000_001)]).unwrap();
    let facts = |row: &AddedDeviceRow| (row.notified, row.device, row.enrolled_ms);
    let rows: Vec<_> = store.load().unwrap().added_devices.iter().map(facts).collect();
    let [one, eight, nine] = [1, 8, 9].map(device);
    assert_eq!(rows, [(one, eight, 1_000_000), (one, nine, 1_000_001), (eight, nine, 1_000_001)]);
}

fn sign_ins_are_joined_while_a_device_reconnects(disk: &TestStore) {
    use DeviceKind::{Browser, Native};
    use ProtectionWrite as W;
    const MINUTE: u64 = 60_000;
    let mut store = disk.writer();
    store.apply(&[enrolled(1), enrolled(2), Write::DeviceLogged(device(1), 0)]).unwrap();
    let mut apply = |writes: Vec<W>| {
        let writes: Vec<Write> = writes.into_iter().map(|one| Write::Protection(vec![one])).collect();
        assert!(store.apply(&writes).unwrap().refused.is_empty());
    };
    let reader = disk.reader();
    let seen = || -> Vec<(u64, u64, u64, DeviceKind)> {
        let list = reader.sign_ins(card(1).person).unwrap().sign_ins;
        list.into_iter().map(|one| (one.from_ms / MINUTE, one.until_ms / MINUTE, one.times, one.kind)).collect()
    };
    assert_eq!((seen(), reader.listed_devices(None).unwrap()[0].last_seen), (vec![], None));
    let begins = |minute: u64, kind| W::SignedIn(device(1), kind, minute * MINUTE);
    let connected = |minute: u64| W::Connected(vec![device(1), device(7)], minute * MINUTE);
    apply(vec![
        begins(1, Browser),
        connected(5),
        begins(14, Browser),
        connected(40),
        W::SignedIn(device(2), Native, 3),
    ]);
    assert_eq!(seen(), [(1, 40, 2, Browser)], "a reconnection; and not another person's");
    // Later, another program, and a clock that was set back.
    apply(vec![begins(51, Browser), begins(52, Native), connected(30), begins(30, Native)]);
    // In the order of their arrival.
    assert_eq!(seen(), [(30, 30, 1, Native), (52, 52, 1, Native), (51, 51, 1, Browser), (1, 40, 2, Browser)]);
    assert_eq!(reader.listed_devices(None).unwrap()[0].last_seen, Some((30 * MINUTE, Native)));
    // A thief signs in as programs of both kinds in turns: that makes no more rows than one of each.
    apply((0..30).map(|n| begins(60 + n / 8, if n % 2 == 0 { Browser } else { Native })).collect());
    assert_eq!(seen()[..2], [(60, 63, 15, Native), (51, 63, 16, Browser)]);
    apply((0..30).map(|n| begins(100 + 20 * n, Browser)).collect());
    let kept = seen();
    assert_eq!((kept.len(), kept[0].0, kept[19].0), (MAX_SIGN_INS_PER_DEVICE + 3, 680, 300));
    assert!(kept[20..].iter().all(|row| row.3 == Native), "those of the other kind stay: {kept:?}");
    // The clock was a year ahead for a moment.
    apply(vec![begins(600_000, Browser), begins(700, Browser), connected(705)]);
    assert_eq!(seen()[..2], [(700, 705, 1, Browser), (600_000, 600_000, 1, Browser)]);
    assert_eq!(reader.listed_devices(None).unwrap()[0].last_seen, Some((705 * MINUTE, Browser)));
    apply((0..20).map(|n| begins(800 + 20 * n, Browser)).collect());
    assert!(seen().iter().all(|row| row.0 < 600_000), "it does not stay for ever");
    // Of attempts that failed, those whose alert the log has.
    let failed = |time_ms, log_index| AlertRow {
        time_ms,
        kind: AlertKind::SignInFailed,
        device: Some(device(1)),
        invitation: None,
        call: None,
        count: 3,
        log_index,
        seen: None,
    };
    let alerts = [failed(5, Some(4)), failed(6, None)].map(|row| Write::Alert(Box::new(row)));
    store.apply(&alerts).unwrap();
    assert_eq!(
        reader.sign_ins(card(1).person).unwrap().failed,
        [FailedSignIns { device: device(1), time_ms: 5, count: 3 }]
    );
    assert_eq!(reader.sign_ins(card(2).person).unwrap().failed, []);
}

fn push_subscriptions_are_one_of_a_device_and_erased_with_its_revocation(disk: &TestStore) {
    let mut store = disk.writer();
    let row = |n: u8, address: &str| PushRow {
        device: device(n),
        endpoint: format!("https://push.example/{address}"),
        key: Blob(vec![4; 65]),
        auth: Blob(vec![n; 16]),
        notified_below: 5,
    };
    let write = |write| Write::Push(write);
    let subscribed = |n, address| write(PushWrite::Subscribed(Box::new(row(n, address))));
    store.apply(&[enrolled(1), enrolled(2), enrolled(3)]).unwrap();
    store.apply(&[subscribed(1, "old"), subscribed(2, "b"), subscribed(3, "c"), subscribed(1, "new")]).unwrap();
    store
        .apply(&[write(PushWrite::NotifiedBelow(device(1), 9)), write(PushWrite::NotifiedBelow(device(1), 7))])
        .unwrap();
    store.apply(&[write(PushWrite::NotifiedBelow(device(4), 9)), write(PushWrite::Ended(device(3)))]).unwrap();
    drop(store);
    let mut store = disk.writer();
    let first = PushRow { notified_below: 9, ..row(1, "new") };
    assert_eq!(store.load().unwrap().push, [first.clone(), row(2, "b")]);
    assert_eq!(disk.reader().push_endpoint(&device(1)).unwrap().as_deref(), Some("https://push.example/new"));
    store.apply(&[Write::DeviceRevoked(device(2), 8, None)]).unwrap();
    assert_eq!(store.load().unwrap().push, [first]);
    assert_eq!(disk.number("SELECT COUNT(*) FROM push_subscriptions"), 1, "the address is erased");
    assert_eq!(disk.reader().push_endpoint(&device(2)).unwrap(), None);
}

fn rings_that_devices_are_notified_of_are_restored_until_they_are_settled(disk: &TestStore) {
    let mut store = disk.writer();
    let call = |n: u8| CallId::from_bytes([n; 16]);
    let row = |n: u8, device, until_ms, taken, over| RingPushRow { call: call(n), device, until_ms, taken, over };
    store.apply(&[enrolled(1), enrolled(2)]).unwrap();
    let rings = [(1, 1), (1, 2), (2, 1), (2, 2)].map(|(n, of)| Write::Push(PushWrite::Ring(call(n), device(of), 50)));
    store.apply(&rings).unwrap();
    store
        .apply(&[
            Write::Push(PushWrite::RingTaken(call(1), device(2))),
            Write::Push(PushWrite::Ring(call(1), device(2), 70)),
            Write::Push(PushWrite::RingOver(call(2), device(1), true, 90)),
            Write::Push(PushWrite::RingOver(call(2), device(2), false, 60)),
            Write::Push(PushWrite::RingOver(call(3), device(2), false, 60)),
        ])
        .unwrap();
    drop(store);
    let mut store = disk.writer();
    let expected = [
        row(1, device(1), 50, false, None),
        row(1, device(2), 50, true, None),
        row(2, device(1), 90, false, Some(true)),
        row(2, device(2), 60, false, Some(false)),
    ];
    assert_eq!(store.load().unwrap().ring_pushes, expected);
    store.apply(&[Write::Push(PushWrite::RingSettled(call(2), device(1)))]).unwrap();
    store.apply(&[Write::DeviceRevoked(device(2), 8, None)]).unwrap();
    assert_eq!(store.load().unwrap().ring_pushes, expected[..1]);
    store.apply(&[Write::Push(PushWrite::Ended(device(1)))]).unwrap();
    assert_eq!(store.load().unwrap().ring_pushes, []);
}

fn a_revocation_keeps_its_first_time(disk: &TestStore) {
    let mut store = disk.writer();
    store.apply(&[enrolled(1), Write::DeviceRevoked(device(1), 4, None)]).unwrap();
    store
        .apply(&[Write::DeviceRevoked(device(1), 5, Some("jws".into())), Write::RevocationLogged(device(1), 9)])
        .unwrap();
    let found = store.device(&device(1)).unwrap().unwrap();
    assert_eq!((found.revoked_ms, found.revocation.as_deref(), found.revoked_index), (Some(4), Some("jws"), Some(9)));
}

fn devices_without_log_entry_can_be_removed(disk: &TestStore) {
    let mut store = disk.writer();
    let unlogged = |n| match enrolled(n) {
        Write::Device(row) => Write::Device(Box::new(DeviceRow { log_index: None, ..*row })),
        _ => unreachable!(),
    };
    store.apply(&[enrolled(1), unlogged(2), unlogged(3), unlogged(4)]).unwrap();
    store.apply(&[Write::DeviceLogged(device(2), 7)]).unwrap();
    let left = |store: &mut Box<dyn Store>| store.load().unwrap().devices.iter().map(|d| d.device).collect::<Vec<_>>();
    assert_eq!(left(&mut store), [device(1), device(2), device(3), device(4)]);
    store.apply(&[Write::UnloggedDevicesForgotten]).unwrap();
    assert_eq!(left(&mut store), [device(1), device(2)]);
    store.apply(&[unlogged(4)]).expect("its enrolment can be used again");
}

fn the_log_position_is_stored(disk: &TestStore) {
    let mut store = disk.writer();
    assert_eq!(store.log_position().unwrap(), LogPosition::default());
    store.apply(&[Write::LogSeen(5)]).unwrap();
    store.apply(&[Write::LogSeen(6)]).unwrap();
    drop(store);
    assert_eq!(disk.writer().log_position().unwrap(), LogPosition { seen: 6, reread: false });
    disk.execute("INSERT INTO marks (name, value) VALUES ('log_again', 1)");
    let mut store = disk.writer();
    assert_eq!(store.log_position().unwrap(), LogPosition { seen: 6, reread: true });
    store.apply(&[Write::LogSeen(7)]).unwrap();
    assert_eq!(store.log_position().unwrap(), LogPosition { seen: 7, reread: false });
}

fn writes_are_idempotent(disk: &TestStore) {
    // After a failure with unknown outcome, these are written again from the log.
    let mut store = disk.writer();
    store.apply(&[enrolled(1), enrolled(5), Write::Call(Box::new(call())), Write::CallOpened(CALL, 1)]).unwrap();
    store.apply(&[Write::CallAnswered(CALL, device(5), 2), Write::CallEnded(CALL, Ended::HungUp, 3)]).unwrap();
    let again = [
        Write::CallOpened(CALL, 1),
        Write::EndLogged(CALL, 2),
        Write::MissingLogged(CALL, 3),
        Write::Record(record(5)),
        Write::DeviceLogged(device(1), 1),
        Write::LogSeen(9),
    ];
    store.apply(&again).unwrap();
    let once = (store.load().unwrap(), disk.reader().record(&CALL).unwrap());
    store.apply(&again).unwrap();
    assert_eq!((store.load().unwrap(), disk.reader().record(&CALL).unwrap()), once);
}

fn reading_does_not_block_writing(disk: &TestStore) {
    let mut store = disk.writer();
    store.apply(&[enrolled(1)]).unwrap();
    let reader = disk.reader();
    std::thread::scope(|scope| {
        let reads = scope.spawn(|| {
            let mut seen = 0;
            while seen < 200 {
                let devices = reader.devices().unwrap().len();
                assert!(devices >= seen, "rows that were read once do not disappear");
                seen = devices;
            }
        });
        for n in 2..=200 {
            store.apply(&[enrolled(n)]).unwrap();
        }
        reads.join().unwrap();
    });
}

fn a_newer_database_is_refused(disk: &TestStore) {
    drop(disk.writer());
    disk.execute(match disk.location {
        StoreLocation::Sqlite(_) => "PRAGMA user_version = 99",
        StoreLocation::Postgres(_) => "UPDATE marks SET value = 99 WHERE name = 'version'",
    });
    assert!(matches!(disk.location.writer(&testing::home()), Err(StoreError::Newer { found: 99, .. })));
    assert!(matches!(disk.location.reader(&testing::home()), Err(StoreError::Newer { found: 99, .. })));
}

fn a_database_belongs_to_one_office(disk: &TestStore) {
    let another = telcon_proto::OfficeName::parse("another.example").unwrap();
    let refused = |open: Result<(), StoreError>| {
        let Err(StoreError::OtherOffice { found, home }) = open else { panic!("{open:?}") };
        assert_eq!((&*found, &home), ("office.example", &another));
    };
    let mut store = disk.writer();
    assert_eq!(disk.number("SELECT value FROM marks WHERE name = 'office office.example'"), 1);
    refused(disk.location.reader(&another).map(drop));
    store.apply(&[enrolled(1)]).unwrap();
    drop(store);
    refused(disk.writer_of(&another).map(drop));
    // A database of an earlier version: its devices tell the office, which marks it.
    disk.execute("DELETE FROM marks WHERE name LIKE 'office %'");
    refused(disk.writer_of(&another).map(drop));
    drop(disk.writer());
    assert_eq!(disk.number("SELECT count(*) FROM marks WHERE name = 'office office.example'"), 1);
    // An empty one of an earlier version becomes that of the office that starts with it.
    disk.execute("DELETE FROM marks WHERE name LIKE 'office %'; DELETE FROM devices");
    drop(disk.writer_of(&another).unwrap());
    assert!(matches!(disk.writer_of(&testing::home()), Err(StoreError::OtherOffice { .. })));
    disk.execute("UPDATE marks SET value = 2 WHERE name LIKE 'office %'");
    assert!(matches!(disk.writer_of(&another), Err(StoreError::Newer { found: 2, known: 1 })));
}

fn lost(n: u8) -> LostDevice {
    LostDevice {
        device: device(n),
        cert_sha256: Digest::from_bytes([n; 32]),
        enrolment: format!("{n}"),
        enrolled_ms: 1,
        log_index: u64::from(n),
        revoked_ms: None,
        revocation: None,
        revoked_index: None,
        second_cert_sha256: (n == 2).then(|| Digest::from_bytes([22; 32])),
    }
}

fn a_lost_device_keeps_enrolment_and_revocation(disk: &TestStore) {
    let mut store = disk.writer();
    let found = |n| Write::EnrolmentFound(Box::new(lost(n)), None);
    store.apply(&[found(1), found(2), found(1), Write::DeviceRevoked(device(1), 5, Some("jws".into()))]).unwrap();
    store.apply(&[Write::RevocationLogged(device(1), 9), Write::UnloggedDevicesForgotten]).unwrap();
    drop(store);
    let mut store = disk.writer();
    let revoked = LostDevice { revoked_ms: Some(5), revocation: Some("jws".into()), revoked_index: Some(9), ..lost(1) };
    assert_eq!(store.lost_devices().unwrap(), [revoked.clone(), lost(2)]);
    assert_eq!(store.load().unwrap().lost, [revoked.clone(), lost(2)]);
    assert!(store.enrolment_is_used("1").unwrap() && store.enrolment_is_used("2").unwrap());
    let reader = disk.reader();
    assert_eq!(reader.lost_device(&device(1)).unwrap(), Some(revoked.clone()));
    assert_eq!((reader.lost_device(&device(3)).unwrap(), reader.devices().unwrap()), (None, vec![]));
    // Its certificates are found: it is a device again, and its revocation stays.
    let certified = |n| Some(Box::new(Certified { card: card(n), chain: vec![Blob(vec![n]), Blob(vec![n, n])] }));
    store.apply(&[Write::EnrolmentFound(Box::new(revoked), certified(1))]).unwrap();
    assert_eq!(store.lost_devices().unwrap(), [lost(2)]);
    let [row] = &store.load().unwrap().devices[..] else { panic!("one device") };
    assert_eq!((row.device, row.log_index, row.revoked_ms, row.revoked_index), (device(1), Some(1), Some(5), Some(9)));
    // The log has an enrolment that an attempt in the database lost against.
    let attempt = match enrolled(3) {
        Write::Device(row) => {
            Write::Device(Box::new(DeviceRow { log_index: None, cert_sha256: Digest::from_bytes([33; 32]), ..*row }))
        }
        _ => unreachable!(),
    };
    store.apply(&[attempt, Write::EnrolmentFound(Box::new(lost(3)), certified(3))]).unwrap();
    assert_eq!(store.device(&device(3)).unwrap().unwrap().cert_sha256, Digest::from_bytes([3; 32]));
    // Two devices of one link, from a restore under an earlier version: the one that is known stays, the other is lost.
    let second = LostDevice { enrolment: "3".into(), ..lost(4) };
    store.apply(&[Write::EnrolmentFound(Box::new(second.clone()), certified(4))]).unwrap();
    assert_eq!((store.device(&device(4)).unwrap(), store.lost_devices().unwrap()), (None, vec![lost(2), second]));
}

fn the_log_ends_a_call_that_the_database_has_open(disk: &TestStore) {
    let mut store = disk.writer();
    store.apply(&[enrolled(1), Write::Call(Box::new(call())), Write::CallOpened(CALL, 1)]).unwrap();
    store.apply(&[Write::EndFound(CALL, Ended::HungUp, 8, Some(6)), Write::EndLogged(CALL, 2)]).unwrap();
    let found = store.load().unwrap();
    let ([], [Unfinished { row, .. }]) = (&found.active[..], &found.unfinished[..]) else { panic!("{found:?}") };
    assert_eq!((row.how, row.ended_ms, row.answered_ms), (Some(Ended::HungUp), Some(8), Some(6)));
    assert_eq!(disk.number("SELECT count(*) FROM members"), 0);
    // An end that the database knows is not changed.
    store.apply(&[Write::EndFound(CALL, Ended::Failed, 9, None)]).unwrap();
    assert_eq!(store.load().unwrap(), found);
}

#[test]
fn a_postgres_database_of_version_5_is_upgraded() {
    let server = PostgresServer::start();
    let disk = TestStore::postgres(&server, "version_5");
    disk.writer().apply(&[enrolled(1), Write::LogSeen(7)]).unwrap();
    disk.execute(&format!(
        "{BACK_TO_VERSION_5} UPDATE marks SET value = 5 WHERE name = 'version'; DELETE FROM marks WHERE name LIKE 'office %'"
    ));
    assert!(matches!(disk.location.reader(&testing::home()), Err(StoreError::Location(_))));
    let mut store = disk.writer();
    assert_eq!(store.log_position().unwrap(), LogPosition { seen: 7, reread: true });
    assert_eq!((store.lost_devices().unwrap(), store.load().unwrap().devices.len()), (vec![], 1));
    // Devices of versions before 11 are found by their person.
    let own: Vec<_> = disk.reader().listed_devices(Some(card(1).person)).unwrap();
    assert_eq!(own.iter().map(|row| row.device).collect::<Vec<_>>(), [device(1)]);
}

#[test]
fn postgres_has_one_writer_and_survives_a_crash_of_its_server() {
    let mut server = PostgresServer::start();
    let disk = TestStore::postgres(&server, "crash");
    let mut store = disk.writer();
    store.apply(&[enrolled(1), Write::Call(Box::new(call())), commit(1, &[], &[1])]).unwrap();
    assert!(matches!(disk.location.writer(&testing::home()), Err(StoreError::InUse)));
    let reader = disk.reader();
    server.crash();
    // The session is lost, and with it the lock: this is reported, and the next transaction begins in a new session.
    assert!(matches!(store.apply(&[commit(2, &[], &[1])]), Err(StoreError::Database(_))));
    store.apply(&[commit(2, &[], &[1])]).unwrap();
    assert_eq!(store.load().unwrap().active[0].row.epoch, 2);
    assert!(reader.devices().is_err(), "the reader's session is lost too");
    assert_eq!(reader.devices().unwrap().len(), 1);
    assert!(matches!(disk.location.writer(&testing::home()), Err(StoreError::InUse)), "the new session has the lock");

    // A server that lost its session while another one acquired the lock can no longer write.
    server.crash();
    let mut other = disk.writer();
    assert!(store.apply(&[commit(3, &[], &[1])]).is_err());
    assert!(matches!(store.apply(&[commit(3, &[], &[1])]), Err(StoreError::InUse)));
    other.apply(&[commit(3, &[], &[1])]).unwrap();
}

#[test]
fn an_sqlite_reader_does_not_read_an_older_schema() {
    let disk = TestStore::sqlite();
    drop(disk.writer());
    disk.execute("PRAGMA user_version = 4");
    assert!(matches!(disk.location.reader(&testing::home()), Err(StoreError::Location(_))));
}

#[test]
fn injected_faults_have_the_stated_effect() {
    let disk = TestStore::sqlite();
    let control = FaultControl::default();
    let mut store = FaultyStore::new(disk.writer(), control.clone());
    control.inject(Fault::Failed, 1, 1);
    store.apply(&[enrolled(1)]).unwrap();
    assert!(store.apply(&[enrolled(2)]).is_err());
    store.apply(&[enrolled(3)]).unwrap();
    control.inject(Fault::FailedButPersisted, 0, 1);
    assert!(store.apply(&[enrolled(4)]).is_err());
    let devices: Vec<_> = store.load().unwrap().devices.iter().map(|d| d.device).collect();
    assert_eq!(devices, [device(1), device(3), device(4)]);
    control.take_down();
    assert!(store.load().is_err());
    control.repair();
    assert!(store.load().is_ok());
    assert_eq!(control.transactions(), 4);
}

fn delegations_are_restored_until_the_log_has_their_end(disk: &TestStore) {
    let id = DelegationId::from_bytes([9; 16]);
    let row = DelegationRow {
        delegation: id,
        principal: card(1).person,
        device: device(1),
        delegate: Card { role: Role::DutyOfficer, ..card(2) },
        acts: vec![Act::Ring, Act::Answer],
        statement: "statement".into(),
        statement_sha256: Digest::from_bytes([9; 32]),
        not_before_ms: 5,
        not_after_ms: 50,
        given_ms: 6,
        given_index: None,
        ended: None,
        ended_index: None,
    };
    let mut store = disk.writer();
    assert!(!store.delegation_exists(&id).unwrap());
    store.apply(&[enrolled(1), enrolled(2), Write::Delegation(Box::new(row.clone()))]).unwrap();
    assert_eq!(store.load().unwrap().delegations, std::slice::from_ref(&row));
    let reader = disk.reader();
    assert_eq!(reader.delegations(None, 9).unwrap(), [], "it is not in the log");
    store.apply(&[Write::DelegationLogged(id, 7)]).unwrap();
    for (person, listed) in [(None, 1), (Some(card(1).person), 1), (Some(card(2).person), 1), (Some(card(3).person), 0)]
    {
        assert_eq!(reader.delegations(person, 9).unwrap().len(), listed);
    }
    assert_eq!(reader.delegations(None, 9).unwrap()[0].principal, card(1));
    // A call under it, which goes on when it has ended.
    let rung = CallRow { on_behalf: Some((id, card(1))), ..call() };
    store.apply(&[Write::Call(Box::new(rung.clone())), Write::CallOpened(CALL, 8)]).unwrap();
    assert_eq!(store.load().unwrap().active[0].row.on_behalf, rung.on_behalf);
    assert_eq!(reader.delegations_of_call(&CALL).unwrap(), [("statement".to_owned(), 7, 1)]);
    assert_eq!(reader.calls(Some(card(1).person), None, 9).unwrap().unwrap()[0].on_behalf_of, Some(card(1)));
    let end = DelegationEndRow { at_ms: 20, by: Some(device(1)), statement_sha256: Some(Digest::from_bytes([8; 32])) };
    let later = DelegationEndRow { at_ms: 30, by: None, statement_sha256: None };
    let ends = [end.clone(), later].map(|end| Write::DelegationEnded(id, Box::new(end)));
    store.apply(&ends).unwrap();
    let ended = DelegationRow { given_index: Some(7), ended: Some(end), ..row };
    assert_eq!(store.load().unwrap().delegations, std::slice::from_ref(&ended), "the first end counts");
    store.apply(&[Write::DelegationEndLogged(id, 9)]).unwrap();
    assert_eq!(store.load().unwrap().delegations, [DelegationRow { ended_index: Some(9), ..ended }]);
    store.apply(&[Write::CallEnded(CALL, Ended::HungUp, 40), Write::EndLogged(CALL, 10)]).unwrap();
    assert_eq!(store.load().unwrap().delegations, [], "nobody needs it any more");
    assert!(store.delegation_exists(&id).unwrap());
    assert_eq!(reader.delegations(None, 9).unwrap()[0].ended_ms, Some(20));
    // Answered under it.
    let other = CallId::from_bytes([0xcb; 16]);
    store.apply(&[Write::Call(Box::new(CallRow { call: other, ..call() })), Write::CallOpened(other, 11)]).unwrap();
    store.apply(&[Write::CallAnswered(other, device(2), 9), Write::AnsweredUnder(other, id)]).unwrap();
    assert_eq!(store.load().unwrap().active[0].row.answered_under, Some(id));
    let listed = reader.calls(None, None, 9).unwrap().unwrap();
    assert_eq!(listed[0].answered_by.as_ref().map(|card| card.role), Some(Role::DutyOfficer));
    assert_eq!(reader.record(&other).unwrap().unwrap().0.summary(), listed[0]);
}

fn line_version(version: u32, state: LineState, signed_ms: u64) -> LineVersion {
    let (n, previous) = (version as u8, version.checked_sub(1).filter(|before| *before > 0));
    LineVersion {
        sealed_sha256: (version == 2).then(|| Digest::from_bytes([0x5e; 32])),
        content: Line {
            office: testing::home(),
            line: LINE,
            version,
            previous: previous.map(|before| Digest::from_bytes([before as u8; 32])),
            principal: card(1),
            holder: Card { role: Role::Counterpart, ..card(2) },
            device: Some(device(2)),
            terms: line_terms(),
            state,
            at_ms: signed_ms,
            on_behalf: None,
        },
        sha256: Digest::from_bytes([n; 32]),
        by: device(1),
        signed_ms,
        index: None,
    }
}

fn line_terms() -> LineTerms {
    LineTerms {
        reach: Reach::Desk,
        hours: None,
        until_ms: Some(9),
        rings_per_day: Some(2),
        mode: RecordMode::Memo,
        purpose: "about the summit".into(),
    }
}

fn found(row: &LineVersion) -> LoggedVersion {
    LoggedVersion { version: row.content.version, state: row.content.state, statement_sha256: row.sha256 }
}

fn signed_line(row: &LineVersion) -> Write {
    Write::LineSigned(Box::new(row.clone()), format!("statement {}", row.content.version))
}

fn logged_line(row: &LineVersion, index: u64) -> Write {
    Write::LineLogged(LINE, found(row), index, row.signed_ms)
}

fn lines_are_restored_with_their_newest_version_until_they_have_ended(disk: &TestStore) {
    let mut store = disk.writer();
    let reader = disk.reader();
    assert!(!store.line_exists(&LINE).unwrap());
    let first = line_version(1, LineState::Live, 6);
    store.apply(&[enrolled(1), enrolled(2), signed_line(&first)]).unwrap();
    let row = LineRow { line: LINE, given_ms: 6, current: None, pending: Some(first.clone()), found: None };
    assert_eq!(store.load().unwrap().lines, std::slice::from_ref(&row));
    assert!(store.line_exists(&LINE).unwrap());
    assert_eq!(reader.lines(LinesOf::Everybody, None, 9).unwrap(), (vec![], false), "it is not in the log");
    let over = OverLine { line: LINE, statement_sha256: first.sha256 };
    assert_eq!(store.signed_line(&over).unwrap(), None);
    store.apply(&[logged_line(&first, 7)]).unwrap();
    let first = LineVersion { index: Some(7), ..first };
    let row = LineRow { current: Some(first.clone()), pending: None, ..row };
    assert_eq!(store.load().unwrap().lines, std::slice::from_ref(&row));

    // A call over it, and its rings.
    let rung = CallRow { line: Some((LINE, 1)), from: first.content.holder.clone(), ..call() };
    store.apply(&[Write::Call(Box::new(rung.clone())), Write::CallOpened(CALL, 8), Write::CallDiverted(CALL)]).unwrap();
    let snapshot = store.load().unwrap();
    assert_eq!((snapshot.active[0].row.line, snapshot.active[0].row.diverted), (rung.line, true));
    assert_eq!(snapshot.call_lines[0].statement, "statement 1");
    let signed = store.signed_line(&over).unwrap().unwrap();
    assert_eq!((signed.index, signed.by, &signed.rings_ms[..]), (7, device(1), &[5][..]));

    // The next version waits for the log, and the one before stays.
    let second = line_version(2, LineState::Paused, 10);
    store.apply(&[signed_line(&second)]).unwrap();
    let with = |lines: Vec<LineRow>| lines.into_iter().next().map(|row| (row.current, row.pending, row.found));
    assert_eq!(with(store.load().unwrap().lines), Some((Some(first.clone()), Some(second.clone()), None)));
    store.apply(&[logged_line(&second, 9)]).unwrap();
    let second = LineVersion { index: Some(9), ..second };
    assert_eq!(with(store.load().unwrap().lines), Some((Some(second.clone()), None, None)));
    assert_eq!(reader.newest_line(&LINE).unwrap(), Some(("statement 2".into(), second.sha256)));
    assert_eq!(store.load().unwrap().call_lines[0].sha256, first.sha256, "calls keep the one that they are over");
    for (of, count) in [
        (LinesOf::Everybody, 1),
        (LinesOf::Principal(card(1).person), 1),
        (LinesOf::Principal(card(2).person), 0),
        (LinesOf::Holder(card(2).person), 1),
        (LinesOf::Delegate(card(3).person, 1), 0),
    ] {
        assert_eq!(reader.lines(of, None, 9).unwrap().0.len(), count, "{of:?}");
    }
    let (listed, _) = reader.lines(LinesOf::Everybody, None, 9).unwrap();
    assert_eq!(
        (&listed[0].0.statement[..], listed[0].0.last_rung_ms, listed[0].0.changed_ms),
        ("statement 2", Some(5), 10)
    );
    assert_eq!(listed[0].1, [device(2)]);

    // The log has two further ones: what it says of the last is remembered, and its state counts.
    let (third, fourth) = (line_version(3, LineState::Live, 11), line_version(4, LineState::Live, 12));
    store.apply(&[logged_line(&third, 10), logged_line(&fourth, 11), logged_line(&third, 10)]).unwrap();
    assert_eq!(with(store.load().unwrap().lines), Some((Some(second.clone()), None, Some(found(&fourth)))));
    let (listed, _) = reader.lines(LinesOf::Everybody, None, 9).unwrap();
    let shown = &listed[0].0;
    assert_eq!((shown.line.version, shown.statement_sha256), (2, second.sha256), "what the server has");
    assert_eq!(shown.lost, Some(found(&fourth)), "the next one follows it");
    let fifth = line_version(5, LineState::Ended, 13);
    store.apply(&[signed_line(&fifth)]).unwrap();
    assert_eq!(with(store.load().unwrap().lines), Some((Some(second), Some(fifth.clone()), Some(found(&fourth)))));
    store.apply(&[logged_line(&fifth, 12)]).unwrap();
    assert_eq!(store.load().unwrap().lines, [], "it has ended");
    assert_eq!(reader.lines(LinesOf::Everybody, None, 9).unwrap().0[0].0.line.state, LineState::Ended);
    assert!(store.line_exists(&LINE).unwrap());
    // A line of which the database has nothing is not given again.
    let other = LineId::from_bytes([0x2e; 16]);
    store.apply(&[Write::LineLogged(other, found(&fifth), 13, 14)]).unwrap();
    assert!(store.line_exists(&other).unwrap());
    assert_eq!(reader.lines(LinesOf::Everybody, None, 9).unwrap().0.len(), 1);
}

fn lines_are_paged_without_losing_those_of_one_millisecond(disk: &TestStore) {
    let mut store = disk.writer();
    store.apply(&[enrolled(1), enrolled(2)]).unwrap();
    for n in 0..9 {
        let mut row = line_version(1, LineState::Live, 10 + u64::from(n / 4));
        row.content.line = LineId::from_bytes([n; 16]);
        row.sha256 = Digest::from_bytes([n; 32]);
        store
            .apply(&[
                Write::LineSigned(Box::new(row.clone()), "s".into()),
                Write::LineLogged(row.content.line, found(&row), u64::from(n), row.signed_ms),
            ])
            .unwrap();
    }
    let reader = disk.reader();
    let mut all = BTreeSet::new();
    let (mut before, mut pages) = (None, 0);
    loop {
        let (page, more) = reader.lines(LinesOf::Everybody, before, 3).unwrap();
        pages += 1;
        assert!(!page.is_empty());
        before = page.last().map(|(line, _)| line.given_ms);
        for (line, _) in page {
            assert!(all.insert(line.line.line), "once");
        }
        if !more {
            break;
        }
    }
    assert_eq!((all.len(), pages), (9, 2));
}

fn offers_and_devices_of_holders_are_kept_and_forgotten_together(disk: &TestStore) {
    let mut store = disk.writer();
    let invitation = InvitationId::from_bytes(*LINE.as_bytes());
    let holder = Card { role: Role::Counterpart, ..card(2) };
    let offer = InvitationRow::new(invitation, holder.clone(), device(1), Digest::from_bytes([4; 32]), 5, 50);
    let offer = InvitationRow { line: Some(line_terms()), ..offer };
    store.apply(&[enrolled(1), Write::Invitation(Box::new(offer.clone()))]).unwrap();
    assert_eq!(store.load().unwrap().invitations, [offer]);
    let Write::Device(row) = enrolled(2) else { panic!("a device") };
    let blobs = |n: u8| (0..n).map(|n| Blob(vec![n])).collect::<Vec<_>>();
    let asked = Write::InvitationAsked { invitation, device: device(2), request: "r".into(), expires_ms: 50 };
    for length in [3, 5] {
        let row = DeviceRow { chain: blobs(length), card: holder.clone(), log_index: None, ..(*row).clone() };
        let begun = [
            asked.clone(),
            Write::LastApproval(invitation, device(1)),
            signed_line(&line_version(1, LineState::Live, 6)),
            Write::Device(Box::new(row.clone())),
        ];
        store.apply(&begun).unwrap();
        let stored = store.device(&device(2)).unwrap().unwrap();
        assert_eq!((&stored.chain, stored.is_holders()), (&row.chain, true));
        assert_eq!(stored.second_cert_sha256(), None);
        // The process ends before the log has the device: there is no line either.
        store.apply(&[Write::UnloggedDevicesForgotten]).unwrap();
        let snapshot = store.load().unwrap();
        assert_eq!((snapshot.lines.len(), snapshot.devices.len()), (0, 1));
        assert!(!store.line_exists(&LINE).unwrap());
        assert_eq!(snapshot.invitations[0].last_approved_by, None);
    }
    // Once the log has it, both stay.
    let row = DeviceRow { chain: blobs(3), card: holder, log_index: None, ..(*row).clone() };
    let begun = [
        Write::LastApproval(invitation, device(1)),
        signed_line(&line_version(1, LineState::Live, 6)),
        Write::Device(Box::new(row)),
        Write::DeviceLogged(device(2), 9),
        Write::UnloggedDevicesForgotten,
    ];
    store.apply(&begun).unwrap();
    assert_eq!(store.load().unwrap().lines.len(), 1);
}

fn shifts_are_restored_until_the_log_has_their_end(disk: &TestStore) {
    let (id, next, unknown) =
        (ShiftId::from_bytes([1; 16]), ShiftId::from_bytes([2; 16]), ShiftId::from_bytes([3; 16]));
    let row = |shift, started_ms| ShiftRow {
        shift,
        device: device(1),
        person: Some(card(2)),
        begun_with: Some(device(2)),
        started_ms,
        until_ms: started_ms + 10,
        started_index: None,
        ended: None,
        ended_index: None,
    };
    let mut store = disk.writer();
    store.apply(&[enrolled(1), enrolled(2), Write::Shift(Box::new(row(id, 5)))]).unwrap();
    assert_eq!(store.load().unwrap().shifts, [row(id, 5)]);
    let reader = disk.reader();
    let on_shift = || reader.listed_devices(None).unwrap()[0].on_shift.clone().map(|shift| shift.shift);
    let worked = || reader.sign_ins(card(2).person).unwrap().shifts;
    assert!(on_shift().is_none() && worked().is_empty(), "it is not in the log");
    store.apply(&[Write::ShiftLogged(id, 7)]).unwrap();
    assert_eq!(on_shift(), Some(id));
    assert_eq!((worked()[0].place.clone(), worked()[0].until_ms), (card(1), None));
    // The next one, before the end of the first is known.
    store.apply(&[Write::Shift(Box::new(row(next, 6))), Write::ShiftFound(next, device(1), 6, 8)]).unwrap();
    assert_eq!(on_shift(), Some(next), "the newest");
    assert_eq!(store.load().unwrap().shifts.iter().map(|row| row.shift).collect::<Vec<_>>(), [id, next]);
    let over = Write::ShiftEnded(id, ShiftEnd::HandedOver, 9);
    store.apply(&[over, Write::ShiftEnded(id, ShiftEnd::Expired, 99)]).unwrap();
    let ended = store.load().unwrap().shifts.remove(0);
    assert_eq!(ended.ended, Some((ShiftEnd::HandedOver, 9)), "the first end counts");
    store.apply(&[Write::ShiftEndLogged(id, 10)]).unwrap();
    assert_eq!(store.load().unwrap().shifts.len(), 1);
    let times: Vec<_> = worked().into_iter().map(|shift| (shift.from_ms, shift.until_ms, shift.how)).collect();
    assert_eq!(times, [(6, None, None), (5, Some(9), Some(ShiftEnd::HandedOver))]);
    // From the log, into a database that is of an older backup.
    store.apply(&[Write::ShiftFound(unknown, device(1), 11, 12)]).unwrap();
    let found = store.load().unwrap().shifts.pop().unwrap();
    assert_eq!((found.person, found.ended, found.started_index), (None, Some((ShiftEnd::Lost, 11)), Some(12)));
    assert_eq!(on_shift(), Some(next));
}
