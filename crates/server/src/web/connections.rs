//! TCP connections: limits on their number, in total and per address, and timeouts for requests.
//!
//! The connection itself holds its slot, so that one upgraded to a WebSocket is still counted.

use super::{
    proxies::TrustedProxies,
    slots::{ConnectionSlot, ConnectionSlots, SlotLimits},
};
use crate::limits::IPV6_PREFIX;
use axum::{Router, extract::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    future::Future as _,
    io,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
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
    /// Concurrent connections from one address (IPv6: one /56 network). Trusted proxies are exempt: they connect for
    /// everybody.
    pub per_address: usize,
    /// Timeout of a request head, from the first byte or from the previous response.
    pub head: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        // `total`: an office with ten thousand connected devices, and half as many again while they reconnect.
        Self { total: 16_384, per_address: 128, head: Duration::from_secs(10) }
    }
}

/// The client's address, as [`TrustedProxies`] determine it, and whether it is a proxy's own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientAddress {
    pub(crate) address: IpAddr,
    pub(crate) is_proxy: bool,
}

/// How many bytes the peer of a connection may still send, in steps of what is read at once: for whoever reads messages from it before
/// it has authenticated. Whatever reads the messages keeps the pieces of one until it is whole.
#[derive(Clone, Debug)]
pub(crate) struct ReadBudget(Arc<AtomicUsize>);

impl ReadBudget {
    fn unlimited() -> Self {
        Self(Arc::new(AtomicUsize::new(usize::MAX)))
    }

    /// From now on the peer may send so many bytes. Reading beyond them fails.
    pub(super) fn limit(&self, bytes: usize) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    /// Ends the limit.
    pub(super) fn lift(&self) {
        self.limit(usize::MAX);
    }

    /// Whether the peer has sent all that it may.
    pub(super) fn is_used_up(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn spend(&self, bytes: usize) {
        let left = self.0.load(Ordering::Relaxed);
        if left != usize::MAX {
            // Only the connection's own task reads from it.
            self.limit(left.saturating_sub(bytes));
        }
    }
}

/// Serves until `stop` fires, then lets requests in progress finish.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    proxies: TrustedProxies,
    stop: oneshot::Receiver<()>,
) -> io::Result<()> {
    let ConnectionLimits { total, per_address, .. } = limits;
    let slots =
        ConnectionSlots::new(SlotLimits { total, per_address, grace: Duration::ZERO, ipv6_prefix: IPV6_PREFIX });
    let proxies = Arc::new(proxies);
    let (stopping, stopped) = watch::channel(false);
    let mut stop = pin!(stop);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    // Over the limit: closed without a response, which would cost more than the connection did.
                    let is_proxy = proxies.contains(peer.ip());
                    let Some((slot, evicted)) = slots.acquire(peer.ip(), is_proxy, Instant::now()) else { continue };
                    if is_proxy {
                        // Its clients have limits of their own.
                        slot.handle().keep();
                    }
                    let _ = stream.set_nodelay(true);
                    let stream = LimitedStream { stream, write_deadline: None, slot, budget: ReadBudget::unlimited() };
                    let service = ConnectionService { peer, router: router.clone(), proxies: proxies.clone() };
                    connections.spawn(serve_connection(stream, service, limits, evicted, stopped.clone()));
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

/// What a connection's requests need.
struct ConnectionService {
    peer: SocketAddr,
    router: Router,
    proxies: Arc<TrustedProxies>,
}

async fn serve_connection(
    stream: LimitedStream,
    service: ConnectionService,
    limits: ConnectionLimits,
    evicted: oneshot::Receiver<()>,
    mut stopped: watch::Receiver<bool>,
) {
    let (slot, budget) = (stream.slot.handle(), stream.budget.clone());
    let service = service_fn(move |mut request: Request<Incoming>| {
        let address = service.proxies.client(service.peer.ip(), request.headers());
        let is_proxy = service.proxies.contains(address);
        request.extensions_mut().insert(ClientAddress { address, is_proxy });
        request.extensions_mut().insert(slot.clone());
        request.extensions_mut().insert(budget.clone());
        // `Router` is always ready: no `poll_ready` is needed.
        service.router.clone().call(request)
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
        // Another one needs its slot, and it has not authenticated.
        Ok(()) = evicted => {}
        () = async { drop(stopped.wait_for(|stopped| *stopped).await) } => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// How long a write may make no progress before the connection is closed.
const WRITE_STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A stream that holds its slot, and limits how long a write may stall and how much is read before its peer has authenticated.
struct LimitedStream {
    stream: TcpStream,
    /// When the connection of a peer that does not read is closed.
    write_deadline: Option<Pin<Box<Sleep>>>,
    slot: ConnectionSlot,
    budget: ReadBudget,
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
        if self.budget.is_used_up() {
            return Poll::Ready(Err(io::Error::other("the peer sent more than it may before it has authenticated")));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.budget.spend(buffer.filled().len() - before);
        read
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
