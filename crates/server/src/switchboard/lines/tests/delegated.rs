//! Lines that a delegate offers for a principal, over a store and a log that fail and crash at any point.

use super::super::super::port::{NewAttestation, NewDelegation};
use super::*;
use telcon_proto::{
    DelegationId,
    attestation::HolderAttestation,
    delegation::{Delegation, OnBehalf},
    message::OpenInvitation,
};

const DESK: DeviceId = DeviceId::from_bytes([21; 16]);
const COLLEAGUE: DeviceId = DeviceId::from_bytes([22; 16]);
const OTHER_DESK: DeviceId = DeviceId::from_bytes([23; 16]);
const OTHER: DeviceId = DeviceId::from_bytes([24; 16]);
const HOUR_MS: u64 = 3_600_000;

fn desk() -> Card {
    card(21, telcon_proto::Role::DutyOfficer)
}

fn under(n: u8) -> OnBehalf {
    OnBehalf { delegation: DelegationId::from_bytes([n; 16]), statement_sha256: sha256(&[n]) }
}

fn delegate(office: &mut Office, n: u8, to: Card, acts: Vec<Act>) {
    let content = Delegation {
        office: principal().office,
        delegation: under(n).delegation,
        principal: principal().person,
        delegate: to,
        acts,
        not_before_ms: office.now,
        not_after_ms: office.now + HOUR_MS,
        at_ms: office.now,
    };
    let new = NewDelegation { content, device: GIVER, statement: "d".into(), sha256: sha256(&[n]), exists: false };
    let effects = office.board.delegate(SessionId(2), Ok(new), office.now);
    office.run(effects);
}

/// The principal (session 2), a desk and its colleague with lines (4 and 5), one without (6), another principal (7).
fn delegated_office() -> Office {
    let mut office = office();
    office.enrol(DESK, desk());
    office.enrol(COLLEAGUE, card(22, telcon_proto::Role::Scheduler));
    office.enrol(OTHER_DESK, card(23, telcon_proto::Role::DutyOfficer));
    office.enrol(OTHER, card(24, telcon_proto::Role::Principal));
    delegate(&mut office, 1, desk(), vec![Act::Lines]);
    delegate(&mut office, 2, card(22, telcon_proto::Role::Scheduler), vec![Act::Lines]);
    delegate(&mut office, 3, card(23, telcon_proto::Role::DutyOfficer), vec![Act::Ring, Act::Answer]);
    connect_all(&mut office);
    office.done.clear();
    office
}

fn connect_all(office: &mut Office) {
    connect(office);
    for (session, device) in [(4, DESK), (5, COLLEAGUE), (6, OTHER_DESK), (7, OTHER)] {
        assert!(office.connect(session, device));
    }
}

fn offer_for(office: &mut Office, session: u64, on_behalf: OnBehalf) {
    let expires_ms = office.now + MAX_INVITATION_MS;
    let offer =
        C::OfferLine { invitation: OFFER, card: guest(), expires_ms, token_sha256: TOKEN, line: terms(), on_behalf };
    office.send(session, offer);
}

/// As if its signature, the delegation and the request had been verified.
fn attestation(office: &Office) -> NewAttestation {
    let content = HolderAttestation {
        office: principal().office,
        invitation: OFFER,
        principal: principal(),
        holder: guest(),
        terms: terms(),
        device: HOLDER,
        request_sha256: sha256(b"request"),
        on_behalf: under(1),
        at_ms: office.now,
    };
    NewAttestation { content, by: DESK, statement: "attestation".into(), delegation: "d".into() }
}

fn attest(office: &mut Office, session: u64, new: NewAttestation) {
    let effects = office.board.attest_holder(SessionId(session), Ok(new), office.now);
    office.run(effects);
}

fn shown(office: &Office, session: u64) -> Option<OpenInvitation> {
    let shown = |message: &S| match message {
        S::Invitations { changed, .. } => changed.iter().find(|one| one.invitation == OFFER).cloned(),
        _ => None,
    };
    office.sent_to(session).filter_map(shown).last()
}

fn refusal(office: &Office, session: u64) -> Option<String> {
    let refused = |message: &S| match message {
        S::Refused { message, .. } => Some(message.clone()),
        _ => None,
    };
    office.sent_to(session).filter_map(refused).last()
}

#[test]
fn an_offer_for_a_principal_concerns_them_and_those_who_change_their_lines() {
    let mut office = delegated_office();
    offer_for(&mut office, 4, under(1));
    asks(&mut office);
    for session in [1, 2, 4, 5] {
        let offered = shown(&office, session).expect("shown").offered_for.expect("for somebody");
        assert_eq!((offered.principal, offered.delegate, offered.attested), (principal(), desk(), None), "{session}");
    }
    assert_eq!((shown(&office, 6), shown(&office, 7)), (None, None), "not theirs");
    let made = office.entries().find_map(|entry| match entry {
        Entry::InvitationMade { by, line, delegation, .. } => Some((by, line, delegation)),
        _ => None,
    });
    assert_eq!(made, Some((DESK, true, Some(under(1).delegation))));
    // The colleague sees it again after a reconnect, and may withdraw it; the others may not.
    office.done.clear();
    connect_all(&mut office);
    assert!(shown(&office, 2).is_some() && shown(&office, 5).is_some());
    assert_eq!((shown(&office, 6), shown(&office, 7)), (None, None));
    for session in [6, 7] {
        office.send(session, C::CloseInvitation { invitation: OFFER });
        assert!(refusal(&office, session).is_some_and(|text| text.contains("may not close")), "{session}");
    }
    office.send(5, C::CloseInvitation { invitation: OFFER });
    assert_eq!(count(&office, "invitation_closed"), 1);
}

#[test]
fn nobody_offers_a_line_for_a_principal_who_did_not_let_them() {
    let mut office = delegated_office();
    for (session, named) in [(6, under(3)), (6, under(1)), (4, under(2)), (5, under(9)), (7, under(1))] {
        office.done.clear();
        offer_for(&mut office, session, named);
        assert!(refusal(&office, session).is_some(), "{session}");
    }
    office.wait(HOUR_MS + 1);
    offer_for(&mut office, 4, under(1));
    assert!(refusal(&office, 4).is_some_and(|text| text.contains("has ended")));
    assert_eq!(count(&office, "invitation_made"), 0);
}

#[test]
fn a_line_that_a_delegate_offered_is_bound_after_they_compared_and_by_its_principal_only() {
    let mut office = delegated_office();
    offer_for(&mut office, 4, under(1));
    asks(&mut office);
    approve(&mut office);
    assert!(refusal(&office, 2).is_some_and(|text| text.contains("has not compared")));
    // Another delegate's device, another device that asked, other terms, another delegation, an old date.
    let honest = attestation(&office);
    let change = |change: &dyn Fn(&mut NewAttestation)| {
        let mut new = honest.clone();
        change(&mut new);
        new
    };
    let wrong = [
        (5, change(&|_| {})),
        (5, change(&|new| new.by = COLLEAGUE)),
        (4, change(&|new| new.content.device = GIVER)),
        (4, change(&|new| new.content.terms.reach = Reach::Desk)),
        (4, change(&|new| new.content.holder.name = "Somebody else".into())),
        (4, change(&|new| new.content.on_behalf = under(2))),
        (4, change(&|new| new.content.at_ms -= 2 * CLOCK_TOLERANCE_S * 1000)),
    ];
    for (n, (session, new)) in wrong.into_iter().enumerate() {
        office.done.clear();
        attest(&mut office, session, new);
        assert!(refusal(&office, session).is_some(), "{n}");
    }
    assert!(office.board.invitations.open[&OFFER].attestation.is_none());
    attest(&mut office, 4, honest.clone());
    assert!(shown(&office, 2).is_some_and(|one| one.offered_for.is_some_and(|offered| offered.attested.is_some())));
    attest(&mut office, 4, honest);
    assert!(refusal(&office, 4).is_some_and(|text| text.contains("told already")));
    assert_eq!(versions(&office), []);
    approve(&mut office);
    assert_eq!(versions(&office), [(1, LineState::Live)]);
    assert_eq!(count(&office, "invitation_closed"), 1);
}

#[test]
fn a_delegation_that_ended_attests_nothing_and_what_it_attested_before_is_the_principal_s_to_confirm() {
    for attested in [false, true] {
        let mut office = delegated_office();
        offer_for(&mut office, 4, under(1));
        asks(&mut office);
        if attested {
            let new = attestation(&office);
            attest(&mut office, 4, new);
        }
        office.wait(HOUR_MS + 1);
        let new = attestation(&office);
        office.done.clear();
        attest(&mut office, 4, new);
        assert!(refusal(&office, 4).is_some());
        approve(&mut office);
        assert_eq!(versions(&office).len(), usize::from(attested));
    }
}

#[test]
fn a_crash_at_any_output_of_an_attestation_keeps_it_or_asks_for_it_again() {
    let mut outcomes = BTreeSet::new();
    for left in 0.. {
        let mut office = delegated_office();
        offer_for(&mut office, 4, under(1));
        asks(&mut office);
        office.left = left;
        let new = attestation(&office);
        attest(&mut office, 4, new);
        let all = office.left > 0;
        office.restart();
        connect_all(&mut office);
        let kept = office.board.invitations.open[&OFFER].attestation.is_some();
        outcomes.insert(kept);
        let told = shown(&office, 2).and_then(|one| one.offered_for).is_some_and(|offered| offered.attested.is_some());
        assert_eq!(told, kept, "after {left} outputs");
        if !kept {
            let new = attestation(&office);
            attest(&mut office, 4, new);
        }
        approve(&mut office);
        assert_eq!(versions(&office), [(1, LineState::Live)], "after {left} outputs");
        if all {
            break;
        }
    }
    assert_eq!(outcomes, BTreeSet::from([false, true]));
}
