//! Alerts over a store and a log that fail and crash at any point.

use super::super::office_with_faults::{Done, INVITATION, OFFICER, Office, card, device};
use super::*;
use telcon_proto::{ClientMessage as C, ServerMessage as S};

const PERSON: DeviceId = DeviceId::from_bytes([20; 16]);

/// With a principal who is connected by session 2.
fn office() -> Office {
    let mut office = Office::new();
    office.enrol(PERSON, card(20, Role::Principal));
    assert!(office.connect(2, PERSON));
    office.done.clear();
    office
}

fn reported(kind: ReportedAlert) -> C {
    C::ReportAlert { kind, call: Some(CallId::from_bytes([7; 16])) }
}

fn kinds(alerts: &[OfficeAlert]) -> Vec<(AlertKind, u64)> {
    alerts.iter().filter(|alert| alert.kind.has_own_entry()).map(|alert| (alert.kind, alert.count)).collect()
}

#[test]
fn everything_that_concerns_security_is_an_alert_and_in_the_log() {
    let mut office = office();
    office.invite(card(30, Role::Principal));
    office.ask(device(30));
    office.ask(device(31));
    office.approve(device(30), card(30, Role::Principal));
    office.fail_sign_in(PERSON);
    office.fail_sign_in(device(99));
    office.send(2, reported(ReportedAlert::LogForked));
    office.send(2, reported(ReportedAlert::ProofInvalid));
    office.send(2, reported(ReportedAlert::RingInvalid));
    let refused = super::super::RefusedRing {
        call: None,
        code: RefusalCode::NotAllowed,
        why: "a signature is invalid".into(),
        is_hostile: true,
    };
    let honest = super::super::RefusedRing { is_hostile: false, ..refused.clone() };
    for ring in [honest, refused] {
        let effects = office.board.ring(SessionId(2), Err(ring), office.now);
        office.run(effects);
    }
    let effects = office.board.revoke(super::super::RequestId(9), device(30), "jws".into(), office.now);
    office.run(effects);
    let found: Vec<_> = office.logged().iter().map(|alert| (alert.kind, alert.device)).collect();
    let expected = [
        (AlertKind::DeviceEnrolled, Some(OFFICER)),
        (AlertKind::RegistrarAppointed, Some(OFFICER)),
        (AlertKind::DeviceEnrolled, Some(PERSON)),
        (AlertKind::DeviceAsked, Some(device(30))),
        (AlertKind::LinkOpenedAgain, None),
        (AlertKind::DeviceEnrolled, Some(device(30))),
        (AlertKind::SignInFailed, Some(PERSON)),
        // Anybody can claim to be a device that is not enrolled: its identifier is not repeated in the log.
        (AlertKind::SignInFailed, None),
        (AlertKind::LogForked, Some(PERSON)),
        (AlertKind::ProofInvalid, Some(PERSON)),
        (AlertKind::RingInvalid, Some(PERSON)),
        (AlertKind::RingRefused, Some(PERSON)),
        (AlertKind::DeviceRevoked, Some(device(30))),
    ];
    assert_eq!(found, expected);
    assert_eq!(office.listed(), office.logged());
    assert_eq!(office.unseen(), expected.len() as u64);
    let asked = office.logged().into_iter().find(|alert| alert.kind == AlertKind::DeviceAsked).unwrap();
    assert_eq!(asked.invitation, Some(INVITATION));
}

#[test]
fn an_alert_survives_a_crash_at_any_output() {
    for crash in 0.. {
        let mut office = office();
        office.left = crash;
        office.invite(card(30, Role::Principal));
        office.ask(device(30));
        office.fail_sign_in(PERSON);
        office.send(2, reported(ReportedAlert::RingInvalid));
        office.approve(device(30), card(30, Role::Principal));
        let crashed = office.left == 0;
        let asked = office.store.load().unwrap().invitations.iter().any(|row| row.request.is_some());
        office.restart();
        assert_eq!(office.listed(), office.logged(), "after {crash} outputs");
        let pending = office.store.load().unwrap().alerts.into_iter().filter(|row| row.log_index.is_none()).count();
        assert_eq!(pending, 0, "after {crash} outputs");
        let alerts = office.logged();
        if asked {
            let is_asked = |alert: &&OfficeAlert| alert.kind == AlertKind::DeviceAsked;
            assert_eq!(alerts.iter().filter(is_asked).count(), 1, "after {crash} outputs: a request is never hidden");
        }
        let indices: BTreeSet<u64> = alerts.iter().map(|alert| alert.log_index).collect();
        assert_eq!(indices.len(), alerts.len());
        if !crashed {
            assert!(crash > 15, "there are more outputs than {crash}");
            break;
        }
    }
}

/// The server's clock was a month ahead for a moment, and is right again.
#[test]
fn an_alert_of_the_future_delays_the_next_by_one_interval() {
    const MONTH_MS: u64 = 30 * 86_400_000;
    let mut office = office();
    office.now += MONTH_MS;
    office.fail_sign_in(PERSON);
    office.now -= MONTH_MS;
    office.restart_engine();
    office.fail_sign_in(PERSON);
    office.wait(ALERT_INTERVAL_MS);
    let failed = office.logged().into_iter().filter(|alert| alert.kind == AlertKind::SignInFailed);
    assert_eq!(failed.map(|alert| alert.count).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn what_repeats_is_one_entry_each_interval_with_its_count_also_across_a_restart() {
    let mut office = office();
    for _ in 0..50 {
        office.fail_sign_in(PERSON);
    }
    assert_eq!(kinds(&office.logged()), [(AlertKind::SignInFailed, 1)], "the first one at once");
    office.wait(ALERT_INTERVAL_MS - 1);
    assert_eq!(kinds(&office.logged()).len(), 1);
    assert_eq!(office.board.next_timeout(), Some(office.now + 1));
    office.wait(1);
    let twice = [(AlertKind::SignInFailed, 1), (AlertKind::SignInFailed, 49)];
    assert_eq!(kinds(&office.logged()), twice);
    office.fail_sign_in(PERSON);
    office.restart();
    office.connect(2, PERSON);
    office.fail_sign_in(PERSON);
    assert_eq!(kinds(&office.logged()), twice, "a restart does not begin a new interval");
    office.wait(ALERT_INTERVAL_MS);
    assert_eq!(kinds(&office.logged()).len(), 3);
    office.wait(ALERT_INTERVAL_MS);
    assert_eq!(kinds(&office.logged()).len(), 3, "what does not repeat is over");
    assert_eq!(office.board.next_timeout(), None);
}

/// The attacker read the identifiers of all devices in the log, and fails to sign in as each of them, for an hour.
#[test]
fn a_flood_about_many_devices_adds_few_entries() {
    let mut office = Office::new();
    let devices: Vec<DeviceId> = (100..=250).map(device).collect();
    for (device, n) in devices.iter().zip(100..) {
        office.enrol(*device, card(n, Role::Principal));
    }
    let mut attempts = 0;
    for _ in 0..360 {
        for device in &devices {
            office.fail_sign_in(*device);
            attempts += 1;
        }
        office.wait(10_000);
    }
    office.wait(ALERT_INTERVAL_MS);
    let alerts = kinds(&office.logged());
    // Each of the first ones once an interval, those that the rate lets through later, and one for all others together.
    let most = 7 * (ALERTS_OF_A_KIND as usize + 12);
    assert!(alerts.len() <= most, "{} entries", alerts.len());
    assert_eq!(alerts.iter().map(|(_, count)| count).sum::<u64>(), attempts, "all are counted");
    let together =
        |alert: &OfficeAlert| alert.kind == AlertKind::SignInFailed && alert.device.is_none() && alert.count > 1;
    assert!(office.logged().iter().any(together));
    // Of another kind, one is not lost in it.
    office.connect(2, devices[0]);
    office.send(2, reported(ReportedAlert::LogForked));
    assert_eq!(office.logged().last().unwrap().kind, AlertKind::LogForked);
}

#[test]
fn alerts_that_the_log_refuses_are_appended_later_and_told_then() {
    let mut office = office();
    office.log_fails = true;
    office.send(2, reported(ReportedAlert::LogForked));
    office.wait(LOG_RETRY_MS);
    assert_eq!(office.raised(), 0);
    assert_eq!(office.sent_to(1).count(), 0, "what is not in the log is not told");
    office.log_fails = false;
    office.wait(LOG_RETRY_MS);
    assert_eq!(office.raised(), 1);
    let told = office.sent_to(1).any(|message| matches!(message, S::Alerts { changed, .. } if changed.len() == 1));
    assert!(told);
    office.wait(LOG_RETRY_MS);
    assert_eq!(office.raised(), 1);
}

#[test]
fn officers_alone_are_told_and_see_and_what_was_seen_stays() {
    let mut office = office();
    office.fail_sign_in(PERSON);
    let index = office.logged().last().unwrap().log_index;
    let expected = [S::Alerts { changed: vec![office.logged().pop().unwrap()], unseen: 4 }];
    assert!(office.sent_to(1).eq(&expected));
    assert_eq!(office.sent_to(2).count(), 0);
    office.send(2, C::SeeAlerts { alerts: vec![index] });
    let refused = |message: &S| matches!(message, S::Refused { code: RefusalCode::NotAllowed, .. });
    assert!(office.sent_to(2).all(refused) && office.sent_to(2).count() == 1);
    assert_eq!(office.unseen(), 4);

    office.done.clear();
    office.now += 5;
    office.send(1, C::SeeAlerts { alerts: vec![index, index, 10_000] });
    let seen = AlertSeen { by: OFFICER, at_ms: office.now };
    let shown = OfficeAlert { seen: Some(seen), ..office.logged().pop().unwrap() };
    assert!(office.sent_to(1).eq(&[S::Alerts { changed: vec![shown.clone()], unseen: 3 }]));
    // The first time stays, and the list with it.
    office.now += 5;
    office.send(1, C::SeeAlerts { alerts: vec![index] });
    office.done.clear();
    office.restart();
    let at_sign_in = office.sent_to(1).find(|message| matches!(message, S::Alerts { .. })).cloned();
    let Some(S::Alerts { changed, unseen: 3 }) = at_sign_in else { panic!("{at_sign_in:?}") };
    assert_eq!((changed.len(), &changed[0]), (4, &shown));
    let many = C::SeeAlerts { alerts: (0..=MAX_ALERTS_PER_PAGE as u64).collect() };
    office.send(1, many);
    assert!(matches!(office.done.last(), Some(Done::Sent(_, S::Refused { code: RefusalCode::TooMany, .. }))));
}

/// Anything happens, in any order, with crashes: the list is what the log states, and no entry comes too soon after another one
/// about the same.
#[test]
fn the_list_is_what_the_log_states_whatever_happens() {
    for seed in 0..40u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let mut office = office();
        office.invite(card(30, Role::Principal));
        for _ in 0..60 {
            match next(8) {
                0 => office.left = next(6) as usize,
                1 => office.log_fails = true,
                2 => office.log_fails = false,
                3 => office.send(2, reported(ReportedAlert::RingInvalid)),
                4 => office.fail_sign_in(if next(2) == 0 { PERSON } else { device(99) }),
                5 => office.wait(next(ALERT_INTERVAL_MS)),
                6 => office.ask(device(30 + next(2) as u8)),
                _ => {
                    let alerts = office.logged().iter().map(|alert| alert.log_index).take(2).collect();
                    office.send(1, C::SeeAlerts { alerts });
                }
            }
            if office.left == 0 {
                office.restart();
                office.connect(2, PERSON);
            }
        }
        office.restart();
        let alerts = office.logged();
        assert_eq!(office.listed(), alerts, "seed {seed}");
        let mut last = BTreeMap::new();
        // While the log failed, a later one may have been appended first.
        let mut in_time: Vec<_> = alerts.iter().filter(|alert| alert.kind.has_own_entry()).collect();
        in_time.sort_by_key(|alert| alert.time_ms);
        for alert in in_time {
            let topic = Topic { kind: alert.kind, device: alert.device, invitation: alert.invitation }.counted();
            if let Some(before) = last.insert(topic, alert.time_ms) {
                assert!(alert.time_ms >= before + ALERT_INTERVAL_MS, "seed {seed}: {alert:?}");
            }
        }
    }
}
