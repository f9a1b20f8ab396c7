//! A switchboard, a member or a stranger that does not play by the rules. Each test is one thing that they could try,
//! and what the device does about it.

use super::kit::{START, World, hex, ring_of};
use crate::{
    Command, DeviceState,
    device::Device,
    engine::Engine,
    group::{CallGroup, PendingJoin, read_key_package},
    keyring::OpenError,
    view::{CallState, Phase},
};
use sha2::{Digest as _, Sha256};
use std::{cell::RefCell, collections::VecDeque, rc::Rc};
use telcon_proto::{
    Blob, ClientMessage, RecordMode, Role, ServerMessage, SuiteName,
    limits::{RING_MAX_AGE_MS, RING_TIMEOUT_MS},
};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// The call ended on this device, which says why in red.
fn refused(world: &World, node: usize) -> bool {
    world.view(node).ended == Some("failed") && world.red(node).iter().any(|text| text.contains("could not be trusted"))
}

/// Somebody was kept out, said in red, and the call goes on between those who were in it.
fn kept_out(world: &mut World) -> bool {
    let told = world.red(0).iter().any(|text| text.contains("kept out"));
    let same = world.screen(0) == ["Person 1", "Person 2"] && world.screen(1) == world.screen(0);
    told && same && world.hears(0, 1) && world.hears(1, 0)
}

/// Asks node 0, as a switchboard would, to add a device.
fn ask_for(world: &mut World, device: &Device, proof: telcon_proto::message::Logged, answer: bool) {
    let (call, from) = (world.room().id, device.me().device());
    let key_package = Blob(PendingJoin::new(device).unwrap().key_package().to_vec());
    world.inject(0, ServerMessage::JoinAsked { call, from, key_package, device: proof, answer });
    world.settle();
}

// ---- silent listeners

#[test]
fn a_server_that_adds_a_member_from_an_office_of_its_own_is_refused() {
    let mut world = World::of_two(1);
    world.call();
    let mut other = World::named(SuiteName::Hybrid, 99, "office.example");
    let (state, _, proof) = other.enrol(3, Role::DutyOfficer);
    let spy = Device::open(&state, world.now).unwrap();
    ask_for(&mut world, &spy, proof, false);
    assert!(kept_out(&mut world), "{:?}", world.problems());
}

#[test]
fn a_server_that_adds_a_member_whose_certificate_is_not_in_the_log_is_refused() {
    let mut world = World::of_two(2);
    world.call();
    let (state, _) = world.certify(3, Role::DutyOfficer);
    let unlogged = Device::open(&state, world.now).unwrap();
    let proof_of_another = world.nodes[1].proof.clone();
    ask_for(&mut world, &unlogged, proof_of_another, false);
    assert!(kept_out(&mut world), "{:?}", world.problems());
}

#[test]
fn a_server_that_adds_a_member_whom_the_call_is_not_between_is_refused() {
    let mut world = World::of_two(3);
    let third = world.join_office(5, Role::Principal);
    world.settle();
    world.call();
    let (state, proof) = (state_of(&world, third), world.nodes[third].proof.clone());
    let stranger = Device::open(&state, world.now).unwrap();
    ask_for(&mut world, &stranger, proof, false);
    assert!(kept_out(&mut world), "{:?}", world.problems());
}

#[test]
fn a_server_that_lets_somebody_else_answer_is_refused() {
    let mut world = World::of_four(4);
    world.ring(0, 1);
    world.settle();
    let (state, proof) = (state_of(&world, 2), world.nodes[2].proof.clone());
    let desk = Device::open(&state, world.now).unwrap();
    ask_for(&mut world, &desk, proof, true);
    assert!(world.red(0).iter().any(|text| text.contains("somebody else answered")));
    assert_eq!(world.state(0), CallState::Ringing);
    assert!(world.speak(0, b"opus").is_none());
}

#[test]
fn a_server_that_swaps_a_key_package_is_refused() {
    let mut world = World::of_four(5);
    world.ring(0, 1);
    world.settle();
    // The callee answers; the caller is given the key package of another device of the office in its name.
    let state = state_of(&world, 2);
    let swapped = Blob(PendingJoin::new(&Device::open(&state, world.now).unwrap()).unwrap().key_package().to_vec());
    world.wire = Some(Box::new(move |_, message| {
        vec![match message {
            ServerMessage::JoinAsked { call, from, device, answer, .. } => {
                ServerMessage::JoinAsked { call, from, key_package: swapped.clone(), device, answer }
            }
            other => other,
        }]
    }));
    world.command(1, Command::Answer);
    world.settle();
    assert!(world.red(0).iter().any(|text| text.contains("kept out")), "{:?}", world.problems());
    assert!(world.speak(0, b"opus").is_none(), "nothing is sealed for anybody");
    assert_eq!(world.view(0).phrase, None);
}

#[test]
fn a_server_that_swaps_a_key_package_and_its_proofs_is_refused() {
    let mut world = World::of_four(6);
    world.ring(0, 1);
    world.settle();
    let (state, proof, id) = (state_of(&world, 2), world.nodes[2].proof.clone(), world.nodes[2].id);
    let swapped = Blob(PendingJoin::new(&Device::open(&state, world.now).unwrap()).unwrap().key_package().to_vec());
    world.wire = Some(Box::new(move |_, message| {
        vec![match message {
            ServerMessage::JoinAsked { call, answer, .. } => {
                ServerMessage::JoinAsked { call, from: id, key_package: swapped.clone(), device: proof.clone(), answer }
            }
            other => other,
        }]
    }));
    world.command(1, Command::Answer);
    world.settle();
    assert!(world.red(0).iter().any(|text| text.contains("somebody else answered")), "{:?}", world.problems());
    assert!(world.speak(0, b"opus").is_none());
}

#[test]
fn a_member_that_commits_somebody_unverified_is_refused_by_the_others() {
    let mut world = World::of_two(7);
    world.call();
    // The caller's own device is hostile: it adds a device of another office, past its engine's checks.
    let mut other = World::named(SuiteName::Hybrid, 98, "office.example");
    let (state, _, proof) = other.enrol(3, Role::DutyOfficer);
    let spy = PendingJoin::new(&Device::open(&state, world.now).unwrap()).unwrap();
    let joiner = read_key_package(spy.key_package(), SuiteName::Hybrid).unwrap();
    let (call, from, seq) = (world.room().id, world.nodes[0].id, world.room().epoch + 1);
    let commit = world.group(0).commit(vec![joiner], &[]).unwrap().commit;
    world.inject(1, ServerMessage::Committed { call, seq, from, commit: Blob(commit), devices: vec![proof] });
    assert!(refused(&world, 1), "{:?}", world.view(1));
    assert!(world.speak(1, b"opus").is_none());
}

#[test]
fn a_listener_cannot_be_hidden_from_one_screen() {
    let mut world = World::of_four(8);
    world.call();
    // The switchboard keeps the commit that adds the desk from the callee.
    world.wire = Some(Box::new(|to, message| match message {
        ServerMessage::Committed { .. } if to == 1 => vec![],
        message => vec![message],
    }));
    let call = world.room().id;
    world.command(2, Command::Listen { call });
    world.settle();
    assert_eq!((world.screen(0).len(), world.screen(1).len()), (3, 2));
    // Whoever does not see the listener is not heard by it, nor hears what is said in its presence.
    let of_callee = world.speak(1, b"opus").unwrap();
    assert!(world.hear(2, &of_callee).is_err());
    let of_caller = world.speak(0, b"opus").unwrap();
    assert_eq!(world.hear(1, &of_caller), Err(OpenError::UnknownEpoch));
    assert_ne!(world.view(0).phrase, world.view(1).phrase);
}

#[test]
fn who_joins_cannot_open_what_was_said_before_and_who_left_cannot_open_what_is_said_after() {
    let mut world = World::of_four(9);
    world.call();
    let before = world.speak(0, b"before").unwrap();
    let call = world.room().id;
    world.command(2, Command::Listen { call });
    world.settle();
    assert!(world.hear(2, &before).is_err());
    assert!(world.hears(2, 0));
    // The desk leaves, and keeps all it knew: its engine never hears that it is out.
    let keys = &mut world.nodes[2].engine.call.as_mut().unwrap().keys;
    let kept = std::mem::take(keys);
    world.command(2, Command::Leave);
    world.settle();
    let mut kept = kept;
    let after = world.speak(0, b"after").unwrap();
    assert!(kept.open(&after).is_err());
}

#[test]
fn old_keys_are_erased_soon_after_an_epoch_ends() {
    let mut world = World::of_four(10);
    world.call();
    let old = world.speak(0, b"old").unwrap();
    let also = world.speak(0, b"old too").unwrap();
    let call = world.room().id;
    world.command(2, Command::Listen { call });
    world.settle();
    assert!(world.hear(1, &old).is_ok(), "what was on its way when the epoch changed is still heard");
    world.pass(10_000);
    assert!(world.hear(1, &also).is_err());
}

// ---- the order of commits

#[test]
fn a_server_that_replays_a_commit_changes_nothing() {
    let mut world = World::of_four(11);
    world.call_of_four();
    let before = (world.view(1).epoch, world.screen(1));
    let call = world.room().id;
    let replays: Vec<_> = world.room().handshakes.iter().map(|h| super::kit::committed(call, h)).collect();
    for message in replays {
        world.inject(1, message);
    }
    assert_eq!((world.view(1).epoch, world.screen(1)), before);
    assert!(world.hears(1, 0));
}

#[test]
fn a_server_that_replays_a_commit_as_a_new_one_is_refused() {
    let mut world = World::of_four(12);
    world.call_of_four();
    let call = world.room().id;
    let ServerMessage::Committed { from, commit, devices, .. } =
        super::kit::committed(call, world.room().handshakes.last().unwrap())
    else {
        unreachable!()
    };
    let seq = world.room().epoch + 1;
    world.inject(1, ServerMessage::Committed { call, seq, from, commit, devices });
    assert!(refused(&world, 1), "{:?}", world.view(1));
}

#[test]
fn a_server_that_reorders_commits_is_refused() {
    let mut world = World::of_four(13);
    world.call();
    // What the callee should get in one order comes in the other.
    let held: Rc<RefCell<VecDeque<ServerMessage>>> = Rc::default();
    let hold = held.clone();
    world.wire = Some(Box::new(move |to, message| match message {
        ServerMessage::Committed { .. } if to == 1 => {
            hold.borrow_mut().push_front(message);
            vec![]
        }
        message => vec![message],
    }));
    let call = world.room().id;
    for node in [2, 3] {
        world.command(node, Command::Listen { call });
        world.settle();
    }
    assert_eq!(held.borrow().len(), 2);
    world.wire = None;
    let reordered: Vec<_> = held.borrow_mut().drain(..).collect();
    for message in reordered {
        world.inject(1, message);
    }
    assert!(refused(&world, 1), "{:?}", world.view(1));
}

#[test]
fn a_server_that_drops_a_commit_and_goes_on_is_refused() {
    let mut world = World::of_four(14);
    world.call();
    let dropped = Rc::new(RefCell::new(false));
    world.wire = Some(Box::new(move |to, message| match message {
        ServerMessage::Committed { .. } if to == 1 && !dropped.replace(true) => vec![],
        message => vec![message],
    }));
    let call = world.room().id;
    for node in [2, 3] {
        world.command(node, Command::Listen { call });
        world.settle();
    }
    assert!(refused(&world, 1), "{:?}", world.view(1));
}

#[test]
fn a_server_that_puts_a_commit_under_this_devices_own_name_is_refused() {
    let mut world = World::of_four(15);
    world.call();
    let (call, from, seq) = (world.room().id, world.nodes[1].id, world.room().epoch + 1);
    let commit = Blob(world.group(0).commit(vec![], &[]).unwrap().commit);
    world.inject(1, ServerMessage::Committed { call, seq, from, commit, devices: vec![] });
    assert!(refused(&world, 1), "{:?}", world.view(1));
}

#[test]
fn a_damaged_commit_is_refused_and_a_damaged_application_message_is_dropped() {
    let mut world = World::of_four(16);
    world.call();
    let (call, from, seq) = (world.room().id, world.nodes[0].id, world.room().epoch + 1);
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
    let mut world = World::of_four(17);
    world.call();
    // A group of the same id, made by somebody who is not in the call.
    let (call, seq) = (world.room().id, world.room().epoch + 1);
    let desk = Device::open(&state_of(&world, 2), world.now).unwrap();
    let mut group = CallGroup::create(&desk, call, SuiteName::Hybrid).unwrap();
    while group.epoch() < world.view(1).epoch.unwrap() {
        group.commit(vec![], &[]).unwrap();
        group.confirm().unwrap();
    }
    let commit = Blob(group.commit(vec![], &[]).unwrap().commit);
    let from = world.nodes[2].id;
    world.inject(1, ServerMessage::Committed { call, seq, from, commit, devices: vec![] });
    assert!(refused(&world, 1), "{:?}", world.view(1));
}

#[test]
fn a_welcome_to_a_group_with_somebody_unverified_in_it_is_refused() {
    let mut world = World::of_two(18);
    world.ring(0, 1);
    world.settle();
    world.command(1, Command::Answer);
    // The caller's device is hostile, and adds a spy together with the callee.
    let mut other = World::named(SuiteName::Hybrid, 97, "office.example");
    let (state, _, spy_proof) = other.enrol(3, Role::DutyOfficer);
    let spy = PendingJoin::new(&Device::open(&state, world.now).unwrap()).unwrap();
    let answers = world.sent(1, |message| match message {
        ClientMessage::Answer { key_package, .. } => Some(key_package.clone()),
        _ => None,
    });
    let joiners = vec![
        read_key_package(answers[0].as_slice(), SuiteName::Hybrid).unwrap(),
        read_key_package(spy.key_package(), SuiteName::Hybrid).unwrap(),
    ];
    let welcome = Blob(world.group(0).commit(joiners, &[]).unwrap().welcome.unwrap());
    let (call, ring, opened) = (world.room().id, world.room().jws.clone(), world.room().opened.clone());
    let devices = vec![world.nodes[0].proof.clone(), world.nodes[1].proof.clone(), spy_proof];
    world.inject(1, ServerMessage::Welcome { call, seq: 1, welcome, ring, opened, devices });
    assert!(refused(&world, 1), "{:?}", world.view(1));
    assert!(world.speak(1, b"opus").is_none());
}

// ---- sound

#[test]
fn sound_without_sframe_is_refused() {
    let mut world = World::of_two(19);
    world.call();
    for stripped in [&b""[..], &[0x78, 1, 2, 3], &[0; 120], &[0xff; 120]] {
        assert!(world.hear(1, stripped).is_err());
    }
    let frame = world.speak(0, &[0x78, 1, 2, 3]).unwrap();
    assert!(!frame.windows(3).any(|window| window == [1, 2, 3]), "sound never leaves in the clear");
    for at in 0..frame.len() {
        let mut damaged = frame.clone();
        damaged[at] ^= 1;
        assert!(world.hear(1, &damaged).is_err(), "a change in byte {at}");
    }
    for length in 0..frame.len() {
        assert!(world.hear(1, &frame[..length]).is_err(), "cut to {length}");
    }
    assert!(world.hear(1, &frame).is_ok());
}

#[test]
fn a_replayed_frame_is_refused() {
    let mut world = World::of_two(20);
    world.call();
    let frame = world.speak(0, b"opus").unwrap();
    assert!(world.hear(1, &frame).is_ok());
    assert!(world.hear(1, &frame).is_err());
}

#[test]
fn a_relay_that_sends_ones_own_frames_back_is_refused() {
    let mut world = World::of_two(21);
    world.call();
    let frame = world.speak(0, b"opus").unwrap();
    assert!(world.hear(0, &frame).is_err());
}

#[test]
fn there_is_no_sound_in_the_clear_in_any_state() {
    let mut world = World::of_two(22);
    assert!(world.speak(0, b"opus").is_none());
    world.ring(0, 1);
    assert!(world.speak(0, b"opus").is_none());
    world.settle();
    assert!(world.speak(0, b"opus").is_none());
    world.command(1, Command::Answer);
    assert!(world.speak(1, b"opus").is_none());
    world.settle();
    assert!(world.speak(1, b"opus").is_some());
    world.command(1, Command::HangUp);
    assert!(world.speak(1, b"opus").is_none());
    assert!(world.hear(1, b"opus").is_err());
}

// ---- rings

/// The message that rings node 1, taken off the wire, changed, and given to it.
fn forged(seed: u8, change: impl FnOnce(&mut World, ServerMessage) -> ServerMessage) -> World {
    let mut world = World::of_four(seed);
    world.join_office(5, Role::Principal);
    world.settle();
    let caught: Rc<RefCell<Option<ServerMessage>>> = Rc::default();
    let catch = caught.clone();
    world.wire = Some(Box::new(move |_, message| match message {
        ServerMessage::Ringing { .. } => {
            *catch.borrow_mut() = Some(message);
            vec![]
        }
        message => vec![message],
    }));
    world.ring(0, 1);
    world.settle();
    world.wire = None;
    let message = caught.borrow_mut().take().unwrap();
    let message = change(&mut world, message);
    world.inject(1, message);
    world
}

fn not_shown(world: &World) -> bool {
    let view = world.nodes[1].engine.view();
    view.call.is_none() && world.red(1).iter().any(|text| text.contains("could not be verified"))
}

#[test]
fn a_ring_as_it_was_signed_is_shown() {
    let world = forged(30, |_, message| message);
    assert_eq!(world.state(1), CallState::Ringing);
}

#[test]
fn a_server_that_forges_a_ring_is_refused() {
    // Signed by a device of an authority that the server made itself, with the office's names.
    let world = forged(31, |world, message| {
        let ServerMessage::Ringing { jws, .. } = message else { unreachable!() };
        let mut other = World::named(SuiteName::Hybrid, 96, "office.example");
        let (state, _, proof) = other.enrol(1, Role::Principal);
        let device = Device::open(&state, world.now).unwrap();
        let mut ring = ring_of(&jws);
        ring.from = device.me().device();
        let jws = telcon_identity::sign_ring(device.key(), device.chain(), &ring);
        let opened = world.append(&opening(&jws, world.now));
        ServerMessage::Ringing { jws, opened, device: proof }
    });
    assert!(not_shown(&world), "{:?}", world.problems());
}

#[test]
fn a_server_that_changes_a_ring_is_refused() {
    let world = forged(32, |_, message| {
        let ServerMessage::Ringing { mut jws, opened, device } = message else { unreachable!() };
        let at = jws.find('.').unwrap() + 20;
        let other = if jws.as_bytes()[at] == b'A' { "B" } else { "A" };
        jws.replace_range(at..=at, other);
        ServerMessage::Ringing { jws, opened, device }
    });
    assert!(not_shown(&world), "{:?}", world.problems());
}

#[test]
fn a_ring_that_was_not_logged_is_refused() {
    let world = forged(33, |world, message| {
        let ServerMessage::Ringing { jws, device, .. } = message else { unreachable!() };
        // Proof of some other entry.
        let opened = world.nodes[2].proof.clone();
        ServerMessage::Ringing { jws, opened, device }
    });
    assert!(not_shown(&world), "{:?}", world.problems());
}

#[test]
fn a_ring_logged_in_a_log_of_the_servers_own_is_refused() {
    let world = forged(34, |world, message| {
        let ServerMessage::Ringing { jws, device, .. } = message else { unreachable!() };
        let mut other = World::named(SuiteName::Hybrid, 95, "office.example");
        let opened = other.append(&opening(&jws, world.now));
        ServerMessage::Ringing { jws, opened, device }
    });
    assert!(not_shown(&world), "{:?}", world.problems());
}

#[test]
fn a_ring_logged_with_another_mode_is_refused() {
    let world = forged(35, |world, message| {
        let ServerMessage::Ringing { jws, device, .. } = message else { unreachable!() };
        let mut entry = opening(&jws, world.now);
        entry["mode"] = RecordMode::LogOnly.as_str().into();
        let opened = world.append(&entry);
        ServerMessage::Ringing { jws, opened, device }
    });
    assert!(not_shown(&world), "{:?}", world.problems());
}

#[test]
fn a_ring_for_somebody_else_is_refused() {
    let world = forged(36, |world, _| {
        let device = Device::open(&state_of(world, 0), world.now).unwrap();
        let mut ring = ring_of(&world.room().jws);
        ring.to = world.nodes[4].card.person;
        let jws = telcon_identity::sign_ring(device.key(), device.chain(), &ring);
        let opened = world.append(&opening(&jws, world.now));
        ServerMessage::Ringing { jws, opened, device: world.nodes[0].proof.clone() }
    });
    assert!(not_shown(&world), "{:?}", world.problems());
}

#[test]
fn a_ring_of_another_suite_than_the_offices_is_refused() {
    let world = forged(37, |world, _| {
        let device = Device::open(&state_of(world, 0), world.now).unwrap();
        let mut ring = ring_of(&world.room().jws);
        ring.suite = SuiteName::Cnsa2;
        let jws = telcon_identity::sign_ring(device.key(), device.chain(), &ring);
        let opened = world.append(&opening(&jws, world.now));
        ServerMessage::Ringing { jws, opened, device: world.nodes[0].proof.clone() }
    });
    assert!(not_shown(&world), "{:?}", world.problems());
}

#[test]
fn a_ring_kept_back_until_it_is_old_is_refused() {
    let world = forged(38, |world, message| {
        world.now += RING_MAX_AGE_MS + RING_TIMEOUT_MS;
        message
    });
    assert!(not_shown(&world), "{:?}", world.problems());
}

#[test]
fn a_ring_that_comes_again_after_its_call_is_not_shown_even_after_a_restart() {
    let mut world = World::of_two(39);
    world.call();
    let (jws, opened) = (world.room().jws.clone(), world.room().opened.clone());
    let device = world.nodes[0].proof.clone();
    world.command(1, Command::HangUp);
    world.settle();
    world.command(1, Command::Dismiss);
    for restarted in [false, true] {
        if restarted {
            world.reload(1);
            world.settle();
        }
        let again = ServerMessage::Ringing { jws: jws.clone(), opened: opened.clone(), device: device.clone() };
        world.inject(1, again);
        assert!(world.nodes[1].engine.view().call.is_none());
        assert!(world.red(1).iter().any(|text| text.contains("earlier call")), "{:?}", world.problems());
    }
}

// ---- the office

#[test]
fn a_revoked_device_erases_its_keys_and_leaves_its_call() {
    let mut world = World::of_four(40);
    world.call_of_four();
    let jws = world.authority.revoke(world.nodes[2].id, world.now).unwrap();
    world.inject(2, ServerMessage::Revoked { jws: Some(jws) });
    world.remove(2);
    world.settle();
    assert!(world.nodes[2].erased);
    assert_eq!(world.nodes[2].engine.view().phase, Phase::Revoked);
    assert_eq!(world.view(2).ended, Some("failed"));
    assert_eq!(world.screen(0), ["Person 1", "Person 2", "Person 4"]);
    let frame = world.speak(0, b"opus").unwrap();
    assert!(world.hear(2, &frame).is_err());
}

#[test]
fn a_server_alone_cannot_make_a_device_erase_its_keys() {
    let mut world = World::of_two(47);
    let of_another = world.authority.revoke(world.nodes[1].id, world.now).unwrap();
    for jws in [None, Some("nonsense".to_owned()), Some(of_another)] {
        world.inject(0, ServerMessage::Revoked { jws });
        assert_eq!(world.nodes[0].engine.view().phase, Phase::Revoked);
        assert!(!world.nodes[0].erased);
    }
}

#[test]
fn nobody_is_brought_back_into_a_call_that_they_hung_up() {
    for reloaded in [false, true] {
        let mut world = World::of_two(48);
        world.call();
        // The connection is lost, the person hangs up, and the office does not hear of it.
        world.disconnect(1);
        world.command(1, Command::HangUp);
        if reloaded {
            world.reload(1);
        } else {
            world.connect(1);
        }
        world.settle();
        assert!(world.speak(1, b"whispered").is_none());
        assert!(world.nodes[1].engine.view().call.is_none_or(|call| call.state == CallState::Ended));
        assert_eq!(world.view(0).ended, Some("hung_up"), "and the office hears of it now");
    }
}

#[test]
fn a_server_cannot_move_a_device_from_one_call_to_another() {
    let mut world = World::of_two(49);
    world.call();
    let other = telcon_proto::CallId::from_bytes([9; 16]);
    world.wire = Some(Box::new(move |to, message| {
        vec![match message {
            ServerMessage::SignedIn { you, people, suite, mode, token, checkpoint, .. } if to == 1 => {
                ServerMessage::SignedIn { you, people, suite, mode, token, in_call: Some(other), checkpoint }
            }
            message => message,
        }]
    }));
    world.disconnect(1);
    world.connect(1);
    world.settle();
    assert_eq!(world.view(1).ended, Some("interrupted"));
    assert!(world.red(1).iter().any(|text| text.contains("another call")));
}

#[test]
fn a_server_that_puts_another_name_on_a_person_is_found_out_before_a_word_is_said() {
    let mut world = World::of_two(50);
    world.wire = Some(Box::new(|_, message| {
        vec![match message {
            ServerMessage::SignedIn { you, mut people, suite, mode, token, in_call, checkpoint } => {
                for contact in &mut people {
                    contact.card.name = "The President of Norland".into();
                }
                ServerMessage::SignedIn { you, people, suite, mode, token, in_call, checkpoint }
            }
            message => message,
        }]
    }));
    world.disconnect(0);
    world.connect(0);
    world.settle();
    world.ring(0, 1);
    world.settle();
    assert_eq!(world.view(0).other.unwrap().name, "The President of Norland");
    world.command(1, Command::Answer);
    world.settle();
    assert!(world.red(0).iter().any(|text| text.contains("another name")), "{:?}", world.problems());
    assert!(world.speak(0, b"opus").is_none());
}

#[test]
fn a_call_on_a_forked_log_is_told_when_the_device_is_back_on_the_true_one() {
    let mut world = World::of_two(51);
    let fork = world.fork(51);
    let truth = std::mem::replace(&mut world.log, fork);
    world.call();
    world.command(0, Command::HangUp);
    world.settle();
    assert!(world.red(0).is_empty(), "so far nothing is to be seen");
    // Back on the true log, which goes on without that call.
    world.log = truth;
    for n in 0..20 {
        world.append(&serde_json::json!({"type": "started", "n": n, "time_ms": world.now}));
    }
    for restarted in [false, true] {
        if restarted {
            world.reload(0);
        }
        world.pass(200_000);
        let log = world.nodes[0].engine.view().log.unwrap();
        assert!(!log.ok, "restarted {restarted}: {log:?}");
        assert!(world.red(0).iter().any(|text| text.contains("another log")), "{:?}", world.problems());
    }
}

#[test]
fn a_flood_of_proofs_does_not_push_the_evidence_of_a_fork_out() {
    let mut world = World::of_two(54);
    let fork = world.fork(54);
    let truth = std::mem::replace(&mut world.log, fork);
    world.call();
    let first = world.nodes[0].engine.state.claims[0].clone();
    for person in 0..80 {
        let (state, _, proof) = world.enrol(100 + person, Role::DutyOfficer);
        ask_for(&mut world, &Device::open(&state, START).unwrap(), proof, false);
    }
    assert!(world.nodes[0].engine.state.claims.contains(&first));
    world.log = truth;
    world.pass(200_000);
    assert!(world.red(0).iter().any(|text| text.contains("another log")), "{:?}", world.problems());
}

#[test]
fn what_an_honest_log_proved_is_settled_within_minutes() {
    let mut world = World::of_four(52);
    world.call_of_four();
    assert!(!world.nodes[0].engine.state.claims.is_empty());
    world.pass(60_000);
    for node in 0..4 {
        assert_eq!(world.nodes[node].engine.state.claims, [], "of {node}");
    }
    assert!(world.problems().is_empty());
}

#[test]
fn a_call_without_its_note_taker_says_so() {
    let mut world = World::of_four(53);
    world.call();
    assert!(!world.view(0).note_taker && !world.view(0).noted);
    let call = world.room().id;
    world.command(3, Command::Listen { call });
    world.settle();
    assert!(world.view(0).note_taker && world.view(3).note_taker);
    world.command(3, Command::Leave);
    world.settle();
    assert!(!world.view(0).note_taker && world.view(0).noted);
}

#[test]
fn a_revoked_device_that_goes_on_listening_hears_nothing_more() {
    let mut world = World::of_four(41);
    world.call_of_four();
    // It is never told, and keeps its keys; the others are asked to remove it.
    world.wire = Some(Box::new(|to, message| if to == 2 { vec![] } else { vec![message] }));
    world.remove(2);
    world.settle();
    assert_eq!(world.screen(1), ["Person 1", "Person 2", "Person 4"]);
    let frame = world.speak(0, b"opus").unwrap();
    assert!(world.hear(2, &frame).is_err());
    assert!(world.hear(1, &frame).is_ok());
}

#[test]
fn a_log_that_was_rolled_back_or_forked_is_told_in_red() {
    for fork in [true, false] {
        let mut world = World::of_two(42);
        world.append(&serde_json::json!({"type": "started", "time_ms": world.now}));
        world.pass(30_000);
        assert!(world.nodes[0].engine.view().log.unwrap().ok);
        // Another log under the same key: shorter, or grown differently.
        let mut other = World::new(SuiteName::Hybrid, 42);
        let entries = if fork { 10 } else { 1 };
        for n in 0..entries {
            other.append(&serde_json::json!({"type": "started", "n": n, "time_ms": START}));
        }
        world.log = other.log;
        let size = world.nodes[0].engine.view().log.unwrap().size;
        let consistency =
            if fork { world.log.consistency_proof(size, world.log.checkpoint().size()).unwrap() } else { vec![] };
        let checkpoint = world.log.checkpoint().note().to_owned();
        let consistency = consistency.iter().map(|hash| Blob(hash.0.to_vec())).collect();
        world.inject(0, ServerMessage::Checkpoint { checkpoint, from_size: size, consistency });
        let log = world.nodes[0].engine.view().log.unwrap();
        assert!(!log.ok && log.problem.is_some());
        assert!(world.red(0).iter().any(|text| text.contains("does not continue")), "{:?}", world.problems());
        assert_eq!(log.size, size, "what the device saw before is what it goes on holding against the log");
    }
}

#[test]
fn words_of_the_server_are_shown_plain_and_short() {
    let mut world = World::of_two(43);
    let message = format!("no\u{7}\u{1b}[31m{}", "x".repeat(10_000));
    let code = telcon_proto::message::RefusalCode::NotAllowed;
    world.inject(0, ServerMessage::Refused { call: None, code, message });
    let alerts = world.nodes[0].engine.view().alerts;
    assert!(alerts[0].text.chars().count() <= 200 && !alerts[0].text.chars().any(char::is_control));
    for _ in 0..100 {
        world.nodes[0].engine.handle_text(START, "{\"type\":\"nonsense\"}");
        world.nodes[0].engine.handle_text(START, &"x".repeat(telcon_proto::limits::MAX_MESSAGE_BYTES + 1));
    }
    assert!(world.nodes[0].engine.view().alerts.len() <= 8);
}

#[test]
fn messages_of_other_calls_and_out_of_turn_change_nothing() {
    let mut world = World::of_two(44);
    world.call();
    let other = telcon_proto::CallId::from_bytes([9; 16]);
    let before = world.view(1);
    for message in [
        ServerMessage::Ended { call: other, how: telcon_proto::Ended::HungUp },
        ServerMessage::TakenElsewhere { call: other },
        ServerMessage::CommitRefused { call: world.room().id, epoch: 9, now: 10 },
        ServerMessage::RemoveAsked { call: world.room().id, devices: vec![] },
        ServerMessage::Opened { call: world.room().id, opened: world.room().opened.clone() },
    ] {
        world.inject(1, message);
    }
    assert_eq!(world.view(1), before);
}

#[test]
fn a_flood_of_joiners_is_cut_off() {
    let mut world = World::of_two(45);
    world.call();
    // Commits are never taken, so what is asked for can only pile up.
    world.wire = Some(Box::new(|_, message| match message {
        ServerMessage::Committed { .. } => vec![],
        message => vec![message],
    }));
    let mut kept_out = 0;
    for person in 0..40 {
        let (state, _, proof) = world.enrol(100 + person, Role::DutyOfficer);
        ask_for(&mut world, &Device::open(&state, START).unwrap(), proof, false);
        kept_out += usize::from(world.red(0).iter().any(|text| text.contains("too many")));
    }
    assert!(kept_out > 0);
    assert!(world.hears(1, 0), "and the call goes on");
}

#[test]
fn a_device_with_someone_elses_certificate_does_not_open() {
    let mut world = World::of_two(46);
    let (a, b) = (state_of(&world, 0).to_text().to_string(), state_of(&world, 1).to_text().to_string());
    let (mut a, b): (serde_json::Value, serde_json::Value) =
        (serde_json::from_str(&a).unwrap(), serde_json::from_str(&b).unwrap());
    a["chain"] = b["chain"].clone();
    let mixed = DeviceState::parse(&a.to_string()).unwrap();
    assert!(Engine::new(mixed, world.seed(), world.now).is_err());
}

fn state_of(world: &World, node: usize) -> DeviceState {
    DeviceState::parse(&world.nodes[node].engine.state_text()).unwrap()
}

/// The log entry that an honest switchboard would write for a ring.
fn opening(jws: &str, now: u64) -> serde_json::Value {
    let ring = ring_of(jws);
    serde_json::json!({
        "type": "call_opened",
        "call": ring.call.to_hex(),
        "ring_sha256": hex(&Sha256::digest(jws)),
        "mode": ring.mode.as_str(),
        "suite": ring.suite,
        "devices": [ring.from.to_hex()],
        "time_ms": now,
    })
}
