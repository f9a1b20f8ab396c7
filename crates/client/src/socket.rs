//! WebSockets to an office's server, over TLS 1.3 for `https` addresses.

use crate::error::ClientError;
use futures_util::{SinkExt as _, StreamExt as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::{net::TcpStream, sync::mpsc};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
    tungstenite::{self, Message, client::IntoClientRequest as _, http::HeaderValue, protocol::WebSocketConfig},
};

/// Queue length in each direction, messages.
const QUEUE: usize = 1024;

/// An open WebSocket.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Connects to `path` of `server` (`http://…` or `https://…`), with an optional bearer token. Messages are limited to
/// `max_message_bytes`.
///
/// # Errors
/// When the server cannot be reached or refuses the connection.
pub async fn connect(
    server: &str,
    path: &str,
    bearer: Option<&str>,
    max_message_bytes: usize,
) -> Result<Socket, ClientError> {
    let mut request = format!("{}{path}", server.replacen("http", "ws", 1)).into_client_request()?;
    if let Some(token) = bearer {
        request.headers_mut().insert(
            "authorization",
            HeaderValue::try_from(format!("Bearer {token}"))
                .map_err(|error| tungstenite::Error::from(tungstenite::http::Error::from(error)))?,
        );
    }
    let limit = Some(max_message_bytes);
    let config = WebSocketConfig::default().max_message_size(limit).max_frame_size(limit);
    let connector = match request.uri().scheme_str() {
        Some("wss") => Connector::Rustls(crate::tls::websocket()?),
        _ => Connector::Plain,
    };
    let (socket, _) = connect_async_tls_with_config(request, Some(config), true, Some(connector)).await?;
    Ok(socket)
}

/// Runs a connection in a task: text messages to the server, and from it. Both channels close with the connection.
pub fn texts(mut socket: Socket) -> (mpsc::Sender<String>, mpsc::Receiver<String>) {
    let (to_server, mut outgoing) = mpsc::channel::<String>(QUEUE);
    let (incoming, from_server) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                text = outgoing.recv() => match text {
                    Some(text) => {
                        if socket.send(Message::Text(text.into())).await.is_err() {
                            break;
                        }
                    }
                    None => break,
                },
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => {
                        if incoming.send(text.as_str().to_owned()).await.is_err() {
                            break;
                        }
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    _ => break,
                },
            }
        }
        let _ = socket.close(None).await;
    });
    (to_server, from_server)
}

/// The local address of this connection, and the server's. A host name may have several addresses; these are the ones in
/// use.
pub(crate) fn addresses(socket: &Socket) -> (IpAddr, Option<SocketAddr>) {
    let stream = match socket.get_ref() {
        MaybeTlsStream::Plain(stream) => Some(stream),
        MaybeTlsStream::Rustls(stream) => Some(stream.get_ref().0),
        _ => None,
    };
    let local = stream.and_then(|stream| stream.local_addr().ok());
    let server = stream.and_then(|stream| stream.peer_addr().ok());
    (local.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip()), server)
}

/// The local address that the system would use now for packets to `remote`. Sends nothing.
pub(crate) fn local_address_towards(remote: SocketAddr) -> Option<IpAddr> {
    let any = if remote.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let socket = std::net::UdpSocket::bind((any, 0)).ok()?;
    socket.connect(remote).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}
