//! Unauthenticated and hostile peers against the real server: refusals, limits and timeouts.

mod common;

use common::{Client, DOMAIN, Office, now_ms};
use futures_util::SinkExt as _;
use telcon_identity::Authority;
use telcon_proto::{
    ClientMessage as C, RecordMode, Role, ServerMessage as S, SuiteName, WIRE_VERSION,
    http::{ApiError, OfficeInfo},
    limits::{MAX_MESSAGE_BYTES, MAX_MESSAGES_PER_SECOND, MAX_SIGN_IN_MESSAGE_BYTES, MAX_UNSIGNED_CONNECTIONS},
    message::RefusalCode,
};
use telcon_server::{ServerConfig, TrustedProxies, limits::MAX_UNSIGNED_FROM_ONE_ADDRESS};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::Message;

fn code(message: Option<S>) -> Option<RefusalCode> {
    match message {
        Some(S::Refused { code, .. }) => Some(code),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_enrolments_are_refused() {
    let office = Office::start().await;
    let card = office.card(Role::Principal);
    let invitation = office.invite(card.clone(), now_ms());
    let first = office.device(card.clone(), &invitation, now_ms());
    assert_eq!(office.post("/api/v1/devices", &first.enrol_request()).await.status, 201);
    let second = office.device(card.clone(), &invitation, now_ms());
    let answer = office.post("/api/v1/devices", &second.enrol_request()).await;
    assert_eq!(answer.status, 410);
    assert!(answer.json::<ApiError>().error.contains("used already"));

    // The link has expired, and the device backdates its certificate.
    let long_ago = now_ms() - 2 * 3_600_000;
    let old = office.device(card.clone(), &office.invite(card.clone(), long_ago), long_ago + 1000);
    let answer = office.post("/api/v1/devices", &old.enrol_request()).await;
    assert_eq!(answer.status, 422, "{}", answer.text());

    let mut other = Office::start().await;
    other.authority = Authority::create(SuiteName::Hybrid, &[8; 32], DOMAIN, "Chancellery", now_ms()).unwrap();
    let foreign = other.device(card.clone(), &other.invite(card, now_ms()), now_ms());
    assert_eq!(office.post("/api/v1/devices", &foreign.enrol_request()).await.status, 422);

    assert_eq!(office.post("/api/v1/devices", b"{").await.status, 400);
    assert_eq!(office.post("/api/v1/devices", br#"{"chain":[],"also":1}"#).await.status, 422);
    assert_eq!(office.post("/api/v1/devices", &vec![b' '; 1 << 20]).await.status, 413);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_sign_in_the_socket_accepts_nothing_but_a_sign_in() {
    let office = Office::start().await;
    let device = office.person(Role::Principal).await;
    let addr = office.addr();
    assert_eq!(Client::raw(addr, Some("https://evil.example")).await.err(), Some(403));
    assert!(Client::raw(addr, Some(&format!("http://{addr}"))).await.is_ok());
    // The name is the attacker's, and leads here (DNS rebinding): host and origin are the same.
    let mut rebound = TcpStream::connect(addr).await.unwrap();
    let head = "GET /ws HTTP/1.1\r\nhost: evil.example\r\norigin: http://evil.example\r\nconnection: close\r\n\r\n";
    rebound.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    rebound.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");

    let texts = ["\u{0}\u{1}", "", "{}", "[[[[[[[[", r#"{"type":"ping","log_size":0}"#, r#"{"type":"hello"}"#];
    for text in texts {
        let mut client = Client::raw(addr, None).await.unwrap();
        client.socket.send(Message::Text(text.into())).await.unwrap();
        assert!(matches!(code(client.next().await), Some(RefusalCode::Malformed | RefusalCode::NotSignedIn)), "{text}");
        assert_eq!(client.closed().await, Some(1008), "{text}");
    }
    // A binary message of pseudo-random bytes, from a fixed seed.
    let mut bytes = vec![0u8; 4096];
    let mut state = 1u32;
    bytes.iter_mut().for_each(|b| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *b = (state >> 24) as u8;
    });
    let mut client = Client::raw(addr, None).await.unwrap();
    client.socket.send(Message::Binary(bytes.into())).await.unwrap();
    assert_eq!(code(client.next().await), Some(RefusalCode::Malformed));

    let mut client = Client::raw(addr, None).await.unwrap();
    let long = Message::Text("x".repeat(MAX_MESSAGE_BYTES + 1).into());
    // The server may close before it has read all of it.
    let _ = client.socket.send(long).await;
    assert_ne!(client.closed().await, Some(1000));

    let mut client = Client::raw(addr, None).await.unwrap();
    client.send(&C::Hello { version: WIRE_VERSION + 1, device: device.id, program: None }).await;
    assert_eq!(code(client.next().await), Some(RefusalCode::Version));

    // A proof for another office, and an answer to another challenge.
    let mut client = Client::raw(addr, None).await.unwrap();
    client.prove(&device, "other.example").await;
    assert_eq!(code(client.next().await), Some(RefusalCode::NotSignedIn));
    let mut client = Client::raw(addr, None).await.unwrap();
    client.send(&C::Hello { version: WIRE_VERSION, device: device.id, program: None }).await;
    client.next().await;
    let jws = telcon_identity::sign_in(&device.key, DOMAIN, device.id, &[0; 32]);
    client.send(&C::Prove { jws, ticket: None }).await;
    assert_eq!(code(client.next().await), Some(RefusalCode::NotSignedIn));

    // A device that is not enrolled gets the same refusal, at the same step, as one whose proof fails: no enumeration
    // oracle.
    let card = office.card(Role::Principal);
    let unknown = office.device(card.clone(), &office.invite(card, now_ms()), now_ms());
    let mut client = Client::raw(addr, None).await.unwrap();
    client.prove(&unknown, DOMAIN).await;
    assert_eq!(code(client.next().await), Some(RefusalCode::NotSignedIn));
    Client::sign_in(addr, &device).await;
}

/// The attacker sends pieces of a message that never ends, which the server would have to keep.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_sign_in_the_server_keeps_no_more_than_a_sign_in_of_a_message_in_pieces() {
    use tokio_tungstenite::tungstenite::protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    };
    const PIECE_BYTES: usize = 8 * 1024;
    let office = Office::start().await;
    let device = office.person(Role::Principal).await;
    for after_hello in [false, true] {
        let mut client = Client::raw(office.addr(), None).await.unwrap();
        if after_hello {
            client.send(&C::Hello { version: WIRE_VERSION, device: device.id, program: None }).await;
            assert!(matches!(client.next().await, Some(S::Challenge { .. })));
        }
        for at in 0..=MAX_SIGN_IN_MESSAGE_BYTES / PIECE_BYTES {
            let kind = if at == 0 { Data::Text } else { Data::Continue };
            let piece = Frame::message(vec![b'x'; PIECE_BYTES], OpCode::Data(kind), false);
            // The server may have closed already.
            let _ = client.socket.send(Message::Frame(piece)).await;
        }
        assert_eq!(code(client.next().await), Some(RefusalCode::Malformed), "before its end");
        assert_eq!(client.closed().await, Some(1008));
    }
    // A device sends longer messages once it is signed in.
    let mut client = Client::sign_in(office.addr(), &device).await;
    for _ in 0..2 {
        client.send(&C::Ring { jws: "x".repeat(2 * MAX_SIGN_IN_MESSAGE_BYTES) }).await;
        assert_eq!(code(client.next().await), Some(RefusalCode::NotAllowed));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_array_is_neither_a_message_nor_a_body() {
    let office = Office::start().await;
    let device = office.person(Role::Principal).await;
    let mut client = Client::raw(office.addr(), None).await.unwrap();
    let hello = format!(r#"["hello",{WIRE_VERSION},"{}"]"#, device.id.to_hex());
    client.socket.send(Message::Text(hello.into())).await.unwrap();
    assert_eq!(code(client.next().await), Some(RefusalCode::Malformed));
    let mut client = Client::sign_in(office.addr(), &device).await;
    client.socket.send(Message::Text(r#"["ping",0]"#.into())).await.unwrap();
    assert_eq!(code(client.next().await), Some(RefusalCode::Malformed));
    let challenge = format!(r#"["{}"]"#, device.id.to_hex());
    assert_eq!(office.post("/api/v1/passkeys/challenge", challenge.as_bytes()).await.status, 422);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_in_client_that_breaks_the_protocol_or_floods_is_disconnected() {
    let office = Office::start().await;
    let device = office.person(Role::Principal).await;
    let mut older = Client::sign_in(office.addr(), &device).await;
    let mut client = Client::sign_in(office.addr(), &device).await;
    assert_eq!(older.closed().await, Some(4001));
    let bearer = older.bearer();
    assert_eq!(office.http("GET", "/api/v1/records", &[("authorization", &bearer)], b"").await.status, 401);

    client.send(&C::Ring { jws: "not.a.ring".into() }).await;
    assert_eq!(code(client.next().await), Some(RefusalCode::NotAllowed));
    // A log size beyond the current one gets no consistency proof.
    client.send(&C::Ping { log_size: 1000 }).await;
    assert!(
        matches!(client.next().await, Some(S::Checkpoint { from_size: 1000, consistency, .. }) if consistency.is_empty())
    );
    client.socket.send(Message::Text("{\"type\":\"nonsense\"}".into())).await.unwrap();
    assert_eq!(code(client.next().await), Some(RefusalCode::Malformed));
    assert_eq!(client.closed().await, Some(1008));

    let mut flood = Client::sign_in(office.addr(), &device).await;
    for _ in 0..MAX_MESSAGES_PER_SECOND * 20 {
        if flood.socket.send(Message::Text(r#"{"type":"ping","log_size":0}"#.into())).await.is_err() {
            break;
        }
    }
    assert_ne!(flood.closed().await, Some(1000));
    Client::sign_in(office.addr(), &device).await;
}

/// The attacker opens as many silent connections as it likes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_too_many_connections_sign_in_the_oldest_goes_and_devices_get_in() {
    let office = Office::start().await;
    let device = office.person(Role::Principal).await;
    let mut held = Vec::new();
    for _ in 0..=MAX_UNSIGNED_CONNECTIONS {
        held.push(Client::insist(office.addr(), None).await);
    }
    assert_eq!(held[0].closed().await, Some(1008));
    let mut client = Client::sign_in(office.addr(), &device).await;
    for _ in 0..MAX_UNSIGNED_CONNECTIONS {
        held.push(Client::insist(office.addr(), None).await);
    }
    client.send(&C::Ping { log_size: 0 }).await;
    assert!(matches!(client.next().await, Some(S::Checkpoint { .. })), "who has signed in stays");
    assert_eq!(office.get_admin("/healthz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unauthenticated_connections_of_one_network_push_out_each_other() {
    let office = Office::start().await;
    let (mut held, mut other) = (Vec::new(), Client::raw_for(office.addr(), None, Some("203.0.113.2")).await.unwrap());
    for n in 0..=MAX_UNSIGNED_FROM_ONE_ADDRESS {
        let address = format!("2001:db8:7:{n:x}::1");
        held.push(Client::insist(office.addr(), Some(&address)).await);
    }
    assert_eq!(held[0].closed().await, Some(1008), "one /48");
    other.send(&C::Ping { log_size: 0 }).await;
    assert_eq!(code(other.next().await), Some(RefusalCode::NotSignedIn), "other addresses are served");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_are_believed_from_trusted_proxies_only() {
    let mut office = Office::start().await;
    office.stop().await;
    let mut config = ServerConfig::local(office.dir.path().join("server"));
    config.trusted_proxies = TrustedProxies::new(vec!["203.0.113.0/24".parse().unwrap()]);
    office.run_as(config).await;
    let mut held = Vec::new();
    for n in 0..=MAX_UNSIGNED_FROM_ONE_ADDRESS {
        let claimed = format!("198.51.100.{n}");
        held.push(Client::insist(office.addr(), Some(&claimed)).await);
    }
    assert_eq!(held[0].closed().await, Some(1008), "all of them are this machine's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_connection_is_closed_within_seconds() {
    let office = Office::start().await;
    let mut silent = Client::raw(office.addr(), None).await.unwrap();
    assert_eq!(code(silent.next().await), Some(RefusalCode::NotSignedIn));
    assert_eq!(silent.closed().await, Some(1008));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_whose_head_stalls_is_timed_out() {
    let mut office = Office::start().await;
    office.stop().await;
    let mut config = ServerConfig::local(office.dir.path().join("server"));
    config.connections.head = std::time::Duration::from_millis(50);
    office.run_as(config).await;
    for start in ["", "GET / HTTP/1.1\r\nhost: offi"] {
        let mut stream = TcpStream::connect(office.addr()).await.unwrap();
        stream.write_all(start.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // Reads to the end: the server closes the connection.
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(office.get_admin("/healthz").await.status, 200);
    let device = office.person(Role::Principal).await;
    Client::sign_in(office.addr(), &device).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_log_tiles_api_and_metrics_are_served() {
    let office = Office::start().await;
    let device = office.person(Role::Principal).await;
    let info: OfficeInfo = office.get("/api/v1/office").await.json();
    assert_eq!(info, office.info);

    for path in ["/", "/calls/somewhere"] {
        let page = office.get(path).await;
        assert_eq!((page.status, page.text().as_str()), (200, "<!doctype html>the page"), "{path}");
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("script-src 'self' 'wasm-unsafe-eval'") && !policy.contains("unsafe-inline"));
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("worker-src 'self'"));
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(page.header(name).as_deref(), Some(value));
        }
        assert!(page.header("permissions-policy").unwrap().contains("microphone=(self)"));
    }
    let script = office.get("/assets/app.js").await;
    assert_eq!(script.header("content-type").as_deref(), Some("text/javascript; charset=utf-8"));
    assert!(script.header("cache-control").unwrap().contains("immutable"));
    for path in
        ["/assets/none.js", "/../secret", "/%2e%2e/secret", "/api/v1/none", "/log/.state/lock", "/log/../office.json"]
    {
        let answer = office.get(path).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
        assert!(!answer.text().contains("not for the web"));
    }

    let checkpoint = office.get("/log/checkpoint").await;
    assert_eq!(office.anchor.verify_checkpoint(&checkpoint.text()).unwrap(), 1);
    assert_eq!(office.get("/log/tile/0/000.p/1").await.body.len(), 32);
    assert_eq!(office.get("/log/tile/entries/000.p/1").await.status, 200);
    assert_eq!(office.get("/api/v1/log/consistency?from=0&to=1").await.status, 200);
    assert_eq!(office.get("/api/v1/log/consistency?from=0&to=9").await.status, 400);
    assert_eq!(office.get("/api/v1/log/consistency").await.status, 400);

    for path in ["/api/office", "/api/records", "/api/records/00", "/api/media", "/api/log/consistency?from=0&to=1"] {
        let answer = office.get(path).await;
        assert_eq!(answer.status, 410, "{path}: an unversioned path, as in version 0.1");
        assert!(answer.json::<ApiError>().error.contains("/api/v1"), "{path}");
    }
    let description = office.get("/api/v1/openapi.json").await;
    assert_eq!(description.header("content-type").as_deref(), Some("application/json"));
    assert_eq!(description.json::<serde_json::Value>()["openapi"], "3.1.0");

    let _client = Client::sign_in(office.addr(), &device).await;
    for path in ["/metrics", "/healthz"] {
        let answer = office.get(path).await;
        assert_eq!(answer.status, 404, "not at the page's address");
        assert!(answer.json::<ApiError>().error.contains("--admin-listen"));
    }
    let metrics = office.get_admin("/metrics").await.text();
    assert!(metrics.contains("telcon_sessions 1\n") && metrics.contains("telcon_relay_legs 0\n"), "{metrics}");
    for word in ["Secret", &device.id.to_hex(), &device.person().to_hex(), "127.0.0.1"] {
        assert!(!metrics.contains(word), "{word}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_holds_one_office_and_one_server() {
    use telcon_server::{Server, ServerConfig, StartError};
    let office = Office::start().await;
    let dir = office.dir.path().join("server");
    let charter = |log_key: &str| office.authority.office(log_key, RecordMode::Memo, now_ms());
    assert!(matches!(Server::init(&dir, DOMAIN, charter), Err(StartError::AlreadyThere(_))));
    assert!(
        matches!(Server::start(ServerConfig::local(&dir)).await, Err(StartError::Log(_))),
        "the log is locked by the running server"
    );
    let none = office.dir.path().join("none");
    assert!(matches!(Server::start(ServerConfig::local(&none)).await, Err(StartError::NoDirectory(_))));
    std::fs::create_dir(&none).unwrap();
    assert!(matches!(Server::start(ServerConfig::local(&none)).await, Err(StartError::NoOffice(_))));
    // Part of an office is lost: nobody is told to make another one in its place.
    std::fs::create_dir(none.join("archive")).unwrap();
    let Err(StartError::Missing(file)) = Server::start(ServerConfig::local(&none)).await else { panic!("it started") };
    assert_eq!(file, none.join("office.json"));
    std::fs::remove_dir(none.join("archive")).unwrap();
    let of_another_log = |_: &str| Ok(office.info.clone());
    assert!(matches!(Server::init(&none, DOMAIN, of_another_log), Err(StartError::OtherLog)));
    assert!(!none.join("office.json").exists());
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |name: &str| std::fs::metadata(dir.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("log.seed"), mode("")), (0o600, 0o700));
}
