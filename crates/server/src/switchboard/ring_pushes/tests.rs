//! Rings to devices that are not connected, over a store and a log that crash at any point, and push services that do what they want.

use super::super::{
    NewDelegation, RefusalKind, RequestId, VerifiedRing,
    office_with_faults::{Done, OFFICER, Office, card, device, home},
};
use super::*;
use crate::{limits::NOTIFIED_AFTER_RESTART_MS, store::PushRow};
use telcon_proto::{
    Blob, ClientMessage, DelegationId, Digest, PersonId, RecordMode, Role, ServerMessage, SuiteName, WIRE_VERSION,
    delegation::{Act, Delegation},
    limits::RING_TIMEOUT_MS,
    message::{DeclineReply, Ring},
};

/// Who rings, connected by session 20.
const CALLER: DeviceId = DeviceId::from_bytes([20; 16]);
/// Who is rung.
const CALLEE: DeviceId = DeviceId::from_bytes([30; 16]);
/// The callee's other device.
const OTHER: DeviceId = DeviceId::from_bytes([31; 16]);
/// A duty officer.
const DELEGATE: DeviceId = DeviceId::from_bytes([40; 16]);
const CALL: CallId = CallId::from_bytes([0xca; 16]);

fn row(device: DeviceId, address: &str) -> PushRow {
    let endpoint = format!("https://push.example/{address}");
    PushRow { device, endpoint, key: Blob(vec![4; 65]), auth: Blob(vec![1; 16]), notified_below: 0 }
}

fn subscribe(office: &mut Office, device: DeviceId, address: &str) -> Result<(), RefusalKind> {
    let effects = office.board.subscribe(RequestId(8), row(device, address), office.now);
    office.run(effects);
    office.last_reply().unwrap().clone().map(drop).map_err(|refusal| refusal.kind)
}

/// Two principals, the second of whom has two devices; all pages are closed but the caller's.
fn office() -> Office {
    let mut office = Office::new();
    for (device, card) in [
        (CALLER, card(20, Role::Principal)),
        (CALLEE, card(30, Role::Principal)),
        (OTHER, card(30, Role::Principal)),
        (DELEGATE, card(40, Role::DutyOfficer)),
    ] {
        office.enrol(device, card);
    }
    office.connect(20, CALLER);
    office.done.clear();
    office
}

/// The office whose callee has subscribed with one device.
fn subscribed() -> Office {
    let mut office = office();
    assert_eq!(subscribe(&mut office, CALLEE, "a"), Ok(()));
    office.done.clear();
    office
}

fn ring_as(office: &mut Office, call: CallId, from: DeviceId, session: u64, to: PersonId) {
    let ring = Ring {
        version: WIRE_VERSION,
        call: call.at(&home()),
        from: from.at(&home()),
        to: to.at(&home()),
        mode: RecordMode::LogOnly,
        suite: SuiteName::Hybrid,
        at_ms: office.now,
        on_behalf: None,
        over: None,
    };
    let verified = VerifiedRing { ring, jws: call.to_hex(), call_exists: false, line: None };
    let effects = office.board.ring(SessionId(session), Ok(verified), office.now);
    office.run(effects);
}

fn ring(office: &mut Office) {
    ring_as(office, CALL, CALLER, 20, PersonId::from_bytes([30; 16]));
}

/// The callee lets this duty officer answer for them.
fn delegate(office: &mut Office, n: u8) {
    office.connect(30, CALLEE);
    let content = Delegation {
        office: home(),
        delegation: DelegationId::from_bytes([n; 16]),
        principal: PersonId::from_bytes([30; 16]),
        delegate: card(n, Role::DutyOfficer),
        acts: vec![Act::Answer],
        not_before_ms: office.now,
        not_after_ms: office.now + 3_600_000,
        at_ms: office.now,
    };
    let sha256 = Digest::from_bytes([0xde; 32]);
    let new = NewDelegation { content, device: CALLEE, statement: "s".into(), sha256, exists: false };
    let effects = office.board.delegate(SessionId(30), Ok(new), office.now);
    office.run(effects);
    disconnect(office, 30);
    office.done.clear();
}

fn disconnect(office: &mut Office, session: u64) {
    let effects = office.board.disconnected(SessionId(session), office.now);
    office.run(effects);
}

/// What was pushed since it was last asked: to whom, what, and until when.
fn pushed(office: &mut Office) -> Vec<(DeviceId, PushAbout, u64)> {
    let sent = office.done.iter().filter_map(|done| match done {
        Done::Pushed(PushCommand::Send(push)) if push.about.call().is_some() => {
            Some((push.to.device, push.about, push.until_ms))
        }
        _ => None,
    });
    let sent = sent.collect();
    office.done.clear();
    sent
}

fn settled(office: &mut Office, device: DeviceId, about: PushAbout) {
    let effects = office.board.pushed(device, about, office.now);
    office.run(effects);
}

fn rings(office: &Office) -> PushAbout {
    PushAbout::Ring { call: CALL, until_ms: office.now + RING_TIMEOUT_MS }
}

const fn over(missed: bool) -> PushAbout {
    PushAbout::RingOver { call: CALL, missed }
}

/// How the call ended, as the caller was told.
fn ended(office: &Office) -> Option<Ended> {
    office.sent_to(20).find_map(|message| match message {
        ServerMessage::Ended { call: CALL, how, .. } => Some(*how),
        _ => None,
    })
}

/// Whether the caller was told that devices are notified.
fn told_notified(office: &Office) -> Option<bool> {
    office.sent_to(20).find_map(|message| match message {
        ServerMessage::Opened { call: CALL, notified, .. } => Some(*notified),
        _ => None,
    })
}

fn is_rung(office: &Office, session: u64) -> bool {
    office.sent_to(session).any(|message| matches!(message, ServerMessage::Ringing { .. }))
}

fn show(office: &mut Office, session: u64) {
    office.send(session, ClientMessage::RingShown { call: CALL });
}

fn answer(office: &mut Office, session: u64) {
    office.send(session, ClientMessage::Answer { call: CALL, key_package: Blob(b"kp".to_vec()) });
}

#[test]
fn a_closed_page_is_notified_of_a_ring_which_rings_on_until_its_time() {
    let mut office = subscribed();
    ring(&mut office);
    assert_eq!((told_notified(&office), ended(&office)), (Some(true), None));
    let (rings, until_ms) = (rings(&office), office.now + RING_TIMEOUT_MS);
    assert_eq!(pushed(&mut office), [(CALLEE, rings, until_ms)]);
    settled(&mut office, CALLEE, rings);
    office.wait(RING_TIMEOUT_MS - 1);
    assert_eq!((ended(&office), pushed(&mut office)), (None, vec![]));
    office.wait(1);
    assert_eq!(ended(&office), Some(Ended::Missed));
    assert_eq!(pushed(&mut office), [(CALLEE, over(true), office.now + MISSED_RING_PUSH_TTL_MS)]);
    settled(&mut office, CALLEE, over(true));
    office.restart();
    assert_eq!((pushed(&mut office), office.store.load().unwrap().ring_pushes), (vec![], vec![]));
}

#[test]
fn a_ring_of_which_nobody_can_be_notified_is_missed_at_once() {
    let mut office = office();
    // A subscription of somebody else is of no use.
    assert_eq!(subscribe(&mut office, DELEGATE, "d"), Ok(()));
    assert_eq!(subscribe(&mut office, CALLER, "c"), Ok(()));
    office.done.clear();
    ring(&mut office);
    assert_eq!(ended(&office), Some(Ended::Missed));
    assert_eq!(told_notified(&office), None);
    assert_eq!(pushed(&mut office), []);
}

#[test]
fn a_page_that_is_opened_in_time_is_rung_and_the_other_device_learns_of_the_answer() {
    let mut office = subscribed();
    assert_eq!(subscribe(&mut office, OTHER, "b"), Ok(()));
    office.done.clear();
    ring(&mut office);
    let devices: Vec<_> = pushed(&mut office).into_iter().map(|(device, ..)| device).collect();
    assert_eq!(devices, [CALLEE, OTHER]);
    office.wait(20_000);
    office.connect(30, CALLEE);
    assert!(is_rung(&office, 30));
    assert!(office.done.contains(&Done::Pushed(PushCommand::Withdraw(CALLEE, CALL))), "it need not be sent any more");
    show(&mut office, 30);
    answer(&mut office, 30);
    let until_ms = office.now + RING_OVER_PUSH_TTL_MS;
    assert_eq!(pushed(&mut office), [(OTHER, over(false), until_ms)], "the page that answers shows it");
    office.send(20, ClientMessage::HangUp { call: CALL, failed: false });
    assert_eq!(pushed(&mut office), [], "nothing after the answer");
}

#[test]
fn connected_devices_are_rung_and_the_others_are_notified() {
    let mut office = subscribed();
    office.connect(31, OTHER);
    office.done.clear();
    ring(&mut office);
    assert_eq!(told_notified(&office), Some(false));
    assert!(is_rung(&office, 31));
    assert_eq!(pushed(&mut office).len(), 1);
    office.send(31, ClientMessage::Decline { call: CALL, reply: None });
    assert_eq!(ended(&office), Some(Ended::Declined));
    assert!(matches!(pushed(&mut office)[..], [(CALLEE, PushAbout::RingOver { missed: false, .. }, _)]));
}

#[test]
fn a_caller_who_gives_up_is_a_missed_call() {
    let mut office = subscribed();
    ring(&mut office);
    office.done.clear();
    office.send(20, ClientMessage::HangUp { call: CALL, failed: false });
    assert_eq!(ended(&office), Some(Ended::Cancelled));
    assert!(matches!(pushed(&mut office)[..], [(CALLEE, PushAbout::RingOver { missed: true, .. }, _)]));
}

#[test]
fn who_may_answer_for_the_callee_is_notified_too_and_cannot_end_the_ring_by_declining() {
    let mut office = subscribed();
    delegate(&mut office, 40);
    assert_eq!(subscribe(&mut office, DELEGATE, "d"), Ok(()));
    office.done.clear();
    ring(&mut office);
    let devices: Vec<_> = pushed(&mut office).into_iter().map(|(device, ..)| device).collect();
    assert_eq!(devices, [CALLEE, DELEGATE]);
    office.connect(40, DELEGATE);
    assert!(is_rung(&office, 40));
    show(&mut office, 40);
    office.send(40, ClientMessage::Decline { call: CALL, reply: None });
    assert_eq!(ended(&office), None, "the callee was notified and may come");
    office.connect(30, CALLEE);
    assert!(is_rung(&office, 30));
    show(&mut office, 30);
    answer(&mut office, 30);
    assert_eq!(pushed(&mut office), [], "both pages are open");
}

/// The delegate answers for the callee and is added to the call; then hands it over to them.
fn handed_over(office: &mut Office) {
    delegate(office, 40);
    office.connect(40, DELEGATE);
    ring(office);
    show(office, 40);
    answer(office, 40);
    commit(office, 0, DELEGATE);
    office.done.clear();
    office.send(40, ClientMessage::HandOver { call: CALL });
}

/// The caller's device adds one to the call.
fn commit(office: &mut Office, epoch: u64, added: DeviceId) {
    let (commit, welcome) = (Blob(b"c".to_vec()), Some(Blob(b"w".to_vec())));
    office.send(20, ClientMessage::Commit { call: CALL, epoch, commit, welcome, adds: vec![added], removes: vec![] });
}

#[test]
fn a_principal_who_is_asked_to_a_call_is_notified_on_closed_pages_until_they_come_or_it_ends() {
    for comes in [true, false] {
        let mut office = subscribed();
        handed_over(&mut office);
        let until_ms = office.now + RING_TIMEOUT_MS;
        let asked = PushAbout::Asked { call: CALL, until_ms };
        assert_eq!(pushed(&mut office), [(CALLEE, asked, until_ms)]);
        settled(&mut office, CALLEE, asked);
        if comes {
            office.connect(31, OTHER);
            office.send(31, ClientMessage::AskJoin { call: CALL, key_package: Blob(b"kp".to_vec()) });
            commit(&mut office, 1, OTHER);
        } else {
            office.send(20, ClientMessage::HangUp { call: CALL, failed: false });
        }
        let sent: Vec<_> = pushed(&mut office).into_iter().map(|(device, about, _)| (device, about)).collect();
        assert_eq!(sent, [(CALLEE, over(false))], "comes: {comes}");
        settled(&mut office, CALLEE, over(false));
        assert_eq!(office.store.load().unwrap().ring_pushes, [], "nothing is left to tell");
    }
}

#[test]
fn after_a_restart_a_device_that_was_asked_to_a_call_is_told_that_nobody_waits() {
    let mut office = subscribed();
    handed_over(&mut office);
    office.done.clear();
    office.restart();
    let sent: Vec<_> = pushed(&mut office).into_iter().map(|(device, about, _)| (device, about)).collect();
    assert_eq!(sent, [(CALLEE, over(false))], "that somebody asked is not stored");
}

#[test]
fn a_ring_that_is_handed_to_the_office_is_over_for_the_person_rung_and_notifies_who_may_answer() {
    let mut office = office();
    delegate(&mut office, 40);
    assert_eq!(subscribe(&mut office, CALLEE, "a"), Ok(()));
    assert_eq!(subscribe(&mut office, DELEGATE, "d"), Ok(()));
    office.connect(31, OTHER);
    office.done.clear();
    ring(&mut office);
    show(&mut office, 31);
    let devices: Vec<_> = pushed(&mut office).into_iter().map(|(device, ..)| device).collect();
    assert_eq!(devices, [CALLEE, DELEGATE]);
    office.send(31, ClientMessage::Decline { call: CALL, reply: Some(DeclineReply::Office {}) });
    let sent: Vec<_> = pushed(&mut office).into_iter().map(|(device, about, _)| (device, about)).collect();
    assert_eq!(sent, [(CALLEE, over(false))], "the duty officer was notified before");
    assert_eq!(ended(&office), None, "somebody who may answer was notified");
    office.connect(30, CALLEE);
    assert!(!is_rung(&office, 30));
    office.connect(40, DELEGATE);
    assert!(is_rung(&office, 40));
    // Staff is told so after a restart too.
    office.restart();
    office.done.clear();
    office.connect(41, DELEGATE);
    let replies = office.sent_to(41).filter_map(|message| match message {
        ServerMessage::Notice(notice) => Some(notice.reply),
        _ => None,
    });
    assert_eq!(replies.collect::<Vec<_>>(), [Some(DeclineReply::Office {})]);
}

#[test]
fn a_page_that_is_closed_while_it_rings_is_notified_once() {
    let mut office = subscribed();
    office.connect(30, CALLEE);
    office.done.clear();
    ring(&mut office);
    assert!(is_rung(&office, 30));
    show(&mut office, 30);
    let rings = rings(&office);
    assert_eq!(pushed(&mut office), []);
    office.wait(5_000);
    assert_eq!(pushed(&mut office), [], "it shows the ring");
    disconnect(&mut office, 30);
    let sent = pushed(&mut office);
    assert_eq!(sent.iter().map(|(device, about, _)| (*device, *about)).collect::<Vec<_>>(), [(CALLEE, rings)]);
    office.connect(31, CALLEE);
    disconnect(&mut office, 31);
    assert_eq!(pushed(&mut office), [], "its person has seen it");
}

/// A phone freezes the page of an app that is not in front, and the server learns of it only later.
#[test]
fn a_connected_page_that_does_not_show_the_ring_is_notified() {
    let mut office = subscribed();
    assert_eq!(subscribe(&mut office, OTHER, "b"), Ok(()));
    office.connect(30, CALLEE);
    office.connect(31, OTHER);
    office.done.clear();
    ring(&mut office);
    let rings = rings(&office);
    show(&mut office, 31);
    office.wait(NOTIFIED_UNLESS_SHOWN_MS - 1);
    assert_eq!(pushed(&mut office), []);
    office.wait(1);
    let sent: Vec<_> = pushed(&mut office).into_iter().map(|(device, about, _)| (device, about)).collect();
    assert_eq!(sent, [(CALLEE, rings)]);
    // It is opened by the notification and shows the ring over its old connection, or does not and learns of the end.
    show(&mut office, 30);
    assert!(office.done.contains(&Done::Pushed(PushCommand::Withdraw(CALLEE, CALL))));
    office.wait(RING_TIMEOUT_MS);
    assert_eq!(pushed(&mut office), [], "both show the end");

    let mut office = subscribed();
    office.connect(30, CALLEE);
    office.done.clear();
    ring(&mut office);
    office.wait(NOTIFIED_UNLESS_SHOWN_MS);
    assert_eq!(pushed(&mut office).len(), 1);
    office.wait(RING_TIMEOUT_MS);
    assert!(matches!(pushed(&mut office)[..], [(CALLEE, PushAbout::RingOver { missed: true, .. }, _)]));
}

#[test]
fn a_silenced_caller_is_pushed_to_nobody() {
    let mut office = subscribed();
    office.connect(30, CALLEE);
    office.send(30, ClientMessage::Silence { person: PersonId::from_bytes([20; 16]), on: true });
    disconnect(&mut office, 30);
    office.done.clear();
    ring(&mut office);
    assert_eq!((ended(&office), pushed(&mut office)), (Some(Ended::Missed), vec![]));
}

#[test]
fn whoever_is_notified_can_be_rung_as_the_contact_list_says() {
    let mut office = subscribed();
    let listed = |office: &mut Office| {
        disconnect(office, 20);
        office.done.clear();
        office.connect(20, CALLER);
        let found = office.sent_to(20).find_map(|message| match message {
            ServerMessage::SignedIn { people, .. } => people.iter().find(|one| one.card.person.as_bytes()[0] == 30),
            _ => None,
        });
        let found = found.unwrap();
        (found.reachable, found.notified)
    };
    assert_eq!(listed(&mut office), (false, true));
    office.connect(30, CALLEE);
    assert_eq!(listed(&mut office), (true, false));
    disconnect(&mut office, 30);
    let effects = office.board.unsubscribe(RequestId(9), CALLEE, office.now);
    office.run(effects);
    assert_eq!(listed(&mut office), (false, false));
}

#[test]
fn a_device_that_is_revoked_or_whose_address_is_gone_while_it_rings_is_sent_nothing_more_and_the_ring_is_missed() {
    let ends: [fn(&mut Office); 3] = [
        |office| {
            let effects = office.board.revoke(RequestId(9), CALLEE, "jws".into(), office.now);
            office.run(effects);
        },
        |office| {
            let effects = office.board.push_gone(CALLEE, "https://push.example/a", office.now);
            office.run(effects);
        },
        |office| {
            let effects = office.board.unsubscribe(RequestId(9), CALLEE, office.now);
            office.run(effects);
        },
    ];
    for (n, end) in ends.into_iter().enumerate() {
        let mut office = subscribed();
        ring(&mut office);
        office.done.clear();
        end(&mut office);
        assert_eq!(ended(&office), Some(Ended::Missed), "{n}");
        assert_eq!(pushed(&mut office), [], "{n}");
        assert_eq!(office.store.load().unwrap().ring_pushes, [], "{n}");
        office.restart();
        assert_eq!(pushed(&mut office), [], "{n}");
    }
}

/// A push service may report what it wants, when it wants, and as often as it wants.
#[test]
fn reports_of_a_push_service_that_come_late_or_twice_or_of_rings_that_never_were_change_nothing() {
    let mut office = subscribed();
    let strange = CallId::from_bytes([0xbb; 16]);
    for about in [rings(&office), over(true), PushAbout::Ring { call: strange, until_ms: 5 }] {
        settled(&mut office, CALLEE, about);
    }
    ring(&mut office);
    let rings = rings(&office);
    office.done.clear();
    for device in [CALLEE, CALLEE, OTHER, OFFICER, device(99)] {
        settled(&mut office, device, rings);
    }
    assert_eq!((ended(&office), pushed(&mut office)), (None, vec![]));
    office.send(20, ClientMessage::HangUp { call: CALL, failed: false });
    assert_eq!(pushed(&mut office).len(), 1);
    settled(&mut office, CALLEE, rings);
    assert_eq!(office.store.load().unwrap().ring_pushes.len(), 1, "the end is not settled by the ring");
    settled(&mut office, CALLEE, over(true));
    settled(&mut office, CALLEE, over(true));
    assert_eq!((pushed(&mut office), office.store.load().unwrap().ring_pushes), (vec![], vec![]));
}

#[test]
fn a_ring_notifies_no_more_devices_than_the_limit_the_callees_first() {
    let mut office = subscribed();
    assert_eq!(subscribe(&mut office, OTHER, "b"), Ok(()));
    for person in [40, 41, 42] {
        for n in 0..telcon_proto::limits::MAX_DEVICES_PER_PERSON as u8 {
            let device = device(100 + (person - 40) * 10 + n);
            office.enrol(device, card(person, Role::DutyOfficer));
            if subscribe(&mut office, device, "x").is_err() {
                assert_eq!((person, n), (40, 7), "the first has a device already");
            }
        }
        delegate(&mut office, person);
    }
    ring(&mut office);
    let devices: Vec<DeviceId> = pushed(&mut office).into_iter().map(|(device, ..)| device).collect();
    assert_eq!(devices.len(), MAX_DEVICES_NOTIFIED_OF_A_RING);
    assert_eq!(devices[..2], [CALLEE, OTHER]);
}

/// What happens in the crash test after the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    TimePasses,
    CallerGivesUp,
    Answered,
}

/// Rings, lets the push service take it, and goes on.
fn scenario(office: &mut Office, then: Then) {
    ring(office);
    let until_ms = office.now + RING_TIMEOUT_MS;
    if office.left > 0 {
        settled(office, CALLEE, PushAbout::Ring { call: CALL, until_ms });
    }
    if office.left == 0 {
        return;
    }
    match then {
        Then::TimePasses => office.wait(RING_TIMEOUT_MS),
        Then::CallerGivesUp => office.send(20, ClientMessage::HangUp { call: CALL, failed: false }),
        Then::Answered => {
            office.connect(31, OTHER);
            if office.left > 0 {
                answer(office, 31);
            }
        }
    }
}

#[test]
fn wherever_the_server_stops_the_device_learns_of_the_ring_while_it_rings_and_of_its_end_once_it_is_over() {
    for then in [Then::TimePasses, Then::CallerGivesUp, Then::Answered] {
        let outputs = {
            let mut office = subscribed();
            scenario(&mut office, then);
            office.done.len() + 4
        };
        for left in 0..=outputs {
            let mut office = subscribed();
            office.left = left;
            scenario(&mut office, then);
            let before = pushed(&mut office);
            office.restart();
            // Open pages reconnect meanwhile.
            office.wait(NOTIFIED_AFTER_RESTART_MS);
            let after = pushed(&mut office);
            let context = format!("{then:?} after {left}: {before:?}, {after:?}");
            let all: Vec<PushAbout> = before.iter().chain(&after).map(|(_, about, _)| *about).collect();
            assert!(before.iter().chain(&after).all(|(device, ..)| *device == CALLEE), "{context}");
            let is_ring = |about: &PushAbout| matches!(about, PushAbout::Ring { .. });
            let first_over = all.iter().position(|about| !is_ring(about));
            let last_ring = all.iter().rposition(is_ring);
            assert!(first_over.is_none() || last_ring < first_over, "no ring after its end: {context}");
            let stored = office.store.load().unwrap();
            let ringing = stored.active.iter().any(|active| active.row.stage == Stage::Ringing);
            if ringing {
                assert!(last_ring.is_some() && first_over.is_none(), "{context}");
            } else if last_ring.is_some() {
                assert!(first_over.is_some(), "{context}");
                let missed = then != Then::Answered;
                assert_eq!(all[first_over.unwrap()], over(missed), "{context}");
            }
            let times = all.iter().filter(|about| is_ring(about)).count();
            assert!(times <= 2, "once, and once more if nothing told that it was taken: {context}");
            // It goes on by itself: once all is over and told, nothing is left.
            office.wait(RING_TIMEOUT_MS + telcon_proto::limits::ABANDONED_AFTER_MS);
            for missed in [true, false] {
                settled(&mut office, CALLEE, over(missed));
            }
            office.done.clear();
            office.restart();
            assert_eq!((pushed(&mut office), office.store.load().unwrap().ring_pushes), (vec![], vec![]), "{context}");
        }
    }
}

#[test]
fn a_page_that_reconnects_after_a_restart_is_not_notified_and_one_that_does_not_is() {
    let mut office = subscribed();
    assert_eq!(subscribe(&mut office, OTHER, "b"), Ok(()));
    office.connect(30, CALLEE);
    office.connect(31, OTHER);
    office.done.clear();
    ring(&mut office);
    assert_eq!(pushed(&mut office), []);
    let rings = rings(&office);
    office.restart();
    office.connect(30, CALLEE);
    show(&mut office, 30);
    assert_eq!(pushed(&mut office), []);
    office.wait(NOTIFIED_AFTER_RESTART_MS);
    let sent: Vec<_> = pushed(&mut office).into_iter().map(|(device, about, _)| (device, about)).collect();
    assert_eq!(sent, [(OTHER, rings)]);
}

#[test]
fn a_restart_while_it_rings_sends_the_ring_again_only_if_no_push_service_took_it_and_its_end_in_any_case() {
    for taken in [false, true] {
        let mut office = subscribed();
        ring(&mut office);
        let rings = rings(&office);
        if taken {
            settled(&mut office, CALLEE, rings);
        }
        office.now += 10_000;
        office.done.clear();
        office.restart();
        let sent: Vec<PushAbout> = pushed(&mut office).into_iter().map(|(_, about, _)| about).collect();
        assert_eq!(sent, if taken { vec![] } else { vec![rings] });
        office.connect(20, CALLER);
        assert_eq!(ended(&office), None);
        office.wait(RING_TIMEOUT_MS - 10_000);
        assert_eq!(ended(&office), Some(Ended::Missed));
        assert!(matches!(pushed(&mut office)[..], [(CALLEE, PushAbout::RingOver { missed: true, .. }, _)]));
        // The end is not settled: it is stated again while it is of use.
        office.restart();
        assert_eq!(pushed(&mut office).len(), 1);
        office.now += MISSED_RING_PUSH_TTL_MS;
        office.restart();
        assert_eq!((pushed(&mut office), office.store.load().unwrap().ring_pushes), (vec![], vec![]));
    }
}
