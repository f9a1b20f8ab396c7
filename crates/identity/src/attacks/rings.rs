//! Attacks on rings.

use super::*;

fn attack(change: impl Fn(&mut Ring), why: impl Into<IdentityError>) {
    let why = why.into();
    for suite in SUITES {
        let world = World::new(suite);
        let caller = world.enrol(Role::Principal);
        let mut content = ring(&world, &caller);
        change(&mut content);
        let jws = sign_ring(&caller.key, &caller.chain, &content);
        refused(world.office.verify_ring(&jws, NOW), why);
        if !matches!(why, IdentityError::Expired(_)) {
            refused(world.office.verify_ring_past(&jws), why);
        }
    }
}

#[test]
fn a_record_mode_below_the_charters_minimum_is_refused() {
    for suite in SUITES {
        let world = World::new(suite);
        let caller = world.enrol(Role::Principal);
        let content = Ring { mode: RecordMode::LogOnly, ..ring(&world, &caller) };
        let jws = sign_ring(&caller.key, &caller.chain, &content);
        refused(world.office.verify_ring(&jws, NOW), Flaw::RingMode);
        // A past ring may have a lower record mode: the charter's minimum applies to new rings.
        assert!(world.office.verify_ring_past(&jws).is_ok());
    }
}

#[test]
fn a_ring_with_forged_content_is_refused() {
    for suite in SUITES {
        let world = World::new(suite);
        let caller = world.enrol(Role::Principal);
        let jws = signed_ring(&world, &caller);
        let content = Ring { to: PersonId::from_bytes([8; 16]).at(&domain()), ..ring(&world, &caller) };
        let mut parts: Vec<&str> = jws.split('.').collect();
        let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&content).unwrap());
        parts[1] = &payload;
        refused(world.office.verify_ring(&parts.join("."), NOW), Flaw::Signature);
    }
}

#[test]
fn a_ring_signed_by_another_key_than_the_certified_one_is_refused() {
    for suite in SUITES {
        let world = World::new(suite);
        let caller = world.enrol(Role::Principal);
        let thief = DeviceKey::from_seed(suite, &[0xbb; 32]);
        let jws = sign_ring(&thief, &caller.chain, &ring(&world, &caller));
        refused(world.office.verify_ring(&jws, NOW), Flaw::Signature);
    }
}

#[test]
fn a_ring_with_a_swapped_certificate_is_refused() {
    for suite in SUITES {
        let world = World::new(suite);
        let (caller, counterpart) = (world.enrol(Role::Principal), world.enrol(Role::Counterpart));
        let jws = sign_ring(&counterpart.key, &caller.chain, &ring(&world, &caller));
        refused(world.office.verify_ring(&jws, NOW), Flaw::Signature);
        // Validly signed by one device, in the name of another.
        let jws = sign_ring(&counterpart.key, &counterpart.chain, &ring(&world, &caller));
        refused(world.office.verify_ring(&jws, NOW), Flaw::OtherDevice);
    }
}

#[test]
fn a_ring_by_another_office_of_the_same_name_is_refused() {
    for suite in SUITES {
        let (world, rogue) = (World::new(suite), World::of(suite, 2, DOMAIN));
        let jws = signed_ring(&rogue, &rogue.enrol(Role::Principal));
        refused(world.office.verify_ring(&jws, NOW), Flaw::OtherAuthority);
    }
}

#[test]
fn a_ring_in_the_name_of_another_office_is_refused() {
    attack(|ring| ring.from.office = elsewhere(), Flaw::OtherOffice);
}

#[test]
fn a_ring_by_a_listener_is_refused() {
    for suite in SUITES {
        for role in [Role::DutyOfficer, Role::NoteTaker] {
            let world = World::new(suite);
            let jws = signed_ring(&world, &world.enrol(role));
            refused(world.office.verify_ring(&jws, NOW), Flaw::RingRole);
        }
    }
}

#[test]
fn a_ring_with_another_suite_is_refused() {
    attack(|ring| ring.suite = other(ring.suite), Flaw::RingSuite);
}

#[test]
fn a_ring_of_another_version_is_refused() {
    attack(|ring| ring.version = WIRE_VERSION + 1, Mismatch::WireVersion(WIRE_VERSION + 1));
    // A later version may have fields that this one does not know: it is incompatible, not hostile.
    let world = World::new(SuiteName::Hybrid);
    let caller = world.enrol(Role::Principal);
    let jws = jws::sign(&caller.key, RING_TYP, br#"{"version":7,"new":[]}"#, &caller.chain);
    refused(world.office.verify_ring(&jws, NOW), Mismatch::WireVersion(7));
}

#[test]
fn a_version_3_ring_is_accepted_as_a_past_ring_only() {
    for suite in SUITES {
        let mut world = World::new(suite);
        let caller = world.enrol(Role::Principal);
        let content = ring(&world, &caller);
        let sign = |payload: &serde_json::Value| {
            jws::sign(&caller.key, RING_TYP, payload.to_string().as_bytes(), &caller.chain)
        };
        let old = sign(&ring_v3(&content));
        refused(world.office.verify_ring(&old, NOW), Mismatch::WireVersion(3));
        let read = world.office.verify_ring_past(&old).unwrap();
        assert_eq!(*read.ring(), Ring { version: 3, ..content.clone() }, "its office applies to all identifiers");
        // Proofs of its time name no office.
        let opened = world.log(&opened_entry(&world, &old, &content));
        let opened = Logged { office: None, ..opened };
        assert_eq!(world.office.verify_opening(read, &opened).unwrap().entry().office(), &domain());
        let mut abroad = ring_v3(&content);
        abroad["office"] = json!("other.example");
        refused(world.office.verify_ring_past(&sign(&abroad)), Flaw::OtherOffice);
        // The fields of one version under the number of another.
        let mut mixed = ring_v3(&content);
        mixed["version"] = json!(WIRE_VERSION);
        refused(world.office.verify_ring_past(&sign(&mixed)), Flaw::Payload);
        let mut mixed = serde_json::to_value(&content).unwrap();
        mixed["version"] = json!(3);
        refused(world.office.verify_ring_past(&sign(&mixed)), Flaw::Payload);
    }
}

#[test]
fn a_replayed_ring_is_refused() {
    attack(|ring| ring.at_ms = NOW - RING_MAX_AGE_MS - 1, Validity::Ring);
    for suite in SUITES {
        let world = World::new(suite);
        let jws = signed_ring(&world, &world.enrol(Role::Principal));
        assert!(world.office.verify_ring(&jws, NOW + RING_MAX_AGE_MS).is_ok());
        refused(world.office.verify_ring(&jws, NOW + RING_MAX_AGE_MS + 1), Validity::Ring);
        assert!(world.office.verify_ring_past(&jws).is_ok(), "a past ring still verifies");
    }
}

#[test]
fn a_ring_dated_in_the_future_is_refused() {
    attack(|ring| ring.at_ms = NOW + 60_001, Validity::RingFuture);
    attack(|ring| ring.at_ms = u64::MAX, Validity::RingFuture);
}

#[test]
fn a_ring_by_an_expired_device_is_refused() {
    for suite in SUITES {
        let world = World::new(suite);
        let caller = world.enrol(Role::Principal);
        for (at_ms, why) in [(NOW + 366 * DAY, Validity::Device), (NOW - DAY, Validity::DeviceNotYet)] {
            let content = Ring { at_ms, ..ring(&world, &caller) };
            let jws = sign_ring(&caller.key, &caller.chain, &content);
            refused(world.office.verify_ring(&jws, at_ms), why);
            refused(world.office.verify_ring_past(&jws), why);
        }
    }
}

#[test]
fn a_ring_with_malformed_content_is_refused() {
    let world = World::new(SuiteName::Hybrid);
    let caller = world.enrol(Role::Principal);
    let good = serde_json::to_string(&ring(&world, &caller)).unwrap();
    let extra = good.replacen('{', r#"{"note":"x","#, 1);
    let alone = format!(r#"{{"version":{WIRE_VERSION}}}"#);
    let twice = good.replacen('{', &format!(r#"{{"version":{WIRE_VERSION},"#), 1);
    for bad in ["", "{}", "[]", "null", "{\"version\":-1}", &alone, &extra, &twice, &good[1..]] {
        let jws = jws::sign(&caller.key, RING_TYP, bad.as_bytes(), &caller.chain);
        refused(world.office.verify_ring(&jws, NOW), Flaw::Payload);
    }
}
