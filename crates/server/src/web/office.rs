//! The office's public description.

use super::App;
use axum::{Json, extract::State};
use std::sync::Arc;
use telcon_proto::http::OfficeInfo;

/// The office that this server belongs to.
///
/// A device trusts the authority in it only if its digest is the one in the enrolment link, which reached the person by
/// another channel. The rest is what a new device needs to enrol.
#[utoipa::path(
    get, path = "/office", tag = "office",
    responses((status = 200, description = "The office", body = ref("#/components/schemas/OfficeInfo"))),
)]
pub(super) async fn office_info(State(app): State<Arc<App>>) -> Json<OfficeInfo> {
    Json(app.info.clone())
}
