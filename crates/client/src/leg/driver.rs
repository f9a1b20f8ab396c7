//! Runs a [`Leg`] over a socket of its own, in a task of its own.

use super::{Leg, LegError, LegFailure, LegOutput, MAX_DATAGRAM_BYTES, Received, tcp::TcpWay};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Instant,
};
use tokio::{
    net::UdpSocket,
    select,
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::sleep_until,
};

/// Frames that may wait to be sent: a quarter of a second. Sound that is older is of no use.
const SEND_QUEUE: usize = 12;
/// Events that may wait to be taken: two seconds of seven speakers. The oldest would be too late to play.
const EVENT_QUEUE: usize = 700;

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
    pub async fn start(local: IpAddr) -> io::Result<(Self, String, mpsc::Receiver<LegEvent>)> {
        let socket = UdpSocket::bind((local, 0)).await?;
        let (leg, offer) = Leg::new(Instant::now(), socket.local_addr()?)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let (commands, received) = mpsc::channel(SEND_QUEUE);
        let (events, taken) = mpsc::channel(EVENT_QUEUE);
        tokio::spawn(run(socket, leg, received, events));
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

/// How a leg's datagrams get to the relay.
struct Ways {
    socket: UdpSocket,
    tcp: Tcp,
}

enum Tcp {
    Untried,
    Connecting(JoinHandle<io::Result<TcpWay>>),
    There(TcpWay),
    Failed,
}

impl Ways {
    /// A datagram that could not be sent is a lost one.
    async fn send(&self, dst: SocketAddr, bytes: Vec<u8>) {
        match &self.tcp {
            Tcp::There(way) if way.relay() == dst => way.send(bytes),
            _ => drop(self.socket.send_to(&bytes, dst).await),
        }
    }
}

impl Tcp {
    /// The next datagram. Never, where there is no such way; nothing, where it is gone.
    async fn receive(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        loop {
            match self {
                Self::Untried | Self::Failed => std::future::pending().await,
                Self::Connecting(connecting) => match connecting.await {
                    Ok(Ok(way)) => *self = Self::There(way),
                    // UDP may still come through; if not, the leg gives up by itself.
                    Ok(Err(_)) | Err(_) => *self = Self::Failed,
                },
                Self::There(way) => {
                    let datagram = way.receive().await?;
                    return Some((way.relay(), datagram));
                }
            }
        }
    }
}

async fn run(socket: UdpSocket, mut leg: Leg, mut commands: mpsc::Receiver<Command>, events: mpsc::Sender<LegEvent>) {
    let mut buffer = [0; MAX_DATAGRAM_BYTES + 1];
    let mut ways = Ways { socket, tcp: Tcp::Untried };
    loop {
        let Some(mut wake) = flush(&ways, &mut leg, &events).await else { return };
        if let (Tcp::Untried, Some((at, relay))) = (&ways.tcp, leg.other_way()) {
            if Instant::now() >= at {
                ways.tcp = Tcp::Connecting(tokio::spawn(TcpWay::connect(relay)));
            }
            wake = wake.min(at.max(Instant::now()));
        }
        let Ways { socket, tcp } = &mut ways;
        select! {
            readable = socket.readable() => {
                if readable.is_err() {
                    return;
                }
                let now = Instant::now();
                // An error that is not "nothing left" belongs to an earlier datagram.
                while let Ok((length, src)) = socket.try_recv_from(&mut buffer) {
                    leg.handle_packet(now, src, &buffer[..length]);
                }
            }
            came = tcp.receive() => match came {
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
            () = sleep_until(wake.into()) => leg.handle_timeout(Instant::now()),
        }
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
