//! Role escalation: every message and every request of the generated contract, tried with a real enrolled device of every role,
//! against the tables of `telcon_proto::access`. A message or request that is new and has no rule fails here.

mod common;

use common::{Answer, Client, Device, Office, now_ms};
use serde_json::Value;
use std::collections::BTreeSet;
use telcon_proto::{
    Blob, CallId, Card, ClientMessage as C, CodeRunId, DelegationId, Digest, InvitationId, RecordMode, RecoveryId,
    Role, ServerMessage as S, WIRE_VERSION,
    access::{Access, MESSAGES, REQUESTS, Rule},
    alert::ReportedAlert,
    delegation::OnBehalf,
    http::RevokeRequest,
    line::{LineTerms, Reach},
    message::RefusalCode,
    reach::ReachSettings,
    short_code::{CodeAnswer, CodeSlot},
};

/// With which every refusal by role begins, and no other sentence.
const BY_ROLE: &str = "this device's role may not";
const CALL: CallId = CallId::from_bytes([0xca; 16]);
/// A call that does not exist.
const OTHER_CALL: CallId = CallId::from_bytes([0xcb; 16]);

fn contract(name: &str) -> Value {
    let path = format!("{}/../../docs/api/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn message_types() -> BTreeSet<String> {
    let schema = contract("client-message.schema.json");
    let forms = schema["$defs"]["ClientMessage"]["oneOf"].as_array().expect("one form for each type").clone();
    forms.iter().map(|form| form["properties"]["type"]["const"].as_str().expect("a type").to_owned()).collect()
}

/// Method, path, and whether the description says that it needs a token.
fn requests() -> BTreeSet<(String, String, bool)> {
    let description = contract("openapi.json");
    let paths = description["paths"].as_object().unwrap().clone();
    let methods = |path: String, item: Value| {
        let operations = item.as_object().unwrap().clone();
        operations
            .into_iter()
            .map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation.get("security").is_some()))
    };
    paths.into_iter().flat_map(|(path, item)| methods(path, item)).collect()
}

#[test]
fn every_message_and_request_of_the_contract_has_a_rule_and_no_rule_is_left_over() {
    let rules: BTreeSet<String> = MESSAGES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(message_types(), rules);
    let rules: BTreeSet<_> = REQUESTS
        .iter()
        .map(|(method, path, access)| {
            let needs_token = matches!(access, Access::Device(_) | Access::Relay);
            ((*method).to_owned(), (*path).to_owned(), needs_token)
        })
        .collect();
    assert_eq!(requests(), rules);
}

/// One of each type, about a call and devices of other people, and with an id of its own wherever one is new.
fn samples(office: &Office, sender: &Device, others: [&Device; 2], call: CallId) -> Vec<C> {
    let mut id = *sender.id.as_bytes();
    id[0] ^= 0x80;
    let blob = || Blob(vec![1, 2, 3]);
    let invitation = InvitationId::from_bytes(id);
    let hello = C::Hello { version: WIRE_VERSION, device: sender.id, program: None };
    vec![
        hello,
        C::Prove { jws: "a.b.c".into(), ticket: None },
        C::Ping { log_size: 0 },
        C::RingShown { call },
        C::Answer { call, key_package: blob() },
        C::Decline { call, reply: None },
        C::HangUp { call, failed: false },
        C::AskJoin { call, key_package: blob() },
        C::Leave { call },
        C::HandOver { call },
        C::Commit { call, epoch: 0, commit: blob(), welcome: None, adds: vec![sender.id], removes: vec![others[0].id] },
        C::Application { call, message: blob() },
        C::Offer { call, sdp: "v=0".into() },
        C::Resume { call, after: 0 },
        C::FindPeople { name: "Secretperson".into() },
        C::Silence { person: others[0].person(), on: true },
        C::SetReach { person: others[0].person(), settings: ReachSettings::default() },
        C::Invite {
            invitation,
            card: office.card(Role::SecurityOfficer),
            expires_ms: now_ms() + 3_600_000,
            token_sha256: Digest::from_bytes([3; 32]),
            line: None,
        },
        C::CloseInvitation { invitation },
        C::ApproveDevice { invitation, chain: vec![blob(), blob()], line: None },
        C::RevokeDevice { statement: "a.b.c~d".into() },
        C::OpenRecovery { person: others[0].person(), statement: "a.b.c~d".into() },
        C::ConfirmRecovery {
            statement: "a.b.c~d".into(),
            token_sha256: Digest::from_bytes([3; 32]),
            revocations: vec!["a.b.c~d".into()],
        },
        C::CloseRecovery { recovery: RecoveryId::from_bytes(id) },
        C::Delegate { statement: "a.b.c".into() },
        C::EndDelegation { statement: "a.b.c".into() },
        C::SignLine { statement: "a.b.c".into() },
        C::StopLine { statement: "a.b.c".into() },
        C::OfferLine {
            invitation: InvitationId::from_bytes(id),
            card: Card { role: Role::Counterpart, ..others[0].card.clone() },
            expires_ms: now_ms() + 1_000,
            token_sha256: Digest::from_bytes([3; 32]),
            line: LineTerms {
                reach: Reach::Direct,
                hours: None,
                until_ms: None,
                rings_per_day: None,
                mode: RecordMode::LogOnly,
                purpose: String::new(),
            },
            on_behalf: OnBehalf {
                delegation: DelegationId::from_bytes(id),
                statement_sha256: Digest::from_bytes([3; 32]),
            },
        },
        C::AttestHolder { invitation: InvitationId::from_bytes(id), statement: "a.b.c".into() },
        C::PublishKey { statement: "a.b.c".into() },
        C::OpenCode {},
        C::AnswerCode {
            slot: CodeSlot::new(0).unwrap(),
            run: CodeRunId::from_bytes(id),
            answer: CodeAnswer::Wrong { left: 1 },
        },
        C::CloseCode { slot: CodeSlot::new(0).unwrap() },
        C::ReportAlert { kind: ReportedAlert::ProofInvalid, call: None },
        C::SeeAlerts { alerts: vec![0] },
        C::AcknowledgeDevice { device: others[0].id },
        C::EndShift { idle: false },
        C::Available {},
        office.ring(sender, others[0].person(), CallId::from_bytes(id), RecordMode::LogOnly),
    ]
}

/// What a connection is sent until everything before has been processed, without the answer that shows that.
async fn settled(client: &mut Client) -> Vec<S> {
    // No tree is that large: the answer is to this ping.
    let mark = u64::MAX >> 12;
    client.send(&C::Ping { log_size: mark }).await;
    let mut received = Vec::new();
    loop {
        match client.next().await.expect("the connection stays") {
            S::Checkpoint { from_size, .. } if from_size == mark => return received,
            other => received.push(other),
        }
    }
}

fn refusals(received: &[S]) -> Vec<(RefusalCode, &str)> {
    let refused = |message: &S| matches!(message, S::Refused { .. });
    let parts = |message| match message {
        &S::Refused { code, ref message, .. } => (code, message.as_str()),
        _ => unreachable!("filtered"),
    };
    received.iter().filter(|message| refused(message)).map(parts).collect()
}

/// Two principals, of whom one rings the other, with their connections.
async fn ringing(office: &Office) -> ([Device; 2], [Client; 2]) {
    let (a, b) = (office.person(Role::Principal).await, office.person(Role::Principal).await);
    let mut first = Client::sign_in(office.addr(), &a).await;
    let mut second = Client::sign_in(office.addr(), &b).await;
    first.send(&office.ring(&a, b.person(), CALL, RecordMode::LogOnly)).await;
    first.until(|message| matches!(message, S::Opened { .. }).then_some(())).await;
    second.until(|message| matches!(message, S::Ringing { .. }).then_some(())).await;
    ([a, b], [first, second])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_message_of_each_role_is_admitted_or_refused_as_the_table_says() {
    let office = Office::start().await;
    let ([a, b], [mut first, mut second]) = ringing(&office).await;
    let mut devices = Vec::new();
    for role in Role::ALL {
        let device = office.person(role).await;
        let sent: BTreeSet<String> =
            samples(&office, &device, [&a, &b], CALL).iter().map(|message| message.kind().to_owned()).collect();
        assert_eq!(sent, message_types(), "add a sample of the new message");
        devices.push((role, device));
    }
    let rule = |message: &C| MESSAGES.iter().find(|(name, _)| *name == message.kind()).unwrap().1;
    let by_role = |found: &(RefusalCode, &str)| found.1.starts_with(BY_ROLE);

    // First what is refused: it leaves no trace in the log.
    let before = office.get("/log/checkpoint").await.text();
    let mut count = 0;
    for (role, device) in &devices {
        let mut client = Client::sign_in(office.addr(), device).await;
        settled(&mut client).await;
        let messages = samples(&office, device, [&a, &b], CALL);
        for message in messages.into_iter().filter(|message| !rule(message).admits(*role)) {
            let kind = message.kind();
            client.send(&message).await;
            let received = settled(&mut client).await;
            let found = refusals(&received);
            assert!(
                matches!(&found[..], [one] if one.0 == RefusalCode::NotAllowed && by_role(one)),
                "{role:?} with {kind}: {found:?}"
            );
            assert_eq!(received.len(), 1, "{role:?} with {kind} got something: {received:?}");
            count += 1;
        }
    }
    assert!(count > 80, "{count}");
    assert_eq!(office.get("/log/checkpoint").await.text(), before, "something that was refused is in the log");
    for client in [&mut first, &mut second] {
        let received = settled(client).await;
        assert!(received.iter().all(|message| matches!(message, S::PeopleChanged { .. })), "{received:?}");
    }

    for (role, device) in &devices {
        let mut client = Client::sign_in(office.addr(), device).await;
        settled(&mut client).await;
        let messages = samples(&office, device, [&a, &b], CALL);
        for message in messages.into_iter().filter(|message| rule(message).admits(*role)) {
            client.send(&message).await;
            let received = settled(&mut client).await;
            let found = refusals(&received);
            assert!(!found.iter().any(by_role), "{role:?} should be admitted with {}: {found:?}", message.kind());
        }
    }
    // None of them ended, joined or declined the call of the others, who see at most that a listener asked to be let in, and whom else
    // they missed.
    for client in [&mut first, &mut second] {
        let received = settled(client).await;
        let concerns = received.iter().filter(|message| {
            !matches!(
                message,
                S::PeopleChanged { .. }
                    | S::JoinAsked { .. }
                    | S::Ringing { .. }
                    | S::RingingThere { .. }
                    | S::Ended { .. }
            ) && !matches!(message, S::Notice(notice) if notice.call != CALL)
        });
        assert_eq!(concerns.count(), 0, "{received:?}");
        let ended = received.iter().any(|message| matches!(message, S::Ended { call: CALL, .. }));
        assert!(!ended, "somebody else ended the call");
    }
}

fn url(path: &str) -> String {
    path.replace("{call}", &CALL.to_hex())
        .replace("{document}", &CALL.to_hex())
        .replace("{version}", "1")
        .replace("{device}", &CALL.to_hex())
        .replace("{person}", &CALL.to_hex())
        .replace("{index}", "0")
        .replace("{slot}", "0000")
        .replace("{run}", &CALL.to_hex())
        .replace("{part}", "part-000000.tar.age")
        .replace("{path}", "checkpoint")
        .replace("/log/consistency", "/log/consistency?from=0&to=1")
}

async fn ask(office: &Office, method: &str, path: &str, bearer: Option<&str>) -> Answer {
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(bearer.map(|bearer| ("authorization", bearer)));
    let body: &[u8] = if method == "GET" { b"" } else { b"{}" };
    office.http(method, &url(path), &headers, body).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_of_each_role_is_admitted_or_refused_as_the_table_says() {
    let office = Office::start().await;
    let _others = ringing(&office).await;
    for role in Role::ALL {
        let device = office.person(role).await;
        let client = Client::sign_in(office.addr(), &device).await;
        for (method, path, access) in REQUESTS {
            let what = format!("{role:?}: {method} {path}");
            let answer = ask(&office, method, path, Some(&client.bearer())).await;
            let by_role = answer.text().contains(BY_ROLE);
            match access {
                Access::Device(rule) if !rule.admits(role) => {
                    assert!(answer.status == 403 && by_role, "{what}: {} {}", answer.status, answer.text());
                }
                Access::Device(_) => {
                    assert!(answer.status != 401 && !by_role, "{what}: {} {}", answer.status, answer.text());
                    if *method == "GET" && !path.contains('{') {
                        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
                    }
                }
                // A device's token is not a relay's.
                Access::Relay => assert_eq!(answer.status, 401, "{what}: {}", answer.text()),
                Access::Everybody => assert!(!matches!(answer.status, 401 | 403), "{what}: {}", answer.text()),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anonymous_requests_get_what_is_public_and_nothing_else() {
    let office = Office::start().await;
    let _others = ringing(&office).await;
    for bearer in [None, Some("Bearer "), Some("Bearer 00"), Some("Basic YTpi")] {
        for (method, path, access) in REQUESTS {
            let answer = ask(&office, method, path, bearer).await;
            let closed = matches!(access, Access::Device(_) | Access::Relay);
            assert_eq!(answer.status == 401, closed, "{method} {path}: {} {}", answer.status, answer.text());
        }
    }
    // Other methods of the same paths are no way round.
    for (_, path, access) in REQUESTS {
        for method in ["DELETE", "PATCH", "PUT", "HEAD"] {
            if !REQUESTS.iter().any(|row| (row.0, row.1) == (method, *path)) {
                let status = ask(&office, method, path, None).await.status;
                let open = method == "HEAD" && matches!(access, Access::Everybody);
                assert!(matches!(status, 401 | 405) || open, "{method} {path}: {status}");
            }
        }
    }
    // Before a sign-in, no message but a sign-in.
    let device = office.person(Role::Principal).await;
    for message in samples(&office, &device, [&device, &device], OTHER_CALL) {
        if !matches!(message, C::Hello { .. }) {
            let mut client = Client::raw(office.addr(), None).await.unwrap();
            client.send(&message).await;
            let Some(S::Refused { code, .. }) = client.next().await else { panic!("{} was answered", message.kind()) };
            assert_eq!(code, RefusalCode::NotSignedIn, "{}", message.kind());
            assert_eq!(client.closed().await, Some(1008), "{}", message.kind());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_device_of_any_role_gets_nothing() {
    let office = Office::start().await;
    for role in Role::ALL {
        let device = office.person(role).await;
        let mut client = Client::sign_in(office.addr(), &device).await;
        let bearer = client.bearer();
        assert_eq!(ask(&office, "GET", "/api/v1/devices", Some(&bearer)).await.status, 200, "{role:?}");
        let jws = office.authority.revoke(device.id, now_ms()).unwrap();
        let statement = serde_json::to_vec(&RevokeRequest { jws }).unwrap();
        assert_eq!(office.post("/api/v1/revocations", &statement).await.status, 200, "{role:?}");
        assert_eq!(client.closed().await, Some(4002), "{role:?}");
        for (method, path, access) in REQUESTS {
            if matches!(access, Access::Device(_)) {
                assert_eq!(ask(&office, method, path, Some(&bearer)).await.status, 401, "{role:?}: {method} {path}");
            }
        }
        let mut again = Client::raw(office.addr(), None).await.unwrap();
        again.prove(&device, common::DOMAIN).await;
        assert!(matches!(again.next().await, Some(S::Revoked { .. })), "{role:?}");
        assert_eq!(again.closed().await, Some(1008), "{role:?}");
    }
}

/// Of the roles that may send a message or request, each device is refused what is of other people.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_reaches_nothing_of_other_people_with_their_identifiers() {
    let office = Office::start().await;
    let ([a, b], [mut first, mut second]) = ringing(&office).await;
    settled(&mut first).await;
    settled(&mut second).await;
    for role in [Role::Principal, Role::Counterpart] {
        let stranger = office.person(role).await;
        let mut client = Client::sign_in(office.addr(), &stranger).await;
        settled(&mut client).await;
        for message in samples(&office, &stranger, [&a, &b], CALL) {
            if message.call() != Some(CALL) {
                continue;
            }
            client.send(&message).await;
            let received = settled(&mut client).await;
            let kind = message.kind();
            let only_refused = received.iter().all(|one| matches!(one, S::Refused { .. } | S::PeopleChanged { .. }));
            assert!(only_refused, "{role:?} with {kind}: {received:?}");
        }
        let bearer = client.bearer();
        for path in ["/api/v1/records/{call}", "/api/v1/records/{call}/{index}/{part}"] {
            assert_eq!(ask(&office, "GET", path, Some(&bearer)).await.status, 404, "{role:?}: {path}");
        }
        let list = ask(&office, "GET", "/api/v1/records", Some(&bearer)).await.text();
        assert!(!list.contains(&CALL.to_hex()), "{list}");
        let devices = ask(&office, "GET", "/api/v1/devices", Some(&bearer)).await.text();
        assert!(!devices.contains(&a.id.to_hex()) && devices.contains(&stranger.id.to_hex()), "{devices}");
    }
    for client in [&mut first, &mut second] {
        let received = settled(client).await;
        assert!(received.iter().all(|one| matches!(one, S::PeopleChanged { .. })), "{received:?}");
    }

    // What was added in another person's name stays unacknowledged.
    let added = office.device(a.card.clone(), &office.invite(a.card.clone(), now_ms()), now_ms());
    assert_eq!(office.post("/api/v1/devices", &added.enrol_request()).await.status, 201);
    first.until(|message| matches!(message, S::DevicesAdded { .. }).then_some(())).await;
    second.send(&C::AcknowledgeDevice { device: added.id }).await;
    settled(&mut second).await;
    drop(first);
    let mut first = Client::sign_in(office.addr(), &a).await;
    let devices = first.until(|message| match message {
        S::DevicesAdded { devices } => Some(devices),
        _ => None,
    });
    assert!(devices.await.iter().any(|one| one.device == added.id), "another person acknowledged it");

    // A note-taker that was not in the call delivers no record of it.
    let notes = office.person(Role::NoteTaker).await;
    let client = Client::sign_in(office.addr(), &notes).await;
    for (method, path) in [("PUT", "/api/v1/calls/{call}/record/{part}"), ("POST", "/api/v1/calls/{call}/record")] {
        let answer = ask(&office, method, path, Some(&client.bearer())).await;
        assert!(matches!(answer.status, 403 | 409 | 422), "{method} {path}: {} {}", answer.status, answer.text());
    }
}

/// The least that each role needs, so that the table cannot refuse everything.
#[test]
fn rules_admit_those_who_need_them() {
    let rule = |kind: &str| MESSAGES.iter().find(|(name, _)| *name == kind).map_or(Rule::Any(&[]), |(_, rule)| *rule);
    assert!(rule("ask_join").admits(Role::Interpreter) && !rule("ask_join").admits(Role::Auditor));
    assert!(rule("see_alerts").admits(Role::SecurityOfficer) && !rule("see_alerts").admits(Role::Auditor));
    assert!(rule("ring").admits(Role::Counterpart) && !rule("ring").admits(Role::NoteTaker));
}
