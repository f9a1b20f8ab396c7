//! Delegations over a store and a log that fail and crash at any point.

use super::super::office_with_faults::{Office, card, device};
use super::*;
use crate::digest::sha256;
use telcon_proto::{
    Digest, ServerMessage as S,
    delegation::{Act, Delegation, OnBehalf},
};

const ID: DelegationId = DelegationId::from_bytes([0xde; 16]);
const PRINCIPAL: DeviceId = DeviceId::from_bytes([20; 16]);
const DESK: DeviceId = DeviceId::from_bytes([21; 16]);
const HOUR_MS: u64 = 3_600_000;

/// A principal (session 2) and a duty officer (session 3), connected.
fn office() -> Office {
    let mut office = Office::new();
    office.enrol(PRINCIPAL, card(20, Role::Principal));
    office.enrol(DESK, card(21, Role::DutyOfficer));
    connect(&mut office);
    office.done.clear();
    office
}

fn connect(office: &mut Office) {
    assert!(office.connect(2, PRINCIPAL) && office.connect(3, DESK));
}

fn new(office: &mut Office) -> NewDelegation {
    let content = Delegation {
        office: card(20, Role::Principal).office,
        delegation: ID,
        principal: card(20, Role::Principal).person,
        delegate: card(21, Role::DutyOfficer),
        acts: vec![Act::Ring],
        not_before_ms: office.now,
        not_after_ms: office.now + HOUR_MS,
        at_ms: office.now,
    };
    let exists = office.store.delegation_exists(&ID).unwrap();
    NewDelegation { content, device: PRINCIPAL, statement: "statement".into(), sha256: sha256(b"statement"), exists }
}

fn give(office: &mut Office) {
    let new = new(office);
    let effects = office.board.delegate(SessionId(2), Ok(new), office.now);
    office.run(effects);
}

fn end(office: &mut Office) {
    let ending = DelegationEnding { delegation: ID, by: PRINCIPAL, sha256: sha256(b"end") };
    let effects = office.board.end_delegation(SessionId(2), Ok(ending), office.now);
    office.run(effects);
}

/// Whether the duty officer may ring under it now.
fn counts(office: &Office) -> bool {
    let named = OnBehalf { delegation: ID, statement_sha256: sha256(b"statement") };
    office.board.context.delegations.for_ring(&named, &card(21, Role::DutyOfficer), office.now).is_ok()
}

fn logged(office: &Office, kind: &str) -> usize {
    office.entries().filter(|entry| entry.kind() == kind).count()
}

#[test]
fn it_counts_once_the_log_has_it_and_until_it_ends() {
    let mut office = office();
    office.log_fails = true;
    give(&mut office);
    assert!(!counts(&office) && logged(&office, "delegation_given") == 0);
    let told = |office: &Office| office.sent().filter(|message| matches!(message, S::DelegationsChanged {})).count();
    assert_eq!(told(&office), 0);
    office.log_fails = false;
    office.wait(LOG_RETRY_MS);
    assert!(counts(&office) && logged(&office, "delegation_given") == 1);
    // The principal, the delegate and the security officer, and nobody else.
    assert_eq!(told(&office), 3);
    office.wait(HOUR_MS + 1);
    assert!(!counts(&office));
    assert_eq!(logged(&office, "delegation_ended"), 0, "its entry says until when");
}

#[test]
fn a_crash_at_any_output_leaves_it_given_or_not_and_in_the_log_once() {
    let mut outcomes = BTreeSet::new();
    for left in 0..8 {
        let mut office = office();
        office.left = left;
        give(&mut office);
        office.restart();
        connect(&mut office);
        outcomes.insert(counts(&office));
        if !counts(&office) {
            // Nothing of it was kept: the principal gives it again.
            give(&mut office);
        }
        assert!(counts(&office), "after {left} outputs");
        assert_eq!(logged(&office, "delegation_given"), 1, "after {left} outputs");
        // The same again is refused, whatever happened.
        office.done.clear();
        give(&mut office);
        assert!(matches!(office.sent_to(2).last(), Some(S::Refused { .. })), "after {left} outputs");
    }
    assert!(outcomes.contains(&true));
}

#[test]
fn a_crash_at_any_output_leaves_it_ended_for_good_or_in_force() {
    for left in 0..8 {
        let mut office = office();
        give(&mut office);
        office.left = left;
        end(&mut office);
        office.restart();
        connect(&mut office);
        if counts(&office) {
            end(&mut office);
        }
        assert!(!counts(&office), "after {left} outputs");
        assert_eq!(logged(&office, "delegation_ended"), 1, "after {left} outputs");
        office.restart_engine();
        connect(&mut office);
        assert!(!counts(&office) && logged(&office, "delegation_ended") == 1, "after {left} outputs");
        office.done.clear();
        give(&mut office);
        assert!(matches!(office.sent_to(2).last(), Some(S::Refused { .. })), "after {left} outputs");
    }
}

#[test]
fn an_end_is_appended_until_the_log_has_it() {
    let mut office = office();
    give(&mut office);
    office.log_fails = true;
    end(&mut office);
    assert!(!counts(&office), "it ends at once");
    for _ in 0..3 {
        office.wait(LOG_RETRY_MS);
        assert_eq!(logged(&office, "delegation_ended"), 0);
    }
    office.log_fails = false;
    office.wait(LOG_RETRY_MS);
    office.wait(LOG_RETRY_MS);
    assert_eq!(logged(&office, "delegation_ended"), 1);
}

#[test]
fn it_ends_with_the_device_that_signed_it_and_with_the_last_device_of_the_delegate() {
    for (revoked, others) in [(PRINCIPAL, true), (DESK, false)] {
        let mut office = office();
        if others {
            office.enrol(device(22), card(20, Role::Principal));
        }
        give(&mut office);
        let effects = office.board.revoke(super::super::RequestId(9), revoked, "jws".into(), office.now);
        office.run(effects);
        assert!(!counts(&office));
        let ended = office.entries().find_map(|entry| match entry {
            Entry::DelegationEnded { by, .. } => Some(by),
            _ => None,
        });
        assert_eq!(ended, Some(None), "by nobody");
    }
    // Another device of the delegate goes on.
    let mut office = office();
    office.enrol(device(22), card(21, Role::DutyOfficer));
    give(&mut office);
    let effects = office.board.revoke(super::super::RequestId(9), DESK, "jws".into(), office.now);
    office.run(effects);
    assert!(counts(&office));
}

#[test]
fn a_person_has_a_limited_number_of_them() {
    let mut office = office();
    for n in 0..=MAX_DELEGATIONS_PER_PERSON {
        let mut one = new(&mut office);
        one.content.delegation = DelegationId::from_bytes([n as u8; 16]);
        one.sha256 = Digest::from_bytes([n as u8; 32]);
        office.done.clear();
        let effects = office.board.delegate(SessionId(2), Ok(one), office.now);
        office.run(effects);
        let refused = office.sent_to(2).any(|message| matches!(message, S::Refused { .. }));
        assert_eq!(refused, n == MAX_DELEGATIONS_PER_PERSON, "{n}");
    }
}
