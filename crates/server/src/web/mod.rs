//! The HTTP and WebSocket face of the server.

mod connections;
mod devices;
mod error;
mod log_files;
mod metrics;
mod pages;
mod records;
mod relays;
mod security;
mod socket;
mod tokens;
mod turn;

pub(crate) use connections::serve;
pub use connections::{ConnectionLimits, Places};
pub use metrics::Counters;
pub(crate) use metrics::relay_metrics;
pub(crate) use records::adopt as adopt_records;
pub use relays::RelayToken;
pub use tokens::{Bearer, Tokens};
pub use turn::{MAX_TURN_SECRET_BYTES, MAX_TURN_URLS, Turn, TurnError};

use crate::{
    archive::{Prover, RecordStore},
    hub::HubHandle,
    limits::{MAX_JSON_BODY_BYTES, MAX_UNSIGNED_FROM_ONE_ADDRESS},
    media::NodeInput,
    store,
};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use error::Failure;
use std::{path::PathBuf, sync::Arc, time::Duration};
use telcon_identity::Office;
use telcon_proto::{
    http::OfficeInfo,
    limits::{MAX_RECORD_PART_BYTES, MAX_SEAL_BYTES, MAX_UNSIGNED_CONNECTIONS},
};
use telcon_relay::driver::RelayHandle;
use tokio::{sync::mpsc, time::timeout};

/// What requests share.
pub struct App {
    /// The switchboard.
    pub hub: HubHandle,
    /// Bearer tokens of open connections.
    pub tokens: Tokens,
    /// The database, for reading.
    pub reader: store::Reader,
    /// Log proofs.
    pub prover: Arc<Prover>,
    /// Sealed records.
    pub records: RecordStore,
    /// The office, to verify against.
    pub office: Office,
    /// The office, as devices are told.
    pub info: OfficeInfo,
    /// The log's directory.
    pub log_dir: PathBuf,
    /// The web page's files.
    pub web_dir: Option<PathBuf>,
    /// The relay, for its numbers.
    pub relay: RelayHandle,
    /// Numbers for the operator.
    pub counters: Counters,
    /// What relays of their own show.
    pub relay_token: RelayToken,
    /// The way to the task that knows them.
    pub(crate) nodes: mpsc::Sender<NodeInput>,
    /// What it counts of them.
    pub(crate) media: Arc<crate::media::Numbers>,
    /// Connections that have not signed in.
    pub unsigned: Arc<Places>,
    /// The way for media where only TLS gets through.
    pub turn: Option<Turn>,
}

impl App {
    /// Places for connections that have not signed in. Who fills theirs keeps nobody else out.
    pub fn unsigned_places() -> Arc<Places> {
        Places::new(MAX_UNSIGNED_CONNECTIONS, MAX_UNSIGNED_FROM_ONE_ADDRESS)
    }
}

/// How long an answer may take, uploads of records apart: those may take long, and are cut when they pause.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// All routes.
pub fn router(app: Arc<App>) -> Router {
    let small = DefaultBodyLimit::max(MAX_JSON_BODY_BYTES);
    Router::new()
        .route("/ws", get(socket::upgrade))
        .route("/relays", get(relays::upgrade))
        .route("/api/office", get(office))
        .route("/api/devices", post(devices::enrol).layer(small))
        .route("/api/revocations", post(devices::revoke).layer(small))
        .route("/api/log/consistency", get(log_files::consistency))
        .route("/api/calls/{call}/record", post(records::seal).layer(DefaultBodyLimit::max(MAX_SEAL_BYTES)))
        .route("/api/media", get(turn::media))
        .route("/api/records", get(records::list))
        .route("/api/records/{call}", get(records::proof))
        .route("/api/records/{call}/{index}/{name}", get(records::part))
        .route("/log/{*path}", get(log_files::file))
        .route("/healthz", get(metrics::health))
        .route("/metrics", get(metrics::metrics))
        .fallback(pages::page)
        .layer(middleware::from_fn(in_time))
        .route(
            "/api/calls/{call}/record/{part}",
            put(records::upload).layer(DefaultBodyLimit::max(MAX_RECORD_PART_BYTES)),
        )
        .layer(middleware::from_fn(security::headers))
        .layer(DefaultBodyLimit::max(MAX_JSON_BODY_BYTES))
        .with_state(app)
}

/// Who sends a request more slowly than anybody would, or asks for what takes too long, is told so.
async fn in_time(request: Request, next: Next) -> Response {
    timeout(ANSWER_WITHIN, next.run(request)).await.unwrap_or_else(|_| {
        Failure::new(StatusCode::REQUEST_TIMEOUT, "the request took too long: try again").into_response()
    })
}

async fn office(State(app): State<Arc<App>>) -> impl IntoResponse {
    (StatusCode::OK, [(header::CACHE_CONTROL, "no-cache")], Json(app.info.clone()))
}
