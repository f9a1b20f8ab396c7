//! Lines: verification of what devices sign, and their list.

use super::{
    App,
    error::HttpError,
    extract::{Query, position},
};
use crate::{
    archive::now_ms,
    sign_in,
    store::{LinesOf, Queries},
    switchboard::{NewAttestation, NewLine},
};
use axum::{Json, extract::State, http::HeaderMap};
use serde::Deserialize;
use std::sync::Arc;
use telcon_identity::IdentityError;
use telcon_proto::{
    DelegationId, DeviceId, InvitationId, LineId,
    attestation::Attested,
    limits::MAX_LINES_LISTED,
    line::{LineList, LineState, ListedLine},
    policy::{Action, allows},
};

const UNAVAILABLE: &str = "the server could not verify this version of a line: try again";

/// Stores the sealed form of a version, before the version is stored and logged.
pub(super) fn store_sealed(app: &App, new: &NewLine) -> Result<(), String> {
    let Some(form) = &new.sealed else { return Ok(()) };
    app.sealed_lines.put(form).map_err(|error| {
        tracing::error!(line = %new.content.line, %error, "a version of a line was refused: its sealed form cannot be stored; check the archive");
        UNAVAILABLE.to_owned()
    })
}

/// Off the switchboard's thread, as rings. `from` is the device that sent it; `stops` says with which message it came.
pub(super) async fn verify(app: Arc<App>, from: DeviceId, statement: String, stops: bool) -> Result<NewLine, String> {
    let verified = tokio::task::spawn_blocking(move || {
        let new = sign_in::verify_line(&app.office, statement, &Before(&*app.reader))?;
        if stops == (new.content.state == LineState::Live) {
            return Err("a line that is in use is signed with sign_line, and any other with stop_line".to_owned());
        }
        // Somebody else's is refused below.
        if new.by == from {
            store_sealed(&app, &new)?;
        }
        Ok(new)
    });
    verified.await.unwrap_or_else(|_| Err(UNAVAILABLE.to_owned()))
}

/// Verifies what a delegate's device says of the device that took a line that it offered. Whether its sender may say so is for the
/// switchboard.
pub(super) async fn verify_attestation(
    app: Arc<App>,
    invitation: InvitationId,
    statement: String,
) -> Result<NewAttestation, String> {
    const UNAVAILABLE: &str = "the server could not verify who took this line: try again";
    let verified = tokio::task::spawn_blocking(move || {
        let unverified = |error: IdentityError| format!("what was signed of this line does not verify: {error}");
        let row = app.reader.invitation(&invitation).map_err(|_| UNAVAILABLE)?.ok_or("there is no such invitation")?;
        let request = row.request.ok_or("no device has asked yet")?;
        let verified = app.office.verify_attestation(&statement).map_err(unverified)?;
        let delegation = app.reader.delegation_statement(&verified.content().on_behalf.delegation);
        let delegation = delegation.map_err(|_| UNAVAILABLE)?.ok_or("there is no such delegation")?;
        let attested = Attested { statement, delegation, at_ms: 0 };
        let (verified, _) = app.office.verify_attested(&attested, &request).map_err(unverified)?;
        let Attested { statement, delegation, .. } = attested;
        Ok(NewAttestation {
            content: verified.content().clone(),
            by: verified.device().device(),
            statement,
            delegation,
        })
    });
    verified.await.unwrap_or_else(|_| Err(UNAVAILABLE.to_owned()))
}

/// What the store has of lines and delegations.
struct Before<'a>(&'a dyn Queries);

impl sign_in::DelegationHistory for Before<'_> {
    fn delegation(&self, delegation: &DelegationId) -> Result<Option<String>, String> {
        self.0.delegation_statement(delegation).map_err(|_| UNAVAILABLE.to_owned())
    }
}

impl sign_in::LineHistory for Before<'_> {
    fn newest_line(&self, line: &LineId) -> Result<Option<String>, String> {
        let newest = self.0.newest_line(line).map_err(|_| UNAVAILABLE.to_owned())?;
        Ok(newest.map(|(statement, _)| statement))
    }
}

/// Query of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct LinesQuery {
    /// To continue a list: the `given_ms` of its last line.
    #[serde(default, deserialize_with = "position")]
    before: Option<u64>,
}

/// Lists lines, newest first.
///
/// Those that the bearer's person gave or holds; of those for whom they act, as long as they do; for security officers those of the
/// whole office. Lines that have ended are listed too.
#[utoipa::path(
    get, path = "/lines", tag = "office",
    security(("bearer" = [])), params(LinesQuery),
    responses(
        (status = 200, description = "A page of the list", body = ref("#/components/schemas/LineList")),
        (status = 400, description = "A parameter is malformed", body = ref("#/components/schemas/ApiError")),
        (status = 401, description = "No valid token", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "The device's role has no lines", body = ref("#/components/schemas/ApiError")),
        (status = 429, description = "The device has too many reads in progress", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    query: Result<Query<LinesQuery>, HttpError>,
) -> Result<Json<LineList>, HttpError> {
    let bearer = app.tokens.bearer(&headers).ok_or_else(HttpError::unauthorized)?;
    let Query(LinesQuery { before }) = query?;
    let of = if allows(bearer.role, Action::StopLines) {
        LinesOf::Everybody
    } else if allows(bearer.role, Action::GiveLines) {
        LinesOf::Principal(bearer.person)
    } else if allows(bearer.role, Action::HoldLines) {
        LinesOf::Holder(bearer.person)
    } else {
        LinesOf::Delegate(bearer.person, now_ms())
    };
    let limit = MAX_LINES_LISTED as u32;
    let (lines, more) = app.record_reader.read(bearer.device, move |store| Ok(store.lines(of, before, limit)?)).await?;
    let reachable = |(line, devices): (ListedLine, Vec<_>)| {
        let reachable = devices.iter().any(|device| app.tokens.is_connected(device));
        ListedLine { reachable, ..line }
    };
    Ok(Json(LineList { lines: lines.into_iter().map(reachable).collect(), more }))
}
