//! Sign-in, enrolment and revocation.

use super::*;

#[test]
fn staff_that_signs_in_gets_notices_of_open_calls() {
    let mut office = ScriptedOffice::in_call();
    office.disconnect(4);
    office.connect(4);
    assert_eq!(office.received(4), ["signed_in", "note_takers", "notice"]);
}

#[test]
fn a_device_that_connects_again_replaces_its_older_connection() {
    let mut office = ScriptedOffice::staffed();
    let older = office.session(1);
    office.connect(1);
    assert_eq!(office.closed(), [(older, CloseReason::Replaced)]);
    assert_eq!(office.received(1), ["signed_in"]);
}

#[test]
fn an_unknown_device_does_not_sign_in() {
    let mut office = ScriptedOffice::new();
    office.connect(9);
    assert_eq!(refusal(&mut office, 9), Some(RefusalCode::NotSignedIn));
}

#[test]
fn an_enrolment_works_once_and_devices_per_person_are_limited() {
    let mut office = ScriptedOffice::new();
    assert_eq!(office.enrol(1, 1, Role::Principal), Ok(Reply::Logged(0)));
    assert_eq!(office.enrol(1, 1, Role::Principal).unwrap_err().kind, RefusalKind::Gone);
    for n in 2..=MAX_DEVICES_PER_PERSON {
        assert!(office.enrol(n, 1, Role::Principal).is_ok());
    }
    assert_eq!(office.enrol(100, 1, Role::Principal).unwrap_err().kind, RefusalKind::Conflict);
    assert!(office.enrol(101, 2, Role::Principal).is_ok());
}

#[test]
fn a_device_whose_entry_cannot_be_logged_is_not_enrolled() {
    let mut office = ScriptedOffice::new();
    office.set_log_works(false);
    assert_eq!(office.enrol(1, 1, Role::Principal).unwrap_err().kind, RefusalKind::Unavailable);
    office.connect(1);
    assert_eq!(refusal(&mut office, 1), Some(RefusalCode::NotSignedIn));
    office.set_log_works(true);
    office.restart();
    assert!(office.enrol(1, 1, Role::Principal).is_ok(), "the same device may ask again");
}

#[test]
fn an_enrolment_whose_entry_is_in_doubt_is_tried_again_with_the_same_entry() {
    for restart in [false, true] {
        let mut office = ScriptedOffice::new();
        let mut entry_ms = office.now();
        office.set_log_works(false);
        for _ in 0..2 {
            assert_eq!(office.enrol(1, 1, Role::Principal).unwrap_err().kind, RefusalKind::Unavailable);
            office.pass(5_000);
        }
        office.set_log_works(true);
        if restart {
            // The log was read: it has no such entry, and will have none.
            office.restart_after(5_000);
            entry_ms = office.now();
        }
        assert_eq!(office.enrol(1, 1, Role::Principal), Ok(Reply::Logged(0)));
        let log = office.log();
        let Entry::DeviceEnrolled { time_ms, .. } = &log[0] else { panic!("{:?}", office.log()) };
        assert_eq!((log.len(), *time_ms), (1, entry_ms), "the log's writer knows its bytes");
        assert_eq!(office.enrol(1, 1, Role::Principal).unwrap_err().kind, RefusalKind::Gone);
        office.connect(1);
        assert_eq!(office.received(1), ["signed_in"]);
    }
}

#[test]
fn a_late_report_of_an_enrolment_enrols_the_device_and_leaves_its_enrolment_used() {
    let mut office = ScriptedOffice::new();
    office.set_log_works(false);
    office.enrol(1, 1, Role::Principal).unwrap_err();
    let append = PendingAppend::Enrolled(office.device(1), RequestId(900));
    office.report(append, Some(7));
    office.set_log_works(true);
    // A report of the failed append that was under way while store and log were reconciled changes nothing.
    let append = PendingAppend::Enrolled(office.device(1), RequestId(901));
    office.report(append, None);
    office.forget_replies();
    assert_eq!(office.enrol(1, 1, Role::Principal).unwrap_err().kind, RefusalKind::Gone);
    assert_eq!(office.log().len(), 0, "it is not appended again");
    office.connect(1);
    assert_eq!(office.received(1), ["signed_in"]);
}

#[test]
fn a_person_has_one_name_and_one_role() {
    let mut office = ScriptedOffice::new();
    office.enrol(1, 1, Role::Principal).unwrap();
    let refusal = office.enrol(2, 1, Role::NoteTaker).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Conflict);
    assert!(refusal.message.contains("enrolled as Person 1, Chancellery, principal"), "{}", refusal.message);
    office.enrol(3, 1, Role::Principal).unwrap();
    for n in [1, 3] {
        office.revoke(n);
    }
    office.forget_replies();
    office.enrol(4, 1, Role::NoteTaker).unwrap();
}

#[test]
fn a_revoked_device_is_disconnected_and_cannot_sign_in_again() {
    let mut office = ScriptedOffice::staffed();
    let session = office.session(2);
    office.set_log_works(false);
    let jws = office.revoke(2);
    assert_eq!(office.closed(), [(session, CloseReason::Revoked)]);
    assert_eq!(office.reply().unwrap_err().kind, RefusalKind::Unavailable);
    office.connect(2);
    assert_eq!(office.received(2), ["revoked"]);
    office.set_log_works(true);
    office.pass(LOG_RETRY_MS);
    assert!(matches!(office.log().last(), Some(telcon_proto::entry::Entry::DeviceRevoked { .. })));
    office.restart();
    office.connect(2);
    // Without the authority's signed revocation, a device that was offline would keep its keys.
    assert_eq!(office.messages(2), [S::Revoked { jws: Some(jws) }]);
}
