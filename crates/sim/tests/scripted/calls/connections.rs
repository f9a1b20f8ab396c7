//! Competing commits, reloads and lost connections.

use super::*;
use telcon_sim::script;

#[test]
fn of_two_concurrent_commits_the_second_is_rebased() {
    for seed in 0..24 {
        let mut world = Scenario::of_four(seed);
        world.call();
        let call = world.seen().id;
        // One member is asked to add the desk and the other to add the note-taker, at the same time.
        world.command(2, UserCommand::Listen { call });
        world.command(3, UserCommand::Listen { call });
        let (desk, note) = (asks(&world, 2), asks(&world, 3));
        for node in 0..4 {
            world.drop_messages(node);
        }
        world.slow_network();
        for (committer, joiner, key_package) in [(0, 2, desk), (1, 3, note)] {
            let (from, device) = (world.id(joiner), world.proof(joiner));
            world.post(committer, &ServerMessage::JoinAsked { call, from, key_package, device, answer: false });
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

/// Each reload asks with a fresh key package, until the office refuses one too many: that is no reason to end the call for both.
#[test]
fn a_party_that_reloads_again_and_again_gets_in_a_moment_later() {
    let mut world = Scenario::of_two(79);
    world.call();
    // The other side does not let it in meanwhile.
    world.hold(script::Direction::Down, 0);
    for _ in 0..9 {
        world.disconnect(1);
        world.reload(1);
        world.settle();
    }
    assert_ne!(world.state(1), CallState::Ended, "{:?}", world.view(1).problem);
    world.release(script::Direction::Down, 0);
    world.advance(10_000);
    assert_eq!((world.state(0), world.state(1)), (CallState::Live, CallState::Live));
    assert!(world.hears(0, 1) && world.hears(1, 0));
}

fn asks(world: &Scenario, node: usize) -> telcon_proto::Blob {
    let asked = world.sent(node, |message| match message {
        ClientMessage::AskJoin { key_package, .. } => Some(key_package.clone()),
        _ => None,
    });
    asked.last().unwrap().clone()
}

#[test]
fn a_reload_rejoins_the_call_by_itself_with_fresh_keys() {
    for (node, other) in [(0, 1), (1, 0)] {
        let mut world = Scenario::of_two(10);
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
        let mut world = Scenario::of_two(15);
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
    let mut world = Scenario::of_two(16);
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
    let mut world = Scenario::of_four(11);
    world.call();
    world.disconnect(1);
    assert_eq!((world.state(1), world.screen_of(1).phase), (CallState::Reconnecting, ConnectionState::Offline));
    assert!(world.hears(0, 1) && world.hears(1, 0), "media does not use the WebSocket");
    let call = world.seen().id;
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
        let mut world = Scenario::of_four(12);
        world.call();
        let call = world.seen().id;
        world.command(2, UserCommand::Listen { call });
        if arrives {
            // The switchboard accepts it, and the confirmation is lost.
            assert!(world.step() || world.seen().epoch > 1);
            while world.seen().handshakes.len() < 2 && world.step() {}
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
    let mut world = Scenario::of_two(13);
    let third = world.join_office(5, Role::Principal);
    world.settle();
    world.call();
    let call = world.seen().id;
    world.ring(third, 1);
    world.settle();
    assert_eq!((world.view(1).call, world.view(third).ended), (call, Some("busy")));
    // Nor does a server that rings all the same change the screen.
    let other = telcon_proto::CallId::from_bytes([9; 16]);
    let mut ring = world.seen().ring;
    (ring.call.id, ring.at_ms) = (other, world.now());
    let caller = world.stolen(third);
    let jws = telcon_identity::sign_ring(caller.key(), caller.chain(), &ring);
    let (opened, device) = (world.forge_entry(&opening(&jws, world.now())), world.proof(third));
    world.inject(1, ServerMessage::Ringing { jws, opened, device });
    assert_eq!((world.view(1).call, world.state(1)), (call, CallState::Live));
    let person = world.card(third).person;
    world.command(1, UserCommand::Ring { person, mode: None });
    assert_eq!(world.view(1).call, call);
}

#[test]
fn pings_audit_the_log_periodically() {
    let mut world = Scenario::of_two(14);
    let before = world.screen_of(0).log.unwrap();
    world.join_office(5, Role::Counterpart);
    world.advance(60_000);
    let after = world.screen_of(0).log.unwrap();
    assert!(after.ok && after.size > before.size && after.checked_ms > before.checked_ms);
}

#[test]
fn an_unanswered_keepalive_closes_the_connection() {
    let mut world = Scenario::of_two(24);
    world.advance(120_000);
    assert_eq!(world.keepalive_timeouts(0), 0, "every ping is answered");
    // The connection is open, but nothing is received.
    world.tamper(|node, message| if node == 0 { Vec::new() } else { vec![message] });
    world.advance(35_000);
    assert_eq!([0, 1].map(|node| world.keepalive_timeouts(node) > 0), [true, false]);
    world.stop_tampering();
    world.disconnect(0);
    world.connect(0);
    world.settle();
    world.call();
    let before = world.keepalive_timeouts(0);
    world.advance(60_000);
    assert_eq!((world.keepalive_timeouts(0), world.state(0)), (before, CallState::Live));
    // In a call the keepalive timeout is shorter than the time after which a note-taker is shown as lost.
    world.tamper(|node, message| if node == 0 { Vec::new() } else { vec![message] });
    world.advance(5_900);
    assert_eq!(world.keepalive_timeouts(0), before + 1);
    world.disconnect(0);
    world.advance(60_000);
    assert_eq!(world.keepalive_timeouts(0), before + 1, "without a connection there is no timeout");
}

#[test]
fn an_unanswered_sign_in_closes_the_connection() {
    let mut world = Scenario::of_two(25);
    world.disconnect(0);
    world.tamper(|_, _| Vec::new());
    world.connect(0);
    world.advance(9_000);
    assert_eq!(world.keepalive_timeouts(0), 0);
    world.advance(2_000);
    assert_eq!(world.keepalive_timeouts(0), 1);
}

#[test]
fn nothing_but_the_sign_in_is_sent_before_it_is_complete() {
    let mut world = Scenario::of_two(60);
    world.call();
    world.disconnect(0);
    let before = world.received().len();
    world.connect(0);
    world.command(0, UserCommand::Mute { on: true });
    assert!(world.received()[before..].iter().all(|(_, message)| matches!(message, ClientMessage::Hello { .. })));
    world.settle();
    assert_eq!(world.state(0), CallState::Live);
}

#[test]
fn who_declined_while_disconnected_declines_when_the_ring_comes_again() {
    let mut world = Scenario::of_two(61);
    world.ring(0, 1);
    world.settle();
    world.disconnect(1);
    world.command(1, UserCommand::Decline { call: None, reply: None });
    world.connect(1);
    world.settle();
    assert_eq!(world.seen().over, Some(Ended::Declined));
    assert!(world.problems().is_empty(), "{:?}", world.problems());
}

#[test]
fn who_answered_while_disconnected_is_put_through_when_the_connection_is_back() {
    let mut world = Scenario::of_two(62);
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
    let mut world = Scenario::of_two(63);
    world.ring(0, 1);
    world.settle();
    let refused = |code| ServerMessage::Refused { call: Some(world.seen().id), code, message: "no".into() };
    let (commit, over) = (refused(RefusalCode::NotAllowed), refused(RefusalCode::NoSuchCall));
    world.inject(0, commit);
    assert_eq!(world.state(0), CallState::Ringing);
    world.inject(0, over);
    assert_eq!(world.state(0), CallState::Ended);
}

#[test]
fn a_listener_that_was_added_while_it_was_away_gets_in_with_fresh_keys() {
    let mut world = Scenario::of_four(64);
    world.call();
    let call = world.seen().id;
    world.hold(script::Direction::Down, 2);
    world.command(2, UserCommand::Listen { call });
    world.settle();
    assert_eq!(world.screen(0), ["Person 1", "Person 2", "Person 3"]);
    world.held(2).clear();
    world.release(script::Direction::Down, 2);
    world.disconnect(2);
    world.settle();
    world.connect(2);
    world.settle();
    assert_eq!(world.state(2), CallState::Live, "{:?}", world.problems());
    assert!(world.hears(2, 0) && world.screen(0) == world.screen(2));
}

/// Its person answered while it was not connected, and the caller gave up meanwhile. An office that started again does not
/// remember how the call ended, and refuses the answer; nothing failed.
#[test]
fn an_answer_that_comes_after_the_end_ends_the_call_without_an_alarm() {
    for restarted in [true, false] {
        let mut world = Scenario::of_two(65);
        world.ring(0, 1);
        world.settle();
        world.disconnect(1);
        world.command(1, UserCommand::Answer { call: None });
        world.command(0, UserCommand::HangUp);
        world.settle();
        if restarted {
            world.restart_server();
        }
        world.connect(1);
        world.settle();
        let view = world.view(1);
        let expected = if restarted { "interrupted" } else { "cancelled" };
        assert_eq!((view.state, view.ended, view.problem), (CallState::Ended, Some(expected), None));
        assert!(world.screen_of(1).alerts.is_empty(), "{:?}", world.screen_of(1).alerts);
    }
}

#[test]
fn a_request_to_listen_that_comes_after_the_end_shows_how_the_call_ended() {
    let mut world = Scenario::of_four(66);
    world.ring(0, 1);
    world.settle();
    world.hold(script::Direction::Up, 2);
    world.listen(2);
    world.command(0, UserCommand::HangUp);
    world.settle();
    world.release(script::Direction::Up, 2);
    world.settle();
    let view = world.view(2);
    assert_eq!((view.state, view.ended, view.problem), (CallState::Ended, Some("cancelled"), None));
}

#[test]
fn a_device_whose_clock_is_off_is_told_when_it_signs_in() {
    for (ahead_ms, told) in [(90_000, Some("90 seconds ahead of")), (-90_000, Some("90 seconds behind")), (5_000, None)]
    {
        let mut world = Scenario::of_two(67);
        world.disconnect(0);
        world.set_clock(0, ahead_ms);
        world.connect(0);
        world.settle();
        let alerts = world.screen_of(0).alerts;
        let clock: Vec<_> = alerts.iter().filter(|alert| alert.text.contains("clock")).collect();
        assert_eq!(clock.len(), usize::from(told.is_some()), "{alerts:?}");
        assert!(clock.iter().all(|alert| told.is_some_and(|told| alert.text.contains(told))), "{alerts:?}");
        assert!(world.screen_of(1).alerts.is_empty());
    }
}

#[test]
fn an_answer_that_the_office_stored_before_it_started_again_is_repeated_and_put_through() {
    let mut world = Scenario::of_two(68);
    world.ring(0, 1);
    world.settle();
    // The caller's device does not let the callee in before the server starts again.
    world.hold(script::Direction::Up, 0);
    world.command(1, UserCommand::Answer { call: None });
    world.settle();
    world.disconnect(0);
    world.release(script::Direction::Up, 0);
    world.restart_server();
    for node in [1, 0] {
        world.connect(node);
        world.settle();
    }
    assert_eq!([world.state(0), world.state(1)], [CallState::Live; 2], "{:?}", world.problems());
}
