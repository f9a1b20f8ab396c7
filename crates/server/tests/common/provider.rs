//! An OpenID Connect provider that does what a test says: it signs what it is told to sign, and may answer anything.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};
use url::Url;

pub const CLIENT_ID: &str = "telcon";
pub const CLIENT_SECRET: &str = "secret";

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// With the provider's key.
    Key,
    /// With another one, which it says is the provider's.
    OtherKey,
    /// `alg: none`.
    Not,
    /// With the client's secret, which is no key of the provider (`HS256`).
    Secret,
}

/// What the provider answers to a code.
#[derive(Clone)]
struct Grant {
    challenge: String,
    redirect: String,
    claims: Value,
    signed: Signed,
}

struct State {
    issuer: String,
    key: EcdsaKeyPair,
    kid: u32,
    grants: HashMap<String, Grant>,
    next: u32,
    /// The discovery document says that it is this one's.
    claimed_issuer: Option<String>,
}

/// A provider.
pub struct Provider {
    pub issuer: String,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

/// A sign-in that a page was sent to the provider with.
pub struct Asked {
    pub state: String,
    nonce: String,
    challenge: String,
    pub redirect: String,
}

fn key() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Provider {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let state =
            State { issuer: issuer.clone(), key: key(), kid: 1, grants: HashMap::new(), next: 1, claimed_issuer: None };
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut bytes = Vec::new();
                let mut chunk = [0; 4096];
                while !is_whole(&bytes) {
                    match stream.read(&mut chunk).await {
                        Ok(n) if n > 0 => bytes.extend_from_slice(&chunk[..n]),
                        _ => break,
                    }
                }
                let (status, body) = shared.lock().unwrap().answer(&String::from_utf8_lossy(&bytes));
                let head = format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            }
        });
        Self { issuer, state, task }
    }

    /// Nobody answers at its address any more.
    pub async fn stop(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    /// From now on it signs with another key, and publishes that one alone.
    pub fn change_key(&self) {
        let mut state = self.state.lock().unwrap();
        state.key = key();
        state.kid += 1;
    }

    /// Its description names another provider.
    pub fn claim_to_be(&self, issuer: &str) {
        self.state.lock().unwrap().claimed_issuer = Some(issuer.to_owned());
    }

    /// What it was asked with this address, to which a page is sent.
    pub fn asked(&self, url: &str) -> Asked {
        let url = Url::parse(url).unwrap();
        assert!(url.as_str().starts_with(&format!("{}/authorize?", self.issuer)), "{url}");
        let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!((&*query["response_type"], &*query["client_id"]), ("code", CLIENT_ID));
        assert_eq!(query["code_challenge_method"], "S256");
        assert!(query["scope"].split(' ').any(|scope| scope == "openid"));
        let of = |name: &str| query[name].clone();
        Asked { state: of("state"), nonce: of("nonce"), challenge: of("code_challenge"), redirect: of("redirect_uri") }
    }

    /// A person signed in: a code for a token about this subject.
    pub fn code(&self, asked: &Asked, subject: &str) -> String {
        self.code_for(asked, subject, Signed::Key, |_| ())
    }

    /// A code for a token that is not as it should be.
    pub fn code_for(&self, asked: &Asked, subject: &str, signed: Signed, change: impl FnOnce(&mut Value)) -> String {
        let now = super::now_ms() / 1000;
        let mut claims = json!({
            "iss": self.issuer, "sub": subject, "aud": CLIENT_ID, "exp": now + 300, "iat": now, "nonce": asked.nonce,
        });
        change(&mut claims);
        let mut state = self.state.lock().unwrap();
        state.next += 1;
        let code = format!("code {}", state.next);
        let (challenge, redirect) = (asked.challenge.clone(), asked.redirect.clone());
        state.grants.insert(code.clone(), Grant { challenge, redirect, claims, signed });
        code
    }
}

/// Whether a request has arrived with its body.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    bytes.len() >= head + 4 + length.unwrap_or(0)
}

impl State {
    fn answer(&mut self, request: &str) -> (u16, String) {
        let issuer = self.issuer.clone();
        let (status, body) = match request.split(' ').nth(1).unwrap_or_default() {
            "/.well-known/openid-configuration" => (
                200,
                json!({
                    "issuer": self.claimed_issuer.as_ref().unwrap_or(&issuer),
                    "authorization_endpoint": format!("{issuer}/authorize"),
                    "token_endpoint": format!("{issuer}/token"),
                    "jwks_uri": format!("{issuer}/keys"),
                    "response_types_supported": ["code"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
                }),
            ),
            "/keys" => {
                let point = self.key.public_key().as_ref()[1..].to_vec();
                let key = json!({
                    "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.kid.to_string(),
                    "x": b64(&point[..32]), "y": b64(&point[32..]),
                });
                (200, json!({ "keys": [key] }))
            }
            "/token" => self.token(request),
            _ => (404, json!({})),
        };
        (status, body.to_string())
    }

    fn token(&mut self, request: &str) -> (u16, Value) {
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}"));
        let refused = |error: &str| (400, json!({ "error": error }));
        if !request.contains(&format!("Basic {basic}")) {
            return refused("invalid_client");
        }
        let body = request.rsplit("\r\n\r\n").next().unwrap_or_default();
        let form: HashMap<_, _> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        // A code is used once.
        let Some(grant) = form.get("code").and_then(|code| self.grants.remove(code)) else {
            return refused("invalid_grant");
        };
        let verifier = form.get("code_verifier").map(String::as_str).unwrap_or_default();
        if b64(Sha256::digest(verifier)) != grant.challenge || form.get("redirect_uri") != Some(&grant.redirect) {
            return refused("invalid_grant");
        }
        let token = self.signed(&grant);
        (200, json!({ "access_token": "of no use here", "token_type": "Bearer", "expires_in": 60, "id_token": token }))
    }

    fn signed(&self, grant: &Grant) -> String {
        let alg = match grant.signed {
            Signed::Key | Signed::OtherKey => "ES256",
            Signed::Not => "none",
            Signed::Secret => "HS256",
        };
        let header = json!({ "alg": alg, "typ": "JWT", "kid": self.kid.to_string() });
        let text = format!("{}.{}", b64(header.to_string()), b64(grant.claims.to_string()));
        let sign = |key: &EcdsaKeyPair| b64(key.sign(&SystemRandom::new(), text.as_bytes()).unwrap());
        let signature = match grant.signed {
            Signed::Key => sign(&self.key),
            Signed::OtherKey => sign(&key()),
            Signed::Not => String::new(),
            Signed::Secret => {
                let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, CLIENT_SECRET.as_bytes());
                b64(aws_lc_rs::hmac::sign(&key, text.as_bytes()))
            }
        };
        format!("{text}.{signature}")
    }
}
