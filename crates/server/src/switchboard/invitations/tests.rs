//! Invitations over a store and a log that fail and crash at any point.

use super::super::{
    Approved, NewDevice,
    office_with_faults::{INVITATION, OFFICER, Office, TOKEN, card},
};
use super::*;
use telcon_proto::limits::{MAX_DEVICE_REQUEST_CHARS, MAX_MESSAGE_BYTES};
use telcon_proto::{Card, ClientMessage as C, Digest, ServerMessage as S};

mod two_registrars;

const ASKING: DeviceId = DeviceId::from_bytes([2; 16]);

/// The person who is invited.
fn invited() -> Card {
    card(2, Role::Principal)
}

/// What the log says of invitations and the device that asked.
fn logged(office: &Office) -> Vec<String> {
    let words = office.entries().filter_map(|entry| match entry {
        Entry::InvitationMade { .. } => Some("made".to_owned()),
        Entry::InvitationClosed { how, .. } => Some(how.as_str().to_owned()),
        Entry::DeviceEnrolled { device, .. } if device == ASKING => Some("enrolled".to_owned()),
        _ => None,
    });
    words.collect()
}

#[test]
fn an_invitation_survives_a_crash_at_any_point() {
    for crash in 0.. {
        let mut office = Office::new();
        office.left = crash;
        office.invite(invited());
        office.ask(ASKING);
        office.approve(ASKING, invited());
        let crashed = office.left == 0;
        office.restart();
        // Whoever saw no answer repeats what they did.
        if logged(&office).is_empty() {
            office.invite(invited());
        }
        office.ask(ASKING);
        office.approve(ASKING, invited());
        let entries = logged(&office);
        assert_eq!(entries, ["made", "enrolled", "approved"], "after {crash} outputs");
        let stored = office.store.load().unwrap();
        assert!(stored.invitations.is_empty(), "after {crash} outputs: nothing is pending");
        assert!(stored.devices.iter().all(|device| device.log_index.is_some()));
        if !crashed {
            assert!(crash > 5, "there are more outputs than {crash}");
            break;
        }
    }
}

#[test]
fn an_invitation_that_the_log_refuses_is_withdrawn_and_the_registrar_told() {
    let mut office = Office::new();
    office.log_fails = true;
    office.invite(invited());
    let refused = |message: &S| matches!(message, S::Refused { code: RefusalCode::Unavailable, .. });
    assert!(office.sent().any(refused));
    assert!(
        !office.sent().any(|message| matches!(message, S::Invitations { changed, .. } if !changed.is_empty())),
        "a link that is not in the log is not handed out"
    );
    office.ask(ASKING);
    assert!(matches!(office.last_reply(), Some(Ok(Reply::NoOpenInvitation))));
    // The entry may be in the log all the same, so the log gets the end as soon as it can.
    office.log_fails = false;
    office.wait(LOG_RETRY_MS);
    assert_eq!(logged(&office), ["made", "withdrawn"]);
    office.restart();
    assert_eq!(logged(&office), ["made", "withdrawn"]);
    assert!(office.store.load().unwrap().invitations.is_empty());
}

#[test]
fn invitations_and_requests_expire() {
    for asked in [false, true] {
        let mut office = Office::new();
        office.invite(invited());
        if asked {
            office.ask(ASKING);
        }
        let due = if asked { DEVICE_REQUEST_MS } else { MAX_INVITATION_MS };
        assert_eq!(office.board.next_timeout(), Some(office.now + due));
        office.wait(due);
        assert_eq!(logged(&office), ["made", "expired"]);
        office.approve(ASKING, invited());
        assert!(office.last_reply().unwrap().is_err());
        assert_eq!(logged(&office), ["made", "expired"]);
    }
}

#[test]
fn a_device_that_the_log_refuses_can_be_approved_again() {
    let mut office = Office::new();
    office.invite(invited());
    office.ask(ASKING);
    office.log_fails = true;
    office.approve(ASKING, invited());
    assert!(matches!(office.sent().next_back(), Some(S::Refused { code: RefusalCode::Unavailable, .. })));
    // The registrar certifies anew, but the entry may be in the log: the first certificate is the device's.
    office.log_fails = false;
    let again = office.new_device(ASKING, invited(), Some(OFFICER));
    let again = NewDevice { cert_sha256: Digest::from_bytes([0x77; 32]), ..again };
    office.approve_as(1, Approved::Last(again));
    assert_eq!(logged(&office), ["made", "enrolled", "approved"]);
    assert_eq!(office.store.device(&ASKING).unwrap().unwrap().cert_sha256, Digest::from_bytes([2; 32]));
}

#[test]
fn a_device_that_the_log_refused_can_be_approved_after_a_restart() {
    let mut office = Office::new();
    office.invite(invited());
    office.ask(ASKING);
    office.log_fails = true;
    office.approve(ASKING, invited());
    office.restart();
    office.approve(ASKING, invited());
    assert_eq!(logged(&office), ["made", "enrolled", "approved"]);
}

#[test]
fn there_is_a_limit_of_open_invitations() {
    let mut office = Office::new();
    for n in 0..=MAX_OPEN_INVITATIONS as u64 {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&n.to_be_bytes());
        let expires_ms = office.now + MAX_INVITATION_MS;
        let (invitation, card) = (InvitationId::from_bytes(id), invited());
        office.send(1, C::Invite { invitation, card, expires_ms, token_sha256: TOKEN, line: None });
    }
    assert!(matches!(office.sent().next_back(), Some(S::Refused { code: RefusalCode::TooMany, .. })));
    assert_eq!(logged(&office).len(), MAX_OPEN_INVITATIONS);
    // At sign-in they come in messages that stay below the limit, however long the requests are.
    office.done.clear();
    office.connect(1, OFFICER);
    let parts: Vec<usize> = office
        .sent()
        .filter_map(|message| match message {
            S::Invitations { changed, .. } => Some(changed.len()),
            _ => None,
        })
        .collect();
    assert_eq!(parts.iter().sum::<usize>(), MAX_OPEN_INVITATIONS);
    let longest = parts.iter().max().unwrap() * (MAX_DEVICE_REQUEST_CHARS + 1024);
    assert!(longest < MAX_MESSAGE_BYTES, "{longest}");
}

/// The log fails while the approved device is enrolled, so that it is not known whether the log has it.
fn enrolling() -> Office {
    let mut office = Office::new();
    office.invite(invited());
    office.ask(ASKING);
    office.log_fails = true;
    office.approve(ASKING, invited());
    office.log_fails = false;
    assert_eq!(logged(&office), ["made"]);
    office
}

#[test]
fn an_approval_survives_a_restart_of_the_engine() {
    let mut office = enrolling();
    office.restart_engine();
    office.approve(ASKING, invited());
    assert_eq!(logged(&office), ["made", "enrolled", "approved"]);
    let by = office.entries().find_map(|entry| match entry {
        Entry::InvitationClosed { by, .. } => by,
        _ => None,
    });
    assert_eq!(by, Some(OFFICER));
    assert!(office.store.load().unwrap().invitations.is_empty());
}

#[test]
fn a_restart_states_no_approval_that_nobody_gave() {
    // The office's authority enrols the device that asked, and nobody approved it.
    let mut office = Office::new();
    office.invite(invited());
    office.ask(ASKING);
    office.enrol(ASKING, invited());
    office.restart();
    assert_eq!(logged(&office), ["made", "enrolled"]);
    office.restart_engine();
    assert_eq!(logged(&office), ["made", "enrolled"]);
    // An approval that came to nothing is not taken for one of the enrolment after it.
    let mut office = enrolling();
    office.restart();
    office.enrol(ASKING, invited());
    office.restart();
    assert_eq!(logged(&office), ["made", "enrolled"]);
}

#[test]
fn an_invitation_ends_in_no_other_way_while_its_device_is_enrolled() {
    let mut office = enrolling();
    office.send(1, C::CloseInvitation { invitation: INVITATION });
    assert!(matches!(office.sent().next_back(), Some(S::Refused { code: RefusalCode::NotAllowed, .. })));
    office.wait(DEVICE_REQUEST_MS + LOG_RETRY_MS);
    assert_eq!(logged(&office), ["made"]);
    office.approve(ASKING, invited());
    assert_eq!(logged(&office), ["made", "enrolled", "approved"]);
    // Without an approval it expires as before.
    let mut office = enrolling();
    office.restart();
    office.wait(DEVICE_REQUEST_MS);
    assert_eq!(logged(&office), ["made", "expired"]);
}
