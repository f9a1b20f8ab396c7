//! An office whose charter demands two registrars.

use super::*;
use telcon_identity::{CharterTerms, certify_holder, sign_line};
use telcon_proto::{
    LineId, RecordMode,
    http::Registrars,
    line::{Line, LineState, LineTerms, Reach, Rings},
};

async fn office(suite: SuiteName) -> Office {
    office_with(suite, Rings::ByRole).await
}

async fn office_with(suite: SuiteName, rings: Rings) -> Office {
    let terms = CharterTerms { floor: RecordMode::LogOnly, registrars: Registrars::Two, rings };
    Office::start_with(terms, suite).await
}

impl Officer {
    /// The certificates with which it approves second what it is shown.
    pub(super) fn certify_second(&self, office: &Office, shown: &OpenInvitation) -> Vec<Blob> {
        let request = read_request(shown.request.as_ref().unwrap(), office.anchor.domain(), office.info.suite).unwrap();
        let chain: Vec<&[u8]> = shown.first_approval.as_ref().unwrap().chain.iter().map(Blob::as_slice).collect();
        let first = office.anchor.verify_approval(&chain, &request, &shown.card, now_ms()).unwrap();
        let chain = self.registrar.certify_second(&self.device.key, &first, now_ms()).unwrap();
        chain.into_iter().map(Blob).collect()
    }

    /// Another device of the same person, appointed too.
    async fn other_device(&self, office: &Office, roles: &[Role]) -> Self {
        let card = self.device.card.clone();
        let device = office.device(card.clone(), &office.invite(card, now_ms()), now_ms());
        assert_eq!(office.post("/api/v1/devices", &device.enrol_request()).await.status, 201);
        let der = appointment(office, &device, roles);
        assert_eq!(appoint(office, &der).await.status, 200);
        let registrar = office.anchor.verify_registrar(&der, now_ms()).unwrap();
        Self { device, registrar }
    }
}

/// Waits until the invitation shows the first approval.
async fn approved_first(client: &mut Client) -> OpenInvitation {
    client
        .until(|message| match message {
            S::Invitations { changed, .. } => changed.into_iter().find(|open| open.first_approval.is_some()),
            _ => None,
        })
        .await
}

async fn approve(client: &mut Client, invitation: InvitationId, chain: &[Blob]) {
    client.send(&C::ApproveDevice { invitation, chain: chain.to_vec(), line: None }).await;
}

#[tokio::test]
async fn two_registrars_approve_a_device_which_then_signs_in() {
    for suite in [SuiteName::Hybrid, SuiteName::Cnsa2] {
        let mut office = office(suite).await;
        let one = Officer::appointed(&office, &[Role::Principal]).await;
        let two = Officer::appointed(&office, &[Role::Principal]).await;
        let mut client = one.sign_in(&office).await;
        let card = office.card(Role::Principal);
        let invitation = InvitationId::from_bytes([1; 16]);
        let token_sha256 = ask(&office, invitation, SECRET).token_sha256();
        let expires_ms = now_ms() + DAY_MS;
        client.send(&C::Invite { invitation, card: card.clone(), expires_ms, token_sha256, line: None }).await;
        changed(&mut client).await;
        let (mut device, jws) = request(&office, invitation, 50);
        assert!(matches!(send(&office, &jws).await.json(), Asked::Waiting { approvals: 0, .. }));
        changed(&mut client).await;
        let first = one.certify(&office, invitation, &jws, &card);
        approve(&mut client, invitation, &first).await;
        let shown = approved_first(&mut client).await;
        assert_eq!(shown.first_approval.as_ref().unwrap().chain, first);
        assert!(matches!(send(&office, &jws).await.json(), Asked::Waiting { approvals: 1, .. }));
        assert_eq!(devices(&office, &client).await.len(), 2);

        // The first approval survives a restart, and the second registrar sees it.
        office.stop().await;
        let database = office.dir.path().join("server/telcon.db");
        let before = std::fs::read(&database).unwrap();
        office.run().await;
        let mut theirs = two.sign_in(&office).await;
        let shown = approved_first(&mut theirs).await;
        assert_eq!((shown.by, shown.request.as_deref()), (one.device.id, Some(&*jws)));
        let second = two.certify_second(&office, &shown);
        approve(&mut theirs, invitation, &second).await;
        assert_eq!(closed(&mut theirs).await, invitation);
        let Asked::Approved { chain } = send(&office, &jws).await.json() else { panic!("not approved") };
        assert_eq!(chain, [first, second].concat());
        device.chain = chain.into_iter().map(|der| der.0).collect();
        let verified = office.anchor.verify_chain(&device.chain, now_ms()).unwrap();
        assert_eq!(verified.registrars(), [one.device.id, two.device.id]);
        Client::sign_in(office.addr(), &device).await;
        let listed = devices(&office, &theirs).await;
        let new = listed.iter().find(|listed| listed.device == device.id).unwrap();
        assert_eq!((new.first_approved_by, new.approved_by), (Some(one.device.id), Some(two.device.id)));

        // The log has both certificates, and the archive all four.
        office.stop().await;
        let entries = office.log_entries();
        let enrolled = entries.iter().find_map(|entry| match entry {
            Entry::DeviceEnrolled { device: id, cert_sha256, second_cert_sha256, .. } if *id == device.id => {
                Some((*cert_sha256.as_bytes(), second_cert_sha256.map(|digest| *digest.as_bytes())))
            }
            _ => None,
        });
        assert_eq!(enrolled, Some((verified.cert_sha256(), verified.second_cert_sha256())));
        let certificates = [verified.cert_sha256(), verified.second_cert_sha256().unwrap()];
        for (digest, pair) in certificates.iter().zip(device.chain.chunks_exact(2)) {
            for (folder, der) in ["devices", "issuers"].iter().zip(pair) {
                let path = format!("server/archive/{folder}/{}.der", telcon_proto::hex(digest));
                assert_eq!(&std::fs::read(office.dir.path().join(path)).unwrap(), der);
            }
        }
        // A database of before the second approval gets the device from log and archive.
        std::fs::write(&database, before).unwrap();
        office.run().await;
        Client::sign_in(office.addr(), &device).await;
    }
}

#[tokio::test]
async fn one_registrar_where_two_are_needed_enrols_nothing() {
    let mut office = office(SuiteName::Hybrid).await;
    let one = Officer::appointed(&office, &[Role::Principal]).await;
    let same = one.other_device(&office, &[Role::Principal]).await;
    let mut client = one.sign_in(&office).await;
    let card = office.card(Role::Principal);
    let invitation = invite(&mut client, 1, &card).await;
    let (mut device, jws) = request(&office, invitation, 50);
    assert_eq!(send(&office, &jws).await.status, 200);
    let chain = one.certify(&office, invitation, &jws, &card);
    // Sent twice, it stays the first.
    for _ in 0..2 {
        approve(&mut client, invitation, &chain).await;
        approved_first(&mut client).await;
    }
    // Both at once.
    approve(&mut client, invitation, &[&chain[..], &chain[..]].concat()).await;
    assert_eq!(refused(&mut client).await, RefusalCode::NotAllowed);
    // With another device of the same person; over its own connection, and over the first's.
    let mut theirs = same.sign_in(&office).await;
    let second = same.certify(&office, invitation, &jws, &card);
    for client in [&mut theirs, &mut client] {
        approve(client, invitation, &second).await;
        assert_eq!(refused(client).await, RefusalCode::NotAllowed);
    }
    // As a device that the authority enrolled.
    for chain in [chain.clone(), second] {
        let body = serde_json::to_vec(&telcon_proto::http::EnrolRequest { chain }).unwrap();
        assert_eq!(office.post("/api/v1/devices", &body).await.status, 422);
    }
    assert!(matches!(send(&office, &jws).await.json(), Asked::Waiting { approvals: 1, .. }));
    device.chain = chain.into_iter().map(|der| der.0).collect();
    let mut asking = Client::raw(office.addr(), None).await.unwrap();
    asking.prove(&device, common::DOMAIN).await;
    assert!(!matches!(asking.next().await, Some(S::SignedIn { .. })));
    assert_eq!(devices(&office, &client).await.len(), 2);
    office.stop().await;
    let of_it = |entry: &&Entry| matches!(entry, Entry::DeviceEnrolled { device: id, .. } if *id == device.id);
    assert_eq!(office.log_entries().iter().filter(of_it).count(), 0);
}

#[tokio::test]
async fn an_approval_replayed_for_another_device_is_refused() {
    let office = office(SuiteName::Hybrid).await;
    let one = Officer::appointed(&office, &[Role::Principal]).await;
    let two = Officer::appointed(&office, &[Role::Principal]).await;
    let (mut client, mut theirs) = (one.sign_in(&office).await, two.sign_in(&office).await);
    let card = office.card(Role::Principal);
    let (first, other) = (invite(&mut client, 1, &card).await, invite(&mut client, 2, &card).await);
    let ((_, asks_first), (_, asks_other)) = (request(&office, first, 50), request(&office, other, 51));
    for jws in [&asks_first, &asks_other] {
        assert_eq!(send(&office, jws).await.status, 200);
    }
    let approval = one.certify(&office, first, &asks_first, &card);
    approve(&mut client, first, &approval).await;
    let shown = approved_first(&mut theirs).await;
    let second = two.certify_second(&office, &shown);
    // The first registrar's, then the second's, for the other device.
    approve(&mut client, other, &approval).await;
    assert_eq!(refused(&mut client).await, RefusalCode::NotAllowed);
    let of_other = one.certify(&office, other, &asks_other, &card);
    approve(&mut client, other, &of_other).await;
    approved_first(&mut client).await;
    approve(&mut theirs, other, &second).await;
    assert_eq!(refused(&mut theirs).await, RefusalCode::NotAllowed);
    // The second's after the first has approved anew, with another time.
    let certified_later = || {
        let verified = verify_request(&asks_first, office.anchor.domain(), &ask(&office, first, SECRET)).unwrap();
        let later = one.registrar.certify(&one.device.key, &verified, &card, now_ms() + 2_000).unwrap();
        later.into_iter().map(Blob).collect::<Vec<_>>()
    };
    let later = certified_later();
    approve(&mut client, first, &later).await;
    loop {
        let shown = approved_first(&mut client).await;
        if shown.first_approval.is_some_and(|shown| shown.chain == later) {
            break;
        }
    }
    approve(&mut theirs, first, &second).await;
    assert_eq!(refused(&mut theirs).await, RefusalCode::NotAllowed);
    assert_eq!(devices(&office, &theirs).await.len(), 2);
}

#[tokio::test]
async fn a_second_approval_of_another_person_key_or_role_is_refused() {
    let office = office(SuiteName::Hybrid).await;
    let one = Officer::appointed(&office, &[Role::Principal]).await;
    let two = Officer::appointed(&office, &[Role::Principal]).await;
    let beyond = Officer::appointed(&office, &[Role::NoteTaker]).await;
    let (mut client, mut theirs) = (one.sign_in(&office).await, two.sign_in(&office).await);
    let (card, other_card) = (office.card(Role::Principal), office.card(Role::Principal));
    let invitation = invite(&mut client, 1, &card).await;
    let (_, jws) = request(&office, invitation, 50);
    assert_eq!(send(&office, &jws).await.status, 200);
    approve(&mut client, invitation, &one.certify(&office, invitation, &jws, &card)).await;
    let shown = approved_first(&mut theirs).await;
    let good = two.certify_second(&office, &shown);
    // Another card; the right card at another time; another key for the same device.
    let other_card = two.certify(&office, invitation, &jws, &other_card);
    let verified = verify_request(&jws, office.anchor.domain(), &ask(&office, invitation, SECRET)).unwrap();
    let other_time = two.registrar.certify(&two.device.key, &verified, &card, now_ms() + 3_000).unwrap();
    let other_time = other_time.into_iter().map(Blob).collect::<Vec<_>>();
    let key = telcon_identity::DeviceKey::from_seed(office.info.suite, &[77; 32]);
    let device = DeviceId::from_bytes([50; 16]);
    let own = ask(&office, invitation, SECRET).request(&key, device, office.anchor.domain(), "x", now_ms()).unwrap();
    let other_key = two.certify(&office, invitation, &own, &card);
    for chain in [other_card, other_time, other_key] {
        approve(&mut theirs, invitation, &chain).await;
        assert_eq!(refused(&mut theirs).await, RefusalCode::NotAllowed);
    }
    // By a registrar who may not enrol principals: with the right registrar's certificates, over its own connection.
    let mut strangers = beyond.sign_in(&office).await;
    approve(&mut strangers, invitation, &good).await;
    assert_eq!(refused(&mut strangers).await, RefusalCode::NotAllowed);
    // The right one is still taken.
    approve(&mut theirs, invitation, &good).await;
    assert_eq!(closed(&mut theirs).await, invitation);
}

#[tokio::test]
async fn the_approval_of_a_registrar_that_was_revoked_in_between_does_not_count() {
    let mut office = office(SuiteName::Hybrid).await;
    let one = Officer::appointed(&office, &[Role::Principal]).await;
    let two = Officer::appointed(&office, &[Role::Principal]).await;
    let (mut client, mut theirs) = (one.sign_in(&office).await, two.sign_in(&office).await);
    let card = office.card(Role::Principal);
    let invitation = invite(&mut client, 1, &card).await;
    let (_, jws) = request(&office, invitation, 50);
    assert_eq!(send(&office, &jws).await.status, 200);
    approve(&mut client, invitation, &one.certify(&office, invitation, &jws, &card)).await;
    let shown = approved_first(&mut theirs).await;
    let second = two.certify_second(&office, &shown);
    let revocation = office.authority.revoke(one.device.id, now_ms()).unwrap();
    let body = serde_json::to_vec(&RevokeRequest { jws: revocation }).unwrap();
    assert_eq!(office.post("/api/v1/revocations", &body).await.status, 200);
    let shown = theirs.until(|message| match message {
        S::Invitations { mut changed, .. } => changed.pop().filter(|open| open.first_approval.is_none()),
        _ => None,
    });
    assert_eq!(shown.await.invitation, invitation);
    for _ in 0..2 {
        approve(&mut theirs, invitation, &second).await;
        assert_eq!(refused(&mut theirs).await, RefusalCode::NotAllowed);
        office.stop().await;
        office.run().await;
        theirs = two.sign_in(&office).await;
    }
    assert!(matches!(send(&office, &jws).await.json(), Asked::Waiting { approvals: 0, .. }));
}

/// A holder's chain goes on with all four certificates of the principal's device, which log and archive have of that device.
#[tokio::test]
async fn a_holder_whose_principal_two_registrars_certified_signs_in_after_a_restore() {
    let mut office = office_with(SuiteName::Hybrid, Rings::OverLines).await;
    let one = Officer::appointed(&office, &[Role::Principal]).await;
    let two = Officer::appointed(&office, &[Role::Principal]).await;
    let database = office.dir.path().join("server/telcon.db");
    office.stop().await;
    let before = std::fs::read(&database).unwrap();
    office.run().await;
    let (mut client, mut theirs) = (one.sign_in(&office).await, two.sign_in(&office).await);
    let card = office.card(Role::Principal);
    let invitation = invite(&mut client, 1, &card).await;
    let (mut principal, jws) = request(&office, invitation, 50);
    principal.card = card.clone();
    assert_eq!(send(&office, &jws).await.status, 200);
    let first = one.certify(&office, invitation, &jws, &card);
    approve(&mut client, invitation, &first).await;
    let second = two.certify_second(&office, &approved_first(&mut theirs).await);
    approve(&mut theirs, invitation, &second).await;
    closed(&mut theirs).await;
    principal.chain = [first, second].concat().into_iter().map(|der| der.0).collect();

    let mut giver = Client::sign_in(office.addr(), &principal).await;
    let card = office.card(Role::Counterpart);
    let invitation = InvitationId::from_bytes([2; 16]);
    let terms = LineTerms {
        reach: Reach::Direct,
        hours: None,
        until_ms: None,
        rings_per_day: None,
        mode: RecordMode::LogOnly,
        purpose: String::new(),
    };
    let token_sha256 = ask(&office, invitation, SECRET).token_sha256();
    let (expires_ms, line) = (now_ms() + DAY_MS, Some(terms.clone()));
    giver.send(&C::Invite { invitation, card: card.clone(), expires_ms, token_sha256, line }).await;
    changed(&mut giver).await;
    let (mut holder, jws) = request(&office, invitation, 60);
    assert_eq!(send(&office, &jws).await.status, 200);
    let verified = verify_request(&jws, office.anchor.domain(), &ask(&office, invitation, SECRET)).unwrap();
    let by = office.anchor.verify_chain(&principal.chain, now_ms()).unwrap();
    let chain = certify_holder(&principal.key, &by, &principal.chain, &verified, &card, now_ms()).unwrap();
    let line = Line {
        office: card.office.clone(),
        line: LineId::from_bytes(*invitation.as_bytes()),
        version: 1,
        previous: None,
        principal: principal.card.clone(),
        holder: card.clone(),
        device: Some(holder.id),
        terms,
        state: LineState::Live,
        at_ms: now_ms(),
        on_behalf: None,
    };
    let line = Some(sign_line(&principal.key, &principal.chain, &line));
    giver.send(&C::ApproveDevice { invitation, chain: chain.iter().cloned().map(Blob).collect(), line }).await;
    closed(&mut giver).await;
    (holder.chain, holder.card) = (chain, card);
    assert_eq!(holder.chain.len(), 5);
    Client::sign_in(office.addr(), &holder).await;

    // A database of before either was enrolled.
    office.stop().await;
    std::fs::write(&database, before).unwrap();
    office.run().await;
    Client::sign_in(office.addr(), &holder).await;
}
