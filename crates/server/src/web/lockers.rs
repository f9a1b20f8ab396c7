//! Lockers: the office's help for devices whose keys are protected by a PIN. A locker's random secret is released only to who proves
//! the PIN, and erased after too many wrong ones. Its identifier is known to the device's profile alone, so that nobody else can
//! use its attempts up.

use super::{
    App,
    error::{HttpError, blocking},
    extract::Body,
    protection::{confirmed_bearer, new_ticket, random_bytes, store},
};
use crate::{
    archive::now_ms,
    digest::sha256,
    protection::{Attempt, attempt},
    store::{LockerRow, ProtectionWrite},
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use std::sync::Arc;
use telcon_proto::{
    Blob, Digest,
    protection::{IssuedTicket, LOCKER_ID_BYTES, LOCKER_SECRET_BYTES, LockerAnswer, MakeLocker, OpenLocker},
};

/// Makes a locker for a new PIN of the bearer's device.
///
/// It protects the device once it was opened. A device that is protected already needs a confirmation within the last five
/// minutes. Body: at most 64 KB.
#[utoipa::path(
    post, path = "/lockers", tag = "protection",
    security(("bearer" = [])),
    request_body(content = ref("#/components/schemas/MakeLocker"), description = "The locker"),
    responses(
        (status = 201, description = "Made"),
        (status = 400, description = "The body is not JSON", body = ref("#/components/schemas/ApiError")),
        (status = 401, description = "No valid token", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "Not confirmed", body = ref("#/components/schemas/ApiError")),
        (status = 409, description = "The device has too many lockers, or the identifier was used before", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The body is longer than 64 KB", body = ref("#/components/schemas/ApiError")),
        (status = 415, description = "The content type is not application/json", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The body does not have the documented form", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn make(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    request: Result<Body<MakeLocker>, HttpError>,
) -> Result<StatusCode, HttpError> {
    let Body(MakeLocker { locker_sha256, proof_sha256 }) = request?;
    let (bearer, _) = confirmed_bearer(&app, &headers).await?;
    let locker = LockerRow {
        locker: locker_sha256,
        device: bearer.device,
        proof: proof_sha256,
        secret: Some(Blob(random_bytes()?.to_vec())),
        failures: 0,
        retry_ms: 0,
        confirmed: false,
        made_ms: now_ms(),
    };
    if !store(&app, vec![ProtectionWrite::LockerMade(Box::new(locker))]).await? {
        let text = "this device has too many PINs, or made this one already: remove one, and choose a new one";
        return Err(HttpError::new(StatusCode::CONFLICT, text));
    }
    Ok(StatusCode::CREATED)
}

async fn read(app: &Arc<App>, locker: Digest) -> Result<Option<LockerRow>, HttpError> {
    let app = app.clone();
    blocking(move || Ok(app.reader.locker(&locker)?)).await
}

/// Tries a PIN.
///
/// Needs no sign-in: the device's keys are locked. Attempts at one locker are made one after the other, and none is answered
/// before its outcome is stored. After three wrong ones the next has to wait, longer each time, and the tenth erases the secret. The
/// correct one releases the secret and issues a ticket in
/// place of the device's ticket before. Body: at most 64 KB.
#[utoipa::path(
    post, path = "/lockers/open", tag = "protection",
    request_body(content = ref("#/components/schemas/OpenLocker"), description = "The locker and the proof of the PIN"),
    responses(
        (status = 200, description = "What came of it", body = ref("#/components/schemas/LockerAnswer")),
        (status = 400, description = "The body is not JSON", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The body is longer than 64 KB", body = ref("#/components/schemas/ApiError")),
        (status = 415, description = "The content type is not application/json", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The body does not have the documented form", body = ref("#/components/schemas/ApiError")),
        (status = 429, description = "Too many attempts wait; retry", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn open(
    State(app): State<Arc<App>>,
    request: Result<Body<OpenLocker>, HttpError>,
) -> Result<Json<LockerAnswer>, HttpError> {
    let Body(OpenLocker { locker, proof }) = request?;
    if locker.0.len() != LOCKER_ID_BYTES || proof.0.len() != LOCKER_SECRET_BYTES {
        let text = "a locker's identifier has 16 bytes and a proof 32: update this device";
        return Err(HttpError::new(StatusCode::UNPROCESSABLE_ENTITY, text));
    }
    let (id, proof) = (sha256(locker.as_slice()), sha256(proof.as_slice()));
    // Who only guesses identifiers does not delay others.
    if read(&app, id).await?.is_none() {
        return Ok(Json(LockerAnswer::Erased {}));
    }
    let Some(place) = app.protection.turns.queue(id) else {
        let text = "too many attempts at this PIN are waiting: try again in a minute";
        return Err(HttpError::new(StatusCode::TOO_MANY_REQUESTS, text));
    };
    // The attempt goes on if its connection is lost: a client that hangs up does not end its turn before the outcome is stored.
    let task = tokio::spawn(async move {
        let _turn = place.turn().await;
        one_attempt(&app, id, proof).await
    });
    task.await.map_err(|error| HttpError::internal(&error, "try a PIN"))?.map(Json)
}

/// One attempt, while no other one is made at this locker. Its outcome is one transaction, and answered once that is durable: an
/// attempt that a crash undoes was not answered either.
async fn one_attempt(app: &Arc<App>, id: Digest, proof: Digest) -> Result<LockerAnswer, HttpError> {
    let Some(locker) = read(app, id).await? else { return Ok(LockerAnswer::Erased {}) };
    let now = now_ms();
    match (attempt(&locker, &proof, now), locker.secret) {
        (Attempt::Wait { wait_ms }, _) => Ok(LockerAnswer::Wait { wait_ms }),
        (Attempt::WaitAnew { wait_ms }, _) => {
            let (failures, retry_ms) = (locker.failures, now + wait_ms);
            let stored = store(app, vec![ProtectionWrite::LockerFailed { locker: id, failures, retry_ms }]).await?;
            Ok(if stored { LockerAnswer::Wait { wait_ms } } else { LockerAnswer::Erased {} })
        }
        (Attempt::Correct, Some(secret)) => {
            let (IssuedTicket { ticket }, issued) = new_ticket(locker.device)?;
            let opened = store(app, vec![ProtectionWrite::LockerOpened(id), issued]).await?;
            Ok(if opened { LockerAnswer::Opened { secret, ticket } } else { LockerAnswer::Erased {} })
        }
        (Attempt::Wrong { failures, attempts_left, wait_ms }, _) => {
            let failed = ProtectionWrite::LockerFailed { locker: id, failures, retry_ms: now + wait_ms };
            if !store(app, vec![failed]).await? {
                // It was removed meanwhile.
                return Ok(LockerAnswer::Erased {});
            }
            if attempts_left == 0 {
                tracing::warn!(device = %locker.device, "a locker's secret was erased after too many wrong PINs: enrol the device again");
                return Ok(LockerAnswer::Erased {});
            }
            Ok(LockerAnswer::Wrong { attempts_left, wait_ms })
        }
        (Attempt::Erased | Attempt::Correct, _) => Ok(LockerAnswer::Erased {}),
    }
}
