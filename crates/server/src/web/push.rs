//! Web Push subscriptions of devices.

use super::{
    App, Bearer,
    error::{HttpError, blocking},
    extract::Body,
};
use crate::{
    digest::sha256,
    hub::Input,
    push::{BrowserKeys, Endpoint},
    store::PushRow,
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use std::sync::Arc;
use telcon_proto::{
    Blob, DeviceId,
    push::{PushSettings, PushSubscription},
};

fn bearer(app: &App, headers: &HeaderMap) -> Result<Bearer, HttpError> {
    app.tokens.bearer(headers).ok_or_else(HttpError::unauthorized)
}

/// Web Push of the office and of the bearer's device.
///
/// For people who are rung, and security officers. Without `key` the office sends no push messages.
#[utoipa::path(
    get, path = "/push", tag = "push",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The office's key, and whether the device has a subscription", body = ref("#/components/schemas/PushSettings")),
        (status = 401, description = "No valid token", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "The device's role is neither rung nor alerted", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn read(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Json<PushSettings>, HttpError> {
    let bearer = bearer(&app, &headers)?;
    let reading = app.clone();
    let endpoint = blocking(move || Ok(reading.reader.push_endpoint(&bearer.device)?)).await?;
    Ok(Json(PushSettings {
        key: app.push.as_ref().map(|push| push.vapid().public()),
        endpoint_sha256: endpoint.map(|endpoint| sha256(endpoint.as_bytes())),
    }))
}

/// Subscribes the bearer's device to push messages about rings, or about alerts.
///
/// For people who are rung, and security officers. The server sends them to the address in the subscription: an https address of a
/// public push service, or of one that the server's operator named. It replaces the device's subscription before. Body: at most 64 KB.
#[utoipa::path(
    put, path = "/push", tag = "push",
    security(("bearer" = [])),
    request_body(content = ref("#/components/schemas/PushSubscription"), description = "The subscription that the browser made for the office's key"),
    responses(
        (status = 204, description = "Stored"),
        (status = 400, description = "The body is not JSON", body = ref("#/components/schemas/ApiError")),
        (status = 401, description = "No valid token", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "The device's role is neither rung nor alerted", body = ref("#/components/schemas/ApiError")),
        (status = 404, description = "The office sends no push messages", body = ref("#/components/schemas/ApiError")),
        (status = 409, description = "The office has too many subscriptions", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The body is longer than 64 KB", body = ref("#/components/schemas/ApiError")),
        (status = 415, description = "The content type is not application/json", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The server sends nothing to this address, or a key is malformed", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn subscribe(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    request: Result<Body<PushSubscription>, HttpError>,
) -> Result<StatusCode, HttpError> {
    let Body(subscription) = request?;
    let device = bearer(&app, &headers)?.device;
    let Some(push) = &app.push else {
        return Err(HttpError::new(StatusCode::NOT_FOUND, "this office sends no push messages"));
    };
    let unusable = |why: &dyn std::fmt::Display| HttpError::new(StatusCode::UNPROCESSABLE_ENTITY, why.to_string());
    Endpoint::parse(&subscription.endpoint, push.services()).map_err(|why| unusable(&why))?;
    let keys = BrowserKeys::parse(&subscription).map_err(|why| unusable(&why))?;
    let row = PushRow {
        device,
        endpoint: subscription.endpoint,
        key: Blob(keys.public().to_vec()),
        auth: Blob(keys.auth().to_vec()),
        notified_below: 0,
    };
    update_subscription(&app, device, Some(Box::new(row))).await
}

/// Ends the subscription of the bearer's device.
#[utoipa::path(
    delete, path = "/push", tag = "push",
    security(("bearer" = [])),
    responses(
        (status = 204, description = "Erased, or there was none"),
        (status = 401, description = "No valid token", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn unsubscribe(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<StatusCode, HttpError> {
    let bearer = bearer(&app, &headers)?;
    update_subscription(&app, bearer.device, None).await
}

/// Stores the subscription of a device, or ends it.
async fn update_subscription(app: &App, device: DeviceId, row: Option<Box<PushRow>>) -> Result<StatusCode, HttpError> {
    let answer = app.hub.ask(|reply| Input::Subscribe(device, row, reply)).await.ok_or_else(HttpError::unavailable)?;
    answer.map(|_| StatusCode::NO_CONTENT).map_err(HttpError::from)
}
