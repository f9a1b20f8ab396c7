//! Passkeys (WebAuthn): registration by a signed-in device, and assertions that give tickets. User verification is required in
//! both. The state of a ceremony stays here, is used once, and expires.

use super::{
    App,
    connections::ClientAddress,
    error::{HttpError, blocking},
    protection::{Begun, Ceremony, Party, confirmed_bearer, new_ticket, random, random_text, store},
    slots::network_of,
};
use crate::{
    archive::now_ms,
    limits::UNSIGNED_IPV6_PREFIX,
    store::{PasskeyRow, ProtectionWrite},
};
use axum::{
    Extension, Json,
    extract::{State, rejection::JsonRejection},
    http::{HeaderMap, StatusCode},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::{Arc, PoisonError};
use telcon_proto::{
    DeviceId,
    limits::MAX_PASSKEYS_PER_DEVICE,
    protection::{ChallengeRequest, IssuedTicket, PasskeyAnswer, PasskeyOptions},
};
use webauthn_rs::prelude::{Passkey, PasskeyRegistration, Uuid};

fn begin(app: &App, address: ClientAddress, begun: Begun, options: Value) -> Result<PasskeyOptions, HttpError> {
    let ceremony = random_text()?;
    let network = network_of(address.address, UNSIGNED_IPV6_PREFIX);
    let mut ceremonies = app.protection.ceremonies.lock().unwrap_or_else(PoisonError::into_inner);
    ceremonies.begin(ceremony.clone(), network, begun, now_ms());
    Ok(PasskeyOptions { ceremony, options })
}

fn end(app: &App, ceremony: &str) -> Result<Begun, HttpError> {
    let mut ceremonies = app.protection.ceremonies.lock().unwrap_or_else(PoisonError::into_inner);
    ceremonies
        .end(ceremony, now_ms())
        .ok_or_else(|| HttpError::new(StatusCode::GONE, "this took too long, or was answered already: try it again"))
}

/// Why an answer of an authenticator is not accepted. The library's reason goes to the operator's log: it names no person.
fn not_accepted(why: &dyn std::fmt::Display, device: DeviceId) -> HttpError {
    tracing::info!(%device, %why, "a passkey was not accepted: its page is told");
    HttpError::new(StatusCode::FORBIDDEN, "the passkey was not accepted: try again, and choose this device's passkey")
}

fn parse<T: DeserializeOwned>(credential: Value) -> Result<T, HttpError> {
    serde_json::from_value(credential).map_err(|_| {
        HttpError::new(StatusCode::UNPROCESSABLE_ENTITY, "the passkey's answer is malformed: reload the page")
    })
}

fn rows(app: &App, device: &DeviceId) -> Result<Vec<Passkey>, HttpError> {
    let rows = app.reader.passkeys(device)?;
    let parsed = rows.iter().map(|row| serde_json::from_str(&row.passkey));
    parsed.collect::<Result<_, _>>().map_err(|error| HttpError::internal(&error, "read a passkey"))
}

/// Begins the registration of a passkey of the bearer's device.
///
/// A device that is protected already needs a confirmation within the last five minutes.
#[utoipa::path(
    post, path = "/passkeys/registration", tag = "protection",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "Options of the ceremony", body = ref("#/components/schemas/PasskeyOptions")),
        (status = 401, description = "No valid token", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "Not confirmed, or not the office's page", body = ref("#/components/schemas/ApiError")),
        (status = 409, description = "The device has too many passkeys", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn begin_registration(
    State(app): State<Arc<App>>,
    Extension(address): Extension<ClientAddress>,
    headers: HeaderMap,
) -> Result<Json<PasskeyOptions>, HttpError> {
    let party = app.protection.party_of(&headers, &app.info.domain)?;
    let (bearer, _) = confirmed_bearer(&app, &headers).await?;
    let device = bearer.device;
    blocking(move || {
        let known = rows(&app, &device)?;
        if known.len() >= MAX_PASSKEYS_PER_DEVICE {
            return Err(HttpError::new(StatusCode::CONFLICT, "this device has too many passkeys: remove one first"));
        }
        let row = app.reader.device(&device)?.ok_or_else(HttpError::unauthorized)?;
        let exclude = known.iter().map(|passkey| passkey.cred_id().clone()).collect();
        let user = Uuid::from_bytes(*device.as_bytes());
        let begun =
            app.protection.party(party).start_passkey_registration(user, &row.card.name, &row.card.name, Some(exclude));
        let (options, state) = begun.map_err(|error| HttpError::internal(&error, "begin a registration"))?;
        let options = registration_options(&options.public_key)?;
        begin(&app, address, Begun { device, party, ceremony: Ceremony::Registration(state) }, options).map(Json)
    })
    .await
}

/// Passkeys are discoverable, because authenticators of that kind have the PRF extension; the library discourages it.
fn registration_options(options: &impl serde::Serialize) -> Result<Value, HttpError> {
    let mut options =
        serde_json::to_value(options).map_err(|error| HttpError::internal(&error, "write the options"))?;
    options["authenticatorSelection"]["residentKey"] = json!("required");
    options["authenticatorSelection"]["requireResidentKey"] = json!(true);
    Ok(options)
}

/// Registers a passkey of the bearer's device, and issues a ticket.
///
/// Body: at most 64 KB.
#[utoipa::path(
    post, path = "/passkeys", tag = "protection",
    security(("bearer" = [])),
    request_body(content = ref("#/components/schemas/PasskeyAnswer"), description = "The authenticator's answer"),
    responses(
        (status = 200, description = "Registered", body = ref("#/components/schemas/IssuedTicket")),
        (status = 400, description = "The body is not JSON", body = ref("#/components/schemas/ApiError")),
        (status = 401, description = "No valid token", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "Not accepted: for example, the authenticator did not verify its user", body = ref("#/components/schemas/ApiError")),
        (status = 410, description = "The ceremony expired or was answered already", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The body is longer than 64 KB", body = ref("#/components/schemas/ApiError")),
        (status = 415, description = "The content type is not application/json", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The body does not have the documented form", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn register(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    request: Result<Json<PasskeyAnswer>, JsonRejection>,
) -> Result<Json<IssuedTicket>, HttpError> {
    let Json(PasskeyAnswer { ceremony, credential }) = request?;
    let bearer = app.tokens.bearer(&headers).ok_or_else(HttpError::unauthorized)?;
    let Begun { device, party, ceremony: Ceremony::Registration(state) } = end(&app, &ceremony)? else {
        return Err(not_accepted(&"a registration answers another ceremony", bearer.device));
    };
    if device != bearer.device {
        return Err(not_accepted(&"a registration answers another device's ceremony", bearer.device));
    }
    let for_check = app.clone();
    let passkey = blocking(move || verify_registration(&for_check, device, party, &state, credential)).await?;
    let (ticket, issued) = new_ticket(device)?;
    store(&app, vec![ProtectionWrite::PasskeyAdded(Box::new(passkey)), issued]).await?;
    Ok(Json(ticket))
}

fn verify_registration(
    app: &App,
    device: DeviceId,
    party: Party,
    state: &PasskeyRegistration,
    credential: Value,
) -> Result<PasskeyRow, HttpError> {
    let answer = parse(credential)?;
    let passkey = app.protection.party(party).finish_passkey_registration(&answer, state);
    let passkey = passkey.map_err(|why| not_accepted(&why, device))?;
    if rows(app, &device)?.len() >= MAX_PASSKEYS_PER_DEVICE {
        return Err(HttpError::new(StatusCode::CONFLICT, "this device has too many passkeys: remove one first"));
    }
    Ok(PasskeyRow {
        credential: URL_SAFE_NO_PAD.encode(passkey.cred_id()),
        device,
        passkey: serde_json::to_string(&passkey).map_err(|error| HttpError::internal(&error, "write a passkey"))?,
        added_ms: now_ms(),
    })
}

/// Begins an assertion: a device is to be unlocked, or a command confirmed.
///
/// Needs no sign-in, which the assertion is for. The answer has the same form for devices that do not exist or have no passkey.
/// Body: at most 64 KB.
#[utoipa::path(
    post, path = "/passkeys/challenge", tag = "protection",
    request_body(content = ref("#/components/schemas/ChallengeRequest"), description = "The device"),
    responses(
        (status = 200, description = "Options of the ceremony", body = ref("#/components/schemas/PasskeyOptions")),
        (status = 400, description = "The body is not JSON", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "Not the office's page", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The body is longer than 64 KB", body = ref("#/components/schemas/ApiError")),
        (status = 415, description = "The content type is not application/json", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The body does not have the documented form", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn challenge(
    State(app): State<Arc<App>>,
    Extension(address): Extension<ClientAddress>,
    headers: HeaderMap,
    request: Result<Json<ChallengeRequest>, JsonRejection>,
) -> Result<Json<PasskeyOptions>, HttpError> {
    let Json(ChallengeRequest { device }) = request?;
    let party = app.protection.party_of(&headers, &app.info.domain)?;
    blocking(move || {
        let passkeys = rows(&app, &device)?;
        let rp_id = if party == Party::Local { "localhost" } else { app.info.domain.as_str() };
        if passkeys.is_empty() {
            let (ceremony, challenge) = (random_text()?, random()?);
            return Ok(Json(PasskeyOptions { ceremony, options: assertion_options(&challenge, rp_id) }));
        }
        let begun = app.protection.party(party).start_passkey_authentication(&passkeys);
        let (options, state) = begun.map_err(|error| HttpError::internal(&error, "begin an assertion"))?;
        let options = assertion_options(&options.public_key.challenge, rp_id);
        begin(&app, address, Begun { device, party, ceremony: Ceremony::Assertion(state) }, options).map(Json)
    })
    .await
}

/// Without the list of credentials: it would tell anybody which authenticators a person has.
fn assertion_options(challenge: &[u8], rp_id: &str) -> Value {
    json!({
        "challenge": URL_SAFE_NO_PAD.encode(challenge),
        "rpId": rp_id,
        "timeout": crate::limits::CEREMONY_TTL_MS,
        "userVerification": "required",
    })
}

/// Takes an assertion, and issues a ticket in place of the device's ticket before.
///
/// Body: at most 64 KB.
#[utoipa::path(
    post, path = "/passkeys/assertion", tag = "protection",
    request_body(content = ref("#/components/schemas/PasskeyAnswer"), description = "The authenticator's answer"),
    responses(
        (status = 200, description = "Accepted", body = ref("#/components/schemas/IssuedTicket")),
        (status = 400, description = "The body is not JSON", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "Not accepted: for example, the authenticator did not verify its user", body = ref("#/components/schemas/ApiError")),
        (status = 410, description = "The ceremony expired or was answered already", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The body is longer than 64 KB", body = ref("#/components/schemas/ApiError")),
        (status = 415, description = "The content type is not application/json", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The body does not have the documented form", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn assert(
    State(app): State<Arc<App>>,
    request: Result<Json<PasskeyAnswer>, JsonRejection>,
) -> Result<Json<IssuedTicket>, HttpError> {
    let Json(PasskeyAnswer { ceremony, credential }) = request?;
    let Begun { device, party, ceremony: Ceremony::Assertion(state) } = end(&app, &ceremony)? else {
        return Err(HttpError::new(StatusCode::FORBIDDEN, "the passkey was not accepted: reload the page"));
    };
    let for_check = app.clone();
    let mut writes = blocking(move || {
        let answer = parse(credential)?;
        let result = for_check.protection.party(party).finish_passkey_authentication(&answer, &state);
        let result = result.map_err(|why| not_accepted(&why, device))?;
        // Removed meanwhile: not accepted any more.
        let mut known = rows(&for_check, &device)?;
        let used = known.iter_mut().find(|passkey| passkey.cred_id() == result.cred_id());
        let used = used.ok_or_else(|| not_accepted(&"it was removed", device))?;
        if used.update_credential(&result) != Some(true) {
            return Ok(Vec::new());
        }
        let passkey = serde_json::to_string(used).map_err(|error| HttpError::internal(&error, "write a passkey"))?;
        Ok(vec![ProtectionWrite::PasskeyUsed { credential: URL_SAFE_NO_PAD.encode(used.cred_id()), passkey }])
    })
    .await?;
    let (ticket, issued) = new_ticket(device)?;
    writes.push(issued);
    store(&app, writes).await?;
    Ok(Json(ticket))
}
