//! ICE-TCP (RFC 6544) for devices whose network blocks UDP, with RFC 4571 framing.

use crate::{framing::Unframer, limits, relay::Relay, tcp_conn::TcpConnId};
use mio::{
    Interest, Registry, Token,
    net::{TcpListener, TcpStream},
};
use std::{
    collections::{BTreeSet, HashMap},
    io::{self, ErrorKind, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Tokens below this belong to the worker; the token of a connection is its number plus this.
const FIRST_TOKEN: usize = 16;
/// The listener's token.
const LISTENER: Token = Token(FIRST_TOKEN - 1);
/// Bytes read from one connection before the others are read: more than a second of eight speakers.
const READ_BYTES: usize = 16 * 1024;
/// Delay before connections are accepted again after the process ran out of file descriptors.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(200);
/// Poll interval of a batching worker without TCP connections.
const IDLE_POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Interval at which unauthenticated connections are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(2);

/// The TCP listener of one worker and its connections.
pub(super) struct TcpConns {
    listener: TcpListener,
    registry: Registry,
    conns: HashMap<TcpConnId, TcpConn>,
    /// Connections that may have unread data. Readiness is edge-triggered, so this has to be tracked.
    unread: BTreeSet<TcpConnId>,
    last_id: u64,
    last_sweep: Instant,
    last_poll: Instant,
    /// When to accept again after running out of file descriptors.
    accept_retry: Option<Instant>,
    buffer: Vec<u8>,
}

struct TcpConn {
    stream: TcpStream,
    peer: SocketAddr,
    since: Instant,
    input: Unframer,
    /// Framed packets that did not fit into the socket's send buffer.
    output: Vec<u8>,
}

impl TcpConns {
    pub(super) fn new(bind: SocketAddr, registry: Registry) -> io::Result<Self> {
        let mut listener = TcpListener::bind(bind)?;
        registry.register(&mut listener, LISTENER, Interest::READABLE)?;
        let now = Instant::now();
        Ok(Self {
            listener,
            registry,
            conns: HashMap::new(),
            unread: BTreeSet::new(),
            last_id: 0,
            last_sweep: now,
            last_poll: now,
            accept_retry: None,
            buffer: vec![0; READ_BYTES],
        })
    }

    /// Handles a readiness event.
    pub(super) fn on_ready(&mut self, token: Token, now: Instant, relay: &mut Relay) {
        if token == LISTENER {
            return self.accept(now);
        }
        let Some(number) = token.0.checked_sub(FIRST_TOKEN) else { return };
        let id = TcpConnId(number as u64);
        let Some(conn) = self.conns.get_mut(&id) else { return };
        match conn.flush() {
            Ok(()) => drop(self.unread.insert(id)),
            Err(_) => self.close(id, relay),
        }
    }

    /// Reads each connection that may have unread data once. Returns the number of packets. Data may remain, see
    /// [`TcpConns::has_unread`].
    pub(super) fn read(&mut self, now: Instant, relay: &mut Relay) -> usize {
        let mut packets = 0;
        for id in std::mem::take(&mut self.unread) {
            let Some(conn) = self.conns.get_mut(&id) else { continue };
            match conn.read(id, now, relay, &mut self.buffer, &mut packets) {
                Ok(true) => drop(self.unread.insert(id)),
                Ok(false) => {}
                Err(_) => self.close(id, relay),
            }
        }
        if now >= self.last_sweep + SWEEP_INTERVAL {
            self.sweep(now, relay);
        }
        if self.accept_retry.is_some_and(|at| now >= at) {
            self.accept_retry = None;
            self.accept(now);
        }
        packets
    }

    pub(super) fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Whether a worker that does not wait should poll for readiness now.
    pub(super) fn should_poll(&mut self, now: Instant) -> bool {
        let due = !self.conns.is_empty() || now >= self.last_poll + IDLE_POLL_INTERVAL;
        if due {
            self.last_poll = now;
        }
        due
    }

    /// Maximum time that the worker may wait for readiness.
    pub(super) fn max_wait(&self) -> Duration {
        match (self.accept_retry, self.conns.is_empty()) {
            (Some(_), _) => ACCEPT_RETRY_DELAY,
            (None, false) => SWEEP_INTERVAL,
            (None, true) => Duration::MAX,
        }
    }

    /// Sends packets of `segment` bytes each, of which the last may be shorter. Returns the number of dropped packets. A
    /// connection that failed is appended to `broken`.
    pub(super) fn send(&mut self, id: TcpConnId, bytes: &[u8], segment: usize, broken: &mut Vec<TcpConnId>) -> u64 {
        let packets = bytes.chunks(segment.max(1));
        let Some(conn) = self.conns.get_mut(&id) else { return packets.count() as u64 };
        let dropped = packets.filter(|packet| !conn.enqueue(packet)).count();
        if conn.flush().is_err() {
            broken.push(id);
        }
        dropped as u64
    }

    pub(super) fn close(&mut self, id: TcpConnId, relay: &mut Relay) {
        self.unread.remove(&id);
        if let Some(mut conn) = self.conns.remove(&id) {
            // Closing the descriptor removes it from epoll in any case.
            let _ = self.registry.deregister(&mut conn.stream);
            relay.remove_tcp_conn(id);
        }
    }

    fn accept(&mut self, now: Instant) {
        loop {
            let (mut stream, peer) = match self.listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // Reset by the peer before it was accepted: try the next one.
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                // Out of file descriptors. There is no event when one becomes free, so retry after a delay.
                Err(_) => {
                    self.accept_retry = Some(now + ACCEPT_RETRY_DELAY);
                    return;
                }
            };
            let subscriber = limits::subscriber(peer.ip());
            let of_subscriber = self.conns.values().filter(|conn| limits::subscriber(conn.peer.ip()) == subscriber);
            if of_subscriber.count() >= limits::MAX_TCP_CONNS_PER_SUBSCRIBER
                || self.conns.len() >= limits::MAX_TCP_CONNS
            {
                continue;
            }
            // Nagle's algorithm would delay speech.
            let _ = stream.set_nodelay(true);
            self.last_id += 1;
            let id = TcpConnId(self.last_id);
            let token = Token(FIRST_TOKEN + self.last_id as usize);
            if self.registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE).is_ok() {
                let (input, output) = (Unframer::default(), Vec::new());
                self.conns.insert(id, TcpConn { stream, peer, since: now, input, output });
                self.unread.insert(id);
            }
        }
    }

    /// Closes connections that did not authenticate in time, or whose leg has ended.
    fn sweep(&mut self, now: Instant, relay: &mut Relay) {
        self.last_sweep = now;
        let expired = |conn: &TcpConn| now >= conn.since + limits::TCP_AUTH_TIMEOUT;
        let unauthenticated = self.conns.iter().filter(|(id, conn)| expired(conn) && !relay.is_authenticated(**id));
        let ids: Vec<TcpConnId> = unauthenticated.map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.close(id, relay));
    }
}

impl TcpConn {
    /// Reads a bounded amount. Returns whether more may be unread.
    fn read(
        &mut self,
        id: TcpConnId,
        now: Instant,
        relay: &mut Relay,
        buffer: &mut [u8],
        packets: &mut usize,
    ) -> io::Result<bool> {
        let read = match self.stream.read(buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(true),
            Err(error) => return Err(error),
        };
        let peer = self.peer;
        let taken = self.input.take(&buffer[..read], |packet| relay.handle_tcp_packet(now, id, peer, packet));
        *packets += taken.map_err(|_| ErrorKind::InvalidData)?;
        Ok(true)
    }

    /// Appends a packet to the send queue. Returns `false` if it is full: late media is worthless, so the queue is short.
    fn enqueue(&mut self, packet: &[u8]) -> bool {
        let Ok(length) = u16::try_from(packet.len()) else { return false };
        if self.output.len() + packet.len() > limits::MAX_TCP_QUEUE_BYTES {
            return false;
        }
        self.output.extend_from_slice(&length.to_be_bytes());
        self.output.extend_from_slice(packet);
        true
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut sent = 0;
        while sent < self.output.len() {
            match self.stream.write(&self.output[sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => sent += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.output.drain(..sent);
        Ok(())
    }
}
