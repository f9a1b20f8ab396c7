//! HTTP and WebSocket handlers.

mod alerts;
mod api;
mod codes;
mod connections;
mod delegations;
mod devices;
mod documents;
mod erasures;
mod error;
mod extract;
mod lines;
mod liveness;
mod lockers;
mod log_files;
mod metrics;
mod office;
mod pages;
mod passkeys;
mod protection;
mod proxies;
mod push;
mod readouts;
mod record_reader;
mod records;
mod recoveries;
mod registrars;
mod relays;
mod security;
mod shift_tokens;
mod shifts;
mod slots;
mod socket;
mod sso;
mod tokens;
mod turn;

pub use api::openapi;
pub use codes::CodeRelay;
pub use connections::ConnectionLimits;
pub(crate) use connections::serve;
pub use metrics::Counters;
pub(crate) use metrics::relay_metrics;
pub use pages::Page;
pub(crate) use protection::store_connected;
pub use protection::{OriginError, Protection, ProtectionConfig};
pub use proxies::{Network, NetworkError, TrustedProxies};
pub use record_reader::RecordReader;
pub(crate) use records::adopt as adopt_records;
pub use relays::RelayToken;
pub use security::RefusedOrigins;
pub use shift_tokens::Shifts;
pub use slots::{ConnectionSlots, SlotLimits};
pub use sso::Sso;
pub use tokens::{Bearer, Tokens};
pub use turn::{MAX_TURN_SECRET_BYTES, MAX_TURN_URLS, Turn, TurnError};

use crate::{
    archive::{Certificates, Prover, PublishedReadouts, RecordStore, SealedDocuments, SealedLines},
    hub::HubHandle,
    limits::{MAX_JSON_BODY_BYTES, MAX_UNSIGNED_FROM_ONE_ADDRESS, SIGN_IN_GRACE_MS, UNSIGNED_IPV6_PREFIX},
    media::RelayInput,
    store::Queries,
};
use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderMap, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use error::HttpError;
pub use liveness::Liveness;
use std::{path::PathBuf, sync::Arc, time::Duration};
use telcon_identity::Office;
use telcon_proto::{
    DeviceId,
    access::{self, Access},
    http::OfficeInfo,
    limits::MAX_UNSIGNED_CONNECTIONS,
};
use telcon_relay::net::RelayHandle;
use tokio::{sync::mpsc, time::timeout};

/// State shared by all requests.
pub struct App {
    /// Handle of the switchboard's hub.
    pub hub: HubHandle,
    /// Short codes that devices show.
    pub codes: CodeRelay,
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
    /// Sealed files of documents.
    pub documents: SealedDocuments,
    /// Sealed forms of lines.
    pub sealed_lines: SealedLines,
    /// What the office published.
    pub readouts: PublishedReadouts,
    /// Certificates of devices.
    pub certificates: Certificates,
    /// The office's trust anchor, to verify against.
    pub office: Office,
    /// The office's public description.
    pub info: OfficeInfo,
    /// The log's directory.
    pub log_dir: PathBuf,
    /// The web page's files.
    pub page: Option<Page>,
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
    /// Reports refused origins to the operator.
    pub refused_origins: RefusedOrigins,
    /// The office's TURN servers, if it has any.
    pub turn: Option<Turn>,
    /// Passkeys and PINs of devices.
    pub protection: Protection,
    /// Devices of places at which nobody is on shift.
    pub shifts: Shifts,
    /// Single sign-on, if the office has a provider.
    pub sso: Option<Sso>,
    /// [`crate::limits::MAX_ARCHIVING`] permits, one for each device whose certificates are being stored in the archive.
    pub archiving: Arc<tokio::sync::Semaphore>,
    /// The client of push services; none if the office sends no push messages.
    pub push: Option<Arc<crate::push::Client>>,
}

impl App {
    /// Revokes all tokens of a device, whose connections may take a while to close.
    fn revoke_tokens(&self, device: DeviceId) {
        self.tokens.revoke(device);
        self.shifts.waiting.revoke(device);
        self.shifts.release(device);
        if let Some(sso) = &self.sso {
            sso.waiting.revoke(device);
            sso.release(device);
        }
    }

    /// Slots for connections that have not signed in. An address that uses all of its own blocks nobody else.
    pub fn unauthenticated_slots() -> Arc<ConnectionSlots> {
        ConnectionSlots::new(SlotLimits {
            total: MAX_UNSIGNED_CONNECTIONS,
            per_address: MAX_UNSIGNED_FROM_ONE_ADDRESS,
            grace: Duration::from_millis(SIGN_IN_GRACE_MS),
            ipv6_prefix: UNSIGNED_IPV6_PREFIX,
        })
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
        .layer(middleware::from_fn_with_state(app.clone(), check_access))
        .layer(middleware::from_fn_with_state(app.clone(), keep_authenticated))
        .layer(middleware::from_fn(security::headers))
        .layer(DefaultBodyLimit::max(MAX_JSON_BODY_BYTES))
        .with_state(app)
}

/// `/healthz` and `/metrics`.
pub(crate) fn admin_router(app: Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(metrics::health))
        .route("/metrics", get(metrics::metrics))
        .layer(middleware::from_fn(request_timeout))
        .with_state(app)
}

/// A connection over which a signed-in device sends a request keeps its slot.
async fn keep_authenticated(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if app.tokens.bearer(request.headers()).is_some()
        && let Some(slot) = request.extensions().get::<slots::SlotHandle>()
    {
        slot.keep();
    }
    next.run(request).await
}

/// Answers requests of those alone whom [`telcon_proto::access`] admits. Handlers check conditions of state.
async fn check_access(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>();
    let Some(path) = path.map(|path| api::documented_path(path.as_str())) else {
        // The page and its files.
        return next.run(request).await;
    };
    let refusal = match access::request(request.method().as_str(), &path) {
        _ if api::is_gone(&path) => None,
        // The router answers methods that the path does not have with 405.
        None if access::REQUESTS.iter().any(|row| row.1 == &*path) => None,
        None => Some(HttpError::new(StatusCode::FORBIDDEN, "no rule says who may send this request")),
        Some(Access::Everybody | Access::Relay) => None,
        // Also of devices that wait for their person to do this, which can do nothing else.
        Some(Access::Device(_)) if access::SIGNS_ON.contains(&&*path) => {
            sso::bearer(&app, request.headers()).is_none().then(HttpError::unauthorized)
        }
        Some(Access::Device(rule)) => match bearer(&app, &path, request.headers()) {
            None => Some(HttpError::unauthorized()),
            Some(bearer) => match rule.refuses(bearer.role) {
                Some(text) => Some(HttpError::new(StatusCode::FORBIDDEN, text)),
                None if access::PROTECTS.contains(&&*path) => None,
                None => match protection::unprotected(&app, bearer.device, bearer.role, bearer.kind).await {
                    Ok(refusal) => refusal.map(|text| HttpError::new(StatusCode::FORBIDDEN, text)),
                    Err(error) => Some(error),
                },
            },
        },
    };
    match refusal {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    }
}

/// The device that sends a request: one of a place with nobody on shift sends few.
fn bearer(app: &App, path: &str, headers: &HeaderMap) -> Option<Bearer> {
    if access::needs_no_shift(path) { shift_tokens::bearer(app, headers) } else { app.tokens.bearer(headers) }
}

/// Answers 408 when a request is sent too slowly or takes too long.
async fn request_timeout(request: Request, next: Next) -> Response {
    timeout(REQUEST_TIMEOUT, next.run(request)).await.unwrap_or_else(|_| {
        HttpError::new(StatusCode::REQUEST_TIMEOUT, "the request took too long: try again").into_response()
    })
}
