//! Calls with an honest switchboard.

mod captions;
mod connections;
pub(crate) mod green_room;
pub(crate) mod moves;
mod note_takers;

use telcon_core::{
    Event, UserCommand,
    media::keyring::{OpenError, PREVIOUS_EPOCH_MS},
    mls::join::PendingJoin,
    view::{CallState, ConnectionState, Direction},
};
use telcon_proto::{
    CallId, ClientMessage, Ended, RecordMode, Role, ServerMessage, SuiteName,
    limits::{MAX_NAME_CHARS, max_key_package_bytes},
    message::RefusalCode,
};
use telcon_sim::script::{Scenario, opening};

#[test]
fn a_call_of_two_has_audio_both_ways_and_the_same_phrase() {
    for suite in [SuiteName::Hybrid, SuiteName::Cnsa2] {
        let mut world = Scenario::with(1, suite, RecordMode::LogOnly);
        world.join_office(1, Role::Principal);
        world.join_office(2, Role::Counterpart);
        world.settle();
        world.ring(0, 1);
        world.settle();
        assert_eq!((world.state(0), world.view(0).direction), (CallState::Ringing, Direction::Out));
        assert_eq!((world.state(1), world.view(1).direction), (CallState::Ringing, Direction::In));
        assert!(world.view(1).verified, "a ring is shown only after verification");
        assert_eq!(world.legs(1), 1, "the media leg is set up while it rings");
        assert!(world.speak(0, b"opus").is_none(), "nothing is sealed before an answer");

        world.command(1, UserCommand::Answer { call: None });
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
fn an_optimistic_commit_sends_audio_one_round_trip_early() {
    let mut world = Scenario::of_two(40);
    world.ring(0, 1);
    world.settle();
    world.tamper(|node, message| match message {
        ServerMessage::Committed { .. } if node == 0 => vec![],
        message => vec![message],
    });
    world.command(1, UserCommand::Answer { call: None });
    world.settle();
    assert_eq!(world.state(0), CallState::Live);
    assert_eq!(world.screen(0), ["Person 1", "Person 2"], "all holders of the key are shown");
    assert_eq!(world.view(0).phrase, world.view(1).phrase);
    assert!(world.hears(1, 0), "before the confirmation");
    let unheard = world.speak(1, b"opus").unwrap();

    // The commit is confirmed.
    world.stop_tampering();
    let last = world.seen().handshakes[0].clone();
    world.inject(0, last);
    world.settle();
    assert!(world.hear(0, &unheard).is_ok());
    assert!(world.hears(1, 0) && world.hears(0, 1));
    let lives = world.events(0).iter().filter(|event| matches!(event, Event::Live { .. })).count();
    assert_eq!((lives, world.screen(0)), (1, world.screen(1)));
}

#[test]
fn a_device_that_rejoins_shows_since_when_the_call_is_live() {
    let mut world = Scenario::of_four(42);
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
fn listeners_are_shown_on_every_screen_and_receive_but_do_not_send() {
    let mut world = Scenario::of_four(2);
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
fn every_join_and_leave_starts_a_new_epoch_with_another_phrase() {
    let mut world = Scenario::of_four(3);
    world.call();
    let alone = (world.view(0).epoch, world.view(0).phrase);
    let call = world.seen().id;
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
fn every_epoch_is_reported_for_the_record_with_the_same_authenticator_on_all_devices() {
    let mut world = Scenario::of_four(4);
    world.call_of_four();
    let last = |node: usize| {
        let mut epochs = world.events(node).iter().filter_map(|event| match event {
            Event::Epoch { epoch, authenticator, members, .. } => Some((*epoch, authenticator.clone(), members.len())),
            _ => None,
        });
        epochs.next_back().unwrap()
    };
    assert_eq!(last(3).2, 4);
    assert!((0..4).all(|node| last(node) == last(3)));
}

#[test]
fn an_unanswered_ring_does_not_become_a_call() {
    for (node, command, how) in [
        (1, UserCommand::Decline { call: None, reply: None }, "declined"),
        (0, UserCommand::HangUp, "cancelled"),
        (0, UserCommand::Leave, "cancelled"),
    ] {
        let mut world = Scenario::of_two(5);
        world.ring(0, 1);
        world.settle();
        world.command(node, command);
        world.settle();
        assert_eq!(world.view(node).ended, Some(how));
        assert_eq!([world.state(0), world.state(1)], [CallState::Ended; 2]);
        world.command(0, UserCommand::Dismiss);
        assert!(world.screen_of(0).call.is_none());
    }
}

#[test]
fn the_end_of_a_ring_is_shown_with_its_reason() {
    for how in [Ended::Missed, Ended::Busy] {
        let mut world = Scenario::of_two(6);
        world.ring(0, 1);
        world.settle();
        let call = world.seen().id;
        world.inject(0, ServerMessage::Ended { call, how, reply: None });
        assert_eq!(world.view(0).ended, Some(how.as_str()));
    }
}

#[test]
fn of_several_devices_the_first_to_answer_wins() {
    for seed in 0..8 {
        let mut world = Scenario::of_two(seed);
        let second = world.join_office(2, Role::Counterpart);
        world.settle();
        world.ring(0, 1);
        world.settle();
        assert_eq!([world.state(1), world.state(second)], [CallState::Ringing; 2]);
        // Both answer before either learns of the other's answer.
        let order = if seed % 2 == 0 { [1, second] } else { [second, 1] };
        for node in order {
            world.command(node, UserCommand::Answer { call: None });
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
fn mute_is_shown_to_all_and_does_not_change_frame_size_or_rate() {
    let mut world = Scenario::of_four(7);
    world.call_of_four();
    let loud = world.speak(0, &[9; 80]).unwrap();
    let before = world.received().len();
    world.command(0, UserCommand::Mute { on: true });
    world.settle();
    let told = &world.received()[before..];
    assert!(told.is_empty(), "the server sees when somebody mutes: {told:?}");
    let silent = world.speak(0, &[0; 80]).unwrap();
    assert_eq!(loud.len(), silent.len());
    for node in 0..4 {
        if node != 0 {
            world.hear(node, &silent).unwrap();
        }
        let muted: Vec<_> = world.view(node).members.iter().filter(|m| m.muted).map(|m| m.device).collect();
        assert_eq!(muted, [world.id(0)], "on the screen of {node}");
    }
    // A frame from before that comes late changes nothing.
    world.hear(1, &loud).unwrap();
    assert!(world.view(1).members.iter().any(|member| member.muted && member.device == world.id(0)));
    // A device that joins later is told.
    world.command(2, UserCommand::Leave);
    world.settle();
    let call = world.seen().id;
    world.command(2, UserCommand::Listen { call });
    world.settle();
    let frame = world.speak(0, &[0; 80]).unwrap();
    world.hear(2, &frame).unwrap();
    assert!(world.view(2).members.iter().any(|member| member.muted && member.device == world.id(0)));
}

#[test]
fn a_note_taker_whose_heartbeats_stop_is_shown_as_unresponsive_until_they_resume() {
    let mut world = Scenario::of_four(19);
    world.call_of_four();
    world.advance(60_000);
    let responsive = |world: &Scenario| [0, 1, 2].map(|node| world.view(node).note_taker);
    assert_eq!(responsive(&world), [true; 3]);
    assert!(world.view(0).members.iter().all(|member| !member.lost));
    // It is killed, and the switchboard does not report it.
    world.disconnect(3);
    world.advance(4_000);
    assert_eq!(responsive(&world), [true; 3], "two heartbeats may be lost");
    world.advance(3_000);
    assert_eq!(responsive(&world), [false; 3]);
    let lost: Vec<_> = world.view(0).members.into_iter().filter(|member| member.lost).map(|m| m.device).collect();
    assert_eq!(lost, [world.id(3)], "it is still shown: it holds the key");
    assert!(world.view(0).noted);
    world.reload(3);
    world.settle();
    world.advance(2_000);
    assert_eq!(responsive(&world), [true; 3]);
}

#[test]
fn heartbeats_of_other_roles_are_ignored() {
    let mut world = Scenario::of_four(20);
    world.call_of_four();
    world.disconnect(3);
    for _ in 0..8 {
        let call = world.seen().id;
        let message = world.encrypt(1, br#"{"say":"taking","at_ms":9}"#);
        let from = world.id(3);
        world.post(0, &ServerMessage::Application { call, from, message });
        world.advance(1_000);
    }
    assert!(!world.view(0).note_taker);
}

#[test]
fn a_disconnected_device_does_not_show_the_note_taker_as_lost() {
    let mut world = Scenario::of_four(21);
    world.call_of_four();
    world.disconnect(0);
    world.advance(30_000);
    assert!(world.view(0).note_taker, "this device itself is disconnected");
    world.connect(0);
    world.settle();
    assert_eq!((world.state(0), world.view(0).note_taker), (CallState::Live, true));
}

#[test]
fn glare_leads_to_one_live_call() {
    let mut world = Scenario::of_two(22);
    world.ring(0, 1);
    // The other party's ring was ordered first; this device's own is in flight when it arrives.
    let (to, call) = (world.card(0).person, world.seen().id);
    world.command(1, UserCommand::Ring { person: to, mode: Some(RecordMode::Memo) });
    assert_ne!(world.view(1).call, call);
    world.settle();
    assert_eq!([0, 1].map(|node| (world.view(node).call, world.state(node))), [(call, CallState::Live); 2]);
    assert!(world.hears(0, 1) && world.hears(1, 0));
}

#[test]
fn glare_auto_answers_only_the_shown_person_and_only_before_its_timeout() {
    for (other, late) in [(true, false), (false, true)] {
        let mut world = Scenario::of_two(23);
        let third = world.join_office(5, Role::Principal);
        world.disconnect(1);
        world.connect(1);
        world.settle();
        let person = world.card(if other { third } else { 0 }).person;
        world.tamper_up(|_, _| Vec::new());
        world.command(1, UserCommand::Ring { person, mode: None });
        world.stop_tampering();
        let (call, code) = (Some(world.view(1).call), RefusalCode::RingsYou);
        world.inject(1, ServerMessage::Refused { call, code, message: String::new() });
        assert_eq!(world.state(1), CallState::Opening, "the ring can be cancelled");
        if late {
            world.advance(10_000);
            assert!(world.view(1).problem.is_some(), "the glare timeout is reported");
        }
        world.ring(0, 1);
        world.settle();
        let answered = world.sent(1, |m| matches!(m, ClientMessage::Answer { .. }).then_some(()));
        assert!(answered.is_empty(), "a person answers");
    }
}

#[test]
fn the_server_may_raise_the_record_mode_above_the_charters_but_not_lower_it() {
    let mut world = Scenario::with(24, SuiteName::Hybrid, RecordMode::Memo);
    world.tamper(|_, mut message| {
        if let ServerMessage::SignedIn { mode, .. } = &mut message {
            *mode = RecordMode::LogOnly;
        }
        vec![message]
    });
    world.join_office(1, Role::Principal);
    world.join_office(2, Role::Counterpart);
    world.settle();
    assert_eq!(world.screen_of(0).mode, RecordMode::Memo, "the server sent log_only");
    let person = world.card(1).person;
    world.command(0, UserCommand::Ring { person, mode: Some(RecordMode::LogOnly) });
    world.settle();
    assert_eq!(world.seen().ring.mode, RecordMode::Memo);
}

#[test]
fn a_reload_restores_the_mute_state_on_all_screens() {
    for muted in [true, false] {
        let mut world = Scenario::of_two(18);
        world.call();
        world.command(1, UserCommand::Mute { on: true });
        world.command(1, UserCommand::Mute { on: muted });
        world.settle();
        world.disconnect(1);
        world.reload(1);
        world.settle();
        assert_eq!((world.state(1), world.view(1).muted), (CallState::Live, muted));
        let frame = world.speak(1, &[0; 80]).unwrap();
        world.hear(0, &frame).unwrap();
        let shown = world.view(0).members.into_iter().find(|member| !member.you).unwrap().muted;
        assert_eq!(shown, muted);
    }
}

#[test]
fn a_long_call_gets_fresh_keys_every_few_minutes_under_one_phrase() {
    let mut world = Scenario::of_four(12);
    world.call_of_four();
    let (phrase, mut epoch, mut key) = (world.view(0).phrase, world.view(0).epoch, world.speak(0, b"opus").unwrap());
    let commits =
        |world: &Scenario, node| world.sent(node, |m| matches!(m, ClientMessage::Commit { .. }).then_some(())).len();
    let before = [0, 1].map(|node| commits(&world, node));
    for minute in (2..=20).step_by(2) {
        world.advance(120_000);
        // The key of the previous epoch opens what is on its way, for a moment.
        world.advance(PREVIOUS_EPOCH_MS + 3_000);
        let now = world.view(0).epoch;
        assert!(now > epoch, "minute {minute}: {now:?}");
        for node in 0..4 {
            assert_eq!((world.view(node).phrase, world.view(node).epoch), (phrase, now), "of {node}");
            assert!(node == 0 || world.hears(node, 0), "minute {minute}: {node}");
        }
        assert_eq!(world.hear(1, &key), Err(OpenError::UnknownEpoch), "the old key is gone");
        (epoch, key) = (now, world.speak(0, b"opus").unwrap());
    }
    // Both parties replace their keys, not one alone.
    let made = [0, 1].map(|node| commits(&world, node) - before[node]);
    assert!(made.iter().all(|made| *made >= 4), "{made:?}");
    assert!(world.problems().is_empty(), "{:?}", world.problems());
}

#[test]
fn key_packages_have_less_than_their_limit_and_not_much_less() {
    for suite in [SuiteName::Hybrid, SuiteName::Cnsa2] {
        let mut world = Scenario::with(70, suite, RecordMode::LogOnly);
        world.join_office(1, Role::Principal);
        let device = world.stolen(0);
        let join = PendingJoin::new(&device, CallId::from_bytes([1; 16])).unwrap();
        // Two registrars certify with as much again; name and organisation in all four certificates, of four bytes a character.
        let second: usize = device.chain().iter().map(Vec::len).sum();
        let longest = join.key_package().len() + second + 4 * 2 * 4 * MAX_NAME_CHARS;
        let limit = max_key_package_bytes(suite);
        assert!(longest <= limit && limit <= 2 * longest, "{suite:?}: {longest} bytes, limit {limit}");
    }
}
