//! A transport other than the leg's own UDP socket: two datagram queues between the leg's driver and the task that owns
//! the connection.

use std::net::SocketAddr;
use tokio::sync::mpsc;

/// Queue length in each direction: half a second of two speakers. Older datagrams are useless.
const QUEUE: usize = 50;

/// The driver's end. The connection's task ends when this is dropped.
pub(super) struct FallbackTransport {
    relay: SocketAddr,
    outgoing: mpsc::Sender<Vec<u8>>,
    incoming: mpsc::Receiver<Vec<u8>>,
}

/// The connection's end of a [`FallbackTransport`].
pub(super) struct ConnectionQueues {
    /// Datagrams to the relay.
    pub(super) outgoing: mpsc::Receiver<Vec<u8>>,
    /// Datagrams from the relay. A full queue drops datagrams, as UDP would.
    pub(super) incoming: mpsc::Sender<Vec<u8>>,
}

impl FallbackTransport {
    /// Both ends of a transport to `relay`.
    pub(super) fn new(relay: SocketAddr) -> (Self, ConnectionQueues) {
        let (outgoing, to_connection) = mpsc::channel(QUEUE);
        let (from_connection, incoming) = mpsc::channel(QUEUE);
        let queues = ConnectionQueues { outgoing: to_connection, incoming: from_connection };
        (Self { relay, outgoing, incoming }, queues)
    }

    /// The relay's address.
    pub(super) fn relay(&self) -> SocketAddr {
        self.relay
    }

    /// Queues a datagram, or drops it if the queue is full.
    pub(super) fn send(&self, datagram: Vec<u8>) {
        let _ = self.outgoing.try_send(datagram);
    }

    /// The next datagram; `None` once the connection is closed.
    pub(super) async fn receive(&mut self) -> Option<Vec<u8>> {
        self.incoming.recv().await
    }
}
