//! Signatures that the server verifies before the switchboard hears of a message: sign-ins and rings. Time and what the store
//! knows are arguments; the socket calls this off the switchboard's thread, a simulation in virtual time.

use crate::{
    digest::sha256 as digest_of,
    store::{DeviceRow, DocumentStanding, LostDevice},
    switchboard::{
        DelegationEnding, NewDelegation, NewDeviceKey, NewDocument, NewLine, RefusedRing, SealedLine, VerifiedRing,
    },
};
use telcon_identity::{IdentityError, Mismatch, Office, Validity, VerifiedDelegation, split_sealed_form};
use telcon_proto::{
    Blob, DelegationId, DeviceId, DocumentId, LineId, ServerMessage, delegation::OnBehalf, message::RefusalCode,
};

/// Why a device does not sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedSignIn {
    /// What to tell it before the connection is closed.
    pub message: Box<ServerMessage>,
    /// Whether it did not prove that it has the device's key, or the device is not enrolled here.
    pub not_proven: bool,
}

/// Verifies a sign-in: the device is enrolled, its certificate is valid now, and it signed the challenge. `row` is what the
/// store has of the device.
///
/// Now is not before the device was enrolled: a server whose clock was set back signs in devices that it enrolled since, so that
/// those in a call come back to it, and how they end it is kept.
///
/// # Errors
/// [`RefusedSignIn`].
pub fn check_proof(
    office: &Office,
    row: Option<DeviceRow>,
    device: DeviceId,
    nonce: &[u8],
    jws: &str,
    now_ms: u64,
) -> Result<DeviceRow, RefusedSignIn> {
    // One sentence for both cases, so that enrolled devices cannot be enumerated.
    let not_proven = || {
        let text = "this device is not enrolled here, or its proof is not valid: ask your office for an enrolment link";
        RefusedSignIn { message: refused(text.to_owned()), not_proven: true }
    };
    // A device that the log does not have is not enrolled yet.
    let row = row.filter(|row| row.log_index.is_some()).ok_or_else(not_proven)?;
    let ders: Vec<&[u8]> = row.chain.iter().map(Blob::as_slice).collect();
    // One that is revoked is told so, also when its certificate has expired: it erases itself by that.
    let verified = match row.revoked_ms {
        Some(_) => office.identify(&ders),
        None => office.verify_chain(&ders, now_ms.max(row.enrolled_ms)),
    };
    let verified = verified.map_err(|why| {
        let message = match why {
            // The server's clock may be wrong for all devices: a device compares it with its own when it is challenged.
            IdentityError::Expired(Validity::Device) => {
                "this device cannot sign in: by the clock of the office's server its certificate has expired: compare that clock \
                 with this device's, and if they agree, enrol the device again"
                    .to_owned()
            }
            why => format!("this device cannot sign in: {why}"),
        };
        RefusedSignIn { message: refused(message), not_proven: false }
    })?;
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
    let verified = office.verify_ring(&jws, now_ms).map_err(|error| {
        let is_hostile = matches!(error, IdentityError::Hostile(_));
        let (code, why) = match error {
            IdentityError::Incompatible(Mismatch::WireVersion(_)) => {
                (RefusalCode::Version, format!("{error}: update this device"))
            }
            error => (RefusalCode::NotAllowed, error.to_string()),
        };
        RefusedRing { call: telcon_identity::claimed_call(&jws), code, why, is_hostile }
    })?;
    Ok(VerifiedRing { ring: verified.ring().clone(), jws, call_exists: false, line: None })
}

fn refused(message: String) -> Box<ServerMessage> {
    Box::new(ServerMessage::Refused { call: None, code: RefusalCode::NotSignedIn, message })
}

/// Verifies a delegation. Whether its id is new, and whether its sender may give it, is for the switchboard.
///
/// # Errors
/// Why not, as a sentence for its sender.
pub fn verify_delegation(office: &Office, statement: String) -> Result<NewDelegation, String> {
    let verified =
        office.verify_delegation(&statement).map_err(|error| format!("the delegation does not verify: {error}"))?;
    let (content, device) = (verified.content().clone(), verified.device().device());
    Ok(NewDelegation { content, device, sha256: verified.sha256(), statement, exists: false })
}

/// Verifies the end of a delegation. Whether its sender may end it is for the switchboard.
///
/// # Errors
/// Why not, as a sentence for its sender.
pub fn verify_delegation_end(office: &Office, statement: &str) -> Result<DelegationEnding, String> {
    let verified = office
        .verify_delegation_end(statement)
        .map_err(|error| format!("the end of the delegation does not verify: {error}"))?;
    let (delegation, by) = (verified.delegation(), verified.device().device());
    Ok(DelegationEnding { delegation, by, sha256: verified.sha256() })
}

/// Verifies the first version of a line that is offered, by its principal.
///
/// # Errors
/// Why not, as a sentence for its sender.
pub fn verify_first_line(office: &Office, statement: String) -> Result<NewLine, String> {
    let unverified = |error: IdentityError| format!("the line does not verify: {error}");
    let (statement, sealed) = take_sealed_form(office, &statement)?;
    let verified = office.verify_line(&statement).map_err(unverified)?;
    verified.check_delegation(None).map_err(unverified)?;
    let (content, by, sha256) = (verified.content().clone(), verified.device().device(), verified.sha256());
    Ok(NewLine { content, by, sha256, statement, sealed, follows: None, exists: false })
}

/// Takes the sealed form off a version of a line, which has one if and only if the charter names custodians. The server cannot open it: what
/// it is of, custodians see.
fn take_sealed_form(office: &Office, sent: &str) -> Result<(String, Option<SealedLine>), String> {
    let (statement, sealed) = split_sealed_form(sent).map_err(|error| error.to_string())?;
    match (sealed, office.custodians().is_empty()) {
        (None, true) => Ok((sent.to_owned(), None)),
        (Some(bytes), false) => Ok((statement.to_owned(), Some(SealedLine { sha256: digest_of(&bytes), bytes }))),
        (None, false) => {
            Err("this office seals its lines to custodians, and the sealed form is missing: update this device"
                .to_owned())
        }
        (Some(_), true) => Err("this office's charter names no custodians, and the line came sealed".to_owned()),
    }
}

/// What is known of a delegation when a statement is verified that names it.
pub trait DelegationHistory {
    /// The statement of a delegation that is in the log.
    ///
    /// # Errors
    /// Why it is not known.
    fn delegation(&self, delegation: &DelegationId) -> Result<Option<String>, String>;

    /// The delegation that a statement names, verified. None if it names none, or one that is not known.
    ///
    /// # Errors
    /// Why it is not known, or the sentence of `unverified` for one that does not verify.
    fn named(
        &self,
        office: &Office,
        on_behalf: Option<&OnBehalf>,
        unverified: impl Fn(IdentityError) -> String,
    ) -> Result<Option<VerifiedDelegation>, String> {
        let statement = on_behalf.map(|under| self.delegation(&under.delegation)).transpose()?.flatten();
        statement.map(|statement| office.verify_delegation(&statement)).transpose().map_err(unverified)
    }
}

/// What is known of a line when a version of it is verified.
pub trait LineHistory: DelegationHistory {
    /// The newest statement of a line that is in the log.
    ///
    /// # Errors
    /// Why it is not known, as a sentence for who sends the next one.
    fn newest_line(&self, line: &LineId) -> Result<Option<String>, String>;
}

/// Verifies a version of a line: its signature and content, the delegation that it names, and, where the version is known that it
/// names as the one before, that its signer may change what it changes. Whether that is the newest one, and whether its sender may
/// send it, is for the switchboard.
///
/// # Errors
/// Why not, as a sentence for its sender.
pub fn verify_line(office: &Office, statement: String, history: &impl LineHistory) -> Result<NewLine, String> {
    let unverified = |error: IdentityError| format!("this version of the line does not verify: {error}");
    let (statement, sealed) = take_sealed_form(office, &statement)?;
    let verified = office.verify_line(&statement).map_err(unverified)?;
    let content = verified.content().clone();
    let delegation = history.named(office, content.on_behalf.as_ref(), unverified)?;
    verified.check_delegation(delegation.as_ref()).map_err(unverified)?;
    let mut follows = None;
    if content.version > 1
        && let Some(before) = history.newest_line(&content.line)?
    {
        let before = office.verify_line(&before).map_err(unverified)?;
        if content.previous == Some(before.sha256()) {
            before.check_next(&verified).map_err(unverified)?;
            follows = content.previous;
        }
    }
    let (by, sha256) = (verified.device().device(), verified.sha256());
    Ok(NewLine { content, by, sha256, statement, sealed, follows, exists: false })
}

/// Verifies the statement of a device's key. Whether its sender is that device is for the switchboard.
///
/// # Errors
/// Why not, as a sentence for its sender.
pub fn verify_device_key(office: &Office, statement: String) -> Result<NewDeviceKey, String> {
    let verified =
        office.verify_device_key(&statement).map_err(|error| format!("this device's key does not verify: {error}"))?;
    Ok(NewDeviceKey { device: verified.device().device(), sha256: verified.sha256(), statement })
}

/// What is known of a document when a version of it is verified.
pub trait DocumentHistory: DelegationHistory {
    /// The newest statement of a document that is stored.
    ///
    /// # Errors
    /// Why it is not known, as a sentence for who sends the next one.
    fn newest_version(&self, document: &DocumentId) -> Result<Option<String>, String>;
}

/// Verifies a version of a document: its signature and content, that it is for this sealed file, the delegation that it names, and, where
/// the version is known that it names as the one before, that it may follow that. Whether that is the newest one is for the switchboard.
///
/// # Errors
/// Why not, as a sentence for its sender.
pub fn verify_document(
    office: &Office,
    statement: String,
    ciphertext: &[u8],
    history: &impl DocumentHistory,
) -> Result<NewDocument, String> {
    let unverified = |error: IdentityError| format!("this version of the document does not verify: {error}");
    let verified = office.verify_version(&statement).map_err(unverified)?;
    verified.check_ciphertext(ciphertext).map_err(unverified)?;
    let content = verified.content().clone();
    let delegation = history.named(office, content.on_behalf.as_ref(), unverified)?;
    verified.check_delegation(delegation.as_ref()).map_err(unverified)?;
    let mut follows = None;
    if content.version > 1
        && let Some(before) = history.newest_version(&content.document)?
    {
        let before = office.verify_version(&before).map_err(unverified)?;
        if content.previous == Some(before.sha256()) {
            before.check_next(&verified).map_err(unverified)?;
            follows = content.previous;
        }
    }
    let (by, sha256) = (verified.device().device(), verified.sha256());
    Ok(NewDocument { content, by, sha256, statement, follows, standing: DocumentStanding::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use telcon_identity::{Authority, DEVICE_VALIDITY_S, InviteSpec};
    use telcon_proto::{Card, OfficeName, PersonId, RecordMode, Role, SuiteName};

    const NOW: u64 = 1_800_000_000_000;
    const HOUR: u64 = 3_600_000;

    /// A device whose certificate has expired, or is not valid yet, is told which of the two it is, and that the server's clock may be
    /// wrong. What the server enrolled itself is valid whatever its clock was set back to.
    #[test]
    fn a_certificate_that_is_not_valid_now_is_refused_with_what_to_do() {
        let authority = Authority::create(SuiteName::Hybrid, &[1; 32], "office.example", "Office", NOW).unwrap();
        let log = telcon_log::LogSigner::from_seed(&[2; 32], "office.example/log").unwrap();
        let info = authority.office(&log.verifier_key().to_string(), RecordMode::LogOnly, NOW).unwrap();
        let office = Office::pin(&info, None).unwrap();
        let card = Card {
            person: PersonId::from_bytes([3; 16]),
            office: OfficeName::parse("office.example").unwrap(),
            name: "Person".into(),
            organisation: "Chancellery".into(),
            role: Role::Principal,
            zone: "UTC".into(),
            place: false,
        };
        let spec = InviteSpec {
            card: card.clone(),
            enrolment_id: [4; 16],
            enrolment_seed: [5; 32],
            now_ms: NOW,
            ttl_ms: HOUR,
        };
        let id = DeviceId::from_bytes([6; 16]);
        let (key, chain) = authority.invite(&spec).unwrap().enrol(&[7; 32], id, NOW).unwrap();
        let ders: Vec<&[u8]> = chain.iter().map(Vec::as_slice).collect();
        let cert_sha256 = office.verify_chain(&ders, NOW).unwrap().cert_sha256();
        let row = DeviceRow {
            device: id,
            card,
            chain: chain.iter().cloned().map(Blob).collect(),
            cert_sha256: telcon_proto::Digest::from_bytes(cert_sha256),
            enrolment: "04".repeat(16),
            enrolled_ms: NOW,
            revoked_ms: None,
            revocation: None,
            erase_ordered_ms: None,
            log_index: Some(0),
            revoked_index: None,
        };
        let jws = telcon_identity::sign_in(&key, "office.example", id, b"nonce");
        let enrolled_at = |enrolled_ms, now_ms| {
            let row = DeviceRow { enrolled_ms, ..row.clone() };
            match check_proof(&office, Some(row), id, b"nonce", &jws, now_ms) {
                Ok(_) => "signed in".to_owned(),
                Err(refused) => match *refused.message {
                    ServerMessage::Refused { code: RefusalCode::NotSignedIn, message, .. } => message,
                    other => panic!("{other:?}"),
                },
            }
        };
        let at = |now_ms| enrolled_at(NOW, now_ms);
        assert_eq!(at(NOW + HOUR), "signed in");
        let year_ms = DEVICE_VALIDITY_S * 1_000;
        assert_eq!(
            at(NOW + year_ms + 25 * HOUR),
            "this device cannot sign in: by the clock of the office's server its certificate has expired: compare that clock with \
             this device's, and if they agree, enrol the device again"
        );
        // One that is revoked proves its key, and is then told of its order.
        let revoked = DeviceRow { revoked_ms: Some(NOW + HOUR), ..row.clone() };
        let late_ms = NOW + 2 * year_ms;
        assert!(check_proof(&office, Some(revoked.clone()), id, b"nonce", &jws, late_ms).is_ok());
        assert!(check_proof(&office, Some(revoked), id, b"other", &jws, late_ms).unwrap_err().not_proven);
        // The server enrolled it, and its clock was set back since.
        for back_ms in [2 * HOUR, 25 * HOUR, 30 * 24 * HOUR] {
            assert_eq!(at(NOW - back_ms), "signed in", "{back_ms}");
        }
        assert_eq!(
            enrolled_at(NOW - 25 * HOUR, NOW - 25 * HOUR),
            "this device cannot sign in: a device certificate is not valid yet: check both devices' clocks"
        );
    }
}
