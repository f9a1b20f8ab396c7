//! What devices report to the office's security officers, and what a person's devices say of a new one.

use super::{
    ask_for,
    fork::{show_fork, show_fork_to},
};
use telcon_core::{Device, UserCommand};
use telcon_proto::{AlertKind, ClientMessage, DeviceId, OfficeAlert, Role, ServerMessage, SuiteName, entry::ReadEntry};
use telcon_sim::script::{OtherOffice, START_MS, Scenario};

/// Alerts in the log that no other entry states.
fn raised(world: &Scenario) -> Vec<(AlertKind, Option<DeviceId>)> {
    let log = world.fork_log();
    let entries = log.entries(0..log.checkpoint().size()).unwrap();
    let alerts = entries.iter().filter_map(|bytes| OfficeAlert::of_entry(0, &ReadEntry::parse(bytes).known()?));
    alerts.filter(|alert| alert.kind.has_own_entry()).map(|alert| (alert.kind, alert.device)).collect()
}

/// An office of two, with a security officer's device (2).
fn guarded(seed: u64) -> Scenario {
    let mut world = Scenario::of_two(seed);
    world.join_office(3, Role::SecurityOfficer);
    world
}

#[test]
fn a_ring_that_the_server_changed_is_reported_and_the_officer_reads_of_it() {
    let mut world = guarded(70);
    world.tamper(|_, message| match message {
        ServerMessage::Ringing { jws, opened, device } => {
            let (signed, _) = jws.rsplit_once('.').unwrap();
            vec![ServerMessage::Ringing { jws: format!("{signed}.AAAA"), opened, device }]
        }
        message => vec![message],
    });
    world.ring(0, 1);
    world.settle();
    assert_eq!(raised(&world), [(AlertKind::RingInvalid, Some(world.id(1)))]);
    let shown = world.screen_of(2).office_alerts.unwrap();
    assert_eq!((shown.newest[0].kind, shown.newest[0].device), (AlertKind::RingInvalid, Some(world.id(1))));
    assert!(shown.newest[0].call.is_some());
    assert_eq!(world.screen_of(1).office_alerts, None, "others are told of no alert");
    // The officer marks it as seen.
    let (unseen, index) = (shown.unseen, shown.newest[0].log_index);
    world.command(2, UserCommand::SeeAlerts { alerts: vec![index] });
    world.settle();
    let shown = world.screen_of(2).office_alerts.unwrap();
    assert_eq!((shown.unseen, shown.newest[0].seen.map(|seen| seen.by)), (unseen - 1, Some(world.id(2))));
}

#[test]
fn a_forked_log_is_reported_once_a_device_sees_it_and_is_connected() {
    let mut world = guarded(71);
    show_fork(&mut world);
    world.call();
    world.command(0, UserCommand::HangUp);
    world.settle();
    world.stop_tampering();
    for person in 20..30 {
        world.enrol_only(person, Role::DutyOfficer);
    }
    world.advance(200_000);
    assert!(raised(&world).contains(&(AlertKind::LogForked, Some(world.id(0)))), "{:?}", raised(&world));
}

#[test]
fn a_log_that_the_members_of_a_call_see_differently_is_reported() {
    let mut world = guarded(75);
    show_fork_to(&mut world, 1, 1);
    world.call();
    world.command(0, UserCommand::HangUp);
    world.settle();
    world.advance(20_000);
    let reported = raised(&world).into_iter().filter(|(kind, _)| *kind == AlertKind::LogForked);
    let by = reported.map(|(_, device)| device.unwrap()).collect::<Vec<_>>();
    assert!(!by.is_empty() && by.iter().all(|device| [world.id(0), world.id(1)].contains(device)), "{by:?}");
}

#[test]
fn a_device_without_a_valid_certificate_that_asks_to_join_is_reported() {
    let mut world = guarded(72);
    world.call();
    let mut other = OtherOffice::new(SuiteName::Hybrid, 96, "office.example", START_MS);
    let (state, _, proof) = other.enrol(9, Role::NoteTaker);
    let device = Device::open(&state, world.now()).unwrap();
    ask_for(&mut world, &device, proof, false);
    assert_eq!(raised(&world), [(AlertKind::ProofInvalid, Some(world.id(0)))]);
}

#[test]
fn a_device_whose_clock_is_wrong_refuses_others_and_accuses_nobody() {
    let mut world = guarded(76);
    let (state, _, proof) = world.enrol_only(9, Role::DutyOfficer);
    let device = Device::open(&state, world.now()).unwrap();
    world.call();
    // By this clock all certificates have expired.
    world.set_clock(0, 20 * 365 * 86_400_000);
    ask_for(&mut world, &device, proof, false);
    assert!(world.red(0).iter().any(|text| text.contains("refused admission")), "{:?}", world.problems());
    assert_eq!(raised(&world), []);
}

/// A member sends a checkpoint of a log that differs in its last entry, of the size that node 0 follows.
fn say_other_log(world: &mut Scenario) {
    let other = super::gossip::other_log(world, 0);
    super::gossip::say_checkpoint(world, &other);
}

fn reports(world: &Scenario, node: usize) -> usize {
    world.sent(node, |message| matches!(message, ClientMessage::ReportAlert { .. }).then_some(())).len()
}

#[test]
fn a_fork_is_reported_once_however_often_the_device_connects() {
    let mut world = guarded(77);
    world.call();
    world.advance(30_000);
    say_other_log(&mut world);
    world.settle();
    for _ in 0..3 {
        world.disconnect(0);
        world.connect(0);
        world.advance(30_000);
    }
    world.reload(0);
    world.advance(30_000);
    assert_eq!((reports(&world, 0), raised(&world)), (1, vec![(AlertKind::LogForked, Some(world.id(0)))]));
}

#[test]
fn a_report_of_a_fork_that_was_lost_with_the_connection_is_sent_again() {
    for restart in [false, true] {
        let mut world = guarded(78);
        world.call();
        world.advance(30_000);
        // The connection is dead: nothing that the device sends arrives.
        world.tamper_up(|from, message| if from == 0 { vec![] } else { vec![message] });
        say_other_log(&mut world);
        world.settle();
        world.stop_tampering();
        assert_eq!(raised(&world), []);
        world.disconnect(0);
        if restart {
            world.reload(0);
        } else {
            world.connect(0);
        }
        world.advance(30_000);
        assert_eq!(raised(&world), [(AlertKind::LogForked, Some(world.id(0)))], "restart: {restart}");
    }
}

#[test]
fn a_ring_from_a_device_whose_clock_is_wrong_accuses_nobody() {
    let mut world = guarded(73);
    world.set_clock(0, -10 * 60_000);
    world.ring(0, 1);
    world.settle();
    assert_eq!(raised(&world), []);
}

#[test]
fn an_added_device_is_on_all_other_screens_of_its_person_until_it_is_acknowledged_there() {
    let mut world = Scenario::of_two(74);
    let second = world.join_office(1, Role::Principal);
    let shown =
        |world: &Scenario, node| world.screen_of(node).added_devices.iter().map(|d| d.device).collect::<Vec<_>>();
    assert_eq!(shown(&world, 0), [world.id(second)]);
    assert!(shown(&world, second).is_empty() && shown(&world, 1).is_empty());
    // Neither a reload nor the added device takes it away.
    world.command(second, UserCommand::AcknowledgeDevice { device: world.id(second) });
    world.reload(0);
    world.restart_server();
    world.connect(0);
    world.settle();
    assert_eq!(shown(&world, 0), [world.id(second)]);
    world.command(0, UserCommand::AcknowledgeDevice { device: world.id(second) });
    world.settle();
    assert!(shown(&world, 0).is_empty());
    world.reload(0);
    world.settle();
    assert!(shown(&world, 0).is_empty());
}
