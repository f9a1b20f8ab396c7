//! What a device learns of its revocation without signing in, and its report that it erased itself.

use super::{
    App,
    error::{HttpError, blocking},
    extract::Body,
};
use crate::{hub::Input, store::DeviceRow};
use axum::{Json, extract::State, http::StatusCode};
use std::sync::Arc;
use telcon_identity::{claimed_erasure, orders_erasure, verify_erasure};
use telcon_proto::{
    Blob,
    http::{ErasureNoted, ErasureReport, OrderRequest, Orders},
};

/// Tells a device whether it is revoked.
///
/// For a device that cannot sign in, because its keys are locked or it is revoked. Its certificate, which is not in the log, shows that
/// it is that device, or somebody who has met it. The device verifies the statement. Body: at most 64 KB.
#[utoipa::path(
    post, path = "/orders", tag = "office",
    request_body(content = ref("#/components/schemas/OrderRequest"), description = "The device"),
    responses(
        (status = 200, description = "Its revocation, if there is one", body = ref("#/components/schemas/Orders")),
        (status = 400, description = "The body is not JSON", body = ref("#/components/schemas/ApiError")),
        (status = 404, description = "No such device with this certificate", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The body is longer than 64 KB", body = ref("#/components/schemas/ApiError")),
        (status = 415, description = "The content type is not application/json", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The body does not have the documented form", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn orders(
    State(app): State<Arc<App>>,
    request: Result<Body<OrderRequest>, HttpError>,
) -> Result<Json<Orders>, HttpError> {
    let Body(OrderRequest { device, certificate }) = request?;
    let row = blocking(move || {
        let row = app.reader.device(&device)?.filter(|row| row.chain.first() == Some(&certificate));
        row.ok_or_else(|| HttpError::new(StatusCode::NOT_FOUND, "no such device is enrolled here"))
    })
    .await?;
    Ok(Json(Orders { revocation: row.revocation.filter(|_| row.revoked_ms.is_some()) }))
}

/// Takes a device's report that it erased itself.
///
/// Needs no sign-in: a revoked device cannot. The report is signed with the device's key before that is erased, and names the order.
/// Body: at most 64 KB.
#[utoipa::path(
    post, path = "/erasures", tag = "office",
    request_body(content = ref("#/components/schemas/ErasureReport"), description = "Signed report"),
    responses(
        (status = 200, description = "Noted", body = ref("#/components/schemas/ErasureNoted")),
        (status = 400, description = "The body is not JSON", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "The signature is not that device's, or it was not ordered to erase itself", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The body is longer than 64 KB", body = ref("#/components/schemas/ApiError")),
        (status = 415, description = "The content type is not application/json", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The body does not have the documented form", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn report(
    State(app): State<Arc<App>>,
    request: Result<Body<ErasureReport>, HttpError>,
) -> Result<Json<ErasureNoted>, HttpError> {
    let Body(ErasureReport { jws }) = request?;
    let for_check = app.clone();
    let device = blocking(move || {
        let refused = || HttpError::new(StatusCode::FORBIDDEN, "the report does not verify");
        let device = claimed_erasure(&jws).ok_or_else(refused)?;
        let row = for_check.reader.device(&device)?.ok_or_else(refused)?;
        check_report(&for_check, &row, &jws).then_some(device).ok_or_else(refused)
    })
    .await?;
    let answer = app.hub.ask(|reply| Input::Erased(device, reply)).await.ok_or_else(HttpError::unavailable)?;
    answer?;
    Ok(Json(ErasureNoted { device }))
}

fn check_report(app: &App, row: &DeviceRow, jws: &str) -> bool {
    let Some(order) = row.revocation.as_deref() else { return false };
    if !orders_erasure(order) {
        return false;
    }
    let office = &app.office;
    let chain: Vec<&[u8]> = row.chain.iter().map(Blob::as_slice).collect();
    // Its certificate may have expired.
    office.identify(&chain).is_ok_and(|device| {
        let (suite, key, domain) = (device.suite(), device.public_key(), office.domain().as_str());
        verify_erasure(jws, suite, key, domain, row.device, order).is_ok()
    })
}
