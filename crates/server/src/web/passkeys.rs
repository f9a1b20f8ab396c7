//! Passkeys (WebAuthn): registration by a signed-in device, and assertions that give tickets. User verification is required in
//! both. The state of a ceremony stays here, is used once, and expires.

use super::{
    App,
    connections::ClientAddress,
    error::{HttpError, blocking},
    extract::Body,
    protection::{Begun, Ceremony, Party, confirmed_bearer, new_ticket, random_bytes, random_text, store},
    slots::network_of,
};
use crate::{
    archive::now_ms,
    limits::UNSIGNED_IPV6_PREFIX,
    protection::{Client, Origin},
    store::{PasskeyRow, ProtectionWrite},
};
use axum::{
    Extension, Json,
    extract::State,
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

pub(super) fn begin(app: &App, client: Client, begun: Begun, options: Value) -> Result<PasskeyOptions, HttpError> {
    let ceremony = random_text()?;
    let origin = Origin { client, device: begun.device };
    let mut ceremonies = app.protection.ceremonies.lock().unwrap_or_else(PoisonError::into_inner);
    ceremonies.begin(ceremony.clone(), origin, begun, now_ms());
    Ok(PasskeyOptions { ceremony, options })
}

pub(super) fn end(app: &App, ceremony: &str) -> Result<Begun, HttpError> {
    let mut ceremonies = app.protection.ceremonies.lock().unwrap_or_else(PoisonError::into_inner);
    ceremonies
        .end(ceremony, now_ms())
        .ok_or_else(|| HttpError::new(StatusCode::GONE, "this took too long, or was answered already: try it again"))
}

/// Why an answer of an authenticator is not accepted. The library's reason goes to the operator's log: it names no person.
pub(super) fn not_accepted(why: &dyn std::fmt::Display, device: DeviceId) -> HttpError {
    tracing::info!(%device, %why, "a passkey was not accepted: its page is told");
    HttpError::new(StatusCode::FORBIDDEN, "the passkey was not accepted: try again, and choose this device's passkey")
}

pub(super) fn parse<T: DeserializeOwned>(credential: Value) -> Result<T, HttpError> {
    serde_json::from_value(credential).map_err(|_| {
        HttpError::new(StatusCode::UNPROCESSABLE_ENTITY, "the passkey's answer is malformed: reload the page")
    })
}

pub(super) fn read_passkey<T: DeserializeOwned>(stored: &str) -> Result<T, HttpError> {
    serde_json::from_str(stored).map_err(|error| HttpError::internal(&error, "read a passkey"))
}

pub(super) fn write_passkey(passkey: &Passkey) -> Result<String, HttpError> {
    serde_json::to_string(passkey).map_err(|error| HttpError::internal(&error, "write a passkey"))
}

fn rows(app: &App, device: &DeviceId) -> Result<Vec<Passkey>, HttpError> {
    app.reader.passkeys(device)?.iter().map(|row| read_passkey(&row.passkey)).collect()
}

fn too_many() -> HttpError {
    HttpError::new(StatusCode::CONFLICT, "this device has too many passkeys, or this one already: remove one first")
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
    headers: HeaderMap,
) -> Result<Json<PasskeyOptions>, HttpError> {
    let party = app.protection.party_of(&headers, &app.info.domain)?;
    let (bearer, _) = confirmed_bearer(&app, &headers).await?;
    let device = bearer.device;
    blocking(move || {
        let known = rows(&app, &device)?;
        if known.len() >= MAX_PASSKEYS_PER_DEVICE {
            return Err(too_many());
        }
        let row = app.reader.device(&device)?.ok_or_else(HttpError::unauthorized)?;
        let exclude = known.iter().map(|passkey| passkey.cred_id().clone()).collect();
        let user = Uuid::from_bytes(*device.as_bytes());
        let begun = app.protection.party(&party)?.start_passkey_registration(
            user,
            &row.card.name,
            &row.card.name,
            Some(exclude),
        );
        let (options, state) = begun.map_err(|error| HttpError::internal(&error, "begin a registration"))?;
        let options = registration_options(&options.public_key)?;
        begin(&app, Client::Proven, Begun { device, party, ceremony: Ceremony::Registration(state) }, options).map(Json)
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
        (status = 409, description = "The device has too many passkeys, or this one already", body = ref("#/components/schemas/ApiError")),
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
    request: Result<Body<PasskeyAnswer>, HttpError>,
) -> Result<Json<IssuedTicket>, HttpError> {
    let Body(PasskeyAnswer { ceremony, credential }) = request?;
    let bearer = super::shift_tokens::bearer(&app, &headers).ok_or_else(HttpError::unauthorized)?;
    let Begun { device, party, ceremony: Ceremony::Registration(state) } = end(&app, &ceremony)? else {
        return Err(not_accepted(&"a registration answers another ceremony", bearer.device));
    };
    if device != bearer.device {
        return Err(not_accepted(&"a registration answers another device's ceremony", bearer.device));
    }
    let for_check = app.clone();
    let passkey = blocking(move || verify_registration(&for_check, device, party, &state, credential)).await?;
    let (ticket, issued) = new_ticket(device)?;
    if !store(&app, vec![ProtectionWrite::PasskeyAdded(Box::new(passkey)), issued]).await? {
        return Err(too_many());
    }
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
    let passkey = app.protection.party(&party)?.finish_passkey_registration(&answer, state);
    let passkey = passkey.map_err(|why| not_accepted(&why, device))?;
    Ok(PasskeyRow {
        credential: URL_SAFE_NO_PAD.encode(passkey.cred_id()),
        device,
        passkey: write_passkey(&passkey)?,
        added_ms: now_ms(),
    })
}

/// Begins an assertion: a device is to be unlocked, or a command confirmed.
///
/// Needs no sign-in, which the assertion is for. The answer has the same form for devices that do not exist or have no passkey, and
/// an assertion for them is refused as one with an unknown passkey.
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
    request: Result<Body<ChallengeRequest>, HttpError>,
) -> Result<Json<PasskeyOptions>, HttpError> {
    let Body(ChallengeRequest { device }) = request?;
    let party = app.protection.party_of(&headers, &app.info.domain)?;
    let client = match address.is_proxy {
        true => Client::BehindProxy,
        false => Client::At(network_of(address.address, UNSIGNED_IPV6_PREFIX)),
    };
    blocking(move || {
        let passkeys = rows(&app, &device)?;
        let rp_id = party.rp_id(&app.info.domain);
        let (options, state) = if passkeys.is_empty() {
            (assertion_options(&random_bytes()?, rp_id), None)
        } else {
            let begun = app.protection.party(&party)?.start_passkey_authentication(&passkeys);
            let (options, state) = begun.map_err(|error| HttpError::internal(&error, "begin an assertion"))?;
            (assertion_options(&options.public_key.challenge, rp_id), Some(state))
        };
        begin(&app, client, Begun { device, party, ceremony: Ceremony::Assertion(state) }, options).map(Json)
    })
    .await
}

/// Without the list of credentials: it would tell anybody which authenticators a person has.
pub(super) fn assertion_options(challenge: &[u8], rp_id: &str) -> Value {
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
        (status = 409, description = "The passkey was used elsewhere at the same time; retry", body = ref("#/components/schemas/ApiError")),
        (status = 410, description = "The ceremony expired or was answered already", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The body is longer than 64 KB", body = ref("#/components/schemas/ApiError")),
        (status = 415, description = "The content type is not application/json", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The body does not have the documented form", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn assert(
    State(app): State<Arc<App>>,
    request: Result<Body<PasskeyAnswer>, HttpError>,
) -> Result<Json<IssuedTicket>, HttpError> {
    let Body(PasskeyAnswer { ceremony, credential }) = request?;
    let Begun { device, party, ceremony: Ceremony::Assertion(state) } = end(&app, &ceremony)? else {
        return Err(HttpError::new(StatusCode::FORBIDDEN, "the passkey was not accepted: reload the page"));
    };
    let for_check = app.clone();
    let used = blocking(move || {
        let answer = parse(credential)?;
        let state = state.ok_or_else(|| not_accepted(&"the device has no passkeys", device))?;
        let result = for_check.protection.party(&party)?.finish_passkey_authentication(&answer, &state);
        let result = result.map_err(|why| not_accepted(&why, device))?;
        // As it is stored now: it may have been used or removed since the ceremony began.
        let credential = URL_SAFE_NO_PAD.encode(result.cred_id());
        let stored = for_check.reader.passkeys(&device)?.into_iter().find(|row| row.credential == credential);
        let before = stored.ok_or_else(|| not_accepted(&"it was removed", device))?.passkey;
        if !counter_rises(counter_of(&before)?, result.counter()) {
            return Err(not_accepted(&"its signature counter did not rise: it may have been copied", device));
        }
        let mut used: Passkey = read_passkey(&before)?;
        used.update_credential(&result);
        Ok(ProtectionWrite::PasskeyUsed { credential, before, passkey: write_passkey(&used)? })
    })
    .await?;
    let (ticket, issued) = new_ticket(device)?;
    if !store(&app, vec![used, issued]).await? {
        let text = "this passkey was used elsewhere at the same time, or removed: try again";
        return Err(HttpError::new(StatusCode::CONFLICT, text));
    }
    Ok(Json(ticket))
}

/// The part of a stored passkey that the library does not give out.
#[derive(serde::Deserialize)]
struct StoredPasskey {
    cred: StoredCredential,
}

#[derive(serde::Deserialize)]
struct StoredCredential {
    counter: u32,
}

/// The signature counter of a stored passkey's last use.
pub(super) fn counter_of(stored: &str) -> Result<u32, HttpError> {
    Ok(read_passkey::<StoredPasskey>(stored)?.cred.counter)
}

/// Whether a signature counter is above the last one (WebAuthn Level 3, section 7.2, step 22). Authenticators without one say 0.
pub(super) fn counter_rises(last: u32, now: u32) -> bool {
    now > last || (now == 0 && last == 0)
}
