//! Group membership: commits, listeners, leaving, resuming, legs.

mod listeners;

use telcon_proto::{
    ClientMessage as C, DeviceId, Ended, RecordMode, Role, ServerMessage as S, SuiteName,
    limits::{
        ABANDONED_AFTER_MS, MAX_APPLICATION_BYTES, MAX_COMMIT_BYTES, MAX_MEMBERS, MAX_SDP_BYTES, max_key_package_bytes,
    },
    message::RefusalCode,
};
use telcon_server::{
    limits::{HEARTBEAT_TIMEOUT_MS, REQUEST_TIMEOUT_MS, UNATTENDED_MS},
    switchboard::RelayCommand,
};
use telcon_sim::script::{CALL, ScriptedOffice, blob, kind, offer};

fn ask(office: &mut ScriptedOffice, n: usize) {
    office.send(n, C::AskJoin { call: CALL, key_package: blob(&format!("kp{n}")) });
}

fn asked(messages: &[S]) -> Vec<DeviceId> {
    messages.iter().filter_map(|m| if let S::JoinAsked { from, .. } = m { Some(*from) } else { None }).collect()
}

fn code(office: &mut ScriptedOffice, n: usize) -> RefusalCode {
    code_or_none(office, n).unwrap_or_else(|| panic!("not refused"))
}

fn code_or_none(office: &mut ScriptedOffice, n: usize) -> Option<RefusalCode> {
    let messages = office.messages(n);
    messages.iter().find_map(|m| if let S::Refused { code, .. } = m { Some(*code) } else { None })
}

#[test]
fn of_two_concurrent_commits_the_first_is_ordered() {
    let mut office = ScriptedOffice::in_call();
    office.commit(2, 1, &[], &[]);
    office.commit(1, 1, &[], &[]);
    assert_eq!(office.received(2), ["committed"]);
    let heard = office.messages(1);
    assert!(
        matches!(&heard[..], [S::Committed { seq: 2, from, .. }, S::CommitRefused { epoch: 1, now: 2, .. }] if *from == office.device(2))
    );
    office.commit(1, 2, &[], &[]);
    assert_eq!(office.received(1), ["committed"]);
}

#[test]
fn when_the_committer_disconnects_another_member_is_asked_to_commit() {
    let mut office = ScriptedOffice::in_call();
    ask(&mut office, 3);
    assert_eq!(asked(&office.messages(1)), [office.device(3)]);
    office.disconnect(1);
    assert_eq!(asked(&office.messages(2)), [office.device(3)]);
    // No member is connected: the request waits.
    office.disconnect(2);
    office.connect(2);
    assert_eq!(office.received(2), ["signed_in"], "a device that connects is asked once it resumes");
    office.send(2, C::Resume { call: CALL, after: 1 });
    assert_eq!(asked(&office.messages(2)), [office.device(3)]);
    office.connect(1);
    office.send(1, C::Resume { call: CALL, after: 1 });
    assert_eq!(asked(&office.messages(1)), [office.device(3)], "the caller comes first");
    office.commit(2, 1, &[3], &[]);
    office.commit(1, 1, &[3], &[]);
    assert_eq!(office.received(1), ["committed", "commit_refused"]);
}

#[test]
fn a_device_that_reloaded_rejoins() {
    let mut office = ScriptedOffice::in_call();
    office.disconnect(1);
    office.connect(1);
    let Some(S::SignedIn { in_call, .. }) = office.messages(1).into_iter().next() else { panic!("not signed in") };
    assert_eq!(in_call, Some(CALL));
    ask(&mut office, 1);
    assert_eq!(asked(&office.messages(2)), [office.device(1)], "the other member commits");
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
    let mut office = ScriptedOffice::staffed();
    office.ring(1, CALL, 2, RecordMode::Memo);
    office.disconnect(1);
    office.connect(1);
    ask(&mut office, 1);
    assert_eq!(code(&mut office, 1), RefusalCode::NotAllowed);
}

#[test]
fn invalid_commits_are_refused() {
    let mut office = ScriptedOffice::in_call();
    ask(&mut office, 3);
    office.commit(1, 1, &[3], &[]);
    ask(&mut office, 4);
    office.discard();
    let cases: [(&str, usize, &[usize], &[usize]); 7] = [
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
    office.send(1, bare(None, vec![office.device(4)]));
    assert_eq!(code(&mut office, 1), RefusalCode::NotAllowed);
    office.send(1, bare(Some(blob("w")), vec![]));
    assert_eq!(code(&mut office, 1), RefusalCode::NotAllowed);
    // A principal may remove a listener.
    office.commit(2, 2, &[], &[3]);
    assert_eq!(office.received(2), ["committed"]);
}

#[test]
fn handshakes_are_replayed_once_per_connection() {
    let mut office = ScriptedOffice::in_call();
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
    let mut office = ScriptedOffice::staffed();
    office.ring(1, CALL, 2, RecordMode::Memo);
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
    let mut office = ScriptedOffice::in_call();
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
    let mut office = ScriptedOffice::staffed();
    office.ring(1, CALL, 2, RecordMode::Memo);
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
    let mut office = ScriptedOffice::in_call();
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
    let mut office = ScriptedOffice::in_call();
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
    let mut office = ScriptedOffice::in_call();
    ask(&mut office, 3);
    office.commit(1, 1, &[3], &[]);
    office.send(3, C::Offer { call: CALL, sdp: offer(3, 1) });
    office.discard();
    office.revoke(3);
    assert_eq!(office.received(1), ["remove_asked"]);
    assert_eq!(office.relay(), [RelayCommand::RemoveLeg(CALL, office.device(3))]);
    office.revoke(2);
    let heard = office.messages(1);
    assert!(heard.iter().any(|m| matches!(m, S::Ended { how: Ended::Revoked, .. })), "{heard:?}");
    assert_eq!(office.call_entries(), ["call_opened", "call_ended revoked"]);
}

#[test]
fn only_participants_and_ringing_devices_get_legs() {
    let mut office = ScriptedOffice::staffed();
    office.ring(1, CALL, 2, RecordMode::Memo);
    office.discard();
    for n in [1, 2] {
        let sdp = offer(n, 1);
        office.send(n, C::Offer { call: CALL, sdp: sdp.clone() });
        let session = office.session(n);
        let added = RelayCommand::AddLeg { call: CALL, device: office.device(n), session, sdp };
        assert_eq!(office.relay(), [added]);
        assert_eq!(office.received(n), ["media_answer"]);
        office.discard();
    }
    office.send(4, C::Offer { call: CALL, sdp: offer(4, 1) });
    assert_eq!(code(&mut office, 4), RefusalCode::NotAllowed);
    office.send(1, C::Offer { call: CALL, sdp: "x".repeat(MAX_SDP_BYTES + 1) });
    assert_eq!(code(&mut office, 1), RefusalCode::Malformed);
    office.send(1, C::Offer { call: CALL, sdp: "\u{1}".repeat(60) });
    assert_eq!(code(&mut office, 1), RefusalCode::Malformed);
    office.lose_leg(1);
    assert_eq!(office.received(1), ["media_lost"]);
    // A leg that the relay accepts after the call's end is removed.
    office.send(1, C::HangUp { call: CALL, failed: false });
    office.discard();
    office.leg_added(1);
    assert_eq!(office.relay(), [RelayCommand::RemoveLeg(CALL, office.device(1))]);
    assert_eq!(office.received(1), Vec::<String>::new());
}

#[test]
fn application_messages_of_non_members_and_oversized_ones_are_refused() {
    let mut office = ScriptedOffice::in_call();
    office.send(4, C::Application { call: CALL, message: blob("hello") });
    assert_eq!(code(&mut office, 4), RefusalCode::NotAllowed);
    office.send(1, C::Application { call: CALL, message: blob(&"x".repeat(MAX_APPLICATION_BYTES + 1)) });
    assert_eq!(code(&mut office, 1), RefusalCode::Malformed);
    assert_eq!(office.received(2), Vec::<String>::new());
}

#[test]
fn a_listener_that_leaves_twice_is_removed_twice() {
    let mut office = ScriptedOffice::in_call();
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
    let mut office = ScriptedOffice::staffed();
    office.ring(1, CALL, 2, RecordMode::Memo);
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
    let mut office = ScriptedOffice::staffed();
    office.ring(1, CALL, 2, RecordMode::Memo);
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
    let mut office = ScriptedOffice::in_call();
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
