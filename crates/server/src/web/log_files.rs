//! The log, for anyone who verifies it: its published files (C2SP tlog-tiles paths below `/log`), and consistency proofs
//! for clients that do not compute them from tiles.

use super::{
    App,
    error::{HttpError, blocking},
};
use axum::{
    Json,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use telcon_log::{DiskReader, TilePath, storage::Reader as _};
use telcon_proto::Blob;

#[derive(Deserialize)]
pub(super) struct Sizes {
    from: u64,
    to: u64,
}

/// Answer of `GET /api/log/consistency`.
#[derive(Serialize)]
pub(super) struct Consistency {
    from: u64,
    to: u64,
    /// RFC 6962 consistency proof, base64 hashes.
    consistency: Vec<Blob>,
}

pub(super) async fn consistency(
    State(app): State<Arc<App>>,
    sizes: Result<Query<Sizes>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Consistency>, HttpError> {
    let text = "the query is ?from=…&to=…, two sizes of the log";
    let Query(Sizes { from, to }) = sizes.map_err(|_| HttpError::new(StatusCode::BAD_REQUEST, text))?;
    let consistency = blocking(move || Ok(app.prover.consistency(from, to)?)).await?;
    Ok(Json(Consistency { from, to, consistency }))
}

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
