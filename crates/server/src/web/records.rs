//! Sealed records: from the note-taker into the archive, and back to those who may have them. All of it is opaque here.

use super::{
    App, Bearer,
    error::{Failure, on_disk},
    metrics::count,
};
use crate::{
    archive::{RecordError, SealFile},
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
async fn awaited(app: &App, call: CallId, bearer: &Bearer) -> Result<(), Failure> {
    let ask = app.hub.ask(|reply| Input::MaySeal(call, bearer.device, reply));
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
    awaited(&app, call, &bearer).await?;
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
    let (for_check, device) = (app.clone(), bearer.device);
    let seal = on_disk(move || check_seal(&for_check, call, device, &text)).await?;
    let (seal, text) = match seal {
        Checked::Kept(kept) => return Ok((StatusCode::OK, Json(kept))),
        Checked::New(seal, text) => (seal, text),
    };
    awaited(&app, call, &bearer).await?;
    // Whoever asked may hang up: what was begun is finished all the same, so that no record is there and not in the log.
    let taking = tokio::spawn(take(app, device, *seal, text));
    let kept = taking.await.map_err(|error| Failure::internal(&error, "a task of the server failed"))??;
    Ok((StatusCode::CREATED, Json(kept)))
}

enum Checked {
    /// The same record again, of which the note-taker did not hear that it is kept.
    Kept(RecordKept),
    /// One that the archive does not have.
    New(Box<SealFile>, Bytes),
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
    Ok(Checked::New(Box::new(seal), text.clone()))
}

/// Takes a record whose seal was checked: into its place, and then into the log.
async fn take(app: Arc<App>, device: DeviceId, seal: SealFile, text: Bytes) -> Result<RecordKept, Failure> {
    let call = seal.call_id;
    let claim = Arc::new(app.records.claim(call, device)?);
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
            Ok(RecordKept { logged })
        }
        // The log may have it, or not: it stays, and is asked for again.
        Err(refusal) if refusal.kind == RefusalKind::Unavailable => Err(refusal.into()),
        Err(refusal) => {
            on_disk(move || {
                let withdrawn = app.records.withdraw(call, Some(device)).map_err(RecordError::Io);
                drop(claim);
                Ok(withdrawn?)
            })
            .await?;
            Err(refusal.into())
        }
    }
}

/// At the start of the process: has records logged that are whole and in their place, and of which an earlier run could not
/// say so any more. Their note-takers may be gone.
pub(crate) async fn adopt(app: Arc<App>, unknown: Vec<(CallId, Option<DeviceId>)>) {
    for (call, device) in unknown {
        let done = match device {
            Some(device) => adopt_one(app.clone(), call, device).await,
            None => Err(Failure::new(StatusCode::GONE, "an older program had it")),
        };
        match done {
            Ok(()) => tracing::info!(%call, "a record that an earlier run had taken is in the log now"),
            // It stays, and is tried again at the next start.
            Err(Failure(StatusCode::SERVICE_UNAVAILABLE, why)) => {
                tracing::error!(%call, why, "a record is not in the log")
            }
            Err(Failure(_, why)) => {
                let for_disk = app.clone();
                let withdrawn =
                    on_disk(move || Ok(for_disk.records.withdraw(call, device).map_err(RecordError::Io)?)).await;
                let withdrawn = withdrawn.is_ok();
                tracing::warn!(%call, why, withdrawn, "a record cannot be in the log; its note-taker may bring it again");
            }
        }
    }
}

async fn adopt_one(app: Arc<App>, call: CallId, device: DeviceId) -> Result<(), Failure> {
    let for_check = app.clone();
    let checked = on_disk(move || {
        let text = Bytes::from(for_check.records.seal_text(call, Some(device))?);
        check_seal(&for_check, call, device, &text)
    });
    match checked.await? {
        Checked::Kept(_) => Ok(()),
        Checked::New(seal, text) => take(app, device, *seal, text).await.map(drop),
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
