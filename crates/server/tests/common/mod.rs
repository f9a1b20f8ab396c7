//! An office on real sockets, and a minimal client: a WebSocket and a device key.
#![allow(dead_code, reason = "each test binary uses its part of it")]

pub mod authenticator;
pub mod names;
pub mod provider;

use futures_util::{SinkExt as _, StreamExt as _};
use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU8, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use telcon_identity::{
    Authority, CharterTerms, DeviceKey, Invitation, InviteSpec, Office as Anchor, sign_in, sign_ring,
};
use telcon_log::{DiskReader, tree::Tree};
use telcon_proto::{
    Blob, CallId, Card, ClientMessage, DeviceId, PersonId, RecordMode, Role, ServerMessage, SuiteName, WIRE_VERSION,
    entry::{Entry, ReadEntry},
    http::{EnrolRequest, Enrolled, OfficeInfo},
    message::Ring,
};
use telcon_server::{Running, Server, ServerConfig};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

/// Test timeout, generous for a loaded machine. A passing test never waits this long.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const DOMAIN: &str = "office.example";

pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// An office and its server.
pub struct Office {
    pub authority: Authority,
    pub info: OfficeInfo,
    pub anchor: Anchor,
    pub dir: tempfile::TempDir,
    pub running: Option<Running>,
    next: AtomicU8,
}

/// An enrolled device.
pub struct Device {
    pub key: DeviceKey,
    pub chain: Vec<Vec<u8>>,
    pub id: DeviceId,
    pub card: Card,
}

impl Device {
    pub fn person(&self) -> PersonId {
        self.card.person
    }

    pub fn enrol_request(&self) -> Vec<u8> {
        let chain = self.chain.iter().cloned().map(Blob).collect();
        serde_json::to_vec(&EnrolRequest { chain }).unwrap()
    }
}

/// An answer over HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<String> {
        self.head
            .lines()
            .find_map(|l| l.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.into()))
    }
}

impl Office {
    /// Everything that the log has, as an auditor reads it from disk: indices and bytes. Nothing before its first checkpoint.
    pub fn log_bytes(&self) -> Vec<(u64, Vec<u8>)> {
        let archive = self.dir.path().join("server/archive");
        let Ok(text) = std::fs::read_to_string(archive.join("log/checkpoint")) else { return Vec::new() };
        let signed = self.anchor.log_key().verify_checkpoint(&text).unwrap();
        let files = DiskReader::new(archive.join("log"));
        let tree = Tree::new(&files, signed.size);
        tree.entries(0..signed.size).unwrap().map(Result::unwrap).collect()
    }

    /// Its entries that this version knows.
    pub fn log_entries(&self) -> Vec<Entry> {
        self.log_bytes().iter().filter_map(|(_, bytes)| ReadEntry::parse(bytes).known()).collect()
    }

    pub async fn start() -> Self {
        Self::start_with(RecordMode::LogOnly, SuiteName::Hybrid).await
    }

    pub async fn start_with(terms: impl Into<CharterTerms>, suite: SuiteName) -> Self {
        Self::start_sealing(terms, suite, Vec::new()).await
    }

    /// With custodians in its charter.
    pub async fn start_sealing(terms: impl Into<CharterTerms>, suite: SuiteName, custodians: Vec<String>) -> Self {
        let terms = terms.into();
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::create(suite, &[7; 32], DOMAIN, "Chancellery", now_ms() - 86_400_000).unwrap();
        let charter = |log_key: &str| authority.office_with(log_key, terms, custodians, now_ms());
        let info = Server::init(&dir.path().join("server"), DOMAIN, charter).unwrap();
        let web = dir.path().join("web/assets");
        std::fs::create_dir_all(&web).unwrap();
        std::fs::write(dir.path().join("web/index.html"), "<!doctype html>the page").unwrap();
        std::fs::write(web.join("app.js"), "1").unwrap();
        std::fs::write(dir.path().join("secret"), "not for the web").unwrap();
        let anchor = Anchor::pin(&info, Some(&authority.certificate_sha256())).unwrap();
        let mut office = Self { authority, info, anchor, dir, running: None, next: AtomicU8::new(1) };
        office.run().await;
        office
    }

    pub async fn run(&mut self) {
        let mut config = ServerConfig::local(self.dir.path().join("server"));
        config.web_dir = Some(self.dir.path().join("web"));
        self.run_as(config).await;
    }

    pub async fn run_as(&mut self, config: ServerConfig) {
        self.running = Some(Server::start(config).await.unwrap());
    }

    pub async fn stop(&mut self) {
        self.running.take().unwrap().shutdown().await;
    }

    pub fn addr(&self) -> SocketAddr {
        self.running.as_ref().unwrap().http_addr
    }

    pub fn card(&self, role: Role) -> Card {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        Card {
            person: PersonId::from_bytes([n; 16]),
            office: self.anchor.domain().clone(),
            name: format!("Secretperson {n}"),
            organisation: "Secretorganisation".into(),
            role,
            zone: "Europe/Oslo".into(),
            place: false,
        }
    }

    pub fn invite(&self, card: Card, now_ms: u64) -> Invitation {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let spec = InviteSpec { card, enrolment_id: [n; 16], enrolment_seed: [n; 32], now_ms, ttl_ms: 3_600_000 };
        self.authority.invite(&spec).unwrap()
    }

    /// A device that is not enrolled yet.
    pub fn device(&self, card: Card, invitation: &Invitation, at_ms: u64) -> Device {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let id = DeviceId::from_bytes([n; 16]);
        // A copy: some tests use one link twice.
        let invitation = Invitation::parse(&invitation.to_fragment()).unwrap();
        let (key, chain) = invitation.enrol(&[n + 100; 32], id, at_ms).unwrap();
        Device { key, chain, id, card }
    }

    /// A new person with an enrolled device.
    pub async fn person(&self, role: Role) -> Device {
        self.enrolled(self.card(role)).await
    }

    /// An enrolled device of whom the card names.
    pub async fn enrolled(&self, card: Card) -> Device {
        let device = self.device(card.clone(), &self.invite(card, now_ms()), now_ms());
        let answer = self.post("/api/v1/devices", &device.enrol_request()).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let enrolled: Enrolled = answer.json();
        let ders: Vec<&[u8]> = device.chain.iter().map(Vec::as_slice).collect();
        let verified = self.anchor.verify_chain(&ders, now_ms()).unwrap();
        self.anchor.verify_device_logged(verified, &enrolled.logged).expect("its entry is proven");
        device
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.http("GET", path, &[], b"").await
    }

    /// From the address of health and metrics.
    pub async fn get_admin(&self, path: &str) -> Answer {
        http(self.running.as_ref().unwrap().admin_addr, "GET", path, &[], b"").await
    }

    pub async fn post(&self, path: &str, body: &[u8]) -> Answer {
        self.http("POST", path, &[("content-type", "application/json")], body).await
    }

    pub async fn http(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        http(self.addr(), method, path, headers, body).await
    }

    pub fn ring(&self, from: &Device, to: PersonId, call: CallId, mode: RecordMode) -> ClientMessage {
        let ring = Ring {
            version: WIRE_VERSION,
            call: call.at(self.anchor.domain()),
            from: from.id.at(self.anchor.domain()),
            to: to.at(self.anchor.domain()),
            mode,
            suite: self.info.suite,
            at_ms: now_ms(),
            on_behalf: None,
            over: None,
        };
        ClientMessage::Ring { jws: sign_ring(&from.key, &from.chain, &ring) }
    }
}

/// One request over a connection of its own.
pub async fn http(addr: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    stream.write_all(head.as_bytes()).await.unwrap();
    // A server that refuses a request by its head closes before it has read the body.
    let _ = stream.write_all(body).await;
    let mut bytes = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("an answer");
    let split = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(bytes[..split].to_vec()).unwrap();
    let mut body = bytes[split + 4..].to_vec();
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        body = unchunk(&body);
    }
    Answer { status: head[9..12].parse().unwrap(), head, body }
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = bytes.windows(2).position(|w| w == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        out.extend(&bytes[end + 2..end + 2 + length]);
        bytes = &bytes[end + 2 + length + 2..];
        if length == 0 {
            break;
        }
    }
    out
}

/// A connected client.
pub struct Client {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub token: String,
    pub signed_in: Option<ServerMessage>,
}

impl Client {
    /// Connects without signing in.
    pub async fn raw(addr: SocketAddr, origin: Option<&str>) -> Result<Self, u16> {
        Self::raw_for(addr, origin, None).await
    }

    /// Connects without signing in, as often as it takes while others have just begun to sign in.
    pub async fn insist(addr: SocketAddr, speaks_for: Option<&str>) -> Self {
        let until = Instant::now() + PATIENCE;
        loop {
            match Self::raw_for(addr, None, speaks_for).await {
                Ok(client) => return client,
                Err(503) if Instant::now() < until => {}
                Err(status) => panic!("refused with {status}"),
            }
        }
    }

    /// Connects as a local reverse proxy does, on behalf of a client address (`X-Forwarded-For`).
    pub async fn raw_for(addr: SocketAddr, origin: Option<&str>, speaks_for: Option<&str>) -> Result<Self, u16> {
        let mut request = format!("ws://{addr}/ws").into_client_request().unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        if let Some(address) = speaks_for {
            request.headers_mut().insert("x-forwarded-for", address.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self { socket, token: String::new(), signed_in: None }),
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    /// Connects and signs in; retries while others have just begun to sign in, as devices do.
    pub async fn sign_in(addr: SocketAddr, device: &Device) -> Self {
        let mut client = Self::insist(addr, None).await;
        client.prove(device, DOMAIN).await;
        let message = client.next().await.unwrap();
        let ServerMessage::SignedIn { token, .. } = &message else { panic!("not signed in: {message:?}") };
        client.token = token.clone();
        client.signed_in = Some(message);
        client
    }

    pub async fn prove(&mut self, device: &Device, domain: &str) {
        self.send(&ClientMessage::Hello { version: WIRE_VERSION, device: device.id, program: None }).await;
        let Some(ServerMessage::Challenge { nonce, .. }) = self.next().await else { panic!("not challenged") };
        self.send(&ClientMessage::Prove {
            jws: sign_in(&device.key, domain, device.id, nonce.as_slice()),
            ticket: None,
        })
        .await;
    }

    pub async fn send(&mut self, message: &ClientMessage) {
        let text = serde_json::to_string(message).unwrap();
        self.socket.send(Message::Text(text.into())).await.unwrap();
    }

    /// The next message, or `None` once the server has closed.
    pub async fn next(&mut self) -> Option<ServerMessage> {
        loop {
            match tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("a message in time") {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Discards messages until `pick` returns something.
    pub async fn until<T>(&mut self, pick: impl Fn(ServerMessage) -> Option<T>) -> T {
        loop {
            let message = self.next().await.expect("the server did not close");
            if let Some(found) = pick(message) {
                return found;
            }
        }
    }

    /// The close code; messages before it are discarded.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            match tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("closed in time") {
                Some(Ok(Message::Close(frame))) => return frame.map(|f| f.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }
}
