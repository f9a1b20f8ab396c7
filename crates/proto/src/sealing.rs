//! Who may seal a record of a call: the one rule, which the server, the page and the auditor apply to what each of them knows.
//!
//! | condition | server | page | auditor |
//! |---|---|---|---|
//! | the role may write records ([`Action::WriteRecord`]) | yes | yes | yes |
//! | the certificate was valid when the record was signed | yes | yes | yes |
//! | the device was enrolled before the call ended | by log entry, once the end is logged | by log entry | by log entry |
//! | the device was not revoked before the record was logged | as the switchboard knows it then | – | by log entry |
//! | the device was in the call | as the switchboard knows it | – | when a custodian opens the record |

use crate::{
    Role,
    policy::{Action, allows},
};

/// The signer of a record, as far as it is known. Positions are indices of log entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealSigner {
    /// Role in the certificate.
    pub role: Role,
    /// When the record was signed, milliseconds since 1970 UTC.
    pub signed_ms: u64,
    /// First and last moment of the certificate's validity, milliseconds since 1970 UTC.
    pub valid_ms: (u64, u64),
    /// Position of the enrolment with this certificate; none if there is none.
    pub enrolled: Option<u64>,
    /// Position of the revocation, if any.
    pub revoked: Option<u64>,
    /// Whether the device was in the call, if that is known.
    pub was_member: Option<bool>,
}

/// The call whose record is sealed. Positions are indices of log entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SealedCall {
    /// Position of the end of the call, if it is known.
    pub ended: Option<u64>,
    /// Position of the record's own log entry, if it is known.
    pub sealed: Option<u64>,
}

/// Why a device may not have sealed a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealFlaw {
    /// Its role may not write records.
    #[error("its role, {}, may not seal records", .0.as_str())]
    Role(Role),
    /// Its certificate was not valid when it signed.
    #[error("its certificate was not valid when it signed")]
    Certificate,
    /// It was never enrolled with that certificate.
    #[error("it was not enrolled with that certificate at the time")]
    NotEnrolled,
    /// It was enrolled after the call had ended, and so cannot have heard it.
    #[error("it was enrolled only after the call had ended")]
    EnrolledLater,
    /// It had been revoked before the record was logged.
    #[error("it had been revoked before")]
    Revoked,
    /// It was not in the call.
    #[error("it was not in the call")]
    NotMember,
}

/// The conditions that the certificate alone decides.
///
/// # Errors
/// [`SealFlaw::Role`], [`SealFlaw::Certificate`].
pub fn check_certificate(role: Role, signed_ms: u64, valid_ms: (u64, u64)) -> Result<(), SealFlaw> {
    if !allows(role, Action::WriteRecord) {
        return Err(SealFlaw::Role(role));
    }
    match (valid_ms.0..=valid_ms.1).contains(&signed_ms) {
        true => Ok(()),
        false => Err(SealFlaw::Certificate),
    }
}

/// Whether this device may have sealed a record of this call.
///
/// ```
/// use telcon_proto::{Role, sealing::{SealFlaw, SealSigner, SealedCall, check_signer}};
///
/// let call = SealedCall { ended: Some(20), sealed: Some(21) };
/// let note_taker = SealSigner {
///     role: Role::NoteTaker, signed_ms: 5, valid_ms: (0, 9), enrolled: Some(3), revoked: None, was_member: Some(true),
/// };
/// assert_eq!(check_signer(&note_taker, &call), Ok(()));
/// let later = SealSigner { enrolled: Some(20), ..note_taker };
/// assert_eq!(check_signer(&later, &call), Err(SealFlaw::EnrolledLater));
/// ```
///
/// # Errors
/// The first condition that is violated.
pub fn check_signer(signer: &SealSigner, call: &SealedCall) -> Result<(), SealFlaw> {
    check_certificate(signer.role, signer.signed_ms, signer.valid_ms)?;
    let enrolled = signer.enrolled.ok_or(SealFlaw::NotEnrolled)?;
    if call.sealed.is_some_and(|sealed| enrolled >= sealed) {
        return Err(SealFlaw::NotEnrolled);
    }
    if call.ended.is_some_and(|ended| enrolled >= ended) {
        return Err(SealFlaw::EnrolledLater);
    }
    if let (Some(revoked), Some(sealed)) = (signer.revoked, call.sealed)
        && revoked < sealed
    {
        return Err(SealFlaw::Revoked);
    }
    match signer.was_member {
        Some(false) => Err(SealFlaw::NotMember),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_condition_is_decided_by_itself() {
        let call = SealedCall { ended: Some(20), sealed: Some(22) };
        let good = SealSigner {
            role: Role::NoteTaker,
            signed_ms: 5,
            valid_ms: (5, 5),
            enrolled: Some(19),
            revoked: Some(23),
            was_member: None,
        };
        assert_eq!(check_signer(&good, &call), Ok(()));
        for role in [Role::DutyOfficer, Role::Principal, Role::Counterpart] {
            assert_eq!(check_signer(&SealSigner { role, ..good }, &call), Err(SealFlaw::Role(role)));
        }
        for (signer, flaw) in [
            (SealSigner { signed_ms: 4, ..good }, SealFlaw::Certificate),
            (SealSigner { signed_ms: 6, ..good }, SealFlaw::Certificate),
            (SealSigner { enrolled: None, ..good }, SealFlaw::NotEnrolled),
            (SealSigner { enrolled: Some(22), ..good }, SealFlaw::NotEnrolled),
            (SealSigner { enrolled: Some(21), ..good }, SealFlaw::EnrolledLater),
            (SealSigner { revoked: Some(21), ..good }, SealFlaw::Revoked),
            (SealSigner { was_member: Some(false), ..good }, SealFlaw::NotMember),
        ] {
            assert_eq!(check_signer(&signer, &call), Err(flaw));
        }
        // What is not known excuses nobody of what is known.
        let unknown = SealedCall::default();
        assert_eq!(check_signer(&good, &unknown), Ok(()));
        assert_eq!(check_signer(&SealSigner { enrolled: None, ..good }, &unknown), Err(SealFlaw::NotEnrolled));
    }
}
