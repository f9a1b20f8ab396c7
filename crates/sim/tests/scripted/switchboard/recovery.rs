//! A crash in each state of a call, and recovery from disk.

use telcon_proto::{
    ClientMessage as C, Ended, RecordMode, Role, ServerMessage as S,
    limits::{ABANDONED_AFTER_MS, RING_TIMEOUT_MS},
};
use telcon_sim::script::{CALL, ScriptedOffice, blob};

fn rings(office: &mut ScriptedOffice) {
    office.ring(1, CALL, 2, RecordMode::Memo);
}

#[test]
fn restart_while_the_opening_is_appended() {
    let mut office = ScriptedOffice::staffed();
    office.hold_log();
    rings(&mut office);
    office.stop_holding_log();
    office.restart();
    office.connect(1);
    office.connect(2);
    assert_eq!(office.received(2), ["signed_in"], "the opening was not logged, so there is no call");
    assert_eq!(office.call_entries(), Vec::<String>::new());
    office.discard();
    rings(&mut office);
    assert_eq!(office.received(1), ["ended"], "its id cannot be used again");
}

#[test]
fn restart_while_it_rings() {
    let mut office = ScriptedOffice::staffed();
    rings(&mut office);
    office.restart();
    office.connect(2);
    assert_eq!(office.received(2), ["signed_in", "ringing"]);
    office.connect(1);
    let Some(S::SignedIn { in_call, .. }) = office.messages(1).into_iter().next() else { panic!("not signed in") };
    assert_eq!(in_call, Some(CALL));
    office.send(1, C::Resume { call: CALL, after: 0 });
    assert_eq!(office.received(1), ["opened", "media_lost"]);
    office.send(2, C::Answer { call: CALL, key_package: blob("kp2") });
    office.commit(1, 0, &[2], &[]);
    assert_eq!(office.received(1), ["join_asked", "committed"]);
    assert_eq!(office.received(2), ["welcome"]);
}

#[test]
fn restart_after_the_ring_timeout() {
    let mut office = ScriptedOffice::staffed();
    rings(&mut office);
    office.restart_after(RING_TIMEOUT_MS);
    assert_eq!(office.call_entries(), ["call_opened", "call_ended missed"]);
}

#[test]
fn restart_between_answer_and_commit() {
    let mut office = ScriptedOffice::staffed();
    rings(&mut office);
    office.send(2, C::Answer { call: CALL, key_package: blob("kp2") });
    office.restart();
    office.connect(1);
    office.send(1, C::Resume { call: CALL, after: 0 });
    office.connect(2);
    office.send(2, C::Resume { call: CALL, after: 0 });
    let heard = office.messages(1);
    assert!(
        heard
            .iter()
            .any(|m| matches!(m, S::JoinAsked { answer: true, key_package, .. } if *key_package == blob("kp2")))
    );
    office.commit(1, 0, &[2], &[]);
    assert!(office.received(2).contains(&"welcome".to_owned()));
}

#[test]
fn restart_after_a_commit_was_stored_and_before_it_was_sent() {
    let mut office = ScriptedOffice::in_call();
    office.disconnect(2);
    office.commit(1, 1, &[], &[]);
    office.restart();
    for n in [1, 2] {
        office.connect(n);
        office.discard();
        office.send(n, C::Resume { call: CALL, after: 1 });
        let heard = office.messages(n);
        assert!(
            matches!(&heard[..], [S::Committed { seq: 2, commit, .. }, S::MediaLost { .. }] if *commit == blob("commit 1 by 1"))
        );
    }
    office.commit(2, 1, &[], &[]);
    let heard = office.messages(2);
    assert!(matches!(&heard[..], [S::CommitRefused { now: 2, .. }]));
}

#[test]
fn restart_while_a_member_leaves() {
    let mut office = ScriptedOffice::in_call();
    office.send(3, C::AskJoin { call: CALL, key_package: blob("kp3") });
    office.commit(1, 1, &[3], &[]);
    office.send(3, C::HangUp { call: CALL, failed: false });
    office.restart();
    office.connect(1);
    office.discard();
    office.send(1, C::Resume { call: CALL, after: 2 });
    assert_eq!(office.received(1), ["media_lost", "remove_asked"]);
}

#[test]
fn restart_with_no_device_reconnecting() {
    let mut office = ScriptedOffice::in_call();
    office.restart();
    office.pass(ABANDONED_AFTER_MS - 1);
    assert_eq!(office.call_entries(), ["call_opened"]);
    office.pass(1);
    assert_eq!(office.call_entries(), ["call_opened", "call_ended interrupted", "record_missing"]);
}

#[test]
fn restart_before_the_end_is_logged() {
    let mut office = ScriptedOffice::in_call();
    office.hold_log();
    office.send(1, C::HangUp { call: CALL, failed: false });
    office.stop_holding_log();
    office.restart();
    assert_eq!(office.call_entries(), ["call_opened", "call_ended hung_up", "record_missing"]);
    office.connect(2);
    office.discard();
    office.send(2, C::Resume { call: CALL, after: 1 });
    assert!(matches!(office.messages(2)[..], [S::Ended { how: Ended::HungUp, .. }]));
}

#[test]
fn restart_between_a_revocation_and_its_entry() {
    let mut office = ScriptedOffice::staffed();
    office.hold_log();
    office.revoke(2);
    office.stop_holding_log();
    let before = office.log().len();
    office.restart();
    assert_eq!(office.log().len(), before + 1);
    office.connect(2);
    assert_eq!(office.received(2), ["revoked"]);
}

#[test]
fn devices_keep_their_roles_after_a_restart() {
    let mut office = ScriptedOffice::staffed();
    office.enrol(5, 5, Role::Counterpart).unwrap();
    office.restart();
    office.connect(5);
    let Some(S::SignedIn { you, .. }) = office.messages(5).into_iter().next() else { panic!("not signed in") };
    assert_eq!(you.role, Role::Counterpart);
    assert!(office.enrol(5, 5, Role::Counterpart).is_err(), "its enrolment stays used");
}
