//! Alerts on real sockets: what officers are told, what everybody else is not, and what a person's other devices learn of a new
//! one.

mod common;

use common::{Client, Device, Office, now_ms};
use telcon_identity::{Ask, Registrar, verify_request};
use telcon_proto::{
    AlertKind, Blob, CallId, Card, ClientMessage as C, DeviceId, InvitationId, OfficeAlert, RecordMode, Role,
    ServerMessage as S,
    alert::{AddedDevice, ReportedAlert},
    entry::ReadEntry,
    http::{AlertList, AppointRequest, AskRequest, Asked},
    message::RefusalCode,
};

const SECRET: [u8; 32] = [3; 32];
const INVITATION: InvitationId = InvitationId::from_bytes([1; 16]);

/// The next alerts that an officer is told.
async fn told(client: &mut Client) -> (Vec<OfficeAlert>, u64) {
    client
        .until(|message| match message {
            S::Alerts { changed, unseen } => Some((changed, unseen)),
            _ => None,
        })
        .await
}

/// Waits until an officer is told of an alert of this kind.
async fn told_of(client: &mut Client, kind: AlertKind) -> OfficeAlert {
    client
        .until(|message| match message {
            S::Alerts { changed, .. } => changed.into_iter().find(|alert| alert.kind == kind),
            _ => None,
        })
        .await
}

async fn added(client: &mut Client) -> Vec<AddedDevice> {
    client
        .until(|message| match message {
            S::DevicesAdded { devices } => Some(devices),
            _ => None,
        })
        .await
}

/// Everything that the server sends before its answer to a ping.
async fn until_pong(client: &mut Client) -> Vec<S> {
    client.send(&C::Ping { log_size: 0 }).await;
    let mut messages = Vec::new();
    loop {
        match client.next().await.expect("the server did not close") {
            S::Checkpoint { .. } => return messages,
            message => messages.push(message),
        }
    }
}

async fn list(office: &Office, client: &Client, query: &str) -> (u16, Option<AlertList>) {
    let path = format!("/api/v1/alerts{query}");
    let answer = office.http("GET", &path, &[("authorization", &client.bearer())], b"").await;
    (answer.status, (answer.status == 200).then(|| answer.json()))
}

/// The alerts that the log states, newest first.
fn logged(office: &Office) -> Vec<OfficeAlert> {
    let alert = |(index, bytes): (u64, Vec<u8>)| OfficeAlert::of_entry(index, &ReadEntry::parse(&bytes).known()?);
    let mut alerts: Vec<_> = office.log_bytes().into_iter().filter_map(alert).collect();
    alerts.reverse();
    alerts
}

/// A further device of a person, enrolled by the authority's link.
async fn further(office: &Office, card: &Card) -> Device {
    let device = office.device(card.clone(), &office.invite(card.clone(), now_ms()), now_ms());
    let answer = office.post("/api/v1/devices", &device.enrol_request()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    device
}

#[tokio::test]
async fn officers_are_told_of_alerts_as_they_are_raised_and_the_list_is_what_the_log_states() {
    let mut office = Office::start().await;
    let officer = office.person(Role::SecurityOfficer).await;
    let mut client = Client::sign_in(office.addr(), &officer).await;
    let (at_sign_in, unseen) = told(&mut client).await;
    assert_eq!((at_sign_in.len(), at_sign_in[0].kind, unseen), (1, AlertKind::DeviceEnrolled, 1));

    let person = office.person(Role::Principal).await;
    let enrolled = told_of(&mut client, AlertKind::DeviceEnrolled).await;
    assert_eq!(enrolled.device, Some(person.id));
    // Somebody tries to sign in as that person's device with another key, and as one that does not exist.
    let thief = Device {
        key: telcon_identity::DeviceKey::from_seed(office.info.suite, &[77; 32]),
        chain: person.chain.clone(),
        id: person.id,
        card: person.card.clone(),
    };
    for _ in 0..3 {
        let mut attempt = Client::raw(office.addr(), None).await.unwrap();
        attempt.prove(&thief, common::DOMAIN).await;
        assert!(matches!(attempt.next().await, Some(S::Refused { code: RefusalCode::NotSignedIn, .. })));
    }
    let failed = told_of(&mut client, AlertKind::SignInFailed).await;
    assert_eq!((failed.device, failed.count), (Some(person.id), 1), "repetitions are counted into the next entry");
    let mut nobody = Client::raw(office.addr(), None).await.unwrap();
    nobody.prove(&Device { id: DeviceId::from_bytes([99; 16]), ..thief }, common::DOMAIN).await;
    assert_eq!(told_of(&mut client, AlertKind::SignInFailed).await.device, None);

    // A device reports, and rings with a signature that does not hold.
    let mut theirs = Client::sign_in(office.addr(), &person).await;
    let call = CallId::from_bytes([5; 16]);
    theirs.send(&C::ReportAlert { kind: ReportedAlert::RingInvalid, call: Some(call) }).await;
    let reported = told_of(&mut client, AlertKind::RingInvalid).await;
    assert_eq!((reported.device, reported.call), (Some(person.id), Some(call)));
    let C::Ring { jws } = office.ring(&person, officer.person(), call, RecordMode::LogOnly) else { unreachable!() };
    let (signed, _) = jws.rsplit_once('.').unwrap();
    theirs.send(&C::Ring { jws: format!("{signed}.{}", "A".repeat(86)) }).await;
    assert_eq!(told_of(&mut client, AlertKind::RingRefused).await.device, Some(person.id));
    let messages = until_pong(&mut theirs).await;
    assert!(!messages.iter().any(|message| matches!(message, S::Alerts { .. })), "only officers are told");

    let (_, all) = list(&office, &client, "").await;
    let all = all.unwrap();
    assert_eq!((all.alerts.len(), all.unseen), (6, 6));
    let first = list(&office, &client, "?limit=4").await.1.unwrap().alerts;
    let rest = format!("?after={}", first.last().unwrap().log_index);
    let rest = list(&office, &client, &rest).await.1.unwrap().alerts;
    assert_eq!([first, rest].concat(), all.alerts);
    for query in ["?limit=0", "?limit=101", "?after=-1", "?before=1"] {
        assert_eq!(list(&office, &client, query).await.0, 400, "{query}");
    }
    // Seen: who, when. It stays in the list, and in the log.
    client.send(&C::SeeAlerts { alerts: vec![reported.log_index] }).await;
    let (changed, unseen) = told(&mut client).await;
    assert_eq!((changed[0].log_index, unseen), (reported.log_index, 5));
    assert_eq!(changed[0].seen.map(|seen| seen.by), Some(officer.id));

    office.stop().await;
    let mut stated = logged(&office);
    assert_eq!(stated, all.alerts);
    office.run().await;
    let client = Client::sign_in(office.addr(), &officer).await;
    let after = list(&office, &client, "").await.1.unwrap();
    stated.iter_mut().find(|alert| alert.log_index == reported.log_index).unwrap().seen = changed[0].seen;
    assert_eq!((after.alerts, after.unseen), (stated, 5));
}

#[tokio::test]
async fn an_auditor_reads_alerts_without_marking_them_and_others_do_neither() {
    let office = Office::start().await;
    for role in Role::ALL.into_iter().filter(|role| *role != Role::SecurityOfficer) {
        let device = office.person(role).await;
        let mut client = Client::sign_in(office.addr(), &device).await;
        let reads = role == Role::Auditor;
        assert_eq!(list(&office, &client, "").await.0, if reads { 200 } else { 403 }, "{role:?}");
        client.send(&C::SeeAlerts { alerts: vec![0] }).await;
        let messages = until_pong(&mut client).await;
        assert!(messages.iter().any(|m| matches!(m, S::Refused { code: RefusalCode::NotAllowed, .. })), "{role:?}");
        assert_eq!(messages.iter().any(|m| matches!(m, S::Alerts { .. })), reads, "{role:?}");
    }
    assert_eq!(office.get("/api/v1/alerts").await.status, 401);
}

/// The attacker is signed in as somebody, and reports as fast as connections allow.
#[tokio::test]
async fn a_device_that_reports_without_end_adds_one_entry() {
    let mut office = Office::start().await;
    let person = office.person(Role::Principal).await;
    let mut client = Client::sign_in(office.addr(), &person).await;
    for n in 0..60 {
        let call = Some(CallId::from_bytes([n; 16]));
        client.send(&C::ReportAlert { kind: ReportedAlert::ProofInvalid, call }).await;
    }
    until_pong(&mut client).await;
    office.stop().await;
    let reports = logged(&office).into_iter().filter(|alert| alert.kind == AlertKind::ProofInvalid);
    assert_eq!(reports.count(), 1);
}

#[tokio::test]
async fn other_devices_of_a_person_are_told_of_an_approved_one_before_it_can_sign_in() {
    let office = Office::start().await;
    let officer = office.person(Role::SecurityOfficer).await;
    let verified = office.anchor.verify_chain(&officer.chain, now_ms()).unwrap();
    let der = office.authority.appoint(&verified, &[Role::Principal], now_ms()).unwrap();
    let body = serde_json::to_vec(&AppointRequest { certificate: Blob(der.clone()) }).unwrap();
    assert_eq!(office.post("/api/v1/registrars", &body).await.status, 200);
    let registrar: Registrar = office.anchor.verify_registrar(&der, now_ms()).unwrap();
    let mut theirs = Client::sign_in(office.addr(), &officer).await;

    let first = office.person(Role::Principal).await;
    let mut client = Client::sign_in(office.addr(), &first).await;
    let ask = Ask::new(office.info.suite, SECRET, office.authority.certificate_sha256(), INVITATION);
    let (card, expires_ms) = (first.card.clone(), now_ms() + 3_600_000);
    let token_sha256 = ask.token_sha256();
    theirs.send(&C::Invite { invitation: INVITATION, card: card.clone(), expires_ms, token_sha256, line: None }).await;
    theirs.until(|m| matches!(m, S::Invitations { changed, .. } if !changed.is_empty()).then_some(())).await;
    let key = telcon_identity::DeviceKey::from_seed(office.info.suite, &[50; 32]);
    let id = DeviceId::from_bytes([50; 16]);
    let label = "Firefox on \u{202e}Android";
    let jws = ask.request(&key, id, office.anchor.domain(), label, now_ms()).unwrap();
    let request = serde_json::to_vec(&AskRequest { request: jws.clone() }).unwrap();
    assert_eq!(office.post("/api/v1/device-requests", &request).await.status, 200);
    assert_eq!(told_of(&mut theirs, AlertKind::DeviceAsked).await.invitation, Some(INVITATION));
    let verified = verify_request(&jws, office.anchor.domain(), &ask).unwrap();
    let chain = registrar.certify(&officer.key, &verified, &card, now_ms()).unwrap();
    let chain: Vec<Blob> = chain.into_iter().map(Blob).collect();
    theirs.send(&C::ApproveDevice { invitation: INVITATION, chain, line: None }).await;

    // It asks until it is approved, and signs in at once. What the other device has been sent by then, it was sent before the new
    // one could do anything.
    let chain = loop {
        match office.post("/api/v1/device-requests", &request).await.json() {
            Asked::Approved { chain } => break chain,
            Asked::Waiting { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    let chain = chain.into_iter().map(|der| der.0).collect();
    let new = Device { key, chain, id, card };
    let mut signed_in = Client::sign_in(office.addr(), &new).await;
    let before = until_pong(&mut client).await;
    let told = before.into_iter().filter_map(|message| match message {
        S::DevicesAdded { devices } => Some(devices),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0][0].device, told[0][0].approved_by.as_deref()), (id, Some(officer.card.name.as_str())));
    assert_eq!(told[0][0].label.as_deref(), Some("Firefox on \u{fffd}Android"), "what acts on a screen is replaced");
    // Somebody else has the link, too: after it was used up and the invitation closed, it still betrays that.
    let thief = telcon_identity::DeviceKey::from_seed(office.info.suite, &[51; 32]);
    let jws = ask.request(&thief, DeviceId::from_bytes([51; 16]), office.anchor.domain(), "x", now_ms()).unwrap();
    let request = serde_json::to_vec(&AskRequest { request: jws }).unwrap();
    assert_eq!(office.post("/api/v1/device-requests", &request).await.status, 410);
    assert_eq!(told_of(&mut theirs, AlertKind::LinkOpenedAgain).await.invitation, Some(INVITATION));
    // The new device can acknowledge nothing for the other.
    signed_in.send(&C::AcknowledgeDevice { device: id }).await;
    let own = until_pong(&mut signed_in).await;
    assert!(!own.iter().any(|message| matches!(message, S::DevicesAdded { .. })));
    let mut again = Client::sign_in(office.addr(), &first).await;
    assert_eq!(added(&mut again).await.len(), 1);
    again.send(&C::AcknowledgeDevice { device: id }).await;
    assert_eq!(added(&mut again).await, []);
}

#[tokio::test]
async fn a_device_that_was_away_tells_of_the_added_one_when_it_comes_back_also_after_a_restart() {
    let mut office = Office::start().await;
    let first = office.person(Role::Principal).await;
    let second = further(&office, &first.card).await;
    let third = further(&office, &first.card).await;
    office.stop().await;
    office.run().await;
    for _ in 0..2 {
        let mut client = Client::sign_in(office.addr(), &first).await;
        let listed = added(&mut client).await;
        assert_eq!(listed.iter().map(|added| added.device).collect::<Vec<_>>(), [second.id, third.id]);
        assert!(listed.iter().all(|added| added.label.is_none() && added.approved_by.is_none()));
    }
    let mut client = Client::sign_in(office.addr(), &second).await;
    assert_eq!(added(&mut client).await.iter().map(|added| added.device).collect::<Vec<_>>(), [third.id]);
    let mut client = Client::sign_in(office.addr(), &third).await;
    assert!(!until_pong(&mut client).await.iter().any(|message| matches!(message, S::DevicesAdded { .. })));
}
