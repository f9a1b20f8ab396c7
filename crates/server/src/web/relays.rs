//! The WebSocket of relays of their own (`telcon relay`). Whoever has the office's relay token may be one.

use super::App;
use crate::media::{NodeId, NodeInput};
use axum::{
    extract::{
        State,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use sha2::{Digest as _, Sha256};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use telcon_proto::node::{FromNode, MAX_NODE_MESSAGE_BYTES, NODE_SILENT_MS, NODE_VERSION, ToNode};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};

/// Commands that may wait for a relay. One that has more is not reading.
const TO_NODE: usize = 1024;
const SILENT: Duration = Duration::from_millis(NODE_SILENT_MS);

static NEXT: AtomicU64 = AtomicU64::new(1);

/// Digest of the token that relays show. Comparing digests tells nothing by its time.
pub struct RelayToken([u8; 32]);

impl RelayToken {
    /// Of this token.
    pub fn new(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    fn is_shown(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        shown.is_some_and(|token| <[u8; 32]>::from(Sha256::digest(token)) == self.0)
    }
}

pub(super) async fn upgrade(State(app): State<Arc<App>>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    if !app.relay_token.is_shown(&headers) {
        super::metrics::count(&app.counters.refused);
        return super::error::Failure::new(StatusCode::UNAUTHORIZED, "that is not the token of this office's relays")
            .into_response();
    }
    let most = MAX_NODE_MESSAGE_BYTES;
    upgrade.max_message_size(most).max_frame_size(most).on_upgrade(async move |mut socket| {
        let node = NodeId(NEXT.fetch_add(1, Ordering::Relaxed));
        let Some((max_calls, address)) = hello(&mut socket).await else {
            return tracing::warn!("a relay of another version, or what is none, was turned away");
        };
        let (to, told) = mpsc::channel(TO_NODE);
        if app.nodes.send(NodeInput::Arrived { node, to, max_calls, address }).await.is_ok() {
            converse(&mut socket, node, told, &app.nodes).await;
            let _ = app.nodes.send(NodeInput::Gone(node)).await;
        }
    })
}

async fn hello(socket: &mut WebSocket) -> Option<(u64, SocketAddr)> {
    let first = timeout(SILENT, socket.recv()).await.ok()??.ok()?;
    match read(&first)? {
        FromNode::Hello { version: NODE_VERSION, max_calls, address } => Some((max_calls, address)),
        _ => None,
    }
}

fn read(message: &Message) -> Option<FromNode> {
    let Message::Text(text) = message else { return None };
    serde_json::from_str(text).ok()
}

/// Until the relay is silent for too long, says what nobody understands, or does not read.
async fn converse(
    socket: &mut WebSocket,
    node: NodeId,
    mut told: mpsc::Receiver<ToNode>,
    nodes: &mpsc::Sender<NodeInput>,
) {
    let mut silent_at = Instant::now() + SILENT;
    loop {
        tokio::select! {
            message = told.recv() => {
                let Some(message) = message else { return };
                let text = serde_json::to_string(&message).expect("invariant: no map keys that JSON cannot hold");
                if !matches!(timeout(SILENT, socket.send(Message::Text(text.into()))).await, Ok(Ok(()))) {
                    return;
                }
            }
            heard = timeout_at(silent_at, socket.recv()) => {
                let Ok(Some(Ok(message))) = heard else { return };
                silent_at = Instant::now() + SILENT;
                if matches!(message, Message::Ping(_) | Message::Pong(_)) {
                    continue;
                }
                let Some(said) = read(&message) else { return };
                if nodes.send(NodeInput::Said(node, said)).await.is_err() {
                    return;
                }
            }
        }
    }
}
