//! Recoveries and orders to erase on real sockets, with real signatures, in an office that demands one registrar.

use super::*;
use telcon_identity::{sign_erasure, verify_erasure, with_certificate, without_certificate};
use telcon_proto::{
    RecoveryId,
    http::{ErasureReport, OrderRequest, Orders},
    recovery::{OpenRecovery, RecoveryReason},
};

const RECOVERY: RecoveryId = RecoveryId::from_bytes([8; 16]);

fn opening(by: &Officer, of: &Device) -> C {
    let (key, reason) = (&by.device.key, RecoveryReason::Stolen);
    let statement = by.registrar.open_recovery(key, RECOVERY, of.person(), reason, now_ms()).unwrap();
    C::OpenRecovery { person: of.person(), statement }
}

async fn shown(client: &mut Client) -> OpenRecovery {
    client
        .until(|message| match message {
            S::Recoveries { mut changed, .. } => changed.pop(),
            _ => None,
        })
        .await
}

fn confirming(office: &Office, by: &Officer, open: &OpenRecovery, invitation: InvitationId) -> C {
    let opened = office.anchor.verify_recovery(&open.statement).unwrap();
    let key = &by.device.key;
    let devices = open.devices.clone();
    let statement = by.registrar.confirm_recovery(key, &opened, invitation, devices, now_ms()).unwrap();
    let revocations = open.devices.iter().map(|device| by.registrar.revoke_and_erase(key, *device, now_ms()).unwrap());
    C::ConfirmRecovery { statement, token_sha256: token_of(office, invitation), revocations: revocations.collect() }
}

fn token_of(office: &Office, invitation: InvitationId) -> Digest {
    ask(office, invitation, SECRET).token_sha256()
}

async fn orders(office: &Office, device: &Device, certificate: &[u8]) -> Answer {
    let request = OrderRequest { device: device.id, certificate: Blob(certificate.to_vec()) };
    office.post("/api/v1/orders", &serde_json::to_vec(&request).unwrap()).await
}

#[tokio::test]
async fn two_registrars_recover_a_person_whose_old_device_reports_that_it_erased_itself() {
    for suite in [SuiteName::Hybrid, SuiteName::Cnsa2] {
        let mut office = Office::start_with(telcon_proto::RecordMode::LogOnly, suite).await;
        let one = Officer::appointed(&office, &[Role::Principal]).await;
        let two = Officer::appointed(&office, &[Role::Principal]).await;
        let lost = office.person(Role::Principal).await;
        let (mut first, mut second) = (one.sign_in(&office).await, two.sign_in(&office).await);
        let mut old = Client::sign_in(office.addr(), &lost).await;

        // Forged, of another person, in another's name.
        let C::OpenRecovery { person, statement } = opening(&one, &lost) else { panic!() };
        for (client, statement) in [
            (&mut first, with_certificate(without_certificate(&statement), two.registrar.der())),
            (&mut second, statement.clone()),
        ] {
            client.send(&C::OpenRecovery { person, statement }).await;
            assert_eq!(refused(client).await, RefusalCode::NotAllowed);
        }
        first.send(&C::OpenRecovery { person: two.device.person(), statement: statement.clone() }).await;
        assert_eq!(refused(&mut first).await, RefusalCode::NotAllowed);
        assert_eq!(orders(&office, &lost, &lost.chain[0]).await.json::<Orders>().revocation, None);

        first.send(&C::OpenRecovery { person, statement }).await;
        let open = shown(&mut second).await;
        assert_eq!((open.devices.as_slice(), open.card.person), (&[lost.id][..], lost.person()));
        assert_eq!(shown(&mut first).await, open);
        // A revocation that does not order to erase; one of another device; none.
        let invitation = InvitationId::from_bytes([4; 16]);
        let C::ConfirmRecovery { statement, token_sha256, revocations } = confirming(&office, &two, &open, invitation)
        else {
            panic!()
        };
        let plain = two.registrar.revoke(&two.device.key, lost.id, now_ms()).unwrap();
        let other = two.registrar.revoke_and_erase(&two.device.key, one.device.id, now_ms()).unwrap();
        for revocations in [vec![plain], vec![other], vec![]] {
            second.send(&C::ConfirmRecovery { statement: statement.clone(), token_sha256, revocations }).await;
            assert_eq!(refused(&mut second).await, RefusalCode::NotAllowed);
        }
        let order = revocations[0].clone();
        second.send(&C::ConfirmRecovery { statement, token_sha256, revocations }).await;
        let told = old.until(|message| match message {
            S::Revoked { jws } => Some(jws),
            _ => None,
        });
        assert_eq!(told.await.as_ref(), Some(&order));
        let made = changed(&mut second).await;
        assert_eq!((made.invitation, made.recovery), (invitation, Some(RECOVERY)));

        // The old device learns of it without signing in; whoever only read the log does not.
        assert_eq!(orders(&office, &lost, &lost.chain[0]).await.json::<Orders>().revocation, Some(order.clone()));
        assert_eq!(orders(&office, &lost, &one.device.chain[0]).await.status, 404);
        assert_eq!(orders(&office, &two.device, &two.device.chain[0]).await.json::<Orders>().revocation, None);
        // Its report is its own, and about that order.
        let verified = office.anchor.verify_revocation(&order).unwrap();
        let report = |key, id, digest| {
            let jws = sign_erasure(key, common::DOMAIN, id, digest, now_ms());
            serde_json::to_vec(&ErasureReport { jws }).unwrap()
        };
        let digest = verified.order_sha256();
        for forged in [
            report(&one.device.key, lost.id, digest),
            report(&lost.key, lost.id, Digest::from_bytes([1; 32])),
            report(&one.device.key, one.device.id, digest),
        ] {
            assert_eq!(office.post("/api/v1/erasures", &forged).await.status, 403);
        }
        let genuine = report(&lost.key, lost.id, digest);
        assert_eq!(office.post("/api/v1/erasures", &genuine).await.status, 200);
        let listed = devices(&office, &second).await;
        let row = listed.iter().find(|listed| listed.device == lost.id).unwrap();
        assert!(row.erase_ordered_ms.is_some() && row.erased_ms.is_some());
        let jws = serde_json::from_slice::<ErasureReport>(&genuine).unwrap().jws;
        assert!(verify_erasure(&jws, suite, &lost.key.public_bytes(), common::DOMAIN, lost.id, &order).is_ok());

        // The confirming registrar approves first, the one who opened it second: in an office that demands one.
        let (mut device, jws) = request(&office, invitation, 50);
        assert_eq!(send(&office, &jws).await.status, 200);
        let card = lost.card.clone();
        let chain = two.certify(&office, invitation, &jws, &card);
        second.send(&C::ApproveDevice { invitation, chain, line: None }).await;
        let approved = first.until(|message| match message {
            S::Invitations { changed, .. } => changed.into_iter().find(|open| open.first_approval.is_some()),
            _ => None,
        });
        let approved = approved.await;
        first.send(&C::ApproveDevice { invitation, chain: one.certify_second(&office, &approved), line: None }).await;
        assert_eq!(closed(&mut first).await, invitation);
        let Asked::Approved { chain } = send(&office, &jws).await.json() else { panic!("not approved") };
        device.chain = chain.into_iter().map(|der| der.0).collect();
        device.card = card;
        let verified = office.anchor.verify_chain(&device.chain, now_ms()).unwrap();
        assert_eq!(verified.registrars(), [two.device.id, one.device.id]);
        Client::sign_in(office.addr(), &device).await;
        office.stop().await;
        let kinds: Vec<String> = office.log_entries().iter().map(|entry| entry.kind().to_owned()).collect();
        for kind in ["recovery_opened", "recovery_confirmed", "recovery_closed"] {
            assert_eq!(kinds.iter().filter(|other| *other == kind).count(), 1, "{kind}");
        }
    }
}
