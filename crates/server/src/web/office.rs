//! The office's public description.

use super::App;
use axum::{Json, extract::State, http::header, response::IntoResponse};
use std::sync::Arc;

/// The office that this server belongs to.
///
/// What a new device needs to enrol. A device trusts the authority in it only if its digest is the one in the enrolment
/// link, which reached the person by another channel.
#[utoipa::path(
    get, path = "/office", tag = "office",
    responses((status = 200, description = "The office", body = ref("#/components/schemas/OfficeInfo"))),
)]
pub(super) async fn read(State(app): State<Arc<App>>) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-cache")], Json(app.info.clone()))
}
