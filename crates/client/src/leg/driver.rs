//! Runs a [`Leg`] over a socket of its own, in a task of its own.

use super::{Leg, LegError, LegFailure, LegOutput, MAX_DATAGRAM_BYTES, Received};
use std::{io, net::IpAddr, time::Instant};
use tokio::{
    net::UdpSocket,
    select,
    sync::{mpsc, oneshot},
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

async fn run(socket: UdpSocket, mut leg: Leg, mut commands: mpsc::Receiver<Command>, events: mpsc::Sender<LegEvent>) {
    let mut buffer = [0; MAX_DATAGRAM_BYTES + 1];
    loop {
        let Some(wake) = flush(&socket, &mut leg, &events).await else { return };
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
            command = commands.recv() => match command {
                Some(Command::Answer(answer, reply)) => drop(reply.send(leg.accept_answer(Instant::now(), &answer))),
                // A frame for a leg that is not connected yet has nowhere to go.
                Some(Command::Send(payload, at)) => drop(leg.send(Instant::now(), &payload, at)),
                None => {
                    leg.close();
                    flush(&socket, &mut leg, &events).await;
                    return;
                }
            },
            () = sleep_until(wake.into()) => leg.handle_timeout(Instant::now()),
        }
    }
}

/// Does what the leg wants done, and gives the time of its next wake-up, or `None` when it is over.
async fn flush(socket: &UdpSocket, leg: &mut Leg, events: &mpsc::Sender<LegEvent>) -> Option<Instant> {
    loop {
        match leg.poll() {
            LegOutput::Timeout(at) => return Some(at),
            // A datagram that could not be sent is a lost one.
            LegOutput::Transmit { dst, bytes } => drop(socket.send_to(&bytes, dst).await),
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
