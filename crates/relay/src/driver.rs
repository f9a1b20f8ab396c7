//! The I/O driver: threads of their own, each with one UDP socket, one TCP listener and one engine, and a handle to ask them for things.
//!
//! A system call and a wake-up each cost more than everything else that is done for a packet. So a thread that has
//! much to do reads what came within `PAUSE` at once, and sends what one device gets of it at once; one that has
//! little to do sleeps until there is something. Nothing is locked, and no timer is moved, for a packet.
//!
//! A call is on one thread with all its legs. Each thread has a port of its own, UDP and TCP, which its answers name.

mod links;

use crate::{
    Full, LegId, LinkId, OpenedCall, Output, Relay, RelayConfig, RelayError, RelayEvent, RelayStats, Transmit, limits,
};
use links::Links;
use mio::{Events, Interest, Poll, Token, Waker, unix::SourceFd};
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
use std::{
    collections::HashMap,
    io::{self, ErrorKind, IoSliceMut},
    net::{SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};
use telcon_proto::CallId;
use tokio::{
    sync::{broadcast, mpsc, oneshot},
    task::JoinHandle,
};

/// How long a busy thread collects datagrams: the most that this adds to a packet's delay. `make bench-peers` measures it.
const PAUSE: Duration = Duration::from_micros(800);
/// Datagrams that a pause must bring to be worth its delay. To be woken by a timer costs as much as by two datagrams, and below three
/// what is saved by reading several at once is lost again to caches that went cold.
const WORTH: u32 = 3;
/// Bytes that may wait in the socket, each way: 50 ms of ten thousand packets a second. The system may allow less.
const SOCKET_BYTES: usize = 1 << 20;
/// Room for one read. The kernel puts datagrams that one sender sent as one piece side by side, up to this.
const READ_BYTES: usize = 1 << 16;
/// Reads in one go before commands and timers get their turn: a millisecond's worth of work.
const READS: usize = 16;
/// Reads that the measured pace looks back on, more or less: see [`Pace`]. While collecting they last a frame of the devices' sound, in
/// which each of them has spoken once.
const PACE_READS: u32 = 32;
/// How long to wait for room in the send buffer, and how often, before a datagram is given up as lost.
const FULL_PAUSE: Duration = Duration::from_micros(50);
const FULL_TRIES: u32 = 20;
/// Calls that the first thread has before the second one gets any, and so on; then the one with the fewest gets them.
/// Threads that share little work wake up more often than one that has all of it. This much takes a tenth of a core.
const FILL: usize = 64;
/// Commands that may wait. A switchboard that has more under way is made to wait itself.
const COMMAND_QUEUE: usize = 256;
/// Events kept for a subscriber that is slow. One that falls further behind is told how many it missed.
const EVENT_QUEUE: usize = 1024;

/// The relay's thread is gone: the server is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the relay has stopped")]
pub struct Stopped;

/// Why a request to the relay failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// The engine refused it.
    #[error(transparent)]
    Relay(#[from] RelayError),
    /// See [`Stopped`].
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Asks the relay's threads for things. Cheap to clone; they end when the last handle is dropped.
#[derive(Clone)]
pub struct RelayHandle {
    workers: Arc<[Door]>,
    /// Which thread has which call.
    calls: Arc<Mutex<HashMap<CallId, usize>>>,
    max_calls: usize,
    events: broadcast::Sender<RelayEvent>,
}

/// The way to one thread. Dropped, it wakes the thread, which then sees that nobody will ask any more.
struct Door {
    commands: Option<mpsc::Sender<Command>>,
    waker: Waker,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.commands = None;
        // A thread that cannot be woken looks at its commands at its next timer.
        let _ = self.waker.wake();
    }
}

enum Command {
    Open(OpenedCall, oneshot::Sender<Result<(), RelayError>>),
    Close(CallId, oneshot::Sender<bool>),
    AddLeg { call: CallId, leg: LegId, offer: String, reply: oneshot::Sender<Result<String, RelayError>> },
    RemoveLeg(LegId, oneshot::Sender<bool>),
    Stats(oneshot::Sender<RelayStats>),
}

impl RelayHandle {
    /// See [`Relay::open_call`]. Where it is put, see `FILL`.
    ///
    /// # Errors
    /// As there, and when the relay has stopped.
    pub async fn open_call(&self, opened: OpenedCall) -> Result<(), HandleError> {
        let worker = self.place(opened.call)?;
        let answer = self.ask(worker, |reply| Command::Open(opened, reply)).await;
        // `OtherEntry` means that the call is there.
        if matches!(answer, Err(_) | Ok(Err(RelayError::Full(_)))) {
            self.placed().remove(&opened.call);
        }
        Ok(answer??)
    }

    /// See [`Relay::close_call`].
    ///
    /// # Errors
    /// When the relay has stopped.
    pub async fn close_call(&self, call: CallId) -> Result<bool, Stopped> {
        let Some(worker) = self.placed().remove(&call) else { return Ok(false) };
        self.ask(worker, |reply| Command::Close(call, reply)).await
    }

    /// See [`Relay::add_leg`].
    ///
    /// # Errors
    /// As there, and when the relay has stopped.
    pub async fn add_leg(&self, call: CallId, leg: LegId, offer: String) -> Result<String, HandleError> {
        if offer.len() > limits::MAX_SDP_BYTES {
            return Err(RelayError::Offer(crate::OfferError::TooLong).into());
        }
        let worker = self.placed().get(&call).copied();
        let worker = worker.ok_or(RelayError::Refused(crate::Refused::NotOpened))?;
        Ok(self.ask(worker, |reply| Command::AddLeg { call, leg, offer, reply }).await??)
    }

    /// See [`Relay::remove_leg`].
    ///
    /// # Errors
    /// When the relay has stopped.
    pub async fn remove_leg(&self, leg: LegId) -> Result<bool, Stopped> {
        // Legs end by themselves as well, so only the engines know where one is.
        let mut removed = false;
        for worker in 0..self.workers.len() {
            removed |= self.ask(worker, |reply| Command::RemoveLeg(leg, reply)).await?;
        }
        Ok(removed)
    }

    /// See [`Relay::stats`]: the sum over all threads.
    ///
    /// # Errors
    /// When the relay has stopped.
    pub async fn stats(&self) -> Result<RelayStats, Stopped> {
        let mut sum = RelayStats::default();
        for worker in 0..self.workers.len() {
            sum = sum.plus(&self.ask(worker, Command::Stats).await?);
        }
        Ok(sum)
    }

    /// Events from now on. A receiver that lags loses the oldest and is told so.
    pub fn events(&self) -> broadcast::Receiver<RelayEvent> {
        self.events.subscribe()
    }

    /// Where a call is, or is put now.
    fn place(&self, call: CallId) -> Result<usize, RelayError> {
        let mut calls = self.placed();
        if let Some(worker) = calls.get(&call) {
            return Ok(*worker);
        }
        // Each engine knows its own calls only.
        if calls.len() >= self.max_calls {
            return Err(Full::Calls.into());
        }
        let mut load = vec![0; self.workers.len()];
        calls.values().for_each(|worker| load[*worker] += 1);
        let first = (0..load.len()).find(|worker| load[*worker] < FILL);
        let chosen = first.or_else(|| (0..load.len()).min_by_key(|worker| load[*worker])).unwrap_or(0);
        calls.insert(call, chosen);
        Ok(chosen)
    }

    fn placed(&self) -> std::sync::MutexGuard<'_, HashMap<CallId, usize>> {
        // A map of numbers is whole whatever happened to its holder.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask<T>(&self, worker: usize, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        let door = &self.workers[worker];
        door.commands.as_ref().ok_or(Stopped)?.send(command(reply)).await.map_err(|_| Stopped)?;
        door.waker.wake().map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }
}

/// Binds a socket for each thread and starts the relay on them. `bind` may be unspecified (`0.0.0.0`);
/// `candidate_addrs` are what devices are told. Where those have port 0, they get the port that the socket got. The
/// second thread has the next port after the first one's, and so on; there are no more threads than such ports are free.
/// Gives the handle and a task, which ends without error when the last handle is dropped.
///
/// # Errors
/// When the first socket cannot be bound, or there is no usable candidate address.
pub async fn start(bind: SocketAddr, config: RelayConfig) -> io::Result<(RelayHandle, JoinHandle<io::Result<()>>)> {
    let (events, _) = broadcast::channel(EVENT_QUEUE);
    let (mut workers, mut ends) = (Vec::new(), Vec::new());
    for number in 0..config.workers.clamp(1, limits::MAX_WORKERS) {
        let (driver, door) = match Driver::new(bind, &config, number, events.clone()) {
            Ok(made) => made,
            Err(error) if number > 0 && error.kind() == ErrorKind::AddrInUse => break,
            Err(error) => return Err(error),
        };
        let (end, ended) = oneshot::channel();
        thread::Builder::new().name(format!("telcon-relay-{number}")).spawn(move || end.send(driver.run()))?;
        workers.push(door);
        ends.push(ended);
    }
    let task = tokio::spawn(async move {
        for end in ends {
            end.await.map_err(|_| io::Error::other("the relay's thread has ended unexpectedly"))??;
        }
        Ok(())
    });
    Ok((RelayHandle { workers: workers.into(), calls: Arc::default(), max_calls: config.max_calls, events }, task))
}

/// What a thread has.
struct Driver {
    socket: UdpSocket,
    state: UdpSocketState,
    poll: Poll,
    links: Option<Links>,
    relay: Relay,
    commands: mpsc::Receiver<Command>,
    events: broadcast::Sender<RelayEvent>,
    unsent: u64,
}

/// How many datagrams came lately, and in what time. Both fade alike: the mean of each read's own pace would make few of many.
struct Pace {
    datagrams: f64,
    seconds: f64,
    last: Instant,
}

impl Pace {
    fn at_rest(now: Instant) -> Self {
        Self { datagrams: 0.0, seconds: 0.0, last: now }
    }

    fn count(&mut self, now: Instant, datagrams: usize) {
        const FADES: f64 = 1.0 - 1.0 / PACE_READS as f64;
        // A long silence says nothing about what comes after it.
        let since = now.saturating_duration_since(self.last).min(PAUSE * PACE_READS);
        self.last = now;
        self.datagrams = self.datagrams * FADES + datagrams as f64;
        self.seconds = self.seconds * FADES + since.as_secs_f64();
    }

    /// Whether a pause brings enough.
    fn is_busy(&self) -> bool {
        self.datagrams * PAUSE.as_secs_f64() >= self.seconds * f64::from(WORTH)
    }
}

impl Driver {
    fn new(
        bind: SocketAddr,
        config: &RelayConfig,
        number: usize,
        events: broadcast::Sender<RelayEvent>,
    ) -> io::Result<(Self, Door)> {
        let own_port = |port: u16| match (port, u16::try_from(number)) {
            (0, _) => Ok(0),
            (port, Ok(number)) => port.checked_add(number).ok_or(ErrorKind::InvalidInput),
            _ => Err(ErrorKind::InvalidInput),
        };
        let socket = UdpSocket::bind(SocketAddr::new(bind.ip(), own_port(bind.port())?))?;
        let state = UdpSocketState::new((&socket).into())?;
        // The system's own size is enough for all but the busiest relays.
        let _ = state.set_recv_buffer_size((&socket).into(), SOCKET_BYTES);
        let _ = state.set_send_buffer_size((&socket).into(), SOCKET_BYTES);
        let mut config = config.clone();
        let port = socket.local_addr()?.port();
        for address in &mut config.candidate_addrs {
            address.set_port(if address.port() == 0 { port } else { own_port(address.port())? });
        }
        let poll = Poll::new()?;
        // Somebody else may have the port, and calls take place without it.
        let links = Links::new(socket.local_addr()?, poll.registry().try_clone()?).ok();
        config.tcp = links.is_some();
        let relay = Relay::new(config, Instant::now()).map_err(|e| io::Error::new(ErrorKind::InvalidInput, e))?;
        poll.registry().register(&mut SourceFd(&socket.as_raw_fd()), Token(0), Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), Token(1))?;
        let (sender, commands) = mpsc::channel(COMMAND_QUEUE);
        let driver = Self { socket, state, poll, links, relay, commands, events, unsent: 0 };
        Ok((driver, Door { commands: Some(sender), waker }))
    }

    fn run(mut self) -> io::Result<()> {
        let mut buffer = vec![0; READ_BYTES * BATCH_SIZE];
        let mut ready = Events::with_capacity(64);
        let mut now = Instant::now();
        let mut pace = Pace::at_rest(now);
        let mut wake = now;
        loop {
            loop {
                match self.commands.try_recv() {
                    Ok(command) => self.obey(command),
                    Err(mpsc::error::TryRecvError::Empty) => break,
                    Err(mpsc::error::TryRecvError::Disconnected) => return Ok(()),
                }
            }
            let (datagrams, drained) = self.read(now, &mut buffer);
            let read = datagrams + self.read_links(now, &ready);
            if now >= wake {
                self.relay.handle_timeout(now);
            }
            wake = self.flush();
            let mut wait = Duration::ZERO;
            if read > 0 {
                pace.count(now, read);
            }
            if read > 0 && pace.is_busy() {
                thread::sleep(PAUSE.saturating_sub(now.elapsed()));
            } else if drained && !self.links.as_ref().is_some_and(Links::has_more) {
                // The system tells of what comes, not of what is left: there is nothing left.
                let patience = self.links.as_ref().map_or(Duration::MAX, Links::patience);
                wait = wake.saturating_duration_since(Instant::now()).min(patience);
            }
            ready.clear();
            // Where there is much to do this only looks: connections tell nothing otherwise.
            if wait > Duration::ZERO || self.links.as_mut().is_some_and(|links| links.is_to_be_looked_at(now)) {
                match self.poll.poll(&mut ready, Some(wait)) {
                    Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                    _ => {}
                }
            }
            now = Instant::now();
        }
    }

    /// Takes in what the socket holds. Gives the number of datagrams, and whether that was all.
    fn read(&mut self, now: Instant, buffer: &mut [u8]) -> (usize, bool) {
        let mut read = 0;
        for _ in 0..READS {
            let mut meta = [RecvMeta::default(); BATCH_SIZE];
            let mut pieces = buffer.chunks_exact_mut(READ_BYTES);
            let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
                std::array::from_fn(|_| IoSliceMut::new(pieces.next().unwrap_or_default()));
            let count = match self.state.recv((&self.socket).into(), &mut slices, &mut meta) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return (read, true),
                // Of an earlier datagram (ICMP): no reason to stop.
                Err(_) => continue,
            };
            for (meta, slice) in meta.iter().zip(&mut slices).take(count) {
                for datagram in slice[..meta.len].chunks_mut(meta.stride.max(1)) {
                    read += 1;
                    self.relay.handle_datagram(now, meta.addr, datagram);
                }
            }
            if count < BATCH_SIZE {
                // It stopped because there was no more, or an error, which the next read takes.
                return (read, true);
            }
            // What one read brought is sent before the next, so that buffers stay small.
            self.send();
        }
        (read, false)
    }

    /// Takes in what came over TCP. Gives the number of packets.
    fn read_links(&mut self, now: Instant, ready: &Events) -> usize {
        let Some(links) = &mut self.links else { return 0 };
        for event in ready {
            links.ready(event.token(), now, &mut self.relay);
        }
        links.read(now, &mut self.relay)
    }

    fn obey(&mut self, command: Command) {
        // An asker that no longer waits is no error.
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

    /// Does what the engine wants done, and gives the time of its next wake-up.
    fn flush(&mut self) -> Instant {
        self.send();
        loop {
            match self.relay.poll() {
                Output::Timeout(at) => return at,
                // Nobody listening is no error.
                Output::Event(event) => drop(self.events.send(event)),
                Output::Transmit { dst, bytes } => {
                    let segment = bytes.len();
                    let mut broken = Vec::new();
                    let transmit = Transmit { dst, bytes: &bytes, segment };
                    self.unsent += send(&self.socket, &self.state, &mut self.links, transmit, &mut broken);
                    self.break_links(broken);
                }
            }
        }
    }

    fn send(&mut self) {
        let Self { socket, state, links, relay, unsent, .. } = self;
        let mut broken = Vec::new();
        relay.transmit(|transmit| *unsent += send(socket, state, links, transmit, &mut broken));
        self.break_links(broken);
    }

    fn break_links(&mut self, broken: Vec<LinkId>) {
        if let Some(links) = &mut self.links {
            broken.into_iter().for_each(|link| links.close(link, &mut self.relay));
        }
    }
}

/// Sends, in one piece where the system can cut it. Gives the number of datagrams that were given up.
fn send(
    socket: &UdpSocket,
    state: &UdpSocketState,
    links: &mut Option<Links>,
    transmit: Transmit<'_>,
    broken: &mut Vec<LinkId>,
) -> u64 {
    let Transmit { dst, bytes, segment } = transmit;
    if let Some(link) = LinkId::of(dst) {
        return links.as_mut().map_or(0, |links| links.send(link, bytes, segment, broken));
    }
    if bytes.len() <= segment || state.max_gso_segments() >= bytes.len().div_ceil(segment) {
        match send_piece(socket, state, dst, bytes, Some(segment)) {
            Ok(()) => return 0,
            // The network card cannot; the library knows that now.
            Err(_) if bytes.len() > segment && state.max_gso_segments() == 1 => {}
            Err(_) => return bytes.len().div_ceil(segment) as u64,
        }
    }
    bytes.chunks(segment).filter(|one| send_piece(socket, state, dst, one, None).is_err()).count() as u64
}

fn send_piece(
    socket: &UdpSocket,
    state: &UdpSocketState,
    destination: SocketAddr,
    contents: &[u8],
    segment_size: Option<usize>,
) -> io::Result<()> {
    let transmit = quinn_udp::Transmit { destination, ecn: None, contents, segment_size, src_ip: None };
    let alone = segment_size.is_none_or(|segment| contents.len() <= segment);
    for _ in 0..FULL_TRIES {
        // A message header with a word about congestion in it costs a tenth of the call: not for what needs no cutting.
        let sent = if alone {
            socket.send_to(contents, destination).map(drop)
        } else {
            state.try_send(socket.into(), &transmit)
        };
        match sent {
            // A full send buffer drains in microseconds.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(FULL_PAUSE),
            sent => return sent,
        }
    }
    Err(ErrorKind::WouldBlock.into())
}
