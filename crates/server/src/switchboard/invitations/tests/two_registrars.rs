//! Two registrars' approvals, over a store and a log that fail and crash at any point.

use super::*;
use crate::{
    digest::sha256,
    store::FirstApprovalRow,
    switchboard::{FirstApproved, Revocation},
};
use telcon_proto::Blob;

const SECOND: DeviceId = DeviceId::from_bytes([5; 16]);
const SECONDS_SESSION: u64 = 2;
/// Another device of the first officer.
const SAME_PERSON: DeviceId = DeviceId::from_bytes([6; 16]);
const THIRD: DeviceId = DeviceId::from_bytes([7; 16]);

/// The certificate that a registrar issues for the device [`ASKING`], and its own.
fn chain(by: DeviceId) -> Vec<Blob> {
    let registrar = if by == OFFICER { b"registrar".to_vec() } else { certificate(by).0 };
    vec![Blob(vec![2, by.as_bytes()[0]]), Blob(registrar)]
}

fn certificate(by: DeviceId) -> Blob {
    Blob(vec![9, by.as_bytes()[0]])
}

fn first(by: DeviceId) -> Approved {
    Approved::First(FirstApproved { device: ASKING, card: invited(), chain: chain(by) })
}

/// What the driver makes of a second approval, after the first.
fn last(office: &mut Office, after: &[Blob], by: DeviceId) -> Approved {
    let chain: Vec<Blob> = after.iter().cloned().chain(chain(by)).collect();
    let second_cert_sha256 = Some(sha256(chain[2].as_slice()));
    let registrars = vec![OFFICER, by];
    let new = office.new_device(ASKING, invited(), None);
    Approved::Last(NewDevice { chain, second_cert_sha256, registrars, ..new })
}

/// An office with further registrars: of another person, of the same person as the first, and of a third person.
fn office() -> Office {
    let mut office = Office::new();
    for (device, person) in [(SECOND, 5), (SAME_PERSON, 1), (THIRD, 7)] {
        office.enrol(device, card(person, Role::SecurityOfficer));
        office.appoint(device, certificate(device), vec![Role::Principal]);
    }
    assert!(office.connect(SECONDS_SESSION, SECOND));
    office
}

impl Office {
    fn approve_first(&mut self) {
        self.approve_as(1, first(OFFICER));
    }

    fn approve_second(&mut self) {
        let approved = last(self, &chain(OFFICER), SECOND);
        self.approve_as(SECONDS_SESSION, approved);
    }

    fn first_approval(&mut self) -> Option<FirstApprovalRow> {
        self.store.load().unwrap().invitations.pop().and_then(|row| row.first_approval)
    }

    fn was_refused(&self) -> bool {
        matches!(self.last_reply(), Some(Err(_)))
            && matches!(self.sent().next_back(), Some(S::Refused { code: RefusalCode::NotAllowed, .. }))
    }

    /// The log's entries that say who certified and approved the device.
    fn enrolment(&self) -> (Option<Digest>, Option<DeviceId>) {
        let (mut second, mut by) = (None, None);
        for entry in self.entries() {
            match entry {
                Entry::DeviceEnrolled { device: ASKING, second_cert_sha256, .. } => second = second_cert_sha256,
                Entry::InvitationClosed { by: closer, .. } => by = closer,
                _ => {}
            }
        }
        (second, by)
    }
}

#[test]
fn two_approvals_survive_a_crash_at_any_point() {
    for crash in 0.. {
        let mut office = office();
        office.left = crash;
        office.invite(invited());
        office.ask(ASKING);
        office.approve_first();
        office.approve_second();
        let crashed = office.left == 0;
        office.restart();
        assert!(office.connect(SECONDS_SESSION, SECOND));
        // Whoever saw no answer repeats what they did.
        if logged(&office).is_empty() {
            office.invite(invited());
        }
        office.ask(ASKING);
        if office.first_approval().is_none() {
            office.approve_first();
        }
        office.approve_second();
        assert_eq!(logged(&office), ["made", "enrolled", "approved"], "after {crash} outputs");
        let second = chain(SECOND)[0].clone();
        assert_eq!(office.enrolment(), (Some(sha256(second.as_slice())), Some(SECOND)), "after {crash} outputs");
        let stored = office.store.load().unwrap();
        assert!(stored.invitations.is_empty(), "after {crash} outputs: nothing is pending");
        let device = stored.devices.iter().find(|row| row.device == ASKING).unwrap();
        assert_eq!(device.chain, [chain(OFFICER), chain(SECOND)].concat());
        assert!(device.log_index.is_some());
        if !crashed {
            assert!(crash > 7, "there are more outputs than {crash}");
            break;
        }
    }
}

#[test]
fn one_approval_enrols_nothing_and_is_shown_to_all_registrars() {
    let mut office = office();
    office.invite(invited());
    office.ask(ASKING);
    office.done.clear();
    office.approve_first();
    assert!(matches!(office.last_reply(), Some(Ok(Reply::ApprovedFirst))));
    let shown: Vec<_> = office
        .sent()
        .filter_map(|message| match message {
            S::Invitations { changed, .. } => changed[0].first_approval.clone(),
            _ => None,
        })
        .collect();
    assert_eq!(shown.len(), 2, "both officers");
    assert!(shown.iter().all(|first| first.chain == chain(OFFICER) && first.at_ms == office.now));
    // The device learns it, and nothing more; sent again it stays the first.
    office.ask(ASKING);
    assert!(matches!(office.last_reply(), Some(Ok(Reply::Asked(Asked::Waiting { approvals: 1, .. })))));
    office.approve_first();
    assert_eq!(logged(&office), ["made"]);
    assert!(office.store.device(&ASKING).unwrap().is_none());
    // It ends with the invitation.
    office.wait(DEVICE_REQUEST_MS);
    assert_eq!(logged(&office), ["made", "expired"]);
    office.approve_second();
    assert!(office.was_refused());
    assert_eq!(logged(&office), ["made", "expired"]);
}

#[test]
fn an_approval_that_could_not_be_first_or_second_is_refused() {
    let mut office = office();
    office.invite(invited());
    office.ask(ASKING);
    // Nobody approved first: neither second, nor first by a registrar who cannot verify what was asked.
    office.approve_second();
    assert!(office.was_refused());
    office.approve_as(SECONDS_SESSION, first(SECOND));
    assert!(office.was_refused());
    office.approve_first();
    // The first officer's own approval again, as the second; with the connection of either.
    for session in [1, SECONDS_SESSION] {
        let approved = last(&mut office, &chain(OFFICER), OFFICER);
        office.approve_as(session, approved);
        assert!(office.was_refused());
    }
    // After another approval than the one that is kept: of another time, or replayed from another invitation.
    let approved = last(&mut office, &[Blob(vec![2, 2]), Blob(b"registrar".to_vec())], SECOND);
    office.approve_as(SECONDS_SESSION, approved);
    assert!(office.was_refused());
    // For another device or person than asked.
    let Approved::Last(new) = last(&mut office, &chain(OFFICER), SECOND) else { unreachable!() };
    office.approve_as(SECONDS_SESSION, Approved::Last(NewDevice { device: THIRD, ..new.clone() }));
    assert!(office.was_refused());
    office.approve_as(SECONDS_SESSION, Approved::Last(NewDevice { card: card(3, Role::Principal), ..new }));
    assert!(office.was_refused());
    // By another device of the first officer.
    assert!(office.connect(SECONDS_SESSION, SAME_PERSON));
    let approved = last(&mut office, &chain(OFFICER), SAME_PERSON);
    office.approve_as(SECONDS_SESSION, approved);
    assert!(office.was_refused());
    assert_eq!(logged(&office), ["made"]);
    assert!(office.first_approval().is_some(), "the first approval stays");
}

#[test]
fn the_approval_of_a_registrar_that_was_revoked_in_between_does_not_count() {
    for by_registrar in [false, true] {
        let mut office = office();
        office.invite(invited());
        office.ask(ASKING);
        office.approve_first();
        let effects = if by_registrar {
            // An officer who may revoke officers.
            office.appoint(SECOND, certificate(SECOND), vec![Role::Principal, Role::SecurityOfficer]);
            let revocation = Revocation { device: OFFICER, by: SECOND, statement: "jws~AAAA".into() };
            office.board.revoke_as_registrar(SessionId(SECONDS_SESSION), RequestId(5), Ok(revocation), office.now)
        } else {
            office.board.revoke(RequestId(5), OFFICER, "jws".into(), office.now)
        };
        office.run(effects);
        assert_eq!(office.first_approval(), None);
        office.approve_second();
        assert!(office.was_refused());
        assert_eq!(logged(&office), ["made"]);
        // The others can still close it, and nobody can go on with it.
        office.send(SECONDS_SESSION, C::CloseInvitation { invitation: INVITATION });
        assert_eq!(logged(&office), ["made", "refused"]);
    }
}

#[test]
fn the_first_registrar_withdraws_and_the_second_refuses() {
    for session in [1, SECONDS_SESSION] {
        let mut office = office();
        office.invite(invited());
        office.ask(ASKING);
        office.approve_first();
        office.send(session, C::CloseInvitation { invitation: INVITATION });
        assert_eq!(logged(&office), ["made", "refused"]);
        office.approve_second();
        assert!(office.was_refused());
        assert!(office.store.device(&ASKING).unwrap().is_none());
    }
}

#[test]
fn a_device_that_the_log_refused_keeps_the_certificates_of_its_two_registrars() {
    let mut office = office();
    office.invite(invited());
    office.ask(ASKING);
    office.approve_first();
    office.log_fails = true;
    office.approve_second();
    assert!(matches!(office.sent().next_back(), Some(S::Refused { code: RefusalCode::Unavailable, .. })));
    // A third registrar approves it: the entry may be in the log, so its certificate is not used, and the log names the second.
    office.log_fails = false;
    assert!(office.connect(SECONDS_SESSION, THIRD));
    let approved = last(&mut office, &chain(OFFICER), THIRD);
    office.approve_as(SECONDS_SESSION, approved);
    assert_eq!(logged(&office), ["made", "enrolled", "approved"]);
    let second = chain(SECOND)[0].clone();
    assert_eq!(office.enrolment(), (Some(sha256(second.as_slice())), Some(SECOND)));
}
