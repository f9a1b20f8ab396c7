//! Statements of registrars about recoveries: verified here, carried out by the switchboard. A refusal is sent to the registrar's
//! connection.

use super::App;
use crate::{
    hub::Input,
    store::StoreError,
    switchboard::{ConfirmingRecovery, OpeningRecovery, SessionId},
};
use std::sync::Arc;
use telcon_identity::{Registrar, claimed_recovery_id};
use telcon_proto::{Digest, PersonId};

/// A store that cannot be read.
fn unavailable(_: StoreError) -> String {
    "the server could not verify the statement: try again".to_owned()
}

/// Verifies that a registrar states that a person lost all devices.
pub(super) async fn open(app: Arc<App>, session: SessionId, person: PersonId, statement: String) {
    let for_check = app.clone();
    let checked = tokio::task::spawn_blocking(move || {
        let verified = for_check.office.verify_recovery(&statement);
        let verified = verified.map_err(|error| format!("the recovery does not verify: {error}"))?;
        if !verified.is_of(person) {
            return Err("the recovery does not verify: it is of another person".to_owned());
        }
        if for_check.reader.recovery(&verified.recovery()).map_err(unavailable)?.is_some() {
            return Err("a recovery of this id exists: open it again".to_owned());
        }
        let by = verified.registrar().device();
        Ok(OpeningRecovery { recovery: verified.recovery(), person, reason: verified.reason(), by, statement })
    });
    let opening = checked.await.unwrap_or_else(|_| Err("the server could not verify the statement: try again".into()));
    app.hub.send(Input::OpenRecovery(session, Box::new(opening))).await;
}

/// Verifies that another registrar confirms it, and the revocations that follow from it.
pub(super) async fn confirm(
    app: Arc<App>,
    session: SessionId,
    statement: String,
    token_sha256: Digest,
    revocations: Vec<String>,
) {
    let for_check = app.clone();
    let checked =
        tokio::task::spawn_blocking(move || check_confirmation(&for_check, statement, token_sha256, revocations));
    let confirming =
        checked.await.unwrap_or_else(|_| Err("the server could not verify the statement: try again".into()));
    let devices: Vec<_> =
        confirming.iter().flat_map(|confirming| confirming.revocations.iter().map(|(device, _)| *device)).collect();
    if let Some(Ok(_)) = app.hub.ask(|reply| Input::ConfirmRecovery(session, Box::new(confirming), reply)).await {
        devices.into_iter().for_each(|device| app.revoke_tokens(device));
    }
}

fn check_confirmation(
    app: &App,
    statement: String,
    token_sha256: Digest,
    revocations: Vec<String>,
) -> Result<ConfirmingRecovery, String> {
    let id = claimed_recovery_id(&statement).ok_or("the confirmation does not verify: it names no recovery")?;
    let row = app.reader.recovery(&id).map_err(unavailable)?.ok_or("this recovery is over")?;
    let unverified = |error| format!("the confirmation does not verify: {error}");
    let opened = app.office.verify_recovery(&row.statement).map_err(unverified)?;
    let verified = app.office.verify_recovery_confirmation(&statement, &opened).map_err(unverified)?;
    if app.reader.invitation(&verified.invitation()).map_err(unavailable)?.is_some() {
        return Err("an invitation of this id exists: confirm the recovery again".into());
    }
    let by = verified.registrar().device();
    let revocations = revocations.into_iter().map(|revocation| {
        let checked = app.office.verify_revocation(&revocation).map_err(unverified)?;
        let signer = checked.registrar().map(Registrar::device);
        if signer != Some(by) || !checked.erases() || !checked.is_allowed(row.card.role) {
            return Err(
                "the confirmation does not verify: a revocation is another's, or does not order to erase".into()
            );
        }
        Ok((checked.device(), revocation))
    });
    let revocations = revocations.collect::<Result<Vec<_>, String>>()?;
    Ok(ConfirmingRecovery {
        recovery: id,
        opened: row.statement,
        by,
        statement,
        invitation: verified.invitation(),
        token_sha256,
        devices: verified.devices().to_vec(),
        revocations,
    })
}
