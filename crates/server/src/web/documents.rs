//! Documents: upload, lists, proofs and sealed files; the keys that they are sealed to. Content and titles are ciphertext to the server.

use super::{
    App,
    error::{HttpError, blocking},
    extract::{Body, Path, Query, position},
};
use crate::{
    archive::SealedDocuments,
    hub::Input,
    sign_in::{self, DelegationHistory, DocumentHistory},
    store::{DocumentsOf, Queries, SealedVersion, StoredVersion},
    switchboard::{NewDeviceKey, RefusalKind, Reply},
};
use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use std::sync::Arc;
use telcon_proto::{
    DelegationId, DeviceId, DocumentId, PersonId, Role,
    delegation::ProvenDelegation,
    device_key::{PersonKeys, ProvenDeviceKey},
    document::{DocumentKept, DocumentKind, DocumentList, DocumentUpload, ProvenDocument, ProvenVersion},
    limits::{MAX_DOCUMENT_BYTES, MAX_DOCUMENTS_LISTED, MAX_VERSIONS_LISTED},
};

const UNAVAILABLE: &str = "the server could not verify this: try again";

/// Off the switchboard's thread, as rings.
pub(super) async fn verify_key(app: Arc<App>, statement: String) -> Result<NewDeviceKey, String> {
    let verified = tokio::task::spawn_blocking(move || sign_in::verify_device_key(&app.office, statement));
    verified.await.unwrap_or_else(|_| Err(UNAVAILABLE.to_owned()))
}

/// What the store has of documents and delegations.
struct Before<'a>(&'a dyn Queries);

impl DelegationHistory for Before<'_> {
    fn delegation(&self, delegation: &DelegationId) -> Result<Option<String>, String> {
        self.0.delegation_statement(delegation).map_err(|_| UNAVAILABLE.to_owned())
    }
}

impl DocumentHistory for Before<'_> {
    fn newest_version(&self, document: &DocumentId) -> Result<Option<String>, String> {
        self.0.newest_document(document).map_err(|_| UNAVAILABLE.to_owned())
    }
}

fn document_id(text: &str) -> Result<DocumentId, HttpError> {
    text.parse().map_err(|e| HttpError::new(StatusCode::BAD_REQUEST, format!("the document's id is wrong: {e}")))
}

fn not_found() -> HttpError {
    HttpError::new(StatusCode::NOT_FOUND, "no such document, or this person may not read it")
}

/// Uploads a version of a document: its statement and its sealed file.
///
/// The author's device signed the statement, and sends it. The version has to follow the newest one, by number and digest; it is in the log
/// when this is answered. Repeating an upload is answered as the first one.
#[utoipa::path(
    put, path = "/documents/{document}/{version}", tag = "documents", security(("bearer" = [])),
    params(("document" = String, Path, description = "Id of the document, 32 hexadecimal digits"), ("version" = u32, Path, description = "Number of the version, from 1")),
    request_body(content = ref("#/components/schemas/DocumentUpload"), content_type = "application/json"),
    responses(
        (status = 200, description = "Kept and in the log", body = ref("#/components/schemas/DocumentKept")),
        (status = 400, description = "A parameter is malformed", body = ref("#/components/schemas/ApiError")),
        (status = 401, description = "No valid bearer token: sign in again", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "The device may not write this", body = ref("#/components/schemas/ApiError")),
        (status = 404, description = "A later version of a document that does not exist", body = ref("#/components/schemas/ApiError")),
        (status = 409, description = "The document has a newer version: read it", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The sealed file is too long", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The statement does not verify, or is not for this file", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn put(
    State(app): State<Arc<App>>,
    path: Result<Path<(String, u32)>, HttpError>,
    headers: HeaderMap,
    body: Result<Body<DocumentUpload>, HttpError>,
) -> Result<Json<DocumentKept>, HttpError> {
    let bearer = app.tokens.bearer(&headers).ok_or_else(HttpError::unauthorized)?;
    let Path((document, version)) = path?;
    let document = document_id(&document)?;
    let Body(upload) = body?;
    if !upload.is_well_formed() {
        return Err(HttpError::new(StatusCode::PAYLOAD_TOO_LARGE, "the document is too long: write less, or two"));
    }
    // Runs to its end even if the client disconnects, so that no sealed file is left without its version.
    let putting = tokio::spawn(put_version(app, bearer.device, document, version, upload));
    let log_index = putting.await.map_err(|error| HttpError::internal(&error, "keep a document"))??;
    Ok(Json(DocumentKept { log_index }))
}

async fn put_version(
    app: Arc<App>,
    device: DeviceId,
    document: DocumentId,
    version: u32,
    upload: DocumentUpload,
) -> Result<u64, HttpError> {
    let for_check = app.clone();
    let new = blocking(move || {
        let unverified = |why: String| HttpError::new(StatusCode::UNPROCESSABLE_ENTITY, why);
        let (statement, ciphertext) = (upload.statement, upload.ciphertext.0);
        let new = sign_in::verify_document(&for_check.office, statement, &ciphertext, &Before(&*for_check.reader));
        let new = new.map_err(unverified)?;
        if new.content.document != document || new.content.version != version {
            return Err(unverified("the statement is of another document or version than the address".into()));
        }
        if new.by != device {
            return Err(unverified("a version is sent by the device that signed it".into()));
        }
        // Durable before the switchboard hears of it: a version is never without its sealed file.
        for_check.documents.put(document, version, (&new.statement, &new.sha256), &ciphertext)?;
        Ok(new)
    })
    .await?;
    let sha256 = new.sha256;
    let answer =
        app.hub.ask(|reply| Input::PutDocument(Box::new(new), reply)).await.ok_or_else(HttpError::unavailable)?;
    match answer.and_then(Reply::logged) {
        Ok(index) => Ok(index),
        // Unknown whether it is stored: the file stays, and the client retries.
        Err(refusal) if refusal.kind == RefusalKind::Unavailable => Err(refusal.into()),
        Err(refusal) => {
            blocking(move || {
                let stored = app.reader.sealed_version(&document, version)?;
                if stored.is_none_or(|stored| stored.sha256 != sha256) {
                    app.documents.delete(document, version, &sha256)?;
                }
                Ok(())
            })
            .await?;
            Err(refusal.into())
        }
    }
}

/// Uploads a version's sealed file again, for a device of a reader that had no key when the version was written.
///
/// By a device of a reader; one of the other side for devices of the same person alone. The device that it is for verifies that its content is that of the version; the server cannot.
#[utoipa::path(
    put, path = "/documents/{document}/{version}/seals/{device}", tag = "documents", security(("bearer" = [])),
    params(("document" = String, Path, description = "Id of the document, 32 hexadecimal digits"), ("version" = u32, Path, description = "Number of the version, from 1"),
        ("device" = String, Path, description = "Id of the device, 32 hexadecimal digits")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 204, description = "Kept"),
        (status = 400, description = "A parameter is malformed", body = ref("#/components/schemas/ApiError")),
        (status = 401, description = "No valid bearer token: sign in again", body = ref("#/components/schemas/ApiError")),
        (status = 404, description = "No such version or device, or one of them is not of a reader", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The sealed file is too long", body = ref("#/components/schemas/ApiError")),
        (status = 429, description = "The device has too many requests in progress", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn put_seal(
    State(app): State<Arc<App>>,
    path: Result<Path<(String, u32, String)>, HttpError>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, HttpError> {
    let bearer = app.tokens.bearer(&headers).ok_or_else(HttpError::unauthorized)?;
    let Path((document, version, device)) = path?;
    let document = document_id(&document)?;
    let device: DeviceId = device
        .parse()
        .map_err(|e| HttpError::new(StatusCode::BAD_REQUEST, format!("the device's id is wrong: {e}")))?;
    let ciphertext = body?;
    if ciphertext.len() > MAX_DOCUMENT_BYTES {
        return Err(HttpError::new(StatusCode::PAYLOAD_TOO_LARGE, "the document is too long"));
    }
    let (sealed, to) = app
        .record_reader
        .read(bearer.device, move |store| Ok((store.sealed_version(&document, version)?, store.device(&device)?)))
        .await?;
    let sealed = sealed.filter(|sealed| may_read(sealed, bearer.person)).ok_or_else(not_found)?;
    let to = to.filter(|to| to.revoked_ms.is_none() && may_read(&sealed, to.card.person)).ok_or_else(not_found)?;
    // Nobody here can tell whether it is the same document: the other side could make a version unreadable for the office.
    if bearer.role == Role::Counterpart && to.card.person != bearer.person {
        return Err(not_found());
    }
    blocking(move || {
        app.documents.put_seal(document, version, &sealed.sha256, to.device, &ciphertext)?;
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}

fn may_read(sealed: &SealedVersion, person: PersonId) -> bool {
    // Whoever reads now may read what was written before, if it was sealed to them.
    sealed.readers.contains(&person) && sealed.content.readers.contains(&person)
}

/// Query of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct DocumentsQuery {
    /// Only of this kind.
    #[param(value_type = Option<String>)]
    kind: Option<DocumentKind>,
    /// Only about the call or document of this id.
    about: Option<String>,
    /// To continue a list: the `log_index` of its last document.
    #[serde(default, deserialize_with = "position")]
    before: Option<u64>,
}

/// Lists the documents that the bearer's person may read, newest first: what the server knows of them, which is neither title nor content.
#[utoipa::path(
    get, path = "/documents", tag = "documents", security(("bearer" = [])), params(DocumentsQuery),
    responses(
        (status = 200, description = "A page of the list", body = ref("#/components/schemas/DocumentList")),
        (status = 400, description = "A parameter is malformed", body = ref("#/components/schemas/ApiError")),
        (status = 401, description = "No valid bearer token: sign in again", body = ref("#/components/schemas/ApiError")),
        (status = 429, description = "The device has too many reads in progress", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    query: Result<Query<DocumentsQuery>, HttpError>,
) -> Result<Json<DocumentList>, HttpError> {
    let bearer = app.tokens.bearer(&headers).ok_or_else(HttpError::unauthorized)?;
    let Query(DocumentsQuery { kind, about, before }) = query?;
    let about = about.map(|about| document_id(&about)).transpose()?.map(|about| *about.as_bytes());
    let of = DocumentsOf { person: bearer.person, kind, about };
    let limit = MAX_DOCUMENTS_LISTED as u32;
    let read = app.record_reader.read(bearer.device, move |store| Ok(store.documents(of, before, limit)?));
    let (documents, more) = read.await?;
    Ok(Json(DocumentList { documents, more }))
}

/// Query of the proofs.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ProofsQuery {
    /// From which version; from the first if absent. Ask from the newest one that is known, to verify that the others follow it.
    from: Option<u32>,
}

/// Statements of a document's versions, with the proofs of their log entries, and who opened it if it is a copy.
#[utoipa::path(
    get, path = "/documents/{document}", tag = "documents", security(("bearer" = [])),
    params(("document" = String, Path, description = "Id of the document, 32 hexadecimal digits"), ProofsQuery),
    responses(
        (status = 200, description = "At most 50 versions", body = ref("#/components/schemas/ProvenDocument")),
        (status = 400, description = "A parameter is malformed", body = ref("#/components/schemas/ApiError")),
        (status = 401, description = "No valid bearer token: sign in again", body = ref("#/components/schemas/ApiError")),
        (status = 404, description = "No such document, or this person may not read it", body = ref("#/components/schemas/ApiError")),
        (status = 429, description = "The device has too many reads in progress", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn proofs(
    State(app): State<Arc<App>>,
    Path(document): Path<String>,
    headers: HeaderMap,
    query: Result<Query<ProofsQuery>, HttpError>,
) -> Result<Json<ProvenDocument>, HttpError> {
    let bearer = app.tokens.bearer(&headers).ok_or_else(HttpError::unauthorized)?;
    let Query(ProofsQuery { from }) = query?;
    let document = document_id(&document)?;
    let limit = MAX_VERSIONS_LISTED as u32;
    let read =
        app.record_reader.read(bearer.device, move |store| Ok(store.document(&document, from.unwrap_or(1), limit)?));
    // A document that may not be read is reported as missing, so that the status does not reveal it.
    let stored = read.await?.filter(|stored| stored.readers.contains(&bearer.person)).ok_or_else(not_found)?;
    blocking(move || {
        let log = app.prover.snapshot();
        let prove = |version: StoredVersion| -> Result<ProvenVersion, HttpError> {
            let under = version.delegation.map(|(statement, given, device)| -> Result<_, HttpError> {
                Ok(Box::new(ProvenDelegation { statement, given: log.prove(given)?, device: log.prove(device)? }))
            });
            Ok(ProvenVersion {
                statement: version.statement,
                signed: log.prove(version.signed)?,
                device: log.prove(version.signer)?,
                delegation: under.transpose()?,
                revoked: version.revoked.map(|index| log.prove(index)).transpose()?.map(Box::new),
            })
        };
        let versions = stored.versions.into_iter().map(prove).collect::<Result<_, _>>()?;
        Ok(Json(ProvenDocument { document, versions, newest: stored.newest, opened: stored.opened }))
    })
    .await
}

/// The sealed file of a version. Only its readers' devices can open it.
///
/// Of a copy, the log says that this device opened it before this is answered.
#[utoipa::path(
    get, path = "/documents/{document}/{version}", tag = "documents", security(("bearer" = [])),
    params(("document" = String, Path, description = "Id of the document, 32 hexadecimal digits"), ("version" = u32, Path, description = "Number of the version, from 1")),
    responses(
        (status = 200, description = "Ciphertext", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 400, description = "A parameter is malformed", body = ref("#/components/schemas/ApiError")),
        (status = 401, description = "No valid bearer token: sign in again", body = ref("#/components/schemas/ApiError")),
        (status = 404, description = "No such version, or this person may not read it", body = ref("#/components/schemas/ApiError")),
        (status = 429, description = "The device has too many reads in progress", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    path: Result<Path<(String, u32)>, HttpError>,
    headers: HeaderMap,
) -> Result<Response, HttpError> {
    let bearer = app.tokens.bearer(&headers).ok_or_else(HttpError::unauthorized)?;
    let Path((document, version)) = path?;
    let document = document_id(&document)?;
    let read = app.record_reader.read(bearer.device, move |store| Ok(store.sealed_version(&document, version)?));
    let sealed = read.await?.filter(|sealed| may_read(sealed, bearer.person)).ok_or_else(not_found)?;
    if sealed.content.kind == DocumentKind::Copy {
        let opened = app.hub.ask(|reply| Input::OpenCopy(document, version, bearer.device, reply));
        opened.await.ok_or_else(HttpError::unavailable)?.and_then(Reply::logged)?;
    }
    let bytes = blocking(move || {
        let documents: &SealedDocuments = &app.documents;
        Ok(documents.get(document, version, &sealed.sha256, bearer.device)?)
    });
    let bytes = bytes.await?.ok_or_else(|| {
        HttpError::new(StatusCode::NOT_FOUND, "the sealed file of this version is lost: tell the server's operator")
    })?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}

/// The keys of a person's devices that are not revoked, with proofs: what a document is sealed to that they may read.
#[utoipa::path(
    get, path = "/people/{person}/keys", tag = "documents", security(("bearer" = [])),
    params(("person" = String, Path, description = "Id of the person, 32 hexadecimal digits")),
    responses(
        (status = 200, description = "Their keys; none if they have no device", body = ref("#/components/schemas/PersonKeys")),
        (status = 400, description = "The person's id is malformed", body = ref("#/components/schemas/ApiError")),
        (status = 401, description = "No valid bearer token: sign in again", body = ref("#/components/schemas/ApiError")),
        (status = 429, description = "The device has too many reads in progress", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn keys(
    State(app): State<Arc<App>>,
    Path(person): Path<String>,
    headers: HeaderMap,
) -> Result<Json<PersonKeys>, HttpError> {
    let bearer = app.tokens.bearer(&headers).ok_or_else(HttpError::unauthorized)?;
    let person: PersonId = person
        .parse()
        .map_err(|e| HttpError::new(StatusCode::BAD_REQUEST, format!("the person's id is wrong: {e}")))?;
    let stored = app.record_reader.read(bearer.device, move |store| Ok(store.device_keys(person)?)).await?;
    blocking(move || {
        let log = app.prover.snapshot();
        let keys = stored.into_iter().map(|(statement, signed, device)| -> Result<_, HttpError> {
            Ok(ProvenDeviceKey { statement, signed: log.prove(signed)?, device: log.prove(device)? })
        });
        Ok(Json(PersonKeys { person, keys: keys.collect::<Result<_, _>>()? }))
    })
    .await
}
