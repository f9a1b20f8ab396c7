//! A way to the relay other than the leg's own socket: whatever carries its datagrams takes them from one queue and puts
//! what comes into another.

use std::net::SocketAddr;
use tokio::sync::mpsc;

/// Datagrams that may wait, each way: half a second of two speakers. What is older is of no use.
const QUEUE: usize = 50;

/// The way. What carries it ends when this is dropped.
pub(super) struct Way {
    relay: SocketAddr,
    out: mpsc::Sender<Vec<u8>>,
    come: mpsc::Receiver<Vec<u8>>,
}

/// The other ends of a [`Way`], for what carries it.
pub(super) struct Carrier {
    /// Datagrams for the relay.
    pub(super) to_send: mpsc::Receiver<Vec<u8>>,
    /// Datagrams of the relay. Those that nobody takes in time are dropped, as over UDP.
    pub(super) came: mpsc::Sender<Vec<u8>>,
}

impl Way {
    /// A way that leads to `relay`.
    pub(super) fn new(relay: SocketAddr) -> (Self, Carrier) {
        let (out, to_send) = mpsc::channel(QUEUE);
        let (came, come) = mpsc::channel(QUEUE);
        (Self { relay, out, come }, Carrier { to_send, came })
    }

    /// Where it leads.
    pub(super) fn relay(&self) -> SocketAddr {
        self.relay
    }

    /// Sends a datagram, or loses it where too many wait.
    pub(super) fn send(&self, datagram: Vec<u8>) {
        let _ = self.out.try_send(datagram);
    }

    /// The next datagram; nothing once the connection is gone.
    pub(super) async fn receive(&mut self) -> Option<Vec<u8>> {
        self.come.recv().await
    }
}
