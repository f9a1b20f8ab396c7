//! Lockers: the office's help for devices whose keys are protected by a PIN. A locker's random secret is released only to who proves
//! the PIN, and erased after too many wrong ones. Its identifier is known to the device's profile alone, so that nobody else can
//! use its attempts up.

use super::{
    App,
    error::{HttpError, blocking},
    protection::{confirmed_bearer, new_ticket, random, store},
};
use crate::{
    archive::now_ms,
    limits::MAX_LOCKERS_PER_DEVICE,
    protection::{Attempt, attempt, sha256, wait_after},
    store::{LockerRow, ProtectionWrite},
};
use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode},
};
use std::sync::Arc;
use telcon_proto::{
    Blob, Digest,
    protection::{LOCKER_ID_BYTES, LOCKER_SECRET_BYTES, LockerAnswer, MakeLocker, OpenLocker},
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
        (status = 409, description = "The device has too many lockers", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The body is longer than 64 KB", body = ref("#/components/schemas/ApiError")),
        (status = 415, description = "The content type is not application/json", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The body does not have the documented form", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn make(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    request: Result<Json<MakeLocker>, JsonRejection>,
) -> Result<StatusCode, HttpError> {
    let Json(MakeLocker { locker_sha256, proof_sha256 }) = request?;
    let (bearer, row) = confirmed_bearer(&app, &headers).await?;
    if row.lockers >= MAX_LOCKERS_PER_DEVICE {
        return Err(HttpError::new(StatusCode::CONFLICT, "this device has too many PINs: remove one first"));
    }
    let locker = LockerRow {
        locker: locker_sha256,
        device: bearer.device,
        proof: proof_sha256,
        secret: Some(Blob(random()?.to_vec())),
        failures: 0,
        retry_ms: 0,
        confirmed: false,
        made_ms: now_ms(),
    };
    store(&app, vec![ProtectionWrite::LockerMade(Box::new(locker))]).await?;
    Ok(StatusCode::CREATED)
}

async fn read(app: &Arc<App>, locker: Digest) -> Result<Option<LockerRow>, HttpError> {
    let app = app.clone();
    blocking(move || Ok(app.reader.locker(&locker)?)).await
}

/// Tries a PIN.
///
/// Needs no sign-in: the device's keys are locked. Each attempt is counted before it is compared; after three wrong ones the next
/// has to wait, longer each time, and the tenth erases the secret. The right one releases the secret and issues a ticket in
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
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn open(
    State(app): State<Arc<App>>,
    request: Result<Json<OpenLocker>, JsonRejection>,
) -> Result<Json<LockerAnswer>, HttpError> {
    let Json(OpenLocker { locker, proof }) = request?;
    if locker.0.len() != LOCKER_ID_BYTES || proof.0.len() != LOCKER_SECRET_BYTES {
        let text = "a locker's identifier has 16 bytes and a proof 32: update this device";
        return Err(HttpError::new(StatusCode::UNPROCESSABLE_ENTITY, text));
    }
    let (id, proof) = (sha256(locker.as_slice()), sha256(proof.as_slice()));
    // Who only guesses identifiers does not delay others.
    if read(&app, id).await?.is_none() {
        return Ok(Json(LockerAnswer::Erased {}));
    }
    // The attempt goes on if its connection is lost, so that none is compared without being counted.
    let task = tokio::spawn(async move {
        let _turn = app.protection.lockers.lock().await;
        one_attempt(&app, id, proof).await
    });
    task.await.map_err(|error| HttpError::internal(&error, "try a PIN"))?.map(Json)
}

/// One attempt, while no other one is made: 1. count it as a failure; commit; 2. compare; 3. take the failure back, or erase the
/// secret.
async fn one_attempt(app: &Arc<App>, id: Digest, proof: Digest) -> Result<LockerAnswer, HttpError> {
    let Some(locker) = read(app, id).await? else { return Ok(LockerAnswer::Erased {}) };
    let now = now_ms();
    let outcome = attempt(&locker, &proof, now);
    match outcome {
        Attempt::Erased => return Ok(LockerAnswer::Erased {}),
        Attempt::Wait { wait_ms } => return Ok(LockerAnswer::Wait { wait_ms }),
        Attempt::Right | Attempt::Wrong { .. } => {}
    }
    let failures = locker.failures + 1;
    let tried = ProtectionWrite::LockerTried { locker: id, failures, retry_ms: now + wait_after(failures) };
    store(app, vec![tried]).await?;
    match (outcome, locker.secret) {
        (Attempt::Right, Some(secret)) => {
            let (ticket, issued) = new_ticket(locker.device)?;
            store(app, vec![ProtectionWrite::LockerOpened(id), issued]).await?;
            Ok(LockerAnswer::Opened { secret, ticket: ticket.ticket })
        }
        (Attempt::Wrong { attempts_left: 0, .. }, _) => {
            store(app, vec![ProtectionWrite::LockerErased(id)]).await?;
            tracing::warn!(device = %locker.device, "a locker's secret was erased after too many wrong PINs: enrol the device again");
            Ok(LockerAnswer::Erased {})
        }
        (Attempt::Wrong { attempts_left, wait_ms }, _) => Ok(LockerAnswer::Wrong { attempts_left, wait_ms }),
        _ => Ok(LockerAnswer::Erased {}),
    }
}
