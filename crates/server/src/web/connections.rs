//! TCP connections: limits on their number, in total and per address, and timeouts for requests.
//!
//! The connection itself holds its slot, so that one upgraded to a WebSocket is still counted.

use axum::{Router, extract::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    collections::HashMap,
    future::Future as _,
    io,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{oneshot, watch},
    task::JoinSet,
    time::{Sleep, sleep},
};
use tower_service::Service as _;

/// Longest request head, bytes.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// Pause after `accept` failed: the process is out of file descriptors until some are closed.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(200);

/// Limits of HTTP connections.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Concurrent connections.
    pub total: usize,
    /// Concurrent connections from one address (IPv6: one /64 network). Loopback is exempt: a TLS proxy on this machine
    /// connects for everybody.
    pub per_address: usize,
    /// Timeout of a request head, from the first byte or from the previous response.
    pub head: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        // `total`: an office with ten thousand connected devices, and half as many again while they reconnect.
        Self { total: 16_384, per_address: 128, head: Duration::from_secs(20) }
    }
}

/// The client's address: the peer's, or the one that a proxy on this machine forwarded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

/// A semaphore of connections, in total and per address.
pub struct ConnectionSlots {
    total: usize,
    per_address: usize,
    in_use: Mutex<InUse>,
}

/// Counts of acquired slots.
#[derive(Default)]
struct InUse {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One counted connection; released on drop.
pub struct ConnectionSlot {
    slots: Arc<ConnectionSlots>,
    address: IpAddr,
}

impl ConnectionSlots {
    /// All slots free.
    pub fn new(total: usize, per_address: usize) -> Arc<Self> {
        Arc::new(Self { total, per_address, in_use: Mutex::default() })
    }

    /// Acquires a slot for this address, unless a limit is reached.
    pub fn acquire(self: &Arc<Self>, address: IpAddr) -> Option<ConnectionSlot> {
        let address = telcon_relay::limits::subscriber(address);
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        let of_address = in_use.by_address.get(&address).copied().unwrap_or(0);
        if in_use.total >= self.total || of_address >= self.per_address && !address.is_loopback() {
            return None;
        }
        in_use.total += 1;
        in_use.by_address.insert(address, of_address + 1);
        Some(ConnectionSlot { slots: self.clone(), address })
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut in_use = self.slots.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.total -= 1;
        if let Some(of_address) = in_use.by_address.get_mut(&self.address) {
            *of_address -= 1;
            if *of_address == 0 {
                in_use.by_address.remove(&self.address);
            }
        }
    }
}

/// Serves until `stop` fires, then lets requests in progress finish.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    stop: oneshot::Receiver<()>,
) -> io::Result<()> {
    let slots = ConnectionSlots::new(limits.total, limits.per_address);
    let (stopping, stopped) = watch::channel(false);
    let mut stop = pin!(stop);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    // Over the limit: closed without a response, which would cost more than the connection did.
                    let Some(slot) = slots.acquire(peer.ip()) else { continue };
                    let _ = stream.set_nodelay(true);
                    connections.spawn(serve_connection(LimitedStream { stream, write_deadline: None, _place: slot }, peer, router.clone(), limits, stopped.clone()));
                }
                Err(error) if is_peer_error(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "accept failed; retrying: raise the limit of open files if this repeats");
                    sleep(ACCEPT_BACKOFF).await;
                }
            },
            Some(_) = connections.join_next() => {}
            // A dropped sender stops the server too.
            _ = &mut stop => break,
        }
    }
    drop(listener);
    let _ = stopping.send(true);
    while connections.join_next().await.is_some() {}
    Ok(())
}

fn is_peer_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn serve_connection(
    stream: LimitedStream,
    peer: SocketAddr,
    router: Router,
    limits: ConnectionLimits,
    mut stopped: watch::Receiver<bool>,
) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        let peer = client_address(peer.ip(), &request);
        request.extensions_mut().insert(ClientAddress(peer));
        // `Router` is always ready: no `poll_ready` is needed.
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_header_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    // Errors of a connection are its peer's affair.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = async { drop(stopped.wait_for(|stopped| *stopped).await) } => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// A proxy on this machine names its client in the last entry of `X-Forwarded-For`. The header is ignored from others.
fn client_address<B>(peer: IpAddr, request: &Request<B>) -> IpAddr {
    let forwarded = || {
        let last = request.headers().get_all("x-forwarded-for").iter().next_back()?;
        Some(
            last.to_str()
                .ok()
                .and_then(|list| parse_address(list.rsplit(',').next()?.trim()))
                .unwrap_or(UNPARSABLE_ADDRESS),
        )
    };
    if peer.to_canonical().is_loopback() { forwarded().unwrap_or(peer) } else { peer }
}

/// Parses an address as proxies write it: bare, in brackets, or with a port.
fn parse_address(entry: &str) -> Option<IpAddr> {
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// Clients whose forwarded address cannot be parsed are counted together, here.
const UNPARSABLE_ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

/// How long a write may make no progress before the connection is closed.
const WRITE_STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A stream that holds its slot and limits how long a write may stall.
struct LimitedStream {
    stream: TcpStream,
    /// When the connection of a peer that does not read is closed.
    write_deadline: Option<Pin<Box<Sleep>>>,
    _place: ConnectionSlot,
}

impl LimitedStream {
    /// Passes progress on, and fails a write that stalled for [`WRITE_STALL_TIMEOUT`].
    fn with_write_deadline(&mut self, cx: &mut Context<'_>, wrote: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if wrote.is_ready() {
            self.write_deadline = None;
            return wrote;
        }
        let write_deadline = self.write_deadline.get_or_insert_with(|| Box::pin(sleep(WRITE_STALL_TIMEOUT)));
        write_deadline.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for LimitedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for LimitedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.with_write_deadline(cx, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.with_write_deadline(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_cannot_use_all_slots_but_loopback_can() {
        let slots = ConnectionSlots::new(5, 2);
        let (one, other) = ("192.0.2.1", "192.0.2.2");
        let held: Vec<_> = [one, one, other].into_iter().map(|a| slots.acquire(at(a)).unwrap()).collect();
        assert!(slots.acquire(at(one)).is_none());
        assert!(slots.acquire(at("::ffff:192.0.2.1")).is_none(), "the same address, written as IPv6");
        let of_address: Vec<_> = (0..2).map(|_| slots.acquire(at("127.0.0.1")).unwrap()).collect();
        assert!(slots.acquire(at(other)).is_none(), "all five are in use");
        drop((held, of_address));
        assert!((0..2).all(|_| slots.acquire(at(one)).is_some_and(|slot| {
            std::mem::forget(slot);
            true
        })));
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let slots = ConnectionSlots::new(9, 1);
        let _first = slots.acquire(at("2001:db8:0:1::1")).unwrap();
        assert!(slots.acquire(at("2001:db8:0:1:ffff::2")).is_none());
        assert!(slots.acquire(at("2001:db8:0:2::1")).is_some());
    }

    #[test]
    fn only_a_local_proxy_may_forward_addresses() {
        let request = Request::builder().header("x-forwarded-for", "203.0.113.9, 198.51.100.7").body(()).unwrap();
        assert_eq!(
            client_address(at("127.0.0.1"), &request),
            at("198.51.100.7"),
            "the entry that the proxy wrote itself"
        );
        assert_eq!(client_address(at("192.0.2.1"), &request), at("192.0.2.1"));
        for (entry, address) in [
            ("203.0.113.9:4711", "203.0.113.9"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:9", "2001:db8::1"),
            ("unknown", "0.0.0.0"),
        ] {
            let request = Request::builder().header("x-forwarded-for", entry).body(()).unwrap();
            assert_eq!(client_address(at("127.0.0.1"), &request), at(address), "{entry}");
        }
        let plain = Request::builder().body(()).unwrap();
        assert_eq!(client_address(at("127.0.0.1"), &plain), at("127.0.0.1"));
    }
}
