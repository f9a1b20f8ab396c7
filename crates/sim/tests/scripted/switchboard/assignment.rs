//! Assignment of note-takers to calls, from sign-in to the call's end.

use telcon_proto::{CallId, ClientMessage as C, RecordMode, Role, ServerMessage as S, message::RefusalCode};
use telcon_server::limits::{ASSIGNMENT_TIMEOUT_MS, UNATTENDED_MS};
use telcon_sim::script::{CALL, ScriptedOffice, blob};

fn assigned(office: &mut ScriptedOffice, n: usize) -> Vec<CallId> {
    office
        .messages(n)
        .into_iter()
        .filter_map(|m| if let S::Assigned { call } = m { Some(call) } else { None })
        .collect()
}

#[test]
fn an_available_note_taker_is_assigned_the_next_call() {
    let mut office = ScriptedOffice::staffed();
    office.send(3, C::Available {});
    office.ring(1, CALL, 2, RecordMode::Memo);
    assert_eq!(office.received(3), ["notice", "assigned", "notice"], "the call's notice, then the assignment");
    let Some([S::Notice(notice), S::NoteTakers { connected: 1, busy: 1 }]) = office.messages(4).last_chunk().cloned()
    else {
        panic!("no notice")
    };
    assert!(notice.note_taker_asks, "staff sees that a note-taker is assigned");
    office.send(3, C::AskJoin { call: CALL, key_package: blob("kp3") });
    office.commit(1, 0, &[3], &[]);
    assert!(office.received(3).contains(&"welcome".to_owned()));
    // It is assigned another call only after it reports itself available again.
    office.send(1, C::HangUp { call: CALL, failed: false });
    office.discard();
    let next = CallId::from_bytes([2; 16]);
    office.ring(1, next, 2, RecordMode::Memo);
    assert_eq!(assigned(&mut office, 3), []);
    office.send(3, C::Available {});
    assert_eq!(assigned(&mut office, 3), [next]);
}

#[test]
fn an_assignment_that_times_out_goes_to_another_note_taker() {
    let mut office = ScriptedOffice::staffed();
    office.enrol(5, 5, Role::NoteTaker).unwrap();
    office.connect(5);
    office.send(3, C::Available {});
    office.pass(1);
    office.send(5, C::Available {});
    office.ring(1, CALL, 2, RecordMode::Memo);
    assert_eq!(assigned(&mut office, 3), [CALL]);
    office.pass(ASSIGNMENT_TIMEOUT_MS);
    assert_eq!(assigned(&mut office, 5), [CALL]);
    office.disconnect(5);
    office.send(3, C::Available {});
    office.pass(ASSIGNMENT_TIMEOUT_MS);
    assert_eq!(assigned(&mut office, 3), [CALL], "the first is eligible again");
}

#[test]
fn only_note_takers_are_assigned_and_only_to_calls_with_a_memo() {
    let mut office = ScriptedOffice::staffed();
    office.send(3, C::Available {});
    office.send(4, C::Available {});
    let refused = |m: &S| matches!(m, S::Refused { code: RefusalCode::NotAllowed, .. });
    assert!(office.messages(4).iter().any(refused));
    office.ring(1, CALL, 2, RecordMode::LogOnly);
    office.pass(UNATTENDED_MS);
    assert_eq!(assigned(&mut office, 3), []);
}
