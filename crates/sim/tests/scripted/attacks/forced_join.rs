//! A server that puts a device into a call, or fakes a note-taker's liveness.

use std::{cell::RefCell, rc::Rc};
use telcon_core::{UserCommand, view::CallState};
use telcon_proto::{Blob, ClientMessage, RecordMode, Role, ServerMessage};
use telcon_sim::script::{Scenario, opening};

fn join_requests(world: &Scenario, node: usize) -> usize {
    world.sent(node, |m| matches!(m, ClientMessage::AskJoin { .. } | ClientMessage::Answer { .. }).then_some(())).len()
}

/// At the next sign-in of a device, the server claims that it is in the current call.
fn claim_in_call(world: &mut Scenario, node: usize) {
    let call = world.seen().id;
    world.tamper(move |to, message| match message {
        ServerMessage::SignedIn { you, people, suite, mode, token, checkpoint, .. } if to == node => {
            vec![ServerMessage::SignedIn {
                you,
                people,
                people_more: false,
                silenced: Vec::new(),
                suite,
                mode,
                token,
                in_call: Some(call),
                checkpoint,
                recovered_ms: None,
                shift: None,
                key_missing: false,
            }]
        }
        ServerMessage::Ringing { .. } if to == node => vec![],
        message => vec![message],
    });
}

#[test]
fn a_server_cannot_put_a_device_into_a_call_that_no_person_accepted_on_it() {
    let mut world = Scenario::of_two(60);
    world.tamper(|_, message| match message {
        ServerMessage::Ringing { .. } => vec![],
        message => vec![message],
    });
    world.ring(0, 1);
    world.settle();
    claim_in_call(&mut world, 1);
    world.disconnect(1);
    for _ in 0..2 {
        world.reload(1);
        world.settle();
        assert!(world.screen_of(1).call.is_none());
        assert_eq!(join_requests(&world, 1), 0, "no key package leaves the device");
        assert!(world.red(1).iter().any(|text| text.contains("not answered on this device")));
    }
}

#[test]
fn a_reload_does_not_join_a_call_whose_ring_was_not_answered() {
    let mut world = Scenario::of_two(61);
    world.ring(0, 1);
    world.settle();
    assert_eq!(world.state(1), CallState::Ringing);
    claim_in_call(&mut world, 1);
    world.disconnect(1);
    world.reload(1);
    world.settle();
    assert_eq!(join_requests(&world, 1), 0);
}

#[test]
fn a_device_rejoins_only_the_ring_that_it_answered() {
    for other_ring in [false, true] {
        let mut world = Scenario::of_two(62);
        world.call();
        // The first rejoin fails: the device must still know the digest of the ring.
        world.tamper(|_, message| match message {
            ServerMessage::Welcome { .. } => vec![],
            message => vec![message],
        });
        world.disconnect(1);
        world.reload(1);
        world.settle();
        assert_eq!(world.state(1), CallState::Answering);
        world.stop_tampering();
        if other_ring {
            // A person of the office colludes with the server and signs another ring with the same call id.
            let mut ring = world.seen().ring.clone();
            ring.at_ms += 1;
            let device = world.stolen(0);
            let jws = telcon_identity::sign_ring(device.key(), device.chain(), &ring);
            let opened = world.forge_entry(&opening(&jws, world.now()));
            world.tamper(move |to, message| match message {
                ServerMessage::Welcome { call, seq, welcome, devices, .. } if to == 1 => {
                    let (ring, opened) = (jws.clone(), opened.clone());
                    vec![ServerMessage::Welcome { call, seq, welcome, ring, opened, devices }]
                }
                message => vec![message],
            });
        }
        world.disconnect(1);
        world.reload(1);
        world.settle();
        assert_eq!(world.state(1) == CallState::Live, !other_ring);
    }
}

#[test]
fn glare_with_a_caller_of_another_name_is_not_answered() {
    let mut world = Scenario::of_two(63);
    // The contact list is the server's: it shows another name for the person.
    let swapped = world.card(0).person;
    world.tamper(move |to, message| match message {
        ServerMessage::SignedIn {
            you,
            mut people,
            people_more,
            silenced,
            suite,
            mode,
            token,
            in_call,
            checkpoint,
            recovered_ms,
            shift,
            key_missing: false,
        } if to == 1 => {
            people.iter_mut().filter(|c| c.card.person == swapped).for_each(|c| c.card.name = "Somebody else".into());
            vec![ServerMessage::SignedIn {
                you,
                people,
                people_more,
                silenced,
                suite,
                mode,
                token,
                in_call,
                checkpoint,
                recovered_ms,
                shift,
                key_missing: false,
            }]
        }
        message => vec![message],
    });
    world.disconnect(1);
    world.connect(1);
    world.settle();
    world.ring(0, 1);
    world.command(1, UserCommand::Ring { person: swapped, mode: Some(RecordMode::Memo) });
    world.settle();
    assert_eq!(join_requests(&world, 1), 0);
    assert_eq!(world.state(1), CallState::Opening, "the ring can still be cancelled");
    world.command(1, UserCommand::HangUp);
    let hung_up = world.sent(1, |m| matches!(m, ClientMessage::HangUp { .. }).then_some(()));
    assert!(hung_up.is_empty(), "the office never opened that call");
}

#[test]
fn delayed_heartbeats_do_not_keep_a_dead_note_taker_alive() {
    let mut world = Scenario::of_four(64);
    world.call_of_four();
    let stored: Rc<RefCell<Vec<ServerMessage>>> = Rc::default();
    let (hoard, note_taker) = (stored.clone(), world.id(3));
    // The server delivers one heartbeat in three, the oldest that is left, within the timeout, and stores the others.
    let mut count = 0;
    world.tamper(move |to, message| match &message {
        ServerMessage::Application { from, .. } if to == 0 && *from == note_taker => {
            count += 1;
            hoard.borrow_mut().push(message);
            if count % 3 == 1 { vec![hoard.borrow_mut().remove(0)] } else { vec![] }
        }
        _ => vec![message],
    });
    world.advance(60_000);
    world.disconnect(3);
    let left = std::mem::take(&mut *stored.borrow_mut());
    assert!(left.len() > 10);
    world.advance(7_000);
    for message in left {
        world.inject(0, message);
        world.advance(3_000);
        assert!(!world.view(0).note_taker, "a delayed heartbeat is stale");
    }
}

#[test]
fn repeated_disconnects_do_not_extend_the_grace_period_of_a_dead_note_taker() {
    let mut world = Scenario::of_four(65);
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
fn a_clock_adjustment_is_not_a_missing_heartbeat() {
    let mut world = Scenario::of_four(66);
    world.call_of_four();
    world.advance(10_000);
    let hour = 3_600_000;
    (0..4).for_each(|node| world.set_clock(node, hour));
    world.advance(4_000);
    assert!(world.view(0).note_taker);
    (0..4).for_each(|node| world.set_clock(node, -hour));
    world.advance(4_000);
    assert!(world.view(0).note_taker);
    world.disconnect(3);
    world.advance(8_000);
    assert!(!world.view(0).note_taker);
}

#[test]
fn a_note_taker_that_cannot_record_sends_no_heartbeat() {
    let mut world = Scenario::of_four(67);
    world.call_of_four();
    world.set_recording(3, false);
    world.advance(8_000);
    assert!(!world.view(0).note_taker);
    world.set_recording(3, true);
    world.advance(3_000);
    assert!(world.view(0).note_taker);
}

#[test]
fn a_ring_that_the_office_does_not_open_ends() {
    let mut world = Scenario::of_two(68);
    world.tamper(|_, _| Vec::new());
    world.ring(0, 1);
    world.advance(120_000);
    assert_eq!(world.state(0), CallState::Ended);
    assert!(world.view(0).problem.unwrap().contains("did not open this call"));
}

#[test]
fn messages_of_the_previous_epoch_are_attributed_to_its_leaf_owners() {
    let mut world = Scenario::of_four(69);
    let [first, second] = [8, 9].map(|person| world.join_office(person, Role::DutyOfficer));
    world.settle();
    world.call_of_four();
    let (call, desk) = (world.seen().id, world.id(2));
    // The committer's commit is not confirmed yet, so that the following requests are committed together.
    let held: Rc<RefCell<Vec<ServerMessage>>> = Rc::default();
    let hold = held.clone();
    world.tamper(move |to, message| match message {
        ServerMessage::Committed { .. } if to == 0 => {
            hold.borrow_mut().push(message);
            vec![]
        }
        message => vec![message],
    });
    world.command(first, UserCommand::Listen { call });
    world.settle();
    let muted = world.encrypt(2, br#"{"say":"muted","on":true}"#);
    world.command(2, UserCommand::Leave);
    world.command(second, UserCommand::Listen { call });
    world.settle();
    world.stop_tampering();
    for message in std::mem::take(&mut *held.borrow_mut()) {
        world.inject(0, message);
    }
    world.settle();
    let devices: Vec<_> = world.view(0).members.iter().map(|member| member.device).collect();
    assert!(!devices.contains(&desk) && devices.contains(&world.id(second)), "the leaf was reused");
    world.inject(0, ServerMessage::Application { call, from: desk, message: muted });
    assert!(
        world.view(0).members.iter().all(|member| !member.muted),
        "the message is not attributed to the new owner of the leaf"
    );
}

/// Join requests of note-takers to the committer, stored by the server, and delivered if `deliver`.
fn store_note_taker_requests(world: &mut Scenario, deliver: bool) -> Rc<RefCell<Vec<ServerMessage>>> {
    let asks: Rc<RefCell<Vec<ServerMessage>>> = Rc::default();
    let (kept, takers) = (asks.clone(), (0..world.nodes()).filter(|node| world.card(*node).role == Role::NoteTaker));
    let takers: Vec<_> = takers.map(|node| world.id(node)).collect();
    world.tamper(move |to, message| match &message {
        ServerMessage::JoinAsked { from, .. } if to == 0 && takers.contains(from) => {
            kept.borrow_mut().push(message.clone());
            if deliver { vec![message] } else { vec![] }
        }
        _ => vec![message],
    });
    asks
}

#[test]
fn replayed_join_requests_do_not_keep_a_dead_note_taker_alive() {
    let mut world = Scenario::of_four(70);
    let asks = store_note_taker_requests(&mut world, true);
    world.call_of_four();
    world.advance(10_000);
    assert!(world.view(0).note_taker && world.view(1).note_taker);
    world.disconnect(3);
    let ask = asks.borrow()[0].clone();
    for round in 0..8 {
        world.advance(4_000);
        let epoch = world.seen().epoch;
        world.inject(0, ask.clone());
        world.settle();
        assert_eq!(world.seen().epoch, epoch, "a join request is accepted once");
        let told = [0, 1, 2].map(|node| !world.view(node).note_taker);
        assert_eq!(told, [round > 0; 3], "in round {round}");
    }
}

#[test]
fn note_takers_without_any_heartbeat_share_one_grace_period() {
    let mut world = Scenario::of_two(71);
    let takers = [8, 9, 10].map(|person| world.join_office(person, Role::NoteTaker));
    world.settle();
    let asks = store_note_taker_requests(&mut world, false);
    world.call();
    let call = world.seen().id;
    for taker in takers {
        world.command(taker, UserCommand::Listen { call });
        world.settle();
        world.disconnect(taker);
    }
    let asks = asks.borrow().clone();
    assert_eq!(asks.len(), takers.len());
    // The server orders the commits itself: the honest one would refuse to add devices that are away.
    let commits: Rc<RefCell<Vec<Blob>>> = Rc::default();
    let made = commits.clone();
    world.tamper_up(move |_, message| match message {
        ClientMessage::Commit { commit, .. } => {
            made.borrow_mut().push(commit);
            vec![]
        }
        message => vec![message],
    });
    let (from, epoch) = (world.id(0), world.seen().epoch);
    for (round, ask) in asks.into_iter().enumerate() {
        world.inject(0, ask);
        let (commit, device) = (commits.borrow_mut().remove(0), world.proof(takers[round]));
        let seq = epoch + 1 + round as u64;
        for node in [0, 1] {
            let (commit, devices) = (commit.clone(), vec![device.clone()]);
            world.inject(node, ServerMessage::Committed { call, seq, from, commit, devices });
        }
        world.advance(4_000);
        assert_eq!([0, 1].map(|node| world.view(node).note_taker), [round == 0; 2], "in round {round}");
    }
}

#[test]
fn a_call_that_ended_during_a_disconnect_is_not_stale_in_the_staffs_list() {
    let mut world = Scenario::of_four(72);
    world.call();
    assert_eq!(world.screen_of(3).notices.len(), 1);
    world.disconnect(3);
    world.command(0, UserCommand::HangUp);
    world.settle();
    world.connect(3);
    world.settle();
    let view = world.screen_of(3);
    assert!(view.caught_up && view.notices.is_empty(), "{:?}", view.notices);
}
