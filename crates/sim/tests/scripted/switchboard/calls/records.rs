//! Records after a call.

use super::*;

fn noted_call() -> ScriptedOffice {
    let mut office = ScriptedOffice::in_call();
    office.send(3, C::AskJoin { call: CALL, key_package: blob("kp3") });
    office.commit(1, 1, &[3], &[]);
    office
}

#[test]
fn a_record_is_accepted_once_from_a_note_taker_of_the_call() {
    let mut office = noted_call();
    let send = |office: &mut ScriptedOffice, n| office.deliver(n);
    assert_eq!(send(&mut office, 3).unwrap_err().kind, RefusalKind::Conflict, "the call is still live");
    office.send(1, C::HangUp { call: CALL, failed: false });
    assert_eq!(send(&mut office, 4).unwrap_err().kind, RefusalKind::Forbidden, "it was not in the call");
    office.discard();
    office.set_log_works(false);
    assert_eq!(send(&mut office, 3).unwrap_err().kind, RefusalKind::Unavailable);
    office.set_log_works(true);
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
    let mut office = ScriptedOffice::in_call();
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
    let send = |office: &mut ScriptedOffice, n: usize, partial: bool| {
        let seal = Seal { partial, digest: telcon_proto::Digest::from_bytes([n as u8; 32]), ..office.seal(n) };
        office.deliver_seal(seal).map_err(|refusal| refusal.kind)
    };
    let pending = |office: &ScriptedOffice| office.board().gauges().records_pending;
    assert_eq!(pending(&office), 1);
    office.discard();
    send(&mut office, 5, true).unwrap();
    assert_eq!(pending(&office), 0, "no record is pending");
    let partial = |office: &mut ScriptedOffice| {
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
    let mut office = ScriptedOffice::in_call();
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
    let send = |office: &mut ScriptedOffice, n: usize| office.deliver(n).map_err(|refusal| refusal.kind);
    send(&mut office, 3).unwrap();
    assert_eq!(send(&mut office, 5), Err(RefusalKind::Conflict), "the same record as another note-taker's");
    office.restart();
    assert_eq!(send(&mut office, 5), Err(RefusalKind::Conflict), "refused after a restart too");
    office.revoke(6);
    office.forget_replies();
    assert_eq!(office.board().may_seal(&CALL, &office.device(6), true).unwrap_err().kind, RefusalKind::Forbidden);
    assert_eq!(send(&mut office, 6), Err(RefusalKind::Forbidden), "revoked during verification of its record");
}

#[test]
fn an_unconfirmed_entry_is_appended_again_unchanged() {
    let mut office = noted_call();
    office.send(1, C::HangUp { call: CALL, failed: false });
    office.hold_log();
    let mut asked = Vec::new();
    for _ in 0..2 {
        let seal = office.seal(3);
        office.begin_delivery(seal);
        let (append, entry) = office.take_waiting_entry().unwrap();
        asked.push(entry.to_bytes());
        // The outcome of the append is unknown.
        office.report(append, None);
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
    office.set_log_works(false);
    office.pass(1);
    office.set_log_works(true);
    office.pass(LOG_RETRY_MS);
    assert_eq!(office.call_entries(), ["call_opened", "call_ended hung_up", "record_missing"]);
    office.restart();
    office.pass(RECORD_DUE_MS);
    assert!(office.deliver(3).is_ok());
    assert_eq!(office.call_entries(), ["call_opened", "call_ended hung_up", "record_missing", "record_archived"]);
}

#[test]
fn a_call_without_a_note_taker_is_logged_without_record_immediately() {
    let mut office = ScriptedOffice::in_call();
    office.send(1, C::HangUp { call: CALL, failed: false });
    office.pass(0);
    assert_eq!(office.call_entries(), ["call_opened", "call_ended hung_up", "record_missing"]);
}

#[test]
fn no_record_is_pending_for_a_log_only_or_unanswered_call() {
    let mut office = ScriptedOffice::staffed();
    office.ring(1, CALL, 2, RecordMode::LogOnly);
    office.send(2, C::Answer { call: CALL, key_package: blob("kp") });
    office.send(1, C::HangUp { call: CALL, failed: false });
    let other = CallId::from_bytes([8; 16]);
    office.ring(1, other, 2, RecordMode::Audio);
    office.pass(RECORD_DUE_MS * 2 + ABANDONED_AFTER_MS);
    assert_eq!(office.call_entries(), ["call_opened", "call_ended hung_up", "call_opened", "call_ended missed"]);
    assert_eq!(office.board().next_timeout(), None);
}
