//! Attacks on revocation, contact lists and the log.

use super::{ask_for, state_of};
use crate::{
    DeviceState, Event, Output, UserCommand,
    device::Device,
    engine::Engine,
    engine::tests::kit::{START, World},
    mls::{join::PendingJoin, key_package::read_key_package},
    view::{CallState, ConnectionState},
};
use telcon_proto::{Blob, Card, Ended, Role, ServerMessage, SuiteName};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn a_revoked_device_erases_its_keys_and_leaves_its_call() {
    let mut world = World::of_four(40);
    world.call_of_four();
    let jws = world.authority.revoke(world.nodes[2].id, world.now).unwrap();
    world.inject(2, ServerMessage::Revoked { jws: Some(jws) });
    world.remove(2);
    world.settle();
    assert!(world.nodes[2].erased);
    assert_eq!(world.nodes[2].engine.view().phase, ConnectionState::Revoked);
    assert_eq!(world.view(2).ended, Some("failed"));
    assert_eq!(world.screen(0), ["Person 1", "Person 2", "Person 4"]);
    let frame = world.speak(0, b"opus").unwrap();
    assert!(world.hear(2, &frame).is_err());
}

#[test]
fn a_server_alone_cannot_cause_a_device_to_erase_its_keys() {
    let mut world = World::of_two(47);
    world.call();
    let of_another = world.authority.revoke(world.nodes[1].id, world.now).unwrap();
    for jws in [None, Some("nonsense".to_owned()), Some(of_another)] {
        world.inject(0, ServerMessage::Revoked { jws });
        assert_ne!(world.nodes[0].engine.view().phase, ConnectionState::Revoked);
        assert!(!world.nodes[0].erased && world.state(0) == CallState::Live);
        assert!(world.red(0).iter().any(|text| text.contains("did not show the authority's signature")));
    }
    assert!(world.hears(1, 0) && world.hears(0, 1));
}

#[test]
fn a_call_that_was_hung_up_while_disconnected_is_not_rejoined() {
    for reloaded in [false, true] {
        let mut world = World::of_two(48);
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
        assert!(world.nodes[1].engine.view().call.is_none_or(|call| call.state == CallState::Ended));
        assert_eq!(world.view(0).ended, Some("hung_up"), "the office is told after the reconnect");
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
                }
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

/// Alters one field of a card that a screen shows.
type Alteration = fn(&mut Card);

/// Every field that a screen shows before a call, altered.
const ALTERATIONS: [Alteration; 4] = [
    |card| card.name = "The President of Norland".into(),
    |card| card.organisation = "Ministry of Another Country".into(),
    |card| card.zone = "Pacific/Auckland".into(),
    |card| card.role = Role::Principal,
];

#[test]
fn a_person_shown_otherwise_than_certified_is_detected_before_the_call_is_live() {
    for (alter, as_an_answer) in ALTERATIONS.iter().flat_map(|alter| [(*alter, true), (*alter, false)]) {
        let mut world = World::of_two(50);
        world.wire = Some(Box::new(move |_, message| {
            vec![match message {
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
                } => {
                    people.iter_mut().for_each(|contact| alter(&mut contact.card));
                    ServerMessage::SignedIn {
                        you,
                        people,
                        people_more,
                        silenced,
                        suite,
                        mode,
                        token,
                        in_call,
                        checkpoint,
                    }
                }
                // The `answer` flag is not authenticated: the server may claim that it is a listener, or a rejoin.
                ServerMessage::JoinAsked { call, from, key_package, device, .. } => {
                    ServerMessage::JoinAsked { call, from, key_package, device, answer: as_an_answer }
                }
                message => message,
            }]
        }));
        world.disconnect(0);
        world.connect(0);
        world.settle();
        let mut shown = world.nodes[1].card.clone();
        alter(&mut shown);
        if shown == world.nodes[1].card {
            continue;
        }
        world.ring(0, 1);
        world.settle();
        assert_eq!(world.view(0).other.unwrap(), shown);
        world.command(1, UserCommand::Answer { call: None });
        world.settle();
        assert!(world.red(0).iter().any(|text| text.contains("another name, organisation")), "{:?}", world.problems());
        assert!(world.speak(0, b"opus").is_none());
    }
}

#[test]
fn a_listener_is_not_brought_into_a_call_of_people_whom_its_screen_did_not_show() {
    for alter in ALTERATIONS {
        for caller in [true, false] {
            let mut world = World::of_four(51);
            world.wire = Some(Box::new(move |to, message| match message {
                ServerMessage::Notice(mut notice) if to == 3 => {
                    alter(if caller { &mut notice.from } else { &mut notice.to.card });
                    vec![ServerMessage::Notice(notice)]
                }
                message => vec![message],
            }));
            world.ring(0, 1);
            world.settle();
            let call = world.room().id;
            let certified = if caller { world.nodes[0].card.clone() } else { world.nodes[1].card.clone() };
            let mut shown = certified.clone();
            alter(&mut shown);
            world.command(3, UserCommand::Listen { call });
            world.settle();
            world.command(1, UserCommand::Answer { call: None });
            world.settle();
            assert_eq!(world.state(3) == CallState::Ended, shown != certified, "{:?}", world.problems());
        }
    }
}

#[test]
fn a_renamed_person_is_detected_when_a_listener_admits_them() {
    let mut world = World::of_four(47);
    world.ring(0, 1);
    world.settle();
    let call = world.room().id;
    world.command(3, UserCommand::Listen { call });
    world.settle();
    // As if the contact list had another name when the person was rung.
    world.nodes[0].engine.call.as_mut().unwrap().rename_callee("The President of Norland");
    let joiner = PendingJoin::new(&Device::open(&state_of(&world, 1), world.now).unwrap(), world.room().id).unwrap();
    let joiner = read_key_package(joiner.key_package(), world.room().id, SuiteName::Hybrid).unwrap();
    let own = world.group(3).commit(vec![joiner], &[]).unwrap();
    let (from, proof) = (world.nodes[3].id, world.nodes[1].proof.clone());
    let seq = world.room().epoch + 1;
    world.inject(0, ServerMessage::Committed { call, seq, from, commit: Blob(own.commit), devices: vec![proof] });
    assert!(world.red(0).iter().any(|text| text.contains("another name")), "{:?}", world.problems());
    assert_eq!(world.view(0).ended, Some("failed"));
    assert!(world.speak(0, b"opus").is_none());
}

#[test]
fn a_person_cannot_ring_themselves() {
    let mut world = World::of_two(48);
    world.join_office(1, Role::Principal);
    world.settle();
    let own = world.nodes[0].card.person;
    world.command(0, UserCommand::Ring { person: own, mode: None });
    assert!(world.nodes[0].engine.view().call.is_none());
}

#[test]
fn erase_is_the_last_output_of_a_revoked_device() {
    let mut world = World::of_two(49);
    world.call();
    let jws = world.authority.revoke(world.nodes[1].id, world.now).unwrap();
    let (now, engine) = (world.now, &mut world.nodes[1].engine);
    engine.handle(now, ServerMessage::Revoked { jws: Some(jws) });
    let outputs: Vec<Output> = std::iter::from_fn(|| engine.poll()).collect();
    assert_eq!(outputs.last(), Some(&Output::Erase), "a state persisted after it would restore the keys");
    assert!(outputs.contains(&Output::CloseLeg) && outputs.contains(&Output::View), "{outputs:?}");
    assert!(!outputs.contains(&Output::Persist));
    engine.command(now, UserCommand::Dismiss);
    engine.handle(now, ServerMessage::PeopleChanged { changed: Vec::new(), removed: Vec::new() });
    assert!(!std::iter::from_fn(|| engine.poll()).any(|output| output == Output::Persist));
}

#[test]
fn a_call_on_a_forked_log_is_reported_once_the_device_sees_the_real_log() {
    let mut world = World::of_two(51);
    let fork = world.fork(51);
    let real = std::mem::replace(&mut world.log, fork);
    world.call();
    world.command(0, UserCommand::HangUp);
    world.settle();
    assert!(world.red(0).is_empty(), "not detectable yet");
    // Back on the real log, which continues without that call.
    world.log = real;
    for n in 0..20 {
        world.append(&serde_json::json!({"type": "started", "n": n, "time_ms": world.now}));
    }
    for restarted in [false, true] {
        if restarted {
            world.reload(0);
        }
        world.advance(200_000);
        let log = world.nodes[0].engine.view().log.unwrap();
        assert!(!log.ok, "restarted {restarted}: {log:?}");
        assert!(world.red(0).iter().any(|text| text.contains("another log")), "{:?}", world.problems());
    }
}

#[test]
fn a_flood_of_proofs_does_not_evict_the_evidence_of_a_fork() {
    let mut world = World::of_two(54);
    let fork = world.fork(54);
    let real = std::mem::replace(&mut world.log, fork);
    world.call();
    let first = world.nodes[0].engine.state.claims[0].clone();
    for person in 0..80 {
        let (state, _, proof) = world.enrol(100 + person, Role::DutyOfficer);
        ask_for(&mut world, &Device::open(&state, START).unwrap(), proof, false);
    }
    assert!(world.nodes[0].engine.state.claims.contains(&first));
    world.log = real;
    world.advance(200_000);
    assert!(world.red(0).iter().any(|text| text.contains("another log")), "{:?}", world.problems());
}

#[test]
fn claims_on_an_honest_log_are_settled_within_a_minute() {
    let mut world = World::of_four(52);
    world.call_of_four();
    assert!(!world.nodes[0].engine.state.claims.is_empty());
    world.advance(60_000);
    for node in 0..4 {
        assert_eq!(world.nodes[node].engine.state.claims, [], "of {node}");
    }
    assert!(world.problems().is_empty());
}

#[test]
fn a_call_shows_whether_a_note_taker_is_in_it() {
    let mut world = World::of_four(53);
    world.call();
    assert!(!world.view(0).note_taker && !world.view(0).noted);
    let call = world.room().id;
    world.command(3, UserCommand::Listen { call });
    world.settle();
    assert!(world.view(0).note_taker && world.view(3).note_taker);
    world.command(3, UserCommand::Leave);
    world.settle();
    assert!(!world.view(0).note_taker && world.view(0).noted);
}

#[test]
fn a_removed_device_that_keeps_its_keys_cannot_open_later_frames() {
    let mut world = World::of_four(41);
    world.call_of_four();
    // It is not told of the removal and keeps its keys; the other members are asked to remove it.
    world.wire = Some(Box::new(|to, message| if to == 2 { vec![] } else { vec![message] }));
    world.remove(2);
    world.settle();
    assert_eq!(world.screen(1), ["Person 1", "Person 2", "Person 4"]);
    let frame = world.speak(0, b"opus").unwrap();
    assert!(world.hear(2, &frame).is_err());
    assert!(world.hear(1, &frame).is_ok());
}

#[test]
fn a_rolled_back_or_forked_log_is_reported_in_a_red_alert() {
    for fork in [true, false] {
        let mut world = World::of_two(42);
        world.append(&serde_json::json!({"type": "started", "time_ms": world.now}));
        world.advance(30_000);
        assert!(world.nodes[0].engine.view().log.unwrap().ok);
        // Another log under the same key: shorter, or with other entries.
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
        assert_eq!(log.size, size, "the device keeps the last verified tree head");
    }
}

#[test]
fn messages_of_the_server_are_sanitised_and_truncated() {
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
fn messages_of_other_calls_and_unexpected_messages_change_nothing() {
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
fn queued_join_requests_are_limited() {
    let mut world = World::of_two(45);
    world.call();
    // Commits are never confirmed, so that requests are queued.
    world.wire = Some(Box::new(|_, message| match message {
        ServerMessage::Committed { .. } => vec![],
        message => vec![message],
    }));
    let mut refused = 0;
    for person in 0..40 {
        let (state, _, proof) = world.enrol(100 + person, Role::DutyOfficer);
        ask_for(&mut world, &Device::open(&state, START).unwrap(), proof, false);
        refused += usize::from(world.red(0).iter().any(|text| text.contains("too many")));
    }
    assert!(refused > 0);
    assert!(world.hears(1, 0), "the call continues");
}

#[test]
fn a_state_with_the_certificate_of_another_device_does_not_open() {
    let mut world = World::of_two(46);
    let (a, b) = (state_of(&world, 0).to_text().to_string(), state_of(&world, 1).to_text().to_string());
    let (mut a, b): (serde_json::Value, serde_json::Value) =
        (serde_json::from_str(&a).unwrap(), serde_json::from_str(&b).unwrap());
    a["chain"] = b["chain"].clone();
    let mixed = DeviceState::parse(&a.to_string()).unwrap();
    assert!(Engine::new(mixed, world.seed(), world.now).is_err());
}

#[test]
fn an_end_that_only_the_server_announced_is_recorded_without_a_signer() {
    let signed_by = |world: &World| {
        world.nodes[3].events.iter().find_map(|event| match event {
            Event::Ended { signed_by, .. } => Some(*signed_by),
            _ => None,
        })
    };
    let mut world = World::of_four(43);
    world.call_of_four();
    let call = world.room().id;
    world.inject(3, ServerMessage::Ended { call, how: Ended::HungUp });
    assert_eq!(signed_by(&world), Some(None), "no party announced it");
    assert_eq!(world.state(0), CallState::Live);

    for (seed, party) in [(44, 0), (45, 1)] {
        let mut world = World::of_four(seed);
        world.call_of_four();
        world.command(party, UserCommand::HangUp);
        world.settle();
        assert_eq!(signed_by(&world), Some(Some(world.nodes[party].id)));
    }

    // Staff cannot announce the end for the parties.
    let mut world = World::of_four(46);
    world.call_of_four();
    let over = Blob(world.group(2).encrypt(br#"{"say":"over"}"#).unwrap());
    let (call, from) = (world.room().id, world.nodes[2].id);
    world.inject(3, ServerMessage::Application { call, from, message: over });
    world.inject(3, ServerMessage::Ended { call, how: Ended::HungUp });
    assert_eq!(signed_by(&world), Some(None));
}
