//! Fallback where UDP is blocked: ICE-TCP (RFC 6544), datagrams over one TCP connection to the relay, each prefixed with
//! its length (RFC 4571).

use super::{
    fallback::{ConnectionQueues, FallbackTransport},
    leg::MAX_DATAGRAM_BYTES,
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
/// When the connection fails.
pub(super) async fn connect(relay: SocketAddr) -> io::Result<FallbackTransport> {
    let stream = TcpStream::connect(relay).await?;
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.into_split();
    let (transport, ConnectionQueues { outgoing, incoming }) = FallbackTransport::new(relay);
    tokio::spawn(write(writer, outgoing));
    tokio::spawn(read(reader, incoming));
    Ok(transport)
}

async fn write(mut writer: OwnedWriteHalf, mut outgoing: mpsc::Receiver<Vec<u8>>) {
    while let Some(datagram) = outgoing.recv().await {
        let Ok(length) = u16::try_from(datagram.len()) else { continue };
        let mut frame = Vec::with_capacity(2 + datagram.len());
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(&datagram);
        if writer.write_all(&frame).await.is_err() {
            return;
        }
    }
}

async fn read(reader: OwnedReadHalf, incoming: mpsc::Sender<Vec<u8>>) {
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
        // A full queue drops the datagram, as UDP would.
        if let Err(mpsc::error::TrySendError::Closed(_)) = incoming.try_send(datagram) {
            return;
        }
    }
}
