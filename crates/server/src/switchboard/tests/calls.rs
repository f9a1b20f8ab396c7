//! Ringing, answering, ending; devices and staff around it.

use super::kit::{CALL, Office, blob, content, device, person, ring, signed};
use crate::{
    limits::{LOG_RETRY_MS, RECORD_DUE_MS},
    switchboard::{CloseReason, RefusalKind, RelayCommand, Reply, RequestId, Seal, Ticket},
};
use telcon_proto::{
    CallId, ClientMessage as C, Ended, OfficeName, RecordMode, Role, ServerMessage as S,
    entry::Entry,
    limits::{ABANDONED_AFTER_MS, MAX_DEVICES_PER_PERSON, RING_TIMEOUT_MS},
    message::{NoticeState, RefusalCode, Ring},
};

fn rings(office: &mut Office) {
    office.send(1, ring(CALL, device(1), person(2), RecordMode::Memo));
}

fn refusal(office: &mut Office, n: u8) -> Option<RefusalCode> {
    office.messages(n).into_iter().find_map(|m| match m {
        S::Refused { code, .. } => Some(code),
        _ => None,
    })
}

fn ended(office: &mut Office, n: u8) -> Option<Ended> {
    office.messages(n).into_iter().find_map(|m| match m {
        S::Ended { how, .. } => Some(how),
        _ => None,
    })
}

#[test]
fn nothing_is_sent_before_the_opening_is_logged() {
    let mut office = Office::staffed();
    office.hold_log = true;
    rings(&mut office);
    for n in 1..=4 {
        assert_eq!(office.received(n), Vec::<String>::new(), "device {n}");
    }
    assert!(office.relay.is_empty());
    office.release_log();
    assert_eq!(office.received(1), ["opened"]);
    assert_eq!(office.received(2), ["ringing"]);
    assert_eq!(office.received(3), ["notice"]);
    assert_eq!(office.received(4), ["notice"]);
    assert_eq!(office.relay, [RelayCommand::OpenCall(CALL, 4)]);
}

#[test]
fn a_call_whose_opening_cannot_be_logged_is_refused() {
    let mut office = Office::staffed();
    office.log_works = false;
    rings(&mut office);
    assert_eq!(refusal(&mut office, 1), Some(RefusalCode::Unavailable));
    assert_eq!(office.received(2), Vec::<String>::new());
    assert_eq!(office.relay, []);
    // The id cannot be used again; a new call succeeds once the log is writable.
    office.log_works = true;
    rings(&mut office);
    assert_eq!(ended(&mut office, 1), Some(Ended::Failed));
    office.send(1, ring(CallId::from_bytes([1; 16]), device(1), person(2), RecordMode::Memo));
    assert_eq!(office.received(1), ["opened"]);
}

#[test]
fn a_call_from_ring_to_hanging_up() {
    let mut office = Office::staffed();
    rings(&mut office);
    office.send(2, C::RingShown { call: CALL });
    office.send(2, C::RingShown { call: CALL });
    assert_eq!(office.received(1), ["opened", "ringing_there"]);
    office.send(2, C::Answer { call: CALL, key_package: blob("kp2") });
    let asked = office.messages(1);
    assert!(matches!(&asked[..], [S::JoinAsked { from, answer: true, key_package, .. }]
        if *from == device(2) && *key_package == blob("kp2")));
    office.commit(1, 0, &[2], &[]);
    assert_eq!(office.received(1), ["committed"]);
    let heard = office.messages(2);
    assert!(matches!(&heard[..], [S::Ringing { .. }, S::Welcome { seq: 1, devices, .. }] if devices.len() == 2));
    office.send(1, C::Application { call: CALL, message: blob("a") });
    assert_eq!(office.received(1), Vec::<String>::new());
    assert_eq!(office.received(2), ["application"]);
    office.send(2, C::HangUp { call: CALL, failed: false });
    assert_eq!(ended(&mut office, 1), Some(Ended::HungUp));
    assert_eq!(ended(&mut office, 2), Some(Ended::HungUp));
    assert_eq!(
        office.call_entries(),
        ["call_opened", "call_ended hung_up", "record_missing"],
        "no note-taker was in the call"
    );
    let states: Vec<_> = office
        .messages(4)
        .into_iter()
        .map(|m| match m {
            S::Notice(n) => (n.state, n.members.len()),
            other => panic!("{other:?}"),
        })
        .collect();
    let since_ms = office.now;
    assert_eq!(
        states,
        [
            (NoticeState::Ringing, 1),
            (NoticeState::Live { since_ms }, 1),
            (NoticeState::Live { since_ms }, 2),
            (NoticeState::Ended { how: Ended::HungUp }, 2)
        ]
    );
}

#[test]
fn simultaneous_rings_of_two_people_become_one_call() {
    let back = CallId::from_bytes([9; 16]);
    for first_is_in_the_log in [true, false] {
        let mut office = Office::staffed();
        office.hold_log = !first_is_in_the_log;
        rings(&mut office);
        office.send(2, ring(back, device(2), person(1), RecordMode::Memo));
        let heard = office.messages(2);
        let told = heard
            .iter()
            .position(|m| matches!(m, S::Refused { code: RefusalCode::RingsYou, call: Some(id), .. } if *id == back));
        let told = told.expect("the second ring is refused with the reason");
        if first_is_in_the_log {
            assert!(matches!(heard[told + 1..], [S::Ringing { .. }]), "the first ring is sent again: {heard:?}");
        } else {
            office.release_log();
            assert_eq!(office.received(2), ["ringing"]);
        }
        office.send(2, C::Answer { call: CALL, key_package: blob("kp2") });
        assert!(office.received(1).contains(&"join_asked".to_owned()));
        assert_eq!(office.call_entries(), ["call_opened"], "the second ring is not logged as a call");
    }
}

#[test]
fn the_first_of_several_devices_to_answer_wins() {
    let mut office = Office::staffed();
    office.enrol(20, 2, Role::Principal).unwrap();
    office.connect(20);
    rings(&mut office);
    office.enrol(21, 2, Role::Principal).unwrap();
    office.connect(21);
    assert_eq!(office.received(20), ["signed_in", "ringing"]);
    assert_eq!(office.received(21), ["signed_in", "ringing"], "a device that connects while it rings is rung");
    office.send(20, C::Answer { call: CALL, key_package: blob("kp20") });
    office.send(2, C::Answer { call: CALL, key_package: blob("kp2") });
    assert_eq!(office.received(2), ["ringing", "taken_elsewhere", "taken_elsewhere"]);
    assert_eq!(office.received(21), ["taken_elsewhere"]);
    assert_eq!(office.received(20), Vec::<String>::new());
    assert_eq!(office.received(1).iter().filter(|k| *k == "join_asked").count(), 1);
}

#[test]
fn each_end_of_an_unanswered_ring_is_logged() {
    type Act = fn(&mut Office);
    let cases: [(&str, Act, Ended); 5] = [
        ("declined", |o| o.send(2, C::Decline { call: CALL }), Ended::Declined),
        ("cancelled", |o| o.send(1, C::HangUp { call: CALL, failed: false }), Ended::Cancelled),
        ("timed out", |o| o.pass(RING_TIMEOUT_MS), Ended::Missed),
        ("caller failed", |o| o.send(1, C::HangUp { call: CALL, failed: true }), Ended::Failed),
        ("only device failed", |o| o.send(2, C::HangUp { call: CALL, failed: true }), Ended::Failed),
    ];
    for (name, act, how) in cases {
        let mut office = Office::staffed();
        rings(&mut office);
        office.pass(1);
        act(&mut office);
        assert_eq!(ended(&mut office, 1), Some(how), "{name}");
        assert_eq!(office.relay, [RelayCommand::OpenCall(CALL, 4), RelayCommand::CloseCall(CALL)], "{name}");
        if name != "only device failed" {
            assert_eq!(ended(&mut office, 2), Some(how), "{name}");
        }
        let mut entries = vec!["call_opened".to_owned(), format!("call_ended {}", how.as_str())];
        // After a failure an auditor cannot tell whether anybody spoke.
        entries.extend((how == Ended::Failed).then(|| "record_missing".to_owned()));
        assert_eq!(office.call_entries(), entries, "{name}");
        office.restart();
        office.pass(RECORD_DUE_MS);
        assert_eq!(office.call_entries(), entries, "{name}: nothing further is logged");
    }
}

#[test]
fn a_device_that_fails_to_ring_does_not_stop_the_others() {
    let mut office = Office::staffed();
    office.enrol(20, 2, Role::Principal).unwrap();
    office.connect(20);
    office.discard();
    rings(&mut office);
    office.send(2, C::HangUp { call: CALL, failed: true });
    assert_eq!(office.received(1), ["opened"]);
    office.send(20, C::Answer { call: CALL, key_package: blob("kp") });
    assert_eq!(office.received(1), ["join_asked"]);
}

#[test]
fn a_ring_with_no_reachable_device_is_logged() {
    let mut office = Office::staffed();
    office.disconnect(2);
    office.discard();
    rings(&mut office);
    assert_eq!(office.received(1), ["ended"]);
    assert_eq!(office.call_entries(), ["call_opened", "call_ended missed"]);
    assert_eq!(office.received(4), ["notice"]);
}

#[test]
fn somebody_in_a_call_is_busy_and_cannot_ring() {
    let mut office = Office::in_call();
    office.enrol(5, 5, Role::Counterpart).unwrap();
    office.connect(5);
    office.discard();
    let other = CallId::from_bytes([5; 16]);
    office.send(5, ring(other, device(5), person(2), RecordMode::Memo));
    assert_eq!(ended(&mut office, 5), Some(Ended::Busy));
    assert_eq!(office.received(2), Vec::<String>::new());
    assert_eq!(office.call_entries(), ["call_opened", "call_opened", "call_ended busy"]);
    office.send(2, ring(CallId::from_bytes([6; 16]), device(2), person(5), RecordMode::Memo));
    assert_eq!(refusal(&mut office, 2), Some(RefusalCode::NotAllowed));
}

#[test]
fn invalid_rings_are_refused() {
    let mut office = Office::staffed();
    office.enrol(5, 5, Role::Counterpart).unwrap();
    office.enrol(6, 6, Role::Counterpart).unwrap();
    office.connect(5);
    office.discard();
    let entries = office.log.len();
    let memo = RecordMode::Memo;
    let cases = [
        (1, C::Ring { jws: "forged".into() }, RefusalCode::NotAllowed),
        (1, ring(CALL, device(2), person(2), memo), RefusalCode::NotAllowed),
        (1, ring(CALL, device(1), person(99), memo), RefusalCode::Unreachable),
        (1, ring(CALL, device(1), person(1), memo), RefusalCode::NotAllowed),
        (1, ring(CALL, device(1), person(4), memo), RefusalCode::NotAllowed),
        (4, ring(CALL, device(4), person(1), memo), RefusalCode::NotAllowed),
        (5, ring(CALL, device(5), person(6), memo), RefusalCode::NotAllowed),
    ];
    for (i, (n, message, code)) in cases.into_iter().enumerate() {
        office.send(n, message);
        assert_eq!(refusal(&mut office, n), Some(code), "case {i}");
    }
    assert_eq!(office.log.len(), entries);
}

#[test]
fn a_ring_to_or_from_another_office_is_refused() {
    let mut office = Office::staffed();
    let entries = office.log.len();
    let elsewhere = OfficeName::parse("other.example").unwrap();
    let ours = content(CALL, device(1), person(2), RecordMode::Memo);
    let rings = [
        Ring { from: device(1).at(&elsewhere), ..ours.clone() },
        // The same identifier as a person of this office, but qualified with another office.
        Ring { to: person(2).at(&elsewhere), ..ours.clone() },
        Ring { call: CALL.at(&elsewhere), ..ours.clone() },
    ];
    for ring in &rings {
        office.send(1, signed(ring));
        match &office.messages(1)[..] {
            [S::Refused { call: Some(CALL), code: RefusalCode::NotAllowed, message }] => {
                assert!(message.contains("not connected to others"), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
    // Nor does it count as glare with a ring from the local person with that identifier.
    office.send(2, ring(CallId::from_bytes([6; 16]), device(2), person(1), RecordMode::Memo));
    office.discard();
    office.send(1, signed(&rings[1]));
    assert_eq!(refusal(&mut office, 1), Some(RefusalCode::NotAllowed));
    assert_eq!(office.log.len(), entries + 1);
}

#[test]
fn a_ring_of_an_older_version_is_refused() {
    let mut office = Office::staffed();
    office.send(1, signed(&Ring { version: 3, ..content(CALL, device(1), person(2), RecordMode::Memo) }));
    assert_eq!(refusal(&mut office, 1), Some(RefusalCode::Version));
}

#[test]
fn a_ring_below_the_recording_floor_is_refused() {
    let mut office = Office::staffed();
    office.board.context.policy.floor = RecordMode::Memo;
    office.send(1, ring(CALL, device(1), person(2), RecordMode::LogOnly));
    assert_eq!(refusal(&mut office, 1), Some(RefusalCode::NotAllowed));
    office.send(1, ring(CALL, device(1), person(2), RecordMode::Audio));
    assert_eq!(office.received(1), ["opened"]);
}

#[test]
fn a_repeated_ring_is_idempotent() {
    let mut office = Office::staffed();
    rings(&mut office);
    office.disconnect(1);
    office.connect(1);
    office.discard();
    rings(&mut office);
    assert_eq!(office.received(1), ["opened"]);
    assert_eq!(office.received(2), Vec::<String>::new());
    assert_eq!(office.call_entries(), ["call_opened"]);
}

#[test]
fn the_end_of_a_call_is_retried_until_it_is_logged() {
    let mut office = Office::in_call();
    office.log_works = false;
    office.send(1, C::HangUp { call: CALL, failed: false });
    assert_eq!(ended(&mut office, 2), Some(Ended::HungUp));
    let at = office.now;
    office.pass(LOG_RETRY_MS * 3);
    assert_eq!(office.call_entries(), ["call_opened"]);
    office.log_works = true;
    office.pass(LOG_RETRY_MS);
    assert_eq!(office.call_entries(), ["call_opened", "call_ended hung_up", "record_missing"]);
    assert!(office.log.iter().any(
        |entry| matches!(entry, telcon_proto::entry::Entry::CallEnded { time_ms, answered: Some(true), .. } if *time_ms == at)
    ));
    assert_eq!(office.board.next_timeout(), None);
}

#[test]
fn staff_that_signs_in_gets_notices_of_open_calls() {
    let mut office = Office::in_call();
    office.disconnect(4);
    office.connect(4);
    assert_eq!(office.received(4), ["signed_in", "notice"]);
}

#[test]
fn a_device_that_connects_again_replaces_its_older_connection() {
    let mut office = Office::staffed();
    let older = office.session(1);
    office.connect(1);
    assert_eq!(office.closed, [(older, CloseReason::Replaced)]);
    assert_eq!(office.received(1), ["signed_in"]);
}

#[test]
fn an_unknown_device_does_not_sign_in() {
    let mut office = Office::new();
    office.connect(9);
    assert_eq!(refusal(&mut office, 9), Some(RefusalCode::NotSignedIn));
}

#[test]
fn an_enrolment_works_once_and_devices_per_person_are_limited() {
    let mut office = Office::new();
    assert_eq!(office.enrol(1, 1, Role::Principal), Ok(Reply::Logged(0)));
    assert_eq!(office.enrol(1, 1, Role::Principal).unwrap_err().kind, RefusalKind::Gone);
    for n in 2..=MAX_DEVICES_PER_PERSON as u8 {
        assert!(office.enrol(n, 1, Role::Principal).is_ok());
    }
    assert_eq!(office.enrol(100, 1, Role::Principal).unwrap_err().kind, RefusalKind::Conflict);
    assert!(office.enrol(101, 2, Role::Principal).is_ok());
}

#[test]
fn a_device_whose_entry_cannot_be_logged_is_not_enrolled() {
    let mut office = Office::new();
    office.log_works = false;
    assert_eq!(office.enrol(1, 1, Role::Principal).unwrap_err().kind, RefusalKind::Unavailable);
    office.connect(1);
    assert_eq!(refusal(&mut office, 1), Some(RefusalCode::NotSignedIn));
    office.log_works = true;
    office.restart();
    assert!(office.enrol(1, 1, Role::Principal).is_ok(), "the same device may ask again");
}

#[test]
fn an_enrolment_whose_entry_is_in_doubt_is_tried_again_with_the_same_entry() {
    let mut office = Office::new();
    let first_ms = office.now;
    for restart in [false, true] {
        office.log_works = false;
        assert_eq!(office.enrol(1, 1, Role::Principal).unwrap_err().kind, RefusalKind::Unavailable);
        office.now += 5_000;
        if restart {
            office.restart();
        }
    }
    office.log_works = true;
    assert_eq!(office.enrol(1, 1, Role::Principal), Ok(Reply::Logged(0)));
    let Entry::DeviceEnrolled { time_ms, .. } = &office.log[0] else { panic!("{:?}", office.log) };
    assert_eq!(*time_ms, first_ms, "the log's writer knows its bytes");
    assert_eq!(office.enrol(1, 1, Role::Principal).unwrap_err().kind, RefusalKind::Gone);
    office.connect(1);
    assert_eq!(office.received(1), ["signed_in"]);
}

#[test]
fn a_late_report_of_an_enrolment_enrols_the_device_and_leaves_its_enrolment_used() {
    let mut office = Office::new();
    office.log_works = false;
    office.enrol(1, 1, Role::Principal).unwrap_err();
    let effects = office.board.logged(Ticket::Enrolled(device(1), RequestId(900)), Some(7), office.now);
    office.run(effects);
    office.log_works = true;
    // A report of the failed append that was under way while store and log were reconciled changes nothing.
    let effects = office.board.logged(Ticket::Enrolled(device(1), RequestId(901)), None, office.now);
    office.run(effects);
    office.replies.clear();
    assert_eq!(office.enrol(1, 1, Role::Principal).unwrap_err().kind, RefusalKind::Gone);
    assert_eq!(office.log.len(), 0, "it is not appended again");
    office.connect(1);
    assert_eq!(office.received(1), ["signed_in"]);
}

#[test]
fn a_person_has_one_name_and_one_role() {
    let mut office = Office::new();
    office.enrol(1, 1, Role::Principal).unwrap();
    let refusal = office.enrol(2, 1, Role::NoteTaker).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Conflict);
    assert!(refusal.message.contains("enrolled as Person 1, Chancellery, principal"), "{}", refusal.message);
    office.enrol(3, 1, Role::Principal).unwrap();
    for n in [1, 3] {
        let effects = office.board.revoke(RequestId(900), device(n), "jws".into(), office.now);
        office.run(effects);
    }
    office.replies.clear();
    office.enrol(4, 1, Role::NoteTaker).unwrap();
}

#[test]
fn a_revoked_device_is_disconnected_and_cannot_sign_in_again() {
    let mut office = Office::staffed();
    let session = office.session(2);
    office.log_works = false;
    let effects = office.board.revoke(RequestId(900), device(2), "jws".into(), office.now);
    office.run(effects);
    assert_eq!(office.closed, [(session, CloseReason::Revoked)]);
    assert_eq!(office.replies.pop().unwrap().1.unwrap_err().kind, RefusalKind::Unavailable);
    office.connect(2);
    assert_eq!(office.received(2), ["revoked"]);
    office.log_works = true;
    office.pass(LOG_RETRY_MS);
    assert!(matches!(office.log.last(), Some(telcon_proto::entry::Entry::DeviceRevoked { .. })));
    office.restart();
    office.connect(2);
    // Without the authority's signed revocation, a device that was offline would keep its keys.
    assert_eq!(office.messages(2), [S::Revoked { jws: Some("jws".into()) }]);
}

fn seal(call: CallId, n: u8) -> Seal {
    Seal {
        call,
        device: device(n),
        digest: telcon_proto::Digest::from_bytes([0xd; 32]),
        jws: "j".into(),
        parts: 1,
        partial: false,
    }
}

fn noted_call() -> Office {
    let mut office = Office::in_call();
    office.send(3, C::AskJoin { call: CALL, key_package: blob("kp3") });
    office.commit(1, 1, &[3], &[]);
    office
}

#[test]
fn a_record_is_accepted_once_from_a_note_taker_of_the_call() {
    let mut office = noted_call();
    let send = |office: &mut Office, n| {
        let effects = office.board.seal(RequestId(1), seal(CALL, n), true, office.now);
        office.run(effects);
        office.replies.pop().unwrap().1
    };
    assert_eq!(send(&mut office, 3).unwrap_err().kind, RefusalKind::Conflict, "the call is still live");
    office.send(1, C::HangUp { call: CALL, failed: false });
    assert_eq!(send(&mut office, 4).unwrap_err().kind, RefusalKind::Forbidden, "it was not in the call");
    office.discard();
    office.log_works = false;
    assert_eq!(send(&mut office, 3).unwrap_err().kind, RefusalKind::Unavailable);
    office.log_works = true;
    assert!(send(&mut office, 3).is_ok());
    assert_eq!(office.received(4), ["record_kept"]);
    assert_eq!(send(&mut office, 3).unwrap_err().kind, RefusalKind::Conflict, "its record is stored already");
    assert_eq!(send(&mut office, 1).unwrap_err().kind, RefusalKind::Conflict, "a participant is not a note-taker");
    office.restart();
    office.pass(RECORD_DUE_MS * 2);
    assert_eq!(office.call_entries(), ["call_opened", "call_ended hung_up", "record_archived"]);
}

#[test]
fn each_note_taker_of_a_call_uploads_one_record() {
    let mut office = Office::in_call();
    for n in [5, 6] {
        office.enrol(n, n, Role::NoteTaker).unwrap();
        office.connect(n);
    }
    // 3 is the first note-taker, 5 takes over, and 6 never joins.
    for (epoch, taker) in [(1, 3), (2, 5)] {
        office.send(taker, C::AskJoin { call: CALL, key_package: blob("kp") });
        office.commit(1, epoch, &[taker], &[]);
        // No heartbeat follows: it counts as unresponsive.
        office.pass(60_000);
    }
    office.send(1, C::HangUp { call: CALL, failed: false });
    let send = |office: &mut Office, n: u8, partial: bool| {
        let seal = Seal { partial, digest: telcon_proto::Digest::from_bytes([n; 32]), ..seal(CALL, n) };
        let effects = office.board.seal(RequestId(1), seal, true, office.now);
        office.run(effects);
        office.replies.pop().unwrap().1.map_err(|refusal| refusal.kind)
    };
    let pending = |office: &Office| office.board.gauges().records_pending;
    assert_eq!(pending(&office), 1);
    office.discard();
    send(&mut office, 5, true).unwrap();
    assert_eq!(pending(&office), 0, "no record is pending");
    let partial = |office: &mut Office| {
        office
            .messages(4)
            .into_iter()
            .find_map(|m| if let S::RecordKept { partial, .. } = m { Some(partial) } else { None })
    };
    assert_eq!(partial(&mut office), Some(true));
    let kept = |n| office.messages(n).iter().filter(|m| matches!(m, S::RecordKept { .. })).count();
    assert_eq!([1, 2].map(kept), [1, 1], "each participant is notified once");
    assert_eq!(send(&mut office, 5, true), Err(RefusalKind::Forbidden), "one record per note-taker");
    assert_eq!(send(&mut office, 6, true), Err(RefusalKind::Forbidden), "it was not in the call");
    // After the deadline and a restart.
    office.pass(RECORD_DUE_MS * 2);
    office.restart();
    assert_eq!(pending(&office), 0);
    assert_eq!(send(&mut office, 5, true), Err(RefusalKind::Forbidden), "still one record per note-taker");
    office.connect(4);
    office.discard();
    send(&mut office, 3, false).unwrap();
    assert_eq!(partial(&mut office), Some(false), "one of the two records is complete");
    assert_eq!(send(&mut office, 3, false), Err(RefusalKind::Conflict));
    let entries = ["call_opened", "call_ended hung_up", "record_archived", "record_archived"];
    assert_eq!(office.call_entries(), entries, "no record_missing entry");
}

#[test]
fn copied_records_and_records_of_revoked_devices_are_refused() {
    let mut office = Office::in_call();
    for n in [5, 6] {
        office.enrol(n, n, Role::NoteTaker).unwrap();
        office.connect(n);
    }
    for (epoch, taker) in [(1, 3), (2, 5), (3, 6)] {
        office.send(taker, C::AskJoin { call: CALL, key_package: blob("kp") });
        office.commit(1, epoch, &[taker], &[]);
        office.pass(60_000);
    }
    office.send(1, C::HangUp { call: CALL, failed: false });
    let send = |office: &mut Office, n: u8| {
        let effects = office.board.seal(RequestId(1), seal(CALL, n), true, office.now);
        office.run(effects);
        office.replies.pop().unwrap().1.map_err(|refusal| refusal.kind)
    };
    send(&mut office, 3).unwrap();
    assert_eq!(send(&mut office, 5), Err(RefusalKind::Conflict), "the same record as another note-taker's");
    office.restart();
    assert_eq!(send(&mut office, 5), Err(RefusalKind::Conflict), "refused after a restart too");
    let effects = office.board.revoke(RequestId(900), device(6), "jws".into(), office.now);
    office.run(effects);
    office.replies.clear();
    assert_eq!(office.board.may_seal(&CALL, &device(6), true).unwrap_err().kind, RefusalKind::Forbidden);
    assert_eq!(send(&mut office, 6), Err(RefusalKind::Forbidden), "revoked during verification of its record");
}

#[test]
fn an_unconfirmed_entry_is_appended_again_unchanged() {
    let mut office = noted_call();
    office.send(1, C::HangUp { call: CALL, failed: false });
    office.hold_log = true;
    let mut asked = Vec::new();
    for _ in 0..2 {
        let effects = office.board.seal(RequestId(1), seal(CALL, 3), true, office.now);
        office.run(effects);
        let (ticket, entry) = office.held.pop().unwrap();
        asked.push(entry.to_bytes());
        // The outcome of the append is unknown.
        let effects = office.board.logged(ticket, None, office.now);
        office.run(effects);
        office.pass(1_000);
    }
    assert_eq!(asked[0], asked[1], "identical bytes, so that the log writer detects the duplicate");
}

#[test]
fn a_missing_record_is_logged_and_still_accepted_later() {
    let mut office = noted_call();
    office.send(1, C::HangUp { call: CALL, failed: false });
    office.pass(RECORD_DUE_MS - 1);
    office.restart();
    assert_eq!(office.call_entries(), ["call_opened", "call_ended hung_up"]);
    office.log_works = false;
    office.pass(1);
    office.log_works = true;
    office.pass(LOG_RETRY_MS);
    assert_eq!(office.call_entries(), ["call_opened", "call_ended hung_up", "record_missing"]);
    office.restart();
    office.pass(RECORD_DUE_MS);
    let effects = office.board.seal(RequestId(1), seal(CALL, 3), true, office.now);
    office.run(effects);
    assert!(office.replies.pop().unwrap().1.is_ok());
    assert_eq!(office.call_entries(), ["call_opened", "call_ended hung_up", "record_missing", "record_archived"]);
}

#[test]
fn a_call_without_a_note_taker_is_logged_without_record_immediately() {
    let mut office = Office::in_call();
    office.send(1, C::HangUp { call: CALL, failed: false });
    office.pass(0);
    assert_eq!(office.call_entries(), ["call_opened", "call_ended hung_up", "record_missing"]);
}

#[test]
fn no_record_is_pending_for_a_log_only_or_unanswered_call() {
    let mut office = Office::staffed();
    office.send(1, ring(CALL, device(1), person(2), RecordMode::LogOnly));
    office.send(2, C::Answer { call: CALL, key_package: blob("kp") });
    office.send(1, C::HangUp { call: CALL, failed: false });
    let other = CallId::from_bytes([8; 16]);
    office.send(1, ring(other, device(1), person(2), RecordMode::Audio));
    office.pass(RECORD_DUE_MS * 2 + ABANDONED_AFTER_MS);
    assert_eq!(office.call_entries(), ["call_opened", "call_ended hung_up", "call_opened", "call_ended missed"]);
    assert_eq!(office.board.next_timeout(), None);
}
