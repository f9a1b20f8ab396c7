//! One request to a push service (RFC 8030): name, connection, request and head of the answer, all within one time limit. Redirects
//! are not followed and bodies are not read.

use super::{
    encryption::BrowserKeys,
    endpoint::{Endpoint, Services},
    queue::{Attempt, Outcome},
    vapid::Vapid,
};
use crate::{limits::PUSH_TIMEOUT_MS, tls};
use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256};
use std::{
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use telcon_proto::push::{PushAbout, PushMessage};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{RootCertStore, pki_types::ServerName},
};

/// Longest head of an answer, bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Most headers of an answer.
const MAX_HEADERS: usize = 100;
/// Addresses of a push service that are tried.
const MAX_ADDRESSES: usize = 4;
/// How long one address may take to accept a connection: after all of them, time is left for a request.
const ADDRESS_TIMEOUT: Duration = Duration::from_millis(PUSH_TIMEOUT_MS / (MAX_ADDRESSES as u64 + 1));
/// Bytes of a topic: 32 characters, the most that a push service takes (RFC 8030, section 5.4).
const TOPIC_BYTES: usize = 24;
/// How often a push service is asked again that is too busy and does not say when, at least, milliseconds.
const BUSY_MS: u64 = 60_000;

/// Counters of requests to push services.
#[derive(Default)]
pub struct DeliveryCounters {
    /// Messages that a push service accepted.
    pub accepted: AtomicU64,
    /// Attempts that failed; most are repeated.
    pub failed: AtomicU64,
    /// Messages that a push service refused.
    pub rejected: AtomicU64,
    /// Subscriptions that a push service ended, and stored ones that are not valid under the present configuration.
    pub expired: AtomicU64,
}

/// Sends messages.
pub struct Client {
    tls: TlsConnector,
    services: Services,
    vapid: Arc<Vapid>,
    counters: DeliveryCounters,
}

impl Client {
    /// With the roots that this machine trusts.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(services: Services, vapid: Arc<Vapid>) -> io::Result<Self> {
        Self::with_roots(services, vapid, tls::native_roots())
    }

    fn with_roots(services: Services, vapid: Arc<Vapid>, roots: RootCertStore) -> io::Result<Self> {
        let config = tls::client_config(roots).map_err(io::Error::other)?;
        Ok(Self { tls: TlsConnector::from(config), services, vapid, counters: DeliveryCounters::default() })
    }

    /// The push services that the operator named.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// The office's key.
    pub fn vapid(&self) -> &Vapid {
        &self.vapid
    }

    /// Counters.
    pub fn counters(&self) -> &DeliveryCounters {
        &self.counters
    }

    /// Sends one message.
    pub(super) async fn deliver(&self, attempt: &Attempt, now_ms: u64) -> Outcome {
        let outcome = self.try_to_deliver(attempt, now_ms).await;
        let counter = match outcome {
            Outcome::Accepted => &self.counters.accepted,
            Outcome::Failed { .. } => &self.counters.failed,
            Outcome::Refused => &self.counters.rejected,
            Outcome::Gone => &self.counters.expired,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        outcome
    }

    async fn try_to_deliver(&self, attempt: &Attempt, now_ms: u64) -> Outcome {
        let row = &attempt.push.to;
        // Stored by a server with other push services named, or damaged: the device subscribes again.
        let invalid = |error: &dyn std::fmt::Display| {
            tracing::warn!(
                device = %row.device, %error,
                "a stored push subscription is not valid under the present configuration: it is erased; the device subscribes again \
                 when it is opened"
            );
            Outcome::Gone
        };
        let endpoint = match Endpoint::parse(&row.endpoint, &self.services) {
            Ok(endpoint) => endpoint,
            Err(error) => return invalid(&error),
        };
        let keys = match BrowserKeys::from_bytes(row.key.as_slice(), row.auth.as_slice()) {
            Ok(keys) => keys,
            Err(error) => return invalid(&error),
        };
        let content = serde_json::to_vec(&PushMessage::from(attempt.push.about));
        let content = content.expect("invariant: a message is numbers and texts");
        let Ok(body) = keys.encrypt(&content) else { return invalid(&"nothing can be encrypted for its key") };
        let sent = self.send(attempt, &endpoint, &keys, body, now_ms);
        match timeout(Duration::from_millis(PUSH_TIMEOUT_MS), sent).await {
            Ok(Ok((status, retry_ms))) => outcome(status, retry_ms, &endpoint),
            Ok(Err(error)) => {
                tracing::warn!(service = %endpoint.origin(), %error, "a push message was not sent: it is tried again");
                Outcome::Failed { retry_ms: None }
            }
            Err(_) => {
                tracing::warn!(service = %endpoint.origin(), "a push service did not answer in time: it is tried again");
                Outcome::Failed { retry_ms: None }
            }
        }
    }

    async fn send(
        &self,
        attempt: &Attempt,
        endpoint: &Endpoint,
        keys: &BrowserKeys,
        body: Vec<u8>,
        now_ms: u64,
    ) -> io::Result<(StatusCode, Option<u64>)> {
        let about = attempt.push.about;
        let request = Request::post(endpoint.target())
            .header(header::HOST, endpoint.authority())
            .header(header::AUTHORIZATION, self.vapid.authorization(&endpoint.origin(), now_ms)?)
            .header(header::CONTENT_ENCODING, "aes128gcm")
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_LENGTH, body.len())
            .header("ttl", attempt.ttl_s)
            .header("urgency", URGENCY)
            .header("topic", topic(about, keys))
            .body(Body::from(body))
            .map_err(io::Error::other)?;
        let stream = connect(endpoint).await?;
        if !endpoint.is_encrypted() {
            return exchange(stream, request).await;
        }
        let name = ServerName::try_from(endpoint.host()).map_err(io::Error::other)?;
        exchange(self.tls.connect(name, stream).await?, request).await
    }
}

/// How much a push service may delay a message to save a battery (RFC 8030, section 5.3). The same for all messages: a push service
/// would learn from it what a message is about.
const URGENCY: &str = "high";

/// Replaces the same message that waits at the push service, if its answer was lost; and a ring, once it is over. The push service
/// learns nothing from it: the secret is the browser's.
fn topic(about: PushAbout, keys: &BrowserKeys) -> String {
    let digest = Sha256::new().chain_update(b"telcon push topic 1").chain_update(keys.auth());
    let digest = match about {
        PushAbout::Alert { entry, .. } => digest.chain_update(entry.to_be_bytes()),
        PushAbout::Ring { call, .. } | PushAbout::RingOver { call, .. } => digest.chain_update(call.as_bytes()),
        PushAbout::Asked { call, .. } => digest.chain_update(b"asked").chain_update(call.as_bytes()),
    };
    URL_SAFE_NO_PAD.encode(&digest.finalize()[..TOPIC_BYTES])
}

/// Connects to an address that was checked: a name that resolves to another one in the next moment gains nothing.
async fn connect(endpoint: &Endpoint) -> io::Result<TcpStream> {
    let host = endpoint.host();
    let resolved: Vec<_> = match host.parse::<IpAddr>() {
        Ok(at) => vec![(at, endpoint.port()).into()],
        Err(_) => lookup_host((host.as_str(), endpoint.port())).await?.collect(),
    };
    let mut failed = io::Error::other("the push service has no public address: see `telcon serve --push-service`");
    for at in resolved.into_iter().filter(|at| endpoint.may_reach(at.ip())).take(MAX_ADDRESSES) {
        match timeout(ADDRESS_TIMEOUT, TcpStream::connect(at)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failed = error,
            Err(_) => failed = io::Error::new(io::ErrorKind::TimedOut, "the push service's address does not answer"),
        }
    }
    Err(failed)
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Body>,
) -> io::Result<(StatusCode, Option<u64>)> {
    let mut http = http1::Builder::new();
    http.max_buf_size(MAX_HEAD_BYTES).max_headers(MAX_HEADERS);
    let (mut sender, connection) = http.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let mut connection = std::pin::pin!(connection);
    let mut answer = std::pin::pin!(sender.send_request(request));
    let response = tokio::select! {
        response = &mut answer => response,
        // It ends by itself only when the answer is there, or never will be.
        ended = &mut connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(error),
        },
    };
    let response = response.map_err(io::Error::other)?;
    Ok((response.status(), retry_after(response.headers())))
}

/// `Retry-After` in seconds; a date is not read, because clocks differ.
fn retry_after(headers: &header::HeaderMap) -> Option<u64> {
    let seconds: u64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(seconds.saturating_mul(1000))
}

fn outcome(status: StatusCode, retry_ms: Option<u64>, endpoint: &Endpoint) -> Outcome {
    let service = endpoint.origin();
    match status {
        status if status.is_success() => Outcome::Accepted,
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            tracing::info!(%service, "a subscription to push messages ended: the device subscribes again when it is opened");
            Outcome::Gone
        }
        StatusCode::TOO_MANY_REQUESTS => Outcome::Failed { retry_ms: Some(retry_ms.unwrap_or(BUSY_MS)) },
        StatusCode::REQUEST_TIMEOUT => Outcome::Failed { retry_ms },
        status if status.is_server_error() => Outcome::Failed { retry_ms },
        status => {
            let status = status.as_u16();
            tracing::warn!(%service, status, "a push service refused a message: it is not sent again; the page shows what it is about");
            Outcome::Refused
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{store::PushRow, switchboard::Push};
    use telcon_proto::{AlertKind, Blob, DeviceId};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };
    use tokio_rustls::rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer},
    };

    #[test]
    fn answers_decide_what_becomes_of_a_message() {
        let endpoint = Endpoint::parse("https://push.example/x", &Services::default()).unwrap();
        let of = |status: u16, retry_ms| outcome(StatusCode::from_u16(status).unwrap(), retry_ms, &endpoint);
        for status in [200, 201, 202, 204] {
            assert_eq!(of(status, None), Outcome::Accepted, "{status}");
        }
        for status in [404, 410] {
            assert_eq!(of(status, None), Outcome::Gone, "{status}");
        }
        assert_eq!(of(429, Some(7_000)), Outcome::Failed { retry_ms: Some(7_000) });
        assert_eq!(of(429, None), Outcome::Failed { retry_ms: Some(BUSY_MS) });
        assert_eq!(of(503, Some(9_000)), Outcome::Failed { retry_ms: Some(9_000) });
        assert_eq!(of(500, None), Outcome::Failed { retry_ms: None });
        for status in [301, 302, 307, 308, 400, 401, 403, 413] {
            assert_eq!(of(status, None), Outcome::Refused, "{status}: a redirect is not followed");
        }
    }

    #[test]
    fn seconds_of_retry_after_are_read_and_nothing_else() {
        let of =
            |text: &str| retry_after(&header::HeaderMap::from_iter([(header::RETRY_AFTER, text.parse().unwrap())]));
        assert_eq!((of("120"), of(" 5 "), of("0")), (Some(120_000), Some(5_000), Some(0)));
        assert_eq!(of("18446744073709551615"), Some(u64::MAX));
        for bad in ["-1", "soon", "Fri, 31 Dec 1999 23:59:59 GMT", "99999999999999999999999"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    fn keys(n: u8) -> BrowserKeys {
        let public = URL_SAFE_NO_PAD
            .decode("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4")
            .unwrap();
        BrowserKeys::from_bytes(&public, &[n; 16]).unwrap()
    }

    fn attempt(endpoint: &str) -> Attempt {
        let keys = keys(1);
        let to = PushRow {
            device: DeviceId::from_bytes([1; 16]),
            endpoint: endpoint.to_owned(),
            key: Blob(keys.public().to_vec()),
            auth: Blob(keys.auth().to_vec()),
            notified_below: 0,
        };
        let about = PushAbout::Alert { kind: AlertKind::LogForked, entry: 1 };
        Attempt { id: 1, push: Push { to, about, until_ms: 60_000 }, ttl_s: 60 }
    }

    fn vapid() -> Arc<Vapid> {
        let dir = tempfile::tempdir().unwrap();
        Arc::new(Vapid::open(&dir.path().join("push.key"), "office.example").unwrap())
    }

    /// A push service with a certificate for this name; returns its root and its port.
    async fn tls_service(name: &str) -> (CertificateDer<'static>, u16) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let root = made.cert.der().clone();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![root.clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut bytes = [0; 8192];
                assert!(stream.read(&mut bytes).await.unwrap() > 0);
                let _ = stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n").await;
                while matches!(stream.read(&mut bytes).await, Ok(n) if n > 0) {}
            }
        });
        (root, port)
    }

    #[tokio::test]
    async fn a_push_service_is_reached_over_tls_if_its_certificate_is_for_its_name_and_trusted() {
        let failed = Outcome::Failed { retry_ms: None };
        for (name, trusted, expected) in
            [("localhost", true, Outcome::Accepted), ("localhost", false, failed), ("other.example", true, failed)]
        {
            let (root, port) = tls_service(name).await;
            let origin = format!("https://localhost:{port}");
            let mut roots = RootCertStore::empty();
            if trusted {
                roots.add(root).unwrap();
            }
            let services = Services::new(vec![origin.parse().unwrap()]);
            let client = Client::with_roots(services, vapid(), roots).unwrap();
            assert_eq!(client.deliver(&attempt(&format!("{origin}/x")), 1_000).await, expected, "{name} {trusted}");
        }
    }

    #[tokio::test]
    async fn a_public_name_that_resolves_to_this_machine_is_not_connected_to() {
        let endpoint = Endpoint::parse("https://localhost/x", &Services::default()).unwrap();
        assert!(connect(&endpoint).await.unwrap_err().to_string().contains("no public address"));
        let client = Client::with_roots(Services::default(), vapid(), RootCertStore::empty()).unwrap();
        assert_eq!(client.deliver(&attempt("https://localhost/x"), 1_000).await, Outcome::Failed { retry_ms: None });
    }

    #[tokio::test]
    async fn a_stored_address_that_may_not_be_reached_any_more_is_given_up() {
        let client = Client::with_roots(Services::default(), vapid(), RootCertStore::empty()).unwrap();
        for address in ["http://127.0.0.1:9/x", "https://10.0.0.1/x", "no address"] {
            assert_eq!(client.deliver(&attempt(address), 1_000).await, Outcome::Gone, "{address}");
        }
    }

    #[tokio::test]
    async fn a_stored_subscription_for_which_nothing_can_be_encrypted_is_given_up() {
        let client = Client::with_roots(Services::default(), vapid(), RootCertStore::empty()).unwrap();
        let damages: [fn(&mut PushRow); 3] = [
            |row| row.key = Blob([&[4][..], &[0; 64]].concat()),
            |row| row.key.0.truncate(64),
            |row| row.auth.0.truncate(15),
        ];
        for damage in damages {
            // A name that is not resolved: nothing is connected to.
            let mut attempt = attempt("https://push.invalid/x");
            damage(&mut attempt.push.to);
            assert_eq!(client.deliver(&attempt, 1_000).await, Outcome::Gone);
        }
    }

    #[test]
    fn a_topic_is_of_one_entry_and_one_subscription() {
        let about = |entry| PushAbout::Alert { kind: AlertKind::LogForked, entry };
        let first = topic(about(1), &keys(1));
        assert_eq!(first.len(), 32);
        assert_eq!(first, topic(about(1), &keys(1)));
        assert!(first != topic(about(2), &keys(1)) && first != topic(about(1), &keys(2)));
    }

    #[test]
    fn a_ring_that_is_over_replaces_the_ring_that_waits_at_the_push_service() {
        let call = |n| telcon_proto::CallId::from_bytes([n; 16]);
        let ring = |n| topic(PushAbout::Ring { call: call(n), until_ms: 9 }, &keys(1));
        assert_eq!(ring(1), topic(PushAbout::RingOver { call: call(1), missed: true }, &keys(1)));
        assert!(ring(1) != ring(2) && ring(1).len() == 32);
    }

    /// A push service sees neither what a message is about nor how long its text is.
    #[test]
    fn messages_about_rings_and_alerts_have_one_size_and_one_urgency() {
        let call = telcon_proto::CallId::from_bytes([0xff; 16]);
        let abouts = [
            PushAbout::Alert { kind: AlertKind::LogForked, entry: u64::MAX },
            PushAbout::Ring { call, until_ms: u64::MAX },
            PushAbout::Asked { call, until_ms: u64::MAX },
            PushAbout::RingOver { call, missed: true },
            PushAbout::RingOver { call, missed: false },
        ];
        let sizes = abouts.map(|about| {
            let content = serde_json::to_vec(&PushMessage::from(about)).unwrap();
            keys(1).encrypt(&content).unwrap().len()
        });
        assert_eq!(sizes, [sizes[0]; 5]);
    }
}
