//! Shifts over a store and a log that fail and crash at any point.

use super::super::office_with_faults::{Office, START_MS, card, device};
use super::*;
use crate::switchboard::Refusal;
use telcon_proto::{Card, Role, ServerMessage as S, shift::OnShift};

const ROOM: DeviceId = DeviceId::from_bytes([20; 16]);
/// Devices of two duty officers, and of a scheduler.
const ANA: DeviceId = DeviceId::from_bytes([21; 16]);
const BEN: DeviceId = DeviceId::from_bytes([22; 16]);
const CLERK: DeviceId = DeviceId::from_bytes([23; 16]);
const MINUTE_MS: u64 = 60_000;

fn room() -> Card {
    Card { name: "Operations room".into(), place: true, ..card(20, Role::DutyOfficer) }
}

/// The room's device is not connected, and the officers' are not either.
fn office() -> Office {
    let mut office = Office::new();
    office.enrol(ROOM, room());
    office.enrol(ANA, card(21, Role::DutyOfficer));
    office.enrol(BEN, card(22, Role::DutyOfficer));
    office.enrol(CLERK, card(23, Role::Scheduler));
    office.done.clear();
    office
}

fn shift(n: u8) -> ShiftId {
    ShiftId::from_bytes([n; 16])
}

/// A person's passkey was verified.
fn begin(office: &mut Office, n: u8, with: DeviceId) {
    let new = BeginningShift { shift: shift(n), device: ROOM, with };
    let effects = office.board.begin_shift(RequestId(u64::from(n)), new, office.now);
    office.run(effects);
}

fn begun(office: &Office) -> bool {
    matches!(office.last_reply(), Some(Ok(Reply::Logged(_))))
}

fn refused(office: &Office) -> Option<RefusalKind> {
    match office.last_reply() {
        Some(Err(Refusal { kind, .. })) => Some(*kind),
        _ => None,
    }
}

/// Whether the room's device can sign in, over this session.
fn connects(office: &mut Office, session: u64) -> bool {
    office.connect(session, ROOM)
}

/// Who is on shift, as the device is told at sign-in.
fn told(office: &Office, session: u64) -> Option<OnShift> {
    office.sent_to(session).find_map(|message| match message {
        S::SignedIn { shift, .. } => shift.clone(),
        _ => None,
    })
}

fn started_in_log(office: &Office) -> Vec<ShiftId> {
    let started = |entry| if let Entry::ShiftStarted { shift, .. } = entry { Some(shift) } else { None };
    office.entries().filter_map(started).collect()
}

fn ended_in_log(office: &Office) -> Vec<(ShiftId, ShiftEnd)> {
    let ended = |entry| if let Entry::ShiftEnded { shift, how, .. } = entry { Some((shift, how)) } else { None };
    office.entries().filter_map(ended).collect()
}

#[test]
fn a_places_device_signs_in_while_somebody_is_on_shift_and_no_longer() {
    let mut office = office();
    assert!(!connects(&mut office, 5));
    begin(&mut office, 1, ANA);
    assert!(begun(&office) && connects(&mut office, 6));
    let on_shift = told(&office, 6).expect("it is told who is on shift");
    assert_eq!((on_shift.person, on_shift.since_ms), (card(21, Role::DutyOfficer), START_MS));
    office.send(6, telcon_proto::ClientMessage::EndShift { idle: false });
    assert_eq!(ended_in_log(&office), [(shift(1), ShiftEnd::Ended)]);
    assert!(!connects(&mut office, 7));
    let commitment = office.entries().find_map(|entry| match entry {
        Entry::ShiftStarted { person_sha256, .. } => Some(person_sha256),
        _ => None,
    });
    assert_eq!(commitment, Some(shift_commitment(card(21, Role::DutyOfficer).person, shift(1), sha256)));
}

/// The attacker has a passkey of their own at this office, and wants what the place may see.
#[test]
fn a_role_with_less_than_the_places_begins_no_shift_there() {
    let mut office = office();
    begin(&mut office, 1, CLERK);
    assert_eq!(refused(&office), Some(RefusalKind::Forbidden));
    assert!(!connects(&mut office, 5) && started_in_log(&office).is_empty());
    // Nor does the place's own passkey, or one that nobody has; and nobody works at a person's device.
    for (device, with) in [(ROOM, ROOM), (ROOM, device(99)), (ANA, BEN)] {
        let new = BeginningShift { shift: shift(2), device, with };
        let effects = office.board.begin_shift(RequestId(2), new, office.now);
        office.run(effects);
        assert_eq!(refused(&office), Some(RefusalKind::Forbidden), "{device:?} with {with:?}");
    }
}

#[test]
fn the_next_shift_ends_the_one_before_and_its_connection() {
    let mut office = office();
    begin(&mut office, 1, ANA);
    assert!(connects(&mut office, 5));
    begin(&mut office, 2, BEN);
    assert_eq!(ended_in_log(&office), [(shift(1), ShiftEnd::HandedOver)]);
    assert!(office.board.context.directory.session_of(&ROOM).is_none(), "its token was the one before's");
    assert!(connects(&mut office, 6));
    assert_eq!(told(&office, 6).unwrap().person, card(22, Role::DutyOfficer));
    assert_eq!(started_in_log(&office), [shift(1), shift(2)]);
}

#[test]
fn a_shift_ends_after_twelve_hours_whoever_is_connected() {
    let mut office = office();
    begin(&mut office, 1, ANA);
    assert!(connects(&mut office, 5));
    office.wait(MAX_SHIFT_MS - 1);
    assert!(ended_in_log(&office).is_empty());
    office.wait(1);
    assert_eq!(ended_in_log(&office), [(shift(1), ShiftEnd::Expired)]);
    assert!(!connects(&mut office, 6));
}

#[test]
fn a_shift_ends_when_its_device_was_away_too_long_and_not_before() {
    let mut office = office();
    begin(&mut office, 1, ANA);
    assert!(connects(&mut office, 5));
    let effects = office.board.disconnected(SessionId(5), office.now);
    office.run(effects);
    office.wait(239 * MINUTE_MS);
    assert!(connects(&mut office, 6), "a reload does not end it");
    office.wait(100 * MINUTE_MS);
    assert!(ended_in_log(&office).is_empty(), "it is connected");
    let effects = office.board.disconnected(SessionId(6), office.now);
    office.run(effects);
    office.wait(240 * MINUTE_MS);
    assert_eq!(ended_in_log(&office), [(shift(1), ShiftEnd::Idle)]);
    // One that nobody followed with a connection ends as well.
    begin(&mut office, 2, ANA);
    office.wait(240 * MINUTE_MS);
    assert_eq!(ended_in_log(&office)[1..], [(shift(2), ShiftEnd::Idle)]);
}

#[test]
fn a_shift_ends_with_the_places_device_and_with_the_one_whose_passkey_began_it() {
    for revoked in [ROOM, ANA] {
        let mut office = office();
        // A second device of the person does not keep it.
        office.enrol(device(24), card(21, Role::DutyOfficer));
        begin(&mut office, 1, ANA);
        assert!(connects(&mut office, 5));
        let effects = office.board.revoke(RequestId(9), revoked, "jws".into(), office.now);
        office.run(effects);
        assert_eq!(ended_in_log(&office), [(shift(1), ShiftEnd::Revoked)]);
        assert!(!connects(&mut office, 6));
        begin(&mut office, 2, ANA);
        assert_eq!(refused(&office), Some(RefusalKind::Forbidden), "the passkey of a revoked device begins none");
    }
    let mut office = office();
    begin(&mut office, 1, ANA);
    let effects = office.board.revoke(RequestId(9), BEN, "jws".into(), office.now);
    office.run(effects);
    assert!(connects(&mut office, 5), "another person's device does not concern it");
}

#[test]
fn a_crash_at_any_output_of_a_beginning_leaves_it_current_or_ended_in_the_log() {
    let mut outcomes = BTreeSet::new();
    for left in 0..8 {
        let mut office = office();
        office.left = left;
        begin(&mut office, 1, ANA);
        office.restart();
        let current = connects(&mut office, 5);
        outcomes.insert(current);
        let (started, ended) = (started_in_log(&office), ended_in_log(&office));
        if current {
            assert_eq!((started, ended), (vec![shift(1)], vec![]), "after {left} outputs");
        } else {
            let ends: Vec<_> = started.iter().map(|shift| (*shift, ShiftEnd::NotBegun)).collect();
            assert_eq!(ended, ends, "after {left} outputs");
            begin(&mut office, 2, ANA);
            assert!(begun(&office) && connects(&mut office, 6), "after {left} outputs");
        }
    }
    assert_eq!(outcomes.len(), 2, "both ways were tried");
}

#[test]
fn a_crash_at_any_output_of_an_end_or_a_handover_leaves_one_shift_or_none() {
    for left in 0..10 {
        for handover in [false, true] {
            let mut office = office();
            begin(&mut office, 1, ANA);
            connects(&mut office, 5);
            office.left = left;
            if handover {
                begin(&mut office, 2, BEN);
            } else {
                office.send(5, telcon_proto::ClientMessage::EndShift { idle: false });
            }
            for restarted in 0..2 {
                if restarted == 0 {
                    office.restart()
                } else {
                    office.restart_engine()
                }
                let context = format!("handover: {handover}, after {left} outputs, restarted {restarted}");
                let current = connects(&mut office, 6 + restarted);
                let (started, ended) = (started_in_log(&office), ended_in_log(&office));
                let open = started.len() - ended.len();
                assert_eq!(open, usize::from(current), "{context}: {started:?} {ended:?}");
                let over: BTreeSet<_> = ended.iter().map(|(shift, _)| *shift.as_bytes()).collect();
                assert_eq!(over.len(), ended.len(), "{context}: each ends once");
                if current {
                    let last = office.board.context.shifts.current.get(&ROOM).copied();
                    assert!(last.is_some_and(|last| !over.contains(last.as_bytes())), "{context}");
                }
            }
        }
    }
}

#[test]
fn a_shift_whose_beginning_the_log_did_not_take_is_never_worked_in() {
    let mut office = office();
    office.log_fails = true;
    begin(&mut office, 1, ANA);
    assert_eq!(refused(&office), Some(RefusalKind::Unavailable));
    assert!(!connects(&mut office, 5));
    // Somebody tries again while the log is away.
    begin(&mut office, 2, BEN);
    assert_eq!(refused(&office), Some(RefusalKind::Unavailable));
    office.log_fails = false;
    office.wait(LOG_RETRY_MS);
    office.wait(LOG_RETRY_MS);
    assert!(!connects(&mut office, 5));
    assert_eq!(ended_in_log(&office), [(shift(1), ShiftEnd::NotBegun), (shift(2), ShiftEnd::NotBegun)]);
    begin(&mut office, 3, BEN);
    assert!(begun(&office) && connects(&mut office, 6));
}

#[test]
fn an_end_is_appended_until_the_log_has_it() {
    let mut office = office();
    begin(&mut office, 1, ANA);
    office.log_fails = true;
    office.wait(MAX_SHIFT_MS);
    assert!(!connects(&mut office, 5), "it ends at once");
    for _ in 0..3 {
        office.wait(LOG_RETRY_MS);
        assert!(ended_in_log(&office).is_empty());
    }
    office.log_fails = false;
    office.wait(LOG_RETRY_MS);
    office.wait(LOG_RETRY_MS);
    assert_eq!(ended_in_log(&office).len(), 1);
}

/// Whoever sets the server's clock, or a wrong one, must not make a shift longer than the office allows.
#[test]
fn steps_of_the_servers_clock_do_not_make_a_shift_longer() {
    // Backward, to before it began.
    let mut office = office();
    begin(&mut office, 1, ANA);
    office.now -= MAX_AHEAD_MS + 1;
    office.restart_engine();
    assert_eq!(ended_in_log(&office), [(shift(1), ShiftEnd::Expired)]);
    // Forward, past its end.
    begin(&mut office, 2, ANA);
    office.now += MAX_SHIFT_MS;
    office.restart_engine();
    assert_eq!(ended_in_log(&office)[1..], [(shift(2), ShiftEnd::Expired)]);
    assert!(!connects(&mut office, 5));
    // Within what a clock drifts, and forward within the shift, it goes on; and ends at its time.
    begin(&mut office, 3, ANA);
    office.now -= MAX_AHEAD_MS;
    office.restart_engine();
    assert!(connects(&mut office, 6));
    office.now += MAX_AHEAD_MS + MAX_SHIFT_MS / 2;
    office.restart_engine();
    assert!(connects(&mut office, 7));
    office.wait(MAX_SHIFT_MS / 2);
    assert!(!connects(&mut office, 8));
    // Back within the shift, again and again: it lasts twelve hours all the same.
    begin(&mut office, 4, ANA);
    let hour = 60 * MINUTE_MS;
    for worked in 1..12 {
        office.wait(hour);
        let effects = office.board.clock_set_back(hour / 2);
        office.run(effects);
        office.now -= hour / 2;
        office.restart_engine();
        assert!(connects(&mut office, 8 + worked), "after {worked} hours");
    }
    office.wait(hour);
    assert!(!connects(&mut office, 30));
}

#[test]
fn a_shift_that_a_restored_database_does_not_know_is_ended_in_the_log() {
    let mut office = office();
    begin(&mut office, 1, ANA);
    office.store.apply(&[Write::ShiftFound(shift(7), ROOM, 3, 99)]).unwrap();
    office.restart();
    assert_eq!(ended_in_log(&office), [(shift(7), ShiftEnd::Lost)]);
    assert!(connects(&mut office, 5), "the one that it knows goes on");
}

#[test]
fn who_may_see_devices_sees_who_is_on_shift() {
    let mut office = office();
    begin(&mut office, 1, ANA);
    let of_room = |office: &Office| {
        let mut listed = office.listed_devices().into_iter();
        listed.find(|device| device.device == ROOM).unwrap().on_shift
    };
    assert_eq!(of_room(&office).map(|shift| shift.person), Some(card(21, Role::DutyOfficer)));
    let officers = office.sent_to(1).filter(|message| matches!(message, S::DevicesChanged {})).count();
    assert_eq!(officers, 1);
    office.wait(MAX_SHIFT_MS);
    assert_eq!(of_room(&office), None);
}
