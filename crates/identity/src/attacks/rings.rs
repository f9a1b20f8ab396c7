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
fn of_a_call_that_keeps_less_than_the_charter_demands() {
    for suite in SUITES {
        let world = World::new(suite);
        let caller = world.enrol(Role::Principal);
        let content = Ring { mode: RecordMode::LogOnly, ..ring(&world, &caller) };
        let jws = sign_ring(&caller.key, &caller.chain, &content);
        refused(world.office.verify_ring(&jws, NOW), Flaw::RingMode);
        // A record of the past is judged by what was asked for then.
        assert!(world.office.verify_ring_past(&jws).is_ok());
    }
}

#[test]
fn forged_content() {
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
fn signed_by_a_key_that_the_certificate_does_not_have() {
    for suite in SUITES {
        let world = World::new(suite);
        let caller = world.enrol(Role::Principal);
        let thief = DeviceKey::from_seed(suite, &[0xbb; 32]);
        let jws = sign_ring(&thief, &caller.chain, &ring(&world, &caller));
        refused(world.office.verify_ring(&jws, NOW), Flaw::Signature);
    }
}

#[test]
fn under_a_swapped_certificate() {
    for suite in SUITES {
        let world = World::new(suite);
        let (caller, counterpart) = (world.enrol(Role::Principal), world.enrol(Role::Counterpart));
        let jws = sign_ring(&counterpart.key, &caller.chain, &ring(&world, &caller));
        refused(world.office.verify_ring(&jws, NOW), Flaw::Signature);
        // Honestly signed by one device, in the name of another.
        let jws = sign_ring(&counterpart.key, &counterpart.chain, &ring(&world, &caller));
        refused(world.office.verify_ring(&jws, NOW), Flaw::OtherDevice);
    }
}

#[test]
fn by_another_office_of_the_same_name() {
    for suite in SUITES {
        let (world, rogue) = (World::new(suite), World::of(suite, 2, DOMAIN));
        let jws = signed_ring(&rogue, &rogue.enrol(Role::Principal));
        refused(world.office.verify_ring(&jws, NOW), Flaw::OtherAuthority);
    }
}

#[test]
fn in_the_name_of_another_office() {
    attack(|ring| ring.from.office = elsewhere(), Flaw::OtherOffice);
}

#[test]
fn by_a_listener() {
    for suite in SUITES {
        for role in [Role::DutyOfficer, Role::NoteTaker] {
            let world = World::new(suite);
            let jws = signed_ring(&world, &world.enrol(role));
            refused(world.office.verify_ring(&jws, NOW), Flaw::RingRole);
        }
    }
}

#[test]
fn asking_for_another_suite() {
    attack(|ring| ring.suite = other(ring.suite), Flaw::RingSuite);
}

#[test]
fn of_another_version() {
    attack(|ring| ring.version = WIRE_VERSION + 1, Mismatch::WireVersion(WIRE_VERSION + 1));
    // A later version may have members that this one does not know: it is incompatible and not hostile.
    let world = World::new(SuiteName::Hybrid);
    let caller = world.enrol(Role::Principal);
    let jws = jws::sign(&caller.key, RING_TYP, br#"{"version":7,"new":[]}"#, &caller.chain);
    refused(world.office.verify_ring(&jws, NOW), Mismatch::WireVersion(7));
}

#[test]
fn of_version_3_is_believed_of_the_past_only() {
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
        assert_eq!(*read.ring(), Ring { version: 3, ..content.clone() }, "its office is the office of all of it");
        // Proofs of its time name no office.
        let opened = world.log(&opened_entry(&world, &old, &content));
        let opened = Logged { office: None, ..opened };
        assert_eq!(world.office.verify_opening(read, &opened).unwrap().entry().office(), &domain());
        let mut abroad = ring_v3(&content);
        abroad["office"] = json!("other.example");
        refused(world.office.verify_ring_past(&sign(&abroad)), Flaw::OtherOffice);
        // The members of one version under the number of another.
        let mut mixed = ring_v3(&content);
        mixed["version"] = json!(WIRE_VERSION);
        refused(world.office.verify_ring_past(&sign(&mixed)), Flaw::Payload);
        let mut mixed = serde_json::to_value(&content).unwrap();
        mixed["version"] = json!(3);
        refused(world.office.verify_ring_past(&sign(&mixed)), Flaw::Payload);
    }
}

#[test]
fn replayed() {
    attack(|ring| ring.at_ms = NOW - RING_MAX_AGE_MS - 1, Lapse::Ring);
    for suite in SUITES {
        let world = World::new(suite);
        let jws = signed_ring(&world, &world.enrol(Role::Principal));
        assert!(world.office.verify_ring(&jws, NOW + RING_MAX_AGE_MS).is_ok());
        refused(world.office.verify_ring(&jws, NOW + RING_MAX_AGE_MS + 1), Lapse::Ring);
        assert!(world.office.verify_ring_past(&jws).is_ok(), "auditors come later");
    }
}

#[test]
fn dated_in_the_future() {
    attack(|ring| ring.at_ms = NOW + 60_001, Lapse::RingFuture);
    attack(|ring| ring.at_ms = u64::MAX, Lapse::RingFuture);
}

#[test]
fn by_an_expired_device() {
    for suite in SUITES {
        let world = World::new(suite);
        let caller = world.enrol(Role::Principal);
        for (at_ms, why) in [(NOW + 366 * DAY, Lapse::Device), (NOW - DAY, Lapse::DeviceNotYet)] {
            let content = Ring { at_ms, ..ring(&world, &caller) };
            let jws = sign_ring(&caller.key, &caller.chain, &content);
            refused(world.office.verify_ring(&jws, at_ms), why);
            refused(world.office.verify_ring_past(&jws), why);
        }
    }
}

#[test]
fn with_malformed_content() {
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
