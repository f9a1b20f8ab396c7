//! Attacks on the green room. The attacker is the server, a listener, or the other side.

use crate::calls::green_room::{A, AIDE_A, AIDE_B, B, NOTES, agree, aides_in, join, room, said, state, waits};
use std::{cell::RefCell, rc::Rc};
use telcon_core::UserCommand;
use telcon_proto::{Blob, CallId, ClientMessage, ServerMessage};
use telcon_sim::script::Scenario;

/// A statement that says everything that can be said.
const READY: &str = r#"{"say":"green_room","statement":{"revision":99999999999999,"terms_revision":99999999999999,
    "terms":{"present":["Nobody"],"listening":[],"interpreters":[],"aides":"stay"},"mode":"memo","heard":true,"ready_for":READY_FOR,"more_until_ms":null}}"#;

fn ready_for(revision: u64) -> Vec<u8> {
    READY.replace("READY_FOR", &revision.to_string()).into_bytes()
}

/// The application messages that a device sent so far.
fn said_by(world: &Scenario, node: usize) -> Vec<Blob> {
    world.sent(node, |message| match message {
        ClientMessage::Application { message, .. } => Some(message.clone()),
        _ => None,
    })
}

fn deliver(world: &mut Scenario, call: CallId, from: usize, to: &[usize], message: &Blob) {
    let from = world.id(from);
    for node in to {
        world.inject(*node, ServerMessage::Application { call, from, message: message.clone() });
    }
    world.settle();
}

#[test]
fn the_server_makes_no_side_ready() {
    let (mut world, call) = aides_in(920);
    // It has no key of the group: what it makes up, in whatever name, is nobody's message.
    for message in [Blob(ready_for(0)), Blob(vec![0; 64])] {
        deliver(&mut world, call, AIDE_A, &[AIDE_B], &message);
    }
    assert!(!room(&world, AIDE_B).caller.heard);
    // Nor does it put a principal into the call who was not asked to it.
    world.inject(A, ServerMessage::MediaLost { call });
    world.settle();
    assert!(!room(&world, AIDE_A).caller.here);
}

#[test]
fn a_listener_and_a_note_taker_make_no_side_ready() {
    let (mut world, call) = aides_in(921);
    world.set_recording(NOTES, true);
    world.listen(NOTES);
    world.settle();
    let message = world.encrypt(NOTES, &ready_for(0));
    deliver(&mut world, call, NOTES, &[AIDE_A, AIDE_B], &message);
    for node in [AIDE_A, AIDE_B] {
        let shown = room(&world, node);
        assert!(!shown.caller.ready && !shown.callee.ready && !shown.caller.heard && !shown.callee.heard);
        assert_eq!(shown.ignored, 1, "and the screen says so");
    }
    world.command(NOTES, UserCommand::GreenRoom(Box::new(said(true))));
    world.settle();
    assert!(!room(&world, AIDE_A).caller.heard);
}

#[test]
fn the_other_sides_aide_makes_only_their_own_side_ready() {
    let (mut world, call) = aides_in(922);
    for node in [AIDE_A, AIDE_B] {
        state(&mut world, node, said(false));
    }
    let message = world.encrypt(AIDE_B, &ready_for(0));
    // In the name of our aide: the signature decides.
    deliver(&mut world, call, AIDE_A, &[AIDE_A], &message);
    let shown = room(&world, AIDE_A);
    assert!(!shown.caller.ready && shown.caller.terms.present.is_empty());
    assert_eq!(shown.callee.terms.present, ["Nobody"], "it counts for theirs");
    let asked = world.sent(AIDE_A, |message| matches!(message, ClientMessage::HandOver { .. }).then_some(()));
    assert!(asked.is_empty(), "and our principal is not asked");
}

#[test]
fn a_ready_that_was_taken_back_does_not_count_when_it_arrives_late() {
    let (mut world, call) = aides_in(923);
    for node in [AIDE_A, AIDE_B] {
        state(&mut world, node, said(false));
    }
    // The server keeps "ready" back, and delivers it after "not ready".
    let kept: Rc<RefCell<Vec<ServerMessage>>> = Rc::default();
    let (keep, keeps) = (kept.clone(), Rc::new(RefCell::new(true)));
    let keeping = keeps.clone();
    world.tamper(move |node, message| match message {
        ServerMessage::Application { .. } if node == AIDE_B && *keeping.borrow() => {
            keep.borrow_mut().push(message);
            vec![]
        }
        message => vec![message],
    });
    state(&mut world, AIDE_A, said(true));
    *keeps.borrow_mut() = false;
    state(&mut world, AIDE_A, said(false));
    assert!(!kept.borrow().is_empty());
    for message in kept.take() {
        world.inject(AIDE_B, message);
    }
    world.settle();
    assert!(!room(&world, AIDE_B).caller.ready && !room(&world, AIDE_B).caller.outdated);
    // The same messages once more count even less.
    for message in said_by(&world, AIDE_A) {
        deliver(&mut world, call, AIDE_A, &[AIDE_B], &message);
    }
    state(&mut world, AIDE_B, said(true));
    assert!(!room(&world, AIDE_B).caller.ready);
}

#[test]
fn a_server_that_withholds_the_green_room_from_a_principal_opens_no_microphone() {
    let (mut world, call) = aides_in(924);
    agree(&mut world, &said(true));
    // No member's message reaches the principal's device.
    world.tamper(move |node, message| match message {
        ServerMessage::Application { .. } if node == A => vec![],
        message => vec![message],
    });
    join(&mut world, A, call);
    assert!(waits(&mut world, A, AIDE_B));
    world.advance(60_000);
    world.settle();
    assert!(waits(&mut world, A, AIDE_B), "{:?}", world.problems());
    assert!(world.hear_silence(A, AIDE_B));
}

#[test]
fn the_other_sides_aide_cannot_say_that_there_is_no_green_room() {
    let (mut world, call) = aides_in(925);
    agree(&mut world, &said(true));
    world.tamper(move |node, message| match message {
        ServerMessage::Application { .. } if node == A => vec![],
        message => vec![message],
    });
    join(&mut world, A, call);
    world.stop_tampering();
    world.tamper(|_, message| vec![message]);
    let message = world.encrypt(AIDE_B, br#"{"say":"green_room","statement":null}"#);
    deliver(&mut world, call, AIDE_B, &[A], &message);
    let place = world.encrypt(AIDE_B, br#"{"say":"in_place"}"#);
    deliver(&mut world, call, AIDE_B, &[A], &place);
    assert!(waits(&mut world, A, AIDE_B));
    join(&mut world, B, call);
    assert!(world.hear_silence(A, B) && world.hear_silence(B, A));
    world.settle();
    assert!(world.hears(A, B) && world.hears(B, A), "{:?}", world.problems());
}
