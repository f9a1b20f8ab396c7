//! Shifts: who is at a shared device of a place, such as an operations room or a car.
//!
//! A place's device has a key and a certificate of its own, which names the place ([`crate::Card::place`]). It signs in as every device
//! does, and gets nothing until somebody is on shift: a person of the office, who proved with their own passkey that they are there. The
//! server checks that proof, and the log has each shift. Other devices verify the place by its certificate; who is on shift there they
//! have from the server.

use crate::{Card, Digest, PersonId, ShiftId, message::Logged};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who is on shift at a device of a place, as the office's server says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OnShift {
    /// The shift.
    pub shift: ShiftId,
    /// Who.
    pub person: Card,
    /// Since when, milliseconds since 1970 UTC.
    pub since_ms: u64,
    /// Until when at most.
    pub until_ms: u64,
}

/// How a shift ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ShiftEnd {
    /// Whoever was on shift ended it.
    Ended,
    /// Somebody else began a shift at the device, or the same person another one.
    HandedOver,
    /// Nobody used the device for too long, or it was not connected.
    Idle,
    /// It lasted as long as one may, or the server's clock says that it has not begun yet.
    Expired,
    /// The device, or the one whose passkey began the shift, was revoked.
    Revoked,
    /// The log did not take its beginning in time: nobody worked in it.
    NotBegun,
    /// The server was restored from a backup that does not know it.
    Lost,
}

impl ShiftEnd {
    /// The name in the log and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::HandedOver => "handed_over",
            Self::Idle => "idle",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::NotBegun => "not_begun",
            Self::Lost => "lost",
        }
    }
}

/// What [`crate::entry::Entry::ShiftStarted`] says of the person: SHA-256 over the text *telcon shift of person 1* and a line feed, the
/// person's identifier and the shift's. Who knows the person's identifier finds their shifts in the log; nobody else learns anything
/// from it, not even which shifts are of one person.
pub fn shift_commitment(person: PersonId, shift: ShiftId, sha256: impl FnOnce(&[u8]) -> Digest) -> Digest {
    sha256(&[b"telcon shift of person 1\n", &person.as_bytes()[..], &shift.as_bytes()[..]].concat())
}

/// Answer to `POST /api/v1/shifts/challenge`: options of the WebAuthn ceremony with which a person begins this shift at this device, and
/// no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ShiftOptions {
    /// The shift that begins.
    pub shift: ShiftId,
    /// Which ceremony. It can be used once, for five minutes, by the device that began it.
    pub ceremony: String,
    /// `PublicKeyCredentialRequestOptionsJSON`. It names no credentials: anybody of the office may be there.
    pub options: Value,
}

/// Answer to `POST /api/v1/shifts`: the shift has begun. The device connects again, and is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ShiftBegun {
    /// Who is on shift.
    pub on_shift: OnShift,
    /// Proof that its beginning is in the log.
    pub logged: Logged,
}

/// A shift of a person in `GET /api/v1/sign-ins`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WorkedShift {
    /// Which.
    pub shift: ShiftId,
    /// The place.
    pub place: Card,
    /// When it began, milliseconds since 1970 UTC.
    pub from_ms: u64,
    /// When it ended; none while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
    /// How.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub how: Option<ShiftEnd>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commitment_is_to_person_and_shift() {
        let (person, shift) = (PersonId::from_bytes([2; 16]), ShiftId::from_bytes([3; 16]));
        let hashed = std::cell::RefCell::new(Vec::new());
        let digest = shift_commitment(person, shift, |bytes| {
            *hashed.borrow_mut() = bytes.to_vec();
            Digest::from_bytes([1; 32])
        });
        let expected = [&b"telcon shift of person 1\n"[..], &[2; 16], &[3; 16]].concat();
        assert_eq!((digest, hashed.into_inner()), (Digest::from_bytes([1; 32]), expected));
    }

    #[test]
    fn the_words_of_an_end_are_those_on_the_wire() {
        use ShiftEnd::*;
        for end in [Ended, HandedOver, Idle, Expired, Revoked, NotBegun, Lost] {
            assert_eq!(serde_json::to_value(end).unwrap(), end.as_str());
        }
    }
}
