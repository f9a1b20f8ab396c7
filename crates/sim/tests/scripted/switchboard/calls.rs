//! Ringing, answering, ending; devices and staff around it.

mod records;

mod enrolment;

use telcon_proto::{
    CallId, ClientMessage as C, Ended, OfficeName, RecordMode, Role, ServerMessage as S,
    entry::Entry,
    limits::{ABANDONED_AFTER_MS, MAX_DEVICES_PER_PERSON, RING_TIMEOUT_MS},
    message::{NoticeState, RefusalCode, Ring},
};
use telcon_server::{
    limits::LOG_RETRY_MS,
    switchboard::{CloseReason, PendingAppend, RefusalKind, RelayCommand, Reply, RequestId, Seal},
};
use telcon_sim::script::{CALL, RECORD_DUE_MS, ScriptedOffice, blob};

fn rings(office: &mut ScriptedOffice) {
    office.ring(1, CALL, 2, RecordMode::Memo);
}

fn refusal(office: &mut ScriptedOffice, n: usize) -> Option<RefusalCode> {
    office.messages(n).into_iter().find_map(|m| match m {
        S::Refused { code, .. } => Some(code),
        _ => None,
    })
}

fn ended(office: &mut ScriptedOffice, n: usize) -> Option<Ended> {
    office.messages(n).into_iter().find_map(|m| match m {
        S::Ended { how, .. } => Some(how),
        _ => None,
    })
}

#[test]
fn nothing_is_sent_before_the_opening_is_logged() {
    let mut office = ScriptedOffice::staffed();
    office.hold_log();
    rings(&mut office);
    for n in 1..=4 {
        assert_eq!(office.received(n), Vec::<String>::new(), "device {n}");
    }
    assert!(office.relay().is_empty());
    office.release_log();
    assert_eq!(office.received(1), ["opened"]);
    assert_eq!(office.received(2), ["ringing"]);
    assert_eq!(office.received(3), ["notice"]);
    assert_eq!(office.received(4), ["notice"]);
    assert_eq!(office.relay(), [RelayCommand::OpenCall(CALL, 4)]);
}

#[test]
fn a_call_whose_opening_cannot_be_logged_is_refused() {
    let mut office = ScriptedOffice::staffed();
    office.set_log_works(false);
    rings(&mut office);
    assert_eq!(refusal(&mut office, 1), Some(RefusalCode::Unavailable));
    assert_eq!(office.received(2), Vec::<String>::new());
    assert_eq!(office.relay(), []);
    // The id cannot be used again; a new call succeeds once the log is writable.
    office.set_log_works(true);
    rings(&mut office);
    assert_eq!(ended(&mut office, 1), Some(Ended::Failed));
    office.ring(1, CallId::from_bytes([1; 16]), 2, RecordMode::Memo);
    assert_eq!(office.received(1), ["opened"]);
}

#[test]
fn a_call_from_ring_to_hanging_up() {
    let mut office = ScriptedOffice::staffed();
    rings(&mut office);
    office.send(2, C::RingShown { call: CALL });
    office.send(2, C::RingShown { call: CALL });
    assert_eq!(office.received(1), ["opened", "ringing_there"]);
    office.send(2, C::Answer { call: CALL, key_package: blob("kp2") });
    let asked = office.messages(1);
    assert!(matches!(&asked[..], [S::JoinAsked { from, answer: true, key_package, .. }]
        if *from == office.device(2) && *key_package == blob("kp2")));
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
    let since_ms = office.now();
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
        let mut office = ScriptedOffice::staffed();
        if !first_is_in_the_log {
            office.hold_log();
        }
        rings(&mut office);
        office.ring(2, back, 1, RecordMode::Memo);
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
    let mut office = ScriptedOffice::staffed();
    office.enrol(20, 2, Role::Principal).unwrap();
    office.connect(20);
    rings(&mut office);
    office.enrol(21, 2, Role::Principal).unwrap();
    office.connect(21);
    assert_eq!(office.received(20), ["signed_in", "ringing", "devices_added", "devices_changed"]);
    assert_eq!(office.received(21), ["signed_in", "ringing"], "a device that connects while it rings is rung");
    office.send(20, C::Answer { call: CALL, key_package: blob("kp20") });
    office.send(2, C::Answer { call: CALL, key_package: blob("kp2") });
    let added = ["devices_added", "devices_changed"];
    // It may be continued there: the person has it on another device.
    let taken = ["taken_elsewhere", "notice", "taken_elsewhere"];
    let expected = [&added[..], &["ringing"], &added[..], &taken].concat();
    assert_eq!(office.received(2), expected);
    assert_eq!(office.received(21), ["taken_elsewhere", "notice"]);
    assert_eq!(office.received(20), Vec::<String>::new());
    assert_eq!(office.received(1).iter().filter(|k| *k == "join_asked").count(), 1);
}

#[test]
fn each_end_of_an_unanswered_ring_is_logged() {
    type Act = fn(&mut ScriptedOffice);
    let cases: [(&str, Act, Ended); 5] = [
        ("declined", |o| o.send(2, C::Decline { call: CALL, reply: None }), Ended::Declined),
        ("cancelled", |o| o.send(1, C::HangUp { call: CALL, failed: false }), Ended::Cancelled),
        ("timed out", |o| o.pass(RING_TIMEOUT_MS), Ended::Missed),
        ("caller failed", |o| o.send(1, C::HangUp { call: CALL, failed: true }), Ended::Failed),
        ("only device failed", |o| o.send(2, C::HangUp { call: CALL, failed: true }), Ended::Failed),
    ];
    for (name, act, how) in cases {
        let mut office = ScriptedOffice::staffed();
        rings(&mut office);
        office.pass(1);
        act(&mut office);
        assert_eq!(ended(&mut office, 1), Some(how), "{name}");
        assert_eq!(office.relay(), [RelayCommand::OpenCall(CALL, 4), RelayCommand::CloseCall(CALL)], "{name}");
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
    let mut office = ScriptedOffice::staffed();
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
    let mut office = ScriptedOffice::staffed();
    office.disconnect(2);
    office.discard();
    rings(&mut office);
    assert_eq!(office.received(1), ["ended"]);
    assert_eq!(office.call_entries(), ["call_opened", "call_ended missed"]);
    assert_eq!(office.received(4), ["notice"]);
}

#[test]
fn somebody_in_a_call_is_busy_and_cannot_ring() {
    let mut office = ScriptedOffice::in_call();
    office.enrol(5, 5, Role::Counterpart).unwrap();
    office.connect(5);
    office.discard();
    let other = CallId::from_bytes([5; 16]);
    office.ring(5, other, 2, RecordMode::Memo);
    assert_eq!(ended(&mut office, 5), Some(Ended::Busy));
    // They are told afterwards whom they missed.
    assert_eq!(office.received(2), ["notice"]);
    assert_eq!(office.call_entries(), ["call_opened", "call_opened", "call_ended busy"]);
    office.ring(2, CallId::from_bytes([6; 16]), 5, RecordMode::Memo);
    assert_eq!(refusal(&mut office, 2), Some(RefusalCode::NotAllowed));
}

#[test]
fn invalid_rings_are_refused() {
    let mut office = ScriptedOffice::staffed();
    office.enrol(5, 5, Role::Counterpart).unwrap();
    office.enrol(6, 6, Role::Counterpart).unwrap();
    office.connect(5);
    office.discard();
    let entries = office.call_entries();
    let memo = RecordMode::Memo;
    let cases = [
        (1, C::Ring { jws: "forged".into() }, RefusalCode::NotAllowed),
        (1, office.signed(2, &office.content(CALL, 2, 2, memo)), RefusalCode::NotAllowed),
        (1, office.signed(1, &office.content(CALL, 1, 99, memo)), RefusalCode::Unreachable),
        (1, office.signed(1, &office.content(CALL, 1, 1, memo)), RefusalCode::NotAllowed),
        (1, office.signed(1, &office.content(CALL, 1, 4, memo)), RefusalCode::NotAllowed),
        (4, office.signed(4, &office.content(CALL, 4, 1, memo)), RefusalCode::NotAllowed),
        (5, office.signed(5, &office.content(CALL, 5, 6, memo)), RefusalCode::NotAllowed),
    ];
    for (i, (n, message, code)) in cases.into_iter().enumerate() {
        office.send(n, message);
        assert_eq!(refusal(&mut office, n), Some(code), "case {i}");
    }
    assert_eq!(office.call_entries(), entries, "alerts are logged, and no call");
}

#[test]
fn a_ring_to_or_from_another_office_is_refused() {
    let mut office = ScriptedOffice::staffed();
    let entries = office.call_entries().len();
    let elsewhere = OfficeName::parse("other.example").unwrap();
    let ours = office.content(CALL, 1, 2, RecordMode::Memo);
    let rings = [
        Ring { from: office.device(1).at(&elsewhere), ..ours.clone() },
        // The same identifier as a person of this office, but qualified with another office.
        Ring { to: office.person(2).at(&elsewhere), ..ours.clone() },
        Ring { call: CALL.at(&elsewhere), ..ours.clone() },
    ];
    for ring in &rings {
        let message = office.signed(1, ring);
        office.send(1, message);
        match &office.messages(1)[..] {
            // Refused by the switchboard, or before: the signature is none of a device of that other office.
            [S::Refused { call, code: RefusalCode::NotAllowed, message }] => {
                let told = match ring.from.office == elsewhere {
                    true => "a different office",
                    false => "not connected to others",
                };
                assert!(*call == Some(CALL) && message.contains(told), "{call:?}: {message}");
            }
            other => panic!("{other:?}"),
        }
    }
    // Nor does it count as glare with a ring from the local person with that identifier.
    office.ring(2, CallId::from_bytes([6; 16]), 1, RecordMode::Memo);
    office.discard();
    let message = office.signed(1, &rings[1]);
    office.send(1, message);
    assert_eq!(refusal(&mut office, 1), Some(RefusalCode::NotAllowed));
    assert_eq!(office.call_entries().len(), entries + 1);
}

#[test]
fn a_ring_of_an_older_version_is_refused() {
    let mut office = ScriptedOffice::staffed();
    let ring = office.content(CALL, 1, 2, RecordMode::Memo);
    // As devices of version 3 wrote it, and of a version that this server does not know.
    let old = serde_json::json!({
        "version": 3, "call": ring.call.id, "office": ring.call.office, "from": ring.from.id, "to": ring.to.id,
        "mode": ring.mode, "suite": ring.suite, "at_ms": ring.at_ms,
    });
    for (payload, version) in [(old.clone(), "version 3"), (serde_json::json!({ "version": 2 }), "version 2")] {
        let message = office.signed_text(1, &payload.to_string());
        office.send(1, message);
        match &office.messages(1)[..] {
            [S::Refused { code: RefusalCode::Version, message, .. }] => assert!(message.contains(version), "{message}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(office.call_entries().is_empty());
}

#[test]
fn a_ring_below_the_recording_floor_is_refused() {
    let mut office = ScriptedOffice::with_floor(RecordMode::Memo).staff();
    office.ring(1, CALL, 2, RecordMode::LogOnly);
    assert_eq!(refusal(&mut office, 1), Some(RefusalCode::NotAllowed));
    office.ring(1, CALL, 2, RecordMode::Audio);
    assert_eq!(office.received(1), ["opened"]);
}

#[test]
fn a_repeated_ring_is_idempotent() {
    let mut office = ScriptedOffice::staffed();
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
    let mut office = ScriptedOffice::in_call();
    office.set_log_works(false);
    office.send(1, C::HangUp { call: CALL, failed: false });
    assert_eq!(ended(&mut office, 2), Some(Ended::HungUp));
    let at = office.now();
    office.pass(LOG_RETRY_MS * 3);
    assert_eq!(office.call_entries(), ["call_opened"]);
    office.set_log_works(true);
    office.pass(LOG_RETRY_MS);
    assert_eq!(office.call_entries(), ["call_opened", "call_ended hung_up", "record_missing"]);
    assert!(office.log().iter().any(
        |entry| matches!(entry, telcon_proto::entry::Entry::CallEnded { time_ms, answered: Some(true), .. } if *time_ms == at)
    ));
    assert_eq!(office.board().next_timeout(), None);
}
