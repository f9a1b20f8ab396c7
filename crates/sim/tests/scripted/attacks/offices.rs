//! Two offices that a device trusts: statements of one are not valid in the other; calls between offices are refused.

use super::admission_refused;
use telcon_core::{Device, DeviceError, DeviceState, UserCommand, view::CallState};
use telcon_identity::{Flaw, IdentityError, Mismatch};
use telcon_proto::{
    Blob, CallId, Card, ClientMessage, DeviceId, OfficeName, PersonId, Qualified, RecordMode, Role, ServerMessage,
    SuiteName, WIRE_VERSION,
    contact::Contact,
    http::{ProvenDevice, RecordLine, RecordProof},
    message::{Logged, Ring},
};
use telcon_sim::script::{OtherOffice, START_MS, Scenario, digest, opening};

/// An office of four whose devices trust another office too.
fn two_offices(seed: u8) -> (Scenario, OtherOffice) {
    let mut here = Scenario::of_four(u64::from(seed));
    let there = OtherOffice::new(SuiteName::Hybrid, seed ^ 0x80, "other.example", START_MS);
    for node in 0..here.nodes() {
        let mut state = here.state_of(node);
        state.trust_office(there.info.clone(), &there.authority.certificate_sha256()).unwrap();
        here.reload_with(node, &state);
    }
    here.settle();
    assert!((0..here.nodes()).all(|node| here.engine(node).device().trust().offices().count() == 2));
    (here, there)
}

fn sign(device: &Device, ring: &Ring) -> String {
    telcon_identity::sign_ring(device.key(), device.chain(), ring)
}

fn ring(world: &Scenario, from: Qualified<DeviceId>, to: Qualified<PersonId>) -> Ring {
    Ring {
        version: WIRE_VERSION,
        call: CallId::from_bytes([0xca; 16]).at(&from.office),
        from,
        to,
        mode: RecordMode::Memo,
        suite: SuiteName::Hybrid,
        at_ms: world.now(),
        on_behalf: None,
        over: None,
    }
}

#[test]
fn devices_that_trust_two_offices_call_within_their_own() {
    let (mut here, _) = two_offices(150);
    here.call();
    assert_eq!((here.state(0), here.state(1)), (CallState::Live, CallState::Live));
}

#[test]
fn a_ring_of_another_office_is_refused_while_offices_are_not_connected() {
    let (mut here, mut there) = two_offices(151);
    let (state, _, device) = there.enrol(1, Role::Principal);
    let stranger = Device::open(&state, here.now()).unwrap();
    // Caller, log and callee are valid in the other office.
    let jws = sign(&stranger, &ring(&here, stranger.me().qualified(), here.card(1).qualified()));
    let opened = there.append(&opening(&jws, here.now()));
    here.inject(1, ServerMessage::Ringing { jws, opened, device });
    assert!(here.screen_of(1).call.is_none());
    assert!(here.red(1).iter().any(|text| text.contains("not connected to others")), "{:?}", here.problems());
}

#[test]
fn a_ring_to_the_same_identifier_in_another_office_is_refused() {
    let (mut here, there) = two_offices(152);
    let caller = here.stolen(0);
    let namesake = here.card(1).person.at(there.authority.domain());
    let jws = sign(&caller, &ring(&here, caller.me().qualified(), namesake));
    let opened = here.forge_entry(&opening(&jws, here.now()));
    let device = here.proof(0);
    here.inject(1, ServerMessage::Ringing { jws, opened, device });
    assert!(here.screen_of(1).call.is_none());
    assert!(here.red(1).iter().any(|text| text.contains("not connected to others")), "{:?}", here.problems());
}

#[test]
fn a_ring_whose_opening_is_in_another_offices_log_is_refused() {
    let (mut here, mut there) = two_offices(153);
    let caller = here.stolen(0);
    let jws = sign(&caller, &ring(&here, caller.me().qualified(), here.card(1).qualified()));
    let opened = there.append(&opening(&jws, here.now()));
    let device = here.proof(0);
    here.inject(1, ServerMessage::Ringing { jws, opened, device });
    assert!(here.screen_of(1).call.is_none());
    assert!(here.red(1).iter().any(|text| text.contains("different office")), "{:?}", here.problems());
}

#[test]
fn a_version_3_ring_is_refused() {
    let (mut here, _) = two_offices(154);
    let caller = here.stolen(0);
    let content = ring(&here, caller.me().qualified(), here.card(1).qualified());
    let old = serde_json::json!({
        "version": 3, "call": content.call.id, "office": "office.example", "from": content.from.id, "to": content.to.id,
        "mode": content.mode, "suite": content.suite, "at_ms": content.at_ms,
    });
    let payload = old.to_string();
    let jws = telcon_identity::jws::sign(caller.key(), telcon_identity::RING_TYP, payload.as_bytes(), caller.chain());
    let opened = here.forge_entry(&serde_json::json!({
        "type": "call_opened", "call": content.call.id, "ring_sha256": digest(&jws),
        "mode": content.mode, "suite": content.suite, "devices": [content.from.id], "time_ms": here.now(),
    }));
    let device = here.proof(0);
    here.inject(1, ServerMessage::Ringing { jws, opened, device });
    assert!(here.screen_of(1).call.is_none());
    assert!(here.red(1).iter().any(|text| text.contains("version 3")), "{:?}", here.problems());
}

#[test]
fn devices_of_another_office_are_refused_admission() {
    // The second has the callee's identifier, in the other office.
    for (seed, person, role) in [(155, 4, Role::NoteTaker), (156, 2, Role::Counterpart), (157, 3, Role::DutyOfficer)] {
        let (mut here, mut there) = two_offices(seed);
        here.call();
        let (state, _, proof) = there.enrol(person, role);
        let stranger = Device::open(&state, here.now()).unwrap();
        super::ask_for(&mut here, &stranger, proof, false);
        assert!(admission_refused(&mut here), "{role:?}: {:?}", here.problems());
    }
}

#[test]
fn a_contact_of_another_office_cannot_be_rung() {
    let (mut here, there) = two_offices(158);
    let person = here.card(1).person;
    let elsewhere = there.authority.domain().clone();
    let card = Card { office: elsewhere, ..here.card(1) };
    let changed =
        vec![Contact { card, reachable: true, notified: false, recovered_ms: None, line: None, needs_line: false }];
    here.inject(0, ServerMessage::PeopleChanged { changed, removed: vec![] });
    here.command(0, UserCommand::Ring { person, mode: None });
    here.settle();
    assert!(here.screen_of(0).call.is_none());
    assert!(!here.received().iter().any(|(_, message)| matches!(message, ClientMessage::Ring { .. })));
    let alerts = here.screen_of(0).alerts;
    assert!(alerts.iter().any(|alert| alert.text.contains("another office")), "{alerts:?}");
}

#[test]
fn a_device_of_another_office_in_a_record_proof_is_refused() {
    let (mut here, mut there) = two_offices(163);
    here.call();
    let caller = here.stolen(0);
    // The identifiers of the caller's person, in the log of an office that the device trusts.
    let (state, _, logged) = there.enrol(1, Role::Principal);
    let stranger = Device::open(&state, here.now()).unwrap();
    let proven = |device: &Device, logged: &Logged| ProvenDevice {
        chain: device.chain().iter().cloned().map(Blob).collect(),
        logged: logged.clone(),
    };
    let (room, opened, proof) = (here.seen(), here.opened(), here.proof(0));
    let mut proof = RecordProof {
        line: RecordLine {
            call: room.id,
            from: here.card(0),
            to: here.card(1),
            mode: room.ring.mode,
            opened_ms: here.now(),
            answered_ms: None,
            ended_ms: None,
            how: None,
            records: 0,
            partial: false,
            missing: false,
            on_behalf_of: None,
            answered_by: None,
        },
        ring: room.jws,
        opened,
        ended: None,
        records: vec![],
        missing: None,
        devices: vec![proven(&caller, &proof)],
        delegations: Vec::new(),
        over: None,
        from_size: 0,
        consistency: vec![],
    };
    let trust = here.stolen(1).trust().clone();
    let check = |proof: &RecordProof, title: &str| {
        let report = telcon_core::proof::check_record(&trust, proof, |_, _| None);
        let check = report.checks.into_iter().find(|check| check.title == title).unwrap();
        (check.ok, check.detail)
    };
    for title in ["Opened before it rang", "Every device is in the log"] {
        assert!(check(&proof, title).0, "{:?}", check(&proof, title));
    }
    proof.devices.push(proven(&stranger, &logged));
    let (ok, why) = check(&proof, "Every device is in the log");
    assert!(!ok && why.contains("another office"), "{why}");
    // The opening in another office's log.
    proof.opened = there.append(&opening(&proof.ring, here.now()));
    let (ok, why) = check(&proof, "Opened before it rang");
    assert!(!ok && why.contains("different office"), "{why}");
}

#[test]
fn a_version_1_state_trusts_its_home_office_alone() {
    let here = Scenario::of_two(159);
    let mut old: serde_json::Value = serde_json::from_str(&here.state_of(0).to_text()).unwrap();
    let fields = old.as_object_mut().unwrap();
    fields.insert("version".into(), 1.into());
    fields.remove("trusted").unwrap();
    let state = DeviceState::parse(&old.to_string()).unwrap();
    let device = Device::open(&state, here.now()).unwrap();
    assert_eq!(device.trust().offices().count(), 1);
    assert_eq!(device.trust().home().authority_sha256(), here.authority_sha256());
    let elsewhere = OfficeName::parse("other.example").unwrap();
    assert_eq!(device.trust().office(&elsewhere).unwrap_err(), IdentityError::from(Mismatch::UnknownOffice));
    // It is written in the current version; a state of a later version is refused.
    let text = state.to_text();
    assert!(text.contains("\"version\":2"), "{}", &text[..40]);
    assert!(DeviceState::parse(&text.replacen("\"version\":2", "\"version\":3", 1)).is_err());
}

#[test]
fn another_authority_under_a_trusted_name_is_refused() {
    let mut here = Scenario::of_two(160);
    let there = OtherOffice::new(SuiteName::Hybrid, 161, "other.example", START_MS);
    let mut state = here.state_of(0);
    let digest = there.authority.certificate_sha256();
    for _ in 0..2 {
        state.trust_office(there.info.clone(), &digest).unwrap();
    }
    let refused = |result: Result<(), DeviceError>, why: Flaw| match result {
        Err(DeviceError::Identity(error)) => assert_eq!(error, IdentityError::from(why)),
        other => panic!("{other:?}"),
    };
    for name in ["other.example", "office.example"] {
        let rogue = OtherOffice::new(SuiteName::Hybrid, 162, name, START_MS);
        let digest = rogue.authority.certificate_sha256();
        refused(state.trust_office(rogue.info.clone(), &digest), Flaw::SecondAuthority);
    }
    refused(state.trust_office(here.info(), &digest), Flaw::AuthorityDigest);
    let reopened = DeviceState::parse(&state.to_text()).unwrap();
    let device = Device::open(&reopened, here.now()).unwrap();
    assert_eq!(device.trust().offices().count(), 2, "adding again changes nothing");
    here.settle();
}
