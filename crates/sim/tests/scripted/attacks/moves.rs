//! Attacks on moving a call between one person's devices. The attacker is the server, a member, or another person's device.

use super::{admission_refused, ask_for, refused};
use crate::calls::moves::{DESK, OTHER, PHONE, in_call};
use std::{cell::RefCell, rc::Rc};
use telcon_core::{Device, UserCommand, mls::key_package::read_key_package, view::CallState};
use telcon_proto::{
    Blob, CallId, ClientMessage, Digest, Role, ServerMessage, SuiteName, entry::Entry, message::Logged,
};
use telcon_sim::script::Scenario;

/// The call is where it was, and both hear each other.
fn unmoved(world: &mut Scenario) -> bool {
    world.state(PHONE) == CallState::Live && world.hears(OTHER, PHONE) && world.hears(PHONE, OTHER)
}

fn key_packages(world: &Scenario, node: usize) -> Vec<Blob> {
    world.sent(node, |message| match message {
        ClientMessage::AskJoin { key_package, .. } => Some(key_package.clone()),
        _ => None,
    })
}

#[test]
fn a_server_cannot_move_a_call_that_nobody_asked_to_move() {
    let (mut world, call) = in_call(850);
    // The attacker is the server: it tells both devices whatever it likes.
    let (desk, proof) = (world.id(DESK), world.proof(DESK));
    let sent = world.received().len();
    for node in [PHONE, DESK] {
        world.inject(node, ServerMessage::MediaLost { call });
        world.inject(node, ServerMessage::TakenElsewhere { call: CallId::from_bytes([1; 16]) });
    }
    world.settle();
    let asks = world.received()[sent..].iter().filter(|(_, m)| matches!(m, ClientMessage::AskJoin { .. })).count();
    assert_eq!(asks, 0, "no device asks to join by itself");
    // It has no key package of the desk: one that it makes has another key than the certificate's.
    let (forged, _) = world.certify(1, Role::Principal);
    let spy = Device::open(&forged, world.now()).unwrap();
    ask_for(&mut world, &spy, proof, false);
    assert!(world.red(PHONE).iter().any(|text| text.contains("refused admission")), "{:?}", world.problems());
    assert!(unmoved(&mut world));
    assert!(!world.view(OTHER).members.iter().any(|member| member.device == desk));
}

#[test]
fn a_server_that_says_in_a_devices_name_that_it_continues_is_not_believed() {
    let (mut world, call) = in_call(851);
    world.command(DESK, UserCommand::Listen { call });
    world.settle();
    let from = world.id(DESK);
    // The counterpart is a member too, and could be the server's accomplice: it says so under its own key, in the desk's name.
    let message = world.encrypt(OTHER, br#"{"say":"continue","since":99}"#);
    world.inject(PHONE, ServerMessage::Application { call, from, message });
    world.settle();
    assert!(unmoved(&mut world), "{:?}", world.view(PHONE));
    assert!(world.view(DESK).arriving);
}

#[test]
fn a_request_to_continue_that_was_withdrawn_moves_nothing_when_it_is_replayed() {
    let (mut world, call) = in_call(852);
    world.command(DESK, UserCommand::Listen { call });
    world.settle();
    assert!(world.hears(DESK, OTHER));
    world.settle();
    world.command(PHONE, UserCommand::Listen { call });
    world.settle();
    assert!(world.hears(PHONE, OTHER));
    world.settle();
    assert_eq!(world.view(DESK).ended, Some("continued"));
    // The server replays the desk's request to the members, and its own word that it continues.
    let (from, proof) = (world.id(DESK), world.proof(DESK));
    let said: Vec<Blob> = world.sent(DESK, |message| match message {
        ClientMessage::Application { message, .. } => Some(message.clone()),
        _ => None,
    });
    assert!(!said.is_empty());
    for key_package in key_packages(&world, DESK) {
        for node in [PHONE, OTHER] {
            let device: Logged = proof.clone();
            let key_package = key_package.clone();
            world.inject(node, ServerMessage::JoinAsked { call, from, key_package, device, answer: false });
        }
    }
    for message in said {
        world.inject(PHONE, ServerMessage::Application { call, from, message });
    }
    world.settle();
    assert!(unmoved(&mut world), "{:?}", world.problems());
    assert_eq!(world.view(OTHER).members.len(), 2);
}

#[test]
fn another_persons_device_cannot_move_the_call_to_itself() {
    let (mut world, call) = in_call(853);
    let stranger = world.join_office(5, Role::Principal);
    world.settle();
    assert!(world.screen_of(stranger).notices.is_empty(), "it is not told of the call");
    // Its program asks all the same: the server refuses.
    let asked: Rc<RefCell<Vec<ServerMessage>>> = Rc::default();
    let seen = asked.clone();
    world.tamper(move |node, message| {
        if matches!(message, ServerMessage::JoinAsked { .. }) && node == PHONE {
            seen.borrow_mut().push(message.clone());
        }
        vec![message]
    });
    world.tamper_up(move |node, message| match message {
        ClientMessage::Silence { .. } if node == stranger => {
            vec![ClientMessage::AskJoin { call, key_package: Blob(vec![1]) }, ClientMessage::Leave { call }]
        }
        message => vec![message],
    });
    let person = world.card(OTHER).person;
    world.command(stranger, UserCommand::Silence { person, on: true });
    world.settle();
    assert!(asked.borrow().is_empty(), "no member is asked");
    assert_eq!(world.screen_of(stranger).alerts.len(), 2, "both are refused: {:?}", world.screen_of(stranger).alerts);
    assert!(unmoved(&mut world));
    // A server that passes it on is refused by the members.
    let (state, proof) = (world.state_of(stranger), world.proof(stranger));
    let device = Device::open(&state, world.now()).unwrap();
    ask_for(&mut world, &device, proof, false);
    assert!(admission_refused(&mut world), "{:?}", world.problems());
}

#[test]
fn a_revoked_device_cannot_continue_a_call_and_one_that_is_revoked_while_it_arrives_leaves_it() {
    let (mut world, call) = in_call(854);
    world.command(DESK, UserCommand::Listen { call });
    world.settle();
    assert_eq!(world.view(OTHER).members.len(), 3);
    world.revoke(DESK);
    world.settle();
    assert!(unmoved(&mut world), "the call does not depend on it: {:?}", world.view(PHONE));
    assert_eq!(world.view(OTHER).members.len(), 2);
    // And the other way round: the phone is stolen, and the call is on the desk already.
    let (mut world, call) = in_call(855);
    world.command(DESK, UserCommand::Listen { call });
    world.settle();
    assert!(world.hears(DESK, OTHER));
    world.settle();
    world.revoke(PHONE);
    world.settle();
    assert!(world.hears(OTHER, DESK) && world.hears(DESK, OTHER), "{:?}", world.problems());
    world.connect(PHONE);
    world.command(PHONE, UserCommand::Listen { call });
    world.settle();
    assert_eq!(world.view(OTHER).members.len(), 2);
}

#[test]
fn a_device_with_other_words_under_the_persons_identifier_is_refused() {
    let (mut world, call) = in_call(856);
    // The attacker is the server, which had a counterpart certified under the principal's identifier: another role, and so other words.
    let (state, _) = world.certify(1, Role::Counterpart);
    let other = Device::open(&state, world.now()).unwrap();
    let me = other.me();
    let entry = Entry::DeviceEnrolled {
        time_ms: world.now(),
        device: me.device(),
        cert_sha256: Digest::from_bytes(me.cert_sha256()),
        enrolment: me.enrolment_hex(),
        person_sha256: Some(me.person_sha256()),
        second_cert_sha256: None,
    };
    let proof = world.forge_entry(&serde_json::to_value(entry).unwrap());
    ask_for(&mut world, &other, proof.clone(), false);
    assert!(admission_refused(&mut world), "{:?}", world.problems());
    // A hostile member's commit does not add it either.
    let key_package = telcon_core::mls::join::PendingJoin::new(&other, call).unwrap().key_package().to_vec();
    let joiner = read_key_package(&key_package, call, SuiteName::Hybrid).unwrap();
    let commit = world.group(OTHER).commit(vec![joiner], &[]).unwrap().commit;
    let (from, seq) = (world.id(OTHER), world.seen().epoch + 1);
    world.inject(PHONE, ServerMessage::Committed { call, seq, from, commit: Blob(commit), devices: vec![proof] });
    assert!(refused(&world, PHONE), "{:?}", world.view(PHONE));
}

#[test]
fn a_server_that_withholds_the_word_opens_no_second_microphone_unseen() {
    let (mut world, call) = in_call(857);
    world.tamper(|node, message| match message {
        ServerMessage::Application { .. } if node == PHONE => vec![],
        message => vec![message],
    });
    world.command(DESK, UserCommand::Listen { call });
    world.settle();
    assert!(world.hears(DESK, OTHER));
    world.settle();
    // Both are the person's own, and on every screen.
    for node in [PHONE, OTHER, DESK] {
        assert_eq!(world.view(node).members.len(), 3, "on the screen of {node}");
    }
}
