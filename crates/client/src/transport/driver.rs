//! Runs a [`Leg`] in its own task over its own UDP socket, with fallback to TCP and TURN.

use super::{
    fallback::FallbackTransport,
    leg::{Leg, LegError, LegFailure, LegOutput, MAX_DATAGRAM_BYTES, ReceivedPacket},
    tcp,
    turn::{self, TurnServer},
};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};
use tokio::{
    net::UdpSocket,
    select,
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{sleep_until, timeout},
};

/// Length of the send queue, frames: a quarter of a second. Older sound is useless.
const SEND_QUEUE: usize = 12;
/// Length of the event queue: two seconds of seven speakers. Older sound is too late to play.
const EVENT_QUEUE: usize = 700;

/// Requested size of the socket's receive buffer, bytes: several seconds of two speakers, so that a note-taker whose process
/// was suspended that long receives them afterwards.
const SOCKET_BUFFER_BYTES: usize = 1 << 20;

/// A timer that fires later than this means that the process was suspended.
const SUSPENSION: Duration = Duration::from_millis(100);

/// An event of a leg.
#[derive(Clone)]
pub enum LegEvent {
    /// The leg is connected.
    Connected,
    /// A payload arrived.
    Received(ReceivedPacket),
    /// The leg ended; this is the last event. Create another leg.
    Failed(LegFailure),
}

/// Handle to a leg's task. Dropping it closes the leg.
pub struct LegDriver {
    commands: mpsc::Sender<DriverCommand>,
}

enum DriverCommand {
    Answer(String, oneshot::Sender<Result<(), LegError>>),
    Send(Vec<u8>, u32),
}

/// Looks up the office's TURN server, if it has one. Called at most once, only if neither UDP nor TCP gets through, on a
/// thread that may block.
pub type FindTurnServer = Box<dyn FnOnce() -> Option<TurnServer> + Send + Sync>;

impl LegDriver {
    /// Binds a socket to `local` and starts a leg on it. Returns the handle, the offer and the events.
    ///
    /// # Errors
    /// When the socket cannot be bound, or `local` cannot be an ICE candidate.
    pub async fn start(
        local: IpAddr,
        find_turn: Option<FindTurnServer>,
    ) -> io::Result<(Self, String, mpsc::Receiver<LegEvent>)> {
        let socket = UdpSocket::bind((local, 0)).await?;
        // Best effort: the default size suffices unless the process is suspended.
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(SOCKET_BUFFER_BYTES);
        let (leg, offer) = Leg::new(Instant::now(), socket.local_addr()?)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let (commands, command_queue) = mpsc::channel(SEND_QUEUE);
        let (event_sender, events) = mpsc::channel(EVENT_QUEUE);
        let paths = Paths { socket, tcp: Fallback::Unused, turn: Fallback::Unused, find_turn };
        tokio::spawn(run(paths, leg, command_queue, event_sender));
        Ok((Self { commands }, offer, events))
    }

    /// Applies the relay's answer.
    ///
    /// # Errors
    /// Those of [`Leg::accept_answer`]; [`LegError::NotConnected`] if the leg ended.
    pub async fn accept_answer(&self, answer: String) -> Result<(), LegError> {
        let (reply, accepted) = oneshot::channel();
        self.commands.send(DriverCommand::Answer(answer, reply)).await.map_err(|_| LegError::NotConnected)?;
        accepted.await.map_err(|_| LegError::NotConnected)?
    }

    /// Sends a payload, or drops it if the send queue is full. Payloads that [`Leg::send`] refuses are dropped too.
    ///
    /// # Errors
    /// [`LegError::NotConnected`] if the leg ended.
    pub fn send(&self, payload: Vec<u8>, rtp_timestamp: u32) -> Result<(), LegError> {
        match self.commands.try_send(DriverCommand::Send(payload, rtp_timestamp)) {
            Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(LegError::NotConnected),
        }
    }
}

/// The transports of a leg.
struct Paths {
    socket: UdpSocket,
    tcp: Fallback,
    turn: Fallback,
    find_turn: Option<FindTurnServer>,
}

/// The state of a fallback transport.
enum Fallback {
    Unused,
    Connecting(JoinHandle<io::Result<FallbackTransport>>),
    Connected(FallbackTransport),
    Failed,
}

impl Paths {
    /// Sends a datagram. One that cannot be sent counts as packet loss.
    async fn send(&self, destination: SocketAddr, bytes: Vec<u8>) {
        match (&self.turn, &self.tcp) {
            // TURN is only connected if nothing was received over the other transports.
            (Fallback::Connected(turn), _) if turn.relay() == destination => turn.send(bytes),
            (_, Fallback::Connected(tcp)) if tcp.relay() == destination => tcp.send(bytes),
            _ => drop(self.socket.send_to(&bytes, destination).await),
        }
    }

    /// Starts the fallback transports that are due; returns when the next one is.
    fn start_fallbacks(&mut self, leg: &Leg) -> Option<Instant> {
        let schedule = leg.fallback_schedule()?;
        let is_due = |at: Instant| Instant::now() >= at;
        let mut next = None;
        if let (Fallback::Unused, Some((at, relay))) = (&self.tcp, schedule.tcp) {
            match is_due(at) {
                true => self.tcp = Fallback::Connecting(tokio::spawn(tcp::connect(relay))),
                false => next = Some(at),
            }
        }
        if let (Fallback::Unused, Some((at, relay)), Some(_)) = (&self.turn, schedule.turn, &self.find_turn) {
            match is_due(at) {
                true => {
                    let find = self.find_turn.take().expect("invariant: it was just matched");
                    self.turn = Fallback::Connecting(tokio::spawn(async move {
                        let found = tokio::task::spawn_blocking(find).await.map_err(io::Error::other)?;
                        let server = found.ok_or_else(|| io::Error::other("the office has no TURN server"))?;
                        turn::connect(&server, relay).await
                    }));
                }
                false => next = Some(next.map_or(at, |next: Instant| next.min(at))),
            }
        }
        next
    }
}

impl Fallback {
    /// The next datagram and its source, or `None` once the transport is closed. Pends forever if there is none.
    async fn receive(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        loop {
            match self {
                Self::Unused | Self::Failed => std::future::pending().await,
                Self::Connecting(connecting) => match connecting.await {
                    Ok(Ok(transport)) => *self = Self::Connected(transport),
                    // Another transport may still connect; otherwise the leg's connect timeout expires.
                    Ok(Err(error)) => {
                        tracing::debug!(%error, "fallback transport to the relay failed");
                        *self = Self::Failed;
                    }
                    Err(_) => *self = Self::Failed,
                },
                Self::Connected(transport) => {
                    let datagram = transport.receive().await?;
                    return Some((transport.relay(), datagram));
                }
            }
        }
    }
}

async fn run(
    mut paths: Paths,
    mut leg: Leg,
    mut commands: mpsc::Receiver<DriverCommand>,
    events: mpsc::Sender<LegEvent>,
) {
    let mut buffer = [0; MAX_DATAGRAM_BYTES + 1];
    loop {
        let Some(mut wake) = flush(&paths, &mut leg, &events).await else { return };
        if let Some(next) = paths.start_fallbacks(&leg) {
            wake = wake.min(next);
        }
        let Paths { socket, tcp, turn, .. } = &mut paths;
        let fallback_input = async {
            select! {
                input = tcp.receive() => input,
                input = turn.receive() => input,
            }
        };
        select! {
            readable = socket.readable() => {
                if readable.is_err() {
                    return;
                }
                drain_socket(socket, &mut leg, &mut buffer);
            }
            input = fallback_input => match input {
                Some((relay, datagram)) => leg.handle_packet(Instant::now(), relay, &datagram),
                None => {
                    drop(events.send(LegEvent::Failed(LegFailure::ConnectivityLost)).await);
                    return;
                }
            },
            command = commands.recv() => match command {
                Some(DriverCommand::Answer(answer, reply)) => {
                    let _ = reply.send(leg.accept_answer(Instant::now(), &answer));
                }
                // Frames for a leg that is not connected yet are dropped.
                Some(DriverCommand::Send(payload, at)) => drop(leg.send(Instant::now(), &payload, at)),
                None => {
                    leg.close();
                    flush(&paths, &mut leg, &events).await;
                    return;
                }
            },
            () = sleep_until(wake.into()) => {
                if wake.elapsed() > SUSPENSION {
                    // After a suspension the socket may hold datagrams that the reactor has not reported yet. They must be
                    // handled before the timers, or the leg would mistake the suspension for an outage.
                    let _ = timeout(SUSPENSION, socket.readable()).await;
                }
                drain_socket(socket, &mut leg, &mut buffer);
                leg.handle_timeout(Instant::now());
            }
        }
    }
}

/// Passes all datagrams that the socket holds to the leg.
fn drain_socket(socket: &UdpSocket, leg: &mut Leg, buffer: &mut [u8]) {
    let now = Instant::now();
    // Errors other than "would block" are ICMP errors of earlier datagrams.
    while let Ok((length, source)) = socket.try_recv_from(buffer) {
        leg.handle_packet(now, source, &buffer[..length]);
    }
}

/// Performs the leg's pending actions; returns its next wake-up, or `None` when it ended.
async fn flush(paths: &Paths, leg: &mut Leg, events: &mpsc::Sender<LegEvent>) -> Option<Instant> {
    loop {
        match leg.poll() {
            LegOutput::Timeout(at) => return Some(at),
            LegOutput::Transmit { dst, bytes } => paths.send(dst, bytes).await,
            LegOutput::Connected => events.send(LegEvent::Connected).await.ok()?,
            // If the event queue is full the payload is dropped: waiting would stall the transport.
            LegOutput::Received(packet) => drop(events.try_send(LegEvent::Received(packet))),
            LegOutput::Failed(failure) => {
                drop(events.send(LegEvent::Failed(failure)).await);
                return None;
            }
        }
    }
}
