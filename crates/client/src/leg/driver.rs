//! Runs a [`Leg`] over a socket of its own, in a task of its own.

use super::{
    Leg, LegError, LegFailure, LegOutput, MAX_DATAGRAM_BYTES, Received, tcp,
    turn::{self, TurnServer},
    way::Way,
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

/// Frames that may wait to be sent: a quarter of a second. Sound that is older is of no use.
const SEND_QUEUE: usize = 12;
/// Events that may wait to be taken: two seconds of seven speakers. The oldest would be too late to play.
const EVENT_QUEUE: usize = 700;

/// What may wait in the socket, bytes, where the system allows it: several seconds of two who speak. A note-taker whose machine stands
/// still for that long hears them afterwards.
const SOCKET_BYTES: usize = 1 << 20;

/// A timer that is so late is of a machine that stood still.
const STOOD_STILL: Duration = Duration::from_millis(100);

/// What happens on a leg.
#[derive(Clone)]
pub enum LegEvent {
    /// Payloads can flow.
    Connected,
    /// Somebody spoke.
    Received(Received),
    /// The leg is over; it is the last event. Make another.
    Failed(LegFailure),
}

/// Talks to a leg's task. The leg is closed when it is dropped.
pub struct LegDriver {
    commands: mpsc::Sender<Command>,
}

enum Command {
    Answer(String, oneshot::Sender<Result<(), LegError>>),
    Send(Vec<u8>, u32),
}

impl LegDriver {
    /// Binds a socket at `local` and starts a leg on it. Gives the driver, the offer and the events.
    ///
    /// # Errors
    /// When the socket cannot be bound, or `local` is no address that packets can come to.
    pub async fn start(
        local: IpAddr,
        find_turn: Option<FindTurn>,
    ) -> io::Result<(Self, String, mpsc::Receiver<LegEvent>)> {
        let socket = UdpSocket::bind((local, 0)).await?;
        // The system's own size is enough for all but those who stand still.
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(SOCKET_BYTES);
        let (leg, offer) = Leg::new(Instant::now(), socket.local_addr()?)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let (commands, received) = mpsc::channel(SEND_QUEUE);
        let (events, taken) = mpsc::channel(EVENT_QUEUE);
        let ways = Ways { socket, tcp: Other::Untried, tls: Other::Untried, find_turn };
        tokio::spawn(run(ways, leg, received, events));
        Ok((Self { commands }, offer, taken))
    }

    /// Hands over the relay's answer.
    ///
    /// # Errors
    /// See [`Leg::accept_answer`]; [`LegError::NotConnected`] if the leg is over.
    pub async fn accept_answer(&self, answer: String) -> Result<(), LegError> {
        let (reply, accepted) = oneshot::channel();
        self.commands.send(Command::Answer(answer, reply)).await.map_err(|_| LegError::NotConnected)?;
        accepted.await.map_err(|_| LegError::NotConnected)?
    }

    /// Sends one payload, or drops it if the network has not taken those before it. What the leg itself refuses
    /// (see [`Leg::send`]) is dropped too.
    ///
    /// # Errors
    /// [`LegError::NotConnected`] if the leg is over.
    pub fn send(&self, payload: Vec<u8>, rtp_timestamp: u32) -> Result<(), LegError> {
        match self.commands.try_send(Command::Send(payload, rtp_timestamp)) {
            Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(LegError::NotConnected),
        }
    }
}

/// Finds the office's TURN server, where it has one: asked once, and only if neither UDP nor TCP came through. It may block.
pub type FindTurn = Box<dyn FnOnce() -> Option<TurnServer> + Send + Sync>;

/// How a leg's datagrams get to the relay.
struct Ways {
    socket: UdpSocket,
    tcp: Other,
    tls: Other,
    find_turn: Option<FindTurn>,
}

/// A way other than UDP.
enum Other {
    Untried,
    Connecting(JoinHandle<io::Result<Way>>),
    There(Way),
    Failed,
}

impl Ways {
    /// A datagram that could not be sent is a lost one.
    async fn send(&self, dst: SocketAddr, bytes: Vec<u8>) {
        match (&self.tls, &self.tcp) {
            // It is made only where nothing came by the others.
            (Other::There(way), _) if way.relay() == dst => way.send(bytes),
            (_, Other::There(way)) if way.relay() == dst => way.send(bytes),
            _ => drop(self.socket.send_to(&bytes, dst).await),
        }
    }

    /// Tries the ways whose time has come; gives when the next is to be tried.
    fn try_others(&mut self, leg: &Leg) -> Option<Instant> {
        let others = leg.other_ways()?;
        let due = |at: Instant| Instant::now() >= at;
        let mut next = None;
        if let (Other::Untried, Some((at, relay))) = (&self.tcp, others.by_tcp) {
            match due(at) {
                true => self.tcp = Other::Connecting(tokio::spawn(tcp::connect(relay))),
                false => next = Some(at),
            }
        }
        if let (Other::Untried, Some((at, relay)), Some(_)) = (&self.tls, others.by_tls, &self.find_turn) {
            match due(at) {
                true => {
                    let find = self.find_turn.take().expect("invariant: it was just seen");
                    self.tls = Other::Connecting(tokio::spawn(async move {
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

impl Other {
    /// The next datagram. Never, where there is no such way; nothing, where it is gone.
    async fn receive(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        loop {
            match self {
                Self::Untried | Self::Failed => std::future::pending().await,
                Self::Connecting(connecting) => match connecting.await {
                    Ok(Ok(way)) => *self = Self::There(way),
                    // Another way may still come through; if not, the leg gives up by itself.
                    Ok(Err(error)) => {
                        tracing::debug!(%error, "a way to the relay is not there");
                        *self = Self::Failed;
                    }
                    Err(_) => *self = Self::Failed,
                },
                Self::There(way) => {
                    let datagram = way.receive().await?;
                    return Some((way.relay(), datagram));
                }
            }
        }
    }
}

async fn run(mut ways: Ways, mut leg: Leg, mut commands: mpsc::Receiver<Command>, events: mpsc::Sender<LegEvent>) {
    let mut buffer = [0; MAX_DATAGRAM_BYTES + 1];
    loop {
        let Some(mut wake) = flush(&ways, &mut leg, &events).await else { return };
        if let Some(next) = ways.try_others(&leg) {
            wake = wake.min(next);
        }
        let Ways { socket, tcp, tls, .. } = &mut ways;
        let came = async {
            select! {
                came = tcp.receive() => came,
                came = tls.receive() => came,
            }
        };
        select! {
            readable = socket.readable() => {
                if readable.is_err() {
                    return;
                }
                take_in(socket, &mut leg, &mut buffer);
            }
            came = came => match came {
                Some((relay, datagram)) => leg.handle_packet(Instant::now(), relay, &datagram),
                None => {
                    drop(events.send(LegEvent::Failed(LegFailure::Lost)).await);
                    return;
                }
            },
            command = commands.recv() => match command {
                Some(Command::Answer(answer, reply)) => drop(reply.send(leg.accept_answer(Instant::now(), &answer))),
                // A frame for a leg that is not connected yet has nowhere to go.
                Some(Command::Send(payload, at)) => drop(leg.send(Instant::now(), &payload, at)),
                None => {
                    leg.close();
                    flush(&ways, &mut leg, &events).await;
                    return;
                }
            },
            () = sleep_until(wake.into()) => {
                if wake.elapsed() > STOOD_STILL {
                    // Much may have come meanwhile that the system has not told of yet: it was no silence.
                    let _ = timeout(STOOD_STILL, socket.readable()).await;
                }
                take_in(socket, &mut leg, &mut buffer);
                leg.handle_timeout(Instant::now());
            }
        }
    }
}

/// Gives the leg what waits in the socket.
fn take_in(socket: &UdpSocket, leg: &mut Leg, buffer: &mut [u8]) {
    let now = Instant::now();
    // An error that is not "nothing left" belongs to an earlier datagram.
    while let Ok((length, src)) = socket.try_recv_from(buffer) {
        leg.handle_packet(now, src, &buffer[..length]);
    }
}

/// Does what the leg wants done, and gives the time of its next wake-up, or `None` when it is over.
async fn flush(ways: &Ways, leg: &mut Leg, events: &mpsc::Sender<LegEvent>) -> Option<Instant> {
    loop {
        match leg.poll() {
            LegOutput::Timeout(at) => return Some(at),
            LegOutput::Transmit { dst, bytes } => ways.send(dst, bytes).await,
            LegOutput::Connected => events.send(LegEvent::Connected).await.ok()?,
            // Sound that nobody takes in time is dropped; waiting would stop the transport.
            LegOutput::Received(received) => drop(events.try_send(LegEvent::Received(received))),
            LegOutput::Failed(why) => {
                drop(events.send(LegEvent::Failed(why)).await);
                return None;
            }
        }
    }
}
