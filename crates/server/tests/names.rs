//! People who look the same. The attacker controls the name under which an office invites somebody, and the characters in it.

mod common;

use common::{Office, now_ms};
use telcon_identity::{Authority, Invitation};
use telcon_proto::{Card, PersonId, Role, SuiteName, http::InviteRequest};

/// The name of [`Office::card`] number `n`, in other characters that look the same: Cyrillic letters.
fn lookalike(name: &str) -> String {
    let other = name.replace('e', "\u{435}").replace('c', "\u{441}");
    assert_ne!(other, name);
    other
}

/// The office states an invitation; the status and the text of the answer.
async fn state(office: &Office, invitation: &Invitation, same_name_as: &[PersonId]) -> (u16, String) {
    let jws = office.authority.issued(invitation, same_name_as.to_vec(), now_ms());
    let answer = office.post("/api/v1/invitations", &serde_json::to_vec(&InviteRequest { jws }).unwrap()).await;
    (answer.status, answer.text())
}

async fn enrol(office: &Office, card: &Card, invitation: &Invitation) -> (u16, String) {
    let device = office.device(card.clone(), invitation, now_ms());
    let answer = office.post("/api/v1/devices", &device.enrol_request()).await;
    (answer.status, answer.text())
}

fn twin(office: &Office, of: &Card) -> (Card, Invitation) {
    let card = Card { name: lookalike(&of.name), ..office.card(Role::Counterpart) };
    (card.clone(), office.invite(card, now_ms()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_looks_like_an_enrolled_persons_is_not_invited() {
    let mut office = Office::start().await;
    let person = office.person(Role::Principal).await;
    for restarted in [false, true] {
        if restarted {
            office.stop().await;
            office.run().await;
        }
        let (card, invitation) = twin(&office, &person.card);
        let (status, text) = state(&office, &invitation, &[]).await;
        assert_eq!(status, 409, "{text}");
        for shown in [&card.name, &person.card.name, &person.person().to_hex(), "counterpart", "principal"] {
            assert!(text.contains(shown), "{shown} is missing: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_looks_like_an_invited_persons_is_not_invited() {
    let mut office = Office::start().await;
    let card = office.card(Role::Principal);
    let invitation = office.invite(card.clone(), now_ms());
    assert_eq!(state(&office, &invitation, &[]).await.0, 200);
    assert_eq!(state(&office, &invitation, &[]).await.0, 200, "the same statement again");
    office.stop().await;
    office.run().await;
    let (_, other) = twin(&office, &card);
    let (status, text) = state(&office, &other, &[]).await;
    assert!(status == 409 && text.contains("who is invited"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_looks_like_an_enrolled_persons_is_not_enrolled_by_an_offline_invitation() {
    let office = Office::start().await;
    let person = office.person(Role::Principal).await;
    let (card, invitation) = twin(&office, &person.card);
    let (status, text) = enrol(&office, &card, &invitation).await;
    assert!(status == 409 && text.contains(&card.name) && text.contains(&person.card.name), "{text}");
    // A further device of the same person is no twin of theirs.
    let again = office.invite(person.card.clone(), now_ms());
    assert_eq!(enrol(&office, &person.card, &again).await.0, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_office_may_decide_that_two_people_look_the_same() {
    let mut office = Office::start().await;
    let (first, second) = (office.card(Role::Principal), office.card(Role::Principal));
    let invited_first = office.invite(first.clone(), now_ms());
    assert_eq!(state(&office, &invited_first, &[]).await.0, 200);
    let (card, invitation) = twin(&office, &first);
    assert_eq!(state(&office, &invitation, &[second.person]).await.0, 409, "a decision about another person");
    assert_eq!(state(&office, &invitation, &[first.person]).await.0, 200);
    office.stop().await;
    office.run().await;
    // Whoever of them enrols first.
    let (status, text) = enrol(&office, &card, &invitation).await;
    assert_eq!(status, 201, "{text}");
    let (status, text) = enrol(&office, &first, &invited_first).await;
    assert_eq!(status, 201, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_somebody_whose_devices_are_revoked_is_free() {
    let office = Office::start().await;
    let person = office.person(Role::Principal).await;
    let jws = office.authority.revoke(person.id, now_ms()).unwrap();
    let body = serde_json::to_vec(&telcon_proto::http::RevokeRequest { jws }).unwrap();
    assert_eq!(office.post("/api/v1/revocations", &body).await.status, 200);
    let (card, invitation) = twin(&office, &person.card);
    assert_eq!(state(&office, &invitation, &[]).await.0, 200);
    assert_eq!(enrol(&office, &card, &invitation).await.0, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn invitations_are_stated_by_the_authority_alone() {
    let office = Office::start().await;
    let domain = office.anchor.domain().as_str();
    let other = Authority::create(SuiteName::Hybrid, &[77; 32], domain, "Another authority", now_ms()).unwrap();
    let card = office.card(Role::Principal);
    let invitation = office.invite(card.clone(), now_ms());
    // Another authority under the same domain.
    let jws = other.issued(&invitation, Vec::new(), now_ms());
    let forged = serde_json::to_vec(&InviteRequest { jws }).unwrap();
    assert_eq!(office.post("/api/v1/invitations", &forged).await.status, 403);
    // A statement of the same authority about something else.
    let jws = office.authority.revoke(office.person(Role::Principal).await.id, now_ms()).unwrap();
    let confused = serde_json::to_vec(&InviteRequest { jws }).unwrap();
    assert_eq!(office.post("/api/v1/invitations", &confused).await.status, 403);
    let expired = office.invite(card, now_ms() - 2 * 3_600_000);
    assert_eq!(state(&office, &expired, &[]).await.0, 403);
}
