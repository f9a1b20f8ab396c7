//! Sealed records: from the note-taker into the archive, and back to those who may have them. All of it is opaque here.

use super::{
    App, Bearer,
    error::{Failure, on_disk},
    metrics::count,
};
use crate::{
    archive::{Claim, RecordError, SealFile},
    hub::Input,
    limits::{MAX_SEAL_JWS_BYTES, UPLOAD_PAUSE_MS},
    store::StoredRecord,
    switchboard::{RefusalKind, Reply, Seal},
};
use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Path, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt as _;
use std::{sync::Arc, time::Duration};
use telcon_proto::{
    CallId, DeviceId, Role,
    http::{ProvenDevice, ProvenRecord, RecordKept, RecordLine, RecordProof},
    limits::MAX_RECORD_PART_BYTES,
};
use tokio::{io::AsyncWriteExt as _, time::timeout};

/// Most lines of the list. Older calls are in the log and in the archive.
const MAX_LINES: u32 = 1000;

fn call_id(text: &str) -> Result<CallId, Failure> {
    text.parse().map_err(|e| Failure::new(StatusCode::BAD_REQUEST, format!("the call's id is wrong: {e}")))
}

fn note_taker(app: &App, headers: &HeaderMap) -> Result<Bearer, Failure> {
    let bearer = app.tokens.bearer(headers).ok_or_else(Failure::unauthorized)?;
    match bearer.role {
        Role::NoteTaker => Ok(bearer),
        _ => Err(Failure::new(StatusCode::FORBIDDEN, "only a note-taker brings records")),
    }
}

/// Whether a record of the call is awaited from this device: before anything of it is written to disk.
async fn awaited(app: &App, call: CallId, device: DeviceId) -> Result<(), Failure> {
    let ask = app.hub.ask(|reply| Input::MaySeal(call, device, reply));
    Ok(ask.await.ok_or_else(Failure::busy)??)
}

pub(super) async fn upload(
    State(app): State<Arc<App>>,
    Path((call, name)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Failure> {
    let bearer = note_taker(&app, &headers)?;
    let call = call_id(&call)?;
    awaited(&app, call, bearer.device).await?;
    let for_path = app.clone();
    let unfinished = on_disk(move || Ok(for_path.records.part_file(call, bearer.device, &name)?)).await?;
    let io = |e: std::io::Error| Failure::from(RecordError::Io(e));
    let mut file = tokio::fs::File::create(&unfinished).await.map_err(io)?;
    let mut stream = body.into_data_stream();
    let mut total = 0;
    let broke_off = || Failure::new(StatusCode::BAD_REQUEST, "the upload broke off: send the part again");
    loop {
        let next = timeout(Duration::from_millis(UPLOAD_PAUSE_MS), stream.next()).await;
        let Some(chunk) = next.map_err(|_| broke_off())? else { break };
        let chunk = chunk.map_err(|_| broke_off())?;
        total += chunk.len();
        if total > MAX_RECORD_PART_BYTES {
            return Err(RecordError::PartTooLong.into());
        }
        file.write_all(&chunk).await.map_err(io)?;
    }
    file.sync_all().await.map_err(io)?;
    on_disk(move || Ok(app.records.keep_part(call, bearer.device, &unfinished)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn seal(
    State(app): State<Arc<App>>,
    Path(call): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<RecordKept>), Failure> {
    let bearer = note_taker(&app, &headers)?;
    let call = call_id(&call)?;
    let text = body?;
    // Whoever asked may hang up: what was begun is finished all the same, so that no record is there and not in the log.
    let taking = tokio::spawn(take(app, call, bearer.device, text));
    let (new, kept) = taking.await.map_err(|error| Failure::internal(&error, "a task of the server failed"))??;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(kept)))
}

enum Checked {
    /// The same record again, of which the note-taker did not hear that it is kept.
    Kept(RecordKept),
    /// One that the archive does not have.
    New(Box<SealFile>),
}

fn check_seal(app: &App, call: CallId, device: DeviceId, text: &Bytes) -> Result<Checked, Failure> {
    let seal = SealFile::parse(text, call)?;
    if seal.jws.len() > MAX_SEAL_JWS_BYTES {
        return Err(RecordError::Seal("its signature is too long".into()).into());
    }
    let records = app.reader.record(&call)?.map(|(stored, _)| stored.records).unwrap_or_default();
    if let Some(kept) = records.iter().find(|r| r.device.is_none_or(|by| by == device))
        && app.records.seal_text(call, kept.device)?.as_bytes() == &text[..]
    {
        return Ok(Checked::Kept(RecordKept { logged: app.prover.prove(kept.log_index)? }));
    }
    if records.iter().any(|r| r.digest == seal.record_digest) {
        return Err(Failure::new(StatusCode::CONFLICT, "another note-taker brought this very record"));
    }
    let unsigned = |why: String| Failure::new(StatusCode::UNPROCESSABLE_ENTITY, why);
    let verified = app
        .office
        .verify_record(&seal.jws, call, &seal.record_digest)
        .map_err(|why| unsigned(format!("the seal's signature was not accepted: {why}")))?;
    if verified.device().device() != device {
        return Err(unsigned("the seal is signed by another device than the one that brings it".into()));
    }
    if verified.parts() != seal.parts.len() || verified.partial() != seal.partial {
        return Err(unsigned("the seal's signature is about another record".into()));
    }
    Ok(Checked::New(Box::new(seal)))
}

/// Takes a record: checks its seal, gives it its place, and has it logged. Says whether that was news. All of it under one
/// claim: what another request of the device did before is in the database, and seen.
async fn take(app: Arc<App>, call: CallId, device: DeviceId, text: Bytes) -> Result<(bool, RecordKept), Failure> {
    let claim = Arc::new(app.records.claim(call, device)?);
    let (for_check, checked) = (app.clone(), text.clone());
    let seal = match on_disk(move || check_seal(&for_check, call, device, &checked)).await? {
        Checked::Kept(kept) => return Ok((false, kept)),
        Checked::New(seal) => *seal,
    };
    awaited(&app, call, device).await?;
    let (for_disk, claimed) = (app.clone(), claim.clone());
    let seal = on_disk(move || {
        for_disk.records.finish(&claimed, &seal, &text)?;
        Ok(seal)
    })
    .await?;
    let seal = Seal {
        call,
        device,
        digest: seal.record_digest,
        jws: seal.jws,
        parts: seal.parts.len(),
        partial: seal.partial,
    };
    let answer = app.hub.ask(|reply| Input::Seal(Box::new(seal), reply)).await.ok_or_else(Failure::busy)?;
    match answer {
        Ok(Reply::Logged(index)) => {
            count(&app.counters.records);
            let logged = on_disk(move || Ok(app.prover.prove(index)?)).await?;
            Ok((true, RecordKept { logged }))
        }
        // The log may have it, or not: it stays, and is asked for again.
        Err(refusal) if refusal.kind == RefusalKind::Unavailable => Err(refusal.into()),
        Err(refusal) => {
            on_disk(move || withdraw(&app, &claim, call, device)).await?;
            Err(refusal.into())
        }
    }
}

/// Takes a record from its place, unless the log has it after all.
fn withdraw(app: &App, _held: &Claim, call: CallId, device: DeviceId) -> Result<(), Failure> {
    let logged =
        app.reader.record(&call)?.is_some_and(|(stored, _)| stored.records.iter().any(|r| r.device == Some(device)));
    if !logged {
        app.records.withdraw(call, Some(device)).map_err(RecordError::Io)?;
    }
    Ok(())
}

/// At the start of the process: has records logged that are whole and in their place, and of which an earlier run could not
/// say so any more. Their note-takers may be gone.
pub(crate) async fn adopt(app: Arc<App>, unknown: Vec<(CallId, Option<DeviceId>)>) {
    for (call, device) in unknown {
        if let Err(Failure(status, why)) = adopt_one(app.clone(), call, device).await {
            // It stays where the log may have it, or could not be asked: the next start tries again.
            tracing::warn!(%call, %status, why, "a record that an earlier run had taken is not in the log");
        }
    }
}

async fn adopt_one(app: Arc<App>, call: CallId, device: Option<DeviceId>) -> Result<(), Failure> {
    let for_disk = app.clone();
    let Some(device) = device else {
        // Of an older program, whose note-takers bring it again.
        return on_disk(move || Ok(for_disk.records.withdraw(call, None).map_err(RecordError::Io)?)).await;
    };
    let text = on_disk(move || Ok(for_disk.records.seal_text(call, Some(device))?)).await?;
    match take(app.clone(), call, device, text.into()).await {
        Err(failure) if failure.0 != StatusCode::SERVICE_UNAVAILABLE => {
            on_disk(move || {
                // Another request may be at it: then that one decides.
                let claim = app.records.claim(call, device)?;
                withdraw(&app, &claim, call, device)
            })
            .await?;
            Err(failure)
        }
        taken => taken.map(drop),
    }
}

/// Staff sees all calls of the office; others their own.
fn may_see(bearer: &Bearer, record: &StoredRecord) -> bool {
    !bearer.role.speaks() || record.call.from.person == bearer.person || record.call.to.person == bearer.person
}

pub(super) async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Json<Vec<RecordLine>>, Failure> {
    let bearer = app.tokens.bearer(&headers).ok_or_else(Failure::unauthorized)?;
    let records = on_disk(move || Ok(app.reader.records(MAX_LINES)?)).await?;
    Ok(Json(records.iter().filter(|r| may_see(&bearer, r)).map(line).collect()))
}

fn line(record: &StoredRecord) -> RecordLine {
    let call = &record.call;
    RecordLine {
        call: call.call,
        from: call.from.clone(),
        to: call.to.clone(),
        mode: call.mode,
        opened_ms: call.opened_ms,
        answered_ms: call.answered_ms,
        ended_ms: call.ended_ms,
        how: call.how,
        records: record.records.len(),
        partial: record.is_partial(),
        missing: record.records.is_empty() && call.missing_index.is_some(),
    }
}

pub(super) async fn proof(
    State(app): State<Arc<App>>,
    Path(call): Path<String>,
    headers: HeaderMap,
) -> Result<Json<RecordProof>, Failure> {
    let bearer = app.tokens.bearer(&headers).ok_or_else(Failure::unauthorized)?;
    let call = call_id(&call)?;
    let proof = on_disk(move || {
        let (record, devices) = visible(&app, &bearer, call)?;
        let records = record.records.iter().map(|kept| {
            let seal = app.records.seal_text(call, kept.device)?;
            Ok(ProvenRecord { logged: app.prover.prove(kept.log_index)?, seal })
        });
        let prove = |index: Option<u64>| index.map(|i| app.prover.prove(i)).transpose();
        let opened = prove(record.call.opened_index)?.ok_or_else(no_such_call)?;
        let devices = devices.into_iter().filter_map(|d| Some((d.chain, d.log_index?)));
        let devices = devices.map(|(chain, index)| Ok(ProvenDevice { chain, logged: app.prover.prove(index)? }));
        Ok(RecordProof {
            line: line(&record),
            ring: record.call.ring.clone(),
            opened,
            ended: prove(record.call.ended_index)?,
            records: records.collect::<Result<_, Failure>>()?,
            missing: prove(record.call.missing_index)?,
            devices: devices.collect::<Result<_, Failure>>()?,
        })
    });
    Ok(Json(proof.await?))
}

fn visible(app: &App, bearer: &Bearer, call: CallId) -> Result<(StoredRecord, Vec<crate::store::DeviceRow>), Failure> {
    // A call that one may not see does not exist, not even by the status.
    app.reader.record(&call)?.filter(|(record, _)| may_see(bearer, record)).ok_or_else(no_such_call)
}

fn no_such_call() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, "no such call")
}

pub(super) async fn part(
    State(app): State<Arc<App>>,
    Path((call, index, name)): Path<(String, u64, String)>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let bearer = app.tokens.bearer(&headers).ok_or_else(Failure::unauthorized)?;
    let call = call_id(&call)?;
    let bytes = on_disk(move || {
        let (stored, _) = visible(&app, &bearer, call)?;
        let kept = stored.records.iter().find(|r| r.log_index == index).ok_or(RecordError::NotFound)?;
        let path = app.records.part_path(call, kept.device, &name)?;
        Ok(std::fs::read(path).map_err(RecordError::Io)?)
    });
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes.await?).into_response())
}
