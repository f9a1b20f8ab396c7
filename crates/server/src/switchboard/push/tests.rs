//! Push messages over a store and a log that fail and crash at any point.

use super::super::office_with_faults::{Done, OFFICER, Office, card, device};
use super::*;
use telcon_proto::{AlertKind, Blob, Role};

const PERSON: DeviceId = DeviceId::from_bytes([20; 16]);
const HOUR_MS: u64 = 60 * 60 * 1000;

fn row(device: DeviceId, address: &str) -> PushRow {
    PushRow {
        device,
        endpoint: format!("https://push.example/{address}"),
        key: Blob(vec![4; 65]),
        auth: Blob(vec![1; 16]),
        notified_below: 0,
    }
}

fn subscribe(office: &mut Office, row: PushRow) -> Result<(), RefusalKind> {
    let effects = office.board.subscribe(RequestId(8), row, office.now);
    office.run(effects);
    office.last_reply().unwrap().clone().map(drop).map_err(|refusal| refusal.kind)
}

/// The office with an officer who subscribed, and a principal.
fn office() -> Office {
    let mut office = Office::new();
    office.enrol(PERSON, card(20, Role::Principal));
    assert_eq!(subscribe(&mut office, row(OFFICER, "a")), Ok(()));
    office.done.clear();
    office
}

/// What was sent since it was last asked: device, address, kind and entry.
fn pushed(office: &mut Office) -> Vec<(DeviceId, String, AlertKind, u64)> {
    let sent = office.done.iter().filter_map(|done| match done {
        Done::Pushed(PushCommand::Send(push)) => {
            let PushAbout::Alert { kind, entry } = push.about else { panic!("{push:?}") };
            let address = push.to.endpoint.rsplit('/').next().unwrap().to_owned();
            Some((push.to.device, address, kind, entry))
        }
        _ => None,
    });
    let sent = sent.collect();
    office.done.clear();
    sent
}

fn told(office: &mut Office, device: DeviceId, entry: u64) {
    let about = PushAbout::Alert { kind: AlertKind::SignInFailed, entry };
    let effects = office.board.pushed(device, about, office.now);
    office.run(effects);
}

#[test]
fn officers_who_subscribed_are_sent_each_alert_once_the_log_has_it() {
    let mut office = office();
    office.fail_sign_in(PERSON);
    let entry = office.logged().last().unwrap().log_index;
    assert_eq!(pushed(&mut office), [(OFFICER, "a".into(), AlertKind::SignInFailed, entry)]);
    office.log_fails = true;
    office.fail_sign_in(device(99));
    assert_eq!(pushed(&mut office), [], "the log does not have it");
    office.log_fails = false;
    office.wait(HOUR_MS);
    let entry = office.logged().last().unwrap().log_index;
    assert_eq!(pushed(&mut office), [(OFFICER, "a".into(), AlertKind::SignInFailed, entry)]);
}

#[test]
fn who_is_rung_and_who_is_alerted_may_subscribe_and_their_number_is_limited() {
    let mut office = office();
    assert_eq!(subscribe(&mut office, row(PERSON, "p")), Ok(()));
    assert_eq!(subscribe(&mut office, row(device(77), "nobody")), Err(RefusalKind::Forbidden));
    for (n, role) in (40..).zip(telcon_proto::policy::ROLES) {
        office.enrol(device(n), card(n, role));
        let may = access::NOTIFIED.admits(role);
        assert_eq!(subscribe(&mut office, row(device(n), "p")).is_ok(), may, "{role:?}");
        let effects = office.board.unsubscribe(RequestId(9), device(n), office.now);
        office.run(effects);
    }
    for n in 0..MAX_PUSH_SUBSCRIPTIONS as u64 {
        let mut id = [0xee; 16];
        id[..8].copy_from_slice(&n.to_be_bytes());
        let other = DeviceId::from_bytes(id);
        office.board.context.push.rows.insert(other, row(other, "x"));
    }
    office.enrol(device(2), card(2, Role::SecurityOfficer));
    assert_eq!(subscribe(&mut office, row(device(2), "b")), Err(RefusalKind::Conflict));
    assert_eq!(subscribe(&mut office, row(OFFICER, "c")), Ok(()), "in place of its own");
}

#[test]
fn a_principal_who_subscribed_is_sent_no_alert() {
    let mut office = office();
    assert_eq!(subscribe(&mut office, row(PERSON, "p")), Ok(()));
    office.done.clear();
    office.fail_sign_in(PERSON);
    assert!(pushed(&mut office).iter().all(|(to, ..)| *to == OFFICER));
    office.restart();
    assert!(pushed(&mut office).iter().all(|(to, ..)| *to == OFFICER));
}

#[test]
fn a_restart_sends_what_was_not_taken_while_it_is_of_use_and_nothing_else() {
    let mut office = office();
    office.fail_sign_in(PERSON);
    office.fail_sign_in(device(99));
    let entries: Vec<u64> = pushed(&mut office).into_iter().map(|(.., entry)| entry).collect();
    assert_eq!(entries.len(), 2);
    told(&mut office, OFFICER, entries[0]);
    office.restart();
    assert_eq!(pushed(&mut office), [(OFFICER, "a".into(), AlertKind::SignInFailed, entries[1])]);
    told(&mut office, OFFICER, entries[1]);
    office.restart();
    assert_eq!(pushed(&mut office), []);

    office.invite(card(30, Role::Principal));
    office.ask(device(30));
    assert_eq!(pushed(&mut office).len(), 1);
    office.now += ALERT_PUSH_TTL_MS + 1;
    office.restart();
    assert_eq!(pushed(&mut office), [], "a day later the list is enough");
}

#[test]
fn wherever_the_server_stops_the_alert_is_pushed_once_it_is_in_the_log() {
    let outputs = {
        let mut office = office();
        office.fail_sign_in(PERSON);
        office.done.len() + 1
    };
    for left in 0..=outputs {
        let mut office = office();
        office.left = left;
        office.fail_sign_in(PERSON);
        let before = pushed(&mut office);
        office.restart();
        let after = pushed(&mut office);
        let expected = office.logged().into_iter().rev().find(|alert| alert.kind == AlertKind::SignInFailed);
        let Some(expected) = expected else { continue };
        for push in before.iter().chain(&after) {
            assert_eq!(push, &(OFFICER, "a".to_owned(), AlertKind::SignInFailed, expected.log_index), "after {left}");
        }
        assert_eq!(after.len(), 1, "after {left} outputs: nothing reported that the push service took it");
    }
}

#[test]
fn a_device_that_subscribes_anew_gets_what_its_old_address_did_not_take() {
    let mut office = office();
    office.fail_sign_in(PERSON);
    assert_eq!(pushed(&mut office).len(), 1);
    assert_eq!(subscribe(&mut office, row(OFFICER, "b")), Ok(()));
    let forgotten = Done::Pushed(PushCommand::Forget(OFFICER));
    assert!(office.done.contains(&forgotten));
    let addresses: Vec<_> = pushed(&mut office).into_iter().map(|(_, address, ..)| address).collect();
    assert_eq!(addresses, ["b"]);
    assert_eq!(subscribe(&mut office, row(OFFICER, "b")), Ok(()));
    assert_eq!(pushed(&mut office), [], "the same again changes nothing");
}

#[test]
fn an_address_that_is_gone_is_erased_unless_it_is_the_old_one() {
    let mut office = office();
    let gone = |office: &mut Office, address: &str| {
        let effects = office.board.push_gone(OFFICER, &format!("https://push.example/{address}"), office.now);
        office.run(effects);
    };
    gone(&mut office, "older");
    office.fail_sign_in(PERSON);
    assert_eq!(pushed(&mut office).len(), 1);
    gone(&mut office, "a");
    office.fail_sign_in(device(99));
    assert_eq!(pushed(&mut office), []);
    office.restart();
    assert_eq!(office.store.load().unwrap().push, []);
}

#[test]
fn a_revoked_device_and_one_that_unsubscribed_are_sent_nothing_and_their_addresses_are_erased() {
    for revoke in [true, false] {
        let mut office = office();
        office.enrol(device(2), card(2, Role::SecurityOfficer));
        assert_eq!(subscribe(&mut office, row(device(2), "b")), Ok(()));
        assert_eq!(office.store.load().unwrap().push.len(), 2);
        office.done.clear();
        let effects = if revoke {
            office.board.revoke(RequestId(9), device(2), "jws".into(), office.now)
        } else {
            office.board.unsubscribe(RequestId(9), device(2), office.now)
        };
        office.run(effects);
        assert!(office.done.contains(&Done::Pushed(PushCommand::Forget(device(2)))));
        office.fail_sign_in(PERSON);
        assert!(pushed(&mut office).iter().all(|(to, ..)| *to == OFFICER));
        assert_eq!(office.store.load().unwrap().push.len(), 1);
        office.restart();
        assert!(pushed(&mut office).iter().all(|(to, ..)| *to == OFFICER));
    }
}
