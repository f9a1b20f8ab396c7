//! Proofs of records under other logs than the one that a device follows.

use telcon_core::{UserCommand, proof::Report};
use telcon_proto::{ClientMessage, Ended, RecordMode, Role, entry::Entry, http::RecordProof};
use telcon_sim::script::Scenario;

const CONTINUES: &str = "Its log continues what this device has seen";

/// An office in which a call of which nothing is kept was opened, answered and, if so, ended. Nothing was verified since.
fn after_a_call(seed: u64, ended: bool) -> Scenario {
    let mut world = Scenario::of_two(seed);
    let person = world.card(1).person;
    world.command(0, UserCommand::Ring { person, mode: Some(RecordMode::LogOnly) });
    world.settle();
    world.command(1, UserCommand::Answer { call: None });
    world.settle();
    if ended {
        world.command(0, UserCommand::HangUp);
        world.settle();
    }
    world
}

fn log_size(world: &Scenario) -> u64 {
    world.screen_of(0).log.unwrap().size
}

/// All other checks pass: only this one tells. Gives its reason.
fn only_the_log_is_wrong(report: &Report) -> &str {
    let failed: Vec<_> = report.checks.iter().filter(|check| !check.ok).collect();
    assert_eq!(failed.iter().map(|check| check.title).collect::<Vec<_>>(), [CONTINUES], "{failed:?}");
    assert!(!report.ok);
    &failed[0].detail
}

#[test]
fn a_device_follows_the_log_of_an_honest_record_proof() {
    let mut world = after_a_call(171, true);
    let (before, log) = (log_size(&world), world.fork_log());
    let size = log.checkpoint().size();
    assert!(before < size, "the log has grown since the device looked");
    let proof = world.record_proof(&log, before);
    let report = world.check_record(0, &proof);
    assert!(report.ok, "{report:?}");
    assert_eq!(log_size(&world), size);
    // The same proof again, and from then on the device asks for what continues this tree.
    assert!(world.check_record(0, &proof).ok);
    // A device that joins is logged, and then the key that it makes.
    world.join_office(3, Role::Principal);
    world.advance(30_000);
    let asked = world.sent(0, |m| matches!(m, ClientMessage::Ping { log_size } if *log_size == size).then_some(()));
    assert!(!asked.is_empty());
    assert_eq!(log_size(&world), size + 2);
    assert!(world.problems().is_empty(), "{:?}", world.problems());
    // The device looked at the log between its question and the answer: it asks again, and nobody is accused.
    world.join_office(4, Role::Principal);
    assert_eq!(log_size(&world), size + 2);
    let overtaken = world.record_proof(&world.fork_log(), size);
    assert!(only_the_log_is_wrong(&world.check_record(0, &overtaken)).contains("try again"));
    let again = world.record_proof(&world.fork_log(), size + 2);
    assert!(world.check_record(0, &again).ok);
    assert!(world.problems().is_empty(), "{:?}", world.problems());
}

#[test]
fn a_record_proof_under_a_shorter_log_is_refused() {
    let mut world = after_a_call(172, true);
    let shorter = world.fork_log();
    world.join_office(3, Role::Principal);
    world.advance(30_000);
    let size = log_size(&world);
    assert!(shorter.checkpoint().size() < size);
    for from_size in [0, shorter.checkpoint().size(), size] {
        let proof = world.record_proof(&shorter, from_size);
        let report = world.check_record(0, &proof);
        let why = only_the_log_is_wrong(&report);
        assert!(why.contains(&format!("this device has seen {size}")), "{why}");
    }
    assert_eq!(log_size(&world), size, "the device keeps the tree that it follows");
}

#[test]
fn a_record_proof_under_a_forked_log_with_a_consistency_proof_of_its_own_is_refused() {
    let mut world = after_a_call(173, true);
    world.advance(30_000);
    let size = log_size(&world);
    // The same entries and others, which this device never saw: one at the beginning, and one more at the end.
    let mut entries = world.log_entries();
    entries.insert(0, br#"{"type":"started"}"#.to_vec());
    entries.push(br#"{"type":"started","n":1}"#.to_vec());
    let fork = world.log_of(&entries);
    let proof = world.record_proof(&fork, size);
    assert!(fork.checkpoint().size() > size && !proof.consistency.is_empty());
    let report = world.check_record(0, &proof);
    let why = only_the_log_is_wrong(&report);
    assert!(why.contains("another log than this device has seen"), "{why}");
    assert!(world.red(0).iter().any(|text| text.contains("another log")), "{:?}", world.problems());
    assert_eq!(log_size(&world), size);
}

#[test]
fn a_record_proof_under_several_checkpoints_is_refused() {
    let mut world = after_a_call(174, true);
    let (size, log) = (log_size(&world), world.fork_log());
    let honest = world.record_proof(&log, size);
    let mut entries = world.log_entries();
    entries.truncate(honest.opened.index as usize + 1);
    let at_the_ring = world.record_proof(&world.log_of(&entries), size);
    let proofs = [
        // The opening, or the callee's device, as proven when it was used.
        RecordProof { opened: at_the_ring.opened, ..honest.clone() },
        RecordProof { devices: vec![honest.devices[0].clone(), at_the_ring.devices[1].clone()], ..honest.clone() },
    ];
    for proof in proofs {
        let report = world.check_record(0, &proof);
        let why = only_the_log_is_wrong(&report);
        assert!(why.contains("several checkpoints"), "{why}");
    }
    assert!(log_size(&world) == size && world.check_record(0, &honest).ok);
}

#[test]
fn a_record_proof_with_an_entry_of_the_future_is_refused() {
    // A clock that is somewhat behind is no reason to refuse.
    for (ahead_ms, refused) in [(4 * 60_000, false), (60 * 60_000, true)] {
        let mut world = after_a_call(175, false);
        let (size, call) = (log_size(&world), world.seen().id);
        let (time_ms, answered_ms) = (world.now() + ahead_ms, Some(world.now()));
        let end =
            Entry::CallEnded { time_ms, call, how: Ended::HungUp, answered: Some(true), answered_ms, delegation: None };
        let mut entries = world.log_entries();
        entries.push(end.to_bytes());
        let proof = world.record_proof(&world.log_of(&entries), size);
        let report = world.check_record(0, &proof);
        match refused {
            true => assert!(only_the_log_is_wrong(&report).contains("dated in the future")),
            false => assert!(report.ok, "{report:?}"),
        }
    }
}
