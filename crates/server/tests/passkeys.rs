//! Passkeys on real sockets, with an authenticator in software, and attacks on each step.

mod common;

use common::{
    Answer, Client, DOMAIN, Device, Office,
    authenticator::{Authenticator, HONEST, USER_PRESENT, USER_VERIFIED},
};
use serde_json::{Value, json};
use telcon_proto::{
    ClientMessage as C, InvitationId, Role, ServerMessage as S, WIRE_VERSION,
    limits::{MAX_SIGN_IN_MESSAGE_BYTES, TICKET_MAX_AGE_MS, TICKET_MAX_IDLE_MS},
    message::RefusalCode,
    protection::{ChallengeRequest, IssuedTicket, PasskeyAnswer, PasskeyOptions, ProtectionPolicy, RemoveProtector},
};

const ORIGIN: &str = "https://office.example";

async fn post(office: &Office, path: &str, token: Option<&Client>, body: &impl serde::Serialize) -> Answer {
    let bearer = token.map(Client::bearer);
    let mut headers = vec![("content-type", "application/json"), ("origin", ORIGIN)];
    headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
    office.http("POST", &format!("/api/v1{path}"), &headers, &serde_json::to_vec(body).unwrap()).await
}

async fn begin(office: &Office, client: &Client) -> Answer {
    post(office, "/passkeys/registration", Some(client), &json!({})).await
}

/// Registers a passkey; returns the answer.
async fn register(office: &Office, client: &Client, key: &Authenticator) -> Answer {
    let PasskeyOptions { ceremony, options } = begin(office, client).await.json();
    let credential = key.create(&options);
    post(office, "/passkeys", Some(client), &PasskeyAnswer { ceremony, credential }).await
}

async fn challenge(office: &Office, device: &Device) -> PasskeyOptions {
    post(office, "/passkeys/challenge", None, &ChallengeRequest { device: device.id }).await.json()
}

async fn assert(office: &Office, device: &Device, key: &Authenticator) -> Answer {
    let PasskeyOptions { ceremony, options } = challenge(office, device).await;
    answer(office, ceremony, key.get(&options)).await
}

async fn answer(office: &Office, ceremony: String, credential: Value) -> Answer {
    post(office, "/passkeys/assertion", None, &PasskeyAnswer { ceremony, credential }).await
}

fn ticket(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json::<IssuedTicket>().ticket
}

/// Signs in with a ticket; the refusal's code if it fails.
async fn sign_in(office: &Office, device: &Device, ticket: Option<&str>) -> Result<Client, RefusalCode> {
    let mut client = Client::raw(office.addr(), None).await.unwrap();
    client.send(&C::Hello { version: WIRE_VERSION, device: device.id, program: None }).await;
    let Some(S::Challenge { nonce, .. }) = client.next().await else { panic!("not challenged") };
    let jws = telcon_identity::sign_in(&device.key, DOMAIN, device.id, nonce.as_slice());
    client.send(&C::Prove { jws, ticket: ticket.map(str::to_owned) }).await;
    match client.next().await {
        Some(S::SignedIn { token, .. }) => {
            client.token = token;
            Ok(client)
        }
        Some(S::Refused { code, .. }) => Err(code),
        other => panic!("{other:?}"),
    }
}

async fn refusal(office: &Office, device: &Device, ticket: Option<&str>) -> Option<RefusalCode> {
    sign_in(office, device, ticket).await.err()
}

/// A device with a passkey, its connection, and the ticket of the registration.
async fn protected(office: &Office, role: Role) -> (Device, Authenticator, Client, String) {
    let device = office.person(role).await;
    let client = sign_in(office, &device, None).await.unwrap();
    let key = Authenticator::new(1, ORIGIN);
    let issued = ticket(&register(office, &client, &key).await);
    (device, key, client, issued)
}

#[tokio::test]
async fn a_device_with_a_passkey_signs_in_only_after_it_was_used() {
    let mut office = Office::start().await;
    let (device, key, client, first) = protected(&office, Role::Principal).await;
    drop(client);
    assert_eq!(refusal(&office, &device, None).await, Some(RefusalCode::UnlockRequired));
    assert_eq!(refusal(&office, &device, Some("guessed")).await, Some(RefusalCode::UnlockRequired));
    assert_eq!(refusal(&office, &device, Some(&first)).await, None, "the registration was a proof of presence");
    let second = ticket(&assert(&office, &device, &key).await);
    assert_eq!(refusal(&office, &device, Some(&second)).await, None);
    // What is stored survives a restart.
    office.stop().await;
    office.run().await;
    assert_eq!(refusal(&office, &device, Some(&second)).await, None);
    assert_eq!(refusal(&office, &device, None).await, Some(RefusalCode::UnlockRequired));
}

#[tokio::test]
async fn devices_without_passkeys_sign_in_as_before() {
    let office = Office::start().await;
    for role in [Role::NoteTaker, Role::Principal] {
        let device = office.person(role).await;
        assert_eq!(refusal(&office, &device, None).await, None, "{role:?}");
        assert_eq!(refusal(&office, &device, Some("of no use")).await, None, "{role:?}");
    }
    let policy: ProtectionPolicy = office.get("/api/v1/protection").await.json();
    assert!(!policy.required);
}

/// Session fixation: the attacker has a ticket from before, and waits until the person proves their presence.
#[tokio::test]
async fn a_new_assertion_ends_the_ticket_before() {
    let office = Office::start().await;
    let (device, key, _client, fixed) = protected(&office, Role::Principal).await;
    let fresh = ticket(&assert(&office, &device, &key).await);
    assert_ne!(fixed, fresh);
    assert_eq!(refusal(&office, &device, Some(&fixed)).await, Some(RefusalCode::UnlockRequired));
    assert_eq!(refusal(&office, &device, Some(&fresh)).await, None);
}

#[tokio::test]
async fn the_ticket_of_another_device_is_refused() {
    let office = Office::start().await;
    let (device, _, _client, _) = protected(&office, Role::Principal).await;
    let other = office.person(Role::Principal).await;
    let others = sign_in(&office, &other, None).await.unwrap();
    let its = ticket(&register(&office, &others, &Authenticator::new(2, ORIGIN)).await);
    assert_eq!(refusal(&office, &device, Some(&its)).await, Some(RefusalCode::UnlockRequired));
    assert_eq!(refusal(&office, &other, Some(&its)).await, None);
}

/// The attacker holds an authenticator that touches but does not verify its user, such as a stolen key without its PIN.
#[tokio::test]
async fn a_passkey_without_user_verification_is_refused() {
    let office = Office::start().await;
    let (device, mut key, client, _) = protected(&office, Role::Principal).await;
    for flags in [USER_PRESENT, 0] {
        key.flags = flags;
        assert_eq!(assert(&office, &device, &key).await.status, 403, "{flags}");
    }
    let mut unverified = Authenticator::new(2, ORIGIN);
    unverified.flags = USER_PRESENT;
    assert_eq!(register(&office, &client, &unverified).await.status, 403);
    key.flags = HONEST;
    assert_eq!(assert(&office, &device, &key).await.status, 200);
    key.flags = USER_VERIFIED;
    assert_ne!(assert(&office, &device, &key).await.status, 200, "verified, but nobody touched it");
}

/// The attacker's own authenticator, a phishing page's answer, and answers that were recorded before.
#[tokio::test]
async fn forged_foreign_and_replayed_assertions_are_refused() {
    let office = Office::start().await;
    let (device, mut key, _client, _) = protected(&office, Role::Principal).await;
    let same_id = Authenticator::new(1, ORIGIN);
    assert_eq!(assert(&office, &device, &same_id).await.status, 403, "another key under its identifier");
    assert_eq!(assert(&office, &device, &Authenticator::new(3, ORIGIN)).await.status, 403, "an unknown passkey");
    key.origin = "https://office.example.evil.example".into();
    assert_eq!(assert(&office, &device, &key).await.status, 403, "signed for another page");
    key.origin = ORIGIN.into();
    let PasskeyOptions { ceremony, options } = challenge(&office, &device).await;
    let recorded = key.get(&options);
    ticket(&answer(&office, ceremony.clone(), recorded.clone()).await);
    assert_eq!(answer(&office, ceremony, recorded.clone()).await.status, 410, "each ceremony once");
    let next = challenge(&office, &device).await;
    assert_eq!(answer(&office, next.ceremony, recorded).await.status, 403, "another challenge");
    assert_eq!(answer(&office, "invented".into(), key.get(&options)).await.status, 410);
}

/// A counter that goes back shows a copied authenticator (WebAuthn Level 3, section 6.1.1).
#[tokio::test]
async fn a_cloned_authenticator_whose_counter_goes_back_is_refused() {
    let office = Office::start().await;
    let (device, mut key, _client, _) = protected(&office, Role::Principal).await;
    key.counter = 7;
    ticket(&assert(&office, &device, &key).await);
    key.counter = 5;
    assert_eq!(assert(&office, &device, &key).await.status, 403);
    key.counter = 8;
    ticket(&assert(&office, &device, &key).await);
    // Both copies begin before either answers.
    let (one, two) = (challenge(&office, &device).await, challenge(&office, &device).await);
    key.counter = 9;
    ticket(&answer(&office, one.ceremony, key.get(&one.options)).await);
    assert_eq!(answer(&office, two.ceremony, key.get(&two.options)).await.status, 403);
}

/// The attacker asks for challenges of all devices that the log names.
#[tokio::test]
async fn a_challenge_does_not_tell_whether_a_device_has_passkeys() {
    let office = Office::start().await;
    let (device, key, _client, _) = protected(&office, Role::Principal).await;
    let other = office.person(Role::Principal).await;
    let (with, without) = (challenge(&office, &device).await, challenge(&office, &other).await);
    let fields = |options: &PasskeyOptions| {
        let object = options.options.as_object().unwrap();
        object.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(fields(&with), fields(&without));
    assert_eq!(with.ceremony.len(), without.ceremony.len());
    assert_eq!(with.options["challenge"].as_str().unwrap().len(), without.options["challenge"].as_str().unwrap().len());
    assert!(!with.options.to_string().contains(&key.credential()));
    // What is answered to one does not tell either.
    let stranger = Authenticator::new(9, ORIGIN);
    let refused = answer(&office, with.ceremony, stranger.get(&with.options)).await;
    let same = answer(&office, without.ceremony.clone(), stranger.get(&without.options)).await;
    assert_eq!((refused.status, refused.text()), (403, same.text()));
    assert_eq!(same.status, 403);
    assert_eq!(answer(&office, without.ceremony, stranger.get(&without.options)).await.status, 410);
    let (with, without) = (challenge(&office, &device).await, challenge(&office, &other).await);
    for PasskeyOptions { ceremony, .. } in [with, without] {
        assert_eq!(answer(&office, ceremony, json!({})).await.status, 422);
    }
}

/// The attacker asks for many challenges of somebody's device, which is being unlocked.
#[tokio::test]
async fn challenges_of_one_device_displace_no_others() {
    let office = Office::start().await;
    let (device, key, _client, _) = protected(&office, Role::Principal).await;
    let other = office.person(Role::Principal).await;
    let others = sign_in(&office, &other, None).await.unwrap();
    let others_key = Authenticator::new(2, ORIGIN);
    ticket(&register(&office, &others, &others_key).await);
    let PasskeyOptions { ceremony, options } = challenge(&office, &device).await;
    for _ in 0..80 {
        challenge(&office, &other).await;
    }
    ticket(&answer(&office, ceremony, key.get(&options)).await);
    ticket(&assert(&office, &other, &others_key).await);
}

#[tokio::test]
async fn a_registration_belongs_to_the_device_and_page_that_began_it() {
    let office = Office::start().await;
    let (device, other) = (office.person(Role::Principal).await, office.person(Role::Principal).await);
    let client = sign_in(&office, &device, None).await.unwrap();
    let others = sign_in(&office, &other, None).await.unwrap();
    let key = Authenticator::new(1, ORIGIN);
    let begun = |body: Answer| body.json::<PasskeyOptions>();
    let PasskeyOptions { ceremony, options } = begun(begin(&office, &client).await);
    let stolen = PasskeyAnswer { ceremony, credential: key.create(&options) };
    assert_eq!(post(&office, "/passkeys", Some(&others), &stolen).await.status, 403);
    assert_eq!(post(&office, "/passkeys", Some(&client), &stolen).await.status, 410, "it was used up");
    assert_eq!(post(&office, "/passkeys/registration", None, &json!({})).await.status, 401);
    let headers = [("origin", "https://evil.example"), ("authorization", &client.bearer())];
    assert_eq!(office.http("POST", "/api/v1/passkeys/registration", &headers, b"").await.status, 403);
    // An assertion is no registration, and a registration no assertion.
    let PasskeyOptions { ceremony, options } = begun(begin(&office, &client).await);
    assert_eq!(answer(&office, ceremony, key.create(&options)).await.status, 403);
    assert_eq!(refusal(&office, &device, None).await, None, "nothing was registered");
}

#[tokio::test]
async fn a_device_has_several_passkeys_and_never_loses_the_last() {
    let office = Office::start().await;
    let (device, first, client, _) = protected(&office, Role::Principal).await;
    let second = Authenticator::new(2, ORIGIN);
    let PasskeyOptions { options, .. } = begin(&office, &client).await.json();
    assert_eq!(options["excludeCredentials"][0]["id"], first.credential());
    assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
    assert_eq!(options["authenticatorSelection"]["residentKey"], "required");
    ticket(&register(&office, &client, &second).await);
    ticket(&assert(&office, &device, &first).await);
    ticket(&assert(&office, &device, &second).await);
    let remove = |key: &Authenticator| RemoveProtector::Passkey { credential: key.credential() };
    assert_eq!(post(&office, "/protection/remove", Some(&client), &remove(&first)).await.status, 204);
    assert_eq!(assert(&office, &device, &first).await.status, 403, "a removed passkey is of no use");
    assert_eq!(post(&office, "/protection/remove", Some(&client), &remove(&second)).await.status, 409);
    ticket(&assert(&office, &device, &second).await);
}

/// Moves a time of all tickets into the past, as the clock would.
async fn age_tickets(office: &mut Office, column: &str, by_ms: u64) {
    office.stop().await;
    let database = rusqlite::Connection::open(office.dir.path().join("server/telcon.db")).unwrap();
    let sql = format!("UPDATE tickets SET {column} = {column} - {by_ms}");
    assert!(database.execute(&sql, []).unwrap() > 0);
    drop(database);
    office.run().await;
}

#[tokio::test]
async fn dangerous_commands_need_a_recent_confirmation() {
    let mut office = Office::start().await;
    let (device, key, client, issued) = protected(&office, Role::SecurityOfficer).await;
    drop(client);
    let dangerous = || C::CloseInvitation { invitation: InvitationId::from_bytes([9; 16]) };
    async fn code(client: &mut Client, message: C) -> RefusalCode {
        client.send(&message).await;
        client
            .until(|message| match message {
                S::Refused { code, .. } => Some(code),
                _ => None,
            })
            .await
    }
    let mut client = sign_in(&office, &device, Some(&issued)).await.unwrap();
    assert_ne!(code(&mut client, dangerous()).await, RefusalCode::ConfirmationRequired, "it was confirmed just now");
    drop(client);
    age_tickets(&mut office, "issued_ms", telcon_proto::limits::CONFIRMATION_MAX_AGE_MS).await;
    let mut client = sign_in(&office, &device, Some(&issued)).await.unwrap();
    assert_eq!(code(&mut client, dangerous()).await, RefusalCode::ConfirmationRequired);
    for path in ["/passkeys/registration", "/lockers", "/protection/remove"] {
        let zeros = "0".repeat(64);
        let body = match path {
            "/lockers" => json!({ "locker_sha256": zeros, "proof_sha256": zeros }),
            _ => json!({ "kind": "passkey", "credential": key.credential() }),
        };
        assert_eq!(post(&office, path, Some(&client), &body).await.status, 403, "{path}");
    }
    ticket(&assert(&office, &device, &key).await);
    assert_ne!(code(&mut client, dangerous()).await, RefusalCode::ConfirmationRequired, "one touch confirms");
}

/// The attacker finds a ticket that was used this morning, or whose device has been closed for an hour.
#[tokio::test]
async fn a_ticket_that_is_too_old_or_was_not_used_does_not_sign_in() {
    let mut office = Office::start().await;
    let (device, key, client, mut issued) = protected(&office, Role::Principal).await;
    drop(client);
    for (column, ms) in
        [("issued_ms", telcon_proto::limits::TICKET_MAX_AGE_MS), ("used_ms", telcon_proto::limits::TICKET_MAX_IDLE_MS)]
    {
        age_tickets(&mut office, column, ms).await;
        assert_eq!(refusal(&office, &device, Some(&issued)).await, Some(RefusalCode::UnlockRequired), "{column}");
        issued = ticket(&assert(&office, &device, &key).await);
        assert_eq!(refusal(&office, &device, Some(&issued)).await, None, "{column}");
    }
}

/// Runs a statement in the database of a running office.
fn change(office: &Office, sql: &str) {
    let database = rusqlite::Connection::open(office.dir.path().join("server/telcon.db")).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    assert!(database.execute(sql, []).unwrap() > 0);
}

const LOCKED: Option<RefusalCode> = Some(RefusalCode::UnlockRequired);

#[tokio::test]
async fn a_ticket_is_not_idle_while_its_device_is_connected() {
    let office = Office::start().await;
    let (device, _, client, issued) = protected(&office, Role::Principal).await;
    let idle = format!("UPDATE tickets SET used_ms = used_ms - {TICKET_MAX_IDLE_MS}");
    change(&office, &idle);
    // Its network changed, and the server has not noticed the end of the connection before.
    let again = sign_in(&office, &device, Some(&issued)).await.expect("it is connected");
    assert_eq!(refusal(&office, &device, None).await, LOCKED, "without the ticket");
    drop((client, again));
}

#[tokio::test]
async fn a_device_in_a_call_signs_in_whatever_the_age_of_its_ticket() {
    let office = Office::start().await;
    let (device, _, mut client, issued) = protected(&office, Role::Principal).await;
    let old = format!(
        "UPDATE tickets SET used_ms = used_ms - {TICKET_MAX_AGE_MS}, issued_ms = issued_ms - {TICKET_MAX_AGE_MS}"
    );
    let callee = office.person(Role::Counterpart).await;
    let mut there = Client::sign_in(office.addr(), &callee).await;
    let call = telcon_proto::CallId::from_bytes([7; 16]);
    client.send(&office.ring(&device, callee.person(), call, telcon_proto::RecordMode::LogOnly)).await;
    there.until(|message| matches!(message, S::Ringing { .. }).then_some(())).await;
    change(&office, &old);
    assert_eq!(refusal(&office, &device, None).await, LOCKED, "without the ticket");
    let mut again = sign_in(&office, &device, Some(&issued)).await.expect("it is in a call");
    again.send(&C::HangUp { call, failed: false }).await;
    again.until(|message| matches!(message, S::Ended { .. }).then_some(())).await;
    assert_eq!(refusal(&office, &device, Some(&issued)).await, LOCKED, "the call is over");
}

#[tokio::test]
async fn a_connected_device_is_locked_when_its_ticket_ends() {
    let office = Office::start().await;
    let (device, _, client, issued) = protected(&office, Role::Principal).await;
    drop(client);
    let left_ms = 2_000;
    change(&office, &format!("UPDATE tickets SET issued_ms = {}", common::now_ms() + left_ms - TICKET_MAX_AGE_MS));
    let mut client = sign_in(&office, &device, Some(&issued)).await.expect("it has not ended");
    let is_locked = |message| matches!(message, S::Refused { code: RefusalCode::UnlockRequired, .. }).then_some(());
    client.until(is_locked).await;
    assert_eq!(client.closed().await, Some(4003));
}

/// PostgreSQL stores no NUL: such text would fail as an error of the server.
#[tokio::test]
async fn text_with_nul_or_without_bound_is_refused() {
    let office = Office::start().await;
    let (device, key, client, _) = protected(&office, Role::Principal).await;
    let remove = |credential: String| RemoveProtector::Passkey { credential };
    let valid = key.credential();
    for credential in ["\0".to_owned(), format!("{valid}\0"), "a b".into(), "A".repeat(1_368)] {
        let answer = post(&office, "/protection/remove", Some(&client), &remove(credential)).await;
        assert_eq!(answer.status, 422, "{}", answer.text());
    }
    assert_eq!(post(&office, "/passkeys/challenge", None, &json!({ "device": "\0" })).await.status, 422);
    let mut client = Client::sign_in(office.addr(), &office.person(Role::Principal).await).await;
    client.send(&C::FindPeople { name: "a\0b".into() }).await;
    let malformed = |message| matches!(message, S::Refused { code: RefusalCode::Malformed, .. }).then_some(());
    client.until(malformed).await;
    // Nobody has signed in yet.
    let mut client = Client::raw(office.addr(), None).await.unwrap();
    client.send(&C::Hello { version: WIRE_VERSION, device: device.id, program: None }).await;
    client.until(|message| matches!(message, S::Challenge { .. }).then_some(())).await;
    client.send(&C::Prove { jws: "a".repeat(MAX_SIGN_IN_MESSAGE_BYTES), ticket: None }).await;
    client.until(malformed).await;
}
