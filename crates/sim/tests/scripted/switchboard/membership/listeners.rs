//! Note-takers and other listeners.

use super::*;

#[test]
fn a_note_taker_joins_while_it_rings() {
    let mut office = ScriptedOffice::staffed();
    office.ring(1, CALL, 2, RecordMode::Memo);
    ask(&mut office, 3);
    assert_eq!(asked(&office.messages(1)), [office.device(3)]);
    office.commit(1, 0, &[3], &[]);
    assert_eq!(office.received(3), ["notice", "notice", "welcome", "notice"]);
    office.send(2, C::Answer { call: CALL, key_package: blob("kp2") });
    office.commit(1, 1, &[2], &[]);
    let heard = office.messages(3);
    assert!(heard.iter().any(|m| kind(m) == "committed"));
}

#[test]
fn a_note_taker_without_heartbeat_can_be_replaced() {
    let mut office = ScriptedOffice::in_call();
    office.enrol(5, 5, Role::NoteTaker).unwrap();
    office.connect(5);
    ask(&mut office, 3);
    office.commit(1, 1, &[3], &[]);
    let heartbeat =
        |office: &mut ScriptedOffice| office.send(3, C::Application { call: CALL, message: blob("heartbeat") });
    let silent = |office: &mut ScriptedOffice| {
        let told = office.messages(5).into_iter().rev().find_map(|m| if let S::Notice(n) = m { Some(n) } else { None });
        told.map(|notice| notice.note_taker_silent)
    };
    for _ in 0..5 {
        office.pass(HEARTBEAT_TIMEOUT_MS - 1);
        heartbeat(&mut office);
    }
    assert_eq!(silent(&mut office), Some(false), "one notice at admission and no change since");
    office.pass(HEARTBEAT_TIMEOUT_MS - 1);
    ask(&mut office, 5);
    assert_eq!(code(&mut office, 5), RefusalCode::NotAllowed);
    office.pass(1);
    assert_eq!(silent(&mut office), Some(true));
    office.pass(UNATTENDED_MS);
    assert_eq!((silent(&mut office), office.board().next_timeout()), (None, None), "notified once");
    heartbeat(&mut office);
    assert_eq!(silent(&mut office), Some(false), "heartbeats resumed");
    ask(&mut office, 5);
    assert_eq!(code(&mut office, 5), RefusalCode::NotAllowed);
    // Heartbeats stop for good while the connection stays open: the other note-taker may replace it.
    office.pass(HEARTBEAT_TIMEOUT_MS);
    office.discard();
    ask(&mut office, 5);
    assert_eq!(asked(&office.messages(1)), [office.device(5)]);
    office.commit(1, 2, &[5], &[]);
    assert_eq!(silent(&mut office), Some(false), "one of the two sends heartbeats");
    assert_eq!(code_or_none(&mut office, 5), None);
    // A server restart restarts the heartbeat timeout of both.
    office.restart();
    for n in [1, 2, 3, 5] {
        office.connect(n);
    }
    assert_eq!(silent(&mut office), Some(false));
    office.pass(HEARTBEAT_TIMEOUT_MS);
    assert_eq!(silent(&mut office), Some(true));
}

#[test]
fn repeated_requests_of_a_note_taker_do_not_block_the_others() {
    // Repeated requests, requests after leaving, and requests over a new connection.
    for how in 0..3 {
        let mut office = ScriptedOffice::in_call();
        office.enrol(5, 5, Role::NoteTaker).unwrap();
        office.connect(5);
        for _ in 0..3 {
            ask(&mut office, 3);
            let refused = office.messages(3).iter().any(|m| matches!(m, S::Refused { .. }));
            assert!(!refused, "a repeated request is ignored");
            office.pass(REQUEST_TIMEOUT_MS / 3);
            match how {
                0 => {}
                1 => office.send(3, C::HangUp { call: CALL, failed: false }),
                _ => {
                    office.disconnect(3);
                    office.connect(3);
                }
            }
        }
        office.pass(1 + REQUEST_TIMEOUT_MS - 3 * (REQUEST_TIMEOUT_MS / 3));
        ask(&mut office, 3);
        office.discard();
        ask(&mut office, 5);
        assert_eq!(asked(&office.messages(1)), [office.device(5)], "how {how}");
        // The first is never admitted: its request expires too.
        office.pass(2 * REQUEST_TIMEOUT_MS);
        assert_eq!(office.board().next_timeout(), None, "how {how}");
    }
}

#[test]
fn one_note_taker_records_a_call_and_the_others_stay_available() {
    let asks = |messages: &[S]| {
        let last = messages.iter().rev().find_map(|m| if let S::Notice(notice) = m { Some(notice) } else { None });
        last.map(|notice| notice.note_taker_asks)
    };
    let mut office = ScriptedOffice::staffed();
    for n in [5, 6] {
        office.enrol(n, n, Role::NoteTaker).unwrap();
        office.connect(n);
    }
    office.ring(1, CALL, 2, RecordMode::Memo);
    office.discard();
    ask(&mut office, 3);
    assert_eq!(asks(&office.messages(5)), Some(true), "the others need not ask");
    ask(&mut office, 5);
    assert_eq!(code(&mut office, 5), RefusalCode::NotAllowed, "another request is pending");
    // The first disconnects before it is admitted: another may request.
    office.disconnect(3);
    assert_eq!(asks(&office.messages(5)), Some(false));
    ask(&mut office, 5);
    office.commit(1, 0, &[5], &[]);
    assert_eq!(asks(&office.messages(6)), Some(false), "the pending request became a membership");
    ask(&mut office, 6);
    assert_eq!(code(&mut office, 6), RefusalCode::NotAllowed);
    // The recording note-taker rejoins with a new leaf, as after a restart.
    office.discard();
    ask(&mut office, 5);
    assert_eq!(asked(&office.messages(1)), [office.device(5)]);
    // It leaves for good: now the call needs another.
    office.commit(1, 1, &[5], &[5]);
    office.send(5, C::HangUp { call: CALL, failed: false });
    office.discard();
    ask(&mut office, 6);
    assert_eq!(asked(&office.messages(1)), [office.device(6)]);
}

#[test]
fn a_request_that_expires_does_not_block_other_note_takers() {
    let mut office = ScriptedOffice::in_call();
    office.enrol(5, 5, Role::NoteTaker).unwrap();
    office.connect(5);
    ask(&mut office, 3);
    office.discard();
    office.pass(REQUEST_TIMEOUT_MS - 1);
    ask(&mut office, 5);
    assert_eq!(code(&mut office, 5), RefusalCode::NotAllowed);
    office.pass(1);
    assert_eq!(code(&mut office, 3), RefusalCode::NotAllowed);
    assert!(office.received(5).contains(&"notice".to_owned()), "the call needs another");
    office.discard();
    // The first requests again before the other: an expired request does not block.
    ask(&mut office, 3);
    ask(&mut office, 5);
    assert_eq!(asked(&office.messages(1)), [office.device(3), office.device(5)]);
    office.commit(1, 1, &[5], &[]);
    assert!(office.received(5).contains(&"welcome".to_owned()));
}

#[test]
fn the_request_of_a_disconnected_listener_is_void() {
    let mut office = ScriptedOffice::in_call();
    ask(&mut office, 3);
    office.disconnect(3);
    office.discard();
    office.commit(1, 1, &[3], &[]);
    let heard = office.received(1);
    assert!(heard.contains(&"commit_refused".to_owned()), "or two note-takers could be added: {heard:?}");
}

#[test]
fn a_note_taker_that_left_does_not_rejoin_beside_its_replacement() {
    let mut office = ScriptedOffice::in_call();
    office.enrol(5, 5, Role::NoteTaker).unwrap();
    office.connect(5);
    ask(&mut office, 3);
    office.commit(1, 1, &[3], &[]);
    // It is still in the MLS group until the commit that removes it.
    office.send(3, C::HangUp { call: CALL, failed: false });
    ask(&mut office, 5);
    office.discard();
    ask(&mut office, 3);
    assert_eq!(code(&mut office, 3), RefusalCode::NotAllowed);
}

#[test]
fn only_listening_roles_may_join_a_call() {
    let mut office = ScriptedOffice::staffed();
    office.enrol(5, 5, Role::Principal).unwrap();
    office.connect(5);
    office.ring(1, CALL, 2, RecordMode::LogOnly);
    office.discard();
    ask(&mut office, 3);
    assert_eq!(code(&mut office, 3), RefusalCode::NotAllowed, "a log-only call has no note-taker");
    ask(&mut office, 5);
    assert_eq!(code(&mut office, 5), RefusalCode::NotAllowed, "a principal does not listen");
    ask(&mut office, 4);
    assert_eq!(asked(&office.messages(1)), [office.device(4)]);
}

#[test]
fn a_full_call_refuses_more_members() {
    let mut office = ScriptedOffice::in_call();
    for n in 10..10 + MAX_MEMBERS - 1 {
        office.enrol(n, n, Role::DutyOfficer).unwrap();
        office.connect(n);
        ask(&mut office, n);
    }
    assert_eq!(asked(&office.messages(1)).len(), MAX_MEMBERS - 2);
    assert_eq!(code(&mut office, 10 + MAX_MEMBERS - 2), RefusalCode::TooMany);
}

#[test]
fn a_listener_leaves_and_is_removed() {
    let mut office = ScriptedOffice::in_call();
    ask(&mut office, 3);
    office.commit(1, 1, &[3], &[]);
    office.discard();
    office.send(3, C::HangUp { call: CALL, failed: false });
    let heard = office.messages(1);
    assert!(matches!(&heard[..], [S::RemoveAsked { devices, .. }] if devices[..] == [office.device(3)]));
    office.send(1, C::Application { call: CALL, message: blob("secret") });
    assert!(
        !office.received(3).contains(&"application".to_owned()),
        "it receives nothing, even before its removal is committed"
    );
    office.commit(1, 2, &[], &[3]);
    assert_eq!(office.received(1), ["committed"]);
    assert!(!office.received(3).contains(&"committed".to_owned()));
    assert_eq!(office.received(2), ["application", "committed"]);
}

/// The attacker is a listener, or whoever answered, that sends its largest key package again and again.
#[test]
fn repeated_requests_to_join_are_stored_and_passed_on_once_per_epoch() {
    let mut office = ScriptedOffice::in_call();
    let package = blob(&"k".repeat(max_key_package_bytes(SuiteName::Hybrid)));
    office.discard();
    for n in 0..100 {
        // The same request changes nothing; another one while it waits is refused.
        let package = if n < 50 { package.clone() } else { blob(&"x".repeat(100 + n)) };
        office.send(4, C::AskJoin { call: CALL, key_package: package });
    }
    assert_eq!(office.received(1).iter().filter(|kind| *kind == "join_asked").count(), 1);
    let refused = office.messages(4).into_iter().filter(|m| matches!(m, S::Refused { code: RefusalCode::TooMany, .. }));
    assert_eq!(refused.count(), 50);
    office.disconnect(4);
    office.connect(4);
    office.discard();
    office.send(4, C::AskJoin { call: CALL, key_package: package.clone() });
    assert_eq!(office.received(1).iter().filter(|kind| *kind == "join_asked").count(), 1, "over another connection");

    let mut office = ScriptedOffice::staffed();
    office.ring(1, CALL, 2, RecordMode::Memo);
    office.discard();
    for _ in 0..100 {
        office.send(2, C::Answer { call: CALL, key_package: package.clone() });
    }
    assert_eq!(office.received(1).iter().filter(|kind| *kind == "join_asked").count(), 1);
}
