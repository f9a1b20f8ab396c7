//! Checkpoints that the members of a call send each other: a server with two histories, and members that abuse the exchange.

use super::{ask_for, fork::show_fork_to};
use serde_json::json;
use telcon_core::{
    Device, UserCommand,
    peer_log::{ForkFinding, LogFork},
    view::LogComparison,
};
use telcon_proto::{
    Blob, ClientMessage, Role, ServerMessage,
    limits::{MAX_LOG_FORKS, MAX_PEER_CHECKPOINTS, MAX_PROOF_AGE_MS, PEER_PROOF_INTERVAL_MS, PEER_PROOF_TIMEOUT_MS},
};
use telcon_sim::script::{OtherOffice, Scenario};

/// The evidence that a device shows.
fn forks(world: &Scenario, node: usize) -> Vec<LogFork> {
    world.screen_of(node).alerts.into_iter().filter_map(|alert| alert.fork).collect()
}

fn logs(world: &Scenario, node: usize) -> LogComparison {
    world.view(node).logs
}

/// Pings of a device with which it asks for a consistency proof.
fn pings(world: &Scenario, node: usize) -> usize {
    world.sent(node, |message| matches!(message, ClientMessage::Ping { log_size: 1.. }).then_some(())).len()
}

/// The checkpoint that a device follows, as its office signed it.
fn followed(world: &Scenario, node: usize) -> String {
    world.state_of(node).log.expect("a verified log").checkpoint
}

/// Node 1 sends node 0 a message past its engine.
fn say(world: &mut Scenario, message: &serde_json::Value) {
    let (call, from) = (world.seen().id, world.id(1));
    let message = world.encrypt(1, message.to_string().as_bytes());
    world.inject(0, ServerMessage::Application { call, from, message });
}

pub(super) fn say_checkpoint(world: &mut Scenario, checkpoint: &str) {
    let office = world.card(0).office;
    say(world, &json!({ "say": "checkpoint", "version": 1, "office": office, "checkpoint": checkpoint }));
}

/// The office's log as it was after each of its first entries: checkpoints that it really signed.
fn earlier_checkpoints(world: &Scenario) -> Vec<String> {
    let entries = world.log_entries();
    (1..entries.len()).map(|n| world.log_of(&entries[..n]).checkpoint().note().to_owned()).collect()
}

/// A checkpoint of another log, of the size that node 0 follows: they differ in the last entry, by `n`.
pub(super) fn other_log(world: &Scenario, n: usize) -> String {
    let mut entries = world.log_entries();
    entries.truncate(world.screen_of(0).log.unwrap().size as usize);
    *entries.last_mut().unwrap() = format!("{{\"type\":\"started\",\"n\":{n}}}").into_bytes();
    world.log_of(&entries).checkpoint().note().to_owned()
}

/// The server proves node 0 no checkpoint of these sizes.
fn withhold(world: &mut Scenario, sizes: std::ops::RangeInclusive<u64>) {
    world.tamper(move |to, message| match message {
        ServerMessage::Checkpoint { from_size, .. } if to == 0 && sizes.contains(&from_size) => vec![],
        message => vec![message],
    });
}

/// A call whose two devices have compared their logs.
fn compared() -> Scenario {
    let mut world = Scenario::of_two(71);
    for person in 20..40 {
        world.enrol_only(person, Role::DutyOfficer);
    }
    world.call();
    world.advance(30_000);
    assert_eq!([logs(&world, 0), logs(&world, 1)], [LogComparison::Same; 2]);
    world
}

#[test]
fn members_of_a_call_compare_the_honest_log_and_find_it_the_same() {
    let mut world = Scenario::of_four(70);
    world.set_recording(3, false);
    world.call_of_four();
    world.advance(30_000);
    // A note-taker that cannot record sends nothing, and still compares what it gets.
    let of_all = |world: &Scenario| [0, 1, 2, 3].map(|node| logs(world, node));
    assert_eq!(of_all(&world), [0, 1, 2, 3].map(|node| [LogComparison::Unknown, LogComparison::Same][node / 3]));
    world.set_recording(3, true);
    world.advance(30_000);
    assert_eq!(of_all(&world), [LogComparison::Same; 4]);
    for node in 0..4 {
        assert_eq!((world.view(node).invalid_checkpoints, forks(&world, node)), (0, vec![]));
    }
    assert!(world.problems().is_empty());
}

#[test]
fn the_logs_are_the_same_only_once_every_member_was_compared() {
    let mut world = Scenario::of_four(75);
    // The server keeps one member's messages from one other member.
    let withheld = world.id(2);
    world.tamper(move |to, message| match message {
        ServerMessage::Application { from, .. } if (to, from) == (0, withheld) => vec![],
        message => vec![message],
    });
    world.call_of_four();
    world.advance(60_000);
    assert_eq!(logs(&world, 0), LogComparison::Unknown);
    assert_eq!([1, 2, 3].map(|node| logs(&world, node)), [LogComparison::Same; 3]);
    // That member leaves, and all others were compared.
    world.command(2, UserCommand::Leave);
    world.advance(60_000);
    assert_eq!(logs(&world, 0), LogComparison::Same);
}

#[test]
fn one_checkpoint_of_two_members_is_compared_once_and_counts_for_both() {
    let mut world = Scenario::of_four(76);
    world.call_of_four();
    world.advance(30_000);
    let call = world.seen().id;
    // A device that rejoins gets nothing of them but one old checkpoint.
    world.tamper(|to, message| match message {
        ServerMessage::Application { .. } if to == 0 => vec![],
        message => vec![message],
    });
    world.reload(0);
    world.advance(60_000);
    assert_eq!(logs(&world, 0), LogComparison::Unknown);
    let (office, old) = (world.card(0).office, earlier_checkpoints(&world)[0].clone());
    let message = json!({ "say": "checkpoint", "version": 1, "office": office, "checkpoint": old }).to_string();
    for node in 1..4 {
        let (from, message) = (world.id(node), world.encrypt(node, message.as_bytes()));
        world.inject(0, ServerMessage::Application { call, from, message });
    }
    world.settle();
    assert_eq!(logs(&world, 0), LogComparison::Same);
}

#[test]
fn a_member_that_was_away_gets_the_checkpoints_that_it_missed() {
    let mut world = Scenario::of_two(77);
    world.tamper(|to, message| match message {
        ServerMessage::Application { .. } if to == 0 => vec![],
        message => vec![message],
    });
    world.call();
    world.advance(30_000);
    assert_eq!([logs(&world, 0), logs(&world, 1)], [LogComparison::Unknown, LogComparison::Same]);
    world.disconnect(0);
    world.stop_tampering();
    world.connect(0);
    world.advance(30_000);
    assert_eq!(logs(&world, 0), LogComparison::Same);
}

#[test]
fn a_server_that_shows_two_devices_two_histories_is_found_out_by_their_first_call() {
    // Trees of one size, and of different sizes in both directions.
    for (ahead, behind) in [(1, 1), (1, 0), (1, 4), (5, 0)] {
        let mut world = Scenario::of_two(72);
        show_fork_to(&mut world, 1, ahead);
        for person in 20..20 + behind {
            world.enrol_only(person, Role::DutyOfficer);
        }
        world.call();
        // However short it is: what was received is compared after its end.
        world.command(0, UserCommand::HangUp);
        world.settle();
        world.advance(20_000);
        let found: Vec<LogFork> = (0..2).flat_map(|node| forks(&world, node)).collect();
        assert!(!found.is_empty(), "{ahead} ahead, {behind} behind: {:?}", world.problems());
        for fork in &found {
            assert_ne!(fork.own, fork.other);
            let office = world.stolen(0);
            for note in [&fork.own, &fork.other] {
                assert!(office.office().verify_checkpoint(note).is_ok(), "evidence is signed by the log");
            }
        }
        let accused = (0..2).find(|node| !forks(&world, *node).is_empty()).unwrap();
        assert_eq!(logs(&world, accused), LogComparison::Different);
        assert!(!world.screen_of(accused).log.unwrap().ok);
        assert!(world.red(accused).iter().any(|text| text.contains("two versions")), "{:?}", world.problems());
    }
}

#[test]
fn two_roots_of_one_size_are_a_fork_without_asking_the_server() {
    let mut world = compared();
    let (pinged, other) = (pings(&world, 0), other_log(&world, 0));
    say_checkpoint(&mut world, &other);
    let [fork] = &forks(&world, 0)[..] else { panic!("{:?}", world.problems()) };
    assert_eq!((fork.how, &fork.other), (ForkFinding::RootsDiffer, &other));
    assert_eq!((fork.call, fork.device), (world.seen().id, world.id(1)));
    assert_eq!(fork.own, followed(&world, 0));
    assert_eq!(pings(&world, 0), pinged);
    assert_eq!([logs(&world, 0), logs(&world, 1)], [LogComparison::Different, LogComparison::Same]);
}

/// Reports of a device that the log was forked.
fn reports(world: &Scenario, node: usize) -> usize {
    world.sent(node, |message| matches!(message, ClientMessage::ReportAlert { .. }).then_some(())).len()
}

#[test]
fn a_fork_that_is_known_is_not_reported_again_when_its_checkpoint_comes_again() {
    let mut world = compared();
    let other = other_log(&world, 0);
    say_checkpoint(&mut world, &other);
    world.advance(5_000);
    let found = forks(&world, 0);
    assert_eq!((found.len(), reports(&world, 0)), (1, 1));
    say_checkpoint(&mut world, &other);
    world.advance(5_000);
    // Also once the followed log is longer, where the server would have to prove it.
    world.enrol_only(50, Role::DutyOfficer);
    world.advance(30_000);
    say_checkpoint(&mut world, &other);
    world.advance(PEER_PROOF_TIMEOUT_MS + 20_000);
    assert_eq!((forks(&world, 0), reports(&world, 0)), (found, 1));
    assert_eq!(logs(&world, 0), LogComparison::Different);
}

#[test]
fn a_fork_for_which_there_is_no_room_is_not_reported_each_time_it_comes() {
    let mut world = compared();
    let old = earlier_checkpoints(&world);
    withhold(&mut world, 1..=old.len() as u64);
    // As much evidence of two roots as is kept, and as many checkpoints that wait for their proof.
    for n in 0..MAX_LOG_FORKS {
        let other = other_log(&world, n);
        say_checkpoint(&mut world, &other);
        world.advance(5_000);
    }
    for n in MAX_LOG_FORKS..MAX_LOG_FORKS + MAX_PEER_CHECKPOINTS {
        let other = other_log(&world, n);
        say_checkpoint(&mut world, &other);
        world.advance(5_000);
    }
    let stored = serde_json::to_value(world.state_of(0).peer_log).unwrap();
    assert_eq!(stored["unproven"].as_array().unwrap().len(), MAX_PEER_CHECKPOINTS);
    let reported = reports(&world, 0);
    let another = other_log(&world, MAX_LOG_FORKS + MAX_PEER_CHECKPOINTS);
    for _ in 0..3 {
        say_checkpoint(&mut world, &another);
        world.advance(5_000);
    }
    assert_eq!((forks(&world, 0).len(), reports(&world, 0)), (MAX_LOG_FORKS, reported));
    assert_eq!(logs(&world, 0), LogComparison::Different);
}

#[test]
fn a_later_call_shows_a_fork_that_is_known_from_an_earlier_one() {
    // Two roots, and a proof that is missing.
    for roots in [true, false] {
        let mut world = compared();
        let other = if roots { other_log(&world, 0) } else { earlier_checkpoints(&world)[0].clone() };
        withhold(&mut world, 1..=1);
        say_checkpoint(&mut world, &other);
        world.advance(PEER_PROOF_TIMEOUT_MS + 20_000);
        let found = forks(&world, 0);
        assert_eq!(found.len(), 1);
        world.command(0, UserCommand::HangUp);
        world.settle();
        world.call();
        world.advance(30_000);
        assert_eq!(logs(&world, 0), LogComparison::Same, "its members follow the same log now");
        say_checkpoint(&mut world, &other);
        assert_eq!(logs(&world, 0), LogComparison::Different, "two roots: {roots}");
        // A later checkpoint that fits does not change that.
        let followed = followed(&world, 0);
        say_checkpoint(&mut world, &followed);
        world.advance(30_000);
        assert_eq!(logs(&world, 0), LogComparison::Different, "two roots: {roots}");
        assert_eq!(forks(&world, 0), found);
    }
}

#[test]
fn the_evidence_of_a_fork_survives_a_restart_and_is_bounded() {
    let mut world = compared();
    let others: Vec<String> = (0..MAX_LOG_FORKS + 3).map(|n| other_log(&world, n)).collect();
    for other in &others {
        say_checkpoint(&mut world, other);
        world.advance(5_000);
    }
    let kept = forks(&world, 0);
    assert_eq!(kept.len(), MAX_LOG_FORKS);
    assert!(kept.iter().zip(&others).all(|(kept, other)| kept.other == *other), "the oldest are kept");
    world.reload(0);
    world.settle();
    assert_eq!(forks(&world, 0), kept);
    assert!(!world.screen_of(0).log.unwrap().ok && !world.red(0).is_empty());
}

#[test]
fn withheld_proofs_do_not_keep_out_the_evidence_of_two_roots() {
    let mut world = compared();
    let old = earlier_checkpoints(&world);
    withhold(&mut world, 1..=MAX_LOG_FORKS as u64 + 1);
    for old in &old[..=MAX_LOG_FORKS] {
        say_checkpoint(&mut world, old);
        world.advance(PEER_PROOF_TIMEOUT_MS + 20_000);
    }
    let found = |world: &Scenario| forks(world, 0).into_iter().map(|fork| fork.how).collect::<Vec<_>>();
    assert_eq!(found(&world), [ForkFinding::ProofOverdue; MAX_LOG_FORKS]);
    let other = other_log(&world, 0);
    say_checkpoint(&mut world, &other);
    assert_eq!(found(&world).len(), MAX_LOG_FORKS);
    assert!(forks(&world, 0).iter().any(|fork| fork.how == ForkFinding::RootsDiffer && fork.other == other));
}

#[test]
fn an_older_tree_of_the_same_log_is_no_fork() {
    let mut world = compared();
    for old in earlier_checkpoints(&world).into_iter().take(3) {
        say_checkpoint(&mut world, &old);
        world.advance(3_000);
    }
    assert_eq!(world.state_of(0).peer_log, telcon_core::peer_log::PeerLog::default());
    assert_eq!(logs(&world, 0), LogComparison::Same);
    assert!(world.problems().is_empty(), "{:?}", world.problems());
}

#[test]
fn a_checkpoint_that_the_log_did_not_sign_accuses_its_sender_only() {
    let mut world = compared();
    let good = followed(&world, 0);
    let other = OtherOffice::new(telcon_proto::SuiteName::Hybrid, 9, world.card(0).office.as_str(), world.now());
    let altered = good.replacen('\n', "\n9", 1);
    for (n, bad) in [altered.as_str(), other.log.checkpoint().note(), "nonsense"].into_iter().enumerate() {
        say_checkpoint(&mut world, bad);
        assert_eq!(world.view(0).invalid_checkpoints, n as u32 + 1, "{bad}");
    }
    world.advance(PEER_PROOF_TIMEOUT_MS + 10_000);
    assert!(world.problems().is_empty() && world.screen_of(0).log.unwrap().ok);
    assert_eq!(logs(&world, 0), LogComparison::Same);
}

#[test]
fn a_member_that_floods_checkpoints_causes_one_request_at_a_time() {
    let mut world = compared();
    let old = earlier_checkpoints(&world);
    assert!(old.len() > 20);
    let (before, begun) = (pings(&world, 0), world.now());
    for _ in 0..20 {
        for checkpoint in &old {
            say_checkpoint(&mut world, checkpoint);
        }
        world.advance(500);
    }
    let stored = serde_json::to_value(world.state_of(0).peer_log).unwrap();
    assert!(stored["unproven"].as_array().unwrap().len() <= MAX_PEER_CHECKPOINTS);
    // Two pings for each proof, and those of the keepalive.
    let elapsed = world.now() - begun;
    let most = 2 * (elapsed / PEER_PROOF_INTERVAL_MS + 1) + elapsed / 1_000;
    assert!(((pings(&world, 0) - before) as u64) <= most, "{} pings in {elapsed} ms", pings(&world, 0) - before);
    world.advance(30_000);
    assert!(world.problems().is_empty());
    assert_eq!(logs(&world, 0), LogComparison::Same);
}

#[test]
fn a_withheld_proof_is_reported_after_its_deadline_and_withdrawn_by_a_later_one() {
    let mut world = compared();
    let old = earlier_checkpoints(&world)[0].clone();
    withhold(&mut world, 1..=1);
    say_checkpoint(&mut world, &old);
    world.advance(PEER_PROOF_TIMEOUT_MS - 5_000);
    assert!(forks(&world, 0).is_empty());
    // The request survives a restart, and so does the time for which it was waited, up to the last request.
    world.reload(0);
    world.settle();
    world.advance(20_000);
    assert_eq!(forks(&world, 0).iter().map(|fork| fork.how).collect::<Vec<_>>(), [ForkFinding::ProofOverdue]);
    world.stop_tampering();
    world.advance(60_000);
    assert!(forks(&world, 0).is_empty() && world.screen_of(0).log.unwrap().ok);
    assert!(world.problems().is_empty(), "{:?}", world.problems());
}

#[test]
fn a_server_that_closes_the_connection_gains_no_time_for_a_proof() {
    // Long connections, and connections that are closed at the first request.
    for connected_ms in [15_000, 100] {
        let mut world = compared();
        let old = earlier_checkpoints(&world)[0].clone();
        withhold(&mut world, 1..=1);
        say_checkpoint(&mut world, &old);
        let connections = PEER_PROOF_TIMEOUT_MS / connected_ms.max(PEER_PROOF_INTERVAL_MS) + 2;
        for _ in 0..connections {
            world.advance(connected_ms);
            world.disconnect(0);
            world.connect(0);
            world.settle();
        }
        world.advance(1_000);
        let found: Vec<_> = forks(&world, 0).iter().map(|fork| fork.how).collect();
        assert_eq!(found, [ForkFinding::ProofOverdue], "{connected_ms} ms");
    }
}

#[test]
fn wrong_proofs_are_reported_after_some() {
    let mut world = compared();
    let old = earlier_checkpoints(&world)[0].clone();
    world.tamper(|to, message| match message {
        ServerMessage::Checkpoint { from_size: 1, checkpoint, .. } if to == 0 => {
            vec![ServerMessage::Checkpoint { from_size: 1, checkpoint, consistency: vec![Blob(vec![7; 32])] }]
        }
        message => vec![message],
    });
    say_checkpoint(&mut world, &old);
    world.advance(PEER_PROOF_INTERVAL_MS);
    assert!(forks(&world, 0).is_empty(), "one wrong proof can be a fault");
    world.advance(3 * PEER_PROOF_INTERVAL_MS);
    assert_eq!(forks(&world, 0).iter().map(|fork| fork.how).collect::<Vec<_>>(), [ForkFinding::ProofRefused]);
}

#[test]
fn a_member_that_sends_no_checkpoints_can_be_called() {
    let mut world = Scenario::of_two(73);
    // A program of before them: of what it sends, nothing else is an application message.
    world.tamper_up(|from, message| match message {
        ClientMessage::Application { .. } if from == 1 => vec![],
        message => vec![message],
    });
    world.call();
    world.advance(120_000);
    assert_eq!([logs(&world, 0), logs(&world, 1)], [LogComparison::Unknown, LogComparison::Same]);
    assert!(world.problems().is_empty() && world.hears(0, 1) && world.hears(1, 0));
}

#[test]
fn messages_of_other_versions_and_offices_are_ignored() {
    let mut world = compared();
    let (checkpoint, office) = (followed(&world, 0), world.card(0).office);
    say(&mut world, &json!({ "say": "something_new" }));
    say(&mut world, &json!({ "say": "checkpoint", "version": 2, "office": office, "checkpoint": "?" }));
    say(&mut world, &json!({ "say": "checkpoint", "version": 1, "office": "other.example", "checkpoint": checkpoint }));
    assert_eq!(world.view(0).invalid_checkpoints, 0);
    assert!(world.problems().is_empty());
}

#[test]
fn a_proof_under_an_old_tree_is_refused() {
    let mut world = Scenario::of_two(74);
    let (state, _, old) = world.enrol_only(20, Role::DutyOfficer);
    let device = Device::open(&state, world.now()).unwrap();
    world.advance(30_000);
    world.call();
    for person in 21..25 {
        world.enrol_only(person, Role::DutyOfficer);
        world.advance(MAX_PROOF_AGE_MS / 2);
    }
    let id = device.me().device();
    let added = |world: &Scenario| {
        let adds = |message: &ClientMessage| match message {
            ClientMessage::Commit { adds, .. } => Some(adds.contains(&id)),
            _ => None,
        };
        world.sent(0, adds).contains(&true)
    };
    ask_for(&mut world, &device, old, false);
    assert!(world.red(0).iter().any(|text| text.contains("old state of its log")), "{:?}", world.problems());
    assert!(!added(&world));
    let fresh = world.proof_of(id);
    ask_for(&mut world, &device, fresh, false);
    assert!(added(&world), "the age of the proof was the only reason");
}

#[test]
fn a_proof_grows_old_on_an_idle_device() {
    for idle_ms in [0, 3 * MAX_PROOF_AGE_MS] {
        let mut world = Scenario::of_two(78);
        let old = world.proof(0);
        for person in 20..24 {
            world.enrol_only(person, Role::DutyOfficer);
        }
        world.advance(1_000 + idle_ms);
        world.tamper(move |_, message| match message {
            ServerMessage::Ringing { jws, opened, .. } => {
                vec![ServerMessage::Ringing { jws, opened, device: old.clone() }]
            }
            message => vec![message],
        });
        world.ring(0, 1);
        world.settle();
        let refused = world.red(1).iter().any(|text| text.contains("old state of its log"));
        assert_eq!(refused, idle_ms > 0, "{:?}", world.problems());
    }
}

#[test]
fn a_proof_grows_old_while_a_device_is_suspended() {
    for suspended_ms in [0, 2 * MAX_PROOF_AGE_MS] {
        let mut world = Scenario::of_two(79);
        world.call();
        let (state, _, old) = world.enrol_only(20, Role::DutyOfficer);
        let device = Device::open(&state, world.now()).unwrap();
        for person in 21..25 {
            world.enrol_only(person, Role::DutyOfficer);
        }
        // It verifies the newest tree, and its connection survives the suspension.
        world.advance(25_000);
        world.set_clock(0, suspended_ms as i64);
        ask_for(&mut world, &device, old, false);
        let refused = world.red(0).iter().any(|text| text.contains("old state of its log"));
        assert_eq!(refused, suspended_ms > 0, "{:?}", world.problems());
    }
}
