//! The HTTP API: its routes, and the OpenAPI description that is generated from the handlers.
//!
//! Bodies are defined once, in `telcon-proto`: handlers refer to them by name (`#/components/schemas/…`), and
//! `cargo xtask contract` puts the schemas generated from those types beside the paths generated here, writes
//! `docs/api/openapi.json`, and fails in CI when that file is out of date. The server serves the same file.

use super::{
    App, alerts, codes, delegations, devices, documents, erasures,
    error::{HttpError, NOTHING_HERE},
    lines, lockers, log_files, office, passkeys, protection, push, readouts, records, registrars, relays, shifts,
    socket, sso, turn,
};
use crate::limits::MAX_JSON_BODY_BYTES;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::{any, post, put},
};
use std::{borrow::Cow, sync::Arc};
use telcon_identity::MAX_JWS_CHARS;
use telcon_proto::{
    http::API_PREFIX,
    limits::{MAX_DOCUMENT_BYTES, MAX_RECORD_PART_BYTES, MAX_SEAL_BYTES},
};
use utoipa::{
    OpenApi as _,
    openapi::{
        OpenApi, RefOr, Required,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt as _},
    routes,
};

/// The description that clients get, as `cargo xtask contract` wrote it.
const OPENAPI_JSON: &str = include_str!("../../../../docs/api/openapi.json");

/// Paths of version 0.1, before the API had a version in its paths. Uploads of records are still accepted there, see
/// [`legacy_uploads`]; these answer 410.
const LEGACY_PATHS: &[&str] = &[
    "/api/office",
    "/api/devices",
    "/api/revocations",
    "/api/log/consistency",
    "/api/media",
    "/api/records",
    "/api/records/{call}",
    "/api/records/{call}/{index}/{name}",
];

/// Body of an uploaded document: its sealed file in base64, and the statement.
const MAX_DOCUMENT_UPLOAD_BYTES: usize = MAX_DOCUMENT_BYTES / 3 * 4 + 128 * 1024;

/// Body of a published readout: the signed text.
const MAX_READOUT_BYTES: usize = MAX_JWS_CHARS + 1024;

/// The route of the log's files, and how the description writes it.
const LOG_ROUTE: &str = "/log/{*path}";
const LOG_PATH: &str = "/log/{path}";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Telcon office server",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        description = "HTTP API of an office's server.\n\n\
            **Versions.** Paths carry the version of the API. A change that breaks clients gets a new prefix. The paths of \
            version 0.1 (`/api/…` without a version) answer 410, except uploads of records, which are still accepted there, \
            so that a note-taker that was not updated loses no record.\n\n\
            **Authentication.** A device signs in over the WebSocket `/ws` with its key and receives a bearer token, which \
            is valid until that connection closes.\n\n\
            **Trust.** Clients verify what they receive: certificates, signatures, log proofs. Nothing here is authoritative \
            because the server says it.\n\n\
            **Errors.** Every error has the body `ApiError`: one sentence that says what happened and what to do. 408: the \
            request took longer than 60 s. 413: the body is above the stated limit. 503: the server failed or is restarting; \
            retry with backoff.",
    ),
    tags(
        (name = "office", description = "The office, enrolment and revocation of devices"),
        (name = "alerts", description = "What security officers are told"),
        (name = "push", description = "Notifications while the page is closed (Web Push)"),
        (name = "protection", description = "Passkeys and PINs with which people unlock their devices"),
        (name = "sso", description = "Sign-ins with accounts at the office's provider (OpenID Connect)"),
        (name = "shifts", description = "Who is at a device of a place"),
        (name = "documents", description = "Sealed documents, and the keys that they are sealed to"),
        (name = "records", description = "Calls and their sealed records"),
        (name = "media", description = "Fallback transports for media"),
        (name = "log", description = "The transparency log"),
        (name = "connections", description = "WebSockets of devices and relays"),
        (name = "operation", description = "The description of this API"),
    ),
)]
struct Description;

/// Routes with a timeout for the whole request.
pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    let json = || DefaultBodyLimit::max(MAX_JSON_BODY_BYTES);
    let api = OpenApiRouter::new()
        .routes(routes!(openapi_json))
        .routes(routes!(office::office_info))
        .routes(routes!(devices::invite).layer(json()))
        .routes(routes!(devices::enrol).layer(json()))
        .routes(routes!(devices::revoke).layer(json()))
        .routes(routes!(erasures::orders).layer(json()))
        .routes(routes!(erasures::report).layer(json()))
        .routes(routes!(registrars::appoint).layer(json()))
        .routes(routes!(registrars::ask).layer(json()))
        .routes(routes!(codes::start).layer(json()))
        .routes(routes!(codes::confirm).layer(json()))
        .routes(routes!(registrars::list_devices))
        .routes(routes!(delegations::list))
        .routes(routes!(lines::list))
        .routes(routes!(documents::list))
        .routes(routes!(documents::proofs))
        .routes(routes!(documents::get, documents::put).layer(DefaultBodyLimit::max(MAX_DOCUMENT_UPLOAD_BYTES)))
        .routes(routes!(documents::put_seal).layer(DefaultBodyLimit::max(MAX_DOCUMENT_BYTES)))
        .routes(routes!(documents::keys))
        .routes(routes!(readouts::publish).layer(DefaultBodyLimit::max(MAX_READOUT_BYTES)))
        .routes(routes!(registrars::list_sign_ins))
        .routes(routes!(alerts::list))
        .routes(routes!(push::read))
        .routes(routes!(push::subscribe).layer(json()))
        .routes(routes!(push::unsubscribe))
        .routes(routes!(protection::policy))
        .routes(routes!(protection::remove).layer(json()))
        .routes(routes!(passkeys::begin_registration))
        .routes(routes!(passkeys::register).layer(json()))
        .routes(routes!(passkeys::challenge).layer(json()))
        .routes(routes!(passkeys::assert).layer(json()))
        .routes(routes!(lockers::make).layer(json()))
        .routes(routes!(lockers::open).layer(json()))
        .routes(routes!(sso::start))
        .routes(routes!(sso::finish).layer(json()))
        .routes(routes!(sso::unlink).layer(json()))
        .routes(routes!(shifts::challenge))
        .routes(routes!(shifts::begin).layer(json()))
        .routes(routes!(log_files::consistency))
        .routes(routes!(records::seal).layer(DefaultBodyLimit::max(MAX_SEAL_BYTES)))
        .routes(routes!(turn::ice_servers))
        .routes(routes!(records::list))
        .routes(routes!(records::proof))
        .routes(routes!(records::part));
    OpenApiRouter::with_openapi(Description::openapi())
        .nest(API_PREFIX, api)
        .routes(routes!(socket::upgrade))
        .routes(routes!(relays::upgrade))
        .routes(routes!(log_files::file))
        .routes(routes!(readouts::get))
}

/// Routes whose body may take long to arrive: they limit pauses instead.
pub(super) fn uploads() -> OpenApiRouter<Arc<App>> {
    let upload = routes!(records::upload).layer(DefaultBodyLimit::max(MAX_RECORD_PART_BYTES));
    OpenApiRouter::new().nest(API_PREFIX, OpenApiRouter::new().routes(upload))
}

/// The paths of version 0.1.
pub(super) fn legacy() -> Router<Arc<App>> {
    let seal = post(records::seal).layer(DefaultBodyLimit::max(MAX_SEAL_BYTES));
    let gone = LEGACY_PATHS.iter().fold(Router::new(), |router, path| router.route(path, any(moved)));
    gone.route("/api/calls/{call}/record", seal)
}

/// Uploads to the path of version 0.1: a note-taker that was not updated yet must not lose a record.
pub(super) fn legacy_uploads() -> Router<Arc<App>> {
    let upload = put(records::upload).layer(DefaultBodyLimit::max(MAX_RECORD_PART_BYTES));
    Router::new().route("/api/calls/{call}/record/{part}", upload)
}

/// A route's path as the description has it. Uploads to the path of version 0.1 are the same requests.
pub(super) fn documented_path(route: &str) -> Cow<'_, str> {
    match route.strip_prefix("/api/calls/") {
        Some(rest) => format!("{API_PREFIX}/calls/{rest}").into(),
        None if route == LOG_ROUTE => LOG_PATH.into(),
        None => route.into(),
    }
}

/// Whether it is a path of version 0.1, which answers 410.
pub(super) fn is_gone(path: &str) -> bool {
    LEGACY_PATHS.contains(&path)
}

async fn moved() -> HttpError {
    let text =
        format!("this server's API is at {API_PREFIX}: update the program or device that asked, or reload the page");
    HttpError::new(StatusCode::GONE, text)
}

/// Unknown paths below `/api`.
pub(super) fn not_found() -> HttpError {
    HttpError::new(StatusCode::NOT_FOUND, NOTHING_HERE)
}

/// This description of the API.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operation",
    responses((status = 200, description = "OpenAPI 3.1 description of this API", content_type = "application/json")),
)]
async fn openapi_json() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], OPENAPI_JSON)
}

/// The OpenAPI description generated from the handlers, without the schemas of bodies: those are in `telcon-proto`.
pub fn openapi() -> OpenApi {
    let mut description = routes().into_openapi();
    description.merge(uploads().into_openapi());
    // OpenAPI has no templates that span several segments.
    if let Some(item) = description.paths.paths.remove(LOG_ROUTE) {
        description.paths.paths.insert(LOG_PATH.into(), item);
    }
    for item in description.paths.paths.values_mut() {
        for operation in [&mut item.post, &mut item.put].into_iter().flatten() {
            if let Some(RefOr::T(body)) = &mut operation.request_body {
                body.required = Some(Required::True);
            }
        }
    }
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("Bearer token of an open WebSocket; for `/relays`, the office's relay token"))
        .build();
    let components = description.components.get_or_insert_default();
    components.security_schemes.insert("bearer".into(), SecurityScheme::Http(bearer).into());
    description
}
