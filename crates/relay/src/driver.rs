//! The I/O driver: one UDP socket, one task, one engine.
//!
//! Everything goes through the one task, so the engine needs no lock. A wake-up reads whatever the socket holds, a
//! batch at a time, before anything else is looked at; the timer is moved only when the engine wants to be woken
//! earlier than it is set for, which packets do not cause.

use crate::{LegId, OpenedCall, Output, Relay, RelayConfig, RelayError, RelayEvent, RelayStats, limits};
use std::{io, net::SocketAddr, time::Instant};
use telcon_proto::CallId;
use tokio::{
    net::UdpSocket,
    select,
    sync::{broadcast, mpsc, oneshot},
    task::JoinHandle,
    time::sleep_until,
};

/// Datagrams read in one go before commands and timers get their turn: a millisecond's worth of work.
const READ_BATCH: usize = 64;
/// Commands that may wait. A switchboard that has more under way is made to wait itself.
const COMMAND_QUEUE: usize = 256;
/// Events kept for a subscriber that is slow. One that falls further behind is told how many it missed.
const EVENT_QUEUE: usize = 1024;

/// The relay's task is gone: the server is on its way out.
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

/// Asks the relay's task for things. Cheap to clone; the task ends when the last handle is dropped.
#[derive(Clone)]
pub struct RelayHandle {
    commands: mpsc::Sender<Command>,
    events: broadcast::Sender<RelayEvent>,
}

enum Command {
    Open(OpenedCall, oneshot::Sender<Result<(), RelayError>>),
    Close(CallId, oneshot::Sender<bool>),
    AddLeg { call: CallId, leg: LegId, offer: String, reply: oneshot::Sender<Result<String, RelayError>> },
    RemoveLeg(LegId, oneshot::Sender<bool>),
    Stats(oneshot::Sender<RelayStats>),
}

impl RelayHandle {
    /// See [`Relay::open_call`].
    ///
    /// # Errors
    /// As there, and when the relay has stopped.
    pub async fn open_call(&self, opened: OpenedCall) -> Result<(), HandleError> {
        Ok(self.ask(|reply| Command::Open(opened, reply)).await??)
    }

    /// See [`Relay::close_call`].
    ///
    /// # Errors
    /// When the relay has stopped.
    pub async fn close_call(&self, call: CallId) -> Result<bool, Stopped> {
        self.ask(|reply| Command::Close(call, reply)).await
    }

    /// See [`Relay::add_leg`].
    ///
    /// # Errors
    /// As there, and when the relay has stopped.
    pub async fn add_leg(&self, call: CallId, leg: LegId, offer: String) -> Result<String, HandleError> {
        if offer.len() > limits::MAX_SDP_BYTES {
            return Err(RelayError::Offer(crate::OfferError::TooLong).into());
        }
        Ok(self.ask(|reply| Command::AddLeg { call, leg, offer, reply }).await??)
    }

    /// See [`Relay::remove_leg`].
    ///
    /// # Errors
    /// When the relay has stopped.
    pub async fn remove_leg(&self, leg: LegId) -> Result<bool, Stopped> {
        self.ask(|reply| Command::RemoveLeg(leg, reply)).await
    }

    /// See [`Relay::stats`].
    ///
    /// # Errors
    /// When the relay has stopped.
    pub async fn stats(&self) -> Result<RelayStats, Stopped> {
        self.ask(Command::Stats).await
    }

    /// Events from now on. A receiver that lags loses the oldest and is told so.
    pub fn events(&self) -> broadcast::Receiver<RelayEvent> {
        self.events.subscribe()
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }
}

/// Binds a socket and starts the relay on it. `bind` may be unspecified (`0.0.0.0`); `candidate_addrs` are what
/// devices are told. Where those have port 0, they get the port that the socket got. Gives the handle and the task,
/// which ends without error when the last handle is dropped.
///
/// # Errors
/// When the socket cannot be bound, or there is no usable candidate address.
pub async fn start(bind: SocketAddr, mut config: RelayConfig) -> io::Result<(RelayHandle, JoinHandle<io::Result<()>>)> {
    let socket = UdpSocket::bind(bind).await?;
    let port = socket.local_addr()?.port();
    config.candidate_addrs.iter_mut().filter(|a| a.port() == 0).for_each(|a| a.set_port(port));
    let candidates = config.candidate_addrs.clone();
    let relay = Relay::new(config, Instant::now()).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    let (commands, received) = mpsc::channel(COMMAND_QUEUE);
    let (events, _) = broadcast::channel(EVENT_QUEUE);
    let handle = RelayHandle { commands, events: events.clone() };
    let driver = Driver { socket, candidates, relay, events };
    Ok((handle, tokio::spawn(driver.run(received))))
}

struct Driver {
    socket: UdpSocket,
    candidates: Vec<SocketAddr>,
    relay: Relay,
    events: broadcast::Sender<RelayEvent>,
}

impl Driver {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) -> io::Result<()> {
        // One byte more than is looked at, so that a longer datagram is seen to be too long.
        let mut buffer = [0; limits::MAX_DATAGRAM_BYTES + 1];
        let mut armed = self.flush().await;
        let mut timer = Box::pin(sleep_until(armed.into()));
        loop {
            select! {
                readable = self.socket.readable() => {
                    readable?;
                    self.read_batch(&mut buffer);
                }
                command = commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => return Ok(()),
                },
                () = &mut timer => self.relay.handle_timeout(Instant::now()),
            }
            let wake = self.flush().await;
            if wake < armed || timer.is_elapsed() {
                armed = wake;
                timer.as_mut().reset(wake.into());
            }
        }
    }

    fn read_batch(&mut self, buffer: &mut [u8]) {
        let now = Instant::now();
        for _ in 0..READ_BATCH {
            match self.socket.try_recv_from(buffer) {
                Ok((length, src)) => {
                    let Some(dst) = local_for(&self.candidates, src) else { continue };
                    self.relay.handle_packet(now, src, dst, &buffer[..length]);
                }
                // Nothing left, or an ICMP error that belongs to an earlier datagram: both are no reason to stop.
                Err(_) => return,
            }
        }
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
            Command::Stats(reply) => drop(reply.send(self.relay.stats())),
        }
    }

    /// Does what the engine wants done, and gives the time of its next wake-up.
    async fn flush(&mut self) -> Instant {
        loop {
            match self.relay.poll() {
                Output::Timeout(at) => return at,
                // Nobody listening is no error.
                Output::Event(event) => drop(self.events.send(event)),
                Output::Transmit { dst, bytes } => {
                    if let Err(error) = self.socket.try_send_to(&bytes, dst)
                        && error.kind() == io::ErrorKind::WouldBlock
                    {
                        // A full send buffer drains in microseconds; any other failure is like a lost datagram.
                        drop(self.socket.send_to(&bytes, dst).await);
                    }
                }
            }
        }
    }
}

/// The candidate address that a device at `src` was sent to. It only has to be of the same family: the engine answers
/// from its one socket whatever it is.
fn local_for(candidates: &[SocketAddr], src: SocketAddr) -> Option<SocketAddr> {
    candidates.iter().copied().find(|c| c.is_ipv4() == src.is_ipv4())
}
