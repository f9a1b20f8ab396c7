//! Readouts: what the office says in public. The server keeps the signed text, and serves it to everybody with a page that it makes of it.

use super::{
    App,
    error::{HttpError, blocking},
    extract::{Body, Path},
};
use crate::{archive::now_ms, hub::Input, switchboard::Reply};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use telcon_identity::CLOCK_TOLERANCE_S;
use telcon_proto::{
    Digest, ItemId,
    document::{DocumentKind, DocumentState},
    readout::{Readout, ReadoutPublished, ReadoutUpload},
};

/// Readouts change never, and corrections are readouts of their own: a day is short for the page, whose form may change.
const PAGE_CACHING: &str = "public, max-age=86400";
const TEXT_CACHING: &str = "public, max-age=31536000, immutable";
/// The page has its style in it, and nothing else.
const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

fn readout_id(text: &str) -> Result<ItemId, HttpError> {
    text.parse().map_err(|e| HttpError::new(StatusCode::BAD_REQUEST, format!("the readout's id is wrong: {e}")))
}

/// Publishes a readout: from then on everybody can read it below `/readouts/`.
///
/// The device signed it, and its person may publish. The sealed document that it is written in has to claim that it is published, which needs
/// an approval before. Its digest is in the log when this is answered. Repeating it is answered as the first time.
#[utoipa::path(
    put, path = "/readouts/{readout}", tag = "documents", security(("bearer" = [])),
    params(("readout" = String, Path, description = "Id of the readout, 32 hexadecimal digits")),
    request_body(content = ref("#/components/schemas/ReadoutUpload"), content_type = "application/json"),
    responses(
        (status = 200, description = "Published and in the log", body = ref("#/components/schemas/ReadoutPublished")),
        (status = 400, description = "The id is malformed", body = ref("#/components/schemas/ApiError")),
        (status = 401, description = "No valid bearer token: sign in again", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "Its document does not claim that it is published", body = ref("#/components/schemas/ApiError")),
        (status = 404, description = "There is no such document", body = ref("#/components/schemas/ApiError")),
        (status = 409, description = "This readout is published with other words: correct it in a new one", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The signature does not verify, or is over something else", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn publish(
    State(app): State<Arc<App>>,
    path: Result<Path<String>, HttpError>,
    headers: HeaderMap,
    body: Result<Body<ReadoutUpload>, HttpError>,
) -> Result<Json<ReadoutPublished>, HttpError> {
    let bearer = app.tokens.bearer(&headers).ok_or_else(HttpError::unauthorized)?;
    let Path(readout) = path?;
    let readout = readout_id(&readout)?;
    let Body(ReadoutUpload { document, jws }) = body?;
    let newest = app.record_reader.read(bearer.device, move |store| {
        let newest = store.document(&document, 1, 1)?.map(|stored| stored.newest);
        Ok(match newest {
            Some(newest) => store.sealed_version(&document, newest)?,
            None => None,
        })
    });
    let newest = newest.await?.filter(|newest| newest.readers.contains(&bearer.person));
    let newest = newest
        .ok_or_else(|| HttpError::new(StatusCode::NOT_FOUND, "no such document, or this person may not read it"))?;
    if (newest.content.kind, newest.content.state) != (DocumentKind::Readout, DocumentState::Published) {
        let text = "the readout's document does not say that it is published: approve it first";
        return Err(HttpError::new(StatusCode::FORBIDDEN, text));
    }
    let for_check = app.clone();
    let (known, sha256) = blocking(move || {
        let unverified = |why: String| HttpError::new(StatusCode::UNPROCESSABLE_ENTITY, why);
        let (device, payload) = for_check
            .office
            .verify_readout(&jws)
            .map_err(|error| unverified(format!("this readout does not verify: {error}")))?;
        let signed =
            Readout::from_payload(&payload).map_err(|error| unverified(format!("this is no readout: {error}")))?;
        if device.device() != bearer.device {
            return Err(unverified("a readout is sent by the device that signed it".into()));
        }
        if signed.id != readout || signed.office != *for_check.office.domain() {
            return Err(unverified("the signature is over another readout, or one of another office".into()));
        }
        if signed.published_ms > now_ms() + CLOCK_TOLERANCE_S * 1000 {
            return Err(unverified("this device's clock is ahead of the office's: set it, then try again".into()));
        }
        let sha256 = Digest::from_bytes(Sha256::digest(&jws).into());
        if let Some(published) = for_check.readouts.get(readout)? {
            // Another person of the office may have signed the same words.
            let (_, before) = for_check
                .office
                .verify_readout(&published.jws)
                .map_err(|error| HttpError::internal(&error, "verify a published readout"))?;
            if before != payload {
                let text = "this readout is published with other words, and stays: correct it in a new one";
                return Err(HttpError::new(StatusCode::CONFLICT, text));
            }
            return Ok((Some(published.log_index), sha256));
        }
        // Durable before the log has it: what the log says is published can be served.
        for_check.readouts.put(readout, &sha256, &jws)?;
        Ok((None, sha256))
    })
    .await?;
    if let Some(log_index) = known {
        return Ok(Json(ReadoutPublished { log_index }));
    }
    // Runs to its end even if the client disconnects.
    let publishing = tokio::spawn(async move {
        let answer = app.hub.ask(|reply| Input::PublishReadout(readout, sha256, reply));
        let log_index = answer.await.ok_or_else(HttpError::unavailable)?.and_then(Reply::logged)?;
        // Commit point: from here on it is served. A server that is killed before logs it again when it is sent again.
        blocking(move || Ok(app.readouts.publish(readout, &sha256, log_index)?)).await?;
        Ok::<_, HttpError>(log_index)
    });
    let log_index = publishing.await.map_err(|error| HttpError::internal(&error, "publish a readout"))??;
    Ok(Json(ReadoutPublished { log_index }))
}

/// A published readout: `<id>` is a page, `<id>.jws` the signed text that the page is made of (RFC 7515).
#[utoipa::path(
    get, path = "/readouts/{readout}", tag = "documents",
    params(("readout" = String, Path, description = "Id of the readout, 32 hexadecimal digits, and `.jws` behind it for the signed text")),
    responses(
        (status = 200, description = "The readout", content((String = "text/html"), (String = "application/jose"))),
        (status = 400, description = "The id is malformed", body = ref("#/components/schemas/ApiError")),
        (status = 404, description = "There is no such readout", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn get(State(app): State<Arc<App>>, Path(name): Path<String>) -> Result<Response, HttpError> {
    let (id, is_text) = name.strip_suffix(".jws").map_or((name.as_str(), false), |id| (id, true));
    let readout = readout_id(id)?;
    let reader = app.clone();
    let published = blocking(move || Ok(reader.readouts.get(readout)?)).await?;
    let published =
        published.ok_or_else(|| HttpError::new(StatusCode::NOT_FOUND, "this office published no such readout"))?;
    if is_text {
        let headers = [(header::CONTENT_TYPE, "application/jose"), (header::CACHE_CONTROL, TEXT_CACHING)];
        return Ok((headers, published.jws).into_response());
    }
    let page = blocking(move || {
        let failed = |error: &dyn std::fmt::Display| HttpError::internal(error, "show a published readout");
        let (_, payload) = app.office.verify_readout(&published.jws).map_err(|error| failed(&error))?;
        let readout = Readout::from_payload(&payload).map_err(|error| failed(&error))?;
        Ok(readout.html(&format!("{}.jws", readout.id.to_hex()), Some(published.log_index)))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, PAGE_CACHING),
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
    ];
    Ok((headers, page.await?).into_response())
}
