//! Pending records over a store and a log that fail and crash at any point.

use super::super::{
    VerifiedRing,
    office_with_faults::{Office, card, device, home},
    port::SessionId,
};
use super::*;
use crate::limits::RECORD_DUE_MS;
use telcon_proto::{Blob, ClientMessage as C, PersonId, Role, SuiteName, WIRE_VERSION, message::Ring};

const CALL: CallId = CallId::from_bytes([0xca; 16]);
/// Two principals and two note-takers, each connected by the session of this number.
const CALLER: u8 = 20;
const CALLEE: u8 = 21;
const FIRST: u8 = 22;
const SECOND: u8 = 23;

fn blob() -> Blob {
    Blob(vec![1])
}

/// With the people of the call, who are connected.
fn staffed() -> Office {
    let mut office = Office::new();
    for (n, role) in
        [(CALLER, Role::Principal), (CALLEE, Role::Principal), (FIRST, Role::NoteTaker), (SECOND, Role::NoteTaker)]
    {
        office.enrol(device(n), card(n, role));
    }
    connect(&mut office);
    office
}

fn connect(office: &mut Office) {
    for n in [CALLER, CALLEE, FIRST, SECOND] {
        office.connect(n.into(), device(n));
    }
}

fn rings(office: &mut Office) {
    let (call, from, to) =
        (CALL.at(&home()), device(CALLER).at(&home()), PersonId::from_bytes([CALLEE; 16]).at(&home()));
    let (mode, suite) = (RecordMode::Memo, SuiteName::Hybrid);
    let ring =
        Ring { version: WIRE_VERSION, call, from, to, mode, suite, at_ms: office.now, on_behalf: None, over: None };
    let ring = VerifiedRing { ring, jws: "jws".into(), call_exists: false, line: None };
    let effects = office.board.ring(SessionId(CALLER.into()), Ok(ring), office.now);
    office.run(effects);
}

/// A call that both note-takers were in: the second took over from the first, which became unresponsive.
fn noted() -> Office {
    let mut office = staffed();
    rings(&mut office);
    for (epoch, joiner) in [(0, CALLEE), (1, FIRST), (2, SECOND)] {
        let (call, key_package) = (CALL, blob());
        let message = if epoch == 0 { C::Answer { call, key_package } } else { C::AskJoin { call, key_package } };
        office.send(joiner.into(), message);
        let (adds, removes) = (vec![device(joiner)], vec![]);
        office.send(CALLER.into(), C::Commit { call, epoch, commit: blob(), welcome: Some(blob()), adds, removes });
        // No heartbeat follows.
        for _ in 0..60 {
            office.wait(1_000);
        }
    }
    office
}

fn ends(office: &mut Office) {
    office.send(CALLER.into(), C::HangUp { call: CALL, failed: false });
}

fn seal(n: u8) -> Seal {
    let digest = Digest::from_bytes([n; 32]);
    Seal { call: CALL, device: device(n), digest, jws: "jws".into(), parts: 1, partial: false }
}

fn deliver(office: &mut Office, n: u8) -> Result<Reply, RefusalKind> {
    let effects = office.board.seal(RequestId(9), seal(n), true, office.now);
    office.run(effects);
    office.last_reply().unwrap().clone().map_err(|refusal| refusal.kind)
}

fn revoke(office: &mut Office, n: u8) {
    let effects = office.board.revoke(RequestId(8), device(n), "jws".into(), office.now);
    office.run(effects);
}

/// The entries of the call after its opening.
fn kinds(office: &Office) -> Vec<&'static str> {
    let entries = office.entries().filter_map(|entry| match entry {
        Entry::CallEnded { .. } => Some("ended"),
        Entry::RecordMissing { .. } => Some("missing"),
        Entry::RecordArchived { .. } => Some("archived"),
        _ => None,
    });
    entries.collect()
}

/// Whether nothing is pending of the call, in memory and in the store.
fn is_settled(office: &mut Office) -> bool {
    let stored = office.store.load().unwrap().unfinished.is_empty();
    assert_eq!(office.board.awaits_record(&CALL), !stored, "memory and store agree");
    assert!(!stored || (office.board.pending.by_note_taker.is_empty() && office.board.gauges().records_pending == 0));
    stored
}

#[test]
fn a_record_that_never_comes_is_forgotten_after_a_month_and_accepted_later_still() {
    let mut office = noted();
    ends(&mut office);
    office.wait(RECORD_DUE_MS);
    assert_eq!(kinds(&office), ["ended", "missing"]);
    office.wait(LATE_RECORD_MS - 1);
    office.restart();
    assert!(!is_settled(&mut office) && office.board.gauges().records_pending == 1);
    office.wait(1);
    assert!(is_settled(&mut office));
    office.restart();
    assert!(is_settled(&mut office), "also after a restart");

    assert_eq!(deliver(&mut office, FIRST), Err(RefusalKind::Conflict));
    let ended = office.ended_call(&CALL);
    let recall = |office: &mut Office, n| {
        let effects = office.board.recall(&ended, &device(n), office.now);
        office.run(effects);
    };
    recall(&mut office, CALLEE);
    assert!(is_settled(&mut office), "it was no note-taker");
    recall(&mut office, FIRST);
    assert!(office.board.awaits_record(&CALL) && !office.board.device_is_in_use(&device(FIRST), office.now));
    office.wait(RECALLED_MS);
    assert!(is_settled(&mut office), "it did not come");
    recall(&mut office, FIRST);
    assert!(deliver(&mut office, FIRST).is_ok());
    assert_eq!(kinds(&office), ["ended", "missing", "archived"]);
    let ended = office.ended_call(&CALL);
    office.restart();
    let effects = office.board.recall(&ended, &device(FIRST), office.now);
    office.run(effects);
    assert!(is_settled(&mut office), "it delivered its record");
}

#[test]
fn the_record_of_a_revoked_note_taker_is_not_awaited() {
    // One delivered, the other was revoked.
    let mut office = noted();
    ends(&mut office);
    deliver(&mut office, FIRST).unwrap();
    assert!(!is_settled(&mut office));
    revoke(&mut office, SECOND);
    assert!(is_settled(&mut office));
    // Both were revoked after the entry that the record is missing.
    let mut office = noted();
    ends(&mut office);
    office.wait(RECORD_DUE_MS);
    for n in [FIRST, SECOND] {
        assert!(!is_settled(&mut office));
        revoke(&mut office, n);
    }
    assert!(is_settled(&mut office));
    // Both were revoked before it, or during the call: it is due all the same.
    for during in [false, true] {
        let mut office = noted();
        if during {
            revoke(&mut office, FIRST);
        }
        ends(&mut office);
        revoke(&mut office, FIRST);
        revoke(&mut office, SECOND);
        assert!(!is_settled(&mut office));
        office.wait(RECORD_DUE_MS);
        assert_eq!(kinds(&office), ["ended", "missing"]);
        assert!(is_settled(&mut office));
    }
    // A database of an earlier version awaits it.
    let mut office = noted();
    ends(&mut office);
    office.wait(RECORD_DUE_MS);
    let writes = [FIRST, SECOND].map(|n| Write::DeviceRevoked(device(n), office.now, None));
    office.store.apply(&writes).unwrap();
    office.restart();
    assert!(is_settled(&mut office));
}

#[test]
fn a_failed_entry_of_a_missing_record_is_retried_after_its_note_takers_were_revoked() {
    let mut office = noted();
    ends(&mut office);
    office.log_fails = true;
    office.wait(RECORD_DUE_MS);
    revoke(&mut office, FIRST);
    revoke(&mut office, SECOND);
    assert!(!is_settled(&mut office));
    office.log_fails = false;
    office.wait(LOG_RETRY_MS);
    assert_eq!(kinds(&office), ["ended", "missing"]);
    assert!(is_settled(&mut office));
    let revoked = office.entries().filter(|entry| matches!(entry, Entry::DeviceRevoked { .. })).count();
    assert_eq!(revoked, 2, "and so are the revocations");
}

#[test]
fn the_upload_of_one_note_taker_makes_no_other_ones_record_expected() {
    let mut office = noted();
    ends(&mut office);
    let is_in_use = |office: &Office, n| office.board.device_is_in_use(&device(n), office.now);
    assert!(is_in_use(&office, FIRST) && is_in_use(&office, SECOND) && !is_in_use(&office, CALLEE));
    office.wait(RECORD_DUE_MS);
    assert!(!is_in_use(&office, FIRST) && !is_in_use(&office, SECOND));
    // The log has not answered yet.
    let _ = office.board.seal(RequestId(9), seal(FIRST), true, office.now);
    assert!(is_in_use(&office, FIRST));
    assert!(!is_in_use(&office, SECOND), "its own is overdue");
}

#[test]
fn a_call_is_settled_after_a_crash_at_any_output() {
    for crash in 0.. {
        let mut office = noted();
        office.left = crash;
        ends(&mut office);
        if office.left > 0 {
            let effects = office.board.seal(RequestId(9), seal(FIRST), true, office.now);
            office.run(effects);
        }
        if office.left > 0 {
            revoke(&mut office, SECOND);
        }
        let crashed = office.left == 0;
        office.restart();
        if crashed {
            connect(&mut office);
            // Repeated by whoever got no answer. A call that did not end is ended by its people.
            ends(&mut office);
            let _ = deliver(&mut office, FIRST);
            revoke(&mut office, SECOND);
        }
        assert!(is_settled(&mut office), "after {crash} outputs");
        assert_eq!(kinds(&office), ["ended", "archived"], "after {crash} outputs");
        if !crashed {
            assert!(crash > 5, "there are more outputs than {crash}");
            break;
        }
    }
}

#[test]
fn a_call_that_failed_unanswered_is_not_said_to_be_unanswered() {
    let mut office = staffed();
    rings(&mut office);
    office.send(CALLER.into(), C::HangUp { call: CALL, failed: true });
    let why = office.entries().find_map(|entry| match entry {
        Entry::RecordMissing { why, .. } => Some(why),
        _ => None,
    });
    let expected = "the call ended (failed, interrupted or revoked) before the server learned of an answer";
    assert_eq!(why.as_deref(), Some(expected));
    assert!(is_settled(&mut office));
}

/// The server's clock was a month ahead for a moment, in which the call ended.
#[test]
fn a_record_of_a_call_that_ended_in_the_future_is_due_as_soon_as_any_other() {
    const MONTH_MS: u64 = 30 * 86_400_000;
    let mut office = noted();
    office.now += MONTH_MS;
    ends(&mut office);
    office.now -= MONTH_MS;
    office.restart_engine();
    assert!(office.board.device_is_in_use(&device(FIRST), office.now));
    office.wait(RECORD_DUE_MS);
    assert!(!office.board.device_is_in_use(&device(FIRST), office.now));
    assert_eq!(kinds(&office), ["ended", "missing"]);
}
