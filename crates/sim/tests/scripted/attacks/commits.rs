//! Attacks on the order and content of commits.

use super::refused;
use std::{cell::RefCell, rc::Rc};
use telcon_core::{
    Device, UserCommand,
    mls::{group::CallGroup, join::PendingJoin, key_package::read_key_package},
    view::CallState,
};
use telcon_proto::{Blob, ClientMessage, Role, ServerMessage, SuiteName};
use telcon_sim::script::{Direction, OtherOffice, START_MS, Scenario};

#[test]
fn a_server_that_replays_a_commit_changes_nothing() {
    let mut world = Scenario::of_four(11);
    world.call_of_four();
    let before = (world.view(1).epoch, world.screen(1));
    for message in world.seen().handshakes {
        world.inject(1, message);
    }
    assert_eq!((world.view(1).epoch, world.screen(1)), before);
    assert!(world.hears(1, 0));
}

#[test]
fn a_server_that_replays_a_commit_as_a_new_one_is_refused() {
    let mut world = Scenario::of_four(12);
    world.call_of_four();
    let call = world.seen().id;
    let Some(ServerMessage::Committed { from, commit, devices, .. }) = world.seen().handshakes.pop() else {
        unreachable!()
    };
    let seq = world.seen().epoch + 1;
    world.inject(1, ServerMessage::Committed { call, seq, from, commit, devices });
    assert!(refused(&world, 1), "{:?}", world.view(1));
}

#[test]
fn a_server_that_reorders_commits_is_refused() {
    let mut world = Scenario::of_four(13);
    world.call();
    // The callee receives two commits in reverse order.
    world.hold(Direction::Down, 1);
    let call = world.seen().id;
    for node in [2, 3] {
        world.command(node, UserCommand::Listen { call });
        world.settle();
    }
    let held = world.held(1);
    held.retain(|message| matches!(message, ServerMessage::Committed { .. }));
    assert_eq!(held.len(), 2);
    held.reverse();
    world.release(Direction::Down, 1);
    world.settle();
    assert!(refused(&world, 1), "{:?}", world.view(1));
}

#[test]
fn a_server_that_drops_a_commit_is_refused() {
    let mut world = Scenario::of_four(14);
    world.call();
    let dropped = Rc::new(RefCell::new(false));
    world.tamper(move |to, message| match message {
        ServerMessage::Committed { .. } if to == 1 && !dropped.replace(true) => vec![],
        message => vec![message],
    });
    let call = world.seen().id;
    for node in [2, 3] {
        world.command(node, UserCommand::Listen { call });
        world.settle();
    }
    assert!(refused(&world, 1), "{:?}", world.view(1));
}

#[test]
fn a_server_that_puts_a_commit_under_this_devices_own_name_is_refused() {
    let mut world = Scenario::of_four(15);
    world.call();
    let (call, from, seq) = (world.seen().id, world.id(1), world.seen().epoch + 1);
    let commit = Blob(world.group(0).commit(vec![], &[]).unwrap().commit);
    world.inject(1, ServerMessage::Committed { call, seq, from, commit, devices: vec![] });
    assert!(refused(&world, 1), "{:?}", world.view(1));
}

#[test]
fn a_damaged_commit_is_refused_and_a_damaged_application_message_is_dropped() {
    let mut world = Scenario::of_four(16);
    world.call();
    let (call, from, seq) = (world.seen().id, world.id(0), world.seen().epoch + 1);
    for message in [Blob(vec![]), Blob(vec![0; 64]), Blob(b"opus".to_vec())] {
        world.inject(1, ServerMessage::Application { call, from, message });
        assert_eq!(world.state(1), CallState::Live);
    }
    let mut commit = world.group(0).commit(vec![], &[]).unwrap().commit;
    let last = commit.len() - 1;
    commit[last] ^= 1;
    world.inject(1, ServerMessage::Committed { call, seq, from, commit: Blob(commit), devices: vec![] });
    assert!(refused(&world, 1), "{:?}", world.view(1));
}

#[test]
fn a_commit_from_outside_the_call_is_refused() {
    let mut world = Scenario::of_four(17);
    world.call();
    // A group of the same id, created by a device that is not in the call.
    let (call, seq) = (world.seen().id, world.seen().epoch + 1);
    let desk = world.stolen(2);
    let mut group = CallGroup::create(&desk, call, SuiteName::Hybrid).unwrap();
    while group.epoch() < world.view(1).epoch.unwrap() {
        group.commit(vec![], &[]).unwrap();
        group.confirm().unwrap();
    }
    let commit = Blob(group.commit(vec![], &[]).unwrap().commit);
    let from = world.id(2);
    world.inject(1, ServerMessage::Committed { call, seq, from, commit, devices: vec![] });
    assert!(refused(&world, 1), "{:?}", world.view(1));
}

#[test]
fn a_welcome_to_a_group_with_somebody_unverified_in_it_is_refused() {
    let mut world = Scenario::of_two(18);
    world.ring(0, 1);
    world.settle();
    world.command(1, UserCommand::Answer { call: None });
    // The caller's device is hostile, and adds a spy together with the callee.
    let mut other = OtherOffice::new(SuiteName::Hybrid, 97, "office.example", START_MS);
    let (state, _, spy_proof) = other.enrol(3, Role::DutyOfficer);
    let spy = PendingJoin::new(&Device::open(&state, world.now()).unwrap(), world.seen().id).unwrap();
    let answers = world.sent(1, |message| match message {
        ClientMessage::Answer { key_package, .. } => Some(key_package.clone()),
        _ => None,
    });
    let joiners = vec![
        read_key_package(answers[0].as_slice(), world.seen().id, SuiteName::Hybrid).unwrap(),
        read_key_package(spy.key_package(), world.seen().id, SuiteName::Hybrid).unwrap(),
    ];
    let welcome = Blob(world.group(0).commit(joiners, &[]).unwrap().welcome.unwrap());
    let (call, ring, opened) = (world.seen().id, world.seen().jws.clone(), world.opened());
    let devices = vec![world.proof(0), world.proof(1), spy_proof];
    world.inject(1, ServerMessage::Welcome { call, seq: 1, welcome, ring, opened, devices });
    assert!(refused(&world, 1), "{:?}", world.view(1));
    assert!(world.speak(1, b"opus").is_none());
}

#[test]
fn a_refused_commit_is_rolled_back() {
    for epoch_moves in [false, true] {
        let mut world = Scenario::of_two(41);
        world.ring(0, 1);
        world.settle();
        world.tamper(|_, message| match message {
            ServerMessage::Committed { .. } | ServerMessage::Welcome { .. } => vec![],
            message => vec![message],
        });
        world.command(1, UserCommand::Answer { call: None });
        world.settle();
        assert_eq!(world.state(0), CallState::Live, "live after the optimistic commit");
        let said = world.speak(0, b"opus").unwrap();

        let (call, now) = (world.seen().id, u64::from(epoch_moves));
        world.inject(0, ServerMessage::CommitRefused { call, epoch: 0, now });
        world.settle();
        assert_eq!(world.state(0), CallState::Ringing);
        assert!(world.speak(0, b"opus").is_none(), "nothing is sealed without another member");
        assert_eq!((world.view(0).phrase, world.view(0).started_ms), (None, None));
        assert!(!world.screen(0).contains(&"Person 2".to_owned()));
        assert!(world.hear(1, &said).is_err());
    }
}
