//! A leg's way where nothing gets through but TLS: its datagrams by a TURN server (RFC 8656) that the office has beside its
//! relay, over one TLS connection. What the TURN server carries is as encrypted as on any other way.

use super::{
    MAX_DATAGRAM_BYTES,
    way::{Carrier, Way},
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

/// How long the TURN server may take until datagrams can flow: some round trips over half the world.
const READY_WITHIN: Duration = Duration::from_secs(5);
/// Most bytes that are read at once.
const READ_BYTES: usize = 16 * 1024;
/// Ports where an address names none (RFC 7065).
const PORT_OF_TURNS: u16 = 5349;
const PORT_OF_TURN: u16 = 3478;

/// A TURN server that can be reached by TCP, and this device's password there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnServer {
    host: String,
    port: u16,
    /// By TLS, as with `turns:`.
    tls: bool,
    username: String,
    credential: String,
}

impl TurnServer {
    /// The first of a server's addresses (RFC 7065) that goes by TCP, TLS before all others.
    pub fn of(server: &IceServer) -> Option<Self> {
        let ways = server.urls.iter().filter_map(|url| address(url));
        let (tls, host, port) = ways.max_by_key(|(tls, ..)| *tls)?;
        let (username, credential) = (server.username.clone(), server.credential.clone());
        Some(Self { host, port, tls, username, credential })
    }
}

/// Whether by TLS, the host and the port of a TURN server's address, if it can be reached by TCP.
fn address(url: &str) -> Option<(bool, String, u16)> {
    let (scheme, rest) = url.split_once(':')?;
    let (place, transport) = rest.split_once("?transport=").map_or((rest, None), |(place, by)| (place, Some(by)));
    // Without a word about it, `turn:` goes by UDP and `turns:` by TLS over TCP.
    let tls = match (scheme, transport) {
        ("turns", None | Some("tcp")) => true,
        ("turn", Some("tcp")) => false,
        _ => return None,
    };
    let usual = if tls { PORT_OF_TURNS } else { PORT_OF_TURN };
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (host, after.strip_prefix(':').map_or(Some(usual), |port| port.parse().ok())?)
        }
        None => match place.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (place, usual),
        },
    };
    (!host.is_empty()).then(|| (tls, host.to_owned(), port))
}

/// Connects to the TURN server, and makes it carry datagrams to and from the relay.
///
/// # Errors
/// What the system or TLS says; and when the server lets this device carry nothing, or takes too long.
pub(super) async fn connect(server: &TurnServer, relay: SocketAddr) -> io::Result<Way> {
    let stream = timeout(READY_WITHIN, TcpStream::connect((server.host.as_str(), server.port))).await??;
    stream.set_nodelay(true)?;
    let (local, remote) = (stream.local_addr()?, stream.peer_addr()?);
    let mut config = TurnConfig::new(TurnCredentials::new(&server.username, &server.credential));
    config.set_address_family(match relay.ip() {
        IpAddr::V4(_) => AddressFamily::IPV4,
        IpAddr::V6(_) => AddressFamily::IPV6,
    });
    let (way, Carrier { to_send, came }) = Way::new(relay);
    let (ready, is_ready) = oneshot::channel();
    let client = TurnClientTcp::allocate(local, remote, config);
    let carrying = Carrying { client, began: Instant::now(), local, remote, relay, came, ready: Some(ready) };
    if server.tls {
        let tls = crate::tls::turn().map_err(io::Error::other)?;
        let name = ServerName::try_from(server.host.clone()).map_err(io::Error::other)?;
        let stream = timeout(READY_WITHIN, TlsConnector::from(Arc::clone(&tls)).connect(name, stream)).await??;
        tokio::spawn(carrying.run(stream, to_send));
    } else {
        tokio::spawn(carrying.run(stream, to_send));
    }
    let refused = |_| io::Error::other("the TURN server carries nothing for this device");
    timeout(READY_WITHIN, is_ready).await?.map_err(refused)?;
    Ok(way)
}

struct Carrying {
    client: TurnClientTcp,
    began: Instant,
    local: SocketAddr,
    remote: SocketAddr,
    relay: SocketAddr,
    came: mpsc::Sender<Vec<u8>>,
    /// Told once datagrams can flow. Dropped where they never will.
    ready: Option<oneshot::Sender<()>>,
}

impl Carrying {
    fn now(&self) -> stun::Instant {
        stun::Instant::from_std(self.began)
    }

    async fn run<S: AsyncRead + AsyncWrite + Unpin>(mut self, mut stream: S, mut to_send: mpsc::Receiver<Vec<u8>>) {
        let mut buffer = vec![0; READ_BYTES];
        while let Some(wake) = self.flush(&mut stream).await {
            select! {
                read = stream.read(&mut buffer) => match read {
                    Ok(0) | Err(_) => return,
                    Ok(length) => {
                        if !self.take(&buffer[..length]) {
                            return;
                        }
                    }
                },
                datagram = to_send.recv() => {
                    let Some(datagram) = datagram else { return self.leave(&mut stream).await };
                    let now = self.now();
                    // Before the server carries anything it is lost, as on any way that is not there yet.
                    let Ok(Some(made)) = self.client.send_to(TransportType::Udp, self.relay, datagram, now) else { continue };
                    if stream.write_all(&made.data.build()).await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                }
                () = sleep_until(wake.into()) => {}
            }
        }
    }

    /// Does what the protocol wants done; gives when it wants to be asked again. Nothing once it is over.
    async fn flush<S: AsyncWrite + Unpin>(&mut self, stream: &mut S) -> Option<Instant> {
        loop {
            let now = self.now();
            let wait = match self.client.poll(now) {
                TurnPollRet::WaitUntil(at) => at,
                TurnPollRet::Closed => return None,
                // Of TCP to the relay, which nobody asked for.
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
                        // No channel: over TCP its messages must be padded to four bytes (RFC 8656, section 12.5), which
                        // turn-client-proto 0.7.3 does not do. Indications cost 32 bytes more.
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
                return Some(wait.to_std(self.began));
            }
        }
    }

    /// Bytes that came from the server. False once nobody wants what is in them.
    fn take(&mut self, bytes: &[u8]) -> bool {
        let now = self.now();
        let transmit = Transmit::new(bytes, TransportType::Tcp, self.remote, self.local);
        if let TurnRecvRet::PeerData(data) = self.client.recv(transmit, now)
            && !self.give(data.peer, data.as_ref())
        {
            return false;
        }
        while let Some(data) = self.client.poll_recv(now) {
            if !self.give(data.peer, data.as_ref()) {
                return false;
            }
        }
        true
    }

    fn give(&self, from: SocketAddr, datagram: &[u8]) -> bool {
        // Sound that nobody takes in time is dropped, as over UDP.
        let fits = from == self.relay && datagram.len() <= MAX_DATAGRAM_BYTES;
        !fits || !matches!(self.came.try_send(datagram.to_vec()), Err(mpsc::error::TrySendError::Closed(_)))
    }

    /// Gives back what the server holds for this leg.
    async fn leave<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: &mut S) {
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
    fn addresses_as_rfc_7065_writes_them() {
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
            let found = address(url);
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
