//! Signatures that the server verifies before the switchboard hears of a message: sign-ins and rings. Time and what the store
//! knows are arguments; the socket calls this off the switchboard's thread, a simulation in virtual time.

use crate::{
    store::{DeviceRow, LostDevice},
    switchboard::{RefusedRing, VerifiedRing},
};
use telcon_identity::{IdentityError, Mismatch, Office};
use telcon_proto::{Blob, DeviceId, ServerMessage, message::RefusalCode};

/// Verifies a sign-in: the device is enrolled, its certificate is valid now, and it signed the challenge. `row` is what the
/// store has of the device.
///
/// # Errors
/// What to tell the device before the connection is closed.
pub fn check_proof(
    office: &Office,
    row: Option<DeviceRow>,
    device: DeviceId,
    nonce: &[u8],
    jws: &str,
    now_ms: u64,
) -> Result<DeviceRow, Box<ServerMessage>> {
    // One sentence for both cases, so that enrolled devices cannot be enumerated.
    let not_proven = || {
        let text = "this device is not enrolled here, or its proof is not valid: ask your office for an enrolment link";
        refused(text.to_owned())
    };
    // A device that the log does not have is not enrolled yet.
    let row = row.filter(|row| row.log_index.is_some()).ok_or_else(not_proven)?;
    let ders: Vec<&[u8]> = row.chain.iter().map(Blob::as_slice).collect();
    let verified = office
        .verify_chain(&ders, now_ms)
        .map_err(|why| refused(format!("the device's certificate is not valid: {why}. Enrol again")))?;
    let (suite, public) = (verified.suite(), verified.public_key());
    telcon_identity::verify_sign_in(jws, suite, public, office.domain().as_str(), device, nonce)
        .map_err(|_| not_proven())?;
    Ok(row)
}

/// The answer to a device whose certificates are lost: its proof cannot be verified. That the device exists is public, by
/// the log.
pub fn refuse_lost(lost: &LostDevice) -> Box<ServerMessage> {
    if lost.revoked_ms.is_some() {
        return Box::new(ServerMessage::Revoked { jws: lost.revocation.clone() });
    }
    refused(
        "the office's server was restored from a backup that is older than this device: ask your office for a new enrolment \
         link, or to restore the certificates in its archive and start the server again"
            .to_owned(),
    )
}

/// Verifies a ring. Whether its call exists already is for the caller to look up.
///
/// # Errors
/// Why it does not hold.
pub fn verify_ring(office: &Office, jws: String, now_ms: u64) -> Result<VerifiedRing, RefusedRing> {
    let verified = office.verify_ring(&jws, now_ms).map_err(|error| match error {
        IdentityError::Incompatible(Mismatch::WireVersion(_)) => {
            RefusedRing { code: RefusalCode::Version, why: format!("{error}: update this device") }
        }
        error => RefusedRing { code: RefusalCode::NotAllowed, why: error.to_string() },
    })?;
    Ok(VerifiedRing { ring: verified.ring().clone(), jws, call_exists: false })
}

fn refused(message: String) -> Box<ServerMessage> {
    Box::new(ServerMessage::Refused { call: None, code: RefusalCode::NotSignedIn, message })
}
