//! Attacks on delegations: each is refused by whoever is shown the act.

use super::*;
use crate::delegation::{DELEGATION_TYP, VerifiedDelegation, sign_delegation, sign_delegation_end};
use serde_json::Value;
use telcon_proto::{
    DelegationId,
    delegation::{Act, Delegation, DelegationEnd, ProvenDelegation},
    limits::MAX_DELEGATION_MS,
};

const ID: DelegationId = DelegationId::from_bytes([0xde; 16]);

/// The principal of the test office lets its duty officer ring until tomorrow.
fn content() -> Delegation {
    Delegation {
        office: domain(),
        delegation: ID,
        principal: card(Role::Principal).person,
        delegate: card(Role::DutyOfficer),
        acts: vec![Act::Ring],
        not_before_ms: NOW,
        not_after_ms: NOW + DAY,
        at_ms: NOW,
    }
}

fn signed(by: &Device, delegation: &Delegation) -> String {
    sign_delegation(&by.key, &by.chain, delegation)
}

fn given(delegation: &VerifiedDelegation) -> Value {
    json!({
        "type": "delegation_given",
        "time_ms": NOW,
        "delegation": ID.to_hex(),
        "device": delegation.device().device().to_hex(),
        "statement_sha256": delegation.sha256().to_string(),
        "until_ms": delegation.content().not_after_ms,
    })
}

/// A ring of the duty officer for the principal.
fn ring_for(world: &World, officer: &Device, delegation: &VerifiedDelegation) -> Ring {
    Ring { on_behalf: Some(delegation.on_behalf()), ..ring(world, officer) }
}

fn attack(change: impl Fn(&mut Delegation), why: impl Into<IdentityError>) {
    let why = why.into();
    for suite in SUITES {
        let world = World::new(suite);
        let mut delegation = content();
        change(&mut delegation);
        refused(world.office.verify_delegation(&signed(&world.enrol(Role::Principal), &delegation)), why);
    }
}

#[test]
fn a_ring_under_a_valid_delegation_is_accepted_with_both_names() {
    for suite in SUITES {
        let mut world = World::new(suite);
        let (principal, officer) = (world.enrol(Role::Principal), world.enrol(Role::DutyOfficer));
        let statement = signed(&principal, &content());
        let verified = world.office.verify_delegation(&statement).unwrap();
        let device = world.log(&enrolled_entry(&world, &principal));
        let given = world.log(&given(&verified));
        let logged = world.office.verify_delegation_logged(&ProvenDelegation { statement, given, device }).unwrap();
        assert_eq!((logged.principal(), logged.delegate()), (&card(Role::Principal), &card(Role::DutyOfficer)));
        let jws = sign_ring(&officer.key, &officer.chain, &ring_for(&world, &officer, &verified));
        let ring = world.office.verify_ring(&jws, NOW).unwrap();
        assert_eq!(ring.check_delegation(Some(logged.delegation())), Ok(()));
        assert_eq!(verified.check(Act::Ring, officer_card(), NOW + DAY), Ok(()), "until its last millisecond");
    }
}

fn officer_card() -> &'static Card {
    static CARD: std::sync::OnceLock<Card> = std::sync::OnceLock::new();
    CARD.get_or_init(|| card(Role::DutyOfficer))
}

#[test]
fn a_delegation_after_its_end_or_before_its_beginning_is_refused() {
    for suite in SUITES {
        let world = World::new(suite);
        let (principal, officer) = (world.enrol(Role::Principal), world.enrol(Role::DutyOfficer));
        let delegation = Delegation { not_before_ms: NOW + HOUR, ..content() };
        let verified = world.office.verify_delegation(&signed(&principal, &delegation)).unwrap();
        refused(verified.check(Act::Ring, officer_card(), NOW + DAY + 1), Validity::Delegation);
        refused(verified.check(Act::Ring, officer_card(), NOW), Validity::DelegationNotYet);
        let tolerated = NOW + HOUR - CLOCK_TOLERANCE_S * 1000;
        refused(verified.check(Act::Ring, officer_card(), tolerated - 1), Validity::DelegationNotYet);
        assert_eq!(verified.check(Act::Ring, officer_card(), tolerated), Ok(()));
        // The ring is dated by its signer: a date within the term does not help once the ring is too old to be shown.
        let late = Ring { at_ms: NOW + DAY + 1, ..ring_for(&world, &officer, &verified) };
        let late = world.office.verify_ring(&sign_ring(&officer.key, &officer.chain, &late), NOW + DAY + 1).unwrap();
        refused(late.check_delegation(Some(&verified)), Validity::Delegation);
        let backdated = Ring { at_ms: NOW + DAY, ..ring_for(&world, &officer, &verified) };
        let backdated = sign_ring(&officer.key, &officer.chain, &backdated);
        refused(world.office.verify_ring(&backdated, NOW + DAY + RING_MAX_AGE_MS + 1), Validity::Ring);
    }
}

#[test]
fn a_delegation_for_another_act_is_refused() {
    for suite in SUITES {
        let world = World::new(suite);
        let (principal, officer) = (world.enrol(Role::Principal), world.enrol(Role::DutyOfficer));
        let delegation = Delegation { acts: vec![Act::Answer], ..content() };
        let verified = world.office.verify_delegation(&signed(&principal, &delegation)).unwrap();
        let jws = sign_ring(&officer.key, &officer.chain, &ring_for(&world, &officer, &verified));
        let ring = world.office.verify_ring(&jws, NOW).unwrap();
        refused(ring.check_delegation(Some(&verified)), Flaw::DelegationAct);
        assert_eq!(verified.check(Act::Answer, officer_card(), NOW), Ok(()));
    }
}

#[test]
fn a_delegation_used_by_another_person_is_refused() {
    for suite in SUITES {
        let world = World::new(suite);
        let (principal, scheduler) = (world.enrol(Role::Principal), world.enrol(Role::Scheduler));
        let verified = world.office.verify_delegation(&signed(&principal, &content())).unwrap();
        let jws = sign_ring(&scheduler.key, &scheduler.chain, &ring_for(&world, &scheduler, &verified));
        let ring = world.office.verify_ring(&jws, NOW).unwrap();
        refused(ring.check_delegation(Some(&verified)), Flaw::OtherDelegate);
        // The same person under other words than the principal was shown.
        let renamed = Card { name: "The President's Office".into(), ..card(Role::DutyOfficer) };
        refused(verified.check(Act::Ring, &renamed, NOW), Flaw::OtherDelegate);
    }
}

#[test]
fn a_delegate_cannot_delegate() {
    for suite in SUITES {
        let world = World::new(suite);
        // The principal's delegate lets the scheduler act for the principal, or for themselves.
        let officer = world.enrol(Role::DutyOfficer);
        for principal in [Role::Principal, Role::DutyOfficer] {
            let passed_on =
                Delegation { principal: card(principal).person, delegate: card(Role::Scheduler), ..content() };
            refused(world.office.verify_delegation(&signed(&officer, &passed_on)), Flaw::DelegationRole);
        }
    }
}

#[test]
fn a_delegation_by_somebody_who_is_no_principal_is_refused() {
    for suite in SUITES {
        let world = World::new(suite);
        for role in Role::ALL.into_iter().filter(|role| *role != Role::Principal) {
            let signer = world.enrol(role);
            let delegation = Delegation { principal: card(role).person, ..content() };
            refused(world.office.verify_delegation(&signed(&signer, &delegation)), Flaw::DelegationRole);
        }
    }
}

#[test]
fn a_delegation_in_the_name_of_another_principal_is_refused() {
    attack(|delegation| delegation.principal = PersonId::from_bytes([9; 16]), Flaw::OtherPrincipal);
    attack(|delegation| delegation.delegate.person = delegation.principal, Flaw::OtherPrincipal);
}

#[test]
fn a_delegation_to_a_role_that_may_not_act_is_refused() {
    let may_act = [Role::DutyOfficer, Role::Scheduler];
    for role in Role::ALL.into_iter().filter(|role| !may_act.contains(role)) {
        attack(
            |delegation| delegation.delegate = Card { person: PersonId::from_bytes([9; 16]), ..card(role) },
            Flaw::DelegationRole,
        );
    }
}

#[test]
fn a_delegation_without_end_or_acts_is_refused() {
    attack(
        |delegation| delegation.not_after_ms = delegation.not_before_ms + MAX_DELEGATION_MS + 1,
        Flaw::DelegationTerm,
    );
    attack(|delegation| delegation.not_after_ms = u64::MAX, Flaw::DelegationTerm);
    attack(|delegation| delegation.not_after_ms = delegation.not_before_ms, Flaw::DelegationTerm);
    attack(|delegation| delegation.not_before_ms = delegation.not_after_ms + 1, Flaw::DelegationTerm);
    attack(|delegation| delegation.acts = vec![], Flaw::DelegationTerm);
    attack(|delegation| delegation.acts = vec![Act::Ring, Act::Answer, Act::Ring], Flaw::DelegationTerm);
}

#[test]
fn a_delegation_of_another_office_is_refused() {
    attack(|delegation| delegation.office = elsewhere(), Flaw::OtherOffice);
    attack(|delegation| delegation.delegate.office = elsewhere(), Flaw::OtherOffice);
}

#[test]
fn a_delegation_made_by_the_server_is_refused() {
    for suite in SUITES {
        let world = World::new(suite);
        let principal = world.enrol(Role::Principal);
        let server = DeviceKey::from_seed(suite, &[0xbb; 32]);
        refused(
            world.office.verify_delegation(&sign_delegation(&server, &principal.chain, &content())),
            Flaw::Signature,
        );
        let rogue = World::of(suite, 2, DOMAIN);
        let theirs = signed(&rogue.enrol(Role::Principal), &content());
        refused(world.office.verify_delegation(&theirs), Flaw::OtherAuthority);
        // A statement of another type, that the device did sign.
        let other = jws::sign(&principal.key, RING_TYP, &serde_json::to_vec(&content()).unwrap(), &principal.chain);
        refused(world.office.verify_delegation(&other), Flaw::JwsType);
        let unread = jws::sign(&principal.key, DELEGATION_TYP, br#"{"office":"office.example"}"#, &principal.chain);
        refused(world.office.verify_delegation(&unread), Flaw::Payload);
    }
}

#[test]
fn a_principals_name_without_their_delegation_is_refused() {
    for suite in SUITES {
        let world = World::new(suite);
        let (principal, officer) = (world.enrol(Role::Principal), world.enrol(Role::DutyOfficer));
        let verified = world.office.verify_delegation(&signed(&principal, &content())).unwrap();
        let jws = sign_ring(&officer.key, &officer.chain, &ring_for(&world, &officer, &verified));
        let ring = world.office.verify_ring(&jws, NOW).unwrap();
        refused(ring.check_delegation(None), Flaw::DelegationMissing);
        // Another delegation of the same principal to the same person.
        let other = Delegation { not_after_ms: NOW + 2 * DAY, ..content() };
        let other = world.office.verify_delegation(&signed(&principal, &other)).unwrap();
        refused(ring.check_delegation(Some(&other)), Flaw::OtherDelegation);
        // A ring of one's own is not put under somebody's name.
        let own = world.office.verify_ring(&signed_ring(&world, &principal), NOW).unwrap();
        refused(own.check_delegation(Some(&verified)), Flaw::OtherDelegation);
        assert_eq!(own.check_delegation(None), Ok(()));
        // And without naming one, the officer's role may not ring.
        refused(world.office.verify_ring(&signed_ring(&world, &officer), NOW), Flaw::RingRole);
        for role in [Role::NoteTaker, Role::SecurityOfficer, Role::Auditor] {
            let device = world.enrol(role);
            let jws = sign_ring(&device.key, &device.chain, &ring_for(&world, &device, &verified));
            refused(world.office.verify_ring(&jws, NOW), Flaw::RingRole);
        }
    }
}

#[test]
fn a_delegation_that_the_log_does_not_have_is_refused() {
    for suite in SUITES {
        let mut world = World::new(suite);
        let principal = world.enrol(Role::Principal);
        let statement = signed(&principal, &content());
        let verified = world.office.verify_delegation(&statement).unwrap();
        let device = world.log(&enrolled_entry(&world, &principal));
        let proven = |given| ProvenDelegation { statement: statement.clone(), given, device: device.clone() };
        refused(world.office.verify_delegation_logged(&proven(device.clone())), Flaw::LogEntry);
        for (field, value) in [
            ("delegation", json!("01".repeat(16))),
            ("device", json!("01".repeat(16))),
            ("statement_sha256", json!("01".repeat(32))),
            ("until_ms", json!(NOW + 2 * DAY)),
        ] {
            let mut entry = given(&verified);
            entry[field] = value;
            let entry = world.log(&entry);
            refused(world.office.verify_delegation_logged(&proven(entry)), Flaw::OtherEntry);
        }
        // The device that signed it was never enrolled for everybody to see.
        let entry = world.log(&given(&verified));
        let unseen = ProvenDelegation { statement, device: entry.clone(), given: entry };
        refused(world.office.verify_delegation_logged(&unseen), Flaw::LogEntry);
    }
}

#[test]
fn a_delegation_ends_with_the_certificate_of_its_device() {
    for suite in SUITES {
        let world = World::new(suite);
        let principal = world.enrol(Role::Principal);
        let last = NOW + 364 * DAY;
        let delegation = Delegation { not_before_ms: last, not_after_ms: last + 30 * DAY, at_ms: last, ..content() };
        let verified = world.office.verify_delegation(&signed(&principal, &delegation)).unwrap();
        assert_eq!(verified.check(Act::Ring, officer_card(), last), Ok(()));
        refused(verified.check(Act::Ring, officer_card(), last + 10 * DAY), Validity::Device);
        let late = Delegation { at_ms: NOW + 400 * DAY, ..content() };
        refused(world.office.verify_delegation(&signed(&principal, &late)), Validity::Device);
    }
}

#[test]
fn an_end_names_its_delegation_and_is_signed_by_its_device() {
    for suite in SUITES {
        let world = World::new(suite);
        let principal = world.enrol(Role::Principal);
        let end = DelegationEnd { office: domain(), delegation: ID, at_ms: NOW };
        let sign = |end: &DelegationEnd| sign_delegation_end(&principal.key, &principal.chain, end);
        let verified = world.office.verify_delegation_end(&sign(&end)).unwrap();
        assert_eq!((verified.delegation(), verified.device().device()), (ID, principal.id));
        refused(
            world.office.verify_delegation_end(&sign(&DelegationEnd { office: elsewhere(), ..end.clone() })),
            Flaw::OtherOffice,
        );
        let thief = DeviceKey::from_seed(suite, &[0xbb; 32]);
        refused(
            world.office.verify_delegation_end(&sign_delegation_end(&thief, &principal.chain, &end)),
            Flaw::Signature,
        );
        refused(world.office.verify_delegation_end(&signed(&principal, &content())), Flaw::JwsType);
    }
}
