//! Appointment of registrars, what they do over their connections, requests of new devices, and the lists of devices and sign-ins.

use super::{
    App,
    devices::{archive_certificates, check},
    error::{HttpError, blocking},
    extract::Body,
};
use crate::{
    archive::now_ms,
    hub::Input,
    sign_in,
    store::{InvitationRow, Queries, RegistrarRow},
    switchboard::{Approved, DeviceAsked, FirstApproved, Reply, Revocation, SessionId},
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use std::{collections::HashMap, sync::Arc};
use telcon_identity::{IdentityError, Office, Registrar, label_of, read_request};
use telcon_proto::{
    Blob, Digest, InvitationId,
    entry::InvitationClosed,
    http::{AppointRequest, Appointed, AskRequest, Asked, DeviceList, ListedDevice, Registrars, SignInList},
    policy::{Action, allows},
};

/// Appoints a device as a registrar.
///
/// Needs no sign-in: the certificate is issued by the office's authority, whose key is not on the server. Body: at most 64 KB.
#[utoipa::path(
    post, path = "/registrars", tag = "office",
    request_body(content = ref("#/components/schemas/AppointRequest"), description = "Registrar certificate"),
    responses(
        (status = 200, description = "Appointed and in the log", body = ref("#/components/schemas/Appointed")),
        (status = 400, description = "The body is not JSON", body = ref("#/components/schemas/ApiError")),
        (status = 404, description = "No such device, or it is revoked", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The body is longer than 64 KB", body = ref("#/components/schemas/ApiError")),
        (status = 415, description = "The content type is not application/json", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The certificate does not verify, or has expired", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn appoint(
    State(app): State<Arc<App>>,
    request: Result<Body<AppointRequest>, HttpError>,
) -> Result<Json<Appointed>, HttpError> {
    let Body(AppointRequest { certificate }) = request?;
    let for_check = app.clone();
    let row = blocking(move || {
        let now = now_ms();
        let registrar = for_check.office.verify_registrar(certificate.as_slice(), now).map_err(|why| {
            HttpError::new(StatusCode::UNPROCESSABLE_ENTITY, format!("the registrar was not appointed: {why}"))
        })?;
        let device = registrar.device();
        let enrolled = for_check
            .reader
            .device(&device)?
            .ok_or_else(|| HttpError::new(StatusCode::NOT_FOUND, "no such device is enrolled here: enrol it first"))?;
        // The certificate is for the key that the device signs in with.
        let own: Vec<&[u8]> = enrolled.chain.iter().map(|der| der.as_slice()).collect();
        let same_key = for_check
            .office
            .verify_chain(&own, now)
            .is_ok_and(|own| own.public_key() == registrar.public_key() && own.card() == registrar.card());
        if !same_key {
            let text =
                "the registrar was not appointed: the certificate is for another key or person than the device's";
            return Err(HttpError::new(StatusCode::UNPROCESSABLE_ENTITY, text));
        }
        Ok(RegistrarRow {
            device,
            cert_sha256: Digest::from_bytes(registrar.sha256()),
            roles: registrar.roles().to_vec(),
            certificate,
            appointed_ms: now,
            log_index: None,
        })
    })
    .await?;
    let (device, cert_sha256, certificate) = (row.device, row.cert_sha256, row.certificate.clone());
    let answer = app.hub.ask(|reply| Input::Appoint(Box::new(row), reply)).await.ok_or_else(HttpError::unavailable)?;
    let index = answer?.logged()?;
    let logged = blocking(move || {
        // Auditors verify with it what the registrar signs.
        if let Err(error) = app.certificates.store_registrar(&cert_sha256, &certificate) {
            tracing::error!(%device, %error, "registrar certificate not archived: check archive/issuers or the bucket; appoint the device again");
        }
        Ok(app.prover.prove(index)?)
    });
    Ok(Json(Appointed { device, logged: logged.await? }))
}

/// Asks a registrar to enrol a device.
///
/// Needs no sign-in: the request is signed by the device's new key and authenticated with the secret of a registrar's link, which
/// the server does not know. The device sends the same request again until it is answered; the first request uses the link up.
/// Body: at most 64 KB.
#[utoipa::path(
    post, path = "/device-requests", tag = "office",
    request_body(content = ref("#/components/schemas/AskRequest"), description = "Request of the device"),
    responses(
        (status = 200, description = "What became of the request", body = ref("#/components/schemas/Asked")),
        (status = 400, description = "The body is not JSON", body = ref("#/components/schemas/ApiError")),
        (status = 404, description = "No such invitation", body = ref("#/components/schemas/ApiError")),
        (status = 409, description = "A device of this id is enrolled already", body = ref("#/components/schemas/ApiError")),
        (status = 410, description = "Another device used the link", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The body is longer than 64 KB", body = ref("#/components/schemas/ApiError")),
        (status = 415, description = "The content type is not application/json", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The request does not verify", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn ask(
    State(app): State<Arc<App>>,
    request: Result<Body<AskRequest>, HttpError>,
) -> Result<Json<Asked>, HttpError> {
    let Body(AskRequest { request: jws }) = request?;
    let for_check = app.clone();
    let asked = blocking(move || {
        let office = &for_check.office;
        let verified = read_request(&jws, office.domain(), office.suite())
            .map_err(|why| HttpError::new(StatusCode::UNPROCESSABLE_ENTITY, format!("the device cannot ask: {why}")))?;
        let content = verified.request();
        let token_sha256 = verified.token_sha256();
        Ok(DeviceAsked { invitation: content.invitation, device: content.device, token_sha256, jws })
    })
    .await?;
    let for_store = asked.clone();
    let answer =
        app.hub.ask(|reply| Input::DeviceAsked(Box::new(asked), reply)).await.ok_or_else(HttpError::unavailable)?;
    match answer? {
        Reply::Asked(asked) => Ok(Json(asked)),
        Reply::NoOpenInvitation => {
            let (for_read, invitation) = (app.clone(), for_store.invitation);
            match blocking(move || closed(&*for_read.reader, &for_store)).await? {
                Some(asked) => Ok(Json(asked)),
                None => {
                    app.hub.send(Input::LinkOpenedAgain(invitation)).await;
                    let text =
                        "this link was used already, by another device. If that was not you, tell your office at once";
                    Err(HttpError::new(StatusCode::GONE, text))
                }
            }
        }
        Reply::Logged(_)
        | Reply::LinkKept
        | Reply::PushStored
        | Reply::ApprovedFirst
        | Reply::ErasureNoted
        | Reply::RecoveryConfirmed => Err(HttpError::unavailable()),
    }
}

/// Verifies the certificates with which a registrar approves a device, and has the switchboard enrol it, or keep the approval where
/// the charter demands a second.
pub(super) async fn approve(
    app: Arc<App>,
    session: SessionId,
    invitation: InvitationId,
    chain: Vec<Blob>,
    line: Option<String>,
) {
    let for_check = app.clone();
    let checked = tokio::task::spawn_blocking(move || {
        let row = for_check
            .reader
            .invitation(&invitation)
            .map_err(|_| "the server could not verify the certificate: approve it again")?;
        match row.as_ref().is_some_and(|row| row.line.is_some()) {
            true => {
                let checked = check_holder(&for_check.office, row.as_ref(), chain, line, now_ms())?;
                is_new_person(&for_check, row.as_ref())?;
                if let Approved::Holder(_, line) = &checked {
                    super::lines::store_sealed(&for_check, line)?;
                }
                Ok(checked)
            }
            false if line.is_some() => Err("this invitation is not for a line".to_owned()),
            false => check_approval(&for_check.office, row.as_ref(), chain, now_ms()),
        }
    });
    let approved =
        checked.await.unwrap_or_else(|_| Err("the server could not verify the certificate: approve it again".into()));
    let device = match &approved {
        Ok(Approved::Last(new) | Approved::Holder(new, _)) => Some(new.device),
        Ok(Approved::First(_)) | Err(_) => None,
    };
    let answer = app.hub.ask(|reply| Input::Approve(session, invitation, Box::new(approved), reply)).await;
    // A refusal was sent to the registrar's connection.
    if let (Some(device), Some(Ok(_))) = (device, answer) {
        // Not awaited: a slow archive must not keep this connection from its messages. What is not stored, the next start stores.
        tokio::spawn(async move {
            let Ok(_permit) = app.archiving.clone().acquire_owned().await else { return };
            let _ = tokio::task::spawn_blocking(move || archive_certificates(&app, device)).await;
        });
    }
}

/// Verifies one registrar's certificates against what was asked, and, with those of the first registrar where there is one, that
/// devices will accept them. Whether this registrar may approve this invitation is for the switchboard.
fn check_approval(
    office: &Office,
    row: Option<&InvitationRow>,
    chain: Vec<Blob>,
    now_ms: u64,
) -> Result<Approved, String> {
    let row = row.ok_or("this invitation is closed already")?;
    let asked = row.request.as_deref().ok_or("no device has asked yet")?;
    let asked = read_request(asked, office.domain(), office.suite()).map_err(|error| error.to_string())?;
    let unverified = |error: IdentityError| format!("the certificate does not verify: {error}");
    let ders: Vec<&[u8]> = chain.iter().map(Blob::as_slice).collect();
    let approval = office.verify_approval(&ders, &asked, &row.card, now_ms).map_err(unverified)?;
    let first = row.first_approval.as_ref().filter(|first| first.by != approval.registrar());
    // A recovered person's device needs two in every office.
    let needed = if row.recovery.is_some() { Registrars::Two } else { office.registrars() };
    match (needed, first) {
        (Registrars::One, _) => check(office, chain, now_ms).map(Approved::Last).map_err(unverified),
        (Registrars::Two, None) => {
            let (device, card) = (approval.device(), row.card.clone());
            Ok(Approved::First(FirstApproved { device, card, chain }))
        }
        (Registrars::Two, Some(first)) => {
            let both = first.chain.iter().cloned().chain(chain).collect();
            check(office, both, now_ms).map(Approved::Last).map_err(unverified)
        }
    }
}

/// Verifies the certificates of the holder of a line that a principal's device issued, against what was asked and offered, and the
/// first version of the line. Whether that device may approve this invitation is for the switchboard.
fn check_holder(
    office: &Office,
    row: Option<&InvitationRow>,
    chain: Vec<Blob>,
    line: Option<String>,
    now_ms: u64,
) -> Result<Approved, String> {
    let row = row.ok_or("this invitation is closed already")?;
    let line = line.ok_or("the line is missing that the device is approved for: update this device")?;
    let asked = row.request.as_deref().ok_or("no device has asked yet")?;
    let asked = read_request(asked, office.domain(), office.suite()).map_err(|error| error.to_string())?;
    let unverified = |error: IdentityError| format!("the certificate does not verify: {error}");
    let ders: Vec<&[u8]> = chain.iter().map(Blob::as_slice).collect();
    let line = sign_in::verify_first_line(office, line)?;
    // Of a line that a delegate offered, the device of the principal who confirms it: whether it is theirs is for the switchboard.
    let giver = if row.offered_for.is_some() { line.by } else { row.made_by };
    office.verify_holder(&ders, &asked, &row.card, giver, now_ms).map_err(unverified)?;
    let new = check(office, chain, now_ms).map_err(unverified)?;
    Ok(Approved::Holder(new, Box::new(line)))
}

/// A principal certifies devices of new people only: whoever has, or ever had, a device is known to others, who would take the new one
/// for theirs.
fn is_new_person(app: &App, row: Option<&InvitationRow>) -> Result<(), String> {
    let Some(row) = row else { return Ok(()) };
    let known = app
        .reader
        .listed_devices(Some(row.card.person))
        .map_err(|_| "the server could not verify the certificate: approve it again")?;
    // The device itself is known if the log failed before.
    match known.iter().all(|device| Some(device.device) == row.device) {
        true => Ok(()),
        false => Err("this person is known to the office: offer the line to a new one".to_owned()),
    }
}

/// Verifies a registrar's revocation, and has the switchboard carry it out. A refusal is sent to the registrar's connection.
pub(super) async fn revoke(app: Arc<App>, session: SessionId, statement: String) {
    let for_check = app.clone();
    let checked = tokio::task::spawn_blocking(move || {
        let verified = for_check.office.verify_revocation(&statement);
        let verified = verified.map_err(|error| format!("the revocation does not verify: {error}"))?;
        let by = verified.registrar().map(Registrar::device).ok_or("the revocation is not a registrar's")?;
        Ok(Revocation { device: verified.device(), by, statement })
    });
    let revocation = checked
        .await
        .unwrap_or_else(|_| Err("the server could not verify the revocation: revoke the device again".to_owned()));
    let device = revocation.as_ref().ok().map(|revocation| revocation.device);
    let answer = app.hub.ask(|reply| Input::RevokeAsRegistrar(session, Box::new(revocation), reply)).await;
    if let (Some(device), Some(Ok(_))) = (device, answer) {
        app.revoke_tokens(device);
    }
}

/// What became of a request whose invitation is not open; none if another device used the link.
fn closed(store: &dyn Queries, asked: &DeviceAsked) -> Result<Option<Asked>, HttpError> {
    let row = store.invitation(&asked.invitation)?.filter(|row| row.token_sha256 == asked.token_sha256);
    let Some(InvitationRow { request, closed: Some((how, ..)), .. }) = row else {
        let text = "this link is not known here: ask your office for another";
        return Err(HttpError::new(StatusCode::NOT_FOUND, text));
    };
    if how == InvitationClosed::Withdrawn || how == InvitationClosed::Expired && request.is_none() {
        let text = "this link is not valid any more: ask your office for another";
        return Err(HttpError::new(StatusCode::GONE, text));
    }
    if request.as_ref() != Some(&asked.jws) {
        return Ok(None);
    }
    Ok(Some(match how {
        InvitationClosed::Approved => {
            let row = store.device(&asked.device)?.ok_or_else(HttpError::unavailable)?;
            Asked::Approved { chain: row.chain }
        }
        InvitationClosed::Expired => Asked::Expired {},
        InvitationClosed::Refused | InvitationClosed::Withdrawn => Asked::Refused {},
    }))
}

/// Lists enrolled devices.
///
/// Those of the whole office for who may see them, else those of the bearer's own person.
#[utoipa::path(
    get, path = "/devices", tag = "office",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "Devices", body = ref("#/components/schemas/DeviceList")),
        (status = 401, description = "No valid token", body = ref("#/components/schemas/ApiError")),
        (status = 429, description = "The device has too many reads in progress", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn list_devices(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Json<DeviceList>, HttpError> {
    let bearer = app.tokens.bearer(&headers).ok_or_else(HttpError::unauthorized)?;
    let all = allows(bearer.role, Action::SeeAllDevices);
    let person = (!all).then_some(bearer.person);
    let read = move |store: &dyn Queries| Ok((store.listed_devices(person)?, store.accounts(person)?));
    let (rows, accounts) = app.record_reader.read(bearer.device, read).await?;
    // Of the provider that the office has now.
    let issuer = app.sso.as_ref().map(super::sso::Sso::issuer);
    let accounts: HashMap<_, _> = accounts
        .into_iter()
        .filter(|account| Some(&*account.issuer) == issuer)
        .map(|account| (account.person, account))
        .collect();
    let mut devices: Vec<ListedDevice> = rows
        .into_iter()
        .map(|row| ListedDevice {
            label: row.request.and_then(|request| label_of(&request, &row.card.office)),
            connected: app.tokens.is_connected(&row.device),
            device: row.device,
            account: accounts.get(&row.card.person).cloned(),
            card: row.card,
            approved_by: row.approved_by,
            first_approved_by: row.first_approved_by,
            registrar: row.registrar,
            enrolled_ms: row.enrolled_ms,
            revoked_ms: row.revoked_ms,
            erase_ordered_ms: row.erase_ordered_ms,
            erased_ms: row.erased_ms,
            program: row.program,
            account_used_ms: row.account_used_ms,
            last_seen_ms: row.last_seen.map(|(ms, _)| ms),
            kind: row.last_seen.map(|(_, kind)| kind),
            on_shift: row.on_shift,
        })
        .collect();
    devices.sort_by(|a, b| (&a.card.name, a.enrolled_ms).cmp(&(&b.card.name, b.enrolled_ms)));
    Ok(Json(DeviceList { devices }))
}

/// Lists when the devices of the bearer's person were connected, and attempts to sign in as one of them that failed.
#[utoipa::path(
    get, path = "/sign-ins", tag = "office",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "Sign-ins, newest first", body = ref("#/components/schemas/SignInList")),
        (status = 401, description = "No valid token", body = ref("#/components/schemas/ApiError")),
        (status = 429, description = "The device has too many reads in progress", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn list_sign_ins(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
) -> Result<Json<SignInList>, HttpError> {
    let bearer = app.tokens.bearer(&headers).ok_or_else(HttpError::unauthorized)?;
    let list = app.record_reader.read(bearer.device, move |store| Ok(store.sign_ins(bearer.person)?)).await?;
    Ok(Json(list))
}
