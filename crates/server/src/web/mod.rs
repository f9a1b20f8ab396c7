//! HTTP and WebSocket handlers.

mod api;
mod connections;
mod devices;
mod error;
mod liveness;
mod log_files;
mod metrics;
mod office;
mod pages;
mod record_reader;
mod records;
mod relays;
mod security;
mod socket;
mod tokens;
mod turn;

pub use api::openapi;
pub(crate) use connections::serve;
pub use connections::{ConnectionLimits, ConnectionSlots};
pub use metrics::Counters;
pub(crate) use metrics::relay_metrics;
pub use record_reader::RecordReader;
pub(crate) use records::adopt as adopt_records;
pub use relays::RelayToken;
pub use tokens::{Bearer, Tokens};
pub use turn::{MAX_TURN_SECRET_BYTES, MAX_TURN_URLS, Turn, TurnError};

use crate::{
    archive::{Certificates, Prover, RecordStore},
    hub::HubHandle,
    limits::{MAX_JSON_BODY_BYTES, MAX_UNSIGNED_FROM_ONE_ADDRESS},
    media::RelayInput,
    store::Queries,
};
use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use error::HttpError;
pub use liveness::Liveness;
use std::{path::PathBuf, sync::Arc, time::Duration};
use telcon_identity::Office;
use telcon_proto::{http::OfficeInfo, limits::MAX_UNSIGNED_CONNECTIONS};
use telcon_relay::net::RelayHandle;
use tokio::{sync::mpsc, time::timeout};

/// State shared by all requests.
pub struct App {
    /// Handle of the switchboard's hub.
    pub hub: HubHandle,
    /// Liveness of the hub.
    pub liveness: Liveness,
    /// Bearer tokens of open connections.
    pub tokens: Tokens,
    /// The database, for sign-ins and enrolments.
    pub reader: Box<dyn Queries>,
    /// The database, for calls and records.
    pub record_reader: RecordReader,
    /// Log proofs.
    pub prover: Arc<Prover>,
    /// Sealed records.
    pub records: RecordStore,
    /// Certificates of devices.
    pub certificates: Certificates,
    /// The office's trust anchor, to verify against.
    pub office: Office,
    /// The office's public description.
    pub info: OfficeInfo,
    /// The log's directory.
    pub log_dir: PathBuf,
    /// The web page's files.
    pub web_dir: Option<PathBuf>,
    /// The embedded relay, for its metrics.
    pub relay: RelayHandle,
    /// Counters for `/metrics`.
    pub counters: Counters,
    /// The token of standalone relays.
    pub relay_token: RelayToken,
    /// Channel to the task that manages standalone relays.
    pub(crate) relays: mpsc::Sender<RelayInput>,
    /// Counters of that task.
    pub(crate) media: Arc<crate::media::Numbers>,
    /// Slots of connections that have not signed in.
    pub unauthenticated: Arc<ConnectionSlots>,
    /// The office's TURN servers, if it has any.
    pub turn: Option<Turn>,
}

impl App {
    /// Slots for connections that have not signed in. An address that uses all of its own blocks nobody else.
    pub fn unauthenticated_slots() -> Arc<ConnectionSlots> {
        ConnectionSlots::new(MAX_UNSIGNED_CONNECTIONS, MAX_UNSIGNED_FROM_ONE_ADDRESS)
    }
}

/// Timeout of a request, except uploads of records: those may take longer, and fail when they stall.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// All routes.
pub fn router(app: Arc<App>) -> Router {
    let (routes, _) = api::routes().split_for_parts();
    let (uploads, _) = api::uploads().split_for_parts();
    routes
        .merge(api::legacy())
        .fallback(pages::page)
        .layer(middleware::from_fn(request_timeout))
        .merge(uploads)
        .merge(api::legacy_uploads())
        .layer(middleware::from_fn(security::headers))
        .layer(DefaultBodyLimit::max(MAX_JSON_BODY_BYTES))
        .with_state(app)
}

/// Answers 408 when a request is sent too slowly or takes too long.
async fn request_timeout(request: Request, next: Next) -> Response {
    timeout(REQUEST_TIMEOUT, next.run(request)).await.unwrap_or_else(|_| {
        HttpError::new(StatusCode::REQUEST_TIMEOUT, "the request took too long: try again").into_response()
    })
}
