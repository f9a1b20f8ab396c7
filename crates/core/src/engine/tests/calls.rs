//! Calls as they should go.

use super::kit::{START, World, committed};
use crate::{
    Event, UserCommand,
    call::captions::Caption,
    view::{CallState, ConnectionState, Direction},
};
use telcon_proto::{Blob, ClientMessage, Ended, RecordMode, Role, ServerMessage, SuiteName, message::RefusalCode};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn a_call_of_two_is_heard_both_ways_and_shows_the_same_phrase() {
    for suite in [SuiteName::Hybrid, SuiteName::Cnsa2] {
        let mut world = World::new(suite, 1);
        world.join_office(1, Role::Principal);
        world.join_office(2, Role::Counterpart);
        world.settle();
        world.ring(0, 1);
        world.settle();
        assert_eq!((world.state(0), world.view(0).direction), (CallState::Ringing, Direction::Out));
        assert_eq!((world.state(1), world.view(1).direction), (CallState::Ringing, Direction::In));
        assert!(world.view(1).verified, "a ring is shown once it was verified");
        assert_eq!(world.nodes[1].legs, 1, "the media leg is made while it rings");
        assert!(world.speak(0, b"opus").is_none(), "nothing goes out before an answer");

        world.command(1, UserCommand::Answer);
        world.settle();
        assert!(world.hears(0, 1) && world.hears(1, 0));
        let (caller, callee) = (world.view(0), world.view(1));
        assert!(caller.verified && callee.verified);
        assert_eq!(caller.phrase, callee.phrase);
        assert!(caller.phrase.is_some());
        assert_eq!(caller.suite, suite);
        assert_eq!((world.screen(0), world.screen(1)), (world.screen(1), vec!["Person 1".into(), "Person 2".into()]));
        assert_eq!(callee.mode, RecordMode::Memo);
        assert_eq!(caller.opened_index, callee.opened_index);

        world.command(0, UserCommand::HangUp);
        world.settle();
        for node in [0, 1] {
            assert_eq!(world.view(node).ended, Some("hung_up"));
            assert!(world.speak(node, b"opus").is_none(), "no key outlives the call");
        }
    }
}

#[test]
fn the_first_word_does_not_wait_for_the_commit_to_be_confirmed() {
    let mut world = World::of_two(40);
    world.ring(0, 1);
    world.settle();
    world.wire = Some(Box::new(|node, message| match message {
        ServerMessage::Committed { .. } if node == 0 => vec![],
        message => vec![message],
    }));
    world.command(1, UserCommand::Answer);
    world.settle();
    assert_eq!(world.state(0), CallState::Live);
    assert_eq!(world.screen(0), ["Person 1", "Person 2"], "who can hear is shown");
    assert_eq!(world.view(0).phrase, world.view(1).phrase);
    assert!(world.hears(1, 0), "a round trip early");
    let unheard = world.speak(1, b"opus").unwrap();

    // The confirmation comes.
    world.wire = None;
    let last = committed(world.room().id, &world.room().handshakes[0]);
    world.inject(0, last);
    world.settle();
    assert!(world.hear(0, &unheard).is_ok());
    assert!(world.hears(1, 0) && world.hears(0, 1));
    let lives = world.nodes[0].events.iter().filter(|event| matches!(event, Event::Live { .. })).count();
    assert_eq!((lives, world.screen(0)), (1, world.screen(1)));
}

#[test]
fn a_device_that_comes_back_shows_since_when_the_call_is_live() {
    let mut world = World::of_four(42);
    world.call_of_four();
    let started = world.view(0).started_ms.unwrap();
    world.advance(90_000);
    world.reload(1);
    world.settle();
    assert_eq!(world.view(1).started_ms, Some(started));
    world.reload(0);
    world.settle();
    assert_eq!(world.view(0).started_ms, Some(started));
}

#[test]
fn listeners_are_on_every_screen_and_hear_both_and_speak_to_nobody() {
    let mut world = World::of_four(2);
    world.call_of_four();
    for node in 0..4 {
        assert_eq!(world.screen(node), ["Person 1", "Person 2", "Person 3", "Person 4"], "on the screen of {node}");
        assert_eq!(world.view(node).phrase, world.view(0).phrase);
    }
    assert!((1..4).all(|listener| world.hears(listener, 0)));
    assert!([0, 2, 3].into_iter().all(|listener| world.hears(listener, 1)));
    assert!(world.speak(2, b"opus").is_none() && world.speak(3, b"opus").is_none());
}

#[test]
fn every_join_and_every_leave_is_a_new_epoch_with_another_phrase() {
    let mut world = World::of_four(3);
    world.call();
    let alone = (world.view(0).epoch, world.view(0).phrase);
    let call = world.room().id;
    world.command(2, UserCommand::Listen { call });
    world.settle();
    let listened = (world.view(0).epoch, world.view(0).phrase);
    world.command(2, UserCommand::Leave);
    world.settle();
    let again = (world.view(0).epoch, world.view(0).phrase);
    assert!(alone.0 < listened.0 && listened.0 < again.0);
    assert!(alone.1 != listened.1 && listened.1 != again.1);
    assert_eq!(world.screen(0), ["Person 1", "Person 2"]);
    assert!(world.hears(1, 0));
}

#[test]
fn the_record_is_told_of_every_epoch_with_the_same_authenticator_on_all_sides() {
    let mut world = World::of_four(4);
    world.call_of_four();
    let last = |node: usize| {
        let mut epochs = world.nodes[node].events.iter().filter_map(|event| match event {
            Event::Epoch { epoch, authenticator, members, .. } => Some((*epoch, authenticator.clone(), members.len())),
            _ => None,
        });
        epochs.next_back().unwrap()
    };
    assert_eq!(last(3).2, 4);
    assert!((0..4).all(|node| last(node) == last(3)));
}

#[test]
fn no_answer_no_call() {
    for (node, command, how) in [
        (1, UserCommand::Decline, "declined"),
        (0, UserCommand::HangUp, "cancelled"),
        (0, UserCommand::Leave, "cancelled"),
    ] {
        let mut world = World::of_two(5);
        world.ring(0, 1);
        world.settle();
        world.command(node, command);
        world.settle();
        assert_eq!(world.view(node).ended, Some(how));
        assert_eq!([world.state(0), world.state(1)], [CallState::Ended; 2]);
        world.command(0, UserCommand::Dismiss);
        assert!(world.nodes[0].engine.view().call.is_none());
    }
}

#[test]
fn the_server_says_how_a_ring_ended() {
    for how in [Ended::Missed, Ended::Busy] {
        let mut world = World::of_two(6);
        world.ring(0, 1);
        world.settle();
        let call = world.room().id;
        world.inject(0, ServerMessage::Ended { call, how });
        assert_eq!(world.view(0).ended, Some(how.as_str()));
    }
}

#[test]
fn of_several_devices_the_first_to_answer_wins() {
    for seed in 0..8 {
        let mut world = World::of_two(seed);
        let second = world.join_office(2, Role::Counterpart);
        world.settle();
        world.ring(0, 1);
        world.settle();
        assert_eq!([world.state(1), world.state(second)], [CallState::Ringing; 2]);
        // Both pick up before either hears of the other.
        let order = if seed % 2 == 0 { [1, second] } else { [second, 1] };
        for node in order {
            world.command(node, UserCommand::Answer);
        }
        world.settle();
        assert_eq!((world.state(order[0]), world.view(order[1]).ended), (CallState::Live, Some("taken_elsewhere")));
        assert!(world.hears(0, order[0]) && world.hears(order[0], 0));
        let frame = world.speak(0, b"opus").unwrap();
        assert!(world.hear(order[1], &frame).is_err(), "the device that lost has no key");
        assert_eq!(world.screen(0).len(), 2);
    }
}

#[test]
fn mute_is_shown_to_all_and_changes_nothing_on_the_wire() {
    let mut world = World::of_four(7);
    world.call_of_four();
    let loud = world.speak(0, &[9; 80]).unwrap();
    world.command(0, UserCommand::Mute { on: true });
    world.settle();
    for node in 0..4 {
        let muted: Vec<_> = world.view(node).members.iter().filter(|m| m.muted).map(|m| m.device).collect();
        assert_eq!(muted, [world.nodes[0].id], "on the screen of {node}");
    }
    let silent = world.speak(0, &[0; 80]).unwrap();
    assert_eq!(loud.len(), silent.len());
    // Somebody who comes later is told.
    world.command(2, UserCommand::Leave);
    world.settle();
    let call = world.room().id;
    world.command(2, UserCommand::Listen { call });
    world.settle();
    assert!(world.view(2).members.iter().any(|member| member.muted && member.device == world.nodes[0].id));
}

#[test]
fn a_note_taker_that_falls_silent_is_seen_by_everybody_and_one_that_is_back_too() {
    let mut world = World::of_four(19);
    world.call_of_four();
    world.advance(60_000);
    let taken = |world: &World| [0, 1, 2].map(|node| world.view(node).note_taker);
    assert_eq!(taken(&world), [true; 3]);
    assert!(world.view(0).members.iter().all(|member| !member.lost));
    // Killed: nobody but the switchboard could know, and it does not say.
    world.disconnect(3);
    world.advance(4_000);
    assert_eq!(taken(&world), [true; 3], "two words may get lost");
    world.advance(3_000);
    assert_eq!(taken(&world), [false; 3]);
    let lost: Vec<_> = world.view(0).members.into_iter().filter(|member| member.lost).map(|m| m.device).collect();
    assert_eq!(lost, [world.nodes[3].id], "it is still shown: it has a key");
    assert!(world.view(0).noted);
    world.reload(3);
    world.settle();
    world.advance(2_000);
    assert_eq!(taken(&world), [true; 3]);
}

#[test]
fn nobody_but_a_note_taker_is_heard_as_one() {
    let mut world = World::of_four(20);
    world.call_of_four();
    world.disconnect(3);
    for _ in 0..8 {
        let call = world.room().id;
        let message = world.group(1).encrypt(br#"{"say":"taking","at_ms":9}"#).unwrap();
        let from = world.nodes[3].id;
        world.post(0, ServerMessage::Application { call, from, message: Blob(message) });
        world.advance(1_000);
    }
    assert!(!world.view(0).note_taker);
}

#[test]
fn a_device_without_connection_does_not_take_the_note_taker_for_lost() {
    let mut world = World::of_four(21);
    world.call_of_four();
    world.disconnect(0);
    world.advance(30_000);
    assert!(world.view(0).note_taker, "it is this device that hears nothing");
    world.connect(0);
    world.settle();
    assert_eq!((world.state(0), world.view(0).note_taker), (CallState::Live, true));
}

#[test]
fn two_who_ring_each_other_at_the_same_moment_speak() {
    let mut world = World::of_two(22);
    world.ring(0, 1);
    // Their ring was first; the other's own is on its way when it comes.
    world.nodes[1].clear();
    let (to, call) = (world.nodes[0].card.person, world.room().id);
    let first = world.room.take();
    world.wire = Some(Box::new(|_, _| Vec::new()));
    world.command(1, UserCommand::Ring { person: to, mode: Some(RecordMode::Memo) });
    world.wire = None;
    let own = world.view(1).call;
    world.room = first;
    let (code, message) = (RefusalCode::RingsYou, String::new());
    world.inject(1, ServerMessage::Refused { call: Some(own), code, message });
    let room = world.room();
    let (jws, opened, device) = (room.jws.clone(), room.opened.clone(), world.nodes[0].proof.clone());
    world.post(1, ServerMessage::Ringing { jws, opened, device });
    world.settle();
    assert_eq!([0, 1].map(|node| (world.view(node).call, world.state(node))), [(call, CallState::Live); 2]);
    assert!(world.hears(0, 1) && world.hears(1, 0));
}

#[test]
fn a_ring_is_answered_by_itself_only_from_whom_this_device_rang_and_soon() {
    for (other, late) in [(true, false), (false, true)] {
        let mut world = World::of_two(23);
        let third = world.join_office(5, Role::Principal);
        world.disconnect(1);
        world.connect(1);
        world.settle();
        let person = world.nodes[if other { third } else { 0 }].card.person;
        world.wire = Some(Box::new(|_, _| Vec::new()));
        world.command(1, UserCommand::Ring { person, mode: None });
        world.wire = None;
        let (call, code) = (Some(world.view(1).call), RefusalCode::RingsYou);
        world.inject(1, ServerMessage::Refused { call, code, message: String::new() });
        assert_eq!(world.state(1), CallState::Opening, "it can be given up");
        if late {
            world.advance(10_000);
            assert!(world.view(1).problem.is_some(), "their ring did not come, and that is said");
        }
        world.ring(0, 1);
        world.settle();
        let answered = world.sent(1, |m| matches!(m, ClientMessage::Answer { .. }).then_some(()));
        assert!(answered.is_empty(), "a person answers");
    }
}

#[test]
fn the_server_may_ask_for_more_to_be_kept_than_the_authority_and_not_for_less() {
    let mut world = World::new(SuiteName::Hybrid, 24);
    let log_key =
        crate::Device::open(&world.certify(9, Role::Principal).0, START).unwrap().office().log_key().to_string();
    world.info = world.authority.office(&log_key, RecordMode::Memo, START).unwrap();
    world.join_office(1, Role::Principal);
    world.join_office(2, Role::Counterpart);
    world.settle();
    assert_eq!(world.nodes[0].engine.view().mode, RecordMode::Memo, "this server says: log only");
    let person = world.nodes[1].card.person;
    world.command(0, UserCommand::Ring { person, mode: Some(RecordMode::LogOnly) });
    world.settle();
    assert_eq!(world.room().ring.mode, RecordMode::Memo);
}

#[test]
fn captions_reach_the_desk_and_nobody_else() {
    let mut world = World::of_four(8);
    world.call_of_four();
    let speaker = world.nodes[0].id;
    let caption = |text: &str, done| {
        let (text, start_ms) = (text.into(), if done { START } else { START + 300 });
        Caption { speaker, passage: 1, part: 0, start_ms, text, done, behind_ms: 900 }
    };
    world.publish(3, &caption("We can", false));
    world.publish(3, &caption("We can send the ships.", true));
    world.settle();
    let lines = world.view(2).captions;
    assert_eq!(lines.len(), 1, "a finished line takes the place of its draft");
    assert_eq!((lines[0].name.as_str(), lines[0].caption.text.as_str()), ("Person 1", "We can send the ships."));
    for node in [0, 1, 3] {
        assert!(world.view(node).captions.is_empty(), "on the screen of {node}");
    }
}

#[test]
fn who_came_later_does_not_read_what_was_said_before() {
    let mut world = World::of_four(17);
    world.call();
    let call = world.room().id;
    world.command(3, UserCommand::Listen { call });
    world.settle();
    world.advance(5_000);
    let said_before = world.now - 1_000;
    world.command(2, UserCommand::Listen { call });
    world.settle();
    for (start_ms, text) in [(said_before, "before"), (world.now, "after")] {
        let speaker = world.nodes[0].id;
        let caption = Caption { speaker, passage: 1, part: 0, start_ms, text: text.into(), done: true, behind_ms: 0 };
        world.publish(3, &caption);
    }
    world.settle();
    let lines: Vec<_> = world.view(2).captions.into_iter().map(|line| line.caption.text).collect();
    assert_eq!(lines, ["after"]);
}

#[test]
fn a_reload_comes_back_muted_if_it_was_and_everybody_knows_which() {
    for muted in [true, false] {
        let mut world = World::of_two(18);
        world.call();
        world.command(1, UserCommand::Mute { on: true });
        world.command(1, UserCommand::Mute { on: muted });
        world.settle();
        world.disconnect(1);
        world.reload(1);
        world.settle();
        assert_eq!((world.state(1), world.view(1).muted), (CallState::Live, muted));
        let shown = world.view(0).members.into_iter().find(|member| !member.you).unwrap().muted;
        assert_eq!(shown, muted);
    }
}

#[test]
fn captions_of_anybody_but_the_note_taker_are_not_shown() {
    let mut world = World::of_four(9);
    world.call_of_four();
    let speaker = world.nodes[0].id;
    let (text, start_ms) = ("I resign.".into(), START);
    let forged = Caption { speaker, passage: 1, part: 0, start_ms, text, done: true, behind_ms: 0 };
    // The counterpart's device heard the desk's reader key too, and would use it.
    let readers = world.nodes[3].engine.call.as_mut().unwrap().caption_readers_mut().clone();
    *world.nodes[1].engine.call.as_mut().unwrap().caption_readers_mut() = readers;
    world.publish(1, &forged);
    world.settle();
    assert!(!world.sent(1, |m| matches!(m, ClientMessage::Application { .. }).then_some(())).is_empty(), "it was sent");
    assert!(world.view(2).captions.is_empty());
}

#[test]
fn two_commits_at_once_are_both_done_in_the_end() {
    for seed in 0..24 {
        let mut world = World::of_four(seed);
        world.call();
        let call = world.room().id;
        // One member is asked to add the desk and the other to add the note-taker, and neither has heard of it.
        world.command(2, UserCommand::Listen { call });
        world.command(3, UserCommand::Listen { call });
        let (desk, note) = (asks(&world, 2), asks(&world, 3));
        for device in &mut world.nodes {
            device.clear();
        }
        for (committer, joiner, key_package) in [(0, 2, desk), (1, 3, note)] {
            let (from, device) = (world.nodes[joiner].id, world.nodes[joiner].proof.clone());
            world.post(committer, ServerMessage::JoinAsked { call, from, key_package, device, answer: false });
        }
        let frame = world.speak(0, b"opus").unwrap();
        assert!(world.hear(1, &frame).is_ok(), "sound goes on while commits are on their way");
        world.settle();
        for node in 0..4 {
            assert_eq!(world.screen(node).len(), 4, "seed {seed}, screen of {node}: {:?}", world.problems());
            assert_eq!(world.view(node).phrase, world.view(0).phrase);
        }
        assert!(world.hears(1, 0) && world.hears(3, 1));
    }
}

fn asks(world: &World, node: usize) -> telcon_proto::Blob {
    let asked = world.sent(node, |message| match message {
        ClientMessage::AskJoin { key_package, .. } => Some(key_package.clone()),
        _ => None,
    });
    asked.last().unwrap().clone()
}

#[test]
fn a_reload_comes_back_into_the_call_without_a_click_and_with_fresh_keys() {
    for (node, other) in [(0, 1), (1, 0)] {
        let mut world = World::of_two(10);
        world.call();
        assert!(world.hears(other, node));
        let before = world.view(other).epoch;
        world.disconnect(node);
        world.reload(node);
        world.settle();
        assert_eq!(world.state(node), CallState::Live);
        assert!(world.view(other).epoch > before, "no counter can be used twice: the epoch is a new one");
        assert!(world.hears(other, node) && world.hears(node, other));
        assert_eq!(world.screen(other), ["Person 1", "Person 2"]);
        assert_eq!(world.view(node).phrase, world.view(other).phrase);
    }
}

#[test]
fn a_reconnect_while_it_rings_goes_on_ringing() {
    for answered in [true, false] {
        let mut world = World::of_two(15);
        world.ring(0, 1);
        world.settle();
        world.disconnect(1);
        assert_eq!(world.state(1), CallState::Ringing);
        if !answered {
            world.command(0, UserCommand::HangUp);
            world.settle();
        }
        world.connect(1);
        world.settle();
        if answered {
            assert_eq!(world.state(1), CallState::Ringing, "{:?}", world.problems());
            world.command(1, UserCommand::Answer);
            world.settle();
            assert!(world.hears(0, 1) && world.hears(1, 0));
        } else {
            assert_eq!(world.view(1).ended, Some("missed"));
        }
    }
}

#[test]
fn a_reload_while_it_rings_rings_again() {
    let mut world = World::of_two(16);
    world.ring(0, 1);
    world.settle();
    world.disconnect(1);
    world.reload(1);
    world.settle();
    assert_eq!(world.state(1), CallState::Ringing, "{:?}", world.problems());
    world.command(1, UserCommand::Answer);
    world.settle();
    assert!(world.hears(0, 1) && world.hears(1, 0));
}

#[test]
fn a_lost_connection_keeps_the_sound_and_catches_up_on_who_came() {
    let mut world = World::of_four(11);
    world.call();
    world.disconnect(1);
    assert_eq!(
        (world.state(1), world.nodes[1].engine.view().phase),
        (CallState::Reconnecting, ConnectionState::Offline)
    );
    assert!(world.hears(0, 1) && world.hears(1, 0), "media goes another way than the WebSocket");
    let call = world.room().id;
    world.command(2, UserCommand::Listen { call });
    world.settle();
    assert_eq!(world.screen(0).len(), 3);
    world.connect(1);
    world.settle();
    assert_eq!((world.state(1), world.screen(1).len()), (CallState::Live, 3));
    assert_eq!(world.view(1).phrase, world.view(0).phrase);
    assert!(world.hears(1, 0) && world.hears(2, 1));
}

#[test]
fn a_commit_that_was_on_its_way_when_the_connection_broke_is_taken_once() {
    for arrives in [true, false] {
        let mut world = World::of_four(12);
        world.call();
        let call = world.room().id;
        world.command(2, UserCommand::Listen { call });
        if arrives {
            // The switchboard takes it, and its confirmation is lost.
            assert!(world.step() || world.room().epoch > 1);
            while world.room().handshakes.len() < 2 && world.step() {}
        }
        world.disconnect(0);
        world.connect(0);
        world.settle();
        for node in 0..3 {
            assert_eq!(world.screen(node).len(), 3, "arrives {arrives}, screen of {node}: {:?}", world.problems());
        }
        assert!(world.hears(1, 0) && world.hears(2, 0));
    }
}

#[test]
fn a_ring_while_in_a_call_is_not_taken_up() {
    let mut world = World::of_two(13);
    let third = world.join_office(5, Role::Principal);
    world.settle();
    world.call();
    let call = world.room().id;
    world.ring(third, 1);
    world.settle();
    assert_eq!(world.view(1).call, call);
    world.command(1, UserCommand::Ring { person: world.nodes[third].card.person, mode: None });
    assert_eq!(world.view(1).call, call);
}

#[test]
fn pings_keep_the_log_checked_as_time_passes() {
    let mut world = World::of_two(14);
    let before = world.nodes[0].engine.view().log.unwrap();
    world.append(&serde_json::json!({"type": "started", "time_ms": world.now}));
    world.advance(60_000);
    let after = world.nodes[0].engine.view().log.unwrap();
    assert!(after.ok && after.size > before.size && after.checked_ms > before.checked_ms);
}

#[test]
fn a_connection_on_which_the_office_does_not_answer_is_given_up() {
    let mut world = World::of_two(24);
    world.advance(120_000);
    assert_eq!(world.nodes[0].gave_up, 0, "it answers each time that it is asked");
    // The connection stands, and nothing comes by it.
    world.wire = Some(Box::new(|node, message| if node == 0 { Vec::new() } else { vec![message] }));
    world.advance(35_000);
    assert_eq!([0, 1].map(|node| world.nodes[node].gave_up > 0), [true, false]);
    world.wire = None;
    world.disconnect(0);
    world.connect(0);
    world.settle();
    world.call();
    let before = world.nodes[0].gave_up;
    world.advance(60_000);
    assert_eq!((world.nodes[0].gave_up, world.state(0)), (before, CallState::Live));
    // In a call it is found out before anybody in it is said to be gone.
    world.wire = Some(Box::new(|node, message| if node == 0 { Vec::new() } else { vec![message] }));
    world.advance(5_900);
    assert_eq!(world.nodes[0].gave_up, before + 1);
    world.disconnect(0);
    world.advance(60_000);
    assert_eq!(world.nodes[0].gave_up, before + 1, "there is no connection to give up");
}

#[test]
fn one_that_is_not_signed_in_is_given_up_too() {
    let mut world = World::of_two(25);
    world.disconnect(0);
    world.wire = Some(Box::new(|_, _| Vec::new()));
    world.connect(0);
    world.advance(9_000);
    assert_eq!(world.nodes[0].gave_up, 0);
    world.advance(2_000);
    assert_eq!(world.nodes[0].gave_up, 1);
}

#[test]
fn nothing_but_the_sign_in_is_sent_before_it_is_complete() {
    let mut world = World::of_two(60);
    world.call();
    world.disconnect(0);
    world.received.clear();
    world.connect(0);
    world.command(0, UserCommand::Mute { on: true });
    assert!(world.received.iter().all(|(_, message)| matches!(message, ClientMessage::Hello { .. })));
    world.settle();
    assert_eq!(world.state(0), CallState::Live);
}

#[test]
fn who_declined_while_disconnected_declines_when_the_ring_comes_again() {
    let mut world = World::of_two(61);
    world.ring(0, 1);
    world.settle();
    world.disconnect(1);
    world.command(1, UserCommand::Decline);
    world.connect(1);
    world.settle();
    assert_eq!(world.room().over, Some(Ended::Declined));
    assert!(world.problems().is_empty(), "{:?}", world.problems());
}

#[test]
fn who_answered_while_disconnected_is_put_through_when_the_connection_is_back() {
    let mut world = World::of_two(62);
    world.ring(0, 1);
    world.settle();
    world.disconnect(1);
    world.command(1, UserCommand::Answer);
    world.connect(1);
    world.settle();
    assert_eq!([world.state(0), world.state(1)], [CallState::Live; 2], "{:?}", world.problems());
}

#[test]
fn a_ring_is_not_given_up_because_one_of_its_commits_was_refused() {
    let mut world = World::of_two(63);
    world.ring(0, 1);
    world.settle();
    let refused = |code| ServerMessage::Refused { call: Some(world.room().id), code, message: "no".into() };
    let (commit, over) = (refused(RefusalCode::NotAllowed), refused(RefusalCode::NoSuchCall));
    world.inject(0, commit);
    assert_eq!(world.state(0), CallState::Ringing);
    world.inject(0, over);
    assert_eq!(world.state(0), CallState::Ended);
}

#[test]
fn a_listener_that_was_added_while_it_was_away_gets_in_with_fresh_keys() {
    let mut world = World::of_four(64);
    world.call();
    let call = world.room().id;
    world.command(2, UserCommand::Listen { call });
    world.disconnect(2);
    world.settle();
    world.connect(2);
    world.settle();
    assert_eq!(world.state(2), CallState::Live, "{:?}", world.problems());
    assert!(world.hears(2, 0) && world.screen(0) == world.screen(2));
}
