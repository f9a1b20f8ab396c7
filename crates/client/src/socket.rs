//! WebSockets to an office's server, over TLS 1.3 where the address says so.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{net::TcpStream, sync::mpsc};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
    tungstenite::{Message, client::IntoClientRequest as _, http::HeaderValue, protocol::WebSocketConfig},
};

/// Messages that wait, each way.
const WAITING: usize = 1024;

/// An open one.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Connects to `path` of `server` (`http://…` or `https://…`). No message may be longer than `most` bytes.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub async fn connect(server: &str, path: &str, bearer: Option<&str>, most: usize) -> anyhow::Result<Socket> {
    let mut request = format!("{}{path}", server.replacen("http", "ws", 1)).into_client_request()?;
    if let Some(token) = bearer {
        request.headers_mut().insert("authorization", HeaderValue::try_from(format!("Bearer {token}"))?);
    }
    let config = WebSocketConfig::default().max_message_size(Some(most)).max_frame_size(Some(most));
    let connector = match request.uri().scheme_str() {
        Some("wss") => Connector::Rustls(crate::tls::config()?),
        _ => Connector::Plain,
    };
    let (socket, _) = connect_async_tls_with_config(request, Some(config), true, Some(connector)).await?;
    Ok(socket)
}

/// A connection as texts: what is sent into the one end comes out at the server, and its words out of the other. Both end
/// with the connection.
pub fn texts(mut socket: Socket) -> (mpsc::Sender<String>, mpsc::Receiver<String>) {
    let (say, mut said) = mpsc::channel::<String>(WAITING);
    let (hear, heard) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                text = said.recv() => match text {
                    Some(text) => {
                        if socket.send(Message::Text(text.into())).await.is_err() {
                            break;
                        }
                    }
                    None => break,
                },
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => {
                        if hear.send(text.as_str().to_owned()).await.is_err() {
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
    (say, heard)
}
