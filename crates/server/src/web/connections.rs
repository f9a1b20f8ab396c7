//! TCP connections: how many there may be, from how many places, and how long each may take to ask.
//!
//! A place is held by the connection itself, so that one which became a WebSocket still has its own.

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

/// Longest head of a request, bytes.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// Pause after the system refused to accept a connection: it is out of descriptors, and some must close first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// At a moment, in all.
    pub in_all: usize,
    /// At a moment, from one address (IPv6: one network of 64 bits). This machine's own are not counted so: that is
    /// where a TLS proxy speaks for everybody.
    pub from_one_address: usize,
    /// For the head of a request, from the first byte or from the answer before it.
    pub head: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { in_all: 4096, from_one_address: 128, head: Duration::from_secs(20) }
    }
}

/// Who asks: the other end of the connection, or whom this machine's own proxy speaks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Counted places, in all and for each address.
pub struct Places {
    in_all: usize,
    from_one: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// A place that is taken until this is dropped.
pub struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

impl Places {
    /// All free.
    pub fn new(in_all: usize, from_one: usize) -> Arc<Self> {
        Arc::new(Self { in_all, from_one, taken: Mutex::default() })
    }

    /// A place for somebody at this address, if there is one.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = telcon_relay::limits::subscriber(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.get(&address).copied().unwrap_or(0);
        if taken.values().sum::<usize>() >= self.in_all || own >= self.from_one && !address.is_loopback() {
            return None;
        }
        taken.insert(address, own + 1);
        Some(Place { places: self.clone(), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

/// Serves until told to stop, then lets what is under way finish.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    stop: oneshot::Receiver<()>,
) -> io::Result<()> {
    let places = Places::new(limits.in_all, limits.from_one_address);
    let (stopping, stopped) = watch::channel(false);
    let mut stop = pin!(stop);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    // Who has too many already is not told so: an answer would cost more than they paid.
                    let Some(place) = places.take(peer.ip()) else { continue };
                    let _ = stream.set_nodelay(true);
                    connections.spawn(converse(Counted { stream, stuck: None, _place: place }, peer, router.clone(), limits, stopped.clone()));
                }
                Err(error) if is_about_the_peer(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted at the moment");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
            // A dropped sender means the same.
            _ = &mut stop => break,
        }
    }
    drop(listener);
    let _ = stopping.send(true);
    while connections.join_next().await.is_some() {}
    Ok(())
}

fn is_about_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn converse(
    stream: Counted,
    peer: SocketAddr,
    router: Router,
    limits: ConnectionLimits,
    mut stopped: watch::Receiver<bool>,
) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        let peer = speaks_for(peer.ip(), &request);
        request.extensions_mut().insert(Peer(peer));
        // A router is ready at any time.
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_header_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    // How a connection ends is its peer's affair.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = async { drop(stopped.wait_for(|stopped| *stopped).await) } => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// A proxy on this machine names whom it speaks for in the last entry of `X-Forwarded-For`. Nobody else is believed.
fn speaks_for<B>(peer: IpAddr, request: &Request<B>) -> IpAddr {
    let forwarded = || {
        let last = request.headers().get_all("x-forwarded-for").iter().next_back()?;
        Some(last.to_str().ok().and_then(|list| named(list.rsplit(',').next()?.trim())).unwrap_or(UNREADABLE))
    };
    if peer.to_canonical().is_loopback() { forwarded().unwrap_or(peer) } else { peer }
}

/// An address as proxies write it: bare, in brackets, with a port.
fn named(entry: &str) -> Option<IpAddr> {
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// Where those are counted whose address the proxy wrote in a way that nobody understands.
const UNREADABLE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

/// How long a peer may take to read what was sent to it before anything more is.
const READS_WITHIN: Duration = Duration::from_secs(30);

/// A connection with its place.
struct Counted {
    stream: TcpStream,
    /// When a peer that does not read is cut.
    stuck: Option<Pin<Box<Sleep>>>,
    _place: Place,
}

impl Counted {
    /// Lets a write through that got on, and ends one that waits for too long.
    fn unless_stuck(&mut self, cx: &mut Context<'_>, wrote: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if wrote.is_ready() {
            self.stuck = None;
            return wrote;
        }
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(READS_WITHIN)));
        stuck.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.unless_stuck(cx, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.unless_stuck(cx, wrote)
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
    fn one_address_cannot_take_all_places_and_this_machine_can() {
        let places = Places::new(5, 2);
        let (one, other) = ("192.0.2.1", "192.0.2.2");
        let held: Vec<_> = [one, one, other].into_iter().map(|a| places.take(at(a)).unwrap()).collect();
        assert!(places.take(at(one)).is_none());
        assert!(places.take(at("::ffff:192.0.2.1")).is_none(), "the same address, written as IPv6");
        let own: Vec<_> = (0..2).map(|_| places.take(at("127.0.0.1")).unwrap()).collect();
        assert!(places.take(at(other)).is_none(), "all five are taken");
        drop((held, own));
        assert!((0..2).all(|_| places.take(at(one)).is_some_and(|place| {
            std::mem::forget(place);
            true
        })));
    }

    #[test]
    fn an_ipv6_subscriber_has_one_network() {
        let places = Places::new(9, 1);
        let _first = places.take(at("2001:db8:0:1::1")).unwrap();
        assert!(places.take(at("2001:db8:0:1:ffff::2")).is_none());
        assert!(places.take(at("2001:db8:0:2::1")).is_some());
    }

    #[test]
    fn only_this_machines_proxy_speaks_for_others() {
        let request = Request::builder().header("x-forwarded-for", "203.0.113.9, 198.51.100.7").body(()).unwrap();
        assert_eq!(speaks_for(at("127.0.0.1"), &request), at("198.51.100.7"), "the entry that the proxy wrote itself");
        assert_eq!(speaks_for(at("192.0.2.1"), &request), at("192.0.2.1"));
        for (entry, address) in [
            ("203.0.113.9:4711", "203.0.113.9"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:9", "2001:db8::1"),
            ("unknown", "0.0.0.0"),
        ] {
            let request = Request::builder().header("x-forwarded-for", entry).body(()).unwrap();
            assert_eq!(speaks_for(at("127.0.0.1"), &request), at(address), "{entry}");
        }
        let plain = Request::builder().body(()).unwrap();
        assert_eq!(speaks_for(at("127.0.0.1"), &plain), at("127.0.0.1"));
    }
}
