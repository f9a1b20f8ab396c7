//! Attacks on revocation, contact lists and the log.

use super::{ask_for, fork::show_fork};
use telcon_core::{
    Device, DeviceState, Engine, Event, Output, UserCommand,
    view::{CallState, ConnectionState},
};
use telcon_proto::{Blob, Ended, Role, ServerMessage, message::RefusalCode};
use telcon_sim::script::Scenario;

#[test]
fn a_revoked_device_erases_its_keys_and_leaves_its_call() {
    let mut world = Scenario::of_four(40);
    world.call_of_four();
    world.revoke(2);
    world.settle();
    assert!(world.is_erased(2));
    assert_eq!(world.screen_of(2).phase, ConnectionState::Revoked);
    assert_eq!(world.view(2).ended, Some("failed"));
    assert_eq!(world.screen(0), ["Person 1", "Person 2", "Person 4"]);
    let frame = world.speak(0, b"opus").unwrap();
    assert!(world.hear(2, &frame).is_err());
}

#[test]
fn a_server_alone_cannot_cause_a_device_to_erase_its_keys() {
    let mut world = Scenario::of_two(47);
    world.call();
    let of_another = world.revocation(1);
    for jws in [None, Some("nonsense".to_owned()), Some(of_another)] {
        world.inject(0, ServerMessage::Revoked { jws });
        assert_ne!(world.screen_of(0).phase, ConnectionState::Revoked);
        assert!(!world.is_erased(0) && world.state(0) == CallState::Live);
        assert!(world.red(0).iter().any(|text| text.contains("did not show the signature of your office")));
    }
    assert!(world.hears(1, 0) && world.hears(0, 1));
}

#[test]
fn a_refusal_of_the_server_cannot_act_on_the_screen() {
    let mut world = Scenario::of_two(49);
    let message = "no\u{202e}\u{1b}[2J\u{200b}\nOFFICE".to_owned();
    world.inject(0, ServerMessage::Refused { call: None, code: RefusalCode::TooMany, message });
    let alerts = world.screen_of(0).alerts;
    assert_eq!(alerts[0].text, "no\u{fffd}\u{fffd}[2J\u{fffd}\u{fffd}OFFICE");
}

#[test]
fn a_call_that_was_hung_up_while_disconnected_is_not_rejoined() {
    for reloaded in [false, true] {
        let mut world = Scenario::of_two(48);
        world.call();
        // The person hangs up while the device is disconnected.
        world.disconnect(1);
        world.command(1, UserCommand::HangUp);
        if reloaded {
            world.reload(1);
        } else {
            world.connect(1);
        }
        world.settle();
        assert!(world.speak(1, b"whispered").is_none());
        assert!(world.screen_of(1).call.is_none_or(|call| call.state == CallState::Ended));
        assert_eq!(world.view(0).ended, Some("hung_up"), "the office is told after the reconnect");
    }
}

#[test]
fn a_server_cannot_move_a_device_from_one_call_to_another() {
    let mut world = Scenario::of_two(49);
    world.call();
    let other = telcon_proto::CallId::from_bytes([9; 16]);
    world.tamper(move |to, message| {
        vec![match message {
            ServerMessage::SignedIn { you, people, suite, mode, token, checkpoint, .. } if to == 1 => {
                ServerMessage::SignedIn {
                    you,
                    people,
                    people_more: false,
                    silenced: Vec::new(),
                    suite,
                    mode,
                    token,
                    in_call: Some(other),
                    checkpoint,
                    recovered_ms: None,
                    shift: None,
                    key_missing: false,
                }
            }
            message => message,
        }]
    });
    world.disconnect(1);
    world.connect(1);
    world.settle();
    assert_eq!(world.view(1).ended, Some("interrupted"));
    assert!(world.red(1).iter().any(|text| text.contains("another call")));
}

#[test]
fn a_person_cannot_ring_themselves() {
    let mut world = Scenario::of_two(48);
    world.join_office(1, Role::Principal);
    world.settle();
    let own = world.card(0).person;
    world.command(0, UserCommand::Ring { person: own, mode: None });
    assert!(world.screen_of(0).call.is_none());
}

#[test]
fn erase_is_the_last_output_of_a_revoked_device() {
    let mut world = Scenario::of_two(49);
    world.call();
    let jws = world.revocation(1);
    let now = world.now();
    let engine = world.engine(1);
    engine.handle(now, ServerMessage::Revoked { jws: Some(jws) });
    let outputs: Vec<Output> = std::iter::from_fn(|| engine.poll()).collect();
    assert!(matches!(outputs.last(), Some(Output::Erase { .. })), "a state persisted after it would restore the keys");
    assert!(outputs.contains(&Output::CloseLeg) && outputs.contains(&Output::View), "{outputs:?}");
    assert!(!outputs.contains(&Output::Persist));
    engine.command(now, UserCommand::Dismiss);
    engine.handle(now, ServerMessage::PeopleChanged { changed: Vec::new(), removed: Vec::new() });
    assert!(!std::iter::from_fn(|| engine.poll()).any(|output| output == Output::Persist));
}

#[test]
fn a_call_on_a_forked_log_is_reported_once_the_device_sees_the_real_log() {
    let mut world = Scenario::of_two(51);
    show_fork(&mut world);
    world.call();
    world.command(0, UserCommand::HangUp);
    world.settle();
    assert!(world.red(0).is_empty(), "not detectable yet");
    // Back on the real log, which continues without that call.
    world.stop_tampering();
    for person in 20..30 {
        world.enrol_only(person, Role::DutyOfficer);
    }
    for restarted in [false, true] {
        if restarted {
            world.reload(0);
        }
        world.advance(200_000);
        let log = world.screen_of(0).log.unwrap();
        assert!(!log.ok, "restarted {restarted}: {log:?}");
        assert!(world.red(0).iter().any(|text| text.contains("another log")), "{:?}", world.problems());
    }
}

#[test]
fn a_flood_of_proofs_does_not_evict_the_evidence_of_a_fork() {
    let mut world = Scenario::of_two(54);
    let fork = show_fork(&mut world);
    world.call();
    let first = world.state_of(0).claims[0].clone();
    for person in 0..80 {
        let (state, _, proof) = world.enrol_only(100 + person, Role::DutyOfficer);
        let (proof, device) = (fork.borrow_mut().prove(&proof), Device::open(&state, world.now()).unwrap());
        ask_for(&mut world, &device, proof, false);
    }
    assert!(world.state_of(0).claims.contains(&first));
    world.stop_tampering();
    world.advance(200_000);
    assert!(world.red(0).iter().any(|text| text.contains("another log")), "{:?}", world.problems());
}

#[test]
fn claims_on_an_honest_log_are_settled_within_a_minute() {
    let mut world = Scenario::of_four(52);
    world.ring(0, 1);
    world.settle();
    assert!(!world.state_of(0).claims.is_empty());
    world.command(1, UserCommand::Answer { call: None });
    world.settle();
    for node in [2, 3] {
        world.listen(node);
        world.settle();
    }
    assert_eq!(world.state(3), CallState::Live);
    world.advance(60_000);
    for node in 0..4 {
        assert_eq!(world.state_of(node).claims, [], "of {node}");
    }
    assert!(world.problems().is_empty());
}

#[test]
fn a_call_shows_whether_a_note_taker_is_in_it() {
    let mut world = Scenario::of_four(53);
    world.call();
    assert!(!world.view(0).note_taker && !world.view(0).noted);
    let call = world.seen().id;
    world.command(3, UserCommand::Listen { call });
    world.settle();
    assert!(world.view(0).note_taker && world.view(3).note_taker);
    world.command(3, UserCommand::Leave);
    world.settle();
    assert!(!world.view(0).note_taker && world.view(0).noted);
}

#[test]
fn a_removed_device_that_keeps_its_keys_cannot_open_later_frames() {
    let mut world = Scenario::of_four(41);
    world.call_of_four();
    // It is not told of the removal and keeps its keys; the other members are asked to remove it.
    world.tamper(|to, message| if to == 2 { vec![] } else { vec![message] });
    world.revoke(2);
    world.settle();
    assert_eq!(world.screen(1), ["Person 1", "Person 2", "Person 4"]);
    let frame = world.speak(0, b"opus").unwrap();
    assert!(world.hear(2, &frame).is_err());
    assert!(world.hear(1, &frame).is_ok());
}

#[test]
fn a_rolled_back_or_forked_log_is_reported_in_a_red_alert() {
    for fork in [true, false] {
        let mut world = Scenario::of_two(42);
        world.advance(30_000);
        assert!(world.screen_of(0).log.unwrap().ok);
        // Another log under the same key: shorter, or with other entries.
        let mut other = world.new_log();
        let entries = if fork { 10 } else { 1 };
        for n in 0..entries {
            other.append(&[format!("{{\"type\":\"started\",\"n\":{n}}}").into_bytes()], world.now()).unwrap();
        }
        let size = world.screen_of(0).log.unwrap().size;
        let consistency = if fork { other.consistency_proof(size, other.checkpoint().size()).unwrap() } else { vec![] };
        let checkpoint = other.checkpoint().note().to_owned();
        let consistency = consistency.iter().map(|hash| Blob(hash.0.to_vec())).collect();
        world.inject(0, ServerMessage::Checkpoint { checkpoint, from_size: size, consistency });
        let log = world.screen_of(0).log.unwrap();
        assert!(!log.ok && log.problem.is_some());
        assert!(world.red(0).iter().any(|text| text.contains("does not continue")), "{:?}", world.problems());
        assert_eq!(log.size, size, "the device keeps the last verified tree head");
    }
}

#[test]
fn messages_of_the_server_are_sanitised_and_truncated() {
    let mut world = Scenario::of_two(43);
    let message = format!("no\u{7}\u{1b}[31m{}", "x".repeat(10_000));
    let code = telcon_proto::message::RefusalCode::NotAllowed;
    world.inject(0, ServerMessage::Refused { call: None, code, message });
    let alerts = world.screen_of(0).alerts;
    assert!(alerts[0].text.chars().count() <= 200 && !alerts[0].text.chars().any(char::is_control));
    let now = world.now();
    for _ in 0..100 {
        world.engine(0).handle_text(now, "{\"type\":\"nonsense\"}");
        world.engine(0).handle_text(now, &"x".repeat(telcon_proto::limits::MAX_MESSAGE_BYTES + 1));
    }
    assert!(world.screen_of(0).alerts.len() <= 8);
}

#[test]
fn messages_of_other_calls_and_unexpected_messages_change_nothing() {
    let mut world = Scenario::of_two(44);
    world.call();
    let other = telcon_proto::CallId::from_bytes([9; 16]);
    let before = world.view(1);
    for message in [
        ServerMessage::Ended { call: other, how: telcon_proto::Ended::HungUp, reply: None },
        ServerMessage::TakenElsewhere { call: other },
        ServerMessage::CommitRefused { call: world.seen().id, epoch: 9, now: 10 },
        ServerMessage::RemoveAsked { call: world.seen().id, devices: vec![] },
        ServerMessage::Opened { call: world.seen().id, opened: world.opened(), notified: false },
    ] {
        world.inject(1, message);
    }
    assert_eq!(world.view(1), before);
}

#[test]
fn queued_join_requests_are_limited() {
    let mut world = Scenario::of_two(45);
    world.call();
    // Commits are never confirmed, so that requests are queued.
    world.tamper(|_, message| match message {
        ServerMessage::Committed { .. } | ServerMessage::CommitRefused { .. } | ServerMessage::Refused { .. } => vec![],
        message => vec![message],
    });
    let mut refused = 0;
    for person in 0..40 {
        let (state, _, proof) = world.enrol_only(100 + person, Role::DutyOfficer);
        let device = Device::open(&state, world.now()).unwrap();
        ask_for(&mut world, &device, proof, false);
        refused += usize::from(world.red(0).iter().any(|text| text.contains("too many")));
    }
    assert!(refused > 0);
    assert!(world.hears(1, 0), "the call continues");
}

#[test]
fn a_state_with_the_certificate_of_another_device_does_not_open() {
    let world = Scenario::of_two(46);
    let (a, b) = (world.state_of(0).to_text().to_string(), world.state_of(1).to_text().to_string());
    let (mut a, b): (serde_json::Value, serde_json::Value) =
        (serde_json::from_str(&a).unwrap(), serde_json::from_str(&b).unwrap());
    a["chain"] = b["chain"].clone();
    let mixed = DeviceState::parse(&a.to_string()).unwrap();
    assert!(Engine::new(mixed, [7; 32], world.now()).is_err());
}

#[test]
fn an_end_that_only_the_server_announced_is_recorded_without_a_signer() {
    let signed_by = |world: &Scenario| {
        world.events(3).iter().find_map(|event| match event {
            Event::Ended { signed_by, .. } => Some(*signed_by),
            _ => None,
        })
    };
    let mut world = Scenario::of_four(43);
    world.call_of_four();
    let call = world.seen().id;
    world.inject(3, ServerMessage::Ended { call, how: Ended::HungUp, reply: None });
    assert_eq!(signed_by(&world), Some(None), "no party announced it");
    assert_eq!(world.state(0), CallState::Live);

    for (seed, party) in [(44, 0), (45, 1)] {
        let mut world = Scenario::of_four(seed);
        world.call_of_four();
        world.command(party, UserCommand::HangUp);
        world.settle();
        assert_eq!(signed_by(&world), Some(Some(world.id(party))));
    }

    // Staff cannot announce the end for the parties.
    let mut world = Scenario::of_four(46);
    world.call_of_four();
    let over = world.encrypt(2, br#"{"say":"over"}"#);
    let (call, from) = (world.seen().id, world.id(2));
    world.inject(3, ServerMessage::Application { call, from, message: over });
    world.inject(3, ServerMessage::Ended { call, how: Ended::HungUp, reply: None });
    assert_eq!(signed_by(&world), Some(None));
}
