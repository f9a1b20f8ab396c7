//! The office's rules for devices, on real sockets: what a device that breaks one can do, and what the log has of them.

mod common;

use common::{Client, DOMAIN, Device, Office, now_ms};
use telcon_proto::{
    AlertKind, ClientMessage as C, Digest, PersonId, Role, ServerMessage as S, WIRE_VERSION,
    alert::ReportedAlert,
    device_policy::DevicePolicy,
    entry::Entry,
    http::{ApiError, DeviceList},
    message::RefusalCode,
    protection::ProtectionPolicy,
};
use telcon_server::ServerConfig;

/// Restarts the office under these rules.
async fn under(office: &mut Office, rules: &str) {
    office.stop().await;
    office.run_as(with_rules(office, rules)).await;
}

fn with_rules(office: &Office, rules: &str) -> ServerConfig {
    let mut config = ServerConfig::local(office.dir.path().join("server"));
    config.device_policy = DevicePolicy::parse(rules).unwrap();
    config
}

/// Signs in as a page in a browser does, which names its origin.
async fn in_browser(office: &Office, device: &Device) -> (Client, Option<S>) {
    let addr = office.addr();
    let mut client = Client::raw(addr, Some(&format!("http://{addr}"))).await.unwrap();
    client.prove(device, DOMAIN).await;
    let first = client.next().await;
    if let Some(S::SignedIn { token, .. }) = &first {
        client.token = token.clone();
    }
    (client, first)
}

fn refusal(message: Option<S>) -> (RefusalCode, String) {
    match message {
        Some(S::Refused { code, message, .. }) => (code, message),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_device_of_another_kind_than_its_role_may_have_does_not_sign_in() {
    let mut office = Office::start().await;
    let (notes, auditor) = (office.person(Role::NoteTaker).await, office.person(Role::Auditor).await);
    let rules = r#"{"version":1,"everybody":{"kinds":["browser"]},"roles":{"note_taker":{"kinds":["native"]}}}"#;
    under(&mut office, rules).await;
    Client::sign_in(office.addr(), &notes).await;
    let (mut page, first) = in_browser(&office, &notes).await;
    let (code, text) = refusal(first);
    assert!(code == RefusalCode::NotAllowed && text.contains("does not allow browsers"), "{text}");
    assert_eq!(page.closed().await, Some(1008));

    assert!(matches!(in_browser(&office, &auditor).await.1, Some(S::SignedIn { .. })));
    let mut program = Client::raw(office.addr(), None).await.unwrap();
    program.prove(&auditor, DOMAIN).await;
    let (code, text) = refusal(program.next().await);
    assert!(code == RefusalCode::NotAllowed && text.contains("only browsers"), "{text}");
    // Who has not proved to be the device learns no rule.
    let mut stranger = Client::raw(office.addr(), None).await.unwrap();
    stranger.send(&C::Hello { version: WIRE_VERSION, device: auditor.id, program: None }).await;
    stranger.next().await;
    stranger.send(&C::Prove { jws: "a.b.c".into(), ticket: None }).await;
    assert_eq!(refusal(stranger.next().await).0, RefusalCode::NotSignedIn);
}

/// A device says its version itself: the rule finds pages and programs that were not updated, not an attacker.
#[tokio::test]
async fn a_program_that_is_older_than_the_office_allows_can_do_nothing() {
    let mut office = Office::start().await;
    let (auditor, duty) = (office.person(Role::Auditor).await, office.person(Role::DutyOfficer).await);
    under(&mut office, r#"{"version":1,"roles":{"auditor":{"minimum_version":"1.4.0"}}}"#).await;
    let says = async |device: &Device, version: Option<&str>| {
        let mut client = Client::raw(office.addr(), None).await.unwrap();
        let program = version.map(|version| version.parse().unwrap());
        client.send(&C::Hello { version: WIRE_VERSION, device: device.id, program }).await;
        let Some(S::Challenge { nonce, .. }) = client.next().await else { panic!("not challenged") };
        let jws = telcon_identity::sign_in(&device.key, DOMAIN, device.id, nonce.as_slice());
        client.send(&C::Prove { jws, ticket: None }).await;
        let first = client.next().await;
        if let Some(S::SignedIn { token, .. }) = &first {
            client.token = token.clone();
        }
        (client, first)
    };
    for version in [None, Some("1.3.9"), Some("0.99.0")] {
        let (mut client, first) = says(&auditor, version).await;
        let (code, text) = refusal(first);
        assert!(code == RefusalCode::Outdated && text.contains("older than your office allows"), "{text}");
        assert_eq!(client.closed().await, Some(1008));
    }
    assert!(matches!(says(&duty, None).await.1, Some(S::SignedIn { .. })), "no rule for this role");
    let (client, _) = says(&auditor, Some("1.4.0")).await;
    let seen = async || {
        let answer = office.http("GET", "/api/v1/devices", &[("authorization", &client.bearer())], b"").await;
        answer.json::<DeviceList>().devices.remove(0).program.map(|version| version.to_string())
    };
    assert_eq!(seen().await.as_deref(), Some("1.4.0"), "shown in the list");
    says(&auditor, Some("1.5.2")).await;
    let (client, _) = says(&auditor, Some("1.4.1")).await;
    let answer = office.http("GET", "/api/v1/devices", &[("authorization", &client.bearer())], b"").await;
    assert_eq!(answer.json::<DeviceList>().devices[0].program, Some("1.4.1".parse().unwrap()));
}

#[tokio::test]
async fn an_unprotected_browser_can_only_be_protected_where_the_office_requires_it() {
    let mut office = Office::start().await;
    let (president, other) = (office.person(Role::Principal).await, office.person(Role::DutyOfficer).await);
    under(&mut office, r#"{"version":1,"roles":{"principal":{"protection":true}}}"#).await;
    let policy: ProtectionPolicy = office.get("/api/v1/protection").await.json();
    assert!(policy.devices.rules(Role::Principal).protection && !policy.required);

    let (mut page, first) = in_browser(&office, &president).await;
    assert!(matches!(first, Some(S::SignedIn { .. })), "it has to sign in to be protected: {first:?}");
    page.send(&C::Silence { person: PersonId::from_bytes([9; 16]), on: true }).await;
    let refused = page.until(|message| matches!(message, S::Refused { .. }).then_some(message)).await;
    let (code, text) = refusal(Some(refused));
    assert!(code == RefusalCode::NotAllowed && text.contains("passkey or PIN first"), "{text}");
    // A report does not depend on protection.
    let officer = office.person(Role::SecurityOfficer).await;
    let mut officer = Client::sign_in(office.addr(), &officer).await;
    page.send(&C::ReportAlert { kind: ReportedAlert::LogForked, call: None }).await;
    officer
        .until(|message| match message {
            S::Alerts { changed, .. } => changed.into_iter().find(|alert| alert.kind == AlertKind::LogForked).map(drop),
            _ => None,
        })
        .await;
    let bearer = page.bearer();
    let ask = async |method: &str, path: &str| {
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        office.http(method, path, &headers, if method == "GET" { b"" } else { b"{}" }).await
    };
    for path in ["/api/v1/records", "/api/v1/devices", "/api/v1/ice-servers"] {
        let answer = ask("GET", path).await;
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.json::<ApiError>().error.contains("passkey or PIN first"), "{path}");
    }
    // The body is wrong; that it may make one is what counts.
    assert_eq!(ask("POST", "/api/v1/lockers").await.status, 422);

    let (duty, _) = in_browser(&office, &other).await;
    let answer = office.http("GET", "/api/v1/records", &[("authorization", &duty.bearer())], b"").await;
    assert_eq!(answer.status, 200, "no rule for this role");
    let program = Client::sign_in(office.addr(), &president).await;
    let answer = office.http("GET", "/api/v1/records", &[("authorization", &program.bearer())], b"").await;
    assert_eq!(answer.status, 200, "programs have no passkeys");
}

#[tokio::test]
async fn a_person_gets_no_more_devices_than_the_office_says() {
    let mut office = Office::start().await;
    let first = office.person(Role::Auditor).await;
    let other = office.device(first.card.clone(), &office.invite(first.card.clone(), now_ms()), now_ms());
    assert_eq!(office.post("/api/v1/devices", &other.enrol_request()).await.status, 201);
    under(&mut office, r#"{"version":1,"roles":{"auditor":{"devices_per_person":1}}}"#).await;
    let second = office.device(first.card.clone(), &office.invite(first.card.clone(), now_ms()), now_ms());
    let answer = office.post("/api/v1/devices", &second.enrol_request()).await;
    assert_eq!(answer.status, 409, "{}", answer.text());
    assert!(answer.json::<ApiError>().error.contains("the person has 2 devices, and the limit is 1: revoke one first"));
    office.person(Role::Auditor).await;
}

/// The digests of rules that are in the log.
fn digests(office: &Office) -> Vec<Digest> {
    let changed = |entry| match entry {
        Entry::DevicePolicyChanged { policy_sha256, .. } => Some(policy_sha256),
        _ => None,
    };
    office.log_entries().into_iter().filter_map(changed).collect()
}

#[tokio::test]
async fn the_rules_that_a_new_office_begins_with_are_in_the_log_after_its_next_start() {
    let rules = r#"{"version":1,"everybody":{"idle_lock_minutes":30}}"#;
    let mut office = Office::start().await;
    under(&mut office, rules).await;
    office.person(Role::Principal).await;
    office.stop().await;
    assert_eq!(digests(&office), []);
    for start in ["next", "second"] {
        office.run_as(with_rules(&office, rules)).await;
        office.stop().await;
        assert_eq!(digests(&office).len(), 1, "{start}");
    }
}

#[tokio::test]
async fn each_change_of_the_rules_is_in_the_log_once() {
    let mut office = Office::start().await;
    // The log of a new office has no entry: its rules are entered at the next start.
    under(&mut office, r#"{"version":1,"everybody":{"idle_lock_minutes":30}}"#).await;
    office.stop().await;
    assert_eq!(digests(&office), []);
    office.run().await;
    office.person(Role::Principal).await;
    for (rules, count) in [
        (r#"{"version":1}"#, 0),
        (r#"{"version":1,"everybody":{"idle_lock_minutes":30}}"#, 1),
        (r#"{"version":1, "everybody": {"idle_lock_minutes": 30}}"#, 1),
        (r#"{"version":1}"#, 2),
    ] {
        under(&mut office, rules).await;
        office.stop().await;
        assert_eq!(digests(&office).len(), count, "{rules}");
        office.run_as(with_rules(&office, rules)).await;
    }
    // The office goes on as before: the database counts the entries as its own.
    let device = office.person(Role::Auditor).await;
    Client::sign_in(office.addr(), &device).await;
}
