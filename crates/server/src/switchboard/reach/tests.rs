//! Where rings to principals go, in virtual time, over a store and a log that crash at any point.

use super::super::{
    NewDelegation, VerifiedRing,
    office_with_faults::{OFFICER, Office, card, home},
};
use super::*;
use telcon_proto::{
    Blob, ClientMessage, DelegationId, Digest, RecordMode, SuiteName, WIRE_VERSION,
    delegation::{Act, Delegation, OnBehalf},
    limits::{ABANDONED_AFTER_MS, RING_TIMEOUT_MS},
    line::{Hours, Weekday},
    message::{DeclineReply, NoticeState, Ring},
    reach::DoNotDisturb,
};

/// Principals who ring: connected by sessions 20 and 25.
const CALLER: DeviceId = DeviceId::from_bytes([20; 16]);
const OTHER_CALLER: DeviceId = DeviceId::from_bytes([25; 16]);
/// The principal who is rung, with two devices: sessions 30 and 31.
const PHONE: DeviceId = DeviceId::from_bytes([30; 16]);
const TABLET: DeviceId = DeviceId::from_bytes([31; 16]);
/// A duty officer who may answer for them: session 40.
const DESK: DeviceId = DeviceId::from_bytes([40; 16]);
/// One who may ring for them: session 41.
const SCHEDULER: DeviceId = DeviceId::from_bytes([41; 16]);
const CALL: CallId = CallId::from_bytes([0xca; 16]);
const SECOND: CallId = CallId::from_bytes([0xcb; 16]);

fn person(n: u8) -> PersonId {
    PersonId::from_bytes([n; 16])
}

const PRINCIPAL: PersonId = PersonId::from_bytes([30; 16]);

fn office() -> Office {
    let mut office = Office::new();
    for (device, card) in [
        (CALLER, card(20, Role::Principal)),
        (OTHER_CALLER, card(25, Role::Principal)),
        (PHONE, card(30, Role::Principal)),
        (TABLET, card(30, Role::Principal)),
        (DESK, card(40, Role::DutyOfficer)),
        (SCHEDULER, card(41, Role::Scheduler)),
    ] {
        office.enrol(device, card);
    }
    connect(&mut office);
    delegate(&mut office, 40, Role::DutyOfficer, Act::Answer);
    delegate(&mut office, 41, Role::Scheduler, Act::Ring);
    office.done.clear();
    office
}

fn connect(office: &mut Office) {
    for (session, device) in [(20, CALLER), (25, OTHER_CALLER), (30, PHONE), (31, TABLET), (40, DESK), (41, SCHEDULER)]
    {
        assert!(office.connect(session, device));
    }
}

fn delegate(office: &mut Office, n: u8, role: Role, act: Act) {
    let content = Delegation {
        office: home(),
        delegation: DelegationId::from_bytes([n; 16]),
        principal: PRINCIPAL,
        delegate: card(n, role),
        acts: vec![act],
        not_before_ms: office.now,
        not_after_ms: office.now + 3_600_000,
        at_ms: office.now,
    };
    let sha256 = Digest::from_bytes([n; 32]);
    let new = NewDelegation { content, device: PHONE, statement: "s".into(), sha256, exists: false };
    let effects = office.board.delegate(SessionId(30), Ok(new), office.now);
    office.run(effects);
}

fn disconnect(office: &mut Office, session: u64) {
    let effects = office.board.disconnected(SessionId(session), office.now);
    office.run(effects);
}

fn ring_for(office: &mut Office, call: CallId, from: DeviceId, to: PersonId, on_behalf: Option<OnBehalf>) {
    let ring = Ring {
        version: WIRE_VERSION,
        call: call.at(&home()),
        from: from.at(&home()),
        to: to.at(&home()),
        mode: RecordMode::LogOnly,
        suite: SuiteName::Hybrid,
        at_ms: office.now,
        on_behalf,
        over: None,
    };
    let verified = VerifiedRing { ring, jws: call.to_hex(), call_exists: false, line: None };
    let session = SessionId(from.as_bytes()[0].into());
    let effects = office.board.ring(session, Ok(verified), office.now);
    office.run(effects);
}

fn ring(office: &mut Office, call: CallId, from: DeviceId) {
    ring_for(office, call, from, PRINCIPAL, None);
}

fn answer(office: &mut Office, session: u64, call: CallId) {
    office.send(session, ClientMessage::Answer { call, key_package: Blob(vec![1]) });
}

fn set(office: &mut Office, settings: ReachSettings) {
    office.send(30, ClientMessage::SetReach { person: PRINCIPAL, settings });
}

fn quiet() -> ReachSettings {
    ReachSettings { do_not_disturb: Some(DoNotDisturb { until_ms: None }), ..Default::default() }
}

/// Whether this call rings at a connection now, as far as it was told.
fn rings(office: &Office, session: u64, call: CallId) -> bool {
    office.sent_to(session).fold(false, |rings, message| match message {
        ServerMessage::Ringing { jws, .. } if *jws == call.to_hex() => true,
        ServerMessage::TakenElsewhere { call: over } | ServerMessage::Ended { call: over, .. } if *over == call => {
            false
        }
        _ => rings,
    })
}

/// At which of phone, tablet and desk.
fn where_it_rings(office: &Office, call: CallId) -> [bool; 3] {
    [30, 31, 40].map(|session| rings(office, session, call))
}

const EVERYWHERE: [bool; 3] = [true, true, true];
const AT_THE_DESK: [bool; 3] = [false, false, true];
const AT_THE_PRINCIPAL: [bool; 3] = [true, true, false];
const NOWHERE: [bool; 3] = [false; 3];

fn ended(office: &Office, session: u64, call: CallId) -> Option<Ended> {
    office.sent_to(session).find_map(|message| match message {
        ServerMessage::Ended { call: over, how, .. } if *over == call => Some(*how),
        _ => None,
    })
}

fn hears_the_office(office: &Office, session: u64, call: CallId) -> bool {
    office.sent_to(session).any(|message| *message == ServerMessage::Diverted { call })
}

/// Whether a connection has the call in its list as one that nobody answered.
fn sees_missed(office: &Office, session: u64, call: CallId) -> bool {
    office.sent_to(session).any(|message| match message {
        ServerMessage::Notice(notice) => notice.call == call && matches!(notice.state, NoticeState::Ended { .. }),
        _ => false,
    })
}

fn refused(office: &Office, session: u64) -> bool {
    office.sent_to(session).any(|message| matches!(message, ServerMessage::Refused { .. }))
}

/// What a connection was told last.
fn told(office: &Office, session: u64) -> Option<Vec<PersonsReach>> {
    office
        .sent_to(session)
        .filter_map(|message| match message {
            ServerMessage::Reach { of } => Some(of.clone()),
            _ => None,
        })
        .last()
}

#[test]
fn settings_time_caller_and_calls_decide_where_a_ring_goes() {
    let night = Hours { zone: "UTC".into(), days: Weekday::ALL.to_vec(), from_min: 22 * 60, until_min: 6 * 60 };
    let all = ReachSettings { exceptions: vec![person(1)], call_waiting: vec![person(2)], ..Default::default() };
    let dnd = |until_ms| ReachSettings { do_not_disturb: Some(DoNotDisturb { until_ms }), ..all.clone() };
    let hours = ReachSettings { quiet_hours: Some(night), ..all.clone() };
    let group = ReachSettings { desk_after_s: Some(10), ..all.clone() };
    let both = ReachSettings { desk_after_s: Some(10), ..dnd(None) };
    let (day, at_night) = (12 * 60, 23 * 60);
    let (now, desk, busy) = (Way::Principal { desk_after_s: None }, Way::DeskOnly, Way::Busy);
    let (beside, later) = (Way::BesideCall { desk_after_s: None }, Some(10));
    let cases = [
        // Settings, caller, in a call, minute of the day, where it goes.
        (&all, 9, false, day, now),
        (&all, 9, true, day, busy),
        (&all, 2, true, day, beside),
        (&all, 1, true, day, busy),
        (&dnd(None), 9, false, day, desk),
        (&dnd(None), 9, true, day, desk),
        (&dnd(None), 1, false, day, now),
        (&dnd(None), 1, true, day, busy),
        (&dnd(None), 2, true, day, desk),
        (&dnd(Some(101)), 9, false, day, desk),
        (&dnd(Some(100)), 9, false, day, now),
        (&hours, 9, false, at_night, desk),
        (&hours, 1, false, at_night, now),
        (&hours, 9, false, day, now),
        (&group, 9, false, day, Way::Principal { desk_after_s: later }),
        (&group, 2, true, day, Way::BesideCall { desk_after_s: later }),
        (&both, 9, false, day, desk),
        (&both, 1, false, day, Way::Principal { desk_after_s: later }),
    ];
    for (at, (settings, caller, engaged, minute, expected)) in cases.into_iter().enumerate() {
        let local = |_: &str| Some(LocalMinute { day: Weekday::Monday, minute });
        assert_eq!(way(settings, person(caller), engaged, 100, local), expected, "{at}");
    }
}

#[test]
fn without_settings_it_rings_everywhere_at_once() {
    let mut office = office();
    ring(&mut office, CALL, CALLER);
    assert_eq!(where_it_rings(&office, CALL), EVERYWHERE);
}

#[test]
fn who_is_not_to_be_disturbed_is_not_rung_and_their_office_is() {
    let mut office = office();
    set(&mut office, quiet());
    ring(&mut office, CALL, CALLER);
    assert_eq!(where_it_rings(&office, CALL), AT_THE_DESK);
    assert!(hears_the_office(&office, 20, CALL), "the caller hears that the office answers");
    // A device of theirs that signs in meanwhile is not rung either.
    disconnect(&mut office, 31);
    office.connect(31, TABLET);
    assert_eq!(where_it_rings(&office, CALL), AT_THE_DESK);
    answer(&mut office, 30, CALL);
    assert!(refused(&office, 30));
    answer(&mut office, 40, CALL);
    assert_eq!(office.board.gauges().live, 1);
}

#[test]
fn an_exception_rings_through_for_whom_it_was_made_alone() {
    let mut office = office();
    set(&mut office, ReachSettings { exceptions: vec![person(20)], ..quiet() });
    ring(&mut office, CALL, OTHER_CALLER);
    ring(&mut office, SECOND, CALLER);
    assert_eq!(where_it_rings(&office, CALL), AT_THE_DESK);
    assert_eq!(where_it_rings(&office, SECOND), EVERYWHERE);
    // Answering who rings through does not end what rings at the office.
    answer(&mut office, 30, SECOND);
    assert_eq!((ended(&office, 25, CALL), office.board.gauges().ringing), (None, 1));
    answer(&mut office, 40, CALL);
    assert_eq!(office.board.gauges().live, 2);
}

#[test]
fn many_rings_to_the_office_do_not_keep_an_exception_out() {
    let mut office = office();
    set(&mut office, ReachSettings { exceptions: vec![person(20)], ..quiet() });
    for n in 50..60 {
        let device = DeviceId::from_bytes([n; 16]);
        office.enrol(device, card(n, Role::Principal));
        office.connect(n.into(), device);
        ring(&mut office, CallId::from_bytes([n; 16]), device);
    }
    assert_eq!(
        ended(&office, 59, CallId::from_bytes([59; 16])),
        Some(Ended::Busy),
        "the office is rung by so many at once"
    );
    ring(&mut office, CALL, CALLER);
    assert_eq!(where_it_rings(&office, CALL), EVERYWHERE);
}

#[test]
fn who_rings_for_somebody_rings_through_as_they_would() {
    let mut office = office();
    // Person 30's scheduler rings person 25, who lets person 30 through.
    let settings = ReachSettings { exceptions: vec![person(30)], ..quiet() };
    office.send(25, ClientMessage::SetReach { person: person(25), settings });
    let under =
        |n| OnBehalf { delegation: DelegationId::from_bytes([n; 16]), statement_sha256: Digest::from_bytes([n; 32]) };
    ring_for(&mut office, CALL, SCHEDULER, person(25), Some(under(41)));
    assert!(rings(&office, 25, CALL));
    ring_for(&mut office, SECOND, CALLER, person(25), None);
    assert!(!rings(&office, 25, SECOND));
    assert_eq!(ended(&office, 20, SECOND), Some(Ended::Missed), "nobody may answer for them");
}

#[test]
fn without_anybody_at_the_office_it_is_a_missed_call_that_both_see() {
    let mut office = office();
    set(&mut office, quiet());
    disconnect(&mut office, 40);
    office.done.clear();
    ring(&mut office, CALL, CALLER);
    assert_eq!(where_it_rings(&office, CALL), NOWHERE);
    assert_eq!(ended(&office, 20, CALL), Some(Ended::Missed));
    assert!(!hears_the_office(&office, 20, CALL), "the caller is told what they are told when nobody is there");
    // The principal, and who watches the office's calls.
    assert!(sees_missed(&office, 30, CALL) && sees_missed(&office, 31, CALL) && sees_missed(&office, 41, CALL));
    assert!(!sees_missed(&office, 25, CALL), "nobody else");
}

#[test]
fn what_the_office_did_not_answer_is_seen_by_the_principal_and_what_it_answered_is_not_missed() {
    let mut office = office();
    set(&mut office, quiet());
    ring(&mut office, CALL, CALLER);
    office.wait(RING_TIMEOUT_MS);
    assert!(sees_missed(&office, 30, CALL) && sees_missed(&office, 40, CALL));
    ring(&mut office, SECOND, OTHER_CALLER);
    answer(&mut office, 40, SECOND);
    office.done.clear();
    office.send(40, ClientMessage::HangUp { call: SECOND, failed: false });
    assert_eq!(ended(&office, 25, SECOND), Some(Ended::HungUp));
}

#[test]
fn a_silenced_caller_reaches_neither_principal_nor_office_and_nobody_is_told() {
    let mut office = office();
    set(&mut office, quiet());
    office.send(30, ClientMessage::Silence { person: person(20), on: true });
    office.done.clear();
    ring(&mut office, CALL, CALLER);
    assert_eq!((where_it_rings(&office, CALL), ended(&office, 20, CALL)), (NOWHERE, Some(Ended::Missed)));
    assert!(!sees_missed(&office, 30, CALL));
}

#[test]
fn do_not_disturb_ends_by_itself() {
    let mut office = office();
    let until_ms = Some(office.now + 60_000);
    set(&mut office, ReachSettings { do_not_disturb: Some(DoNotDisturb { until_ms }), ..Default::default() });
    office.wait(59_999);
    ring(&mut office, CALL, CALLER);
    assert_eq!(where_it_rings(&office, CALL), AT_THE_DESK);
    office.wait(1);
    ring(&mut office, SECOND, OTHER_CALLER);
    assert_eq!(where_it_rings(&office, SECOND), EVERYWHERE);
    // What had begun stays where it was.
    assert_eq!(where_it_rings(&office, CALL), AT_THE_DESK);
}

#[test]
fn the_office_is_rung_after_the_principal_and_then_has_a_whole_ring() {
    let mut office = office();
    set(&mut office, ReachSettings { desk_after_s: Some(40), ..Default::default() });
    ring(&mut office, CALL, CALLER);
    assert_eq!(where_it_rings(&office, CALL), AT_THE_PRINCIPAL);
    // Nor is a device of the office that signs in meanwhile.
    disconnect(&mut office, 40);
    office.connect(40, DESK);
    assert_eq!(where_it_rings(&office, CALL), AT_THE_PRINCIPAL);
    answer(&mut office, 40, CALL);
    assert!(refused(&office, 40), "not yet");
    office.wait(39_999);
    assert_eq!(where_it_rings(&office, CALL), AT_THE_PRINCIPAL);
    office.wait(1);
    assert_eq!(where_it_rings(&office, CALL), EVERYWHERE);
    office.wait(RING_TIMEOUT_MS - 1);
    assert_eq!(ended(&office, 20, CALL), None);
    office.wait(1);
    assert_eq!(ended(&office, 20, CALL), Some(Ended::Missed));
}

#[test]
fn without_anybody_at_the_office_the_ring_is_as_long_as_any() {
    let mut office = office();
    set(&mut office, ReachSettings { desk_after_s: Some(10), ..Default::default() });
    disconnect(&mut office, 40);
    ring(&mut office, CALL, CALLER);
    office.wait(10_000);
    assert_eq!(where_it_rings(&office, CALL), AT_THE_PRINCIPAL);
    // Whoever comes then is rung.
    office.connect(40, DESK);
    assert_eq!(where_it_rings(&office, CALL), EVERYWHERE);
    office.wait(RING_TIMEOUT_MS - 10_000);
    assert_eq!(ended(&office, 20, CALL), Some(Ended::Missed));
}

#[test]
fn the_office_is_rung_at_once_where_no_device_of_the_principal_is_reachable_or_all_refuse() {
    let settings = ReachSettings { desk_after_s: Some(20), ..Default::default() };
    let mut away = office();
    set(&mut away, settings.clone());
    disconnect(&mut away, 30);
    disconnect(&mut away, 31);
    away.done.clear();
    ring(&mut away, CALL, CALLER);
    assert_eq!(where_it_rings(&away, CALL), AT_THE_DESK);

    let mut failing = office();
    set(&mut failing, settings);
    ring(&mut failing, CALL, CALLER);
    failing.send(30, ClientMessage::HangUp { call: CALL, failed: true });
    assert!(!rings(&failing, 40, CALL));
    failing.send(31, ClientMessage::HangUp { call: CALL, failed: true });
    assert!(rings(&failing, 40, CALL), "a device that cannot verify a ring keeps it from nobody else");
    failing.send(40, ClientMessage::HangUp { call: CALL, failed: true });
    assert_eq!(ended(&failing, 20, CALL), Some(Ended::Failed));
}

#[test]
fn a_ring_that_is_passed_on_goes_to_the_office_at_once() {
    let mut office = office();
    set(&mut office, ReachSettings { desk_after_s: Some(20), ..Default::default() });
    ring(&mut office, CALL, CALLER);
    office.send(30, ClientMessage::Decline { call: CALL, reply: Some(DeclineReply::Office {}) });
    assert_eq!(where_it_rings(&office, CALL), AT_THE_DESK);
    // After a restart it rings there again, and at nobody else.
    office.restart();
    office.done.clear();
    connect(&mut office);
    assert_eq!(where_it_rings(&office, CALL), AT_THE_DESK);
}

/// The principal in a call with person 25, on their phone.
fn in_call(settings: ReachSettings) -> Office {
    let mut office = office();
    set(&mut office, settings);
    ring(&mut office, SECOND, OTHER_CALLER);
    answer(&mut office, 30, SECOND);
    office.done.clear();
    office
}

#[test]
fn a_caller_who_may_wait_rings_at_the_device_in_the_call_and_everywhere_once_it_is_over() {
    let mut office = in_call(ReachSettings { call_waiting: vec![person(20)], ..Default::default() });
    ring(&mut office, CALL, CALLER);
    assert_eq!(where_it_rings(&office, CALL), [true, false, true]);
    // Another call of theirs has to end before they answer.
    answer(&mut office, 30, CALL);
    assert!(refused(&office, 30));
    answer(&mut office, 31, CALL);
    assert!(refused(&office, 31));
    office.send(30, ClientMessage::HangUp { call: SECOND, failed: false });
    assert_eq!(where_it_rings(&office, CALL), EVERYWHERE);
    answer(&mut office, 30, CALL);
    assert_eq!(where_it_rings(&office, CALL), [true, false, false]);
    assert_eq!(office.board.gauges().live, 1);
}

#[test]
fn who_may_not_wait_hears_that_the_principal_is_busy_who_sees_that_they_rang() {
    let mut office = in_call(ReachSettings { exceptions: vec![person(20)], ..Default::default() });
    ring(&mut office, CALL, CALLER);
    assert_eq!((where_it_rings(&office, CALL), ended(&office, 20, CALL)), (NOWHERE, Some(Ended::Busy)));
    assert!(sees_missed(&office, 30, CALL) && sees_missed(&office, 40, CALL));
}

#[test]
fn who_may_wait_goes_on_ringing_when_another_call_is_answered() {
    for (waits, how) in [(vec![person(20)], None), (vec![], Some(Ended::Busy))] {
        let mut office = office();
        set(&mut office, ReachSettings { call_waiting: waits, ..Default::default() });
        ring(&mut office, CALL, CALLER);
        ring(&mut office, SECOND, OTHER_CALLER);
        answer(&mut office, 30, SECOND);
        assert_eq!(ended(&office, 20, CALL), how);
    }
}

#[test]
fn who_waits_for_a_principal_that_rings_somebody_rings_at_that_device() {
    let mut office = office();
    set(&mut office, ReachSettings { call_waiting: vec![person(20)], ..Default::default() });
    ring_for(&mut office, SECOND, PHONE, person(25), None);
    ring(&mut office, CALL, CALLER);
    assert_eq!(where_it_rings(&office, CALL), [true, false, true]);
    office.send(30, ClientMessage::HangUp { call: SECOND, failed: false });
    assert_eq!(where_it_rings(&office, CALL), EVERYWHERE);
}

#[test]
fn who_may_set_it() {
    let mut office = office();
    let settings = quiet();
    // A principal for themselves, and who may answer for them; not who may only ring, nor anybody else.
    for (session, allowed) in [(30, true), (40, true), (41, false), (20, false), (1, false)] {
        office.done.clear();
        office.send(session, ClientMessage::SetReach { person: PRINCIPAL, settings: settings.clone() });
        assert_eq!(refused(&office, session), !allowed, "{session}");
        let told = told(&office, 30).map(|of| of[0].set_by.clone());
        let by = (session == 40).then(|| card(40, Role::DutyOfficer));
        assert_eq!(told, allowed.then_some(by), "who set it is said");
    }
    // Once the delegation has ended, no more.
    office.wait(3_600_001);
    office.done.clear();
    office.send(40, ClientMessage::SetReach { person: PRINCIPAL, settings: settings.clone() });
    assert!(refused(&office, 40));
    assert_eq!(OFFICER, DeviceId::from_bytes([1; 16]));
}

#[test]
fn what_is_malformed_is_refused_and_who_cannot_ring_has_no_place_in_it() {
    let mut office = office();
    let days = Weekday::ALL.to_vec();
    let hours = Hours { zone: "Europe/Atlantis".into(), days, from_min: 0, until_min: 60 };
    for settings in [
        ReachSettings { quiet_hours: Some(hours), ..Default::default() },
        ReachSettings { desk_after_s: Some(4), ..Default::default() },
    ] {
        office.done.clear();
        set(&mut office, settings);
        assert!(refused(&office, 30));
        assert_eq!(told(&office, 30), None);
    }
    // The principal, a duty officer, and somebody unknown.
    let exceptions = vec![person(20), PRINCIPAL, person(40), person(99)];
    set(&mut office, ReachSettings { exceptions, ..Default::default() });
    let of = &told(&office, 30).unwrap()[0];
    assert_eq!(of.settings.exceptions, [person(20)]);
    assert_eq!(of.people, [card(20, Role::Principal)]);
}

#[test]
fn the_principal_and_who_may_answer_for_them_are_told_and_nobody_else() {
    let mut office = office();
    set(&mut office, quiet());
    for session in [30, 31, 40] {
        assert_eq!(told(&office, session).unwrap()[0].settings, quiet(), "{session}");
    }
    for session in [1, 20, 25, 41] {
        assert_eq!(told(&office, session), None, "{session}");
    }
    // And at sign-in, of what was never set too for who may answer.
    office.done.clear();
    office.restart();
    connect(&mut office);
    for session in [30, 40] {
        assert_eq!(told(&office, session).unwrap()[0].settings, quiet(), "{session}");
    }
    assert_eq!(told(&office, 41), None);
    // With the delegation, what the delegate sees ends.
    office.wait(3_600_001);
    assert_eq!(told(&office, 40), Some(vec![]));
}

#[test]
fn a_crash_at_any_output_keeps_the_old_settings_or_the_new_ones() {
    let mut kept = BTreeSet::new();
    for left in 0..5 {
        let mut office = office();
        set(&mut office, ReachSettings { desk_after_s: Some(10), ..Default::default() });
        office.left = left;
        set(&mut office, quiet());
        // What a device was told is durable.
        let confirmed = told(&office, 30).is_some_and(|of| of[0].settings == quiet());
        office.restart();
        office.done.clear();
        connect(&mut office);
        let settings = told(&office, 30).unwrap()[0].settings.clone();
        assert!(settings == quiet() || settings.desk_after_s == Some(10) && !confirmed, "after {left} outputs");
        ring(&mut office, CALL, CALLER);
        let expected = if settings == quiet() { AT_THE_DESK } else { AT_THE_PRINCIPAL };
        assert_eq!(where_it_rings(&office, CALL), expected, "after {left} outputs");
        kept.insert(settings == quiet());
    }
    assert!(kept.contains(&true));
}

#[test]
fn a_crash_at_any_output_of_a_ring_disturbs_nobody() {
    for left in 0..16 {
        let mut office = office();
        set(&mut office, quiet());
        office.done.clear();
        office.left = left;
        ring(&mut office, CALL, CALLER);
        office.restart();
        connect(&mut office);
        let [phone, tablet, _] = where_it_rings(&office, CALL);
        assert!(!phone && !tablet, "after {left} outputs");
        let over = office.board.gauges().ringing == 0;
        assert!(over || rings(&office, 40, CALL), "after {left} outputs");
    }
}

#[test]
fn a_crash_at_any_output_of_a_ring_leaves_the_office_its_turn() {
    let mut rang = 0;
    for left in 0..16 {
        let mut office = office();
        set(&mut office, ReachSettings { desk_after_s: Some(10), ..Default::default() });
        office.done.clear();
        office.left = left;
        ring(&mut office, CALL, CALLER);
        office.now += 4_000;
        office.restart();
        connect(&mut office);
        assert!(!rings(&office, 40, CALL), "after {left} outputs");
        office.wait(5_999);
        assert!(!rings(&office, 40, CALL), "after {left} outputs");
        office.wait(1);
        let ringing = office.board.gauges().ringing;
        assert_eq!(
            where_it_rings(&office, CALL),
            if ringing == 1 { EVERYWHERE } else { NOWHERE },
            "after {left} outputs"
        );
        rang += ringing;
    }
    assert!(rang > 0);
}

#[test]
fn while_the_server_was_away_the_office_had_its_turn() {
    let mut office = office();
    set(&mut office, ReachSettings { desk_after_s: Some(10), ..Default::default() });
    ring(&mut office, CALL, CALLER);
    office.now += 30_000;
    office.done.clear();
    office.restart();
    connect(&mut office);
    assert_eq!(where_it_rings(&office, CALL), EVERYWHERE);
    // It has the whole time of a ring since then.
    office.wait(RING_TIMEOUT_MS - 20_001);
    assert_eq!(ended(&office, 20, CALL), None);
    office.wait(1);
    assert_eq!(ended(&office, 20, CALL), Some(Ended::Missed));
    const { assert!(RING_TIMEOUT_MS < ABANDONED_AFTER_MS) };
}

#[test]
fn what_a_device_is_told_stays_below_the_length_that_it_accepts() {
    use telcon_proto::limits::{MAX_DELEGATIONS_PER_PERSON, MAX_MESSAGE_BYTES, MAX_REACH_EXCEPTIONS};
    let mut office = office();
    // Numbers that nobody else has.
    let long = |n: u8, role| {
        let name = format!("{n:05}{}", "\u{10348}".repeat(59));
        let person = PersonId::from_bytes([n; 16]);
        (DeviceId::from_bytes([n; 16]), Card { person, organisation: name.clone(), name, ..card(9, role) })
    };
    let named: Vec<PersonId> = (100..100 + 2 * MAX_REACH_EXCEPTIONS as u8)
        .map(|n| {
            let (device, card) = long(n, Role::Principal);
            office.enrol(device, card.clone());
            card.person
        })
        .collect();
    let settings = ReachSettings {
        exceptions: named[..MAX_REACH_EXCEPTIONS].to_vec(),
        call_waiting: named[MAX_REACH_EXCEPTIONS..].to_vec(),
        ..Default::default()
    };
    // As many principals as one may answer for.
    for n in 200..200 + MAX_DELEGATIONS_PER_PERSON as u8 - 1 {
        let (device, card) = long(n, Role::Principal);
        office.enrol(device, card.clone());
        office.connect(u64::from(n), device);
        let row =
            ReachRow { person: card.person, settings: settings.clone(), set_by: Some(card.clone()), set_ms: u64::MAX };
        office.board.reached.0.insert(card.person, row);
        let content = Delegation {
            office: home(),
            delegation: DelegationId::from_bytes(*card.person.as_bytes()),
            principal: card.person,
            delegate: super::super::office_with_faults::card(40, Role::DutyOfficer),
            acts: vec![Act::Answer],
            not_before_ms: office.now,
            not_after_ms: office.now + 3_600_000,
            at_ms: office.now,
        };
        let new = NewDelegation {
            content,
            device,
            statement: "s".into(),
            sha256: Digest::from_bytes([1; 32]),
            exists: false,
        };
        let effects = office.board.delegate(SessionId(u64::from(n)), Ok(new), office.now);
        office.run(effects);
    }
    let of = told(&office, 40).unwrap();
    assert_eq!(of.len(), MAX_DELEGATIONS_PER_PERSON);
    assert!(of.iter().filter(|one| !one.people.is_empty()).count() >= 4);
    let bytes = serde_json::to_vec(&ServerMessage::Reach { of }).unwrap().len();
    assert!(bytes < MAX_MESSAGE_BYTES, "{bytes}");
}
