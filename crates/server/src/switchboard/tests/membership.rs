//! Group membership: commits, listeners, leaving, resuming, legs.

use super::kit::{CALL, Office, blob, device, kind, person, ring};
use crate::{
    assignment::{HEARTBEAT_TIMEOUT_MS, REQUEST_TIMEOUT_MS},
    switchboard::{RelayCommand, RequestId},
};
use telcon_proto::{
    ClientMessage as C, DeviceId, Ended, RecordMode, Role, ServerMessage as S, SuiteName,
    limits::{
        ABANDONED_AFTER_MS, MAX_APPLICATION_BYTES, MAX_COMMIT_BYTES, MAX_MEMBERS, MAX_SDP_BYTES, max_key_package_bytes,
    },
    message::RefusalCode,
};

fn ask(office: &mut Office, n: u8) {
    office.send(n, C::AskJoin { call: CALL, key_package: blob(&format!("kp{n}")) });
}

fn asked(messages: &[S]) -> Vec<DeviceId> {
    messages.iter().filter_map(|m| if let S::JoinAsked { from, .. } = m { Some(*from) } else { None }).collect()
}

fn code(office: &mut Office, n: u8) -> RefusalCode {
    code_or_none(office, n).unwrap_or_else(|| panic!("not refused"))
}

fn code_or_none(office: &mut Office, n: u8) -> Option<RefusalCode> {
    let messages = office.messages(n);
    messages.iter().find_map(|m| if let S::Refused { code, .. } = m { Some(*code) } else { None })
}

#[test]
fn of_two_concurrent_commits_the_first_is_ordered() {
    let mut office = Office::in_call();
    office.commit(2, 1, &[], &[]);
    office.commit(1, 1, &[], &[]);
    assert_eq!(office.received(2), ["committed"]);
    let heard = office.messages(1);
    assert!(
        matches!(&heard[..], [S::Committed { seq: 2, from, .. }, S::CommitRefused { epoch: 1, now: 2, .. }] if *from == device(2))
    );
    office.commit(1, 2, &[], &[]);
    assert_eq!(office.received(1), ["committed"]);
}

#[test]
fn a_note_taker_joins_while_it_rings() {
    let mut office = Office::staffed();
    office.send(1, ring(CALL, device(1), person(2), RecordMode::Memo));
    ask(&mut office, 3);
    assert_eq!(asked(&office.messages(1)), [device(3)]);
    office.commit(1, 0, &[3], &[]);
    assert_eq!(office.received(3), ["notice", "notice", "welcome", "notice"]);
    office.send(2, C::Answer { call: CALL, key_package: blob("kp2") });
    office.commit(1, 1, &[2], &[]);
    let heard = office.messages(3);
    assert!(heard.iter().any(|m| kind(m) == "committed"));
}

#[test]
fn a_note_taker_without_heartbeat_can_be_replaced() {
    let mut office = Office::in_call();
    office.enrol(5, 5, Role::NoteTaker).unwrap();
    office.connect(5);
    ask(&mut office, 3);
    office.commit(1, 1, &[3], &[]);
    let heartbeat = |office: &mut Office| office.send(3, C::Application { call: CALL, message: blob("heartbeat") });
    let silent = |office: &mut Office| {
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
    assert_eq!(office.board.next_timeout(), None, "notified once");
    heartbeat(&mut office);
    assert_eq!(silent(&mut office), Some(false), "heartbeats resumed");
    ask(&mut office, 5);
    assert_eq!(code(&mut office, 5), RefusalCode::NotAllowed);
    // Heartbeats stop for good while the connection stays open: the other note-taker may replace it.
    office.pass(HEARTBEAT_TIMEOUT_MS);
    office.discard();
    ask(&mut office, 5);
    assert_eq!(asked(&office.messages(1)), [device(5)]);
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
        let mut office = Office::in_call();
        office.enrol(5, 5, Role::NoteTaker).unwrap();
        office.connect(5);
        for n in 0..3 {
            ask(&mut office, 3);
            let refused = office.messages(3).iter().any(|m| matches!(m, S::Refused { .. }));
            assert_eq!(refused, how == 0 && n > 0, "one request at a time");
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
        assert_eq!(asked(&office.messages(1)), [device(5)], "how {how}");
        // The first is never admitted: its request expires too.
        office.pass(REQUEST_TIMEOUT_MS);
        assert_eq!(office.board.next_timeout(), None, "how {how}");
    }
}

#[test]
fn one_note_taker_records_a_call_and_the_others_stay_available() {
    let asks = |messages: &[S]| {
        let last = messages.iter().rev().find_map(|m| if let S::Notice(notice) = m { Some(notice) } else { None });
        last.map(|notice| notice.note_taker_asks)
    };
    let mut office = Office::staffed();
    for n in [5, 6] {
        office.enrol(n, n, Role::NoteTaker).unwrap();
        office.connect(n);
    }
    office.send(1, ring(CALL, device(1), person(2), RecordMode::Memo));
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
    assert_eq!(asked(&office.messages(1)), [device(5)]);
    // It leaves for good: now the call needs another.
    office.commit(1, 1, &[5], &[5]);
    office.send(5, C::HangUp { call: CALL, failed: false });
    office.discard();
    ask(&mut office, 6);
    assert_eq!(asked(&office.messages(1)), [device(6)]);
}

#[test]
fn a_request_that_expires_does_not_block_other_note_takers() {
    let mut office = Office::in_call();
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
    assert_eq!(asked(&office.messages(1)), [device(3), device(5)]);
    office.commit(1, 1, &[5], &[]);
    assert!(office.received(5).contains(&"welcome".to_owned()));
}

#[test]
fn the_request_of_a_disconnected_listener_is_void() {
    let mut office = Office::in_call();
    ask(&mut office, 3);
    office.disconnect(3);
    office.discard();
    office.commit(1, 1, &[3], &[]);
    let heard = office.received(1);
    assert!(heard.contains(&"commit_refused".to_owned()), "or two note-takers could be added: {heard:?}");
}

#[test]
fn a_note_taker_that_left_does_not_rejoin_beside_its_replacement() {
    let mut office = Office::in_call();
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
    let mut office = Office::staffed();
    office.enrol(5, 5, Role::Principal).unwrap();
    office.connect(5);
    office.send(1, ring(CALL, device(1), person(2), RecordMode::LogOnly));
    office.discard();
    ask(&mut office, 3);
    assert_eq!(code(&mut office, 3), RefusalCode::NotAllowed, "a log-only call has no note-taker");
    ask(&mut office, 5);
    assert_eq!(code(&mut office, 5), RefusalCode::NotAllowed, "a principal does not listen");
    ask(&mut office, 4);
    assert_eq!(asked(&office.messages(1)), [device(4)]);
}

#[test]
fn a_full_call_refuses_more_members() {
    let mut office = Office::in_call();
    for n in 10..10 + MAX_MEMBERS as u8 - 1 {
        office.enrol(n, n, Role::DutyOfficer).unwrap();
        office.connect(n);
        ask(&mut office, n);
    }
    assert_eq!(asked(&office.messages(1)).len(), MAX_MEMBERS - 2);
    assert_eq!(code(&mut office, 10 + MAX_MEMBERS as u8 - 2), RefusalCode::TooMany);
}

#[test]
fn a_listener_leaves_and_is_removed() {
    let mut office = Office::in_call();
    ask(&mut office, 3);
    office.commit(1, 1, &[3], &[]);
    office.discard();
    office.send(3, C::HangUp { call: CALL, failed: false });
    let heard = office.messages(1);
    assert!(matches!(&heard[..], [S::RemoveAsked { devices, .. }] if devices[..] == [device(3)]));
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

#[test]
fn when_the_committer_disconnects_another_member_is_asked_to_commit() {
    let mut office = Office::in_call();
    ask(&mut office, 3);
    assert_eq!(asked(&office.messages(1)), [device(3)]);
    office.disconnect(1);
    assert_eq!(asked(&office.messages(2)), [device(3)]);
    // No member is connected: the request waits.
    office.disconnect(2);
    office.connect(2);
    assert_eq!(office.received(2), ["signed_in"], "a device that connects is asked once it resumes");
    office.send(2, C::Resume { call: CALL, after: 1 });
    assert_eq!(asked(&office.messages(2)), [device(3)]);
    office.connect(1);
    office.send(1, C::Resume { call: CALL, after: 1 });
    assert_eq!(asked(&office.messages(1)), [device(3)], "the caller comes first");
    office.commit(2, 1, &[3], &[]);
    office.commit(1, 1, &[3], &[]);
    assert_eq!(office.received(1), ["committed", "commit_refused"]);
}

#[test]
fn a_device_that_reloaded_rejoins() {
    let mut office = Office::in_call();
    office.disconnect(1);
    office.connect(1);
    let Some(S::SignedIn { in_call, .. }) = office.messages(1).into_iter().next() else { panic!("not signed in") };
    assert_eq!(in_call, Some(CALL));
    ask(&mut office, 1);
    assert_eq!(asked(&office.messages(2)), [device(1)], "the other member commits");
    office.commit(2, 1, &[1], &[]);
    assert_eq!(code(&mut office, 2), RefusalCode::NotAllowed, "its old leaf must be removed in the same commit");
    office.commit(2, 1, &[1], &[1]);
    assert_eq!(office.received(2), ["committed"]);
    assert_eq!(office.received(1), ["welcome"]);
    office.send(1, C::Application { call: CALL, message: blob("again") });
    assert_eq!(office.received(2), ["application"]);
}

#[test]
fn the_only_member_cannot_rejoin() {
    let mut office = Office::staffed();
    office.send(1, ring(CALL, device(1), person(2), RecordMode::Memo));
    office.disconnect(1);
    office.connect(1);
    ask(&mut office, 1);
    assert_eq!(code(&mut office, 1), RefusalCode::NotAllowed);
}

#[test]
fn invalid_commits_are_refused() {
    let mut office = Office::in_call();
    ask(&mut office, 3);
    office.commit(1, 1, &[3], &[]);
    ask(&mut office, 4);
    office.discard();
    let cases: [(&str, u8, &[u8], &[u8]); 7] = [
        ("did not ask", 1, &[9], &[]),
        ("twice", 1, &[4, 4], &[]),
        ("no member", 1, &[], &[4]),
        ("itself", 1, &[], &[1]),
        ("a principal, by a listener", 3, &[], &[2]),
        ("a principal, by the other", 1, &[], &[2]),
        ("no member commits", 4, &[4], &[]),
    ];
    for (name, n, adds, removes) in cases {
        office.commit(n, 2, adds, removes);
        assert_eq!(code(&mut office, n), RefusalCode::NotAllowed, "{name}");
    }
    let bare = |welcome, adds| C::Commit { call: CALL, epoch: 2, commit: blob("c"), welcome, adds, removes: vec![] };
    office.send(1, bare(None, vec![device(4)]));
    assert_eq!(code(&mut office, 1), RefusalCode::NotAllowed);
    office.send(1, bare(Some(blob("w")), vec![]));
    assert_eq!(code(&mut office, 1), RefusalCode::NotAllowed);
    // A principal may remove a listener.
    office.commit(2, 2, &[], &[3]);
    assert_eq!(office.received(2), ["committed"]);
}

#[test]
fn handshakes_are_replayed_once_per_connection() {
    let mut office = Office::in_call();
    office.commit(2, 1, &[], &[]);
    office.disconnect(1);
    office.connect(1);
    office.discard();
    office.send(1, C::Resume { call: CALL, after: 0 });
    assert!(office.received(1).iter().any(|kind| kind == "committed"));
    office.send(1, C::Resume { call: CALL, after: 0 });
    assert!(office.received(1).is_empty(), "a replay is up to 16 MiB");
    office.disconnect(1);
    office.connect(1);
    office.discard();
    office.send(1, C::Resume { call: CALL, after: 0 });
    assert!(office.received(1).iter().any(|kind| kind == "committed"), "a new connection may have missed them");
}

#[test]
fn key_packages_and_commits_over_the_limit_reach_nobody() {
    let mut office = Office::staffed();
    office.send(1, ring(CALL, device(1), person(2), RecordMode::Memo));
    office.discard();
    office.send(
        3,
        C::AskJoin { call: CALL, key_package: blob(&"k".repeat(max_key_package_bytes(SuiteName::Hybrid) + 1)) },
    );
    assert_eq!(code(&mut office, 3), RefusalCode::Malformed);
    assert!(office.received(1).is_empty());
    let commit = blob(&"c".repeat(MAX_COMMIT_BYTES));
    let message = C::Commit { call: CALL, epoch: 0, commit, welcome: Some(blob("w")), adds: vec![], removes: vec![] };
    office.send(1, message);
    assert_eq!(code(&mut office, 1), RefusalCode::Malformed);
}

#[test]
fn a_device_that_resumes_gets_the_handshakes_that_it_missed() {
    let mut office = Office::in_call();
    office.disconnect(2);
    ask(&mut office, 3);
    office.commit(1, 1, &[3], &[]);
    office.commit(1, 2, &[], &[]);
    office.connect(2);
    office.discard();
    office.send(2, C::Resume { call: CALL, after: 1 });
    let heard = office.messages(2);
    assert!(matches!(&heard[..], [S::Committed { seq: 2, .. }, S::Committed { seq: 3, .. }, S::MediaLost { .. }]));
    // A member never gets handshakes from before it joined.
    office.disconnect(3);
    office.connect(3);
    office.discard();
    office.send(3, C::Resume { call: CALL, after: 0 });
    let heard = office.messages(3);
    assert!(matches!(&heard[..], [S::Welcome { seq: 2, .. }, S::Committed { seq: 3, .. }, S::MediaLost { .. }]));
    office.send(3, C::Resume { call: CALL, after: 9 });
    assert_eq!(code(&mut office, 3), RefusalCode::NotAllowed, "it cannot be ahead of the call");
}

#[test]
fn a_welcome_that_was_lost_is_sent_again() {
    let mut office = Office::staffed();
    office.send(1, ring(CALL, device(1), person(2), RecordMode::Memo));
    office.send(2, C::Answer { call: CALL, key_package: blob("kp2") });
    office.disconnect(2);
    office.commit(1, 0, &[2], &[]);
    office.connect(2);
    office.discard();
    office.send(2, C::Resume { call: CALL, after: 0 });
    assert_eq!(office.received(2), ["welcome", "media_lost"]);
}

#[test]
fn a_side_without_connection_ends_the_call_after_the_timeout() {
    let mut office = Office::in_call();
    office.disconnect(2);
    office.pass(ABANDONED_AFTER_MS - 1);
    office.connect(2);
    office.send(2, C::Resume { call: CALL, after: 1 });
    office.pass(ABANDONED_AFTER_MS * 2);
    office.disconnect(2);
    office.discard();
    office.pass(ABANDONED_AFTER_MS);
    let heard = office.messages(1);
    assert!(matches!(&heard[..], [S::Ended { how: Ended::Interrupted, .. }]));
    office.connect(2);
    office.discard();
    office.send(2, C::Resume { call: CALL, after: 1 });
    assert!(
        matches!(office.messages(2)[..], [S::Ended { how: Ended::Interrupted, .. }]),
        "notified when it reconnects"
    );
}

#[test]
fn a_lost_listener_is_removed_and_the_call_continues() {
    let mut office = Office::in_call();
    ask(&mut office, 3);
    office.commit(1, 1, &[3], &[]);
    office.disconnect(3);
    office.discard();
    office.pass(ABANDONED_AFTER_MS);
    assert_eq!(office.received(1), ["remove_asked"]);
    office.connect(3);
    let Some(S::SignedIn { in_call, .. }) = office.messages(3).into_iter().next() else { panic!("not signed in") };
    assert_eq!(in_call, None);
    office.send(3, C::Resume { call: CALL, after: 2 });
    assert_eq!(code(&mut office, 3), RefusalCode::NotAllowed);
}

#[test]
fn a_revoked_listener_is_removed_and_a_revoked_principal_ends_it() {
    let mut office = Office::in_call();
    ask(&mut office, 3);
    office.commit(1, 1, &[3], &[]);
    office.send(3, C::Offer { call: CALL, sdp: "offer".into() });
    let effects = office.board.leg_added(CALL, device(3), office.session(3), Ok("answer".into()), office.now);
    office.run(effects);
    office.discard();
    let effects = office.board.revoke(RequestId(1), device(3), "jws".into(), office.now);
    office.run(effects);
    assert_eq!(office.received(1), ["remove_asked"]);
    assert_eq!(office.relay, [RelayCommand::RemoveLeg(CALL, device(3))]);
    let effects = office.board.revoke(RequestId(2), device(2), "jws".into(), office.now);
    office.run(effects);
    let heard = office.messages(1);
    assert!(heard.iter().any(|m| matches!(m, S::Ended { how: Ended::Revoked, .. })), "{heard:?}");
    assert_eq!(office.call_entries(), ["call_opened", "call_ended revoked"]);
}

#[test]
fn only_participants_and_ringing_devices_get_legs() {
    let mut office = Office::staffed();
    office.send(1, ring(CALL, device(1), person(2), RecordMode::Memo));
    office.discard();
    let offer = || C::Offer { call: CALL, sdp: "offer".into() };
    for n in [1, 2] {
        office.send(n, offer());
        let session = office.session(n);
        let added = RelayCommand::AddLeg { call: CALL, device: device(n), session, sdp: "offer".into() };
        assert_eq!(office.relay, [added]);
        office.relay.clear();
        let effects = office.board.leg_added(CALL, device(n), session, Ok("answer".into()), office.now);
        office.run(effects);
        assert_eq!(office.received(n), ["media_answer"]);
    }
    office.send(4, offer());
    assert_eq!(code(&mut office, 4), RefusalCode::NotAllowed);
    office.send(1, C::Offer { call: CALL, sdp: "x".repeat(MAX_SDP_BYTES + 1) });
    assert_eq!(code(&mut office, 1), RefusalCode::Malformed);
    office.send(1, C::Offer { call: CALL, sdp: "\u{1}".repeat(60) });
    assert_eq!(code(&mut office, 1), RefusalCode::Malformed);
    let effects = office.board.leg_lost(CALL, device(1), office.now);
    office.run(effects);
    assert_eq!(office.received(1), ["media_lost"]);
    // A leg that the relay accepts after the call's end is removed.
    office.send(1, C::HangUp { call: CALL, failed: false });
    office.discard();
    let effects = office.board.leg_added(CALL, device(1), office.session(1), Ok("answer".into()), office.now);
    office.run(effects);
    assert_eq!(office.relay, [RelayCommand::RemoveLeg(CALL, device(1))]);
    assert_eq!(office.received(1), Vec::<String>::new());
}

#[test]
fn application_messages_of_non_members_and_oversized_ones_are_refused() {
    let mut office = Office::in_call();
    office.send(4, C::Application { call: CALL, message: blob("hello") });
    assert_eq!(code(&mut office, 4), RefusalCode::NotAllowed);
    office.send(1, C::Application { call: CALL, message: blob(&"x".repeat(MAX_APPLICATION_BYTES + 1)) });
    assert_eq!(code(&mut office, 1), RefusalCode::Malformed);
    assert_eq!(office.received(2), Vec::<String>::new());
}

#[test]
fn a_listener_that_leaves_twice_is_removed_twice() {
    let mut office = Office::in_call();
    for epoch in [1, 3] {
        ask(&mut office, 4);
        office.commit(1, epoch, &[4], &[]);
        office.discard();
        office.send(4, C::HangUp { call: CALL, failed: false });
        assert_eq!(office.received(1), ["remove_asked"], "epoch {epoch}");
        office.commit(1, epoch + 1, &[], &[4]);
    }
}

#[test]
fn a_caller_that_did_not_hear_that_its_call_is_open_is_told_when_it_resumes_even_after_an_answer() {
    let mut office = Office::staffed();
    office.send(1, ring(CALL, device(1), person(2), RecordMode::Memo));
    office.disconnect(1);
    office.send(2, C::Answer { call: CALL, key_package: blob("kp2") });
    office.connect(1);
    office.discard();
    office.send(1, C::Resume { call: CALL, after: 0 });
    let heard = office.received(1);
    assert_eq!(heard.first().map(String::as_str), Some("opened"), "{heard:?}");
    assert_eq!(heard.last().map(String::as_str), Some("join_asked"), "{heard:?}");
}

#[test]
fn who_answers_again_and_was_added_meanwhile_is_welcomed() {
    let mut office = Office::staffed();
    office.send(1, ring(CALL, device(1), person(2), RecordMode::Memo));
    office.send(2, C::Answer { call: CALL, key_package: blob("kp2") });
    office.disconnect(2);
    office.commit(1, 0, &[2], &[]);
    office.connect(2);
    office.discard();
    office.send(2, C::Answer { call: CALL, key_package: blob("kp2") });
    assert_eq!(office.received(2).first().map(String::as_str), Some("welcome"));
}

#[test]
fn a_call_whose_keys_nobody_holds_any_more_ends() {
    let mut office = Office::in_call();
    ask(&mut office, 4);
    office.commit(1, 1, &[4], &[]);
    ask(&mut office, 1);
    ask(&mut office, 2);
    office.discard();
    office.send(4, C::HangUp { call: CALL, failed: false });
    for n in [1, 2] {
        let heard = office.messages(n);
        assert!(heard.iter().any(|m| matches!(m, S::Ended { how: Ended::Failed, .. })), "{heard:?}");
    }
}

/// The attacker is a listener, or whoever answered, that sends its largest key package again and again.
#[test]
fn repeated_requests_to_join_are_stored_and_passed_on_once_per_epoch() {
    let mut office = Office::in_call();
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

    let mut office = Office::staffed();
    office.send(1, ring(CALL, device(1), person(2), RecordMode::Memo));
    office.discard();
    for _ in 0..100 {
        office.send(2, C::Answer { call: CALL, key_package: package.clone() });
    }
    assert_eq!(office.received(1).iter().filter(|kind| *kind == "join_asked").count(), 1);
}
