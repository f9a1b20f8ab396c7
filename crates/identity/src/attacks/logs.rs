//! Attacks with log entries and checkpoints.

use super::*;

#[test]
fn a_device_that_is_not_in_the_log_is_refused() {
    for suite in SUITES {
        let mut world = World::new(suite);
        let device = world.enrol(Role::Principal);
        let verified = world.office.verify_chain(&device.chain, NOW).unwrap();
        let entry = enrolled_entry(&world, &device);
        let logged = world.log(&entry);
        assert!(world.office.verify_device_logged(verified.clone(), &logged).is_ok());
        let verify = |logged: &Logged| world.office.verify_device_logged(verified.clone(), logged);

        let mut elsewhere = World::of(suite, 2, DOMAIN);
        refused(verify(&elsewhere.log(&entry)), Flaw::Checkpoint);
        let mut changed = logged.clone();
        changed.entry.0[0] = b' ';
        refused(verify(&changed), Flaw::LogProof);
        changed = logged.clone();
        changed.index = 0;
        refused(verify(&changed), Flaw::LogProof);
        changed = logged.clone();
        changed.proof.push(vec![0; 32].into());
        refused(verify(&changed), Flaw::LogProof);
        changed.proof[0].0.pop();
        refused(verify(&changed), Flaw::LogProof);
        changed.proof = vec![vec![0; 32].into(); 65];
        refused(verify(&changed), Flaw::TooLong);
        changed = logged.clone();
        changed.checkpoint = changed.checkpoint.replacen("\n2\n", "\n3\n", 1);
        assert_ne!(changed.checkpoint, logged.checkpoint);
        refused(verify(&changed), Flaw::Checkpoint);
        changed = logged.clone();
        changed.entry.0 = vec![b' '; telcon_log::MAX_ENTRY_LEN + 1];
        refused(verify(&changed), Flaw::TooLong);
    }
}

#[test]
fn the_entry_of_another_device_or_certificate_is_refused() {
    for suite in SUITES {
        let mut world = World::new(suite);
        let device = world.enrol(Role::Principal);
        let verified = world.office.verify_chain(&device.chain, NOW).unwrap();
        let good = enrolled_entry(&world, &device);
        for (member, value, why) in [
            ("device", json!("00"), Flaw::LogEntry),
            ("device", json!("00".repeat(16)), Flaw::OtherEntry),
            ("cert_sha256", json!("ab".repeat(32)), Flaw::OtherEntry),
            ("enrolment", json!(null), Flaw::LogEntry),
            ("enrolment", json!("00"), Flaw::OtherEntry),
            ("person_sha256", json!("ab".repeat(32)), Flaw::OtherEntry),
            ("type", json!("device_revoked"), Flaw::LogEntry),
            ("time_ms", json!("now"), Flaw::LogEntry),
            ("time_ms", json!(-1), Flaw::LogEntry),
            // Backdated: the certificate's time is within the enrolment, the log entry's time is not.
            ("time_ms", json!(NOW + HOUR + 61_000), Flaw::EntryTime),
            ("time_ms", json!(NOW - HOUR), Flaw::EntryTime),
        ] {
            let mut entry = good.clone();
            entry[member] = value;
            let logged = world.log(&entry);
            refused(world.office.verify_device_logged(verified.clone(), &logged), why);
        }
        let text = world.log(&json!("device_enrolled"));
        refused(world.office.verify_device_logged(verified, &text), Flaw::LogEntry);
    }
}

#[test]
fn the_opening_of_another_ring_is_refused() {
    for suite in SUITES {
        let mut world = World::new(suite);
        let caller = world.enrol(Role::Principal);
        let jws = signed_ring(&world, &caller);
        let verified = world.office.verify_ring(&jws, NOW).unwrap();
        let good = opened_entry(&world, &jws, verified.ring());
        let elsewhere = json!(caller.id.to_hex());
        for (member, value, why) in [
            ("call", json!("00"), Flaw::LogEntry),
            ("call", json!("00".repeat(16)), Flaw::OtherEntry),
            ("ring_sha256", json!("ab".repeat(32)), Flaw::OtherEntry),
            ("mode", json!("log_only"), Flaw::OtherEntry),
            ("suite", serde_json::to_value(other(suite)).unwrap(), Flaw::OtherEntry),
            ("devices", json!([]), Flaw::OtherEntry),
            ("devices", json!(["00"]), Flaw::LogEntry),
            ("devices", json!(["00".repeat(16)]), Flaw::OtherEntry),
            ("devices", json!([elsewhere.clone(), elsewhere]), Flaw::OtherEntry),
            ("devices", json!(null), Flaw::LogEntry),
            ("type", json!("call_ended"), Flaw::LogEntry),
            ("time_ms", json!(NOW + RING_MAX_AGE_MS + 1), Flaw::EntryTime),
            ("time_ms", json!(NOW - 60_001), Flaw::EntryTime),
        ] {
            let mut entry = good.clone();
            entry[member] = value;
            let opened = world.log(&entry);
            refused(world.office.verify_opening(verified.clone(), &opened), why);
        }
        // A second ring for the same call is another JWS, and needs its own opening.
        let again = Ring { at_ms: NOW + 1, ..ring(&world, &caller) };
        let again = world.office.verify_ring(&sign_ring(&caller.key, &caller.chain, &again), NOW).unwrap();
        let opened = world.log(&good);
        refused(world.office.verify_opening(again, &opened), Flaw::OtherEntry);
    }
}

#[test]
fn a_rewritten_or_rolled_back_log_is_refused() {
    let mut world = World::new(SuiteName::Hybrid);
    let mut forked = World::new(SuiteName::Hybrid);
    let mut checkpoints = Vec::new();
    for number in 0..5 {
        checkpoints.push(world.checkpoint());
        world.log(&json!({"type": "test", "number": number, "time_ms": 1}));
        forked.log(&json!({"type": "test", "number": number + 1, "time_ms": 1}));
    }
    let (two, five) = (&checkpoints[1], &checkpoints[4]);
    let office = &world.office;
    let proof = world.consistency(2, 5);
    assert_eq!(office.verify_checkpoint(five), Ok(5));
    assert_eq!(office.verify_continues(two, five, &proof), Ok(5));
    assert_eq!(office.verify_continues(five, five, &[]), Ok(5));
    refused(office.verify_continues(five, two, &proof), Flaw::LogProof);
    refused(office.verify_continues(two, five, &proof[1..]), Flaw::LogProof);
    refused(office.verify_continues(two, five, &[vec![0; 31].into()]), Flaw::LogProof);
    refused(office.verify_continues(two, five, &vec![vec![0; 32].into(); 127]), Flaw::TooLong);
    // A split view: the same key signed another history.
    refused(office.verify_continues(two, &forked.checkpoint(), &forked.consistency(2, 6)), Flaw::LogProof);
    let stranger = World::of(SuiteName::Hybrid, 2, DOMAIN).checkpoint();
    refused(office.verify_checkpoint(&stranger), Flaw::Checkpoint);
    refused(office.verify_continues(&stranger, five, &[]), Flaw::Checkpoint);
    refused(office.verify_continues(two, &five.replacen("\n5\n", "\n6\n", 1), &proof), Flaw::Checkpoint);
}
