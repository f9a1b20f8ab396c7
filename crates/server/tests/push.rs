//! Web Push on real sockets: server, a push service of ours on loopback, and another implementation that decrypts.

mod common;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use common::{Answer, Client, Device, Office, PATIENCE, now_ms};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use telcon_proto::{
    AlertKind, CallId, ClientMessage as C, Ended, RecordMode, Role, ServerMessage as S, access,
    alert::ReportedAlert,
    push::{PushAbout, PushMessage, PushSettings, PushSubscription},
};
use telcon_server::{PushConfig, ServerConfig};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use web_push_native::{
    Auth,
    p256::{
        PublicKey, SecretKey,
        ecdsa::{Signature, VerifyingKey, signature::Verifier as _},
        elliptic_curve::sec1::ToEncodedPoint as _,
    },
};

/// What the push service does with a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    Answer(&'static str),
    /// Says nothing, and keeps the connection.
    Nothing,
    /// Sends headers without end.
    EndlessHead,
    /// Sends a body without end.
    EndlessBody,
}

const TAKES: Does = Does::Answer("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n");
const GONE: Does = Does::Answer("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n");
const BUSY: Does = Does::Answer("HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n\r\n");

/// A request that the push service received.
struct Received {
    request: Answer,
    path: String,
}

impl Received {
    fn header(&self, name: &str) -> String {
        self.request.header(name).unwrap_or_else(|| panic!("no {name}: {}", self.request.head))
    }
}

/// A push service. The path decides what it does: `/0` the first, and so on.
struct PushService {
    addr: SocketAddr,
    received: mpsc::UnboundedReceiver<Received>,
    connections: Arc<AtomicUsize>,
    open: Arc<Open>,
}

/// Open connections.
#[derive(Default)]
struct Open {
    /// One lock for each path, which its connection holds.
    by_path: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// Most connections that were open to one path at the same time.
    most: AtomicUsize,
}

impl Open {
    /// Counts a connection to this path until the guard is dropped.
    async fn count(&self, path: &str) -> Option<tokio::sync::OwnedMutexGuard<()>> {
        let only = self.by_path.lock().unwrap().entry(path.to_owned()).or_default().clone();
        // The end of the connection before may be noticed a moment after it.
        let only = tokio::time::timeout(NOTICED_WITHIN, only.lock_owned()).await.ok();
        self.most.fetch_max(if only.is_some() { 1 } else { 2 }, Ordering::SeqCst);
        only
    }
}

/// How long the end of a connection may take to be noticed: far less than a silent one is kept.
const NOTICED_WITHIN: Duration = Duration::from_secs(5);

impl PushService {
    async fn start(does: Vec<Does>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (sender, received) = mpsc::unbounded_channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let open = Arc::new(Open::default());
        let (counted, by_path) = (connections.clone(), open.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, does.clone(), sender.clone(), by_path.clone()));
            }
        });
        Self { addr, received, connections, open }
    }

    fn config(&self, office: &Office) -> ServerConfig {
        let mut config = ServerConfig::local(office.dir.path().join("server"));
        config.push = PushConfig { enabled: true, services: vec![self.origin().parse().unwrap()] };
        config
    }

    fn origin(&self) -> String {
        format!("http://{}", self.addr)
    }

    async fn next(&mut self) -> Received {
        tokio::time::timeout(PATIENCE, self.received.recv()).await.expect("a push message in time").unwrap()
    }
}

async fn serve(mut stream: TcpStream, does: Vec<Does>, sender: mpsc::UnboundedSender<Received>, open: Arc<Open>) {
    let mut bytes = Vec::new();
    let (head, length) = loop {
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(n) if n > 0 => bytes.extend_from_slice(&piece[..n]),
            _ => return,
        }
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
            bytes.drain(..end + 4);
            break (head, length);
        }
    };
    while bytes.len() < length {
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(n) if n > 0 => bytes.extend_from_slice(&piece[..n]),
            _ => return,
        }
    }
    let path = head.split(' ').nth(1).unwrap().to_owned();
    assert!(head.starts_with("POST "), "{head}");
    let number: usize = path.trim_start_matches('/').parse().unwrap();
    let _counted = open.count(&path).await;
    let request = Answer { status: 0, head, body: bytes };
    let _ = sender.send(Received { request, path });
    match does[number] {
        Does::Answer(text) => drop(stream.write_all(text.as_bytes()).await),
        Does::Nothing => {}
        Does::EndlessHead => {
            let _ = stream.write_all(b"HTTP/1.1 201 Created\r\n").await;
            while stream.write_all(b"x-more: and more of it\r\n").await.is_ok() {}
        }
        Does::EndlessBody => {
            let _ = stream.write_all(b"HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n").await;
            while stream.write_all(b"4\r\nmore\r\n").await.is_ok() {}
        }
    }
    // Kept open until the server closes.
    while matches!(stream.read(&mut [0; 64]).await, Ok(n) if n > 0) {}
}

/// A browser's subscription.
struct Browser {
    secret: SecretKey,
    auth: [u8; 16],
}

impl Browser {
    fn new(n: u8) -> Self {
        Self { secret: SecretKey::from_slice(&[n; 32]).unwrap(), auth: [n; 16] }
    }

    fn subscription(&self, endpoint: String) -> PushSubscription {
        PushSubscription {
            endpoint,
            p256dh: URL_SAFE_NO_PAD.encode(self.secret.public_key().to_encoded_point(false).as_bytes()),
            auth: URL_SAFE_NO_PAD.encode(self.auth),
        }
    }

    /// Decrypts with another implementation.
    fn open(&self, received: &Received) -> PushMessage {
        let auth = Auth::clone_from_slice(&self.auth);
        let bytes = web_push_native::decrypt(received.request.body.clone(), &self.secret, &auth).expect("it opens");
        // This implementation leaves delimiter and padding to its caller.
        let end = bytes.iter().rposition(|byte| *byte == b'}').unwrap() + 1;
        serde_json::from_slice(&bytes[..end]).unwrap()
    }
}

/// Verifies the VAPID header as RFC 8292 has it; returns the key.
fn verify_vapid(received: &Received, origin: &str) -> String {
    let header = received.header("authorization");
    let (token, key) = header.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let public = PublicKey::from_sec1_bytes(&decoded(key)).unwrap();
    let signature = Signature::from_slice(&decoded(signature)).unwrap();
    VerifyingKey::from(public).verify(signed.as_bytes(), &signature).expect("ES256 over header and claims");
    let (head, claims) = signed.split_once('.').unwrap();
    let json = |text: &str| serde_json::from_slice::<serde_json::Value>(&decoded(text)).unwrap();
    assert_eq!(json(head), serde_json::json!({ "typ": "JWT", "alg": "ES256" }));
    let claims = json(claims);
    assert_eq!(claims["aud"], origin);
    assert_eq!(claims["sub"], "https://office.example");
    let now_s = now_ms() / 1000;
    let expires = claims["exp"].as_u64().unwrap();
    assert!(expires > now_s && expires <= now_s + 24 * 3600, "{expires}");
    key.to_owned()
}

async fn put(office: &Office, client: &Client, subscription: &PushSubscription) -> Answer {
    let headers = [("authorization", client.bearer()), ("content-type", "application/json".to_owned())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    office.http("PUT", "/api/v1/push", &headers, &serde_json::to_vec(subscription).unwrap()).await
}

async fn settings(office: &Office, client: &Client) -> PushSettings {
    let answer = office.http("GET", "/api/v1/push", &[("authorization", &client.bearer())], b"").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// An officer who is signed in and subscribed at this path of the push service.
async fn officer(office: &Office, service: &PushService, browser: &Browser, path: &str) -> (Device, Client) {
    let device = office.person(Role::SecurityOfficer).await;
    let client = Client::sign_in(office.addr(), &device).await;
    let answer = put(office, &client, &browser.subscription(format!("{}{path}", service.origin()))).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    (device, client)
}

async fn start(does: Vec<Does>) -> (Office, PushService) {
    let mut office = Office::start().await;
    let service = PushService::start(does).await;
    office.stop().await;
    let config = service.config(&office);
    office.run_as(config).await;
    (office, service)
}

/// Another person's device reports; returns the log entry of the alert, which the officer receives.
async fn raise(officer: &mut Client, reporter: &mut Client, kind: ReportedAlert) -> (AlertKind, u64) {
    reporter.send(&C::ReportAlert { kind, call: None }).await;
    let kind = AlertKind::from(kind);
    let entry = officer
        .until(|message| match message {
            S::Alerts { changed, .. } => {
                changed.into_iter().find(|alert| alert.kind == kind).map(|alert| alert.log_index)
            }
            _ => None,
        })
        .await;
    (kind, entry)
}

fn about((kind, entry): (AlertKind, u64)) -> PushMessage {
    PushAbout::Alert { kind, entry }.into()
}

async fn reporter(office: &Office) -> Client {
    let device = office.person(Role::Principal).await;
    Client::sign_in(office.addr(), &device).await
}

#[tokio::test]
async fn an_alert_reaches_the_push_service_signed_encrypted_and_of_one_size() {
    let (office, mut service) = start(vec![TAKES, TAKES]).await;
    let (first, second) = (Browser::new(1), Browser::new(2));
    let mut theirs = reporter(&office).await;
    let (device, mut client) = officer(&office, &service, &first, "/0").await;
    let key = settings(&office, &client).await.key.unwrap();
    let (mut sizes, mut topics) = (BTreeSet::new(), BTreeSet::new());
    for kind in [ReportedAlert::LogForked, ReportedAlert::ProofInvalid] {
        let raised = raise(&mut client, &mut theirs, kind).await;
        let received = service.next().await;
        assert_eq!(received.path, "/0");
        assert_eq!(verify_vapid(&received, &service.origin()), key, "the key that devices subscribe with");
        assert_eq!(received.header("content-encoding"), "aes128gcm");
        let ttl: u64 = received.header("ttl").parse().unwrap();
        assert!((86_000..=86_400).contains(&ttl), "{ttl}");
        assert_eq!(received.header("urgency"), "high");
        topics.insert(received.header("topic"));
        sizes.insert(received.request.body.len());
        assert_eq!(first.open(&received), about(raised));
        let auth = Auth::clone_from_slice(&second.auth);
        assert!(web_push_native::decrypt(received.request.body.clone(), &second.secret, &auth).is_err());
        let head = received.request.head.to_ascii_lowercase();
        for private in [device.card.name.as_str(), "secret", "log_forked", "proof", &device.id.to_hex()] {
            assert!(!head.contains(&private.to_ascii_lowercase()), "{private}: {head}");
        }
    }
    // The enrolment of another officer is an alert as well; both devices are sent what follows.
    let (_, other) = officer(&office, &service, &second, "/1").await;
    let enrolled = service.next().await;
    assert!(matches!(first.open(&enrolled).about, PushAbout::Alert { kind: AlertKind::DeviceEnrolled, .. }));
    sizes.insert(enrolled.request.body.len());
    let raised = raise(&mut client, &mut theirs, ReportedAlert::RingInvalid).await;
    let mut paths = BTreeSet::new();
    for _ in 0..2 {
        let received = service.next().await;
        let browser = if received.path == "/0" { &first } else { &second };
        assert_eq!(browser.open(&received), about(raised));
        sizes.insert(received.request.body.len());
        topics.insert(received.header("topic"));
        paths.insert(received.path);
    }
    assert_eq!(paths.len(), 2);
    assert_eq!((sizes.len(), topics.len()), (1, 4), "one size, and a topic for each entry and subscription");
    let metrics = office.get_admin("/metrics").await.text();
    assert!(metrics.contains("\ntelcon_push_failed_total 0\n"), "{metrics}");
    // Unsubscribed: it is sent nothing more.
    let answer = office.http("DELETE", "/api/v1/push", &[("authorization", &other.bearer())], b"").await;
    assert_eq!((answer.status, settings(&office, &other).await.endpoint_sha256), (204, None));
    office.person(Role::DutyOfficer).await;
    assert_eq!(service.next().await.path, "/0");
    office.person(Role::DutyOfficer).await;
    assert_eq!(service.next().await.path, "/0");
}

const CALL: CallId = CallId::from_bytes([0xca; 16]);

/// A person whose page is closed, who subscribed at this path of the push service.
async fn closed_page(office: &Office, service: &PushService, browser: &Browser, path: &str) -> Device {
    let device = office.person(Role::Principal).await;
    let client = Client::sign_in(office.addr(), &device).await;
    let answer = put(office, &client, &browser.subscription(format!("{}{path}", service.origin()))).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    drop(client);
    device
}

/// Waits until the office has noticed that the page is closed: then the caller's list says that its person is notified.
async fn until_closed(caller: &mut Client, device: &Device) {
    let person = device.person();
    caller
        .until(|message| match message {
            S::SignedIn { people, .. } | S::PeopleChanged { changed: people, .. } => {
                people.into_iter().any(|one| one.card.person == person && one.notified && !one.reachable).then_some(())
            }
            _ => None,
        })
        .await;
}

async fn ended(client: &mut Client) -> Ended {
    client
        .until(|message| match message {
            S::Ended { call: CALL, how, .. } => Some(how),
            _ => None,
        })
        .await
}

#[tokio::test]
async fn a_ring_reaches_a_closed_page_without_a_name_and_its_end_replaces_it() {
    let (office, mut service) = start(vec![TAKES, TAKES]).await;
    let (browser, for_alerts) = (Browser::new(1), Browser::new(2));
    let callee = closed_page(&office, &service, &browser, "/0").await;
    let caller_device = office.person(Role::Principal).await;
    let (_, mut officer) = officer(&office, &service, &for_alerts, "/1").await;
    let mut theirs = reporter(&office).await;
    let mut caller = Client::sign_in(office.addr(), &caller_device).await;
    until_closed(&mut caller, &callee).await;
    let rang_ms = now_ms();
    caller.send(&office.ring(&caller_device, callee.person(), CALL, RecordMode::Memo)).await;
    let notified = caller
        .until(|message| match message {
            S::Opened { call: CALL, notified, .. } => Some(notified),
            _ => None,
        })
        .await;
    assert!(notified, "the caller is told that nobody is connected");
    let ring = loop {
        let received = service.next().await;
        if received.path == "/0" {
            break received;
        }
    };
    let PushAbout::Ring { call: CALL, until_ms } = browser.open(&ring).about else { panic!() };
    assert!((rang_ms..=now_ms() + 45_000).contains(&until_ms));
    let ttl: u64 = ring.header("ttl").parse().unwrap();
    assert!((35..=45).contains(&ttl), "what is left of the ring: {ttl}");
    assert_eq!(ring.header("urgency"), "high");
    let head = ring.request.head.to_ascii_lowercase();
    for private in [&caller_device.card.name, &callee.card.name, &CALL.to_hex(), "ring"] {
        assert!(!head.contains(&private.to_ascii_lowercase()), "{private}: {head}");
    }
    caller.send(&C::HangUp { call: CALL, failed: false }).await;
    assert_eq!(ended(&mut caller).await, Ended::Cancelled);
    let over = service.next().await;
    assert_eq!(browser.open(&over), PushAbout::RingOver { call: CALL, missed: true }.into());
    assert_eq!(over.header("topic"), ring.header("topic"), "it replaces a ring that was not delivered");
    assert!(over.header("ttl").parse::<u64>().unwrap() > 80_000);
    // A push service sees no difference between a ring and an alert but how long it is of use.
    raise(&mut officer, &mut theirs, ReportedAlert::LogForked).await;
    let alert = service.next().await;
    assert_eq!(alert.path, "/1");
    let size = |received: &Received| received.request.body.len();
    assert_eq!((size(&ring), size(&over)), (size(&alert), size(&alert)));
}

#[tokio::test]
async fn a_page_that_the_notification_opens_is_rung() {
    let (office, mut service) = start(vec![TAKES]).await;
    let browser = Browser::new(1);
    let callee = closed_page(&office, &service, &browser, "/0").await;
    let caller_device = office.person(Role::Principal).await;
    let mut caller = Client::sign_in(office.addr(), &caller_device).await;
    until_closed(&mut caller, &callee).await;
    caller.send(&office.ring(&caller_device, callee.person(), CALL, RecordMode::Memo)).await;
    assert_eq!(browser.open(&service.next().await).about.call(), Some(CALL));
    let mut opened = Client::sign_in(office.addr(), &callee).await;
    let jws = opened
        .until(|message| match message {
            S::Ringing { jws, .. } => Some(jws),
            _ => None,
        })
        .await;
    office.anchor.verify_ring(&jws, now_ms()).unwrap();
    opened.send(&C::RingShown { call: CALL }).await;
    caller.until(|message| matches!(message, S::RingingThere { .. }).then_some(())).await;
    opened.send(&C::Decline { call: CALL, reply: None }).await;
    assert_eq!(ended(&mut caller).await, Ended::Declined);
    // A page that is open needs no message: the next one is of another call.
    drop(opened);
    until_closed(&mut caller, &callee).await;
    let next = CallId::from_bytes([0xcb; 16]);
    caller.send(&office.ring(&caller_device, callee.person(), next, RecordMode::Memo)).await;
    assert!(matches!(browser.open(&service.next().await).about, PushAbout::Ring { call, .. } if call == next));
}

/// The next message at an address. What a push service does not answer is sent again meanwhile.
async fn next_at(service: &mut PushService, path: &str) -> Received {
    loop {
        let received = service.next().await;
        if received.path == path {
            return received;
        }
    }
}

#[tokio::test]
async fn push_services_that_hang_hold_up_no_ring_of_others_and_one_that_is_gone_ends_it() {
    let hanging = 5;
    let mut does = vec![TAKES, GONE];
    does.extend(std::iter::repeat_n(Does::Nothing, hanging));
    let (office, mut service) = start(does).await;
    let browser = Browser::new(1);
    // Whoever subscribes at a push service of theirs, and has themselves rung.
    let caller_device = office.person(Role::Principal).await;
    let mut caller = Client::sign_in(office.addr(), &caller_device).await;
    for n in 0..hanging {
        let silent = closed_page(&office, &service, &browser, &format!("/{}", n + 2)).await;
        until_closed(&mut caller, &silent).await;
        let call = CallId::from_bytes([n as u8; 16]);
        let rings = office.person(Role::Principal).await;
        let mut client = Client::sign_in(office.addr(), &rings).await;
        client.send(&office.ring(&rings, silent.person(), call, RecordMode::Memo)).await;
        next_at(&mut service, &format!("/{}", n + 2)).await;
    }
    let honest = closed_page(&office, &service, &browser, "/0").await;
    until_closed(&mut caller, &honest).await;
    caller.send(&office.ring(&caller_device, honest.person(), CALL, RecordMode::Memo)).await;
    let received = next_at(&mut service, "/0").await;
    assert_eq!(browser.open(&received).about.call(), Some(CALL));
    caller.send(&C::HangUp { call: CALL, failed: false }).await;
    assert_eq!(ended(&mut caller).await, Ended::Cancelled);
    // Nobody can be told any more: the caller need not wait.
    let gone = closed_page(&office, &service, &browser, "/1").await;
    until_closed(&mut caller, &gone).await;
    let next = CallId::from_bytes([0xcc; 16]);
    caller.send(&office.ring(&caller_device, gone.person(), next, RecordMode::Memo)).await;
    let how = caller
        .until(|message| match message {
            S::Ended { call, how, .. } if call == next => Some(how),
            _ => None,
        })
        .await;
    assert_eq!(how, Ended::Missed);
}

#[tokio::test]
async fn an_address_that_the_push_service_calls_gone_is_erased() {
    let (office, mut service) = start(vec![GONE, TAKES]).await;
    let (_, gone) = officer(&office, &service, &Browser::new(1), "/0").await;
    let address = format!("{}/0", service.origin());
    let digest = telcon_proto::Digest::from_bytes(Sha256::digest(address).into());
    assert_eq!(settings(&office, &gone).await.endpoint_sha256, Some(digest));
    let (_, mut client) = officer(&office, &service, &Browser::new(2), "/1").await;
    assert_eq!(service.next().await.path, "/0", "the enrolment of the second officer");
    let mut theirs = reporter(&office).await;
    assert_eq!(
        service.next().await.path,
        "/1",
        "the enrolment of the reporter: the first address is sent nothing more"
    );
    raise(&mut client, &mut theirs, ReportedAlert::LogForked).await;
    assert_eq!(service.next().await.path, "/1");
    assert_eq!(settings(&office, &gone).await.endpoint_sha256, None);
}

#[tokio::test]
async fn a_restart_sends_again_what_no_push_service_took() {
    let (mut office, mut service) = start(vec![BUSY, TAKES]).await;
    let browser = Browser::new(1);
    let mut theirs = reporter(&office).await;
    let (device, mut client) = officer(&office, &service, &browser, "/0").await;
    let raised = raise(&mut client, &mut theirs, ReportedAlert::LogForked).await;
    let refused = service.next().await;
    assert_eq!(browser.open(&refused), about(raised));
    let key = settings(&office, &client).await.key;
    office.stop().await;
    let config = service.config(&office);
    office.run_as(config).await;
    let again = service.next().await;
    assert_eq!(browser.open(&again), about(raised));
    assert_eq!(again.header("topic"), refused.header("topic"), "it replaces the one before");
    assert_ne!(again.request.body, refused.request.body, "encrypted anew");
    // The device subscribes anew, at once gets what it missed, and after the next restart nothing.
    let client = Client::sign_in(office.addr(), &device).await;
    assert_eq!(settings(&office, &client).await.key, key, "the key is kept");
    let anew = browser.subscription(format!("{}/1", service.origin()));
    assert_eq!(put(&office, &client, &anew).await.status, 204);
    let missed = service.next().await;
    assert_eq!((missed.path.as_str(), browser.open(&missed)), ("/1", about(raised)));
    office.person(Role::DutyOfficer).await;
    let next = service.next().await;
    assert!(matches!(browser.open(&next).about, PushAbout::Alert { kind: AlertKind::DeviceEnrolled, .. }));
    office.person(Role::DutyOfficer).await;
    service.next().await;
}

#[tokio::test]
async fn a_hostile_push_service_holds_up_neither_the_server_nor_other_devices() {
    // Where the redirect leads: a program inside the network.
    let inside = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let location = format!("http://{}/admin", inside.local_addr().unwrap());
    let redirect = format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
    let does = vec![
        TAKES,
        Does::Nothing,
        Does::EndlessHead,
        Does::EndlessBody,
        Does::Answer(Box::leak(redirect.into_boxed_str())),
        Does::Answer("HTTP/9.9 nonsense\r\n\r\n"),
    ];
    let hostile = does.len() - 1;
    let (office, mut service) = start(does).await;
    let mut theirs = reporter(&office).await;
    let browser = Browser::new(1);
    let mut officers = Vec::new();
    for n in 1..=hostile {
        officers.push(officer(&office, &service, &browser, &format!("/{n}")).await);
    }
    let (_, mut client) = officer(&office, &service, &browser, "/0").await;
    let raised = raise(&mut client, &mut theirs, ReportedAlert::LogForked).await;
    // The honest one gets it while the silent one still holds its connection.
    loop {
        let received = service.next().await;
        if received.path == "/0" && browser.open(&received) == about(raised) {
            break;
        }
    }
    client.send(&C::Ping { log_size: 0 }).await;
    client.until(|message| matches!(message, S::Checkpoint { .. }).then_some(())).await;
    assert!(service.connections.load(Ordering::SeqCst) <= 40);
    tokio::select! {
        _ = inside.accept() => panic!("the redirect was followed"),
        () = async { office.person(Role::DutyOfficer).await; while service.next().await.path != "/0" {} } => {}
    }
    assert_eq!(service.open.most.load(Ordering::SeqCst), 1, "one connection at a time to each");
}

#[tokio::test]
async fn the_server_connects_to_no_address_inside_its_network_and_to_no_program_that_is_no_push_service() {
    let (office, service) = start(vec![]).await;
    let device = office.person(Role::SecurityOfficer).await;
    let client = Client::sign_in(office.addr(), &device).await;
    let browser = Browser::new(1);
    let admin = office.running.as_ref().unwrap().admin_addr;
    for bad in [
        format!("http://{admin}/metrics"),
        format!("https://{admin}/metrics"),
        "https://127.0.0.1/x".into(),
        "https://169.254.169.254/latest/meta-data/".into(),
        "https://[::1]/x".into(),
        "https://[::ffff:10.0.0.1]/x".into(),
        "https://2130706433/x".into(),
        "http://push.example/x".into(),
        "https://push.example:6379/x".into(),
        "https://user:secret@push.example/x".into(),
        "https://push.example/a\0b".into(),
        format!("{}/x#fragment", service.origin()),
        format!("https://push.example/{}", "x".repeat(3_000)),
        "file:///etc/passwd".into(),
        String::new(),
    ] {
        let answer = put(&office, &client, &browser.subscription(bad.clone())).await;
        assert_eq!(answer.status, 422, "{bad}: {}", answer.text());
        assert!(!answer.text().contains("secret@"), "the address is not repeated");
    }
    let mut malformed = browser.subscription("https://push.example/x".into());
    malformed.p256dh = URL_SAFE_NO_PAD.encode([4; 65]);
    assert_eq!(put(&office, &client, &malformed).await.status, 422);
    assert_eq!(settings(&office, &client).await.endpoint_sha256, None);
    assert_eq!(service.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn who_is_neither_rung_nor_alerted_subscribes_to_nothing() {
    let (office, _service) = start(vec![]).await;
    let subscription = Browser::new(1).subscription("https://push.example/x".into());
    for role in Role::ALL {
        let device = office.person(role).await;
        let client = Client::sign_in(office.addr(), &device).await;
        let admitted = access::NOTIFIED.admits(role);
        let answer = put(&office, &client, &subscription).await;
        assert_eq!(answer.status, if admitted { 204 } else { 403 }, "{role:?}: {}", answer.text());
        let answer = office.http("GET", "/api/v1/push", &[("authorization", &client.bearer())], b"").await;
        assert_eq!(answer.status, if admitted { 200 } else { 403 }, "{role:?}");
    }
    for method in ["GET", "DELETE"] {
        assert_eq!(office.http(method, "/api/v1/push", &[], b"").await.status, 401, "{method}");
    }
    let json = [("content-type", "application/json")];
    let body = serde_json::to_vec(&subscription).unwrap();
    assert_eq!(office.http("PUT", "/api/v1/push", &json, &body).await.status, 401);
}

#[tokio::test]
async fn an_office_without_push_has_no_key_and_takes_no_subscription() {
    let mut office = Office::start().await;
    office.stop().await;
    std::fs::remove_file(office.dir.path().join("server/push.key")).unwrap();
    let mut config = ServerConfig::local(office.dir.path().join("server"));
    config.push = PushConfig { enabled: false, services: Vec::new() };
    office.run_as(config).await;
    let device = office.person(Role::SecurityOfficer).await;
    let client = Client::sign_in(office.addr(), &device).await;
    assert_eq!(settings(&office, &client).await, PushSettings { key: None, endpoint_sha256: None });
    let answer = put(&office, &client, &Browser::new(1).subscription("https://push.example/x".into())).await;
    assert_eq!(answer.status, 404, "{}", answer.text());
    assert!(!office.dir.path().join("server/push.key").exists());
}
