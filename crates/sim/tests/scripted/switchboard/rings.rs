//! Several rings to one person, and what limits them. The attacker is somebody who may ring.

use telcon_proto::{
    CallId, ClientMessage as C, Ended, PersonId, RecordMode, Role, ServerMessage as S,
    limits::{ABANDONED_AFTER_MS, MAX_RINGS_AT_ONCE, MAX_SILENCED, RING_TIMEOUT_MS},
    message::RefusalCode,
};
use telcon_server::limits::CONTACTS_INTERVAL_MS;
use telcon_sim::script::{ScriptedOffice, blob};

fn call(n: u8) -> CallId {
    CallId::from_bytes([n; 16])
}

/// The staff, counterparts 5 and 6, and a second device (12) of person 2.
fn office() -> ScriptedOffice {
    let mut office = ScriptedOffice::staffed();
    for (n, of, role) in [(5, 5, Role::Counterpart), (6, 6, Role::Counterpart), (12, 2, Role::Principal)] {
        office.enrol(n, of, role).unwrap();
        office.connect(n);
    }
    office.pass(CONTACTS_INTERVAL_MS);
    office.discard();
    office
}

fn rings(office: &mut ScriptedOffice, id: u8, from: usize, to: usize) {
    office.ring(from, call(id), to, RecordMode::Memo);
}

fn answers(office: &mut ScriptedOffice, n: usize, id: u8) {
    office.send(n, C::Answer { call: call(id), key_package: blob("kp") });
}

/// The ends that a device was told, with the first byte of the call.
fn ends(office: &mut ScriptedOffice, n: usize) -> Vec<(u8, Ended)> {
    let end = |message| match message {
        S::Ended { call, how, .. } => Some((call.as_bytes()[0], how)),
        _ => None,
    };
    office.messages(n).into_iter().filter_map(end).collect()
}

fn refused(office: &mut ScriptedOffice, n: usize) -> Option<(RefusalCode, String)> {
    office.messages(n).into_iter().find_map(|message| match message {
        S::Refused { code, message, .. } => Some((code, message)),
        _ => None,
    })
}

#[test]
fn being_rung_hinders_nothing() {
    let mut office = office();
    rings(&mut office, 51, 5, 2);
    office.discard();
    rings(&mut office, 62, 6, 2);
    assert_eq!(office.received(6), ["opened"], "others reach them");
    assert_eq!([office.received(2), office.received(12)], [["ringing"], ["ringing"]], "on each of their devices");
    rings(&mut office, 21, 2, 1);
    assert_eq!(office.received(2), ["opened"], "and they ring out");
    assert_eq!(office.received(1), ["ringing"]);
    rings(&mut office, 22, 2, 1);
    assert_eq!(refused(&mut office, 2).unwrap().0, RefusalCode::NotAllowed, "one call at a time");
    // Connecting another device shows both rings.
    office.disconnect(12);
    office.connect(12);
    let shown = office.received(12).into_iter().filter(|kind| kind == "ringing").count();
    assert_eq!(shown, 2);
}

#[test]
fn answering_one_ring_ends_the_others_as_busy_and_cancels_what_the_person_rings() {
    let mut office = office();
    rings(&mut office, 51, 5, 2);
    rings(&mut office, 62, 6, 2);
    rings(&mut office, 21, 2, 1);
    office.discard();
    answers(&mut office, 12, 62);
    assert_eq!(ends(&mut office, 5), [(51, Ended::Busy)]);
    assert_eq!(ends(&mut office, 1), [(21, Ended::Cancelled)]);
    let told: Vec<_> = ends(&mut office, 12);
    assert!(told.contains(&(51, Ended::Busy)), "{told:?}");
    rings(&mut office, 52, 5, 2);
    assert_eq!(ends(&mut office, 5), [(52, Ended::Busy)], "they are in a call now");
    // Their other device answers too late.
    office.discard();
    answers(&mut office, 2, 51);
    assert_eq!(ends(&mut office, 2), [(51, Ended::Busy)]);
}

#[test]
fn the_rings_of_who_is_answered_end_too() {
    let mut office = office();
    rings(&mut office, 51, 5, 2);
    rings(&mut office, 21, 2, 1);
    office.discard();
    answers(&mut office, 1, 21);
    assert_eq!(ends(&mut office, 5), [(51, Ended::Busy)]);
    assert_eq!(office.board().gauges().live, 1);
}

#[test]
fn a_ring_whose_caller_answered_another_one_before_it_was_logged_is_cancelled() {
    let mut office = office();
    rings(&mut office, 51, 5, 2);
    office.hold_log();
    rings(&mut office, 21, 2, 1);
    answers(&mut office, 12, 51);
    office.discard();
    office.release_log();
    assert!(!office.received(1).contains(&"ringing".to_owned()));
    assert_eq!((office.board().gauges().live, office.board().gauges().ringing), (1, 0));
}

/// The attacker rings again at each end of its ring: declined, unanswered, or ended by itself before an answer: cancelled,
/// reported as failed, or abandoned by disconnecting.
#[test]
fn a_caller_whose_rings_are_unwanted_waits_longer_and_longer() {
    let attempts = |end: fn(&mut ScriptedOffice, u8)| {
        let mut office = office();
        let (mut shown, started) = (0, office.now());
        for n in 0..255u8 {
            office.discard();
            rings(&mut office, n, 5, 2);
            match refused(&mut office, 5) {
                None => {
                    shown += usize::from(office.received(2).contains(&"ringing".to_owned()));
                    end(&mut office, n);
                }
                Some((code, message)) => {
                    assert_eq!(code, RefusalCode::TooMany);
                    assert!(message.contains("can be rung again in"), "{message}");
                }
            }
            // Connections on which nothing comes are closed.
            for n in [2, 5, 6, 12] {
                office.send(n, C::Ping { log_size: 0 });
            }
            office.pass(10_000);
        }
        // Meanwhile others reach that person, and the attacker others.
        rings(&mut office, 255, 6, 2);
        assert!(office.received(2).contains(&"ringing".to_owned()));
        (shown, (office.now() - started) / 60_000)
    };
    let ends: [fn(&mut ScriptedOffice, u8); 5] = [
        |office, n| office.send(2, C::Decline { call: call(n), reply: None }),
        |office, _| office.pass(RING_TIMEOUT_MS),
        |office, n| office.send(5, C::HangUp { call: call(n), failed: false }),
        |office, n| office.send(5, C::HangUp { call: call(n), failed: true }),
        |office, _| {
            office.disconnect(5);
            office.pass(ABANDONED_AFTER_MS);
            office.connect(5);
        },
    ];
    for end in ends {
        let (shown, minutes) = attempts(end);
        assert!(minutes >= 42 && shown <= 10, "{shown} rings within {minutes} minutes");
        assert!(shown >= 3);
    }
}

#[test]
fn one_person_cannot_ring_everybody_without_pause() {
    let mut office = office();
    let mut opened = 0;
    for n in 30..60 {
        office.enrol(n, n, Role::Principal).unwrap();
        office.connect(n);
    }
    for n in 30..60 {
        office.discard();
        rings(&mut office, n, 5, usize::from(n));
        opened += usize::from(refused(&mut office, 5).is_none());
        office.send(5, C::HangUp { call: call(n), failed: false });
    }
    assert_eq!(opened, 12);
}

#[test]
fn a_person_is_shown_a_limited_number_of_rings_at_once() {
    let mut office = office();
    for n in 30..40 {
        office.enrol(n, n, Role::Counterpart).unwrap();
        office.connect(n);
        rings(&mut office, n as u8, n, 2);
    }
    let shown = office.received(2).into_iter().filter(|kind| kind == "ringing").count();
    assert_eq!(shown, MAX_RINGS_AT_ONCE);
    assert_eq!(ends(&mut office, 39), [(39, Ended::Busy)]);
}

fn silenced(office: &mut ScriptedOffice, n: usize) -> Option<Vec<PersonId>> {
    let list = |message| match message {
        S::Silenced { people } | S::SignedIn { silenced: people, .. } => {
            Some(people.iter().map(|card| card.person).collect())
        }
        _ => None,
    };
    office.messages(n).into_iter().filter_map(list).next_back()
}

#[test]
fn a_silenced_caller_does_not_ring_until_it_is_undone_on_any_device() {
    let mut office = office();
    let five = office.person(5);
    rings(&mut office, 51, 5, 2);
    office.discard();
    office.send(2, C::Silence { person: five, on: true });
    assert_eq!(silenced(&mut office, 12), Some(vec![five]), "all devices of the person show it");
    assert_eq!(ends(&mut office, 5), [(51, Ended::Declined)], "and the ring stops");
    rings(&mut office, 52, 5, 2);
    assert_eq!(ends(&mut office, 5), [(52, Ended::Missed)], "as if nobody had come");
    assert!(!office.received(2).contains(&"ringing".to_owned()));
    assert_eq!(office.call_entries().len(), 4, "every attempt is in the log");
    rings(&mut office, 53, 5, 1);
    assert!(office.received(1).contains(&"ringing".to_owned()), "others are rung");
    office.send(5, C::HangUp { call: call(53), failed: false });
    rings(&mut office, 54, 2, 5);
    assert!(office.received(5).contains(&"ringing".to_owned()), "and the silenced person can be");
    office.send(2, C::HangUp { call: call(54), failed: false });

    office.restart();
    for n in [1, 2, 5, 12] {
        office.connect(n);
    }
    assert_eq!(silenced(&mut office, 2), Some(vec![five]), "after a restart too");
    assert_eq!(silenced(&mut office, 1), Some(vec![]), "per person");
    rings(&mut office, 55, 5, 2);
    assert!(!office.received(2).contains(&"ringing".to_owned()));
    office.discard();
    office.send(12, C::Silence { person: five, on: false });
    assert_eq!(silenced(&mut office, 2), Some(vec![]));
    rings(&mut office, 56, 5, 2);
    assert!(office.received(2).contains(&"ringing".to_owned()));
}

/// The attacker goes on ringing somebody who has silenced it: each attempt would add two entries to the log.
#[test]
fn silenced_rings_are_unwanted_ones() {
    let mut office = office();
    let five = office.person(5);
    office.send(2, C::Silence { person: five, on: true });
    let before = office.call_entries().len();
    let mut refusals = 0;
    for n in 0..60 {
        office.discard();
        rings(&mut office, n, 5, 2);
        assert!(!office.received(2).contains(&"ringing".to_owned()));
        if let Some((code, message)) = refused(&mut office, 5) {
            assert_eq!(code, RefusalCode::TooMany);
            assert!(message.contains("can be rung again in") && !message.contains("silenced"), "{message}");
            refusals += 1;
        }
        office.send(5, C::Ping { log_size: 0 });
        office.pass(10_000);
    }
    let attempts = (office.call_entries().len() - before) / 2;
    assert_eq!(attempts + refusals, 60);
    assert!((3..=8).contains(&attempts), "{attempts} attempts within ten minutes");
    office.send(2, C::Ping { log_size: 0 });
    rings(&mut office, 60, 5, 1);
    assert_eq!(office.received(1), ["ringing"], "others are rung as before");
}

#[test]
fn who_may_be_silenced_and_how_many_is_limited() {
    let mut office = office();
    for who in [3, 4, 99] {
        office.discard();
        let person = office.person(who);
        office.send(2, C::Silence { person, on: true });
        assert_eq!(refused(&mut office, 2).unwrap().0, RefusalCode::NotAllowed, "{who} cannot ring");
    }
    for n in 100..=100 + MAX_SILENCED {
        office.enrol(n, n, Role::Counterpart).unwrap();
        office.discard();
        let person = office.person(n);
        office.send(2, C::Silence { person, on: true });
    }
    assert_eq!(refused(&mut office, 2).unwrap().0, RefusalCode::TooMany);
    let person = office.person(100);
    office.send(2, C::Silence { person, on: true });
    assert_eq!(refused(&mut office, 2), None, "repeating changes nothing");
    let person = office.person(98);
    office.send(2, C::Silence { person, on: false });
    assert_eq!(refused(&mut office, 2), None);
}
