//! A leg's way where no UDP gets through: its datagrams over one TCP connection to the relay (RFC 6544), each with its
//! length before it (RFC 4571).

use super::{
    MAX_DATAGRAM_BYTES,
    way::{Carrier, Way},
};
use std::{io, net::SocketAddr};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
};

/// Connects to the relay.
///
/// # Errors
/// What the system says.
pub(super) async fn connect(relay: SocketAddr) -> io::Result<Way> {
    let stream = TcpStream::connect(relay).await?;
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.into_split();
    let (way, Carrier { to_send, came }) = Way::new(relay);
    tokio::spawn(write(writer, to_send));
    tokio::spawn(read(reader, came));
    Ok(way)
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
