//! The HTTP and WebSocket face of the server.

mod devices;
mod error;
mod log_files;
mod metrics;
mod pages;
mod records;
mod security;
mod socket;
mod tokens;

pub use metrics::Counters;
pub use tokens::{Bearer, Tokens};

use crate::{
    archive::{Prover, RecordStore},
    hub::HubHandle,
    limits::MAX_JSON_BODY_BYTES,
    store,
};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    middleware,
    response::IntoResponse,
    routing::{get, post, put},
};
use std::{path::PathBuf, sync::Arc};
use telcon_identity::Office;
use telcon_proto::{
    http::OfficeInfo,
    limits::{MAX_RECORD_PART_BYTES, MAX_SEAL_BYTES, MAX_UNSIGNED_CONNECTIONS},
};
use telcon_relay::driver::RelayHandle;
use tokio::sync::Semaphore;

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
    /// Connections that have not signed in.
    pub unsigned: Arc<Semaphore>,
}

impl App {
    /// Permits for connections that have not signed in.
    pub fn unsigned_permits() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(MAX_UNSIGNED_CONNECTIONS))
    }
}

/// All routes.
pub fn router(app: Arc<App>) -> Router {
    let small = DefaultBodyLimit::max(MAX_JSON_BODY_BYTES);
    Router::new()
        .route("/ws", get(socket::upgrade))
        .route("/api/office", get(office))
        .route("/api/devices", post(devices::enrol).layer(small))
        .route("/api/revocations", post(devices::revoke).layer(small))
        .route("/api/log/consistency", get(log_files::consistency))
        .route("/api/calls/{call}/record", post(records::seal).layer(DefaultBodyLimit::max(MAX_SEAL_BYTES)))
        .route(
            "/api/calls/{call}/record/{part}",
            put(records::upload).layer(DefaultBodyLimit::max(MAX_RECORD_PART_BYTES)),
        )
        .route("/api/records", get(records::list))
        .route("/api/records/{call}", get(records::proof))
        .route("/api/records/{call}/parts/{name}", get(records::part))
        .route("/log/{*path}", get(log_files::file))
        .route("/healthz", get(metrics::health))
        .route("/metrics", get(metrics::metrics))
        .fallback(pages::page)
        .layer(middleware::from_fn(security::headers))
        .layer(DefaultBodyLimit::max(MAX_JSON_BODY_BYTES))
        .with_state(app)
}

async fn office(State(app): State<Arc<App>>) -> impl IntoResponse {
    (StatusCode::OK, [(header::CACHE_CONTROL, "no-cache")], Json(app.info.clone()))
}
