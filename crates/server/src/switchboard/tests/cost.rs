//! Cost of a message: it visits the same calls and causes the same effects, independent of the office's size.

use super::kit::{CALL, Office, blob, device, home, person, ring};
use crate::{
    limits::CONTACTS_INTERVAL_MS,
    switchboard::{NewDevice, Output, RelayCommand, RequestId, Seal, SessionId},
};
use telcon_proto::{
    CallId, Card, ClientMessage as C, DeviceId, PersonId, RecordMode, Role, ServerMessage as S, message::RefusalCode,
};

/// Ids distinct from those of the kit's devices.
fn id(n: u32) -> [u8; 16] {
    let mut id = [0xff; 16];
    id[..4].copy_from_slice(&n.to_be_bytes());
    id
}

/// An office with one call between the kit's devices and `others` further connected devices, every second pair of which
/// is in a call.
fn office_with(others: u32) -> Office {
    let mut office = Office::in_call();
    office.send(3, C::AskJoin { call: CALL, key_package: blob("kp3") });
    office.commit(1, 1, &[3], &[]);
    office.durable = false;
    for n in 0..others {
        let role = if n % 2 == 0 { Role::Principal } else { Role::Counterpart };
        let card = Card {
            person: PersonId::from_bytes(id(n)),
            office: home(),
            // Sorted after the kit's people, so that the kit's devices see the same head of the contact list.
            name: format!("Somebody {n:05}"),
            organisation: "Elsewhere".into(),
            role,
            zone: "UTC".into(),
        };
        let new = NewDevice {
            device: DeviceId::from_bytes(id(n)),
            card,
            chain: vec![blob("device"), blob("enrolment")],
            cert_sha256: telcon_proto::Digest::from_bytes([7; 32]),
            enrolment: format!("enrolment of {n}"),
            enrolment_is_used: false,
        };
        let effects = office.board.enrol(RequestId(1), new, office.now);
        office.run(effects);
        let session = SessionId(1_000_000 + u64::from(n));
        let (_, effects) =
            office.board.connected(session, DeviceId::from_bytes(id(n)), "t".into(), office.now).unwrap();
        office.run(effects);
        if n % 4 == 3 {
            let (from, to) = (DeviceId::from_bytes(id(n)), PersonId::from_bytes(id(n - 1)));
            let message = ring(CallId::from_bytes(id(n)), from, to, RecordMode::Memo);
            office.send_over(session, message);
        }
    }
    office.replies.clear();
    office.pass(2 * CONTACTS_INTERVAL_MS);
    office.discard();
    office
}

/// Effects of one input: writes, and outputs by kind. Messages to other devices must not grow.
fn cost(office: &mut Office, n: u8, message: C) -> (usize, Vec<String>) {
    let session = office.session(n);
    let effects = office.effects_of(session, message);
    let kinds = effects.outputs.iter().map(|output| match output {
        Output::Send(_, message) => super::kit::kind(message),
        Output::Close(..) => "close".into(),
        Output::Append(..) => "append".into(),
        Output::Relay(RelayCommand::OpenCall(..)) => "open".into(),
        Output::Relay(_) => "relay".into(),
        Output::Reply(..) => "reply".into(),
    });
    let counted = (effects.writes.len(), kinds.collect());
    office.run(effects);
    counted
}

#[test]
fn effects_do_not_grow_with_the_size_of_the_office() {
    let all = |others: u32| {
        let mut office = office_with(others);
        let mut costs = Vec::new();
        let mut step = |office: &mut Office, n: u8, message: C| costs.push(cost(office, n, message));
        step(&mut office, 1, C::Application { call: CALL, message: blob("a") });
        step(&mut office, 2, C::Offer { call: CALL, sdp: "offer".into() });
        step(&mut office, 4, C::AskJoin { call: CALL, key_package: blob("kp4") });
        let commit = |epoch, adds: Vec<DeviceId>, removes: Vec<DeviceId>| C::Commit {
            call: CALL,
            epoch,
            commit: blob("c"),
            welcome: Some(blob("w")).filter(|_| removes.is_empty()),
            adds,
            removes,
        };
        step(&mut office, 1, commit(2, vec![device(4)], vec![]));
        step(&mut office, 2, C::Resume { call: CALL, after: 1 });
        step(&mut office, 4, C::HangUp { call: CALL, failed: false });
        step(&mut office, 1, commit(3, vec![], vec![device(4)]));
        step(&mut office, 4, C::FindPeople { name: "person".into() });
        step(&mut office, 3, C::Available {});
        step(&mut office, 1, C::HangUp { call: CALL, failed: false });
        let next = CallId::from_bytes([0xcb; 16]);
        step(&mut office, 1, ring(next, device(1), person(2), RecordMode::Memo));
        step(&mut office, 2, C::RingShown { call: next });
        step(&mut office, 2, C::Answer { call: next, key_package: blob("kp2") });
        step(&mut office, 1, C::Decline { call: next });

        // A device of staff, which is in no contact list: its presence is sent to nobody.
        let effects = office.board.disconnected(office.session(4), office.now);
        costs.push((effects.writes.len(), vec![effects.outputs.len().to_string()]));
        let session = SessionId(77);
        let (_, effects) = office.board.connected(session, device(4), "t".into(), office.now).unwrap();
        costs.push((effects.writes.len(), vec![effects.outputs.len().to_string()]));
        let seal = Seal {
            call: CALL,
            device: device(3),
            digest: telcon_proto::Digest::from_bytes([0xd; 32]),
            jws: "j".into(),
            parts: 1,
            partial: false,
        };
        let effects = office.board.seal(RequestId(5), seal, true, office.now);
        costs.push((effects.writes.len(), vec![effects.outputs.len().to_string()]));
        let effects = office.board.revoke(RequestId(6), device(4), "jws".into(), office.now);
        costs.push((effects.writes.len(), vec![effects.outputs.len().to_string()]));
        costs
    };
    // Both offices have more calls than staff is sent notices for at sign-in.
    let (few, many) = (all(300), all(1_200));
    for (at, (few, many)) in few.iter().zip(&many).enumerate() {
        assert_eq!(few, many, "step {at}");
    }
}

#[test]
fn a_search_splits_no_names_and_examines_as_many_people_as_it_may_find() {
    let searches = ["person", "somebody 00012", "somebody", "els", "s e", "nobody", ""];
    let all = |others: u32| {
        let mut office = office_with(others);
        let mut costs = Vec::new();
        for name in searches {
            let before = office.board.context.contacts.cost;
            office.send(1, C::FindPeople { name: name.into() });
            office.pass(CONTACTS_INTERVAL_MS);
            let after = office.board.context.contacts.cost;
            assert_eq!(before.split, after.split, "{name:?}: names are split when they change");
            costs.push(after.examined - before.examined);
        }
        costs
    };
    let (few, many) = (all(300), all(1_200));
    for (at, name) in searches.iter().enumerate() {
        // The number is in the second word, and the longest word chooses whom to look at, within a limit.
        assert!(few[at] == many[at] || *name == "somebody 00012", "{name:?}: {} and {}", few[at], many[at]);
    }
    assert!(many.iter().all(|examined| *examined <= 512), "{many:?}");
    assert_eq!((few[5], few[6]), (0, 0), "{few:?}");
}

#[test]
fn a_connection_that_searches_without_pause_is_refused_with_a_reason() {
    let mut office = office_with(300);
    let mut answered = 0;
    for _ in 0..100 {
        office.send(1, C::FindPeople { name: "some".into() });
        office.pass(10);
    }
    for message in office.messages(1) {
        match message {
            S::PeopleChanged { .. } => answered += 1,
            S::Refused { call: None, code: RefusalCode::TooMany, message } => {
                assert!(message.contains("wait a second"))
            }
            _ => {}
        }
    }
    assert!((5..=11).contains(&answered), "{answered} of 100 searches within a second are carried out");
    // Others are not limited by it, and neither is it after a pause.
    for n in [2, 1] {
        office.pass(CONTACTS_INTERVAL_MS);
        office.discard();
        office.send(n, C::FindPeople { name: "some".into() });
        assert!(!office.messages(n).iter().any(|message| matches!(message, S::Refused { .. })));
    }
}

#[test]
fn the_messages_at_sign_in_are_bounded() {
    let mut office = office_with(400);
    office.disconnect(1);
    office.connect(1);
    let bytes: usize = office.messages(1).iter().map(|m| serde_json::to_vec(m).unwrap().len()).sum();
    assert!(bytes < 20_000, "{bytes}");
    office.disconnect(4);
    office.connect(4);
    let notices = office.messages(4).iter().filter(|m| matches!(m, S::Notice(_))).count();
    assert!(notices <= crate::limits::NOTICES_AT_SIGN_IN);
}

#[test]
fn inputs_look_only_at_the_calls_that_they_concern() {
    let mut office = office_with(400);
    let touched = |office: &mut Office, message: C| {
        let session = office.session(1);
        let effects = office.effects_of(session, message);
        office.run(effects);
        std::mem::take(&mut office.board.settled)
    };
    touched(&mut office, C::Application { call: CALL, message: blob("a") });
    assert!(touched(&mut office, C::Application { call: CALL, message: blob("a") }) <= 1);
    assert!(touched(&mut office, C::HangUp { call: CALL, failed: false }) <= 2);
    office.board.settled = 0;
    let effects = office.board.disconnected(office.session(4), office.now);
    office.run(effects);
    assert_eq!(office.board.settled, 0);
}
