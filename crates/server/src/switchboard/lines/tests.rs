//! Lines over a store and a log that fail and crash at any point.

use super::super::{
    Approved, DeviceAsked, NewDevice, Reply, RequestId, VerifiedRing,
    office_with_faults::{Office, TOKEN, card},
};
use super::*;
use crate::digest::sha256;
use telcon_proto::{
    Blob, ClientMessage as C, RecordMode, ServerMessage as S, SuiteName, WIRE_VERSION,
    limits::MAX_INVITATION_MS,
    line::{OverLine, Reach},
    message::Ring,
};

const LINE: LineId = LineId::from_bytes([0x1e; 16]);
const OFFER: InvitationId = InvitationId::from_bytes([0x1e; 16]);
const GIVER: DeviceId = DeviceId::from_bytes([20; 16]);
const HOLDER: DeviceId = DeviceId::from_bytes([30; 16]);
const CALL: CallId = CallId::from_bytes([0xca; 16]);

fn terms() -> LineTerms {
    LineTerms {
        reach: Reach::Direct,
        hours: None,
        until_ms: None,
        rings_per_day: None,
        mode: RecordMode::LogOnly,
        purpose: String::new(),
    }
}

fn principal() -> Card {
    card(20, telcon_proto::Role::Principal)
}

fn guest() -> Card {
    card(30, telcon_proto::Role::Counterpart)
}

/// A principal (session 2), connected, in an office that demands lines; the security officer is session 1.
fn office() -> Office {
    let mut office = Office::over_lines();
    office.enrol(GIVER, principal());
    connect(&mut office);
    office
}

fn connect(office: &mut Office) {
    assert!(office.connect(2, GIVER));
}

fn offer(office: &mut Office) {
    let expires_ms = office.now + MAX_INVITATION_MS;
    office
        .send(2, C::Invite { invitation: OFFER, card: guest(), expires_ms, token_sha256: TOKEN, line: Some(terms()) });
}

fn asks(office: &mut Office) {
    let asked = DeviceAsked { invitation: OFFER, device: HOLDER, token_sha256: TOKEN, jws: "request".into() };
    let effects = office.board.device_asked(RequestId(3), asked, office.now);
    office.run(effects);
}

/// A version of the line, as if its signature had been verified.
fn line(office: &mut Office, version: u32, previous: Option<&NewLine>, state: LineState) -> NewLine {
    let content = Line {
        office: principal().office,
        line: LINE,
        version,
        previous: previous.map(|before| before.sha256),
        principal: principal(),
        holder: guest(),
        device: Some(HOLDER),
        terms: terms(),
        state,
        at_ms: office.now,
        on_behalf: None,
    };
    let statement = format!("line {version} {}", state.as_str());
    NewLine {
        content,
        by: GIVER,
        sha256: sha256(statement.as_bytes()),
        statement,
        sealed: None,
        follows: previous.map(|before| before.sha256),
        exists: office.store.line_exists(&LINE).unwrap(),
    }
}

fn approve(office: &mut Office) -> NewLine {
    let new = office.new_device(HOLDER, guest(), None);
    let chain = vec![Blob(b"holder".to_vec()), Blob(b"giver".to_vec()), Blob(b"registrar".to_vec())];
    let line = line(office, 1, None, LineState::Live);
    let approved = Approved::Holder(NewDevice { chain, ..new }, Box::new(line.clone()));
    let effects = office.board.approve(SessionId(2), RequestId(4), OFFER, Ok(approved), office.now);
    office.run(effects);
    line
}

fn sign(office: &mut Office, new: NewLine) {
    let effects = office.board.sign_line(SessionId(2), Ok(new), office.now);
    office.run(effects);
}

/// The holder (session 3) rings over a version.
fn ring(office: &mut Office, call: CallId, over: &NewLine) -> bool {
    let over = OverLine { line: LINE, statement_sha256: over.sha256 };
    let home = principal().office;
    let content = Ring {
        version: WIRE_VERSION,
        call: call.at(&home),
        from: HOLDER.at(&home),
        to: principal().person.at(&home),
        mode: RecordMode::LogOnly,
        suite: SuiteName::Hybrid,
        at_ms: office.now,
        on_behalf: None,
        over: Some(over),
    };
    let line = office.store.signed_line(&over).unwrap().map(Box::new);
    let verified = VerifiedRing { ring: content, jws: format!("ring {call}"), call_exists: false, line };
    let before = opened(office);
    let effects = office.board.ring(SessionId(3), Ok(verified), office.now);
    office.run(effects);
    opened(office) > before
}

fn opened(office: &Office) -> usize {
    office.entries().filter(|entry| matches!(entry, Entry::CallOpened { .. })).count()
}

fn versions(office: &Office) -> Vec<(u32, LineState)> {
    let version = |entry| match entry {
        Entry::LineSigned { version, state, .. } => Some((version, state)),
        _ => None,
    };
    office.entries().filter_map(version).collect()
}

fn count(office: &Office, kind: &str) -> usize {
    office.entries().filter(|entry| entry.kind() == kind).count()
}

#[test]
fn a_crash_at_any_output_of_an_approval_leaves_a_device_with_its_line_and_a_closed_offer_or_none_of_them() {
    let mut outcomes = BTreeSet::new();
    for in_process in [false, true] {
        for left in 0.. {
            let mut office = office();
            offer(&mut office);
            asks(&mut office);
            office.left = left;
            approve(&mut office);
            let all = office.left > 0;
            if in_process {
                office.left = usize::MAX;
                office.restart_engine();
            } else {
                office.restart();
            }
            connect(&mut office);
            let bound = versions(&office).len();
            outcomes.insert(bound);
            let text = format!("after {left} outputs, {bound} lines");
            let enrolled = office
                .entries()
                .filter(|entry| matches!(entry, Entry::DeviceEnrolled { device, .. } if *device == HOLDER));
            let enrolled = enrolled.count();
            // Within the process, what was given to the log may still be written: until then nothing is known, and it may be repeated.
            assert_eq!(enrolled, bound, "{text}");
            assert_eq!(count(&office, "invitation_closed"), bound, "{text}");
            if bound == 0 {
                approve(&mut office);
            }
            assert_eq!(versions(&office), [(1, LineState::Live)], "{text}");
            assert_eq!(count(&office, "invitation_closed"), 1, "{text}");
            assert!(office.connect(3, HOLDER), "{text}");
            let first = line(&mut office, 1, None, LineState::Live);
            assert!(ring(&mut office, CALL, &first), "{text}");
            // And it stays so.
            office.restart();
            assert_eq!(versions(&office).len(), 1, "{text}");
            if all {
                break;
            }
        }
    }
    assert_eq!(outcomes, BTreeSet::from([0, 1]));
}

/// A line that is bound, and its holder connected by session 3.
fn bound() -> (Office, NewLine) {
    let mut office = office();
    offer(&mut office);
    asks(&mut office);
    let first = approve(&mut office);
    assert!(office.connect(3, HOLDER));
    office.done.clear();
    (office, first)
}

#[test]
fn a_crash_at_any_output_of_a_change_leaves_one_version_of_each_number() {
    let mut outcomes = BTreeSet::new();
    for state in [LineState::Paused, LineState::Ended] {
        for left in 0.. {
            let (mut office, first) = bound();
            let second = line(&mut office, 2, Some(&first), state);
            office.left = left;
            sign(&mut office, second.clone());
            let all = office.left > 0;
            office.restart();
            connect(&mut office);
            assert!(office.connect(3, HOLDER));
            let signed = versions(&office).len();
            outcomes.insert(signed);
            let rings = ring(&mut office, CALL, &first);
            assert_eq!(rings, signed == 1, "after {left} outputs");
            // The same again, and another of that number.
            sign(&mut office, second);
            let other = line(&mut office, 2, Some(&first), LineState::Suspect);
            sign(&mut office, other);
            let expected = [(1, LineState::Live), (2, state)];
            assert_eq!(versions(&office), expected, "after {left} outputs");
            assert!(!ring(&mut office, CallId::from_bytes([1; 16]), &first));
            if all {
                break;
            }
        }
    }
    assert_eq!(outcomes, BTreeSet::from([1, 2]));
}

#[test]
fn a_stop_counts_before_the_log_has_it_and_a_line_in_use_only_then() {
    let (mut office, first) = bound();
    assert!(ring(&mut office, CALL, &first));
    office.log_fails = true;
    let second = line(&mut office, 2, Some(&first), LineState::Paused);
    sign(&mut office, second.clone());
    let ended =
        |office: &Office| office.sent_to(3).any(|message| matches!(message, S::Ended { how: Ended::Revoked, .. }));
    assert!(ended(&office), "the ring stops at once");
    office.log_fails = false;
    assert!(!ring(&mut office, CallId::from_bytes([1; 16]), &first));
    office.wait(LOG_RETRY_MS);
    assert_eq!(versions(&office), [(1, LineState::Live), (2, LineState::Paused)]);
    office.log_fails = true;
    let third = line(&mut office, 3, Some(&second), LineState::Live);
    sign(&mut office, third.clone());
    office.log_fails = false;
    assert!(!ring(&mut office, CallId::from_bytes([2; 16]), &third), "the log does not have it");
    office.wait(LOG_RETRY_MS);
    assert!(ring(&mut office, CallId::from_bytes([3; 16]), &third));
}

#[test]
fn a_ring_in_flight_over_a_line_that_is_stopped_meanwhile_ends_before_it_sounds() {
    let (mut office, first) = bound();
    let over = OverLine { line: LINE, statement_sha256: first.sha256 };
    let signed = office.store.signed_line(&over).unwrap();
    let home = principal().office;
    let content = Ring {
        version: WIRE_VERSION,
        call: CALL.at(&home),
        from: HOLDER.at(&home),
        to: principal().person.at(&home),
        mode: RecordMode::LogOnly,
        suite: SuiteName::Hybrid,
        at_ms: office.now,
        on_behalf: None,
        over: Some(over),
    };
    let verified = VerifiedRing { ring: content, jws: "ring".into(), call_exists: false, line: signed.map(Box::new) };
    // Its opening is on its way to the log.
    let opening = office.board.ring(SessionId(3), Ok(verified), office.now);
    let second = line(&mut office, 2, Some(&first), LineState::Ended);
    let stop = office.board.sign_line(SessionId(2), Ok(second), office.now);
    office.run(opening);
    office.run(stop);
    assert!(!office.sent_to(2).any(|message| matches!(message, S::Ringing { .. })), "the principal is not rung");
    assert!(office.sent_to(3).any(|message| matches!(message, S::Ended { how: Ended::Revoked, .. })));
    assert_eq!(count(&office, "call_ended"), 1);
}

/// The log has a version that the database of an older backup lacks.
#[test]
fn a_line_of_an_older_database_is_not_rung_over_until_its_giver_signs_again() {
    let (mut office, first) = bound();
    let second = line(&mut office, 2, Some(&first), LineState::Live);
    let entry = Entry::LineSigned {
        time_ms: office.now,
        line: LINE,
        version: 2,
        state: LineState::Live,
        by: GIVER,
        statement_sha256: second.sha256,
        sealed_sha256: None,
    };
    office.append(&entry);
    office.restart();
    connect(&mut office);
    assert!(office.connect(3, HOLDER));
    for over in [&first, &second] {
        assert!(!ring(&mut office, CALL, over));
    }
    // Nobody else clears it, and it goes on from what the log has.
    let fork = line(&mut office, 2, Some(&first), LineState::Live);
    sign(&mut office, fork);
    let third = line(&mut office, 3, Some(&second), LineState::Live);
    let third = NewLine { follows: None, ..third };
    sign(&mut office, third.clone());
    assert_eq!(versions(&office).last(), Some(&(3, LineState::Live)));
    assert_eq!(versions(&office).len(), 3);
    assert!(ring(&mut office, CALL, &third));
    office.send(3, C::HangUp { call: CALL, failed: false });
    office.restart();
    connect(&mut office);
    assert!(office.connect(3, HOLDER));
    assert!(ring(&mut office, CallId::from_bytes([1; 16]), &third));
}

#[test]
fn a_call_whose_line_was_stopped_while_it_was_opened_ends_at_the_next_start() {
    for (state, ends) in [(LineState::Live, false), (LineState::Paused, true), (LineState::Ended, true)] {
        let (mut office, first) = bound();
        assert!(ring(&mut office, CALL, &first));
        // The log had the opening, and the server ended before it looked at the line again.
        let next = line(&mut office, 2, Some(&first), state);
        let (version, statement) = version(next, office.now);
        office.store.apply(&[Write::LineSigned(Box::new(version), statement)]).unwrap();
        office.restart();
        let revoked =
            |entry: Entry| matches!(entry, Entry::CallEnded { call, how: Ended::Revoked, .. } if call == CALL);
        assert_eq!(office.entries().any(revoked), ends, "{state:?}");
    }
}

#[test]
fn a_version_that_was_not_compared_with_the_one_before_is_refused() {
    let (mut office, first) = bound();
    let second = line(&mut office, 2, Some(&first), LineState::Paused);
    sign(&mut office, NewLine { follows: None, ..second });
    assert_eq!(versions(&office).len(), 1);
    assert!(office.sent_to(2).any(|message| matches!(message, S::Refused { .. })));
}

#[test]
fn an_offer_that_nobody_takes_expires_and_one_that_is_being_bound_does_not() {
    let mut office = office();
    offer(&mut office);
    office.wait(MAX_INVITATION_MS + 1);
    assert_eq!(count(&office, "invitation_closed"), 1);
    let mut office = self::office();
    offer(&mut office);
    asks(&mut office);
    office.log_fails = true;
    approve(&mut office);
    office.wait(MAX_INVITATION_MS + 1);
    office.send(2, C::CloseInvitation { invitation: OFFER });
    assert_eq!(count(&office, "invitation_closed"), 0, "it is being bound");
    office.log_fails = false;
    approve(&mut office);
    assert_eq!(versions(&office), [(1, LineState::Live)]);
    assert_eq!(count(&office, "invitation_closed"), 1);
    assert!(matches!(office.last_reply(), Some(Ok(Reply::Logged(_)))));
}

mod delegated;
mod doubts;
