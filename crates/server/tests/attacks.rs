//! Cross-site attacks and session fixation against the server. What needs a browser is in `web/e2e/attacks.test.mjs`.

mod common;

use common::{Client, Device, Office};
use std::collections::BTreeSet;
use telcon_identity::sign_in;
use telcon_proto::{ClientMessage as C, Role, ServerMessage as S, WIRE_VERSION, message::RefusalCode};

const EVIL: &str = "https://evil.example";
/// What a page sends to another site without asking it first (Fetch standard, CORS-safelisted content types).
const SIMPLE: [&str; 3] = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"];

/// Every operation of the API: method and path, with identifiers filled in.
fn operations() -> Vec<(String, String)> {
    let description: serde_json::Value = serde_json::from_str(include_str!("../../../docs/api/openapi.json")).unwrap();
    let mut found = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        let path = path.replace("{call}", &"c".repeat(32)).replace("{index}", "0").replace("{path}", "checkpoint");
        let path = path
            .replace("{part}", "audio-0.age")
            .replace("{name}", "audio-0.age")
            .replace("{slot}", "1234")
            .replace("{run}", "1")
            .replace("{document}", &"d".repeat(32))
            .replace("{readout}", &"a".repeat(32))
            .replace("{version}", "1")
            .replace("{device}", &"e".repeat(32))
            .replace("{person}", &"f".repeat(32));
        assert!(!path.contains('{'), "{path}: fill its parameter in");
        for method in ["get", "post", "put", "delete", "patch"] {
            if item.get(method).is_some() {
                found.push((method.to_uppercase(), path.clone()));
            }
        }
    }
    assert!(found.len() > 20, "the description has moved");
    found
}

async fn challenged(client: &mut Client, device: &Device) -> Vec<u8> {
    client.send(&C::Hello { version: WIRE_VERSION, device: device.id, program: None }).await;
    match client.next().await {
        Some(S::Challenge { nonce, .. }) => nonce.0,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn session_fixation_a_session_that_the_attacker_prepared_is_nobodys() {
    let office = Office::start().await;
    let device = office.person(Role::SecurityOfficer).await;
    // A token of the attacker's choice is none, before the victim signs in and after; nor is one in a cookie or in the address.
    let chosen = "A".repeat(43);
    let with = [("authorization", format!("Bearer {chosen}")), ("cookie", format!("token={chosen}"))];
    let with = with.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(office.http("GET", "/api/v1/alerts", &with, b"").await.status, 401);
    let client = Client::sign_in(office.addr(), &device).await;
    assert_eq!(office.http("GET", "/api/v1/alerts", &with, b"").await.status, 401);
    let bearer = client.bearer();
    assert_eq!(office.http("GET", "/api/v1/alerts", &[("authorization", &bearer)], b"").await.status, 200);
    let in_address = format!("/api/v1/alerts?token={}", client.token);
    assert_ne!(office.get(&in_address).await.status, 200);
    let cookie = format!("token={}; authorization=Bearer {}", client.token, client.token);
    assert_eq!(office.http("GET", "/api/v1/alerts", &[("cookie", &cookie)], b"").await.status, 401);
    // Each sign-in has a token of its own, and the one before ends with its connection.
    let mut first = client;
    let second = Client::sign_in(office.addr(), &device).await;
    assert_eq!(first.closed().await, Some(4001));
    assert_ne!(second.token, first.token);
    assert_eq!(office.http("GET", "/api/v1/alerts", &[("authorization", &bearer)], b"").await.status, 401);
}

#[tokio::test]
async fn session_fixation_a_challenge_of_one_connection_is_of_no_use_in_another() {
    let office = Office::start().await;
    let device = office.person(Role::Principal).await;
    // The attacker has the victim sign the challenge of the attacker's connection, and the other way round.
    let mut attacker = Client::raw(office.addr(), None).await.unwrap();
    let mut victim = Client::raw(office.addr(), None).await.unwrap();
    let of_attacker = challenged(&mut attacker, &device).await;
    let of_victim = challenged(&mut victim, &device).await;
    assert_ne!(of_attacker, of_victim);
    let answer = |nonce: &[u8]| C::Prove { jws: sign_in(&device.key, common::DOMAIN, device.id, nonce), ticket: None };
    victim.send(&answer(&of_attacker)).await;
    attacker.send(&answer(&of_victim)).await;
    for client in [&mut victim, &mut attacker] {
        assert!(matches!(client.next().await, Some(S::Refused { code: RefusalCode::NotSignedIn, .. })));
    }
}

#[tokio::test]
async fn csrf_a_page_of_another_site_changes_nothing_and_reads_nothing() {
    let office = Office::start().await;
    let officer = office.person(Role::SecurityOfficer).await;
    let _signed_in = Client::sign_in(office.addr(), &officer).await;
    // The victim's browser would add cookies, if there were any.
    for (method, path) in operations() {
        for content_type in SIMPLE {
            let headers =
                [("origin", EVIL), ("content-type", content_type), ("cookie", "a=b"), ("sec-fetch-site", "cross-site")];
            let answer = office.http(&method, &path, &headers, br#"{"a":1}"#).await;
            assert_eq!(answer.header("set-cookie"), None, "{method} {path}");
            assert_eq!(answer.header("access-control-allow-origin"), None, "{method} {path}: it would be readable");
            assert_eq!(
                answer.header("cross-origin-resource-policy").as_deref(),
                Some("same-origin"),
                "{method} {path}"
            );
            if method != "GET" {
                assert!((400..500).contains(&answer.status), "{method} {path} {content_type}: {}", answer.status);
            }
        }
        // Everything else needs leave, which nobody gets.
        let ask = [("origin", EVIL), ("access-control-request-method", method.as_str())];
        let leave = office.http("OPTIONS", &path, &ask, b"").await;
        let given = leave.head.to_ascii_lowercase();
        assert!(!given.contains("access-control-allow"), "{method} {path}: {given}");
    }
    assert_eq!(Client::raw(office.addr(), Some(EVIL)).await.err(), Some(403), "nor does it open a WebSocket");
    assert_eq!(Client::raw(office.addr(), Some("null")).await.err(), Some(403), "from a sandboxed frame neither");
}

#[tokio::test]
async fn csrf_a_right_request_in_a_simple_form_is_refused_by_its_form() {
    let office = Office::start().await;
    let card = office.card(Role::Principal);
    let device = office.device(card.clone(), &office.invite(card, common::now_ms()), common::now_ms());
    for content_type in SIMPLE {
        let headers = [("origin", EVIL), ("content-type", content_type)];
        let answer = office.http("POST", "/api/v1/devices", &headers, &device.enrol_request()).await;
        assert_eq!(answer.status, 415, "{content_type}: {}", answer.text());
    }
    let answer = office.post("/api/v1/devices", &device.enrol_request()).await;
    assert_eq!(answer.status, 201, "the link was not used up: {}", answer.text());
}

#[tokio::test]
async fn clickjacking_and_referrers_every_answer_says_that_it_is_in_no_frame_and_names_no_address() {
    let office = Office::start().await;
    let expected = [
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    let addresses = ["/", "/assets/app.js", "/any/route", "/missing.js", "/push-worker.js", "/api/nothing", "/healthz"];
    let addresses = addresses.iter().map(|path| ("GET".to_owned(), (*path).to_owned()));
    let mut seen = BTreeSet::new();
    for (method, path) in addresses.chain(operations()) {
        let answer = office.http(&method, &path, &[], b"").await;
        seen.insert(answer.status);
        for (name, value) in expected {
            assert_eq!(answer.header(name).as_deref(), Some(value), "{method} {path} ({}): {name}", answer.status);
        }
        let policy = answer.header("content-security-policy").unwrap_or_default();
        for part in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "worker-src 'self'",
            "connect-src 'self'",
        ] {
            assert!(policy.split("; ").any(|one| one.trim() == part), "{method} {path}: {part} in {policy}");
        }
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "{policy}");
    }
    assert!(seen.contains(&200) && seen.contains(&401) && seen.contains(&404), "{seen:?}: errors are answers, too");
}
