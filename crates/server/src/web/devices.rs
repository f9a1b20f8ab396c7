//! Invitations, and enrolment and revocation of devices.

use super::{
    App,
    error::{HttpError, blocking},
    extract::Body,
};
use crate::{archive::now_ms, digest::sha256, hub::Input, store::IssuedLinkRow, switchboard::NewDevice};
use axum::{Json, extract::State, http::StatusCode};
use std::sync::Arc;
use telcon_identity::{IdentityError, Office, VerifiedDevice};
use telcon_log::{Log, LogSigner, MemoryStorage};
use telcon_proto::{
    Blob, DeviceId, Digest,
    entry::{Entry, person_commitment},
    http::{EnrolRequest, Enrolled, InviteRequest, Invited, RevokeRequest},
    message::Logged,
};

/// States that a person was invited, before the link is handed out.
///
/// Needs no sign-in: the body is signed by the office's authority, whose key is not on the server. Refused when the name looks
/// like that of another person who is enrolled or invited, unless the statement names that person. Body: at most 64 KB.
#[utoipa::path(
    post, path = "/invitations", tag = "office",
    request_body(content = ref("#/components/schemas/InviteRequest"), description = "Signed statement"),
    responses(
        (status = 200, description = "Kept until the link expires", body = ref("#/components/schemas/Invited")),
        (status = 400, description = "The body is not JSON", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "The signature is not the authority's, or the link has expired", body = ref("#/components/schemas/ApiError")),
        (status = 409, description = "The name looks like another person's, who is named", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The body is longer than 64 KB", body = ref("#/components/schemas/ApiError")),
        (status = 415, description = "The content type is not application/json", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The body does not have the documented form", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn invite(
    State(app): State<Arc<App>>,
    request: Result<Body<InviteRequest>, HttpError>,
) -> Result<Json<Invited>, HttpError> {
    let Body(InviteRequest { jws }) = request?;
    let for_check = app.clone();
    let issued = blocking(move || {
        let checked = for_check.office.verify_issued_invitation(&jws, now_ms());
        checked.map_err(|why| HttpError::new(StatusCode::FORBIDDEN, format!("the invitation was not accepted: {why}")))
    })
    .await?;
    let (person, expires_ms) = (issued.card.person, issued.expires_ms);
    let row =
        IssuedLinkRow { enrolment: issued.enrolment, card: issued.card, same_name_as: issued.same_name_as, expires_ms };
    let answer =
        app.hub.ask(|reply| Input::LinkIssued(Box::new(row), reply)).await.ok_or_else(HttpError::unavailable)?;
    answer.map(|_| Json(Invited { person })).map_err(HttpError::from)
}

/// Enrols a device.
///
/// The server verifies the chain and appends the certificate to the log before it accepts the device. An enrolment
/// certificate enrols one device. Body: at most 64 KB.
#[utoipa::path(
    post, path = "/devices", tag = "office",
    request_body(content = ref("#/components/schemas/EnrolRequest"), description = "Certificate chain of the device"),
    responses(
        (status = 201, description = "Enrolled and in the log", body = ref("#/components/schemas/Enrolled")),
        (status = 400, description = "The body is not JSON", body = ref("#/components/schemas/ApiError")),
        (status = 409, description = "A device of this id, another person under it, or another person whose name looks the same, is enrolled already", body = ref("#/components/schemas/ApiError")),
        (status = 410, description = "The enrolment link was used already", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The body is longer than 64 KB", body = ref("#/components/schemas/ApiError")),
        (status = 415, description = "The content type is not application/json", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The chain does not verify, is expired or belongs to another office", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn enrol(
    State(app): State<Arc<App>>,
    request: Result<Body<EnrolRequest>, HttpError>,
) -> Result<(StatusCode, Json<Enrolled>), HttpError> {
    let Body(EnrolRequest { chain }) = request?;
    let for_check = app.clone();
    let new = blocking(move || {
        let new = check(&for_check.office, chain, now_ms()).map_err(|why| {
            HttpError::new(StatusCode::UNPROCESSABLE_ENTITY, format!("the device was not enrolled: {why}"))
        })?;
        if !new.registrars.is_empty() || crate::store::is_holders_chain(&new.chain) {
            let text = "the device was not enrolled: it is approved with an invitation";
            return Err(HttpError::new(StatusCode::UNPROCESSABLE_ENTITY, text));
        }
        Ok(new)
    })
    .await?;
    // The client may hang up: a device whose enrolment is in the log gets its certificates into the archive all the same.
    let enrolling = tokio::spawn(take(app, new));
    let enrolled = enrolling.await.map_err(|error| HttpError::internal(&error, "enrol a device"))??;
    Ok((StatusCode::CREATED, Json(enrolled)))
}

/// Appends a device's entry to the log, then stores its certificates in the archive.
async fn take(app: Arc<App>, new: NewDevice) -> Result<Enrolled, HttpError> {
    let device = new.device;
    let answer = app.hub.ask(|reply| Input::Enrol(Box::new(new), reply)).await.ok_or_else(HttpError::unavailable)?;
    let index = answer?.logged()?;
    let logged = blocking(move || {
        archive_certificates(&app, device);
        Ok(app.prover.prove(index)?)
    });
    Ok(Enrolled { device, logged: logged.await? })
}

/// Stores the certificates of a device that is in the log in the archive.
pub(super) fn archive_certificates(app: &App, device: DeviceId) {
    let kept = app.reader.device(&device).map_err(|error| error.to_string());
    let kept = kept.and_then(|row| row.map_or(Ok(()), |row| app.certificates.store(&row).map_err(|e| e.to_string())));
    if let Err(error) = kept {
        tracing::error!(%device, error, "certificate not archived: check archive/devices or the bucket; the next start of the server stores it");
    }
}

/// Verifies a certificate chain, and that devices will accept the log entry made of it.
pub(super) fn check(office: &Office, chain: Vec<Blob>, now_ms: u64) -> Result<NewDevice, IdentityError> {
    let ders: Vec<&[u8]> = chain.iter().map(Blob::as_slice).collect();
    let verified = office.verify_chain(&ders, now_ms)?;
    let new = NewDevice {
        device: verified.device(),
        card: verified.card().clone(),
        cert_sha256: Digest::from_bytes(verified.cert_sha256()),
        enrolment: verified.enrolment_hex(),
        second_cert_sha256: verified.second_cert_sha256().map(Digest::from_bytes),
        registrars: verified.registrars().to_vec(),
        // The hub looks it up.
        enrolment_is_used: false,
        chain,
    };
    rehearse(office, verified, &new, now_ms)?;
    Ok(new)
}

/// Appends the entry to a log in memory and verifies it as every device will, including that the enrolment certificate is
/// valid now. Nothing that devices would refuse enters the real log.
fn rehearse(office: &Office, device: VerifiedDevice, new: &NewDevice, now_ms: u64) -> Result<(), IdentityError> {
    const BROKEN: &str = "invariant: appending to a log in memory cannot fail";
    let signer = LogSigner::from_seed(&[0; 32], "dry-run.invalid/log").expect(BROKEN);
    let office = office.with_log_key(signer.verifier_key().clone());
    let entry = Entry::DeviceEnrolled {
        time_ms: now_ms,
        device: new.device,
        cert_sha256: new.cert_sha256,
        enrolment: new.enrolment.clone(),
        person_sha256: Some(person_commitment(new.card.person, new.device, sha256)),
        second_cert_sha256: new.second_cert_sha256,
    };
    let mut log = Log::create(MemoryStorage::new(), signer, now_ms).expect(BROKEN);
    let appended = log.append(&[entry.to_bytes()], now_ms).expect(BROKEN);
    let checkpoint = appended.checkpoint.note().to_owned();
    let logged = Logged { entry: Blob(entry.to_bytes()), index: 0, proof: Vec::new(), checkpoint, office: None };
    office.verify_device_logged(device, &logged)?;
    Ok(())
}

/// Revokes a device.
///
/// Needs no sign-in: the body is signed by the office's authority, whose key is not on the server. The device's calls end,
/// its connections are closed, and it may not sign in again. Body: at most 64 KB.
#[utoipa::path(
    post, path = "/revocations", tag = "office",
    request_body(content = ref("#/components/schemas/RevokeRequest"), description = "Signed revocation"),
    responses(
        (status = 200, description = "Revoked and in the log", body = ref("#/components/schemas/Logged")),
        (status = 400, description = "The body is not JSON", body = ref("#/components/schemas/ApiError")),
        (status = 403, description = "The signature is not the authority's", body = ref("#/components/schemas/ApiError")),
        (status = 404, description = "No such device", body = ref("#/components/schemas/ApiError")),
        (status = 409, description = "The device is revoked already", body = ref("#/components/schemas/ApiError")),
        (status = 413, description = "The body is longer than 64 KB", body = ref("#/components/schemas/ApiError")),
        (status = 415, description = "The content type is not application/json", body = ref("#/components/schemas/ApiError")),
        (status = 422, description = "The body does not have the documented form", body = ref("#/components/schemas/ApiError")),
        (status = 503, description = "The server failed; retry", body = ref("#/components/schemas/ApiError")),
    ),
)]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    request: Result<Body<RevokeRequest>, HttpError>,
) -> Result<Json<Logged>, HttpError> {
    let Body(RevokeRequest { jws }) = request?;
    let (for_check, signed) = (app.clone(), jws.clone());
    let device = blocking(move || {
        let checked = for_check.office.verify_revocation(&jws);
        let refused =
            |why: String| HttpError::new(StatusCode::FORBIDDEN, format!("the revocation was not accepted: {why}"));
        match checked {
            Ok(revocation) if revocation.registrar().is_some() => {
                Err(refused("a registrar revokes over its own connection".into()))
            }
            Ok(revocation) => Ok(revocation.device()),
            Err(why) => Err(refused(why.to_string())),
        }
    })
    .await?;
    let answer = app.hub.ask(|reply| Input::Revoke(device, signed, reply)).await.ok_or_else(HttpError::unavailable)?;
    let index = answer?.logged()?;
    app.revoke_tokens(device);
    Ok(Json(blocking(move || Ok(app.prover.prove(index)?)).await?))
}
