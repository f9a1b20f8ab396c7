//! Single sign-on on real sockets: what a device gets whose person has not signed in at the provider, and what a provider's answer has to
//! prove. The provider of these tests says what it is told to say; the page's tests use one that is certified.

mod common;

use common::{
    Answer, Client, DOMAIN, Device, Office, now_ms,
    provider::{Asked, CLIENT_ID, Provider, Signed},
};
use serde_json::{Value, json};
use std::{
    io::Write,
    sync::{Arc, Mutex},
};
use telcon_proto::{
    AlertKind, ClientMessage as C, DeviceId, Role, ServerMessage as S,
    http::{ApiError, DeviceList},
    message::RefusalCode,
    sso::{SsoFinish, SsoStarted, SsoUnlink},
};
use telcon_server::{ServerConfig, SsoConfig};

/// An office whose duty officers and auditors sign in at a provider.
async fn office(options: Value) -> (Office, Provider) {
    let provider = Provider::start().await;
    let mut office = Office::start().await;
    run(&mut office, &provider, options).await;
    (office, provider)
}

async fn run(office: &mut Office, provider: &Provider, options: Value) {
    let mut file = json!({
        "version": 1, "issuer": provider.issuer, "client_id": CLIENT_ID, "client_secret_file": "secret",
        "roles": ["duty_officer", "auditor"],
    });
    file.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    let mut config = ServerConfig::local(office.dir.path().join("server"));
    config.web_dir = Some(office.dir.path().join("web"));
    config.sso = Some(SsoConfig::parse(&file.to_string(), |_| Ok(common::provider::CLIENT_SECRET.to_owned())).unwrap());
    office.stop().await;
    office.run_as(config).await;
}

/// Connects as a page; the device proves its key.
async fn connect(office: &Office, device: &Device) -> (Client, S) {
    let mut client = Client::raw(office.addr(), Some(&origin(office))).await.unwrap();
    client.prove(device, DOMAIN).await;
    let mut first = client.next().await.unwrap();
    if matches!(first, S::AccountSession { .. }) {
        first = client.next().await.unwrap();
    }
    if let S::SsoRequired { token } | S::SignedIn { token, .. } = &first {
        client.token = token.clone();
    }
    (client, first)
}

fn origin(office: &Office) -> String {
    format!("http://{}", office.addr())
}

/// Connects a device whose person has to sign in at the provider.
async fn waiting(office: &Office, device: &Device) -> Client {
    let (client, first) = connect(office, device).await;
    assert!(matches!(first, S::SsoRequired { .. }), "{first:?}");
    client
}

/// A sign-in succeeds without the provider.
async fn signed_in(office: &Office, device: &Device) -> Client {
    let (client, first) = connect(office, device).await;
    assert!(matches!(first, S::SignedIn { .. }), "{first:?}");
    client
}

async fn post(office: &Office, token: &str, path: &str, body: &impl serde::Serialize) -> Answer {
    let (bearer, origin) = (format!("Bearer {token}"), origin(office));
    let headers = [("authorization", &*bearer), ("origin", &*origin), ("content-type", "application/json")];
    office.http("POST", &format!("/api/v1/sso/{path}"), &headers, &serde_json::to_vec(body).unwrap()).await
}

async fn start(office: &Office, client: &Client, provider: &Provider) -> Asked {
    let answer = post(office, &client.token, "start", &json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    provider.asked(&answer.json::<SsoStarted>().url)
}

async fn finish(office: &Office, client: &Client, asked: &Asked, code: String) -> Answer {
    post(office, &client.token, "finish", &SsoFinish { state: asked.state.clone(), code }).await
}

/// The whole way: a device's person signs in with this account. Returns the status of the last step.
async fn sign_in_with(office: &Office, provider: &Provider, device: &Device, subject: &str) -> u16 {
    let client = waiting(office, device).await;
    let asked = start(office, &client, provider).await;
    finish(office, &client, &asked, provider.code(&asked, subject)).await.status
}

/// The next alert of a kind.
async fn alert(officer: &mut Client, kind: AlertKind) -> Option<DeviceId> {
    officer
        .until(|message| match message {
            S::Alerts { changed, .. } => changed.into_iter().find(|alert| alert.kind == kind).map(|alert| alert.device),
            _ => None,
        })
        .await
}

fn change(office: &Office, sql: &str) {
    let database = rusqlite::Connection::open(office.dir.path().join("server/telcon.db")).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    assert!(database.execute(sql, []).unwrap() > 0);
}

#[tokio::test]
async fn a_device_gets_nothing_until_its_person_has_signed_in() {
    let (office, provider) = office(json!({})).await;
    let (duty, officer) = (office.person(Role::DutyOfficer).await, office.person(Role::SecurityOfficer).await);
    let mut officer = signed_in(&office, &officer).await;
    let mut client = waiting(&office, &duty).await;
    let bearer = client.bearer();
    for path in ["/api/v1/devices", "/api/v1/records", "/api/v1/ice-servers"] {
        let answer = office.http("GET", path, &[("authorization", &bearer)], b"").await;
        assert_eq!(answer.status, 401, "{path}");
    }
    for path in ["/api/v1/passkeys/registration", "/api/v1/lockers", "/api/v1/protection/remove"] {
        let headers = [("authorization", &*bearer), ("content-type", "application/json")];
        assert_eq!(office.http("POST", path, &headers, b"{}").await.status, 401, "{path}");
    }

    let asked = start(&office, &client, &provider).await;
    assert_eq!(asked.redirect, format!("{}/sso", origin(&office)));
    let answer = finish(&office, &client, &asked, provider.code(&asked, "ada")).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert_eq!(client.closed().await, Some(4004), "it connects again, and has been told nothing");
    assert_eq!(alert(&mut officer, AlertKind::AccountLinked).await, Some(duty.id));
    let client = signed_in(&office, &duty).await;
    let answer = office.http("GET", "/api/v1/devices", &[("authorization", &client.bearer())], b"").await;
    let list: DeviceList = answer.json();
    let account = list.devices[0].account.as_ref().unwrap();
    assert_eq!((&*account.subject, &*account.issuer), ("ada", &*provider.issuer));
    assert!(list.devices[0].account_used_ms.is_some());
    // Another role does not sign in there.
    let principal = office.person(Role::Principal).await;
    signed_in(&office, &principal).await;
}

/// The attacker uses a device that waits for its person for something else, over its own connection.
#[tokio::test]
async fn a_waiting_connection_takes_no_message() {
    let (office, _provider) = office(json!({})).await;
    let duty = office.person(Role::DutyOfficer).await;
    for message in [
        C::Ping { log_size: 0 },
        C::FindPeople { name: "Ada".into() },
        C::HangUp { call: telcon_proto::CallId::from_bytes([1; 16]), failed: false },
    ] {
        let mut client = waiting(&office, &duty).await;
        client.send(&message).await;
        assert_eq!(client.next().await, None, "{message:?}");
        let answer = post(&office, &client.token, "start", &json!({})).await;
        assert_eq!(answer.status, 401, "its token ended with it");
    }
}

/// The attacker has a device's key, and no account: each connection would hold a place that others need.
#[tokio::test]
async fn a_device_has_one_connection_that_waits() {
    let (office, provider) = office(json!({})).await;
    let (duty, other) = (office.person(Role::DutyOfficer).await, office.person(Role::DutyOfficer).await);
    let (mut first, mut others) = (waiting(&office, &duty).await, waiting(&office, &other).await);
    let second = waiting(&office, &duty).await;
    assert!(first.closed().await.is_some(), "the second one closed it");
    let asked = start(&office, &second, &provider).await;
    assert!(!asked.redirect.is_empty());
    let asked = start(&office, &others, &provider).await;
    assert!(!asked.redirect.is_empty(), "another device waits on");
    drop(second);
    others.send(&C::Ping { log_size: 0 }).await;
    assert_eq!(others.next().await, None);
}

/// The attacker has an account at the provider, or a person's, and no device's key.
#[tokio::test]
async fn an_account_without_a_devices_key_gives_nothing() {
    let (office, provider) = office(json!({})).await;
    let duty = office.person(Role::DutyOfficer).await;
    assert_eq!(sign_in_with(&office, &provider, &duty, "ada").await, 204);
    for token in ["", "guessed"] {
        assert_eq!(post(&office, token, "start", &json!({})).await.status, 401);
        let body = SsoFinish { state: "state".into(), code: "code".into() };
        assert_eq!(post(&office, token, "finish", &body).await.status, 401);
    }
    let thief = Device {
        key: telcon_identity::DeviceKey::from_seed(office.info.suite, &[77; 32]),
        chain: duty.chain.clone(),
        id: duty.id,
        card: duty.card.clone(),
    };
    assert!(matches!(connect(&office, &thief).await.1, S::Refused { .. }), "the person's session is not the thief's");
}

/// The attacker is between the person and the provider, or is a client of the same provider: the token is not one that proves that this
/// person signed in here just now.
#[tokio::test]
async fn a_token_that_proves_something_else_signs_nobody_in() {
    let (office, provider) = office(json!({ "acr": ["strong"], "amr": ["otp", "hwk"] })).await;
    let good = |claims: &mut Value| {
        claims["acr"] = "strong".into();
        claims["amr"] = json!(["pwd", "hwk"]);
    };
    type Change = fn(&mut Value);
    let forged: [(&str, Signed, Change); 13] = [
        ("alg none", Signed::Not, |_| ()),
        ("a key that is not the provider's", Signed::OtherKey, |_| ()),
        ("the client's secret as key", Signed::Secret, |_| ()),
        ("expired", Signed::Key, |claims| claims["exp"] = (now_ms() / 1000 - 1).into()),
        ("another sign-in's", Signed::Key, |claims| claims["nonce"] = "other".into()),
        ("without nonce", Signed::Key, |claims| drop(claims.as_object_mut().unwrap().remove("nonce"))),
        ("another provider's", Signed::Key, |claims| claims["iss"] = "https://login.evil.example".into()),
        ("another client's", Signed::Key, |claims| claims["aud"] = "chess".into()),
        ("also another client's", Signed::Key, |claims| claims["aud"] = json!([CLIENT_ID, "chess"])),
        ("issued to another client", Signed::Key, |claims| claims["azp"] = "chess".into()),
        ("about nobody", Signed::Key, |claims| claims["sub"] = "".into()),
        ("weaker than demanded", Signed::Key, |claims| claims["acr"] = "weak".into()),
        ("by another method", Signed::Key, |claims| claims["amr"] = json!(["pwd"])),
    ];
    for (name, signed, change) in forged {
        // A device of its own: one alone asks too often.
        let duty = office.person(Role::DutyOfficer).await;
        let client = waiting(&office, &duty).await;
        let asked = start(&office, &client, &provider).await;
        let code = provider.code_for(&asked, "ada", signed, |claims| {
            good(claims);
            change(claims);
        });
        let answer = finish(&office, &client, &asked, code).await;
        assert_eq!(answer.status, 403, "{name}: {}", answer.text());
        assert!(answer.json::<ApiError>().error.contains("did not confirm who you are"), "{name}");
    }
    // The same without forgery: the list above would pass if everything were refused.
    let duty = office.person(Role::DutyOfficer).await;
    let client = waiting(&office, &duty).await;
    let asked = start(&office, &client, &provider).await;
    let code = provider.code_for(&asked, "ada", Signed::Key, good);
    assert_eq!(finish(&office, &client, &asked, code).await.status, 204);
}

/// The attacker sends the victim's browser back with a sign-in of the attacker's own (CSRF), or repeats one that they saw.
#[tokio::test]
async fn the_return_of_a_sign_in_counts_once_and_for_the_device_that_began_it() {
    let (office, provider) = office(json!({})).await;
    let (victim, attacker) = (office.person(Role::DutyOfficer).await, office.person(Role::Auditor).await);
    let officer = office.person(Role::SecurityOfficer).await;
    let mut officer = signed_in(&office, &officer).await;
    let (theirs, mine) = (waiting(&office, &victim).await, waiting(&office, &attacker).await);

    let asked = start(&office, &mine, &provider).await;
    let answer = finish(&office, &theirs, &asked, provider.code(&asked, "mallory")).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert_eq!(alert(&mut officer, AlertKind::SignInFailed).await, Some(victim.id));
    let answer = finish(&office, &mine, &asked, provider.code(&asked, "mallory")).await;
    assert_eq!(answer.status, 410, "the attempt ended it: {}", answer.text());
    let mut guessed = start(&office, &theirs, &provider).await;
    guessed.state = "guessed".to_owned();
    assert_eq!(finish(&office, &theirs, &guessed, "code".into()).await.status, 410);

    // A code of one sign-in with the state of another: PKCE and nonce bind them.
    let (first, second) = (start(&office, &theirs, &provider).await, start(&office, &theirs, &provider).await);
    assert_eq!(finish(&office, &theirs, &second, provider.code(&first, "ada")).await.status, 403);
    let code = provider.code(&first, "ada");
    assert_eq!(finish(&office, &theirs, &first, code.clone()).await.status, 204);
    drop(theirs);
    change(&office, "UPDATE account_sessions SET signed_in_ms = 0");
    let again = waiting(&office, &victim).await;
    assert_eq!(finish(&office, &again, &first, code.clone()).await.status, 410, "replayed with its state");
    let asked = start(&office, &again, &provider).await;
    assert_eq!(finish(&office, &again, &asked, code).await.status, 403, "replayed with another one's");
}

/// The attacker has a person's device and an account of their own at the provider.
#[tokio::test]
async fn an_account_is_one_persons_and_stays_theirs() {
    let (office, provider) = office(json!({})).await;
    let (ada, bob) = (office.person(Role::DutyOfficer).await, office.person(Role::Auditor).await);
    let officer = office.person(Role::SecurityOfficer).await;
    let mut officer = signed_in(&office, &officer).await;
    assert_eq!(sign_in_with(&office, &provider, &ada, "ada").await, 204);
    assert_eq!(alert(&mut officer, AlertKind::AccountLinked).await, Some(ada.id));
    assert_eq!(sign_in_with(&office, &provider, &bob, "ada").await, 403, "it is another person's");
    assert_eq!(alert(&mut officer, AlertKind::SignInFailed).await, Some(bob.id));
    change(&office, "UPDATE account_sessions SET signed_in_ms = 0");
    assert_eq!(sign_in_with(&office, &provider, &ada, "mallory").await, 403, "another one than before");
    assert_eq!(alert(&mut officer, AlertKind::SignInFailed).await, Some(ada.id));
    assert_eq!(sign_in_with(&office, &provider, &ada, "ada").await, 204);

    // She is given another account: a security officer has the former one forgotten.
    let unlink = SsoUnlink { person: ada.person() };
    let client = signed_in(&office, &ada).await;
    assert_eq!(post(&office, &client.token, "unlink", &unlink).await.status, 403, "not by herself");
    assert_eq!(post(&office, &officer.token, "unlink", &unlink).await.status, 204);
    drop(client);
    assert_eq!(sign_in_with(&office, &provider, &ada, "lovelace").await, 204);
    assert_eq!(sign_in_with(&office, &provider, &bob, "ada").await, 204, "it is free");
}

#[tokio::test]
async fn while_the_provider_is_away_nobody_signs_in_and_who_is_signed_in_stays() {
    let (office, mut provider) = office(json!({})).await;
    let (ada, bob) = (office.person(Role::DutyOfficer).await, office.person(Role::Auditor).await);
    assert_eq!(sign_in_with(&office, &provider, &ada, "ada").await, 204);
    let mut client = signed_in(&office, &ada).await;
    let other = waiting(&office, &bob).await;
    let asked = start(&office, &other, &provider).await;
    let code = provider.code(&asked, "bob");
    provider.stop().await;
    let answer = finish(&office, &other, &asked, code).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.json::<ApiError>().error.contains("does not answer"));
    client.send(&C::Ping { log_size: 0 }).await;
    client.until(|message| matches!(message, S::Checkpoint { .. }).then_some(())).await;
    signed_in(&office, &ada).await;
    waiting(&office, &bob).await;
}

#[tokio::test]
async fn a_provider_that_is_another_one_than_configured_is_not_used() {
    let (office, provider) = office(json!({})).await;
    provider.claim_to_be("https://login.evil.example");
    let duty = office.person(Role::DutyOfficer).await;
    let client = waiting(&office, &duty).await;
    assert_eq!(post(&office, &client.token, "start", &json!({})).await.status, 503);
}

/// The provider changed its key since the office read it. An attempt that is signed with no published key does not count for it.
#[tokio::test]
async fn a_new_key_of_the_provider_is_read() {
    let (mut office, provider) = office(json!({})).await;
    let duty = office.person(Role::DutyOfficer).await;
    assert_eq!(sign_in_with(&office, &provider, &duty, "ada").await, 204);
    provider.change_key();
    run(&mut office, &provider, json!({})).await;
    change(&office, "UPDATE account_sessions SET signed_in_ms = 0");
    assert_eq!(sign_in_with(&office, &provider, &duty, "ada").await, 204);
}

#[tokio::test]
async fn a_session_ends_by_its_age_and_with_its_device() {
    let (office, provider) = office(json!({ "max_age_minutes": 60 })).await;
    let duty = office.person(Role::DutyOfficer).await;
    assert_eq!(sign_in_with(&office, &provider, &duty, "ada").await, 204);
    let left_ms = 2_000;
    change(&office, &format!("UPDATE account_sessions SET signed_in_ms = {}", now_ms() + left_ms - 3_600_000));
    let mut client = signed_in(&office, &duty).await;
    assert_eq!(client.closed().await, Some(4004));
    let client = waiting(&office, &duty).await;
    let asked = start(&office, &client, &provider).await;
    // It is revoked while its person is at the provider.
    let revocation = office.authority.revoke(duty.id, now_ms()).unwrap();
    let answer = office.post("/api/v1/revocations", &serde_json::to_vec(&json!({ "jws": revocation })).unwrap()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = finish(&office, &client, &asked, provider.code(&asked, "ada")).await;
    assert!(matches!(answer.status, 401 | 403), "{}", answer.text());
    let told = connect(&office, &duty).await.1;
    assert!(matches!(&told, S::Revoked { jws: Some(jws) } if *jws == revocation), "{told:?}");
}

/// When its session ends it is not signed in any more, unless it is in a call: so it renews that in time, over the connection that it has.
#[tokio::test]
async fn a_session_is_renewed_before_it_ends() {
    let (office, provider) = office(json!({ "max_age_minutes": 60 })).await;
    let duty = office.person(Role::DutyOfficer).await;
    assert_eq!(sign_in_with(&office, &provider, &duty, "ada").await, 204);
    let (hour_ms, left_ms) = (3_600_000, 600_000);
    change(&office, &format!("UPDATE account_sessions SET signed_in_ms = {}", now_ms() + left_ms - hour_ms));
    let mut client = Client::raw(office.addr(), Some(&origin(&office))).await.unwrap();
    client.prove(&duty, DOMAIN).await;
    let (mut remaining, mut token) = (None, String::new());
    while remaining.is_none() || token.is_empty() {
        match client.next().await.expect("an open connection") {
            S::AccountSession { remaining_ms } => remaining = Some(remaining_ms),
            S::SignedIn { token: given, .. } => token = given,
            _ => {}
        }
    }
    assert!(remaining.is_some_and(|ms| ms <= left_ms && ms > left_ms - 60_000), "{remaining:?}");
    client.token = token;
    let asked = start(&office, &client, &provider).await;
    assert_eq!(finish(&office, &client, &asked, provider.code(&asked, "ada")).await.status, 204);
    let renewed = client.until(|message| match message {
        S::AccountSession { remaining_ms } => Some(remaining_ms),
        _ => None,
    });
    assert_eq!(renewed.await, hour_ms, "over the same connection");
    // With another account nothing is renewed.
    let asked = start(&office, &client, &provider).await;
    assert_eq!(finish(&office, &client, &asked, provider.code(&asked, "mallory")).await.status, 403);
}

/// The attacker has a device's key, and says that it is a program's: nothing is asked of programs that they cannot do.
#[tokio::test]
async fn a_program_is_not_let_in_without_its_person() {
    let (office, _provider) = office(json!({})).await;
    let duty = office.person(Role::DutyOfficer).await;
    let mut program = Client::raw(office.addr(), None).await.unwrap();
    program.prove(&duty, DOMAIN).await;
    let Some(S::Refused { code: RefusalCode::NotAllowed, message, .. }) = program.next().await else {
        panic!("not refused")
    };
    assert!(message.contains("only browsers"), "{message}");
    assert_eq!(program.closed().await, Some(1008));
}

/// Another page begins a sign-in, or a program without one does: nobody could come back to it.
#[tokio::test]
async fn only_the_offices_page_begins_a_sign_in() {
    let (office, _provider) = office(json!({})).await;
    let duty = office.person(Role::DutyOfficer).await;
    let client = waiting(&office, &duty).await;
    let bearer = client.bearer();
    for origin in [None, Some("https://evil.example"), Some("null")] {
        let mut headers = vec![("authorization", &*bearer)];
        headers.extend(origin.map(|origin| ("origin", origin)));
        let answer = office.http("POST", "/api/v1/sso/start", &headers, b"").await;
        assert_eq!(answer.status, 403, "{origin:?}");
    }
}

/// The attacker has a device's key, and no account: each request costs the office's provider one.
#[tokio::test]
async fn a_device_does_not_ask_the_provider_without_end() {
    let (office, provider) = office(json!({})).await;
    let (duty, other) = (office.person(Role::DutyOfficer).await, office.person(Role::Auditor).await);
    let (client, others) = (waiting(&office, &duty).await, waiting(&office, &other).await);
    let mut began = 0;
    let refused = loop {
        let answer = post(&office, &client.token, "start", &json!({})).await;
        if answer.status != 200 {
            break answer;
        }
        began += 1;
        assert!(began < 100, "there is no limit");
    };
    assert_eq!((refused.status, began >= 10), (429, true), "{}", refused.text());
    let body = SsoFinish { state: "state".into(), code: "code".into() };
    assert_eq!(post(&office, &client.token, "finish", &body).await.status, 429);
    // The others of the office have the same address.
    let asked = start(&office, &others, &provider).await;
    assert_eq!(finish(&office, &others, &asked, provider.code(&asked, "bob")).await.status, 204);
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The provider's tokens are not what they should be, with a person's claims where other values belong.
#[tokio::test]
async fn no_claim_of_a_token_is_in_the_process_log() {
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let (office, provider) = office(json!({})).await;
    let mut refused = 0;
    for claim in ["exp", "iat", "aud", "iss", "nonce", "azp", "acr", "sub", "email_verified"] {
        let duty = office.person(Role::DutyOfficer).await;
        let client = waiting(&office, &duty).await;
        let asked = start(&office, &client, &provider).await;
        let code = provider.code_for(&asked, "ada", Signed::Key, |claims| {
            claims[claim] = match claim {
                "sub" => json!({ "Secretperson": 1 }),
                _ => "Secretperson".into(),
            };
        });
        let status = finish(&office, &client, &asked, code).await.status;
        assert!(matches!(status, 204 | 403 | 503), "{claim}: {status}");
        refused += usize::from(status != 204);
    }
    assert!(refused >= 6, "{refused}");
    let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("was not accepted"), "the log was captured: {text}");
    assert!(!text.contains("Secretperson"), "{text}");
}
