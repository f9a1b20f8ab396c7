//! One worker thread: reads its sockets, runs its engine, sends its output.

use super::{
    handle::{Command, WorkerHandle},
    load::{ArrivalRate, BATCH_WINDOW},
    tcp::TcpConns,
};
use crate::{
    api::{Output, RelayConfig, RelayEvent, Transmit},
    relay::Relay,
    stats::RelayStats,
    tcp_conn::TcpConnId,
};
use mio::{Events, Interest, Poll, Token, Waker, unix::SourceFd};
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
use std::{
    io::{self, ErrorKind, IoSliceMut},
    net::{SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    thread,
    time::{Duration, Instant},
};
use tokio::sync::{broadcast, mpsc};

/// Size of the socket buffers in each direction, bytes. The kernel charges about 2 kB per datagram, however short it is, so
/// that this is 500 datagrams: 50 ms at ten thousand per second. The system may allow less.
const SOCKET_BUFFER_BYTES: usize = 1 << 20;
/// Buffer for one read, bytes. With generic receive offload (GRO) the kernel returns several datagrams of one sender in
/// one buffer, up to this size.
const READ_BYTES: usize = 1 << 16;
/// Consecutive reads before commands and timers are handled: about a millisecond of work.
const MAX_READS: usize = 16;
/// Delay between attempts to send while the send buffer is full: it drains within microseconds.
const SEND_RETRY_DELAY: Duration = Duration::from_micros(50);
/// Attempts to send a datagram while the send buffer is full: a millisecond, then it is dropped, because the worker's other
/// calls wait meanwhile.
const SEND_ATTEMPTS: u32 = 20;
/// Delay after a failed read of the UDP socket, so that an error that persists does not occupy a core.
const READ_RETRY_DELAY: Duration = Duration::from_millis(10);
/// Consecutive failed reads after which the worker ends: about a second, which a shortage of kernel memory may last.
const MAX_READ_ERRORS: u32 = 100;
/// Attempts to find a port that is free for UDP and TCP, where the system chooses it.
const PORT_ATTEMPTS: u32 = 32;

/// Binds UDP and ICE-TCP to one port. Devices are told of both, so one that another process owns is an error.
fn bind_both(address: SocketAddr, poll: &Poll) -> io::Result<(UdpSocket, TcpConns)> {
    let mut attempts = if address.port() == 0 { PORT_ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        let socket = UdpSocket::bind(address).map_err(|error| with_protocol("UDP", &error))?;
        match TcpConns::new(socket.local_addr()?, poll.registry().try_clone()?) {
            Ok(tcp) => return Ok((socket, tcp)),
            Err(error) if error.kind() == ErrorKind::AddrInUse && attempts > 0 => {}
            Err(error) => return Err(with_protocol("TCP", &error)),
        }
    }
}

/// Names the protocol, because usually only one of the two ports is taken.
fn with_protocol(protocol: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{protocol}: {error}"))
}

/// Tolerates short failures of a socket, and ends a worker whose socket has failed for good.
#[derive(Default)]
struct ReadErrors {
    consecutive: u32,
}

impl ReadErrors {
    fn succeeded(&mut self) {
        self.consecutive = 0;
    }

    /// Returns how long to wait before the next read, or the error if it persists. The socket is not connected and has no
    /// `IP_RECVERR`, so no peer can cause one with ICMP messages.
    fn failed(&mut self, error: io::Error) -> io::Result<Duration> {
        if error.kind() == ErrorKind::Interrupted {
            return Ok(Duration::ZERO);
        }
        self.consecutive += 1;
        if self.consecutive >= MAX_READ_ERRORS { Err(error) } else { Ok(READ_RETRY_DELAY) }
    }
}

/// The state of one worker thread.
pub(super) struct Worker {
    socket: UdpSocket,
    state: UdpSocketState,
    poll: Poll,
    tcp: TcpConns,
    relay: Relay,
    commands: mpsc::Receiver<Command>,
    events: broadcast::Sender<RelayEvent>,
    unsent: u64,
    read_errors: ReadErrors,
}

impl Worker {
    pub(super) fn new(
        bind: SocketAddr,
        config: &RelayConfig,
        number: usize,
        events: broadcast::Sender<RelayEvent>,
    ) -> io::Result<(Self, WorkerHandle)> {
        let own_port = |port: u16| match (port, u16::try_from(number)) {
            (0, _) => Ok(0),
            (port, Ok(number)) => port.checked_add(number).ok_or(ErrorKind::AddrNotAvailable),
            _ => Err(ErrorKind::AddrNotAvailable),
        };
        let poll = Poll::new()?;
        let (socket, tcp) = bind_both(SocketAddr::new(bind.ip(), own_port(bind.port())?), &poll)?;
        let state = UdpSocketState::new((&socket).into())?;
        // If the system refuses, its default size suffices for all but the busiest relays.
        let _ = state.set_recv_buffer_size((&socket).into(), SOCKET_BUFFER_BYTES);
        let _ = state.set_send_buffer_size((&socket).into(), SOCKET_BUFFER_BYTES);
        let mut config = config.clone();
        let port = socket.local_addr()?.port();
        for address in &mut config.candidate_addrs {
            address.set_port(if address.port() == 0 { port } else { own_port(address.port())? });
        }
        config.tcp = true;
        let relay = Relay::new(config, Instant::now()).map_err(|e| io::Error::new(ErrorKind::InvalidInput, e))?;
        poll.registry().register(&mut SourceFd(&socket.as_raw_fd()), Token(0), Interest::READABLE)?;
        let (handle, commands) = WorkerHandle::new(port, Waker::new(poll.registry(), Token(1))?);
        Ok((
            Self { socket, state, poll, tcp, relay, commands, events, unsent: 0, read_errors: ReadErrors::default() },
            handle,
        ))
    }

    /// Runs until the last handle is dropped.
    ///
    /// # Errors
    /// When polling fails, or reading the UDP socket keeps failing.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut buffer = vec![0; READ_BYTES * BATCH_SIZE];
        let mut ready = Events::with_capacity(64);
        let mut now = Instant::now();
        let mut rate = ArrivalRate::idle(now);
        let mut wake = now;
        loop {
            loop {
                match self.commands.try_recv() {
                    Ok(command) => self.handle_command(command),
                    Err(mpsc::error::TryRecvError::Empty) => break,
                    Err(mpsc::error::TryRecvError::Disconnected) => return Ok(()),
                }
            }
            let (datagrams, drained) = self.read_udp(now, &mut buffer)?;
            let packets = datagrams + self.read_tcp(now, &ready);
            if now >= wake {
                self.relay.handle_timeout(now);
            }
            wake = self.flush();
            let mut wait = Duration::ZERO;
            if packets > 0 {
                rate.record(now, packets);
            }
            if packets > 0 && rate.batching_pays() {
                thread::sleep(BATCH_WINDOW.saturating_sub(now.elapsed()));
            } else if drained && !self.tcp.has_unread() {
                // Readiness is edge-triggered, so sleeping is allowed only when everything was read.
                let max_wait = self.tcp.max_wait();
                wait = wake.saturating_duration_since(Instant::now()).min(max_wait);
            }
            ready.clear();
            // A batching worker polls with a zero timeout, and only for TCP: UDP is read in every round.
            if wait > Duration::ZERO || self.tcp.should_poll(now) {
                match self.poll.poll(&mut ready, Some(wait)) {
                    Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                    _ => {}
                }
            }
            now = Instant::now();
        }
    }

    /// Reads the UDP socket. Returns the number of datagrams, and whether the socket was drained.
    fn read_udp(&mut self, now: Instant, buffer: &mut [u8]) -> io::Result<(usize, bool)> {
        let mut datagrams = 0;
        for _ in 0..MAX_READS {
            let mut meta = [RecvMeta::default(); BATCH_SIZE];
            let mut chunks = buffer.chunks_exact_mut(READ_BYTES);
            let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
                std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
            let count = match self.state.recv((&self.socket).into(), &mut slices, &mut meta) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.read_errors.succeeded();
                    return Ok((datagrams, true));
                }
                Err(error) => {
                    thread::sleep(self.read_errors.failed(error)?);
                    // Commands and timers are handled before the next attempt.
                    return Ok((datagrams, false));
                }
            };
            self.read_errors.succeeded();
            for (meta, slice) in meta.iter().zip(&mut slices).take(count) {
                for datagram in slice[..meta.len].chunks_mut(meta.stride.max(1)) {
                    datagrams += 1;
                    self.relay.handle_datagram(now, meta.addr, datagram);
                }
            }
            if count < BATCH_SIZE {
                // Drained, or stopped by a socket error, which the next read returns.
                return Ok((datagrams, true));
            }
            // Sends between reads, so that batches stay small.
            self.send();
        }
        Ok((datagrams, false))
    }

    /// Reads ready TCP connections. Returns the number of packets.
    fn read_tcp(&mut self, now: Instant, ready: &Events) -> usize {
        let tcp = &mut self.tcp;
        for event in ready {
            tcp.on_ready(event.token(), now, &mut self.relay);
        }
        tcp.read(now, &mut self.relay)
    }

    fn handle_command(&mut self, command: Command) {
        // A reply fails only if the requester no longer waits, which is not an error.
        match command {
            Command::Open(opened, reply) => drop(reply.send(self.relay.open_call(opened))),
            Command::Close(call, reply) => drop(reply.send(self.relay.close_call(call))),
            Command::AddLeg { call, leg, offer, reply } => {
                drop(reply.send(self.relay.add_leg(call, leg, &offer, Instant::now())));
            }
            Command::RemoveLeg(leg, reply) => drop(reply.send(self.relay.remove_leg(leg))),
            Command::Stats(reply) => {
                let _ = reply.send(RelayStats { dropped_unsent: self.unsent, ..self.relay.stats() });
            }
        }
    }

    /// Performs all outputs of the engine. Returns the time of its next wake-up.
    fn flush(&mut self) -> Instant {
        self.send();
        loop {
            match self.relay.poll() {
                Output::Timeout(at) => return at,
                // Fails only without subscribers, which is not an error.
                Output::Event(event) => drop(self.events.send(event)),
                Output::Transmit { dst, bytes } => {
                    let segment = bytes.len();
                    let mut broken = Vec::new();
                    let transmit = Transmit { dst, bytes: &bytes, segment };
                    self.unsent += send(&self.socket, &self.state, &mut self.tcp, transmit, &mut broken);
                    self.close_broken(broken);
                }
            }
        }
    }

    fn send(&mut self) {
        let Self { socket, state, tcp, relay, unsent, .. } = self;
        let mut broken = Vec::new();
        relay.transmit(|transmit| *unsent += send(socket, state, tcp, transmit, &mut broken));
        self.close_broken(broken);
    }

    fn close_broken(&mut self, broken: Vec<TcpConnId>) {
        broken.into_iter().for_each(|conn| self.tcp.close(conn, &mut self.relay));
    }
}

/// Sends datagrams, with GSO where available. Returns the number of datagrams that were dropped. TCP connections that
/// failed are appended to `broken`.
fn send(
    socket: &UdpSocket,
    state: &UdpSocketState,
    tcp: &mut TcpConns,
    transmit: Transmit<'_>,
    broken: &mut Vec<TcpConnId>,
) -> u64 {
    let Transmit { dst, bytes, segment } = transmit;
    if let Some(conn) = TcpConnId::from_address(dst) {
        return tcp.send(conn, bytes, segment, broken);
    }
    if bytes.len() <= segment || state.max_gso_segments() >= bytes.len().div_ceil(segment) {
        match send_batch(socket, state, dst, bytes, Some(segment)) {
            Ok(()) => return 0,
            // The network interface has no GSO, which `quinn-udp` has just learned: send one by one.
            Err(_) if bytes.len() > segment && state.max_gso_segments() == 1 => {}
            Err(_) => return bytes.len().div_ceil(segment) as u64,
        }
    }
    bytes.chunks(segment).filter(|one| send_batch(socket, state, dst, one, None).is_err()).count() as u64
}

fn send_batch(
    socket: &UdpSocket,
    state: &UdpSocketState,
    destination: SocketAddr,
    contents: &[u8],
    segment_size: Option<usize>,
) -> io::Result<()> {
    let transmit = quinn_udp::Transmit { destination, ecn: None, contents, segment_size, src_ip: None };
    let single = segment_size.is_none_or(|segment| contents.len() <= segment);
    for _ in 0..SEND_ATTEMPTS {
        // `sendmsg` with an ECN control message costs a tenth more than `sendto`, which suffices for one datagram.
        let sent = if single {
            socket.send_to(contents, destination).map(drop)
        } else {
            state.try_send(socket.into(), &transmit)
        };
        match sent {
            // A full send buffer drains within microseconds.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(SEND_RETRY_DELAY),
            sent => return sent,
        }
    }
    Err(ErrorKind::WouldBlock.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_keeps_failing_ends_its_worker_and_a_short_failure_does_not() {
        let mut errors = ReadErrors::default();
        let mut attempts = 0;
        let error = loop {
            attempts += 1;
            match errors.failed(ErrorKind::OutOfMemory.into()) {
                Ok(delay) => assert_eq!(delay, READ_RETRY_DELAY),
                Err(error) => break error,
            }
        };
        assert_eq!((attempts, error.kind()), (MAX_READ_ERRORS, ErrorKind::OutOfMemory));

        let mut errors = ReadErrors::default();
        for _ in 0..3 * MAX_READ_ERRORS {
            assert!(errors.failed(ErrorKind::OutOfMemory.into()).is_ok());
            errors.succeeded();
        }
    }

    #[test]
    fn an_interrupted_read_is_repeated_at_once() {
        let mut errors = ReadErrors::default();
        for _ in 0..3 * MAX_READ_ERRORS {
            assert_eq!(errors.failed(ErrorKind::Interrupted.into()).unwrap(), Duration::ZERO);
        }
    }
}
