//! Delegations: verification of what devices sign, and their list.

use super::{App, error::HttpError};
use crate::{
    sign_in,
    switchboard::{DelegationEnding, NewDelegation},
};
use axum::{Json, extract::State, http::HeaderMap};
use std::sync::Arc;
use telcon_proto::{
    delegation::DelegationList,
    limits::MAX_DELEGATIONS_LISTED,
    policy::{Action, allows},
};

const UNAVAILABLE: &str = "the server could not verify the statement: try again";

/// Off the switchboard's thread, as rings.
pub(super) async fn verify(app: Arc<App>, statement: String) -> Result<NewDelegation, String> {
    let verified = tokio::task::spawn_blocking(move || sign_in::verify_delegation(&app.office, statement));
    verified.await.unwrap_or_else(|_| Err(UNAVAILABLE.to_owned()))
}

/// Off the switchboard's thread, as rings.
pub(super) async fn verify_end(app: Arc<App>, statement: String) -> Result<DelegationEnding, String> {
    let verified = tokio::task::spawn_blocking(move || sign_in::verify_delegation_end(&app.office, &statement));
    verified.await.unwrap_or_else(|_| Err(UNAVAILABLE.to_owned()))
}

/// Lists delegations.
///
/// Those by and to the bearer's own person, or, for security officers, the newest of the whole office. Principals are also told who
/// may be chosen as a delegate.
#[utoipa::path(
    get, path = "/delegations", tag = "office",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "Delegations, newest first", body = ref("#/components/schemas/DelegationList")),
        (status = 401, description = "No valid token", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "The device's role has no delegations", body = ref("#/components/schemas/ApiError")),
        (status = 429, description = "The device has too many reads in progress", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Json<DelegationList>, HttpError> {
    let bearer = app.tokens.bearer(&headers).ok_or_else(HttpError::unauthorized)?;
    let person = (!allows(bearer.role, Action::EndDelegations)).then_some(bearer.person);
    let gives = allows(bearer.role, Action::Delegate);
    let limit = MAX_DELEGATIONS_LISTED as u32;
    let list = app.record_reader.read(bearer.device, move |store| {
        let delegations = store.delegations(person, limit)?;
        let candidates = if gives { store.delegates(limit)? } else { Vec::new() };
        Ok(DelegationList { delegations, candidates })
    });
    Ok(Json(list.await?))
}
