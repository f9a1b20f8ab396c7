//! Upload of sealed records by note-takers, and their download. The content is ciphertext to the server.

use super::{
    App, Bearer,
    error::{HttpError, blocking},
    extract::{Path, Query, page_limit},
    metrics::count,
};
use crate::{
    archive::{Claim, RecordError, parse_seal},
    hub::Input,
    limits::UPLOAD_PAUSE_MS,
    store::{CallSummary, DeviceRow, StoredRecord, Unfinished},
    switchboard::{RefusalKind, Reply, Seal},
};
use axum::{
    Json,
    body::{Body, Bytes},
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt as _;
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use telcon_proto::{
    CallId, DeviceId,
    delegation::ProvenDelegation,
    http::{ProvenDevice, ProvenRecord, RecordKept, RecordLine, RecordProof, RecordProofQuery},
    line::ProvenLine,
    policy::{Action, allows},
    sealing::{SealSigner, SealedCall, check_signer},
};
use tokio::time::timeout;

/// Lines in a list whose request names no limit, and at most.
const DEFAULT_LINES: u32 = 200;
const MAX_LINES: u32 = 500;

fn call_id(text: &str) -> Result<CallId, HttpError> {
    text.parse().map_err(|e| HttpError::new(StatusCode::BAD_REQUEST, format!("the call's id is wrong: {e}")))
}

/// Whether a record of the call is expected from this device; checked before anything is written to disk.
async fn check_expected(app: &Arc<App>, call: CallId, device: DeviceId) -> Result<(), HttpError> {
    let may_seal = || app.hub.ask(|reply| Input::MaySeal(call, device, reply));
    match may_seal().await.ok_or_else(HttpError::unavailable)? {
        // The switchboard may have forgotten the call: it ended long ago.
        Err(refusal) if refusal.kind == RefusalKind::Conflict => {
            let for_read = app.clone();
            let Some((StoredRecord { call: row, records, .. }, devices)) =
                blocking(move || Ok(for_read.reader.record(&call)?)).await?
            else {
                return Err(refusal.into());
            };
            let participants = devices.iter().map(|participant| participant.device).collect();
            let ended = Box::new(Unfinished { row, participants, records });
            app.hub.ask(|reply| Input::Recall(ended, device, reply)).await.ok_or_else(HttpError::unavailable)?;
            Ok(may_seal().await.ok_or_else(HttpError::unavailable)??)
        }
        answer => Ok(answer?),
    }
}

/// Uploads one part of a sealed record.
///
/// For a note-taker that recorded the call, after its end. Repeating an upload replaces the part; nothing is archived
/// before the seal arrives. If no record arrives within an hour, the log says that it is missing; it may still be delivered
/// later. Body: ciphertext, at most 64 MB; a body that pauses for 30 s is refused. A record has at most 4 GB.
#[utoipa::path(
    put, path = "/calls/{call}/record/{part}", tag = "records", security(("bearer" = [])),
    params(("call" = String, Path, description = "Id of the call, 32 hexadecimal digits"), ("part" = String, Path, description = "`part-NNNNNN.tar.age`")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 204, description = "Stored"),
        (status = 400, description = "The call's id is malformed, or the upload was interrupted: retry", body = ref("#/components/schemas/ApiError")),
        (status = 401, description = "No valid bearer token: sign in again", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "The device was not a note-taker in this call, or is revoked", body = ref("#/components/schemas/ApiError")),
        (status = 404, description = "No such call", body = ref("#/components/schemas/ApiError")),
        (status = 409, description = "The call has not ended, its record is archived, or a request of this device is in progress", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The part, or the record, is too long", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The name of the part is not valid", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn upload(
    State(app): State<Arc<App>>,
    Path((call, name)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, HttpError> {
    let bearer = app.tokens.bearer(&headers).ok_or_else(HttpError::unauthorized)?;
    let call = call_id(&call)?;
    check_expected(&app, call, bearer.device).await?;
    let for_store = app.clone();
    let mut upload = blocking(move || Ok(for_store.records.begin_part(call, bearer.device, &name)?)).await?;
    let mut stream = body.into_data_stream();
    let broke_off = || HttpError::new(StatusCode::BAD_REQUEST, "the upload was interrupted: send the part again");
    loop {
        let next = timeout(Duration::from_millis(UPLOAD_PAUSE_MS), stream.next()).await;
        let Some(chunk) = next.map_err(|_| broke_off())? else { break };
        upload.write(&chunk.map_err(|_| broke_off())?).await?;
    }
    upload.sync().await?;
    blocking(move || Ok(app.records.store_part(upload)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Completes a record: its parts were uploaded before, the body is its `seal.json`.
///
/// The server verifies the seal's signature and the digests of all parts, archives the record, and appends its digest to
/// the log. Idempotent: repeating it after a lost response returns 200 and the same proof.
#[utoipa::path(
    post, path = "/calls/{call}/record", tag = "records", security(("bearer" = [])),
    params(("call" = String, Path, description = "Id of the call, 32 hexadecimal digits")),
    request_body(content = ref("#/components/schemas/Seal"), content_type = "application/json", description = "`seal.json`"),
    responses(
        (status = 200, description = "This record was archived before", body = ref("#/components/schemas/RecordKept")),
        (status = 201, description = "Archived and in the log", body = ref("#/components/schemas/RecordKept")),
        (status = 400, description = "The call's id is malformed", body = ref("#/components/schemas/ApiError")),
        (status = 401, description = "No valid bearer token: sign in again", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "The device is not a note-taker of this call", body = ref("#/components/schemas/ApiError")),
        (status = 404, description = "No such call", body = ref("#/components/schemas/ApiError")),
        (status = 409, description = "The archive has another record of this device and call", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The seal is too long", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The seal does not verify, or a part is missing or differs", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn seal(
    State(app): State<Arc<App>>,
    Path(call): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<RecordKept>), HttpError> {
    let bearer = app.tokens.bearer(&headers).ok_or_else(HttpError::unauthorized)?;
    let call = call_id(&call)?;
    let text = body?;
    // Runs to its end even if the client disconnects, so that no record is archived without its log entry.
    let archiving = tokio::spawn(archive_record(app, call, bearer.device, text));
    let (new, kept) = archiving.await.map_err(|error| HttpError::internal(&error, "archive a record"))??;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(kept)))
}

enum Checked {
    /// A retry of a record that is archived already.
    Kept(RecordKept),
    /// A record that the archive does not have.
    New(Box<telcon_proto::seal::Seal>),
}

fn check_seal(app: &App, call: CallId, device: DeviceId, text: &Bytes) -> Result<Checked, HttpError> {
    let seal = parse_seal(text, call)?;
    let Some(jws) = seal.jws.as_deref() else {
        return Err(RecordError::Seal("it is not signed".into()).into());
    };
    let stored = app.reader.record(&call)?.map(|(stored, _)| stored);
    let ended = stored.as_ref().and_then(|stored| stored.call.ended_index);
    let records = stored.map(|stored| stored.records).unwrap_or_default();
    if let Some(kept) = records.iter().find(|r| r.device.is_none_or(|by| by == device))
        && app.records.seal_text(call, kept.device)?.as_bytes() == &text[..]
    {
        return Ok(Checked::Kept(RecordKept { logged: app.prover.prove(kept.log_index)? }));
    }
    if records.iter().any(|r| r.digest == seal.record_digest) {
        return Err(HttpError::new(StatusCode::CONFLICT, "another note-taker has delivered the same record"));
    }
    let unsigned = |why: String| HttpError::new(StatusCode::UNPROCESSABLE_ENTITY, why);
    let verified = app
        .office
        .verify_record(jws, call, &seal.record_digest)
        .map_err(|why| unsigned(format!("the seal's signature was not accepted: {why}")))?;
    if verified.device().device() != device {
        return Err(unsigned("the seal is signed by another device than the one that delivers it".into()));
    }
    let row = app.reader.device(&device)?;
    let signer = SealSigner {
        role: verified.device().card().role,
        signed_ms: verified.at_ms(),
        valid_ms: verified.device().valid_ms(),
        enrolled: row.and_then(|row| row.log_index),
        // The switchboard is asked for both before a record is accepted (`Input::MaySeal`).
        revoked: None,
        was_member: None,
    };
    check_signer(&signer, &SealedCall { ended, sealed: None })
        .map_err(|flaw| unsigned(format!("the seal's signature was not accepted: {flaw}")))?;
    if verified.parts() != seal.parts.len() || verified.partial() != seal.partial {
        return Err(unsigned("the seal's signature covers another record".into()));
    }
    Ok(Checked::New(Box::new(seal)))
}

/// Archives a record: verifies its seal, moves its parts into place, appends the log entry. Idempotent: returns `false`
/// for a record that was archived before. One claim per call and device serialises concurrent requests.
async fn archive_record(
    app: Arc<App>,
    call: CallId,
    device: DeviceId,
    text: Bytes,
) -> Result<(bool, RecordKept), HttpError> {
    let claim = Arc::new(app.records.claim(call, device)?);
    let (for_check, checked) = (app.clone(), text.clone());
    let seal = match blocking(move || check_seal(&for_check, call, device, &checked)).await? {
        Checked::Kept(kept) => {
            blocking(move || {
                remove_pending(&app, call, device);
                Ok(())
            })
            .await?;
            return Ok((false, kept));
        }
        Checked::New(seal) => *seal,
    };
    check_expected(&app, call, device).await?;
    let (for_disk, claimed) = (app.clone(), claim.clone());
    let seal = blocking(move || {
        for_disk.records.finish(&claimed, &seal, &text)?;
        Ok(seal)
    })
    .await?;
    let seal = Seal {
        call,
        device,
        digest: seal.record_digest,
        jws: seal.jws.unwrap_or_default(),
        parts: seal.parts.len(),
        partial: seal.partial,
    };
    let answer = app.hub.ask(|reply| Input::Seal(Box::new(seal), reply)).await.ok_or_else(HttpError::unavailable)?;
    match answer.and_then(Reply::logged) {
        Ok(index) => {
            count(&app.counters.records);
            let logged = blocking(move || {
                remove_pending(&app, call, device);
                Ok(app.prover.prove(index)?)
            })
            .await?;
            Ok((true, RecordKept { logged }))
        }
        // Unknown whether the log has it: the record stays, and the client retries.
        Err(refusal) if refusal.kind == RefusalKind::Unavailable => Err(refusal.into()),
        Err(refusal) => {
            blocking(move || withdraw(&app, &claim, call, device)).await?;
            Err(refusal.into())
        }
    }
}

/// The log has the record, so it is not pending any more. If that cannot be stored, the next start finds it out.
fn remove_pending(app: &App, call: CallId, device: DeviceId) {
    if let Err(error) = app.records.logged(call, device) {
        tracing::warn!(%call, %device, %error, "a logged record stays listed as pending; retrying at the next start");
    }
}

/// Removes a record from the archive, unless the log has an entry of it.
fn withdraw(app: &App, _held: &Claim, call: CallId, device: DeviceId) -> Result<(), HttpError> {
    let stored = app.reader.record(&call)?;
    let logged = stored.is_some_and(|(stored, _)| stored.records.iter().any(|r| r.device == Some(device)));
    if !logged {
        app.records.withdraw(call, Some(device))?;
    }
    Ok(())
}

/// At start: appends the log entries of complete records that an earlier run could not log. Their note-takers may be gone,
/// so nobody would retry.
pub(crate) async fn adopt(app: Arc<App>, pending: Vec<(CallId, Option<DeviceId>)>) {
    for (call, device) in pending {
        if let Err(HttpError(status, why)) = adopt_one(app.clone(), call, device).await {
            // If it is unknown whether the log has it, the record stays: the next start retries.
            tracing::warn!(%call, %status, error = why, "a record of an earlier run could not be logged; retrying at the next start");
        }
    }
}

async fn adopt_one(app: Arc<App>, call: CallId, device: Option<DeviceId>) -> Result<(), HttpError> {
    let for_disk = app.clone();
    let Some(device) = device else {
        // Archived by a version without devices in the path; its note-taker delivers it again.
        return blocking(move || Ok(for_disk.records.withdraw(call, None)?)).await;
    };
    let text = blocking(move || Ok(for_disk.records.seal_text(call, Some(device))?)).await?;
    match archive_record(app.clone(), call, device, text.into()).await {
        Err(failure) if failure.0 != StatusCode::SERVICE_UNAVAILABLE => {
            blocking(move || {
                // A concurrent request of the device decides, if there is one.
                let claim = app.records.claim(call, device)?;
                withdraw(&app, &claim, call, device)
            })
            .await?;
            Err(failure)
        }
        taken => taken.map(drop),
    }
}

/// Whether the role may see all calls of the office, or this is a call of one's own.
fn may_see(bearer: &Bearer, record: &StoredRecord) -> bool {
    let principal = record.call.on_behalf.as_ref().map(|(_, card)| card.person);
    let people = [record.call.from.person, record.call.to.person].into_iter().chain(principal);
    let own = people.into_iter().any(|person| person == bearer.person);
    allows(bearer.role, Action::SeeAllRecords) || own && allows(bearer.role, Action::SeeOwnRecords)
}

/// Query of the list of calls.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Most lines to return, 1 to 500; 200 if absent.
    limit: Option<u32>,
    /// To continue a list: the call of its last line.
    after: Option<String>,
}

/// Calls, newest first, with the state of their records.
///
/// Staff receive all calls of the office, other people their own. A list that is as long as its limit may continue: ask again with
/// `after`.
#[utoipa::path(
    get, path = "/records", tag = "records", security(("bearer" = [])), params(ListQuery),
    responses(
        (status = 200, description = "The calls", body = ref("#/components/schemas/RecordLines")),
        (status = 400, description = "The query is malformed, or its `after` is not in the list", body = ref("#/components/schemas/ApiError")),
        (status = 401, description = "No valid bearer token: sign in again", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "The device's role may not see records", body = ref("#/components/schemas/ApiError")),
        (status = 429, description = "The device has too many requests in progress", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed or is busy; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    query: Result<Query<ListQuery>, HttpError>,
) -> Result<Json<Vec<RecordLine>>, HttpError> {
    let bearer = app.tokens.bearer(&headers).ok_or_else(HttpError::unauthorized)?;
    let malformed = || {
        let text = format!("the query is ?limit=…&after=…: at most {MAX_LINES} lines, after the call of a line");
        HttpError::new(StatusCode::BAD_REQUEST, text)
    };
    let Query(query) = query?;
    let limit = page_limit(query.limit, DEFAULT_LINES, MAX_LINES).ok_or_else(malformed)?;
    let after = query.after.as_deref().map(str::parse).transpose().map_err(|_| malformed())?;
    let party = (!allows(bearer.role, Action::SeeAllRecords)).then_some(bearer.person);
    let read = app.record_reader.read(bearer.device, move |queries| Ok(queries.calls(party, after, limit)?));
    let calls = read.await?.ok_or_else(|| {
        HttpError::new(StatusCode::BAD_REQUEST, "the list has no call with the id in `after`: start again without it")
    })?;
    Ok(Json(calls.into_iter().map(line).collect()))
}

fn line(call: CallSummary) -> RecordLine {
    RecordLine {
        call: call.call,
        from: call.from,
        to: call.to,
        mode: call.mode,
        opened_ms: call.opened_ms,
        answered_ms: call.answered_ms,
        ended_ms: call.ended_ms,
        how: call.how,
        records: call.records,
        partial: call.partial,
        missing: call.records == 0 && call.missing,
        on_behalf_of: call.on_behalf_of,
        answered_by: call.answered_by,
    }
}

/// The proof of one call and its records, for a device to verify.
#[utoipa::path(
    get, path = "/records/{call}", tag = "records", security(("bearer" = [])),
    params(
        ("call" = String, Path, description = "Id of the call, 32 hexadecimal digits"),
        ("log_size" = Option<u64>, Query, description = "Size of the log's tree that the device follows: the proof continues it"),
    ),
    responses(
        (status = 200, description = "The proof", body = ref("#/components/schemas/RecordProof")),
        (status = 400, description = "The call's id or the query is malformed", body = ref("#/components/schemas/ApiError")),
        (status = 401, description = "No valid bearer token: sign in again", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "The device's role may not see records", body = ref("#/components/schemas/ApiError")),
        (status = 404, description = "No such call, or this person may not see it", body = ref("#/components/schemas/ApiError")),
        (status = 429, description = "The device has too many requests in progress", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn proof(
    State(app): State<Arc<App>>,
    Path(call): Path<String>,
    query: Result<Query<RecordProofQuery>, HttpError>,
    headers: HeaderMap,
) -> Result<Json<RecordProof>, HttpError> {
    let bearer = app.tokens.bearer(&headers).ok_or_else(HttpError::unauthorized)?;
    let Query(RecordProofQuery { log_size }) = query?;
    let call = call_id(&call)?;
    let reader = bearer.device;
    let (record, devices) = visible(&app, bearer, call).await?;
    let acted = record.call.on_behalf.is_some() || record.call.answered_under.is_some();
    let delegations = match acted {
        true => app.record_reader.read(reader, move |store| Ok(store.delegations_of_call(&call)?)).await?,
        false => Vec::new(),
    };
    let over = match record.call.line {
        Some(_) => app.record_reader.read(reader, move |store| Ok(store.line_of_call(&call)?)).await?,
        None => None,
    };
    let proof = blocking(move || {
        let log = app.prover.snapshot();
        let records = record.records.iter().map(|kept| {
            let seal = app.records.seal_text(call, kept.device)?;
            Ok(ProvenRecord { logged: log.prove(kept.log_index)?, seal })
        });
        let prove = |index: Option<u64>| index.map(|i| log.prove(i)).transpose();
        let opened = prove(record.call.opened_index)?.ok_or_else(no_such_call)?;
        let devices = devices.into_iter().filter_map(|d| Some((d.chain, d.log_index?)));
        let devices = devices.map(|(chain, index)| Ok(ProvenDevice { chain, logged: log.prove(index)? }));
        let delegations = delegations.into_iter().map(|(statement, given, device)| {
            Ok(ProvenDelegation { statement, given: log.prove(given)?, device: log.prove(device)? })
        });
        let over = over.map(|over| -> Result<Box<ProvenLine>, HttpError> {
            let under = over.delegation.map(|(statement, given, device)| {
                let (given, device) = (log.prove(given)?, log.prove(device)?);
                Ok::<_, HttpError>(Box::new(ProvenDelegation { statement, given, device }))
            });
            let (signed, device) = (log.prove(over.signed)?, log.prove(over.signer)?);
            Ok(Box::new(ProvenLine { statement: over.statement, signed, device, delegation: under.transpose()? }))
        });
        Ok(RecordProof {
            line: line(record.summary()),
            ring: record.call.ring.clone(),
            opened,
            ended: prove(record.call.ended_index)?,
            records: records.collect::<Result<_, HttpError>>()?,
            missing: prove(record.call.missing_index)?,
            devices: devices.collect::<Result<_, HttpError>>()?,
            delegations: delegations.collect::<Result<_, HttpError>>()?,
            over: over.transpose()?,
            from_size: log_size,
            consistency: log.consistency(log_size)?,
        })
    });
    Ok(Json(proof.await?))
}

async fn visible(app: &App, bearer: Bearer, call: CallId) -> Result<(StoredRecord, Vec<DeviceRow>), HttpError> {
    // A call that may not be seen is reported as missing, so that the status does not reveal it.
    let read = app.record_reader.read(bearer.device, move |queries| Ok(queries.record(&call)?));
    read.await?.filter(|(record, _)| may_see(&bearer, record)).ok_or_else(no_such_call)
}

fn no_such_call() -> HttpError {
    HttpError::new(StatusCode::NOT_FOUND, "no such call")
}

/// Downloads one part of a sealed record. Only custodians can decrypt it.
#[utoipa::path(
    get, path = "/records/{call}/{index}/{part}", tag = "records", security(("bearer" = [])),
    params(("call" = String, Path, description = "Id of the call, 32 hexadecimal digits"), ("index" = u64, Path, description = "Index of the record's log entry"),
        ("part" = String, Path, description = "`part-NNNNNN.tar.age`")),
    responses(
        (status = 200, description = "Ciphertext", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 400, description = "The call's id or the index is malformed", body = ref("#/components/schemas/ApiError")),
        (status = 401, description = "No valid bearer token: sign in again", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "The device's role may not see records", body = ref("#/components/schemas/ApiError")),
        (status = 404, description = "No such call, record or part, or this person may not see it", body = ref("#/components/schemas/ApiError")),
        (status = 429, description = "The device has too many requests in progress", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn part(
    State(app): State<Arc<App>>,
    path: Result<Path<(String, u64, String)>, HttpError>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let bearer = app.tokens.bearer(&headers).ok_or_else(HttpError::unauthorized)?;
    let Path((call, index, name)) = path?;
    let call = call_id(&call)?;
    let (stored, _) = visible(&app, bearer, call).await?;
    let bytes = blocking(move || {
        let kept = stored.records.iter().find(|r| r.log_index == index).ok_or(RecordError::NotFound)?;
        Ok(app.records.part(call, kept.device, &name)?)
    });
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes.await?).into_response())
}
