//! The log, for anyone who verifies it: its published files (C2SP tlog-tiles paths below `/log`), and consistency proofs
//! for clients that do not compute them from tiles.

use super::{
    App,
    error::{HttpError, blocking},
    extract::{Path, Query},
};
use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use std::sync::Arc;
use telcon_log::{DiskReader, TilePath, storage::Reader as _};
use telcon_proto::http::Consistency;

/// Query of a consistency proof.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Sizes {
    /// Size of the older tree.
    from: u64,
    /// Size of the newer tree, at most that of the published checkpoint.
    to: u64,
}

/// A consistency proof between two sizes of the log (RFC 6962).
#[utoipa::path(
    get, path = "/log/consistency", tag = "log", params(Sizes),
    responses(
        (status = 200, description = "The proof", body = ref("#/components/schemas/Consistency")),
        (status = 400, description = "The sizes are missing or out of range", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn consistency(
    State(app): State<Arc<App>>,
    Query(Sizes { from, to }): Query<Sizes>,
) -> Result<Json<Consistency>, HttpError> {
    let consistency = blocking(move || Ok(app.prover.consistency(from, to)?)).await?;
    Ok(Json(Consistency { from, to, consistency }))
}

/// A published file of the log (C2SP tlog-tiles).
///
/// `checkpoint`, `tile/<level>/<index>[.p/<width>]` or `tile/entries/<index>[.p/<width>]`. Tiles never change and may be
/// cached; the checkpoint may not.
#[utoipa::path(
    get, path = "/log/{*path}", tag = "log",
    params(("path" = String, Path, description = "Path below `/log`; may contain slashes")),
    responses(
        (status = 200, description = "The file", content(
            (String = "text/plain"), (Vec<u8> = "application/octet-stream"),
        )),
        (status = 400, description = "The path is malformed", body = ref("#/components/schemas/ApiError")),
        (status = 404, description = "No such file", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn file(State(app): State<Arc<App>>, Path(path): Path<String>) -> Result<Response, HttpError> {
    let none = || HttpError::new(StatusCode::NOT_FOUND, "the log has no such file");
    let (content_type, caching) = if path == "checkpoint" {
        ("text/plain; charset=utf-8", "no-cache")
    } else {
        // Partial tiles too: the width is in the name, so the content never changes.
        TilePath::parse(&path).map_err(|_| none())?;
        ("application/octet-stream", "public, max-age=31536000, immutable")
    };
    let bytes = blocking(move || {
        DiskReader::new(&app.log_dir).read(&path).map_err(|e| HttpError::internal(&e, "read a log file"))
    });
    let bytes = bytes.await?.ok_or_else(none)?;
    Ok(([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, caching)], bytes).into_response())
}
