//! Note-takers that are assigned to calls, from their sign-in to the call's end.

use super::kit::{CALL, Office, blob, device, person, ring};
use crate::assignment::{ASSIGNMENT_TIMEOUT_MS, UNATTENDED_MS};
use telcon_proto::{CallId, ClientMessage as C, RecordMode, Role, ServerMessage as S, message::RefusalCode};

fn assigned(office: &mut Office, n: u8) -> Vec<CallId> {
    office
        .messages(n)
        .into_iter()
        .filter_map(|m| if let S::Assigned { call } = m { Some(call) } else { None })
        .collect()
}

#[test]
fn a_free_note_taker_is_told_of_the_next_call() {
    let mut office = Office::staffed();
    office.send(3, C::Available {});
    office.send(1, ring(CALL, device(1), person(2), RecordMode::Memo));
    assert_eq!(office.received(3), ["notice", "assigned", "notice"], "what the call is, and that it is to come");
    let Some(S::Notice(notice)) = office.messages(4).pop() else { panic!("no notice") };
    assert!(notice.note_taker_asks, "staff sees that one is expected");
    office.send(3, C::AskJoin { call: CALL, key_package: blob("kp3") });
    office.commit(1, 0, &[3], &[]);
    assert!(office.received(3).contains(&"welcome".to_owned()));
    // It takes the next call when it says that it is free.
    office.send(1, C::HangUp { call: CALL, failed: false });
    office.discard();
    let next = CallId::from_bytes([2; 16]);
    office.send(1, ring(next, device(1), person(2), RecordMode::Memo));
    assert_eq!(assigned(&mut office, 3), []);
    office.send(3, C::Available {});
    assert_eq!(assigned(&mut office, 3), [next]);
}

#[test]
fn a_note_taker_that_does_not_come_is_replaced() {
    let mut office = Office::staffed();
    office.enrol(5, 5, Role::NoteTaker).unwrap();
    office.connect(5);
    office.send(3, C::Available {});
    office.pass(1);
    office.send(5, C::Available {});
    office.send(1, ring(CALL, device(1), person(2), RecordMode::Memo));
    assert_eq!(assigned(&mut office, 3), [CALL]);
    office.pass(ASSIGNMENT_TIMEOUT_MS);
    assert_eq!(assigned(&mut office, 5), [CALL]);
    office.disconnect(5);
    office.send(3, C::Available {});
    office.pass(ASSIGNMENT_TIMEOUT_MS);
    assert_eq!(assigned(&mut office, 3), [CALL], "the first may try again");
}

#[test]
fn calls_kept_as_log_only_and_other_roles_are_not_assigned() {
    let mut office = Office::staffed();
    office.send(3, C::Available {});
    office.send(4, C::Available {});
    let refused = |m: &S| matches!(m, S::Refused { code: RefusalCode::NotAllowed, .. });
    assert!(office.messages(4).iter().any(refused));
    office.send(1, ring(CALL, device(1), person(2), RecordMode::LogOnly));
    office.pass(UNATTENDED_MS);
    assert_eq!(assigned(&mut office, 3), []);
}
