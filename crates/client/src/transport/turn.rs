//! Fallback where everything but TLS is blocked: datagrams through the office's TURN server (RFC 8656) over one TLS
//! connection. The TURN server relays the same ciphertext as any other transport.

use super::{
    fallback::{ConnectionQueues, FallbackTransport},
    leg::MAX_DATAGRAM_BYTES,
};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};
use telcon_proto::http::IceServer;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    select,
    sync::{mpsc, oneshot},
    time::{sleep_until, timeout},
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use turn_client_proto::{
    api::{Transmit, TurnConfig, TurnEvent, TurnPollRet, TurnRecvRet},
    prelude::{DelayedTransmitBuild as _, TurnClientApi as _},
    stun,
    tcp::TurnClientTcp,
    types::{AddressFamily, TurnCredentials, stun::TransportType},
};

/// Time for each of connecting, the TLS handshake and the allocation: several intercontinental round trips.
const SETUP_TIMEOUT: Duration = Duration::from_secs(5);
/// Size of the read buffer, bytes.
const READ_BYTES: usize = 16 * 1024;
/// Default ports (RFC 7065 section 3.2).
const DEFAULT_TURNS_PORT: u16 = 5349;
const DEFAULT_TURN_PORT: u16 = 3478;

/// A TURN server reachable over TCP, and this device's credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnServer {
    host: String,
    port: u16,
    /// Whether to use TLS (`turns:`).
    tls: bool,
    username: String,
    credential: String,
}

impl TurnServer {
    /// The server's preferred URL (RFC 7065) with TCP transport: TLS if there is one.
    pub fn of(server: &IceServer) -> Option<Self> {
        let usable = server.urls.iter().filter_map(|url| tcp_endpoint(url));
        let (tls, host, port) = usable.max_by_key(|(tls, ..)| *tls)?;
        let (username, credential) = (server.username.clone(), server.credential.clone());
        Some(Self { host, port, tls, username, credential })
    }
}

/// Whether to use TLS, the host and the port of a TURN URL, if it can be used over TCP.
fn tcp_endpoint(url: &str) -> Option<(bool, String, u16)> {
    let (scheme, rest) = url.split_once(':')?;
    let (host_port, transport) = rest.split_once("?transport=").map_or((rest, None), |(host, by)| (host, Some(by)));
    // By default `turn:` uses UDP, and `turns:` TLS over TCP (RFC 7065 section 3.2).
    let tls = match (scheme, transport) {
        ("turns", None | Some("tcp")) => true,
        ("turn", Some("tcp")) => false,
        _ => return None,
    };
    let default_port = if tls { DEFAULT_TURNS_PORT } else { DEFAULT_TURN_PORT };
    let (host, port) = match host_port.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (host, after.strip_prefix(':').map_or(Some(default_port), |port| port.parse().ok())?)
        }
        None => match host_port.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (host_port, default_port),
        },
    };
    (!host.is_empty()).then(|| (tls, host.to_owned(), port))
}

/// Connects to the TURN server and creates an allocation with a permission for the relay (RFC 8656 sections 7 and 9).
///
/// # Errors
/// When the connection or the TLS handshake fails, the server refuses the allocation, or a step times out.
pub(super) async fn connect(server: &TurnServer, relay: SocketAddr) -> io::Result<FallbackTransport> {
    let stream = timeout(SETUP_TIMEOUT, TcpStream::connect((server.host.as_str(), server.port))).await??;
    stream.set_nodelay(true)?;
    let (local, remote) = (stream.local_addr()?, stream.peer_addr()?);
    let mut config = TurnConfig::new(TurnCredentials::new(&server.username, &server.credential));
    config.set_address_family(match relay.ip() {
        IpAddr::V4(_) => AddressFamily::IPV4,
        IpAddr::V6(_) => AddressFamily::IPV6,
    });
    let (transport, ConnectionQueues { outgoing, incoming }) = FallbackTransport::new(relay);
    let (ready, is_ready) = oneshot::channel();
    let client = TurnClientTcp::allocate(local, remote, config);
    let session = TurnSession { client, epoch: Instant::now(), local, remote, relay, incoming, ready: Some(ready) };
    if server.tls {
        let tls = crate::tls::turn().map_err(io::Error::other)?;
        let name = ServerName::try_from(server.host.clone()).map_err(io::Error::other)?;
        let stream = timeout(SETUP_TIMEOUT, TlsConnector::from(Arc::clone(&tls)).connect(name, stream)).await??;
        tokio::spawn(session.run(stream, outgoing));
    } else {
        tokio::spawn(session.run(stream, outgoing));
    }
    let refused = |_| io::Error::other("the TURN server refused the allocation");
    timeout(SETUP_TIMEOUT, is_ready).await?.map_err(refused)?;
    Ok(transport)
}

struct TurnSession {
    client: TurnClientTcp,
    /// Origin of the protocol engine's clock.
    epoch: Instant,
    local: SocketAddr,
    remote: SocketAddr,
    relay: SocketAddr,
    incoming: mpsc::Sender<Vec<u8>>,
    /// Notified once datagrams can flow; dropped if the allocation fails.
    ready: Option<oneshot::Sender<()>>,
}

impl TurnSession {
    fn now(&self) -> stun::Instant {
        stun::Instant::from_std(self.epoch)
    }

    async fn run<S: AsyncRead + AsyncWrite + Unpin>(mut self, mut stream: S, mut outgoing: mpsc::Receiver<Vec<u8>>) {
        let mut buffer = vec![0; READ_BYTES];
        while let Some(wake) = self.flush(&mut stream).await {
            select! {
                read = stream.read(&mut buffer) => match read {
                    Ok(0) | Err(_) => return,
                    Ok(length) => {
                        if !self.handle_input(&buffer[..length]) {
                            return;
                        }
                    }
                },
                datagram = outgoing.recv() => {
                    let Some(datagram) = datagram else { return self.release(&mut stream).await };
                    let now = self.now();
                    // Before the permission exists the datagram is dropped, as on any transport that is not up yet.
                    let Ok(Some(message)) = self.client.send_to(TransportType::Udp, self.relay, datagram, now) else { continue };
                    if stream.write_all(&message.data.build()).await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                }
                () = sleep_until(wake.into()) => {}
            }
        }
    }

    /// Performs the protocol's pending actions; returns its next wake-up, or `None` once it is closed.
    async fn flush<S: AsyncWrite + Unpin>(&mut self, stream: &mut S) -> Option<Instant> {
        loop {
            let now = self.now();
            let wait = match self.client.poll(now) {
                TurnPollRet::WaitUntil(at) => at,
                TurnPollRet::Closed => return None,
                // TCP allocations (RFC 6062), which are not requested.
                TurnPollRet::AllocateTcpSocket { .. } | TurnPollRet::TcpClose { .. } => continue,
            };
            let mut done = true;
            while let Some(transmit) = self.client.poll_transmit(now) {
                stream.write_all(&transmit.data).await.ok()?;
                done = false;
            }
            stream.flush().await.ok()?;
            while let Some(event) = self.client.poll_event() {
                done = false;
                match event {
                    TurnEvent::AllocationCreated(..) => {
                        // No channel binding: over TCP, ChannelData must be padded to four bytes (RFC 8656 section
                        // 12.5), which turn-client-proto 0.7.3 does not do. Send indications cost 32 bytes more.
                        self.client.create_permission(TransportType::Udp, self.relay.ip(), now).ok()?;
                    }
                    TurnEvent::PermissionCreated(..) => {
                        if let Some(ready) = self.ready.take() {
                            let _ = ready.send(());
                        }
                    }
                    TurnEvent::AllocationCreateFailed(_) | TurnEvent::PermissionCreateFailed(..) => return None,
                    _ => {}
                }
            }
            if done {
                return Some(wait.to_std(self.epoch));
            }
        }
    }

    /// Handles bytes from the server. Returns false once the leg is gone.
    fn handle_input(&mut self, bytes: &[u8]) -> bool {
        let now = self.now();
        let transmit = Transmit::new(bytes, TransportType::Tcp, self.remote, self.local);
        if let TurnRecvRet::PeerData(data) = self.client.recv(transmit, now)
            && !self.deliver(data.peer, data.as_ref())
        {
            return false;
        }
        while let Some(data) = self.client.poll_recv(now) {
            if !self.deliver(data.peer, data.as_ref()) {
                return false;
            }
        }
        true
    }

    fn deliver(&self, from: SocketAddr, datagram: &[u8]) -> bool {
        // A full queue drops the datagram, as UDP would.
        let fits = from == self.relay && datagram.len() <= MAX_DATAGRAM_BYTES;
        !fits || !matches!(self.incoming.try_send(datagram.to_vec()), Err(mpsc::error::TrySendError::Closed(_)))
    }

    /// Releases the allocation.
    async fn release<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: &mut S) {
        let now = self.now();
        if self.client.delete(now).is_ok() {
            while let Some(transmit) = self.client.poll_transmit(now) {
                if stream.write_all(&transmit.data).await.is_err() {
                    return;
                }
            }
            let _ = stream.shutdown().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turn_urls_of_rfc_7065() {
        let cases = [
            ("turns:turn.office.example:443?transport=tcp", Some((true, "turn.office.example", 443))),
            ("turns:turn.office.example", Some((true, "turn.office.example", 5349))),
            ("turn:192.0.2.1?transport=tcp", Some((false, "192.0.2.1", 3478))),
            ("turns:[2001:db8::1]:443", Some((true, "2001:db8::1", 443))),
            ("turns:[2001:db8::1]", Some((true, "2001:db8::1", 5349))),
            ("turn:turn.office.example", None),
            ("turns:turn.office.example?transport=udp", None),
            ("stun:turn.office.example", None),
            ("turns:", None),
            ("turns:host:notaport", None),
            ("turns:[2001:db8::1", None),
            ("", None),
        ];
        for (url, wanted) in cases {
            let found = tcp_endpoint(url);
            assert_eq!(found, wanted.map(|(tls, host, port)| (tls, host.to_owned(), port)), "{url}");
        }
        let server = |urls: &[&str]| IceServer {
            urls: urls.iter().map(|url| (*url).to_owned()).collect(),
            username: "u".into(),
            credential: "c".into(),
        };
        assert_eq!(TurnServer::of(&server(&["turn:a"])), None);
        assert_eq!(TurnServer::of(&server(&["turn:a?transport=tcp", "turns:b"])).unwrap().host, "b");
    }
}
