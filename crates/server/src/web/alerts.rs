//! The list of alerts, for security officers and auditors.

use super::{
    App,
    error::HttpError,
    extract::{Query, page_limit, position},
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::Deserialize;
use std::sync::Arc;
use telcon_proto::{http::AlertList, limits::MAX_ALERTS_PER_PAGE};

/// Query of the list of alerts.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct AlertsQuery {
    /// Most alerts to return, 1 to 100; 100 if absent.
    limit: Option<u32>,
    /// To continue a list: the `log_index` of its last alert.
    #[serde(default, deserialize_with = "position")]
    after: Option<u64>,
}

/// Lists the office's alerts, newest first.
///
/// For security officers and auditors. Each is an entry of the log: what is in the list can be compared with the log by everybody who has it.
/// Alerts that happened before the server was upgraded to a version with alerts are in the log alone.
#[utoipa::path(
    get, path = "/alerts", tag = "alerts",
    security(("bearer" = [])), params(AlertsQuery),
    responses(
        (status = 200, description = "A page of the list", body = ref("#/components/schemas/AlertList")),
        (status = 400, description = "A parameter is malformed", body = ref("#/components/schemas/ApiError")),
        (status = 401, description = "No valid token", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "The device's role may not see alerts", body = ref("#/components/schemas/ApiError")),
        (status = 429, description = "The device has too many reads in progress", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    query: Result<Query<AlertsQuery>, HttpError>,
) -> Result<Json<AlertList>, HttpError> {
    let bearer = app.tokens.bearer(&headers).ok_or_else(HttpError::unauthorized)?;
    let malformed = || {
        let text = format!("the query is ?limit=…&after=…: at most {MAX_ALERTS_PER_PAGE} alerts, below a log index");
        HttpError::new(StatusCode::BAD_REQUEST, text)
    };
    let Query(AlertsQuery { limit, after }) = query?;
    let most = MAX_ALERTS_PER_PAGE as u32;
    let limit = page_limit(limit, most, most).ok_or_else(malformed)?;
    let (alerts, unseen) = app.record_reader.read(bearer.device, move |store| Ok(store.alerts(after, limit)?)).await?;
    Ok(Json(AlertList { alerts, unseen }))
}
