//! A server that takes a device into a call by itself, or lets a note-taker seem to be there.

use crate::{UserCommand, engine::tests::kit::World, view::CallState};
use std::{cell::RefCell, rc::Rc};
use telcon_proto::{Blob, ClientMessage, RecordMode, Role, ServerMessage, message::RefusalCode};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn asks_to_join(world: &World, node: usize) -> usize {
    world.sent(node, |m| matches!(m, ClientMessage::AskJoin { .. } | ClientMessage::Answer { .. }).then_some(())).len()
}

/// Says at the next sign-in of a device that it is in the call that there is.
fn says_that_it_is_in_the_call(world: &mut World, node: usize) {
    let call = world.room().id;
    world.wire = Some(Box::new(move |to, message| match message {
        ServerMessage::SignedIn { you, people, suite, mode, token, checkpoint, .. } if to == node => {
            vec![ServerMessage::SignedIn {
                you,
                people,
                people_more: false,
                suite,
                mode,
                token,
                in_call: Some(call),
                checkpoint,
            }]
        }
        ServerMessage::Ringing { .. } if to == node => vec![],
        message => vec![message],
    }));
}

#[test]
fn a_server_cannot_put_a_device_into_a_call_that_nobody_took_up() {
    let mut world = World::of_two(60);
    world.wire = Some(Box::new(|_, message| match message {
        ServerMessage::Ringing { .. } => vec![],
        message => vec![message],
    }));
    world.ring(0, 1);
    world.settle();
    says_that_it_is_in_the_call(&mut world, 1);
    world.disconnect(1);
    for _ in 0..2 {
        world.reload(1);
        world.settle();
        assert!(world.nodes[1].engine.view().call.is_none());
        assert_eq!(asks_to_join(&world, 1), 0, "no key package leaves the device");
        assert!(world.red(1).iter().any(|text| text.contains("nobody took up")));
    }
}

#[test]
fn a_ring_that_was_seen_and_not_answered_is_not_taken_up_by_a_reload() {
    let mut world = World::of_two(61);
    world.ring(0, 1);
    world.settle();
    assert_eq!(world.state(1), CallState::Ringing);
    says_that_it_is_in_the_call(&mut world, 1);
    world.disconnect(1);
    world.reload(1);
    world.settle();
    assert_eq!(asks_to_join(&world, 1), 0);
}

#[test]
fn a_device_comes_back_to_the_ring_that_it_answered_and_to_no_other_of_that_call() {
    for other_ring in [false, true] {
        let mut world = World::of_two(62);
        world.call();
        let call = world.room().id;
        // Kept out of it once, it must still know which ring it was.
        world.wire = Some(Box::new(|_, message| match message {
            ServerMessage::Welcome { .. } => vec![],
            message => vec![message],
        }));
        world.disconnect(1);
        world.reload(1);
        world.settle();
        assert_eq!(world.state(1), CallState::Answering);
        world.wire = None;
        if other_ring {
            // Somebody of the office signs another ring with the same call id, for the server.
            let mut ring = world.room().ring.clone();
            ring.at_ms += 1;
            let device = world.nodes[0].engine.device();
            let jws = telcon_identity::sign_ring(device.key(), device.chain(), &ring);
            let opened = world.append(&serde_json::json!({
                "type": "call_opened", "call": call.to_hex(), "mode": "memo", "suite": ring.suite,
                "ring_sha256": crate::engine::tests::kit::sha256(&jws), "devices": [ring.from.id.to_hex()], "time_ms": world.now,
            }));
            world.wire = Some(Box::new(move |to, message| match message {
                ServerMessage::Welcome { call, seq, welcome, devices, .. } if to == 1 => {
                    let (ring, opened) = (jws.clone(), opened.clone());
                    vec![ServerMessage::Welcome { call, seq, welcome, ring, opened, devices }]
                }
                message => vec![message],
            }));
        }
        world.disconnect(1);
        world.reload(1);
        world.settle();
        assert_eq!(world.state(1) == CallState::Live, !other_ring);
    }
}

#[test]
fn whoever_rings_at_the_same_moment_under_another_name_is_not_answered() {
    let mut world = World::of_two(63);
    // The list that the person rings from is the server's: it shows the name of one on the person of another.
    let swapped = world.nodes[0].card.person;
    world.wire = Some(Box::new(move |to, message| match message {
        ServerMessage::SignedIn { you, mut people, people_more, suite, mode, token, in_call, checkpoint }
            if to == 1 =>
        {
            people.iter_mut().filter(|c| c.card.person == swapped).for_each(|c| c.card.name = "Somebody else".into());
            vec![ServerMessage::SignedIn { you, people, people_more, suite, mode, token, in_call, checkpoint }]
        }
        message => vec![message],
    }));
    world.disconnect(1);
    world.connect(1);
    world.settle();
    world.wire = Some(Box::new(|to, message| if to == 1 { vec![] } else { vec![message] }));
    world.ring(0, 1);
    let first = world.room.take();
    world.command(1, UserCommand::Ring { person: swapped, mode: Some(RecordMode::Memo) });
    world.wire = None;
    world.room = first;
    let (call, code) = (Some(world.view(1).call), RefusalCode::RingsYou);
    world.inject(1, ServerMessage::Refused { call, code, message: String::new() });
    let room = world.room();
    let (jws, opened, device) = (room.jws.clone(), room.opened.clone(), world.nodes[0].proof.clone());
    world.inject(1, ServerMessage::Ringing { jws, opened, device });
    world.settle();
    assert_eq!(asks_to_join(&world, 1), 0);
    assert_eq!(world.state(1), CallState::Opening, "it can still be given up");
    world.command(1, UserCommand::HangUp);
    let hung_up = world.sent(1, |m| matches!(m, ClientMessage::HangUp { .. }).then_some(()));
    assert!(hung_up.is_empty(), "the office knows of no such call");
}

#[test]
fn what_a_note_taker_said_before_it_died_keeps_it_alive_on_no_screen() {
    let mut world = World::of_four(64);
    world.call_of_four();
    let said: Rc<RefCell<Vec<ServerMessage>>> = Rc::default();
    let (hoard, note_taker) = (said.clone(), world.nodes[3].id);
    // One in three is let through, the oldest that is left, in time; the others are kept for later.
    let mut count = 0;
    world.wire = Some(Box::new(move |to, message| match &message {
        ServerMessage::Application { from, .. } if to == 0 && *from == note_taker => {
            count += 1;
            hoard.borrow_mut().push(message);
            if count % 3 == 1 { vec![hoard.borrow_mut().remove(0)] } else { vec![] }
        }
        _ => vec![message],
    }));
    world.advance(60_000);
    world.disconnect(3);
    let left = std::mem::take(&mut *said.borrow_mut());
    assert!(left.len() > 10);
    world.advance(7_000);
    for message in left {
        world.inject(0, message);
        world.advance(3_000);
        assert!(!world.view(0).note_taker, "what it said is old");
    }
}

#[test]
fn a_server_that_breaks_the_connection_again_and_again_does_not_hide_a_dead_note_taker() {
    let mut world = World::of_four(65);
    world.call_of_four();
    world.advance(10_000);
    world.disconnect(3);
    let mut told = false;
    for _ in 0..10 {
        world.disconnect(0);
        world.connect(0);
        world.settle();
        world.advance(4_000);
        told |= !world.view(0).note_taker;
    }
    assert!(told);
}

#[test]
fn a_clock_that_is_set_is_no_silence() {
    let mut world = World::of_four(66);
    world.call_of_four();
    world.advance(10_000);
    let hour = 3_600_000;
    world.now += hour;
    world.advance(4_000);
    assert!(world.view(0).note_taker);
    world.now -= 2 * hour;
    world.advance(4_000);
    assert!(world.view(0).note_taker);
    world.disconnect(3);
    world.advance(8_000);
    assert!(!world.view(0).note_taker);
}

#[test]
fn a_note_taker_that_cannot_write_does_not_say_so() {
    let mut world = World::of_four(67);
    world.call_of_four();
    world.nodes[3].engine.set_recording(false);
    world.advance(8_000);
    assert!(!world.view(0).note_taker);
    world.nodes[3].engine.set_recording(true);
    world.advance(3_000);
    assert!(world.view(0).note_taker);
}

#[test]
fn a_ring_that_is_not_put_through_ends() {
    let mut world = World::of_two(68);
    world.wire = Some(Box::new(|_, _| Vec::new()));
    world.ring(0, 1);
    world.advance(120_000);
    assert_eq!(world.state(0), CallState::Ended);
    assert!(world.view(0).problem.unwrap().contains("did not put this call through"));
}

#[test]
fn words_of_an_epoch_before_are_of_whom_had_the_seat_then() {
    let mut world = World::of_four(69);
    let [first, second] = [8, 9].map(|person| world.join_office(person, Role::NoteTaker));
    world.settle();
    world.call_of_four();
    let (call, desk) = (world.room().id, world.nodes[2].id);
    // The committer's next commit is on its way, so that what is asked of it meanwhile gets into one.
    let held: Rc<RefCell<Vec<ServerMessage>>> = Rc::default();
    let hold = held.clone();
    world.wire = Some(Box::new(move |to, message| match message {
        ServerMessage::Committed { .. } if to == 0 => {
            hold.borrow_mut().push(message);
            vec![]
        }
        message => vec![message],
    }));
    world.command(first, UserCommand::Listen { call });
    world.settle();
    let muted = world.group(2).encrypt(br#"{"say":"muted","on":true}"#).unwrap();
    world.command(2, UserCommand::Leave);
    world.command(second, UserCommand::Listen { call });
    world.settle();
    world.wire = None;
    for message in std::mem::take(&mut *held.borrow_mut()) {
        world.inject(0, message);
    }
    world.settle();
    let seated: Vec<_> = world.view(0).members.iter().map(|member| member.device).collect();
    assert!(!seated.contains(&desk) && seated.contains(&world.nodes[second].id), "one took the seat of the other");
    world.inject(0, ServerMessage::Application { call, from: desk, message: Blob(muted) });
    assert!(world.view(0).members.iter().all(|member| !member.muted), "it is not the newcomer who said it");
}

/// What the committer was asked for by note-takers, kept by the server.
fn asks_of_note_takers(world: &mut World, let_in: bool) -> Rc<RefCell<Vec<ServerMessage>>> {
    let asks: Rc<RefCell<Vec<ServerMessage>>> = Rc::default();
    let (kept, takers) = (asks.clone(), world.nodes.iter().filter(|node| node.card.role == Role::NoteTaker));
    let takers: Vec<_> = takers.map(|node| node.id).collect();
    world.wire = Some(Box::new(move |to, message| match &message {
        ServerMessage::JoinAsked { from, .. } if to == 0 && takers.contains(from) => {
            kept.borrow_mut().push(message.clone());
            if let_in { vec![message] } else { vec![] }
        }
        _ => vec![message],
    }));
    asks
}

#[test]
fn a_dead_note_taker_that_is_let_in_again_and_again_is_on_no_screen_as_one_that_writes() {
    let mut world = World::of_four(70);
    let asks = asks_of_note_takers(&mut world, true);
    world.call_of_four();
    world.advance(10_000);
    assert!(world.view(0).note_taker && world.view(1).note_taker);
    world.disconnect(3);
    let ask = asks.borrow()[0].clone();
    for round in 0..8 {
        world.advance(4_000);
        let epoch = world.room().epoch;
        world.inject(0, ask.clone());
        world.settle();
        assert_eq!(world.room().epoch, epoch, "by what it asked once it is let in once");
        let told = [0, 1, 2].map(|node| !world.view(node).note_taker);
        assert_eq!(told, [round > 0; 3], "in round {round}");
    }
}

#[test]
fn note_takers_that_were_never_there_do_not_each_have_a_time_of_their_own() {
    let mut world = World::of_two(71);
    let takers = [8, 9, 10].map(|person| world.join_office(person, Role::NoteTaker));
    world.settle();
    let asks = asks_of_note_takers(&mut world, false);
    world.call();
    let call = world.room().id;
    for taker in takers {
        world.command(taker, UserCommand::Listen { call });
        world.settle();
        world.disconnect(taker);
    }
    let asks = asks.borrow().clone();
    assert_eq!(asks.len(), takers.len());
    for (round, ask) in asks.into_iter().enumerate() {
        world.inject(0, ask);
        world.settle();
        world.advance(4_000);
        assert_eq!([0, 1].map(|node| world.view(node).note_taker), [round == 0; 2], "in round {round}");
    }
}

#[test]
fn a_call_that_ended_while_a_listener_was_away_is_live_on_its_screen_no_more() {
    let mut world = World::of_four(72);
    world.call();
    assert_eq!(world.nodes[3].engine.view().notices.len(), 1);
    world.disconnect(3);
    world.command(0, UserCommand::HangUp);
    world.settle();
    world.connect(3);
    world.settle();
    let view = world.nodes[3].engine.view();
    assert!(view.caught_up && view.notices.is_empty(), "{:?}", view.notices);
}
