//! Registrars on real sockets: invitations, devices that ask, approvals, and attacks on each.

mod common;
#[path = "registrars/recovery.rs"]
mod recovery;
#[path = "registrars/two.rs"]
mod two;

use common::{Answer, Client, Device, Office, now_ms};
use telcon_identity::{Ask, Registrar, read_request, verify_request};
use telcon_proto::{
    Blob, Card, ClientMessage as C, DeviceId, Digest, InvitationId, Role, ServerMessage as S, SuiteName,
    entry::{Entry, InvitationClosed},
    http::{AppointRequest, AskRequest, Asked, DeviceList, ListedDevice, RevokeRequest},
    message::{OpenInvitation, RefusalCode},
};

const SECRET: [u8; 32] = [3; 32];
const DAY_MS: u64 = 86_400_000;

/// A security officer whose device is a registrar.
struct Officer {
    device: Device,
    registrar: Registrar,
}

impl Officer {
    async fn appointed(office: &Office, roles: &[Role]) -> Self {
        let device = office.person(Role::SecurityOfficer).await;
        let der = appointment(office, &device, roles);
        assert_eq!(appoint(office, &der).await.status, 200);
        let registrar = office.anchor.verify_registrar(&der, now_ms()).unwrap();
        Self { device, registrar }
    }

    async fn sign_in(&self, office: &Office) -> Client {
        let mut client = Client::sign_in(office.addr(), &self.device).await;
        let certificate = client.until(|message| match message {
            S::Registrar { certificate } => Some(certificate),
            _ => None,
        });
        assert_eq!(certificate.await.as_slice(), self.registrar.der());
        client
    }

    /// The certificates with which it approves a request.
    fn certify(&self, office: &Office, invitation: InvitationId, request: &str, card: &Card) -> Vec<Blob> {
        let ask = ask(office, invitation, SECRET);
        let verified = verify_request(request, office.anchor.domain(), &ask).unwrap();
        let chain = self.registrar.certify(&self.device.key, &verified, card, now_ms()).unwrap();
        chain.into_iter().map(Blob).collect()
    }
}

fn appointment(office: &Office, device: &Device, roles: &[Role]) -> Vec<u8> {
    let verified = office.anchor.verify_chain(&device.chain, now_ms()).unwrap();
    office.authority.appoint(&verified, roles, now_ms()).unwrap()
}

async fn appoint(office: &Office, der: &[u8]) -> Answer {
    let body = serde_json::to_vec(&AppointRequest { certificate: Blob(der.to_vec()) }).unwrap();
    office.post("/api/v1/registrars", &body).await
}

fn ask(office: &Office, invitation: InvitationId, secret: [u8; 32]) -> Ask {
    Ask::new(office.info.suite, secret, office.authority.certificate_sha256(), invitation)
}

/// The digest that the server has of an invitation's token.
fn token(invitation: InvitationId) -> Digest {
    Ask::new(SuiteName::Hybrid, SECRET, [0; 32], invitation).token_sha256()
}

/// A new device and what it sends.
fn request(office: &Office, invitation: InvitationId, n: u8) -> (Device, String) {
    let key = telcon_identity::DeviceKey::from_seed(office.info.suite, &[n; 32]);
    let id = DeviceId::from_bytes([n; 16]);
    let ask = ask(office, invitation, SECRET);
    let jws = ask.request(&key, id, office.anchor.domain(), "Firefox on Android", now_ms()).unwrap();
    (Device { key, chain: Vec::new(), id, card: office.card(Role::Principal) }, jws)
}

async fn send(office: &Office, jws: &str) -> Answer {
    let body = serde_json::to_vec(&AskRequest { request: jws.to_owned() }).unwrap();
    office.post("/api/v1/device-requests", &body).await
}

async fn changed(client: &mut Client) -> OpenInvitation {
    client
        .until(|message| match message {
            S::Invitations { mut changed, .. } => changed.pop(),
            _ => None,
        })
        .await
}

async fn closed(client: &mut Client) -> InvitationId {
    client
        .until(|message| match message {
            S::Invitations { mut closed, .. } => closed.pop(),
            _ => None,
        })
        .await
}

async fn refused(client: &mut Client) -> RefusalCode {
    client
        .until(|message| match message {
            S::Refused { code, .. } => Some(code),
            _ => None,
        })
        .await
}

/// Invites a principal, and waits until the log has it.
async fn invite(client: &mut Client, n: u8, card: &Card) -> InvitationId {
    let invitation = InvitationId::from_bytes([n; 16]);
    client
        .send(&C::Invite {
            invitation,
            card: card.clone(),
            expires_ms: now_ms() + DAY_MS,
            token_sha256: token(invitation),
            line: None,
        })
        .await;
    assert_eq!(changed(client).await.invitation, invitation);
    invitation
}

async fn devices(office: &Office, client: &Client) -> Vec<ListedDevice> {
    let answer = office.http("GET", "/api/v1/devices", &[("authorization", &client.bearer())], b"").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json::<DeviceList>().devices
}

#[tokio::test]
async fn a_registrar_invites_and_approves_a_device_which_then_signs_in() {
    let mut office = Office::start().await;
    let officer = Officer::appointed(&office, &[Role::Principal]).await;
    let mut client = officer.sign_in(&office).await;
    let card = office.card(Role::Principal);
    let invitation = invite(&mut client, 1, &card).await;

    let (mut device, jws) = request(&office, invitation, 50);
    assert!(matches!(send(&office, &jws).await.json(), Asked::Waiting { .. }));
    let shown = changed(&mut client).await;
    assert_eq!(shown.request.as_ref(), Some(&jws));
    // Nothing is lost by a restart: the request waits, and the same device may ask again.
    office.stop().await;
    office.run().await;
    assert!(matches!(send(&office, &jws).await.json(), Asked::Waiting { .. }));
    let mut client = officer.sign_in(&office).await;
    assert_eq!(changed(&mut client).await.request, Some(jws.clone()));

    let chain = officer.certify(&office, invitation, &jws, &card);
    client.send(&C::ApproveDevice { invitation, chain: chain.clone(), line: None }).await;
    assert_eq!(closed(&mut client).await, invitation);
    let Asked::Approved { chain: sent } = send(&office, &jws).await.json() else { panic!("not approved") };
    assert_eq!(sent, chain);
    device.chain = sent.into_iter().map(|der| der.0).collect();
    let theirs = Client::sign_in(office.addr(), &device).await;

    let listed = devices(&office, &client).await;
    let new = listed.iter().find(|listed| listed.device == device.id).unwrap();
    assert_eq!((&new.card, new.label.as_deref()), (&card, Some("Firefox on Android")));
    assert_eq!((new.approved_by, new.connected, new.registrar), (Some(officer.device.id), true, false));
    assert!(listed.iter().any(|listed| listed.device == officer.device.id && listed.registrar));
    // Others see their own.
    assert_eq!(devices(&office, &theirs).await.iter().map(|d| d.device).collect::<Vec<_>>(), [device.id]);

    office.stop().await;
    let kinds: Vec<&str> = office.log_entries().iter().map(Entry::kind).collect();
    let expected = [
        "device_enrolled",
        "registrar_appointed",
        "invitation_made",
        "alert_raised",
        "device_enrolled",
        "invitation_closed",
    ];
    assert_eq!(kinds, expected);
    assert!(matches!(
        office.log_entries()[5],
        Entry::InvitationClosed { how: InvitationClosed::Approved, by, device: asked, .. }
            if by == Some(officer.device.id) && asked == Some(device.id)
    ));
    // Its certificates are in the archive.
    let archived = office.dir.path().join("server/archive/devices");
    assert_eq!(std::fs::read_dir(archived).unwrap().count(), 2);
    office.run().await;
    Client::sign_in(office.addr(), &device).await;
}

#[tokio::test]
async fn a_link_that_is_opened_again_is_refused_and_the_registrar_is_told() {
    let office = Office::start().await;
    let officer = Officer::appointed(&office, &[Role::Principal]).await;
    let mut client = officer.sign_in(&office).await;
    let card = office.card(Role::Principal);
    let invitation = invite(&mut client, 1, &card).await;
    let (_, first) = request(&office, invitation, 50);
    let (_, thief) = request(&office, invitation, 51);
    assert_eq!(send(&office, &first).await.status, 200);
    assert_eq!(changed(&mut client).await.refused_requests, 0);
    assert_eq!(send(&office, &thief).await.status, 410);
    let shown = changed(&mut client).await;
    assert_eq!((shown.refused_requests, shown.request.as_ref()), (1, Some(&first)));
    // After the approval too.
    let chain = officer.certify(&office, invitation, &first, &card);
    client.send(&C::ApproveDevice { invitation, chain: chain.clone(), line: None }).await;
    closed(&mut client).await;
    assert_eq!(send(&office, &thief).await.status, 410);
    // An approval that is sent again enrols nothing.
    client.send(&C::ApproveDevice { invitation, chain, line: None }).await;
    assert_eq!(refused(&mut client).await, RefusalCode::NotAllowed);
}

/// The id of an invitation is the registrar's choice, and ids of earlier ones are in the public log.
#[tokio::test]
async fn an_invitation_with_the_id_of_an_earlier_one_is_refused_and_disturbs_nobody() {
    let mut office = Office::start().await;
    let officer = Officer::appointed(&office, &[Role::Principal]).await;
    let mut client = officer.sign_in(&office).await;
    let card = office.card(Role::Principal);
    let invitation = invite(&mut client, 1, &card).await;
    let again = C::Invite {
        invitation,
        card: office.card(Role::Principal),
        expires_ms: now_ms() + DAY_MS,
        token_sha256: token(invitation),
        line: None,
    };
    let sentence = |message| match message {
        S::Refused { code: RefusalCode::NotAllowed, message, .. } => Some(message),
        _ => None,
    };
    let expected = "an invitation of this id exists, open or closed: make another";
    client.send(&again).await;
    assert_eq!(client.until(sentence).await, expected, "while it is open");
    client.send(&C::CloseInvitation { invitation }).await;
    assert_eq!(closed(&mut client).await, invitation);
    // Once this one is in the log, the end of the first is, too, and the switchboard has forgotten it.
    invite(&mut client, 2, &card).await;
    client.send(&again).await;
    assert_eq!(client.until(sentence).await, expected, "once it is closed");
    // The switchboard went on: it would have closed this connection if its store had failed.
    invite(&mut client, 3, &card).await;
    office.stop().await;
    office.run().await;
    let mut client = officer.sign_in(&office).await;
    client.send(&again).await;
    assert_eq!(client.until(sentence).await, expected, "after a restart");
    office.stop().await;
    let of_it = |entry: &&Entry| matches!(entry, Entry::InvitationMade { invitation: made, .. } if *made == invitation);
    assert_eq!(office.log_entries().iter().filter(of_it).count(), 1);
}

#[tokio::test]
async fn an_approval_of_anything_but_the_device_that_asked_is_refused() {
    let office = Office::start().await;
    let officer = Officer::appointed(&office, &[Role::Principal]).await;
    let mut client = officer.sign_in(&office).await;
    let (one, two) = (office.card(Role::Principal), office.card(Role::Principal));
    let (first, second) = (invite(&mut client, 1, &one).await, invite(&mut client, 2, &two).await);
    let (_, asks_first) = request(&office, first, 50);
    let (_, asks_second) = request(&office, second, 51);
    for jws in [&asks_first, &asks_second] {
        assert_eq!(send(&office, jws).await.status, 200);
    }
    let other_device = officer.certify(&office, second, &asks_second, &two);
    let other_card = officer.certify(&office, first, &asks_first, &two);
    let garbage = vec![Blob(vec![1]), Blob(vec![2])];
    let authority = office.device(one.clone(), &office.invite(one.clone(), now_ms()), now_ms());
    let of_the_authority = authority.chain.iter().cloned().map(Blob).collect();
    for chain in [other_device, other_card, garbage, of_the_authority, Vec::new()] {
        client.send(&C::ApproveDevice { invitation: first, chain, line: None }).await;
        assert_eq!(refused(&mut client).await, RefusalCode::NotAllowed);
    }
    // The page's way of enrolling does not take a registrar's certificate without an invitation.
    let chain = officer.certify(&office, first, &asks_first, &one);
    let body = serde_json::to_vec(&telcon_proto::http::EnrolRequest { chain }).unwrap();
    assert_eq!(office.post("/api/v1/devices", &body).await.status, 422);
    assert_eq!(devices(&office, &client).await.len(), 1);
}

#[tokio::test]
async fn who_is_not_a_registrar_invites_closes_and_approves_nothing() {
    let office = Office::start().await;
    let officer = Officer::appointed(&office, &[Role::Principal]).await;
    let mut client = officer.sign_in(&office).await;
    let card = office.card(Role::Principal);
    let invitation = invite(&mut client, 1, &card).await;
    let (_, jws) = request(&office, invitation, 50);
    assert_eq!(send(&office, &jws).await.status, 200);
    let chain = officer.certify(&office, invitation, &jws, &card);
    // A security officer that was not appointed, too.
    for role in Role::ALL {
        let device = office.person(role).await;
        let mut other = Client::sign_in(office.addr(), &device).await;
        let own = InvitationId::from_bytes([9; 16]);
        for attempt in [
            C::Invite {
                invitation: own,
                card: office.card(Role::Principal),
                expires_ms: now_ms() + DAY_MS,
                token_sha256: token(own),
                line: None,
            },
            C::CloseInvitation { invitation },
            C::ApproveDevice { invitation, chain: chain.clone(), line: None },
        ] {
            other.send(&attempt).await;
            assert_eq!(refused(&mut other).await, RefusalCode::NotAllowed, "{role:?}: {attempt:?}");
        }
        let list = devices(&office, &other).await;
        assert_eq!(list.len() == 1, role != Role::SecurityOfficer, "{role:?} sees {} devices", list.len());
    }
    // Another registrar, which cannot verify what was asked.
    let other = Officer::appointed(&office, &[Role::Principal]).await;
    let chain = other.certify(&office, invitation, &jws, &card);
    let mut theirs = other.sign_in(&office).await;
    theirs.send(&C::ApproveDevice { invitation, chain, line: None }).await;
    assert_eq!(refused(&mut theirs).await, RefusalCode::NotAllowed);
    // A role that the authority did not name.
    let counterpart = office.card(Role::Counterpart);
    let invitation = InvitationId::from_bytes([8; 16]);
    client
        .send(&C::Invite {
            invitation,
            card: counterpart,
            expires_ms: now_ms() + DAY_MS,
            token_sha256: token(invitation),
            line: None,
        })
        .await;
    assert_eq!(refused(&mut client).await, RefusalCode::NotAllowed);
}

#[tokio::test]
async fn withdrawn_refused_and_unknown_links_enrol_nothing_and_are_in_the_log() {
    let mut office = Office::start().await;
    let officer = Officer::appointed(&office, &[Role::Principal]).await;
    let mut client = officer.sign_in(&office).await;
    let card = office.card(Role::Principal);
    let withdrawn = invite(&mut client, 1, &card).await;
    client.send(&C::CloseInvitation { invitation: withdrawn }).await;
    assert_eq!(closed(&mut client).await, withdrawn);
    assert_eq!(send(&office, &request(&office, withdrawn, 50).1).await.status, 410);
    let asked = invite(&mut client, 2, &card).await;
    let (_, jws) = request(&office, asked, 51);
    assert_eq!(send(&office, &jws).await.status, 200);
    client.send(&C::CloseInvitation { invitation: asked }).await;
    assert_eq!(closed(&mut client).await, asked);
    assert_eq!(send(&office, &jws).await.json::<Asked>(), Asked::Refused {});
    assert_eq!(send(&office, &request(&office, InvitationId::from_bytes([7; 16]), 52).1).await.status, 404);
    assert_eq!(send(&office, "no.jws.here").await.status, 422);
    office.stop().await;
    let ends: Vec<_> = office
        .log_entries()
        .iter()
        .filter_map(|entry| match entry {
            Entry::InvitationClosed { how, device, .. } => Some((*how, *device)),
            _ => None,
        })
        .collect();
    let expected =
        [(InvitationClosed::Withdrawn, None), (InvitationClosed::Refused, Some(DeviceId::from_bytes([51; 16])))];
    assert_eq!(ends, expected);
}

#[tokio::test]
async fn a_revoked_registrar_can_do_nothing_more() {
    let office = Office::start().await;
    let officer = Officer::appointed(&office, &[Role::Principal]).await;
    let mut client = officer.sign_in(&office).await;
    let jws = office.authority.revoke(officer.device.id, now_ms()).unwrap();
    let body = serde_json::to_vec(&RevokeRequest { jws }).unwrap();
    assert_eq!(office.post("/api/v1/revocations", &body).await.status, 200);
    assert_eq!(client.closed().await, Some(4002));
    // Its appointment cannot be used for it again either.
    assert_eq!(appoint(&office, officer.registrar.der()).await.status, 404);
}

#[tokio::test]
async fn an_appointment_is_taken_from_the_authority_alone_and_for_the_devices_own_key() {
    let office = Office::start().await;
    let officer = office.person(Role::SecurityOfficer).await;
    let other = office.person(Role::SecurityOfficer).await;
    let der = appointment(&office, &officer, &[Role::Principal]);
    let mut changed = der.clone();
    *changed.last_mut().unwrap() ^= 1;
    for bad in [&changed[..], &officer.chain[0], &officer.chain[1], office.authority.certificate_der(), b""] {
        assert_eq!(appoint(&office, bad).await.status, 422);
    }
    // The other officer's device is not appointed by it.
    assert_eq!(appoint(&office, &der).await.status, 200);
    let mut client = Client::sign_in(office.addr(), &other).await;
    let card = office.card(Role::Principal);
    let invitation = InvitationId::from_bytes([9; 16]);
    client
        .send(&C::Invite {
            invitation,
            card,
            expires_ms: now_ms() + DAY_MS,
            token_sha256: token(invitation),
            line: None,
        })
        .await;
    assert_eq!(refused(&mut client).await, RefusalCode::NotAllowed);
}

#[tokio::test]
async fn a_registrar_invites_nobody_who_looks_like_somebody_else() {
    let office = Office::start().await;
    let officer = Officer::appointed(&office, &[Role::Principal]).await;
    let known = office.person(Role::Principal).await;
    let mut client = officer.sign_in(&office).await;
    // Cyrillic letters in the place of Latin ones.
    let alike = Card { name: known.card.name.replace('e', "\u{435}"), ..office.card(Role::Principal) };
    let invitation = InvitationId::from_bytes([1; 16]);
    client
        .send(&C::Invite {
            invitation,
            card: alike,
            expires_ms: now_ms() + DAY_MS,
            token_sha256: token(invitation),
            line: None,
        })
        .await;
    assert_eq!(refused(&mut client).await, RefusalCode::NotAllowed);
    // The same person with another device.
    invite(&mut client, 2, &known.card).await;
}

#[tokio::test]
async fn a_registrar_revokes_a_device_of_its_roles_and_no_other() {
    let mut office = Office::start().await;
    let officer = Officer::appointed(&office, &[Role::Principal]).await;
    let other = Officer::appointed(&office, &[Role::NoteTaker]).await;
    let (principal, counterpart) = (office.person(Role::Principal).await, office.person(Role::Counterpart).await);
    let mut client = officer.sign_in(&office).await;
    let mut theirs = Client::sign_in(office.addr(), &principal).await;
    let statement = |by: &Officer, device: &Device| by.registrar.revoke(&by.device.key, device.id, now_ms()).unwrap();

    // Of a role that it may not enrol; in another registrar's name; forged; by somebody who is no registrar; over HTTP.
    for (device, signer) in [(&counterpart, &officer), (&principal, &other)] {
        client.send(&C::RevokeDevice { statement: statement(signer, device) }).await;
        assert_eq!(refused(&mut client).await, RefusalCode::NotAllowed);
    }
    client.send(&C::RevokeDevice { statement: "no.jws.here~AAAA".into() }).await;
    assert_eq!(refused(&mut client).await, RefusalCode::NotAllowed);
    theirs.send(&C::RevokeDevice { statement: statement(&officer, &counterpart) }).await;
    assert_eq!(refused(&mut theirs).await, RefusalCode::NotAllowed);
    let body = serde_json::to_vec(&RevokeRequest { jws: statement(&officer, &principal) }).unwrap();
    assert_eq!(office.post("/api/v1/revocations", &body).await.status, 403);

    let signed = statement(&officer, &principal);
    client.send(&C::RevokeDevice { statement: signed.clone() }).await;
    let told = theirs.until(|message| match message {
        S::Revoked { jws } => Some(jws),
        _ => None,
    });
    assert_eq!(told.await, Some(signed.clone()));
    assert_eq!(theirs.closed().await, Some(4002));
    client.until(|message| matches!(message, S::DevicesChanged {}).then_some(())).await;
    let listed = devices(&office, &client).await;
    assert!(listed.iter().any(|listed| listed.device == principal.id && listed.revoked_ms.is_some()));
    // Once.
    client.send(&C::RevokeDevice { statement: signed.clone() }).await;
    assert_eq!(refused(&mut client).await, RefusalCode::NotAllowed);

    // It is told again with the registrar's certificate, also after a restart; the log has the signature alone.
    office.stop().await;
    let revocation = office.log_entries().into_iter().find_map(|entry| match entry {
        Entry::DeviceRevoked { device, jws, .. } if device == principal.id => jws,
        _ => None,
    });
    assert_eq!(revocation.as_deref(), signed.split('~').next());
    office.run().await;
    let mut again = Client::raw(office.addr(), None).await.unwrap();
    again.prove(&principal, common::DOMAIN).await;
    assert_eq!(again.next().await, Some(S::Revoked { jws: Some(signed) }));
}

#[tokio::test]
async fn who_only_read_the_log_cannot_use_up_a_link() {
    let office = Office::start().await;
    let officer = Officer::appointed(&office, &[Role::Principal]).await;
    let mut client = officer.sign_in(&office).await;
    let invitation = invite(&mut client, 1, &office.card(Role::Principal)).await;
    // The identifier of an invitation is in the log, for everybody.
    let key = telcon_identity::DeviceKey::from_seed(office.info.suite, &[60; 32]);
    let stranger = ask(&office, invitation, [0; 32]);
    let id = DeviceId::from_bytes([60; 16]);
    let jws = stranger.request(&key, id, office.anchor.domain(), "x", now_ms()).unwrap();
    assert_eq!(send(&office, &jws).await.status, 404);
    let (_, honest) = request(&office, invitation, 50);
    assert_eq!(send(&office, &honest).await.status, 200);
    assert_eq!(send(&office, &jws).await.status, 404);
    let shown = changed(&mut client).await;
    assert_eq!((shown.request, shown.refused_requests), (Some(honest), 0));
}
