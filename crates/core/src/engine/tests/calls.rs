//! Calls with an honest switchboard.

use super::kit::{START, World, committed};
use crate::{
    Event, UserCommand,
    call::captions::Caption,
    media::keyring::OpenError,
    view::{CallState, ConnectionState, Direction},
};
use telcon_proto::{Blob, ClientMessage, Ended, RecordMode, Role, ServerMessage, SuiteName, message::RefusalCode};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn a_call_of_two_has_audio_both_ways_and_the_same_phrase() {
    for suite in [SuiteName::Hybrid, SuiteName::Cnsa2] {
        let mut world = World::new(suite, 1);
        world.join_office(1, Role::Principal);
        world.join_office(2, Role::Counterpart);
        world.settle();
        world.ring(0, 1);
        world.settle();
        assert_eq!((world.state(0), world.view(0).direction), (CallState::Ringing, Direction::Out));
        assert_eq!((world.state(1), world.view(1).direction), (CallState::Ringing, Direction::In));
        assert!(world.view(1).verified, "a ring is shown only after verification");
        assert_eq!(world.nodes[1].legs, 1, "the media leg is set up while it rings");
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
    let mut world = World::of_two(40);
    world.ring(0, 1);
    world.settle();
    world.wire = Some(Box::new(|node, message| match message {
        ServerMessage::Committed { .. } if node == 0 => vec![],
        message => vec![message],
    }));
    world.command(1, UserCommand::Answer { call: None });
    world.settle();
    assert_eq!(world.state(0), CallState::Live);
    assert_eq!(world.screen(0), ["Person 1", "Person 2"], "all holders of the key are shown");
    assert_eq!(world.view(0).phrase, world.view(1).phrase);
    assert!(world.hears(1, 0), "before the confirmation");
    let unheard = world.speak(1, b"opus").unwrap();

    // The commit is confirmed.
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
fn a_device_that_rejoins_shows_since_when_the_call_is_live() {
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
fn listeners_are_shown_on_every_screen_and_receive_but_do_not_send() {
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
fn every_join_and_leave_starts_a_new_epoch_with_another_phrase() {
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
fn every_epoch_is_reported_for_the_record_with_the_same_authenticator_on_all_devices() {
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
fn an_unanswered_ring_does_not_become_a_call() {
    for (node, command, how) in [
        (1, UserCommand::Decline { call: None }, "declined"),
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
fn the_end_of_a_ring_is_shown_with_its_reason() {
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
    let mut world = World::of_four(7);
    world.call_of_four();
    let loud = world.speak(0, &[9; 80]).unwrap();
    world.received.clear();
    world.command(0, UserCommand::Mute { on: true });
    world.settle();
    let told: Vec<_> = world.received.iter().map(|(_, message)| message).collect();
    assert!(told.is_empty(), "the server sees when somebody mutes: {told:?}");
    let silent = world.speak(0, &[0; 80]).unwrap();
    assert_eq!(loud.len(), silent.len());
    for node in 0..4 {
        if node != 0 {
            world.hear(node, &silent).unwrap();
        }
        let muted: Vec<_> = world.view(node).members.iter().filter(|m| m.muted).map(|m| m.device).collect();
        assert_eq!(muted, [world.nodes[0].id], "on the screen of {node}");
    }
    // A frame from before that comes late changes nothing.
    world.hear(1, &loud).unwrap();
    assert!(world.view(1).members.iter().any(|member| member.muted && member.device == world.nodes[0].id));
    // A device that joins later is told.
    world.command(2, UserCommand::Leave);
    world.settle();
    let call = world.room().id;
    world.command(2, UserCommand::Listen { call });
    world.settle();
    let frame = world.speak(0, &[0; 80]).unwrap();
    world.hear(2, &frame).unwrap();
    assert!(world.view(2).members.iter().any(|member| member.muted && member.device == world.nodes[0].id));
}

#[test]
fn a_note_taker_whose_heartbeats_stop_is_shown_as_unresponsive_until_they_resume() {
    let mut world = World::of_four(19);
    world.call_of_four();
    world.advance(60_000);
    let responsive = |world: &World| [0, 1, 2].map(|node| world.view(node).note_taker);
    assert_eq!(responsive(&world), [true; 3]);
    assert!(world.view(0).members.iter().all(|member| !member.lost));
    // It is killed, and the switchboard does not report it.
    world.disconnect(3);
    world.advance(4_000);
    assert_eq!(responsive(&world), [true; 3], "two heartbeats may be lost");
    world.advance(3_000);
    assert_eq!(responsive(&world), [false; 3]);
    let lost: Vec<_> = world.view(0).members.into_iter().filter(|member| member.lost).map(|m| m.device).collect();
    assert_eq!(lost, [world.nodes[3].id], "it is still shown: it holds the key");
    assert!(world.view(0).noted);
    world.reload(3);
    world.settle();
    world.advance(2_000);
    assert_eq!(responsive(&world), [true; 3]);
}

#[test]
fn heartbeats_of_other_roles_are_ignored() {
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
fn a_disconnected_device_does_not_show_the_note_taker_as_lost() {
    let mut world = World::of_four(21);
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
    let mut world = World::of_two(22);
    world.ring(0, 1);
    // The other party's ring was ordered first; this device's own is in flight when it arrives.
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
fn glare_auto_answers_only_the_dialled_person_and_only_before_its_timeout() {
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
    let mut world = World::new(SuiteName::Hybrid, 24);
    let log_key =
        crate::Device::open(&world.certify(9, Role::Principal).0, START).unwrap().office().log_key().to_string();
    world.info = world.authority.office(&log_key, RecordMode::Memo, START).unwrap();
    world.join_office(1, Role::Principal);
    world.join_office(2, Role::Counterpart);
    world.settle();
    assert_eq!(world.nodes[0].engine.view().mode, RecordMode::Memo, "the server sent log_only");
    let person = world.nodes[1].card.person;
    world.command(0, UserCommand::Ring { person, mode: Some(RecordMode::LogOnly) });
    world.settle();
    assert_eq!(world.room().ring.mode, RecordMode::Memo);
}

#[test]
fn only_the_desk_can_read_captions() {
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
    assert_eq!(lines.len(), 1, "a final line replaces its draft");
    assert_eq!((lines[0].name.as_str(), lines[0].caption.text.as_str()), ("Person 1", "We can send the ships."));
    for node in [0, 1, 3] {
        assert!(world.view(node).captions.is_empty(), "on the screen of {node}");
    }
}

#[test]
fn a_reader_that_joins_later_gets_no_earlier_captions() {
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
fn a_reload_restores_the_mute_state_on_all_screens() {
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
        let frame = world.speak(1, &[0; 80]).unwrap();
        world.hear(0, &frame).unwrap();
        let shown = world.view(0).members.into_iter().find(|member| !member.you).unwrap().muted;
        assert_eq!(shown, muted);
    }
}

#[test]
fn a_long_call_gets_fresh_keys_every_few_minutes_under_one_phrase() {
    let mut world = World::of_four(12);
    world.call_of_four();
    let (phrase, mut epoch, mut key) = (world.view(0).phrase, world.view(0).epoch, world.speak(0, b"opus").unwrap());
    world.received.clear();
    for minute in (2..=20).step_by(2) {
        world.advance(123_000);
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
    let commits = |node| world.sent(node, |m| matches!(m, ClientMessage::Commit { .. }).then_some(())).len();
    assert!(commits(0) >= 4 && commits(1) >= 4, "{} and {}", commits(0), commits(1));
    assert!(world.problems().is_empty(), "{:?}", world.problems());
}

/// What the server sees of application messages must not depend on what is said beside them (SP 800-53 SC-31, covert channels).
#[test]
fn the_server_sees_no_difference_between_speech_silence_and_mute() {
    let seen = |said: &str, mute: bool| {
        let mut world = World::of_four(11);
        world.call_of_four();
        world.received.clear();
        let mut messages = Vec::new();
        for second in 0..20 {
            if mute {
                world.command(0, UserCommand::Mute { on: second % 2 == 0 });
            }
            for part in 0..3 {
                if !said.is_empty() {
                    let (speaker, start_ms) = (world.nodes[0].id, world.now);
                    let text = said.repeat(part + second % 4);
                    let caption = Caption {
                        speaker,
                        passage: second as u64,
                        part: 0,
                        start_ms,
                        text,
                        done: part == 2,
                        behind_ms: 7,
                    };
                    world.nodes[3].engine.publish_caption(caption);
                }
                world.advance(300);
            }
            world.advance(100);
            let (now, received) = (world.now, std::mem::take(&mut world.received));
            messages.extend(
                received.into_iter().map(|(from, message)| (now, from, serde_json::to_string(&message).unwrap().len())),
            );
        }
        (messages, world.view(2).captions.len())
    };
    let (silence, captions) = seen("", false);
    assert_eq!(captions, 0);
    assert!(silence.len() > 40, "there are messages to compare: {}", silence.len());
    for (said, mute) in [("", true), ("on inspections ", false), ("\u{4e2d}\u{6587} ", true)] {
        let (messages, captions) = seen(said, mute);
        assert_eq!(captions > 0, !said.is_empty());
        assert_eq!(messages, silence, "said {said:?}, mute {mute}");
    }
}

#[test]
fn captions_of_other_roles_than_note_taker_are_ignored() {
    let mut world = World::of_four(9);
    world.call_of_four();
    let speaker = world.nodes[0].id;
    let (text, start_ms) = ("I resign.".into(), START);
    let forged = Caption { speaker, passage: 1, part: 0, start_ms, text, done: true, behind_ms: 0 };
    // The counterpart's device received the desk's reader key too, and seals a caption to it.
    let mut call = world.nodes[3].engine.call.take().unwrap();
    world.nodes[1].engine.call.as_mut().unwrap().captions_mut().take_readers_of(call.captions_mut());
    world.nodes[3].engine.call = Some(call);
    world.nodes[1].engine.set_recording(true);
    world.publish(1, &forged);
    assert!(!world.sent(1, |m| matches!(m, ClientMessage::Application { .. }).then_some(())).is_empty(), "it was sent");
    assert!(world.view(2).captions.is_empty());
}

#[test]
fn of_two_concurrent_commits_the_second_is_rebased() {
    for seed in 0..24 {
        let mut world = World::of_four(seed);
        world.call();
        let call = world.room().id;
        // One member is asked to add the desk and the other to add the note-taker, at the same time.
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
        assert!(world.hear(1, &frame).is_ok(), "audio continues while commits are in flight");
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
fn a_reload_rejoins_the_call_by_itself_with_fresh_keys() {
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
fn a_reconnect_resumes_a_ring() {
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
            world.command(1, UserCommand::Answer { call: None });
            world.settle();
            assert!(world.hears(0, 1) && world.hears(1, 0));
        } else {
            assert_eq!(world.view(1).ended, Some("missed"));
        }
    }
}

#[test]
fn a_reload_shows_the_ring_again() {
    let mut world = World::of_two(16);
    world.ring(0, 1);
    world.settle();
    world.disconnect(1);
    world.reload(1);
    world.settle();
    assert_eq!(world.state(1), CallState::Ringing, "{:?}", world.problems());
    world.command(1, UserCommand::Answer { call: None });
    world.settle();
    assert!(world.hears(0, 1) && world.hears(1, 0));
}

#[test]
fn a_lost_connection_keeps_the_audio_and_processes_missed_joins_on_reconnect() {
    let mut world = World::of_four(11);
    world.call();
    world.disconnect(1);
    assert_eq!(
        (world.state(1), world.nodes[1].engine.view().phase),
        (CallState::Reconnecting, ConnectionState::Offline)
    );
    assert!(world.hears(0, 1) && world.hears(1, 0), "media does not use the WebSocket");
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
fn a_commit_repeated_after_a_reconnect_is_accepted_once() {
    for arrives in [true, false] {
        let mut world = World::of_four(12);
        world.call();
        let call = world.room().id;
        world.command(2, UserCommand::Listen { call });
        if arrives {
            // The switchboard accepts it, and the confirmation is lost.
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
fn a_ring_during_a_call_is_ignored() {
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
fn pings_audit_the_log_periodically() {
    let mut world = World::of_two(14);
    let before = world.nodes[0].engine.view().log.unwrap();
    world.append(&serde_json::json!({"type": "started", "time_ms": world.now}));
    world.advance(60_000);
    let after = world.nodes[0].engine.view().log.unwrap();
    assert!(after.ok && after.size > before.size && after.checked_ms > before.checked_ms);
}

#[test]
fn an_unanswered_keepalive_closes_the_connection() {
    let mut world = World::of_two(24);
    world.advance(120_000);
    assert_eq!(world.nodes[0].keepalive_timeouts, 0, "every ping is answered");
    // The connection is open, but nothing is received.
    world.wire = Some(Box::new(|node, message| if node == 0 { Vec::new() } else { vec![message] }));
    world.advance(35_000);
    assert_eq!([0, 1].map(|node| world.nodes[node].keepalive_timeouts > 0), [true, false]);
    world.wire = None;
    world.disconnect(0);
    world.connect(0);
    world.settle();
    world.call();
    let before = world.nodes[0].keepalive_timeouts;
    world.advance(60_000);
    assert_eq!((world.nodes[0].keepalive_timeouts, world.state(0)), (before, CallState::Live));
    // In a call the keepalive timeout is shorter than the time after which a note-taker is shown as lost.
    world.wire = Some(Box::new(|node, message| if node == 0 { Vec::new() } else { vec![message] }));
    world.advance(5_900);
    assert_eq!(world.nodes[0].keepalive_timeouts, before + 1);
    world.disconnect(0);
    world.advance(60_000);
    assert_eq!(world.nodes[0].keepalive_timeouts, before + 1, "without a connection there is no timeout");
}

#[test]
fn an_unanswered_sign_in_closes_the_connection() {
    let mut world = World::of_two(25);
    world.disconnect(0);
    world.wire = Some(Box::new(|_, _| Vec::new()));
    world.connect(0);
    world.advance(9_000);
    assert_eq!(world.nodes[0].keepalive_timeouts, 0);
    world.advance(2_000);
    assert_eq!(world.nodes[0].keepalive_timeouts, 1);
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
    world.command(1, UserCommand::Decline { call: None });
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
    world.command(1, UserCommand::Answer { call: None });
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

#[test]
fn key_packages_have_less_than_their_limit_and_not_much_less() {
    use telcon_proto::limits::{MAX_NAME_CHARS, max_key_package_bytes};
    for suite in [SuiteName::Hybrid, SuiteName::Cnsa2] {
        let mut world = World::new(suite, 70);
        world.join_office(1, Role::Principal);
        let device = world.nodes[0].engine.device();
        let join = crate::mls::join::PendingJoin::new(device, telcon_proto::CallId::from_bytes([1; 16])).unwrap();
        // Name and organisation in both certificates, of four bytes a character.
        let longest = join.key_package().len() + 2 * 2 * 4 * MAX_NAME_CHARS;
        let limit = max_key_package_bytes(suite);
        assert!(longest <= limit && limit <= 2 * longest, "{suite:?}: {longest} bytes, limit {limit}");
    }
}
