//! Shifts at devices of places: who proves with a passkey that they are there.

use super::{
    App,
    error::{HttpError, blocking},
    extract::Body,
    passkeys::{self, counter_of, counter_rises, not_accepted, parse, read_passkey, write_passkey},
    protection::{Begun, Ceremony, Party, store},
    shift_tokens::bearer,
};
use crate::{
    archive::now_ms,
    hub::Input,
    protection::Client,
    random::random,
    store::ProtectionWrite,
    switchboard::{BeginningShift, NOT_A_PLACE},
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use std::sync::Arc;
use telcon_proto::{
    Card, DeviceId, ShiftId,
    limits::MAX_SHIFT_MS,
    protection::PasskeyAnswer,
    shift::{OnShift, ShiftBegun, ShiftOptions},
};
use webauthn_rs::prelude::{DiscoverableAuthentication, Passkey, PublicKeyCredential};

/// That a device is a place's: what the switchboard decides in the end, asked before somebody reaches for a passkey.
fn check_place(app: &App, device: &DeviceId) -> Result<(), HttpError> {
    let row = app.reader.device(device)?.filter(|row| row.revoked_ms.is_none() && row.card.place);
    row.map(drop).ok_or_else(|| HttpError::new(StatusCode::FORBIDDEN, NOT_A_PLACE))
}

/// Begins the ceremony with which a person begins a shift at the bearer's device, which is a place's.
///
/// The token is that of `shift_required`, or of a device that is handed over. The challenge is for this device and for the shift that
/// the answer names.
#[utoipa::path(
    post, path = "/shifts/challenge", tag = "shifts",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "Options of the ceremony", body = ref("#/components/schemas/ShiftOptions")),
        (status = 401, description = "No valid token", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "Not a place's device, or not the office's page", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn challenge(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Json<ShiftOptions>, HttpError> {
    let bearer = bearer(&app, &headers).ok_or_else(HttpError::unauthorized)?;
    let party = app.protection.party_of(&headers, &app.info.domain)?;
    blocking(move || {
        check_place(&app, &bearer.device)?;
        let id = random().map_err(|error| HttpError::internal(&error, "make random numbers"))?;
        let (id, _) = id.split_first_chunk::<16>().ok_or_else(HttpError::unavailable)?;
        let shift = ShiftId::from_bytes(*id);
        let begun = app.protection.party(&party)?.start_discoverable_authentication();
        let (options, state) = begun.map_err(|error| HttpError::internal(&error, "begin an assertion"))?;
        let options = passkeys::assertion_options(&options.public_key.challenge, party.rp_id(&app.info.domain));
        let begun = Begun { device: bearer.device, party, ceremony: Ceremony::Shift(shift, state) };
        let passkeys = passkeys::begin(&app, Client::Proven, begun, options)?;
        Ok(Json(ShiftOptions { shift, ceremony: passkeys.ceremony, options: passkeys.options }))
    })
    .await
}

/// Begins a shift: a person of the office is at the bearer's device, as their own passkey proves, with user verification.
///
/// The passkey is one with which that person protects a device of their own that is not revoked, and their role has every permission of
/// the place's. A shift before it is handed over. Body: at most 64 KB.
#[utoipa::path(
    post, path = "/shifts", tag = "shifts",
    security(("bearer" = [])),
    request_body(content = ref("#/components/schemas/PasskeyAnswer"), description = "The authenticator's answer"),
    responses(
        (status = 200, description = "Begun, and in the log: connect again", body = ref("#/components/schemas/ShiftBegun")),
        (status = 400, description = "The body is not JSON", body = ref("#/components/schemas/ApiError")),
        (status = 401, description = "No valid token", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "Not accepted: for example, the person may not work at this place", body = ref("#/components/schemas/ApiError")),
        (status = 409, description = "A shift begins already, or the passkey was used elsewhere at the same time; retry", body = ref("#/components/schemas/ApiError")),
        (status = 410, description = "The ceremony expired or was answered already, or a device was revoked", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The body is longer than 64 KB", body = ref("#/components/schemas/ApiError")),
        (status = 415, description = "The content type is not application/json", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The body does not have the documented form", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn begin(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    request: Result<Body<PasskeyAnswer>, HttpError>,
) -> Result<Json<ShiftBegun>, HttpError> {
    let Body(PasskeyAnswer { ceremony, credential }) = request?;
    let bearer = bearer(&app, &headers).ok_or_else(HttpError::unauthorized)?;
    let Begun { device, party, ceremony: Ceremony::Shift(shift, state) } = passkeys::end(&app, &ceremony)? else {
        return Err(not_accepted(&"a shift answers another ceremony", bearer.device));
    };
    if device != bearer.device {
        return Err(not_accepted(&"a shift answers another device's ceremony", bearer.device));
    }
    let begun = verify_and_begin(&app, device, shift, party, state, credential).await;
    if begun.as_ref().is_err_and(|error| error.0 == StatusCode::FORBIDDEN) {
        app.hub.send(Input::SignInFailed(device)).await;
    }
    let (index, person) = begun?;
    app.shifts.release(device);
    blocking(move || {
        let logged = app.prover.prove(index)?;
        let since_ms =
            telcon_proto::entry::ReadEntry::parse(logged.entry.as_slice()).known().map_or(0, |e| e.time_ms());
        let on_shift = OnShift { shift, person, since_ms, until_ms: since_ms + MAX_SHIFT_MS };
        Ok(Json(ShiftBegun { on_shift, logged }))
    })
    .await
}

/// Whether the person may work at this place, the switchboard decides. Returns the index of the beginning in the log, and the person.
async fn verify_and_begin(
    app: &Arc<App>,
    device: DeviceId,
    shift: ShiftId,
    party: Party,
    state: DiscoverableAuthentication,
    credential: Value,
) -> Result<(u64, Card), HttpError> {
    let for_check = app.clone();
    let Verified { with, person, used } =
        blocking(move || verify(&for_check, device, &party, state, credential)).await?;
    // Before the shift begins: an assertion begins one shift at most, whatever happens then.
    if !store(app, vec![used]).await? {
        let text = "this passkey was used elsewhere at the same time, or removed: try again";
        return Err(HttpError::new(StatusCode::CONFLICT, text));
    }
    let new = BeginningShift { shift, device, with };
    let answer = app.hub.ask(|reply| Input::BeginShift(new, reply)).await.ok_or_else(HttpError::unavailable)?;
    Ok((answer?.logged()?, person))
}

/// A person of whom it is proven that they are at the device.
struct Verified {
    /// Their device, for which the passkey is registered.
    with: DeviceId,
    person: Card,
    /// The use of the passkey, to be stored.
    used: ProtectionWrite,
}

fn verify(
    app: &App,
    device: DeviceId,
    party: &Party,
    state: DiscoverableAuthentication,
    credential: Value,
) -> Result<Verified, HttpError> {
    let answer: PublicKeyCredential = parse(credential)?;
    let webauthn = app.protection.party(party)?;
    let (user, id) =
        webauthn.identify_discoverable_authentication(&answer).map_err(|why| not_accepted(&why, device))?;
    let credential = URL_SAFE_NO_PAD.encode(id);
    let unknown = || {
        let text =
            "your office does not know this passkey, or its device is revoked: use one that protects a device of yours";
        HttpError::new(StatusCode::FORBIDDEN, text)
    };
    let row =
        app.reader.passkey(&credential)?.filter(|row| row.device.as_bytes() == user.as_bytes()).ok_or_else(unknown)?;
    let theirs = app.reader.device(&row.device)?.filter(|row| row.revoked_ms.is_none()).ok_or_else(unknown)?;
    // As at its own sign-in: with an expired certificate its person may sign in nowhere.
    let chain: Vec<&[u8]> = theirs.chain.iter().map(|der| der.as_slice()).collect();
    app.office.verify_chain(&chain, now_ms()).map_err(|_| unknown())?;
    let before = row.passkey;
    let mut used: Passkey = read_passkey(&before)?;
    let result = webauthn.finish_discoverable_authentication_v2(&answer, state, &used);
    let result = result.map_err(|why| not_accepted(&why, device))?;
    if !counter_rises(counter_of(&before)?, result.counter()) {
        return Err(not_accepted(&"its signature counter did not rise: it may have been copied", device));
    }
    used.update_credential(&result);
    let used = ProtectionWrite::PasskeyUsed { credential, before, passkey: write_passkey(&used)? };
    Ok(Verified { with: row.device, person: theirs.card, used })
}
