use super::*;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use telcon_identity::Authority;
use telcon_log::LogSigner;
use telcon_proto::{RecordMode, SuiteName};

const PERSON: PersonId = PersonId::from_bytes([7; 16]);
const OTHER: PersonId = PersonId::from_bytes([8; 16]);
const NOW: u64 = 1_790_000_000_000;

fn device(n: u8) -> DeviceId {
    DeviceId::from_bytes([n; 16])
}

fn authority(seed: u8) -> Authority {
    Authority::create(SuiteName::Hybrid, &[seed; 32], "office.example", "Office", NOW).unwrap()
}

fn office(authority: &Authority) -> Office {
    let key = LogSigner::from_seed(&[1; 32], "office.example/log").unwrap().verifier_key().to_string();
    Office::pin(&authority.office(&key, RecordMode::Memo, NOW).unwrap(), None).unwrap()
}

fn enrolled(n: u8, person_sha256: Option<Digest>) -> Entry {
    let (cert_sha256, enrolment) = (Digest::from_bytes([n; 32]), "ab".repeat(16));
    Entry::DeviceEnrolled {
        time_ms: 1,
        device: device(n),
        cert_sha256,
        enrolment,
        person_sha256,
        second_cert_sha256: None,
    }
}

fn of(person: PersonId, n: u8) -> Option<Digest> {
    Some(person_commitment(person, device(n), sha256))
}

/// The events that a watch of the person reports for these entries: index, device, owner and event.
fn reported(entries: &[Entry]) -> (Vec<(u64, u8, Owner, String)>, Counts) {
    let (office, mut devices) = (office(&authority(1)), PersonDevices::new(PERSON));
    let events: Vec<LoggedEvent> =
        (0..).zip(entries).flat_map(|(index, entry)| devices.add(index, &entry.to_bytes(), &office)).collect();
    let short = |event: LoggedEvent| {
        let json = serde_json::to_value(&event).unwrap();
        (event.entry, event.device.as_bytes()[0], event.owner, json["event"].as_str().unwrap().to_owned())
    };
    (events.into_iter().map(short).collect(), devices.counts())
}

#[test]
fn what_is_kept_of_an_entry_is_short_however_long_it_is() {
    let (office, mut devices) = (office(&authority(1)), PersonDevices::new(PERSON));
    let Entry::DeviceEnrolled { time_ms, device, cert_sha256, person_sha256, .. } = enrolled(1, of(PERSON, 1)) else {
        panic!("an enrolment")
    };
    let (enrolment, second_cert_sha256) = ("x".repeat(60_000), None);
    let long = Entry::DeviceEnrolled { time_ms, device, cert_sha256, enrolment, person_sha256, second_cert_sha256 };
    let events = devices.add(0, &long.to_bytes(), &office);
    assert_eq!(events.len(), 1);
    assert!(serde_json::to_string(&events).unwrap().len() < 500);
}

#[test]
fn devices_of_the_person_and_of_unknown_people_are_reported_and_no_others() {
    let revoked = |n| Entry::DeviceRevoked { time_ms: 2, device: device(n), jws: None };
    let appointed =
        |n| Entry::RegistrarAppointed { time_ms: 3, device: device(n), cert_sha256: Digest::from_bytes([0; 32]) };
    let (events, counts) = reported(&[
        enrolled(1, None),
        enrolled(2, of(PERSON, 2)),
        enrolled(3, of(OTHER, 3)),
        revoked(1),
        revoked(3),
        appointed(2),
        appointed(3),
    ]);
    let expected = [
        (0, 1, Owner::Unknown, "device_enrolled"),
        (1, 2, Owner::Person, "device_enrolled"),
        (3, 1, Owner::Unknown, "device_revoked"),
        (5, 2, Owner::Person, "registrar_appointed"),
    ];
    assert_eq!(events, expected.map(|(entry, device, owner, event)| (entry, device, owner, event.to_owned())));
    assert_eq!(counts, Counts { of_person: 1, revoked: 0, unknown: 1, hidden: 0 });
}

/// The server writes the entries. One that says something else of the person than the certificate is refused by devices
/// (`crates/identity/src/attacks/logs.rs`), one that says nothing is reported to everybody who watches.
#[test]
fn a_server_hides_no_device_by_enrolling_its_identifier_again() {
    let again = [enrolled(1, of(PERSON, 1)), enrolled(1, None), enrolled(1, of(OTHER, 1))];
    let (events, counts) = reported(&again);
    assert!(events.len() == 3 && events.iter().all(|(.., owner, _)| *owner == Owner::Person), "{events:?}");
    assert_eq!(counts, Counts { of_person: 1, revoked: 0, unknown: 0, hidden: 0 });
    // The digest of one device says nothing of another one, so that nobody can tell which devices are of one person.
    assert_ne!(of(PERSON, 1), of(PERSON, 2));
}

#[test]
fn only_a_statement_of_the_authority_about_this_device_is_called_the_authoritys() {
    let (ours, stranger) = (authority(1), authority(2));
    let office = office(&ours);
    let devices = PersonDevices::new(PERSON);
    let by = |jws: Option<String>| devices.revoker(device(1), jws.as_deref(), &office);
    assert_eq!(by(Some(ours.revoke(device(1), NOW).unwrap())), Revoker::Authority);
    assert_eq!(by(Some(ours.revoke(device(2), NOW).unwrap())), Revoker::Nobody);
    assert_eq!(by(Some(stranger.revoke(device(1), NOW).unwrap())), Revoker::Nobody);
    assert_eq!(by(Some("a.b.c".to_owned())), Revoker::Nobody);
    assert_eq!(by(None), Revoker::Nobody);
}

#[test]
fn a_person_finds_their_shifts_and_a_place_those_at_its_devices() {
    let shift = |n: u8| ShiftId::from_bytes([n; 16]);
    let began = |n: u8, at: u8, who| Entry::ShiftStarted {
        time_ms: 2,
        shift: shift(n),
        device: device(at),
        person_sha256: shift_commitment(who, shift(n), sha256),
    };
    let ended = |n: u8| Entry::ShiftEnded { time_ms: 3, shift: shift(n), how: ShiftEnd::HandedOver };
    let place = PersonId::from_bytes([9; 16]);
    let of_place = |n| Some(person_commitment(place, device(n), sha256));
    // The person at another's device, somebody else there, and somebody at the person's own, which is a place's.
    let log = [
        enrolled(1, of_place(1)),
        enrolled(2, of(PERSON, 2)),
        began(1, 1, PERSON),
        began(2, 1, OTHER),
        ended(1),
        ended(2),
        began(3, 2, OTHER),
        ended(3),
        ended(4),
    ];
    let (events, _) = reported(&log);
    let expected = [
        (1, 2, Owner::Person, "device_enrolled"),
        (2, 1, Owner::Place, "shift_started"),
        (4, 1, Owner::Place, "shift_ended"),
        (6, 2, Owner::Person, "shift_started"),
        (7, 2, Owner::Person, "shift_ended"),
    ];
    assert_eq!(events, expected.map(|(entry, device, owner, event)| (entry, device, owner, event.to_owned())));
}

#[test]
fn an_approval_names_the_registrar_to_both_sides() {
    let closed = Entry::InvitationClosed {
        time_ms: 2,
        invitation: InvitationId::from_bytes([9; 16]),
        how: InvitationClosed::Approved,
        by: Some(device(5)),
        device: Some(device(1)),
    };
    let of_new_device = reported(&[enrolled(1, of(PERSON, 1)), closed.clone()]).0;
    assert_eq!(of_new_device[1], (1, 1, Owner::Person, "invitation_closed".to_owned()));
    let of_registrar = reported(&[enrolled(5, of(PERSON, 5)), closed]).0;
    assert_eq!(of_registrar[1], (1, 5, Owner::Person, "registrar_answered".to_owned()));
}

/// The server writes the entries, and makes the person believe that the device it slipped in is revoked.
#[test]
fn a_statement_that_only_names_a_registrar_revokes_nothing() {
    let claim = |revoked: u8, by: u8| {
        let claimed = json!({ "office": "office.example", "device": device(revoked), "at_ms": NOW, "by": device(by) });
        let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let header = part(json!({ "alg": "EdDSA", "typ": "telcon-revocation+jws" }));
        let jws = Some(format!("{header}.{}.{}", part(claimed), URL_SAFE_NO_PAD.encode([0; 64])));
        Entry::DeviceRevoked { time_ms: 4, device: device(1), jws }
    };
    let appointed =
        Entry::RegistrarAppointed { time_ms: 3, device: device(5), cert_sha256: Digest::from_bytes([0; 32]) };
    let by = |entries: &[Entry]| {
        let (office, mut devices) = (office(&authority(1)), PersonDevices::new(PERSON));
        let entries = [&[enrolled(1, of(PERSON, 1))], entries].concat();
        let events: Vec<LoggedEvent> =
            (0..).zip(&entries).flat_map(|(index, entry)| devices.add(index, &entry.to_bytes(), &office)).collect();
        let DeviceEvent::DeviceRevoked { by } = events.last().unwrap().event else { panic!("{events:?}") };
        (by, devices.counts().revoked)
    };
    assert_eq!(by(&[claim(1, 5)]), (Revoker::Nobody, 0), "no registrar");
    assert_eq!(by(&[appointed.clone(), claim(2, 5)]), (Revoker::Nobody, 0), "another device");
    assert_eq!(
        by(&[appointed.clone(), claim(1, 5)]),
        (Revoker::ClaimedRegistrar(device(5)), 0),
        "its signature was not verified"
    );
    let jws = Some(authority(1).revoke(device(5), NOW).unwrap());
    let revoked = Entry::DeviceRevoked { time_ms: 4, device: device(5), jws };
    let orders = [[&appointed, &revoked], [&revoked, &appointed]];
    for before in orders {
        let entries = [before[0].clone(), before[1].clone(), claim(1, 5)];
        assert_eq!(by(&entries), (Revoker::Nobody, 0), "the registrar was revoked: {before:?}");
    }
}

#[test]
fn an_entry_that_says_nothing_after_others_did_hides_its_device() {
    let (events, counts) = reported(&[enrolled(1, None), enrolled(2, of(OTHER, 2)), enrolled(3, None)]);
    let owners: Vec<Owner> = events.iter().map(|(.., owner, _)| *owner).collect();
    assert_eq!(owners, [Owner::Unknown, Owner::Hidden]);
    assert_eq!(counts, Counts { of_person: 0, revoked: 0, unknown: 1, hidden: 1 });
}

#[test]
fn delegations_of_the_persons_devices_are_reported_and_who_ended_them() {
    let given = |n: u8, by: u8| Entry::DelegationGiven {
        time_ms: 5,
        delegation: DelegationId::from_bytes([n; 16]),
        device: device(by),
        statement_sha256: Digest::from_bytes([n; 32]),
        until_ms: 9,
    };
    let ended = |n: u8, by: Option<u8>| Entry::DelegationEnded {
        time_ms: 6,
        delegation: DelegationId::from_bytes([n; 16]),
        by: by.map(device),
        statement_sha256: None,
    };
    let (events, _) = reported(&[
        enrolled(1, of(PERSON, 1)),
        enrolled(2, of(PERSON, 2)),
        enrolled(3, of(OTHER, 3)),
        given(10, 1),
        given(11, 1),
        given(12, 3),
        given(13, 1),
        ended(10, Some(2)),
        ended(11, Some(3)),
        ended(12, Some(3)),
        ended(13, None),
        ended(99, Some(1)),
    ]);
    let of_delegations: Vec<_> =
        events.iter().skip(2).map(|(index, device, _, event)| (*index, *device, &**event)).collect();
    let expected = [
        (3, 1, "delegation_given"),
        (4, 1, "delegation_given"),
        (6, 1, "delegation_given"),
        (7, 1, "delegation_ended"),
        (7, 2, "ended_delegation"),
        (8, 1, "delegation_ended"),
        (10, 1, "delegation_ended"),
        (11, 1, "ended_delegation"),
    ];
    assert_eq!(of_delegations, expected);
}
