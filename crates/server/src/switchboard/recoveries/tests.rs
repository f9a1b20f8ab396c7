//! Recoveries and orders to erase, over a store and a log that fail and crash at any point.

use super::super::{
    Approved, NewDevice,
    office_with_faults::{INVITATION, OFFICER, Office, TOKEN, card, device},
    port::{FirstApproved, Revocation},
};
use super::*;
use crate::{
    digest::sha256,
    switchboard::{DeviceAsked, RequestId},
};
use telcon_identity::Authority;
use telcon_proto::{Blob, Card, ClientMessage as C, Role, ServerMessage as S, SuiteName, recovery::RecoveryReason};

/// Another person's registrar, and its connection.
const SECOND: DeviceId = DeviceId::from_bytes([5; 16]);
const SECONDS: u64 = 2;
/// Another device of the first officer.
const SAME_PERSON: DeviceId = DeviceId::from_bytes([6; 16]);
const SAMES: u64 = 3;
const THIRD: DeviceId = DeviceId::from_bytes([7; 16]);
const THIRDS: u64 = 4;
/// The person who lost everything, and their devices.
const PHONE: DeviceId = DeviceId::from_bytes([20; 16]);
const LAPTOP: DeviceId = DeviceId::from_bytes([21; 16]);
const NEW: DeviceId = DeviceId::from_bytes([22; 16]);
const RECOVERY: RecoveryId = RecoveryId::from_bytes([8; 16]);

fn lost() -> Card {
    card(2, Role::Principal)
}

fn certificate(by: DeviceId) -> Blob {
    if by == OFFICER { Blob(b"registrar".to_vec()) } else { Blob(vec![9, by.as_bytes()[0]]) }
}

fn office() -> Office {
    let mut office = Office::new();
    for (device, person) in [(SECOND, 5), (SAME_PERSON, 1), (THIRD, 7)] {
        office.enrol(device, card(person, Role::SecurityOfficer));
        office.appoint(device, certificate(device), vec![Role::Principal, Role::SecurityOfficer]);
    }
    office.appoint(OFFICER, certificate(OFFICER), vec![Role::Principal, Role::SecurityOfficer]);
    office.enrol(PHONE, lost());
    office.enrol(LAPTOP, lost());
    office.connect_all();
    office
}

/// A statement that orders to erase: what it says is read from it, and its signature was verified by the driver.
fn erasing(device: DeviceId) -> String {
    authority().revoke_and_erase(device, 1).unwrap()
}

fn authority() -> Authority {
    Authority::create(SuiteName::Hybrid, &[1; 32], "office.example", "Office", 1).unwrap()
}

fn opening(by: DeviceId) -> OpeningRecovery {
    let (person, reason) = (lost().person, RecoveryReason::Stolen);
    OpeningRecovery { recovery: RECOVERY, person, reason, by, statement: format!("opened {by}~cert") }
}

fn confirming(by: DeviceId, devices: &[DeviceId]) -> ConfirmingRecovery {
    ConfirmingRecovery {
        recovery: RECOVERY,
        opened: format!("opened {OFFICER}~cert"),
        by,
        statement: format!("confirmed {by}~cert"),
        invitation: INVITATION,
        token_sha256: TOKEN,
        devices: devices.to_vec(),
        revocations: devices.iter().map(|device| (*device, erasing(*device))).collect(),
    }
}

fn chain(by: DeviceId) -> Vec<Blob> {
    vec![Blob(vec![2, by.as_bytes()[0]]), certificate(by)]
}

impl Office {
    fn connect_all(&mut self) {
        for (session, device) in [(1, OFFICER), (SECONDS, SECOND), (SAMES, SAME_PERSON), (THIRDS, THIRD)] {
            self.connect(session, device);
        }
    }

    fn open(&mut self, session: u64, by: DeviceId) {
        let effects = self.board.open_recovery(SessionId(session), Ok(opening(by)), self.now);
        self.run(effects);
    }

    fn confirm_with(&mut self, session: u64, confirming: ConfirmingRecovery) {
        let effects = self.board.confirm_recovery(SessionId(session), RequestId(9), Ok(confirming), self.now);
        self.run(effects);
    }

    fn confirm(&mut self, session: u64, by: DeviceId) {
        self.confirm_with(session, confirming(by, &[PHONE, LAPTOP]));
    }

    fn ask_new(&mut self) {
        let jws = NEW.to_hex();
        let asked = DeviceAsked { invitation: INVITATION, device: NEW, token_sha256: TOKEN, jws };
        let effects = self.board.device_asked(RequestId(3), asked, self.now);
        self.run(effects);
    }

    fn recovery_approved_first(&mut self, session: u64, by: DeviceId) {
        self.approve_as(session, Approved::First(FirstApproved { device: NEW, card: lost(), chain: chain(by) }));
    }

    fn recovery_approved_last(&mut self, session: u64, first: DeviceId, by: DeviceId) {
        let both: Vec<Blob> = chain(first).into_iter().chain(chain(by)).collect();
        let second_cert_sha256 = Some(sha256(both[2].as_slice()));
        let new = self.new_device(NEW, lost(), None);
        let registrars = vec![first, by];
        self.approve_as(session, Approved::Last(NewDevice { chain: both, second_cert_sha256, registrars, ..new }));
    }

    /// Everything, as it should be done.
    fn recover(&mut self) {
        self.open(1, OFFICER);
        self.confirm(SECONDS, SECOND);
        self.ask_new();
        self.recovery_approved_first(SECONDS, SECOND);
        self.recovery_approved_last(1, SECOND, OFFICER);
    }

    fn story(&self) -> Vec<String> {
        let words = self.entries().filter_map(|entry| match entry {
            Entry::RecoveryOpened { .. } => Some("opened".to_owned()),
            Entry::RecoveryConfirmed { .. } => Some("confirmed".to_owned()),
            Entry::RecoveryClosed { how, .. } => Some(how.as_str().to_owned()),
            Entry::DeviceRevoked { .. } => Some("revoked".to_owned()),
            Entry::InvitationMade { .. } => Some("made".to_owned()),
            Entry::InvitationClosed { how, .. } => Some(format!("invitation {}", how.as_str())),
            Entry::DeviceEnrolled { device: NEW, .. } => Some("enrolled".to_owned()),
            _ => None,
        });
        words.collect()
    }

    fn refusal(&self) -> Option<&str> {
        match self.sent().next_back() {
            Some(S::Refused { message, .. }) => Some(message),
            _ => None,
        }
    }
}

const WHOLE: [&str; 8] =
    ["opened", "confirmed", "revoked", "revoked", "made", "enrolled", "invitation approved", "completed"];

#[test]
fn two_officers_recover_a_person() {
    let mut office = office();
    office.open(1, OFFICER);
    assert_eq!(office.story(), ["opened"], "nothing follows from one officer's statement");
    assert!(office.connect(50, PHONE));
    office.confirm(SECONDS, SECOND);
    assert!(!office.connect(51, PHONE) && !office.connect(52, LAPTOP), "the old devices are revoked at once");
    let told = |message: &S| matches!(message, S::Revoked { jws: Some(jws) } if *jws == erasing(PHONE));
    assert!(office.sent_to(50).any(told), "with the order to erase");
    office.ask_new();
    office.recovery_approved_first(SECONDS, SECOND);
    assert!(!office.connect(53, NEW));
    office.recovery_approved_last(1, SECOND, OFFICER);
    assert_eq!(office.story(), WHOLE);
    assert!(office.connect(53, NEW));
    let shown = |message: &S| matches!(message, S::SignedIn { recovered_ms: Some(_), .. });
    assert!(office.sent_to(53).any(shown), "the recovered person's device shows it");
    // Loud: alerts to all officers, also those that took no part.
    let kinds: Vec<&str> = office.logged().iter().map(|alert| alert.kind.as_str()).collect();
    for kind in ["recovery_opened", "recovery_confirmed", "recovery_closed"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    assert!(office.sent_to(THIRDS).any(|message| matches!(message, S::Recoveries { .. })));
}

#[test]
fn who_may_ring_a_recovered_person_sees_it_for_thirty_days() {
    let mut office = office();
    office.enrol(device(30), card(30, Role::Principal));
    office.recover();
    assert!(office.connect(60, NEW) && office.connect(61, device(30)));
    let mark = |office: &Office, session: u64| {
        office.sent_to(session).find_map(|message| match message {
            S::SignedIn { people, .. } => people.iter().find(|one| one.card.person == lost().person)?.recovered_ms,
            _ => None,
        })
    };
    assert_eq!(mark(&office, 61), Some(office.now));
    office.restart();
    assert!(office.connect(62, device(30)));
    assert_eq!(mark(&office, 62), Some(office.now), "also after a restart");
    office.wait(RECOVERY_SHOWN_MS);
    assert!(office.connect(63, device(30)));
    assert_eq!(mark(&office, 63), None);
}

#[test]
fn a_recovery_survives_a_crash_at_any_point() {
    for crash in 0.. {
        let mut office = office();
        office.left = crash;
        office.recover();
        let crashed = office.left == 0;
        office.restart();
        office.connect_all();
        // Whoever saw no answer repeats what they did.
        if !office.story().contains(&"opened".to_owned()) {
            office.open(1, OFFICER);
        }
        if !office.story().contains(&"confirmed".to_owned()) {
            office.confirm(SECONDS, SECOND);
        }
        office.ask_new();
        office.recovery_approved_first(SECONDS, SECOND);
        office.recovery_approved_last(1, SECOND, OFFICER);
        let mut story = office.story();
        let mut whole: Vec<String> = WHOLE.iter().map(|word| (*word).to_owned()).collect();
        // A crash may change the order of entries that were pending together, and makes none twice or none at all.
        assert_eq!(story[0], whole[0], "after {crash} outputs");
        let at = |word: &str| story.iter().position(|other| other == word);
        assert!(at("confirmed") < at("made") && at("made") < at("enrolled"), "after {crash} outputs: {story:?}");
        story.sort();
        whole.sort();
        assert_eq!(story, whole, "after {crash} outputs");
        let stored = office.store.load().unwrap();
        assert!(stored.recoveries.is_empty() && stored.invitations.is_empty(), "after {crash} outputs");
        assert!(office.connect(70, NEW) && !office.connect(71, PHONE), "after {crash} outputs");
        if !crashed {
            assert!(crash > 12, "there are more outputs than {crash}");
            break;
        }
    }
}

#[test]
fn one_officer_alone_recovers_nobody() {
    let mut office = office();
    office.open(1, OFFICER);
    office.confirm(1, OFFICER);
    assert!(office.refusal().unwrap().contains("another security officer has to confirm it"));
    // With two devices of one person, neither.
    office.confirm(SAMES, SAME_PERSON);
    assert!(office.refusal().unwrap().contains("another security officer has to confirm it"));
    assert_eq!(office.story(), ["opened"]);
    // The confirming officer cannot enrol the device alone, nor with another than the one who opened it.
    office.confirm(SECONDS, SECOND);
    office.ask_new();
    let alone = office.new_device(NEW, lost(), Some(SECOND));
    office.approve_as(SECONDS, Approved::Last(NewDevice { chain: chain(SECOND), ..alone }));
    assert!(office.refusal().unwrap().contains("two security officers"));
    office.recovery_approved_first(SECONDS, SECOND);
    office.recovery_approved_last(THIRDS, SECOND, THIRD);
    assert!(office.refusal().unwrap().contains("who opened this recovery"));
    // The person of the one who opened it may, on another device.
    office.recovery_approved_last(SAMES, SECOND, SAME_PERSON);
    assert_eq!(office.story().last().map(String::as_str), Some("completed"));
}

#[test]
fn nobody_recovers_themselves() {
    let mut office = office();
    // The third officer opens one of their own, or confirms one.
    let own = OpeningRecovery { person: card(7, Role::SecurityOfficer).person, ..opening(THIRD) };
    let effects = office.board.open_recovery(SessionId(THIRDS), Ok(own.clone()), office.now);
    office.run(effects);
    assert!(office.refusal().unwrap().contains("of their own"));
    let by_other = OpeningRecovery { by: OFFICER, statement: format!("opened {OFFICER}~cert"), ..own };
    let effects = office.board.open_recovery(SessionId(1), Ok(by_other), office.now);
    office.run(effects);
    office.confirm_with(THIRDS, confirming(THIRD, &[THIRD]));
    assert!(office.refusal().unwrap().contains("of their own"));
    assert_eq!(office.story(), ["opened"]);
}

#[test]
fn a_recovered_officer_has_no_vote_until_the_authority_appoints_them() {
    let mut office = office();
    let about_third = OpeningRecovery { person: card(7, Role::SecurityOfficer).person, ..opening(OFFICER) };
    let effects = office.board.open_recovery(SessionId(1), Ok(about_third), office.now);
    office.run(effects);
    office.confirm_with(SECONDS, confirming(SECOND, &[THIRD]));
    office.ask_new();
    let officer = card(7, Role::SecurityOfficer);
    office.approve_as(
        SECONDS,
        Approved::First(FirstApproved { device: NEW, card: officer.clone(), chain: chain(SECOND) }),
    );
    let both: Vec<Blob> = chain(SECOND).into_iter().chain(chain(OFFICER)).collect();
    let new = office.new_device(NEW, officer, None);
    let second_cert_sha256 = Some(sha256(both[2].as_slice()));
    office.approve_as(1, Approved::Last(NewDevice { chain: both, second_cert_sha256, ..new }));
    assert!(office.connect(80, NEW));
    let other = OpeningRecovery { recovery: RecoveryId::from_bytes([9; 16]), ..opening(NEW) };
    let effects = office.board.open_recovery(SessionId(80), Ok(other), office.now);
    office.run(effects);
    assert!(office.refusal().unwrap().contains("may not recover people of that role"));
}

#[test]
fn a_confirmation_is_for_one_statement_and_the_devices_that_there_are() {
    let mut office = office();
    office.open(1, OFFICER);
    let other = ConfirmingRecovery { opened: "opened another~cert".into(), ..confirming(SECOND, &[PHONE, LAPTOP]) };
    office.confirm_with(SECONDS, other);
    assert!(office.refusal().unwrap().contains("another statement"));
    let unknown = RecoveryId::from_bytes([99; 16]);
    office.confirm_with(SECONDS, ConfirmingRecovery { recovery: unknown, ..confirming(SECOND, &[PHONE, LAPTOP]) });
    assert!(office.refusal().unwrap().contains("is over"));
    // A server, or an older list, that leaves a device out.
    for devices in [&[PHONE][..], &[], &[PHONE, LAPTOP, OFFICER]] {
        office.confirm_with(SECONDS, confirming(SECOND, devices));
        assert!(office.refusal().unwrap().contains("devices have changed"), "{devices:?}");
    }
    // A registrar's signature that another connection sends.
    office.confirm(THIRDS, SECOND);
    assert!(office.refusal().unwrap().contains("another device's"));
    assert_eq!(office.story(), ["opened"]);
    office.confirm(SECONDS, SECOND);
    office.confirm(SECONDS, SECOND);
    assert!(office.refusal().unwrap().contains("confirmed already"));
}

#[test]
fn a_recovery_is_withdrawn_refused_or_expires() {
    for (session, how) in [(1, "withdrawn"), (SAMES, "withdrawn"), (SECONDS, "refused"), (0, "expired")] {
        let mut office = office();
        office.open(1, OFFICER);
        match session {
            0 => office.wait(RECOVERY_MS),
            session => office.send(session, C::CloseRecovery { recovery: RECOVERY }),
        }
        assert_eq!(office.story(), ["opened", how]);
        office.confirm(SECONDS, SECOND);
        assert!(office.refusal().unwrap().contains("is over"));
        assert!(office.connect(90, PHONE), "nothing happened to the person's devices");
    }
    // Confirmed: its invitation ends with it, and no device can ask any more.
    for (ms, how) in [(0, "withdrawn"), (RECOVERY_MS, "expired")] {
        let mut office = office();
        office.open(1, OFFICER);
        office.confirm(SECONDS, SECOND);
        match ms {
            0 => office.send(1, C::CloseRecovery { recovery: RECOVERY }),
            ms => office.wait(ms),
        }
        let story = office.story();
        assert_eq!(story.last().map(String::as_str), Some(how), "{story:?}");
        office.ask_new();
        assert!(office.store.load().unwrap().recoveries.is_empty());
        // Another one may be opened.
        let again = OpeningRecovery { recovery: RecoveryId::from_bytes([9; 16]), ..opening(OFFICER) };
        let effects = office.board.open_recovery(SessionId(1), Ok(again), office.now);
        office.run(effects);
        assert_eq!(office.story().last().map(String::as_str), Some("opened"));
    }
}

#[test]
fn a_recovery_ends_with_the_registrar_who_opened_it() {
    let mut office = office();
    office.open(1, OFFICER);
    let effects = office.board.revoke(RequestId(5), OFFICER, "jws".into(), office.now);
    office.run(effects);
    assert!(office.story().contains(&"withdrawn".to_owned()));
    office.confirm(SECONDS, SECOND);
    assert!(office.refusal().unwrap().contains("is over"));
}

#[test]
fn a_device_that_is_revoked_can_be_ordered_to_erase_itself_later() {
    for crash in 0.. {
        let mut office = office();
        let by_officer = |statement: String| Ok(Revocation { device: PHONE, by: OFFICER, statement });
        let plain = authority().revoke(PHONE, 1).unwrap();
        let effects =
            office.board.revoke_as_registrar(SessionId(1), RequestId(5), by_officer(plain.clone()), office.now);
        office.run(effects);
        office.now += 5;
        office.left = crash;
        let order = erasing(PHONE);
        let effects =
            office.board.revoke_as_registrar(SessionId(1), RequestId(6), by_officer(order.clone()), office.now);
        office.run(effects);
        let crashed = office.left == 0;
        office.restart();
        if crash == 0 {
            // Nothing of it was durable.
            let effects =
                office.board.revoke_as_registrar(SessionId(1), RequestId(6), by_officer(order.clone()), office.now);
            office.run(effects);
        }
        let row = office.store.device(&PHONE).unwrap().unwrap();
        assert_eq!(row.revocation.as_deref(), Some(&*order), "after {crash} outputs: the order is what it is told");
        assert!(row.revoked_index.is_some() && row.erase_ordered_ms == Some(office.now));
        let statements: Vec<String> = office
            .entries()
            .filter_map(|entry| match entry {
                Entry::DeviceRevoked { device: PHONE, jws, .. } => jws,
                _ => None,
            })
            .collect();
        assert_eq!(statements, [plain, order.clone()], "after {crash} outputs: both are in the log, once");
        // Again is refused, and so is less.
        for statement in [order, authority().revoke(PHONE, 2).unwrap()] {
            let effects =
                office.board.revoke_as_registrar(SessionId(1), RequestId(7), by_officer(statement), office.now);
            office.run(effects);
            assert!(office.refusal().unwrap().contains("revoked already"));
        }
        if !crashed {
            break;
        }
    }
}

/// Revoked, and ordered to erase itself before the log has the first entry. The process dies at any point, or the log fails once.
#[test]
fn of_two_orders_at_once_the_second_is_in_the_log_after_any_crash() {
    for log_fails in [false, true] {
        for crash in 0.. {
            let mut office = office();
            let (plain, order) = (authority().revoke(PHONE, 1).unwrap(), erasing(PHONE));
            let first = office.board.revoke(RequestId(5), PHONE, plain.clone(), office.now);
            office.now += 5;
            let second = office.board.revoke(RequestId(6), PHONE, order.clone(), office.now);
            // Both are stored together, and their entries are appended one after the other.
            let writes = first.writes.into_iter().chain(second.writes).collect();
            office.left = crash;
            office.log_fails = log_fails;
            office.run(Effects { writes, ..Effects::default() });
            office.run(Effects { outputs: first.outputs, ..Effects::default() });
            office.log_fails = false;
            office.run(Effects { outputs: second.outputs, ..Effects::default() });
            if office.left > 0 {
                office.wait(LOG_RETRY_MS);
            }
            let crashed = office.left == 0;
            // Nothing of it was durable, if it died before the writes.
            office.restart();
            let statements: Vec<String> = office
                .entries()
                .filter_map(|entry| match entry {
                    Entry::DeviceRevoked { device: PHONE, jws, .. } => jws,
                    _ => None,
                })
                .collect();
            if crash > 0 {
                let of_order = statements.iter().filter(|jws| **jws == order).count();
                assert_eq!(of_order, 1, "after {crash} outputs, log fails: {log_fails}: {statements:?}");
                let row = office.store.device(&PHONE).unwrap().unwrap();
                assert!(row.revoked_index.is_some() && row.revocation.as_deref() == Some(&*order));
            }
            let expected = if log_fails { 1 } else { 2 };
            assert!(crash == 0 || crashed || statements.len() == expected, "{statements:?}");
            if !crashed {
                break;
            }
        }
    }
}

#[test]
fn a_report_of_an_erasure_is_noted_once() {
    let mut office = office();
    let effects = office.board.revoke(RequestId(5), PHONE, erasing(PHONE), office.now);
    office.run(effects);
    for (ms, told) in [(3, true), (4, false)] {
        office.now += ms;
        let effects = office.board.device_erased(RequestId(6), PHONE, office.now);
        let sends = effects.outputs.iter().any(|output| matches!(output, Output::Send(..)));
        assert_eq!((!effects.writes.is_empty(), sends), (told, told), "who sends it again floods nobody");
        office.run(effects);
    }
    let listed = office.listed_devices();
    let phone = listed.iter().find(|row| row.device == PHONE).unwrap();
    assert_eq!((phone.erase_ordered_ms, phone.erased_ms), (Some(office.now - 7), Some(office.now - 4)));
}
