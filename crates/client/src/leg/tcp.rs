//! A leg's way where no UDP gets through: its datagrams over one TCP connection to the relay (RFC 6544), each with its
//! length before it (RFC 4571).

use super::MAX_DATAGRAM_BYTES;
use std::{io, net::SocketAddr};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
};

/// Datagrams that may wait, each way: half a second of two speakers. What is older is of no use.
const QUEUE: usize = 50;

/// The connection. It ends when this is dropped.
pub(super) struct TcpWay {
    relay: SocketAddr,
    out: mpsc::Sender<Vec<u8>>,
    come: mpsc::Receiver<Vec<u8>>,
}

impl TcpWay {
    /// Connects.
    ///
    /// # Errors
    /// What the system says.
    pub(super) async fn connect(relay: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(relay).await?;
        stream.set_nodelay(true)?;
        let (reader, writer) = stream.into_split();
        let (out, to_send) = mpsc::channel(QUEUE);
        let (came, come) = mpsc::channel(QUEUE);
        tokio::spawn(write(writer, to_send));
        tokio::spawn(read(reader, came));
        Ok(Self { relay, out, come })
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

async fn write(mut writer: OwnedWriteHalf, mut to_send: mpsc::Receiver<Vec<u8>>) {
    while let Some(datagram) = to_send.recv().await {
        let Ok(length) = u16::try_from(datagram.len()) else { continue };
        let mut frame = Vec::with_capacity(2 + datagram.len());
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(&datagram);
        if writer.write_all(&frame).await.is_err() {
            return;
        }
    }
}

async fn read(reader: OwnedReadHalf, came: mpsc::Sender<Vec<u8>>) {
    let mut reader = BufReader::new(reader);
    while let Ok(length) = reader.read_u16().await {
        let length = usize::from(length);
        if length > MAX_DATAGRAM_BYTES {
            return;
        }
        let mut datagram = vec![0; length];
        if reader.read_exact(&mut datagram).await.is_err() {
            return;
        }
        // Sound that nobody takes in time is dropped, as over UDP.
        if let Err(mpsc::error::TrySendError::Closed(_)) = came.try_send(datagram) {
            return;
        }
    }
}
