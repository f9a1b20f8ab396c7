//! Attacks across offices: a claimed office selects a key, and proves nothing.

use super::*;

/// Two offices, and the trust store of a device of the first, which contains both.
fn two_offices(suite: SuiteName) -> (World, World, TrustStore) {
    let (here, there) = (World::new(suite), World::of(suite, 2, elsewhere().as_str()));
    let mut trust = TrustStore::new(here.office.clone());
    trust.add(there.office.clone()).unwrap();
    (here, there, trust)
}

#[test]
fn each_office_is_verified_with_its_own_keys() {
    for suite in SUITES {
        let (mut here, mut there, trust) = two_offices(suite);
        assert_eq!(trust.home().domain(), &domain());
        assert_eq!(trust.offices().map(Office::domain).collect::<Vec<_>>(), [&domain(), &elsewhere()]);
        for world in [&mut here, &mut there] {
            let caller = world.enrol(Role::Principal);
            let device = trust.verify_chain(&caller.chain, NOW).unwrap();
            assert_eq!((device.office(), &device.card().office), (world.office.domain(), world.office.domain()));
            let logged = world.log(&enrolled_entry(world, &caller));
            assert_eq!(trust.verify_logged(&logged).unwrap().office(), world.office.domain());
            trust.verify_device_logged(device, &logged).unwrap();
            let jws = signed_ring(world, &caller);
            let verified = trust.verify_ring(&jws, NOW).unwrap();
            assert_eq!(trust.verify_ring_past(&jws).unwrap(), verified);
            let opened = world.log(&opened_entry(world, &jws, verified.ring()));
            assert_eq!(trust.verify_opening(verified, &opened).unwrap().entry().office(), world.office.domain());
            let note_taker = world.enrol(Role::NoteTaker);
            let digest = Digest::from_bytes([7; 32]);
            let record = sign_record(&note_taker.key, &note_taker.chain, CALL, &digest, 1, false, NOW);
            let record = trust.verify_record(&record, CALL, &digest).unwrap();
            assert_eq!(record.device().office(), world.office.domain());
        }
    }
}

#[test]
fn a_ring_by_a_device_of_one_office_that_claims_another_is_refused() {
    for suite in SUITES {
        let (here, there, trust) = two_offices(suite);
        let stranger = there.enrol(Role::Principal);
        // It names the home office in the ring, and has a chain of its own office.
        let content = Ring { from: stranger.id.at(&domain()), ..ring(&here, &stranger) };
        let jws = sign_ring(&stranger.key, &stranger.chain, &content);
        refused(trust.verify_ring(&jws, NOW), Flaw::OtherOffice);
        refused(trust.verify_ring_past(&jws), Flaw::OtherOffice);
        // It names the home office in the chain too, signed by its own authority and by its own enrolment.
        let named = office_name(&domain(), "Chancellery").unwrap();
        let there_key = DeviceKey::from_seed(suite, &[2; 32]);
        let here_key = authority_key(suite).public_bytes();
        let issuer = forge(&stranger.chain[1], &there_key, |fields| fields.issuer = named.clone());
        let chain = vec![stranger.chain[0].clone(), issuer];
        refused(trust.verify_ring(&sign_ring(&stranger.key, &chain, &content), NOW), Flaw::OtherAuthority);
        let issuer = forge(&stranger.chain[1], &there_key, |fields| {
            fields.issuer = named;
            fields.issuer_key = Some(key_id(&here_key));
        });
        let chain = vec![stranger.chain[0].clone(), issuer];
        refused(trust.verify_ring(&sign_ring(&stranger.key, &chain, &content), NOW), Flaw::Signature);
        // A chain of the home office with the other office's name in the ring.
        let caller = here.enrol(Role::Principal);
        let content = Ring { from: caller.id.at(&elsewhere()), ..ring(&here, &caller) };
        let jws = sign_ring(&caller.key, &caller.chain, &content);
        refused(trust.verify_ring(&jws, NOW), Flaw::OtherOffice);
    }
}

#[test]
fn a_proof_of_one_log_presented_as_anothers_is_refused() {
    for suite in SUITES {
        let (mut here, mut there, trust) = two_offices(suite);
        let caller = here.enrol(Role::Principal);
        let entry = enrolled_entry(&here, &caller);
        let device = trust.verify_chain(&caller.chain, NOW).unwrap();
        let jws = signed_ring(&here, &caller);
        let verified = trust.verify_ring(&jws, NOW).unwrap();
        let foreign = there.log(&entry);
        let opened = there.log(&opened_entry(&here, &jws, verified.ring()));
        // Labelled with the other office.
        refused(trust.verify_device_logged(device.clone(), &foreign), Flaw::OtherOffice);
        refused(trust.verify_opening(verified.clone(), &opened), Flaw::OtherOffice);
        refused(here.office.verify_logged(&foreign), Flaw::OtherOffice);
        refused(here.office.verify_opening(verified.clone(), &opened), Flaw::OtherOffice);
        // Relabelled or unlabelled: the key of the selected office did not sign it.
        for office in [Some(domain()), None] {
            let device_proof = Logged { office: office.clone(), ..foreign.clone() };
            refused(trust.verify_logged(&device_proof), Flaw::Checkpoint);
            refused(trust.verify_device_logged(device.clone(), &device_proof), Flaw::Checkpoint);
            let opened = Logged { office, ..opened.clone() };
            refused(trust.verify_opening(verified.clone(), &opened), Flaw::Checkpoint);
        }
        // The home office's proof under the other's name.
        let own = Logged { office: Some(elsewhere()), ..here.log(&entry) };
        refused(trust.verify_logged(&own), Flaw::Checkpoint);
        refused(trust.verify_device_logged(device, &own), Flaw::OtherOffice);
        // A proof without a name proves nothing of a device of another office.
        let stranger = there.enrol(Role::Principal);
        let proof = Logged { office: None, ..there.log(&enrolled_entry(&there, &stranger)) };
        let stranger = trust.verify_chain(&stranger.chain, NOW).unwrap();
        refused(trust.verify_device_logged(stranger, &proof), Flaw::OtherOffice);
    }
}

#[test]
fn a_device_in_the_log_of_an_office_that_did_not_certify_it_is_refused() {
    for suite in SUITES {
        let (here, mut there, _) = two_offices(suite);
        let caller = here.enrol(Role::Principal);
        let device = here.office.verify_chain(&caller.chain, NOW).unwrap();
        let logged = there.log(&enrolled_entry(&here, &caller));
        refused(there.office.verify_device_logged(device, &logged), Flaw::OtherOffice);
    }
}

#[test]
fn a_second_authority_under_the_name_of_a_trusted_office_is_refused() {
    for suite in SUITES {
        let (here, there, mut trust) = two_offices(suite);
        trust.add(there.office.clone()).unwrap();
        trust.add(here.office.clone()).unwrap();
        assert_eq!(trust.offices().count(), 2, "adding again changes nothing");
        for name in [domain(), elsewhere()] {
            let rogue = World::of(suite, 3, name.as_str());
            refused(trust.add(rogue.office.clone()), Flaw::SecondAuthority);
            assert_ne!(trust.office(&name).unwrap().authority_sha256(), rogue.office.authority_sha256());
            refused(trust.verify_chain(&rogue.enrol(Role::Principal).chain, NOW), Flaw::OtherAuthority);
        }
        // The same authority, with a log under another key.
        let log = World::of(suite, 3, elsewhere().as_str()).office.log_key().clone();
        refused(trust.add(there.office.with_log_key(log)), Flaw::SecondLog);
        assert_eq!(trust.office(&elsewhere()).unwrap().log_key(), there.office.log_key());
    }
}

#[test]
fn statements_of_an_unknown_office_are_refused() {
    for suite in SUITES {
        let (here, mut there, _) = two_offices(suite);
        let trust = TrustStore::from(here.office.clone());
        refused(trust.office(&elsewhere()), Mismatch::UnknownOffice);
        let stranger = there.enrol(Role::NoteTaker);
        refused(trust.verify_chain(&stranger.chain, NOW), Mismatch::UnknownOffice);
        let jws = signed_ring(&there, &there.enrol(Role::Principal));
        refused(trust.verify_ring(&jws, NOW), Mismatch::UnknownOffice);
        refused(trust.verify_ring_past(&jws), Mismatch::UnknownOffice);
        let logged = there.log(&json!({"type": "started", "time_ms": 1}));
        refused(trust.verify_logged(&logged), Mismatch::UnknownOffice);
        let digest = Digest::from_bytes([7; 32]);
        let record = sign_record(&stranger.key, &stranger.chain, CALL, &digest, 1, false, NOW);
        refused(trust.verify_record(&record, CALL, &digest), Mismatch::UnknownOffice);
        // A call of an unknown office by a device of the home office.
        let caller = here.enrol(Role::Principal);
        let content = Ring { call: CALL.at(&elsewhere()), ..ring(&here, &caller) };
        let verified = trust.verify_ring(&sign_ring(&caller.key, &caller.chain, &content), NOW).unwrap();
        refused(trust.verify_opening(verified, &logged), Mismatch::UnknownOffice);
    }
}

#[test]
fn a_ring_that_is_not_within_the_home_office_is_refused() {
    for suite in SUITES {
        let (here, there, trust) = two_offices(suite);
        let caller = here.enrol(Role::Principal);
        let verify = |content: &Ring| trust.verify_ring(&sign_ring(&caller.key, &caller.chain, content), NOW).unwrap();
        let home = ring(&here, &caller);
        assert_eq!(trust.check_home_ring(&verify(&home)), Ok(()));
        let callee = Ring { to: home.to.id.at(&elsewhere()), ..home.clone() };
        refused(trust.check_home_ring(&verify(&callee)), Mismatch::BetweenOffices);
        let call = Ring { call: CALL.at(&elsewhere()), ..home };
        refused(trust.check_home_ring(&verify(&call)), Mismatch::BetweenOffices);
        // A valid ring within the other office, which the device trusts.
        let stranger = trust.verify_ring(&signed_ring(&there, &there.enrol(Role::Principal)), NOW).unwrap();
        refused(trust.check_home_ring(&stranger), Mismatch::BetweenOffices);
    }
}

#[test]
fn the_same_identifier_in_two_offices_is_two_people_two_devices_and_two_calls() {
    for suite in SUITES {
        let (mut here, mut there, trust) = two_offices(suite);
        let devices = [here.enrol(Role::Principal), there.enrol(Role::Principal)];
        let [a, b] = devices.each_ref().map(|device| trust.verify_chain(&device.chain, NOW).unwrap());
        assert_eq!((a.device(), a.card().person), (b.device(), b.card().person));
        assert_ne!(a.qualified(), b.qualified());
        assert!(!a.card().is_same_person(b.card()) && a.card() != b.card());
        assert!(!a.card().is_of(&b.card().qualified()) && a.card().is_of(&a.card().qualified()));
        let rings = [signed_ring(&here, &devices[0]), signed_ring(&there, &devices[1])];
        let [ours, theirs] = rings.each_ref().map(|jws| trust.verify_ring(jws, NOW).unwrap());
        assert_eq!(ours.ring().call.id, theirs.ring().call.id);
        assert_ne!(ours.ring().call, theirs.ring().call);
        // The opening of one is not the opening of the other.
        let opened = there.log(&opened_entry(&there, &rings[1], theirs.ring()));
        refused(trust.verify_opening(ours.clone(), &opened), Flaw::OtherOffice);
        let opened = here.log(&opened_entry(&there, &rings[1], theirs.ring()));
        refused(trust.verify_opening(ours, &opened), Flaw::OtherEntry);
        refused(trust.verify_opening(theirs, &opened), Flaw::OtherOffice);
    }
}

#[test]
fn a_card_is_certified_by_its_own_office_only() {
    for suite in SUITES {
        let world = World::new(suite);
        let card = Card { office: elsewhere(), ..card(Role::Principal) };
        let spec = InviteSpec { card, ..world.spec(super::card(Role::Principal)) };
        assert_eq!(world.authority.invite(&spec).err(), Some(Misuse::CardOffice.into()));
    }
}

#[test]
fn a_ring_with_malformed_qualified_identifiers_is_refused() {
    let world = World::new(SuiteName::Hybrid);
    let caller = world.enrol(Role::Principal);
    let good = serde_json::to_value(ring(&world, &caller)).unwrap();
    let id = "d0".repeat(16);
    for member in ["call", "from", "to"] {
        for bad in [
            json!(id),
            json!(format!("{id}@")),
            json!(format!("@{DOMAIN}")),
            json!(format!("{id}@{DOMAIN}@other.example")),
            json!(format!("{id}@OFFICE.example")),
            json!(format!("{id}@{DOMAIN}.")),
            json!(format!("{id}@{DOMAIN}\0")),
            json!(format!("{}@{DOMAIN}", id.to_uppercase())),
            json!({ "id": id, "office": DOMAIN }),
            json!(null),
        ] {
            let mut ring = good.clone();
            ring[member] = bad;
            let jws = jws::sign(&caller.key, RING_TYP, ring.to_string().as_bytes(), &caller.chain);
            refused(world.office.verify_ring(&jws, NOW), Flaw::Payload);
        }
    }
    assert!(OfficeName::parse(DOMAIN).is_ok());
}
