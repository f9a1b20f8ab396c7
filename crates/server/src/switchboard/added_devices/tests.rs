//! Devices added in somebody's name, over a store and a log that fail and crash at any point.

use super::super::{
    Reply,
    office_with_faults::{Done, INVITATION, Office, card, device},
};
use super::*;
use telcon_proto::{ClientMessage as C, Role, ServerMessage as S};

const FIRST: DeviceId = DeviceId::from_bytes([20; 16]);
const SECOND: DeviceId = DeviceId::from_bytes([21; 16]);
const ADDED: DeviceId = DeviceId::from_bytes([22; 16]);

fn person() -> telcon_proto::Card {
    card(20, Role::Principal)
}

/// A principal with two devices, the first of which is connected by session 2.
fn office() -> Office {
    let mut office = Office::new();
    office.enrol(FIRST, person());
    office.enrol(SECOND, person());
    assert!(office.connect(2, FIRST));
    office.send(2, C::AcknowledgeDevice { device: SECOND });
    office.done.clear();
    office
}

fn told(office: &Office, session: u64) -> Vec<Vec<DeviceId>> {
    let devices = |message: &S| match message {
        S::DevicesAdded { devices } => Some(devices.iter().map(|added| added.device).collect()),
        _ => None,
    };
    office.sent_to(session).filter_map(devices).collect()
}

#[test]
fn other_devices_are_told_before_anybody_learns_that_the_new_one_can_sign_in() {
    let mut office = office();
    office.invite(person());
    office.ask(ADDED);
    office.done.clear();
    assert!(!office.connect(9, ADDED), "before the log has it");
    office.approve(ADDED, person());
    let at = |wanted: fn(&Done) -> bool| office.done.iter().position(wanted).expect("it was done");
    let told_at = at(|done| matches!(done, Done::Sent(_, S::DevicesAdded { .. })));
    let replied_at = at(|done| matches!(done, Done::Replied(Ok(Reply::Logged(_)))));
    assert_eq!(told_at, 0, "nothing is sent before it: {:?}", office.done);
    assert!(told_at < replied_at);
    let Done::Sent(_, S::DevicesAdded { devices }) = &office.done[told_at] else { unreachable!() };
    assert_eq!(devices[0].approved_by.as_deref(), Some("Person 1"));
    assert!(office.connect(9, ADDED));
    assert_eq!(told(&office, 9), Vec::<Vec<DeviceId>>::new(), "it is not told of itself");
}

#[test]
fn a_device_that_is_away_is_told_when_it_signs_in_until_it_is_acknowledged_there() {
    let mut office = office();
    office.enrol(ADDED, person());
    office.send(2, C::AcknowledgeDevice { device: ADDED });
    assert_eq!(told(&office, 2), [vec![ADDED], vec![]]);
    // Acknowledged on the first device, not on the second. The first reads of it no more.
    for session in [3, 4] {
        office.done.clear();
        office.restart();
        assert!(office.connect(2, FIRST) && office.connect(session, SECOND));
        assert_eq!(told(&office, 2), Vec::<Vec<DeviceId>>::new());
        assert_eq!(told(&office, session), [vec![ADDED]], "it was enrolled before SECOND had read of it");
    }
}

#[test]
fn the_added_device_cannot_silence_the_others() {
    let mut office = office();
    office.enrol(ADDED, person());
    assert!(office.connect(9, ADDED));
    office.send(9, C::AcknowledgeDevice { device: ADDED });
    office.send(9, C::AcknowledgeDevice { device: SECOND });
    office.done.clear();
    assert!(office.connect(5, SECOND));
    assert_eq!(told(&office, 5), [vec![ADDED]]);
}

#[test]
fn other_people_are_told_nothing() {
    let mut office = office();
    office.enrol(device(40), card(40, Role::Principal));
    assert_eq!((told(&office, 1), told(&office, 2)), (vec![], vec![]));
    assert_eq!(office.store.load().unwrap().added_devices, []);
}

#[test]
fn a_device_that_the_log_refuses_is_told_of_once_it_is_in_the_log() {
    let mut office = office();
    office.log_fails = true;
    office.enrol(ADDED, person());
    assert_eq!(told(&office, 2), Vec::<Vec<DeviceId>>::new());
    office.log_fails = false;
    office.enrol(ADDED, person());
    assert_eq!(told(&office, 2), [vec![ADDED]]);
    // If the process ends instead, nothing is left of it.
    let mut office = self::office();
    office.log_fails = true;
    office.enrol(ADDED, person());
    office.restart();
    assert_eq!(office.store.load().unwrap().added_devices, []);
}

#[test]
fn whenever_the_process_dies_no_device_signs_in_of_which_the_others_do_not_tell() {
    for crash in 0.. {
        let mut office = office();
        office.left = crash;
        office.invite(person());
        office.ask(ADDED);
        office.approve(ADDED, person());
        let crashed = office.left == 0;
        office.restart();
        office.done.clear();
        let enrolled = office.connect(9, ADDED);
        assert!(office.connect(2, FIRST) && office.connect(3, SECOND));
        let expected = if enrolled { vec![vec![ADDED]] } else { vec![] };
        assert_eq!(told(&office, 2), expected, "after {crash} outputs");
        assert_eq!(told(&office, 3), expected, "after {crash} outputs");
        if !crashed {
            assert!(enrolled && crash > 10, "there are more outputs than {crash}");
            let closed = office.store.load().unwrap().invitations.iter().all(|row| row.invitation != INVITATION);
            assert!(closed);
            break;
        }
    }
}

#[test]
fn a_device_tells_of_a_limited_number_and_keeps_the_oldest() {
    let mut office = office();
    for n in 0..MAX_ADDED_DEVICES as u8 + 3 {
        let id = device(100 + n);
        office.now += 1;
        office.enrol(id, person());
        let effects = office.board.revoke(super::super::RequestId(7), id, "jws".into(), office.now);
        office.run(effects);
    }
    let last = told(&office, 2).pop().unwrap();
    assert_eq!((last.len(), last[0]), (MAX_ADDED_DEVICES, device(100)));
}
