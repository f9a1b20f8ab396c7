//! Enrolling and revoking devices.

use super::{
    App,
    error::{Failure, on_disk},
};
use crate::{
    archive::now_ms,
    entry::Entry,
    hub::Input,
    switchboard::{NewDevice, Reply},
};
use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    http::StatusCode,
};
use std::sync::Arc;
use telcon_identity::{IdentityError, Office, VerifiedDevice};
use telcon_log::{Log, LogSigner, MemoryStorage};
use telcon_proto::{
    Blob,
    http::{EnrolRequest, Enrolled, RevokeRequest},
    message::Logged,
};

pub(super) async fn enrol(
    State(app): State<Arc<App>>,
    request: Result<Json<EnrolRequest>, JsonRejection>,
) -> Result<(StatusCode, Json<Enrolled>), Failure> {
    let Json(EnrolRequest { chain }) = request?;
    let for_check = app.clone();
    let new = on_disk(move || {
        check(&for_check.office, chain, now_ms()).map_err(|why| {
            Failure::new(StatusCode::UNPROCESSABLE_ENTITY, format!("the device was not enrolled: {why}"))
        })
    })
    .await?;
    let device = new.device;
    let answer = app.hub.ask(|reply| Input::Enrol(Box::new(new), reply)).await.ok_or_else(Failure::busy)?;
    let Reply::Logged(index) = answer?;
    let logged = on_disk(move || Ok(app.prover.prove(index)?)).await?;
    Ok((StatusCode::CREATED, Json(Enrolled { device, logged })))
}

/// Checks a chain, and that what is going to stand in the log will be believed.
fn check(office: &Office, chain: Vec<Blob>, now_ms: u64) -> Result<NewDevice, IdentityError> {
    let ders: Vec<&[u8]> = chain.iter().map(Blob::as_slice).collect();
    let verified = office.verify_chain(&ders, now_ms)?;
    let new = NewDevice {
        device: verified.device(),
        card: verified.card().clone(),
        cert_sha256: hex(&verified.cert_sha256()),
        enrolment: hex(&verified.enrolment()),
        chain,
    };
    rehearse(office, verified, &new, now_ms)?;
    Ok(new)
}

/// Puts the entry into a log in memory and checks it as every other device will: above all, that the enrolment is open
/// now. Nothing that devices refuse gets into the real log.
fn rehearse(office: &Office, device: VerifiedDevice, new: &NewDevice, now_ms: u64) -> Result<(), IdentityError> {
    const BROKEN: &str = "invariant: a log in memory works";
    let signer = LogSigner::from_seed(&[0; 32], "rehearsal.invalid/log").expect(BROKEN);
    let office = office.rehearsal(signer.verifier_key().clone());
    let entry = Entry::DeviceEnrolled {
        time_ms: now_ms,
        device: new.device,
        cert_sha256: new.cert_sha256.clone(),
        enrolment: new.enrolment.clone(),
    };
    let mut log = Log::create(MemoryStorage::new(), signer, now_ms).expect(BROKEN);
    let appended = log.append(&[entry.to_bytes()], now_ms).expect(BROKEN);
    let checkpoint = appended.checkpoint.note().to_owned();
    let logged = Logged { entry: Blob(entry.to_bytes()), index: 0, proof: Vec::new(), checkpoint };
    office.verify_device_logged(device, &logged)?;
    Ok(())
}

pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    request: Result<Json<RevokeRequest>, JsonRejection>,
) -> Result<Json<Logged>, Failure> {
    let Json(RevokeRequest { jws }) = request?;
    let (for_check, word) = (app.clone(), jws.clone());
    let revocation = on_disk(move || {
        let checked = for_check.office.verify_revocation(&jws);
        checked.map_err(|why| Failure::new(StatusCode::FORBIDDEN, format!("the revocation was not accepted: {why}")))
    })
    .await?;
    let answer = app.hub.ask(|reply| Input::Revoke(revocation.device, word, reply)).await.ok_or_else(Failure::busy)?;
    let Reply::Logged(index) = answer?;
    Ok(Json(on_disk(move || Ok(app.prover.prove(index)?)).await?))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("invariant: writing to a String cannot fail");
        text
    })
}
