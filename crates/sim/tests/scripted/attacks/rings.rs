//! Forged, changed and replayed rings.

use std::{cell::RefCell, rc::Rc};
use telcon_core::{Device, UserCommand, view::CallState};
use telcon_proto::{
    RecordMode, Role, ServerMessage, SuiteName,
    limits::{RING_MAX_AGE_MS, RING_TIMEOUT_MS},
};
use telcon_sim::script::{OtherOffice, START_MS, Scenario, opening, ring_of};

/// Intercepts the ring to node 1, changes it and delivers it.
fn forged(seed: u64, change: impl FnOnce(&mut Scenario, ServerMessage) -> ServerMessage) -> Scenario {
    let mut world = Scenario::of_four(seed);
    world.join_office(5, Role::Principal);
    world.settle();
    let caught: Rc<RefCell<Option<ServerMessage>>> = Rc::default();
    let catch = caught.clone();
    world.tamper(move |_, message| match message {
        ServerMessage::Ringing { .. } => {
            *catch.borrow_mut() = Some(message);
            vec![]
        }
        message => vec![message],
    });
    world.ring(0, 1);
    world.settle();
    world.stop_tampering();
    let message = caught.borrow_mut().take().unwrap();
    let message = change(&mut world, message);
    world.inject(1, message);
    world
}

fn not_shown(world: &Scenario) -> bool {
    let view = world.screen_of(1);
    view.call.is_none() && world.red(1).iter().any(|text| text.contains("could not be verified"))
}

#[test]
fn an_unchanged_ring_is_shown() {
    let world = forged(30, |_, message| message);
    assert_eq!(world.state(1), CallState::Ringing);
}

#[test]
fn a_server_that_forges_a_ring_is_refused() {
    // Signed by a device of an authority that the server created, with the office's names.
    let world = forged(31, |world, message| {
        let ServerMessage::Ringing { jws, .. } = message else { unreachable!() };
        let mut other = OtherOffice::new(SuiteName::Hybrid, 96, "office.example", START_MS);
        let (state, _, proof) = other.enrol(1, Role::Principal);
        let device = Device::open(&state, world.now()).unwrap();
        let mut ring = ring_of(&jws).unwrap();
        ring.from = device.me().qualified();
        let jws = telcon_identity::sign_ring(device.key(), device.chain(), &ring);
        let opened = world.forge_entry(&opening(&jws, world.now()));
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
        let opened = world.proof(2);
        ServerMessage::Ringing { jws, opened, device }
    });
    assert!(not_shown(&world), "{:?}", world.problems());
}

#[test]
fn a_ring_logged_in_a_log_of_the_servers_own_is_refused() {
    let world = forged(34, |world, message| {
        let ServerMessage::Ringing { jws, device, .. } = message else { unreachable!() };
        let mut other = OtherOffice::new(SuiteName::Hybrid, 95, "office.example", START_MS);
        let opened = other.append(&opening(&jws, world.now()));
        ServerMessage::Ringing { jws, opened, device }
    });
    assert!(not_shown(&world), "{:?}", world.problems());
}

#[test]
fn a_ring_logged_with_another_mode_is_refused() {
    let world = forged(35, |world, message| {
        let ServerMessage::Ringing { jws, device, .. } = message else { unreachable!() };
        let mut entry = opening(&jws, world.now());
        entry["mode"] = RecordMode::LogOnly.as_str().into();
        let opened = world.forge_entry(&entry);
        ServerMessage::Ringing { jws, opened, device }
    });
    assert!(not_shown(&world), "{:?}", world.problems());
}

#[test]
fn a_ring_for_somebody_else_is_refused() {
    let world = forged(36, |world, _| {
        let device = world.stolen(0);
        let mut ring = ring_of(&world.seen().jws).unwrap();
        ring.to = world.card(4).qualified();
        let jws = telcon_identity::sign_ring(device.key(), device.chain(), &ring);
        let opened = world.forge_entry(&opening(&jws, world.now()));
        ServerMessage::Ringing { jws, opened, device: world.proof(0) }
    });
    assert!(not_shown(&world), "{:?}", world.problems());
}

#[test]
fn a_ring_of_another_suite_than_the_offices_is_refused() {
    let world = forged(37, |world, _| {
        let device = world.stolen(0);
        let mut ring = ring_of(&world.seen().jws).unwrap();
        ring.suite = SuiteName::Cnsa2;
        let jws = telcon_identity::sign_ring(device.key(), device.chain(), &ring);
        let opened = world.forge_entry(&opening(&jws, world.now()));
        ServerMessage::Ringing { jws, opened, device: world.proof(0) }
    });
    assert!(not_shown(&world), "{:?}", world.problems());
}

#[test]
fn a_delayed_ring_is_refused_once_it_is_too_old() {
    let world = forged(38, |world, message| {
        world.advance(RING_MAX_AGE_MS + RING_TIMEOUT_MS);
        message
    });
    assert!(not_shown(&world), "{:?}", world.problems());
}

#[test]
fn a_ring_replayed_after_its_call_is_not_shown_even_after_a_restart() {
    let mut world = Scenario::of_two(39);
    world.call();
    let (jws, opened) = (world.seen().jws, world.opened());
    let device = world.proof(0);
    world.command(1, UserCommand::HangUp);
    world.settle();
    world.command(1, UserCommand::Dismiss);
    for restarted in [false, true] {
        if restarted {
            world.reload(1);
            world.settle();
        }
        let again = ServerMessage::Ringing { jws: jws.clone(), opened: opened.clone(), device: device.clone() };
        world.inject(1, again);
        assert!(world.screen_of(1).call.is_none());
        assert!(world.red(1).iter().any(|text| text.contains("earlier call")), "{:?}", world.problems());
    }
}
