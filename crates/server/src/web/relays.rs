//! The WebSocket of standalone relays (`telcon relay`), authenticated by the office's relay token.

use super::{App, extract::Upgrade, slots::SlotHandle};
use crate::digest::sha256;
use crate::{media::RelayInput, placement::RelayId};
use axum::{
    Extension,
    extract::{
        State,
        ws::{Message, WebSocket},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use telcon_proto::{
    message::Object,
    node::{FromNode, MAX_NODE_MESSAGE_BYTES, NODE_HEARTBEAT_TIMEOUT_MS, NODE_VERSION, ToNode},
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout, timeout_at},
};

/// Send queue of a relay, messages. A full queue means that it does not read.
const SEND_QUEUE: usize = 1024;
const HEARTBEAT_TIMEOUT: Duration = Duration::from_millis(NODE_HEARTBEAT_TIMEOUT_MS);

static NEXT: AtomicU64 = AtomicU64::new(1);

/// Digest of the relay token. Comparing digests leaks nothing through timing.
pub struct RelayToken([u8; 32]);

impl RelayToken {
    /// Hashes the token.
    pub fn new(token: &str) -> Self {
        Self(*sha256(token.as_bytes()).as_bytes())
    }

    fn is_presented(&self, headers: &HeaderMap) -> bool {
        let presented =
            headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        presented.is_some_and(|token| *sha256(token.as_bytes()).as_bytes() == self.0)
    }
}

/// WebSocket of a standalone relay (`telcon relay`).
///
/// Messages are JSON text: `FromNode` to the server, `ToNode` to the relay (see `docs/api`). The relay sends its load every
/// 400 ms; after 1.3 s without a message the server fails its calls over to other relays.
#[utoipa::path(
    get, path = "/relays", tag = "connections", security(("bearer" = [])),
    responses(
        (status = 101, description = "The connection is a WebSocket now"),
        (status = 400, description = "The request does not open a WebSocket", body = ref("#/components/schemas/ApiError")),
        (status = 401, description = "The relay token is wrong", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn upgrade(
    State(app): State<Arc<App>>,
    Extension(slot): Extension<SlotHandle>,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Response {
    if !app.relay_token.is_presented(&headers) {
        super::metrics::count(&app.counters.refused);
        return super::error::HttpError::new(
            StatusCode::UNAUTHORIZED,
            "the relay token is wrong: use the one in the server's data directory",
        )
        .into_response();
    }
    let upgrade = match upgrade.checked() {
        Ok(upgrade) => upgrade,
        Err(error) => return error.into_response(),
    };
    slot.keep();
    let most = MAX_NODE_MESSAGE_BYTES;
    upgrade.max_message_size(most).max_frame_size(most).on_upgrade(async move |mut socket| {
        let relay = RelayId(NEXT.fetch_add(1, Ordering::Relaxed));
        let Some((max_calls, address)) = read_hello(&mut socket).await else {
            return tracing::warn!(
                "refused a relay: its first message is no hello of this version; update `telcon relay`"
            );
        };
        let (to, outgoing) = mpsc::channel(SEND_QUEUE);
        if app.relays.send(RelayInput::Registered { relay, to, max_calls, address }).await.is_ok() {
            serve_relay(&mut socket, relay, outgoing, &app.relays).await;
            let _ = app.relays.send(RelayInput::Lost(relay)).await;
        }
    })
}

async fn read_hello(socket: &mut WebSocket) -> Option<(u64, SocketAddr)> {
    let first = timeout(HEARTBEAT_TIMEOUT, socket.recv()).await.ok()??.ok()?;
    match read(&first)? {
        FromNode::Hello { version: NODE_VERSION, max_calls, address } => Some((max_calls, address)),
        _ => None,
    }
}

fn read(message: &Message) -> Option<FromNode> {
    let Message::Text(text) = message else { return None };
    serde_json::from_str(text).ok().map(|Object(message)| message)
}

/// Runs until the relay times out, sends an invalid message, or does not read.
async fn serve_relay(
    socket: &mut WebSocket,
    relay: RelayId,
    mut outgoing: mpsc::Receiver<ToNode>,
    relays: &mpsc::Sender<RelayInput>,
) {
    let mut deadline = Instant::now() + HEARTBEAT_TIMEOUT;
    loop {
        tokio::select! {
            message = outgoing.recv() => {
                let Some(message) = message else { return };
                let text = serde_json::to_string(&message).expect("invariant: no map keys that JSON cannot hold");
                if !matches!(timeout(HEARTBEAT_TIMEOUT, socket.send(Message::Text(text.into()))).await, Ok(Ok(()))) {
                    return;
                }
            }
            received = timeout_at(deadline, socket.recv()) => {
                let Ok(Some(Ok(message))) = received else { return };
                deadline = Instant::now() + HEARTBEAT_TIMEOUT;
                if matches!(message, Message::Ping(_) | Message::Pong(_)) {
                    continue;
                }
                let Some(message) = read(&message) else { return };
                if relays.send(RelayInput::Received(relay, message)).await.is_err() {
                    return;
                }
            }
        }
    }
}
