//! Who is who: the office authority, device certificates, signed rings. Signs and verifies; encrypts nothing.
//!
//! ```text
//! office authority          self-signed, its key offline; its digest is in every enrolment link
//!   └─ enrolment            one person, one link, one-time key in the link's fragment: the server never sees it
//!        └─ device          made and signed on the device; valid for a year; its digest is in the log
//! ```
//! A device trusts its home office, and any others that its [`TrustStore`] holds. What an identifier, a ring or a proof says of
//! its office chooses the authority and the log to verify with, and proves nothing.
//!
//! What a device believes are types that only verification can make: [`VerifiedDevice`] (the chain holds),
//! [`LoggedDevice`] (and is in the log), [`VerifiedRing`] (signed by such a device, now, for this office),
//! [`LoggedRing`] (and the call was opened in the log before).
//!
//! This crate has no clock, randomness, file or socket: seeds and times are arguments, and it builds for wasm32.
//!
//! # What each thing is trusted for
//! * **The authority's seed**: whoever has it can enrol anybody as anybody. Every enrolment shows in the log, or is refused.
//! * **An enrolment link**: whoever has it first, in its time, becomes that person on one device.
//! * **A device's seed**: whoever has it is that device until it is revoked.
//! * **The server**: for being there, for the order of entries and their time. It can issue, sign and change nothing here.

mod authority;
mod certificate;
mod chain;
mod checkpoint;
mod credential;
mod error;
mod invitation;
pub mod jws;
mod key;
mod logged;
mod name;
mod office;
mod ring;
mod statement;
mod trust;

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod parsers;
#[cfg(test)]
mod testkit;

pub use authority::{
    AUTHORITY_VALIDITY_S, Authority, CLOCK_TOLERANCE_S, DEVICE_VALIDITY_S, InviteSpec, MAX_INVITATION_TTL_S,
    REVOCATION_TYP,
};
pub use certificate::MAX_CERTIFICATE_BYTES;
pub use chain::VerifiedDevice;
pub use credential::{parse_x509_credential, x509_credential};
pub use error::{Flaw, IdentityError, Lapse, Mismatch, Misuse, Result};
pub use invitation::{Invitation, MAX_FRAGMENT_CHARS};
pub use key::{DeviceKey, SEED_BYTES, verify_signature};
pub use logged::{LoggedDevice, LoggedEntry, LoggedRing};
pub use office::Office;
pub use ring::{RING_MAX_FUTURE_MS, RING_TYP, VerifiedRing, sign_ring};
pub use statement::{RECORD_TYP, SIGN_IN_TYP, VerifiedRecord, sign_in, sign_record, verify_sign_in};
pub use trust::TrustStore;
